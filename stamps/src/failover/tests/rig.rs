//! A world in which everything works, around one engine. Tests break what they are about.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use chrono::{DateTime, TimeDelta};

use super::super::*;
use crate::{
    fixtures,
    fleet::{Automation, Fleet, Ramp, Ramps},
    names::{Explained, Fence, RegisterUid, RunName, StampName, VantageName},
    routing::{Answer, FenceRecord, FenceSeen, Observation, Outcome, RouteSet, ServerSeen, effective},
    time::{Mono, Now},
    verdict::{Assessment, Report, Sample, Sight, Tick},
};

/// One engine and a world that does what it asks for.
pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) fleet: Fleet,
    pub(super) now: Now,
    /// What the API server holds.
    pub(super) register: Option<FleetState>,
    /// What the zone's servers answer.
    pub(super) zone: Option<RouteSet>,
    /// Fences in the order in which the primary accepted them.
    pub(super) fences: Vec<Fence>,
    /// Every commit that was asked for, with its demand for a look at the Gate.
    pub(super) commits: Vec<(FleetState, bool)>,
    /// Events that were published, by number.
    pub(super) published: BTreeMap<u64, Notice>,
    /// Why the engine stepped down, each time.
    pub(super) stepped_down: Vec<String>,
    /// What the agents answer after they did it.
    pub(super) agents_say: Option<Outcome>,
    /// What the API server answers to the next commits, instead of storing them.
    pub(super) commits_say: VecDeque<Input>,
    /// What the live look at the Gate comes to, unless it is open.
    pub(super) gate_says: Option<Input>,
    /// UID of the register's object.
    pub(super) uid: RegisterUid,
    /// What the fleet's status says of the register.
    pub(super) known: Option<RegisterUid>,
    pub(super) known_epoch: i64,
    /// The newest picture.
    pub(super) shown: Option<Picture>,
    /// A vantage whose reports have stopped.
    pub(super) silent: Option<VantageName>,
    requests: BTreeMap<RunName, Request>,
    samples: BTreeMap<(VantageName, StampName), Sample>,
    version: u64,
}

impl Rig {
    /// A fleet of three regions with two stamps each, automation on, nothing started yet.
    pub(super) fn new() -> Self {
        Self {
            engine: Engine::new("a".into(), std::time::Duration::ZERO),
            fleet: fixtures::fleet(3, 2),
            now: Now { wall: DateTime::from_timestamp(1_800_000_000, 0).unwrap(), mono: Mono(1_000_000) },
            register: None,
            zone: None,
            fences: Vec::new(),
            commits: Vec::new(),
            published: BTreeMap::new(),
            stepped_down: Vec::new(),
            agents_say: None,
            commits_say: VecDeque::new(),
            gate_says: None,
            uid: "register-0".into(),
            known: None,
            known_epoch: 0,
            shown: None,
            silent: None,
            requests: BTreeMap::new(),
            samples: BTreeMap::new(),
            version: 0,
        }
    }

    /// A leader whose zone is as wanted, with every vantage fresh and everything well.
    pub(super) fn leading() -> Self {
        let mut rig = Self::new();
        rig.start();
        rig.see_for(8, &[]);
        assert!(rig.engine.leading().is_some(), "{:?}", rig.stepped_down);
        rig
    }

    /// The fleet and a free Lease: the engine takes the lead.
    pub(super) fn start(&mut self) {
        self.give(Input::Fleet(Box::new(self.fleet.clone())));
        self.give(Input::Lease(LeaseSeen { holder: None, version: "0".into() }));
        self.pass(500);
    }

    /// One input, and whatever follows from it in a world that works.
    pub(super) fn give(&mut self, input: Input) {
        let outputs = self.ask(input);
        self.follow(outputs);
    }

    /// Does what the engine asks for.
    pub(super) fn follow(&mut self, outputs: Vec<Output>) {
        let mut queue = VecDeque::from(outputs);
        while let Some(output) = queue.pop_front() {
            let Some(answer) = self.answer(output) else { continue };
            queue.extend(self.ask(answer));
        }
    }

    /// One input, and what the engine wants, which nobody does.
    pub(super) fn ask(&mut self, input: Input) -> Vec<Output> {
        self.engine.on(input, self.now)
    }

    /// The policy's route TTL changes, which changes what the zone should hold.
    pub(super) fn ask_for_route_ttl(&mut self, route_ttl_s: u32) -> Vec<Output> {
        self.fleet.zones.values_mut().for_each(|zone| zone.route_ttl_s = route_ttl_s);
        self.ask(Input::Fleet(Box::new(self.fleet.clone())))
    }

    /// Time goes by.
    pub(super) fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.step(50);
            self.give(Input::Tick);
        }
    }

    /// Time goes by, and the engine is not asked.
    pub(super) fn step(&mut self, ms: u64) {
        self.now.mono.0 += ms;
        self.now.wall += TimeDelta::milliseconds(ms.cast_signed());
    }

    /// For so many seconds every vantage reports every second: stamps of `down` geodes fail, the others are well.
    pub(super) fn see_for(&mut self, seconds: u64, down: &[&str]) {
        for _ in 0..seconds {
            self.pass(950);
            self.step(50);
            self.report(&|_, stamp| {
                let bad = down.iter().any(|geode| stamp.as_str().starts_with(geode));
                if bad { Tick::Bad } else { Tick::Good }
            });
        }
    }

    /// Every vantage but the silent one adds a tick and reports.
    pub(super) fn report(&mut self, see: &dyn Fn(&VantageName, &StampName) -> Tick) {
        for (vantage, region) in self.fleet.vantages.clone() {
            if self.silent.as_ref() == Some(&vantage) {
                continue;
            }
            let mut samples = BTreeMap::new();
            for stamp in self.fleet.stamps.keys() {
                let sample = self.samples.entry((vantage.clone(), stamp.clone())).or_default();
                sample.push(see(&vantage, stamp));
                sample.ever_passed |= sample.good_total >= 5;
                samples.insert(stamp.clone(), *sample);
            }
            self.version += 1;
            let report = Report { vantage, region, sight: Sight::Sighted, samples };
            self.give(Input::Report { report, version: self.version.to_string() });
        }
    }

    /// A person asks for a run.
    pub(super) fn request(&mut self, name: &str, mode: Mode, subject: &str) {
        let request = wish(name, mode, subject);
        self.requests.insert(name.into(), request.clone());
        self.give(Input::Request(name.into(), request));
    }

    /// The person changes their mind.
    pub(super) fn cancel(&mut self, name: &str) {
        self.control(name, Control::Cancel);
    }

    /// The person says this to a run.
    pub(super) fn control(&mut self, name: &str, control: Control) {
        let request = Request { control, ..self.requests[&RunName::from(name)].clone() };
        self.give(Input::Request(name.into(), request));
    }

    /// A person sets the Gate.
    pub(super) fn set_automation(&mut self, automation: Automation) {
        self.fleet.automation = automation;
        self.give(Input::Fleet(Box::new(self.fleet.clone())));
    }

    /// A fleet whose runs go in these stages, each to stand for `bake_s`.
    pub(super) fn with_ramps(stages_pct: &[u32], bake_s: u64) -> Self {
        let mut rig = Self::new();
        let ramp = Ramp { stages_pct: stages_pct.to_vec(), bake: Duration::from_secs(bake_s) };
        rig.fleet.policy.ramps = Ramps { planned: ramp.clone(), unplanned: ramp.clone(), failback: ramp };
        rig.start();
        rig.see_for(8, &[]);
        assert!(rig.engine.leading().is_some(), "{:?}", rig.stepped_down);
        rig
    }

    pub(super) fn state(&self) -> &FleetState {
        self.register.as_ref().expect("a register")
    }

    pub(super) fn run(&self, name: &str) -> &Run {
        let runs = &self.state().runs;
        runs.get(&RunName::from(name)).unwrap_or_else(|| panic!("no run {name} in {:?}", runs.keys()))
    }

    /// The only run that the engine started by itself.
    pub(super) fn automatic(&self) -> (&RunName, &Run) {
        let mut runs = self.state().runs.iter().filter(|(_, run)| run.origin == Origin::Engine);
        let only = runs.next().expect("an automatic run");
        assert!(runs.next().is_none(), "more than one automatic run");
        only
    }

    /// What the vantages say, as the engine last showed it.
    pub(super) fn assessment(&self) -> Assessment {
        self.shown.as_ref().map(|picture| picture.assessment.clone()).unwrap_or_default()
    }

    /// How many buckets each geode serves by the register.
    pub(super) fn served_in(&self, geode: &str) -> usize {
        let stamps = self.fleet.stamps.values();
        stamps
            .flat_map(|home| home.bucket_ids().map(move |bucket| (&home.name, bucket)))
            .filter(|(home, bucket)| {
                effective(&self.state().routes, home, *bucket).as_str().starts_with(geode)
            })
            .count()
    }

    fn answer(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Load => Some(match &self.register {
                Some(state) => Input::Loaded {
                    state: Box::new(state.clone()),
                    uid: self.uid.clone(),
                    known: self.known.clone(),
                    epoch: self.known_epoch,
                },
                None => Input::Missing { known: self.known.clone(), epoch: self.known_epoch },
            }),
            Output::Commit { state, base, gate } => {
                let gate = gate != GateAsk::Nothing;
                self.commits.push(((*state).clone(), gate));
                assert_eq!(base, self.register.as_ref().map(|held| held.point), "written over what was read");
                if let Some(answer) = self.commits_say.pop_front() {
                    return Some(answer);
                }
                if let (Some(shut), true) = (&self.gate_says, gate) {
                    return Some(shut.clone());
                }
                // Through text and back, as a real register keeps it.
                let text = serde_json::to_string(&*state).unwrap();
                if self.register.is_none() {
                    self.version += 1;
                    self.uid = format!("register-{}", self.version).into();
                }
                self.register = Some(serde_json::from_str(&text).unwrap());
                assert_eq!(self.register.as_ref(), Some(&*state), "the register gives back what was stored");
                Some(Input::Stored(state))
            }
            Output::Beat => Some(Input::Beaten { started: self.now.mono, good: true }),
            Output::Perform(key, command) => Some(self.perform(key, command)),
            Output::StepDown(reason) => {
                self.stepped_down.push(reason);
                None
            }
            Output::Project(picture) => {
                self.shown = Some(*picture);
                None
            }
            Output::Release | Output::Forget(_) | Output::WakeAt(_) => None,
        }
    }

    /// What the fence in the zone says to an agent.
    fn keeps_out(&self, fence: &Fence, past: &Explained) -> Option<FenceSeen> {
        FenceRecord::Fence(self.fences.last()?.clone()).keeps_out_after(fence, past)
    }

    fn perform(&mut self, key: Key, command: Command) -> Input {
        match command {
            Command::Converge { fence, past, .. } | Command::RaiseFence { fence, past, .. }
                if self.keeps_out(&fence, &past).is_some() =>
            {
                let by = self.keeps_out(&fence, &past).unwrap();
                return Input::Outcome(key, Outcome::Fenced { by });
            }
            Command::Converge { desired, fence, .. } => {
                self.zone = Some(desired);
                self.fences.push(fence);
            }
            Command::RaiseFence { fence, .. } => self.fences.push(fence),
            Command::Publish { notices } => {
                self.published.extend(notices.into_iter().map(|notice| (notice.id, notice)));
            }
            Command::Observe { desired, against } => {
                let held = self.zone.as_ref().map(|zone| zone.answers.clone()).unwrap_or_default();
                let differing =
                    desired.answers.iter().filter(|(name, answer)| held.get(*name) != Some(answer));
                let elsewhere = differing.filter_map(|(name, _)| match held.get(name) {
                    Some(Answer::Alias { target, .. }) => Some((name.clone(), target.clone())),
                    _ => None,
                });
                // The zone's primary, as the fixtures name it.
                let seen = ServerSeen {
                    server: "ns-neu".into(),
                    answered: true,
                    fence: self.fences.last().cloned().map(FenceRecord::Fence),
                    matches: self.zone.as_ref() == Some(&desired),
                    differing: Vec::new(),
                    elsewhere: elsewhere.collect(),
                    error: None,
                };
                let observation = Observation { zone: desired.zone, servers: vec![seen] };
                return Input::Observed { against: against.point, observation };
            }
        }
        let outcome = match &key {
            Key::Zone { .. } => self.agents_say.clone().unwrap_or(Outcome::Done),
            _ => Outcome::Done,
        };
        Input::Outcome(key, outcome)
    }
}

/// What a person's object says.
pub(super) fn wish(name: &str, mode: Mode, subject: &str) -> Request {
    Request {
        uid: format!("uid-{name}"),
        origin: Origin::Person,
        mode,
        dry_run: false,
        subject: subject.parse().unwrap(),
        targets: Targets::default(),
        control: Control::Run,
        approval: None,
        overrides: BTreeSet::new(),
        reason: None,
        ended: false,
        predates_register: false,
        start_by: None,
    }
}
