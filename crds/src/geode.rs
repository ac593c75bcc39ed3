//! `Geode`: a region that serves.

use chrono::{DateTime, Utc};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stamps::fleet::GeodeLifecycle;

use crate::{
    conditions::{self, Condition},
    later::Later,
    rules,
    text::{Degrees, Label},
};

/// What a person says about a region.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lifeboat.dev",
    version = "v1alpha1",
    kind = "Geode",
    namespaced,
    status = "GeodeStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "lifeboat",
    shortname = "geo",
    doc = "A geode: a geographical region whose stamps serve, and which can fail as a whole.",
    selectable = ".spec.lifecycle",
    validation = rules::named_by_label(),
    validation = rules::epoch_of_status(),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.verdict", description = "Healthy, Degraded, Unhealthy, CutOff or Unknown, as seen from outside."),
    printcolumn(name = "Evacuable", type_ = "string", json_path = r#".status.conditions[?(@.type=="Evacuable")].status"#, description = "Whether a failover away from it would work now."),
    printcolumn(name = "Share", type_ = "string", json_path = ".status.share", description = "Buckets that it serves, of all."),
    printcolumn(name = "Nines", type_ = "string", json_path = ".status.nines", description = "Availability; - while it cannot be told."),
    printcolumn(name = "Lifecycle", type_ = "string", json_path = ".spec.lifecycle"),
    printcolumn(name = "Evacuated", type_ = "date", json_path = ".status.evacuatedSince", description = "Since when its traffic is elsewhere."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Why-not", type_ = "string", json_path = r#".status.conditions[?(@.type=="Evacuable")].message"#, priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct GeodeSpec {
    /// Name for people. Example: `West Europe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub display_name: Option<String>,

    /// Where it lies, for maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<Coordinates>,

    /// Data of tenants with this residency may be here. Example: `eu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency_zone: Option<Label>,

    /// Lower goes first when targets are otherwise equal. Example: 10.
    #[serde(default = "order")]
    #[schemars(range(min = 0, max = 10_000))]
    pub failover_order: i32,

    /// `Active` serves; `OutOfRotation` takes it out lastingly: it is no target. May live in Git. For an emergency
    /// make a `Failover` instead. Example: `Active`.
    #[serde(default)]
    pub lifecycle: GeodeLifecycle,

    /// Access to the geode's own cluster. Example: a Secret's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("traffic moves by DNS, which needs no access to the geode's cluster; leave cluster out"))]
    pub cluster: Option<Later>,
}

fn order() -> i32 {
    100
}

/// A point on the map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coordinates {
    /// Degrees north; negative is south. Example: `52.3702`.
    pub latitude: Degrees,
    /// Degrees east; negative is west. Example: `4.8952`.
    pub longitude: Degrees,
}

/// What Lifeboat says about a region. Words are plain text, so that an older schema never refuses a newer word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeodeStatus {
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
    /// Buckets that its stamps serve, of all buckets. Example: `48/144`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub share: Option<String>,
    /// Nines of availability over the objective's window, or `-` while they cannot be told. Example: `3.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub nines: Option<String>,
    /// Since when its traffic is elsewhere, in UTC. Example: `2026-11-21T12:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evacuated_since: Option<DateTime<Utc>>,
    /// `Ready`, `Available`, and `Evacuable` with what stands in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}
