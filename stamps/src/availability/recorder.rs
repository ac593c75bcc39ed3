//! Closes a slice every ten seconds and writes it into every stamp's ledger.
//!
//! A vantage's word in a slice is what its samples of that slice say, without the smoothing that verdicts have. Whose
//! word counts is the assessment's matter: a vantage that is silent there is silent here. Regions speak by the
//! majority of their vantages that can tell, and the stamp's own region does not count; this goes for the samples of
//! the success score too.

use std::collections::BTreeMap;

use super::{Class, Ledger, SLICE_S, Samples, Slice, slice_of};
use crate::{
    names::{RegionName, StampName, VantageName},
    time::{Mono, Now},
    verdict::{Assessment, EVIDENCE_REGIONS, Finding, Report, Silence, Voice},
};

/// Totals of a report count modulo 2^24.
const TOTAL_MASK: u32 = 0x00ff_ffff;
/// No vantage samples a stamp more often; a larger difference is a monitor that began to count anew.
const SAMPLES_PER_S_MAX: u64 = 20;
/// Slices in which the last word of a vantage that delivered no sample still stands: reports come every 10 s, and
/// samples may be 10 s apart, so that one slice can fall between two of them.
const CARRY_SLICES: u8 = 2;

/// Running totals of one vantage about one stamp, modulo 2^24.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Good samples.
    pub good: u32,
    /// Known samples.
    pub all: u32,
}

/// Totals by stamp and vantage.
pub type Totals = BTreeMap<StampName, BTreeMap<VantageName, Total>>;

/// The totals that a set of reports carries.
pub fn totals<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Totals {
    let mut totals = Totals::new();
    for report in reports {
        for (stamp, sample) in &report.samples {
            let total = Total { good: sample.good_total, all: sample.all_total };
            totals.entry(stamp.clone()).or_default().insert(report.vantage.clone(), total);
        }
    }
    totals
}

/// What is known of one vantage's view of one stamp.
#[derive(Clone, Copy, Debug)]
struct Seen {
    total: Total,
    at: Mono,
    /// Samples of the open slice.
    open: Samples,
    /// What the newest slice with samples said, and how many slices ago that was.
    voice: Voice,
    age: u8,
}

/// Keeps the ledgers of a fleet.
///
/// The grid is wall time, read once at the start and carried on by the monotonic clock: a wall clock that is set makes
/// no slice longer, shorter or negative. Time in which nobody calls becomes Unknown.
#[derive(Clone, Debug)]
pub struct Recorder {
    started: Now,
    open: i64,
    ledgers: BTreeMap<StampName, Ledger>,
    seen: BTreeMap<(StampName, VantageName), Seen>,
}

impl Recorder {
    /// A recorder that goes on with the ledgers that were read back.
    pub fn new(ledgers: BTreeMap<StampName, Ledger>, now: Now) -> Self {
        Self { started: now, open: slice_of(now.wall), ledgers, seen: BTreeMap::new() }
    }

    /// Every stamp's ledger.
    pub fn ledgers(&self) -> &BTreeMap<StampName, Ledger> {
        &self.ledgers
    }

    /// Takes in what is known now, at least once a slice. Returns whether a slice was closed.
    pub fn take(&mut self, now: Now, assessment: &Assessment, totals: &Totals) -> bool {
        let current = self.slice_at(now);
        let closes = current > self.open;
        if closes {
            // Only the slice that was open has been watched. Those between it and this one are a gap.
            for (stamp, finding) in &assessment.stamps {
                self.close(stamp, finding);
            }
            let missed = u8::try_from(current - self.open - 1).unwrap_or(u8::MAX);
            for seen in self.seen.values_mut() {
                seen.next(missed);
            }
            self.open = current;
        }
        for (stamp, vantages) in totals {
            for (vantage, total) in vantages {
                self.count(stamp, vantage, *total, now.mono);
            }
        }
        closes
    }

    fn slice_at(&self, now: Now) -> i64 {
        slice_of(self.started.wall + now.mono.since(self.started.mono))
    }

    fn count(&mut self, stamp: &StampName, vantage: &VantageName, total: Total, now: Mono) {
        let first = Seen { total, at: now, open: Samples::default(), voice: Voice::Unknown, age: u8::MAX };
        let seen = self.seen.entry((stamp.clone(), vantage.clone())).or_insert(first);
        if seen.total == total {
            return;
        }
        let new = |now: u32, before: u32| u64::from(now.wrapping_sub(before) & TOTAL_MASK);
        let samples = Samples { good: new(total.good, seen.total.good), all: new(total.all, seen.total.all) };
        // A second more: a report may carry what was sampled before the last one was counted.
        let plausible = (now.since(seen.at).as_secs() + SLICE_S.unsigned_abs() + 1) * SAMPLES_PER_S_MAX;
        if samples.good <= samples.all && samples.all <= plausible {
            seen.open = seen.open + samples;
        }
        seen.total = total;
        seen.at = now;
    }

    fn close(&mut self, stamp: &StampName, finding: &Finding) {
        let mut regions: BTreeMap<&RegionName, Vec<Voice>> = BTreeMap::new();
        let mut samples = Samples::default();
        for (vantage, vote) in finding.votes.iter().filter(|(_, vote)| vote.region != finding.own) {
            let heard = matches!(vote.silence, None | Some(Silence::TooFewTicks));
            let seen = self.seen.get(&(stamp.clone(), vantage.clone())).filter(|_| heard);
            regions.entry(&vote.region).or_default().push(seen.map_or(Voice::Unknown, Seen::says));
            samples = samples + seen.map_or_else(Samples::default, |seen| seen.open);
        }
        let class = class(regions.values().map(|voices| majority(voices)));
        let ledger = self.ledgers.entry(stamp.clone()).or_default();
        // A ledger that ends later was written by a clock that is ahead; this slice is in it already.
        let _ = ledger.push(self.open, Slice { class, samples });
    }
}

impl Seen {
    fn says(&self) -> Voice {
        match self.open {
            Samples { all: 0, .. } if self.age <= CARRY_SLICES => self.voice,
            Samples { all: 0, .. } => Voice::Unknown,
            // A tie counts against the stamp.
            Samples { good, all } if good * 2 > all => Voice::Up,
            Samples { .. } => Voice::Down,
        }
    }

    /// Goes on to the next slice, of which `missed` lie in between.
    fn next(&mut self, missed: u8) {
        if self.open.all > 0 {
            self.voice = self.says();
            self.age = 0;
        }
        self.age = self.age.saturating_add(missed).saturating_add(1);
        self.open = Samples::default();
    }
}

/// A region speaks when at least half of its vantages can tell, and more than half of those agree.
fn majority(voices: &[Voice]) -> Voice {
    let count = |voice| voices.iter().filter(|v| **v == voice).count();
    let (up, down) = (count(Voice::Up), count(Voice::Down));
    match (up + down) * 2 >= voices.len() {
        true if up > down => Voice::Up,
        true if down > up => Voice::Down,
        _ => Voice::Unknown,
    }
}

fn class(regions: impl Iterator<Item = Voice>) -> Class {
    let (mut up, mut down) = (0, 0);
    for voice in regions {
        up += usize::from(voice == Voice::Up);
        down += usize::from(voice == Voice::Down);
    }
    if down >= EVIDENCE_REGIONS {
        Class::Bad
    } else if up > down {
        Class::Good
    } else {
        Class::Unknown
    }
}
