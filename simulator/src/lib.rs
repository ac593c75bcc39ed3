//! A seeded world that drives the production [`Engine`](stamps::failover::Engine) through faults, and checks after every
//! event what must always hold.
//!
//! One thread, one 64-bit seed, virtual time. The engine, the rules and the verdicts are the ones that ship; the API
//! server, the zone's servers, the vantages, the stamps and the agents are models. [`simulate`] is the way in.

pub mod agent;
pub mod api;
pub mod chaos;
pub mod check;
pub mod dns;
mod driver;
pub mod faults;
mod narrate;
mod person;
pub mod queue;
pub mod replica;
pub mod rng;
mod road;
pub mod sky;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod world;

use stamps::mutants::{Mutant, plant};

use crate::{check::Violation, tally::Tally, world::World};

/// What a world is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Faults to the end: nothing that must never happen happens.
    Safety,
    /// Faults heal, one region dies for good: what must come about comes about.
    Heal,
}

impl Mode {
    /// Every third seed heals.
    pub fn of(seed: u64) -> Self {
        if seed % 3 == 2 { Self::Heal } else { Self::Safety }
    }
}

/// What became of a world.
#[derive(Debug)]
pub struct Ending {
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// Lines of its trace: the last ones, or all.
    pub lines: Vec<String>,
    /// Equal for equal traces.
    pub digest: u64,
    /// Events of note.
    pub line_count: u64,
    /// What happened how often.
    pub tally: Tally,
}

/// Runs the world of a seed, with a planted fault or without.
pub fn simulate(seed: u64, mutant: Option<Mutant>, keep_trace: bool) -> Ending {
    plant(mutant);
    let mut world = World::new(seed, Mode::of(seed), keep_trace);
    world.run();
    plant(None);
    Ending {
        violation: world.checks.violation.take(),
        lines: world.trace.lines(),
        digest: world.trace.digest(),
        line_count: world.trace.count,
        tally: world.tally,
    }
}
