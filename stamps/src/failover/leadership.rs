//! Who leads: the Lease says when to try, the register alone says who succeeded.

use std::{collections::BTreeSet, time::Duration};

use super::{
    command::Committed,
    engine::{COMMIT_EVERY, Engine},
    event::Event,
    restore::{RegisterLife, Suspicion, born_again},
    state::FleetState,
    words::{GateAsk, Output},
};
use crate::{
    mutants::{Mutant, planted},
    names::{Point, RegisterUid, ReplicaName, ZoneName},
    time::{Mono, Now},
};

/// Between two renewals of the Lease.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);
/// A leader stops by itself this long after the start of its last good renewal.
pub const SELF_STOP: Duration = Duration::from_secs(6);
/// A challenger waits for this much silence (and its jitter), so that the old leader has stopped before.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// Between two looks at the register of a leader that has reason to think it was deposed, or a candidate's attempts.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Between two looks of a leader at a register that nobody is known to have touched.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// The Lease as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Who holds it; none if it does not exist or was given up.
    pub holder: Option<ReplicaName>,
    /// Changes with every renewal.
    pub version: String,
}

/// What objects say about a register that was read.
#[derive(Clone, Debug)]
pub(super) struct Status {
    /// The object that it came from.
    pub(super) uid: RegisterUid,
    /// The object that the fleet's status names.
    pub(super) known: Option<RegisterUid>,
    /// The highest epoch that the fleet's status has had.
    pub(super) epoch: i64,
}

/// What this replica knows of the Lease.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    jitter: Duration,
    seen: Option<LeaseSeen>,
    changed: Mono,
}

impl Lease {
    pub(super) fn new(jitter: Duration) -> Self {
        Self { jitter, seen: None, changed: Mono::default() }
    }

    fn note(&mut self, seen: LeaseSeen, now: Now) {
        if self.seen.as_ref() != Some(&seen) {
            self.seen = Some(seen);
            self.changed = now.mono;
        }
    }

    /// Somebody else won: their silence is counted from now on.
    fn give_way(&mut self, now: Now) {
        if let Some(seen) = &mut self.seen {
            seen.holder.get_or_insert_with(|| "somebody else".into());
        }
        self.changed = now.mono;
    }

    /// Whether it is time to try.
    fn is_open(&self, now: Now) -> bool {
        self.seen.as_ref().is_some_and(|seen| {
            seen.holder.is_none() || now.mono.since(self.changed) >= PATIENCE + self.jitter
        })
    }
}

/// What this replica is.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// Watches.
    Follower,
    /// Tries to take the register.
    Candidate {
        /// When its last call began.
        since: Mono,
        /// What it sent, once it has.
        sent: Option<Box<FleetState>>,
    },
    /// Leads.
    Leader(Lead),
}

/// A leader's bookkeeping.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    /// Its epoch.
    pub epoch: i64,
    /// When it won.
    pub(super) began: Mono,
    /// Zones whose fence has not been raised yet, nor tried.
    pub(super) unraised: BTreeSet<ZoneName>,
    /// Zones that have not been looked at yet, nor tried.
    pub(super) unseen: BTreeSet<ZoneName>,
    renewed: Mono,
    next_beat: Mono,
    writing: Writing,
    written: Mono,
}

/// Where the one commit is.
#[derive(Clone, Debug)]
enum Writing {
    Idle,
    Sent(Box<FleetState>),
    /// An answer was lost or a write refused: the register says what is true.
    Loading,
}

impl Lead {
    pub(super) fn new(epoch: i64, zones: BTreeSet<ZoneName>, now: Now) -> Self {
        Self {
            epoch,
            began: now.mono,
            unraised: zones.clone(),
            unseen: zones,
            renewed: now.mono,
            next_beat: now.mono,
            writing: Writing::Idle,
            written: now.mono,
        }
    }

    /// The takeover is over: every fence in reach was raised, and the world was looked at.
    pub(super) fn ready(&self) -> bool {
        self.unraised.is_empty() && self.unseen.is_empty()
    }

    /// What is on its way to the register. Nothing may follow from it.
    pub(super) fn in_flight(&self) -> Option<Committed> {
        match &self.writing {
            Writing::Sent(state) => Some(Committed::new((**state).clone())),
            Writing::Idle | Writing::Loading => None,
        }
    }

    pub(super) fn may_commit(&self, now: Now) -> bool {
        matches!(self.writing, Writing::Idle) && !self.rests(now)
    }

    /// The last commit is too young for another.
    pub(super) fn rests(&self, now: Now) -> bool {
        now.mono.since(self.written) < COMMIT_EVERY
    }
}

impl Engine {
    pub(super) fn lease_seen(&mut self, seen: LeaseSeen, now: Now, out: &mut Vec<Output>) {
        let other = seen.holder.as_ref().is_some_and(|holder| *holder != self.me);
        self.lease.note(seen, now);
        // Somebody else renews: either we were deposed, or they will learn that they were. The register knows.
        if let Role::Leader(lead) = &mut self.role
            && other
            && matches!(lead.writing, Writing::Idle)
        {
            lead.writing = Writing::Loading;
            lead.written = now.mono;
            self.load(now, out);
        }
    }

    pub(super) fn beaten(&mut self, started: Mono, good: bool) {
        if let Role::Leader(lead) = &mut self.role
            && good
        {
            lead.renewed = lead.renewed.max(started);
        }
    }

    /// Challenges, renews, or stops, as time demands.
    pub(super) fn keep_leadership(&mut self, now: Now, out: &mut Vec<Output>) {
        match &mut self.role {
            Role::Follower => {
                if self.fleet_uid.is_some() && self.lease.is_open(now) {
                    self.role = Role::Candidate { since: now.mono, sent: None };
                    self.load(now, out);
                }
            }
            Role::Candidate { since, sent } => {
                if now.mono.since(*since) >= SELF_STOP {
                    // Whoever has renewed meanwhile leads; only silence gives a second try.
                    if self.lease.is_open(now) {
                        (*since, *sent) = (now.mono, None);
                        self.load(now, out);
                    } else {
                        self.role = Role::Follower;
                    }
                }
            }
            Role::Leader(lead) => {
                if now.mono.since(lead.renewed) >= SELF_STOP && !planted(Mutant::NoSelfStop) {
                    let reason = format!("no good renewal for {} s", SELF_STOP.as_secs());
                    self.step_down(reason, now, out);
                    return;
                }
                if now.mono >= lead.next_beat {
                    lead.next_beat = now.mono + RENEW_EVERY;
                    out.push(Output::Beat);
                }
                let overdue =
                    matches!(lead.writing, Writing::Loading) && now.mono.since(lead.written) >= LOOK_AGAIN;
                if overdue {
                    lead.written = now.mono;
                }
                // A register that was put back by an older one is not told by any watch.
                if overdue || now.mono.since(self.looked_at_register) >= CHECK_EVERY {
                    self.load(now, out);
                }
            }
        }
    }

    /// Reads the register, and remembers what was known before: a read that shows less is no old sight.
    pub(super) fn load(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.asked.is_none() {
            self.asked = self.newest;
        }
        self.looked_at_register = now.mono;
        out.push(Output::Load);
    }

    /// A commit's answer, or what a watch saw.
    pub(super) fn stored(&mut self, state: FleetState, now: Now, out: &mut Vec<Output>) {
        let ours = self.fleet_uid.as_ref().is_none_or(|uid| *uid == state.fleet || state.restored.is_some());
        if !ours || self.committed.as_ref().is_some_and(|known| state.point < known.state().point) {
            return; // an old sight, an old register or a foreign one: only a load tells which
        }
        match &mut self.role {
            Role::Follower | Role::Candidate { sent: None, .. } => self.accept(state, now),
            Role::Candidate { sent: Some(sent), .. } => {
                let (won, beaten) = (**sent == state, state.point >= sent.point);
                if won {
                    self.accept(state, now);
                    let lead = self.take_over(now);
                    self.role = Role::Leader(lead);
                } else if beaten {
                    self.accept(state, now);
                    self.step_down("another replica took the lead".to_owned(), now, out);
                }
            }
            Role::Leader(lead) => {
                let own = matches!(&lead.writing, Writing::Sent(sent) if **sent == state);
                if own {
                    // A recovery may have raised the epoch once more.
                    lead.epoch = state.point.epoch;
                }
                if state.point.epoch != lead.epoch || state.leader != self.me {
                    let reason = format!("{} leads with epoch {}", state.leader, state.point.epoch);
                    self.accept(state, now);
                    self.step_down(reason, now, out);
                    return;
                }
                let answered = match &lead.writing {
                    Writing::Sent(sent) => state.point >= sent.point,
                    Writing::Loading => true,
                    // A write of ours that was thought lost has arrived after all.
                    Writing::Idle => self.committed.as_ref().is_none_or(|c| state.point > c.state().point),
                };
                if answered {
                    lead.writing = Writing::Idle;
                    self.accept(state, now);
                }
            }
        }
    }

    /// The answer to a load: the register as it is now, and not as somebody saw it once.
    pub(super) fn loaded(&mut self, state: FleetState, status: &Status, now: Now, out: &mut Vec<Output>) {
        let asked = self.asked.take();
        if matches!(self.role, Role::Candidate { sent: None, .. }) {
            if self.newest.is_some_and(|newest| state.point < newest) && asked < self.newest {
                // What is newer may have come while the answer was on its way.
                return self.load(now, out);
            }
            return self.challenge(state, status, now, out);
        }
        if asked.is_some_and(|asked| state.point < asked) && !matches!(self.role, Role::Follower) {
            let reason =
                format!("the register is at {}, older than what it was: it was put back", state.point);
            return self.step_down(reason, now, out);
        }
        self.stored(state, now, out);
    }

    /// Asks for the lead over a register that was just read. If the register is not to be believed, that is recorded
    /// in the same commit, so that no leader ever acts on it.
    fn challenge(&mut self, state: FleetState, status: &Status, now: Now, out: &mut Vec<Output>) {
        let epoch = (state.point.epoch.max(status.epoch) + 1).max(now.wall.timestamp());
        let mut events = vec![Event::Led { replica: self.me.clone(), epoch }];
        if let Some(suspicion) = self.suspicion(&state, status) {
            events.push(Event::FoundRestored { suspicion, replaces: status.known.clone() });
        }
        match state.after(&events, now.wall, state.clock_ms) {
            Ok(next) => {
                self.role = Role::Candidate { since: now.mono, sent: Some(Box::new(next.clone())) };
                let base = Some(state.point);
                self.accept(state, now);
                out.push(Output::Commit { state: Box::new(next), base, gate: GateAsk::Nothing });
            }
            Err(illegal) => self.step_down(illegal.to_string(), now, out),
        }
    }

    /// Why this register is not the one that the world follows, if so.
    fn suspicion(&self, state: &FleetState, status: &Status) -> Option<Suspicion> {
        if state.restored.is_some() || planted(Mutant::TrustsRestored) {
            return None; // on record already
        }
        if self.fleet_uid.as_ref().is_some_and(|ours| *ours != state.fleet) {
            return Some(Suspicion::ForeignHub { fleet: state.fleet.clone() });
        }
        let Status { uid, known, epoch } = status;
        let stranger = known.as_ref().filter(|known| *known != uid && state.replaces.as_ref() != Some(known));
        if let Some(known) = stranger {
            return Some(Suspicion::Copy { uid: uid.clone(), known: known.clone() });
        }
        let projected = Point { epoch: *epoch, seq: 0 };
        let seen = self.newest.unwrap_or_default().max(projected);
        if state.point < seen {
            return Some(Suspicion::Older { seen });
        }
        let (zone, point) = self.above.as_ref().filter(|(_, point)| *point > state.point)?;
        Some(Suspicion::Fence { zone: zone.clone(), point: *point })
    }

    /// A watch saw the register's deletion. Its answer counts, not the watch's.
    pub(super) fn vanished(&mut self, now: Now, out: &mut Vec<Output>) {
        if let Role::Leader(lead) = &mut self.role
            && matches!(lead.writing, Writing::Idle)
        {
            lead.writing = Writing::Loading;
            lead.written = now.mono;
            self.load(now, out);
        }
    }

    pub(super) fn missing(
        &mut self,
        known: Option<RegisterUid>,
        epoch: i64,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        self.asked = None;
        let Some(uid) = self.fleet_uid.clone() else { return };
        if matches!(self.role, Role::Follower) {
            return;
        }
        // A replica that has seen the register knows of it, also if no status was ever written.
        let known = known.or_else(|| self.newest.map(|_| RegisterUid::from("unnamed")));
        let confirmed = known.as_ref().is_none_or(|lost| self.confirmed.as_deref() == Some(lost.as_str()));
        if matches!(self.role, Role::Candidate { .. }) && confirmed {
            let epoch = now.wall.timestamp().max(epoch + 1).max(1);
            let mut born = FleetState::born(uid, self.me.clone(), epoch);
            if let Some(lost) = known {
                born = born_again(born, lost, now.wall);
                (self.committed, self.newest) = (None, None);
            }
            self.role = Role::Candidate { since: now.mono, sent: Some(Box::new(born.clone())) };
            out.push(Output::Commit { state: Box::new(born), base: None, gate: GateAsk::Nothing });
            return;
        }
        if let Some(known) = known {
            self.register = RegisterLife::Lost { known };
        }
        self.changed = true;
        self.step_down(
            "RegisterLost: the FleetState object is gone, and nothing moves until it is back".into(),
            now,
            out,
        );
    }

    pub(super) fn too_new(&mut self, version: i64, now: Now, out: &mut Vec<Output>) {
        let known = super::state::FORMAT_VERSION;
        let reason =
            format!("the register has format {version}, and this binary knows {known}; run a newer Lifeboat");
        let alone = matches!(self.role, Role::Candidate { .. });
        self.register = RegisterLife::TooNew { version, alone };
        self.changed = true;
        self.step_down(reason, now, out);
    }

    pub(super) fn lost(&mut self, now: Now, out: &mut Vec<Output>) {
        match &mut self.role {
            Role::Follower => {}
            Role::Candidate { .. } => self.step_down("another replica took the lead".to_owned(), now, out),
            Role::Leader(lead) => {
                lead.writing = Writing::Loading;
                lead.written = now.mono;
                self.load(now, out);
            }
        }
    }

    pub(super) fn unknown(&mut self, now: Now, out: &mut Vec<Output>) {
        match &mut self.role {
            Role::Follower => {}
            // Its own answer may be lost: the state that it sent is still what it compares with.
            Role::Candidate { since, .. } => {
                if now.mono.since(*since) >= LOOK_AGAIN {
                    *since = now.mono;
                    self.load(now, out);
                }
            }
            Role::Leader(lead) => {
                let sent = lead.in_flight().filter(|_| planted(Mutant::RetryAssumesStored));
                lead.writing = if sent.is_some() { Writing::Idle } else { Writing::Loading };
                lead.written = now.mono;
                if let Some(sent) = sent {
                    self.accept(sent.state().clone(), now);
                }
            }
        }
    }

    pub(super) fn start_commit(&mut self, state: FleetState, now: Now) {
        if let Role::Leader(lead) = &mut self.role {
            lead.writing = Writing::Sent(Box::new(state));
            lead.written = now.mono;
        }
    }

    /// The commit was not made, and that is certain.
    pub(super) fn commit_over(&mut self, now: Now) {
        if let Role::Leader(lead) = &mut self.role {
            lead.writing = Writing::Idle;
            lead.written = now.mono;
        }
    }

    pub(super) fn step_down(&mut self, reason: String, now: Now, out: &mut Vec<Output>) {
        self.role = Role::Follower;
        self.lease.give_way(now);
        self.drop_work(out);
        out.push(Output::StepDown(reason));
    }

    pub(super) fn stop(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.leading().is_some() {
            out.push(Output::Release);
        }
        self.step_down("the process ends".to_owned(), now, out);
    }
}
