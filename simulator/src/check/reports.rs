//! What a process was shown, and what the reports among it say: majority, smoothing and freshness, written down once
//! more and plainly.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stamps::{
    failover::{Input, Subject},
    fleet::{Detection, Fleet, StampLifecycle},
    names::{Point, RegionName, ReplicaName, StampName, VantageName},
    time::{Mono, Now},
    verdict::{Report, Sight, Strip, Tick},
};

/// A report counts for two and a half periods of 10 s.
const FRESH: Duration = Duration::from_secs(25);

/// What one process was shown in this life.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// States that the register gave back to it.
    pub(super) shown: BTreeSet<Point>,
    /// When its last good renewal began, or when it learnt that it leads.
    pub(super) renewed: Option<Mono>,
    pub(super) fleet: Option<Fleet>,
    heard: BTreeMap<VantageName, Heard>,
    led: BTreeSet<i64>,
}

#[derive(Debug)]
struct Heard {
    report: Report,
    version: String,
    changed: Option<Mono>,
}

/// What a region says about one stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Up,
    Down(Duration),
    /// Good again after several falls, and not for long enough.
    Recovering,
    Nothing,
}

impl Witness {
    pub(super) fn told(&mut self, me: &ReplicaName, input: &Input, now: Now) {
        match input {
            Input::Stored(state) | Input::Loaded { state, .. } => {
                self.shown.insert(state.point);
                if state.leader == *me && self.led.insert(state.point.epoch) {
                    self.renewed = Some(now.mono);
                }
            }
            Input::Beaten { started, good: true } => self.renewed = self.renewed.max(Some(*started)),
            Input::Fleet(fleet) => self.fleet = Some((**fleet).clone()),
            Input::Report { report, version } => {
                let known = self.heard.get(&report.vantage);
                let changed = match known {
                    Some(known) if known.version == *version => known.changed,
                    Some(_) => Some(now.mono),
                    None => None,
                };
                let heard = Heard { report: report.clone(), version: version.clone(), changed };
                self.heard.insert(report.vantage.clone(), heard);
            }
            _ => {}
        }
    }

    /// What every region outside says about a stamp, for people.
    pub(super) fn opinions(&self, stamp: &StampName, now: Now) -> String {
        let Some(fleet) = &self.fleet else { return "no fleet was shown".to_owned() };
        let Some(stamp) = fleet.stamps.get(stamp) else { return "it is not in the fleet".to_owned() };
        let outside = Self::regions(fleet, Some(stamp.geode.as_str())).into_iter();
        let said = outside.map(|region| {
            let says = self.region(fleet, &region, &stamp.name, now);
            format!("{region} says {says:?}")
        });
        said.collect::<Vec<_>>().join(", ")
    }

    /// More outside regions say Up than Down or Recovering, and fewer than two say Down.
    pub(super) fn healthy(&self, stamp: &StampName, now: Now) -> bool {
        let Some(fleet) = &self.fleet else { return false };
        let Some(stamp) = fleet.stamps.get(stamp) else { return false };
        let outside = Self::regions(fleet, Some(stamp.geode.as_str()));
        let says: Vec<Says> =
            outside.iter().map(|region| self.region(fleet, region, &stamp.name, now)).collect();
        let up = says.iter().filter(|says| **says == Says::Up).count();
        let down = says.iter().filter(|says| matches!(says, Says::Down(_))).count();
        let recovering = says.iter().filter(|says| **says == Says::Recovering).count();
        down < 2 && up > down + recovering
    }

    /// Regions other than the subject's own that have said for the whole hold that it is down.
    pub(super) fn accusers(&self, subject: &Subject, now: Now) -> Vec<RegionName> {
        let Some(fleet) = &self.fleet else { return Vec::new() };
        let detection = fleet.policy.detection;
        match subject {
            Subject::Stamp(name) => {
                let own = fleet.stamps.get(name).map(|stamp| stamp.geode.as_str());
                let accuses =
                    |region: &RegionName| self.says_down(fleet, region, name, now, detection.stamp_hold);
                Self::regions(fleet, own).into_iter().filter(accuses).collect()
            }
            Subject::Geode(geode) => {
                let counted = || {
                    fleet.stamps.values().filter(|stamp| {
                        stamp.geode == *geode && stamp.lifecycle != StampLifecycle::Decommissioned
                    })
                };
                let all: u32 = counted().map(|stamp| stamp.capacity.units).sum();
                let accuses = |region: &RegionName| {
                    let down: u32 = counted()
                        .filter(|stamp| self.says_down(fleet, region, &stamp.name, now, detection.geode_hold))
                        .map(|stamp| stamp.capacity.units)
                        .sum();
                    all > 0 && down * 100 >= all * 60
                };
                Self::regions(fleet, Some(geode.as_str())).into_iter().filter(accuses).collect()
            }
        }
    }

    fn regions(fleet: &Fleet, without: Option<&str>) -> Vec<RegionName> {
        let all: BTreeSet<&RegionName> = fleet.vantages.values().collect();
        all.into_iter().filter(|region| Some(region.as_str()) != without).cloned().collect()
    }

    fn says_down(
        &self,
        fleet: &Fleet,
        region: &RegionName,
        stamp: &StampName,
        now: Now,
        hold: Duration,
    ) -> bool {
        matches!(self.region(fleet, region, stamp, now), Says::Down(lasting) if lasting >= hold)
    }

    /// At least half of a region's vantages must know, and more than half of those must agree.
    fn region(&self, fleet: &Fleet, region: &RegionName, stamp: &StampName, now: Now) -> Says {
        let expected: Vec<&VantageName> =
            fleet.vantages.iter().filter(|(_, at)| *at == region).map(|(name, _)| name).collect();
        let votes: Vec<Says> =
            expected.iter().map(|name| self.vantage(fleet, name, region, stamp, now)).collect();
        let known: Vec<Says> = votes.into_iter().filter(|says| *says != Says::Nothing).collect();
        if known.len() * 2 < expected.len() {
            return Says::Nothing;
        }
        let mut down: Vec<Duration> = known
            .iter()
            .filter_map(|says| if let Says::Down(lasting) = says { Some(*lasting) } else { None })
            .collect();
        down.sort();
        down.reverse();
        let up = known.iter().filter(|says| **says == Says::Up).count();
        let needed = known.len() / 2 + 1;
        if up >= needed {
            Says::Up
        } else if down.len() >= needed {
            Says::Down(down[needed - 1])
        } else if known.len() - up >= needed {
            Says::Recovering
        } else {
            Says::Nothing
        }
    }

    fn vantage(
        &self,
        fleet: &Fleet,
        name: &VantageName,
        region: &RegionName,
        stamp: &StampName,
        now: Now,
    ) -> Says {
        let Some(heard) = self.heard.get(name) else { return Says::Nothing };
        let fresh = heard.changed.is_some_and(|at| now.mono.since(at) < FRESH);
        let counts = fresh && heard.report.sight == Sight::Sighted && heard.report.region == *region;
        match (heard.report.samples.get(stamp), fleet.stamps.get(stamp)) {
            (Some(sample), Some(stamp)) if counts && sample.ever_passed => {
                let by = &fleet.policy.detection;
                match smooth(sample.strip, by) {
                    (Some(true), ticks) => Says::Down(stamp.tick() * ticks),
                    (Some(false), _) if recovering(sample.strip, by) => Says::Recovering,
                    (Some(false), _) => Says::Up,
                    (None, _) => Says::Nothing,
                }
            }
            _ => Says::Nothing,
        }
    }
}

/// Whether a strip says Down, Up, or nothing, and for how many ticks.
fn smooth(strip: Strip, by: &Detection) -> (Option<bool>, u32) {
    let ticks: Vec<Tick> = (0..64).map(|age| strip.tick(age)).collect();
    if ticks.iter().take(by.window_ticks.into()).all(|tick| *tick == Tick::Unknown) {
        return (None, 0);
    }
    let known = known_bad(strip);
    let mut state = (None, 0);
    for end in 1..=known.len() {
        let good_in_a_row = known[..end].iter().rev().take_while(|bad| !**bad).count();
        let bad = known[end.saturating_sub(by.window_ticks.into())..end].iter().filter(|bad| **bad).count();
        let says = if good_in_a_row >= by.recover_ticks.into() {
            Some(false)
        } else if bad >= by.fail_ticks.into() {
            Some(true)
        } else {
            state.0
        };
        state = if says == state.0 { (says, state.1 + 1) } else { (says, 0) };
    }
    state
}

/// Known ticks, oldest first; true is bad.
fn known_bad(strip: Strip) -> Vec<bool> {
    let ticks = (0..64).rev().map(|age| strip.tick(age));
    ticks.filter(|tick| *tick != Tick::Unknown).map(|tick| tick == Tick::Bad).collect()
}

/// Whether a strip that would say Up has fallen more than once and not been good for long enough since: twice as long
/// for each fall after the first, at most 32 ticks.
fn recovering(strip: Strip, by: &Detection) -> bool {
    let (recover, fail) = (usize::from(by.recover_ticks), usize::from(by.fail_ticks));
    let known = known_bad(strip);
    let (mut falls, mut down, mut held) = (0u32, false, false);
    for end in 1..=known.len() {
        let good_in_a_row = known[..end].iter().rev().take_while(|bad| !**bad).count();
        let bad = known[end.saturating_sub(by.window_ticks.into())..end].iter().filter(|bad| **bad).count();
        if good_in_a_row >= recover {
            down = false;
        } else if bad >= fail {
            falls += u32::from(!down);
            (down, held) = (true, true);
        }
        let needed = (recover << falls.saturating_sub(1)).min(32.max(recover));
        if good_in_a_row >= needed {
            held = false;
        }
    }
    held && !down
}
