//! Gate: `Fleet.spec.automation`, the one switch that stops all automation.
//!
//! Default: Observe. Binds: automation. A person's run passes: a person goes before automation. The switch is read once
//! more, live, in the commit itself; a switch that cannot be read is closed.

use super::{Facts, Proposal};
use crate::{failover::Origin, fleet::Automation};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    let automation = facts.fleet.automation;
    let open = match automation {
        Automation::Automatic => true,
        Automation::Approve => proposal.approved,
        Automation::Observe | Automation::Hold => false,
    };
    (proposal.origin == Origin::Engine && !open).then(|| {
        format!("Fleet.spec.automation is {automation:?}, and only Automatic lets Lifeboat act by itself")
    })
}
