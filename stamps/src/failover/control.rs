//! What people say to runs: pause, go on, cancel, agree. And what holds automation's own runs without anybody saying it.

use super::{
    decide::{Draft, ask},
    event::{Event, Illegal},
    phase::{Phase, StepKind, StepState},
    request::{Control, Request},
    run::{HeldBy, Run},
    state::{Mode, Origin},
};
use crate::{
    fleet::Automation,
    names::{RunName, StampName},
    routing::{Move, effective},
    safety::panic,
    verdict::Verdict,
};

/// Takes in what a request says to its run.
pub(super) fn obey(draft: &mut Draft<'_>, name: &RunName, request: &Request) -> Result<(), Illegal> {
    let Some(run) = draft.state.runs.get(name).filter(|run| !run.phase.is_end()).cloned() else {
        return Ok(());
    };
    let to = |to, reason: &str| Event::PhaseChanged { run: name.clone(), to, reason: reason.to_owned() };
    match (request.control, run.phase) {
        (Control::Cancel, _) => return cancel(draft, name, &run, "cancelled by spec.control"),
        (Control::CancelKeep, _) => return keep(draft, name, &run, "cancelled by spec.control"),
        (Control::Pause, Phase::Running) => {
            draft.push(to(Phase::Paused, "paused by spec.control; set it to Run to go on"))?;
        }
        (Control::Run, Phase::Paused) => draft.push(to(Phase::Running, "goes on by spec.control"))?,
        _ => {}
    }
    match (&run.plan, &request.approval) {
        (Some(plan), Some(hash)) if run.phase == Phase::AwaitingApproval && plan.hash == *hash => {
            if run.approved.as_ref() != Some(hash) {
                draft.push(Event::Approved { run: name.clone(), hash: hash.clone() })?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The object of a run was deleted.
pub(super) fn withdraw(draft: &mut Draft<'_>, name: &RunName) -> Result<(), Illegal> {
    match draft.state.runs.get(name).filter(|run| !run.phase.is_end()).cloned() {
        // Deleting an object never moves traffic, so nothing is brought back either.
        Some(run) => keep(draft, name, &run, "cancelled, because its object was deleted"),
        None => Ok(()),
    }
}

fn cancel(draft: &mut Draft<'_>, name: &RunName, run: &Run, why: &str) -> Result<(), Illegal> {
    match run.phase {
        Phase::Compensating => Ok(()),
        _ if run.is_planned() && run.has_shifted() && undo(draft, name, run, why)? => Ok(()),
        _ => keep(draft, name, run, why),
    }
}

fn keep(draft: &mut Draft<'_>, name: &RunName, run: &Run, why: &str) -> Result<(), Illegal> {
    if !run.phase.may_become(Phase::Cancelled) {
        return Ok(());
    }
    let tail = if run.has_shifted() { "; routes stay where they are" } else { " before anything moved" };
    draft.push(Event::PhaseChanged {
        run: name.clone(),
        to: Phase::Cancelled,
        reason: format!("{why}{tail}"),
    })
}

/// Brings back what a planned run has moved, where that is well. Says whether there was anything to bring back.
pub(super) fn undo(draft: &mut Draft<'_>, name: &RunName, run: &Run, why: &str) -> Result<bool, Illegal> {
    let Some(plan) = run.plan.as_ref().filter(|_| run.phase.may_become(Phase::Compensating)) else {
        return Ok(false);
    };
    let healthy = |stamp: &StampName| {
        let there = draft.world.fleet.stamps.get(stamp).is_some_and(|stamp| !stamp.probes.is_empty());
        let finding = draft.world.assessment.stamps.get(stamp);
        there && finding.is_some_and(|finding| finding.verdict == Verdict::Healthy)
    };
    // Only what still is where this run has put it: what a later run moved is that run's matter.
    let (back, stay): (Vec<Move>, Vec<Move>) = run
        .begun()
        .iter()
        .zip(&plan.before)
        .filter(|(mv, before)| {
            effective(&draft.state.routes, &mv.home, mv.bucket) == &mv.to && mv.to != **before
        })
        .map(|(mv, before)| Move { to: before.clone(), ..mv.clone() })
        .partition(|mv| healthy(&mv.to));
    if back.is_empty() {
        return Ok(false);
    }
    let rest = match stay.len() {
        0 => String::new(),
        stay => format!(", and {stay} stay, because where they were is not Healthy"),
    };
    let reason = format!("{why}; {} buckets go back{rest}", back.len());
    match draft.ask_undo(name, run, &back) {
        Ok(allowed) => draft.push(Event::UndoBegun { run: name.clone(), allowed, reason }).map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Runs that automation has started hold while it may not act, and go on when it may again.
pub(super) fn hold_automatic(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let why = why_hold(draft);
    let ours: Vec<(RunName, Run)> = draft
        .state
        .live_runs()
        .filter(|(_, run)| run.origin == Origin::Engine)
        .map(|(name, run)| (name.clone(), run.clone()))
        .collect();
    for (run, record) in ours {
        // An approved run has a person behind it; only Hold and Observe stop that.
        let approved = record.approved.is_some() && draft.world.fleet.automation == Automation::Approve;
        let why = why.clone().filter(|(by, _)| !(approved && *by == HeldBy::Gate));
        match (why, record.phase) {
            (Some((by, reason)), Phase::Running) if moves_on(&record) => {
                draft.push(Event::RunHeld { run, by, reason })?;
            }
            (None, Phase::Held) if record.held_by.is_some_and(|by| by != HeldBy::Deadline) => {
                let reason = "what held it is over".to_owned();
                draft.push(Event::PhaseChanged { run, to: Phase::Running, reason })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// It is still to move traffic. What only looks, waits and tells afterwards makes nothing worse.
fn moves_on(run: &Run) -> bool {
    run.plan.as_ref().is_none_or(|plan| !plan.is_through(run.stage))
        || run.step(StepKind::ShiftTraffic).is_some_and(|step| step.state == StepState::Pending)
}

fn why_hold(draft: &Draft<'_>) -> Option<(HeldBy, String)> {
    if let Some(closed) = &draft.state.closed {
        return Some((HeldBy::Closed, closed.because.clone()));
    }
    if draft.world.gate_unread {
        return Some((HeldBy::Gate, "Fleet.spec.automation cannot be read, so it counts as Hold".to_owned()));
    }
    let automation = draft.world.fleet.automation;
    if automation != Automation::Automatic {
        return Some((HeldBy::Gate, format!("Fleet.spec.automation is {automation:?}")));
    }
    panic(&draft.facts()).map(|why| (HeldBy::Panic, why))
}

/// A run that automation has prepared starts when a person agrees, and ends when there is no more reason for it.
pub(super) fn await_approval(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<(), Illegal> {
    let to = |to, reason| Event::PhaseChanged { run: name.clone(), to, reason };
    if !draft.state.doubts.contains_key(&run.subject) {
        let reason = format!("{} is no longer doubted, and nobody has agreed", run.subject);
        return draft.push(to(Phase::Replaced, reason));
    }
    let plan = match super::decide::make_plan(draft, run) {
        Ok(plan) => plan,
        Err(no_plan) => return draft.push(to(Phase::Refused, no_plan.to_string())),
    };
    if run.plan.as_ref().is_some_and(|known| known.hash != plan.hash) {
        return draft.push(Event::Replanned { run: name.clone(), plan });
    }
    if run.approved.as_ref() != Some(&plan.hash) {
        return Ok(());
    }
    match ask(draft, name, run, &plan, draft.world.fleet) {
        Ok(allowed) => super::decide::start(draft, name, &plan, allowed),
        Err(refusals) => super::progress::wait(draft, name, run, &refusals),
    }
}

/// A person goes before automation: whatever automation has under way about the same stamps gives way.
pub(super) fn take_precedence(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<(), Illegal> {
    if run.origin != Origin::Person || run.dry_run {
        return Ok(());
    }
    let mut touched = run.subject.stamps(draft.world.fleet);
    if run.mode == Mode::Failover {
        touched.extend(run.targets.stamps.iter().cloned());
    }
    let rivals: Vec<RunName> = draft
        .state
        .live_runs()
        .filter(|(other, theirs)| *other != name && theirs.origin == Origin::Engine)
        .filter(|(_, theirs)| !theirs.touches(draft.world.fleet).is_disjoint(&touched))
        .filter(|(_, theirs)| theirs.phase.may_become(Phase::Replaced))
        .map(|(other, _)| other.clone())
        .collect();
    for rival in rivals {
        let reason = format!("{name}, which a person asked for, takes its place");
        draft.push(Event::PhaseChanged { run: rival, to: Phase::Replaced, reason })?;
    }
    Ok(())
}
