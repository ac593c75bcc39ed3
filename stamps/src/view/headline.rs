//! The first line: what a person must know before anything else.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;

use super::Alarm;
use crate::{
    failover::{FleetState, Mode, Origin, Phase, Picture, RegisterLife, Run, Subject},
    fleet::{Automation, Fleet},
    names::RunName,
    time::millis,
    verdict::{Assessment, EVIDENCE_REGIONS, Finding, Verdict},
};

/// What the first line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HeadlineKind {
    /// A run that has not ended.
    Run,
    /// A subject that vantages outside see down.
    Doubt,
    /// Something else is not as it should be.
    Attention,
    /// Not enough is known to say anything.
    Unknown,
    /// Nothing to say.
    Well,
}

impl HeadlineKind {
    /// One word, so that no colour is needed to tell them apart.
    pub fn word(self) -> &'static str {
        match self {
            Self::Run => "RUN",
            Self::Doubt => "DOUBT",
            Self::Attention => "ATTENTION",
            Self::Unknown => "UNKNOWN",
            Self::Well => "OK",
        }
    }
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Headline {
    /// What it is about.
    pub kind: HeadlineKind,
    /// The line.
    pub sentence: String,
    /// Milliseconds until something starts by itself, when the picture was taken; absent if nothing will.
    pub starts_in_ms: Option<u64>,
    /// What to do, unless all is well.
    pub alarm: Option<Alarm>,
}

/// Every headline that applies, the most urgent first; never empty.
pub(super) fn all(picture: &Picture) -> Vec<Headline> {
    let (Some(state), Some(fleet)) = (&picture.state, &picture.fleet) else {
        return vec![of_register(picture).unwrap_or_else(|| not_known(picture))];
    };
    let mut runs: Vec<(&RunName, &Run)> = state.live_runs().collect();
    // What waits for a person goes first.
    runs.sort_by_key(|(_, run)| matches!(run.phase, Phase::Running | Phase::Pending));
    let mut lines: Vec<Headline> = of_register(picture).into_iter().collect();
    lines.extend(runs.iter().map(|(name, run)| of_run(name, run)));
    lines.extend(doubted(state, fleet, &picture.assessment).iter().filter_map(|subject| {
        let busy = runs.iter().any(|(_, run)| run.subject == *subject);
        (!busy).then(|| of_doubt(subject, state, fleet, &picture.assessment))
    }));
    lines.extend(state.out.iter().filter_map(|(subject, out)| {
        let busy = runs.iter().any(|(_, run)| run.subject == *subject);
        (!busy).then(|| evacuated(subject, &out.run, &picture.assessment))
    }));
    lines.extend(degraded(fleet, &picture.assessment));
    lines.extend(unseen(fleet, &picture.assessment));
    lines.extend(picture.troubles.iter().map(|trouble| Headline {
        kind: HeadlineKind::Attention,
        sentence: format!("An effect is not done: {trouble}"),
        starts_in_ms: None,
        alarm: Some(Alarm {
            why: trouble.clone(),
            what_now: "It is tried again by itself; the operator's log has each attempt.".to_owned(),
            command: "kubectl logs deployment/lifeboat-operator --since=10m".to_owned(),
        }),
    }));
    if lines.is_empty() {
        lines.push(well(state, fleet));
    }
    lines
}

/// A register that is lost, not believed or not understood goes before everything: nothing else is acted on.
fn of_register(picture: &Picture) -> Option<Headline> {
    let restored = || picture.state.as_ref()?.restored.as_ref().map(crate::failover::Restored::sentence);
    let why = picture.register.sentence().or_else(restored)?;
    let command = match picture.register {
        RegisterLife::TooNew { .. } => "kubectl rollout status deployment/lifeboat-operator",
        _ => "kubectl lifeboat state recover",
    };
    Some(Headline {
        kind: HeadlineKind::Attention,
        sentence: format!("Lifeboat only watches: {why}"),
        starts_in_ms: None,
        alarm: Some(Alarm {
            why,
            what_now: "Traffic stays where it is. See what is served and what the register says, and decide:"
                .to_owned(),
            command: command.to_owned(),
        }),
    })
}

fn not_known(picture: &Picture) -> Headline {
    let (what, command) = if picture.fleet.is_none() {
        ("there is no valid Fleet object", "kubectl describe fleet fleet")
    } else {
        ("the register has not been read", "kubectl get fleetstates.state.lifeboat.dev fleet -o yaml")
    };
    Headline {
        kind: HeadlineKind::Unknown,
        sentence: format!("Nothing can be said yet: {what}"),
        starts_in_ms: None,
        alarm: Some(Alarm {
            why: what.to_owned(),
            what_now: "Traffic stays where it is. Look at the object's conditions.".to_owned(),
            command: command.to_owned(),
        }),
    }
}

pub(super) fn of_run(name: &RunName, run: &Run) -> Headline {
    let step = run.current().map_or(String::new(), |step| {
        let number = run.steps.iter().position(|s| s.kind == step.kind).unwrap_or(0) + 1;
        format!(", step {number} of {} ({:?})", run.steps.len(), step.kind)
    });
    Headline {
        kind: HeadlineKind::Run,
        sentence: format!("{:?} of {} is {:?}{step}: {}", run.mode, run.subject, run.phase, run.reason),
        starts_in_ms: None,
        alarm: Some(super::run::alarm(name, run).unwrap_or_else(|| Alarm {
            why: run.reason.clone(),
            what_now: "Nothing needs to be done. To stop it where it stands:".to_owned(),
            command: cancel(name),
        })),
    }
}

/// The command that stops a run.
pub(super) fn cancel(name: &RunName) -> String {
    format!("kubectl patch failover {name} --type=merge -p '{{\"spec\":{{\"control\":\"Cancel\"}}}}'")
}

/// The command that starts a run.
pub(super) fn start(subject: &Subject, mode: Mode) -> String {
    let (kind, name) = match subject {
        Subject::Geode(name) => ("geode", name.as_str()),
        Subject::Stamp(name) => ("stamp", name.as_str()),
    };
    let verb = match mode {
        Mode::Failover => "failover",
        Mode::Failback => "failback",
    };
    format!(
        "echo '{{\"apiVersion\":\"lifeboat.dev/v1alpha1\",\"kind\":\"Failover\",\"metadata\":{{\"generateName\":\
         \"{verb}-{name}-\"}},\"spec\":{{\"mode\":\"{mode:?}\",\"subject\":{{\"{kind}\":\"{name}\"}}}}}}' | kubectl create -f -"
    )
}

/// The command that stops automation.
fn hold() -> String {
    "kubectl patch fleet fleet --type=merge -p '{\"spec\":{\"automation\":\"Hold\"}}'".to_owned()
}

/// Subjects in doubt by the register or by what is seen now. A stamp of a doubted geode is the geode's matter.
pub(super) fn doubted(state: &FleetState, fleet: &Fleet, assessment: &Assessment) -> BTreeSet<Subject> {
    let geodes = assessment.geodes.iter().filter(|(_, finding)| finding.doubt());
    let seen = geodes.map(|(name, _)| Subject::Geode(name.clone()));
    let stamps = assessment.stamps.iter().filter(|(_, finding)| finding.doubt());
    let seen = seen.chain(stamps.map(|(name, _)| Subject::Stamp(name.clone())));
    let mut all: BTreeSet<Subject> = state.doubts.keys().cloned().chain(seen).collect();
    let geodes: BTreeSet<Subject> = all.iter().filter(|s| matches!(s, Subject::Geode(_))).cloned().collect();
    all.retain(|subject| match subject {
        Subject::Geode(_) => true,
        Subject::Stamp(_) => {
            !subject.geode(fleet).is_some_and(|geode| geodes.contains(&Subject::Geode(geode.clone())))
        }
    });
    all
}

pub(super) fn of_doubt(
    subject: &Subject,
    state: &FleetState,
    fleet: &Fleet,
    assessment: &Assessment,
) -> Headline {
    let (finding, hold_window) = match subject {
        Subject::Geode(name) => (assessment.geodes.get(name), fleet.policy.detection.geode_hold),
        Subject::Stamp(name) => (assessment.stamps.get(name), fleet.policy.detection.stamp_hold),
    };
    let recorded = state.doubts.get(subject);
    let sentence = finding
        .map(|finding| finding.sentence.clone())
        .or_else(|| recorded.map(|doubt| doubt.sentence.clone()))
        .unwrap_or_default();
    let already_out = state.out.contains_key(subject);
    let held = recorded.map(|doubt| doubt.held_because.clone()).unwrap_or_default();
    let left = finding.and_then(Finding::evidence_age).map(|age| hold_window.saturating_sub(age));
    let (next, starts_in) = if already_out {
        ("it is evacuated already, and nothing more starts".to_owned(), None)
    } else {
        what_follows(fleet.automation, left, &held)
    };
    let (what_now, command) = match fleet.automation {
        _ if already_out => ("Look at what is wrong there:", describe(subject)),
        Automation::Automatic if held.is_empty() => ("To keep Lifeboat from acting:", hold()),
        _ => ("To fail it over now, by a person's decision:", start(subject, Mode::Failover)),
    };
    Headline {
        kind: HeadlineKind::Doubt,
        sentence: format!("{subject} is in doubt ({sentence}); {next}"),
        starts_in_ms: starts_in.map(millis),
        alarm: Some(Alarm { why: sentence, what_now: what_now.to_owned(), command }),
    }
}

/// What Lifeboat will do about a doubt, and when.
fn what_follows(
    automation: Automation,
    left: Option<Duration>,
    held: &[String],
) -> (String, Option<Duration>) {
    if !held.is_empty() {
        return (format!("nothing is started: {}", held.join("; ")), None);
    }
    let Some(left) = left else {
        return (format!("nothing starts before {EVIDENCE_REGIONS} outside regions say Down"), None);
    };
    let when = if left.is_zero() { "now".to_owned() } else { format!("in {}", seconds(left)) };
    match automation {
        Automation::Automatic => (format!("failover starts {when} unless it recovers"), Some(left)),
        Automation::Observe => {
            (format!("failover would start {when}, but automation is Observe, so nothing does"), None)
        }
        other => {
            (format!("failover could start {when}; automation is {other:?}, so a person must start it"), None)
        }
    }
}

fn evacuated(subject: &Subject, run: &RunName, assessment: &Assessment) -> Headline {
    let finding = match subject {
        Subject::Geode(name) => assessment.geodes.get(name),
        Subject::Stamp(name) => assessment.stamps.get(name),
    };
    let healthy = finding.is_some_and(|finding| finding.verdict == Verdict::Healthy);
    let (what_now, command) = if healthy {
        ("It is Healthy again. To bring its buckets home:", start(subject, Mode::Failback))
    } else {
        ("Bring it back to health first:", describe(subject))
    };
    Headline {
        kind: HeadlineKind::Attention,
        sentence: format!("{subject} is evacuated by {run}, and a person decides when it comes back"),
        starts_in_ms: None,
        alarm: Some(Alarm {
            why: finding.map(|finding| finding.sentence.clone()).unwrap_or_default(),
            what_now: what_now.to_owned(),
            command,
        }),
    }
}

pub(super) fn describe(subject: &Subject) -> String {
    match subject {
        Subject::Geode(name) => format!("kubectl describe geode {name}"),
        Subject::Stamp(name) => format!("kubectl describe stamp {name}"),
    }
}

/// Geodes that are well in part, or recovering, without a doubt that has a line of its own. No run follows from it.
fn degraded(fleet: &Fleet, assessment: &Assessment) -> Vec<Headline> {
    let stamp_in_doubt = |stamp| assessment.stamps.get(stamp).is_some_and(Finding::doubt);
    assessment
        .geodes
        .iter()
        .filter(|(_, finding)| finding.verdict == Verdict::Degraded && !finding.doubt())
        .filter(|(name, _)| !fleet.stamps_of(name).any(|stamp| stamp_in_doubt(&stamp.name)))
        .map(|(name, finding)| {
            let subject = Subject::Geode(name.clone());
            Headline {
                kind: HeadlineKind::Attention,
                sentence: format!("{subject} is no target until it is Healthy ({})", finding.sentence),
                starts_in_ms: None,
                alarm: Some(Alarm {
                    why: finding.sentence.clone(),
                    what_now: "It is never evacuated for this by itself. See what fails there:".to_owned(),
                    command: describe(&subject),
                }),
            }
        })
        .collect()
}

/// Geodes that nobody can judge.
fn unseen(fleet: &Fleet, assessment: &Assessment) -> Option<Headline> {
    let unknown = |finding: &Finding| finding.verdict == Verdict::Unknown && !finding.doubt();
    let bad: Vec<String> = fleet
        .geodes
        .keys()
        .filter(|name| assessment.geodes.get(*name).is_none_or(unknown))
        .map(|name| format!("{name} is Unknown"))
        .collect();
    let silent = assessment.vantages.values().filter(|silence| silence.is_some()).count();
    (!bad.is_empty()).then(|| Headline {
        kind: HeadlineKind::Unknown,
        sentence: format!(
            "{} of {} geodes are not known to be well: {}",
            bad.len(),
            fleet.geodes.len(),
            bad.join(", ")
        ),
        starts_in_ms: None,
        alarm: Some(Alarm {
            why: format!("{silent} of {} vantages have no vote", assessment.vantages.len()),
            what_now: "Unknown moves nothing. See which vantages report:".to_owned(),
            command: "kubectl get healthreports.state.lifeboat.dev".to_owned(),
        }),
    })
}

fn well(state: &FleetState, fleet: &Fleet) -> Headline {
    let serving = state.routes.serving(fleet).len();
    let last = state
        .runs
        .iter()
        .filter(|(_, run)| run.phase.is_end() && run.origin == Origin::Engine)
        .max_by_key(|(_, run)| run.times.ended)
        .map(|(name, _)| format!("; the last automatic run was {name}"))
        .unwrap_or_default();
    Headline {
        kind: HeadlineKind::Well,
        sentence: format!(
            "All well: {} geodes Healthy, {serving} stamps serve {} tenants, no run in progress{last}",
            fleet.geodes.len(),
            fleet.load.values().map(|load| u64::from(load.tenants)).sum::<u64>()
        ),
        starts_in_ms: None,
        alarm: None,
    }
}

/// Seconds with one decimal, rounded up, so that a countdown never says 0 too early.
fn seconds(left: Duration) -> String {
    let tenths = left.as_millis().div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}
