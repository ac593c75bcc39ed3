//! What each status says: from one picture, without a client.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use crds::conditions::{self, Condition, Truth};
use serde::Serialize;
use serde_json::Value;
use stamps::{
    failover::{FleetState, Phase, Picture, Restored, Run, StepState, Subject},
    fleet::{Fleet, Load},
    names::{GeodeName, StampName, ZoneName},
    verdict::{Finding, Verdict},
    view::Scores,
};

use super::Target;
use crate::watch::Seen;

/// A change of verdict is written at once. Ages, digits and single voices change all the time, and a fleet in trouble
/// would cost the API server a write for each: they are refreshed at this pace.
const WORDS_EVERY: Duration = Duration::from_secs(30);

/// A status that is due.
#[derive(Debug)]
pub(super) struct Projection {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// As it is written.
    pub(super) status: Value,
    /// As it is compared: without moments that say nothing new.
    pub(super) compared: Value,
}

/// Everything that a status is made from.
#[derive(Clone, Copy)]
struct Source<'a> {
    seen: &'a Seen,
    picture: &'a Picture,
    fleet: &'a Fleet,
    state: &'a FleetState,
    scores: &'a Scores,
    now: DateTime<Utc>,
    /// The same moment, to be compared.
    at: Instant,
}

impl Source<'_> {
    fn generation(&self, kind: &'static str, name: &str) -> Option<i64> {
        self.seen.generations.get(&(kind, name.to_owned())).copied()
    }

    fn shares(&self) -> BTreeMap<StampName, u32> {
        self.state.routes.shares(self.fleet)
    }
}

/// What a status repeats from the one before it.
#[derive(Debug, Default)]
pub(super) struct Memory {
    conditions: BTreeMap<Target, Vec<Condition>>,
    words: BTreeMap<Target, Words>,
}

/// What is said about a geode or stamp besides counts.
#[derive(Clone, Debug)]
struct Words {
    verdict: String,
    since: DateTime<Utc>,
    advisory: Option<String>,
    available: Available,
    nines: Option<String>,
    evacuable: Option<Available>,
    /// When this was last taken from the assessment.
    at: Instant,
}

/// Type, truth, reason and message of a condition.
type Available = (&'static str, Truth, &'static str, String);

impl Memory {
    /// Every status, as the picture has it.
    pub(super) fn statuses(
        &mut self,
        seen: &Seen,
        picture: &Picture,
        scores: &Scores,
        register: &str,
    ) -> Vec<Projection> {
        let (Some(state), Some(fleet)) = (&picture.state, &picture.fleet) else { return Vec::new() };
        let from = Source { seen, picture, fleet, state, scores, now: Utc::now(), at: Instant::now() };
        let mut all = Vec::new();
        all.extend(self.fleet(from, register));
        for name in fleet.geodes.keys() {
            all.extend(self.geode(from, name));
        }
        for name in fleet.stamps.keys() {
            all.extend(self.stamp(from, name));
        }
        for zone in fleet.zones.keys() {
            all.extend(self.traffic_policy(from, zone));
        }
        // Of runs, a register that is not believed knows less than their own objects.
        let believed = state.restored.is_none();
        for (name, run) in state.runs.iter().filter(|(_, run)| believed && run.uid.is_some()) {
            all.extend(self.run(from, name.as_str(), run));
        }
        for name in &picture.leftovers {
            all.extend(self.leftover(from, name.as_str()));
        }
        all
    }

    /// `Ready`: the object is in the snapshot as it stands, or the reason why it is not.
    fn ready(
        &mut self,
        from: Source<'_>,
        kind: &'static str,
        name: &str,
        others: &[(&str, Truth, &str, String)],
    ) -> Vec<Condition> {
        let generation = from.generation(kind, name);
        let list = self.conditions.entry((kind, name.to_owned())).or_default();
        let left_out = from.seen.left_out.iter().find(|out| out.kind == kind && out.name == name);
        let restored = from.state.restored.as_ref().filter(|_| kind == "Fleet").map(Restored::sentence);
        let said = match (&restored, left_out) {
            (Some(sentence), _) => ("Restored", sentence.as_str()),
            (None, Some(out)) => ("Invalid", out.reason.as_str()),
            (None, None) => ("Reconciled", "the spec is in force"),
        };
        let ready = restored.is_none() && left_out.is_none();
        conditions::set(list, conditions::READY, ready, said, generation, from.now);
        for (type_, truth, reason, message) in others {
            conditions::set(list, type_, *truth, (reason, message), generation, from.now);
        }
        list.clone()
    }

    /// What is said about a subject: anew if its verdict has changed, else from time to time.
    fn words(
        &mut self,
        target: Target,
        finding: Option<&Finding>,
        nines: Option<String>,
        now: DateTime<Utc>,
        at: Instant,
    ) -> Words {
        let verdict = verdict_text(finding);
        let known = self.words.get(&target).filter(|known| known.verdict == verdict);
        if let Some(known) = known.filter(|known| at.duration_since(known.at) < WORDS_EVERY) {
            return known.clone();
        }
        let words = Words {
            since: known.map_or(now, |known| known.since),
            verdict,
            advisory: finding.and_then(|finding| finding.advisory.clone()),
            available: available(finding),
            nines,
            evacuable: None,
            at,
        };
        self.words.insert(target, words.clone());
        words
    }

    fn fleet(&mut self, from: Source<'_>, register: &str) -> Option<Projection> {
        let Source { picture, fleet, state, .. } = from;
        let healthy = |found: &mut dyn Iterator<Item = &Finding>| {
            let verdicts: Vec<Verdict> = found.map(|finding| finding.verdict).collect();
            let well = verdicts.iter().filter(|verdict| **verdict == Verdict::Healthy).count();
            format!("{well}/{}", verdicts.len())
        };
        let geodes = healthy(&mut picture.assessment.geodes.values());
        let stamps = healthy(&mut picture.assessment.stamps.values());
        let serving = state
            .routes
            .serving(fleet)
            .iter()
            .filter(|name| verdict(picture.assessment.stamps.get(*name)) == Verdict::Healthy)
            .count();
        let available = (
            conditions::AVAILABLE,
            (serving > 0).into(),
            "Serving",
            format!("{serving} healthy stamps serve"),
        );
        let status = crds::FleetStatus {
            observed_generation: from.generation("Fleet", crds::FLEET),
            epoch: state.point.epoch,
            register_uid: Some(register.to_owned()),
            leader: Some(state.leader.to_string()),
            geodes: Some(geodes),
            stamps: Some(stamps),
            // Every commit would be a write; the register itself tells the number.
            observed_through: None,
            updated_at: None,
            conditions: self.ready(from, "Fleet", crds::FLEET, &[available]),
        };
        projection("Fleet", crds::FLEET, &status)
    }

    fn geode(&mut self, from: Source<'_>, name: &GeodeName) -> Option<Projection> {
        let Source { picture, fleet, state, .. } = from;
        let finding = picture.assessment.geodes.get(name);
        let target = ("Geode", name.to_string());
        let mut words = self.words(target.clone(), finding, None, from.now, from.at);
        if words.evacuable.is_none() {
            // As old as the other words: it looks at every bucket, and changes with every digit of load.
            words.evacuable = Some(evacuable(picture, name));
            self.words.insert(target, words.clone());
        }
        let shares = from.shares();
        let mine: u32 = fleet.stamps_of(name).filter_map(|stamp| shares.get(&stamp.name)).sum();
        let all: u32 = shares.values().sum();
        let status = crds::GeodeStatus {
            observed_generation: from.generation("Geode", name.as_str()),
            epoch: state.point.epoch,
            verdict: Some(words.verdict),
            verdict_since: Some(words.since),
            advisory: words.advisory,
            share: Some(format!("{mine}/{all}")),
            nines: words.nines,
            evacuated_since: state.out.get(&Subject::Geode(name.clone())).map(|out| out.since),
            conditions: self.ready(
                from,
                "Geode",
                name.as_str(),
                &[Some(words.available), words.evacuable].into_iter().flatten().collect::<Vec<_>>(),
            ),
        };
        projection("Geode", name.as_str(), &status)
    }

    fn stamp(&mut self, from: Source<'_>, name: &StampName) -> Option<Projection> {
        let Source { picture, fleet, state, .. } = from;
        // A stamp without an object is remembered by the register and has no status.
        let generation = from.generation("Stamp", name.as_str())?;
        let stamp = fleet.stamps.get(name)?;
        let finding = picture.assessment.stamps.get(name);
        let nines = from.scores.get(name).map(|score| score.headline.short());
        let words = self.words(("Stamp", name.to_string()), finding, nines, from.now, from.at);
        let load = home_load(fleet, name);
        let status = crds::StampStatus {
            observed_generation: Some(generation),
            epoch: state.point.epoch,
            verdict: Some(words.verdict),
            verdict_since: Some(words.since),
            advisory: words.advisory,
            share: Some(format!("{}/{}", from.shares().get(name).unwrap_or(&0), stamp.buckets)),
            nines: words.nines,
            tenants: Some(format!("{}/{}", load.tenants, stamp.capacity.tenants)),
            units: Some(format!("{}/{}", load.units, stamp.capacity.units)),
            conditions: self.ready(from, "Stamp", name.as_str(), &[words.available]),
            ..crds::StampStatus::default()
        };
        projection("Stamp", name.as_str(), &status)
    }

    fn traffic_policy(&mut self, from: Source<'_>, zone: &ZoneName) -> Option<Projection> {
        let Source { seen, picture, state, .. } = from;
        let policy = &seen.roads.get(zone)?.policy;
        let zone_state = state.zones.get(zone);
        let applied = zone_state.and_then(|state| state.applied.as_ref());
        let servers = picture.zones.get(zone).map(|look| &look.observation.servers);
        let showing = servers.map_or(0, |servers| servers.iter().filter(|server| server.matches).count());
        let reached = zone_state.is_some_and(|state| state.applied.as_ref() == Some(&state.wanted));
        let trouble = picture.troubles.iter().find(|trouble| trouble.contains(zone.as_str()));
        let serves = match (reached, trouble) {
            (_, Some(trouble)) => (Truth::False, "UpdateFailing", trouble.clone()),
            (false, None) => (Truth::Unknown, "Updating", "an update is under way".to_owned()),
            (true, None) => (Truth::True, "Serving", "the primary holds what is wanted".to_owned()),
        };
        let accepted =
            (conditions::ACCEPTED, Truth::True, "Admitted", format!("{zone} is managed by this policy"));
        let available = (conditions::AVAILABLE, serves.0, serves.1, serves.2);
        let status = crds::TrafficPolicyStatus {
            observed_generation: from.generation("TrafficPolicy", policy),
            epoch: state.point.epoch,
            fence: applied.map(|content| content.point.to_string()),
            fence_level: Some("Enforced".to_owned()),
            servers: servers.map(|servers| format!("{showing}/{}", servers.len())),
            conditions: self.ready(from, "TrafficPolicy", policy, &[accepted, available]),
        };
        projection("TrafficPolicy", policy, &status)
    }

    fn run(&mut self, from: Source<'_>, name: &str, run: &Run) -> Option<Projection> {
        let (epoch, now) = (from.state.point.epoch, from.now);
        let list = self.conditions.entry(("Failover", name.to_owned())).or_default();
        let phase = format!("{:?}", run.phase);
        let said = (phase.as_str(), run.reason.as_str());
        conditions::set(list, conditions::FINISHED, run.phase.is_end(), said, None, now);
        let succeeded = match run.phase {
            Phase::Succeeded => Truth::True,
            phase if phase.is_end() => Truth::False,
            _ => Truth::Unknown,
        };
        conditions::set(list, conditions::SUCCEEDED, succeeded, said, None, now);
        conditions::set(list, conditions::HELD, run.phase == Phase::Held, said, None, now);
        let status = crds::FailoverStatus { conditions: list.clone(), ..run_status(run, epoch, &phase) };
        projection("Failover", name, &status)
    }

    /// An object whose run is over, or was lost with a register: it ends without having run.
    fn leftover(&mut self, from: Source<'_>, name: &str) -> Option<Projection> {
        let list = self.conditions.entry(("Failover", name.to_owned())).or_default();
        let message = "FoundOnBoot: a run of this name was there before, and what became of it is not known any more; \
                       create a new Failover to run it";
        let said = ("Expired", message);
        conditions::set(list, conditions::FINISHED, true, said, None, from.now);
        conditions::set(list, conditions::SUCCEEDED, false, said, None, from.now);
        let status = crds::FailoverStatus {
            epoch: from.state.point.epoch,
            phase: Some("Expired".to_owned()),
            message: Some(message.to_owned()),
            conditions: list.clone(),
            ..crds::FailoverStatus::default()
        };
        projection("Failover", name, &status)
    }
}

fn run_status(run: &Run, epoch: i64, phase: &str) -> crds::FailoverStatus {
    let step = run.steps.iter().zip(1..).find(|(step, _)| step.state != StepState::Processed);
    crds::FailoverStatus {
        observed_generation: None,
        epoch,
        subject: Some(run.subject.to_string()),
        phase: Some(phase.to_owned()),
        step: step.map(|(step, n)| format!("{:?} {n}/{}", step.kind, run.steps.len())),
        message: Some(run.reason.chars().take(2000).collect()),
        plan: run.plan.as_ref().map(|plan| {
            let mut by_stamp: BTreeMap<&StampName, i64> = BTreeMap::new();
            for mv in &plan.moves {
                *by_stamp.entry(&mv.to).or_default() += 1;
            }
            crds::failover::Plan {
                moves: i64::try_from(plan.moves.len()).unwrap_or(i64::MAX),
                by_stamp: by_stamp
                    .into_iter()
                    .map(|(stamp, buckets)| crds::failover::Taken { stamp: stamp.to_string(), buckets })
                    .collect(),
                plan_hash: plan.hash.clone(),
            }
        }),
        steps: run
            .steps
            .iter()
            .map(|step| crds::failover::Step {
                kind: format!("{:?}", step.kind),
                state: format!("{:?}", step.state),
                attempt: i64::from(step.attempt),
                started_at: step.reached.get(&StepState::Processing).copied(),
                finished_at: step.reached.get(&StepState::Processed).copied(),
                result: None,
                reason: step.result.as_ref().map(|result| result.chars().take(1000).collect()),
            })
            .collect(),
        timeline: run
            .timeline
            .iter()
            .map(|said| crds::failover::Entry {
                at: said.at,
                sentence: said.sentence.chars().take(1000).collect(),
            })
            .collect(),
        detected_at: run.times.detected,
        decided_at: run.times.decided,
        shifted_at: run.times.shifted,
        ended_at: run.times.ended,
        conditions: Vec::new(),
    }
}

fn verdict(finding: Option<&Finding>) -> Verdict {
    finding.map_or(Verdict::Unknown, |finding| finding.verdict)
}

fn verdict_text(finding: Option<&Finding>) -> String {
    format!("{:?}", verdict(finding))
}

/// `Evacuable`, with everything that stands in the way.
fn evacuable(picture: &Picture, geode: &GeodeName) -> Available {
    let Some(hindrances) = stamps::view::hindrances(picture, geode) else {
        return (conditions::EVACUABLE, Truth::Unknown, "NotYetKnown", "nothing is known yet".to_owned());
    };
    let Some(first) = hindrances.first() else {
        let message = format!("a failover away from {geode} would work now");
        return (conditions::EVACUABLE, Truth::True, "Evacuable", message);
    };
    let sentences: Vec<&str> = hindrances.iter().map(|hindrance| hindrance.sentence.as_str()).collect();
    (conditions::EVACUABLE, Truth::False, first.obstacle.word(), sentences.join("; "))
}

/// `Available`, with the regions that say so; ages and counts stand in the status API.
fn available(finding: Option<&Finding>) -> Available {
    let (truth, reason) = match verdict(finding) {
        Verdict::Healthy => (Truth::True, "Healthy"),
        Verdict::Degraded => (Truth::True, "Degraded"),
        Verdict::Unhealthy => (Truth::False, "Unhealthy"),
        Verdict::CutOff => (Truth::False, "CutOff"),
        Verdict::Unknown => (Truth::Unknown, "Unknown"),
    };
    let says = |voice| -> Vec<&str> {
        finding
            .into_iter()
            .flat_map(Finding::outside)
            .filter(|(_, says)| says.voice == voice)
            .map(|(region, _)| region.as_str())
            .collect()
    };
    let (up, down) = (says(stamps::verdict::Voice::Up), says(stamps::verdict::Voice::Down));
    let or_none = |list: Vec<&str>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let message = format!("outside regions that say Up: {}; that say Down: {}", or_none(up), or_none(down));
    (conditions::AVAILABLE, truth, reason, message)
}

fn home_load(fleet: &Fleet, stamp: &StampName) -> Load {
    fleet.load.iter().filter(|((home, _), _)| home == stamp).fold(Load::default(), |sum, (_, load)| Load {
        tenants: sum.tenants + load.tenants,
        units: sum.units + load.units,
        ..sum
    })
}

fn projection(kind: &'static str, name: &str, status: &impl Serialize) -> Option<Projection> {
    let status = serde_json::to_value(status)
        .inspect_err(|error| tracing::error!(kind, name, %error, "a status cannot be written as JSON"))
        .ok()?;
    Some(Projection { kind, name: name.to_owned(), compared: status.clone(), status })
}
