//! WarmUp: who has just started knows too little to act.
//!
//! Default: 120 s of fleet time after the first start, an upgrade or a change of policy; and after every takeover until
//! 90 % of the reports that are expected from outside the subject are fresh to the new leader, at most 25 s. Binds:
//! automatic failovers.

use std::time::Duration;

use super::{Facts, Proposal};
use crate::{failover::FleetState, verdict::Silence};

/// Of the expected reports, in per cent.
const FRESH_MIN_PCT: usize = 90;
/// Later a report that is not fresh is a vantage that is gone, and SelfDoubt's matter: two and a half report periods.
const PATIENCE: Duration = Duration::from_secs(25);

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if !proposal.is_automatic_failover() {
        return None;
    }
    let age = FleetState::ago(facts.clock_ms, facts.state.settling.since_ms);
    let warm_up = facts.fleet.policy.safety.warm_up;
    if age < warm_up {
        return Some(format!(
            "{} s have passed since the first start, an upgrade or a change of policy, and {} s are waited",
            age.as_secs(),
            warm_up.as_secs()
        ));
    }
    if facts.led_for >= PATIENCE {
        return None;
    }
    let geode = proposal.subject.geode(facts.fleet);
    let outside = facts
        .fleet
        .vantages
        .iter()
        .filter(|(_, region)| geode.is_none_or(|geode| region.as_str() != geode.as_str()));
    let (mut expected, mut fresh) = (0, 0);
    for (vantage, _) in outside {
        expected += 1;
        let silence = facts.assessment.vantages.get(vantage);
        if silence.is_some_and(|silence| !matches!(silence, Some(Silence::NoReport | Silence::Stale))) {
            fresh += 1;
        }
    }
    (fresh * 100 < expected * FRESH_MIN_PCT).then(|| {
        format!(
            "this leader has heard {fresh} of the {expected} vantages outside {}, and {FRESH_MIN_PCT} % are waited for \
             after a takeover",
            proposal.subject
        )
    })
}
