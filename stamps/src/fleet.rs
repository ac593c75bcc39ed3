//! The validated snapshot that decisions see.
//!
//! Its size is O(stamps x buckets): tenants appear only as load per bucket, so no decision can cost more because a
//! fleet has more tenants.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failover::Mode;
use crate::names::{Bucket, FleetUid, GeodeName, RegionName, StampName, VantageName, ZoneName};

/// What Lifeboat may do on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Automation {
    /// Says what it would have done, and does nothing.
    #[default]
    Observe,
    /// Prepares runs and waits for a person.
    Approve,
    /// Runs within the safety rules.
    Automatic,
    /// Starts nothing by itself, and what it has started holds where it is. What a person asks for goes on.
    Hold,
}

/// Who may write a stamp's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataMode {
    /// Any stamp serves any of its tenants' requests.
    #[default]
    ActiveActive,
    /// One stamp writes; moving it needs a fence and a promotion.
    SingleWriter,
}

/// Who is shed last. The first one is the most important.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Tier {
    /// Last.
    Critical,
    /// In between.
    #[default]
    Standard,
    /// First.
    BestEffort,
}

/// Where a stamp is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StampLifecycle {
    /// Serves and takes new tenants.
    #[default]
    Active,
    /// Serves what it has, takes nothing new.
    Cordoned,
    /// On its way out: takes nothing and is no target.
    Decommissioned,
}

/// Whether a geode is meant to serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GeodeLifecycle {
    /// In rotation.
    #[default]
    Active,
    /// Lastingly out of rotation: no target.
    OutOfRotation,
}

/// How a policy's hosts are spread over stamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Routing {
    /// Every serving stamp answers every client.
    Shared,
    /// Every tenant goes where its bucket is.
    #[default]
    Homed,
}

/// One fleet as a whole: everything a decision may depend on besides reports and the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// UID of the `Fleet` object.
    pub uid: FleetUid,
    /// The Gate.
    pub automation: Automation,
    /// The geode that holds the control plane itself, if it stands inside one.
    pub hub_geode: Option<GeodeName>,
    /// Vantages that are expected to report, with the region each stands in.
    pub vantages: BTreeMap<VantageName, RegionName>,
    /// Regions.
    pub geodes: BTreeMap<GeodeName, Geode>,
    /// Scale units.
    pub stamps: BTreeMap<StampName, Stamp>,
    /// Zones that carry the routes, one per admitted `TrafficPolicy`.
    pub zones: BTreeMap<ZoneName, Zone>,
    /// The one failover policy in force.
    pub policy: Policy,
    /// What lives in each home bucket.
    pub load: BTreeMap<(StampName, Bucket), Load>,
    /// Residency zones that tenants in a home bucket ask for; nothing for a bucket whose tenants may be anywhere.
    pub residency: BTreeMap<(StampName, Bucket), BTreeSet<String>>,
}

impl Fleet {
    /// Names of the stamps of one geode, in order.
    pub fn stamps_of<'a>(&'a self, geode: &'a GeodeName) -> impl Iterator<Item = &'a Stamp> {
        self.stamps.values().filter(move |stamp| &stamp.geode == geode)
    }

    /// Regions that have at least one expected vantage.
    pub fn vantage_regions(&self) -> BTreeSet<&RegionName> {
        self.vantages.values().collect()
    }

    /// The residency zone that a stamp stands in.
    fn residency_of(&self, stamp: &StampName) -> Option<&str> {
        let geode = self.geodes.get(&self.stamps.get(stamp)?.geode)?;
        geode.residency_zone.as_deref()
    }

    /// A residency zone that tenants of a bucket ask for and that `stamp` does not stand in.
    pub fn residency_missed(&self, home: &StampName, bucket: Bucket, stamp: &StampName) -> Option<&str> {
        let there = self.residency_of(stamp);
        let asked = self.residency.get(&(home.clone(), bucket))?;
        asked.iter().map(String::as_str).find(|zone| there != Some(zone))
    }

    /// The load of one bucket; an unknown bucket carries none.
    pub fn load_of(&self, home: &StampName, bucket: Bucket) -> Load {
        self.load.get(&(home.clone(), bucket)).copied().unwrap_or_default()
    }
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geode {
    /// Its name, which is also the region name of the vantages inside it.
    pub name: GeodeName,
    /// For people.
    pub display_name: String,
    /// Lower goes first when targets are otherwise equal.
    pub failover_order: u32,
    /// Whether it may be a target.
    pub lifecycle: GeodeLifecycle,
    /// Data of tenants with this residency may be here.
    pub residency_zone: Option<String>,
}

/// A scale unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its name.
    pub name: StampName,
    /// The region it stands in.
    pub geode: GeodeName,
    /// Addresses that DNS publishes for it; never empty.
    pub addresses: Vec<IpAddr>,
    /// How it is probed; never empty.
    pub probes: Vec<Probe>,
    /// What it can carry.
    pub capacity: Capacity,
    /// Who may write its data.
    pub data: DataMode,
    /// Where it is in its life.
    pub lifecycle: StampLifecycle,
    /// Number of buckets it is divided into, 1 to 256.
    pub buckets: u16,
    /// Deployment ring, if one is named.
    pub ring: Option<String>,
    /// Version that it runs, if one is named.
    pub version: Option<String>,
    /// What it shares with other stamps.
    pub depends_on: BTreeSet<String>,
    /// Its availability objective in hundredths of a per cent (99.95 % is 9_995), if one is set.
    pub objective_bp: Option<u32>,
}

impl Stamp {
    /// All its buckets, in order.
    pub fn bucket_ids(&self) -> impl Iterator<Item = Bucket> + use<> {
        (0..self.buckets).map(Bucket)
    }

    /// The shortest interval of its probes: the length of one tick of its strip.
    pub fn tick(&self) -> Duration {
        self.probes.iter().map(|probe| probe.interval).min().unwrap_or(Duration::from_secs(10))
    }
}

/// Declared capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Load units it carries at 100 %.
    pub units: u32,
    /// Tenants it may home.
    pub tenants: u32,
}

/// Load of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many tenants.
    pub tenants: u32,
    /// The sum of their sizes in units.
    pub units: u32,
    /// The highest tier among them.
    pub tier: Tier,
}

/// One way of asking a stamp whether it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Unique within the stamp.
    pub name: String,
    /// Host or address that is connected to.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What is asked after the connection stands.
    pub check: Check,
    /// Time between two samples.
    pub interval: Duration,
    /// Bounds of its phases.
    pub timeouts: ProbeTimeouts,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The connection is enough.
    Tcp,
    /// An HTTP request.
    Http(HttpCheck),
}

/// An HTTP request and what makes its answer good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// TLS first.
    pub tls: bool,
    /// Path and query, starting with `/`.
    pub path: String,
    /// Value of the Host header (and SNI); the probe's host if none.
    pub host_header: Option<String>,
    /// Statuses that count as good, as inclusive ranges; never empty.
    pub statuses: Vec<(u16, u16)>,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
}

/// Bounds of a probe's phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeTimeouts {
    /// TCP connect.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// From the request's last byte to the answer's first.
    pub first_byte: Duration,
    /// All phases together.
    pub total: Duration,
}

/// A zone that Lifeboat writes, from one `TrafficPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its apex, with the final dot.
    pub name: ZoneName,
    /// How its hosts are spread.
    pub routing: Routing,
    /// Hosts of an active-active application (`Shared` only), absolute, with final dots.
    pub shared_hosts: Vec<String>,
    /// TTL in seconds of what runs move.
    pub route_ttl_s: u32,
    /// TTL in seconds of a stamp's addresses.
    pub address_ttl_s: u32,
    /// Every authoritative server, the primary among them; never empty.
    pub name_servers: Vec<NameServer>,
    /// Take over records that somebody else made.
    pub adopt: bool,
}

/// An authoritative server of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Unique within the zone.
    pub name: String,
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// The geode it stands in, if it stands in one.
    pub geode: Option<GeodeName>,
    /// Takes updates.
    pub primary: bool,
}

/// The failover policy in force, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When a stamp or geode counts as down.
    pub detection: Detection,
    /// Limits that automation keeps.
    pub safety: SafetyLimits,
    /// Budgets of steps and runs.
    pub workflow: Workflow,
    /// Geodes that may be targets; empty means every one.
    pub allowed_targets: BTreeSet<GeodeName>,
    /// How runs are cut into stages.
    pub ramps: Ramps,
}

/// How runs are cut into stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramps {
    /// Away from a source that is well.
    pub planned: Ramp,
    /// Away from a source that is down.
    pub unplanned: Ramp,
    /// Home again.
    pub failback: Ramp,
}

impl Ramps {
    /// The one for a run this way, with a source that is well (`planned`) or is not.
    pub fn of(&self, mode: Mode, planned: bool) -> &Ramp {
        match (mode, planned) {
            (Mode::Failback, _) => &self.failback,
            (Mode::Failover, true) => &self.planned,
            (Mode::Failover, false) => &self.unplanned,
        }
    }
}

/// The stages of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// Share of the buckets that have moved after each stage, in per cent: rising, and 100 at the end.
    pub stages_pct: Vec<u32>,
    /// How long a stage stands before the next, from when every server that answers shows it.
    pub bake: Duration,
}

impl Ramp {
    /// Everything at once.
    pub fn at_once() -> Self {
        Self { stages_pct: vec![100], bake: Duration::ZERO }
    }
}

/// From samples to doubt to evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// F of F-of-T: bad ticks that make a vantage say Down.
    pub fail_ticks: u8,
    /// T of F-of-T: the window in ticks, at most 64.
    pub window_ticks: u8,
    /// Good ticks in a row that make a vantage say Up again.
    pub recover_ticks: u8,
    /// How long evidence against one stamp must stand.
    pub stamp_hold: Duration,
    /// How long evidence against a geode must stand.
    pub geode_hold: Duration,
}

/// Numbers of the safety rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyLimits {
    /// Geodes that automation may hold out at once.
    pub geodes_out_max: u32,
    /// Share of all units that automation may hold out at once, in per cent.
    pub units_out_max_pct: u32,
    /// Stamps that must keep serving.
    pub serving_stamps_min: u32,
    /// Share of all units that must keep serving, in per cent.
    pub serving_units_min_pct: u32,
    /// Two geodes that come under doubt within this time of each other are a panic.
    pub panic_window: Duration,
    /// More doubted units than this are a panic, in per cent of all.
    pub units_doubted_max_pct: u32,
    /// So long after a change of version or probes a failure counts as that change's.
    pub recent_change: Duration,
    /// A target that turns bad so soon after a shift closes automation.
    pub contagion: Duration,
    /// Automatic runs in 24 hours.
    pub runs_per_day_max: u32,
    /// Between two automatic runs about the same subject.
    pub subject_cooldown: Duration,
    /// Between two automatic runs of the fleet.
    pub fleet_cooldown: Duration,
    /// No automatic run so soon after a first start, an upgrade or a change of policy.
    pub warm_up: Duration,
    /// What a target may carry in a planned run, in per cent of its declared units.
    pub capacity_line_pct: u32,
}

/// Budgets. A budget runs from when the acting leader first saw the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// For one attempt of a step that acts.
    pub step_budget: Duration,
    /// For the whole run; past it the run holds where it is.
    pub run_deadline: Duration,
    /// After the TTL tail, how long a source whose traffic cannot be seen is left to drain.
    pub drain_grace: Duration,
}
