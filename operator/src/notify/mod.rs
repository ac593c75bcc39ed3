//! What fires -> one webhook, while this replica leads.
//!
//! Pictures come by a channel that keeps only the newest, and at most one message is on its way: a receiver that is
//! slow or dead holds up nobody, and after its return it is told what is true then, and what has ended meanwhile. A
//! new leader tells everything that fires once more; receivers know an alert by its fingerprint.

mod ledger;
mod payload;
mod post;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use crds::validate::Webhook;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use stamps::{
    failover::Picture,
    resilience::backoff_ceiling,
    time::{Mono, millis},
    view::alerts::{Memory, alerts},
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{drive::Clock, watch::Seen};
use ledger::{Batch, Ledger};
use post::{PostError, Poster};

/// Between two looks at what only time changes: what is due again, and runs whose end is no longer news.
const TICK: Duration = Duration::from_secs(1);

/// Why a message was not taken, in one word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What is counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    sent: Counter,
    failed: Family<Reason, Counter>,
    firing: Gauge,
    dropped: Gauge,
}

impl Counts {
    /// Metrics that `registry` renders.
    pub fn register(registry: &mut Registry) -> Self {
        let counts = Self::default();
        registry.register("notifications_sent", "Messages that the webhook took", counts.sent.clone());
        let failed = "Messages that the webhook did not take, by reason";
        registry.register("notifications_failed", failed, counts.failed.clone());
        registry.register("alerts_firing", "Alerts that fire, on the leader", counts.firing.clone());
        let dropped = "Alerts that ended and were dropped before anybody took the news";
        registry.register("notifications_dropped", dropped, counts.dropped.clone());
        counts
    }
}

/// The end of one message's way.
struct Posted {
    batch: Batch,
    result: Result<(), PostError>,
}

/// The task that tells.
#[derive(Debug)]
pub struct Notifier {
    fleet: String,
    poster: Poster,
    clock: Clock,
    counts: Counts,
    memory: Memory,
    ledger: Ledger,
    to: Option<Webhook>,
    posting: JoinSet<Posted>,
    /// Messages that were not taken since the last that was.
    failures: u32,
    /// No message before then.
    rest_until: Mono,
}

impl Notifier {
    /// A notifier of the fleet in one namespace.
    pub fn new(namespace: &str, clock: Clock, counts: Counts) -> Self {
        Self {
            fleet: namespace.to_owned(),
            poster: Poster::new(),
            clock,
            counts,
            memory: Memory::default(),
            ledger: Ledger::default(),
            to: None,
            posting: JoinSet::new(),
            failures: 0,
            rest_until: Mono::default(),
        }
    }

    /// Runs until `stop`.
    pub async fn run(
        mut self,
        seen: watch::Receiver<Seen>,
        mut pictures: watch::Receiver<Option<Arc<Picture>>>,
        stop: CancellationToken,
    ) {
        loop {
            let pause = self.pause();
            tokio::select! {
                () = stop.cancelled() => return,
                Some(Ok(posted)) = self.posting.join_next() => self.posted(posted),
                changed = pictures.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
            let picture = pictures.borrow_and_update().clone();
            let webhook = seen.borrow().webhook.clone();
            if let Some(picture) = picture {
                self.follow(&picture, webhook);
            }
        }
    }

    /// Until the next look without news.
    fn pause(&self) -> Duration {
        let rest = self.rest_until.since(self.clock.now().mono);
        if rest.is_zero() { TICK } else { rest.min(TICK) }
    }

    fn follow(&mut self, picture: &Picture, webhook: Option<Webhook>) {
        let now = self.clock.now();
        self.memory.follow(picture, now.mono);
        if self.to != webhook {
            self.to = webhook;
            self.posting.abort_all();
            self.ledger.forget_who_was_told();
            (self.failures, self.rest_until) = (0, now.mono);
        }
        if let Some(firing) = alerts(picture, &self.memory, &self.fleet) {
            self.ledger.follow(firing, now);
        }
        // A replica that its own fence keeps out does not lead, and nobody else would say so.
        let speaks = picture.leading || !picture.fenced.is_empty();
        self.counts.firing.set(if speaks { self.ledger.firing() } else { 0 });
        self.counts.dropped.set(self.ledger.dropped());
        if let Some(webhook) = self.to.clone().filter(|_| speaks) {
            self.send(webhook);
        } else {
            self.posting.abort_all();
            self.ledger.expire(now.mono);
        }
    }

    /// Sends what is due, if nothing is on its way.
    fn send(&mut self, webhook: Webhook) {
        let now = self.clock.now();
        if !self.posting.is_empty() || now.mono < self.rest_until || !self.ledger.is_due(now.mono) {
            return;
        }
        let batch = self.ledger.batch(now.mono);
        let body = payload::render(&self.fleet, &webhook.name, &batch);
        let poster = self.poster.clone();
        self.posting.spawn(async move {
            let result = poster.post(&webhook.address, body).await;
            Posted { batch, result }
        });
    }

    fn posted(&mut self, posted: Posted) {
        let now = self.clock.now().mono;
        let receiver = self.to.as_ref().map_or("", |webhook| webhook.name.as_str());
        match posted.result {
            Ok(()) => {
                self.counts.sent.inc();
                self.failures = 0;
                self.ledger.told(&posted.batch, now);
            }
            Err(error) => {
                self.counts.failed.get_or_create(&Reason { reason: error.word() }).inc();
                if error.is_passing() {
                    let pause = rand::random_range(0..=millis(backoff_ceiling(self.failures)));
                    self.failures = self.failures.saturating_add(1);
                    self.rest_until = now + Duration::from_millis(pause);
                    tracing::info!(receiver, %error, pause_ms = pause, "alerts are sent again");
                } else {
                    // The same message would be refused again; the next change or repetition is another.
                    tracing::warn!(receiver, %error, "alerts were refused and are not sent again");
                    self.failures = 0;
                    self.ledger.told(&posted.batch, now);
                }
            }
        }
    }
}
