//! RecentChange: what broke right after a change broke by the change.
//!
//! Default: 60 min of fleet time after a stamp's version or probes changed. Failing over would leave the cause in
//! place, and carry it along where targets run it too. Binds: automatic failovers.

use super::{Facts, Proposal, minutes};
use crate::failover::FleetState;

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if !proposal.is_automatic_failover() {
        return None;
    }
    let window = facts.fleet.policy.safety.recent_change;
    proposal.subject.stamps(facts.fleet).iter().find_map(|stamp| {
        let change = facts.state.stamps.get(stamp)?.change.as_ref()?;
        let age = FleetState::ago(facts.clock_ms, change.at_ms);
        (age < window).then(|| {
            format!(
                "of {stamp} {} {} min ago, and for {} min a failure counts as the change's: take it back; failing over \
                 would carry it along",
                change.what,
                minutes(age),
                minutes(window)
            )
        })
    })
}
