//! Panic: when much goes wrong at once, the cause is seldom where it shows, and every move makes it worse.
//!
//! Default: a second geode doubted within 240 s of the first, or more than 50 % of all units doubted. Nothing starts,
//! automatic runs under way hold, plans are shown. It lasts as long as those doubts do. Binds: automatic failovers.

use std::collections::BTreeSet;

use super::{Facts, Proposal, units};
use crate::{failover::Subject, names::StampName, time::millis};

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if proposal.is_automatic_failover() { panic(facts) } else { None }
}

/// Why this is a panic, if it is one.
pub fn panic(facts: &Facts<'_>) -> Option<String> {
    two_geodes(facts).or_else(|| many_units(facts))
}

fn two_geodes(facts: &Facts<'_>) -> Option<String> {
    let window = facts.fleet.policy.safety.panic_window;
    let mut geodes: Vec<_> = facts
        .state
        .doubts
        .iter()
        .filter_map(|(subject, doubt)| match subject {
            Subject::Geode(geode) => Some((doubt.since_ms, geode)),
            Subject::Stamp(_) => None,
        })
        .collect();
    geodes.sort();
    geodes.windows(2).find_map(|pair| {
        let [(first, one), (second, other)] = pair else { return None };
        (second - first <= millis(window)).then(|| {
            format!(
                "{one} and {other} came under doubt within {} s of each other, and within {} s that is a panic: \
                 look for a cause that they share",
                (second - first) / 1000,
                window.as_secs()
            )
        })
    })
}

fn many_units(facts: &Facts<'_>) -> Option<String> {
    let doubted: BTreeSet<StampName> =
        facts.state.doubts.keys().flat_map(|subject| subject.stamps(facts.fleet)).collect();
    let (all, units) = units(facts.fleet, &doubted);
    let most = facts.fleet.policy.safety.units_doubted_max_pct;
    (units * 100 > all * u64::from(most)).then(|| {
        format!(
            "{units} of {all} units ({} %) are doubted, and above {most} % that is a panic",
            units * 100 / all.max(1)
        )
    })
}
