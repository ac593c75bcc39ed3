//! Who leads: the Lease says when to try, the register alone says who succeeded.

use std::{collections::BTreeSet, time::Duration};

use super::{
    command::Committed,
    engine::{COMMIT_EVERY, Engine, GateAsk, Output},
    event::Event,
    state::FleetState,
};
use crate::{
    mutants::{Mutant, planted},
    names::{ReplicaName, ZoneName},
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

/// The Lease as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Who holds it; none if it does not exist or was given up.
    pub holder: Option<ReplicaName>,
    /// Changes with every renewal.
    pub version: String,
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
            out.push(Output::Load);
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
                    out.push(Output::Load);
                }
            }
            Role::Candidate { since, sent } => {
                if now.mono.since(*since) >= SELF_STOP {
                    // Whoever has renewed meanwhile leads; only silence gives a second try.
                    if self.lease.is_open(now) {
                        (*since, *sent) = (now.mono, None);
                        out.push(Output::Load);
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
                if matches!(lead.writing, Writing::Loading) && now.mono.since(lead.written) >= LOOK_AGAIN {
                    lead.written = now.mono;
                    out.push(Output::Load);
                }
            }
        }
    }

    pub(super) fn stored(&mut self, state: FleetState, now: Now, out: &mut Vec<Output>) {
        if self.committed.as_ref().is_some_and(|known| state.point < known.state().point) {
            return; // an old sight, or an old register: never taken back
        }
        match &mut self.role {
            Role::Follower => self.accept(state, now),
            Role::Candidate { since, sent } => {
                let won = sent.as_ref().is_some_and(|sent| **sent == state);
                if won {
                    self.accept(state, now);
                    let lead = self.take_over(now);
                    self.role = Role::Leader(lead);
                } else if sent.is_none() {
                    let event = Event::Led {
                        replica: self.me.clone(),
                        epoch: (state.point.epoch + 1).max(now.wall.timestamp()),
                    };
                    match state.after(&[event], now.wall, state.clock_ms) {
                        Ok(next) => {
                            (*since, *sent) = (now.mono, Some(Box::new(next.clone())));
                            let base = Some(state.point);
                            self.accept(state, now);
                            out.push(Output::Commit { state: Box::new(next), base, gate: GateAsk::Nothing });
                        }
                        Err(illegal) => self.step_down(illegal.to_string(), now, out),
                    }
                } else if sent.as_ref().is_some_and(|sent| state.point >= sent.point) {
                    // Somebody else was first.
                    self.accept(state, now);
                    self.step_down("another replica took the lead".to_owned(), now, out);
                }
            }
            Role::Leader(lead) => {
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

    pub(super) fn missing(&mut self, known: bool, now: Now, out: &mut Vec<Output>) {
        match (&mut self.role, &self.fleet_uid) {
            (Role::Candidate { since, sent }, Some(uid)) if !known && self.committed.is_none() => {
                let born = FleetState::born(uid.clone(), self.me.clone(), now.wall.timestamp().max(1));
                (*since, *sent) = (now.mono, Some(Box::new(born.clone())));
                out.push(Output::Commit { state: Box::new(born), base: None, gate: GateAsk::Nothing });
            }
            (Role::Follower, _) => {}
            _ => {
                let reason =
                    "RegisterLost: the FleetState object is gone, and nothing moves until it is back";
                self.step_down(reason.to_owned(), now, out);
            }
        }
    }

    pub(super) fn too_new(&mut self, version: i64, now: Now, out: &mut Vec<Output>) {
        let known = super::state::FORMAT_VERSION;
        let reason =
            format!("the register has format {version}, and this binary knows {known}; run a newer Lifeboat");
        self.step_down(reason, now, out);
    }

    pub(super) fn lost(&mut self, now: Now, out: &mut Vec<Output>) {
        match &mut self.role {
            Role::Follower => {}
            Role::Candidate { .. } => self.step_down("another replica took the lead".to_owned(), now, out),
            Role::Leader(lead) => {
                lead.writing = Writing::Loading;
                lead.written = now.mono;
                out.push(Output::Load);
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
                    out.push(Output::Load);
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
