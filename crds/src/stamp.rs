//! `Stamp`: a scale unit, what it can carry and how it is asked whether it serves.

use chrono::{DateTime, Utc};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stamps::fleet::{DataMode, StampLifecycle};

use crate::{
    conditions::{self, Condition},
    later::Later,
    rules,
    text::{GoDuration, HostName, IpText, Label, PercentText, StatusRange},
};

/// What a person says about a scale unit.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lifeboat.dev",
    version = "v1alpha1",
    kind = "Stamp",
    namespaced,
    status = "StampStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "lifeboat",
    shortname = "st",
    doc = "A deployment stamp: one scale unit in a geode, with its own addresses, capacity and probes.",
    selectable = ".spec.geode",
    selectable = ".spec.lifecycle",
    validation = rules::named_by_label(),
    validation = rules::epoch_of_status(),
    printcolumn(name = "Geode", type_ = "string", json_path = ".spec.geode"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.verdict", description = "Healthy, Degraded, Unhealthy, CutOff or Unknown."),
    printcolumn(name = "Nines", type_ = "string", json_path = ".status.nines", description = "Availability; - while it cannot be told."),
    printcolumn(name = "Share", type_ = "string", json_path = ".status.share", description = "Buckets that it serves, of those at home here."),
    printcolumn(name = "Tenants", type_ = "string", json_path = ".status.tenants", description = "Tenants at home here, of those it may have."),
    printcolumn(name = "Data", type_ = "string", json_path = ".spec.data.mode"),
    printcolumn(name = "Lifecycle", type_ = "string", json_path = ".spec.lifecycle"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Available")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("self.endpoints.exists(e, !has(e.published) || e.published)")
        .message("publish at least one endpoint: a stamp without an address in DNS serves nobody"),
    validation = Rule::new("self.probes.all(p, !has(p.endpoint) || self.endpoints.exists(e, e.name == p.endpoint))")
        .message("each probe's endpoint must be the name of one of the stamp's endpoints"),
)]
#[serde(rename_all = "camelCase")]
pub struct StampSpec {
    /// Name of the geode it stands in. Example: `weu`.
    #[x_kube(validation = Rule::new("self == oldSelf").message("a stamp does not move; make a new one in the other geode"))]
    pub geode: Label,

    /// Where it is reached.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub endpoints: Vec<Endpoint>,

    /// How it is asked whether it serves. All must be good for a stamp to be well, unless `critical` says otherwise.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub probes: Vec<Probe>,

    /// How several probes make one verdict: `All` must be good, or `Any` (not yet). Example: `All`.
    #[serde(default)]
    #[x_kube(validation = rules::refuse("self == 'All'", "use All"))]
    pub critical: Critical,

    /// Numbers besides probes that say how well it is: error rate, saturation, replication lag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::refuse("self.size() == 0", "probes decide alone; leave signals out"))]
    pub signals: Vec<Later>,

    /// Slots that runs move as a whole: the unit of a share. 16 gives steps of 6 %, 100 steps of 1 %. Example: 16.
    #[serde(default = "buckets")]
    #[schemars(range(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("host names contain the bucket, so their number cannot change; make a new stamp"))]
    pub buckets: i32,

    /// What it can carry.
    pub capacity: Capacity,

    /// Who may write its data.
    #[serde(default)]
    pub data: Data,

    /// What its availability is measured against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,

    /// Deployment ring, to tell a bad build from a bad region. Example: `canary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Label>,

    /// Version it runs, to tell a bad build from a bad region. Example: `2026.47.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub version: Option<String>,

    /// Names of what it shares with other stamps, to tell a bad dependency from a bad region. Example: `identity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub depends_on: Vec<Label>,

    /// `Active` serves and takes tenants; `Cordoned` serves what it has; `Decommissioned` is on its way out: it takes
    /// nothing and is no target. Example: `Active`.
    #[serde(default)]
    pub lifecycle: StampLifecycle,
}

fn buckets() -> i32 {
    16
}

/// An address of a stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Unique within the stamp. Example: `web`.
    pub name: Label,
    /// Address that clients connect to. Example: `192.0.2.10`.
    pub address: IpText,
    /// TCP port that probes connect to. Example: 443.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
    /// Whether DNS names it; false for an endpoint that is only probed. Example: true.
    #[serde(default = "yes")]
    pub published: bool,
}

fn yes() -> bool {
    true
}

/// How several probes make one verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Critical {
    /// Every one must be good.
    #[default]
    All,
    /// One good one is enough.
    Any,
}

/// One way of asking a stamp whether it serves.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.http) != has(self.tcp)").message("say either http or tcp"))]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Unique within the stamp. Example: `web`.
    pub name: Label,
    /// Name of the endpoint that is probed; the first one if absent. Example: `web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Label>,
    /// Time between two samples, from 500ms to 5m. Example: `10s`.
    #[serde(default = "interval")]
    #[x_kube(validation = rules::between("500ms", "5m"))]
    pub interval: GoDuration,
    /// Bounds of a sample's phases. Below 1.5 s a single lost packet would count as a failure.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// An HTTP request decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// A connection is enough: write `tcp: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
}

fn interval() -> GoDuration {
    "10s".into()
}

/// Bounds of a sample's phases.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// For the TCP connection, at most 1m. Example: `3s`.
    #[serde(default = "phase")]
    #[x_kube(validation = rules::between("50ms", "1m"))]
    pub connect: GoDuration,
    /// For the TLS handshake, at most 1m. Example: `3s`.
    #[serde(default = "phase")]
    #[x_kube(validation = rules::between("50ms", "1m"))]
    pub tls: GoDuration,
    /// From the request's last byte to the answer's first, at most 1m. Example: `3s`.
    #[serde(default = "phase")]
    #[x_kube(validation = rules::between("50ms", "1m"))]
    pub first_byte: GoDuration,
    /// For all phases together, at most 1m. Example: `8s`.
    #[serde(default = "total")]
    #[x_kube(validation = rules::between("50ms", "1m"))]
    pub total: GoDuration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: phase(), tls: phase(), first_byte: phase(), total: total() }
    }
}

fn phase() -> GoDuration {
    "3s".into()
}

fn total() -> GoDuration {
    "8s".into()
}

/// A connection is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpProbe {}

/// An HTTP request, and what makes its answer good.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// `HTTP`, or `HTTPS` for TLS first. Example: `HTTPS`.
    #[serde(default)]
    pub scheme: Scheme,
    /// Path and query. Example: `/healthz`.
    #[serde(default = "root")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('/') && !self.matches('[ \\\\t\\\\r\\\\n]')").message("start the path with / and leave out white space, e.g. /healthz"))]
    pub path: String,
    /// Host header and SNI; the endpoint's address if absent. Example: `www.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Statuses that are good. Example: `200-399`.
    #[serde(default = "good")]
    #[schemars(length(min = 1, max = 8))]
    pub statuses: Vec<StatusRange>,
    /// Text that the first 64 KiB of the body must contain. Example: `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body_contains: Option<String>,
}

impl Default for HttpProbe {
    fn default() -> Self {
        Self { scheme: Scheme::default(), path: root(), host: None, statuses: good(), body_contains: None }
    }
}

fn root() -> String {
    "/".into()
}

fn good() -> Vec<StatusRange> {
    vec!["200-399".into()]
}

/// How HTTP is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheme {
    /// In the clear.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// Over TLS.
    #[serde(rename = "HTTPS")]
    Https,
}

/// Declared capacity. What is observed may only lower it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Load that it carries at 100 %, in units of your choice, the same for the whole fleet. Example: 1000.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub units: i32,
    /// Tenants that it may be home to. Example: 500.
    #[serde(default = "tenants")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub tenants: i32,
}

fn tenants() -> i32 {
    10_000
}

/// Who may write a stamp's data.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// `ActiveActive`: any stamp serves any request. `SingleWriter`: one stamp writes; moving it needs a fence and a
    /// promotion, and its runs are refused for now. Example: `ActiveActive`.
    #[serde(default)]
    pub mode: DataMode,
    /// Stamps that hold a copy, the only targets of a `SingleWriter`. Example: `neu-1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub standbys: Vec<Label>,
    /// How the old writer is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("runs of SingleWriter stamps are refused; leave fence out"))]
    pub fence: Option<Later>,
    /// Where the replication lag is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("runs of SingleWriter stamps are refused; leave lagSource out"))]
    pub lag_source: Option<Later>,
}

/// What availability is measured against.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slo {
    /// Objective in per cent, at most two decimals. Example: `"99.95"`.
    pub objective: PercentText,
    /// Window it holds for, from 1h to 9600h. Example: `720h`.
    #[serde(default = "window")]
    #[x_kube(validation = rules::between("1h", "9600h"))]
    pub window: GoDuration,
}

fn window() -> GoDuration {
    "720h".into()
}

/// What Lifeboat says about a scale unit. Words are plain text, so that an older schema never refuses a newer word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StampStatus {
    /// Generation of the spec that this status is about. Example: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this. Never goes down. Example: 1795262400.
    #[serde(default)]
    pub epoch: i64,
    /// `Healthy`, `Degraded`, `Unhealthy`, `Unknown` or `CutOff` (well from inside, down from outside).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub verdict: Option<String>,
    /// Since when the verdict is what it is, in UTC. Example: `2026-11-21T12:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_since: Option<DateTime<Utc>>,
    /// Below the threshold: who has doubts, since when, and how far from acting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub advisory: Option<String>,
    /// The newest failure that a vantage saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// Buckets that it serves, of those at home here; more while it stands in for others. Example: `16/16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub share: Option<String>,
    /// Tenants at home here, of those it may have. Example: `120/500`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub tenants: Option<String>,
    /// Load at home here, of its capacity, in units. Example: `640/1000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub units: Option<String>,
    /// Nines over the objective's window, the lower of `uptime` and `success`; `-` while they cannot be told.
    /// Example: `3.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub nines: Option<String>,
    /// Share of good time by quorum, in per cent. Example: `99.987`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uptime: Option<String>,
    /// Share of good samples, vantages weighted equally, in per cent. Example: `99.991`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub success: Option<String>,
    /// `Ready`, and `Available` with what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// The newest failure of a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// What happened. Example: `Timeout`.
    #[schemars(length(max = 64))]
    pub class: String,
    /// How far the probe came. Example: `Connect`.
    #[schemars(length(max = 64))]
    pub phase: String,
    /// Who saw it. Example: `weu-a`.
    #[schemars(length(max = 63))]
    pub vantage: String,
    /// When Lifeboat learned of it, in UTC. Example: `2026-11-21T12:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}
