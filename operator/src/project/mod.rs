//! Committed state -> `.status` of our objects, while this replica leads. Nothing decides on what is written here.
//!
//! Only what changed is written, times apart; each write has a bound, and one that fails is simply due again. A refusal
//! with 422 means that a newer leader has written: then this replica is behind and stays silent.

mod lost;
mod statuses;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use shell::api::within;
use stamps::{
    failover::{Mode, Origin, Picture, Run, Subject},
    names::RunName,
    view::Scores,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{register::Register, watch::Seen};
use statuses::Projection;

/// For one write.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest time between two rounds.
const PAUSE: Duration = Duration::from_millis(250);
/// A round without news, for what could not be written before.
const RETRY: Duration = Duration::from_secs(2);

/// What a status is of.
type Target = (&'static str, String);

/// The task that writes statuses.
#[expect(missing_debug_implementations, reason = "kube's Client has none")]
pub struct Projector {
    client: Client,
    namespace: String,
    register: Arc<Register>,
    /// As it was last written, so that what is equal is not written again.
    written: BTreeMap<Target, Value>,
    memory: statuses::Memory,
    epoch: i64,
    /// UID of the register's object when this epoch began.
    uid: Option<String>,
}

impl Projector {
    /// A projector of one namespace.
    pub fn new(client: Client, namespace: &str, register: Arc<Register>) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            register,
            written: BTreeMap::new(),
            memory: statuses::Memory::default(),
            epoch: 0,
            uid: None,
        }
    }

    /// Runs until `stop`.
    pub async fn run(
        mut self,
        seen: watch::Receiver<Seen>,
        mut pictures: watch::Receiver<Option<Arc<Picture>>>,
        scores: watch::Receiver<Scores>,
        stop: CancellationToken,
    ) {
        loop {
            let news = async {
                tokio::time::sleep(PAUSE).await;
                // A sender that is gone means that the process ends; the token says so too.
                let _ = tokio::time::timeout(RETRY, pictures.changed()).await;
            };
            if stop.run_until_cancelled(news).await.is_none() {
                return;
            }
            let picture = pictures.borrow_and_update().clone();
            let Some(picture) = picture else { continue };
            if !picture.leading {
                stop.run_until_cancelled(self.say_that_nobody_leads(&picture)).await;
                continue;
            }
            let (seen, scores) = (seen.borrow().clone(), scores.borrow().clone());
            stop.run_until_cancelled(self.round(&seen, &picture, &scores)).await;
        }
    }

    async fn round(&mut self, seen: &Seen, picture: &Picture, scores: &Scores) {
        let Some(state) = &picture.state else { return };
        if self.epoch != state.point.epoch {
            self.epoch = state.point.epoch;
            self.written.clear();
            // Once for an epoch: what is put in the register's place later must not become the known one unseen.
            self.uid = self.register.uid().await;
        }
        for (name, run) in
            state.runs.iter().filter(|(_, run)| run.uid.is_none() && run.origin == Origin::Engine)
        {
            if state.restored.is_some() {
                break; // its object may have been there, and gone since
            }
            self.make_object(name, run).await;
        }
        let known = state.restored.as_ref().and_then(|restored| restored.replaces.as_ref());
        let Some(uid) = known.map(ToString::to_string).or_else(|| self.uid.clone()) else { return };
        for projection in self.memory.statuses(seen, picture, scores, &uid) {
            let target = (projection.kind, projection.name.clone());
            if self.written.get(&target) != Some(&projection.compared) && self.write(&projection).await {
                self.written.insert(target, projection.compared);
            }
        }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(crds::GROUP, crds::VERSION, kind);
        let plural = match kind {
            "TrafficPolicy" => "trafficpolicies".to_owned(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &ApiResource::from_gvk_with_plural(&gvk, &plural),
        )
    }

    async fn write(&self, projection: &Projection) -> bool {
        let patch = json!({
            "apiVersion": format!("{}/{}", crds::GROUP, crds::VERSION),
            "kind": projection.kind,
            "metadata": { "name": projection.name },
            "status": projection.status,
        });
        let params = PatchParams::apply("lifeboat-operator").force();
        let api = self.api(projection.kind);
        match within(CALL_TIMEOUT, api.patch_status(&projection.name, &params, &Patch::Apply(&patch))).await {
            Ok(_) => true,
            Err(error) => {
                tracing::info!(kind = projection.kind, name = projection.name, %error, "a status was not written");
                false
            }
        }
    }

    /// The object of a run that the engine started: for people; the register has the run itself.
    async fn make_object(&self, name: &RunName, run: &Run) {
        let subject = match &run.subject {
            Subject::Geode(geode) => json!({ "geode": geode }),
            Subject::Stamp(stamp) => json!({ "stamp": stamp }),
        };
        let mode = match run.mode {
            Mode::Failover => "Failover",
            Mode::Failback => "Failback",
        };
        let object = json!({
            "apiVersion": format!("{}/{}", crds::GROUP, crds::VERSION),
            "kind": "Failover",
            "metadata": { "name": name },
            "spec": { "subject": subject, "mode": mode, "origin": "Engine", "reason": clipped(&run.timeline) },
        });
        let Ok(object) = serde_json::from_value::<DynamicObject>(object) else { return };
        match within(CALL_TIMEOUT, self.api("Failover").create(&PostParams::default(), &object)).await {
            Ok(_) => {}
            Err(error) if error.code() == Some(409) => {}
            Err(error) => tracing::info!(run = %name, %error, "the object of a run was not made"),
        }
    }
}

/// The first thing said about a run, within the field's bound.
fn clipped(timeline: &std::collections::VecDeque<stamps::failover::Said>) -> String {
    timeline.front().map(|said| said.sentence.chars().take(500).collect()).unwrap_or_default()
}
