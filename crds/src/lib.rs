//! The Kubernetes API of Lifeboat: its kinds, their schemas and rules, and how objects become the domain's snapshot.
//!
//! One file per kind that people write; [`state`] holds those that only Lifeboat writes. [`definitions`] is the full
//! list for installing them, and [`validate`] the only way from an object to the domain.

// `KubeSchema` copies each struct, its `pub` included, into a function.
#![allow(unreachable_pub)]

pub mod conditions;
pub mod definitions;
pub mod failover;
pub mod failover_policy;
pub mod fleet;
pub mod geode;
pub mod later;
pub mod policies;
#[cfg(test)]
mod quickstart;
pub mod register;
mod rules;
#[cfg(test)]
mod samples;
pub mod stamp;
pub mod state;
pub mod tenant;
pub mod text;
pub mod time;
pub mod traffic_policy;
pub mod validate;

pub use failover::{Failover, FailoverSpec, FailoverStatus};
pub use failover_policy::{FailoverPolicy, FailoverPolicySpec};
pub use fleet::{FLEET, Fleet, FleetSpec, FleetStatus};
pub use geode::{Geode, GeodeSpec, GeodeStatus};
pub use stamp::{Stamp, StampSpec, StampStatus};
pub use state::{
    AvailabilityLedger, AvailabilityLedgerFields, FleetState, FleetStateFields, HealthReport,
    HealthReportFields, REGISTER_FINALIZER,
};
pub use tenant::{Placement, Tenant, TenantSpec, TenantStatus};
pub use traffic_policy::{TrafficPolicy, TrafficPolicySpec, TrafficPolicyStatus};

/// API group of what people write.
pub const GROUP: &str = "lifeboat.dev";
/// API group of what only Lifeboat writes.
pub const STATE_GROUP: &str = "state.lifeboat.dev";
/// Version of both groups.
pub const VERSION: &str = "v1alpha1";
