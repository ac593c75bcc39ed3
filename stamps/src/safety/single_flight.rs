//! SingleFlight: a run locks every stamp of its subject and every target.
//!
//! Binds: every run.

use super::{Facts, Proposal};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    let mut touched = proposal.subject.stamps(facts.fleet);
    touched.extend(proposal.moves.iter().map(|mv| mv.to.clone()));
    facts.state.live_runs().filter(|(name, _)| *name != proposal.run).find_map(|(name, run)| {
        let theirs = run.touches(facts.fleet);
        let both = touched.intersection(&theirs).next()?;
        // A run that was accepted and not yet planned holds no target; whoever shifts first has the lock.
        run.plan.as_ref()?;
        Some(format!(
            "run {name} ({:?}) holds {both}; let it end, or cancel it with `kubectl patch failover {name} --type=merge \
             -p '{{\"spec\":{{\"control\":\"Cancel\"}}}}'`",
            run.phase
        ))
    })
}
