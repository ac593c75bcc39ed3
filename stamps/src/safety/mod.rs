//! What may be done: every rule is a small file, and [`judge`] asks them all.
//!
//! The way in is a [`Proposal`]; the way out is [`Allowed`], which nothing else can make and which no traffic moves
//! without, or every [`Refusal`] at once with the numbers that led to it. Rules are asked when a run is planned and
//! again right before each effect, on what is true then.

mod blast_radius;
mod evidence;
mod gate;
mod min_serving;
mod never_empty;
mod no_raise;
mod self_doubt;
mod single_flight;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    failover::{FleetState, Mode, Origin, Subject},
    fleet::Fleet,
    names::{RunName, StampName},
    routing::{Move, Routes},
    verdict::{Assessment, Verdict},
};

/// Names of the rules, as they stand in refusals, events and docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Rule {
    /// Two regions other than the subject's own say down for the whole hold.
    Evidence,
    /// Enough vantages can see.
    SelfDoubt,
    /// Enough stamps and units keep serving.
    MinServing,
    /// Automation holds out no more than its share.
    BlastRadius,
    /// No name is left without an answer.
    NeverEmpty,
    /// No share of a stamp that is not well rises.
    NoRaise,
    /// One run at a time per stamp.
    SingleFlight,
    /// The one switch that stops automation.
    Gate,
}

/// A rule's no.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// Which rule.
    pub rule: Rule,
    /// Why, with its numbers.
    pub sentence: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.sentence)
    }
}

/// A change somebody wants to make.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    /// The run it belongs to; it does not stand in its own way.
    pub run: &'a RunName,
    /// Who wants it.
    pub origin: Origin,
    /// Which way it goes.
    pub mode: Mode,
    /// What it is about.
    pub subject: &'a Subject,
    /// What moves.
    pub moves: &'a [Move],
}

/// What is true now.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The register.
    pub state: &'a FleetState,
    /// What the vantages say.
    pub assessment: &'a Assessment,
}

impl Facts<'_> {
    /// The verdict of one stamp; Unknown if nobody judged it.
    pub fn verdict(&self, stamp: &StampName) -> Verdict {
        self.assessment.stamps.get(stamp).map_or(Verdict::Unknown, |finding| finding.verdict)
    }
}

/// Moves that every rule agreed to. Only [`judge`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    moves: Vec<Move>,
}

impl Allowed {
    /// What may move.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }
}

/// A rule: nothing, or why not.
type Check = fn(&Proposal<'_>, &Facts<'_>) -> Option<String>;

/// Every rule with its name. A new rule is a file and a line here.
const RULES: [(Rule, Check); 8] = [
    (Rule::Gate, gate::check),
    (Rule::SelfDoubt, self_doubt::check),
    (Rule::Evidence, evidence::check),
    (Rule::SingleFlight, single_flight::check),
    (Rule::BlastRadius, blast_radius::check),
    (Rule::MinServing, min_serving::check),
    (Rule::NeverEmpty, never_empty::check),
    (Rule::NoRaise, no_raise::check),
];

/// Asks every rule.
pub fn judge(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Result<Allowed, Vec<Refusal>> {
    let refusals: Vec<Refusal> = RULES
        .iter()
        .filter_map(|(rule, check)| Some(Refusal { rule: *rule, sentence: check(proposal, facts)? }))
        .collect();
    if refusals.is_empty() { Ok(Allowed { moves: proposal.moves.to_vec() }) } else { Err(refusals) }
}

/// The table as it would be.
fn routes_after(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Routes {
    let mut routes = facts.state.routes.clone();
    routes.apply(proposal.moves, facts.state.point);
    routes
}

/// Units of all stamps, and of the given ones.
fn units(fleet: &Fleet, of: &BTreeSet<StampName>) -> (u64, u64) {
    let sum = |keep: &dyn Fn(&StampName) -> bool| {
        fleet.stamps.values().filter(|s| keep(&s.name)).map(|s| u64::from(s.capacity.units)).sum::<u64>()
    };
    (sum(&|_| true), sum(&|name| of.contains(name)))
}
