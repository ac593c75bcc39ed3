//! A whole fleet at work: three regions with stamps and DNS, a vantage in each and one outside, operators, and the
//! quickstart's timings. A scenario breaks a part of it and watches what follows.

mod look;
mod objects;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::process::Signal;
use stamps::fleet::Automation;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit},
    task::JoinHandle,
};

pub use self::look::{Change, Journal, Routes, Writes};
use crate::{
    net::free_address,
    region::REGIONS,
    scenario::{Replica, Scenario},
    stamps_http::{Behaviour, Stamps},
};

/// Fleets at work at the same time in one test process. Each is about fifteen processes.
const WORLDS_AT_ONCE: usize = 2;
/// Lines of each operator's log that a failed scenario shows.
const OPERATOR_LOG_LINES: usize = 60;
/// The same of each vantage's.
const MONITOR_LOG_LINES: usize = 8;
/// From nothing to a fleet that is served and judged well. It takes about 8 s on an idle machine.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// From a region's death to a succeeded run: 3 ticks, 2 s of hold, the update, 4 s of drain. About 10 s on an idle
/// machine, and compilers may run beside.
pub const FAILOVER_WITHIN: Duration = Duration::from_mins(1);

static ROOM: Semaphore = Semaphore::const_new(WORLDS_AT_ONCE);

/// What a fleet is to be like.
#[derive(Clone, Debug)]
pub struct Design {
    /// Names the namespace and the zone.
    pub name: &'static str,
    /// The region of the DNS server that takes updates.
    pub dns_primary: &'static str,
    /// Stamps in each region, at most nine.
    pub stamps_per_region: usize,
    /// The Gate.
    pub automation: Automation,
    /// Stages of every run in per cent, and how long each stands.
    pub ramp: (Vec<u32>, &'static str),
    /// How long evidence must stand before anything starts.
    pub hold_s: u32,
    /// Hosts that every serving stamp answers for; then the zone's routing is Shared.
    pub shared_hosts: Vec<&'static str>,
    /// Stamps whose data one stamp writes.
    pub single_writers: Vec<&'static str>,
    /// Tenants, named `t-000` and so on.
    pub tenants: usize,
    /// The environment of each replica of the operator; as many are started, the first alone until it leads.
    pub operators: Vec<Vec<(&'static str, &'static str)>>,
}

impl Design {
    /// Three regions of two stamps, one operator, the DNS primary in the second region.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            dns_primary: REGIONS[1].name,
            stamps_per_region: 2,
            automation: Automation::Automatic,
            ramp: (vec![100], "0s"),
            hold_s: 2,
            shared_hosts: Vec::new(),
            single_writers: Vec::new(),
            tenants: 0,
            operators: vec![Vec::new()],
        }
    }
}

/// The fleet at work. Dropping it ends everything it started.
pub struct World {
    /// Its namespace, zone, addresses and DNS.
    pub scenario: Scenario,
    /// What serves.
    pub stamps: Stamps,
    /// Replicas of the operator, in the order of their start: `operator-1` first.
    pub operators: Vec<Replica>,
    /// Vantages: one in each region, then one outside.
    pub monitors: Vec<Replica>,
    design: Design,
    client: kube::Client,
    control: Control,
    passed: bool,
    _room: SemaphorePermit<'static>,
}

/// Runs `test` in a fleet that is up and well. Shows the operators' logs if it fails.
pub async fn in_world(
    design: Design,
    test: impl AsyncFnOnce(&mut World) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut world = World::start(design).await?;
    world.ready().await?;
    let result = test(&mut world).await;
    world.passed = result.is_ok();
    result
}

impl World {
    async fn start(design: Design) -> anyhow::Result<Self> {
        let room = ROOM.acquire().await?;
        let scenario = Scenario::with_primary(design.name, design.dns_primary).await?;
        let stamps = scenario.stamps(design.stamps_per_region).await?;
        let client = scenario.client().await?;
        let control = Control::start(free_address()?).await?;
        let address = control.address;
        let mut world = Self {
            scenario,
            stamps,
            operators: Vec::new(),
            monitors: Vec::new(),
            design,
            client,
            control,
            passed: false,
            _room: room,
        };
        objects::create_all(&world).await?;
        for (vantage, region) in objects::vantages() {
            world.monitors.push(world.scenario.monitor(&vantage, region, &[address])?);
        }
        for (n, environment) in (1..).zip(world.design.operators.clone()) {
            world.operators.push(world.scenario.operator_with(n, &environment)?);
            if n == 1 {
                let leads = world.until_leader("operator-1", READY_WITHIN).await;
                leads.context("the first operator should lead")?;
            }
        }
        Ok(world)
    }

    /// Waits until everything is well, served as wanted, and every tenant answers.
    async fn ready(&self) -> anyhow::Result<()> {
        self.until("the fleet to be well", READY_WITHIN, async || self.all_well().await).await?;
        self.until("every tenant to have a home", READY_WITHIN, async || self.all_placed().await).await
    }

    /// Takes a region away: its stamps, and its DNS server if that is not the primary.
    pub async fn kill_region(&mut self, region: &str) -> anyhow::Result<Instant> {
        let died = Instant::now();
        self.stamps.set_region(region, Behaviour::Dead).await?;
        if region != self.design.dns_primary {
            self.scenario.dns_mut().server_mut(region)?.process().kill()?;
        }
        Ok(died)
    }

    /// Brings a region back.
    pub async fn revive_region(&mut self, region: &str) -> anyhow::Result<()> {
        if region != self.design.dns_primary {
            self.scenario.dns_mut().server_mut(region)?.process().restart()?;
            self.scenario.dns_mut().wait_ready().await?;
        }
        self.stamps.set_region(region, Behaviour::Healthy).await
    }

    /// Cuts every vantage off from what is not ours: it no longer knows whether it sees.
    pub async fn cut_sight(&mut self) {
        self.control.stop().await;
    }

    /// Gives every vantage its sight back.
    pub async fn restore_sight(&mut self) -> anyhow::Result<()> {
        self.control = Control::start(self.control.address).await?;
        Ok(())
    }

    /// Sends every vantage a signal.
    pub fn signal_monitors(&self, signal: Signal) -> anyhow::Result<()> {
        self.monitors.iter().try_for_each(|monitor| monitor.process.signal(signal))
    }

    /// The design that it was made from.
    pub fn design(&self) -> &Design {
        &self.design
    }
}

/// What vantages check their own sight against: takes connections and ends them.
#[derive(Debug)]
struct Control {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Control {
    async fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let task = tokio::spawn(async move {
            // Those that are not taken in would fill the listener's queue within seconds of a region's death.
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream);
            }
        });
        Ok(Self { address, task })
    }

    /// Ends it, and waits until it is gone.
    async fn stop(&mut self) {
        self.task.abort();
        // The result says only that it was aborted.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for World {
    #[expect(
        clippy::print_stderr,
        reason = "the log of a failed scenario is for the person who reads the test"
    )]
    fn drop(&mut self) {
        if self.passed {
            return;
        }
        for (replicas, lines) in [(&self.monitors, MONITOR_LOG_LINES), (&self.operators, OPERATOR_LOG_LINES)]
        {
            for Replica { process, .. } in replicas {
                eprintln!("--- the end of {}:\n{}\n", process.log().display(), process.log_end(lines));
            }
        }
    }
}
