//! The whole engine as one function of inputs: leadership, commits in flight, lost answers and takeover included.
//!
//! The operator and the simulator are two drivers of [`Engine::on`]; neither has an `if` about the domain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    command::{Command, Committed, Derived, Key, Settled, commands},
    decide::{World, ZoneSeen, decide},
    event::Event,
    leadership::{Lead, Lease, Role, Status},
    phase::StepKind,
    request::Request,
    restore::RegisterLife,
    state::{FleetState, Origin},
    supervise::Ages,
    words::{GateAsk, Input, Output, Picture},
};
use crate::{
    fleet::{Automation, Fleet},
    mutants::{Mutant, planted},
    names::{FleetUid, Point, ReplicaName, RunName, VantageName, ZoneName},
    resilience::backoff_ceiling,
    routing::{FenceSeen, Observation, Outcome},
    time::{Mono, Now, millis},
    verdict::{Assessment, Finding, Report, Seat, Table, Verdict, assess},
};

/// Commits are at least this far apart, so that what happens together is written together.
pub const COMMIT_EVERY: Duration = Duration::from_millis(50);
/// How often a vantage writes its report even when nothing changed.
pub const REPORT_PERIOD: Duration = Duration::from_secs(10);
/// A report is fresh for two and a half periods after it was seen to change.
const FRESH_FOR: Duration = Duration::from_secs(25);
/// Between two looks at a zone while a run waits for what it shows.
const OBSERVE_BUSY: Duration = Duration::from_millis(250);
/// Between two looks while a person is asked about the register: what is confirmed is what was seen last.
const OBSERVE_RESTORED: Duration = Duration::from_secs(2);
/// Between two looks at a zone otherwise.
const OBSERVE_IDLE: Duration = Duration::from_secs(10);
/// Between two attempts to read a Gate that cannot be read.
const GATE_AGAIN: Duration = Duration::from_secs(1);
/// Between two wake-ups when nothing is under way.
const IDLE_TICK: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
struct Heard {
    report: Report,
    version: String,
    /// When its version was seen to change. A first sight is no change.
    changed: Option<Mono>,
}

/// The engine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) me: ReplicaName,
    pub(super) role: Role,
    pub(super) lease: Lease,
    pub(super) committed: Option<Committed>,
    pub(super) fleet_uid: Option<FleetUid>,
    pub(super) register: RegisterLife,
    /// The newest commit that the register ever gave back to this replica.
    pub(super) newest: Option<Point>,
    /// The newest fence above ours that kept an agent of ours out.
    pub(super) above: Option<(ZoneName, Point)>,
    /// What was known when the oldest load that is under way began.
    pub(super) asked: Option<Point>,
    /// When the register was last asked for.
    pub(super) looked_at_register: Mono,
    /// What a person has confirmed about the register.
    pub(super) confirmed: Option<String>,
    snapshot: Option<Fleet>,
    fleet: Option<Fleet>,
    heard: BTreeMap<VantageName, Heard>,
    assessment: Assessment,
    judged: Vec<bool>,
    requests: BTreeMap<RunName, Request>,
    withdrawn: BTreeSet<RunName>,
    zones: BTreeMap<ZoneName, ZoneSeen>,
    looked: BTreeMap<ZoneName, Mono>,
    /// Zones whose look is under way and asks for names that are not today's.
    outdated: BTreeSet<ZoneName>,
    settled: BTreeMap<Key, Settled>,
    /// What follows from register and fleet; none if one of them changed since.
    derived: Option<Derived>,
    performing: BTreeMap<Key, Command>,
    retry: BTreeMap<Key, (u32, Mono)>,
    fenced: BTreeMap<ZoneName, FenceSeen>,
    ages: Ages,
    /// Until then the Gate counts as one that cannot be read.
    gate_unread: Option<Mono>,
    /// Fleet time at a moment of this replica's clock, while it leads.
    clock: (u64, Mono),
    zones_dirty: bool,
    pub(super) changed: bool,
}

impl Engine {
    /// An engine that knows nothing yet. `jitter` (up to a second) keeps challengers apart.
    pub fn new(me: ReplicaName, jitter: Duration) -> Self {
        Self {
            me,
            role: Role::Follower,
            lease: Lease::new(jitter),
            committed: None,
            fleet_uid: None,
            register: RegisterLife::default(),
            newest: None,
            above: None,
            asked: None,
            looked_at_register: Mono::default(),
            confirmed: None,
            snapshot: None,
            fleet: None,
            heard: BTreeMap::new(),
            assessment: Assessment::default(),
            judged: Vec::new(),
            requests: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            zones: BTreeMap::new(),
            looked: BTreeMap::new(),
            outdated: BTreeSet::new(),
            settled: BTreeMap::new(),
            derived: None,
            performing: BTreeMap::new(),
            retry: BTreeMap::new(),
            fenced: BTreeMap::new(),
            ages: Ages::default(),
            gate_unread: None,
            clock: (0, Mono::default()),
            zones_dirty: true,
            changed: true,
        }
    }

    /// Takes one input in and says what is to be done.
    pub fn on(&mut self, input: Input, now: Now) -> Vec<Output> {
        let mut out = Vec::new();
        self.take(input, now, &mut out);
        self.judge(now);
        self.keep_leadership(now, &mut out);
        self.commit(now, &mut out);
        self.dispatch(now, &mut out);
        self.show(&mut out);
        out.push(Output::WakeAt(self.wake_at(now)));
        out
    }

    /// Whether this replica leads.
    pub fn leading(&self) -> Option<i64> {
        match &self.role {
            Role::Leader(lead) => Some(lead.epoch),
            _ => None,
        }
    }

    fn take(&mut self, input: Input, now: Now, out: &mut Vec<Output>) {
        match input {
            Input::Stored(state) => self.stored(*state, now, out),
            Input::Loaded { state, uid, known, epoch } => {
                self.loaded(*state, &Status { uid, known, epoch }, now, out);
            }
            Input::Missing { known, epoch } => self.missing(known, epoch, now, out),
            Input::Vanished => self.vanished(now, out),
            Input::Confirmed(word) => self.confirmed = word,
            Input::TooNew { version } => self.too_new(version, now, out),
            Input::Lost => self.lost(now, out),
            Input::Unknown => self.unknown(now, out),
            Input::GateShut(automation) => self.gate_shut(automation, now),
            Input::Lease(seen) => self.lease_seen(seen, now, out),
            Input::Beaten { started, good } => self.beaten(started, good),
            Input::Fleet(fleet) => self.snapshot_came(*fleet),
            Input::Report { report, version } => self.heard(report, version, now),
            Input::Observed { against, observation } => self.observed(against, observation),
            Input::Outcome(key, outcome) => self.settle(key, outcome, now, out),
            Input::Request(name, request) => {
                self.withdrawn.remove(&name);
                self.changed |= self.committed.as_ref().is_some_and(|c| c.state().forgot(&name));
                self.requests.insert(name, request);
            }
            Input::Withdrawn(name) => {
                self.requests.remove(&name);
                self.withdrawn.insert(name);
            }
            Input::Tick => {}
            Input::Stop => self.stop(now, out),
        }
    }

    fn snapshot_came(&mut self, fleet: Fleet) {
        self.fleet_uid = Some(fleet.uid.clone());
        if self.snapshot.as_ref() != Some(&fleet) {
            self.snapshot = Some(fleet);
            self.refresh_fleet();
        }
    }

    /// The fleet that decisions see: the snapshot, and what the register remembers.
    pub(super) fn refresh_fleet(&mut self) {
        let fleet = self.snapshot.clone().map(|fleet| match &self.committed {
            Some(committed) => committed.state().remember(fleet),
            None => fleet,
        });
        if fleet != self.fleet {
            self.fleet = fleet;
            if self.committed.as_ref().is_some_and(|committed| committed.state().restored.is_some()) {
                // A look that did not ask for every name of today's fleet must not become the truth.
                self.zones.clear();
                self.looked.clear();
                self.outdated.extend(self.performing.keys().filter_map(Key::observed).cloned());
            }
            self.derived = None;
            self.zones_dirty = true;
            self.judged.clear();
            self.changed = true;
        }
    }

    fn gate_shut(&mut self, automation: Option<Automation>, now: Now) {
        match (automation, &mut self.snapshot) {
            (Some(gate), Some(snapshot)) => snapshot.automation = gate,
            // What cannot be read is closed, and no watch will say when it can be read again.
            _ => self.gate_unread = Some(now.mono + GATE_AGAIN),
        }
        self.refresh_fleet();
        self.commit_over(now);
    }

    fn heard(&mut self, report: Report, version: String, now: Now) {
        let name = report.vantage.clone();
        let changed = match self.heard.get(&name) {
            None => None,
            Some(before) if before.version == version => before.changed,
            Some(_) => Some(now.mono),
        };
        self.heard.insert(name, Heard { report, version, changed });
        self.judged.clear();
    }

    /// Verdicts anew, if a report, the fleet or somebody's freshness changed.
    fn judge(&mut self, now: Now) {
        let Some(fleet) = &self.fleet else { return };
        let fresh = |heard: &Heard| {
            planted(Mutant::StaleIsFresh) || heard.changed.is_some_and(|at| now.mono.since(at) < FRESH_FOR)
        };
        let mut key: Vec<bool> = self.heard.values().map(fresh).collect();
        key.push(true);
        if key == self.judged {
            return;
        }
        let mut table = Table::default();
        for (name, heard) in &self.heard {
            let age = heard.changed.map_or(FRESH_FOR, |at| now.mono.since(at));
            table.seats.insert(name.clone(), Seat { report: heard.report.clone(), fresh: fresh(heard), age });
        }
        let assessment = assess(fleet, &table);
        self.judged = key;
        if assessment != self.assessment {
            self.assessment = assessment;
            self.changed = true;
        }
    }

    fn observed(&mut self, against: Point, observation: Observation) {
        let zone = observation.zone.clone();
        self.performing.remove(&Key::Observe { zone: zone.clone() });
        if self.outdated.remove(&zone) {
            return;
        }
        if let Role::Leader(lead) = &mut self.role {
            lead.unseen.remove(&zone);
        }
        let seen = ZoneSeen { against, observation };
        if self.zones.get(&zone) != Some(&seen) {
            self.zones.insert(zone, seen);
            self.changed = true;
        }
    }

    fn settle(&mut self, key: Key, outcome: Outcome, now: Now, out: &mut Vec<Output>) {
        let Some(command) = self.performing.remove(&key) else { return };
        if let Some(zone) = key.observed() {
            self.outdated.remove(zone);
        }
        let assumed = planted(Mutant::UnknownIsDone) && matches!(outcome, Outcome::Unknown { .. });
        let outcome = if assumed { Outcome::Done } else { outcome };
        self.note_fence(&key, &outcome);
        if let Outcome::Fenced { by: FenceSeen::Newer(point) } = &outcome
            && self.leading().is_some_and(|epoch| point.epoch > epoch)
        {
            // If nobody has deposed us, the register itself will turn out to be older than the world.
            if let Key::Zone { zone, .. } = &key {
                self.above = Some((zone.clone(), *point));
            }
            let reason = format!("a zone's fence carries epoch {}, which is above ours", point.epoch);
            self.step_down(reason, now, out);
            return;
        }
        if let (Role::Leader(lead), Key::Zone { zone, .. } | Key::Observe { zone }) = (&mut self.role, &key) {
            lead.unraised.remove(zone);
            if matches!(key, Key::Observe { .. }) {
                lead.unseen.remove(zone);
            }
        }
        if outcome == Outcome::Done {
            self.retry.remove(&key);
        } else {
            let (failures, _) = self.retry.get(&key).copied().unwrap_or_default();
            let pause = backoff_ceiling(failures);
            self.retry.insert(key.clone(), (failures + 1, now.mono + pause));
        }
        let content = match command {
            Command::Converge { content, .. } | Command::RaiseFence { content, .. } => Some(content),
            Command::Observe { .. } | Command::Publish { .. } => None,
        };
        self.settled.insert(key, Settled { outcome, content });
        self.changed = true;
    }

    /// Remembers who keeps us out of a zone. A newer commit of our own epoch does not: what it wants is sent next.
    fn note_fence(&mut self, key: &Key, outcome: &Outcome) {
        let Key::Zone { zone, .. } = key else { return };
        let ours = self.leading().unwrap_or_default();
        match outcome {
            Outcome::Done => drop(self.fenced.remove(zone)),
            Outcome::Fenced { by: FenceSeen::Newer(point) } if point.epoch <= ours => {}
            Outcome::Fenced { by } => drop(self.fenced.insert(zone.clone(), by.clone())),
            Outcome::NotDone { .. } | Outcome::Refused { .. } | Outcome::Unknown { .. } => {}
        }
    }

    /// Decides, and sends what was decided to the register. One commit at a time.
    fn commit(&mut self, now: Now, out: &mut Vec<Output>) {
        let (Role::Leader(lead), Some(fleet), Some(committed)) = (&self.role, &self.fleet, &self.committed)
        else {
            return;
        };
        if !lead.may_commit(now) {
            return;
        }
        let world = World {
            fleet,
            assessment: &self.assessment,
            requests: &self.requests,
            withdrawn: &self.withdrawn,
            zones: &self.zones,
            settled: &self.settled,
            confirmed: self.confirmed.as_ref(),
            ages: &self.ages,
            ready: lead.ready(),
            warm: self.warm(lead, now),
            gate_unread: self.gate_unread.is_some_and(|until| now.mono < until),
            zones_dirty: self.zones_dirty,
            clock_ms: self.clock_ms(now),
            led_for: now.mono.since(lead.began),
        };
        let ready = world.ready;
        let next = decide(committed.state(), &world, now)
            .and_then(|events| Ok((committed.state().after(&events, now.wall, world.clock_ms)?, events)));
        match next {
            Err(illegal) => self.step_down(format!("a decision was not legal: {illegal}"), now, out),
            // Only now the register holds all that follows from the fleet: a commit may still be refused.
            Ok((_, events)) if events.is_empty() => self.zones_dirty &= !ready,
            Ok((state, events)) => {
                let asks = events.iter().map(|event| gate_ask(event, &state));
                let gate = asks.max().unwrap_or_default();
                let base = Some(committed.state().point);
                self.start_commit(state.clone(), now);
                out.push(Output::Commit { state: Box::new(state), base, gate });
            }
        }
    }

    /// A first sight of a report does not count as fresh, so a replica that has just started has to wait for a second.
    fn warm(&self, lead: &Lead, now: Now) -> bool {
        let known = |finding: &Finding| finding.verdict != Verdict::Unknown;
        (!self.assessment.stamps.is_empty() && self.assessment.stamps.values().all(known))
            || now.mono.since(lead.began) >= FRESH_FOR
    }

    /// Fleet time now, in milliseconds. It passes only while somebody leads.
    fn clock_ms(&self, now: Now) -> u64 {
        self.clock.0 + millis(now.mono.since(self.clock.1))
    }

    /// The register has given this back: everything else follows it.
    pub(super) fn accept(&mut self, state: FleetState, now: Now) {
        let running = if self.leading().is_some() { self.clock_ms(now) } else { 0 };
        self.clock = (state.clock_ms.max(running), now.mono);
        self.ages.follow(&state, now);
        if state.leader != self.me {
            // Whoever leads now finds out for itself.
            self.fenced.clear();
        }
        self.withdrawn.retain(|name| state.runs.get(name).is_some_and(|run| !run.phase.is_end()));
        if self.committed.as_ref().is_some_and(|before| before.state().restored != state.restored) {
            self.zones_dirty = true;
        }
        // A finding is on record: what was lost with the old register says nothing about this one.
        let newest = self.newest.filter(|_| state.restored.is_none());
        self.newest = newest.max(Some(state.point));
        self.register = RegisterLife::There;
        let committed = Committed::new(state);
        if let (Some(fleet), false) = (&self.fleet, self.settled.is_empty() && self.retry.is_empty()) {
            // An outcome that the register has taken in has done its work.
            let wanted: BTreeSet<Key> = commands(&committed, fleet).into_iter().map(|(key, _)| key).collect();
            self.settled.retain(|key, _| wanted.contains(key));
            self.retry.retain(|key, _| wanted.contains(key));
        }
        self.committed = Some(committed);
        self.derived = None;
        self.changed = true;
        self.refresh_fleet();
    }

    /// Sends agents what the register asks for, and calls back what it no longer asks for.
    fn dispatch(&mut self, now: Now, out: &mut Vec<Output>) {
        let (Role::Leader(lead), Some(fleet), Some(committed)) =
            (&mut self.role, &self.fleet, &self.committed)
        else {
            return;
        };
        let ahead = if planted(Mutant::EffectBeforeIntent) { lead.in_flight() } else { None };
        let kept = self.derived.take().filter(|_| ahead.is_none());
        let committed = ahead.as_ref().unwrap_or(committed);
        let derived = kept.unwrap_or_else(|| Derived::of(committed, fleet));
        let wanted = &derived.effects;
        let gone: Vec<Key> = self
            .performing
            .keys()
            .filter(|key| !matches!(key, Key::Observe { .. }) && !wanted.iter().any(|(k, _)| k == *key))
            .cloned()
            .collect();
        for key in gone {
            self.performing.remove(&key);
            out.push(Output::Forget(key));
        }
        // A zone for which nothing can be asked now is not waited for.
        lead.unraised.retain(|zone| {
            wanted.iter().any(|(key, _)| matches!(key, Key::Zone { zone: z, .. } if z == zone))
        });
        let due = |key: &Key| {
            let settled = self.settled.get(key).is_some_and(|settled| settled.outcome == Outcome::Done);
            let resting = self.retry.get(key).is_some_and(|(_, at)| *at > now.mono);
            !settled && !resting && !self.performing.contains_key(key)
        };
        let mut perform: Vec<(Key, Command)> = wanted.iter().filter(|(key, _)| due(key)).cloned().collect();
        let verifying = committed
            .state()
            .live_runs()
            .any(|(_, run)| run.current().is_some_and(|step| matches!(step.kind, StepKind::Verify)));
        let pause = match committed.state().restored {
            _ if verifying || !lead.unseen.is_empty() => OBSERVE_BUSY,
            Some(_) => OBSERVE_RESTORED,
            None => OBSERVE_IDLE,
        };
        for zone in fleet.zones.keys() {
            let rested = self.looked.get(zone).is_none_or(|at| now.mono.since(*at) >= pause);
            let busy = self.performing.contains_key(&Key::Observe { zone: zone.clone() });
            let look = derived.looks.get(zone);
            if look.is_none() {
                lead.unseen.remove(zone);
            }
            if let Some(look) = look.filter(|_| rested && !busy) {
                self.looked.insert(zone.clone(), now.mono);
                perform.push(look.clone());
            }
        }
        self.derived = Some(derived).filter(|_| ahead.is_none());
        lead.unseen.retain(|zone| fleet.zones.contains_key(zone));
        for (key, command) in perform {
            self.performing.insert(key.clone(), command.clone());
            out.push(Output::Perform(key, command));
        }
    }

    /// Forgets everything that only a leader does.
    pub(super) fn drop_work(&mut self, out: &mut Vec<Output>) {
        out.extend(std::mem::take(&mut self.performing).into_keys().map(Output::Forget));
        self.settled.clear();
        self.retry.clear();
        self.looked.clear();
        self.zones.clear();
        self.outdated.clear();
        self.asked = None;
        self.ages = Ages::default();
        self.changed = true;
    }

    /// Starts the leader's work on a register that it has just taken.
    pub(super) fn take_over(&mut self, now: Now) -> Lead {
        self.zones_dirty = true;
        self.changed = true;
        let zones: BTreeSet<ZoneName> =
            self.committed.iter().flat_map(|c| c.state().zones.keys().cloned()).collect();
        Lead::new(self.committed.as_ref().map_or(0, |c| c.state().point.epoch), zones, now)
    }

    fn show(&mut self, out: &mut Vec<Output>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let troubles = self
            .settled
            .iter()
            .filter(|(_, settled)| settled.outcome != Outcome::Done)
            .map(|(key, settled)| format!("{key}: {}", settled.outcome))
            .collect();
        out.push(Output::Project(Box::new(Picture {
            state: self.committed.as_ref().map(|committed| committed.state().clone()),
            fleet: self.fleet.clone(),
            assessment: self.assessment.clone(),
            zones: self.zones.clone(),
            troubles,
            fenced: self.fenced.clone(),
            leading: self.leading().is_some(),
            register: self.register.clone(),
            leftovers: self.leftovers(),
        })));
    }

    fn leftovers(&self) -> Vec<RunName> {
        let Some(committed) = &self.committed else { return Vec::new() };
        let state = committed.state();
        let over = |name: &RunName| !state.runs.contains_key(name) && state.forgot(name);
        let open = self.requests.iter().filter(|(_, request)| !request.ended);
        open.filter(|(name, _)| over(name)).map(|(name, _)| name.clone()).collect()
    }

    /// Only steps and the rest between two commits wait for time to pass. A doubt does not, however long it lasts: its
    /// clock is in the reports.
    fn wake_at(&self, now: Now) -> Mono {
        let Role::Leader(lead) = &self.role else { return now.mono + IDLE_TICK };
        let runs = self.committed.as_ref().is_some_and(|c| c.state().live_runs().next().is_some());
        now.mono + if runs || lead.rests(now) { COMMIT_EVERY } else { IDLE_TICK }
    }
}

/// What the Gate must still say when an event is written: the intent of an automatic run needs its consent.
fn gate_ask(event: &Event, state: &FleetState) -> GateAsk {
    let (Event::ShiftBegun { run, .. } | Event::StageBegun { run, .. }) = event else {
        return GateAsk::Nothing;
    };
    match state.runs.get(run) {
        Some(run) if run.origin == Origin::Engine && !planted(Mutant::SkipGate) => {
            if run.approved.is_some() {
                GateAsk::Approve
            } else {
                GateAsk::Automatic
            }
        }
        _ => GateAsk::Nothing,
    }
}
