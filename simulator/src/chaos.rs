//! Misfortunes as they come, and the healing after which things must come right.

use stamps::{
    failover::{Control, Input, Mode as Way, Origin, Request, Subject, Targets},
    fleet::Automation,
    names::{GeodeName, RunName},
    routing::Route,
    time::Mono,
};

use crate::{
    faults::Misfortune,
    replica::Life,
    sky::Flap,
    world::{Event, World},
};

/// How long a world of faults lasts.
pub const SAFETY_MS: u64 = 180_000;
/// When a healing world heals.
pub const HEAL_AT_MS: u64 = 120_000;
/// The longest that a message or call of before may still be on its way, and what the engine may need to see the end
/// of it.
const SETTLE_MS: u64 = 75_000;
/// No misfortune that a process must sit out lasts longer.
const LASTS_MS_MAX: u64 = 60_000;
/// The longest that a run may start after it was asked for.
const START_WITHIN_MS_MAX: u64 = 60_000;
/// For all failbacks together: each may wait for a budget, a drain and a backoff of half a minute.
const FAILBACK_MS: u64 = 150_000;
/// From a region's death to its traffic's new home: smoothing, hold, a report period, and a backoff of half a minute.
const FAILOVER_MS: u64 = 90_000;

impl World {
    /// Something befalls the world, and the next thing is planned.
    pub(crate) fn misfortune(&mut self) {
        let Some(kind) = self.rng.pick(&self.faults.kinds).copied() else { return };
        let pause_ms = self.rng.between(1, self.faults.every_ms * 2);
        self.queue.push(self.now_ms + pause_ms, Event::Misfortune);
        let lasts_ms = if self.rng.chance(800) {
            self.rng.between(500, 20_000)
        } else {
            self.rng.between(20_000, LASTS_MS_MAX)
        };
        let until = self.now_ms + lasts_ms;
        let replica = self.rng.index(self.replicas.len());
        let vantage = self.rng.index(self.vantages.len());
        let server = self.rng.index(self.dns.stuck_until.len());
        let geodes: Vec<GeodeName> = self.api.fleet.geodes.keys().cloned().collect();
        let stamps: Vec<_> = self.api.fleet.stamps.keys().cloned().collect();
        let (Some(geode), Some(stamp)) = (self.rng.pick(&geodes).cloned(), self.rng.pick(&stamps).cloned())
        else {
            return;
        };
        self.trace.line(
            self.now_ms,
            format_args!(
                "!! {kind:?} until {}s ({}, {}, {geode}, {stamp})",
                until / 1000,
                self.replicas[replica].name,
                self.vantages[vantage].name
            ),
        );
        self.tally.count(name(kind));
        match kind {
            Misfortune::Crash => self.crash(replica, lasts_ms),
            Misfortune::Freeze => self.replicas[replica].frozen_until = until,
            Misfortune::CutFromApi => self.replicas[replica].api_cut_until = until,
            Misfortune::CutFromDns => self.replicas[replica].dns_cut_until = until,
            Misfortune::ApiDown => self.api_down_until = until,
            Misfortune::GateUnreadable => self.gate_unreadable_until = until,
            Misfortune::WallClockJump => {
                self.replicas[replica].clock.wall_ahead_ms =
                    self.rng.below(7_200_000).cast_signed() - 3_600_000;
            }
            Misfortune::PrimaryDown => self.dns.primary_down_until = until,
            Misfortune::PrimaryRefuses => self.dns.refuses_until = until,
            Misfortune::SecondaryStuck => self.dns.stuck_until[server] = until,
            Misfortune::RegionDown => {
                self.weather.region_down_until.insert(geode, until + self.rng.below(60_000));
                // People turn the switch when something is going on, not at random moments.
                if self.rng.chance(300) {
                    let at_ms = self.now_ms + self.rng.between(3_000, 15_000);
                    self.queue.push(at_ms, Event::TurnGate);
                }
            }
            Misfortune::StampDown => {
                self.weather.stamp_down_until.insert(stamp, until);
            }
            Misfortune::StampFlaps => {
                let flap = Flap {
                    from_ms: self.now_ms,
                    until_ms: until + 20_000,
                    down_ms: self.rng.between(3_000, 6_000),
                    up_ms: self.rng.between(5_000, 9_000),
                };
                self.weather.flaps.insert(stamp, flap);
            }
            Misfortune::VantageBlind => self.vantages[vantage].blind_until = until,
            Misfortune::VantageCut => self.vantages[vantage].cut_until = until,
            Misfortune::VantagePartition => self.vantages[vantage].partition = (geode, until),
            Misfortune::VantageLies => self.vantages[vantage].lies = (stamp, until),
            Misfortune::ProberFails => self.vantages[vantage].prober_fails_until = until,
            Misfortune::RegisterDeleted => self.register_deleted(),
            Misfortune::RegisterPutBack => self.register_put_back(),
            Misfortune::RunsMadeAgain => self.runs_made_again(),
        }
    }

    fn register_deleted(&mut self) {
        if self.api.register.is_some() {
            self.register_replaced(None);
        }
    }

    /// In its own object, as a backup of the whole API server has it, or in a new one.
    fn register_put_back(&mut self) {
        let Some(backup) = self.rng.pick(&self.backups).cloned() else { return };
        if self.rng.chance(500) {
            let number = self.number();
            self.api.register_uid = format!("copy-{number}").into();
        }
        self.note(format_args!("!! the register is put back to {}", backup.point));
        self.backups.retain(|kept| kept.point <= backup.point);
        self.register_replaced(Some(backup));
    }

    /// Objects with the names and words of old ones: of runs that ended, and of runs of which nobody knows.
    fn runs_made_again(&mut self) {
        let old: Vec<RunName> =
            self.api.requests.iter().filter(|(_, known)| known.ended).map(|(name, _)| name.clone()).collect();
        let Some(name) = self.rng.pick(&old).cloned() else { return };
        let number = self.number();
        // A sync makes an object anew; one that slept in a queue is as old as it was.
        let fresh = self.rng.chance(500);
        let now_ms = self.now_ms;
        let Some(request) = self.api.requests.get_mut(&name) else { return };
        *request = Request { uid: format!("uid-{number}"), ended: false, ..request.clone() };
        if fresh {
            request.start_by = Some(Mono(now_ms + START_WITHIN_MS_MAX));
        }
        self.note(format_args!("!! {name} is made again"));
        self.request_changed(&name);
    }

    fn crash(&mut self, replica: usize, lasts_ms: u64) {
        // Asked to end or killed; a killed process says nothing.
        if self.rng.chance(200) {
            let life = Life { replica, number: self.replicas[replica].life };
            if self.now_ms >= self.replicas[replica].frozen_until && self.replicas[replica].engine.is_some() {
                self.tell(life, Input::Stop);
            }
        }
        let dead = &mut self.replicas[replica];
        if dead.engine.take().is_some() {
            for agent in std::mem::take(&mut dead.agents).into_values() {
                self.agents.remove(&agent);
            }
            self.queue.push(self.now_ms + lasts_ms / 4 + 1, Event::Start(replica));
        }
    }

    /// Everything is well again. Messages that are on their way still arrive.
    pub(crate) fn heal(&mut self) {
        self.note(format_args!("== all faults heal"));
        self.faults.heal();
        for replica in &mut self.replicas {
            replica.api_cut_until = 0;
            replica.dns_cut_until = 0;
        }
        self.api_down_until = 0;
        self.gate_unreadable_until = 0;
        self.dns.primary_down_until = 0;
        self.dns.refuses_until = 0;
        self.dns.stuck_until.fill(0);
        self.weather.region_down_until.clear();
        self.weather.stamp_down_until.clear();
        self.weather.flaps.clear();
        self.vantages.iter_mut().for_each(crate::sky::Vantage::heal);
        let missing = std::mem::take(&mut self.missing);
        self.api.fleet.stamps.extend(missing);
        self.api.fleet.automation = Automation::Hold;
        self.fleet_changed();
        self.queue.push(self.now_ms, Event::Confirm);
        self.queue.push(self.now_ms + SETTLE_MS, Event::Healed(1));
    }

    /// What a healed world is asked, step by step.
    pub(crate) fn healed(&mut self, step: u32) {
        self.note(format_args!("== healed, step {step}"));
        match step {
            1 => {
                self.checks.expect_one_leader(&self.replicas);
                self.cancel_everything();
                self.queue.push(self.now_ms + 10_000, Event::Healed(2));
            }
            2 => {
                self.bring_everything_home();
                self.queue.push(self.now_ms + FAILBACK_MS, Event::Healed(3));
            }
            3 => {
                self.checks.expect_home(&self.api, &self.dns);
                self.api.fleet.automation = Automation::Automatic;
                self.fleet_changed();
                // With the primary's own region the only road is gone: Lifeboat holds, and a person helps.
                let servers = || self.api.fleet.zones.values().flat_map(|zone| &zone.name_servers);
                let primary_in = |geode: &GeodeName| {
                    servers().any(|server| server.primary && server.geode.as_ref() == Some(geode))
                };
                let geodes: Vec<GeodeName> =
                    self.api.fleet.geodes.keys().filter(|geode| !primary_in(geode)).cloned().collect();
                if let Some(geode) = self.rng.pick(&geodes).cloned() {
                    self.note(format_args!("== {geode} dies for good"));
                    self.weather.region_down_until.insert(geode, u64::MAX);
                }
                self.queue.push(self.now_ms + FAILOVER_MS, Event::Healed(4));
            }
            _ => {
                for (geode, _) in self.weather.region_down_until.clone() {
                    self.checks.expect_moved(&geode, &self.api, &self.dns);
                }
                self.checks.expect_one_leader(&self.replicas);
                self.tally.count("healed worlds");
                self.queue.push(self.now_ms, Event::End);
            }
        }
    }

    /// A person gives every run up that has not ended.
    fn cancel_everything(&mut self) {
        let names: Vec<_> = self
            .api
            .requests
            .iter()
            .filter(|(_, request)| !request.ended)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            if let Some(request) = self.api.requests.get_mut(&name) {
                request.control = Control::Cancel;
            }
            self.request_changed(&name);
        }
    }

    /// A person brings back every region that has buckets elsewhere.
    fn bring_everything_home(&mut self) {
        let Some((state, _)) = self.api.register.clone() else { return };
        let away: Vec<Subject> = state
            .routes
            .entries()
            .filter(|(_, entry)| entry.route != Route::Home)
            .filter_map(|(home, _)| Some(Subject::Geode(self.api.fleet.stamps.get(home)?.geode.clone())))
            .chain(state.out.keys().cloned())
            .collect();
        for subject in away.into_iter().collect::<std::collections::BTreeSet<_>>() {
            self.ask_for(Way::Failback, subject, false);
        }
    }

    /// A person makes a `Failover` object.
    pub(crate) fn ask_for(&mut self, mode: Way, subject: Subject, dry_run: bool) -> RunName {
        let number = self.number();
        let name = RunName::from(format!("run-{number}"));
        self.note(format_args!("-- a person asks for {mode:?} of {subject} as {name}"));
        self.tally.count("runs asked for by a person");
        let within_ms = match self.rng.between(8_000, START_WITHIN_MS_MAX) {
            // What a healed world is asked must come about.
            _ if self.faults.kinds.is_empty() => START_WITHIN_MS_MAX,
            drawn if drawn % 5 < 2 => 1_000 + drawn % 5_000,
            drawn => drawn,
        };
        self.api.requests.insert(
            name.clone(),
            Request {
                uid: format!("uid-{number}"),
                origin: Origin::Person,
                mode,
                dry_run,
                subject,
                targets: Targets::default(),
                control: Control::Run,
                approval: None,
                overrides: std::collections::BTreeSet::new(),
                reason: None,
                ended: false,
                predates_register: false,
                start_by: Some(Mono(self.now_ms + within_ms)),
            },
        );
        self.request_changed(&name);
        name
    }
}

fn name(kind: Misfortune) -> &'static str {
    match kind {
        Misfortune::Crash => "crashes",
        Misfortune::Freeze => "freezes",
        Misfortune::CutFromApi => "cuts from the API server",
        Misfortune::CutFromDns => "cuts from the zone",
        Misfortune::ApiDown => "API outages",
        Misfortune::GateUnreadable => "unreadable fleet objects",
        Misfortune::WallClockJump => "wall clock jumps",
        Misfortune::PrimaryDown => "primary outages",
        Misfortune::PrimaryRefuses => "refusing primaries",
        Misfortune::SecondaryStuck => "stuck secondaries",
        Misfortune::RegionDown => "region failures",
        Misfortune::StampDown => "stamp failures",
        Misfortune::StampFlaps => "flapping stamps",
        Misfortune::VantageBlind => "blind vantages",
        Misfortune::VantageCut => "cut vantages",
        Misfortune::VantagePartition => "partitioned vantages",
        Misfortune::VantageLies => "lying vantages",
        Misfortune::ProberFails => "failing probers",
        Misfortune::RegisterDeleted => "deletions of the register",
        Misfortune::RegisterPutBack => "restored registers",
        Misfortune::RunsMadeAgain => "runs made again",
    }
}
