//! Whether the load that automation has moved makes its new stamps fail: then automation closes itself.

use super::{
    decide::Draft,
    event::{Event, Illegal},
    state::{FleetState, Past},
};
use crate::{
    fleet::Automation,
    names::StampName,
    routing::{Move, effective},
};

/// Closes automation when a target of a young automatic shift turns bad, and takes a person's word that it is open.
pub(super) fn watch(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    if draft.state.closed.is_some() {
        // Whoever sets the Gate to anything else has taken over; only setting it back lets automation in again.
        let opened = draft.world.fleet.automation != Automation::Automatic && !draft.world.gate_unread;
        return if opened { draft.push(Event::Opened) } else { Ok(()) };
    }
    let window = draft.world.fleet.policy.safety.contagion;
    let young = |past: &&Past| FleetState::ago(draft.world.clock_ms, past.at_ms) < window;
    let bad = draft.state.past.iter().filter(young).find_map(|past| {
        let plan = draft.state.runs.get(&past.run)?.plan.as_ref()?;
        // Load that has gone home again makes nobody ill any more.
        let carries =
            |mv: &&Move| mv.to != mv.home && effective(&draft.state.routes, &mv.home, mv.bucket) == &mv.to;
        let target = plan.moves.iter().filter(carries).map(|mv| &mv.to).find(|to| is_bad(draft, to))?;
        Some((past.run.clone(), target.clone()))
    });
    let Some((run, target)) = bad else { return Ok(()) };
    let because = format!(
        "{target} turned bad within {} min of taking load by {run}, so the load, or what came with it, may be the cause",
        window.as_secs() / 60
    );
    draft.push(Event::Closed { because })
}

fn is_bad(draft: &Draft<'_>, stamp: &StampName) -> bool {
    draft.world.assessment.stamps.get(stamp).is_some_and(|finding| finding.verdict.is_down())
}
