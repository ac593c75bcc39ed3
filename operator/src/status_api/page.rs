//! The page: the views as HTML, complete without script and without anything from elsewhere.

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use stamps::{
    failover::StepState,
    verdict::Verdict,
    view::{RunView, ServerView, StampView, Views},
};

use super::Snapshot;

const STYLE: &str = include_str!("../../templates/status.css");
/// Stamps on the page; all of them are in the API.
const STAMPS_MAX: usize = 500;
/// Ended runs on the page.
const ENDED_MAX: usize = 5;
/// Seconds between two loads of the page.
const REFRESH_S: u32 = 2;

/// What the page's style hashes to, for the policy that allows it and no other.
pub(super) fn style_hash() -> String {
    STANDARD.encode(Sha256::digest(STYLE))
}

/// The page of a snapshot.
pub(super) fn render(snapshot: &Snapshot, refresh: bool) -> Result<String, askama::Error> {
    let views = &snapshot.views;
    let shown = views.stamps.len().min(STAMPS_MAX);
    Page {
        style: STYLE,
        refresh_s: refresh.then_some(REFRESH_S),
        as_of: snapshot.generated_at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        views,
        stamps: &views.stamps[..shown],
        stamps_left: views.stamps.len() - shown,
        live: views.runs.iter().filter(|run| !run.ended).collect(),
        ended: views.runs.iter().filter(|run| run.ended).take(ENDED_MAX).collect(),
        unready: snapshot.ready.as_ref().err().map(Vec::as_slice).unwrap_or_default(),
    }
    .render()
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'a> {
    style: &'static str,
    refresh_s: Option<u32>,
    as_of: String,
    views: &'a Views,
    stamps: &'a [StampView],
    stamps_left: usize,
    live: Vec<&'a RunView>,
    ended: Vec<&'a RunView>,
    unready: &'a [String],
}

/// A sign in front of the word, so that a column can be read at a glance without its colour.
fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "✓",
        Verdict::Degraded => "!",
        Verdict::Unhealthy | Verdict::CutOff => "✗",
        Verdict::Unknown => "?",
    }
}

fn step_sign(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "·",
        StepState::Processing | StepState::Compensating => "▶",
        StepState::Processed => "✓",
        StepState::Error => "✗",
        StepState::Compensated => "↩",
    }
}

fn answers(server: &ServerView) -> &'static str {
    match (server.answered, server.matches) {
        (None, _) => "? not looked at",
        (Some(false), _) => "✗ silent",
        (Some(true), Some(true)) => "✓ as wanted",
        (Some(true), _) => "! differs",
    }
}

/// Milliseconds as seconds with one decimal.
fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
