//! One vantage: it probes every stamp of a fleet from where it stands, and reports what it saw.
//!
//! The way of a sample: [`probe`] asks, `schedule` keeps the rate and lets the self-check (`control`) confirm a
//! failure, `board` holds the strips, `writer` packs them into the vantage's `HealthReport`. What a strip means is
//! judged elsewhere, by whoever reads the reports.

mod board;
mod cadence;
mod control;
mod metrics;
pub mod probe;
mod schedule;
mod watch;
mod writer;

use std::{io, net::IpAddr, sync::Arc};

use kube::{Api, Client};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;
use shell::{
    api::{self, Access, AccessError},
    server::{self, Readiness},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use board::Board;
use control::Controls;
use metrics::Metrics;
use probe::{Egress, Prober, Range};
use schedule::Probing;
pub use writer::Identity;
use writer::Writer;

/// All that a vantage is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the hub is.
    pub access: Access,
    /// The fleet's namespace.
    pub namespace: String,
    /// Who we are.
    pub identity: Identity,
    /// Where metrics and readiness are served.
    pub listen: std::net::SocketAddr,
    /// Things that are not ours, as `host:port`.
    pub control_targets: Vec<String>,
    /// Ranges that may be probed although they are denied by default.
    pub allowed: Vec<Range>,
}

/// Why a vantage cannot start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The hub cannot be reached in principle.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The system's trusted roots cannot be read.
    #[error("no trusted roots for probes over TLS: {0}")]
    Roots(#[from] rustls::Error),
    /// The metrics address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Runs a vantage until it is stopped.
pub async fn run(settings: Settings, stop: CancellationToken) -> Result<(), MonitorError> {
    shell::tls::install_provider();
    let config = api::config(&settings.access).await?;
    let egress = Egress::new(settings.allowed, api_server(&config));
    let prober = Prober::new(egress, Arc::new(ClientConfig::with_platform_verifier()?));
    let client = api::client(config)?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|source| MonitorError::Listen { address: settings.listen, source })?;
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    readiness.missing(watch::FLEET_PART, "the fleet was not read yet");
    let mut registry = shell::metrics::registry("monitor");
    metrics.register(&mut registry);
    let http = server::router(Arc::new(registry), readiness.clone());

    let parts = Parts { client, prober, metrics, readiness, identity: settings.identity };
    let mut tasks = parts.spawn(settings.namespace, settings.control_targets, &stop);
    tasks.spawn(async {
        if let Err(error) = server::serve(listener, http, stop).await {
            tracing::error!(%error, "the metrics server ended");
        }
    });
    tasks.join_all().await;
    Ok(())
}

struct Parts {
    client: Client,
    prober: Prober,
    metrics: Metrics,
    readiness: Readiness,
    identity: Identity,
}

impl Parts {
    /// Watch -> targets -> board -> report; all end with the token.
    fn spawn(self, namespace: String, control_targets: Vec<String>, stop: &CancellationToken) -> JoinSet<()> {
        let board = Arc::new(Board::default());
        let controls = Arc::new(Controls::new(control_targets));
        let (lists, new_lists) = tokio::sync::watch::channel(None);
        let writer = Writer::new(
            Api::namespaced(self.client.clone(), &namespace),
            self.identity.clone(),
            Arc::clone(&board),
            self.metrics.clone(),
        );
        let told =
            watch::Told { identity: self.identity, readiness: self.readiness, metrics: self.metrics.clone() };
        let probing = Probing {
            board: Arc::clone(&board),
            controls: Arc::clone(&controls),
            prober: self.prober,
            metrics: self.metrics.clone(),
        };
        let mut tasks = JoinSet::new();
        let (client, watch_stop) = (self.client, stop.clone());
        tasks.spawn(async move { watch::run(client, &namespace, lists, told, watch_stop).await });
        tasks.spawn(controls.run(board, self.metrics, stop.clone()));
        tasks.spawn(probing.run(new_lists, stop.clone()));
        tasks.spawn(writer.run(stop.clone()));
        tasks
    }
}

/// The API server is no target either.
fn api_server(config: &kube::Config) -> Vec<Range> {
    let host = config.cluster_url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map(Range::from).into_iter().collect()
}
