//! Cooldown: after an automatic run there is time to see what it did.
//!
//! Default: 60 min of fleet time for the same subject, 30 min for the fleet. Binds: automatic failovers.

use super::{Facts, Proposal, minutes};
use crate::failover::FleetState;

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if !proposal.is_automatic_failover() {
        return None;
    }
    let limits = facts.fleet.policy.safety;
    let own = proposal.subject.stamps(facts.fleet);
    facts.state.past.iter().rev().filter(|past| past.run != *proposal.run).find_map(|past| {
        let same = !past.subject.stamps(facts.fleet).is_disjoint(&own);
        let (whose, cooldown) = if same {
            (format!("{} was", past.subject), limits.subject_cooldown.max(limits.fleet_cooldown))
        } else {
            (format!("the fleet ({}) was", past.subject), limits.fleet_cooldown)
        };
        let age = FleetState::ago(facts.clock_ms, past.at_ms);
        (age < cooldown).then(|| {
            format!(
                "{whose} failed over {} min ago by {}, and {} min must pass in between",
                minutes(age),
                past.run,
                minutes(cooldown)
            )
        })
    })
}
