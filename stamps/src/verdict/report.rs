//! What one vantage saw, and the packed text that carries it.
//!
//! A record has a fixed size, so a report costs the same whether everything is well or everything fails. Format 1, the
//! stamps in order of name, numbers with the highest byte first:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `known` bitmap, newest tick in the lowest bit |
//! | 8..16 | `good` bitmap |
//! | 16..19 | good samples so far, modulo 2^24 |
//! | 19..22 | all known samples so far, modulo 2^24 |
//! | 22 | the last failure: class in the high nibble, phase in the low one; 0 is none |
//! | 23 | flags: 1 ever passed; the others are zero |
//!
//! 24 bytes are exactly 32 characters of base64, so a stamp's record can be found in the text by its index.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    fleet::Stamp,
    names::{RegionName, StampName, VantageName},
    time::millis,
    verdict::{Strip, Tick},
};

const RECORD_BYTES: usize = 24;
/// Characters of one stamp's record in the packed body.
pub const RECORD_CHARS: usize = 32;
const EVER_PASSED: u8 = 1;
/// Totals have three bytes. At one sample a second they wrap after 194 days; readers take differences modulo 2^24.
const TOTAL_MASK: u32 = 0x00ff_ffff;

/// Why a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FailureClass {
    /// The host, or a router before it, said no to the connection.
    Refused,
    /// A phase took longer than its bound.
    Timeout,
    /// The connection broke off.
    Reset,
    /// No trusted TLS session came about.
    Tls,
    /// The name did not resolve.
    Dns,
    /// An answer came, and it was not the expected one.
    WrongAnswer,
    /// A good answer came, later than the whole probe may take.
    TooSlow,
    /// The prober itself could not ask. Never held against the stamp.
    ProberError,
}

/// How far a probe got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Resolving the name.
    Dns,
    /// Opening the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Waiting for the answer's first byte.
    FirstByte,
    /// Reading the answer.
    Body,
    /// Comparing the answer with what was expected.
    Condition,
}

/// The newest failure of a stamp as one vantage saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Why.
    pub class: FailureClass,
    /// How far it got.
    pub phase: Phase,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Dns => "dns",
            Phase::Connect => "connect",
            Phase::Tls => "tls",
            Phase::FirstByte => "first byte",
            Phase::Body => "body",
            Phase::Condition => "condition",
        };
        let class = match self.class {
            FailureClass::Refused => "refused",
            FailureClass::Timeout => "timeout",
            FailureClass::Reset => "reset",
            FailureClass::Tls | FailureClass::Dns => "failure",
            FailureClass::WrongAnswer => "wrong answer",
            FailureClass::TooSlow => "too slow",
            FailureClass::ProberError => "prober error",
        };
        write!(f, "{phase} {class}")
    }
}

/// What a vantage says about its own eyes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Sight {
    /// Its control targets answer.
    Sighted,
    /// Its control targets fail too, or were not asked yet, so it cannot tell whose fault a failure is.
    #[default]
    Blind,
    /// Its clock is more than two seconds off.
    ClockSkewed,
}

/// What one vantage knows about one stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The last ticks.
    pub strip: Strip,
    /// Good samples so far, modulo 2^24.
    pub good_total: u32,
    /// Known samples so far, modulo 2^24.
    pub all_total: u32,
    /// The newest failure, kept after the stamp recovers.
    pub last_failure: Option<Failure>,
    /// A full window was good since the probes' definition changed. Without it a failure may just as well be a typo
    /// in the probe, and does not count.
    pub ever_passed: bool,
}

/// What one vantage knows about every stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who says so.
    pub vantage: VantageName,
    /// Where it stands.
    pub region: RegionName,
    /// Whether it trusts its own eyes.
    pub sight: Sight,
    /// What it saw.
    pub samples: BTreeMap<StampName, Sample>,
}

/// Why a packed body could not be read. None of these says anything about a stamp: the vantage is Unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The vantage probed another list of stamps, or other intervals.
    #[error(
        "the report is about stamp list {found}, this fleet's is {expected}; the vantage has not caught up"
    )]
    OtherList {
        /// The hash in the report.
        found: String,
        /// The hash of our list.
        expected: String,
    },
    /// Cut off, or with something appended.
    #[error("the body has {found} characters, {expected} are due (32 per stamp)")]
    BadLength {
        /// Characters found.
        found: usize,
        /// Characters due.
        expected: usize,
    },
    /// Not base64.
    #[error("the body is not base64: {0}")]
    NotBase64(String),
    /// A code of a later format, or damage.
    #[error("the record of {stamp} has the unknown code {code:#04x}; run a newer Lifeboat")]
    UnknownCode {
        /// Whose record.
        stamp: StampName,
        /// The byte.
        code: u8,
    },
    /// A good tick that was never sampled.
    #[error("the record of {0} has good ticks that are not known")]
    Inconsistent(StampName),
}

/// The hash by which writer and reader agree on the order of records and the length of a tick: the first 16
/// hexadecimal digits of SHA-256 over `name NUL tick_ms LF` for each stamp, in order of name.
pub fn list_hash(stamps: &BTreeMap<StampName, Stamp>) -> String {
    let mut hash = Sha256::new();
    for (name, stamp) in stamps {
        hash.update(format!("{name}\0{}\n", millis(stamp.tick())));
    }
    format!("{:016x}", bytes_to_u64(&hash.finalize()[..8]))
}

/// The packed body: one record for each stamp of the list, an empty one where nothing is known.
pub fn pack(stamps: &BTreeMap<StampName, Stamp>, samples: &BTreeMap<StampName, Sample>) -> String {
    let records: Vec<u8> =
        stamps.keys().flat_map(|name| samples.get(name).copied().unwrap_or_default().record()).collect();
    STANDARD_NO_PAD.encode(records)
}

/// Reads a packed body that was written for the list of stamps with the hash `hash`.
pub fn unpack(
    body: &str,
    hash: &str,
    stamps: &BTreeMap<StampName, Stamp>,
) -> Result<BTreeMap<StampName, Sample>, ReportError> {
    let ours = list_hash(stamps);
    if hash != ours {
        return Err(ReportError::OtherList { found: hash.to_owned(), expected: ours });
    }
    let expected = stamps.len() * RECORD_CHARS;
    if body.len() != expected {
        return Err(ReportError::BadLength { found: body.len(), expected });
    }
    let bytes = STANDARD_NO_PAD.decode(body).map_err(|error| ReportError::NotBase64(error.to_string()))?;
    let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
    stamps
        .keys()
        .zip(records)
        .map(|(name, record)| Sample::from_record(name, record).map(|sample| (name.clone(), sample)))
        .collect()
}

impl Sample {
    /// Counts one tick.
    pub fn push(&mut self, tick: Tick) {
        self.strip.push(tick);
        self.all_total = (self.all_total + u32::from(tick != Tick::Unknown)) & TOTAL_MASK;
        self.good_total = (self.good_total + u32::from(tick == Tick::Good)) & TOTAL_MASK;
    }

    /// After a restart of the vantage: totals go on, a pass counts, and the strip is what was seen since.
    pub fn continue_from(&mut self, old: &Self) {
        self.good_total = (self.good_total + old.good_total) & TOTAL_MASK;
        self.all_total = (self.all_total + old.all_total) & TOTAL_MASK;
        self.ever_passed |= old.ever_passed;
        self.last_failure = self.last_failure.or(old.last_failure);
    }

    fn record(self) -> [u8; RECORD_BYTES] {
        let mut record = [0; RECORD_BYTES];
        record[..8].copy_from_slice(&self.strip.known.to_be_bytes());
        record[8..16].copy_from_slice(&self.strip.good.to_be_bytes());
        record[16..19].copy_from_slice(&self.good_total.to_be_bytes()[1..]);
        record[19..22].copy_from_slice(&self.all_total.to_be_bytes()[1..]);
        record[22] = self.last_failure.map_or(0, Failure::code);
        record[23] = if self.ever_passed { EVER_PASSED } else { 0 };
        record
    }

    fn from_record(stamp: &StampName, record: &[u8; RECORD_BYTES]) -> Result<Self, ReportError> {
        let unknown = |code| ReportError::UnknownCode { stamp: stamp.clone(), code };
        let strip = Strip { known: bytes_to_u64(&record[..8]), good: bytes_to_u64(&record[8..16]) };
        if strip.good & !strip.known != 0 {
            return Err(ReportError::Inconsistent(stamp.clone()));
        }
        let total = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte));
        let last_failure = match record[22] {
            0 => None,
            code => Some(Failure::from_code(code).ok_or_else(|| unknown(code))?),
        };
        if record[23] & !EVER_PASSED != 0 {
            return Err(unknown(record[23]));
        }
        Ok(Self {
            strip,
            good_total: total(&record[16..19]),
            all_total: total(&record[19..22]),
            last_failure,
            ever_passed: record[23] & EVER_PASSED != 0,
        })
    }
}

fn bytes_to_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

impl Failure {
    /// Codes are frozen: a new class or phase takes a new number.
    fn code(self) -> u8 {
        let class = match self.class {
            FailureClass::Refused => 1,
            FailureClass::Timeout => 2,
            FailureClass::Reset => 3,
            FailureClass::Tls => 4,
            FailureClass::Dns => 5,
            FailureClass::WrongAnswer => 6,
            FailureClass::TooSlow => 7,
            FailureClass::ProberError => 8,
        };
        let phase = match self.phase {
            Phase::Dns => 1,
            Phase::Connect => 2,
            Phase::Tls => 3,
            Phase::FirstByte => 4,
            Phase::Body => 5,
            Phase::Condition => 6,
        };
        class << 4 | phase
    }

    fn from_code(code: u8) -> Option<Self> {
        let class = match code >> 4 {
            1 => FailureClass::Refused,
            2 => FailureClass::Timeout,
            3 => FailureClass::Reset,
            4 => FailureClass::Tls,
            5 => FailureClass::Dns,
            6 => FailureClass::WrongAnswer,
            7 => FailureClass::TooSlow,
            8 => FailureClass::ProberError,
            _ => return None,
        };
        let phase = match code & 0xf {
            1 => Phase::Dns,
            2 => Phase::Connect,
            3 => Phase::Tls,
            4 => Phase::FirstByte,
            5 => Phase::Body,
            6 => Phase::Condition,
            _ => return None,
        };
        Some(Self { class, phase })
    }
}
