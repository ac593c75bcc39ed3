//! What a running testbed tells other processes about itself: a small file in the cache folder.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{pki::write_private, tools};

/// Names the state file of a testbed whose API server scenarios should use instead of their own.
pub const VARIABLE: &str = "LIFEBOAT_TESTBED";

/// What there is to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The process that owns it all.
    pub pid: u32,
    /// When that process started, in the kernel's ticks, so that a reused id is not taken for it.
    pub started_ticks: u64,
    /// Where the API server listens.
    pub api_server: SocketAddr,
    /// The folder of its certificate authority and audit log.
    pub cluster_folder: PathBuf,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The namespace of the fleet.
    pub namespace: String,
    /// The zone that is served.
    pub zone: String,
    /// Each DNS server by region.
    pub dns: Vec<(String, SocketAddr)>,
    /// Where each replica of the operator serves its page.
    #[serde(default)]
    pub status: Vec<SocketAddr>,
    /// Where stamps are switched.
    pub control: SocketAddr,
}

impl State {
    /// Where `testbed up` keeps it.
    pub fn default_path() -> anyhow::Result<PathBuf> {
        Ok(tools::cache()?.join("testbed.json"))
    }

    /// Reads a state; none if there is no such file or its process has ended.
    pub fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
        let state: Self = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        Ok((start_ticks(state.pid) == Some(state.started_ticks)).then_some(state))
    }

    /// Writes it whole: a reader never sees half of it.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let unfinished = path.with_extension("json.new");
        write_private(&unfinished, &serde_json::to_string_pretty(self)?)?;
        fs::rename(&unfinished, path).with_context(|| format!("write {}", path.display()))
    }

    /// Lines for a shell to take over.
    pub fn exports(&self, path: &Path) -> String {
        format!("export KUBECONFIG={}\nexport {VARIABLE}={}\n", self.kubeconfig.display(), path.display())
    }
}

/// When a process started, in the kernel's clock ticks since boot; none if there is no such process,
/// or if it has ended and nobody has asked for its exit code.
pub fn start_ticks(pid: u32) -> Option<u64> {
    /// Counted from the field after the command's name, which may itself hold spaces (proc(5)).
    const STARTTIME_AFTER_NAME: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ended = matches!(fields.first()?, &"Z" | &"X");
    fields.get(STARTTIME_AFTER_NAME).filter(|_| !ended)?.parse().ok()
}
