//! The only way the register changes: events, applied by the table of legal transitions.

use chrono::{DateTime, Utc};

use super::{
    phase::{Phase, StepKind, StepState},
    state::{
        About, Content, Doubt, ENDED_RUNS_MAX, FleetState, Mode, Notice, OUTBOX_MAX, Out, Plan, Run, Said,
        StampRecord, Subject, TIMELINE_MAX, ZoneState,
    },
};
use crate::{
    mutants::{Mutant, planted},
    names::{Point, ReplicaName, RunName, StampName, ZoneName},
    routing::Route,
    safety::Allowed,
};

/// Something that was decided. Refusals are events too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A replica took the lead under a higher epoch.
    Led {
        /// Who.
        replica: ReplicaName,
        /// The new epoch.
        epoch: i64,
    },
    /// A stamp is new, or publishes other addresses.
    StampSeen {
        /// Which.
        stamp: StampName,
        /// What is remembered of it.
        record: StampRecord,
    },
    /// A zone should hold other content than was wanted so far.
    ZoneWanted {
        /// Which.
        zone: ZoneName,
        /// Hash of the content.
        hash: String,
    },
    /// The primary has accepted the content.
    ZoneApplied {
        /// Which.
        zone: ZoneName,
        /// What.
        content: Content,
    },
    /// Vantages outside a subject began to say that it is down.
    Doubted {
        /// Whom.
        subject: Subject,
        /// Who says so.
        sentence: String,
    },
    /// The doubt is gone.
    DoubtCleared {
        /// About whom.
        subject: Subject,
    },
    /// The hold window has passed, and rules forbid to act.
    DoubtHeld {
        /// About whom.
        subject: Subject,
        /// One sentence a rule.
        because: Vec<String>,
    },
    /// The hold window has passed, and automation only observes.
    WouldHave {
        /// About whom.
        subject: Subject,
        /// What would have been done.
        sentence: String,
    },
    /// A run was accepted.
    RunAccepted {
        /// Its name.
        run: RunName,
        /// As it was asked for.
        record: Box<Run>,
    },
    /// Precheck made a plan.
    Planned {
        /// Which run.
        run: RunName,
        /// What moves where.
        plan: Plan,
    },
    /// A step that only looks or waits begins.
    StepBegun {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// By when it should be complete, for people.
        complete_by: DateTime<Utc>,
    },
    /// The intent to move traffic. It cannot be made without what the safety rules gave.
    ShiftBegun {
        /// Which run.
        run: RunName,
        /// What the rules allowed.
        allowed: Allowed,
        /// By when it should be complete, for people.
        complete_by: DateTime<Utc>,
    },
    /// The supervisor armed an overdue step again.
    StepRearmed {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// Why.
        reason: String,
        /// By when the new attempt should be complete, for people.
        complete_by: DateTime<Utc>,
    },
    /// A step took effect.
    StepDone {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// What came of it.
        result: String,
    },
    /// A step cannot take effect.
    StepFailed {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// Why.
        reason: String,
    },
    /// A run goes on to another phase.
    PhaseChanged {
        /// Which run.
        run: RunName,
        /// Where to.
        to: Phase,
        /// Why.
        reason: String,
    },
    /// The object of a run that the engine made has this UID.
    RunNamed {
        /// Which run.
        run: RunName,
        /// The UID.
        uid: String,
    },
    /// Everything up to this number has been published.
    Published {
        /// The last number.
        through: u64,
    },
}

/// An event that the table does not allow. It is a fault in the engine; the commit is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// No such run.
    #[error("run {0} is not in the register")]
    NoRun(RunName),
    /// The run exists already.
    #[error("run {0} is in the register already")]
    RunExists(RunName),
    /// The phase may not follow.
    #[error("run {run} may not go from {from:?} to {to:?}")]
    Phase {
        /// Which run.
        run: RunName,
        /// Where it is.
        from: Phase,
        /// Where it was to go.
        to: Phase,
    },
    /// The step's state may not follow.
    #[error("step {kind:?} of run {run} may not go from {from:?} to {to:?}")]
    Step {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// Where it is.
        from: StepState,
        /// Where it was to go.
        to: StepState,
    },
    /// A plan is set once.
    #[error("run {0} has a plan already")]
    PlanExists(RunName),
    /// The epoch may not fall.
    #[error("epoch {to} is not above {from}")]
    Epoch {
        /// The register's.
        from: i64,
        /// The event's.
        to: i64,
    },
    /// No such zone or doubt.
    #[error("{0} is not in the register")]
    Unknown(String),
}

impl FleetState {
    /// The state after `events`, as the next commit. Either all of them apply, or none.
    pub fn after(&self, events: &[Event], at: DateTime<Utc>) -> Result<Self, Illegal> {
        let mut next = self.clone();
        next.begin_commit();
        for event in events {
            next.add(event, at)?;
        }
        Ok(next)
    }

    /// What comes now belongs to the next commit.
    pub(super) fn begin_commit(&mut self) {
        self.point.seq += 1;
    }

    /// Adds an event to the commit under construction. After an error the state is of no use.
    pub(super) fn add(&mut self, event: &Event, at: DateTime<Utc>) -> Result<(), Illegal> {
        self.apply(event, at)?;
        self.forget_old_runs();
        Ok(())
    }

    fn apply(&mut self, event: &Event, at: DateTime<Utc>) -> Result<(), Illegal> {
        match event {
            Event::Led { replica, epoch } => self.lead(replica, *epoch),
            Event::StampSeen { stamp, record } => {
                self.stamps.insert(stamp.clone(), record.clone());
                Ok(())
            }
            Event::ZoneWanted { zone, hash } => {
                let wanted = Content { point: self.point, hash: hash.clone() };
                // The last update may have gone through without our knowing it, so what the zone held before it says
                // nothing about what it holds now, not even if that is wanted again.
                let before = self.zones.get(zone).filter(|_| planted(Mutant::BelievesOldContent));
                let applied = before.and_then(|state| state.applied.clone());
                self.zones.insert(zone.clone(), ZoneState { wanted, applied });
                Ok(())
            }
            Event::ZoneApplied { zone, content } => {
                let state = self.zones.get_mut(zone).ok_or_else(|| Illegal::Unknown(zone.to_string()))?;
                state.applied = Some(content.clone());
                Ok(())
            }
            Event::Doubted { .. }
            | Event::DoubtCleared { .. }
            | Event::DoubtHeld { .. }
            | Event::WouldHave { .. } => self.apply_to_doubt(event, at),
            Event::RunAccepted { run, record } => self.accept(run, record, at),
            Event::Published { through } => {
                self.outbox.waiting.retain(|notice| notice.id > *through);
                Ok(())
            }
            Event::Planned { run, .. }
            | Event::StepBegun { run, .. }
            | Event::ShiftBegun { run, .. }
            | Event::StepRearmed { run, .. }
            | Event::StepDone { run, .. }
            | Event::StepFailed { run, .. }
            | Event::PhaseChanged { run, .. }
            | Event::RunNamed { run, .. } => self.apply_to_run(run, event, at),
        }
    }

    fn lead(&mut self, replica: &ReplicaName, epoch: i64) -> Result<(), Illegal> {
        if planted(Mutant::EpochNotRaised) {
            self.leader = replica.clone();
            return Ok(());
        }
        if epoch <= self.point.epoch {
            return Err(Illegal::Epoch { from: self.point.epoch, to: epoch });
        }
        self.point.epoch = epoch;
        self.leader = replica.clone();
        // Every zone gets the new epoch into its fence, whatever it holds.
        for zone in self.zones.values_mut() {
            zone.wanted.point = self.point;
        }
        Ok(())
    }

    fn apply_to_doubt(&mut self, event: &Event, at: DateTime<Utc>) -> Result<(), Illegal> {
        let unknown = |subject: &Subject| Illegal::Unknown(format!("doubt about {subject}"));
        match event {
            Event::Doubted { subject, sentence } => {
                let doubt = Doubt {
                    since: at,
                    sentence: sentence.clone(),
                    held_because: Vec::new(),
                    would_have: false,
                };
                if self.doubts.insert(subject.clone(), doubt).is_none() {
                    self.tell(About::Subject(subject.clone()), "Doubted", true, sentence.clone(), at);
                }
            }
            Event::DoubtCleared { subject } => {
                self.doubts.remove(subject).ok_or_else(|| unknown(subject))?;
                let note = format!("{subject} is no longer doubted");
                self.tell(About::Subject(subject.clone()), "DoubtCleared", false, note, at);
            }
            Event::DoubtHeld { subject, because } => {
                let doubt = self.doubts.get_mut(subject).ok_or_else(|| unknown(subject))?;
                doubt.held_because.clone_from(because);
                let note = format!("{subject} is down, and nothing is started: {}", because.join("; "));
                self.tell(About::Subject(subject.clone()), "FailoverHeld", true, note, at);
            }
            Event::WouldHave { subject, sentence } => {
                let doubt = self.doubts.get_mut(subject).ok_or_else(|| unknown(subject))?;
                doubt.would_have = true;
                self.tell(About::Subject(subject.clone()), "WouldHave", true, sentence.clone(), at);
            }
            _ => {}
        }
        Ok(())
    }

    fn accept(&mut self, name: &RunName, record: &Run, at: DateTime<Utc>) -> Result<(), Illegal> {
        if self.runs.contains_key(name) {
            return Err(Illegal::RunExists(name.clone()));
        }
        let mut run = record.clone();
        run.times.detected = self.doubts.get(&run.subject).map(|doubt| doubt.since);
        let sentence = run.reason.clone();
        run.say(at, sentence.clone());
        self.runs.insert(name.clone(), run);
        self.tell(About::Run(name.clone()), "RunAccepted", false, sentence, at);
        Ok(())
    }

    fn apply_to_run(&mut self, name: &RunName, event: &Event, at: DateTime<Utc>) -> Result<(), Illegal> {
        let (point, leader) = (self.point, self.leader.clone());
        let run = self.runs.get_mut(name).ok_or_else(|| Illegal::NoRun(name.clone()))?;
        match event {
            Event::Planned { plan, .. } => {
                if run.plan.is_some() {
                    return Err(Illegal::PlanExists(name.clone()));
                }
                run.say(at, format!("planned: {}", plan.sentence()));
                run.plan = Some(plan.clone());
            }
            Event::StepBegun { kind, complete_by, .. } => {
                run.arm(name, *kind, &leader, *complete_by, point, at)?;
            }
            Event::ShiftBegun { allowed, complete_by, .. } => {
                run.arm(name, StepKind::ShiftTraffic, &leader, *complete_by, point, at)?;
                run.times.decided = Some(at);
                let subject = run.subject.clone();
                let (mode, origin) = (run.mode, run.origin);
                self.routes.apply(allowed.moves(), point);
                if mode == Mode::Failover {
                    self.out.insert(subject, Out { run: name.clone(), origin, since: at });
                }
                self.recount_out();
            }
            Event::StepRearmed { kind, reason, complete_by, .. } => {
                run.arm(name, *kind, &leader, *complete_by, point, at)?;
                if let Some(step) = run.steps.iter_mut().find(|step| step.kind == *kind) {
                    step.failures += 1;
                }
                run.say(at, format!("{kind:?} armed again: {reason}"));
            }
            Event::StepDone { kind, result, .. } => {
                run.step_to(name, *kind, StepState::Processed, at)?;
                run.conclude(*kind, result, at);
                if *kind == StepKind::Verify {
                    run.times.shifted = Some(at);
                }
            }
            Event::StepFailed { kind, reason, .. } => {
                run.step_to(name, *kind, StepState::Error, at)?;
                run.conclude(*kind, reason, at);
            }
            Event::PhaseChanged { to, reason, .. } => {
                if !run.phase.may_become(*to) {
                    return Err(Illegal::Phase { run: name.clone(), from: run.phase, to: *to });
                }
                run.phase = *to;
                run.reason.clone_from(reason);
                run.say(at, format!("{to:?}: {reason}"));
                if to.is_end() {
                    run.times.ended = Some(at);
                }
                let note = format!("{}: {reason}", run.subject);
                let warning = !matches!(to, Phase::Running | Phase::Succeeded | Phase::Cancelled);
                self.tell(About::Run(name.clone()), &format!("Run{to:?}"), warning, note, at);
            }
            Event::RunNamed { uid, .. } => run.uid = Some(uid.clone()),
            _ => {}
        }
        Ok(())
    }

    /// Who has every bucket at home again is no longer out, whichever run brought the last one back: a geode's stamps
    /// with the geode, a geode with its last stamp.
    fn recount_out(&mut self) {
        let (stamps, routes) = (&self.stamps, &self.routes);
        let away = |stamp: &StampName| *routes.route(stamp) != Route::Home;
        self.out.retain(|subject, _| match subject {
            Subject::Stamp(stamp) => away(stamp),
            Subject::Geode(geode) => {
                stamps.iter().any(|(stamp, record)| record.geode == *geode && away(stamp))
            }
        });
    }

    /// Puts an event into the outbox; a full box drops its oldest and counts it, and never stops a commit.
    fn tell(&mut self, about: About, reason: &str, warning: bool, note: String, at: DateTime<Utc>) {
        let id = self.outbox.next;
        self.outbox.next += 1;
        self.outbox.waiting.push_back(Notice { id, about, reason: reason.to_owned(), warning, note, at });
        while self.outbox.waiting.len() > OUTBOX_MAX {
            self.outbox.waiting.pop_front();
            self.outbox.dead_letters += 1;
        }
    }

    fn forget_old_runs(&mut self) {
        let mut ended: Vec<(DateTime<Utc>, RunName)> = self
            .runs
            .iter()
            .filter_map(|(name, run)| Some((run.times.ended.filter(|_| run.phase.is_end())?, name.clone())))
            .collect();
        ended.sort();
        let surplus = ended.len().saturating_sub(ENDED_RUNS_MAX);
        for (_, name) in &ended[..surplus] {
            self.runs.remove(name);
        }
    }
}

impl Run {
    fn say(&mut self, at: DateTime<Utc>, sentence: String) {
        self.timeline.push_back(Said { at, sentence });
        while self.timeline.len() > TIMELINE_MAX {
            self.timeline.pop_front();
        }
    }

    fn step_to(
        &mut self,
        name: &RunName,
        kind: StepKind,
        to: StepState,
        at: DateTime<Utc>,
    ) -> Result<(), Illegal> {
        let Some(step) = self.steps.iter_mut().find(|step| step.kind == kind) else {
            return Err(Illegal::Unknown(format!("step {kind:?} of run {name}")));
        };
        if !step.state.may_become(to) {
            return Err(Illegal::Step { run: name.clone(), kind, from: step.state, to });
        }
        step.state = to;
        step.reached.insert(to, at);
        if to != StepState::Processing {
            step.locked_by = None;
        }
        Ok(())
    }

    fn arm(
        &mut self,
        name: &RunName,
        kind: StepKind,
        by: &ReplicaName,
        complete_by: DateTime<Utc>,
        point: Point,
        at: DateTime<Utc>,
    ) -> Result<(), Illegal> {
        self.step_to(name, kind, StepState::Processing, at)?;
        if let Some(step) = self.steps.iter_mut().find(|step| step.kind == kind) {
            step.attempt += 1;
            step.locked_by = Some(by.clone());
            step.complete_by = Some(complete_by);
            step.intent.get_or_insert(point);
        }
        Ok(())
    }

    fn conclude(&mut self, kind: StepKind, result: &str, at: DateTime<Utc>) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.kind == kind) {
            step.result = Some(result.to_owned());
        }
        self.say(at, format!("{kind:?}: {result}"));
    }
}
