//! `lifeboat-testbed`: what `cargo xtask testbed` becomes.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use testbed::{
    demo,
    state::State,
    up::{self, Running},
};
use tokio::signal::unix::{SignalKind, signal};

/// A Kubernetes API server, DNS and stamps on one machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a testbed and stays until Ctrl-C
    Up {
        /// Leaves it running in the background; `down` ends it
        #[arg(long)]
        detach: bool,
    },
    /// Ends the testbed that runs in the background
    Down,
    /// Prints the lines for a shell
    Env,
    /// Shows a region dying, its clients being served elsewhere, and its return
    Demo(demo::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(command: Command) -> anyhow::Result<()> {
    let path = State::default_path()?;
    match command {
        Command::Up { detach: true } => {
            let state = up::detach(&path).await?;
            say(&describe(&state, &path));
            say("# End it with: cargo xtask testbed down\n");
        }
        Command::Up { detach: false } => stay(&path).await?,
        Command::Down => {
            let state = up::down(&path).await?;
            say(&format!("the testbed (process {}) has ended\n", state.pid));
        }
        Command::Env => {
            let state =
                State::read(&path)?.context("no testbed is running: cargo xtask testbed up --detach")?;
            say(&state.exports(&path));
        }
        Command::Demo(options) => tokio::select! {
            result = demo::run(&options) => result?,
            // What was started is dropped with the other branch.
            end = told_to_end() => {
                end?;
                bail!("the demo was ended by a signal; nothing of it is left");
            }
        },
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn told_to_end() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn stay(path: &Path) -> anyhow::Result<()> {
    if let Some(state) = State::read(path)? {
        bail!("a testbed is running already (process {}); end it with: cargo xtask testbed down", state.pid);
    }
    tokio::select! {
        result = run(path) => result,
        end = told_to_end() => {
            drop(std::fs::remove_file(path));
            end
        }
    }
}

async fn run(path: &Path) -> anyhow::Result<()> {
    let running = Running::start(|step| say(&format!("# {step}\n"))).await?;
    let state = running.state()?;
    state.write(path)?;
    say(&describe(&state, path));
    say("# Ctrl-C ends it.\n");
    std::future::pending().await
}

/// Lines that a shell can take over, with what a person wants to know as comments.
fn describe(state: &State, path: &Path) -> String {
    let (namespace, zone, control) = (&state.namespace, &state.zone, state.control);
    let mut lines = vec![state.exports(path), format!("# namespace {namespace}, zone {zone}\n")];
    for (region, address) in &state.dns {
        lines.push(format!("# DNS {region}: dig @{} -p {} {zone} SOA\n", address.ip(), address.port()));
    }
    for address in &state.status {
        lines.push(format!("# operator: http://{address}/\n"));
    }
    lines.push(format!("# stamps: curl http://{control}/stamps\n"));
    if let Some((region, _)) = state.dns.first() {
        lines.push(format!(
            "# kill a region's stamps: curl -X PUT -d dead http://{control}/regions/{region}\n"
        ));
    }
    lines.push("# a fleet: kubectl apply -f examples/quickstart\n".to_owned());
    lines.concat()
}

/// One sentence: a trace of our own frames tells its reader nothing.
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

#[expect(clippy::print_stdout, reason = "the output is the command's result")]
fn say(text: &str) {
    print!("{text}");
}
