//! One world: a seed, a clock, a queue of what is still to happen, and the models that it happens to.

use std::{collections::BTreeMap, rc::Rc};

use stamps::{
    failover::{FleetState, GateAsk, Input, Key, Request, Subject},
    fixtures,
    fleet::{Fleet, Ramp, Routing},
    names::{Point, RegisterUid, RunName, StampName, VantageName},
    routing::RouteSet,
    time::{Mono, Now},
    verdict::Report,
};

use crate::{
    Mode,
    agent::Agent,
    api::Api,
    chaos,
    check::Checks,
    dns::{Dns, Message, Said, Zone},
    faults::Faults,
    queue::Queue,
    replica::{Clock, Life, Replica},
    rng::Rng,
    sky::{Vantage, Weather},
    tally::Tally,
    trace::Trace,
};

/// One tick of every vantage.
const TICK_MS: u64 = 1_000;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A replica's process starts.
    Start(usize),
    /// A replica is told something.
    Told(Life, Input),
    /// A replica is shown the register.
    Shown(Life, Rc<FleetState>, u64),
    /// A replica is given what it read of the register.
    Loaded(Life, Input, u64),
    /// A replica asked to be called by now.
    Wake(Life, u64),
    /// A call to the API server arrives there. The flag: its caller has given up.
    Call(Life, Call, bool),
    /// The Gate was read for a commit that may go on.
    GateOpen(Life, Call),
    /// An agent reads the primary.
    Read(Life, u64),
    /// What it read comes back; none: nothing did.
    ReadDone(Life, u64, Option<Rc<Zone>>),
    /// A message arrives at the primary, from this agent; none: its answer goes nowhere.
    Message(Message, Option<(Life, u64)>),
    /// The primary's answer comes back; none: it was lost.
    Answered(Life, u64, Option<Said>),
    /// An agent looks at every server.
    Look(Life, u64, Box<RouteSet>, Point),
    /// An agent that has nothing to do with the zone answers.
    Publish(Life, u64, Key),
    /// A server of the zone gets a transfer.
    Transfer(usize, Rc<Zone>),
    /// Every vantage probes every stamp.
    Tick,
    /// A report arrives at the API server.
    Report(VantageName, Box<Report>),
    /// The leader's view arrives at the API server.
    Project(i64, Vec<(RunName, Request)>, Option<RegisterUid>),
    /// A misfortune befalls the world.
    Misfortune,
    /// A person acts.
    Person,
    /// A person looks after the register.
    Confirm,
    /// A person turns the Gate.
    TurnGate,
    /// A person gives this run up and wants its subject back.
    ThinkBetter(RunName, Subject),
    /// From now on nothing new goes wrong, and what was wrong is right again.
    Heal,
    /// A step of what is asked of a healed world.
    Healed(u32),
    /// The world ends.
    End,
}

/// A call to the API server.
#[derive(Clone, Debug)]
pub enum Call {
    /// Reads the register.
    Load,
    /// Reads the Gate, and then writes the register.
    Gate(Rc<FleetState>, Option<u64>, GateAsk),
    /// Writes the register if it has this version.
    Put(Rc<FleetState>, Option<u64>),
    /// Renews the Lease.
    Beat(Mono),
    /// Gives the Lease up.
    Release,
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// What is asked of it.
    pub mode: Mode,
    /// Virtual time.
    pub now_ms: u64,
    /// Chance.
    pub rng: Rng,
    /// What goes wrong.
    pub faults: Faults,
    /// What is still to happen.
    pub queue: Queue<Event>,
    /// The API server.
    pub api: Api,
    /// Until then it answers nobody.
    pub api_down_until: u64,
    /// Until then the fleet object cannot be read.
    pub gate_unreadable_until: u64,
    /// The zone's servers.
    pub dns: Dns,
    /// Stamps and regions.
    pub weather: Weather,
    /// Monitors.
    pub vantages: Vec<Vantage>,
    /// Processes.
    pub replicas: Vec<Replica>,
    /// Agents at work, by number.
    pub agents: BTreeMap<u64, Agent>,
    /// The number of the next agent or run.
    pub next_number: u64,
    /// Names in one update message at most.
    pub names_max: usize,
    /// Objects that people deleted.
    pub deleted: Vec<RunName>,
    /// Stamp objects that are missing just now.
    pub missing: BTreeMap<StampName, stamps::fleet::Stamp>,
    /// Registers that somebody kept.
    pub backups: Vec<Rc<FleetState>>,
    /// The highest epoch among projections.
    pub projected: i64,
    /// What must always hold.
    pub checks: Checks,
    /// What happened.
    pub trace: Trace,
    /// How often.
    pub tally: Tally,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, mode: Mode, keep_trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let faults = Faults::draw(&mut rng);
        let mut fleet = fleet(&mut rng);
        strain(&mut fleet, &mut Rng::new(!seed));
        let vantages =
            fleet.vantages.iter().map(|(n, r)| Vantage::new(n.clone(), r.clone(), &fleet)).collect();
        let servers = fleet.zones.values().next().map_or(0, |zone| zone.name_servers.len());
        let mut replica = |name| {
            let clock = Clock {
                offset_ms: rng.below(1 << 40),
                rate_permille: if rng.chance(100) { rng.between(800, 1250) } else { rng.between(990, 1010) },
                wall_ahead_ms: rng.below(4_000).cast_signed() - 2_000,
            };
            Replica::new(name, clock)
        };
        let replicas = vec![replica("op-a"), replica("op-b")];
        let mut world = Self {
            mode,
            now_ms: 0,
            faults,
            queue: Queue::default(),
            checks: Checks::new(replicas.len()),
            api: Api::new(fleet),
            api_down_until: 0,
            gate_unreadable_until: 0,
            dns: Dns::new(servers, 1),
            weather: Weather::default(),
            vantages,
            replicas,
            agents: BTreeMap::new(),
            next_number: 0,
            names_max: *rng.pick(&[6, 20, 200]).unwrap_or(&200),
            deleted: Vec::new(),
            missing: BTreeMap::new(),
            backups: Vec::new(),
            projected: 0,
            trace: Trace::new(keep_trace),
            tally: Tally::default(),
            rng,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for replica in 0..self.replicas.len() {
            let at_ms = self.rng.below(3_000);
            self.queue.push(at_ms, Event::Start(replica));
        }
        self.queue.push(TICK_MS, Event::Tick);
        // The first seconds are calm in most worlds, so that there is a leader to be hurt.
        let calm_ms = if self.rng.chance(800) { 12_000 } else { 0 };
        self.queue.push(calm_ms, Event::Misfortune);
        self.queue.push(calm_ms + 5_000, Event::Person);
        match self.mode {
            Mode::Safety => self.queue.push(chaos::SAFETY_MS, Event::End),
            Mode::Heal => self.queue.push(chaos::HEAL_AT_MS, Event::Heal),
        }
    }

    /// Lets everything happen, until the end or a violation.
    pub fn run(&mut self) {
        while let Some((at_ms, event)) = self.queue.pop() {
            self.now_ms = at_ms;
            if matches!(event, Event::End) {
                break;
            }
            self.happen(event);
            if self.checks.violation.is_some() {
                break;
            }
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some(life) = event.life() {
            let replica = &self.replicas[life.replica];
            if replica.life != life.number || replica.engine.is_none() {
                return;
            }
            if self.now_ms < replica.frozen_until {
                let at_ms = replica.frozen_until;
                return self.queue.push(at_ms, event);
            }
        }
        match event {
            Event::Start(replica) => self.start(replica),
            Event::Told(life, input) => self.tell(life, input),
            Event::Shown(life, state, version) => self.show(life, &state, version),
            Event::Loaded(life, input, version) => self.load_answered(life, input, version),
            Event::Wake(life, number) if self.replicas[life.replica].wake == number => {
                self.tell(life, Input::Tick);
            }
            Event::Wake(..) | Event::End => {}
            Event::Call(life, call, given_up) => self.call_arrives(life, call, given_up),
            Event::GateOpen(life, call) => self.call(life, call),
            Event::Read(life, agent) => self.agent_reads(life, agent),
            Event::ReadDone(life, agent, zone) => self.agent_read(life, agent, zone.as_ref()),
            Event::Message(message, agent) => self.message_arrives(&message, agent),
            Event::Answered(life, agent, said) => self.agent_answered(life, agent, said),
            Event::Look(life, number, desired, against) => self.look(life, number, &desired, against),
            Event::Publish(life, number, key) => self.publish(life, number, key),
            Event::Transfer(server, zone) => self.transfer(server, zone),
            Event::Tick => self.tick(),
            Event::Report(vantage, report) => self.report_arrives(vantage, &report),
            Event::Project(epoch, requests, known) => self.project_arrives(epoch, requests, known),
            Event::Misfortune => self.misfortune(),
            Event::Person => self.person_acts(),
            Event::Confirm => self.confirm(),
            Event::TurnGate => self.turn_the_gate(),
            Event::ThinkBetter(run, subject) => self.think_better(&run, subject),
            Event::Heal => self.heal(),
            Event::Healed(step) => self.healed(step),
        }
    }

    /// What a replica's clocks show.
    pub fn clock(&self, replica: usize) -> Now {
        self.replicas[replica].clock.now(self.now_ms)
    }

    /// The next number, for things that must not be mistaken for one another.
    pub fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn tick(&mut self) {
        self.queue.push(self.now_ms + TICK_MS, Event::Tick);
        for at in 0..self.vantages.len() {
            let vantage = &mut self.vantages[at];
            // A monitor dies with its region.
            if self.weather.region_down(vantage.region.as_str(), self.now_ms) {
                continue;
            }
            if !vantage.tick(&self.api.fleet, &self.weather, self.now_ms) {
                continue;
            }
            if self.now_ms < vantage.cut_until || self.rng.chance(self.faults.rates.report_lost) {
                self.tally.count("reports lost");
                continue;
            }
            let report = (vantage.name.clone(), Box::new(vantage.report(self.now_ms)));
            let at_ms = self.now_ms + self.rng.between(1, 100);
            self.queue.push(at_ms, Event::Report(report.0, report.1));
        }
    }

    /// Records a line, if anybody may want to read it.
    pub fn note(&mut self, line: std::fmt::Arguments<'_>) {
        self.trace.line(self.now_ms, line);
    }
}

impl Event {
    /// The process that it needs.
    fn life(&self) -> Option<Life> {
        match self {
            Self::Told(life, ..)
            | Self::Shown(life, ..)
            | Self::Loaded(life, ..)
            | Self::Wake(life, ..)
            | Self::GateOpen(life, ..)
            | Self::Read(life, ..)
            | Self::ReadDone(life, ..)
            | Self::Answered(life, ..)
            | Self::Look(life, ..)
            | Self::Publish(life, ..) => Some(*life),
            _ => None,
        }
    }
}

/// In some worlds every stamp outside one region must keep serving, so that a second failure leaves too few. Drawn by
/// itself: the other draws of a seed stay as they are.
fn strain(fleet: &mut Fleet, rng: &mut Rng) {
    if rng.chance(300) {
        let largest = fleet.geodes.keys().map(|geode| fleet.stamps_of(geode).count()).max().unwrap_or(0);
        let others = fleet.stamps.len().saturating_sub(largest);
        fleet.policy.safety.serving_stamps_min = u32::try_from(others).unwrap_or(u32::MAX);
    }
}

/// Mostly three regions with two stamps each, watched by one or two vantages per region and outside. A larger world finds
/// little more and takes its time.
fn fleet(rng: &mut Rng) -> Fleet {
    let geodes = *rng.pick(&[3, 3, 3, 3, 4, 5]).unwrap_or(&3);
    let mut fleet = fixtures::fleet(geodes, *rng.pick(&[1, 2, 2]).unwrap_or(&2));
    let more = *rng.pick(&[0, 0, 0, 1, 1, 2]).unwrap_or(&0);
    let regions: Vec<_> = fleet.vantage_regions().into_iter().cloned().collect();
    for region in regions {
        for letter in ["b", "c"].into_iter().take(more) {
            fleet.vantages.insert(format!("{region}-{letter}").into(), region.clone());
        }
    }
    if rng.chance(250) {
        fleet.zones.values_mut().for_each(|zone| zone.routing = Routing::Shared);
    }
    let seconds = std::time::Duration::from_secs;
    let hold = seconds(rng.between(2, 8));
    fleet.policy.detection.geode_hold = hold;
    fleet.policy.detection.stamp_hold = hold + seconds(rng.below(4));
    fleet.policy.workflow.step_budget = seconds(rng.between(5, 30));
    fleet.policy.workflow.run_deadline = seconds(rng.between(40, 120));
    let ramps = &mut fleet.policy.ramps;
    for ramp in [&mut ramps.planned, &mut ramps.failback, &mut ramps.unplanned] {
        if rng.chance(400) {
            let first = u32::try_from(rng.between(1, 90)).unwrap_or(1);
            *ramp = Ramp { stages_pct: vec![first, 100], bake: seconds(rng.below(6)) };
        }
    }
    fleet
}
