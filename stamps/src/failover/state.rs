//! The register's content: one document that says everything Lifeboat has decided.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    net::IpAddr,
    str::FromStr,
    time::Duration,
};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{restore::Restored, run::Run};
use crate::{
    fleet::{Capacity, Fleet, Stamp, StampLifecycle},
    names::{Explained, FleetUid, GeodeName, Point, RegisterUid, ReplicaName, RunName, StampName, ZoneName},
    routing::Routes,
};

/// The newest register format that this binary writes and understands.
pub const FORMAT_VERSION: i64 = 2;

/// Ended runs that the register remembers; older ones are in their `Failover` objects and in events.
pub const ENDED_RUNS_MAX: usize = 16;

/// Entries of a run's timeline. A run of five steps writes about a dozen; the rest is for retries.
pub const TIMELINE_MAX: usize = 64;

/// Names of ended runs that are remembered after the run itself was dropped. A name that is known never runs again; at
/// two runs an hour this is five days, and what is older than its start deadline does not start anyway.
pub const FORGOTTEN_MAX: usize = 256;

/// Events that wait to be published. At one a second this is four minutes of an unreachable API server.
pub const OUTBOX_MAX: usize = 256;

/// Automatic runs that the register remembers for the rules that count them. More than any sane limit per day.
pub(super) const PAST_MAX: usize = 32;

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
    /// Fleet time: for how long this fleet has been led, in milliseconds of the leaders' monotonic clocks. What must
    /// outlast a leader (cooldowns, rates, what is recent) is counted in it; it never goes back and never jumps.
    #[serde(default)]
    pub clock_ms: u64,
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
    /// Why nothing is done until a person has confirmed, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// The register object that this one stands in for, by a person's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<RegisterUid>,
    /// Runs that ended and are not in `runs` any more: short hashes of their names, oldest first, bounded.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub forgotten: VecDeque<String>,
    /// Automatic shifts, oldest first, bounded.
    #[serde(default)]
    pub past: VecDeque<Past>,
    /// Automation has closed itself, until a person opens it.
    #[serde(default)]
    pub closed: Option<Closed>,
    /// What decisions are made with, and since when.
    #[serde(default)]
    pub settling: Settling,
}

/// An automatic run that has moved traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// The run.
    pub run: RunName,
    /// What it was about.
    pub subject: Subject,
    /// Fleet time of its first shift, in milliseconds.
    pub at_ms: u64,
}

/// Automation is closed until a person opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// Why, in one sentence.
    pub because: String,
    /// Since when, for people.
    pub since: DateTime<Utc>,
}

/// What decisions are made with. A change of it starts the warm-up anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settling {
    /// Version of the program.
    pub program: String,
    /// Hash of the policy in force.
    pub policy: String,
    /// Fleet time of the last change, in milliseconds.
    pub since_ms: u64,
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
    /// Version that it runs, if one is named.
    #[serde(default)]
    pub version: Option<String>,
    /// Hash of its probes.
    #[serde(default)]
    pub probes: String,
    /// Its newest change of version or probes.
    #[serde(default)]
    pub change: Option<Change>,
}

/// A change of what a stamp runs or of how it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What changed, from what to what.
    pub what: String,
    /// Fleet time, in milliseconds.
    pub at_ms: u64,
}

/// What a zone should hold and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneState {
    /// The content that was decided last.
    pub wanted: Content,
    /// The content that the primary is known to hold. None while other content is on its way.
    pub applied: Option<Content>,
    /// Which fences may still stand there from before this epoch. Empty once this epoch's own stands there.
    #[serde(default, skip_serializing_if = "Explained::is_empty")]
    pub explained: Explained,
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
    /// The same in fleet time, in milliseconds.
    #[serde(default)]
    pub since_ms: u64,
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
            restored: None,
            replaces: None,
            forgotten: VecDeque::new(),
            clock_ms: 0,
            past: VecDeque::new(),
            closed: None,
            settling: Settling::default(),
        }
    }

    /// How long ago a moment of fleet time was, seen from `clock_ms`.
    pub fn ago(clock_ms: u64, moment_ms: u64) -> Duration {
        Duration::from_millis(clock_ms.saturating_sub(moment_ms))
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
        Self {
            geode: stamp.geode.clone(),
            addresses: stamp.addresses.clone(),
            buckets: stamp.buckets,
            version: stamp.version.clone(),
            probes: digest(&format!("{:?}", stamp.probes)),
            change: None,
        }
    }

    /// This record as the one that follows `known`: with what never changes, and with the newest change.
    #[must_use]
    pub fn following(mut self, known: &Self, clock_ms: u64) -> Self {
        self.buckets = known.buckets;
        let what = match (&known.version, &self.version) {
            (Some(old), Some(new)) if old != new => Some(format!("version went from {old} to {new}")),
            _ if !known.probes.is_empty() && known.probes != self.probes => {
                Some("the definition of its probes changed".to_owned())
            }
            _ => None,
        };
        self.change = what.map(|what| Change { what, at_ms: clock_ms }).or_else(|| known.change.clone());
        self
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
            ring: None,
            version: self.version.clone(),
            depends_on: BTreeSet::new(),
            objective_bp: None,
        }
    }
}

/// A short hash of a text.
pub(super) fn digest(text: &str) -> String {
    super::plan::hex(&Sha256::digest(text)[..8])
}
