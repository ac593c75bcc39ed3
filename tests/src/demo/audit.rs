//! Counts at the API server's own audit log what a failover costs it.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};

use crate::apiserver::Cluster;

/// Writes of the operator's replicas in a window of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    by_resource: BTreeMap<String, u64>,
}

impl Writes {
    /// Reads them from the log. The heartbeat is left out: it beats by the clock, failover or not.
    pub(super) fn of(
        cluster: &Cluster,
        operators: &[String],
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let mut writes = Self::default();
        // The log has a line for each of thousands of tenants, and clients go on meanwhile.
        for event in tokio::task::block_in_place(|| cluster.audit())? {
            let about = event.object_ref.as_ref().map_or("", |object| object.resource.as_str());
            if event.is_write()
                && operators.contains(&event.user.username)
                && about != "leases"
                && (from..=to).contains(&event.stage_timestamp)
            {
                *writes.by_resource.entry(about.to_owned()).or_default() += 1;
            }
        }
        Ok(writes)
    }

    /// All of them.
    pub(super) fn total(&self) -> u64 {
        self.by_resource.values().sum()
    }

    /// Those about tenants: a failover writes none.
    pub(super) fn of_tenants(&self) -> u64 {
        self.by_resource.get("tenants").copied().unwrap_or_default()
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.by_resource.iter().map(|(about, count)| format!("{count} {about}")).collect();
        write!(f, "{} writes ({}; none of a tenant)", self.total(), parts.join(", "))
    }
}
