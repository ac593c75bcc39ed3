//! NeverEmpty: no name is left without an answer, and nothing that serves is taken away for worse.
//!
//! Binds: everyone, and nobody may override it.

use super::{Facts, Proposal, routes_after};
use crate::routing::route_set;

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if proposal.moves.is_empty() {
        return Some("the change moves nothing".to_owned());
    }
    let routes = routes_after(proposal, facts);
    if let Some(mv) = proposal.moves.iter().find(|mv| !facts.fleet.stamps.contains_key(&mv.to)) {
        return Some(format!("{} would serve {} {}, and it does not exist", mv.to, mv.home, mv.bucket));
    }
    facts
        .fleet
        .zones
        .values()
        .find_map(|zone| route_set(facts.fleet, zone, &routes).err())
        .map(|empty| empty.to_string())
}
