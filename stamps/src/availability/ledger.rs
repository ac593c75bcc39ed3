//! One stamp's slices: the newest one by one, older ones as sums of hours and days.

use std::collections::VecDeque;

use super::{Class, DAY_SLICES, HOUR_SLICES, Samples, Slice, Tally};

/// Days that are kept by the hour, besides the one that is not over.
pub const HOUR_DAYS: i64 = 30;
/// Days that are kept by the day, besides those by the hour.
pub const DAYS_MAX: usize = 400;
/// The newest slices stay single although their hour is over, so that the last five minutes can always be read.
const SINGLE_SLICES: i64 = 30;
/// Slices of all that is ever kept; a longer silence leaves nothing worth keeping.
#[allow(clippy::cast_possible_wrap, reason = "400 is far below any limit")]
const SPAN_SLICES: i64 = (DAYS_MAX as i64 + HOUR_DAYS) * DAY_SLICES;
/// Most samples that one slice counts: three digits of the ledger's text. 64 vantages that sample 20 times a second
/// stay below it.
const SAMPLES_MAX: u64 = 36 * 36 * 36 - 1;
const DAY_HOURS: i64 = DAY_SLICES / HOUR_SLICES;

/// A slice that lies before the ledger's end. What was recorded is not rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slice {slice} lies before {head}, where the ledger ends")]
pub struct OutOfOrder {
    /// The slice's number.
    pub slice: i64,
    /// The first number that would have been taken.
    pub head: i64,
}

/// Equal slices in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) slice: Slice,
    /// At least one.
    pub(super) len: u32,
}

/// The record of one stamp. Days, hours and single slices follow each other without a hole: what nobody recorded is
/// in it as Unknown. So three lists and one number hold all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Whole days, oldest first; the last one ends where `hours` begins.
    pub(super) days: VecDeque<Tally>,
    /// Whole hours, oldest first; the last one ends at `single_from`.
    pub(super) hours: VecDeque<Tally>,
    /// Number of the first single slice. On an hour's boundary, unless there are neither hours nor days.
    pub(super) single_from: i64,
    /// Whether the last known slice before `single_from` was bad.
    pub(super) down_before: bool,
    /// Single slices, oldest first.
    pub(super) singles: VecDeque<Run>,
}

impl Ledger {
    /// The number of the next slice; none for a ledger that holds nothing.
    pub fn head(&self) -> Option<i64> {
        (!self.is_empty()).then(|| self.end())
    }

    fn is_empty(&self) -> bool {
        self.days.is_empty() && self.hours.is_empty() && self.singles.is_empty()
    }

    fn end(&self) -> i64 {
        self.single_from + self.singles.iter().map(|run| i64::from(run.len)).sum::<i64>()
    }

    /// Adds a slice. Numbers between the end and `number` are filled in as Unknown.
    pub fn push(&mut self, number: i64, slice: Slice) -> Result<(), OutOfOrder> {
        let all = slice.samples.all.min(SAMPLES_MAX);
        let slice = Slice { samples: Samples { good: slice.samples.good.min(all), all }, ..slice };
        let Some(head) = self.head().filter(|head| number - head < SPAN_SLICES) else {
            *self = Self { single_from: number, ..Self::default() };
            self.append(slice, 1);
            return Ok(());
        };
        if number < head {
            return Err(OutOfOrder { slice: number, head });
        }
        let mut gap = number - head;
        while gap > 0 {
            // By the hour, so that a gap of a year never stands in memory slice by slice.
            let part = gap.min(HOUR_SLICES);
            self.append(Slice::default(), u32::try_from(part).unwrap_or(u32::MAX));
            self.fold();
            gap -= part;
        }
        self.append(slice, 1);
        self.fold();
        Ok(())
    }

    fn append(&mut self, slice: Slice, len: u32) {
        match self.singles.back_mut() {
            Some(last) if last.slice == slice => last.len += len,
            _ => self.singles.push_back(Run { slice, len }),
        }
    }

    fn fold(&mut self) {
        let mut end = self.end();
        loop {
            let boundary = (self.single_from.div_euclid(HOUR_SLICES) + 1) * HOUR_SLICES;
            if end - boundary < SINGLE_SLICES {
                break;
            }
            self.fold_hour(boundary);
            end = self.end();
        }
        while self.oldest_day_end() + HOUR_DAYS * DAY_HOURS <= self.single_from.div_euclid(HOUR_SLICES)
            && !self.hours.is_empty()
        {
            self.fold_day();
        }
    }

    /// Turns the singles before `boundary` into the sum of their hour.
    fn fold_hour(&mut self, boundary: i64) {
        let mut hour = Tally::default();
        let mut left = boundary - self.single_from;
        while let Some(run) = self.singles.front_mut().filter(|_| left > 0) {
            let taken = run.len.min(u32::try_from(left).unwrap_or(u32::MAX));
            hour += tally_run(&mut self.down_before, run.slice, taken);
            left -= i64::from(taken);
            run.len -= taken;
            if run.len == 0 {
                self.singles.pop_front();
            }
        }
        self.hours.push_back(hour);
        self.single_from = boundary;
    }

    /// The hour, as a number from 1970, at which the day of the oldest kept hour ends.
    fn oldest_day_end(&self) -> i64 {
        (self.first_hour().div_euclid(DAY_HOURS) + 1) * DAY_HOURS
    }

    pub(super) fn first_hour(&self) -> i64 {
        self.single_from.div_euclid(HOUR_SLICES) - i64::try_from(self.hours.len()).unwrap_or(i64::MAX)
    }

    /// Turns the oldest kept hours, all of one day, into the sum of that day.
    pub(super) fn fold_day(&mut self) {
        let of_day = usize::try_from(self.oldest_day_end() - self.first_hour()).unwrap_or(0);
        let day = self.hours.drain(..of_day.min(self.hours.len())).fold(Tally::default(), Tally::add_to);
        self.days.push_back(day);
        while self.days.len() > DAYS_MAX {
            self.days.pop_front();
        }
    }

    /// The sum of what began in the slices from `from` up to, not including, `to`.
    ///
    /// An hour or a day counts where it begins, whole. So any two adjacent windows add up to the window over both,
    /// wherever the cut lies; a cut within an hour or day is off by less than that.
    pub fn tally(&self, from: i64, to: i64) -> Tally {
        let within = |at: i64| (from..to).contains(&at);
        let mut sum = Tally::default();
        let first_hour = self.first_hour();
        let days_end = first_hour.div_euclid(DAY_HOURS);
        for (back, day) in (1..).zip(self.days.iter().rev()) {
            if within((days_end - back) * DAY_SLICES) {
                sum += *day;
            }
        }
        for (hour, tally) in (first_hour..).zip(&self.hours) {
            if within(hour * HOUR_SLICES) {
                sum += *tally;
            }
        }
        let mut down = self.down_before;
        let mut at = self.single_from;
        for run in &self.singles {
            let end = at + i64::from(run.len);
            let (before, inside) = (from.clamp(at, end) - at, to.clamp(at, end) - from.clamp(at, end));
            let _ = tally_run(&mut down, run.slice, u32::try_from(before).unwrap_or(0));
            let counted = tally_run(&mut down, run.slice, u32::try_from(inside.max(0)).unwrap_or(0));
            sum += counted;
            let _ = tally_run(&mut down, run.slice, run.len);
            at = end;
        }
        sum
    }

    /// The sum of the newest `slices` slices.
    pub fn newest(&self, slices: i64) -> Tally {
        self.tally(self.end() - slices, self.end())
    }
}

impl Tally {
    fn add_to(self, other: Self) -> Self {
        self + other
    }
}

/// The sum of `n` equal slices that follow a moment at which the stamp was `down` or not; keeps `down`.
fn tally_run(down: &mut bool, slice: Slice, n: u32) -> Tally {
    let begins = slice.class == Class::Bad && !*down;
    if n > 0 && slice.class != Class::Unknown {
        *down = slice.class == Class::Bad;
    }
    Tally::of(slice, n.into(), begins)
}
