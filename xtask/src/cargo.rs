//! Building our own binaries with cargo, and becoming one of them.

use std::{env, ffi::OsString, os::unix::process::CommandExt, path::Path, process::Command};

use anyhow::{Context, bail};

use crate::paths;

/// One of our binaries and the packages that have to be built for it.
pub(crate) struct Ours {
    pub(crate) binary: &'static str,
    packages: &'static [&'static str],
}

/// The testbed starts operator and monitors as processes, so they are built with it.
pub(crate) const TESTBED: Ours =
    Ours { binary: "lifeboat-testbed", packages: &["testbed", "operator", "health-monitor", "cli"] };
pub(crate) const SIMULATE: Ours = Ours { binary: "lifeboat-simulate", packages: &["simulator"] };
/// What users run.
pub(crate) const SHIPPED: [Ours; 3] = [
    Ours { binary: "lifeboat-operator", packages: &["operator"] },
    Ours { binary: "lifeboat-monitor", packages: &["health-monitor"] },
    Ours { binary: "kubectl-lifeboat", packages: &["cli"] },
];
pub(crate) const CRDS: Ours = Ours { binary: "lifeboat-crds", packages: &["crds"] };

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// Builds the binary's packages, then replaces this process by the binary, so that signals and the
/// exit code are its own.
pub(crate) fn become_ours(ours: &Ours, arguments: &[String], tools: Option<&Path>) -> anyhow::Result<()> {
    build(ours)?;
    let mut command = Command::new(path_of(ours)?);
    command.args(arguments);
    if let Some(tools) = tools {
        command.env("LIFEBOAT_TOOLS", tools);
    }
    // `exec` comes back only when it failed.
    Err(command.exec()).with_context(|| format!("start {}", ours.binary))
}

/// Builds the binary's packages and runs it as a child.
pub(crate) fn run_ours(ours: &Ours, arguments: &[&str]) -> anyhow::Result<()> {
    build(ours)?;
    let status = Command::new(path_of(ours)?)
        .args(arguments)
        .status()
        .with_context(|| format!("start {}", ours.binary))?;
    if !status.success() {
        bail!("{} {}: {status}", ours.binary, arguments.join(" "));
    }
    Ok(())
}

/// Builds the binary's packages.
pub(crate) fn build(ours: &Ours) -> anyhow::Result<()> {
    let mut command = cargo();
    command.arg("build").current_dir(paths::root()?);
    for package in ours.packages {
        command.args(["--package", package]);
    }
    let status = command.status().context("run cargo build")?;
    if !status.success() {
        bail!("{} could not be built", ours.binary);
    }
    Ok(())
}

/// Our binaries lie beside this one, in whichever target folder cargo uses.
pub(crate) fn path_of(ours: &Ours) -> anyhow::Result<std::path::PathBuf> {
    let this = env::current_exe().context("where this binary lies")?;
    Ok(this.with_file_name(ours.binary))
}
