//! A register that is not the one the world follows: put back from a backup, copied from another hub, or born anew
//! after a loss. It is seen, said, and then nothing is done until a person has confirmed.
//!
//! Confirming moves nothing either: what the world serves at that moment becomes the register's truth, and what should
//! be elsewhere is moved by runs, like everything.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    command::{Key, Settled},
    decide::{Draft, ZoneSeen, remember_stamps},
    event::{Event, Illegal},
    phase::Phase,
    state::{About, Content, FORGOTTEN_MAX, FORMAT_VERSION, FleetState, Origin, Out, Subject, ZoneState},
};
use crate::{
    fleet::{Fleet, Zone},
    names::{Bucket, Explained, FleetUid, Point, RegisterUid, RunName, StampName, ZoneName},
    routing::{
        FenceSeen, Move, Observation, Outcome, Routes, ServerSeen, bucket_host, effective, stamp_host,
    },
};

/// Names that a survey lists one by one.
const NAMED_MAX: usize = 16;

/// What is known of the register itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegisterLife {
    /// Nobody has read it yet.
    #[default]
    Unread,
    /// It is there.
    There,
    /// It was there, and is gone.
    Lost {
        /// The object that was lost; what a person writes to confirm it.
        known: RegisterUid,
    },
    /// It is in a format that this binary does not know.
    TooNew {
        /// The format's version.
        version: i64,
        /// Nobody else was seen to lead.
        alone: bool,
    },
}

impl RegisterLife {
    /// What is wrong and what to do, if something is.
    pub fn sentence(&self) -> Option<String> {
        match self {
            Self::Unread | Self::There => None,
            Self::Lost { known } => Some(format!(
                "the FleetState object {known} is gone; DNS keeps what it holds, nothing moves and nothing starts. Put \
                 the object back from a backup, or begin a new one: kubectl lifeboat state recover"
            )),
            Self::TooNew { version, .. } => Some(format!(
                "the register has format {version} and this binary knows {FORMAT_VERSION}; it does not lead. Run a newer \
                 Lifeboat"
            )),
        }
    }
}

/// Why a register is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// It belongs to another `Fleet` object: another hub's, or of a fleet that was made anew.
    ForeignHub {
        /// The fleet that it names.
        fleet: FleetUid,
    },
    /// Its object is another one than the fleet knows: somebody made it from a copy.
    Copy {
        /// Its UID.
        uid: RegisterUid,
        /// The one that the fleet knows.
        known: RegisterUid,
    },
    /// This replica has seen a later commit of it.
    Older {
        /// That commit.
        seen: Point,
    },
    /// A zone's fence is at a point that none of its commits explains.
    Fence {
        /// Where.
        zone: ZoneName,
        /// The point.
        point: Point,
    },
    /// It was begun anew after a loss.
    BornAgain {
        /// The one that was lost.
        lost: RegisterUid,
    },
}

impl std::fmt::Display for Suspicion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ForeignHub { fleet } => {
                write!(
                    f,
                    "the register belongs to fleet {fleet}, which is not this Fleet object: another hub's"
                )
            }
            Self::Copy { uid, known } => {
                write!(
                    f,
                    "the register is the object {uid}, and this fleet's was {known}: a copy was put in its place"
                )
            }
            Self::Older { seen } => {
                write!(f, "the register is older than its commit {seen}, which was seen before")
            }
            Self::Fence { zone, point } => {
                write!(
                    f,
                    "the fence of {zone} is at {point}, of which the register knows nothing: it is older than the world"
                )
            }
            Self::BornAgain { lost } => {
                write!(f, "the register {lost} was lost, and this one begins with nothing")
            }
        }
    }
}

impl Suspicion {
    fn fence(&self) -> Option<Point> {
        match self {
            Self::Fence { point, .. } | Self::Older { seen: point } => Some(*point),
            Self::ForeignHub { .. } | Self::Copy { .. } | Self::BornAgain { .. } => None,
        }
    }
}

/// On record: this register is not believed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The commit that recorded it. A person confirms this one finding, and no later one by the same word.
    pub found: Point,
    /// Why, in a sentence.
    pub because: String,
    /// Since when, for people.
    pub since: DateTime<Utc>,
    /// The register object that the fleet knew when this was found.
    pub replaces: Option<RegisterUid>,
    /// The newest point of this fleet that was seen anywhere. What comes after a recovery is above it.
    pub newest: Point,
    /// What the world serves, as it was seen last.
    pub survey: Survey,
}

/// What is really served, compared with a register's routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// Buckets that are served elsewhere than the register says, and where.
    pub elsewhere: Vec<Move>,
    /// Other names that differ, the first few. They follow the objects that people write.
    pub others: Vec<String>,
    /// The newest point of a fence.
    pub newest: Point,
    /// Why it cannot be told what is served; none if it can.
    pub unclear: Option<String>,
}

impl Restored {
    /// What a person writes to confirm: the commit that found it.
    pub fn word(&self) -> String {
        self.found.to_string()
    }

    /// What is wrong and what to do, for conditions and pages.
    pub fn sentence(&self) -> String {
        let served = match (&self.survey.unclear, self.survey.elsewhere.len()) {
            (Some(unclear), _) => format!("what is served cannot be told: {unclear}"),
            (None, 0) => "what is served is as the register says".to_owned(),
            (None, count) => format!("{count} buckets are served elsewhere than the register says"),
        };
        format!(
            "{}; {served}. Nothing moves and nothing starts until a person confirms: kubectl lifeboat state recover",
            self.because
        )
    }
}

/// A register that begins after a loss. It knows nothing, and says so.
pub(super) fn born_again(mut born: FleetState, lost: RegisterUid, at: DateTime<Utc>) -> FleetState {
    let replaces = Some(lost.clone());
    born.apply_restore(&Event::FoundRestored { suspicion: Suspicion::BornAgain { lost }, replaces }, at);
    born
}

/// While the register is not believed, everything that there is to decide; false if it is believed.
pub(super) fn observe_only(draft: &mut Draft<'_>) -> Result<bool, Illegal> {
    if draft.state.restored.is_none() {
        let Some(suspicion) = contradicted(&draft.state, draft.world.zones, draft.world.settled) else {
            return Ok(false);
        };
        draft.push(Event::FoundRestored { suspicion, replaces: None })?;
        return Ok(true);
    }
    let survey = survey(draft.world.fleet, &draft.state.routes, draft.world.zones);
    let Some(restored) = &draft.state.restored else { return Ok(true) };
    let confirmed = draft.world.confirmed.is_some_and(|word| *word == restored.word());
    let clear = survey.unclear.is_none();
    if restored.survey != survey {
        draft.push(Event::Surveyed(survey))?;
    }
    if confirmed && clear {
        remember_stamps(draft)?;
        let fleet = draft.world.fleet;
        let zones = fleet.zones.keys().cloned().collect();
        let known = &draft.state.runs;
        let requests = draft.world.requests.iter();
        // Neither those that it has never had, nor those that ended without its knowing: their names are used up.
        let leftovers = requests.filter(|(name, asked)| match known.get(*name) {
            None => true,
            Some(run) => asked.ended && !run.phase.is_end(),
        });
        let leftovers = leftovers.map(|(name, _)| name.clone()).collect();
        draft.push(Event::Recovered { fleet: fleet.uid.clone(), zones, leftovers })?;
    }
    Ok(true)
}

/// A fence out there that this register cannot have sent anybody to write.
fn contradicted(
    state: &FleetState,
    zones: &BTreeMap<ZoneName, ZoneSeen>,
    settled: &BTreeMap<Key, Settled>,
) -> Option<Suspicion> {
    let refused = settled.iter().find_map(|(key, settled)| match (key, &settled.outcome) {
        (Key::Zone { zone, .. }, Outcome::Fenced { by: FenceSeen::Unheard(point) }) => Some((zone, *point)),
        _ => None,
    });
    let shown = || {
        zones.iter().find_map(|(zone, seen)| {
            let points = seen.observation.servers.iter().filter_map(|server| server.point(&state.fleet));
            let newest = points.max()?;
            (!explains(state, zone, newest)).then_some((zone, newest))
        })
    };
    let (zone, point) = refused.or_else(shown)?;
    Some(Suspicion::Fence { zone: zone.clone(), point })
}

fn explains(state: &FleetState, zone: &ZoneName, point: Point) -> bool {
    point.epoch == state.point.epoch
        || match state.zones.get(zone) {
            // Our own fence stands at the primary; a server that gets no transfers may show an earlier one.
            Some(zone) if zone.explained.is_empty() => point < state.point,
            Some(zone) => zone.explained.knows(point),
            None => false,
        }
}

/// What every server that answers shows, if they agree.
fn survey(fleet: &Fleet, routes: &Routes, seen: &BTreeMap<ZoneName, ZoneSeen>) -> Survey {
    let mut survey = Survey::default();
    let mut served: BTreeMap<(StampName, Bucket), StampName> = BTreeMap::new();
    let mut others = BTreeSet::new();
    for zone in fleet.zones.values() {
        let observation = seen.get(&zone.name).map(|seen| &seen.observation);
        match of_zone(fleet, zone, observation) {
            Err(unclear) => survey.unclear = Some(unclear),
            Ok(shown) => {
                survey.newest = survey.newest.max(shown.newest);
                others.extend(shown.others);
                for ((home, bucket), to) in shown.elsewhere {
                    match served.insert((home.clone(), bucket), to.clone()) {
                        Some(other) if other != to => {
                            survey.unclear = Some(format!(
                                "{bucket} of {home} is served by {other} in one zone and by {to} in another"
                            ));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    let moves = served.into_iter().map(|((home, bucket), to)| Move { home, bucket, to });
    survey.elsewhere = moves.filter(|mv| *effective(routes, &mv.home, mv.bucket) != mv.to).collect();
    survey.others = others.into_iter().take(NAMED_MAX).collect();
    survey
}

/// What one zone shows.
struct Shown {
    elsewhere: BTreeMap<(StampName, Bucket), StampName>,
    others: Vec<String>,
    newest: Point,
}

fn of_zone(fleet: &Fleet, zone: &Zone, seen: Option<&Observation>) -> Result<Shown, String> {
    let name = &zone.name;
    let seen = seen.ok_or_else(|| format!("nobody has looked at {name} yet"))?;
    let answering: Vec<&ServerSeen> = seen.servers.iter().filter(|server| server.answered).collect();
    let primary = zone.name_servers.iter().find(|server| server.primary).map(|server| &server.name);
    let Some(truth) = answering.iter().find(|server| Some(&server.server) == primary) else {
        return Err(format!("the primary of {name} does not answer"));
    };
    if let Some(other) = answering.iter().find(|server| server.elsewhere != truth.elsewhere) {
        return Err(format!("{} and {} do not show the same yet", truth.server, other.server));
    }
    let mut shown = Shown {
        elsewhere: BTreeMap::new(),
        others: Vec::new(),
        newest: answering.iter().filter_map(|server| server.point(&fleet.uid)).max().unwrap_or_default(),
    };
    let buckets: BTreeMap<String, (&StampName, Bucket)> = fleet
        .stamps
        .values()
        .flat_map(|stamp| stamp.bucket_ids().map(move |bucket| (&stamp.name, bucket)))
        .map(|(home, bucket)| (bucket_host(name, home, bucket), (home, bucket)))
        .collect();
    let hosts: BTreeMap<String, &StampName> =
        fleet.stamps.keys().map(|stamp| (stamp_host(name, stamp), stamp)).collect();
    for (alias, target) in &truth.elsewhere {
        let Some((home, bucket)) = buckets.get(alias) else { continue };
        let Some(to) = hosts.get(target) else {
            return Err(format!("{alias} leads to {target}, which is no stamp of this fleet"));
        };
        shown.elsewhere.insert(((*home).clone(), *bucket), (*to).clone());
    }
    shown.others.extend(truth.differing.iter().filter(|name| !buckets.contains_key(*name)).cloned());
    Ok(shown)
}

impl FleetState {
    /// Applies what is found about the register itself.
    pub(super) fn apply_restore(&mut self, event: &Event, at: DateTime<Utc>) {
        match event {
            Event::FoundRestored { suspicion, replaces } => {
                let because = suspicion.to_string();
                self.tell(About::Fleet, "Restored", true, because.clone(), at);
                self.restored = Some(Restored {
                    found: self.point,
                    because,
                    since: at,
                    replaces: replaces.clone(),
                    newest: suspicion.fence().unwrap_or_default(),
                    survey: Survey {
                        unclear: Some("nobody has looked at the zones yet".to_owned()),
                        ..Survey::default()
                    },
                });
            }
            Event::Surveyed(survey) => {
                if let Some(restored) = &mut self.restored {
                    restored.newest = restored.newest.max(survey.newest);
                    restored.survey.clone_from(survey);
                }
            }
            Event::Recovered { fleet, zones, leftovers } => {
                if let Some(restored) = self.restored.take() {
                    for run in leftovers {
                        self.runs.remove(run);
                        self.forget(run);
                    }
                    self.recover(restored, fleet, zones, at);
                }
            }
            _ => {}
        }
    }

    fn recover(&mut self, restored: Restored, fleet: &FleetUid, zones: &[ZoneName], at: DateTime<Utc>) {
        // Whatever was sent under an epoch that is not in this history must not be accepted after what comes now.
        if restored.newest.epoch >= self.point.epoch {
            self.point.epoch = restored.newest.epoch + 1;
        }
        let moved = restored.survey.elsewhere.len();
        self.fleet.clone_from(fleet);
        self.replaces = restored.replaces.or_else(|| self.replaces.take());
        self.routes.apply(&restored.survey.elsewhere, self.point);
        self.recount_out();
        self.count_evacuated(at);
        self.end_runs(at);
        // What stands in a zone is not known to be what this register wants; it is written once more, under our fence.
        let unknown = |point| Content { point, hash: String::new() };
        let names: BTreeSet<ZoneName> = self.zones.keys().chain(zones).cloned().collect();
        for name in names {
            let explained = Explained::up_to(restored.newest);
            self.zones.insert(name, ZoneState { wanted: unknown(self.point), applied: None, explained });
        }
        let note =
            format!("a person confirmed the register; {moved} routes were taken over from what is served");
        self.tell(About::Fleet, "Recovered", false, note, at);
    }

    /// Geodes of which nothing is at home are out, whatever emptied them.
    fn count_evacuated(&mut self, at: DateTime<Utc>) {
        let mut at_home = BTreeMap::new();
        for (stamp, record) in &self.stamps {
            let home =
                (0..record.buckets).any(|bucket| effective(&self.routes, stamp, Bucket(bucket)) == stamp);
            *at_home.entry(record.geode.clone()).or_insert(false) |= home;
        }
        let run = RunName::from(format!("recovery-{}-{}", self.point.epoch, self.point.seq));
        for (geode, _) in at_home.into_iter().filter(|(_, home)| !home) {
            let out = Out { run: run.clone(), origin: Origin::Person, since: at };
            self.out.entry(Subject::Geode(geode)).or_insert(out);
        }
    }

    /// What this register believed to be under way is not: the world went on without it.
    fn end_runs(&mut self, at: DateTime<Utc>) {
        let live: Vec<(RunName, Phase)> =
            self.live_runs().map(|(name, run)| (name.clone(), run.phase)).collect();
        for (run, phase) in live {
            let ends = [Phase::Cancelled, Phase::Expired, Phase::Held];
            let Some(to) = ends.into_iter().find(|to| phase.may_become(*to)) else { continue };
            let reason = "the register was recovered; routes are what was served then".to_owned();
            // The phase was just found to be legal, and the run to exist.
            let _ = self.add(&Event::PhaseChanged { run, to, reason }, at);
        }
    }

    /// Remembers the name of a run that is dropped.
    pub(super) fn forget(&mut self, run: &RunName) {
        self.forgotten.push_back(short(run));
        while self.forgotten.len() > FORGOTTEN_MAX {
            self.forgotten.pop_front();
        }
    }

    /// Whether a run of this name was there and was dropped.
    pub fn forgot(&self, run: &RunName) -> bool {
        self.forgotten.contains(&short(run))
    }
}

/// Twelve digits: among some hundred names the chance that two are alike is one in billions.
fn short(run: &RunName) -> String {
    use sha2::{Digest, Sha256};
    super::plan::hex(&Sha256::digest(run.as_str())[..6])
}
