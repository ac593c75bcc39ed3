//! Follows the register, tells what is new in it, and lets the demo wait for what it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use kube::{Api, Client};
use stamps::{
    failover::{FleetState, Run, Subject},
    names::RunName,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::narrate::Narrator;

/// Between two looks: often enough for a story, and cheap for the API server.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The register as it was last seen.
type Seen = Option<Arc<FleetState>>;

/// Somebody who reads the register all the time. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Follower {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Begins to read and to tell.
    pub(super) fn start(client: &Client, namespace: &str, narrator: Arc<Narrator>) -> Self {
        let registers: Api<crds::FleetState> = Api::namespaced(client.clone(), namespace);
        let (sender, seen) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut story = Story::default();
            loop {
                match read(&registers).await {
                    Ok(Some(state)) => {
                        for sentence in story.news(&state) {
                            narrator.lifeboat_says(&sentence);
                        }
                        sender.send_replace(Some(Arc::new(state)));
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the register could not be read"),
                }
                sleep(LOOK_EVERY).await;
            }
        });
        Self { seen, task }
    }

    /// Waits until the register says what `wanted` looks for.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        bound: Duration,
        wanted: impl Fn(&FleetState) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut seen = self.seen.clone();
        let search = async {
            loop {
                if let Some(found) = seen.borrow_and_update().as_deref().and_then(&wanted) {
                    return Ok(found);
                }
                seen.changed().await.context("the reader of the register has ended")?;
            }
        };
        timeout(bound, search).await.with_context(|| format!("waited {bound:?} for {what}"))?
    }

    /// Waits until the run of this name has ended.
    pub(super) async fn end_of(&self, name: &RunName, bound: Duration) -> anyhow::Result<Run> {
        let ended = |state: &FleetState| state.runs.get(name).filter(|run| run.phase.is_end()).cloned();
        self.wait(&format!("the end of {name}"), bound, ended).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(registers: &Api<crds::FleetState>) -> anyhow::Result<Option<FleetState>> {
    let Some(object) = registers.get_opt(crds::FLEET).await? else { return Ok(None) };
    Ok(Some(crds::register::decode(object.spec.format_version, &object.spec.data)?))
}

/// What has been told already.
#[derive(Debug, Default)]
struct Story {
    leader: Option<String>,
    doubts: BTreeSet<Subject>,
    held: BTreeMap<Subject, Vec<String>>,
    told: BTreeMap<RunName, usize>,
}

impl Story {
    fn news(&mut self, state: &FleetState) -> Vec<String> {
        let mut news = Vec::new();
        let leader = format!("{} leads with epoch {}", state.leader, state.point.epoch);
        if self.leader.as_ref() != Some(&leader) {
            news.push(leader.clone());
            self.leader = Some(leader);
        }
        for (subject, doubt) in &state.doubts {
            if self.doubts.insert(subject.clone()) {
                news.push(format!("doubt: {}", doubt.sentence));
            }
            if !doubt.held_because.is_empty() && self.held.get(subject) != Some(&doubt.held_because) {
                news.push(format!("{subject} is held: {}", doubt.held_because.join("; ")));
                self.held.insert(subject.clone(), doubt.held_because.clone());
            }
        }
        let gone: Vec<Subject> =
            self.doubts.iter().filter(|subject| !state.doubts.contains_key(*subject)).cloned().collect();
        for subject in gone {
            news.push(format!("{subject} is no longer doubted"));
            self.doubts.remove(&subject);
            self.held.remove(&subject);
        }
        for (name, run) in &state.runs {
            let told = self.told.entry(name.clone()).or_insert_with(|| {
                news.push(format!("run {name}: {:?} of {}", run.mode, run.subject));
                0
            });
            news.extend(run.timeline.iter().skip(*told).map(|said| said.sentence.clone()));
            *told = run.timeline.len();
        }
        news
    }
}
