//! Nines, and when not to show any.
//!
//! Nines are `-log10` of the bad share, in steps of 0.1, rounded down, computed with integers. There are two: uptime, by
//! slices, and success, by samples; the lower one is the headline. Three things keep them honest:
//! - Too few slices, or more unknown minutes than the objective's budget: no nines but the reason, with its numbers.
//! - Unknown slices make an interval: its low end counts them as bad.
//! - n slices cannot show more than 3 in n: with none bad among n independent samples, the true share is below 3/n
//!   with 95 % confidence (the rule of three). What is better is shown as `>=` that bound. It is a statement about
//!   sampling only; outages come in lumps, and it says nothing about the next one. So 100 % is never shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DAY_SLICES, SLICE_S, Tally};

/// The window of the headline: 30 days, in slices.
pub const WINDOW_SLICES: i64 = 30 * DAY_SLICES;
/// Known slices before any nines are shown: 50 minutes.
pub const COLLECT_SLICES: u64 = 300;
/// The objective of a stamp that names none, in hundredths of a per cent. It only sets how much unknown is too much:
/// 43 minutes in 30 days.
pub const DEFAULT_OBJECTIVE_BP: u32 = 9_990;
const ALL_BP: u64 = 10_000;
/// Nines stop here: nobody measures a tenth.
const TENTHS_MAX: u32 = 90;
/// `10^(12 - k/10)`: the steps of 0.1 within one nine, to twelve digits.
const STEPS: [u128; 10] = [
    1_000_000_000_000,
    794_328_234_724,
    630_957_344_480,
    501_187_233_627,
    398_107_170_553,
    316_227_766_017,
    251_188_643_151,
    199_526_231_497,
    158_489_319_246,
    125_892_541_179,
];
const STEP_ONE: u128 = 1_000_000_000_000;

/// A number of nines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nines {
    /// In tenths: 39 is 3.9 nines.
    pub tenths: u32,
    /// It was better than so many samples can show: at least this, sampling only.
    pub at_least: bool,
}

impl fmt::Display for Nines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}.{}", if self.at_least { ">= " } else { "" }, self.tenths / 10, self.tenths % 10)
    }
}

/// The nines of `bad` among `all`; none of nothing.
pub fn nines(bad: u64, all: u64) -> Option<Nines> {
    if all == 0 {
        return None;
    }
    let tenths = tenths(bad, all);
    let limit = self::tenths(3.min(all), all);
    Some(Nines { tenths: tenths.min(limit), at_least: tenths > limit })
}

/// The largest t with `bad / all <= 10^(-t/10)`.
fn tenths(bad: u64, all: u64) -> u32 {
    let holds = |t: u32| {
        let scale = 10u128.pow(t / 10) * STEP_ONE;
        u128::from(bad) * scale <= u128::from(all) * STEPS[(t % 10) as usize]
    };
    (1..=TENTHS_MAX).take_while(|t| holds(*t)).last().unwrap_or(0)
}

/// Nines, or why there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reading", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reading {
    /// Too little is known yet.
    CollectingSamples {
        /// Known slices.
        have: u64,
        /// Slices needed.
        need: u64,
    },
    /// So much is unknown that the objective could be met or missed.
    UnknownExceedsBudget {
        /// Unknown slices.
        unknown: u64,
        /// Slices that may be bad under the objective, in ten-thousandths of a slice.
        budget: u64,
    },
    /// What was measured.
    Nines {
        /// Unknown left out.
        nines: Nines,
        /// As if the unknown had been down.
        low: Nines,
    },
}

impl Reading {
    /// What a column shows: the nines, or `-`.
    pub fn short(&self) -> String {
        match self {
            Self::Nines { nines, .. } => nines.to_string(),
            _ => "-".to_owned(),
        }
    }

    /// What belongs behind it: why there are no nines, or their interval.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::CollectingSamples { have, need } => Some(format!("CollectingSamples {have}/{need}")),
            Self::UnknownExceedsBudget { unknown, budget } => Some(format!(
                "UnknownExceedsBudget {} min > {} min",
                minutes(*unknown),
                minutes_text(u128::from(*budget))
            )),
            Self::Nines { nines, low } if low.tenths < nines.tenths => {
                Some(format!("{}.{} if the unknown was down", low.tenths / 10, low.tenths % 10))
            }
            Self::Nines { nines, .. } if nines.at_least => Some("sampling only".to_owned()),
            Self::Nines { .. } => None,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())?;
        match (self, self.reason()) {
            (Self::Nines { .. }, Some(reason)) => write!(f, " ({reason})"),
            (_, Some(reason)) => write!(f, " {reason}"),
            (_, None) => Ok(()),
        }
    }
}

/// Slices as minutes: one decimal below ten, rounded down.
pub fn minutes(slices: u64) -> String {
    minutes_text(u128::from(slices) * u128::from(ALL_BP))
}

/// Ten-thousandths of a slice as minutes.
fn minutes_text(ten_thousandths: u128) -> String {
    let tenths = ten_thousandths * u128::from(SLICE_S.unsigned_abs()) / (6 * u128::from(ALL_BP));
    if tenths < 100 && !tenths.is_multiple_of(10) {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        (tenths / 10).to_string()
    }
}

/// The availability of a stamp in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// The window's length in slices.
    pub window: i64,
    /// The objective it was read against, in hundredths of a per cent.
    pub objective_bp: u32,
    /// What was counted.
    pub tally: Tally,
    /// By slices.
    pub uptime: Option<Nines>,
    /// By samples.
    pub success: Option<Nines>,
    /// The lower of the two, or why there is none.
    pub headline: Reading,
}

/// Scores the tally of a window of `window` slices against an objective.
pub fn score(tally: Tally, window: i64, objective_bp: Option<u32>) -> Score {
    let objective_bp = objective_bp.unwrap_or(DEFAULT_OBJECTIVE_BP);
    let uptime = nines(tally.bad, tally.known());
    let success = nines(tally.samples.all - tally.samples.good, tally.samples.all);
    let budget = window.unsigned_abs().saturating_mul(ALL_BP.saturating_sub(objective_bp.into()));
    let headline = match uptime {
        Some(uptime) if tally.known() >= COLLECT_SLICES => {
            if tally.unknown.saturating_mul(ALL_BP) > budget {
                Reading::UnknownExceedsBudget { unknown: tally.unknown, budget }
            } else {
                let low = nines(tally.bad + tally.unknown, tally.slices()).unwrap_or(uptime);
                Reading::Nines { nines: lower(uptime, success), low: lower(low, success) }
            }
        }
        _ => Reading::CollectingSamples { have: tally.known(), need: COLLECT_SLICES },
    };
    Score { window, objective_bp, tally, uptime, success, headline }
}

fn lower(uptime: Nines, success: Option<Nines>) -> Nines {
    success.filter(|success| success.tenths < uptime.tenths).unwrap_or(uptime)
}
