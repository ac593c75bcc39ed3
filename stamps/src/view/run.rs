//! Runs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Alarm, headline};
use crate::{
    failover::{Mode, Origin, Phase, Picture, Plan, Run, Step, StepKind, StepState, Subject, Times},
    names::{ReplicaName, RunName, StampName},
};

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Its name, which is also its object's.
    pub name: RunName,
    /// About what.
    pub subject: Subject,
    /// Which way.
    pub mode: Mode,
    /// Who asked.
    pub origin: Origin,
    /// Plan only.
    pub dry_run: bool,
    /// Where it is.
    pub phase: Phase,
    /// Nothing follows any more.
    pub ended: bool,
    /// Why it is there.
    pub reason: String,
    /// What moves where; none before Precheck.
    pub plan: Option<PlanView>,
    /// Its steps, in order.
    pub steps: Vec<StepView>,
    /// When it reached what.
    pub times: TimesView,
    /// What happened, oldest first.
    pub timeline: Vec<SaidView>,
    /// Why it does not go on, and what to do.
    pub alarm: Option<Alarm>,
}

/// A plan in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// Names the plan.
    pub hash: String,
    /// In one sentence.
    pub sentence: String,
    /// Buckets that move.
    pub buckets: usize,
    /// Tenants that live in them.
    pub tenants: u32,
    /// Buckets that each target takes.
    pub to: BTreeMap<StampName, usize>,
    /// Why other stamps were not chosen.
    pub not_chosen: BTreeMap<StampName, String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// What it does.
    pub kind: StepKind,
    /// Where it is.
    pub state: StepState,
    /// How often it was armed.
    pub attempt: u32,
    /// How often an attempt was overdue or not done.
    pub failures: u32,
    /// The replica that holds it.
    pub locked_by: Option<ReplicaName>,
    /// By when it should be complete.
    pub complete_by: Option<DateTime<Utc>>,
    /// When it reached each state.
    pub reached: BTreeMap<StepState, DateTime<Utc>>,
    /// What came of it.
    pub result: Option<String>,
}

/// Moments of a run, and the milliseconds between them by the clocks of whoever wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimesView {
    /// The first doubt about the subject.
    pub detected: Option<DateTime<Utc>>,
    /// The commit that recorded the shift.
    pub decided: Option<DateTime<Utc>>,
    /// Every server that answers shows the new routes.
    pub shifted: Option<DateTime<Utc>>,
    /// The end.
    pub ended: Option<DateTime<Utc>>,
    /// From the first doubt to the decision.
    pub detected_to_decided_ms: Option<i64>,
    /// From the decision until every server showed it.
    pub decided_to_shifted_ms: Option<i64>,
}

/// A sentence and its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaidView {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub sentence: String,
}

pub(super) fn all(picture: &Picture) -> Vec<RunView> {
    let Some(state) = &picture.state else { return Vec::new() };
    let mut runs: Vec<RunView> = state.runs.iter().map(|(name, run)| RunView::of(name, run)).collect();
    runs.sort_by(|a, b| (a.ended, b.times.ended, &a.name).cmp(&(b.ended, a.times.ended, &b.name)));
    runs
}

/// Why a run does not go on, and what to do.
pub(super) fn alarm(name: &RunName, run: &Run) -> Option<Alarm> {
    let (what_now, command) = match run.phase {
        Phase::Held | Phase::Blocked => (
            "It goes on by itself once that is mended. To end it and keep the traffic where it is:",
            headline::cancel(name),
        ),
        Phase::Paused | Phase::AwaitingApproval => ("It waits for a person. Read it:", describe(name)),
        Phase::Refused => {
            ("Mend what the rule names, then ask again:", headline::start(&run.subject, run.mode))
        }
        Phase::Failed | Phase::Expired => {
            ("Nothing was left half-done. Ask again:", headline::start(&run.subject, run.mode))
        }
        _ if run.steps.iter().any(|step| step.failures > 0) && !run.phase.is_end() => {
            ("A step is tried again. Its attempts are in the run's timeline:", describe(name))
        }
        _ => return None,
    };
    Some(Alarm { why: run.reason.clone(), what_now: what_now.to_owned(), command })
}

/// The command that shows a run whole.
pub(super) fn describe(name: &RunName) -> String {
    format!("kubectl describe failover {name}")
}

impl RunView {
    fn of(name: &RunName, run: &Run) -> Self {
        Self {
            name: name.clone(),
            subject: run.subject.clone(),
            mode: run.mode,
            origin: run.origin,
            dry_run: run.dry_run,
            phase: run.phase,
            ended: run.phase.is_end(),
            reason: run.reason.clone(),
            plan: run.plan.as_ref().map(PlanView::of),
            steps: run.steps.iter().map(StepView::of).collect(),
            times: TimesView::of(&run.times),
            timeline: run
                .timeline
                .iter()
                .map(|said| SaidView { at: said.at, sentence: said.sentence.clone() })
                .collect(),
            alarm: alarm(name, run),
        }
    }
}

impl PlanView {
    fn of(plan: &Plan) -> Self {
        let mut to = BTreeMap::new();
        for mv in &plan.moves {
            *to.entry(mv.to.clone()).or_default() += 1;
        }
        Self {
            hash: plan.hash.clone(),
            sentence: plan.sentence(),
            buckets: plan.moves.len(),
            tenants: plan.tenants,
            to,
            not_chosen: plan.not_chosen.clone(),
        }
    }
}

impl StepView {
    fn of(step: &Step) -> Self {
        Self {
            kind: step.kind,
            state: step.state,
            attempt: step.attempt,
            failures: step.failures,
            locked_by: step.locked_by.clone(),
            complete_by: step.complete_by,
            reached: step.reached.clone(),
            result: step.result.clone(),
        }
    }
}

impl TimesView {
    fn of(times: &Times) -> Self {
        let between =
            |from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>| Some((to? - from?).num_milliseconds());
        Self {
            detected: times.detected,
            decided: times.decided,
            shifted: times.shifted,
            ended: times.ended,
            detected_to_decided_ms: between(times.detected, times.decided),
            decided_to_shifted_ms: between(times.decided, times.shifted),
        }
    }
}
