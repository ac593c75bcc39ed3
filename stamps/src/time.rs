//! Time as the domain sees it: handed in, never read.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

use chrono::{DateTime, Utc};

/// Milliseconds on this process's monotonic clock. Comparable only within one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }
}

/// This moment, twice: for people, and for decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Written into records for people. Never compared with another wall time.
    pub wall: DateTime<Utc>,
    /// What every decision uses.
    pub mono: Mono,
}

/// Whole milliseconds; saturates far beyond any duration the product accepts.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
