//! BlastRadius: what automation may hold out at once.
//!
//! Default: 1 geode and 40 % of all units, counting what earlier automatic runs hold out. Binds: automatic failovers.

use std::collections::BTreeSet;

use super::{Facts, Proposal, units};
use crate::{
    failover::{Origin, Subject},
    mutants::{Mutant, planted},
    names::{GeodeName, StampName},
};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if !proposal.is_automatic_failover() || planted(Mutant::SkipBlastRadius) {
        return None;
    }
    let by_automation =
        facts.state.out.iter().filter(|(_, out)| out.origin == Origin::Engine).map(|(s, _)| s);
    let out: BTreeSet<&Subject> = by_automation.chain([proposal.subject]).collect();
    let geodes: BTreeSet<&GeodeName> = out
        .iter()
        .filter_map(|subject| match subject {
            Subject::Geode(geode) => Some(geode),
            Subject::Stamp(_) => None,
        })
        .collect();
    let limits = facts.fleet.policy.safety;
    if geodes.len() > limits.geodes_out_max as usize {
        let names: Vec<&str> = geodes.iter().map(|geode| geode.as_str()).collect();
        return Some(format!(
            "{} geodes would be out by automation ({}), and {} is the most",
            geodes.len(),
            names.join(", "),
            limits.geodes_out_max
        ));
    }
    let stamps: BTreeSet<StampName> = out.iter().flat_map(|subject| subject.stamps(facts.fleet)).collect();
    let (all, held) = units(facts.fleet, &stamps);
    (held * 100 > all * u64::from(limits.units_out_max_pct)).then(|| {
        format!(
            "{held} of {all} units ({} %) would be out by automation, and {} % is the most",
            held * 100 / all.max(1),
            limits.units_out_max_pct
        )
    })
}
