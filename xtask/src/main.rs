//! `cargo xtask`: one command for everything a person does with this repository.
//!
//! It depends on none of our crates, so that it starts in seconds on a fresh clone. What needs our
//! code is a binary of ours that this command builds and then becomes.

mod cargo;
mod paths;
mod progress;
mod setup;
mod stages;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Sets up, runs and tests Lifeboat on one machine.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs or builds what is missing: DNS server and tools, etcd, kube-apiserver, kubectl
    Setup,
    /// Keeps a testbed running for a person to play with
    Testbed {
        #[command(subcommand)]
        action: TestbedAction,
    },
    /// Shows a region dying, its clients being served elsewhere, and its return
    Demo(DemoOptions),
    /// Runs the seeded world: every fault, every invariant, virtual time
    Simulate(SimulateOptions),
    /// Writes the generated files (custom resource definitions)
    Generate {
        /// Changes nothing and fails when a generated file differs from its source
        #[arg(long)]
        check: bool,
    },
    /// Everything CI runs, in its order, up to the first failure
    Test {
        /// Runs this stage alone
        #[arg(long, value_enum)]
        only: Option<stages::Stage>,
    },
}

#[derive(Subcommand)]
enum TestbedAction {
    /// Starts it and stays until Ctrl-C
    Up {
        /// Leaves it running in the background; `down` ends it
        #[arg(long)]
        detach: bool,
    },
    /// Ends the testbed that `up --detach` started
    Down,
    /// Prints the lines for a shell: eval "$(cargo xtask testbed env)"
    Env,
}

#[derive(clap::Args)]
struct DemoOptions {
    /// Writes what was measured as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Does not wait for a key between the acts
    #[arg(long)]
    no_pause: bool,
    /// How many tenants live on the stamps
    #[arg(long, value_name = "N")]
    tenants: Option<u32>,
}

#[derive(clap::Args)]
struct SimulateOptions {
    /// The seeds to run, as a half-open range
    #[arg(long, value_name = "A..B")]
    seeds: Option<String>,
    /// Stops after so many minutes of real time
    #[arg(long, value_name = "M")]
    minutes: Option<u32>,
    /// Runs one seed again and prints its trace
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Setup => setup::run().map(drop),
        Command::Testbed { action } => testbed(&action),
        Command::Demo(options) => demo(&options),
        Command::Simulate(options) => {
            cargo::become_ours(&cargo::SIMULATE, &simulate_arguments(&options), None)
        }
        Command::Generate { check } => {
            let check = check.then(|| "--check".to_owned());
            let arguments: Vec<String> = ["generate".to_owned()].into_iter().chain(check).collect();
            cargo::become_ours(&cargo::CRDS, &arguments, None)
        }
        Command::Test { only } => stages::run(only),
    }
}

fn testbed(action: &TestbedAction) -> anyhow::Result<()> {
    let arguments = match action {
        TestbedAction::Up { detach: true } => vec!["up", "--detach"],
        TestbedAction::Up { detach: false } => vec!["up"],
        TestbedAction::Down => vec!["down"],
        TestbedAction::Env => vec!["env"],
    };
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    // `down` and `env` only read a file, so they must not install anything first.
    let tools = match action {
        TestbedAction::Up { .. } => Some(setup::run()?),
        TestbedAction::Down | TestbedAction::Env => None,
    };
    cargo::become_ours(&cargo::TESTBED, &arguments, tools.as_deref())
}

fn demo(options: &DemoOptions) -> anyhow::Result<()> {
    let mut arguments = vec!["demo".to_owned()];
    if let Some(report) = &options.report {
        // The binary runs in the same folder, so a relative path stays right.
        arguments.extend(["--report".to_owned(), report.display().to_string()]);
    }
    if options.no_pause {
        arguments.push("--no-pause".to_owned());
    }
    if let Some(tenants) = options.tenants {
        arguments.extend(["--tenants".to_owned(), tenants.to_string()]);
    }
    let tools = setup::run()?;
    cargo::become_ours(&cargo::TESTBED, &arguments, Some(&tools))
}

fn simulate_arguments(options: &SimulateOptions) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            arguments.extend([name.to_owned(), value]);
        }
    };
    add("--seeds", options.seeds.clone());
    add("--minutes", options.minutes.map(|m| m.to_string()));
    add("--replay", options.replay.map(|s| s.to_string()));
    arguments
}
