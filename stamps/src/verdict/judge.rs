//! From reports to verdicts: vantages of a region by majority, then regions, never the subject's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::{Detection, Fleet, Geode, Stamp, StampLifecycle},
    mutants::{Mutant, planted},
    names::{GeodeName, RegionName, StampName, VantageName},
    verdict::{Failure, Report, STRIP_TICKS, Sight, Verdict, Voice, sentence},
};

/// Regions other than the subject's own that must agree before anything may move.
pub const EVIDENCE_REGIONS: usize = 2;

/// [`EVIDENCE_REGIONS`], unless a fault is planted.
pub(crate) fn evidence_regions() -> usize {
    if planted(Mutant::OneRegionIsEnough) { 1 } else { EVIDENCE_REGIONS }
}

/// Share of a geode's units, in per cent, that a region must see down before it says that the geode is.
const GEODE_DOWN_PCT: u64 = 60;

/// The newest report of each vantage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Who sits at it.
    pub seats: BTreeMap<VantageName, Seat>,
}

/// One vantage's newest report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// What it says.
    pub report: Report,
    /// Whether this replica saw it arrive lately, by its own monotonic clock.
    pub fresh: bool,
}

impl Table {
    /// Lays a report on the table in place of the vantage's last one.
    pub fn put(&mut self, report: Report, fresh: bool) {
        self.seats.insert(report.vantage.clone(), Seat { report, fresh });
    }
}

/// Why a vantage has no vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Silence {
    /// Expected by the fleet, and has never reported.
    NoReport,
    /// Its last report is too old.
    Stale,
    /// Its own control targets fail.
    Blind,
    /// Its clock is off.
    ClockSkewed,
    /// Not in the fleet's list, or listed for another region: shown and not counted.
    Unlisted,
    /// Its report says nothing about this stamp.
    NoSample,
    /// Too few of its ticks are known.
    TooFewTicks,
    /// It sees failures only, since the probe was defined: that may be the probe's fault.
    NeverPassed,
}

/// What one vantage says about one stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Where it stands.
    pub region: RegionName,
    /// What it says.
    pub voice: Voice,
    /// For how long it has said so.
    pub lasting: Duration,
    /// The newest failure it saw.
    pub failure: Option<Failure>,
    /// Why it says nothing.
    pub silence: Option<Silence>,
}

/// What a region says about a stamp (counted in vantages) or a geode (counted in capacity units).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionSays {
    /// What it says by its majority.
    pub voice: Voice,
    /// For how long that majority has stood.
    pub lasting: Duration,
    /// Vantages or units that are Up.
    pub up: u64,
    /// Vantages or units that are Down.
    pub down: u64,
    /// Vantages that can tell, or all units of the geode.
    pub of: u64,
    /// A failure behind the Down.
    pub failure: Option<Failure>,
}

/// The judgement of one stamp or geode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it comes to.
    pub verdict: Verdict,
    /// Outside says Down, inside says Up: alive, and maybe writing.
    pub cut_off: bool,
    /// The region that the subject stands in, whose word does not count.
    pub own: RegionName,
    /// What every region with an expected vantage says, the own one included.
    pub regions: BTreeMap<RegionName, RegionSays>,
    /// What every expected vantage says; empty for a geode.
    pub votes: BTreeMap<VantageName, Vote>,
    /// The verdict with its numbers, for people.
    pub sentence: String,
    /// Who sees a failure although the verdict does not follow, and what is missing.
    pub advisory: Option<String>,
}

impl Finding {
    /// Regions other than the subject's own, with what they say.
    pub fn outside(&self) -> impl Iterator<Item = (&RegionName, &RegionSays)> {
        self.regions.iter().filter(|(region, _)| **region != self.own)
    }

    /// Outside regions that say Down.
    pub fn evidence(&self) -> impl Iterator<Item = (&RegionName, &RegionSays)> {
        self.outside().filter(|(_, says)| says.voice == Voice::Down)
    }

    /// How long enough outside regions have said Down together; none while too few do.
    pub fn evidence_age(&self) -> Option<Duration> {
        let mut ages: Vec<Duration> = self.evidence().map(|(_, says)| says.lasting).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        ages.get(evidence_regions() - 1).copied()
    }

    /// Whether the evidence has stood for the whole hold.
    pub fn held(&self, hold: Duration) -> bool {
        self.evidence_age().is_some_and(|age| age >= hold || planted(Mutant::SkipHold))
    }

    /// Whether at least one outside region says Down.
    pub fn doubt(&self) -> bool {
        self.evidence().next().is_some()
    }

    fn count(&self, voice: Voice) -> usize {
        self.outside().filter(|(_, says)| says.voice == voice).count()
    }
}

/// Every verdict of a fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// By stamp.
    pub stamps: BTreeMap<StampName, Finding>,
    /// By geode.
    pub geodes: BTreeMap<GeodeName, Finding>,
    /// Every vantage that is expected or has reported; those that can see have no reason for silence.
    pub vantages: BTreeMap<VantageName, Option<Silence>>,
    /// Regions of which at least half of the expected vantages can see.
    pub sighted_regions: BTreeSet<RegionName>,
}

/// Judges every stamp and geode of the fleet by the reports on the table.
pub fn assess(fleet: &Fleet, table: &Table) -> Assessment {
    let eyes: BTreeMap<&VantageName, Result<&Report, Silence>> =
        fleet.vantages.iter().map(|(name, region)| (name, eye(table.seats.get(name), region))).collect();
    let stamps: BTreeMap<StampName, Finding> =
        fleet.stamps.values().map(|stamp| (stamp.name.clone(), judge_stamp(fleet, &eyes, stamp))).collect();
    let geodes =
        fleet.geodes.values().map(|geode| (geode.name.clone(), judge_geode(fleet, &stamps, geode))).collect();
    let unlisted = table.seats.keys().map(|name| (name.clone(), Some(Silence::Unlisted)));
    let listed = eyes.iter().map(|(name, eye)| ((*name).clone(), eye.err()));
    Assessment {
        stamps,
        geodes,
        vantages: unlisted.chain(listed).collect(),
        sighted_regions: sighted_regions(fleet, &eyes),
    }
}

/// A vantage's report, if it may be counted at all.
fn eye<'a>(seat: Option<&'a Seat>, region: &RegionName) -> Result<&'a Report, Silence> {
    let seat = seat.ok_or(Silence::NoReport)?;
    match seat.report.sight {
        _ if seat.report.region != *region => Err(Silence::Unlisted),
        _ if !seat.fresh => Err(Silence::Stale),
        Sight::Blind => Err(Silence::Blind),
        Sight::ClockSkewed => Err(Silence::ClockSkewed),
        Sight::Sighted => Ok(&seat.report),
    }
}

fn sighted_regions(
    fleet: &Fleet,
    eyes: &BTreeMap<&VantageName, Result<&Report, Silence>>,
) -> BTreeSet<RegionName> {
    let sighted = |region: &RegionName| {
        let expected = fleet.vantages.values().filter(|r| *r == region).count();
        let can_see = fleet.vantages.iter().filter(|(name, r)| *r == region && eyes[*name].is_ok()).count();
        can_see * 2 >= expected
    };
    fleet.vantage_regions().into_iter().filter(|region| sighted(region)).cloned().collect()
}

fn judge_stamp(
    fleet: &Fleet,
    eyes: &BTreeMap<&VantageName, Result<&Report, Silence>>,
    stamp: &Stamp,
) -> Finding {
    let votes: BTreeMap<VantageName, Vote> = fleet
        .vantages
        .iter()
        .map(|(name, region)| {
            (name.clone(), vote(eyes[name], region.clone(), stamp, &fleet.policy.detection))
        })
        .collect();
    let regions = fleet
        .vantage_regions()
        .into_iter()
        .map(|region| {
            (region.clone(), majority(&votes.values().filter(|v| v.region == *region).collect::<Vec<_>>()))
        })
        .collect();
    let mut finding = Finding {
        verdict: Verdict::Unknown,
        cut_off: false,
        own: stamp.geode.as_str().into(),
        regions,
        votes,
        sentence: String::new(),
        advisory: None,
    };
    let (up, down) = (finding.count(Voice::Up), finding.count(Voice::Down));
    finding.verdict = if down >= evidence_regions() {
        Verdict::Unhealthy
    } else if up > down {
        Verdict::Healthy
    } else if down > 0 {
        Verdict::Degraded
    } else {
        Verdict::Unknown
    };
    finding.advisory = sentence::stamp_advisory(&finding);
    conclude(finding, "vantages")
}

fn vote(eye: Result<&Report, Silence>, region: RegionName, stamp: &Stamp, by: &Detection) -> Vote {
    let mut vote =
        Vote { region, voice: Voice::Unknown, lasting: Duration::ZERO, failure: None, silence: None };
    let sample = match eye.map(|report| report.samples.get(&stamp.name)) {
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
        Voice::Down if !sample.ever_passed => vote.silence = Some(Silence::NeverPassed),
        voice => {
            vote.voice = voice;
            vote.lasting = stamp.tick() * u32::from(smoothed.ticks);
        }
    }
    vote
}

/// A region speaks when at least half of its expected vantages can tell, and more than half of those agree.
fn majority(votes: &[&Vote]) -> RegionSays {
    let lasting = |voice| {
        let mut lasting: Vec<Duration> =
            votes.iter().filter(|vote| vote.voice == voice).map(|vote| vote.lasting).collect();
        lasting.sort_unstable_by(|a, b| b.cmp(a));
        lasting
    };
    let (up, down) = (lasting(Voice::Up), lasting(Voice::Down));
    let known = up.len() + down.len();
    let mut says = RegionSays {
        up: up.len() as u64,
        down: down.len() as u64,
        of: known as u64,
        failure: votes.iter().filter(|vote| vote.voice == Voice::Down).find_map(|vote| vote.failure),
        ..RegionSays::default()
    };
    if known * 2 < votes.len() {
        return says;
    }
    // The majority has stood for as long as its last necessary member has.
    let last_needed = known / 2;
    for (voice, lasting) in [(Voice::Up, up), (Voice::Down, down)] {
        if let Some(lasting) = lasting.get(last_needed) {
            says.voice = voice;
            says.lasting = *lasting;
        }
    }
    says
}

fn judge_geode(fleet: &Fleet, findings: &BTreeMap<StampName, Finding>, geode: &Geode) -> Finding {
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
        cut_off: false,
        own: geode.name.as_str().into(),
        regions,
        votes: BTreeMap::new(),
        sentence: String::new(),
        advisory: None,
    };
    let all = |verdict| stamps.iter().all(|(_, finding)| finding.verdict == verdict);
    finding.verdict = if finding.count(Voice::Down) >= evidence_regions() {
        Verdict::Unhealthy
    } else if stamps.is_empty() || all(Verdict::Unknown) {
        Verdict::Unknown
    } else if all(Verdict::Healthy) {
        Verdict::Healthy
    } else if finding.doubt()
        || stamps.iter().any(|(_, f)| matches!(f.verdict, Verdict::Degraded | Verdict::Unhealthy))
    {
        Verdict::Degraded
    } else {
        Verdict::Unknown
    };
    finding.advisory = sentence::geode_advisory(&finding);
    if matches!(finding.verdict, Verdict::Degraded | Verdict::Unknown) {
        finding.sentence = sentence::geode_in_part(finding.verdict, &stamps);
    }
    conclude(finding, "units")
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
    let (up, down) = (units(Voice::Up), units(Voice::Down));
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

/// Fills in what follows from the verdict.
fn conclude(mut finding: Finding, counted_in: &str) -> Finding {
    let inside = finding.regions.get(&finding.own).map(|says| says.voice);
    finding.cut_off = finding.verdict == Verdict::Unhealthy && inside == Some(Voice::Up);
    if finding.sentence.is_empty() {
        finding.sentence = sentence::verdict(&finding, counted_in);
    }
    finding
}
