//! What only Lifeboat writes. Fields stand at the root of the object: there is nothing here that a person specifies.
//!
//! Bulk is one string each. Typed lists of the same content cost an API server ten to a hundred times as much per
//! write, and an older schema would silently drop what it does not know.

use chrono::{DateTime, Utc};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stamps::verdict::Sight;

use crate::rules;

/// Holds the register's object back when it is deleted, or its definition is. The operator takes it off when the whole
/// namespace goes.
pub const REGISTER_FINALIZER: &str = "state.lifeboat.dev/register";

/// The register: the one document that a fleet's history is made of, changed only by compare-and-swap.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "state.lifeboat.dev",
    version = "v1alpha1",
    kind = "FleetState",
    namespaced,
    no_spec,
    derive = "PartialEq",
    derive = "Default",
    doc = "The register of a fleet: runs, routes and holds, changed by compare-and-swap. Written by the leading replica only.",
    validation = rules::named("fleet"),
    validation = rules::never_lower("epoch"),
    validation = rules::never_lower("revision"),
    validation = rules::never_lower("formatVersion"),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".epoch"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".revision"),
    printcolumn(name = "Leader", type_ = "string", json_path = ".leader"),
    printcolumn(name = "Format", type_ = "integer", json_path = ".formatVersion"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct FleetStateFields {
    /// Leadership epoch: a new leader raises it. Never goes down. Example: 1795262400.
    #[schemars(range(min = 0))]
    pub epoch: i64,
    /// Number of commits. Never goes down. Example: 4711.
    #[schemars(range(min = 0))]
    pub revision: i64,
    /// Replica that leads in this epoch. Example: `lifeboat-operator-0`.
    #[schemars(length(min = 1, max = 253))]
    pub leader: String,
    /// Format of `data`. A binary that knows less refuses to lead. Never goes down. Example: 1.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub format_version: i64,
    /// The state: canonical JSON, or `gzip+base64:` and the same compressed. At most 1 MiB.
    #[schemars(length(max = 1_048_576))]
    pub data: String,
}

/// What one vantage saw.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "state.lifeboat.dev",
    version = "v1alpha1",
    kind = "HealthReport",
    namespaced,
    no_spec,
    derive = "PartialEq",
    doc = "What one vantage saw of all stamps, packed. Written by that vantage only; its monitor serves the readable form.",
    selectable = ".region",
    validation = rules::never_lower("formatVersion"),
    printcolumn(name = "Vantage", type_ = "string", json_path = ".vantage"),
    printcolumn(name = "Region", type_ = "string", json_path = ".region"),
    printcolumn(name = "Sight", type_ = "string", json_path = ".sight"),
    printcolumn(name = "Sequence", type_ = "integer", json_path = ".sequence"),
    printcolumn(name = "Observed", type_ = "date", json_path = ".observedAt")
)]
#[serde(rename_all = "camelCase")]
pub struct HealthReportFields {
    /// Who reports. Example: `weu-a`.
    #[schemars(length(min = 1, max = 63))]
    pub vantage: String,
    /// Region it stands in. Example: `weu`.
    #[schemars(length(min = 1, max = 63))]
    pub region: String,
    /// Number of the report since the vantage's start. Example: 360.
    #[schemars(range(min = 0))]
    pub sequence: i64,
    /// When the newest sample was taken by the vantage's clock, in UTC; for people, never compared. Example:
    /// `2026-11-21T12:00:00.250Z`.
    pub observed_at: DateTime<Utc>,
    /// `Sighted`; `Blind` when its control targets fail too; `ClockSkewed` when its clock is off. The last two count
    /// as Unknown.
    pub sight: Sight,
    /// Format of `body`. Never goes down. Example: 1.
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub format_version: i64,
    /// Hash of the list of stamps that gives `body` its order. Example: `9f86d081884c7d65`.
    #[schemars(length(max = 128))]
    pub stamps_hash: String,
    /// Packed strips of samples, in the order of the list of stamps. At most 256 KiB.
    #[schemars(length(max = 262_144))]
    pub body: String,
}

fn first() -> i64 {
    1
}

/// The availability of one stamp over time.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "state.lifeboat.dev",
    version = "v1alpha1",
    kind = "AvailabilityLedger",
    namespaced,
    no_spec,
    derive = "PartialEq",
    derive = "Default",
    doc = "The slices of one stamp's availability, sparse and bounded. Written by the leading replica only.",
    selectable = ".stamp",
    validation = rules::never_lower("epoch"),
    validation = rules::never_lower("formatVersion"),
    printcolumn(name = "Stamp", type_ = "string", json_path = ".stamp"),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".epoch", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AvailabilityLedgerFields {
    /// The stamp. Example: `weu-1`.
    #[schemars(length(min = 1, max = 63))]
    pub stamp: String,
    /// Epoch of the leader that wrote this. Never goes down. Example: 1795262400.
    #[schemars(range(min = 0))]
    pub epoch: i64,
    /// Format of `data`. Never goes down. Example: 1.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub format_version: i64,
    /// The slices, packed. At most 8 KiB.
    #[schemars(length(max = 8_192))]
    pub data: String,
}
