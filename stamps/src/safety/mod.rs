//! What may be done: every rule is a small file, and [`judge`] asks them all.
//!
//! The way in is a [`Proposal`]; the way out is [`Allowed`], which nothing else can make and which no traffic moves
//! without, or every [`Refusal`] at once with the numbers that led to it. Rules are asked when a run is planned and
//! again right before each effect, on what is true then.

mod blast_radius;
mod capacity;
mod contagion;
mod cooldown;
mod differential;
mod evidence;
mod gate;
mod min_serving;
mod never_empty;
mod no_raise;
mod panic;
mod recent_change;
mod residency;
mod run_rate;
mod self_doubt;
mod single_flight;
#[cfg(test)]
mod tests;
mod warm_up;

use std::{collections::BTreeSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use panic::panic;

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
    /// Not much goes wrong at once.
    Panic,
    /// What fails is the subject, and not something that it shares with others.
    Differential,
    /// Nothing was changed shortly before.
    RecentChange,
    /// No target of an automatic run turned bad.
    Contagion,
    /// Automation acts seldom.
    RunRate,
    /// There is time between two automatic runs.
    Cooldown,
    /// The one who decides knows enough.
    WarmUp,
    /// Targets can carry what they get.
    Capacity,
    /// Data stays where its tenants allow it.
    Residency,
}

/// Whether a person may go beyond a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// Nobody may.
    Never,
    /// Who vouches for a fact may, on record.
    Assertion,
    /// Who has the right for this rule may, by its name and on record.
    Right,
}

impl Rule {
    /// Who may go beyond it. Automation never may.
    pub fn may_be_overridden(self) -> Override {
        match self {
            Self::NeverEmpty | Self::SingleFlight => Override::Never,
            Self::NoRaise | Self::Residency => Override::Assertion,
            _ => Override::Right,
        }
    }
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
    /// The source is well, so nothing is urgent.
    pub planned: bool,
    /// A person has agreed to an automatic run.
    pub approved: bool,
    /// Rules that a person takes upon themselves, by name.
    pub overrides: &'a BTreeSet<Rule>,
}

impl Proposal<'_> {
    /// Automation wants to move traffic away: what most rules bind.
    fn is_automatic_failover(&self) -> bool {
        self.origin == Origin::Engine && self.mode == Mode::Failover
    }
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
    /// Fleet time, in milliseconds.
    pub clock_ms: u64,
    /// For how long the one who asks has led, and so known what reports are fresh.
    pub led_for: Duration,
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
    /// The consent to a part of it: to less than was asked for.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        self.moves.truncate(count);
        self
    }

    /// What may move.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }
}

/// A rule: nothing, or why not.
type Check = fn(&Proposal<'_>, &Facts<'_>) -> Option<String>;

/// Every rule with its name. A new rule is a file and a line here.
const RULES: [(Rule, Check); 17] = [
    (Rule::Gate, gate::check),
    (Rule::Contagion, contagion::check),
    (Rule::WarmUp, warm_up::check),
    (Rule::SelfDoubt, self_doubt::check),
    (Rule::Panic, panic::check),
    (Rule::Evidence, evidence::check),
    (Rule::Differential, differential::check),
    (Rule::RecentChange, recent_change::check),
    (Rule::RunRate, run_rate::check),
    (Rule::Cooldown, cooldown::check),
    (Rule::SingleFlight, single_flight::check),
    (Rule::BlastRadius, blast_radius::check),
    (Rule::MinServing, min_serving::check),
    (Rule::Capacity, capacity::check),
    (Rule::Residency, residency::check),
    (Rule::NeverEmpty, never_empty::check),
    (Rule::NoRaise, no_raise::check),
];

/// Asks every rule.
pub fn judge(proposal: &Proposal<'_>, facts: &Facts<'_>) -> Result<Allowed, Vec<Refusal>> {
    let refusals: Vec<Refusal> = RULES
        .iter()
        .filter(|(rule, _)| !overridden(proposal, *rule))
        .filter_map(|(rule, check)| Some(Refusal { rule: *rule, sentence: check(proposal, facts)? }))
        .collect();
    if refusals.is_empty() { Ok(Allowed { moves: proposal.moves.to_vec() }) } else { Err(refusals) }
}

/// A person goes beyond the rule, and may. Automation overrides nothing, also when its run was approved.
fn overridden(proposal: &Proposal<'_>, rule: Rule) -> bool {
    proposal.origin == Origin::Person
        && rule.may_be_overridden() == Override::Right
        && proposal.overrides.contains(&rule)
}

/// Whole minutes, for sentences.
fn minutes(duration: Duration) -> u64 {
    duration.as_secs() / 60
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
