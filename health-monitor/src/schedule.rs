//! One task per stamp, so that no target delays another.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use stamps::{fleet::Probe, names::StampName, time::millis};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    board::{Board, Stamps, Target},
    cadence::Cadence,
    control::Controls,
    metrics::{ByResult, Metrics, ResultLabel},
    probe::{Outcome, Prober},
};

/// Each tick is up to this share of its interval late, so that vantages do not fall into step.
const JITTER_DIVISOR: u32 = 10;

/// What all target tasks share.
#[derive(Clone)]
pub(crate) struct Probing {
    pub(crate) board: Arc<Board>,
    pub(crate) controls: Arc<Controls>,
    pub(crate) prober: Prober,
    pub(crate) metrics: Metrics,
}

impl Probing {
    /// Keeps one task per stamp of the newest list, until stopped.
    pub(crate) async fn run(self, mut lists: watch::Receiver<Option<Stamps>>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut running: BTreeMap<StampName, AbortHandle> = BTreeMap::new();
        loop {
            let list = lists.borrow_and_update().clone();
            if let Some(stamps) = list {
                self.follow(&stamps, &mut tasks, &mut running);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = lists.changed() => if changed.is_err() { return },
                // Reaps aborted tasks; they run for ever otherwise.
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    fn follow(
        &self,
        stamps: &Stamps,
        tasks: &mut JoinSet<()>,
        running: &mut BTreeMap<StampName, AbortHandle>,
    ) {
        self.metrics.stamps.set(i64::try_from(stamps.len()).unwrap_or(i64::MAX));
        let changes = self.board.adopt(stamps);
        for name in &changes.ended {
            if let Some(task) = running.remove(name) {
                task.abort();
            }
        }
        for target in changes.started {
            let name = target.stamp.name.clone();
            let phase = random_below(target.stamp.tick());
            running.insert(name, tasks.spawn(self.clone().follow_target(target, phase)));
        }
    }

    /// Probes one stamp for as long as its definition stands.
    async fn follow_target(self, target: Target, phase: Duration) {
        let tick = target.stamp.tick();
        let mut cadence = Cadence::new(Instant::now() + phase, tick);
        let mut probes: Vec<Standing> =
            target.stamp.probes.iter().map(|probe| Standing::new(probe, tick)).collect();
        loop {
            let turn = cadence.next(Instant::now());
            self.board.missed(&target, turn.missed);
            self.metrics.ticks_missed.inc_by(turn.missed);
            sleep_until(turn.at + random_below(tick / JITTER_DIVISOR)).await;
            join_all(probes.iter_mut().map(|probe| probe.take(turn.index, &self.prober, &self.metrics)))
                .await;
            let worst = probes.iter().filter_map(|probe| probe.last).max();
            if let Some(outcome) = worst {
                self.board.record(&target, self.confirmed(outcome).await);
            }
        }
    }

    /// A failure counts when our own network worked after it.
    async fn confirmed(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Bad(failure) if !self.controls.confirm().await => Outcome::prober_error(failure.phase),
            other => other,
        }
    }
}

/// One probe of a stamp, with the outcome that stands until its next sample.
struct Standing<'a> {
    probe: &'a Probe,
    /// Ticks between two samples: a probe may be slower than its stamp's tick, which is the fastest probe's interval.
    every: u64,
    sampled_at: Option<u64>,
    last: Option<Outcome>,
}

impl<'a> Standing<'a> {
    fn new(probe: &'a Probe, tick: Duration) -> Self {
        let every = (millis(probe.interval) / millis(tick).max(1)).max(1);
        Self { probe, every, sampled_at: None, last: None }
    }

    async fn take(&mut self, tick: u64, prober: &Prober, metrics: &Metrics) {
        let slot = tick / self.every;
        if self.sampled_at == Some(slot) {
            return;
        }
        self.sampled_at = Some(slot);
        let outcome = prober.sample(self.probe, usize::try_from(slot).unwrap_or(0)).await;
        tracing::debug!(probe = self.probe.name, host = self.probe.host, ?outcome, "sample");
        let result = match outcome {
            Outcome::Good => ResultLabel::Good,
            Outcome::Bad(_) => ResultLabel::Bad,
            Outcome::Unknown(_) => ResultLabel::Unknown,
        };
        metrics.samples.get_or_create(&ByResult { result }).inc();
        self.last = Some(outcome);
    }
}

fn random_below(bound: Duration) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rand::random_range(0..nanos.max(1)))
}

#[cfg(test)]
mod tests;
