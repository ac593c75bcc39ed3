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

    /// How a shift is cut into stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("a run shifts all at once; leave ramps out"))]
    pub ramps: Option<Later>,

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

/// Limits that automation keeps. Persons may go beyond them by name and on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Safety {
    /// Geodes that automation may hold out at once. Example: 1.
    #[schemars(range(min = 0, max = 64))]
    pub geodes_out_max: i32,
    /// Share of all capacity units that automation may hold out at once, in per cent. Example: 40.
    #[schemars(range(min = 0, max = 100))]
    pub units_out_max_percent: i32,
    /// Stamps that must keep serving. Example: 2.
    #[schemars(range(min = 1, max = 10_000))]
    pub serving_stamps_min: i32,
    /// Share of all capacity units that must keep serving, in per cent. Example: 50.
    #[schemars(range(min = 1, max = 100))]
    pub serving_units_min_percent: i32,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            geodes_out_max: 1,
            units_out_max_percent: 40,
            serving_stamps_min: 2,
            serving_units_min_percent: 50,
        }
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
