//! One task per fleet that feeds the engine and carries out what it asks for. It decides nothing.
//!
//! Inputs come through one bounded channel, so the engine sees one serial history. Calls that wait (the register, the
//! Lease, agents) run in tasks of their own and come back through the same channel.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use stamps::{
    failover::{Engine, Input, Output, Picture},
    time::{Mono, Now, millis},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agents::Agents,
    kill_point,
    metrics::Metrics,
    register::{Heartbeat, Register},
};

/// Inputs that may wait. A full channel makes watches wait: 1,000 stamps with four vantages send far fewer a second.
pub const INPUTS_MAX: usize = 1024;
/// Between two looks at the Lease.
const LEASE_LOOK: Duration = Duration::from_millis(500);

/// What the engine's driver works with.
#[derive(Debug)]
pub struct Driver {
    /// The register.
    pub register: Arc<Register>,
    /// The Lease.
    pub heartbeat: Arc<Heartbeat>,
    /// Who acts.
    pub agents: Agents,
    /// What is shown.
    pub pictures: watch::Sender<Option<Arc<Picture>>>,
    /// Where inputs go.
    pub inputs: mpsc::Sender<Input>,
    /// What is counted.
    pub metrics: Metrics,
}

/// Monotonic time since the process's start.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// This moment.
    pub fn now(self) -> Now {
        Now { wall: Utc::now(), mono: Mono(millis(self.0.elapsed())) }
    }

    fn at(self, mono: Mono) -> Instant {
        self.0 + Duration::from_millis(mono.0)
    }
}

impl Driver {
    /// Runs until `stop`, then gives leadership up and ends.
    pub async fn run(
        mut self,
        mut engine: Engine,
        mut inputs: mpsc::Receiver<Input>,
        clock: Clock,
        stop: CancellationToken,
    ) {
        let tasks = TaskTracker::new();
        tasks.spawn(watch_lease(self.heartbeat.clone(), self.inputs.clone(), stop.clone()));
        let mut wake = Instant::now();
        loop {
            let input = tokio::select! {
                // A stop goes before everything that waits.
                biased;
                () = stop.cancelled() => Input::Stop,
                Some(input) = inputs.recv() => input,
                () = tokio::time::sleep_until(wake) => Input::Tick,
            };
            let stopping = matches!(input, Input::Stop);
            if let Input::Stored(state) = &input {
                // The watch may bring a commit before its own answer does.
                kill_point::stored(state);
            }
            for output in engine.on(input, clock.now()) {
                match output {
                    Output::WakeAt(mono) => wake = clock.at(mono),
                    output => self.carry_out(output, &tasks, clock),
                }
            }
            if stopping {
                break;
            }
        }
        // Answers that are still to come are for nobody.
        drop(inputs);
        tasks.close();
        tasks.wait().await;
    }

    fn carry_out(&mut self, output: Output, tasks: &TaskTracker, clock: Clock) {
        let inputs = self.inputs.clone();
        match output {
            Output::Load => {
                let register = self.register.clone();
                tasks.spawn(async move { send(&inputs, register.load().await).await });
            }
            Output::Commit { state, base, gate } => {
                let (register, metrics) = (self.register.clone(), self.metrics.clone());
                tasks.spawn(async move {
                    let answer = register.commit(&state, base, gate).await;
                    metrics.committed(&answer);
                    send(&inputs, answer).await;
                });
            }
            Output::Beat => {
                let heartbeat = self.heartbeat.clone();
                tasks.spawn(async move { send(&inputs, heartbeat.beat(clock.now().mono).await).await });
            }
            Output::Release => {
                let heartbeat = self.heartbeat.clone();
                tasks.spawn(async move { heartbeat.release().await });
            }
            Output::Perform(key, command) => self.agents.perform(key, command, inputs),
            Output::Forget(key) => self.agents.forget(&key),
            Output::Project(picture) => {
                self.agents.follow(&picture);
                self.metrics.show(&picture);
                self.pictures.send_replace(Some(Arc::new(*picture)));
            }
            Output::StepDown(reason) => {
                tracing::warn!(reason, "not leading");
                self.metrics.stepped_down();
                self.agents.stop_all();
            }
            Output::WakeAt(_) => {}
        }
    }
}

async fn send(inputs: &mpsc::Sender<Input>, input: Input) {
    // The receiver goes first when the process ends; then nobody needs the answer.
    let _ = inputs.send(input).await;
}

async fn watch_lease(heartbeat: Arc<Heartbeat>, inputs: mpsc::Sender<Input>, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LEASE_LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        if let Some(seen) = heartbeat.look().await {
            send(&inputs, seen).await;
        }
    }
}
