//! Runs a long command and says how far it is: a spinner for a person, plain lines for a log.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, IsTerminal, Read},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// A log gets a sign of life at this pace: often enough not to look hung, rare enough to stay short.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(30);
/// The spinner turns at this pace.
const SPINNER_TICK: Duration = Duration::from_millis(120);
/// How many of the last lines are shown when the command fails.
const LINES_KEPT: usize = 40;

/// Runs `command` to its end, with `title` and what it is expected to take.
pub(crate) fn run(title: &str, expected: Duration, command: &mut Command) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{title}: start {}", command.get_program().display()))?;
    let (lines, receiver) = mpsc::channel();
    let readers = [
        child.stdout.take().map(|out| forward(out, lines.clone())),
        child.stderr.take().map(|err| forward(err, lines)),
    ];

    let mut display = Display::new(title, expected);
    let mut last = VecDeque::with_capacity(LINES_KEPT);
    loop {
        match receiver.recv_timeout(PLAIN_LINE_EVERY) {
            Ok(line) => {
                if last.len() == LINES_KEPT {
                    last.pop_front();
                }
                display.line(&line);
                last.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) => display.still_running(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for reader in readers.into_iter().flatten() {
        // A reader that panicked has only cost us lines.
        drop(reader.join());
    }
    let status = child.wait().with_context(|| format!("{title}: wait for the end"))?;
    if status.success() {
        display.done(&format!("{title}: done in {}", human(start.elapsed())));
        return Ok(());
    }
    display.done(&format!("{title}: failed after {}", human(start.elapsed())));
    bail!("{title}: {status}\n{}", last.into_iter().collect::<Vec<_>>().join("\n"))
}

/// Minutes and seconds as people write them.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

fn forward(from: impl Read + Send + 'static, lines: Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    })
}

struct Display {
    title: String,
    expected: String,
    spinner: Option<ProgressBar>,
    start: Instant,
    said: Instant,
    last: String,
}

impl Display {
    fn new(title: &str, expected: Duration) -> Self {
        let expected = human(expected);
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}") {
                spinner.set_style(style);
            }
            spinner.set_prefix(format!("{title} (about {expected})"));
            spinner.enable_steady_tick(SPINNER_TICK);
            spinner
        });
        if spinner.is_none() {
            eprintln!("{title}: started, takes about {expected}");
        }
        let now = Instant::now();
        Self { title: title.to_owned(), expected, spinner, start: now, said: now, last: String::new() }
    }

    fn line(&mut self, line: &str) {
        line.clone_into(&mut self.last);
        match &self.spinner {
            Some(spinner) => spinner.set_message(self.last.clone()),
            None => self.still_running(),
        }
    }

    fn still_running(&mut self) {
        if self.spinner.is_some() || self.said.elapsed() < PLAIN_LINE_EVERY {
            return;
        }
        self.said = Instant::now();
        eprintln!(
            "{}: {} of about {}: {}",
            self.title,
            human(self.start.elapsed()),
            self.expected,
            self.last
        );
    }

    fn done(&self, sentence: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!("{sentence}");
    }
}
