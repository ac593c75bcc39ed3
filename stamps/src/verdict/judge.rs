//! From reports to verdicts: vantages of a region by majority, then regions, never the subject's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::Fleet,
    mutants::{Mutant, planted},
    names::{GeodeName, RegionName, StampName, VantageName},
    verdict::{Failure, Report, Sight, Verdict, Voice, geode, stamp},
};

/// Regions other than the subject's own that must agree before anything may move.
pub const EVIDENCE_REGIONS: usize = 2;

/// [`EVIDENCE_REGIONS`], unless a fault is planted.
pub(crate) fn evidence_regions() -> usize {
    if planted(Mutant::OneRegionIsEnough) { 1 } else { EVIDENCE_REGIONS }
}

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
    /// How long ago that was. Strips of different vantages are laid side by side by it, so it only says which tick was
    /// about when, and never makes a Down.
    pub age: Duration,
}

impl Table {
    /// Lays a report that has just arrived on the table, in place of the vantage's last one.
    pub fn put(&mut self, report: Report, fresh: bool) {
        self.seats.insert(report.vantage.clone(), Seat { report, fresh, age: Duration::ZERO });
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
    /// Its known ticks do not amount to Up or Down yet.
    TooFewTicks,
    /// It has never seen a full good window since the probe was defined: a failure may be the probe's fault, and a
    /// few good ticks are no history.
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
    /// How often it has seen it fall lately, as far back as its strip goes.
    pub falls: u8,
    /// For how long it must still see it well to say Up; zero unless it says Recovering.
    pub up_in: Duration,
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
    /// The region that the subject stands in, whose word does not count.
    pub own: RegionName,
    /// What every region with an expected vantage says, the own one included.
    pub regions: BTreeMap<RegionName, RegionSays>,
    /// What every expected vantage says; empty for a geode.
    pub votes: BTreeMap<VantageName, Vote>,
    /// The verdict with its numbers, for people.
    pub sentence: String,
    /// Who sees a failure that nothing follows from yet, since when, and what is missing.
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

    pub(super) fn count(&self, voice: Voice) -> usize {
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

/// Every expected vantage with its report, or why that does not count.
pub(super) type Eyes<'a> = BTreeMap<&'a VantageName, Result<&'a Seat, Silence>>;

/// Judges every stamp and geode of the fleet by the reports on the table.
pub fn assess(fleet: &Fleet, table: &Table) -> Assessment {
    let eyes: Eyes<'_> =
        fleet.vantages.iter().map(|(name, region)| (name, eye(table.seats.get(name), region))).collect();
    let regions = fleet.vantage_regions();
    let stamps: BTreeMap<StampName, Finding> = fleet
        .stamps
        .values()
        .map(|stamp| (stamp.name.clone(), stamp::judge(fleet, &regions, &eyes, stamp)))
        .collect();
    let geodes = fleet
        .geodes
        .values()
        .map(|geode| (geode.name.clone(), geode::judge(fleet, &stamps, geode)))
        .collect();
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
fn eye<'a>(seat: Option<&'a Seat>, region: &RegionName) -> Result<&'a Seat, Silence> {
    let seat = seat.ok_or(Silence::NoReport)?;
    match seat.report.sight {
        _ if seat.report.region != *region => Err(Silence::Unlisted),
        _ if !seat.fresh => Err(Silence::Stale),
        Sight::Blind => Err(Silence::Blind),
        Sight::ClockSkewed => Err(Silence::ClockSkewed),
        Sight::Sighted => Ok(seat),
    }
}

fn sighted_regions(fleet: &Fleet, eyes: &Eyes<'_>) -> BTreeSet<RegionName> {
    let sighted = |region: &RegionName| {
        let expected = fleet.vantages.values().filter(|r| *r == region).count();
        let can_see = fleet.vantages.iter().filter(|(name, r)| *r == region && eyes[*name].is_ok()).count();
        can_see * 2 >= expected
    };
    fleet.vantage_regions().into_iter().filter(|region| sighted(region)).cloned().collect()
}
