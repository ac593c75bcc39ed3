//! A scenario's own corner of a shared testbed: a namespace, a zone, a /24 and its DNS servers.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use kube::Client;
use tokio::sync::OnceCell;

use crate::{
    apiserver::Cluster,
    dns::{self, Dns, DnsPlan},
    etcd::Etcd,
    manifests,
    net::Subnet,
    region::REGIONS,
    replica::Fleet,
    run_dir::RunDir,
    stamps_http::{self, Stamp, Stamps},
    state::{self, State},
};

pub use crate::{
    replica::Replica,
    wait::{until, wait_for},
};

/// etcd and an API server with our kinds and roles. The fields end in this order.
pub struct Testbed {
    cluster: Cluster,
    _etcd: Option<Etcd>,
    _folder: Option<RunDir>,
}

impl Testbed {
    /// The one of this test process: started by the first who asks, or the running one that
    /// `LIFEBOAT_TESTBED` names.
    pub async fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceCell<Testbed> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                match std::env::var_os(state::VARIABLE) {
                    Some(path) => Self::attach(Path::new(&path)).await,
                    None => Self::start().await,
                }
            })
            .await
    }

    /// Starts one that ends when it is dropped.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = RunDir::new()?;
        let etcd = Etcd::start(&folder.sub("etcd")?).await?;
        let cluster = Cluster::start(&etcd, "hub", &folder.sub("hub")?).await?;
        manifests::apply_all(&cluster.client().await?).await?;
        Ok(Self { cluster, _etcd: Some(etcd), _folder: Some(folder) })
    }

    async fn attach(path: &Path) -> anyhow::Result<Self> {
        let state = State::read(path)?.with_context(|| {
            format!("{} names {}, and no testbed of that file is running", state::VARIABLE, path.display())
        })?;
        let cluster = Cluster::attach("hub", state.api_server, &state.cluster_folder)?;
        manifests::apply_all(&cluster.client().await?).await?;
        Ok(Self { cluster, _etcd: None, _folder: None })
    }

    /// Its Kubernetes cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

/// A scenario's corner. What it started ends with it; its namespace stays, as nothing collects it.
pub struct Scenario {
    dns: Dns,
    zone: String,
    namespace: String,
    subnet: Subnet,
    cluster: &'static Cluster,
    folder: RunDir,
}

impl Scenario {
    /// Makes one with a DNS server in each region, the primary in the first.
    pub async fn new(name: &str) -> anyhow::Result<Self> {
        Self::with_primary(name, REGIONS[0].name).await
    }

    /// Makes one with the DNS primary in a region of choice.
    pub async fn with_primary(name: &str, region: &str) -> anyhow::Result<Self> {
        let cluster = Testbed::shared().await?.cluster();
        let folder = RunDir::new()?;
        let subnet = Subnet::take(name)?;
        // Unique on an API server that outlives this process.
        let namespace = format!("{name}-{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        manifests::create_namespace(&cluster.client().await?, &namespace).await?;
        let zone = format!("{name}.lifeboat.test");
        let plan = dns_plan(&subnet, &zone, region)?;
        let dns = Dns::start(&plan, folder.path()).await?;
        Ok(Self { dns, zone, namespace, subnet, cluster, folder })
    }

    /// The namespace of its fleet.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its zone, without a final dot.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Its /24.
    pub fn subnet(&self) -> &Subnet {
        &self.subnet
    }

    /// The Kubernetes cluster it lives in.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// A client that may do everything; for this test's runtime only.
    pub async fn client(&self) -> anyhow::Result<Client> {
        self.cluster.client().await
    }

    /// Its DNS servers.
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// Its DNS servers, to be killed or restarted.
    pub fn dns_mut(&mut self) -> &mut Dns {
        &mut self.dns
    }

    /// A scratch folder for files of the scenario.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts so many healthy stamps in each region, named `weu-1` and so on.
    pub async fn stamps(&self, per_region: usize) -> anyhow::Result<Stamps> {
        start_stamps(&self.subnet, per_region).await
    }

    /// Starts the n-th replica of the operator.
    pub fn operator(&self, n: usize) -> anyhow::Result<Replica> {
        self.operator_with(n, &[])
    }

    /// Starts the n-th replica of the operator with variables in its environment.
    pub fn operator_with(&self, n: usize, environment: &[(&str, &str)]) -> anyhow::Result<Replica> {
        self.fleet().operator(n, environment)
    }

    /// Starts a vantage, with what it checks its own sight against.
    pub fn monitor(&self, vantage: &str, region: &str, control: &[SocketAddr]) -> anyhow::Result<Replica> {
        self.fleet().monitor(vantage, region, control)
    }

    /// A kubeconfig file of a user with a role in this namespace.
    pub fn kubeconfig(&self, user: &str, role: &str) -> anyhow::Result<PathBuf> {
        self.fleet().kubeconfig(user, role)
    }

    fn fleet(&self) -> Fleet<'_> {
        Fleet { cluster: self.cluster, namespace: &self.namespace, folder: self.folder.path() }
    }
}

/// One server in each region, one zone.
fn dns_plan(subnet: &Subnet, zone: &str, primary: &str) -> anyhow::Result<DnsPlan> {
    let mut servers = Vec::new();
    for (index, region) in REGIONS.iter().enumerate() {
        servers.push((region.name.to_owned(), subnet.dns(index)?));
    }
    Ok(DnsPlan { zones: vec![zone.to_owned()], servers, primary: primary.to_owned(), port: dns::PORT })
}

/// Healthy stamps in each region.
async fn start_stamps(subnet: &Subnet, per_region: usize) -> anyhow::Result<Stamps> {
    let mut stamps = Stamps::default();
    for (index, region) in REGIONS.iter().enumerate() {
        for number in 1..=per_region {
            let address = SocketAddr::from((subnet.stamp(index, number)?, stamps_http::PORT));
            stamps.add(Stamp::start(&format!("{}-{number}", region.short), region.name, address).await?);
        }
    }
    Ok(stamps)
}
