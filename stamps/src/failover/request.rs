//! A `Failover` object as the engine sees it.

use std::collections::BTreeSet;

use super::{
    run::Targets,
    state::{Mode, Origin, Subject},
};
use crate::{
    mutants::{Mutant, planted},
    safety::Rule,
    time::Mono,
};

/// What a person may say to a run that exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    #[default]
    Run,
    /// Wait at the next place where nothing is half-done.
    Pause,
    /// Stop. Before anything moved nothing happens; a planned run then brings back what it moved, as far as that is well,
    /// and an unplanned one leaves routes where they are.
    Cancel,
    /// Stop, and leave routes where they are.
    CancelKeep,
}

/// A command for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The object's UID.
    pub uid: String,
    /// Who made it.
    pub origin: Origin,
    /// Which way.
    pub mode: Mode,
    /// Plan only.
    pub dry_run: bool,
    /// About what.
    pub subject: Subject,
    /// Where to.
    pub targets: Targets,
    /// What a person may say.
    pub control: Control,
    /// A person agrees to the plan with this hash.
    pub approval: Option<String>,
    /// Rules that a person takes upon themselves.
    pub overrides: BTreeSet<Rule>,
    /// Why, in the requester's words.
    pub reason: Option<String>,
    /// Its status says that it has ended.
    pub ended: bool,
    /// It is older than the register, by the API server's own clock for both.
    pub predates_register: bool,
    /// Until then it may start, on this process's clock: the deadline was counted on the API server's.
    pub start_by: Option<Mono>,
}

/// Why a run does not start any more.
pub(super) const TOO_LATE: &str = "TooLate: it did not start within startDeadlineSeconds of its creation, and what was \
                                   right then need not be right now; create a new Failover to run it";

impl Request {
    /// Why a request that the register does not know must not run, if so: it is a leftover, not a command.
    pub fn leftover(&self, now: Mono) -> Option<String> {
        if planted(Mutant::RunsLeftovers) {
            return None;
        }
        if self.predates_register {
            return Some(
                "FoundOnBoot: the object is older than the register; create a new Failover to run it".into(),
            );
        }
        if self.origin == Origin::Engine {
            return Some(
                "FoundOnBoot: the register does not know this automatic run; it was restored or copied from elsewhere"
                    .into(),
            );
        }
        self.too_late(now).then(|| TOO_LATE.to_owned())
    }

    /// Its start deadline has passed.
    pub fn too_late(&self, now: Mono) -> bool {
        self.start_by.is_some_and(|by| now > by) && !planted(Mutant::RunsLeftovers)
    }
}
