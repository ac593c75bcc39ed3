//! From the ticks that vantages saw to a verdict, its evidence and its sentence.
//!
//! A verdict is a function of the fleet and of the reports on the table, and of nothing else: no order of arrival, no
//! clock, no memory. So every replica has the same verdict at once, and a new leader starts no timer from zero.

mod judge;
mod report;
mod sentence;
mod strip;

pub(crate) use judge::evidence_regions;
pub use judge::{Assessment, EVIDENCE_REGIONS, Finding, RegionSays, Seat, Silence, Table, Vote, assess};
pub use report::{
    Failure, FailureClass, Phase, RECORD_CHARS, Report, ReportError, Sample, Sight, list_hash, pack, unpack,
};
pub use strip::{STRIP_TICKS, Smoothed, Strip, Tick, Voice};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the regions outside a subject say about it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Verdict {
    /// Most regions that can see it say Up, and fewer than two say Down.
    Healthy,
    /// In doubt: no new tenants, not a target, never evacuated automatically.
    Degraded,
    /// At least two regions other than its own say Down.
    Unhealthy,
    /// Nobody outside can tell.
    #[default]
    Unknown,
}

#[cfg(test)]
mod tests;
