//! A testbed for a person: three regions with stamps and DNS, one API server, switches.

use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    apiserver::Cluster,
    dns::Dns,
    etcd::Etcd,
    manifests,
    net::{Subnet, free_address},
    process::{Launch, Process},
    region::REGIONS,
    run_dir::RunDir,
    scenario::{dns_plan, start_stamps},
    stamps_http::{Stamps, serve_control},
    state::{State, start_ticks},
    wait,
};

/// The namespace of the fleet.
pub const NAMESPACE: &str = "lifeboat";
/// The zone that is served.
pub const ZONE: &str = "demo.lifeboat.test";
/// Enough that a region can lose one and still serve.
pub const STAMPS_PER_REGION: usize = 3;
/// All of it starts within 10 s; beside compilers it takes longer.
const UP_WITHIN: Duration = Duration::from_mins(3);
/// Ending it is a few kills and the removal of a folder.
const DOWN_WITHIN: Duration = Duration::from_secs(30);

/// A running testbed. Dropping it ends everything, in the order of the fields.
pub struct Running {
    children: Vec<Process>,
    stamps: Arc<Stamps>,
    control: SocketAddr,
    control_task: JoinHandle<std::io::Result<()>>,
    dns: Dns,
    cluster: Cluster,
    _etcd: Etcd,
    subnet: Subnet,
    folder: RunDir,
}

impl Running {
    /// Starts everything and waits until it answers.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = RunDir::new()?;
        let subnet = Subnet::take(ZONE)?;
        let etcd = Etcd::start(&folder.sub("etcd")?).await?;
        let cluster = Cluster::start(&etcd, "hub", &folder.sub("hub")?).await?;
        let client = cluster.client().await?;
        manifests::apply_all(&client).await?;
        manifests::create_namespace(&client, NAMESPACE).await?;
        let dns = Dns::start(&dns_plan(&subnet, ZONE, REGIONS[0].name)?, folder.path()).await?;
        let stamps = Arc::new(start_stamps(&subnet, STAMPS_PER_REGION).await?);
        let listener = TcpListener::bind(free_address()?).await?;
        let control = listener.local_addr()?;
        let control_task = tokio::spawn(serve_control(Arc::clone(&stamps), listener));
        Ok(Self {
            children: Vec::new(),
            stamps,
            control,
            control_task,
            dns,
            cluster,
            _etcd: etcd,
            subnet,
            folder,
        })
    }

    /// Starts another process that ends with the testbed: an operator, a monitor.
    pub fn launch(&mut self, launch: Launch) -> anyhow::Result<()> {
        self.children.push(launch.start()?);
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

    /// The Kubernetes cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The /24 that stamps and DNS servers live in.
    pub fn subnet(&self) -> &Subnet {
        &self.subnet
    }

    /// The scratch folder.
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
            kubeconfig: self.cluster.admin_kubeconfig_file()?,
            namespace: NAMESPACE.to_owned(),
            zone: ZONE.to_owned(),
            dns: self.dns.servers().iter().map(|s| (s.region().to_owned(), s.address())).collect(),
            control: self.control,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.control_task.abort();
    }
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
