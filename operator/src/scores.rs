//! Keeps every stamp's ledger: a slice every ten seconds, scores for people, and an object for the time after a restart.
//!
//! It stands beside the line from fact to effect and never decides anything. Every replica records; the leader writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crds::{AvailabilityLedger, AvailabilityLedgerFields};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use shell::api::within;
use stamps::{
    availability::{LEDGER_FORMAT, Ledger, Recorder, WINDOW_SLICES, score, totals},
    failover::Picture,
    names::StampName,
    view::Scores,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{drive::Clock, watch::Reports};

/// Between two looks. A slice is ten seconds, so each gets several.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Slices between two writes of one stamp's ledger: five minutes, so 1,000 stamps cost 3.3 writes a second. What a
/// restart loses of that is a gap of Unknown.
const WRITE_EVERY_SLICES: usize = 30;

/// The task that keeps ledgers.
#[derive(Debug)]
pub struct Scorer {
    objects: Api<AvailabilityLedger>,
    clock: Clock,
    closed: usize,
    /// Objects that this binary cannot read: they are left as they are.
    unreadable: BTreeSet<StampName>,
}

impl Scorer {
    /// A scorer of one namespace.
    pub fn new(client: &Client, namespace: &str, clock: Clock) -> Self {
        Self {
            objects: Api::namespaced(client.clone(), namespace),
            clock,
            closed: 0,
            unreadable: BTreeSet::new(),
        }
    }

    /// Runs until `stop`.
    pub async fn run(
        mut self,
        pictures: watch::Receiver<Option<Arc<Picture>>>,
        reports: watch::Receiver<Reports>,
        scores: watch::Sender<Scores>,
        stop: CancellationToken,
    ) {
        let Some(ledgers) = stop.run_until_cancelled(self.read_back()).await else { return };
        let mut recorder = Recorder::new(ledgers, self.clock.now());
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let Some(picture) = pictures.borrow().clone() else { continue };
            let totals = totals(reports.borrow().values());
            if recorder.take(self.clock.now(), &picture.assessment, &totals) {
                self.closed += 1;
                scores.send_replace(all(&picture, recorder.ledgers()));
                if picture.leading {
                    stop.run_until_cancelled(self.write(&picture, recorder.ledgers())).await;
                }
            }
        }
    }

    /// What was written before this process. Until that is known nothing is recorded, or it would be written over.
    async fn read_back(&mut self) -> BTreeMap<StampName, Ledger> {
        loop {
            match within(CALL_TIMEOUT, self.objects.list(&ListParams::default())).await {
                Ok(list) => return list.items.iter().filter_map(|object| self.read(object)).collect(),
                Err(error) => tracing::warn!(%error, "the ledgers could not be read; scores wait"),
            }
            tokio::time::sleep(CALL_TIMEOUT).await;
        }
    }

    fn read(&mut self, object: &AvailabilityLedger) -> Option<(StampName, Ledger)> {
        let stamp = StampName::from(object.spec.stamp.as_str());
        match Ledger::from_text(&object.spec.data) {
            Ok(ledger) => Some((stamp, ledger)),
            Err(error) => {
                tracing::warn!(%stamp, %error, "a ledger cannot be read; it is kept, and its stamp's score begins anew");
                self.unreadable.insert(stamp);
                None
            }
        }
    }

    /// Writes the ledgers whose turn it is, each stamp's once in [`WRITE_EVERY_SLICES`].
    async fn write(&self, picture: &Picture, ledgers: &BTreeMap<StampName, Ledger>) {
        let epoch = picture.state.as_ref().map_or(0, |state| state.point.epoch);
        let due =
            ledgers.iter().enumerate().filter(|(n, _)| (n + self.closed).is_multiple_of(WRITE_EVERY_SLICES));
        for (_, (stamp, ledger)) in due.filter(|(_, (stamp, _))| !self.unreadable.contains(*stamp)) {
            let fields = AvailabilityLedgerFields {
                stamp: stamp.to_string(),
                epoch,
                format_version: LEDGER_FORMAT,
                data: ledger.to_text(),
            };
            let patch = Patch::Apply(AvailabilityLedger::new(stamp.as_str(), fields));
            let params = PatchParams::apply("lifeboat-operator").force();
            let call = self.objects.patch(stamp.as_str(), &params, &patch);
            if let Err(error) = within(CALL_TIMEOUT, call).await {
                tracing::info!(%stamp, %error, "a ledger was not written; its turn comes again");
            }
        }
    }
}

fn all(picture: &Picture, ledgers: &BTreeMap<StampName, Ledger>) -> Scores {
    let objective = |stamp| picture.fleet.as_ref()?.stamps.get(stamp)?.objective_bp;
    ledgers
        .iter()
        .map(|(stamp, ledger)| {
            (stamp.clone(), score(ledger.newest(WINDOW_SLICES), WINDOW_SLICES, objective(stamp)))
        })
        .collect()
}
