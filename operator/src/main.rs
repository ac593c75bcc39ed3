//! `lifeboat-operator`: one replica of the control plane.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::Parser;
use operator::Settings;
use shell::{api, metrics, shutdown, telemetry};
use tokio::net::TcpListener;

/// Watches a fleet, decides within its safety rules, and moves traffic. Two replicas run, one leads.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// kubeconfig file; without it the pod's service account is used
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the fleet
    #[arg(long, env = "LIFEBOAT_NAMESPACE", default_value = "lifeboat-system")]
    namespace: String,
    /// Name of this replica, different from every other's; in a cluster the pod's name
    #[arg(long, env = "LIFEBOAT_IDENTITY")]
    identity: String,
    /// Where the status API listens. It has no authentication yet: keep it on loopback
    #[arg(long, env = "LIFEBOAT_STATUS_LISTEN", default_value = "127.0.0.1:8080")]
    status_listen: SocketAddr,
    /// Log format: text or json
    #[arg(long, env = "LIFEBOAT_LOG_FORMAT", default_value = "text")]
    log_format: telemetry::LogFormat,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    telemetry::init(flags.log_format)?;
    let stop = shutdown::on_signal()?;
    let access = flags.kubeconfig.map_or(api::Access::InCluster, api::Access::File);
    let client = api::client(api::config(&access).await?)?;
    let listener = TcpListener::bind(flags.status_listen)
        .await
        .with_context(|| format!("listen on {}; choose another --status-listen", flags.status_listen))?;
    tracing::info!(namespace = flags.namespace, identity = flags.identity, status = %flags.status_listen, "starting");
    let settings = Settings {
        namespace: flags.namespace,
        identity: flags.identity.into(),
        listener,
        registry: metrics::registry("operator"),
    };
    operator::run(client, settings, stop).await;
    Ok(())
}
