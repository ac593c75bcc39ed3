//! What the engine is told and what it asks for: the whole interface between decisions and the world.

use std::collections::BTreeMap;

use super::{
    command::{Command, Key},
    decide::ZoneSeen,
    leadership::LeaseSeen,
    request::Request,
    restore::RegisterLife,
    state::FleetState,
};
use crate::{
    fleet::{Automation, Fleet},
    names::{Point, RegisterUid, RunName, ZoneName},
    routing::{FenceSeen, Observation, Outcome},
    time::Mono,
    verdict::{Assessment, Report},
};

/// What the engine is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// What the register holds: the answer to a load or a commit, or what a watch saw.
    Stored(Box<FleetState>),
    /// What the register holds: the answer to a load.
    Loaded {
        /// Its content.
        state: Box<FleetState>,
        /// The object that it came from.
        uid: RegisterUid,
        /// The object that the fleet's status names.
        known: Option<RegisterUid>,
        /// The highest epoch that the fleet's status has had.
        epoch: i64,
    },
    /// There is no register: the answer to a load.
    Missing {
        /// The one that the fleet's status names: there was one before.
        known: Option<RegisterUid>,
        /// The highest epoch that the fleet's status has had.
        epoch: i64,
    },
    /// A watch saw that the register is gone. Only a load can tell.
    Vanished,
    /// What a person has confirmed about a register that was lost or restored; none takes it back.
    Confirmed(Option<String>),
    /// The register is in a format that this binary does not know.
    TooNew {
        /// The format's version.
        version: i64,
    },
    /// A commit was not made: somebody else had changed the register.
    Lost,
    /// It is not known whether a commit was made, or a load failed.
    Unknown,
    /// A commit was not made, because the Gate, read live, did not allow it. None: it could not be read.
    GateShut(Option<Automation>),
    /// The heartbeat Lease, as a watch or a poll saw it.
    Lease(LeaseSeen),
    /// A renewal that began at `started` has come to its end.
    Beaten {
        /// When it began.
        started: Mono,
        /// Whether it was good.
        good: bool,
    },
    /// The validated snapshot.
    Fleet(Box<Fleet>),
    /// A vantage's report, and the version of the object that carried it.
    Report {
        /// What it says.
        report: Report,
        /// Changes with every write.
        version: String,
    },
    /// A look at a zone.
    Observed {
        /// Compared with the content of this commit.
        against: Point,
        /// What was seen.
        observation: Observation,
    },
    /// An agent's answer.
    Outcome(Key, Outcome),
    /// A `Failover` object is there.
    Request(RunName, Request),
    /// A `Failover` object was deleted.
    Withdrawn(RunName),
    /// Time has passed.
    Tick,
    /// The process is to end.
    Stop,
}

/// What the engine asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Read the register.
    Load,
    /// Write the register, if it is still as it was read.
    Commit {
        /// The new state.
        state: Box<FleetState>,
        /// The state that it replaces; the write must fail if the register holds another. None: there is none yet.
        base: Option<Point>,
        /// What the Gate, read live first, must say; if it does not, do not write.
        gate: GateAsk,
    },
    /// Renew the Lease.
    Beat,
    /// Give the Lease up.
    Release,
    /// Have an agent do this.
    Perform(Key, Command),
    /// This is no longer wanted; its outcome will not be read.
    Forget(Key),
    /// Show this to people.
    Project(Box<Picture>),
    /// No longer the leader: stop every agent.
    StepDown(String),
    /// Call again by then at the latest.
    WakeAt(Mono),
}

/// What `Fleet.spec.automation`, read live, must say for a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateAsk {
    /// Anything: nothing automatic begins.
    #[default]
    Nothing,
    /// Approve or Automatic: a person has agreed.
    Approve,
    /// Automatic.
    Automatic,
}

impl GateAsk {
    /// Whether this is enough.
    pub fn is_met_by(self, automation: Automation) -> bool {
        match self {
            Self::Nothing => true,
            Self::Approve => matches!(automation, Automation::Approve | Automation::Automatic),
            Self::Automatic => automation == Automation::Automatic,
        }
    }
}

/// Everything that views are made of.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The register, if there is one.
    pub state: Option<FleetState>,
    /// The fleet, if it is known.
    pub fleet: Option<Fleet>,
    /// What the vantages say.
    pub assessment: Assessment,
    /// The newest look at every zone.
    pub zones: BTreeMap<ZoneName, ZoneSeen>,
    /// Effects that are not done, with the reason.
    pub troubles: Vec<String>,
    /// Zones whose fence keeps this fleet out, as this replica found it when it last tried as the leader.
    pub fenced: BTreeMap<ZoneName, FenceSeen>,
    /// Whether this replica leads.
    pub leading: bool,
    /// What is known of the register itself.
    pub register: RegisterLife,
    /// `Failover` objects that will not run, because their run is over and forgotten or was lost with a register.
    pub leftovers: Vec<RunName>,
}
