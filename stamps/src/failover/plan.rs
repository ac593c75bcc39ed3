//! What a run would move where. Pure, and the same for a dry run, a person and automation.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{
    run::{Plan, Targets, count_buckets},
    state::{FleetState, Mode, Subject},
};
use crate::{
    fleet::{DataMode, Fleet, GeodeLifecycle, Ramp, Stamp, StampLifecycle},
    names::StampName,
    routing::{Move, Routes, effective},
    verdict::{Assessment, Verdict},
};

/// Why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// The subject does not exist.
    #[error("{0} does not exist in this fleet; `kubectl get geodes,stamps` lists what does")]
    UnknownSubject(Subject),
    /// Part of the subject has data that only one stamp may write.
    #[error(
        "DataModeUnsupported: {} of {subject} {} SingleWriter data; moving them needs a fence and a promotion, which \
         this version does not do",
        stamps.join(", "),
        if stamps.len() == 1 { "has" } else { "have" }
    )]
    DataModeUnsupported {
        /// The subject.
        subject: Subject,
        /// Its single-writer stamps.
        stamps: Vec<String>,
    },
    /// There is nothing to move.
    #[error("{0}")]
    NothingToMove(String),
    /// No stamp may take the load.
    #[error("no stamp may take the load of {subject}: {}", reasons(not_chosen))]
    NoTarget {
        /// The subject.
        subject: Subject,
        /// Why each stamp was not chosen.
        not_chosen: BTreeMap<StampName, String>,
    },
}

fn reasons(not_chosen: &BTreeMap<StampName, String>) -> String {
    let mut texts: Vec<String> =
        not_chosen.iter().take(6).map(|(stamp, reason)| format!("{stamp} {reason}")).collect();
    if not_chosen.len() > texts.len() {
        texts.push(format!("and {} more", not_chosen.len() - texts.len()));
    }
    if texts.is_empty() { "there is no other stamp".to_owned() } else { texts.join(", ") }
}

impl Plan {
    /// The plan in one sentence.
    pub fn sentence(&self) -> String {
        let to: Vec<String> = count_buckets(&self.moves)
            .into_iter()
            .map(|(stamp, count)| format!("{stamp} +{count}"))
            .collect();
        let stages =
            if self.stages.len() > 1 { format!(", in {} stages", self.stages.len()) } else { String::new() };
        let left = match self.left.len() {
            0 => String::new(),
            left => format!("; {left} buckets fit nowhere and stay"),
        };
        format!(
            "{} buckets with {} tenants move ({}){stages}{left}",
            self.moves.len(),
            self.tenants,
            to.join(", ")
        )
    }

    /// How many moves are made once `stage` stages have begun.
    pub fn until(&self, stage: u32) -> usize {
        match stage.checked_sub(1).map(|last| self.stages.get(last as usize)) {
            None => 0,
            Some(Some(until)) => (*until as usize).min(self.moves.len()),
            Some(None) => self.moves.len(),
        }
    }

    /// Whether every stage has begun.
    pub fn is_through(&self, stage: u32) -> bool {
        self.until(stage) == self.moves.len()
    }

    /// Cut into the stages of a ramp, each a bucket at least. A stage that would move nothing falls out.
    fn cut(mut self, ramp: &Ramp) -> Self {
        let all = self.moves.len();
        let mut stages: Vec<u32> = ramp
            .stages_pct
            .iter()
            .filter_map(|pct| u32::try_from((all * *pct as usize).div_ceil(100).min(all)).ok())
            .collect();
        stages.extend(u32::try_from(all));
        stages.dedup();
        self.stages = stages;
        self
    }

    fn new(
        fleet: &Fleet,
        routes: &Routes,
        moves: Vec<Move>,
        not_chosen: BTreeMap<StampName, String>,
    ) -> Self {
        let before = moves.iter().map(|mv| effective(routes, &mv.home, mv.bucket).clone()).collect();
        let mut hash = Sha256::new();
        for mv in &moves {
            hash.update(format!("{}/{}>{}\n", mv.home, mv.bucket, mv.to));
        }
        let tenants = moves.iter().map(|mv| fleet.load_of(&mv.home, mv.bucket).tenants).sum();
        Self {
            moves,
            hash: hex(&hash.finalize()[..8]),
            tenants,
            not_chosen,
            before,
            stages: Vec::new(),
            planned: false,
            left: Vec::new(),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Makes the plan of a run.
pub fn plan(
    fleet: &Fleet,
    state: &FleetState,
    assessment: &Assessment,
    subject: &Subject,
    mode: Mode,
    targets: &Targets,
) -> Result<Plan, NoPlan> {
    let sources = writable(fleet, subject)?;
    let plan = match mode {
        Mode::Failover => {
            let planned = is_well(fleet, state, assessment, &sources);
            let plan = evacuate(fleet, state, assessment, subject, &sources, targets, planned)?;
            Plan { planned, ..plan }
        }
        Mode::Failback => Plan { planned: true, ..bring_home(fleet, state, subject, &sources)? },
    };
    let ramp = fleet.policy.ramps.of(mode, plan.planned);
    Ok(plan.cut(ramp))
}

/// What would move where if the subject were down now.
pub fn evacuation(
    fleet: &Fleet,
    state: &FleetState,
    assessment: &Assessment,
    subject: &Subject,
) -> Result<Plan, NoPlan> {
    let sources = writable(fleet, subject)?;
    evacuate(fleet, state, assessment, subject, &sources, &Targets::default(), false)
}

/// The stamps of a subject, if this version can move the data of each.
fn writable(fleet: &Fleet, subject: &Subject) -> Result<BTreeSet<StampName>, NoPlan> {
    let sources = subject.stamps(fleet);
    if sources.is_empty() {
        return Err(NoPlan::UnknownSubject(subject.clone()));
    }
    let single_writers: Vec<String> = sources
        .iter()
        .filter(|name| fleet.stamps.get(*name).is_some_and(|stamp| stamp.data == DataMode::SingleWriter))
        .map(ToString::to_string)
        .collect();
    if single_writers.is_empty() {
        Ok(sources)
    } else {
        Err(NoPlan::DataModeUnsupported { subject: subject.clone(), stamps: single_writers })
    }
}

/// Every source that serves is Healthy: leaving it is a plan, not an emergency.
fn is_well(
    fleet: &Fleet,
    state: &FleetState,
    assessment: &Assessment,
    sources: &BTreeSet<StampName>,
) -> bool {
    let healthy = |stamp: &StampName| {
        assessment
            .stamps
            .get(stamp)
            .is_some_and(|finding| finding.verdict == Verdict::Healthy && !finding.doubt())
    };
    sources.iter().all(|stamp| healthy(stamp) || state.routes.served_by(fleet, stamp).is_empty())
}

/// Every bucket that a source serves goes to the allowed target that then carries least.
fn evacuate(
    fleet: &Fleet,
    state: &FleetState,
    assessment: &Assessment,
    subject: &Subject,
    sources: &BTreeSet<StampName>,
    targets: &Targets,
    planned: bool,
) -> Result<Plan, NoPlan> {
    let mut leaving: Vec<_> =
        sources.iter().flat_map(|source| state.routes.served_by(fleet, source)).collect();
    if leaving.is_empty() {
        return Err(NoPlan::NothingToMove(format!(
            "{subject} serves no bucket; there is nothing to move away"
        )));
    }
    let mut not_chosen = BTreeMap::new();
    let mut candidates: BTreeMap<&StampName, Candidate<'_>> = BTreeMap::new();
    for stamp in fleet.stamps.values().filter(|stamp| !sources.contains(&stamp.name)) {
        match unfit(fleet, assessment, targets, stamp) {
            Some(reason) => {
                not_chosen.insert(stamp.name.clone(), reason);
            }
            None => {
                candidates.insert(&stamp.name, Candidate::new(fleet, state, stamp));
            }
        }
    }
    if candidates.is_empty() {
        return Err(NoPlan::NoTarget { subject: subject.clone(), not_chosen });
    }
    // Important ones first, as long as there is room; then largest first, which packs best. Names break ties, so the
    // same input gives the same plan.
    leaving.sort_by_key(|(home, bucket)| {
        let load = fleet.load_of(home, *bucket);
        (load.tier, std::cmp::Reverse(load.units), home.clone(), *bucket)
    });
    let mut moves = Vec::with_capacity(leaving.len());
    let mut left = Vec::new();
    for (home, bucket) in leaving {
        let units = u64::from(fleet.load_of(&home, bucket).units);
        let may_hold = |c: &&Candidate<'_>| {
            fleet.residency_missed(&home, bucket, &c.stamp.name).is_none() && (planned || c.has_room(units))
        };
        let best = if candidates.contains_key(&home) {
            // A bucket that was away goes home when its home is fit.
            Some(home.clone())
        } else {
            candidates.values().filter(may_hold).min_by_key(|c| c.rank(units)).map(|c| c.stamp.name.clone())
        };
        if let Some(to) = best {
            if let Some(candidate) = candidates.get_mut(&to) {
                candidate.take(units);
            }
            moves.push(Move { home, bucket, to });
        } else {
            left.push((home, bucket));
        }
    }
    if moves.is_empty() {
        for name in candidates.keys() {
            not_chosen.insert((*name).clone(), "has no room, or lies outside the residency zone".to_owned());
        }
        return Err(NoPlan::NoTarget { subject: subject.clone(), not_chosen });
    }
    moves.sort();
    left.sort();
    Ok(Plan { left, ..Plan::new(fleet, &state.routes, moves, not_chosen) })
}

/// A target while buckets are being assigned.
struct Candidate<'a> {
    stamp: &'a Stamp,
    order: u32,
    units: u64,
    buckets: u64,
}

impl<'a> Candidate<'a> {
    fn new(fleet: &Fleet, state: &FleetState, stamp: &'a Stamp) -> Self {
        let served = state.routes.served_by(fleet, &stamp.name);
        let units = served.iter().map(|(home, bucket)| u64::from(fleet.load_of(home, *bucket).units)).sum();
        let order = fleet.geodes.get(&stamp.geode).map_or(u32::MAX, |geode| geode.failover_order);
        Self { stamp, order, units, buckets: served.len() as u64 }
    }

    /// Lower is better: what it would carry after taking `units`, then order, then name. Half of that is declared load
    /// in permille of its capacity, half the count of buckets in permille of its own: traffic that no tenant declares,
    /// of shared hosts and of tenants to come, goes by buckets.
    fn rank(&self, units: u64) -> (u64, u32, &StampName) {
        let load = (self.units + units) * 1000 / u64::from(self.stamp.capacity.units).max(1);
        let buckets = (self.buckets + 1) * 1000 / u64::from(self.stamp.buckets).max(1);
        (load + buckets, self.order, &self.stamp.name)
    }

    /// Whether it carries at most all that it can after taking `units`.
    fn has_room(&self, units: u64) -> bool {
        units == 0 || self.units + units <= u64::from(self.stamp.capacity.units)
    }

    fn take(&mut self, units: u64) {
        self.units += units;
        self.buckets += 1;
    }
}

/// Why a stamp may not be a target, if it may not.
fn unfit(fleet: &Fleet, assessment: &Assessment, targets: &Targets, stamp: &Stamp) -> Option<String> {
    let geode = fleet.geodes.get(&stamp.geode);
    if !targets.allow(stamp) {
        return Some("is not among the requested targets".to_owned());
    }
    if stamp.lifecycle != StampLifecycle::Active {
        return Some(format!("is {:?}", stamp.lifecycle));
    }
    if geode.is_none_or(|geode| geode.lifecycle == GeodeLifecycle::OutOfRotation) {
        return Some(format!("stands in {}, which is out of rotation", stamp.geode));
    }
    if !fleet.policy.allowed_targets.is_empty() && !fleet.policy.allowed_targets.contains(&stamp.geode) {
        return Some(format!("stands in {}, which the policy does not allow as a target", stamp.geode));
    }
    if stamp.data == DataMode::SingleWriter {
        return Some("has SingleWriter data".to_owned());
    }
    match assessment.stamps.get(&stamp.name).map_or(Verdict::Unknown, |finding| finding.verdict) {
        Verdict::Healthy => None,
        verdict => Some(format!("is {verdict:?}")),
    }
}

/// Every bucket whose home is in the subject goes home. A home that is on its way out, or whose object is gone, takes
/// nothing, not even its own.
fn bring_home(
    fleet: &Fleet,
    state: &FleetState,
    subject: &Subject,
    sources: &BTreeSet<StampName>,
) -> Result<Plan, NoPlan> {
    let homes = sources.iter().filter_map(|name| fleet.stamps.get(name));
    let (leaving, staying): (Vec<&Stamp>, Vec<&Stamp>) =
        homes.partition(|home| home.lifecycle == StampLifecycle::Decommissioned);
    let moves: Vec<Move> = staying
        .into_iter()
        .flat_map(|home| home.bucket_ids().map(move |bucket| (home, bucket)))
        .filter(|(home, bucket)| effective(&state.routes, &home.name, *bucket) != &home.name)
        .map(|(home, bucket)| Move { home: home.name.clone(), bucket, to: home.name.clone() })
        .collect();
    let not_chosen: BTreeMap<StampName, String> = leaving
        .into_iter()
        .map(|home| (home.name.clone(), format!("is {:?} or its object is gone", home.lifecycle)))
        .collect();
    if moves.is_empty() {
        let rest = if not_chosen.is_empty() { String::new() } else { format!(" ({})", reasons(&not_chosen)) };
        return Err(NoPlan::NothingToMove(format!(
            "every bucket of {subject} that may be at home is; there is nothing to bring back{rest}"
        )));
    }
    Ok(Plan::new(fleet, &state.routes, moves, not_chosen))
}
