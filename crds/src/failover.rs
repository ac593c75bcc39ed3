//! `Failover`: one run. A command, not desired state: made with `generateName`, never kept in Git.

use chrono::{DateTime, Utc};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stamps::{
    failover::{Mode, Origin},
    safety::Rule as SafetyRule,
};

use crate::{
    conditions::{self, Condition},
    later::Later,
    rules,
    text::Label,
};

/// What a person, or the engine, asks for.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lifeboat.dev",
    version = "v1alpha1",
    kind = "Failover",
    namespaced,
    status = "FailoverStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "lifeboat",
    shortname = "fo",
    doc = "One run: traffic away from a geode or stamp, or back to it. A command with a record, not desired state: use generateName, and do not keep it in Git.",
    selectable = ".spec.mode",
    selectable = ".status.phase",
    validation = rules::epoch_of_status(),
    validation = Rule::new("self.metadata.name.size() <= 63").message("use a name of at most 63 characters"),
    printcolumn(name = "Subject", type_ = "string", json_path = ".status.subject", description = "What is failed over or back."),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Dry-run", type_ = "boolean", json_path = ".spec.dryRun", priority = 1),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.step", description = "The step in progress, of all."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.message", description = "What it does or waits for, in a sentence.")
)]
#[x_kube(
    validation = rules::fixed("subject"),
    validation = rules::fixed("targets"),
    validation = rules::fixed("mode"),
    validation = rules::fixed("dryRun"),
    validation = rules::fixed("origin"),
    validation = rules::fixed("overrides"),
    validation = Rule::new("!has(self.overrides) || self.overrides.size() == 0 || !has(self.origin) || self.origin == 'Person'")
        .message("automation overrides nothing; leave overrides out"),
    validation = Rule::new("!has(oldSelf.control) || !(oldSelf.control in ['Cancel', 'CancelKeep']) || (has(self.control) && self.control == oldSelf.control)")
        .message("a cancelled run stays cancelled; make a new one"),
)]
#[serde(rename_all = "camelCase")]
pub struct FailoverSpec {
    /// What the traffic leaves, or comes back to.
    pub subject: Subject,

    /// Where it may go; chosen by the policy if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,

    /// `Failover` moves traffic away from the subject, `Failback` brings it home. Example: `Failover`.
    #[serde(default)]
    pub mode: Mode,

    /// Plans and checks, and changes nothing outside. Example: false.
    #[serde(default)]
    pub dry_run: bool,

    /// `Run` goes on; `Pause` waits at the next place where nothing is half-done; `Cancel` ends it, and a planned run
    /// brings back what it has moved, as far as that is well; `CancelKeep` ends it and leaves traffic where it is.
    /// Example: `Run`.
    #[serde(default)]
    pub control: Control,

    /// Why, for the record. Example: `planned maintenance, ticket 4711`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,

    /// Who asks. The engine writes `Engine` for its own runs. Example: `Person`.
    #[serde(default)]
    pub origin: Origin,

    /// A run that has not started this many seconds after its creation ends as Expired. Example: 600.
    #[serde(default = "start_deadline")]
    #[schemars(range(min = 10, max = 86_400))]
    pub start_deadline_seconds: i32,

    /// `Graceful` or `Ungraceful`, for a source that is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::not_yet("a run has one form; leave form out"))]
    pub form: Option<String>,

    /// Steps to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    #[x_kube(validation = rules::refuse("self.size() == 0", "every step runs; leave skip out"))]
    pub skip: Vec<String>,

    /// A person's yes to one plan, for a run that automation has prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,

    /// Safety rules that a person takes upon themselves, by name. Automation overrides nothing. Not yet: the right to do
    /// so is checked by an admission policy that comes with the chart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["rule".into()]),
        validation = rules::refuse("self.size() == 0", "no rule can be overridden; leave overrides out"),
        validation = Rule::new("self.all(o, !(o.rule in ['NeverEmpty', 'SingleFlight', 'NoRaise', 'Residency']))")
            .message("NeverEmpty, SingleFlight, NoRaise and Residency hold for everyone; take them out of overrides"),
    )]
    pub overrides: Vec<OwnRisk>,

    /// Facts that a person vouches for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("no step asks for an assertion; leave assertions out"))]
    pub assertions: Option<Later>,
}

fn start_deadline() -> i32 {
    600
}

/// A geode or a stamp.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.geode) != has(self.stamp)").message("say either geode or stamp"))]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// A whole geode. Example: `weu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geode: Option<Label>,
    /// One stamp. Example: `weu-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Label>,
}

/// Where the traffic may go.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("(has(self.geodes) && self.geodes.size() > 0) || (has(self.stamps) && self.stamps.size() > 0)")
        .message("name at least one geode or stamp, or leave targets out")
)]
#[serde(rename_all = "camelCase")]
pub struct Targets {
    /// Any stamp of these geodes. Example: `neu`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub geodes: Vec<Label>,
    /// These stamps. Example: `neu-1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub stamps: Vec<Label>,
}

/// A person's yes to one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Hash of the plan that is agreed to, as the status shows it. Example: `5f2c9a`.
    #[schemars(length(min = 1, max = 128))]
    pub plan_hash: String,
}

/// A safety rule that a person takes upon themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnRisk {
    /// The rule, by the name that refusals give. Example: `Capacity`.
    pub rule: SafetyRule,
    /// Why, for the record. Example: `neu was measured to carry twice its declared units`.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
}

/// What a person wants of a run in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Control {
    /// Go on.
    #[default]
    Run,
    /// Wait.
    Pause,
    /// Stop.
    Cancel,
    /// Stop, and keep what was prepared.
    CancelKeep,
}

/// The run as it goes. Words are plain text, so that an older schema never refuses a newer word.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailoverStatus {
    /// Generation of the spec that this status is about. Example: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this. Never goes down. Example: 1795262400.
    #[serde(default)]
    pub epoch: i64,
    /// The subject in a word. Example: `geode/weu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 96))]
    pub subject: Option<String>,
    /// `Arming`, `Pending`, `AwaitingApproval`, `Running`, `Paused`, `Held`, `Blocked`, `Compensating`; ends:
    /// `Succeeded`, `Failed`, `Compensated`, `Refused`, `Cancelled`, `Expired`, `Replaced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub phase: Option<String>,
    /// The step in progress, of all. Example: `ShiftTraffic 2/5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub step: Option<String>,
    /// What it does, waits for or was refused for, in a sentence with its numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
    /// What it will do, or did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Steps in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub steps: Vec<Step>,
    /// What happened, oldest first; the first and the newest of at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub timeline: Vec<Entry>,
    /// When the trouble was first seen, in UTC. Example: `2026-11-21T12:00:00.250Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<DateTime<Utc>>,
    /// When the run was decided on, in UTC. Example: `2026-11-21T12:02:00.500Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    /// When every server that answers showed the new routes, in UTC. Example: `2026-11-21T12:02:01.700Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifted_at: Option<DateTime<Utc>>,
    /// When the run ended, in UTC. Example: `2026-11-21T12:20:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// `Finished` (True in every end, the reason is the phase), `Succeeded` and `Held`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// What a run will do.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Buckets that move. Example: 48.
    pub moves: i64,
    /// How many of them each stamp takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["stamp".into()]))]
    pub by_stamp: Vec<Taken>,
    /// Hash of the whole plan, which an approval names. Example: `5f2c9a`.
    #[schemars(length(max = 128))]
    pub plan_hash: String,
}

/// What one stamp takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// The stamp. Example: `neu-1`.
    #[schemars(length(max = 63))]
    pub stamp: String,
    /// Buckets that it takes. Example: 16.
    pub buckets: i64,
}

/// A step's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What it does. Example: `ShiftTraffic`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// `Pending`, `Processing`, `Processed`, `Error`, `Compensating` or `Compensated`.
    #[schemars(length(max = 32))]
    pub state: String,
    /// How often it was tried. Example: 1.
    #[serde(default)]
    pub attempt: i64,
    /// When its first attempt began, in UTC. Example: `2026-11-21T12:02:00.600Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, in UTC. Example: `2026-11-21T12:02:01.700Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// What came of it, in a word. Example: `Done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub result: Option<String>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

/// A line of a run's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, in UTC. Example: `2026-11-21T12:02:00.600Z`.
    pub at: DateTime<Utc>,
    /// What happened. Example: `48 buckets of weu shift to neu and eus`.
    #[schemars(length(max = 1024))]
    pub sentence: String,
}
