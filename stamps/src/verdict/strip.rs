//! The last 64 ticks of one vantage about one stamp, and what they amount to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::Detection;

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
    /// It cannot tell, which is a vote for neither.
    #[default]
    Unknown,
}

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

    /// Replays the strip, oldest tick first, from a state of not knowing.
    ///
    /// Down at F bad of the last T known ticks, Up at R good in a row. A vantage whose newest T ticks are all Unknown
    /// says nothing: an old failure is not news. When its samples come back, its clock goes on where it stood.
    pub fn smooth(self, by: &Detection) -> Smoothed {
        let window = newest(by.window_ticks);
        if self.known & window == 0 {
            return Smoothed::default();
        }
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

/// A mask of the newest `ticks` ticks, at least one of them.
fn newest(ticks: u8) -> u64 {
    u64::MAX >> (STRIP_TICKS - ticks.clamp(1, STRIP_TICKS))
}

#[derive(Default)]
struct Replay {
    /// Known ticks only, bad ones set.
    bad: u64,
    good_in_a_row: u8,
    says: Smoothed,
}

impl Replay {
    fn known(&mut self, bad: bool, by: &Detection, window: u64) {
        self.bad = (self.bad << 1) | u64::from(bad);
        self.good_in_a_row = if bad { 0 } else { self.good_in_a_row + 1 };
        let voice = if self.good_in_a_row >= by.recover_ticks.max(1) {
            Voice::Up
        } else if (self.bad & window).count_ones() >= u32::from(by.fail_ticks.max(1)) {
            Voice::Down
        } else {
            self.says.voice
        };
        if voice == self.says.voice {
            self.says.ticks += 1;
        } else {
            self.says = Smoothed { voice, ticks: 0 };
        }
    }
}
