//! What came of many worlds.

use simulator::{Ending, tally::Tally};

/// Violations that are printed in full.
const FAILURES_MAX: usize = 5;

/// Sums over worlds.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) took_ms: u64,
    pub(crate) failures: Vec<String>,
    seeds: u64,
    failed: Vec<u64>,
    lines: u64,
    twice: u64,
    tally: Tally,
}

impl Report {
    pub(crate) fn add(&mut self, seed: u64, ending: &Ending) {
        self.seeds += 1;
        self.lines += ending.line_count;
        self.tally.add(&ending.tally);
        let Some(violation) = &ending.violation else { return };
        self.failed.push(seed);
        if self.failures.len() < FAILURES_MAX {
            let mut text = format!("seed {seed}: {}: {}\n", violation.invariant, violation.sentence);
            let tail = ending.lines.len().saturating_sub(simulator::trace::LAST_LINES);
            for line in &ending.lines[tail..] {
                text.push_str("  | ");
                text.push_str(line);
                text.push('\n');
            }
            text.push_str("  replay: lifeboat-simulate --replay ");
            text.push_str(&seed.to_string());
            self.failures.push(text);
        }
    }

    /// The same seed twice must be the same world.
    pub(crate) fn compare(&mut self, seed: u64, first: &Ending, second: &Ending) {
        self.twice += 1;
        if first.digest != second.digest {
            self.failed.push(seed);
            self.failures.push(format!("seed {seed} ran twice with different traces: it cannot be replayed"));
        }
    }

    pub(crate) fn sentence(&self) -> String {
        let bites: Vec<String> = self.tally.all().map(|(what, count)| format!("{count} {what}")).collect();
        let verdict = match self.failed.len() {
            0 => "all invariants held".to_owned(),
            failed => format!("{failed} violated invariants ({:?})", self.failed),
        };
        format!(
            "{} seeds in {:.1} s, {} with equal traces twice, {} trace lines; {}: {verdict}",
            self.seeds,
            std::time::Duration::from_millis(self.took_ms).as_secs_f64(),
            self.twice,
            self.lines,
            bites.join(", ")
        )
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let tally: serde_json::Map<String, serde_json::Value> =
            self.tally.all().map(|(what, count)| (what.to_owned(), count.into())).collect();
        serde_json::to_string_pretty(&serde_json::json!({
            "seeds": self.seeds,
            "failed": self.failed,
            "tookMs": self.took_ms,
            "ranTwice": self.twice,
            "traceLines": self.lines,
            "tally": tally,
        }))
    }
}
