//! The ledger as text, for the `AvailabilityLedger` object.
//!
//! Format 1 is `1;<from>;<down>;<singles>;<hours>;<days>`. Every number is written in base 36 with lower-case digits.
//!
//! | field | what |
//! |---|---|
//! | from | number of the first single slice: Unix seconds / 10 |
//! | down | 1 if the last known slice before `from` was bad, else 0 |
//! | singles | slices from `from` on, oldest first, each a class letter `G`, `B` or `U` and the fields bad samples, samples |
//! | hours | sums of whole hours up to `from`, oldest first, with `,` between them |
//! | days | sums of whole days (UTC) up to the first hour, oldest first, with `,` between them |
//!
//! Fields of a sum: missing slices (before the record began), episodes, bad slices, unknown slices, bad samples,
//! samples. Good slices are what is left of 360 or 8,640. Fields stand with `.` between them; zeros at the front are
//! left out, but never the last field, so a good hour is one number. `*n` behind an entry repeats it: n equal entries in a row. Other letters
//! belong to later formats (maintenance will have some), and a reader of format 1 refuses them.
//!
//! A text has at most 8 KiB. A stamp whose record would not fit gives up detail, never counts: its oldest hours
//! become days earlier than they would, but the last two days stay by the hour; after that its oldest days fall off.

use std::{collections::VecDeque, fmt::Write as _};

use super::{
    Class, DAY_SLICES, HOUR_SLICES, Samples, Slice, Tally,
    ledger::{DAYS_MAX, HOUR_DAYS, Ledger, Run},
};

/// The format that this binary writes, and the newest it reads.
pub const LEDGER_FORMAT: i64 = 1;
/// Longest text in bytes: what the object's schema accepts.
pub const LEDGER_TEXT_MAX: usize = 8192;
const RADIX: u32 = 36;
/// Hours that are never given up for room: two whole days.
const HOURS_MIN: usize = 48;
/// Most hours: the kept days and the one that is not over.
const HOURS_MAX: i64 = (HOUR_DAYS + 1) * 24;
/// Most single slices of a sound text: an hour, the slices that stay single, and one gap's filling.
const SINGLES_MAX: i64 = 3 * HOUR_SLICES;
/// Largest number of a field. A slice number has seven digits for the next thousands of years.
const NUMBER_MAX: u64 = 1 << 40;

/// Why a text is no ledger. The object is then left as it is; a ledger that cannot be read is not overwritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Written by a later version.
    #[error("ledger format {0} is newer than this binary knows ({LEDGER_FORMAT}); run a newer Lifeboat")]
    Newer(String),
    /// Longer than any sound text.
    #[error("the ledger has {0} bytes, {LEDGER_TEXT_MAX} are the most")]
    TooLong(usize),
    /// A part is missing or added.
    #[error("the ledger has {0} parts, 6 are due")]
    Parts(usize),
    /// A part that cannot be read.
    #[error("`{0}` cannot be read in a ledger of format {LEDGER_FORMAT}")]
    Malformed(String),
    /// Parts that can be read and contradict each other or the bounds.
    #[error("the ledger contradicts itself: {0}")]
    Inconsistent(&'static str),
}

impl Ledger {
    /// The text, at most [`LEDGER_TEXT_MAX`] bytes.
    pub fn to_text(&self) -> String {
        let mut text = self.render();
        if text.len() > LEDGER_TEXT_MAX {
            let mut smaller = self.clone();
            while text.len() > LEDGER_TEXT_MAX && smaller.give_up_detail() {
                text = smaller.render();
            }
        }
        text
    }

    /// Makes the text shorter; false if it cannot. It can until the text fits: 71 hours of at most 24 characters and
    /// 390 single slices of at most 8 take 5 KiB.
    fn give_up_detail(&mut self) -> bool {
        if self.hours.len() < HOURS_MIN + 24 {
            return self.days.pop_front().is_some();
        }
        self.fold_day();
        true
    }

    fn render(&self) -> String {
        let mut text = format!("{LEDGER_FORMAT};");
        number(&mut text, u64::try_from(self.single_from).unwrap_or(0));
        let _ = write!(text, ";{};", u8::from(self.down_before));
        for run in &self.singles {
            text.push(letter(run.slice.class));
            let Samples { good, all } = run.slice.samples;
            fields(&mut text, &[all - good, all]);
            repeats(&mut text, run.len);
        }
        text.push(';');
        sums(&mut text, &self.hours, HOUR_SLICES);
        text.push(';');
        sums(&mut text, &self.days, DAY_SLICES);
        text
    }

    /// Reads a text.
    pub fn from_text(text: &str) -> Result<Self, LedgerError> {
        if let Some((version, _)) = text.split_once(';')
            && version.parse::<i64>().is_ok_and(|version| version > LEDGER_FORMAT)
        {
            return Err(LedgerError::Newer(version.to_owned()));
        }
        if text.len() > LEDGER_TEXT_MAX {
            return Err(LedgerError::TooLong(text.len()));
        }
        let parts: Vec<&str> = text.split(';').collect();
        let [version, from, down, singles, hours, days] = parts[..] else {
            return Err(LedgerError::Parts(parts.len()));
        };
        if version != "1" {
            return Err(LedgerError::Malformed(version.to_owned()));
        }
        let ledger = Self {
            single_from: i64::try_from(read(from)?).map_err(|_| LedgerError::Malformed(from.to_owned()))?,
            down_before: match down {
                "0" => false,
                "1" => true,
                other => return Err(LedgerError::Malformed(other.to_owned())),
            },
            singles: read_singles(singles)?,
            hours: read_sums(hours, HOUR_SLICES, usize::try_from(HOURS_MAX).unwrap_or(usize::MAX))?,
            days: read_sums(days, DAY_SLICES, DAYS_MAX)?,
        };
        let older = !(ledger.hours.is_empty() && ledger.days.is_empty());
        if older && ledger.single_from % HOUR_SLICES != 0 {
            return Err(LedgerError::Inconsistent("hours or days end within an hour"));
        }
        if !ledger.days.is_empty() && ledger.first_hour() % 24 != 0 {
            return Err(LedgerError::Inconsistent("days end within a day"));
        }
        Ok(ledger)
    }
}

fn letter(class: Class) -> char {
    match class {
        Class::Good => 'G',
        Class::Bad => 'B',
        Class::Unknown => 'U',
    }
}

fn number(text: &mut String, mut n: u64) {
    let start = text.len();
    loop {
        let digit = u32::try_from(n % u64::from(RADIX)).unwrap_or(0);
        text.insert(start, char::from_digit(digit, RADIX).unwrap_or('0'));
        n /= u64::from(RADIX);
        if n == 0 {
            return;
        }
    }
}

/// Numbers with zeros at the front left out, but never the last one.
fn fields(text: &mut String, numbers: &[u64]) {
    let first = numbers.iter().position(|n| *n != 0).unwrap_or(numbers.len().saturating_sub(1));
    for (i, n) in numbers[first..].iter().enumerate() {
        if i > 0 {
            text.push('.');
        }
        number(text, *n);
    }
}

fn repeats(text: &mut String, times: u32) {
    if times > 1 {
        text.push('*');
        number(text, times.into());
    }
}

fn sums(text: &mut String, tallies: &VecDeque<Tally>, slices: i64) {
    let capacity = slices.unsigned_abs();
    let mut rest = tallies.iter().peekable();
    while let Some(tally) = rest.next() {
        let mut times = 1;
        while rest.next_if_eq(&tally).is_some() {
            times += 1;
        }
        let Samples { good, all } = tally.samples;
        let missing = capacity.saturating_sub(tally.slices());
        fields(text, &[missing, tally.episodes, tally.bad, tally.unknown, all - good, all]);
        repeats(text, times);
        if rest.peek().is_some() {
            text.push(',');
        }
    }
}

fn read(text: &str) -> Result<u64, LedgerError> {
    let canonical = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'));
    u64::from_str_radix(text, RADIX)
        .ok()
        .filter(|n| canonical && *n <= NUMBER_MAX)
        .ok_or_else(|| LedgerError::Malformed(text.to_owned()))
}

/// An entry's fields, filled up with zeros at the front, and how often it stands there.
fn read_entry<const N: usize>(text: &str) -> Result<([u64; N], u32), LedgerError> {
    let malformed = || LedgerError::Malformed(text.to_owned());
    let (body, times) = match text.split_once('*') {
        Some((body, times)) => (body, u32::try_from(read(times)?).map_err(|_| malformed())?),
        None => (text, 1),
    };
    let found: Vec<u64> = body.split('.').map(read).collect::<Result<_, _>>()?;
    let mut numbers = [0; N];
    let first = N.checked_sub(found.len()).ok_or_else(malformed)?;
    numbers[first..].copy_from_slice(&found);
    if times == 0 { Err(malformed()) } else { Ok((numbers, times)) }
}

fn read_samples(bad: u64, all: u64) -> Result<Samples, LedgerError> {
    let good = all.checked_sub(bad).ok_or(LedgerError::Inconsistent("more bad samples than samples"))?;
    Ok(Samples { good, all })
}

fn read_singles(mut text: &str) -> Result<VecDeque<Run>, LedgerError> {
    let mut runs: VecDeque<Run> = VecDeque::new();
    let mut slices = 0i64;
    while let Some(first) = text.chars().next() {
        let class = match first {
            'G' => Class::Good,
            'B' => Class::Bad,
            'U' => Class::Unknown,
            _ => return Err(LedgerError::Malformed(text.chars().take(16).collect())),
        };
        let rest = &text[1..];
        let end = rest.find(|c: char| c.is_ascii_uppercase()).unwrap_or(rest.len());
        let ([bad, all], len) = read_entry(&rest[..end])?;
        slices += i64::from(len);
        if slices > SINGLES_MAX {
            return Err(LedgerError::Inconsistent("more single slices than are ever kept"));
        }
        runs.push_back(Run { slice: Slice { class, samples: read_samples(bad, all)? }, len });
        text = &rest[end..];
    }
    Ok(runs)
}

fn read_sums(text: &str, slices: i64, most: usize) -> Result<VecDeque<Tally>, LedgerError> {
    let mut tallies = VecDeque::new();
    if text.is_empty() {
        return Ok(tallies);
    }
    for entry in text.split(',') {
        let ([missing, episodes, bad, unknown, bad_samples, samples], times) = read_entry(entry)?;
        let good = slices
            .unsigned_abs()
            .checked_sub(missing + bad + unknown)
            .ok_or(LedgerError::Inconsistent("an hour or day with more slices than it has"))?;
        if episodes > bad {
            return Err(LedgerError::Inconsistent("more episodes than bad slices"));
        }
        let samples = read_samples(bad_samples, samples)?;
        if tallies.len() + times as usize > most {
            return Err(LedgerError::Inconsistent("more hours or days than are ever kept"));
        }
        let tally = Tally { good, bad, unknown, episodes, samples };
        tallies.extend(std::iter::repeat_n(tally, times as usize));
    }
    Ok(tallies)
}
