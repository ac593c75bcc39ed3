//! From the ticks that vantages saw to a verdict, its evidence and its sentence.
//!
//! A verdict is a function of the fleet and of the reports on the table, and of nothing else: no order of arrival, no
//! clock, no memory. So every replica has the same verdict at once, and a new leader starts no timer from zero. How old
//! a report is belongs to the table: too old, and it does not count; older than the failure that others see, and it
//! does not prove that the subject lives on.

mod geode;
mod judge;
mod report;
mod sentence;
mod stamp;
mod strip;

pub(crate) use judge::evidence_regions;
pub use judge::{Assessment, EVIDENCE_REGIONS, Finding, RegionSays, Seat, Silence, Table, Vote, assess};
pub use report::{
    Failure, FailureClass, Phase, RECORD_CHARS, Report, ReportError, Sample, Sight, list_hash, pack, unpack,
};
pub use strip::{DAMPED_TICKS_MAX, STRIP_TICKS, Smoothed, Strip, Tick, Voice};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the regions outside a subject say about it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Verdict {
    /// Most regions that can see it say Up, and fewer than two say Down.
    Healthy,
    /// In doubt, or just recovering from many failures: no new tenants, not a target, never evacuated automatically.
    Degraded,
    /// At least two regions other than its own say Down.
    Unhealthy,
    /// The same, while its own region has gone on saying Up since: alive, and maybe writing. To every rule the two
    /// are one; a person, and a fence, must know the difference.
    CutOff,
    /// Nobody outside can tell.
    #[default]
    Unknown,
}

impl Verdict {
    /// Whether at least two regions other than its own say Down.
    pub fn is_down(self) -> bool {
        matches!(self, Self::Unhealthy | Self::CutOff)
    }
}

#[cfg(test)]
mod tests;
