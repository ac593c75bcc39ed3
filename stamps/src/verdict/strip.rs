//! The last 64 ticks of one vantage about one stamp, and what they amount to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::Detection,
    mutants::{Mutant, planted},
};

/// Ticks that a strip remembers. A hold must be shorter than this many ticks, or no strip can ever show it.
pub const STRIP_TICKS: u8 = 64;

/// One tick's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Every probe of the stamp passed.
    Good,
    /// A probe failed, and the stamp is to blame.
    Bad,
    /// Not sampled, or the prober itself failed.
    Unknown,
}

/// What a vantage or a region says about a subject.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Voice {
    /// It serves.
    Up,
    /// It does not.
    Down,
    /// It serves again, and it has fallen so often lately that it must go on doing so before it counts as Up. No
    /// evidence for an evacuation, and no reason to send anything there.
    Recovering,
    /// It cannot tell, which is a vote for neither.
    #[default]
    Unknown,
}

/// The most good ticks in a row that flap damping asks for, unless `recoverTicks` itself is more. Half of a strip, so
/// that the other half can show the falls that ask for it: at 3 of 5 and 5 in a row, four falls take 27 ticks.
pub const DAMPED_TICKS_MAX: u8 = STRIP_TICKS / 2;

/// Two bitmaps with the newest tick in bit 0. A tick that is not known is never good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Strip {
    /// Ticks that have a result.
    pub known: u64,
    /// Ticks that were good.
    pub good: u64,
}

/// A strip after F-of-T smoothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Smoothed {
    /// What the vantage says.
    pub voice: Voice,
    /// For how many known ticks it has said so, not counting the one at which it began to. Unknown ticks stop this
    /// clock and do not set it back: they are no evidence, and no reason to forget any.
    pub ticks: u8,
    /// How often the strip shows it going Down.
    pub falls: u8,
    /// Good ticks in a row that are still missing for Up; 0 unless it is Recovering.
    pub due_ticks: u8,
}

impl Strip {
    /// Adds the newest tick; the oldest one falls off.
    pub fn push(&mut self, tick: Tick) {
        self.known = (self.known << 1) | u64::from(tick != Tick::Unknown);
        self.good = (self.good << 1) | u64::from(tick == Tick::Good);
    }

    /// The tick `age` ticks ago; older than the strip is Unknown.
    pub fn tick(self, age: u8) -> Tick {
        let bit = 1u64.checked_shl(age.into()).unwrap_or(0);
        match (self.known & bit != 0, self.good & bit != 0) {
            (true, true) => Tick::Good,
            (true, false) => Tick::Bad,
            (false, _) => Tick::Unknown,
        }
    }

    /// How many ticks ago the newest good tick was.
    pub fn newest_good(self) -> Option<u8> {
        (0..STRIP_TICKS).find(|age| self.tick(*age) == Tick::Good)
    }

    /// Replays the strip, oldest tick first, from a state of not knowing.
    ///
    /// Down at F bad of the last T known ticks. Up at R good in a row after the first fall that the strip shows, and
    /// at R * 2^(n - 1) after the n-th, at most [`DAMPED_TICKS_MAX`]; between R and that it is Recovering. What a fall
    /// is, is judged without damping, so that damping cannot feed itself, delays no Down, and lets go when old falls
    /// leave the strip.
    ///
    /// A vantage whose newest T ticks are all Unknown says nothing: an old failure is not news. When its samples come
    /// back, its clock goes on where it stood.
    pub fn smooth(self, by: &Detection) -> Smoothed {
        let window = newest(by.window_ticks);
        if self.known & window == 0 {
            return Smoothed::default();
        }
        if self.known == self.good {
            return never_bad(self.known.count_ones(), by);
        }
        self.replay(by)
    }

    pub(super) fn replay(self, by: &Detection) -> Smoothed {
        let window = newest(by.window_ticks);
        let mut replay = Replay::default();
        for age in (0..STRIP_TICKS).rev() {
            match self.tick(age) {
                Tick::Good => replay.known(false, by, window),
                Tick::Bad => replay.known(true, by, window),
                Tick::Unknown => {}
            }
        }
        replay.says
    }
}

/// What a replay without a bad tick comes to. Nearly every strip is like that, and every report asks for all of them.
fn never_bad(known: u32, by: &Detection) -> Smoothed {
    let known = u8::try_from(known).unwrap_or(STRIP_TICKS);
    match known.checked_sub(by.recover_ticks.max(1)) {
        Some(ticks) => Smoothed { voice: Voice::Up, ticks, ..Smoothed::default() },
        None => Smoothed { ticks: known, ..Smoothed::default() },
    }
}

/// Good ticks in a row that make a vantage say Up after so many falls.
fn good_needed(falls: u8, by: &Detection) -> u8 {
    let plain = by.recover_ticks.max(1);
    if planted(Mutant::ForgetsFlaps) {
        return plain;
    }
    let damped = u32::from(plain) << falls.saturating_sub(1).min(8);
    u8::try_from(damped).unwrap_or(u8::MAX).min(DAMPED_TICKS_MAX.max(plain))
}

/// A mask of the newest `ticks` ticks, at least one of them.
fn newest(ticks: u8) -> u64 {
    u64::MAX >> (STRIP_TICKS - ticks.clamp(1, STRIP_TICKS))
}

#[derive(Default)]
struct Replay {
    /// Known ticks only, bad ones set.
    bad: u64,
    good_in_a_row: u8,
    /// What it would say without damping.
    undamped: Voice,
    says: Smoothed,
}

impl Replay {
    fn known(&mut self, bad: bool, by: &Detection, window: u64) {
        self.bad = (self.bad << 1) | u64::from(bad);
        self.good_in_a_row = if bad { 0 } else { self.good_in_a_row + 1 };
        let before = self.undamped;
        if self.good_in_a_row >= by.recover_ticks.max(1) {
            self.undamped = Voice::Up;
        } else if (self.bad & window).count_ones() >= u32::from(by.fail_ticks.max(1)) {
            self.undamped = Voice::Down;
        }
        let fell = self.undamped == Voice::Down && before != Voice::Down;
        let falls = self.says.falls + u8::from(fell);
        let due_ticks = good_needed(falls, by).saturating_sub(self.good_in_a_row);
        let voice = match self.undamped {
            Voice::Up if due_ticks > 0 && self.says.voice != Voice::Up => Voice::Recovering,
            voice => voice,
        };
        let ticks = if voice == self.says.voice { self.says.ticks + 1 } else { 0 };
        let due_ticks = if voice == Voice::Recovering { due_ticks } else { 0 };
        self.says = Smoothed { voice, ticks, falls, due_ticks };
    }
}
