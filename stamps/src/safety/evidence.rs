//! Evidence: at least two regions other than the subject's own, each by its own majority, for the whole hold.
//!
//! Default hold: stamp 60 s, geode 120 s. Binds: automatic failovers.

use std::time::Duration;

use super::{Facts, Proposal};
use crate::{
    failover::Subject,
    mutants::{Mutant, planted},
    verdict::evidence_regions,
};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if !proposal.is_automatic_failover() {
        return None;
    }
    let detection = facts.fleet.policy.detection;
    let (finding, hold) = match proposal.subject {
        Subject::Geode(geode) => (facts.assessment.geodes.get(geode), detection.geode_hold),
        Subject::Stamp(stamp) => (facts.assessment.stamps.get(stamp), detection.stamp_hold),
    };
    let hold = if planted(Mutant::SkipHold) { Duration::ZERO } else { hold };
    let needed = evidence_regions();
    let regions = finding.map_or(0, |f| f.evidence().filter(|(_, says)| says.lasting >= hold).count());
    (regions < needed).then(|| {
        format!(
            "{regions} of the regions outside {} say down for the whole hold of {} s, and {needed} are needed",
            proposal.subject,
            hold.as_secs()
        )
    })
}
