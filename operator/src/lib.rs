//! The operator: watches bring facts, the engine decides, the register remembers, agents act, projections show.
//!
//! ```text
//! watch -> Input -> Engine -> Commit -> register -> Committed -> Command -> agents -> Outcome -> Input
//!                         \-> Picture -> project, place, status API
//! ```

pub mod agents;
pub mod drive;
pub mod kill_point;
pub mod place;
pub mod project;
pub mod register;
pub mod status_api;
pub mod traffic;
pub mod watch;

use std::{sync::Arc, time::Duration};

use drive::{Clock, Driver, INPUTS_MAX};
use kube::Client;
use stamps::{failover::Engine, names::ReplicaName};
use tokio::sync::{mpsc, watch as channel};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most that a challenger adds to its patience.
const JITTER_MAX_MS: u64 = 1000;

/// What a replica is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of its fleet.
    pub namespace: String,
    /// Its own name, different from every other replica's.
    pub identity: ReplicaName,
}

/// Runs one replica until `stop`.
pub async fn run(client: Client, settings: Settings, stop: CancellationToken) {
    let Settings { namespace, identity } = settings;
    let (inputs, incoming) = mpsc::channel(INPUTS_MAX);
    let (seen_sender, seen) = channel::channel(watch::Seen::default());
    let (pictures, shown) = channel::channel(None);
    let register = Arc::new(register::Register::new(&client, &namespace));
    let roads = Arc::new(agents::Roads::new(&client, &namespace, seen.clone()));
    let publisher = Arc::new(agents::Publisher::new(&client, &namespace, identity.clone()));
    let driver = Driver {
        register: register.clone(),
        heartbeat: Arc::new(register::Heartbeat::new(&client, &namespace, identity.clone())),
        agents: agents::Agents::new(roads.clone(), publisher),
        pictures,
        inputs: inputs.clone(),
    };
    let jitter = Duration::from_millis(rand::random_range(0..=JITTER_MAX_MS));
    let tasks = TaskTracker::new();
    let placer = place::Placer::new(&client, &namespace, roads);
    tasks.spawn(placer.run(seen.clone(), shown.clone(), stop.clone()));
    let projector = project::Projector::new(client.clone(), &namespace, register);
    tasks.spawn(projector.run(seen, shown, stop.clone()));
    let watching = stop.clone();
    tasks.spawn(async move { watch::run(client, &namespace, inputs, seen_sender, watching).await });
    driver.run(Engine::new(identity, jitter), incoming, Clock::start(), stop).await;
    tasks.close();
    tasks.wait().await;
}
