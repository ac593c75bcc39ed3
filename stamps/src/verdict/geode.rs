//! From the stamps' findings to their geode's.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    fleet::{Fleet, Geode, Stamp, StampLifecycle},
    names::{RegionName, StampName},
    verdict::{Failure, Finding, RegionSays, Verdict, Voice, evidence_regions, sentence},
};

/// Share of a geode's units, in per cent, that a region must see down before it says that the geode is.
const GEODE_DOWN_PCT: u64 = 60;

pub(super) fn judge(fleet: &Fleet, findings: &BTreeMap<StampName, Finding>, geode: &Geode) -> Finding {
    // A decommissioned stamp may be switched off: that is no failure of its region.
    let stamps: Vec<(&Stamp, &Finding)> = fleet
        .stamps_of(&geode.name)
        .filter(|stamp| stamp.lifecycle != StampLifecycle::Decommissioned)
        .map(|stamp| (stamp, &findings[&stamp.name]))
        .collect();
    let regions = fleet
        .vantage_regions()
        .into_iter()
        .map(|region| (region.clone(), by_units(&stamps, region)))
        .collect();
    let mut finding = Finding {
        verdict: Verdict::Unknown,
        own: geode.name.as_str().into(),
        regions,
        votes: BTreeMap::new(),
        sentence: String::new(),
        advisory: None,
    };
    let all = |verdict| stamps.iter().all(|(_, finding)| finding.verdict == verdict);
    finding.verdict = if finding.count(Voice::Down) >= evidence_regions() {
        if mostly_cut_off(&stamps) { Verdict::CutOff } else { Verdict::Unhealthy }
    } else if stamps.is_empty() || all(Verdict::Unknown) {
        Verdict::Unknown
    } else if all(Verdict::Healthy) {
        Verdict::Healthy
    } else if finding.doubt()
        || stamps.iter().any(|(_, f)| f.verdict == Verdict::Degraded || f.verdict.is_down())
    {
        Verdict::Degraded
    } else {
        Verdict::Unknown
    };
    finding.advisory = sentence::geode_advisory(&finding, fleet.policy.detection.geode_hold);
    finding.sentence = match finding.verdict {
        Verdict::Degraded | Verdict::Unknown => sentence::geode_in_part(finding.verdict, &stamps),
        _ => sentence::verdict(&finding),
    };
    finding
}

/// Whether more than half of the units are in stamps that are cut off.
fn mostly_cut_off(stamps: &[(&Stamp, &Finding)]) -> bool {
    let units = |cut_off: &dyn Fn(&Finding) -> bool| -> u64 {
        stamps.iter().filter(|(_, finding)| cut_off(finding)).map(|(stamp, _)| weight(stamp)).sum()
    };
    units(&|finding| finding.verdict == Verdict::CutOff) * 2 > units(&|_| true)
}

/// What a region says about a geode, by the units of the stamps that it sees down.
fn by_units(stamps: &[(&Stamp, &Finding)], region: &RegionName) -> RegionSays {
    let units = |voice| {
        let mut units: Vec<(Duration, u64, Option<Failure>)> = stamps
            .iter()
            .filter_map(|(stamp, finding)| finding.regions.get(region).map(|says| (stamp, says)))
            .filter(|(_, says)| says.voice == voice)
            .map(|(stamp, says)| (says.lasting, weight(stamp), says.failure))
            .collect();
        units.sort_unstable_by_key(|(lasting, ..)| std::cmp::Reverse(*lasting));
        units
    };
    let (up, down, recovering) = (units(Voice::Up), units(Voice::Down), units(Voice::Recovering));
    let sum =
        |units: &[(Duration, u64, Option<Failure>)]| units.iter().map(|(_, units, _)| units).sum::<u64>();
    let all: u64 = stamps.iter().map(|(stamp, _)| weight(stamp)).sum();
    let lasting = |units: &[(Duration, u64, Option<Failure>)], enough: &dyn Fn(u64) -> bool| {
        let mut so_far = 0;
        units.iter().find_map(|(lasting, units, _)| {
            so_far += units;
            enough(so_far).then_some(*lasting)
        })
    };
    let down_for = lasting(&down, &|units| units * 100 >= all * GEODE_DOWN_PCT);
    let up_for = lasting(&up, &|units| units * 2 > all);
    let voice = match (down_for, up_for) {
        (Some(_), _) => Voice::Down,
        (None, Some(_)) => Voice::Up,
        (None, None) if (sum(&down) + sum(&recovering)) * 2 > all => Voice::Recovering,
        (None, None) => Voice::Unknown,
    };
    RegionSays {
        voice,
        lasting: down_for.or(up_for).unwrap_or_default(),
        up: sum(&up),
        down: sum(&down),
        of: all,
        failure: down.iter().find_map(|(.., failure)| *failure),
    }
}

/// A stamp that declares no capacity still weighs something, or nobody would see it fail.
fn weight(stamp: &Stamp) -> u64 {
    u64::from(stamp.capacity.units.max(1))
}
