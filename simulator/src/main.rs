//! `lifeboat-simulate`: runs many seeded worlds, and says in one line what came of them.

mod mutants;
mod report;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Parser;
use simulator::simulate;
use stamps::mutants::Mutant;

use report::Report;

/// Every so many seeds one runs twice, and both traces must be equal.
const TWICE_EVERY: u64 = 20;

/// Runs the engine through seeded worlds full of faults.
#[derive(Debug, Parser)]
#[command(name = "lifeboat-simulate")]
struct Options {
    /// First seed and the one after the last, as in 0..200.
    #[arg(long, default_value = "0..200", value_parser = seeds)]
    seeds: std::ops::Range<u64>,
    /// Goes on from the first seed for so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Runs one seed and prints its whole trace.
    #[arg(long)]
    replay: Option<u64>,
    /// Plants a fault, by its name.
    #[arg(long, value_parser = mutants::by_name)]
    mutant: Option<Mutant>,
    /// Plants every fault in turn, and prints which seed found it, as a Markdown table.
    #[arg(long)]
    mutants: bool,
    /// Writes what happened how often as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

fn seeds(text: &str) -> anyhow::Result<std::ops::Range<u64>> {
    let (from, to) = text.split_once("..").context("write seeds as FROM..TO")?;
    let range = from.parse()?..to.parse()?;
    if range.is_empty() {
        bail!("{text} holds no seed");
    }
    Ok(range)
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(seed) = options.replay {
        return Ok(replay(seed, options.mutant));
    }
    if options.mutants {
        return Ok(mutants::table(options.seeds));
    }
    let begun = Instant::now();
    let until = options.minutes.map(|minutes| begun + Duration::from_secs(minutes * 60));
    let last = if until.is_some() { u64::MAX } else { options.seeds.end };
    let mut report = Report::default();
    for seed in options.seeds.start..last {
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let ending = simulate(seed, options.mutant, false);
        if seed % TWICE_EVERY == 0 {
            report.compare(seed, &ending, &simulate(seed, options.mutant, false));
        }
        report.add(seed, &ending);
    }
    report.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(path) = options.report {
        std::fs::write(&path, report.json()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(say(&report))
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn replay(seed: u64, mutant: Option<Mutant>) -> ExitCode {
    let ending = simulate(seed, mutant, true);
    for line in &ending.lines {
        println!("{line}");
    }
    match &ending.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("seed {seed}: {}: {}", violation.invariant, violation.sentence);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn say(report: &Report) -> ExitCode {
    for failure in &report.failures {
        println!("{failure}");
    }
    println!("{}", report.sentence());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
