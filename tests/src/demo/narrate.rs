//! What a reader of the demo sees: one line for each thing that happens, and below them a line that moves.

use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::millis;

/// The spinner turns at this pace.
const TICK: Duration = Duration::from_millis(120);

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Moment {
    /// Milliseconds since the demo began.
    pub(super) at_ms: u64,
    /// Who says so: `demo`, or `lifeboat` for what the register says.
    pub(super) who: &'static str,
    /// What happened.
    pub(super) what: String,
}

/// Tells the story, and keeps it.
#[derive(Debug)]
pub(super) struct Narrator {
    began: Instant,
    bar: Option<ProgressBar>,
    moments: Mutex<Vec<Moment>>,
}

impl Narrator {
    /// Begins. Without a terminal there are plain lines only.
    pub(super) fn begin() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { began: Instant::now(), bar, moments: Mutex::default() }
    }

    /// The demo itself says something.
    pub(super) fn say(&self, what: &str) {
        self.tell("demo", what);
    }

    /// Lifeboat's register says something.
    pub(super) fn lifeboat_says(&self, what: &str) {
        self.tell("lifeboat", what);
    }

    fn tell(&self, who: &'static str, what: &str) {
        let at_ms = millis(self.began.elapsed());
        let line = match who {
            "lifeboat" => format!("{:>7.1} s    | {what}", self.began.elapsed().as_secs_f64()),
            _ => format!("{:>7.1} s  {what}", self.began.elapsed().as_secs_f64()),
        };
        self.print(&line);
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        moments.push(Moment { at_ms, who, what: what.to_owned() });
    }

    /// A moment as the lines show it.
    pub(super) fn seconds(&self, moment: Instant) -> f64 {
        moment.duration_since(self.began).as_secs_f64()
    }

    /// A line that is no part of the record.
    #[expect(clippy::print_stdout, reason = "the story is the command's result")]
    pub(super) fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
    }

    /// The line that moves.
    pub(super) fn status(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// Takes the moving line away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Everything told so far.
    pub(super) fn moments(&self) -> Vec<Moment> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
