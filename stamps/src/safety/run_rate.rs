//! RunRate: a fleet that fails over again and again has a problem that failing over does not solve.
//!
//! Default: 2 automatic runs in 24 h of fleet time. Binds: automatic failovers.

use std::time::Duration;

use super::{Facts, Proposal};
use crate::failover::FleetState;

const DAY: Duration = Duration::from_hours(24);

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if !proposal.is_automatic_failover() {
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
