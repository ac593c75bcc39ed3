//! The next steps of each run that is under way.

use super::{
    control,
    decide::{Draft, ask, begin, make_plan, proposal, same_but_for_numbers},
    event::{Event, Illegal},
    phase::{Phase, StepKind, StepState},
    request::Control,
    run::Run,
    supervise::AgeKey,
};
use crate::{
    names::{Point, RunName},
    routing::Outcome,
    safety::{Refusal, judge},
};

/// Takes every run as far as it can go now.
pub(super) fn advance(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let names: Vec<RunName> = draft.state.live_runs().map(|(name, _)| name.clone()).collect();
    for name in names {
        // A step may finish in the same moment as the one before it: no more rounds than steps.
        for _ in StepKind::ORDER {
            let Some(run) = draft.state.runs.get(&name).filter(|run| !run.phase.is_end()).cloned() else {
                break;
            };
            if !advance_run(draft, &name, &run)? {
                break;
            }
        }
    }
    Ok(())
}

/// One step further, if the run may go one. Says whether it did.
fn advance_run(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<bool, Illegal> {
    match run.phase {
        // A leader that has just started knows nothing yet, and would refuse what is quite possible.
        Phase::Pending if !draft.world.warm || draft.is_paused(name) => Ok(false),
        Phase::Pending => precheck(draft, name, run).map(|()| false),
        Phase::AwaitingApproval => control::await_approval(draft, name, run).map(|()| false),
        Phase::Compensating => bring_back(draft, name, run).map(|()| false),
        Phase::Running => {
            let Some(step) = run.current() else {
                return finish(draft, name, run).map(|()| false);
            };
            match step.kind {
                StepKind::ShiftTraffic => shift(draft, name, run),
                StepKind::Verify => verify(draft, name, run),
                StepKind::Drain => drain(draft, name, run),
                StepKind::Notify => notify(draft, name, run),
                StepKind::Precheck => Ok(false),
            }
        }
        Phase::Blocked => unblock(draft, name, run).map(|()| false),
        _ => Ok(false),
    }
}

/// Plans what a person asked for, and asks every rule that binds people.
fn precheck(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<(), Illegal> {
    let to = |to, reason| Event::PhaseChanged { run: name.clone(), to, reason };
    let plan = match make_plan(draft, run) {
        Ok(plan) => plan,
        Err(no_plan) => return draft.push(to(Phase::Refused, no_plan.to_string())),
    };
    if draft.world.fleet.zones.is_empty() {
        let reason =
            "no TrafficPolicy is admitted, so there is no road to move traffic on; apply one".to_owned();
        return draft.push(to(Phase::Refused, reason));
    }
    control::take_precedence(draft, name, run)?;
    let verdict = ask(draft, name, run, &plan, draft.world.fleet);
    let refusal = verdict
        .as_ref()
        .err()
        .map(|refusals| refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    match (run.dry_run, verdict) {
        (true, _) => {
            let sentence = plan.sentence();
            draft.push(Event::Planned { run: name.clone(), plan })?;
            let answer = match refusal {
                None => format!("dry run, nothing moved: {sentence}"),
                Some(refusal) => format!("dry run, nothing moved; it would be refused: {refusal}"),
            };
            draft.push(to(Phase::Succeeded, answer))
        }
        (false, Ok(allowed)) => begin(draft, name, &plan, allowed),
        (false, Err(_)) => draft.push(to(Phase::Refused, refusal.unwrap_or_default())),
    }
}

impl Draft<'_> {
    /// A person wants it to wait, from the beginning.
    fn is_paused(&self, name: &RunName) -> bool {
        self.world.requests.get(name).is_some_and(|request| request.control == Control::Pause)
    }
}

fn step_intent(run: &Run, kind: StepKind) -> Point {
    run.step(kind).and_then(|step| step.intent).unwrap_or_default()
}

fn go_on(
    draft: &mut Draft<'_>,
    name: &RunName,
    done: StepKind,
    result: String,
    next: StepKind,
) -> Result<bool, Illegal> {
    let workflow = draft.world.fleet.policy.workflow;
    let budget = if next == StepKind::Drain { drain_time(draft) } else { workflow.step_budget };
    draft.push(Event::StepDone { run: name.clone(), kind: done, result })?;
    let complete_by = draft.by(budget);
    draft.push(Event::StepBegun { run: name.clone(), kind: next, complete_by })?;
    Ok(true)
}

/// ShiftTraffic is done when every zone's primary has accepted what is wanted.
fn shift(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<bool, Illegal> {
    if let Some(reason) = refused_zone(draft) {
        let event = Event::PhaseChanged { run: name.clone(), to: Phase::Blocked, reason };
        return draft.push(event).map(|()| false);
    }
    let intent = step_intent(run, StepKind::ShiftTraffic);
    if !zones_applied(draft, intent) {
        return Ok(false);
    }
    if run.plan.as_ref().is_some_and(|plan| !plan.is_through(run.stage)) {
        return next_stage(draft, name, run).map(|()| false);
    }
    let moved = run.plan.as_ref().map_or(0, |plan| plan.moves.len());
    let result = format!("{moved} buckets moved in {} zones, intent {intent}", draft.state.zones.len());
    go_on(draft, name, StepKind::ShiftTraffic, result, StepKind::Verify)
}

/// The next stage begins when the last one is seen everywhere, has stood its time, and the rules agree again.
fn next_stage(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<(), Illegal> {
    let Some(plan) = &run.plan else { return Ok(()) };
    let ramp = draft.world.fleet.policy.ramps.of(run.mode, plan.planned);
    let age = draft.world.ages.age(&AgeKey::Stage(name.clone(), run.stage), draft.now);
    if age < ramp.bake || shown(draft, step_intent(run, StepKind::ShiftTraffic)).is_none() {
        return Ok(());
    }
    // A bucket that somebody has moved meanwhile, or whose stage is void, asks for nothing any more.
    let moves = run.next_moves().to_vec();
    match judge(&proposal(name, run, plan, &moves), &draft.facts()) {
        Ok(allowed) => draft.push(Event::StageBegun { run: name.clone(), allowed }),
        Err(refusals) => wait(draft, name, run, &refusals),
    }
}

/// Says once why a run waits.
pub(super) fn wait(
    draft: &mut Draft<'_>,
    name: &RunName,
    run: &Run,
    refusals: &[Refusal],
) -> Result<(), Illegal> {
    let because: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let reason = format!("waits: {}", because.join("; "));
    if same_but_for_numbers(&run.reason, &reason) {
        Ok(())
    } else {
        draft.push(Event::StageWaits { run: name.clone(), reason })
    }
}

/// An undo is over when every zone's primary has accepted it.
fn bring_back(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<(), Illegal> {
    if !zones_applied(draft, step_intent(run, StepKind::ShiftTraffic)) {
        return Ok(());
    }
    let result = run.reason.clone();
    draft.push(Event::Undone { run: name.clone(), result })
}

pub(super) fn zones_applied(draft: &Draft<'_>, intent: Point) -> bool {
    draft.state.zones.values().all(|zone| {
        zone.applied
            .as_ref()
            .is_some_and(|applied| applied.hash == zone.wanted.hash && applied.point >= intent)
    })
}

/// A zone that refuses for good what we want.
fn refused_zone(draft: &Draft<'_>) -> Option<String> {
    draft.world.settled.values().find_map(|settled| match &settled.outcome {
        Outcome::Refused { .. } if settled.content.is_some() => Some(settled.outcome.to_string()),
        _ => None,
    })
}

/// A blocked run goes on when its zones hold what is wanted after all.
fn unblock(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<(), Illegal> {
    if run.current().is_some_and(|step| step.kind == StepKind::ShiftTraffic)
        && zones_applied(draft, step_intent(run, StepKind::ShiftTraffic))
    {
        let reason = "every zone accepts updates again".to_owned();
        draft.push(Event::PhaseChanged { run: name.clone(), to: Phase::Running, reason })?;
    }
    Ok(())
}

/// Verify is done when every server that answers shows what is wanted; silent ones are listed.
fn verify(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<bool, Illegal> {
    let Some((showing, silent)) = shown(draft, step_intent(run, StepKind::ShiftTraffic)) else {
        return Ok(false);
    };
    let tail = if silent.is_empty() { String::new() } else { format!("; silent: {}", silent.join(", ")) };
    let result = format!("{showing} servers show the new routes{tail}");
    go_on(draft, name, StepKind::Verify, result, StepKind::Drain)
}

/// How many servers show what is wanted since `intent`, and which are silent; none while one shows something else.
fn shown(draft: &Draft<'_>, intent: Point) -> Option<(usize, Vec<String>)> {
    let (mut showing, mut silent) = (0, Vec::new());
    for zone in draft.state.zones.keys().filter(|zone| draft.world.fleet.zones.contains_key(*zone)) {
        let seen = draft.world.zones.get(zone).filter(|seen| seen.against >= intent)?;
        let (answering, mute): (Vec<_>, Vec<_>) = seen.observation.servers.iter().partition(|s| s.answered);
        if answering.is_empty() || answering.iter().any(|server| !server.matches) {
            return None;
        }
        showing += answering.len();
        silent.extend(mute.into_iter().map(|server| server.server.clone()));
    }
    Some((showing, silent))
}

/// How long clients may still come to the source: the highest route TTL, plus the policy's grace.
fn drain_time(draft: &Draft<'_>) -> std::time::Duration {
    let ttl_s = draft.world.fleet.zones.values().map(|zone| zone.route_ttl_s).max().unwrap_or(0);
    std::time::Duration::from_secs(ttl_s.into()) + draft.world.fleet.policy.workflow.drain_grace
}

/// Without a view of the source's traffic, Drain waits the TTL tail and the grace out, and says so.
fn drain(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<bool, Illegal> {
    let wait = drain_time(draft);
    let attempt = run.step(StepKind::Drain).map_or(0, |step| step.attempt);
    let age = draft.world.ages.age(&AgeKey::Step(name.clone(), StepKind::Drain, attempt), draft.now);
    if age < wait {
        return Ok(false);
    }
    let result = format!("Drained(Blind): {} s passed, the TTL tail and the grace", wait.as_secs());
    go_on(draft, name, StepKind::Drain, result, StepKind::Notify)
}

/// Notify is done when everything said about the run is published; a budget later it is done all the same, and
/// publishing goes on.
fn notify(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<bool, Illegal> {
    use super::state::About;
    let waiting = draft.state.outbox.waiting.iter().filter(|n| n.about == About::Run(name.clone())).count();
    let attempt = run.step(StepKind::Notify).map_or(0, |step| step.attempt);
    let age = draft.world.ages.age(&AgeKey::Step(name.clone(), StepKind::Notify, attempt), draft.now);
    let result = match waiting {
        0 => "events published".to_owned(),
        _ if age >= draft.world.fleet.policy.workflow.step_budget => {
            format!("{waiting} events are still to be published")
        }
        _ => return Ok(false),
    };
    draft.push(Event::StepDone { run: name.clone(), kind: StepKind::Notify, result })?;
    Ok(true)
}

fn finish(draft: &mut Draft<'_>, name: &RunName, run: &Run) -> Result<(), Illegal> {
    debug_assert!(run.steps.iter().all(|step| step.state == StepState::Processed));
    let reason = match (&run.plan, run.step(StepKind::Verify).and_then(|step| step.result.as_ref())) {
        (Some(plan), Some(seen)) => format!("{}; {seen}", plan.sentence()),
        _ => "done".to_owned(),
    };
    draft.push(Event::PhaseChanged { run: name.clone(), to: Phase::Succeeded, reason })
}
