//! The supervisor: finds what is overdue, arms it again or holds the run. It knows nothing about what steps do.

use std::{collections::BTreeMap, time::Duration};

use super::{
    decide::Draft,
    event::{Event, Illegal},
    phase::{Phase, StepKind, StepState},
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
            keys.push(AgeKey::Run(name.clone()));
            let processing = run.steps.iter().filter(|step| step.state == StepState::Processing);
            keys.extend(processing.map(|step| AgeKey::Step(name.clone(), step.kind, step.attempt)));
        }
        self.0.retain(|key, _| keys.contains(key));
        for key in keys {
            self.0.entry(key).or_insert(now.mono);
        }
    }
}

/// Overdue steps are armed again; a run past its deadline holds where it stands.
pub(super) fn supervise(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let workflow = draft.world.fleet.policy.workflow;
    let names: Vec<RunName> = draft.state.live_runs().map(|(name, _)| name.clone()).collect();
    for name in names {
        let Some(run) = draft.state.runs.get(&name).filter(|run| run.phase == Phase::Running).cloned() else {
            continue;
        };
        let Some(step) = run.current().filter(|step| step.state == StepState::Processing) else { continue };
        // Waiting out a drain or a notification is not being overdue.
        if matches!(step.kind, StepKind::Drain | StepKind::Notify) {
            continue;
        }
        if draft.world.ages.age(&AgeKey::Run(name.clone()), draft.now) >= workflow.run_deadline {
            let reason = format!(
                "past its deadline of {} s in {:?} after {} attempts; it stays where it is until a person decides",
                workflow.run_deadline.as_secs(),
                step.kind,
                step.attempt
            );
            draft.push(Event::PhaseChanged { run: name, to: Phase::Held, reason })?;
        } else if draft.world.ages.age(&AgeKey::Step(name.clone(), step.kind, step.attempt), draft.now)
            >= workflow.step_budget
        {
            let reason =
                format!("attempt {} took more than {} s", step.attempt, workflow.step_budget.as_secs());
            let complete_by = draft.by(workflow.step_budget);
            draft.push(Event::StepRearmed { run: name, kind: step.kind, reason, complete_by })?;
        }
    }
    Ok(())
}
