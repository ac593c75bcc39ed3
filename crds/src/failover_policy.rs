//! `FailoverPolicy`: when a region counts as failed, what automation may do about it, and how long steps may take.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    conditions::{self, Condition},
    later::Later,
    rules,
    text::{GoDuration, Label},
};

/// What a person says about failing over.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lifeboat.dev",
    version = "v1alpha1",
    kind = "FailoverPolicy",
    plural = "failoverpolicies",
    namespaced,
    status = "FailoverPolicyStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "lifeboat",
    shortname = "fp",
    doc = "A failover policy: when a region counts as failed, what automation may do about it, and in what time.",
    validation = rules::epoch_of_status(),
    printcolumn(name = "Stamp-hold", type_ = "string", json_path = ".spec.detection.hold.stamp", description = "How long evidence against one stamp must stand."),
    printcolumn(name = "Geode-hold", type_ = "string", json_path = ".spec.detection.hold.geode", description = "How long evidence against a geode must stand."),
    printcolumn(name = "Geodes-out", type_ = "integer", json_path = ".spec.safety.geodesOutMax", description = "Geodes that automation may hold out at once."),
    printcolumn(name = "Units-out-%", type_ = "integer", json_path = ".spec.safety.unitsOutMaxPercent", description = "Capacity that automation may hold out at once, in per cent."),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "InForce, or why not."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct FailoverPolicySpec {
    /// From samples to doubt to evidence.
    #[serde(default)]
    pub detection: Detection,

    /// Limits that automation keeps.
    #[serde(default)]
    pub safety: Safety,

    /// Budgets of steps and runs.
    #[serde(default)]
    pub workflow: Workflow,

    /// Geodes that may be targets; every one if empty. Example: `neu`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_targets: Vec<Label>,

    /// What people were promised; runs are reported against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Objectives>,

    /// How runs are cut into stages; without it the product's defaults hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramps: Option<Ramps>,

    /// When traffic goes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("make a Failover with mode: Failback when the region is well; leave failback out"))]
    pub failback: Option<Later>,
}

/// From samples to doubt to evidence.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.failTicks) || !has(self.windowTicks) || self.failTicks <= self.windowTicks")
        .message("failTicks cannot be more than windowTicks")
)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// Bad ticks within the window that make a vantage say Down. A tick is one probe interval. Example: 3.
    #[serde(default = "fail_ticks")]
    #[schemars(range(min = 1, max = 64))]
    pub fail_ticks: i32,
    /// Length of the window in ticks, at most 64. Example: 5.
    #[serde(default = "window_ticks")]
    #[schemars(range(min = 1, max = 64))]
    pub window_ticks: i32,
    /// Good ticks in a row that make a vantage say Up again. Example: 5.
    #[serde(default = "window_ticks")]
    #[schemars(range(min = 1, max = 64))]
    pub recover_ticks: i32,
    /// How long evidence must stand before anything moves.
    #[serde(default)]
    pub hold: Hold,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            fail_ticks: fail_ticks(),
            window_ticks: window_ticks(),
            recover_ticks: window_ticks(),
            hold: Hold::default(),
        }
    }
}

fn fail_ticks() -> i32 {
    3
}

fn window_ticks() -> i32 {
    5
}

/// How long evidence must stand before anything moves.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Against one stamp, from 1s to 1h. Example: `60s`.
    #[serde(default = "stamp_hold")]
    #[x_kube(validation = rules::between("1s", "1h"))]
    pub stamp: GoDuration,
    /// Against a geode, from 1s to 1h. Example: `120s`.
    #[serde(default = "geode_hold")]
    #[x_kube(validation = rules::between("1s", "1h"))]
    pub geode: GoDuration,
}

impl Default for Hold {
    fn default() -> Self {
        Self { stamp: stamp_hold(), geode: geode_hold() }
    }
}

fn stamp_hold() -> GoDuration {
    "60s".into()
}

fn geode_hold() -> GoDuration {
    "120s".into()
}

/// How runs are cut into stages.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ramps {
    /// Away from a source that is well.
    #[serde(default = "planned")]
    pub planned: Ramp,
    /// Away from a source that is down: usually all at once.
    #[serde(default = "unplanned")]
    pub unplanned: Ramp,
    /// Home again.
    #[serde(default = "failback")]
    pub failback: Ramp,
}

impl Default for Ramps {
    fn default() -> Self {
        Self { planned: planned(), unplanned: unplanned(), failback: failback() }
    }
}

fn planned() -> Ramp {
    Ramp { stages: vec![1, 5, 25, 50, 100], bake: "5m".into() }
}

fn unplanned() -> Ramp {
    Ramp { stages: vec![100], bake: "0s".into() }
}

fn failback() -> Ramp {
    Ramp { stages: vec![1, 5, 10, 25, 50, 100], bake: "10m".into() }
}

/// The stages of a run.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ramp {
    /// Share of the buckets that have moved after each stage, in per cent. A stage is a bucket at least. Example: 25.
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 100)))]
    #[x_kube(validation = Rule::new("self[self.size() - 1] == 100").message("let the stages rise, and end with 100"))]
    pub stages: Vec<i32>,
    /// How long a stage stands before the next, once every server that answers shows it, at most 24h. Example: `5m`.
    #[serde(default = "bake")]
    #[x_kube(validation = rules::between("0s", "24h"))]
    pub bake: GoDuration,
}

fn bake() -> GoDuration {
    "5m".into()
}

/// Limits that automation keeps. Persons may go beyond them by name and on record. Times are counted while Lifeboat
/// has a leader, so an outage of its own does not let them run out.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Safety {
    /// Geodes that automation may hold out at once. Example: 1.
    #[schemars(range(min = 0, max = 64))]
    #[serde(default = "safety::geodes_out_max")]
    pub geodes_out_max: i32,
    /// Share of all capacity units that automation may hold out at once, in per cent. Example: 40.
    #[schemars(range(min = 0, max = 100))]
    #[serde(default = "safety::units_out_max_percent")]
    pub units_out_max_percent: i32,
    /// Stamps that must keep serving. Example: 2.
    #[schemars(range(min = 1, max = 10_000))]
    #[serde(default = "safety::serving_stamps_min")]
    pub serving_stamps_min: i32,
    /// Share of all capacity units that must keep serving, in per cent. Example: 50.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default = "safety::serving_units_min_percent")]
    pub serving_units_min_percent: i32,
    /// Two geodes that come under doubt within this time are a panic: nothing starts, at most 168h. Example: `240s`.
    #[x_kube(validation = rules::between("0s", "168h"))]
    #[serde(default = "safety::panic_window")]
    pub panic_window: GoDuration,
    /// More doubted capacity units than this are a panic as well, in per cent. Example: 50.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default = "safety::units_doubted_max_percent")]
    pub units_doubted_max_percent: i32,
    /// So long after a change of a stamp's version or probes its failure counts as the change's, at most 168h.
    /// Example: `60m`.
    #[x_kube(validation = rules::between("0s", "168h"))]
    #[serde(default = "safety::recent_change")]
    pub recent_change: GoDuration,
    /// A target that turns bad so soon after an automatic shift closes automation, at most 168h. Example: `15m`.
    #[x_kube(validation = rules::between("0s", "168h"))]
    #[serde(default = "safety::contagion")]
    pub contagion: GoDuration,
    /// Automatic runs in 24 hours. Example: 2.
    #[schemars(range(min = 0, max = 1_000))]
    #[serde(default = "safety::runs_per_day_max")]
    pub runs_per_day_max: i32,
    /// Between two automatic runs about the same subject, at most 168h. Example: `60m`.
    #[x_kube(validation = rules::between("0s", "168h"))]
    #[serde(default = "safety::subject_cooldown")]
    pub subject_cooldown: GoDuration,
    /// Between two automatic runs of the fleet, at most 168h. Example: `30m`.
    #[x_kube(validation = rules::between("0s", "168h"))]
    #[serde(default = "safety::fleet_cooldown")]
    pub fleet_cooldown: GoDuration,
    /// No automatic run so soon after the first start, an upgrade or a change of this policy, at most 168h.
    /// Example: `120s`.
    #[x_kube(validation = rules::between("0s", "168h"))]
    #[serde(default = "safety::warm_up")]
    pub warm_up: GoDuration,
    /// What a target may carry in a planned run, in per cent of its declared units. Example: 80.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default = "safety::capacity_line_percent")]
    pub capacity_line_percent: i32,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            geodes_out_max: safety::geodes_out_max(),
            units_out_max_percent: safety::units_out_max_percent(),
            serving_stamps_min: safety::serving_stamps_min(),
            serving_units_min_percent: safety::serving_units_min_percent(),
            panic_window: safety::panic_window(),
            units_doubted_max_percent: safety::units_doubted_max_percent(),
            recent_change: safety::recent_change(),
            contagion: safety::contagion(),
            runs_per_day_max: safety::runs_per_day_max(),
            subject_cooldown: safety::subject_cooldown(),
            fleet_cooldown: safety::fleet_cooldown(),
            warm_up: safety::warm_up(),
            capacity_line_percent: safety::capacity_line_percent(),
        }
    }
}

/// What holds where a policy says nothing.
mod safety {
    use crate::text::GoDuration;

    pub(super) fn geodes_out_max() -> i32 {
        1
    }

    pub(super) fn units_out_max_percent() -> i32 {
        40
    }

    pub(super) fn serving_stamps_min() -> i32 {
        2
    }

    pub(super) fn serving_units_min_percent() -> i32 {
        50
    }

    pub(super) fn panic_window() -> GoDuration {
        "240s".into()
    }

    pub(super) fn units_doubted_max_percent() -> i32 {
        50
    }

    pub(super) fn recent_change() -> GoDuration {
        "60m".into()
    }

    pub(super) fn contagion() -> GoDuration {
        "15m".into()
    }

    pub(super) fn runs_per_day_max() -> i32 {
        2
    }

    pub(super) fn subject_cooldown() -> GoDuration {
        "60m".into()
    }

    pub(super) fn fleet_cooldown() -> GoDuration {
        "30m".into()
    }

    pub(super) fn warm_up() -> GoDuration {
        "120s".into()
    }

    pub(super) fn capacity_line_percent() -> i32 {
        80
    }
}

/// Budgets of steps and runs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// For one attempt of a step, from 1s to 1h. Example: `60s`.
    #[serde(default = "step_budget")]
    #[x_kube(validation = rules::between("1s", "1h"))]
    pub step_budget: GoDuration,
    /// For a whole run, from 1m to 24h; past it the run holds where it is. Example: `30m`.
    #[serde(default = "run_deadline")]
    #[x_kube(validation = rules::between("1m", "24h"))]
    pub run_deadline: GoDuration,
    /// How long a source whose traffic cannot be seen is left to drain once the TTL has passed, at most 24h. Example:
    /// `15m`.
    #[serde(default = "drain_grace")]
    #[x_kube(validation = rules::between("0s", "24h"))]
    pub drain_grace: GoDuration,
}

impl Default for Workflow {
    fn default() -> Self {
        Self { step_budget: step_budget(), run_deadline: run_deadline(), drain_grace: drain_grace() }
    }
}

fn step_budget() -> GoDuration {
    "60s".into()
}

fn run_deadline() -> GoDuration {
    "30m".into()
}

fn drain_grace() -> GoDuration {
    "15m".into()
}

/// What people were promised.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Objectives {
    /// Time from failure to new clients being served elsewhere, from 1s to 24h. Example: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::between("1s", "24h"))]
    pub recovery_time: Option<GoDuration>,
    /// Written data that may be lost, as time, at most 24h. Example: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::between("0s", "24h"))]
    pub data_loss: Option<GoDuration>,
}

/// What Lifeboat says about a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverPolicyStatus {
    /// Generation of the spec that this status is about. Example: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this. Never goes down. Example: 1795262400.
    #[serde(default)]
    pub epoch: i64,
    /// `Ready`, with the reason `InForce` or `NotInForce`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}
