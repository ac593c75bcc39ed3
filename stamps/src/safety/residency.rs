//! Residency: data of a tenant goes only where that tenant allows it.
//!
//! Binds: every run. A person may override it only by vouching for the fact, which this version does not take.

use std::collections::BTreeSet;

use super::{Facts, Proposal};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    let wrong: BTreeSet<String> = proposal
        .moves
        .iter()
        .filter(|mv| mv.to != mv.home)
        .filter_map(|mv| {
            let missed = facts.fleet.residency_missed(&mv.home, mv.bucket, &mv.to)?;
            Some(format!("{} {} asks for {missed} and would go to {}", mv.home, mv.bucket, mv.to))
        })
        .collect();
    let shown: Vec<&str> = wrong.iter().take(3).map(String::as_str).collect();
    (!wrong.is_empty()).then(|| {
        format!(
            "{} buckets would leave the residency zone of their tenants: {}",
            wrong.len(),
            shown.join("; ")
        )
    })
}
