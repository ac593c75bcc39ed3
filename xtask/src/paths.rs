//! Where things are: the clone, the cache outside it, and the tools in that cache.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The root of the clone.
///
/// Asked from cargo at run time: a binary in a shared target folder may have been built from another clone.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&manifest).parent().context("xtask lies in the workspace's root")?;
    Ok(root.to_owned())
}

/// The folder for what is slow to make and the same for every clone.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = env::var_os("LIFEBOAT_CACHE") {
        return Ok(PathBuf::from(cache));
    }
    if let Some(cache) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(cache).join("lifeboat"));
    }
    let home = env::var_os("HOME").context("set HOME or LIFEBOAT_CACHE: built tools are kept there")?;
    Ok(PathBuf::from(home).join(".cache/lifeboat"))
}

/// The first of `folders` and then of `PATH` that holds an executable of this name.
pub(crate) fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // sbin holds knotd on Debian and is not on the PATH of every account.
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    folders
        .iter()
        .cloned()
        .chain(env::split_paths(&path))
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
