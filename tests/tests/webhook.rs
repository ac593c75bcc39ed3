//! What people are told while they look at nothing: one webhook, against a receiver of our own that is not always well.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use stamps::fleet::Automation;
use testbed::{
    region::REGIONS,
    world::{Design, FAILOVER_WITHIN, World, in_world},
};
use tokio::{net::TcpListener, task::JoinHandle};

const WEST: &str = REGIONS[0].name;
/// A failover begins about 6 s after a region's death; twice that without one is no coincidence.
const LONG_ENOUGH: Duration = Duration::from_secs(15);

/// A message and what the receiver answered.
#[derive(Clone, Debug)]
struct Message {
    taken: bool,
    body: Value,
}

/// A receiver that answers 503 to the first messages and takes all others.
struct Receiver {
    url: String,
    messages: Arc<Mutex<Vec<Message>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Desk {
    busy_for: usize,
    messages: Arc<Mutex<Vec<Message>>>,
}

async fn take(State(desk): State<Desk>, Json(body): Json<Value>) -> StatusCode {
    let mut messages = desk.messages.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = messages.len() >= desk.busy_for;
    messages.push(Message { taken, body });
    if taken { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// An alert's name with its status, such as `Doubt firing`.
type Said = String;

impl Receiver {
    async fn busy_for(messages: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/alerts?token=t-0", listener.local_addr()?);
        let desk = Desk { busy_for: messages, messages: Arc::default() };
        let messages = desk.messages.clone();
        let router = Router::new().route("/alerts", post(take)).with_state(desk);
        let task = tokio::spawn(async move {
            // It ends with the test.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { url, messages, task })
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every alert of the messages that were taken, in the order of its first mention.
    fn told(&self) -> Vec<(Said, Value)> {
        let mut told: Vec<(Said, Value)> = Vec::new();
        for message in self.messages().into_iter().filter(|message| message.taken) {
            for alert in message.body["alerts"].as_array().into_iter().flatten() {
                let said = said(alert);
                if !told.iter().any(|(known, _)| *known == said) {
                    told.push((said, alert.clone()));
                }
            }
        }
        told
    }

    /// Waits until all of these were told, and fails unless they were told in this order.
    async fn until_told(&self, world: &World, wanted: &[&str]) -> anyhow::Result<BTreeMap<Said, Value>> {
        world
            .until(&format!("the receiver to be told {wanted:?}"), FAILOVER_WITHIN, async || {
                let told = self.told();
                let missing = wanted.iter().find(|said| !told.iter().any(|(known, _)| known == *said));
                ensure!(missing.is_none(), "no {missing:?} among {:?}", names(&told));
                Ok(())
            })
            .await?;
        let told = self.told();
        let in_order: Vec<&str> = names(&told).into_iter().filter(|said| wanted.contains(said)).collect();
        ensure!(in_order == wanted, "told in the order {in_order:?}");
        Ok(told.into_iter().collect())
    }
}

fn names(told: &[(Said, Value)]) -> Vec<&str> {
    told.iter().map(|(said, _)| said.as_str()).collect()
}

fn said(alert: &Value) -> Said {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&alert["labels"]["alertname"]), text(&alert["status"]))
}

async fn patch_fleet(world: &World, spec: Value) -> anyhow::Result<()> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    world.api::<crds::Fleet>().patch(crds::FLEET, &PatchParams::default(), &patch).await?;
    Ok(())
}

async fn name_receiver(world: &World, receiver: &Receiver) -> anyhow::Result<()> {
    patch_fleet(world, json!({ "notifications": [{ "name": "on-call", "url": receiver.url }] })).await
}

#[tokio::test]
async fn a_failover_is_told_from_doubt_to_end_although_the_receiver_is_busy_at_first() -> anyhow::Result<()> {
    in_world(Design::new("told"), async |world| {
        let bad = patch_fleet(world, json!({ "notifications": [{ "name": "a", "url": "ftp://a/" }] })).await;
        let refusal = bad.err().context("a URL that is not http")?.to_string();
        ensure!(refusal.contains("write http:// or https://"), "{refusal}");

        let receiver = Receiver::busy_for(2).await?;
        name_receiver(world, &receiver).await?;
        let before = world.runs().await?;
        world.kill_region(WEST).await?;
        let run = world.until_new_run(&before, FAILOVER_WITHIN).await?;
        let story = ["Doubt firing", "RunStarted firing", "RunStarted resolved", "RunEnded firing"];
        let told = receiver.until_told(world, &story).await?;

        // Nothing that the busy receiver sent away is missing from what it took.
        let messages = receiver.messages();
        ensure!(messages.iter().filter(|message| !message.taken).count() == 2, "{messages:#?}");
        let first = &messages[2];
        for refused in &messages[..2] {
            for alert in refused.body["alerts"].as_array().context("no alerts")? {
                let known = |other: &Value| other["fingerprint"] == alert["fingerprint"];
                ensure!(first.body["alerts"].as_array().is_some_and(|all| all.iter().any(known)), "{alert}");
            }
        }
        for Message { body, .. } in &messages {
            ensure!(body["version"] == "4" && body["receiver"] == "on-call", "{body}");
            ensure!(body["groupLabels"]["fleet"] == world.scenario.namespace(), "{body}");
        }
        ensure!(told["Doubt firing"]["labels"]["subject"] == "geode/westeurope", "{told:#?}");
        ensure!(told["RunStarted firing"]["labels"]["run"] == run.as_str(), "{told:#?}");
        ensure!(told["RunEnded firing"]["labels"]["run"] == run.as_str(), "{told:#?}");
        let summary = told["RunEnded firing"]["annotations"]["summary"].as_str().unwrap_or_default();
        ensure!(summary.starts_with("Failover of geode/westeurope is Succeeded"), "{summary}");
        let personless = ["GateShut", "FailoverHeld", "RunHeld", "FencedOut"];
        ensure!(!told.keys().any(|said| personless.iter().any(|name| said.starts_with(name))), "{told:#?}");

        world.revive_region(WEST).await?;
        let told = receiver.until_told(world, &["Doubt firing", "Doubt resolved"]).await?;
        ensure!(told["Doubt resolved"]["fingerprint"] == told["Doubt firing"]["fingerprint"], "{told:#?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_shut_gate_asks_a_person_until_it_is_opened() -> anyhow::Result<()> {
    let design = Design { automation: Automation::Observe, ..Design::new("asked") };
    in_world(design, async |world| {
        let receiver = Receiver::busy_for(0).await?;
        name_receiver(world, &receiver).await?;
        world.kill_region(WEST).await?;
        let told = receiver.until_told(world, &["Doubt firing", "GateShut firing"]).await?;
        let asked = &told["GateShut firing"];
        let summary = asked["annotations"]["summary"].as_str().unwrap_or_default();
        ensure!(summary.contains("automation is Observe, so nothing does"), "{summary}");
        let command = asked["annotations"]["command"].as_str().unwrap_or_default();
        ensure!(command.contains("kubectl create") && command.contains("westeurope"), "{command}");
        world.nothing_moves_for(LONG_ENOUGH).await?;
        let now = receiver.told();
        ensure!(!names(&now).contains(&"GateShut resolved"), "{:?}", names(&now));

        patch_fleet(world, json!({ "automation": Automation::Automatic })).await?;
        receiver.until_told(world, &["GateShut firing", "GateShut resolved", "RunEnded firing"]).await?;
        Ok(())
    })
    .await
}
