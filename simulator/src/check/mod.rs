//! What must always hold, checked after every event, by code that shares nothing with what it checks.
//!
//! The checks see what the models see: what each process was shown, what it asked for, what the register and the primary
//! accepted. Names of invariants are those of the design: S for safety, L for liveness.

mod commit;
mod healed;
mod register;
mod reports;
mod zone;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use stamps::{
    failover::{Command, FleetState, Input, SELF_STOP},
    fleet::Automation,
    names::{Point, ReplicaName},
    time::{Mono, Now},
};

use reports::Witness;

use crate::dns::Dns;

/// Something that must always hold, and did not.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// What happened instead.
    pub sentence: String,
}

/// `weu, neu`
fn list<T: std::fmt::Display>(things: impl IntoIterator<Item = T>) -> String {
    things.into_iter().map(|thing| thing.to_string()).collect::<Vec<_>>().join(", ")
}

/// The memory of the checks.
#[derive(Debug, Default)]
pub struct Checks {
    /// The first violation.
    pub violation: Option<Violation>,
    /// Every state that the register ever held.
    history: BTreeMap<Point, Rc<FleetState>>,
    /// States of registers that somebody took away since: agents may still carry out what they recorded.
    lost: BTreeMap<Point, Rc<FleetState>>,
    /// The register was taken away or put back, the world knows more than it, and nobody has confirmed. The point up to
    /// which it still knows.
    unconfirmed: Option<Point>,
    /// Until when what a person asked for may start.
    deadlines: BTreeMap<stamps::names::RunName, u64>,
    /// What each process was shown.
    witnesses: Vec<Witness>,
    /// Turns of the Gate, with their moments.
    gates: Vec<(u64, Automation)>,
    /// Commits that start automatic runs, with the moment in which they were asked for.
    automatic: Vec<(Rc<FleetState>, u64)>,
    /// The newest content that the primary accepted.
    newest_intent: Point,
    /// Messages that the primary accepted.
    messages: BTreeSet<u64>,
    /// Commits whose content the primary has held in full.
    held: BTreeSet<Point>,
    /// Runs that the register ever held.
    runs: BTreeSet<stamps::names::RunName>,
}

impl Checks {
    /// Checks for so many processes.
    pub fn new(processes: usize) -> Self {
        Self {
            witnesses: (0..processes).map(|_| Witness::default()).collect(),
            gates: vec![(0, Automation::Automatic)],
            ..Self::default()
        }
    }

    fn fail(&mut self, invariant: &'static str, sentence: String) {
        self.violation.get_or_insert(Violation { invariant, sentence });
    }

    fn require(&mut self, holds: bool, invariant: &'static str, sentence: impl FnOnce() -> String) {
        if !holds {
            self.fail(invariant, sentence());
        }
    }

    /// A person asked for a run that may start until this moment.
    pub fn asked(&mut self, run: &stamps::names::RunName, start_by: Option<u64>) {
        match start_by {
            Some(by_ms) => self.deadlines.insert(run.clone(), by_ms),
            None => self.deadlines.remove(run),
        };
    }

    /// What a commit recorded, in this history or in one that was lost.
    fn recorded(&self, point: Point) -> Option<Rc<FleetState>> {
        self.history.get(&point).or_else(|| self.lost.get(&point)).cloned()
    }

    /// Somebody took the register away, or put an older one in its place.
    pub fn register_replaced(&mut self, with: Option<&FleetState>, dns: &Dns) {
        let last = with.map_or(Point::default(), |state| state.point);
        let after = Point { seq: last.seq + 1, ..last };
        let lost = self.history.split_off(&after);
        // What was accepted in vain may be accepted once more; what has moved traffic may not.
        for state in lost.values() {
            let kept = |name: &_| with.is_some_and(|with| with.runs.contains_key(name));
            self.runs.retain(|name| {
                kept(name) || state.runs.get(name).is_none_or(stamps::failover::Run::has_shifted)
            });
        }
        self.lost.extend(lost);
        let ahead = dns.primary.fence.is_some_and(|fence| fence > last);
        self.unconfirmed = ahead.then_some(last);
    }

    /// A process starts and knows nothing.
    pub fn begin_life(&mut self, process: usize) {
        self.witnesses[process] = Witness::default();
    }

    /// The Gate was turned.
    pub fn gate(&mut self, now_ms: u64, automation: Automation) {
        self.gates.push((now_ms, automation));
    }

    /// A process is told something.
    pub fn told(&mut self, process: usize, name: &ReplicaName, input: &Input, now: Now) {
        self.witnesses[process].told(name, input, now);
    }

    /// S9: a process sends an agent off.
    pub fn performing(&mut self, process: usize, command: &Command, now: Now) {
        let (content, desired) = match command {
            Command::Converge { content, desired, .. } => (content, Some(desired)),
            Command::RaiseFence { content, .. } => (content, None),
            Command::Observe { .. } | Command::Publish { .. } => return,
        };
        let witness = &self.witnesses[process];
        let silent_for = now.mono.since(witness.renewed.unwrap_or(Mono(0)));
        let acknowledged = witness.shown.contains(&content.point);
        self.require(silent_for < SELF_STOP, "L4 self-stop", || {
            format!("a leader acts {} ms after the start of its last good renewal", silent_for.as_millis())
        });
        self.require(acknowledged, "S9 intent before effect", || {
            format!("an agent is sent off for {}, which the register has not given back", content.point)
        });
        let Some(state) = self.recorded(content.point).filter(|_| acknowledged) else { return };
        if let Some(desired) = desired {
            let expected = zone::expected(&state, &desired.zone);
            for (name, answer) in &desired.answers {
                if zone::differs(&expected, name, answer) {
                    self.fail(
                        "S9 intent before effect",
                        format!(
                            "an agent is to set {name} to {answer:?}, which {} does not record",
                            content.point
                        ),
                    );
                }
            }
        }
    }
}
