//! The operator: watches bring facts, the engine decides, the register remembers, agents act, projections show.
//!
//! ```text
//! watch -> Input -> Engine -> Commit -> register -> Committed -> Command -> agents -> Outcome -> Input
//!                         \-> Picture -> project, place, notify, status API
//! ```

pub mod agents;
pub mod drive;
pub mod kill_point;
pub mod metrics;
pub mod notify;
pub mod place;
pub mod project;
pub mod register;
pub mod scores;
pub mod show;
pub mod status_api;
pub mod traffic;
pub mod watch;

use std::{sync::Arc, time::Duration};

use drive::{Clock, Driver, INPUTS_MAX};
use kube::Client;
use metrics::Metrics;
use prometheus_client::registry::Registry;
use stamps::{failover::Engine, names::ReplicaName, view::Scores};
use status_api::StatusApi;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch as channel},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most that a challenger adds to its patience.
const JITTER_MAX_MS: u64 = 1000;

/// What a replica is told at its start.
#[derive(Debug)]
pub struct Settings {
    /// The namespace of its fleet.
    pub namespace: String,
    /// Its own name, different from every other replica's.
    pub identity: ReplicaName,
    /// Where the status API answers.
    pub listener: TcpListener,
    /// What `/metrics` renders; the operator's own are added.
    pub registry: Registry,
}

/// Runs one replica until `stop`.
pub async fn run(client: Client, settings: Settings, stop: CancellationToken) {
    let Settings { namespace, identity, listener, mut registry } = settings;
    let metrics = Metrics::register(&mut registry);
    let counts = notify::Counts::register(&mut registry);
    let clock = Clock::start();
    let (inputs, incoming) = mpsc::channel(INPUTS_MAX);
    let (seen_sender, seen) = channel::channel(watch::Seen::default());
    let (reports_sender, reports) = channel::channel(watch::Reports::default());
    let (pictures, shown) = channel::channel(None);
    let (scores_sender, scores) = channel::channel(Scores::new());
    let (snapshots_sender, snapshots) = channel::channel(Arc::new(show::nothing()));
    let register = Arc::new(register::Register::new(&client, &namespace));
    let roads = Arc::new(agents::Roads::new(&client, &namespace, seen.clone()));
    let publisher = Arc::new(agents::Publisher::new(&client, &namespace, identity.clone()));
    let driver = Driver {
        register: register.clone(),
        heartbeat: Arc::new(register::Heartbeat::new(&client, &namespace, identity.clone())),
        agents: agents::Agents::new(roads.clone(), publisher, metrics.clone()),
        pictures,
        inputs: inputs.clone(),
        metrics,
    };
    let tasks = TaskTracker::new();
    tasks.spawn(register.clone().let_go_in_time(stop.clone()));
    let placer = place::Placer::new(&client, &namespace, roads);
    tasks.spawn(placer.run(seen.clone(), shown.clone(), stop.clone()));
    let scorer = scores::Scorer::new(&client, &namespace, clock);
    tasks.spawn(scorer.run(shown.clone(), reports, scores_sender, stop.clone()));
    let notifier = notify::Notifier::new(&namespace, clock, counts);
    tasks.spawn(notifier.run(seen.clone(), shown.clone(), stop.clone()));
    let projector = project::Projector::new(client.clone(), &namespace, register);
    tasks.spawn(projector.run(seen, shown.clone(), scores.clone(), stop.clone()));
    tasks.spawn(show::run(shown, scores, snapshots_sender, stop.clone()));
    let router = status_api::router(StatusApi::new(snapshots, Arc::new(registry)));
    let serving = stop.clone();
    tasks.spawn(async move {
        if let Err(error) = status_api::serve(listener, router, serving).await {
            tracing::error!(%error, "the status API has ended; failover goes on without it");
        }
    });
    let watching = stop.clone();
    tasks.spawn(async move {
        watch::run(client, &namespace, inputs, seen_sender, reports_sender, clock, watching).await;
    });
    let jitter = Duration::from_millis(rand::random_range(0..=JITTER_MAX_MS));
    driver.run(Engine::new(identity, jitter), incoming, clock, stop).await;
    tasks.close();
    tasks.wait().await;
}
