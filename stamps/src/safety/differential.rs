//! Differential: the failure must be the subject's own.
//!
//! Default: at least 60 % of a geode's units are bad and at least 80 % of the units elsewhere are good; and no ring,
//! version or shared dependency explains what fails better than the subject does. How well a set explains the failing
//! stamps is their Jaccard index: stamps in both, divided by stamps in either. Binds: automatic failovers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, Proposal, units};
use crate::{failover::Subject, names::StampName, verdict::Verdict};

/// Of the geode's own units that must be bad, in per cent.
const BAD_INSIDE_MIN_PCT: u64 = 60;
/// Of the units elsewhere that must be good, in per cent.
const GOOD_OUTSIDE_MIN_PCT: u64 = 80;

pub(super) fn check(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Option<String> {
    if !proposal.is_automatic_failover() {
        return None;
    }
    let inside = proposal.subject.stamps(facts.fleet);
    let bad = failing(facts);
    contrast(proposal.subject, facts, &inside).or_else(|| explained(proposal.subject, facts, &inside, &bad))
}

/// Stamps that are doubted or down.
fn failing(facts: &Facts<'_>) -> BTreeSet<StampName> {
    let down = |stamp: &&StampName| facts.verdict(stamp).is_down();
    let doubted = facts.state.doubts.keys().filter_map(|subject| match subject {
        Subject::Stamp(stamp) => Some(stamp),
        Subject::Geode(_) => None,
    });
    facts.fleet.stamps.keys().filter(down).chain(doubted).cloned().collect()
}

fn contrast(subject: &Subject, facts: &Facts<'_>, inside: &BTreeSet<StampName>) -> Option<String> {
    let with = |wanted: fn(Verdict) -> bool, among: &dyn Fn(&StampName) -> bool| -> BTreeSet<StampName> {
        let stamps = facts.fleet.stamps.keys();
        stamps.filter(|stamp| among(stamp) && wanted(facts.verdict(stamp))).cloned().collect()
    };
    let (_, own) = units(facts.fleet, inside);
    let (all, bad) = units(facts.fleet, &with(Verdict::is_down, &|stamp| inside.contains(stamp)));
    if matches!(subject, Subject::Geode(_)) && bad * 100 < own * BAD_INSIDE_MIN_PCT {
        return Some(format!(
            "{bad} of the {own} units of {subject} ({} %) are bad, and {BAD_INSIDE_MIN_PCT} % is the least for a region",
            bad * 100 / own.max(1)
        ));
    }
    let (_, good) =
        units(facts.fleet, &with(|verdict| verdict == Verdict::Healthy, &|stamp| !inside.contains(stamp)));
    let elsewhere = all - own;
    (good * 100 < elsewhere * GOOD_OUTSIDE_MIN_PCT).then(|| {
        format!(
            "{good} of the {elsewhere} units elsewhere ({} %) are good, and {GOOD_OUTSIDE_MIN_PCT} % is the least: this may \
             not be about {subject} at all",
            good * 100 / elsewhere.max(1)
        )
    })
}

fn explained(
    subject: &Subject,
    facts: &Facts<'_>,
    inside: &BTreeSet<StampName>,
    bad: &BTreeSet<StampName>,
) -> Option<String> {
    let fit = |set: &BTreeSet<StampName>| {
        let both = set.intersection(bad).count();
        let either = set.union(bad).count();
        both * 1000 / either.max(1)
    };
    let own = fit(inside);
    let mut shared: BTreeMap<String, BTreeSet<StampName>> = BTreeMap::new();
    for stamp in facts.fleet.stamps.values() {
        let ring = stamp.ring.iter().map(|ring| format!("ring {ring}"));
        let version = stamp.version.iter().map(|version| format!("version {version}"));
        let needs = stamp.depends_on.iter().map(|name| format!("dependency {name}"));
        for what in ring.chain(version).chain(needs) {
            shared.entry(what).or_default().insert(stamp.name.clone());
        }
    }
    let (what, better) = shared
        .iter()
        .map(|(what, set)| (what, fit(set)))
        .filter(|(_, fits)| *fits > own)
        .max_by_key(|(_, fits)| *fits)?;
    Some(format!(
        "what fails ({}) is explained better by {what} ({better} of 1000) than by {subject} ({own} of 1000)",
        bad.iter().map(StampName::as_str).collect::<Vec<_>>().join(", ")
    ))
}
