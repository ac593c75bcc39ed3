//! Whether a failover away from a geode would work now, and what stands in its way: the question to ask on a quiet day.
//!
//! The answer comes from what a failover would do: the same planner and the same rules, asked as if the geode were down.
//! What only time or a real failure can tell (evidence, cooldowns, the Gate) is not part of it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    failover::{FleetState, Mode, NoPlan, Origin, Picture, Subject, evacuation},
    fleet::Fleet,
    names::{GeodeName, RunName},
    safety::{Facts, Proposal, Rule, judge},
    verdict::{Assessment, EVIDENCE_REGIONS},
};

/// What stands in the way of an evacuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Obstacle {
    /// The control plane stands in it.
    HubInside,
    /// The only name server that takes updates stands in it.
    DnsPrimaryInside,
    /// Without its vantages too few could see.
    QuorumInside,
    /// Part of it has data that only one stamp may write.
    DataModeUnsupported,
    /// No other stamp may take its load.
    NoTarget,
    /// Not all of its load fits elsewhere.
    Capacity,
    /// A safety rule forbids it.
    SafetyRule,
}

impl Obstacle {
    /// As a condition's reason.
    pub fn word(self) -> &'static str {
        match self {
            Self::HubInside => "HubInside",
            Self::DnsPrimaryInside => "DnsPrimaryInside",
            Self::QuorumInside => "QuorumInside",
            Self::DataModeUnsupported => "DataModeUnsupported",
            Self::NoTarget => "NoTarget",
            Self::Capacity => "Capacity",
            Self::SafetyRule => "SafetyRule",
        }
    }
}

/// An obstacle and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hindrance {
    /// In one word.
    pub obstacle: Obstacle,
    /// With its numbers.
    pub sentence: String,
}

/// Everything that stands in the way of evacuating `geode`; nothing if it would work. None while nobody can tell.
pub fn hindrances(picture: &Picture, geode: &GeodeName) -> Option<Vec<Hindrance>> {
    let (Some(state), Some(fleet)) = (&picture.state, &picture.fleet) else { return None };
    let mut found = Vec::new();
    let mut add = |obstacle, sentence| found.push(Hindrance { obstacle, sentence });
    if fleet.hub_geode.as_ref() == Some(geode) {
        add(
            Obstacle::HubInside,
            format!("the control plane stands in {geode} and would die with it; run it elsewhere"),
        );
    }
    for zone in fleet.zones.values() {
        if zone.name_servers.iter().any(|server| server.primary && server.geode.as_ref() == Some(geode)) {
            let sentence = format!(
                "the primary of {} stands in {geode}, and no other server takes updates; move it out of every geode, or \
                 name another primary",
                zone.name
            );
            add(Obstacle::DnsPrimaryInside, sentence);
        }
    }
    found.extend(quorum(fleet, &picture.assessment, geode));
    found.extend(planned(fleet, state, &picture.assessment, geode));
    Some(found)
}

/// Who could still see, and would be believed, without the vantages inside.
fn quorum(fleet: &Fleet, assessment: &Assessment, geode: &GeodeName) -> Option<Hindrance> {
    let sighted: Vec<_> = fleet
        .vantages
        .iter()
        .filter(|(_, region)| region.as_str() != geode.as_str())
        .filter(|(name, _)| assessment.vantages.get(*name).is_some_and(Option::is_none))
        .collect();
    let regions: BTreeSet<_> = sighted.iter().map(|(_, region)| *region).collect();
    let (seeing, expected) = (sighted.len(), fleet.vantages.len());
    (regions.len() < EVIDENCE_REGIONS || seeing * 2 <= expected).then(|| Hindrance {
        obstacle: Obstacle::QuorumInside,
        sentence: format!(
            "without {geode} {seeing} of {expected} vantages in {} regions would see, and more than half in \
             {EVIDENCE_REGIONS} regions are needed; add vantages elsewhere",
            regions.len()
        ),
    })
}

fn planned(fleet: &Fleet, state: &FleetState, assessment: &Assessment, geode: &GeodeName) -> Vec<Hindrance> {
    let one = |obstacle, sentence| vec![Hindrance { obstacle, sentence }];
    let subject = Subject::Geode(geode.clone());
    let plan = match evacuation(fleet, state, assessment, &subject) {
        Ok(plan) => plan,
        Err(NoPlan::NothingToMove(_) | NoPlan::UnknownSubject(_)) => return Vec::new(),
        Err(why @ NoPlan::DataModeUnsupported { .. }) => {
            return one(Obstacle::DataModeUnsupported, why.to_string());
        }
        Err(why @ NoPlan::NoTarget { .. }) => return one(Obstacle::NoTarget, why.to_string()),
    };
    let mut found = Vec::new();
    if !plan.left.is_empty() {
        let sentence = format!(
            "{} of {} buckets would find no place; add capacity where their tenants' residency allows it, or declare what there is",
            plan.left.len(),
            plan.left.len() + plan.moves.len()
        );
        found.push(Hindrance { obstacle: Obstacle::Capacity, sentence });
    }
    let run = RunName::from("evacuable");
    let proposal = Proposal {
        run: &run,
        origin: Origin::Person,
        mode: Mode::Failover,
        subject: &subject,
        moves: &plan.moves,
        planned: false,
        approved: false,
        overrides: &BTreeSet::new(),
    };
    let facts =
        Facts { fleet, state, assessment, clock_ms: state.clock_ms, led_for: std::time::Duration::MAX };
    // A run under way is no lasting obstacle.
    let refusals = judge(&proposal, &facts).err().into_iter().flatten();
    found.extend(
        refusals
            .filter(|refusal| refusal.rule != Rule::SingleFlight)
            .map(|refusal| Hindrance { obstacle: Obstacle::SafetyRule, sentence: refusal.to_string() }),
    );
    found
}
