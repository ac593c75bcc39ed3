//! The operator's metrics. Labels are words of closed lists and names of stamps, so their number is bounded by the fleet.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use stamps::{
    failover::{Input, Key, Phase, Picture},
    routing::Outcome,
};

/// How a write of the register ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

/// What was to be done, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Effect {
    kind: &'static str,
    outcome: &'static str,
}

/// A phase of runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InPhase {
    phase: String,
}

/// A stamp.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStamp {
    stamp: String,
}

/// Counters and gauges of one replica.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    leading: Gauge,
    epoch: Gauge,
    stepped_down: Counter,
    commits: Family<Ended, Counter>,
    effects: Family<Effect, Counter>,
    runs: Family<InPhase, Gauge>,
    doubts: Gauge,
    outbox_waiting: Gauge,
    outbox_dropped: Gauge,
    shares: Family<OfStamp, Gauge>,
}

impl Metrics {
    /// Metrics that `registry` renders.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("leading", "1 on the replica that leads", metrics.leading.clone());
        registry.register("epoch", "Leadership epoch of the register", metrics.epoch.clone());
        registry.register(
            "stepped_down",
            "Times that this replica gave up or lost the lead",
            metrics.stepped_down.clone(),
        );
        registry.register("commits", "Writes of the register, by result", metrics.commits.clone());
        registry.register(
            "effects",
            "Effects tried outside the register, by outcome",
            metrics.effects.clone(),
        );
        registry.register("runs", "Runs in the register, by phase", metrics.runs.clone());
        registry.register("doubts", "Geodes and stamps under doubt", metrics.doubts.clone());
        registry.register(
            "outbox_waiting",
            "Events that wait to be published",
            metrics.outbox_waiting.clone(),
        );
        registry.register(
            "outbox_dropped",
            "Events dropped because the outbox was full",
            metrics.outbox_dropped.clone(),
        );
        registry.register("stamp_buckets", "Buckets that a stamp serves", metrics.shares.clone());
        metrics
    }

    /// A write of the register has been answered.
    pub fn committed(&self, answer: &Input) {
        let result = match answer {
            Input::Stored(_) => "stored",
            Input::Lost => "lost",
            Input::GateShut(_) => "gate_shut",
            _ => "unknown",
        };
        self.commits.get_or_create(&Ended { result }).inc();
    }

    /// An effect has come to its end.
    pub fn ended(&self, key: &Key, outcome: &Outcome) {
        let kind = match key {
            Key::Zone { .. } => "zone",
            Key::Observe { .. } => "observe",
            Key::Publish { .. } => "publish",
        };
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::NotDone { .. } => "not_done",
            Outcome::Refused { .. } => "refused",
            Outcome::Fenced { .. } => "fenced",
            Outcome::Unknown { .. } => "unknown",
        };
        self.effects.get_or_create(&Effect { kind, outcome }).inc();
    }

    /// This replica no longer leads.
    pub fn stepped_down(&self) {
        self.stepped_down.inc();
    }

    /// What the engine shows now.
    pub fn show(&self, picture: &Picture) {
        self.leading.set(i64::from(picture.leading));
        let Some(state) = &picture.state else { return };
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.epoch.set(state.point.epoch);
        self.doubts.set(count(state.doubts.len()));
        self.outbox_waiting.set(count(state.outbox.waiting.len()));
        self.outbox_dropped.set(i64::try_from(state.outbox.dead_letters).unwrap_or(i64::MAX));
        for phase in Phase::ALL {
            let runs = state.runs.values().filter(|run| run.phase == phase).count();
            self.runs.get_or_create(&InPhase { phase: format!("{phase:?}") }).set(count(runs));
        }
        if let Some(fleet) = &picture.fleet {
            for (stamp, buckets) in state.routes.shares(fleet) {
                self.shares.get_or_create(&OfStamp { stamp: stamp.to_string() }).set(buckets.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use stamps::failover::FleetState;

    use super::*;

    #[test]
    fn what_happened_can_be_read() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.committed(&Input::Lost);
        metrics.ended(&Key::Publish { through: 1 }, &Outcome::Done);
        metrics.show(&Picture {
            state: Some(FleetState::born("f".into(), "a".into(), 7)),
            leading: true,
            ..Picture::default()
        });
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "commits_total{result=\"lost\"} 1",
            "effects_total{kind=\"publish\",outcome=\"done\"} 1",
            "leading 1",
            "epoch 7",
            "runs{phase=\"Held\"} 0",
        ] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
    }
}
