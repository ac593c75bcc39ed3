//! What the register may come to hold.

use std::rc::Rc;

use stamps::{
    failover::{FleetState, Origin, Phase, Run, StepKind, StepState, Subject},
    fleet::Automation,
    names::RunName,
};

use super::{Checks, commit::shifts, list, zone};
use crate::{dns::Dns, tally::Tally};

/// From each phase that this version uses to those that may follow in one step, written down independently of the
/// production table.
const STEPS: [(Phase, &[Phase]); 7] = [
    (
        Phase::Pending,
        &[
            Phase::AwaitingApproval,
            Phase::Running,
            Phase::Succeeded,
            Phase::Refused,
            Phase::Cancelled,
            Phase::Expired,
            Phase::Replaced,
        ],
    ),
    (Phase::AwaitingApproval, &[Phase::Running, Phase::Refused, Phase::Cancelled, Phase::Replaced]),
    (
        Phase::Running,
        &[
            Phase::Paused,
            Phase::Held,
            Phase::Blocked,
            Phase::Compensating,
            Phase::Succeeded,
            Phase::Failed,
            Phase::Cancelled,
            Phase::Replaced,
        ],
    ),
    (Phase::Paused, &[Phase::Running, Phase::Held, Phase::Compensating, Phase::Cancelled, Phase::Replaced]),
    (Phase::Held, &[Phase::Running, Phase::Blocked, Phase::Compensating, Phase::Cancelled, Phase::Replaced]),
    (Phase::Blocked, &[Phase::Running, Phase::Held, Phase::Compensating, Phase::Cancelled, Phase::Replaced]),
    (Phase::Compensating, &[Phase::Compensated, Phase::Blocked]),
];

/// Whether one commit may take a run from one phase to another, over several steps if need be.
fn reaches(from: Phase, to: Phase) -> bool {
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(phase) = seen.get(at).copied() {
        at += 1;
        for (_, next) in STEPS.iter().filter(|(known, _)| *known == phase) {
            seen.extend(next.iter().filter(|next| !seen.contains(next)).copied().collect::<Vec<_>>());
        }
    }
    seen.contains(&to)
}

const ENDS: [Phase; 7] = [
    Phase::Succeeded,
    Phase::Failed,
    Phase::Compensated,
    Phase::Refused,
    Phase::Cancelled,
    Phase::Expired,
    Phase::Replaced,
];

/// How far a step is. It never goes back.
fn rank(state: StepState) -> u8 {
    match state {
        StepState::Pending => 0,
        StepState::Processing => 1,
        StepState::Processed | StepState::Error => 2,
        StepState::Compensating => 3,
        StepState::Compensated => 4,
    }
}

impl Checks {
    /// The register holds a new state.
    pub fn stored(
        &mut self,
        before: Option<&FleetState>,
        state: &Rc<FleetState>,
        dns: &Dns,
        now_ms: u64,
        tally: &mut Tally,
    ) {
        let known = self.history.insert(state.point, Rc::clone(state)).is_some();
        self.require(!known, "S1 one history", || {
            format!("the register holds {} a second time", state.point)
        });
        self.gate_was_open(state, now_ms);
        self.out_is_bounded(state);
        self.applied_is_true(before, state, dns);
        for (name, run) in shifts(state) {
            tally.count(if run.origin == Origin::Engine { "automatic shifts" } else { "manual shifts" });
            self.require(run.plan.is_some(), "S9 intent before effect", || {
                format!("{name} shifts without a plan")
            });
        }
        let Some(before) = before else { return };
        self.point_rises(before, state);
        self.runs_go_on(before, state, tally);
        match (&before.restored, &state.restored) {
            (Some(_), Some(_)) => return self.only_watches(before, state),
            (Some(_), None) => return self.takes_over_what_is_served(state, dns),
            (None, _) => {}
        }
        if before.routes != state.routes && shifts(state).next().is_none() {
            self.fail("S9 intent before effect", format!("routes change in {} without a run", state.point));
        }
    }

    fn only_watches(&mut self, before: &FleetState, state: &FleetState) {
        let same = before.routes == state.routes && before.runs == state.runs;
        self.require(same, "S24 a restored register moves nothing", || {
            format!("{} changes routes or runs, and nobody has confirmed the register", state.point)
        });
    }

    fn takes_over_what_is_served(&mut self, state: &FleetState, dns: &Dns) {
        self.unconfirmed = None;
        for zone in state.zones.keys() {
            // Addresses are people's; where buckets go is the register's.
            let odd: Vec<String> = zone::missing(state, zone, &dns.primary, false)
                .into_iter()
                .filter(|name| name.starts_with('b') && dns.primary.records.contains_key(name))
                .filter(|name| zone::leads_elsewhere(state, zone, &dns.primary, name))
                .collect();
            self.require(odd.is_empty(), "S24 a recovery moves nothing", || {
                format!("{} takes over other routes than are served: {odd:?}", state.point)
            });
        }
    }

    fn point_rises(&mut self, before: &FleetState, state: &FleetState) {
        let (old, new) = (before.point, state.point);
        self.require(new.epoch >= old.epoch && new.seq == old.seq + 1, "S1 epochs rise", || {
            format!("the register went from {old} to {new}")
        });
        self.require(before.leader == state.leader || new.epoch > old.epoch, "S1 epochs rise", || {
            format!("{} took over from {} and kept epoch {}", state.leader, before.leader, new.epoch)
        });
    }

    /// S23. The Gate and the register are two objects: the Gate must have been open at some moment between the demand
    /// and the record, which is all that a live read can show.
    fn gate_was_open(&mut self, state: &Rc<FleetState>, now_ms: u64) {
        let Some(at) = self.automatic.iter().position(|(asked, _)| Rc::ptr_eq(asked, state)) else { return };
        let (_, asked_ms) = self.automatic.remove(at);
        // What a person has agreed to may also begin while the Gate says Approve.
        let agreed = shifts(state)
            .filter(|(_, run)| run.origin == Origin::Engine)
            .all(|(_, run)| run.approved.is_some());
        let open = self.gates.iter().enumerate().any(|(at, (from_ms, automation))| {
            let to_ms = self.gates.get(at + 1).map_or(u64::MAX, |(next_ms, _)| *next_ms);
            let lets = *automation == Automation::Automatic || (agreed && *automation == Automation::Approve);
            lets && *from_ms <= now_ms && to_ms >= asked_ms
        });
        self.require(open, "S23 the Gate", || {
            format!("{} starts an automatic run, and the Gate was closed all the while", state.point)
        });
    }

    fn out_is_bounded(&mut self, state: &FleetState) {
        let geodes: Vec<&Subject> = state
            .out
            .iter()
            .filter(|(subject, out)| out.origin == Origin::Engine && matches!(subject, Subject::Geode(_)))
            .map(|(subject, _)| subject)
            .collect();
        self.require(geodes.len() <= 1, "S6 blast radius", || {
            format!("automation holds {} out", list(&geodes))
        });
    }

    /// What the register calls applied, the primary has held.
    fn applied_is_true(&mut self, before: Option<&FleetState>, state: &FleetState, dns: &Dns) {
        for (zone, now) in &state.zones {
            let was = before.and_then(|before| before.zones.get(zone)?.applied.clone());
            let Some(applied) = now.applied.clone().filter(|applied| Some(applied) != was.as_ref()) else {
                continue;
            };
            let held = self.held.contains(&applied.point);
            self.require(held, "S9 acknowledged effect", || {
                format!(
                    "{} is recorded as applied to {zone}, whose fence is {}",
                    applied.point,
                    dns.primary.fence.unwrap_or_default()
                )
            });
        }
    }

    fn runs_go_on(&mut self, before: &FleetState, state: &FleetState, tally: &mut Tally) {
        for (name, old) in &before.runs {
            match state.runs.get(name) {
                Some(new) => self.run_goes_on(name, old, new, tally),
                // A recovery drops what has ended in the world, whatever the register knew of it.
                None if before.restored.is_some() && state.restored.is_none() => {}
                None => self.require(ENDS.contains(&old.phase), "S11 ends stay ends", || {
                    format!("{name} vanished in {:?}", old.phase)
                }),
            }
        }
        for (name, run) in state.runs.iter().filter(|(name, _)| !before.runs.contains_key(*name)) {
            let new = self.runs.insert(name.clone());
            self.require(new, "S10 one key, one change", || format!("{name} was accepted a second time"));
            self.require(reaches(Phase::Pending, run.phase), "S11 listed transitions", || {
                format!("{name} began in {:?}", run.phase)
            });
            count_phase(run.phase, tally);
        }
    }

    fn run_goes_on(&mut self, name: &RunName, old: &Run, new: &Run, tally: &mut Tally) {
        if old.phase != new.phase {
            count_phase(new.phase, tally);
        }
        self.require(
            old.phase == new.phase || reaches(old.phase, new.phase),
            "S11 listed transitions",
            || format!("{name} went from {:?} to {:?}", old.phase, new.phase),
        );
        self.require(!ENDS.contains(&old.phase) || old.steps == new.steps, "S11 ends stay ends", || {
            format!("steps of {name} changed after its end")
        });
        // Before a person has agreed nothing is promised.
        let free = old.plan.is_none() || old.phase == Phase::AwaitingApproval;
        self.require(free || old.plan == new.plan, "S10 one key, one change", || {
            format!("the plan of {name} changed")
        });
        let stages = new.stage.saturating_sub(old.stage);
        self.require(new.stage >= old.stage && stages <= 1, "S11 listed transitions", || {
            format!("{name} went from stage {} to {}", old.stage, new.stage)
        });
        for (old, new) in old.steps.iter().zip(&new.steps) {
            self.require(rank(new.state) >= rank(old.state), "S11 listed transitions", || {
                format!("{:?} of {name} went from {:?} to {:?}", new.kind, old.state, new.state)
            });
            self.require(new.attempt >= old.attempt, "S11 attempts never fall", || {
                format!("{:?} of {name} went from attempt {} to {}", new.kind, old.attempt, new.attempt)
            });
            // Each stage has an intent of its own, and so has the undo.
            let undone = old.state != StepState::Compensating && new.state == StepState::Compensating;
            let fixed = old.kind != StepKind::ShiftTraffic
                || old.intent.is_none()
                || old.intent == new.intent
                || (stages == 1 && !undone)
                || (stages == 0 && undone);
            self.require(fixed, "S10 one key, one change", || format!("{name} shifts traffic a second time"));
        }
    }
}

fn count_phase(phase: Phase, tally: &mut Tally) {
    match phase {
        Phase::Succeeded => tally.count("runs succeeded"),
        Phase::Refused => tally.count("runs refused"),
        Phase::Held => tally.count("runs held"),
        Phase::Blocked => tally.count("runs blocked"),
        Phase::Cancelled => tally.count("runs cancelled"),
        Phase::Expired => tally.count("runs expired"),
        Phase::Paused => tally.count("runs paused"),
        Phase::AwaitingApproval => tally.count("runs waiting for a person"),
        Phase::Compensated => tally.count("runs undone"),
        Phase::Replaced => tally.count("runs replaced"),
        _ => {}
    }
}
