//! The outbox's relay: notices become Kubernetes events, at least once, and each has one name, so twice is once.

use std::time::Duration;

use k8s_openapi::api::{core::v1::ObjectReference, events::v1::Event};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use shell::api::within;
use stamps::{
    failover::{About, Notice, Subject},
    names::ReplicaName,
    routing::Outcome,
};

/// For one event.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// The API server's bound on a note.
const NOTE_MAX: usize = 1024;

/// Writes events.
#[derive(Debug)]
pub struct Publisher {
    events: Api<Event>,
    namespace: String,
    me: ReplicaName,
}

impl Publisher {
    /// A publisher of one namespace.
    pub fn new(client: &Client, namespace: &str, me: ReplicaName) -> Self {
        Self { events: Api::namespaced(client.clone(), namespace), namespace: namespace.to_owned(), me }
    }

    /// Publishes them in their order, and stops at the first that fails.
    pub async fn publish(&self, notices: &[Notice]) -> Outcome {
        for notice in notices {
            let event = self.event(notice);
            match within(CALL_TIMEOUT, self.events.create(&PostParams::default(), &event)).await {
                Ok(_) => {}
                // Published before, and the answer was lost.
                Err(error) if error.code() == Some(409) => {}
                Err(error) => return Outcome::NotDone { reason: format!("event {}: {error}", notice.id) },
            }
        }
        Outcome::Done
    }

    fn event(&self, notice: &Notice) -> Event {
        let (kind, name) = regarding(&notice.about);
        let mut note = notice.note.clone();
        if note.len() > NOTE_MAX {
            let end = (0..=NOTE_MAX - 3).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
            note.truncate(end);
            note.push_str("...");
        }
        Event {
            metadata: ObjectMeta {
                // The register counts notices over the fleet's whole life, and the time makes restores distinct.
                name: Some(format!("{name}.{:x}.{}", notice.at.timestamp(), notice.id)),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            action: Some(notice.reason.clone()),
            event_time: Some(crds::time::to_k8s_micro(notice.at)),
            note: Some(note),
            reason: Some(notice.reason.clone()),
            regarding: Some(ObjectReference {
                api_version: Some(format!("{}/{}", crds::GROUP, crds::VERSION)),
                kind: Some(kind.to_owned()),
                name: Some(name),
                namespace: Some(self.namespace.clone()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some("lifeboat.dev/operator".to_owned()),
            reporting_instance: Some(self.me.to_string()),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        }
    }
}

fn regarding(about: &About) -> (&'static str, String) {
    match about {
        About::Fleet => ("Fleet", crds::FLEET.to_owned()),
        About::Subject(Subject::Geode(geode)) => ("Geode", geode.to_string()),
        About::Subject(Subject::Stamp(stamp)) => ("Stamp", stamp.to_string()),
        About::Run(run) => ("Failover", run.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_is_about() {
        assert_eq!(regarding(&About::Subject(Subject::Geode("weu".into()))), ("Geode", "weu".into()));
        assert_eq!(regarding(&About::Run("auto-1".into())), ("Failover", "auto-1".into()));
    }
}
