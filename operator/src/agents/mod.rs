//! Command -> outcome: the only code that acts on the outside.
//!
//! Each command runs in a task of its own, bounded in time by its road; one that is no longer wanted is dropped and
//! stays silent.

mod publish;
mod roads;

use std::{collections::HashMap, sync::Arc};

use stamps::{
    failover::{Command, Input, Key, Picture},
    routing::Outcome,
};
use tokio::{sync::mpsc, task::AbortHandle};

pub use publish::Publisher;
pub use roads::Roads;

use crate::{
    kill_point,
    metrics::Metrics,
    traffic::{Scope, Under},
};

/// Those who act.
#[derive(Debug)]
pub struct Agents {
    roads: Arc<Roads>,
    publisher: Arc<Publisher>,
    metrics: Metrics,
    running: HashMap<String, AbortHandle>,
}

impl Agents {
    /// Agents that act through these.
    pub fn new(roads: Arc<Roads>, publisher: Arc<Publisher>, metrics: Metrics) -> Self {
        Self { roads, publisher, metrics, running: HashMap::new() }
    }

    /// Learns what the zones are now.
    pub fn follow(&self, picture: &Picture) {
        if let Some(fleet) = &picture.fleet {
            self.roads.follow(fleet);
        }
    }

    /// Begins a command; its outcome comes as an input.
    pub fn perform(&mut self, key: Key, command: Command, inputs: mpsc::Sender<Input>) {
        let (roads, publisher, metrics) = (self.roads.clone(), self.publisher.clone(), self.metrics.clone());
        let name = key.to_string();
        self.running.retain(|_, task| !task.is_finished());
        let task = tokio::spawn(async move {
            let input = match command {
                Command::Observe { desired, against } => {
                    let zone = desired.zone.clone();
                    match roads.get(&zone).await {
                        Ok(road) => {
                            let observation = road.observe(&desired).await;
                            Input::Observed { against: against.point, observation }
                        }
                        Err(outcome) => Input::Outcome(key, outcome),
                    }
                }
                effect => {
                    if matches!(key, Key::Zone { .. }) {
                        kill_point::effect_due();
                    }
                    let outcome = act(&roads, &publisher, effect).await;
                    metrics.ended(&key, &outcome);
                    tracing::info!(command = %key, %outcome, "an effect came to its end");
                    if outcome == Outcome::Done && matches!(key, Key::Zone { .. }) {
                        kill_point::effect_done();
                    }
                    Input::Outcome(key, outcome)
                }
            };
            // When the receiver is gone the process ends, and the register knows what is still to be done.
            let _ = inputs.send(input).await;
        });
        if let Some(before) = self.running.insert(name, task.abort_handle()) {
            before.abort();
        }
    }

    /// Drops a command.
    pub fn forget(&mut self, key: &Key) {
        if let Some(task) = self.running.remove(&key.to_string()) {
            task.abort();
        }
    }

    /// Drops every command.
    pub fn stop_all(&mut self) {
        for (_, task) in self.running.drain() {
            task.abort();
        }
    }
}

async fn act(roads: &Roads, publisher: &Publisher, command: Command) -> Outcome {
    let zone = match &command {
        Command::Converge { desired, .. } | Command::Observe { desired, .. } => desired.zone.clone(),
        Command::RaiseFence { zone, .. } => zone.clone(),
        Command::Publish { notices } => return publisher.publish(notices).await,
    };
    let road = match roads.get(&zone).await {
        Ok(road) => road,
        Err(outcome) => return outcome,
    };
    let outcome = match &command {
        Command::Converge { desired, fence, past, .. } => {
            road.converge(desired, Scope::Full, Under { fence, past: Some(past) }).await
        }
        Command::RaiseFence { fence, past, .. } => road.raise_fence(Under { fence, past: Some(past) }).await,
        Command::Observe { .. } | Command::Publish { .. } => Outcome::Done,
    };
    if matches!(outcome, Outcome::Refused { .. }) {
        // The key may have been rotated: read it again next time.
        roads.renew(&zone).await;
    }
    outcome
}
