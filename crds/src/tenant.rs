//! `Tenant`: a customer and where it lives. There may be very many, so the object stays lean.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stamps::fleet::Tier;

use crate::{
    conditions::{self, Condition},
    later::Later,
    rules,
    text::{HostName, Label},
};

/// What a person says about a customer, and the one field that Lifeboat sets.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lifeboat.dev",
    version = "v1alpha1",
    kind = "Tenant",
    namespaced,
    status = "TenantStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A tenant: host names, a size, and the home stamp and bucket that it was given once and for all.",
    selectable = ".spec.placement.stamp",
    validation = rules::epoch_of_status(),
    printcolumn(name = "Home", type_ = "string", json_path = ".spec.placement.stamp", description = "The stamp it lives in."),
    printcolumn(name = "Bucket", type_ = "integer", json_path = ".spec.placement.bucket", description = "Its slot in that stamp."),
    printcolumn(name = "Served-by", type_ = "string", json_path = ".status.servedBy", description = "The stamp that serves it; may lag in a failover."),
    printcolumn(name = "Units", type_ = "integer", json_path = ".spec.sizeUnits"),
    printcolumn(name = "Tier", type_ = "string", json_path = ".spec.tier"),
    printcolumn(name = "Host", type_ = "string", json_path = ".spec.hostnames[0]"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new(
        "!has(oldSelf.placement) || (has(self.placement) && \
         (self.placement == oldSelf.placement || self.placement.epoch > oldSelf.placement.epoch))"
    ).message("a placement is never removed, and changed only by Lifeboat under a higher epoch; put the old one back"),
    validation = Rule::new("!has(self.stamp) || !has(self.stampSelector)")
        .message("say either stamp or stampSelector"),
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// Host names that it is reached by, each under a suffix that a TrafficPolicy grants. Example:
    /// `acme.tenants.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hostnames: Vec<HostName>,

    /// Its load, in the units of the stamps' capacity. Example: 5.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub size_units: i32,

    /// What is shed last when capacity is short: `Critical`, `Standard` or `BestEffort`. Example: `Standard`.
    #[serde(default)]
    pub tier: Tier,

    /// Its data may be only in geodes of this residency zone. Example: `eu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency: Option<Label>,

    /// Home is chosen among the stamps with these labels. Read once, at placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp_selector: Option<StampSelector>,

    /// Home is this stamp. Read once, at placement. Example: `weu-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Label>,

    /// Keeps it away from other tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("pin the tenant with stamp instead"))]
    pub quarantine: Option<Later>,

    /// Where it lives. Set once by Lifeboat, as the scheduler sets a pod's node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
}

fn one() -> i32 {
    1
}

/// Which stamps may be home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StampSelector {
    /// Labels that the stamp must carry, each with this value. Example: `tier: premium`.
    #[schemars(schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,
}

fn labels(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 8,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}

/// Where a tenant lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Home stamp. Example: `weu-1`.
    pub stamp: Label,
    /// Slot in the home stamp, by a hash of the tenant's name. Example: 7.
    #[schemars(range(min = 0, max = 255))]
    pub bucket: i32,
    /// Epoch of the leader that decided it. Example: 1795262400.
    #[schemars(range(min = 0))]
    pub epoch: i64,
}

/// What Lifeboat says about a customer. Written lazily: it costs one write per tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// Generation of the spec that this status is about. Example: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this. Never goes down. Example: 1795262400.
    #[serde(default)]
    pub epoch: i64,
    /// Stamp that serves it. Catches up after a failover. Example: `neu-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub served_by: Option<String>,
    /// Only what is wrong: empty when all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}
