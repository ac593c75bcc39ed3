//! What happened, line by line: the last lines always, all of them when asked for, and a digest of every one.

use std::{collections::VecDeque, fmt::Write as _};

/// Lines that are shown with a violation.
pub const LAST_LINES: usize = 30;

/// The trace of one world.
#[derive(Debug, Default)]
pub struct Trace {
    keep_all: bool,
    lines: VecDeque<String>,
    digest: u64,
    /// Lines so far.
    pub count: u64,
}

impl Trace {
    /// A trace that keeps every line, or the last ones only.
    pub fn new(keep_all: bool) -> Self {
        Self { keep_all, digest: 0xcbf2_9ce4_8422_2325, ..Self::default() }
    }

    /// Adds a line.
    pub fn line(&mut self, at_ms: u64, text: std::fmt::Arguments<'_>) {
        // The oldest line's memory is used again: most worlds never show a line.
        let full = !self.keep_all && self.lines.len() >= LAST_LINES;
        let mut line = if full { self.lines.pop_front().unwrap_or_default() } else { String::new() };
        line.clear();
        let _ = write!(line, "{:>9.3} {text}", std::time::Duration::from_millis(at_ms).as_secs_f64());
        for byte in line.bytes() {
            // FNV-1a: equal traces have equal digests, and that is all it is for.
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.count += 1;
        self.lines.push_back(line);
    }

    /// The lines that were kept.
    pub fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    /// Equal for equal traces.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}
