//! The body of a message: what Alertmanager sends to its webhooks, version 4.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::ledger::{Batch, Line};

/// Characters of an annotation. With [`super::ledger::BATCH_MAX`] alerts of three annotations a body stays below 64 KiB
/// as long as most of the text is ASCII; receivers bound what they show to far less.
const ANNOTATION_CHARS_MAX: usize = 480;
/// What Alertmanager writes for "not yet".
const NO_END: &str = "0001-01-01T00:00:00Z";

type Labels<'a> = BTreeMap<&'static str, &'a str>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
    status: &'static str,
    receiver: &'a str,
    group_labels: Labels<'a>,
    common_labels: Labels<'a>,
    common_annotations: BTreeMap<&'static str, String>,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    alerts: Vec<Shown<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    status: &'static str,
    labels: Labels<'a>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: &'a str,
}

/// A message as JSON. `fleet` is the group: every message is about the whole fleet.
pub(super) fn render(fleet: &str, receiver: &str, batch: &Batch) -> Vec<u8> {
    let alerts: Vec<Shown<'_>> = batch.lines.iter().map(shown).collect();
    let message = Message {
        version: "4",
        group_key: format!("{{}}:{{fleet=\"{fleet}\"}}"),
        truncated_alerts: batch.left_out,
        status: status(batch.lines.iter().all(|line| line.ended_at.is_some())),
        receiver,
        group_labels: BTreeMap::from([("fleet", fleet)]),
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: "",
        alerts,
    };
    // Text, numbers and maps with text keys: there is nothing that JSON could not say.
    serde_json::to_vec(&message).unwrap_or_default()
}

fn status(resolved: bool) -> &'static str {
    if resolved { "resolved" } else { "firing" }
}

fn shown(line: &Line) -> Shown<'_> {
    let Line { fingerprint, alert, starts_at, ended_at } = line;
    let next = format!("{} {}", alert.alarm.what_now, alert.alarm.command);
    let annotations = [
        ("summary", alert.summary.as_str()),
        ("description", next.as_str()),
        ("command", alert.alarm.command.as_str()),
    ];
    Shown {
        status: status(ended_at.is_some()),
        labels: alert.labels.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        annotations: annotations.map(|(name, text)| (name, clipped(text))).into(),
        starts_at: rfc3339(*starts_at),
        ends_at: ended_at.map_or(NO_END.to_owned(), rfc3339),
        generator_url: "",
        fingerprint,
    }
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(ANNOTATION_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// What all of them have in common.
fn common<'a, V: Clone + PartialEq + 'a>(
    mut all: impl Iterator<Item = &'a BTreeMap<&'static str, V>>,
) -> BTreeMap<&'static str, V> {
    let Some(mut common) = all.next().cloned() else { return BTreeMap::new() };
    all.for_each(|labels| common.retain(|name, value| labels.get(name) == Some(value)));
    common
}
