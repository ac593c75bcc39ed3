//! RunRate: a fleet that fails over again and again has a problem that failing over does not solve.
//!
//! Default: 2 automatic runs in 24 h of fleet time. Binds: automatic failovers.

use std::time::Duration;

use super::{Facts, Proposal};
use crate::failover::{FleetState, Mode, Origin};

const DAY: Duration = Duration::from_hours(24);

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    let binds = proposal.origin == Origin::Engine && proposal.mode == Mode::Failover;
    if !binds {
        return None;
    }
    let lately = facts
        .state
        .past
        .iter()
        .filter(|past| past.run != *proposal.run && FleetState::ago(facts.clock_ms, past.at_ms) < DAY)
        .count();
    let most = facts.fleet.policy.safety.runs_per_day_max;
    (lately >= most as usize)
        .then(|| format!("automation has moved traffic {lately} times in 24 hours, and {most} is the most"))
}
