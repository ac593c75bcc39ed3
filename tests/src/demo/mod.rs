//! `lifeboat-testbed demo`: a region dies, its clients are served elsewhere, it comes back, and is failed back.
//!
//! Everything is real: API server, DNS, operators, vantages, stamps, clients. What is shown is measured from outside,
//! at the name servers and by the clients; only the moments of detection and decision are the register's own.

mod acts;
mod audit;
mod clients;
mod http;
mod kubectl;
mod narrate;
mod pause;
mod register;
mod report;
mod resolver;
mod routes;
mod stage;
mod tenants;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{bail, ensure};

use narrate::Narrator;
use report::Report;
use stage::Stage;

/// How the demo is to be.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Writes what was measured as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Does not wait for a key between the acts
    #[arg(long)]
    pub no_pause: bool,
    /// How many tenants live on the stamps, those of the quickstart included
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub tenants: usize,
}

/// The most tenants that the capacity of the quickstart's stamps allows, with room.
const TENANTS_MAX: usize = 8000;

/// Plays it. The report is written however it ends.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(options.tenants <= TENANTS_MAX, "the quickstart's stamps have room for {TENANTS_MAX} tenants");
    let narrator = Arc::new(Narrator::begin());
    let mut report = Report::default();
    let played = play(options, &narrator, &mut report).await;
    narrator.end();
    report.timeline = narrator.moments();
    if let Some(path) = &options.report {
        report.write(path)?;
        narrator.print(&format!("report: {}", path.display()));
    }
    played?;
    let broken = report.broken_promises();
    if !broken.is_empty() {
        bail!("{}", broken.join("; "));
    }
    Ok(())
}

async fn play(options: &Options, narrator: &Arc<Narrator>, report: &mut Report) -> anyhow::Result<()> {
    let mut stage = Stage::set(options, narrator).await?;
    let played = acts::play(&mut stage, options, narrator, report).await;
    report.requests = stage.requests();
    if played.is_err() {
        for line in stage.last_words() {
            narrator.print(&line);
        }
    }
    narrator.say("the testbed ends");
    played
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
