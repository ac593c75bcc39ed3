//! `cargo xtask test`: what CI runs, stage by stage.

use std::{
    env, fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::{
    cargo::{self, cargo},
    paths, progress, setup,
};

/// One stage, in the order of the run. The build comes before clippy and the tests: built the other
/// way round, shared dependencies are compiled twice.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    Setup,
    Fmt,
    Build,
    Clippy,
    Deny,
    Generated,
    Test,
    Simulate,
    Shipped,
}

impl Stage {
    fn title(self) -> &'static str {
        match self {
            Self::Setup => "what the testbed needs",
            Self::Fmt => "formatting",
            Self::Build => "build of everything",
            Self::Clippy => "lints",
            Self::Deny => "dependencies: bans, licenses, sources",
            Self::Generated => "generated files are up to date",
            Self::Test => "tests",
            Self::Simulate => "seeded simulation",
            Self::Shipped => "no planted fault in what ships",
        }
    }

    /// Roughly, on two cores with empty caches.
    fn expected(self) -> Duration {
        let seconds = match self {
            Self::Setup => 600,
            Self::Fmt => 2,
            Self::Build => 170,
            Self::Clippy => 75,
            Self::Deny => 95,
            Self::Generated => 5,
            Self::Test => 840,
            Self::Simulate => 60,
            Self::Shipped => 200,
        };
        Duration::from_secs(seconds)
    }

    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Setup => setup::run().map(drop),
            Self::Fmt => run_cargo(&["fmt", "--all", "--check"]),
            Self::Build => run_cargo(&["build", "--workspace", "--all-targets"]),
            Self::Clippy => run_cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Self::Deny => deny(),
            Self::Generated => cargo::run_ours(&cargo::CRDS, &["generate", "--check"]),
            Self::Test => tests(),
            Self::Simulate => cargo::run_ours(&cargo::SIMULATE, &["--seeds", "0..200"]),
            Self::Shipped => shipped(),
        }
    }
}

/// Runs one stage, or all of them up to the first that fails.
pub(crate) fn run(only: Option<Stage>) -> anyhow::Result<()> {
    let stages: Vec<Stage> =
        Stage::value_variants().iter().copied().filter(|s| only.is_none_or(|o| o == *s)).collect();
    let start = Instant::now();
    let count = stages.len();
    for (index, stage) in stages.into_iter().enumerate() {
        let (number, title) = (index + 1, stage.title());
        eprintln!(
            "[{number}/{count}] {title} (with empty caches about {})",
            progress::human(stage.expected())
        );
        let stage_start = Instant::now();
        stage.run().with_context(|| format!("stage {number} of {count} failed: {title}"))?;
        eprintln!("[{number}/{count}] {title}: passed in {}", progress::human(stage_start.elapsed()));
    }
    eprintln!("all passed in {}", progress::human(start.elapsed()));
    Ok(())
}

/// Every test, also after one has failed. A scenario's error shows the logs of what it ran, and a backtrace through an
/// async runtime would bury them.
fn tests() -> anyhow::Result<()> {
    let mut cargo = cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).env("RUST_LIB_BACKTRACE", "0");
    succeed(cargo.current_dir(paths::root()?))
}

/// Symbol of the switch for planted faults. It exists only where the feature is on.
const PLANTED: &[u8] = b"7mutants7PLANTED";

/// The binaries that ship hold no planted fault, and the simulator does, or this check could not fail.
fn shipped() -> anyhow::Result<()> {
    let planted = |ours: &cargo::Ours| -> anyhow::Result<bool> {
        let path = cargo::path_of(ours)?;
        let binary = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(binary.windows(PLANTED.len()).any(|window| window == PLANTED))
    };
    cargo::build(&cargo::SIMULATE)?;
    if !planted(&cargo::SIMULATE)? {
        bail!("the simulator holds no planted fault either, so this check sees nothing");
    }
    for ours in &cargo::SHIPPED {
        // Each on its own: built together with the simulator, the feature would be on for all.
        cargo::build(ours)?;
        if planted(ours)? {
            bail!("{} holds planted faults; it must not be built with the feature mutants", ours.binary);
        }
    }
    Ok(())
}

fn run_cargo(arguments: &[&str]) -> anyhow::Result<()> {
    succeed(cargo().args(arguments).current_dir(paths::root()?))
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().context("run cargo")?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|part| part.to_string_lossy()).collect();
        bail!("cargo {}: {status}", arguments.join(" "));
    }
    Ok(())
}

/// Advisories need a network and change without us, so they belong to the release check, not here.
fn deny() -> anyhow::Result<()> {
    let program = match cargo_deny() {
        Ok(program) => program,
        Err(error) if in_ci() => return Err(error),
        Err(error) => {
            eprintln!("{error:#}");
            eprintln!("skipped: cargo-deny or a crate it looks at is not here (CI does not skip it)");
            return Ok(());
        }
    };
    let status = Command::new(program)
        .args(["--offline", "--log-level", "error", "check", "bans", "licenses", "sources"])
        .current_dir(paths::root()?)
        .status()
        .context("run cargo-deny")?;
    if !status.success() {
        bail!("cargo-deny: {status}");
    }
    Ok(())
}

/// cargo-deny from the cache or the PATH, else built into the cache; and the crates of other
/// platforms, which it reads though nothing here builds them.
fn cargo_deny() -> anyhow::Result<PathBuf> {
    let cache = paths::cache()?;
    let find = || paths::find("cargo-deny", &[cache.join("bin")]);
    if find().is_none() {
        // A target folder of its own, removed afterwards: it would hold a gigabyte for nothing.
        let target = cache.join("deny-target");
        let mut install = cargo();
        install.args(["install", "--locked", "--debug", "cargo-deny", "--root"]).arg(&cache);
        install.env("CARGO_TARGET_DIR", &target);
        progress::run("install cargo-deny", Duration::from_secs(90), &mut install)?;
        fs::remove_dir_all(&target).with_context(|| format!("remove {}", target.display()))?;
    }
    run_cargo(&["fetch", "--quiet", "--locked"])?;
    find().context("cargo-deny was installed and is not there")
}

fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}
