//! MinServing: enough stamps and units keep serving.
//!
//! Default: 2 stamps and 50 % of all units. Binds: every failover. Only stamps that are Healthy now and have a share
//! afterwards count.

use std::collections::BTreeSet;

use super::{Facts, Proposal, routes_after, units};
use crate::{
    failover::Mode,
    mutants::{Mutant, planted},
    names::StampName,
    verdict::Verdict,
};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if proposal.mode != Mode::Failover || planted(Mutant::SkipMinServing) {
        return None;
    }
    let limits = facts.fleet.policy.safety;
    let serving: BTreeSet<StampName> = routes_after(proposal, facts)
        .serving(facts.fleet)
        .into_iter()
        .filter(|stamp| facts.verdict(stamp) == Verdict::Healthy)
        .collect();
    if serving.len() < limits.serving_stamps_min as usize {
        return Some(format!(
            "{} healthy stamps would keep serving, and {} is the least",
            serving.len(),
            limits.serving_stamps_min
        ));
    }
    let (all, kept) = units(facts.fleet, &serving);
    (kept * 100 < all * u64::from(limits.serving_units_min_pct)).then(|| {
        format!(
            "{kept} of {all} units ({} %) would keep serving, and {} % is the least",
            kept * 100 / all.max(1),
            limits.serving_units_min_pct
        )
    })
}
