//! The register's content: one document that says everything Lifeboat has decided.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    net::IpAddr,
    str::FromStr,
};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::phase::{Phase, StepKind, StepState};
use crate::{
    fleet::{Capacity, Fleet, Stamp, StampLifecycle},
    names::{FleetUid, GeodeName, Point, ReplicaName, RunName, StampName, ZoneName},
    routing::{Move, Routes},
};

/// The newest register format that this binary writes and understands.
pub const FORMAT_VERSION: i64 = 1;

/// Ended runs that the register remembers; older ones are in their `Failover` objects and in events.
pub const ENDED_RUNS_MAX: usize = 16;

/// Entries of a run's timeline. A run of five steps writes about a dozen; the rest is for retries.
pub const TIMELINE_MAX: usize = 64;

/// Events that wait to be published. At one a second this is four minutes of an unreachable API server.
pub const OUTBOX_MAX: usize = 256;

/// What a run or a doubt is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// A whole region.
    Geode(GeodeName),
    /// One scale unit.
    Stamp(StampName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Geode(name) => write!(f, "geode/{name}"),
            Self::Stamp(name) => write!(f, "stamp/{name}"),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl TryFrom<String> for Subject {
    type Error = UnknownSubject;
    fn try_from(text: String) -> Result<Self, UnknownSubject> {
        text.parse()
    }
}

/// A subject that is neither a geode nor a stamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no subject; write geode/<name> or stamp/<name>")]
pub struct UnknownSubject(String);

impl FromStr for Subject {
    type Err = UnknownSubject;
    fn from_str(text: &str) -> Result<Self, UnknownSubject> {
        match text.split_once('/') {
            Some(("geode", name)) if !name.is_empty() => Ok(Self::Geode(name.into())),
            Some(("stamp", name)) if !name.is_empty() => Ok(Self::Stamp(name.into())),
            _ => Err(UnknownSubject(text.to_owned())),
        }
    }
}

impl Subject {
    /// The stamps it consists of.
    pub fn stamps(&self, fleet: &Fleet) -> BTreeSet<StampName> {
        match self {
            Self::Geode(geode) => fleet.stamps_of(geode).map(|stamp| stamp.name.clone()).collect(),
            Self::Stamp(stamp) => {
                fleet.stamps.get(stamp).map(|stamp| stamp.name.clone()).into_iter().collect()
            }
        }
    }

    /// The geode it is or stands in.
    pub fn geode<'a>(&'a self, fleet: &'a Fleet) -> Option<&'a GeodeName> {
        match self {
            Self::Geode(geode) => Some(geode),
            Self::Stamp(stamp) => fleet.stamps.get(stamp).map(|stamp| &stamp.geode),
        }
    }
}

/// Who asked for a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// A person or another system, by a `Failover` object.
    #[default]
    Person,
    /// Lifeboat itself, on evidence.
    Engine,
}

/// Which way a run goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Away from the subject.
    #[default]
    Failover,
    /// The subject's own buckets back home.
    Failback,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetState {
    /// The fleet it belongs to.
    pub fleet: FleetUid,
    /// Leadership epoch and number of this commit.
    pub point: Point,
    /// Who wrote it.
    pub leader: ReplicaName,
    /// Every stamp ever seen, so that an object that disappears moves nothing.
    pub stamps: BTreeMap<StampName, StampRecord>,
    /// Where every bucket is served.
    pub routes: Routes,
    /// What each zone should hold and what it is known to hold.
    pub zones: BTreeMap<ZoneName, ZoneState>,
    /// Subjects that are doubted now.
    pub doubts: BTreeMap<Subject, Doubt>,
    /// Subjects that a run has emptied, until a failback has ended.
    pub out: BTreeMap<Subject, Out>,
    /// Runs by name: all that go on, and the last few that ended.
    pub runs: BTreeMap<RunName, Run>,
    /// What is still to be told.
    pub outbox: Outbox,
}

/// What the register remembers of a stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StampRecord {
    /// Its geode.
    pub geode: GeodeName,
    /// What DNS publishes for it.
    pub addresses: Vec<IpAddr>,
    /// Number of its buckets. It never changes.
    pub buckets: u16,
}

/// What a zone should hold and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneState {
    /// The content that was decided last.
    pub wanted: Content,
    /// The content that the primary is known to hold. None while other content is on its way.
    pub applied: Option<Content>,
}

/// A zone's content: what, and by which commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// The commit that asked for it; the fence that goes with it.
    pub point: Point,
    /// Hash of the desired records.
    pub hash: String,
}

/// A subject under doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Doubt {
    /// When it began, for people.
    pub since: DateTime<Utc>,
    /// Who says down, since when.
    pub sentence: String,
    /// Why nothing was started although the hold window has passed; empty while it has not.
    pub held_because: Vec<String>,
    /// In Observe: what would have been done has been said.
    pub would_have: bool,
}

/// A subject that is out of service by a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Out {
    /// The run that emptied it.
    pub run: RunName,
    /// Who asked for that run.
    pub origin: Origin,
    /// Since when, for people.
    pub since: DateTime<Utc>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// UID of its object, once there is one.
    pub uid: Option<String>,
    /// Who asked.
    pub origin: Origin,
    /// Which way.
    pub mode: Mode,
    /// Plan only.
    pub dry_run: bool,
    /// About what.
    pub subject: Subject,
    /// Stamps and geodes that the requester allows as targets; empty means every one.
    pub targets: Targets,
    /// Where it is.
    pub phase: Phase,
    /// Why it is there, in one sentence.
    pub reason: String,
    /// What moves where. Set once by Precheck.
    pub plan: Option<Plan>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Moments, for people.
    pub times: Times,
    /// What happened, oldest first, bounded.
    pub timeline: VecDeque<Said>,
}

/// Targets that a requester allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// By geode.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub geodes: BTreeSet<GeodeName>,
    /// By stamp.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stamps: BTreeSet<StampName>,
}

impl Targets {
    /// Whether the requester allows this stamp.
    pub fn allow(&self, stamp: &Stamp) -> bool {
        (self.geodes.is_empty() && self.stamps.is_empty())
            || self.geodes.contains(&stamp.geode)
            || self.stamps.contains(&stamp.name)
    }
}

/// What a run will do to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Every bucket that moves, ordered.
    pub moves: Vec<Move>,
    /// Hash of the moves, for approvals and dry runs.
    pub hash: String,
    /// Tenants that live in those buckets.
    pub tenants: u32,
    /// Why other stamps were not chosen.
    pub not_chosen: BTreeMap<StampName, String>,
}

/// When a run reached what, for people and reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// The first doubt about the subject.
    pub detected: Option<DateTime<Utc>>,
    /// The commit that recorded the shift.
    pub decided: Option<DateTime<Utc>>,
    /// Every server that answers shows the new routes.
    pub shifted: Option<DateTime<Utc>>,
    /// The run's end.
    pub ended: Option<DateTime<Utc>>,
}

/// One step of a run. Its idempotency key is the run's name and its kind, over all attempts and leaders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Where it is.
    pub state: StepState,
    /// The replica that holds it while it is processing.
    pub locked_by: Option<ReplicaName>,
    /// By when it should be complete, for people; the budget itself is counted on the leader's own clock.
    pub complete_by: Option<DateTime<Utc>>,
    /// How often it was armed.
    pub attempt: u32,
    /// How often an attempt went past its budget or was not done.
    pub failures: u32,
    /// The commit that recorded its intent.
    pub intent: Option<Point>,
    /// When it reached each state, for people.
    pub reached: BTreeMap<StepState, DateTime<Utc>>,
    /// What came of it, in one sentence.
    pub result: Option<String>,
}

/// A sentence and its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub sentence: String,
}

/// Events that commit with the state and are published afterwards, at least once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outbox {
    /// Number of the next event.
    pub next: u64,
    /// Waiting, oldest first.
    pub waiting: VecDeque<Notice>,
    /// Events dropped because the box was full.
    pub dead_letters: u64,
}

/// An event for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Its number; consumers drop what they have seen.
    pub id: u64,
    /// What it is about.
    pub about: About,
    /// CamelCase reason, as Kubernetes events have it.
    pub reason: String,
    /// Somebody should look.
    pub warning: bool,
    /// The sentence.
    pub note: String,
    /// When, for people.
    pub at: DateTime<Utc>,
}

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum About {
    /// The fleet itself.
    Fleet,
    /// A geode or stamp.
    Subject(Subject),
    /// A run.
    Run(RunName),
}

impl FleetState {
    /// The first state of a fleet's life.
    pub fn born(fleet: FleetUid, leader: ReplicaName, epoch: i64) -> Self {
        Self {
            fleet,
            point: Point { epoch, seq: 1 },
            leader,
            stamps: BTreeMap::new(),
            routes: Routes::default(),
            zones: BTreeMap::new(),
            doubts: BTreeMap::new(),
            out: BTreeMap::new(),
            runs: BTreeMap::new(),
            outbox: Outbox::default(),
        }
    }

    /// Runs that have not ended.
    pub fn live_runs(&self) -> impl Iterator<Item = (&RunName, &Run)> {
        self.runs.iter().filter(|(_, run)| !run.phase.is_end())
    }

    /// The fleet with every recorded stamp that is missing from the snapshot put back, as one that serves what it has
    /// and is no target. So deleting an object, or making it invalid, changes no route.
    pub fn remember(&self, mut fleet: Fleet) -> Fleet {
        for (name, record) in &self.stamps {
            fleet.stamps.entry(name.clone()).or_insert_with(|| record.ghost(name));
        }
        fleet
    }
}

impl StampRecord {
    /// The record of a stamp.
    pub fn of(stamp: &Stamp) -> Self {
        Self { geode: stamp.geode.clone(), addresses: stamp.addresses.clone(), buckets: stamp.buckets }
    }

    fn ghost(&self, name: &StampName) -> Stamp {
        Stamp {
            name: name.clone(),
            geode: self.geode.clone(),
            addresses: self.addresses.clone(),
            probes: Vec::new(),
            capacity: Capacity { units: 0, tenants: 0 },
            data: crate::fleet::DataMode::ActiveActive,
            lifecycle: StampLifecycle::Decommissioned,
            buckets: self.buckets,
            objective_bp: None,
        }
    }
}

impl Run {
    /// The first step that has not taken effect.
    pub fn current(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.state != StepState::Processed)
    }

    /// One of its steps.
    pub fn step(&self, kind: StepKind) -> Option<&Step> {
        self.steps.iter().find(|step| step.kind == kind)
    }

    /// Whether its intent to move traffic is recorded: from here on, cancelling keeps what is.
    pub fn has_shifted(&self) -> bool {
        self.step(StepKind::ShiftTraffic).is_some_and(|step| step.state != StepState::Pending)
    }

    /// Stamps it moves traffic from or to: what it locks.
    pub fn touches(&self, fleet: &Fleet) -> BTreeSet<StampName> {
        let mut touched = self.subject.stamps(fleet);
        if let Some(plan) = &self.plan {
            touched.extend(plan.moves.iter().map(|mv| mv.to.clone()));
        }
        touched
    }
}

impl Step {
    /// A step not yet begun.
    pub fn new(kind: StepKind) -> Self {
        Self {
            kind,
            state: StepState::Pending,
            locked_by: None,
            complete_by: None,
            attempt: 0,
            failures: 0,
            intent: None,
            reached: BTreeMap::new(),
            result: None,
        }
    }
}

/// A bucket and the stamp it belongs to, as text for sentences.
pub(super) fn count_buckets(moves: &[Move]) -> BTreeMap<&StampName, usize> {
    let mut counts = BTreeMap::new();
    for mv in moves {
        *counts.entry(&mv.to).or_insert(0) += 1;
    }
    counts
}
