//! Capacity: nobody is sent more than it can carry.
//!
//! Default line: 80 % of a stamp's declared units in a planned failover. When the source is down, the headroom up to
//! 100 % is used as well, and the plan leaves out what does not fit: see the planner. What comes home may use it too:
//! guests that are still there leave with a failback of their own. Binds: every run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, Proposal, routes_after};
use crate::{failover::Mode, names::StampName};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    let keeps_free = proposal.planned && proposal.mode == Mode::Failover;
    let line_pct = u64::from(if keeps_free { facts.fleet.policy.safety.capacity_line_pct } else { 100 });
    let routes = routes_after(proposal, facts);
    let receiving: BTreeSet<&StampName> = proposal.moves.iter().map(|mv| &mv.to).collect();
    let carried = |routes: &crate::routing::Routes, stamp: &StampName| -> u64 {
        let served = routes.served_by(facts.fleet, stamp);
        served.iter().map(|(home, bucket)| u64::from(facts.fleet.load_of(home, *bucket).units)).sum()
    };
    let over: BTreeMap<&StampName, (u64, u64)> = receiving
        .into_iter()
        .filter_map(|name| {
            let stamp = facts.fleet.stamps.get(name)?;
            let units = carried(&routes, name);
            let can = u64::from(stamp.capacity.units) * line_pct / 100;
            // Its own load coming home, and load that it carries already, are not this run's doing.
            let before = carried(&facts.state.routes, name);
            let own_load = |bucket| u64::from(facts.fleet.load_of(name, bucket).units);
            let own: u64 = stamp.bucket_ids().map(own_load).sum();
            (units > can && units > before && units > own).then_some((name, (units, can)))
        })
        .collect();
    let list: Vec<String> =
        over.iter().map(|(stamp, (units, can))| format!("{stamp} {units} of {can} units")).collect();
    (!list.is_empty())
        .then(|| format!("targets would carry more than {line_pct} % of what they can: {}", list.join(", ")))
}
