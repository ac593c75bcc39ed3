//! The way between agents and the zone's servers.

use std::rc::Rc;

use stamps::{
    failover::{Input, Key},
    names::Point,
    routing::{FenceRecord, Observation, RouteSet, ServerSeen},
};

use crate::{
    agent::{Next, prerequisite_is_sent},
    dns::{Message, Said, Zone},
    replica::Life,
    world::{Event, World},
};

/// An agent gives up on one exchange after this long.
const EXCHANGE_MS: u64 = 5_000;
/// The latest that a message may arrive: the server refuses older signatures.
const LATE_MS_MAX: u64 = 300_000;

impl World {
    fn primary_reached_by(&self, life: Life) -> bool {
        let primary = self.geode_of_server(self.dns.primary_at);
        self.now_ms >= self.replicas[life.replica].dns_cut_until
            && self.now_ms >= self.dns.primary_down_until
            && !self.weather.region_down(&primary, self.now_ms)
    }

    fn geode_of_server(&self, server: usize) -> String {
        let zone = self.api.fleet.zones.values().next();
        let geode = zone.and_then(|zone| zone.name_servers.get(server)?.geode.as_ref());
        geode.map(ToString::to_string).unwrap_or_default()
    }

    /// An agent asks the primary what it holds.
    pub(crate) fn agent_reads(&mut self, life: Life, agent: u64) {
        let (zone, wait_ms) = if self.primary_reached_by(life) {
            (Some(Rc::clone(&self.dns.primary)), self.rng.between(1, 80))
        } else {
            self.tally.count("zone reads without answer");
            (None, EXCHANGE_MS)
        };
        self.queue.push(self.now_ms + wait_ms, Event::ReadDone(life, agent, zone));
    }

    pub(crate) fn agent_read(&mut self, life: Life, number: u64, zone: Option<&Rc<Zone>>) {
        let Some(next) = self.agents.get_mut(&number).map(|agent| agent.read(zone)) else { return };
        self.agent_goes_on(life, number, next);
    }

    pub(crate) fn agent_answered(&mut self, life: Life, number: u64, said: Option<Said>) {
        let Some(next) = self.agents.get_mut(&number).map(|agent| agent.answered(said)) else { return };
        self.agent_goes_on(life, number, next);
    }

    fn agent_goes_on(&mut self, life: Life, number: u64, next: Next) {
        match next {
            Next::Read => self.queue.push(self.now_ms + 1, Event::Read(life, number)),
            Next::Send(message) => self.send(life, number, message),
            Next::Tell(outcome) => {
                let Some(agent) = self.agents.remove(&number) else { return };
                if !self.still_wanted(life, &agent.key, number) {
                    return;
                }
                let input = Input::Outcome(agent.key, outcome);
                if self.rng.chance(self.faults.rates.outcome_twice) {
                    self.tally.count("outcomes told twice");
                    let at_ms = self.now_ms + self.rng.between(1, 5_000);
                    self.queue.push(at_ms, Event::Told(life, input.clone()));
                }
                self.tell(life, input);
            }
        }
    }

    fn send(&mut self, life: Life, number: u64, message: Message) {
        let rates = self.faults.rates;
        if self.rng.chance(rates.dns_twice) {
            self.tally.count("zone updates delivered twice");
            let at_ms = self.now_ms + self.some_delay();
            self.queue.push(at_ms, Event::Message(message.clone(), None));
        }
        let lost = !self.primary_reached_by(life) || self.rng.chance(rates.dns_lost_message);
        let late = self.rng.chance(rates.dns_late);
        if lost || late {
            self.queue.push(self.now_ms + EXCHANGE_MS, Event::Answered(life, number, None));
        }
        if lost {
            self.tally.count("zone updates lost");
        } else if late {
            self.tally.count("zone updates late");
            let at_ms = self.now_ms + EXCHANGE_MS + self.some_delay();
            self.queue.push(at_ms, Event::Message(message, None));
        } else {
            let at_ms = self.now_ms + self.rng.between(1, 80);
            self.queue.push(at_ms, Event::Message(message, Some((life, number))));
        }
    }

    /// Mostly seconds, sometimes minutes.
    fn some_delay(&mut self) -> u64 {
        if self.rng.chance(700) { self.rng.between(1, 20_000) } else { self.rng.between(1, LATE_MS_MAX) }
    }

    pub(crate) fn message_arrives(&mut self, message: &Message, from: Option<(Life, u64)>) {
        let before = Rc::clone(&self.dns.primary);
        let geode = self.geode_of_server(self.dns.primary_at);
        let down = self.now_ms < self.dns.primary_down_until || self.weather.region_down(&geode, self.now_ms);
        let said = (!down).then(|| self.dns.take(message, self.now_ms, prerequisite_is_sent()));
        self.note(format_args!(
            "    the primary gets {} names under {} (of {}): {said:?}",
            message.changes.len(),
            message.fence,
            message.intent
        ));
        match said {
            Some(Said::Applied) => {
                self.tally.count("zone updates applied");
                self.checks.applied(message, &before, &self.dns.primary);
                self.plan_transfers();
            }
            Some(Said::Unmet) => self.tally.count("zone updates out of date"),
            Some(Said::Refused) => self.tally.count("zone updates refused"),
            None => {}
        }
        let Some((life, number)) = from else { return };
        let lost = said.is_none() || self.rng.chance(self.faults.rates.dns_lost_answer);
        let (said, wait_ms) = if lost {
            self.tally.count("zone answers lost");
            (None, EXCHANGE_MS)
        } else {
            (said, self.rng.between(1, 80))
        };
        self.queue.push(self.now_ms + wait_ms, Event::Answered(life, number, said));
    }

    fn plan_transfers(&mut self) {
        for server in 0..self.dns.copies.len() {
            let at_ms = (self.now_ms + self.rng.between(20, 1_500)).max(self.dns.stuck_until[server]);
            self.queue.push(at_ms, Event::Transfer(server, Rc::clone(&self.dns.primary)));
        }
    }

    pub(crate) fn transfer(&mut self, server: usize, zone: Rc<Zone>) {
        if self.now_ms < self.dns.stuck_until[server] {
            let at_ms = self.dns.stuck_until[server];
            return self.queue.push(at_ms, Event::Transfer(server, zone));
        }
        // A transfer that was overtaken brings the newer zone, as serial numbers see to it.
        if self.dns.copies[server].serial <= zone.serial {
            self.dns.copies[server] = zone;
        }
    }

    /// An agent asks every server.
    pub(crate) fn look(&mut self, life: Life, number: u64, desired: &RouteSet, against: Point) {
        if !self.still_wanted(life, &Key::Observe { zone: desired.zone.clone() }, number) {
            return;
        }
        let Some(zone) = self.api.fleet.zones.values().next() else { return };
        let names: Vec<String> = zone.name_servers.iter().map(|server| server.name.clone()).collect();
        let servers = names.into_iter().enumerate().map(|(at, server)| {
            let gone = self.weather.region_down(&self.geode_of_server(at), self.now_ms)
                || self.now_ms < self.replicas[life.replica].dns_cut_until
                || (at == self.dns.primary_at && self.now_ms < self.dns.primary_down_until);
            let held = self.dns.served(at);
            let fence = held.fence.map(|point| {
                FenceRecord::Fence(stamps::names::Fence { fleet: self.api.fleet.uid.clone(), point })
            });
            ServerSeen {
                server,
                answered: !gone,
                fence: fence.filter(|_| !gone),
                matches: !gone && held.shows(desired),
                differing: Vec::new(),
                elsewhere: if gone { std::collections::BTreeMap::new() } else { held.elsewhere(desired) },
                error: gone.then(|| "no answer".to_owned()),
            }
        });
        let observation = Observation { zone: desired.zone.clone(), servers: servers.collect() };
        self.tell(life, Input::Observed { against, observation });
    }
}
