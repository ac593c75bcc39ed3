//! What an event does to the register. Nothing else changes it.

use chrono::{DateTime, Utc};

use super::{
    event::{Event, Illegal},
    phase::{Phase, StepKind, StepState},
    run::{Run, Said},
    state::{
        About, Closed, Content, Doubt, ENDED_RUNS_MAX, FleetState, Mode, Notice, OUTBOX_MAX, Origin, Out,
        PAST_MAX, Past, Settling, Subject, TIMELINE_MAX, ZoneState,
    },
};
use crate::{
    mutants::{Mutant, planted},
    names::{Explained, Point, ReplicaName, RunName, StampName},
    routing::Route,
};

impl FleetState {
    /// The state after `events`, as the next commit. Either all of them apply, or none.
    ///
    /// `clock_ms` is fleet time.
    pub fn after(&self, events: &[Event], at: DateTime<Utc>, clock_ms: u64) -> Result<Self, Illegal> {
        let mut next = self.clone();
        next.begin_commit(clock_ms);
        for event in events {
            next.add(event, at)?;
        }
        Ok(next)
    }

    /// What comes now belongs to the next commit.
    pub(super) fn begin_commit(&mut self, clock_ms: u64) {
        self.point.seq += 1;
        self.clock_ms = self.clock_ms.max(clock_ms);
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
            Event::Settling { program, policy } => {
                let since_ms = self.clock_ms;
                self.settling = Settling { program: program.clone(), policy: policy.clone(), since_ms };
                Ok(())
            }
            Event::ClockKept => Ok(()),
            Event::Closed { because } => {
                self.closed = Some(Closed { because: because.clone(), since: at });
                self.tell(About::Fleet, "AutomationClosed", true, because.clone(), at);
                Ok(())
            }
            Event::Opened => {
                self.closed = None;
                self.tell(
                    About::Fleet,
                    "AutomationOpened",
                    false,
                    "a person opened automation".to_owned(),
                    at,
                );
                Ok(())
            }
            Event::ZoneWanted { zone, hash } => {
                let wanted = Content { point: self.point, hash: hash.clone() };
                // The last update may have gone through without our knowing it, so what the zone held before it says
                // nothing about what it holds now, not even if that is wanted again.
                let before = self.zones.get(zone).filter(|_| planted(Mutant::BelievesOldContent));
                let applied = before.and_then(|state| state.applied.clone());
                // What stands in a zone that the register has never had was not put there by any of its commits.
                let nothing = || Explained::up_to(Point::default());
                let explained = self.zones.get(zone).map_or_else(nothing, |state| state.explained.clone());
                self.zones.insert(zone.clone(), ZoneState { wanted, applied, explained });
                Ok(())
            }
            Event::ZoneApplied { zone, content } => {
                let state = self.zones.get_mut(zone).ok_or_else(|| Illegal::Unknown(zone.to_string()))?;
                state.applied = Some(content.clone());
                if content.point.epoch == self.point.epoch {
                    state.explained = Explained::default();
                }
                Ok(())
            }
            Event::Doubted { .. }
            | Event::DoubtCleared { .. }
            | Event::DoubtHeld { .. }
            | Event::WouldHave { .. } => self.apply_to_doubt(event, at),
            Event::RunAccepted { run, record } => self.accept(run, record, at),
            Event::FoundRestored { .. } | Event::Surveyed(_) | Event::Recovered { .. } => {
                self.apply_restore(event, at);
                Ok(())
            }
            Event::Published { through } => {
                self.outbox.waiting.retain(|notice| notice.id > *through);
                Ok(())
            }
            Event::Planned { run, .. }
            | Event::StepBegun { run, .. }
            | Event::StageWaits { run, .. }
            | Event::RunHeld { run, .. }
            | Event::Replanned { run, .. }
            | Event::Approved { run, .. }
            | Event::StepRearmed { run, .. }
            | Event::StepDone { run, .. }
            | Event::StepFailed { run, .. }
            | Event::PhaseChanged { run, .. }
            | Event::RunNamed { run, .. } => self.apply_to_run(run, event, at),
            Event::ShiftBegun { run, .. }
            | Event::StageBegun { run, .. }
            | Event::UndoBegun { run, .. }
            | Event::Undone { run, .. } => self.apply_move(run, event, at),
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
        let last = Point { seq: self.point.seq - 1, ..self.point };
        self.point.epoch = epoch;
        self.leader = replica.clone();
        for zone in self.zones.values_mut() {
            zone.explained.end(last);
        }
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
                    since_ms: self.clock_ms,
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
            Event::PhaseChanged { to, reason, .. } => return self.change_phase(name, *to, reason, at),
            Event::StageWaits { reason, .. } => {
                run.reason.clone_from(reason);
                run.say(at, reason.clone());
            }
            Event::RunHeld { by, reason, .. } => {
                self.change_phase(name, Phase::Held, reason, at)?;
                if let Some(run) = self.runs.get_mut(name) {
                    run.held_by = Some(*by);
                }
            }
            Event::Replanned { plan, .. } => {
                run.say(at, format!("planned anew: {}", plan.sentence()));
                run.plan = Some(plan.clone());
            }
            Event::Approved { hash, .. } => {
                run.approved = Some(hash.clone());
                run.say(at, format!("a person agreed to plan {hash}"));
            }
            Event::RunNamed { uid, .. } => run.uid = Some(uid.clone()),
            _ => {}
        }
        Ok(())
    }

    /// Events that move traffic: the run and the routes change together.
    fn apply_move(&mut self, name: &RunName, event: &Event, at: DateTime<Utc>) -> Result<(), Illegal> {
        let (point, leader) = (self.point, self.leader.clone());
        let run = self.runs.get_mut(name).ok_or_else(|| Illegal::NoRun(name.clone()))?;
        match event {
            Event::ShiftBegun { allowed, complete_by, .. } => {
                run.arm(name, StepKind::ShiftTraffic, &leader, *complete_by, point, at)?;
                run.times.decided = Some(at);
                run.stage = 1;
                let subject = run.subject.clone();
                let (mode, origin) = (run.mode, run.origin);
                self.routes.apply(allowed.moves(), point);
                if origin == Origin::Engine {
                    self.past.push_back(Past {
                        run: name.clone(),
                        subject: subject.clone(),
                        at_ms: self.clock_ms,
                    });
                    while self.past.len() > PAST_MAX {
                        self.past.pop_front();
                    }
                }
                if mode == Mode::Failover {
                    self.out.insert(subject, Out { run: name.clone(), origin, since: at });
                }
                self.recount_out();
            }
            Event::StageBegun { allowed, .. } => {
                run.stage += 1;
                let stage = run.stage;
                if let Some(step) = run.steps.iter_mut().find(|step| step.kind == StepKind::ShiftTraffic) {
                    step.intent = Some(point);
                }
                let stages = run.plan.as_ref().map_or(0, |plan| plan.stages.len());
                run.say(at, format!("stage {stage} of {stages}: {} buckets move", allowed.moves().len()));
                self.routes.apply(allowed.moves(), point);
                self.recount_out();
            }
            Event::UndoBegun { allowed, reason, .. } => {
                run.begin_undo(name, point, at)?;
                let (subject, origin, mode) = (run.subject.clone(), run.origin, run.mode);
                self.routes.apply(allowed.moves(), point);
                if mode == Mode::Failback {
                    let out = Out { run: name.clone(), origin, since: at };
                    self.out.entry(subject).or_insert(out);
                }
                self.recount_out();
                return self.change_phase(name, Phase::Compensating, reason, at);
            }
            Event::Undone { result, .. } => {
                run.end_undo(name, at)?;
                return self.change_phase(name, Phase::Compensated, result, at);
            }
            _ => {}
        }
        Ok(())
    }

    fn change_phase(
        &mut self,
        name: &RunName,
        to: Phase,
        reason: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Illegal> {
        let run = self.runs.get_mut(name).ok_or_else(|| Illegal::NoRun(name.clone()))?;
        if !run.phase.may_become(to) {
            return Err(Illegal::Phase { run: name.clone(), from: run.phase, to });
        }
        run.phase = to;
        run.held_by = None;
        reason.clone_into(&mut run.reason);
        run.say(at, format!("{to:?}: {reason}"));
        if to.is_end() {
            run.times.ended = Some(at);
        }
        let note = format!("{}: {reason}", run.subject);
        let warning = !matches!(to, Phase::Running | Phase::Succeeded | Phase::Cancelled | Phase::Replaced);
        self.tell(About::Run(name.clone()), &format!("Run{to:?}"), warning, note, at);
        Ok(())
    }

    /// Who has every bucket at home again is no longer out, whichever run brought the last one back: a geode's stamps
    /// with the geode, a geode with its last stamp.
    pub(super) fn recount_out(&mut self) {
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
    pub(super) fn tell(
        &mut self,
        about: About,
        reason: &str,
        warning: bool,
        note: String,
        at: DateTime<Utc>,
    ) {
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
            self.forget(name);
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

    /// Every step that acted or looks at what was done is to be undone.
    fn begin_undo(&mut self, name: &RunName, point: Point, at: DateTime<Utc>) -> Result<(), Illegal> {
        for kind in self.steps_in(&[StepState::Processing, StepState::Processed]) {
            self.step_to(name, kind, StepState::Compensating, at)?;
        }
        if let Some(step) = self.steps.iter_mut().find(|step| step.kind == StepKind::ShiftTraffic) {
            step.intent = Some(point);
        }
        Ok(())
    }

    fn end_undo(&mut self, name: &RunName, at: DateTime<Utc>) -> Result<(), Illegal> {
        for kind in self.steps_in(&[StepState::Compensating]) {
            self.step_to(name, kind, StepState::Compensated, at)?;
        }
        Ok(())
    }

    /// Steps after the plan that are in one of these states.
    fn steps_in(&self, states: &[StepState]) -> Vec<StepKind> {
        let after = self.steps.iter().filter(|step| step.kind != StepKind::Precheck);
        after.filter(|step| states.contains(&step.state)).map(|step| step.kind).collect()
    }

    fn conclude(&mut self, kind: StepKind, result: &str, at: DateTime<Utc>) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.kind == kind) {
            step.result = Some(result.to_owned());
        }
        self.say(at, format!("{kind:?}: {result}"));
    }
}
