//! Verdicts in words: the same sentence in status, event, log, page and API.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    fleet::Stamp,
    names::RegionName,
    verdict::{EVIDENCE_REGIONS, Failure, Finding, RegionSays, Silence, Verdict, Voice, Vote},
};

/// The verdict and the numbers behind it.
pub(super) fn verdict(finding: &Finding) -> String {
    let (outside, up) = (finding.outside().count(), says(finding, Voice::Up).len());
    let own = &finding.own;
    match finding.verdict {
        Verdict::Unhealthy | Verdict::CutOff => down(finding),
        Verdict::Degraded => {
            let down: Vec<_> = finding.evidence().collect();
            let lasting = down.iter().map(|(_, says)| says.lasting).max().unwrap_or_default();
            let failure = down.iter().find_map(|(_, says)| says.failure);
            let mut parts = Vec::new();
            if !down.is_empty() {
                parts.push(format!("{} says Down for {}{}", counts(&down), text(lasting), because(failure)));
            }
            parts.extend(recovering(finding));
            format!("Degraded: {}; {up} of {outside} regions outside {own} say Up", parts.join("; "))
        }
        Verdict::Healthy => format!("Healthy: {up} of {outside} regions outside {own} say Up"),
        Verdict::Unknown => {
            format!("Unknown: 0 of {outside} regions outside {own} can tell ({})", silences(finding))
        }
    }
}

fn down(finding: &Finding) -> String {
    let down: Vec<_> = finding.evidence().collect();
    let lasting = finding.evidence_age().unwrap_or_default();
    let failure = down.iter().find_map(|(_, says)| says.failure);
    let own = &finding.own;
    let inside = match finding.regions.get(own).map(|says| says.voice) {
        _ if finding.verdict == Verdict::CutOff => {
            format!("; {own} itself says Up: it is alive, and maybe writing")
        }
        Some(Voice::Up | Voice::Recovering) => format!("; {own} itself said Up, and nothing since"),
        _ => String::new(),
    };
    let (verdict, counts) = (finding.verdict, counts(&down));
    format!("{verdict:?}: {counts} say Down for {}{}{inside}", text(lasting), because(failure))
}

/// Outside regions that see it well again and do not call it Up yet.
fn recovering(finding: &Finding) -> Option<String> {
    let regions = says(finding, Voice::Recovering);
    let votes =
        || finding.votes.values().filter(|v| v.voice == Voice::Recovering && regions.contains(&&v.region));
    let falls = votes().map(|vote| vote.falls).max()?;
    let up_in = votes().map(|vote| vote.up_in).max()?;
    let regions: Vec<String> = regions.iter().map(ToString::to_string).collect();
    let see = if regions.len() == 1 { "sees" } else { "see" };
    Some(format!(
        "{} {see} it recover after {falls} falls, Up in {} if it stays good",
        and(&regions),
        text(up_in)
    ))
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

/// Which vantages see a stamp fail although nothing follows from it, since when, and what is missing.
pub(super) fn stamp_advisory(finding: &Finding, hold: Duration) -> Option<String> {
    if finding.verdict.is_down() {
        return holding(finding, hold);
    }
    let each = |wanted: &dyn Fn(&Vote) -> bool, say: &dyn Fn(&Vote) -> String| -> Vec<String> {
        let votes = finding.votes.iter().filter(|(_, vote)| wanted(vote));
        votes
            .map(|(name, vote)| {
                let inside = if vote.region == finding.own { ", inside, not counted" } else { "" };
                format!("{name} ({}{inside}){}", vote.region, say(vote))
            })
            .collect()
    };
    let down = each(&|vote| vote.voice == Voice::Down, &|vote| {
        format!(" for {}{}", text(vote.lasting), because(vote.failure))
    });
    let recovering = each(&|vote| vote.voice == Voice::Recovering, &|vote| {
        format!(", {} falls, Up in {}", vote.falls, text(vote.up_in))
    });
    let never_passed =
        each(&|vote| vote.silence == Some(Silence::NeverPassed) && vote.failure.is_some(), &|vote| {
            because(vote.failure)
        });
    let mut parts = Vec::new();
    if !down.is_empty() {
        parts.push(format!("Down is said by {}; {}", few(&down), missing(finding)));
    }
    if !recovering.is_empty() {
        parts.push(format!("recovering, if it stays good, as seen by {}", few(&recovering)));
    }
    if !never_passed.is_empty() {
        let who = few(&never_passed);
        parts.push(format!(
            "it has never passed the probes of {who}: that may be the probes' fault and does not count"
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Which regions see a part of a geode down although nothing follows from it, and what is missing.
pub(super) fn geode_advisory(finding: &Finding, hold: Duration) -> Option<String> {
    if finding.verdict.is_down() {
        return holding(finding, hold);
    }
    let lasting = |says: &RegionSays| match says.voice {
        Voice::Down => format!(" for {}", text(says.lasting)),
        _ => String::new(),
    };
    let seen: Vec<String> = finding
        .regions
        .iter()
        .filter(|(_, says)| says.down > 0)
        .map(|(region, says)| {
            let inside = if *region == finding.own { " (inside, not counted)" } else { "" };
            let (lasting, failure) = (lasting(says), because(says.failure));
            format!("{region}{inside} sees {} of {} units Down{lasting}{failure}", says.down, says.of)
        })
        .collect();
    (!seen.is_empty()).then(|| format!("{}; {}", few(&seen), missing(finding)))
}

/// How much of the hold is over, until all of it is.
fn holding(finding: &Finding, hold: Duration) -> Option<String> {
    let age = finding.evidence_age()?;
    (age < hold)
        .then(|| format!("the evidence has stood for {} of the {} that it must", text(age), text(hold)))
}

/// How far the outside regions are from evidence.
fn missing(finding: &Finding) -> String {
    let down = finding.evidence().count();
    let short: Vec<String> = finding
        .outside()
        .filter(|(_, says)| says.down > 0 && says.voice != Voice::Down)
        .filter_map(|(region, _)| vantages_missing(finding, region))
        .collect();
    let short = if short.is_empty() { short.concat() } else { format!(" ({})", few(&short)) };
    format!("{down} of the {EVIDENCE_REGIONS} outside regions that evidence needs{short}")
}

/// How many more of a region's vantages must say Down before it does; nothing for a geode, which has no votes.
fn vantages_missing(finding: &Finding, region: &RegionName) -> Option<String> {
    let votes = || finding.votes.values().filter(|vote| vote.region == *region);
    let down = votes().filter(|vote| vote.voice == Voice::Down).count();
    let known = votes().filter(|vote| vote.voice != Voice::Unknown).count();
    let needed = (known / 2 + 1).max(votes().count().div_ceil(2));
    (down > 0).then(|| format!("{region} has {down} of the {needed} vantages that it needs"))
}

fn says(finding: &Finding, voice: Voice) -> Vec<&RegionName> {
    finding.outside().filter(|(_, says)| says.voice == voice).map(|(region, _)| region).collect()
}

/// `neu (1 of 1) and eus (2 of 2)`
fn counts(regions: &[(&RegionName, &RegionSays)]) -> String {
    let parts: Vec<String> =
        regions.iter().map(|(region, says)| format!("{region} ({} of {})", says.down, says.of)).collect();
    and(&parts)
}

fn and(parts: &[String]) -> String {
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => "nobody".to_owned(),
    }
}

/// Why nobody outside can tell: `2 Stale, 1 Blind`
fn silences(finding: &Finding) -> String {
    let mut counts: BTreeMap<Silence, u32> = BTreeMap::new();
    for silence in finding.votes.values().filter(|v| v.region != finding.own).filter_map(|v| v.silence) {
        *counts.entry(silence).or_default() += 1;
    }
    if counts.is_empty() {
        let any = finding.votes.values().any(|vote| vote.region != finding.own);
        return if any { "their vantages disagree" } else { "no vantages" }.to_owned();
    }
    let words = counts.iter().map(|(silence, n)| match silence {
        Silence::NeverPassed => format!("{n} never saw it pass"),
        other => format!("{n} {other:?}"),
    });
    words.collect::<Vec<_>>().join(", ")
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
