//! The fleet as a whole.

use serde::Serialize;

use super::{Headline, headline};
use crate::{
    failover::Picture,
    fleet::Automation,
    names::{FleetUid, Point, RegionName, ReplicaName, VantageName},
    verdict::{Silence, Verdict},
};

/// The first thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetView {
    /// The first line.
    pub headline: Headline,
    /// What else deserves a line, the most urgent first.
    pub also: Vec<Headline>,
    /// UID of the `Fleet` object; none if there is no valid one.
    pub uid: Option<FleetUid>,
    /// Who leads.
    pub leader: LeaderView,
    /// The Gate; none if it cannot be read, which closes it.
    pub gate: Option<GateView>,
    /// Geodes that are Healthy.
    pub geodes_healthy: usize,
    /// All geodes.
    pub geodes: usize,
    /// Stamps that are Healthy.
    pub stamps_healthy: usize,
    /// All stamps, also those that only the register remembers.
    pub stamps: usize,
    /// Tenants.
    pub tenants: u64,
    /// Every vantage.
    pub vantages: Vec<VantageView>,
    /// Effects that are not done, with the reason.
    pub troubles: Vec<String>,
    /// Events that were dropped because nobody could take them.
    pub events_dropped: u64,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderView {
    /// The replica that the register names; none if it could not be read.
    pub replica: Option<ReplicaName>,
    /// Leadership epoch and number of the last commit.
    pub point: Option<Point>,
    /// Whether the replica that answers is the leader.
    pub answering: bool,
    /// In words.
    pub sentence: String,
}

/// The Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateView {
    /// `Fleet.spec.automation`.
    pub automation: Automation,
    /// What that means.
    pub sentence: String,
}

/// One vantage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VantageView {
    /// Its name.
    pub name: VantageName,
    /// Where it is expected to stand; none if it is not expected.
    pub region: Option<RegionName>,
    /// Why it has no vote; none if it has one.
    pub silence: Option<Silence>,
}

impl FleetView {
    pub(super) fn of(picture: &Picture) -> Self {
        let mut lines = headline::all(picture);
        let headline = lines.remove(0);
        let assessment = &picture.assessment;
        let fleet = picture.fleet.as_ref();
        let healthy = |verdict: &Verdict| *verdict == Verdict::Healthy;
        Self {
            headline,
            also: lines,
            uid: fleet.map(|fleet| fleet.uid.clone()),
            leader: LeaderView::of(picture),
            gate: fleet.map(|fleet| GateView::of(fleet.automation)),
            geodes_healthy: assessment.geodes.values().map(|f| f.verdict).filter(healthy).count(),
            geodes: fleet.map_or(0, |fleet| fleet.geodes.len()),
            stamps_healthy: assessment.stamps.values().map(|f| f.verdict).filter(healthy).count(),
            stamps: fleet.map_or(0, |fleet| fleet.stamps.len()),
            tenants: fleet.map_or(0, |fleet| fleet.load.values().map(|load| u64::from(load.tenants)).sum()),
            vantages: assessment
                .vantages
                .iter()
                .map(|(name, silence)| VantageView {
                    name: name.clone(),
                    region: fleet.and_then(|fleet| fleet.vantages.get(name)).cloned(),
                    silence: *silence,
                })
                .collect(),
            troubles: picture.troubles.clone(),
            events_dropped: picture.state.as_ref().map_or(0, |state| state.outbox.dead_letters),
        }
    }
}

impl LeaderView {
    fn of(picture: &Picture) -> Self {
        let (replica, point) =
            picture.state.as_ref().map(|state| (state.leader.clone(), state.point)).unzip();
        let sentence = match (&replica, point) {
            (Some(replica), Some(point)) if picture.leading => {
                format!(
                    "{replica} leads since epoch {}, commit {}; it is this replica",
                    point.epoch, point.seq
                )
            }
            (Some(replica), Some(point)) => format!(
                "the register names {replica}, epoch {}, commit {}; this replica follows",
                point.epoch, point.seq
            ),
            _ => "nobody is known to lead: the register has not been read".to_owned(),
        };
        Self { replica, point, answering: picture.leading, sentence }
    }
}

impl GateView {
    fn of(automation: Automation) -> Self {
        let means = match automation {
            Automation::Observe => "says what it would do, and does nothing by itself",
            Automation::Approve => "prepares runs, and a person starts them",
            Automation::Automatic => "acts by itself within the safety rules",
            Automation::Hold => "starts nothing by itself, and its own runs hold; a person's runs go on",
        };
        Self { automation, sentence: format!("{automation:?}: {means}") }
    }
}
