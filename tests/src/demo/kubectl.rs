//! Runs the real kubectl, as the person would.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::tools;

/// kubectl with a kubeconfig.
#[derive(Clone, Debug)]
pub(super) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Finds it.
    pub(super) fn new(kubeconfig: PathBuf) -> anyhow::Result<Self> {
        Ok(Self { program: tools::find("kubectl")?, kubeconfig })
    }

    /// `kubectl VERB -f PATH -o name`; the names of the objects.
    pub(super) async fn with_file(&self, verb: &str, path: &Path) -> anyhow::Result<Vec<String>> {
        let output = Command::new(&self.program)
            .args([verb, "--output=name", "--filename"])
            .arg(path)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("run kubectl")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {verb} -f {}: {}", path.display(), complaint.trim());
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}
