//! One run: what was asked for, what was planned, and how far it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    phase::{Phase, StepKind, StepState},
    state::{Mode, Origin, Subject},
};
use crate::{
    fleet::{Fleet, Stamp},
    names::{Bucket, GeodeName, Point, ReplicaName, StampName},
    routing::Move,
    safety::Rule,
};

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// UID of its object, once there is one.
    pub uid: Option<String>,
    /// Who asked.
    pub origin: Origin,
    /// Which way.
    pub mode: Mode,
    /// Plan only.
    pub dry_run: bool,
    /// About what.
    pub subject: Subject,
    /// Stamps and geodes that the requester allows as targets; empty means every one.
    pub targets: Targets,
    /// Where it is.
    pub phase: Phase,
    /// Why it is there, in one sentence.
    pub reason: String,
    /// What moves where. Set once by Precheck.
    pub plan: Option<Plan>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Moments, for people.
    pub times: Times,
    /// What happened, oldest first, bounded.
    pub timeline: VecDeque<Said>,
    /// Stages that have begun.
    #[serde(default)]
    pub stage: u32,
    /// Who agreed, for runs that need it: the hash of the plan.
    #[serde(default)]
    pub approved: Option<String>,
    /// Rules that the requester takes upon themselves.
    #[serde(default)]
    pub overrides: BTreeSet<Rule>,
    /// What holds it, while it is Held.
    #[serde(default)]
    pub held_by: Option<HeldBy>,
}

/// What holds a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldBy {
    /// Automation is not Automatic.
    Gate,
    /// Much goes wrong at once.
    Panic,
    /// Automation has closed itself.
    Closed,
    /// It has taken too long.
    Deadline,
}

/// Targets that a requester allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// By geode.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub geodes: BTreeSet<GeodeName>,
    /// By stamp.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stamps: BTreeSet<StampName>,
}

impl Targets {
    /// Whether the requester allows this stamp.
    pub fn allow(&self, stamp: &Stamp) -> bool {
        (self.geodes.is_empty() && self.stamps.is_empty())
            || self.geodes.contains(&stamp.geode)
            || self.stamps.contains(&stamp.name)
    }
}

/// What a run will do to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Every bucket that moves, ordered.
    pub moves: Vec<Move>,
    /// Hash of the moves, for approvals and dry runs.
    pub hash: String,
    /// Tenants that live in those buckets.
    pub tenants: u32,
    /// Why other stamps were not chosen.
    pub not_chosen: BTreeMap<StampName, String>,
    /// Where each moving bucket was served, in the order of `moves`: what an undo brings back.
    #[serde(default)]
    pub before: Vec<StampName>,
    /// How many of the moves are made once each stage has begun; the last is all of them.
    #[serde(default)]
    pub stages: Vec<u32>,
    /// The source was well when this was planned: nothing is urgent, and it can be undone.
    #[serde(default)]
    pub planned: bool,
    /// Buckets that fit nowhere and stay where they are.
    #[serde(default)]
    pub left: Vec<(StampName, Bucket)>,
}

/// When a run reached what, for people and reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// The first doubt about the subject.
    pub detected: Option<DateTime<Utc>>,
    /// The commit that recorded the shift.
    pub decided: Option<DateTime<Utc>>,
    /// Every server that answers shows the new routes.
    pub shifted: Option<DateTime<Utc>>,
    /// The run's end.
    pub ended: Option<DateTime<Utc>>,
}

/// One step of a run. Its idempotency key is the run's name and its kind, over all attempts and leaders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Where it is.
    pub state: StepState,
    /// The replica that holds it while it is processing.
    pub locked_by: Option<ReplicaName>,
    /// By when it should be complete, for people; the budget itself is counted on the leader's own clock.
    pub complete_by: Option<DateTime<Utc>>,
    /// How often it was armed.
    pub attempt: u32,
    /// How often an attempt went past its budget or was not done.
    pub failures: u32,
    /// The commit that recorded its intent.
    pub intent: Option<Point>,
    /// When it reached each state, for people.
    pub reached: BTreeMap<StepState, DateTime<Utc>>,
    /// What came of it, in one sentence.
    pub result: Option<String>,
}

/// A sentence and its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub sentence: String,
}

impl Run {
    /// A run about `subject` that nobody has planned yet: a person's failover to anywhere.
    pub fn new(subject: Subject) -> Self {
        Self {
            uid: None,
            origin: Origin::Person,
            mode: Mode::Failover,
            dry_run: false,
            subject,
            targets: Targets::default(),
            phase: Phase::Pending,
            reason: String::new(),
            plan: None,
            steps: StepKind::ORDER.map(Step::new).into(),
            times: Times::default(),
            timeline: VecDeque::new(),
            stage: 0,
            approved: None,
            overrides: BTreeSet::new(),
            held_by: None,
        }
    }

    /// Moves whose intent is recorded.
    pub fn begun(&self) -> &[Move] {
        match &self.plan {
            Some(plan) => &plan.moves[..plan.until(self.stage)],
            None => &[],
        }
    }

    /// Moves of the next stage.
    pub fn next_moves(&self) -> &[Move] {
        match &self.plan {
            Some(plan) => &plan.moves[plan.until(self.stage)..plan.until(self.stage + 1)],
            None => &[],
        }
    }

    /// Whether its source was well when it was planned.
    pub fn is_planned(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.planned)
    }

    /// The first step that has not taken effect.
    pub fn current(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.state != StepState::Processed)
    }

    /// One of its steps.
    pub fn step(&self, kind: StepKind) -> Option<&Step> {
        self.steps.iter().find(|step| step.kind == kind)
    }

    /// Whether its intent to move traffic is recorded: from here on, cancelling keeps what is.
    pub fn has_shifted(&self) -> bool {
        self.step(StepKind::ShiftTraffic).is_some_and(|step| step.state != StepState::Pending)
    }

    /// Stamps it moves traffic from or to: what it locks.
    pub fn touches(&self, fleet: &Fleet) -> BTreeSet<StampName> {
        let mut touched = self.subject.stamps(fleet);
        if let Some(plan) = &self.plan {
            touched.extend(plan.moves.iter().map(|mv| mv.to.clone()));
        }
        touched
    }
}

impl Step {
    /// A step not yet begun.
    pub fn new(kind: StepKind) -> Self {
        Self {
            kind,
            state: StepState::Pending,
            locked_by: None,
            complete_by: None,
            attempt: 0,
            failures: 0,
            intent: None,
            reached: BTreeMap::new(),
            result: None,
        }
    }
}

/// A bucket and the stamp it belongs to, as text for sentences.
pub(super) fn count_buckets(moves: &[Move]) -> BTreeMap<&StampName, usize> {
    let mut counts = BTreeMap::new();
    for mv in moves {
        *counts.entry(&mv.to).or_insert(0) += 1;
    }
    counts
}
