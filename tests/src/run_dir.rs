//! A scratch folder that goes away when its process ends, also when that is killed.

use std::{
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::Context;

/// Waits for the end of its input, which is our end, then removes the folder. The servers whose data
/// it is are being killed at the same moment and may still write, so it tries for about 5 s.
const REMOVE_AT_END: &str =
    r#"read -r _; n=0; until rm -rf -- "$0" 2>/dev/null || [ $n -ge 50 ]; do n=$((n+1)); sleep 0.1; done"#;

/// The folder. A destructor would not run for a static, nor after SIGKILL, and etcd sets 64 MB aside
/// at once; so a small shell outlives us for a moment and removes it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    remover: Child,
}

impl RunDir {
    /// Makes a new one among the system's temporary files.
    pub fn new() -> anyhow::Result<Self> {
        let path = tempfile::Builder::new()
            .prefix("lifeboat-testbed-")
            .tempdir()
            .context("make a scratch folder")?
            .keep();
        let remover = Command::new("sh")
            .arg("-c")
            .arg(REMOVE_AT_END)
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in the terminal's group: Ctrl-C is for us, and it must outlive us.
            .process_group(0)
            .spawn()
            .context("start the remover of the scratch folder")?;
        Ok(Self { path, remover })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it.
    pub fn sub(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        if let Err(error) = self.remover.wait() {
            tracing::warn!(%error, path = %self.path.display(), "scratch folder may be left");
        }
    }
}
