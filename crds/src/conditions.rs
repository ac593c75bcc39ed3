//! Conditions, as the Kubernetes API conventions have them.

use chrono::{DateTime, Utc};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::time;

/// The spec is reconciled.
pub const READY: &str = "Ready";
/// It serves. Apart from `Ready`, so that a dead region never blocks the roll-out of its own fix.
pub const AVAILABLE: &str = "Available";
/// Traffic policies: hosts and zone are admitted.
pub const ACCEPTED: &str = "Accepted";
/// Geodes: a failover away from it would work now.
pub const EVACUABLE: &str = "Evacuable";
/// Runs: it has ended, however. The reason is the phase.
pub const FINISHED: &str = "Finished";
/// Runs: it reached what it was made for.
pub const SUCCEEDED: &str = "Succeeded";
/// Runs: it waits at the stage it reached. Not an end.
pub const HELD: &str = "Held";

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Sets a condition among its neighbours. Its transition time moves only when its status does.
///
/// Returns whether anything but a time has changed, so that callers can skip the write.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    truth: impl Into<Truth>,
    (reason, message): (&str, &str),
    observed_generation: Option<i64>,
    now: DateTime<Utc>,
) -> bool {
    let status = match truth.into() {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
    };
    let new = Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation,
        last_transition_time: time::to_k8s(now),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == type_) {
        None => {
            conditions.push(new);
            true
        }
        Some(old) => {
            let same_status = old.status == new.status;
            let last_transition_time =
                if same_status { old.last_transition_time.clone() } else { new.last_transition_time.clone() };
            let new = Condition { last_transition_time, ..new };
            let changed = *old != new;
            *old = new;
            changed
        }
    }
}

/// The schema of a list of conditions: a map by type, so that several writers can own one each.
pub(crate) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "type": "string", "maxLength": 316,
                    "description": "What the condition is about. Example: `Ready`."
                },
                "status": {
                    "type": "string", "enum": ["True", "False", "Unknown"],
                    "description": "Whether it holds. Example: `True`."
                },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "description": "Why, in one word that does not change. Example: `Reconciled`."
                },
                "message": {
                    "type": "string", "maxLength": 32768,
                    "description": "Why, in a sentence with its numbers."
                },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time",
                    "description": "When `status` last changed, in UTC. Example: `2026-11-21T12:00:00Z`."
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "The generation of the spec that this is about. Example: 3."
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
