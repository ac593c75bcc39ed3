//! What the operator's shell does around an engine: calls, watches and agents, and no decision.

use std::rc::Rc;

use stamps::{
    failover::{Command, Engine, FleetState, GateAsk, Input, Key, Output, Picture, Request},
    names::{RegisterUid, RunName, VantageName},
    routing::Outcome,
    verdict::Report,
};

use crate::{
    agent::Agent,
    replica::{Life, Watch},
    world::{Call, Event, World},
};

/// A caller gives up after this long.
const TIMEOUT_MS: u64 = 1_000;

impl World {
    /// A process starts: it lists everything, and then watches.
    pub(crate) fn start(&mut self, at: usize) {
        let jitter = std::time::Duration::from_millis(self.rng.below(1_000));
        let name = self.replicas[at].name.clone();
        self.note(format_args!("{name} starts"));
        let replica = &mut self.replicas[at];
        replica.life += 1;
        replica.engine = Some(Engine::new(name, jitter));
        replica.sights.clear();
        replica.agents.clear();
        replica.watch_at = [self.now_ms; 4];
        let life = Life { replica: at, number: replica.life };
        self.checks.begin_life(at);
        let mut list =
            vec![Input::Fleet(Box::new(self.api.fleet.clone())), Input::Lease(self.api.lease.clone())];
        list.push(Input::Confirmed(self.api.confirmed.clone()));
        let requests = self.api.requests.iter();
        list.extend(requests.map(|(name, request)| Input::Request(name.clone(), request.clone())));
        let reports = self.api.reports.values();
        list.extend(
            reports.map(|(report, version)| Input::Report {
                report: report.clone(),
                version: version.to_string(),
            }),
        );
        for input in list {
            self.queue.push(self.now_ms, Event::Told(life, input));
        }
        if let Some((state, version)) = self.api.register.clone() {
            self.queue.push(self.now_ms, Event::Shown(life, state, version));
        }
    }

    /// One input for one engine, and what comes of it.
    pub(crate) fn tell(&mut self, life: Life, mut input: Input) {
        let now = self.clock(life.replica);
        if let Input::Request(_, request) = &mut input {
            // The world's own clock is the API server's; a process counts the deadline on its own.
            let clock = &self.replicas[life.replica].clock;
            request.start_by = request.start_by.map(|by| clock.now(by.0).mono);
        }
        self.trace_input(life, &input);
        self.checks.told(life.replica, &self.replicas[life.replica].name, &input, now);
        let replica = &mut self.replicas[life.replica];
        let Some(engine) = &mut replica.engine else { return };
        for output in engine.on(input, now) {
            self.carry_out(life, output);
        }
    }

    /// The register, as a load gives it.
    pub(crate) fn load_answered(&mut self, life: Life, input: Input, version: u64) {
        if let Input::Loaded { state, .. } = &input {
            self.replicas[life.replica].sights.insert(state.point, version);
        }
        self.tell(life, input);
    }

    /// The register, as a commit's answer or a watch shows it.
    pub(crate) fn show(&mut self, life: Life, state: &Rc<FleetState>, version: u64) {
        self.replicas[life.replica].sights.insert(state.point, version);
        self.tell(life, Input::Stored(Box::new((**state).clone())));
    }

    fn carry_out(&mut self, life: Life, output: Output) {
        self.trace_output(life, &output);
        match output {
            Output::Load => self.call(life, Call::Load),
            Output::Commit { state, base, gate } => {
                let version = base.and_then(|base| self.replicas[life.replica].sights.get(&base).copied());
                let state = Rc::new(*state);
                self.checks.committing(life.replica, base, &state, self.clock(life.replica), self.now_ms);
                let call = match gate {
                    GateAsk::Nothing => Call::Put(state, version),
                    asks => Call::Gate(state, version, asks),
                };
                self.call(life, call);
            }
            Output::Beat => {
                let started = self.clock(life.replica).mono;
                self.call(life, Call::Beat(started));
            }
            Output::Release => self.call(life, Call::Release),
            Output::Perform(key, command) => self.perform(life, key, command),
            Output::Forget(key) => {
                if let Some(agent) = self.replicas[life.replica].agents.remove(&key) {
                    self.agents.remove(&agent);
                }
            }
            Output::StepDown(_) => self.tally.count("leaders stepped down"),
            Output::Project(picture) => self.project(&picture),
            Output::WakeAt(mono) => {
                let replica = &mut self.replicas[life.replica];
                replica.wake += 1;
                let at_ms = replica.clock.when(mono).max(self.now_ms + 1);
                self.queue.push(at_ms, Event::Wake(life, replica.wake));
            }
        }
    }

    fn perform(&mut self, life: Life, key: Key, command: Command) {
        self.checks.performing(life.replica, &command, self.clock(life.replica));
        let number = self.number();
        self.replicas[life.replica].agents.insert(key.clone(), number);
        let soon_ms = self.now_ms + self.rng.between(2, 60);
        let event = match command {
            Command::Observe { desired, against } => {
                Event::Look(life, number, Box::new(desired), against.point)
            }
            Command::Publish { .. } => Event::Publish(life, number, key),
            zone => {
                self.agents
                    .extend(Agent::new(number, key, zone, self.names_max).map(|agent| (number, agent)));
                Event::Read(life, number)
            }
        };
        self.queue.push(soon_ms, event);
    }

    /// Whether an agent's answer is still wanted; it is given once.
    pub(crate) fn still_wanted(&mut self, life: Life, key: &Key, number: u64) -> bool {
        let agents = &mut self.replicas[life.replica].agents;
        let wanted = agents.get(key) == Some(&number);
        if wanted {
            agents.remove(key);
        }
        wanted
    }

    pub(crate) fn publish(&mut self, life: Life, number: u64, key: Key) {
        if !self.still_wanted(life, &key, number) {
            return;
        }
        let reached = self.api_reached_by(life);
        let outcome = if reached {
            Outcome::Done
        } else {
            Outcome::NotDone { reason: "the API server does not answer".to_owned() }
        };
        self.tell(life, Input::Outcome(key, outcome));
    }

    fn api_reached_by(&self, life: Life) -> bool {
        self.now_ms >= self.api_down_until && self.now_ms >= self.replicas[life.replica].api_cut_until
    }

    /// Sends a call to the API server.
    pub(crate) fn call(&mut self, life: Life, call: Call) {
        let cut = self.now_ms < self.replicas[life.replica].api_cut_until;
        if cut || self.rng.chance(self.faults.rates.api_lost_request) {
            self.tally.count("API requests lost");
            return self.fail(life, &call);
        }
        let late = self.rng.chance(self.faults.rates.api_late);
        if late {
            self.tally.count("API requests carried out late");
            self.fail(life, &call);
        }
        let delay_ms = if late { self.rng.between(TIMEOUT_MS, 40_000) } else { self.rng.between(1, 30) };
        self.queue.push(self.now_ms + delay_ms, Event::Call(life, call, late));
    }

    /// The caller gives up after its timeout.
    fn fail(&mut self, life: Life, call: &Call) {
        let input = match call {
            Call::Load | Call::Put(..) => Input::Unknown,
            Call::Gate(..) => Input::GateShut(None),
            Call::Beat(started) => Input::Beaten { started: *started, good: false },
            Call::Release => return,
        };
        self.queue.push(self.now_ms + TIMEOUT_MS, Event::Told(life, input));
    }

    pub(crate) fn call_arrives(&mut self, life: Life, call: Call, given_up: bool) {
        if self.now_ms < self.api_down_until {
            self.tally.count("API requests refused");
            if !given_up {
                self.fail(life, &call);
            }
            return;
        }
        let failed = call.clone();
        let answer = self.execute(life, call);
        if given_up {
            return;
        }
        if !self.api_reached_by(life) || self.rng.chance(self.faults.rates.api_lost_answer) {
            self.tally.count("API answers lost");
            return self.fail(life, &failed);
        }
        let at_ms = self.now_ms + self.rng.between(1, 30);
        if let Some(answer) = answer {
            self.queue.push(at_ms, answer);
        }
    }

    /// What a load finds.
    fn read_register(&self, life: Life) -> Event {
        let (known, epoch) = (self.api.known.clone(), self.projected);
        let Some((state, version)) = &self.api.register else {
            return Event::Told(life, Input::Missing { known, epoch });
        };
        let (state, uid) = (Box::new((**state).clone()), self.api.register_uid.clone());
        Event::Loaded(life, Input::Loaded { state, uid, known, epoch }, *version)
    }

    /// Does it, and says what the caller will be told.
    fn execute(&mut self, life: Life, call: Call) -> Option<Event> {
        match call {
            Call::Load => Some(self.read_register(life)),
            Call::Gate(state, version, asks) => Some(match self.api.fleet.automation {
                _ if self.now_ms < self.gate_unreadable_until => {
                    self.tally.count("Gates not readable");
                    Event::Told(life, Input::GateShut(None))
                }
                open if asks.is_met_by(open) => Event::GateOpen(life, Call::Put(state, version)),
                shut => {
                    self.tally.count("Gates shut in the last moment");
                    Event::Told(life, Input::GateShut(Some(shut)))
                }
            }),
            Call::Put(state, version) => {
                let before = self.api.register.clone();
                if !self.api.put_register(Rc::clone(&state), version) {
                    self.tally.count("commits refused");
                    return Some(Event::Told(life, Input::Lost));
                }
                self.stored(before.as_ref().map(|(before, _)| &**before), &state);
                let version = self.api.register.as_ref().map_or(0, |(_, version)| *version);
                Some(Event::Shown(life, state, version))
            }
            Call::Beat(started) => {
                self.api.put_lease(Some(self.replicas[life.replica].name.clone()));
                self.lease_changed();
                Some(Event::Told(life, Input::Beaten { started, good: true }))
            }
            Call::Release => {
                self.api.put_lease(None);
                self.lease_changed();
                None
            }
        }
    }

    fn stored(&mut self, before: Option<&FleetState>, state: &Rc<FleetState>) {
        self.note(format_args!("    the register holds {} of {}", state.point, state.leader));
        self.tally.count("commits");
        self.checks.stored(before, state, &self.dns, self.now_ms, &mut self.tally);
        if before.is_some_and(|before| before.restored.is_some()) && state.restored.is_none() {
            self.tally.count("registers recovered");
        }
        if self.rng.chance(100) {
            self.backups.push(Rc::clone(state));
        }
        let version = self.api.register.as_ref().map_or(0, |(_, version)| *version);
        self.watch_event(Watch::Register, &|life| Event::Shown(life, Rc::clone(state), version));
    }

    fn lease_changed(&mut self) {
        let lease = self.api.lease.clone();
        self.watch_event(Watch::Lease, &|life| Event::Told(life, Input::Lease(lease.clone())));
    }

    /// The register is gone or another one, by nobody's commit.
    pub(crate) fn register_replaced(&mut self, with: Option<Rc<FleetState>>) {
        self.checks.register_replaced(with.as_deref(), &self.dns);
        let version = self.api.next_version();
        self.api.register = with.map(|state| (state, version));
        match self.api.register.clone() {
            Some((state, version)) => {
                self.watch_event(Watch::Register, &|life| Event::Shown(life, Rc::clone(&state), version));
            }
            None => self.watch_event(Watch::Register, &|life| Event::Told(life, Input::Vanished)),
        }
        let at_ms = self.now_ms + self.rng.between(3_000, 30_000);
        self.queue.push(at_ms, Event::Confirm);
    }

    /// A person looks whether the register is asked about, and confirms it.
    pub(crate) fn confirm(&mut self) {
        let word = match &self.api.register {
            None => self.api.known.as_ref().map(ToString::to_string).or_else(|| Some("unnamed".to_owned())),
            Some((state, _)) => state.restored.as_ref().map(stamps::failover::Restored::word),
        };
        let word = word.filter(|word| self.api.confirmed.as_ref() != Some(word));
        if let Some(word) = word {
            self.note(format_args!("-- a person confirms {word}"));
            self.api.confirmed = Some(word.clone());
            self.watch_event(Watch::Objects, &|life| Event::Told(life, Input::Confirmed(Some(word.clone()))));
        }
        let at_ms = self.now_ms + self.rng.between(2_000, 6_000);
        self.queue.push(at_ms, Event::Confirm);
    }

    /// The fleet object, or one beside it, changed.
    pub(crate) fn fleet_changed(&mut self) {
        let fleet = Box::new(self.api.fleet.clone());
        self.checks.gate(self.now_ms, fleet.automation);
        self.watch_event(Watch::Objects, &|life| Event::Told(life, Input::Fleet(fleet.clone())));
    }

    /// A `Failover` object was made or changed.
    pub(crate) fn request_changed(&mut self, name: &RunName) {
        let Some(request) = self.api.requests.get(name).cloned() else { return };
        self.checks.asked(name, request.start_by.map(|by| by.0));
        self.watch_event(Watch::Objects, &|life| {
            Event::Told(life, Input::Request(name.clone(), request.clone()))
        });
    }

    pub(crate) fn report_arrives(&mut self, vantage: VantageName, report: &Report) {
        if self.now_ms < self.api_down_until {
            return self.tally.count("reports lost");
        }
        let version = self.api.next_version();
        self.api.reports.insert(vantage, (report.clone(), version));
        self.watch_event(Watch::Reports, &|life| {
            Event::Told(life, Input::Report { report: report.clone(), version: version.to_string() })
        });
    }

    /// Every replica will see this, in the order of its watch.
    pub(crate) fn watch_event(&mut self, watch: Watch, event: &dyn Fn(Life) -> Event) {
        for at in 0..self.replicas.len() {
            let rates = self.faults.rates;
            let objects = if matches!(watch, Watch::Objects) { rates.objects_slow } else { 0 };
            let slow = self.rng.chance(rates.watch_slow.max(objects));
            if slow {
                self.tally.count("watch events late");
            }
            let lag_ms = if slow { self.rng.between(500, 15_000) } else { self.rng.between(1, 50) };
            let replica = &mut self.replicas[at];
            let reached_ms = replica.api_cut_until.max(self.api_down_until);
            let due_ms = &mut replica.watch_at[watch as usize];
            *due_ms = (*due_ms).max(self.now_ms + lag_ms).max(reached_ms);
            let life = Life { replica: at, number: replica.life };
            self.queue.push(*due_ms, event(life));
        }
    }

    /// The leader shows runs in their objects, and makes objects for its own.
    fn project(&mut self, picture: &Picture) {
        let (true, Some(state)) = (picture.leading, &picture.state) else { return };
        let believed = state.restored.is_none();
        let mut changes = Vec::new();
        for (name, run) in state.runs.iter().filter(|_| believed) {
            let ended = run.phase.is_end();
            match self.api.requests.get(name) {
                Some(known) if known.ended != ended => {
                    changes.push((name.clone(), Request { ended, ..known.clone() }));
                }
                None if run.uid.is_none() && !self.deleted.contains(name) => {
                    changes.push((
                        name.clone(),
                        Request {
                            uid: format!("uid-{name}"),
                            origin: run.origin,
                            mode: run.mode,
                            dry_run: run.dry_run,
                            subject: run.subject.clone(),
                            targets: run.targets.clone(),
                            control: stamps::failover::Control::Run,
                            approval: None,
                            overrides: std::collections::BTreeSet::new(),
                            reason: None,
                            ended,
                            predates_register: false,
                            start_by: None,
                        },
                    ));
                }
                _ => {}
            }
        }
        for name in &picture.leftovers {
            let known = self.api.requests.get(name).filter(|known| !known.ended);
            changes.extend(known.map(|known| (name.clone(), Request { ended: true, ..known.clone() })));
        }
        let known = state.restored.is_none().then(|| self.api.register_uid.clone());
        let news = known.is_some() && known != self.api.known;
        if !changes.is_empty() || news {
            let at_ms = self.now_ms + self.rng.between(10, 500);
            self.queue.push(at_ms, Event::Project(state.point.epoch, changes, known));
        }
    }

    pub(crate) fn project_arrives(
        &mut self,
        epoch: i64,
        requests: Vec<(RunName, Request)>,
        known: Option<RegisterUid>,
    ) {
        if self.now_ms < self.api_down_until || epoch < self.projected {
            return;
        }
        self.projected = epoch;
        self.api.known = known.or_else(|| self.api.known.take());
        for (name, request) in requests {
            if self.deleted.contains(&name) || self.api.requests.get(&name).is_some_and(|known| known.ended) {
                continue;
            }
            let control = self.api.requests.get(&name).map_or(request.control, |known| known.control);
            self.api.requests.insert(name.clone(), Request { control, ..request });
            self.request_changed(&name);
        }
    }
}
