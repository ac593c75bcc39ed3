//! Counts at the API server's own audit log what a failover costs it.

use chrono::{DateTime, Utc};

use crate::apiserver::{AuditEvent, Cluster};

/// Writes of the operator's replicas in a window of time. The heartbeat is left out: it beats by the clock, failover or
/// not.
pub(super) fn operator_writes(
    cluster: &Cluster,
    operators: &[String],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> anyhow::Result<Vec<AuditEvent>> {
    let mut events = cluster.audit()?;
    events.retain(|event| {
        let about = event.object_ref.as_ref().map_or("", |object| object.resource.as_str());
        event.is_write()
            && operators.contains(&event.user.username)
            && about != "leases"
            && (from..=to).contains(&event.stage_timestamp)
    });
    Ok(events)
}
