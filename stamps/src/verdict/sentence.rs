//! Verdicts in words: the same sentence in status, event, log, page and API.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    fleet::Stamp,
    names::RegionName,
    verdict::{EVIDENCE_REGIONS, Failure, Finding, RegionSays, Silence, Verdict, Voice},
};

/// The verdict and the numbers behind it.
pub(super) fn verdict(finding: &Finding, counted_in: &str) -> String {
    let down: Vec<_> = finding.evidence().collect();
    let (outside, up) = (finding.outside().count(), says(finding, Voice::Up).len());
    let own = &finding.own;
    match finding.verdict {
        Verdict::Unhealthy => {
            let lasting = finding.evidence_age().unwrap_or_default();
            let failure = down.iter().find_map(|(_, says)| says.failure);
            let inside =
                if finding.cut_off { format!("; {own} itself says Up: cut off") } else { String::new() };
            format!("Unhealthy: {} say Down for {}{}{inside}", counts(&down), text(lasting), because(failure))
        }
        Verdict::Degraded => {
            let lasting = down.iter().map(|(_, says)| says.lasting).max().unwrap_or_default();
            let failure = down.iter().find_map(|(_, says)| says.failure);
            format!(
                "Degraded: {} says Down for {}{}; {up} of {outside} regions outside {own} say Up",
                counts(&down),
                text(lasting),
                because(failure)
            )
        }
        Verdict::Healthy => format!("Healthy: {up} of {outside} regions outside {own} say Up"),
        Verdict::Unknown => {
            let silent = silences(finding);
            let silent = if silent.is_empty() { format!("no {counted_in}") } else { silent };
            format!("Unknown: 0 of {outside} regions outside {own} can tell ({silent})")
        }
    }
}

/// A geode of which a part is not well.
pub(super) fn geode_in_part(verdict: Verdict, stamps: &[(&Stamp, &Finding)]) -> String {
    let not_healthy: Vec<String> = stamps
        .iter()
        .filter(|(_, finding)| finding.verdict != Verdict::Healthy)
        .map(|(stamp, finding)| format!("{} is {:?}", stamp.name, finding.verdict))
        .collect();
    match stamps {
        [] => "Unknown: it has no stamps".to_owned(),
        // What keeps one from being seen keeps all: it is said once.
        [(_, first), ..] if stamps.iter().all(|(_, finding)| finding.verdict == Verdict::Unknown) => {
            first.sentence.clone()
        }
        all => {
            let (n, all) = (not_healthy.len(), all.len());
            format!("{verdict:?}: {n} of {all} stamps not Healthy ({})", few(&not_healthy))
        }
    }
}

/// Which vantages see a stamp down although the verdict does not follow, and what is missing.
pub(super) fn stamp_advisory(finding: &Finding) -> Option<String> {
    if finding.verdict == Verdict::Unhealthy {
        return None;
    }
    let seen: Vec<String> = finding
        .votes
        .iter()
        .filter(|(_, vote)| vote.voice == Voice::Down && vote.region != finding.own)
        .map(|(name, vote)| {
            format!("{name} ({}) for {}{}", vote.region, text(vote.lasting), because(vote.failure))
        })
        .collect();
    (!seen.is_empty()).then(|| format!("Down is said by {}; {}", few(&seen), missing(finding)))
}

/// Which regions see a part of a geode down although the verdict does not follow, and what is missing.
pub(super) fn geode_advisory(finding: &Finding) -> Option<String> {
    if finding.verdict == Verdict::Unhealthy {
        return None;
    }
    let seen: Vec<String> = finding
        .outside()
        .filter(|(_, says)| says.down > 0)
        .map(|(region, says)| {
            format!("{region} sees {} of {} units Down{}", says.down, says.of, because(says.failure))
        })
        .collect();
    (!seen.is_empty()).then(|| format!("{}; {}", few(&seen), missing(finding)))
}

fn missing(finding: &Finding) -> String {
    let down = finding.evidence().count();
    format!("{down} of the {EVIDENCE_REGIONS} outside regions that evidence needs")
}

fn says(finding: &Finding, voice: Voice) -> Vec<&RegionName> {
    finding.outside().filter(|(_, says)| says.voice == voice).map(|(region, _)| region).collect()
}

/// `neu (1 of 1) and eus (2 of 2)`
fn counts(regions: &[(&RegionName, &RegionSays)]) -> String {
    let parts: Vec<String> =
        regions.iter().map(|(region, says)| format!("{region} ({} of {})", says.down, says.of)).collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => "nobody".to_owned(),
    }
}

/// `2 Stale, 1 Blind`
fn silences(finding: &Finding) -> String {
    let mut counts: BTreeMap<Silence, u32> = BTreeMap::new();
    for silence in finding.votes.values().filter(|v| v.region != finding.own).filter_map(|v| v.silence) {
        *counts.entry(silence).or_default() += 1;
    }
    counts.iter().map(|(silence, n)| format!("{n} {silence:?}")).collect::<Vec<_>>().join(", ")
}

/// A sentence names at most this many; an event's message has 1,024 bytes.
const NAMED_MAX: usize = 4;

fn few(parts: &[String]) -> String {
    match parts.len().saturating_sub(NAMED_MAX) {
        0 => parts.join(", "),
        more => format!("{} and {more} more", parts[..NAMED_MAX].join(", ")),
    }
}

fn because(failure: Option<Failure>) -> String {
    failure.map(|failure| format!(", {failure}")).unwrap_or_default()
}

/// Seconds, with one decimal where it says something.
fn text(lasting: Duration) -> String {
    let tenths = lasting.as_millis() / 100;
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        tenth => format!("{}.{tenth} s", tenths / 10),
    }
}
