//! Stamps: a small HTTP service each, whose behaviour a scenario switches while it runs.

mod behaviour;
mod control;
mod server;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub use self::{
    behaviour::{Behaviour, UnknownBehaviour},
    control::serve_control,
};

/// The port of all stamps, as each has its own address.
pub const PORT: u16 = 8080;
/// The path that probes ask.
pub const HEALTH_PATH: &str = "/healthz";
/// The header that names the stamp that answered.
pub const STAMP_HEADER: &str = "x-stamp";

/// How many requests a stamp has read, answered or not.
#[derive(Debug, Default)]
pub struct Counters {
    health: AtomicU64,
    other: AtomicU64,
}

impl Counters {
    /// Requests for [`HEALTH_PATH`].
    pub fn health(&self) -> u64 {
        self.health.load(Ordering::Relaxed)
    }

    /// All other requests: what clients ask.
    pub fn other(&self) -> u64 {
        self.other.load(Ordering::Relaxed)
    }
}

/// One stamp. Dropping it ends it with its connections.
#[derive(Debug)]
pub struct Stamp {
    name: String,
    region: String,
    address: SocketAddr,
    counters: Arc<Counters>,
    wanted: watch::Sender<Behaviour>,
    applied: watch::Receiver<Behaviour>,
    task: JoinHandle<()>,
}

impl Stamp {
    /// Starts a healthy one.
    pub async fn start(name: &str, region: &str, address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address} for stamp {name}"))?;
        let (wanted, changes) = watch::channel(Behaviour::Healthy);
        let (done, applied) = watch::channel(Behaviour::Healthy);
        let counters = Arc::new(Counters::default());
        let service =
            server::Service { name: Arc::from(name), counters: Arc::clone(&counters), behaviour: changes };
        let task = tokio::spawn(server::run(service, listener, done));
        let (name, region) = (name.to_owned(), region.to_owned());
        Ok(Self { name, region, address, counters, wanted, applied, task })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The region it stands in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where it listens when it does.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How it behaves now.
    pub fn behaviour(&self) -> Behaviour {
        *self.applied.borrow()
    }

    /// Switches it, and waits until new connections see the change.
    pub async fn set(&self, behaviour: Behaviour) -> anyhow::Result<()> {
        self.wanted.send_replace(behaviour);
        let mut applied = self.applied.clone();
        applied
            .wait_for(|now| *now == behaviour)
            .await
            .with_context(|| format!("stamp {} has ended", self.name))?;
        Ok(())
    }
}

impl Drop for Stamp {
    fn drop(&mut self) {
        // Its connections end by themselves when `wanted` is gone.
        self.task.abort();
    }
}

/// The stamps of a fleet.
#[derive(Debug, Default)]
pub struct Stamps {
    stamps: Vec<Stamp>,
}

impl Stamps {
    /// Adds a stamp.
    pub fn add(&mut self, stamp: Stamp) {
        self.stamps.push(stamp);
    }

    /// All of them.
    pub fn all(&self) -> &[Stamp] {
        &self.stamps
    }

    /// One by name.
    pub fn get(&self, name: &str) -> anyhow::Result<&Stamp> {
        self.stamps.iter().find(|s| s.name == name).with_context(|| format!("there is no stamp {name}"))
    }

    /// Those of a region.
    pub fn in_region<'a>(&'a self, region: &'a str) -> impl Iterator<Item = &'a Stamp> {
        self.stamps.iter().filter(move |s| s.region == region)
    }

    /// Switches every stamp of a region.
    pub async fn set_region(&self, region: &str, behaviour: Behaviour) -> anyhow::Result<()> {
        for stamp in self.in_region(region) {
            stamp.set(behaviour).await?;
        }
        Ok(())
    }
}
