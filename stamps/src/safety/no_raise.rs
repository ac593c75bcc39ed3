//! NoRaise: no bucket goes to a stamp that is not Healthy now, or whose object is gone, so no share of an unwell stamp
//! rises.
//!
//! Binds: every run, undo and failback included.

use std::collections::BTreeSet;

use super::{Facts, Proposal};
use crate::{
    mutants::{Mutant, planted},
    names::StampName,
    routing::effective,
    verdict::Verdict,
};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if planted(Mutant::SkipNoRaise) {
        return None;
    }
    let receiving: BTreeSet<&StampName> = proposal
        .moves
        .iter()
        .filter(|mv| effective(&facts.state.routes, &mv.home, mv.bucket) != &mv.to)
        .map(|mv| &mv.to)
        .collect();
    let unwell: Vec<String> = receiving
        .into_iter()
        .filter_map(|stamp| match facts.verdict(stamp) {
            // What is remembered of a stamp without an object has no probes, so nobody will see it fall.
            Verdict::Healthy if facts.fleet.stamps.get(stamp).is_some_and(|s| s.probes.is_empty()) => {
                Some(format!("{stamp} (its object is gone)"))
            }
            Verdict::Healthy => None,
            verdict => Some(format!("{stamp} ({verdict:?})")),
        })
        .collect();
    (!unwell.is_empty())
        .then(|| format!("traffic would go to stamps that are not Healthy: {}", unwell.join(", ")))
}
