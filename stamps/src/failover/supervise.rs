//! The supervisor: finds what is overdue, arms it again or holds the run. It knows nothing about what steps do.

use std::{collections::BTreeMap, time::Duration};

use super::{
    control,
    decide::Draft,
    event::{Event, Illegal},
    phase::{Phase, StepKind, StepState},
    progress,
    run::{HeldBy, Run},
    state::FleetState,
};
use crate::{
    names::RunName,
    time::{Mono, Now},
};

/// What has an age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgeKey {
    /// A run.
    Run(RunName),
    /// One attempt of a step.
    Step(RunName, StepKind, u32),
    /// A stage of a run.
    Stage(RunName, u32),
}

/// When this leader first saw what, on its own monotonic clock. A new leader starts over, so a budget is at worst
/// doubled by a takeover; no wall clock is ever compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ages(BTreeMap<AgeKey, Mono>);

impl Ages {
    /// How long this leader has known it; zero for what it has not seen yet.
    pub fn age(&self, key: &AgeKey, now: Now) -> Duration {
        self.0.get(key).map_or(Duration::ZERO, |seen| now.mono.since(*seen))
    }

    /// Starts the clock of what is new in the register, and drops what has ended.
    pub fn follow(&mut self, state: &FleetState, now: Now) {
        let mut keys = Vec::new();
        for (name, run) in state.live_runs() {
            keys.extend([AgeKey::Run(name.clone()), AgeKey::Stage(name.clone(), run.stage)]);
            let processing = run.steps.iter().filter(|step| step.state == StepState::Processing);
            keys.extend(processing.map(|step| AgeKey::Step(name.clone(), step.kind, step.attempt)));
        }
        self.0.retain(|key, _| keys.contains(key));
        for key in keys {
            self.0.entry(key).or_insert(now.mono);
        }
    }
}

/// How long a run may take: its budget, and the time that its stages are to stand.
fn deadline(draft: &Draft<'_>, run: &Run) -> Duration {
    let policy = &draft.world.fleet.policy;
    let bake = [&policy.ramps.planned, &policy.ramps.unplanned, &policy.ramps.failback].map(|ramp| ramp.bake);
    let stages = run.plan.as_ref().map_or(0, |plan| plan.stages.len().saturating_sub(1));
    let stand = bake.into_iter().max().unwrap_or_default();
    policy.workflow.run_deadline + stand * u32::try_from(stages).unwrap_or(u32::MAX)
}

/// Overdue steps are armed again; a run past its deadline holds where it stands.
pub(super) fn supervise(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let workflow = draft.world.fleet.policy.workflow;
    let names: Vec<RunName> = draft.state.live_runs().map(|(name, _)| name.clone()).collect();
    for name in names {
        let Some(run) = draft.state.runs.get(&name).cloned() else { continue };
        let age = draft.world.ages.age(&AgeKey::Run(name.clone()), draft.now);
        let deadline = deadline(draft, &run);
        match run.phase {
            Phase::Running => {}
            // Twice the time for the way out and back is enough.
            Phase::Compensating if age >= deadline * 2 => {
                let reason = format!("what it brings back is not accepted after {} s", age.as_secs());
                draft.push(Event::PhaseChanged { run: name, to: Phase::Blocked, reason })?;
                continue;
            }
            _ => continue,
        }
        let Some(step) = run.current().filter(|step| step.state == StepState::Processing) else { continue };
        // Waiting out a drain or a notification is not being overdue.
        if matches!(step.kind, StepKind::Drain | StepKind::Notify) {
            continue;
        }
        if age >= deadline {
            let late = format!(
                "past its deadline of {} s in {:?} after {} attempts",
                deadline.as_secs(),
                step.kind,
                step.attempt
            );
            if run.is_planned() && control::undo(draft, &name, &run, &late)? {
                continue;
            }
            let reason = format!("{late}; it stays where it is until a person decides");
            draft.push(Event::RunHeld { run: name, by: HeldBy::Deadline, reason })?;
            continue;
        }
        let attempt = draft.world.ages.age(&AgeKey::Step(name.clone(), step.kind, step.attempt), draft.now);
        let stage = draft.world.ages.age(&AgeKey::Stage(name.clone(), run.stage), draft.now);
        // A stage that stands its time is not overdue either.
        let stands = step.kind == StepKind::ShiftTraffic
            && step.intent.is_some_and(|intent| progress::zones_applied(draft, intent));
        if attempt.min(stage) >= workflow.step_budget && !stands {
            let reason =
                format!("attempt {} took more than {} s", step.attempt, workflow.step_budget.as_secs());
            let complete_by = draft.by(workflow.step_budget);
            draft.push(Event::StepRearmed { run: name, kind: step.kind, reason, complete_by })?;
        }
    }
    Ok(())
}
