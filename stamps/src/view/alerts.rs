//! What people who look at nothing should be told now.
//!
//! Level, not edge: an alert is in the list for as long as its cause lasts, and whoever sends the list works out what
//! is new and what has ended. So nothing that is lost on the way stays lost. Another kind of alert is one row of
//! [`KINDS`] and the function that says when it fires.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Alarm, headline, run};
use crate::{
    failover::{Closed, FleetState, Mode, Phase, Picture, Run, Subject, hex},
    fleet::{Automation, Fleet},
    names::{RunName, ZoneName},
    routing::FenceSeen,
    safety::{Facts, panic},
    time::Mono,
    verdict::Finding,
};

/// The end of a run is told for as long as Alertmanager by default waits before it calls an alert resolved.
pub const ENDED_FOR: Duration = Duration::from_mins(5);

/// How bad it is, in the words that alert routes are usually written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look now.
    Critical,
}

impl Severity {
    /// As a label's value.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that people should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is and what it is about. Alerts with the same labels are the same alert.
    pub labels: BTreeMap<&'static str, String>,
    /// It does not end well by itself: it is repeated until a person has done something.
    pub needs_person: bool,
    /// When it began, if the register knows.
    pub since: Option<DateTime<Utc>>,
    /// The sentence that events and the page say, too.
    pub summary: String,
    /// Why, what helps, and the next command.
    pub alarm: Alarm,
}

impl Alert {
    /// Its name.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }

    /// Sixteen hexadecimal digits that follow from the labels alone, the same on every replica.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in &self.labels {
            // No label's value holds a line break: they are names.
            hash.update(format!("{name}={value}\n"));
        }
        hex(&hash.finalize()[..8])
    }
}

/// One kind of alert.
struct Kind {
    name: &'static str,
    severity: Severity,
    needs_person: bool,
    firing: fn(&Scene<'_>) -> Vec<Found>,
}

impl Kind {
    const fn new(name: &'static str, severity: Severity, firing: fn(&Scene<'_>) -> Vec<Found>) -> Self {
        Self { name, severity, needs_person: false, firing }
    }

    const fn for_a_person(self) -> Self {
        Self { needs_person: true, ..self }
    }
}

/// Every kind, in the order in which a message lists them: what happens, then what a person is asked for.
const KINDS: [Kind; 12] = [
    Kind::new("Doubt", Severity::Warning, doubt),
    Kind::new("RunStarted", Severity::Warning, |scene| scene.runs(under_way)),
    Kind::new("RunEnded", Severity::Info, |scene| scene.ended(ended_well)),
    Kind::new("RunFailed", Severity::Warning, |scene| scene.ended(|phase| !ended_well(phase))),
    Kind::new("ApprovalWanted", Severity::Critical, |scene| scene.runs(|p| p == Phase::AwaitingApproval))
        .for_a_person(),
    Kind::new("RunPaused", Severity::Warning, |scene| scene.runs(|p| p == Phase::Paused)).for_a_person(),
    Kind::new("RunHeld", Severity::Critical, |scene| scene.runs(stuck)).for_a_person(),
    Kind::new("FailoverHeld", Severity::Critical, failover_held).for_a_person(),
    Kind::new("GateShut", Severity::Critical, gate_shut).for_a_person(),
    Kind::new("Panic", Severity::Critical, panicking).for_a_person(),
    Kind::new("AutomationClosed", Severity::Critical, closed).for_a_person(),
    Kind::new("FencedOut", Severity::Critical, fenced_out).for_a_person(),
];

/// What an alert is about, and what it says.
struct Found {
    about: (&'static str, String),
    subject: Option<Subject>,
    since: Option<DateTime<Utc>>,
    summary: String,
    alarm: Alarm,
}

/// What must be remembered from one picture to the next. It follows every picture, also on a replica that does not
/// lead, so that a new leader knows what is new.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Subjects whose evidence has lasted for half of the hold, for as long as the register doubts them: not seeing a
    /// subject any more is no reason to call its doubt off.
    lasting: BTreeSet<Subject>,
    /// Ended runs, with when this process first saw their end. None: it was there before.
    ends: Option<BTreeMap<RunName, Option<Mono>>>,
    now: Mono,
}

impl Memory {
    /// Takes a picture in.
    pub fn follow(&mut self, picture: &Picture, now: Mono) {
        self.now = now;
        let (Some(state), Some(fleet)) = (&picture.state, &picture.fleet) else { return };
        self.lasting.retain(|subject| state.doubts.contains_key(subject));
        for subject in state.doubts.keys() {
            let (finding, hold) = match subject {
                Subject::Geode(name) => {
                    (picture.assessment.geodes.get(name), fleet.policy.detection.geode_hold)
                }
                Subject::Stamp(name) => {
                    (picture.assessment.stamps.get(name), fleet.policy.detection.stamp_hold)
                }
            };
            if finding.and_then(Finding::evidence_age).is_some_and(|age| age >= hold / 2) {
                self.lasting.insert(subject.clone());
            }
        }
        // What had ended before this process looked for the first time was told by another.
        let first = self.ends.is_none().then_some(None);
        let known = self.ends.take().unwrap_or_default();
        let ended = state.runs.iter().filter(|(_, run)| run.phase.is_end());
        let at = |name: &RunName| first.or_else(|| known.get(name).copied()).unwrap_or(Some(now));
        self.ends = Some(ended.map(|(name, _)| (name.clone(), at(name))).collect());
    }

    fn ended_lately(&self, name: &RunName) -> bool {
        let seen = self.ends.as_ref().and_then(|ends| ends.get(name).copied().flatten());
        seen.is_some_and(|at| self.now.since(at) < ENDED_FOR)
    }
}

/// Every alert that fires, the same kind together. None while the register or the fleet is not known: that says
/// nothing, and ends nothing. `fleet` is the fleet's namespace.
pub fn alerts(picture: &Picture, memory: &Memory, fleet: &str) -> Option<Vec<Alert>> {
    let scene = Scene { picture, memory, state: picture.state.as_ref()?, fleet: picture.fleet.as_ref()? };
    let of = |kind: &Kind| -> Vec<Alert> {
        (kind.firing)(&scene).into_iter().map(|found| alert(kind, found, fleet)).collect()
    };
    Some(KINDS.iter().flat_map(of).collect())
}

fn alert(kind: &Kind, found: Found, fleet: &str) -> Alert {
    let Found { about: (label, value), subject, since, summary, alarm } = found;
    let mut labels = BTreeMap::from([
        ("alertname", kind.name.to_owned()),
        ("severity", kind.severity.word().to_owned()),
        ("product", "lifeboat".to_owned()),
        ("fleet", fleet.to_owned()),
        (label, value),
    ]);
    labels.extend(subject.map(|subject| ("subject", subject.to_string())));
    Alert { labels, needs_person: kind.needs_person, since, summary, alarm }
}

/// What the rows look at.
struct Scene<'a> {
    picture: &'a Picture,
    memory: &'a Memory,
    state: &'a FleetState,
    fleet: &'a Fleet,
}

impl Scene<'_> {
    /// Doubts that have lasted for half of the hold.
    fn doubts(&self, of: impl Fn(&Subject) -> bool) -> Vec<Found> {
        headline::doubted(self.state, self.fleet, &self.picture.assessment)
            .into_iter()
            .filter(|subject| self.memory.lasting.contains(subject) && of(subject))
            .map(|subject| {
                let line = headline::of_doubt(&subject, self.state, self.fleet, &self.picture.assessment);
                let alarm = line.alarm.unwrap_or_else(|| look_at(&headline::describe(&subject)));
                Found {
                    about: ("subject", subject.to_string()),
                    since: self.state.doubts.get(&subject).map(|doubt| doubt.since),
                    subject: None,
                    summary: line.sentence,
                    alarm,
                }
            })
            .collect()
    }

    /// Neither evacuated already nor the matter of a run.
    fn waits(&self, subject: &Subject) -> bool {
        !self.state.out.contains_key(subject)
            && !self.state.live_runs().any(|(_, run)| run.subject == *subject)
    }

    /// Runs that go on, in these phases.
    fn runs(&self, of: fn(Phase) -> bool) -> Vec<Found> {
        let runs = self.state.live_runs().filter(|(_, run)| of(run.phase) && !run.dry_run);
        runs.map(|(name, run)| {
            let line = headline::of_run(name, run);
            let alarm = line.alarm.unwrap_or_else(|| look_at(&run::describe(name)));
            of_run(name, run, line.sentence, run.timeline.front().map(|said| said.at), alarm)
        })
        .collect()
    }

    /// Runs whose end is news. A dry run tells whoever asked for it, by its own object.
    fn ended(&self, of: fn(Phase) -> bool) -> Vec<Found> {
        let news = |(name, run): &(&RunName, &Run)| {
            run.phase.is_end() && of(run.phase) && !run.dry_run && self.memory.ended_lately(name)
        };
        let runs = self.state.runs.iter().filter(news);
        runs.map(|(name, run)| {
            let summary = format!("{:?} of {} is {:?}: {}", run.mode, run.subject, run.phase, run.reason);
            of_run(name, run, summary, run.times.ended, after(name, run))
        })
        .collect()
    }
}

fn of_run(name: &RunName, run: &Run, summary: String, since: Option<DateTime<Utc>>, alarm: Alarm) -> Found {
    Found { about: ("run", name.to_string()), subject: Some(run.subject.clone()), since, summary, alarm }
}

/// What can be done once a run has ended.
fn after(name: &RunName, run: &Run) -> Alarm {
    let alarm = run::alarm(name, run);
    alarm.unwrap_or_else(|| match (run.phase, run.mode) {
        (Phase::Succeeded, Mode::Failover) => Alarm {
            why: run.reason.clone(),
            what_now: "It stays out of service until a person brings it home. Once it is Healthy:".to_owned(),
            command: headline::start(&run.subject, Mode::Failback),
        },
        _ => look_at(&run::describe(name)),
    })
}

fn look_at(command: &str) -> Alarm {
    Alarm {
        why: String::new(),
        what_now: "Nothing needs to be done. To read more:".to_owned(),
        command: command.to_owned(),
    }
}

fn under_way(phase: Phase) -> bool {
    matches!(phase, Phase::Pending | Phase::Running | Phase::Compensating)
}

fn stuck(phase: Phase) -> bool {
    matches!(phase, Phase::Held | Phase::Blocked)
}

fn ended_well(phase: Phase) -> bool {
    !matches!(phase, Phase::Failed | Phase::Refused | Phase::Expired)
}

fn doubt(scene: &Scene<'_>) -> Vec<Found> {
    scene.doubts(|_| true)
}

/// Automation would act, and a rule forbids it.
fn failover_held(scene: &Scene<'_>) -> Vec<Found> {
    let held = |subject: &Subject| {
        scene.state.doubts.get(subject).is_some_and(|doubt| !doubt.held_because.is_empty())
    };
    if scene.fleet.automation != Automation::Automatic {
        return Vec::new();
    }
    scene.doubts(|subject| held(subject) && scene.waits(subject))
}

/// Something should perhaps be failed over, and automation may not.
fn gate_shut(scene: &Scene<'_>) -> Vec<Found> {
    if scene.fleet.automation == Automation::Automatic {
        return Vec::new();
    }
    scene.doubts(|subject| scene.waits(subject))
}

/// Much goes wrong at once, and automation stands still.
fn panicking(scene: &Scene<'_>) -> Vec<Found> {
    let facts = Facts {
        fleet: scene.fleet,
        state: scene.state,
        assessment: &scene.picture.assessment,
        clock_ms: scene.state.clock_ms,
        led_for: Duration::MAX,
    };
    let found = |why: String| Found {
        about: ("fleet", "fleet".to_owned()),
        subject: None,
        since: None,
        summary: format!("Panic: {why}"),
        alarm: Alarm {
            why,
            what_now: "Nothing starts by itself while this lasts. What would move where, if you decide to:"
                .to_owned(),
            command: "kubectl get events --field-selector reason=FailoverHeld".to_owned(),
        },
    };
    panic(&facts).map(found).into_iter().collect()
}

/// Load that automation moved made its target fail.
fn closed(scene: &Scene<'_>) -> Vec<Found> {
    let found = |closed: &Closed| Found {
        about: ("fleet", "fleet".to_owned()),
        subject: None,
        since: Some(closed.since),
        summary: format!("Automation has closed itself: {}", closed.because),
        alarm: Alarm {
            why: closed.because.clone(),
            what_now: "When the cause is found, set automation to Hold and back to Automatic:".to_owned(),
            command: r#"kubectl patch fleet fleet --type=merge -p '{"spec":{"automation":"Hold"}}'"#
                .to_owned(),
        },
    };
    scene.state.closed.as_ref().map(found).into_iter().collect()
}

fn fenced_out(scene: &Scene<'_>) -> Vec<Found> {
    let ours = |zone: &ZoneName| scene.fleet.zones.contains_key(zone);
    let fenced = scene.picture.fenced.iter().filter(|(zone, _)| ours(zone));
    fenced
        .map(|(zone, by)| {
            let what_now = match by {
                FenceSeen::Hold => "Whoever wrote it takes it away again. Read it:",
                FenceSeen::Newer(_) | FenceSeen::OtherFleet(_) => {
                    "Another hub writes this zone. Find out which one should, and stop the other. Read the fence:"
                }
                FenceSeen::Unheard(_) => {
                    "The register is older than this zone. See what is served with `kubectl lifeboat state recover`, and \
                     read the fence:"
                }
                FenceSeen::Unreadable(_) | FenceSeen::Absent => {
                    "Somebody changed the fence by hand. Read it, and put it right:"
                }
            };
            Found {
                about: ("zone", zone.to_string()),
                subject: None,
                since: None,
                summary: format!("Nothing can be changed in {zone}: {by}"),
                alarm: Alarm {
                    why: by.to_string(),
                    what_now: what_now.to_owned(),
                    command: format!("dig TXT _lifeboat.{}.{zone}", scene.fleet.uid),
                },
            }
        })
        .collect()
}
