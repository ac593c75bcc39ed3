//! Contagion: load that made one stamp fail must not be led on to the next.
//!
//! Default: a target of an automatic run turns bad within 15 min of the shift. Then automatic runs hold, and automation
//! stays closed until a person opens it. Binds: automation.

use super::{Facts, Proposal};
use crate::failover::Origin;

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    let closed = facts.state.closed.as_ref().filter(|_| proposal.origin == Origin::Engine)?;
    Some(format!(
        "automation has closed itself: {}. When the cause is found, set Fleet.spec.automation to Hold and back to \
         Automatic",
        closed.because
    ))
}
