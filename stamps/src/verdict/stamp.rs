//! From the vantages' strips to the verdict on a stamp: vantages of a region by majority, then regions, never its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    fleet::{Detection, Fleet, Stamp},
    mutants::{Mutant, planted},
    names::{RegionName, VantageName},
    verdict::{
        Finding, RegionSays, STRIP_TICKS, Seat, Silence, Verdict, Voice, Vote, evidence_regions, judge::Eyes,
        sentence,
    },
};

pub(super) fn judge(
    fleet: &Fleet,
    regions: &BTreeSet<&RegionName>,
    eyes: &Eyes<'_>,
    stamp: &Stamp,
) -> Finding {
    let votes: BTreeMap<VantageName, Vote> = fleet
        .vantages
        .iter()
        .map(|(name, region)| {
            (name.clone(), vote(eyes[name], region.clone(), stamp, &fleet.policy.detection))
        })
        .collect();
    let regions = regions
        .iter()
        .map(|region| ((*region).clone(), majority(votes.values().filter(|vote| vote.region == **region))))
        .collect();
    let mut finding = Finding {
        verdict: Verdict::Unknown,
        own: stamp.geode.as_str().into(),
        regions,
        votes,
        sentence: String::new(),
        advisory: None,
    };
    let [up, down, recovering] =
        [Voice::Up, Voice::Down, Voice::Recovering].map(|voice| finding.count(voice));
    finding.verdict = if down >= evidence_regions() {
        if is_cut_off(&finding, eyes, stamp) { Verdict::CutOff } else { Verdict::Unhealthy }
    } else if up > down + recovering {
        Verdict::Healthy
    } else if down + recovering > 0 {
        Verdict::Degraded
    } else {
        Verdict::Unknown
    };
    finding.advisory = sentence::stamp_advisory(&finding, fleet.policy.detection.stamp_hold);
    finding.sentence = sentence::verdict(&finding);
    finding
}

/// Whether the stamp's own region has seen it well since the evidence from outside is complete.
///
/// A vantage that died with its region leaves a last report behind, which says Up and counts as fresh for a while. So
/// only those count here whose newest good tick was taken a whole tick after the evidence began, both told by when the
/// reports arrived. That difference does not change between two reports, so the verdict does not flicker.
fn is_cut_off(finding: &Finding, eyes: &Eyes<'_>, stamp: &Stamp) -> bool {
    let Some(lasting) = finding.evidence_age() else { return false };
    let seat = |vantage: &VantageName| eyes.get(vantage).and_then(|eye| eye.ok());
    let accusers = finding.votes.iter().filter(|(_, v)| v.region != finding.own && v.voice == Voice::Down);
    let newest = accusers.filter_map(|(name, _)| seat(name)).map(|seat| seat.age).min();
    let began = lasting + newest.unwrap_or_default();
    let good = |vantage: &VantageName| {
        let seat = seat(vantage)?;
        let ticks = seat.report.samples.get(&stamp.name)?.strip.newest_good()?;
        Some(seat.age + stamp.tick() * u32::from(ticks))
    };
    let inside: Vec<Vote> = finding
        .votes
        .iter()
        .filter(|(_, vote)| vote.region == finding.own)
        .map(|(name, vote)| {
            let lives = good(name).is_some_and(|ago| ago + stamp.tick() <= began);
            let voice = match vote.voice {
                // Whether it has been well for long does not matter to who may be writing.
                Voice::Up | Voice::Recovering if lives => Voice::Up,
                Voice::Down => Voice::Down,
                _ => Voice::Unknown,
            };
            Vote { voice, ..vote.clone() }
        })
        .collect();
    majority(inside.iter()).voice == Voice::Up
}

fn vote(eye: Result<&Seat, Silence>, region: RegionName, stamp: &Stamp, by: &Detection) -> Vote {
    let mut vote = Vote {
        region,
        voice: Voice::Unknown,
        lasting: Duration::ZERO,
        falls: 0,
        up_in: Duration::ZERO,
        failure: None,
        silence: None,
    };
    let sample = match eye.map(|seat| seat.report.samples.get(&stamp.name)) {
        Ok(Some(sample)) => sample,
        Ok(None) => return Vote { silence: Some(Silence::NoSample), ..vote },
        Err(_) if planted(Mutant::UnknownIsDown) => {
            let lasting = stamp.tick() * u32::from(STRIP_TICKS);
            return Vote { voice: Voice::Down, lasting, ..vote };
        }
        Err(silence) => return Vote { silence: Some(silence), ..vote },
    };
    vote.failure = sample.last_failure;
    let smoothed = sample.strip.smooth(by);
    match smoothed.voice {
        Voice::Unknown if planted(Mutant::UnknownIsDown) => {
            (vote.voice, vote.lasting) = (Voice::Down, stamp.tick() * u32::from(STRIP_TICKS));
        }
        Voice::Unknown => vote.silence = Some(Silence::TooFewTicks),
        _ if !sample.ever_passed => vote.silence = Some(Silence::NeverPassed),
        voice => {
            vote.voice = voice;
            vote.lasting = stamp.tick() * u32::from(smoothed.ticks);
            vote.falls = smoothed.falls;
            vote.up_in = stamp.tick() * u32::from(smoothed.due_ticks);
        }
    }
    vote
}

/// A region speaks when at least half of its expected vantages can tell, and more than half of those agree. Those that
/// see it recover and those that see it down agree that it is not Up.
fn majority<'a>(votes: impl Iterator<Item = &'a Vote>) -> RegionSays {
    let votes: Vec<&Vote> = votes.collect();
    let [up, down, recovering] = [Voice::Up, Voice::Down, Voice::Recovering]
        .map(|voice| votes.iter().filter(|vote| vote.voice == voice).count());
    let known = up + down + recovering;
    let mut says = RegionSays {
        up: up as u64,
        down: down as u64,
        of: known as u64,
        failure: votes.iter().filter(|vote| vote.voice == Voice::Down).find_map(|vote| vote.failure),
        ..RegionSays::default()
    };
    let needed = known / 2 + 1;
    let agreed: &[Voice] = if known * 2 < votes.len() {
        return says;
    } else if up >= needed {
        &[Voice::Up]
    } else if down >= needed {
        &[Voice::Down]
    } else if recovering + down >= needed {
        &[Voice::Recovering, Voice::Down]
    } else {
        return says;
    };
    // The majority has stood for as long as its last necessary member has.
    let mut lasting: Vec<Duration> =
        votes.iter().filter(|vote| agreed.contains(&vote.voice)).map(|vote| vote.lasting).collect();
    lasting.sort_unstable_by(|a, b| b.cmp(a));
    (says.voice, says.lasting) = (agreed[0], lasting[needed - 1]);
    says
}
