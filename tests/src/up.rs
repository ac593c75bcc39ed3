//! A testbed for a person: the world of `examples/quickstart`, an API server, the operator and the vantages.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    apiserver::Cluster,
    dns::{Dns, DnsPlan, TSIG_ALGORITHM},
    etcd::Etcd,
    manifests,
    net::{Subnet, free_address},
    quickstart::Quickstart,
    replica::{self, Replica},
    run_dir::RunDir,
    stamps_http::{Stamp, Stamps, serve_control},
    state::{State, start_ticks},
    wait,
};

/// The namespace of the fleet.
pub const NAMESPACE: &str = "lifeboat";
/// Replicas of the operator: one leads, one waits.
pub const OPERATORS: usize = 2;
/// Things that are not ours and in no region, for vantages to check their own sight against.
const CONTROL_TARGETS: usize = 3;
/// All of it starts within 15 s; beside compilers it takes longer.
const UP_WITHIN: Duration = Duration::from_mins(3);
/// Ending it is a few kills and the removal of a folder.
const DOWN_WITHIN: Duration = Duration::from_secs(30);

/// A running testbed. Dropping it ends everything, in the order of the fields.
pub struct Running {
    operators: Vec<Replica>,
    monitors: BTreeMap<String, Replica>,
    tasks: JoinSet<()>,
    stamps: Arc<Stamps>,
    control: SocketAddr,
    dns: Dns,
    cluster: Cluster,
    _etcd: Etcd,
    _subnets: Vec<Subnet>,
    quickstart: Quickstart,
    folder: RunDir,
}

impl Running {
    /// Starts everything and waits until it answers; `tell` hears how far it is.
    pub async fn start(tell: impl Fn(&str)) -> anyhow::Result<Self> {
        let quickstart = Quickstart::read()?;
        let folder = RunDir::new()?;
        let subnets = quickstart.subnets().into_iter().map(Subnet::exactly).collect::<Result<_, _>>()?;
        let etcd = Etcd::start(&folder.sub("etcd")?).await?;
        let cluster = Cluster::start(&etcd, "hub", &folder.sub("hub")?).await?;
        let client = cluster.client().await?;
        manifests::apply_all(&client).await?;
        manifests::create_namespace(&client, NAMESPACE).await?;
        tell("etcd and the Kubernetes API server answer, our kinds and roles are in it");
        let dns = Dns::start(&dns_plan(&quickstart)?, folder.path()).await?;
        create_key(&client, &quickstart.key_secret, &dns).await?;
        let mut stamps = Stamps::default();
        for place in &quickstart.stamps {
            stamps.add(Stamp::start(&place.name, &place.geode, place.address).await?);
        }
        tell(&format!(
            "{} DNS servers serve {}, {} stamps listen",
            dns.servers().len(),
            quickstart.zone,
            stamps.all().len()
        ));
        let listener = TcpListener::bind(free_address()?).await?;
        let control = listener.local_addr()?;
        let mut running = Self {
            operators: Vec::new(),
            monitors: BTreeMap::new(),
            tasks: JoinSet::new(),
            stamps: Arc::new(stamps),
            control,
            dns,
            cluster,
            _etcd: etcd,
            _subnets: subnets,
            quickstart,
            folder,
        };
        let stamps = Arc::clone(&running.stamps);
        running.tasks.spawn(async move {
            if let Err(error) = serve_control(stamps, listener).await {
                tracing::warn!(%error, "the switches of the stamps ended");
            }
        });
        running.start_ours().await?;
        tell(&format!(
            "{} operator replicas and {} vantages run",
            running.operators.len(),
            running.monitors.len()
        ));
        Ok(running)
    }

    /// The operator's replicas and the vantages.
    async fn start_ours(&mut self) -> anyhow::Result<()> {
        let mut targets = Vec::new();
        for _ in 0..CONTROL_TARGETS {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            targets.push(listener.local_addr()?);
            self.tasks.spawn(async move {
                loop {
                    // A connection is all that is asked for.
                    drop(listener.accept().await);
                }
            });
        }
        let fleet =
            replica::Fleet { cluster: &self.cluster, namespace: NAMESPACE, folder: self.folder.path() };
        for n in 1..=OPERATORS {
            self.operators.push(fleet.operator(n, &[])?);
        }
        for place in &self.quickstart.vantages {
            let monitor = fleet.monitor(&place.name, &place.region, &targets)?;
            self.monitors.insert(place.name.clone(), monitor);
        }
        Ok(())
    }

    /// The stamps.
    pub fn stamps(&self) -> &Arc<Stamps> {
        &self.stamps
    }

    /// The DNS servers.
    pub fn dns(&mut self) -> &mut Dns {
        &mut self.dns
    }

    /// The replicas of the operator.
    pub fn operators(&mut self) -> &mut [Replica] {
        &mut self.operators
    }

    /// The vantages of a region.
    pub fn monitors_in(&mut self, region: &str) -> impl Iterator<Item = &mut Replica> {
        let places = &self.quickstart.vantages;
        let here = move |name: &String| places.iter().any(|v| v.name == *name && v.region == region);
        self.monitors.iter_mut().filter(move |(name, _)| here(name)).map(|(_, monitor)| monitor)
    }

    /// The Kubernetes cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The world that it plays.
    pub fn quickstart(&self) -> &Quickstart {
        &self.quickstart
    }

    /// The scratch folder, with every log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What other processes may know.
    pub fn state(&self) -> anyhow::Result<State> {
        let pid = std::process::id();
        Ok(State {
            pid,
            started_ticks: start_ticks(pid).context("read our own start time")?,
            api_server: self.cluster.address(),
            cluster_folder: self.folder.sub("hub")?,
            kubeconfig: self.cluster.person_kubeconfig_file(NAMESPACE)?,
            namespace: NAMESPACE.to_owned(),
            zone: self.quickstart.zone.clone(),
            dns: self.dns.servers().iter().map(|s| (s.region().to_owned(), s.address())).collect(),
            status: self.operators.iter().map(|operator| operator.address).collect(),
            control: self.control,
        })
    }
}

/// One server in each geode, on the addresses that the TrafficPolicy names.
fn dns_plan(quickstart: &Quickstart) -> anyhow::Result<DnsPlan> {
    let first = quickstart.servers.first().context("the quickstart names no name server")?;
    let port = first.address.port();
    let mut servers = Vec::new();
    for place in &quickstart.servers {
        let IpAddr::V4(address) = place.address.ip() else {
            bail!("{} is not an IPv4 address", place.address)
        };
        ensure!(place.address.port() == port, "the quickstart's name servers must share one port");
        servers.push((place.geode.clone(), address));
    }
    let primary = quickstart.servers.iter().find(|place| place.primary);
    Ok(DnsPlan {
        zones: vec![quickstart.zone.clone()],
        servers,
        primary: primary.context("the quickstart names no primary")?.geode.clone(),
        port,
    })
}

/// The Secret that the TrafficPolicy names.
async fn create_key(client: &Client, name: &str, dns: &Dns) -> anyhow::Result<()> {
    let key = dns.update_key();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": name },
        "type": "Opaque",
        "stringData": { "name": key.name, "algorithm": TSIG_ALGORITHM, "secret": key.secret },
    }))?;
    Api::namespaced(client.clone(), NAMESPACE).create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// Starts `testbed up` in the background, and waits until it is ready.
pub async fn detach(path: &Path) -> anyhow::Result<State> {
    if let Some(state) = State::read(path)? {
        return Ok(state);
    }
    let log_path = path.with_extension("log");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let log = OpenOptions::new().create(true).write(true).truncate(true).open(&log_path)?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("up")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // It outlives the terminal's Ctrl-C.
        .process_group(0)
        .spawn()
        .context("start the testbed")?;
    wait::until("the testbed to be ready", UP_WITHIN, || {
        let ended = child.try_wait();
        let state = State::read(path);
        let log_path = &log_path;
        async move {
            if let Some(status) = ended? {
                let log = fs::read_to_string(log_path).unwrap_or_default();
                return Ok(Err(anyhow::anyhow!("the testbed ended ({status}):\n{log}")));
            }
            state?.map(Ok).context("it is starting")
        }
    })
    .await?
}

/// Ends a testbed that runs in the background, and waits until it is gone.
pub async fn down(path: &Path) -> anyhow::Result<State> {
    let Some(state) = State::read(path)? else { bail!("no testbed is running") };
    let pid = i32::try_from(state.pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("the state file holds no process id")?;
    kill_process(pid, Signal::TERM)?;
    wait::until("the testbed to end", DOWN_WITHIN, || async {
        match State::read(path)? {
            Some(_) => bail!("it is still running"),
            None => Ok(()),
        }
    })
    .await?;
    Ok(state)
}
