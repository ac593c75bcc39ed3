//! Our own binaries as processes: operator replicas and vantages, each with its own user.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    apiserver::Cluster,
    manifests::{self, MONITOR, OPERATOR},
    net::free_address,
    pki::write_private,
    process::{Launch, Process},
};

/// One operator replica or one vantage, with where it answers.
#[derive(Debug)]
pub struct Replica {
    /// The process, to be killed, stopped or restarted.
    pub process: Process,
    /// Its HTTP address.
    pub address: SocketAddr,
}

/// What replicas of one fleet share.
#[derive(Clone, Copy)]
pub struct Fleet<'a> {
    /// The hub.
    pub cluster: &'a Cluster,
    /// The fleet's namespace.
    pub namespace: &'a str,
    /// For kubeconfigs and logs.
    pub folder: &'a Path,
}

impl Fleet<'_> {
    /// Starts the n-th replica of the operator, with variables in its environment.
    pub fn operator(&self, n: usize, environment: &[(&str, &str)]) -> anyhow::Result<Replica> {
        let identity = operator_name(n);
        let address = free_address()?;
        let mut launch = Launch::ours("lifeboat-operator", &identity, self.folder)?;
        for (name, value) in environment {
            launch = launch.env(name, value);
        }
        let process = launch
            .arg("--kubeconfig")
            .arg(self.kubeconfig(&identity, OPERATOR)?)
            .args(["--namespace", self.namespace, "--identity", &identity])
            .args(["--status-listen", &address.to_string()])
            .start()?;
        Ok(Replica { process, address })
    }

    /// Starts a vantage, with what it checks its own sight against.
    pub fn monitor(&self, vantage: &str, region: &str, control: &[SocketAddr]) -> anyhow::Result<Replica> {
        let address = free_address()?;
        let mut launch = Launch::ours("lifeboat-monitor", &format!("monitor-{vantage}"), self.folder)?
            .arg("--kubeconfig")
            .arg(self.kubeconfig(vantage, MONITOR)?)
            .args(["--namespace", self.namespace, "--vantage", vantage, "--region", region])
            // Stamps of a testbed are on loopback, which probes may not reach by default.
            .args(["--listen", &address.to_string(), "--allow-cidr", "127.0.0.0/8"]);
        for target in control {
            launch = launch.args(["--control-target", &target.to_string()]);
        }
        Ok(Replica { process: launch.start()?, address })
    }

    /// A kubeconfig file of a user with a role in the namespace.
    pub fn kubeconfig(&self, user: &str, role: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(format!("{user}.kubeconfig"));
        let group = manifests::group(role, self.namespace);
        write_private(&path, &self.cluster.kubeconfig_for(user, Some(&group))?)?;
        Ok(path)
    }
}

/// The identity of the n-th replica of the operator, which is also its user at the API server.
pub fn operator_name(n: usize) -> String {
    format!("operator-{n}")
}
