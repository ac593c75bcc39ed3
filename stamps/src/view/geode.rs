//! Regions.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Alarm, Hindrance, Share, headline, shares};
use crate::{
    failover::{Mode, Origin, Picture, Subject},
    fleet::GeodeLifecycle,
    names::{GeodeName, RegionName, RunName, StampName},
    time::millis,
    verdict::{Finding, Verdict, Voice},
};

/// A region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GeodeView {
    /// Its name.
    pub name: GeodeName,
    /// For people.
    pub display_name: String,
    /// Whether it is meant to serve.
    pub lifecycle: GeodeLifecycle,
    /// What the regions outside say.
    pub verdict: Verdict,
    /// The same with its numbers.
    pub sentence: String,
    /// Who sees a failure that nothing follows from yet, since when, and what is missing.
    pub advisory: Option<String>,
    /// Buckets that its stamps serve now.
    pub share: Share,
    /// Set while a run has emptied it.
    pub evacuated: Option<EvacuatedView>,
    /// What stands in the way of evacuating it now; nothing if that would work. Absent while nobody can tell.
    pub hindrances: Option<Vec<Hindrance>>,
    /// Its stamps.
    pub stamps: Vec<StampName>,
    /// What every region says about it.
    pub regions: Vec<RegionView>,
    /// Why it is not well, and what to do.
    pub alarm: Option<Alarm>,
}

/// Since when a subject is out of service, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvacuatedView {
    /// Since when.
    pub since: DateTime<Utc>,
    /// By which run.
    pub run: RunName,
    /// Who asked for it.
    pub origin: Origin,
}

/// What one region says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionView {
    /// Which.
    pub region: RegionName,
    /// It is the subject's own, whose word does not count.
    pub own: bool,
    /// What it says.
    pub voice: Voice,
    /// For how long, in milliseconds.
    pub lasting_ms: u64,
    /// Units or vantages that are up.
    pub up: u64,
    /// Units or vantages that are down.
    pub down: u64,
    /// All of them that count.
    pub of: u64,
    /// A failure behind a Down.
    pub failure: Option<String>,
}

pub(super) fn regions(finding: Option<&Finding>) -> Vec<RegionView> {
    let Some(finding) = finding else { return Vec::new() };
    let view = |(region, says): (&RegionName, &crate::verdict::RegionSays)| RegionView {
        region: region.clone(),
        own: *region == finding.own,
        voice: says.voice,
        lasting_ms: millis(says.lasting),
        up: says.up,
        down: says.down,
        of: says.of,
        failure: says.failure.map(|failure| failure.to_string()),
    };
    finding.regions.iter().map(view).collect()
}

pub(super) fn all(picture: &Picture) -> Vec<GeodeView> {
    let Some(fleet) = &picture.fleet else { return Vec::new() };
    let (shares, all) = shares(picture);
    fleet
        .geodes
        .values()
        .map(|geode| {
            let finding = picture.assessment.geodes.get(&geode.name);
            let stamps: Vec<StampName> = fleet.stamps_of(&geode.name).map(|s| s.name.clone()).collect();
            let served = stamps.iter().filter_map(|stamp| shares.get(stamp)).sum();
            let subject = Subject::Geode(geode.name.clone());
            let evacuated = evacuated(picture, &subject);
            GeodeView {
                name: geode.name.clone(),
                display_name: geode.display_name.clone(),
                lifecycle: geode.lifecycle,
                verdict: finding.map(|finding| finding.verdict).unwrap_or_default(),
                sentence: finding.map_or_else(not_judged, |finding| finding.sentence.clone()),
                advisory: finding.and_then(|finding| finding.advisory.clone()),
                share: Share::new(served, all),
                alarm: alarm(&subject, finding, evacuated.is_some(), served),
                evacuated,
                hindrances: super::hindrances(picture, &geode.name),
                stamps,
                regions: regions(finding),
            }
        })
        .collect()
}

pub(super) fn not_judged() -> String {
    "Unknown: no report has been judged yet".to_owned()
}

pub(super) fn evacuated(picture: &Picture, subject: &Subject) -> Option<EvacuatedView> {
    let out = picture.state.as_ref()?.out.get(subject)?;
    Some(EvacuatedView { since: out.since, run: out.run.clone(), origin: out.origin })
}

/// Why a geode or stamp is not well, and what to do about it.
pub(super) fn alarm(
    subject: &Subject,
    finding: Option<&Finding>,
    evacuated: bool,
    served: u32,
) -> Option<Alarm> {
    let verdict = finding.map(|finding| finding.verdict).unwrap_or_default();
    let why = finding.map_or_else(not_judged, |finding| finding.sentence.clone());
    let (what_now, command) = match verdict {
        Verdict::Healthy if !evacuated => return None,
        Verdict::Healthy => (
            "It is Healthy and evacuated. To bring its buckets home:",
            headline::start(subject, Mode::Failback),
        ),
        Verdict::Unhealthy | Verdict::CutOff if served > 0 => {
            ("It still serves. To move its buckets away:", headline::start(subject, Mode::Failover))
        }
        Verdict::Unhealthy | Verdict::CutOff | Verdict::Degraded => {
            ("See what fails there, by its events and conditions:", headline::describe(subject))
        }
        Verdict::Unknown => (
            "Nothing moves on what is unknown. See which vantages report:",
            "kubectl get healthreports.state.lifeboat.dev".to_owned(),
        ),
    };
    Some(Alarm { why, what_now: what_now.to_owned(), command })
}
