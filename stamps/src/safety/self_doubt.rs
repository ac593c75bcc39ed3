//! SelfDoubt: a monitor that cannot see must not act.
//!
//! Default: more than half of the expected vantages are sighted (fresh, control targets answered, clock right).
//! Binds: automation.

use super::{Facts, Proposal};
use crate::failover::Origin;

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if proposal.origin != Origin::Engine {
        return None;
    }
    let expected = facts.fleet.vantages.len();
    let sighted = facts.assessment.vantages.values().filter(|silence| silence.is_none()).count();
    (sighted * 2 <= expected).then(|| {
        format!(
            "{sighted} of {expected} vantages can see, and more than half are needed before anything moves"
        )
    })
}
