//! Finds the servers that `cargo xtask setup` brought in.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The Go module pins the versions, so it also names the folder they are kept in.
const GO_MOD: &str = include_str!("../tools/go/go.mod");

/// The root of the clone.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder outside the clone where slow-made things are kept.
pub fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = env::var_os("LIFEBOAT_CACHE") {
        return Ok(PathBuf::from(cache));
    }
    if let Some(cache) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(cache).join("lifeboat"));
    }
    let home = env::var_os("HOME").context("neither LIFEBOAT_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/lifeboat"))
}

/// The path of a server or tool by name.
pub fn find(name: &str) -> anyhow::Result<PathBuf> {
    let mut folders: Vec<PathBuf> =
        ["KUBEBUILDER_ASSETS", "LIFEBOAT_TOOLS"].iter().filter_map(env::var_os).map(PathBuf::from).collect();
    folders.push(cache()?.join("tools").join(folder()?));
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not on this machine: run `cargo xtask setup`"))
}

/// One of our own binaries: beside this one, or one up from where cargo puts tests.
pub fn ours(name: &str) -> anyhow::Result<PathBuf> {
    let this = env::current_exe().context("where this binary lies")?;
    this.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not built: run `cargo build --workspace`"))
}

/// `cargo xtask setup` makes the same name from the same file.
fn folder() -> anyhow::Result<String> {
    let version_of = |module: &str| {
        GO_MOD
            .lines()
            .filter_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' '))
            .find_map(|rest| rest.split_whitespace().next().filter(|word| word.starts_with('v')))
            .with_context(|| format!("go.mod does not say the version of {module}"))
    };
    let (kubernetes, etcd) = (version_of("k8s.io/kubernetes")?, version_of("go.etcd.io/etcd/server/v3")?);
    Ok(format!("kubernetes-{kubernetes}-etcd-{etcd}"))
}
