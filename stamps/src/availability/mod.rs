//! How available a stamp was: slices of wall time, a bounded ledger of them, and nines that say what they rest on.
//!
//! A slice is ten seconds on a fixed grid. It has a class by the quorum of regions, without smoothing, so that short
//! failures count, and counts of samples. Everything is an integer: a window's [`Tally`] is a sum, so two adjacent
//! windows added up are the window over both, and no percentage is ever averaged. The ledger never decides anything.

mod ledger;
mod recorder;
mod score;
#[cfg(test)]
mod tests;
mod text;

use std::ops::{Add, AddAssign};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use ledger::{DAYS_MAX, HOUR_DAYS, Ledger, OutOfOrder};
pub use recorder::{Recorder, Total, Totals, totals};
pub use score::{
    COLLECT_SLICES, DEFAULT_OBJECTIVE_BP, Nines, Reading, Score, WINDOW_SLICES, minutes, nines, score,
};
pub use text::{LEDGER_FORMAT, LEDGER_TEXT_MAX, LedgerError};

/// Seconds of a slice. Fixed, whatever the probes' intervals are, so that scores of different fleets compare.
pub const SLICE_S: i64 = 10;
/// Slices of an hour.
pub const HOUR_SLICES: i64 = 3600 / SLICE_S;
/// Slices of a day.
pub const DAY_SLICES: i64 = 24 * HOUR_SLICES;

/// The number of the slice in which a moment lies, counted from 1970.
pub fn slice_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(SLICE_S)
}

/// What the quorum of outside regions said in one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// More outside regions saw it up than down, and fewer than two saw it down.
    Good,
    /// Two outside regions or more saw it down.
    Bad,
    /// Neither; also every slice in which nobody kept the record.
    #[default]
    Unknown,
}

/// Probe samples that had a result. Samples without one count in neither number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Samples {
    /// Those that passed. Never more than `all`.
    pub good: u64,
    /// All of them.
    pub all: u64,
}

/// Ten seconds of one stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// By the quorum.
    pub class: Class,
    /// By the samples.
    pub samples: Samples,
}

/// Any number of slices, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Good slices.
    pub good: u64,
    /// Bad slices.
    pub bad: u64,
    /// Unknown slices.
    pub unknown: u64,
    /// Episodes that began here: a bad slice whose last known predecessor was not bad. Unknown slices neither begin
    /// nor end one.
    pub episodes: u64,
    /// Samples.
    pub samples: Samples,
}

impl Tally {
    /// `n` slices like `slice`, of which the first begins an episode or none does.
    fn of(slice: Slice, n: u64, begins: bool) -> Self {
        let mut tally = Self {
            episodes: u64::from(begins && n > 0),
            samples: Samples { good: slice.samples.good * n, all: slice.samples.all * n },
            ..Self::default()
        };
        match slice.class {
            Class::Good => tally.good = n,
            Class::Bad => tally.bad = n,
            Class::Unknown => tally.unknown = n,
        }
        tally
    }

    /// Slices that have a class.
    pub fn known(&self) -> u64 {
        self.good + self.bad
    }

    /// All slices.
    pub fn slices(&self) -> u64 {
        self.known() + self.unknown
    }
}

impl Add for Tally {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            good: self.good + other.good,
            bad: self.bad + other.bad,
            unknown: self.unknown + other.unknown,
            episodes: self.episodes + other.episodes,
            samples: self.samples + other.samples,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Add for Samples {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { good: self.good + other.good, all: self.all + other.all }
    }
}
