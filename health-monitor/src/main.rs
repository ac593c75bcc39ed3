//! `lifeboat-monitor`: one vantage, in a pod or anywhere else with a kubeconfig.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use health_monitor::{Identity, Settings, probe::Range};
use shell::{shutdown, telemetry};

/// Probes the stamps of a fleet from where it stands, and reports what it sees.
#[derive(Debug, Parser)]
#[command(name = "lifeboat-monitor", version)]
struct Args {
    /// Path of a kubeconfig; without one the pod's service account is used.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Namespace that holds the fleet.
    #[arg(long)]
    namespace: String,
    /// Name of this vantage as the Fleet lists it. One monitor per name.
    #[arg(long)]
    vantage: String,
    /// Region this vantage stands in: a geode's name, or another word outside of all.
    #[arg(long)]
    region: String,
    /// Address that serves /metrics, /healthz and /readyz.
    #[arg(long, default_value = "0.0.0.0:9100")]
    listen: SocketAddr,
    /// Something that is not ours and always up, as HOST:PORT; when more than half of these fail, this vantage is
    /// blind. Repeatable.
    #[arg(long = "control-target", value_name = "HOST:PORT")]
    control_targets: Vec<String>,
    /// Range that may be probed although it is denied by default (loopback, link-local, metadata services).
    /// Repeatable.
    #[arg(long = "allow-cidr", value_name = "CIDR")]
    allowed: Vec<Range>,
    /// Log lines for people (text) or machines (json).
    #[arg(long, default_value = "text")]
    log: telemetry::LogFormat,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    telemetry::init(args.log)?;
    let stop = shutdown::on_signal()?;
    let settings = Settings {
        access: args.kubeconfig.into(),
        namespace: args.namespace,
        identity: Identity { vantage: args.vantage, region: args.region },
        listen: args.listen,
        control_targets: args.control_targets,
        allowed: args.allowed,
    };
    tracing::info!(vantage = settings.identity.vantage, region = settings.identity.region, "starting");
    health_monitor::run(settings, stop).await?;
    Ok(())
}
