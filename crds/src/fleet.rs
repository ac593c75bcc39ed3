//! `Fleet`: the one per namespace, with the switch for all automation.

use chrono::{DateTime, Utc};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stamps::fleet::Automation;

use crate::{
    conditions::{self, Condition},
    later::Later,
    rules,
    text::{Label, ObjectName, WebUrl},
};

/// The name that every fleet object has.
pub const FLEET: &str = "fleet";

/// What a person says about the fleet as a whole.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lifeboat.dev",
    version = "v1alpha1",
    kind = "Fleet",
    namespaced,
    status = "FleetStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "lifeboat",
    shortname = "fl",
    doc = "A fleet: the geodes, stamps, tenants and policies of one namespace. There is one, named `fleet`.",
    validation = rules::named("fleet"),
    validation = rules::epoch_of_status(),
    printcolumn(name = "Automation", type_ = "string", json_path = ".spec.automation", description = "What Lifeboat may do on its own."),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "The spec is reconciled."),
    printcolumn(name = "Leader", type_ = "string", json_path = ".status.leader", description = "The replica that decides."),
    printcolumn(name = "Geodes", type_ = "string", json_path = ".status.geodes", description = "Healthy geodes of all."),
    printcolumn(name = "Stamps", type_ = "string", json_path = ".status.stamps", description = "Healthy stamps of all."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new(
        "!has(self.automation) || self.automation != 'Automatic' || (has(self.vantages) && self.vantages.exists(b, \
         b.region != self.vantages[0].region && self.vantages.exists(c, \
         c.region != self.vantages[0].region && c.region != b.region)))"
    ).message("automation Automatic needs vantages in at least 3 regions: list more in vantages, or use Observe")
)]
#[serde(rename_all = "camelCase")]
pub struct FleetSpec {
    /// What Lifeboat may do on its own. `Observe` says what it would have done; `Approve` prepares runs and waits for
    /// a person's approval; `Automatic` runs within the safety rules; `Hold` starts nothing by itself, and what it has
    /// started holds where it is. What a person asks for goes on in all of them. Example: `Automatic`.
    #[serde(default)]
    pub automation: Automation,

    /// The vantages that are expected to report. A report of one that is not listed is shown and not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub vantages: Vec<Vantage>,

    /// How many regions must have a sighted vantage before anything starts. Example: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    #[x_kube(validation = rules::not_yet("the quorum is a majority of the regions of required vantages; leave quorumRegions out"))]
    pub quorum_regions: Option<i32>,

    /// Where the control plane itself stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<Hub>,

    /// Name of the `FailoverPolicy` in force. Without one, the product's defaults hold. Example: `standard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_policy: Option<ObjectName>,

    /// Who is told of doubts, runs, and whatever waits for a person: one webhook that takes what Alertmanager sends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub notifications: Vec<Notification>,

    /// A person's word about a register that was lost, put back from a backup, or taken over from another hub. Set by
    /// `kubectl lifeboat state recover`, which shows first what is really served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,

    /// An outside address that is told regularly that Lifeboat is alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("watch the leader's Lease instead"))]
    pub dead_man: Option<Later>,
}

/// A vantage that is expected to report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vantage {
    /// Name of the vantage, which is also the name of its `HealthReport`. Example: `weu-a`.
    pub name: Label,
    /// Region it stands in: a geode's name, or another word for an outside vantage. Example: `weu`.
    pub region: Label,
    /// Whether its silence counts against the quorum. Example: true.
    #[serde(default = "yes")]
    pub required: bool,
}

/// A person's word about the register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recover {
    /// What is confirmed: the UID of a register that was lost, or the commit that found a register not to be believed.
    /// It holds for that one finding and for no later one. Example: `1795262400.17`.
    #[schemars(length(min = 1, max = 64))]
    pub finding: String,
}

fn yes() -> bool {
    true
}

/// A receiver of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Name of the receiver, which messages carry. Example: `on-call`.
    pub name: Label,
    /// Where alerts are posted, in the shape of Alertmanager's webhook (version 4). Redirects are not followed. Example:
    /// `https://alerts.example.com/lifeboat`.
    pub url: WebUrl,
}

/// Where the control plane stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hub {
    /// Region of the control plane. Example: `hub-1`.
    pub region: Label,
    /// The geode it stands in, if it stands in one; that geode cannot be evacuated. Example: `weu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geode: Option<Label>,
}

/// What Lifeboat says about the fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetStatus {
    /// Generation of the spec that this status is about. Example: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this; the highest the fleet has had. Never goes down. Example: 1795262400.
    #[serde(default)]
    pub epoch: i64,
    /// UID of the register. While it is unset a register may be created; afterwards its absence is a loss. Example:
    /// `0d3a7e0e-6f5a-4c57-8f0f-6a2f4f1f3f10`.
    #[serde(default, rename = "registerUID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub register_uid: Option<String>,
    /// The replica that leads. Example: `lifeboat-operator-0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub leader: Option<String>,
    /// Commit of the register that this status shows. Example: 4711.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_through: Option<i64>,
    /// Healthy geodes of all. Example: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub geodes: Option<String>,
    /// Healthy stamps of all. Example: `8/9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub stamps: Option<String>,
    /// When anything in this status last changed, in UTC. Example: `2026-11-21T12:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// `Ready` says whether the spec is reconciled, `Available` whether the fleet serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}
