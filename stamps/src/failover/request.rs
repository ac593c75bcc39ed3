//! A `Failover` object as the engine sees it.

use std::collections::BTreeSet;

use super::{
    run::Targets,
    state::{Mode, Origin, Subject},
};
use crate::safety::Rule;

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
}

impl Request {
    /// Why a request that the register does not know must not run, if so: it is a leftover, not a command.
    pub fn found_on_boot(&self) -> Option<String> {
        if self.predates_register {
            return Some(
                "FoundOnBoot: the object is older than the register; create a new Failover to run it".into(),
            );
        }
        (self.origin == Origin::Engine).then(|| {
            "FoundOnBoot: the register does not know this automatic run; it was restored or copied from elsewhere".into()
        })
    }
}
