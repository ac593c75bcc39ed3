//! A person who asks for runs, changes their mind, turns the switch, and edits objects, at any moment.

use stamps::{
    failover::{Control, Input, Mode as Way, Subject},
    fleet::Automation,
    names::RunName,
};

use crate::{
    replica::Watch,
    world::{Event, World},
};

impl World {
    /// One act, and the next is planned.
    pub(crate) fn person_acts(&mut self) {
        if self.faults.kinds.is_empty() {
            return; // healed: from here on the world's own script asks
        }
        let pause_ms = self.rng.between(1, self.faults.person_every_ms * 2);
        self.queue.push(self.now_ms + pause_ms, Event::Person);
        match self.rng.below(100) {
            0..20 => self.ask_anything(Way::Failover),
            20..45 => self.ask_anything(Way::Failback),
            45..48 => self.cancel_something(),
            48..52 => self.say_something(),
            52..60 => self.act_in_haste(),
            60..65 => self.delete_something(),
            65..82 => self.turn_the_gate(),
            82..90 => self.change_a_lifetime(),
            _ => self.remove_or_restore_a_stamp(),
        }
    }

    fn ask_anything(&mut self, mode: Way) {
        let geodes = self.api.fleet.geodes.keys().cloned().map(Subject::Geode);
        let stamps = self.api.fleet.stamps.keys().cloned().map(Subject::Stamp);
        let subjects: Vec<Subject> = geodes.chain(stamps).collect();
        let dry_run = self.rng.chance(100);
        if let Some(subject) = self.rng.pick(&subjects).cloned() {
            self.ask_for(mode, subject, dry_run);
        }
    }

    /// Empties a region, and wants it back before the agents know what they have done.
    fn act_in_haste(&mut self) {
        let geodes: Vec<_> = self.api.fleet.geodes.keys().cloned().collect();
        let Some(subject) = self.rng.pick(&geodes).cloned().map(Subject::Geode) else { return };
        let run = self.ask_for(Way::Failover, subject.clone(), false);
        let at_ms = self.now_ms + self.rng.between(300, 6_000);
        self.queue.push(at_ms, Event::ThinkBetter(run, subject));
    }

    /// Gives a run up and wants its subject back.
    pub(crate) fn think_better(&mut self, run: &RunName, subject: Subject) {
        if self.faults.kinds.is_empty() {
            return;
        }
        self.note(format_args!("-- a person thinks better of {run}"));
        if let Some(request) = self.api.requests.get_mut(run) {
            request.control = Control::Cancel;
        }
        self.request_changed(run);
        self.ask_for(Way::Failback, subject, false);
    }

    fn some_run(&mut self) -> Option<RunName> {
        let names: Vec<RunName> = self
            .api
            .requests
            .iter()
            .filter(|(_, request)| !request.ended)
            .map(|(name, _)| name.clone())
            .collect();
        self.rng.pick(&names).cloned()
    }

    fn cancel_something(&mut self) {
        let Some(name) = self.some_run() else { return };
        self.note(format_args!("-- a person cancels {name}"));
        if let Some(request) = self.api.requests.get_mut(&name) {
            request.control = Control::Cancel;
        }
        self.tally.count("runs cancelled by a person");
        self.request_changed(&name);
    }

    /// Pauses a run, lets it go on, agrees to it, or ends it for good.
    fn say_something(&mut self) {
        let Some(name) = self.some_run() else { return };
        let control =
            *self.rng.pick(&[Control::Pause, Control::Run, Control::CancelKeep]).unwrap_or(&Control::Run);
        let hash = self.api.register.as_ref().and_then(|(state, _)| {
            let plan = state.runs.get(&name)?.plan.as_ref()?;
            Some(plan.hash.clone())
        });
        self.note(format_args!("-- a person says {control:?} to {name}, and agrees to {hash:?}"));
        if let Some(request) = self.api.requests.get_mut(&name) {
            let final_word = matches!(request.control, Control::Cancel | Control::CancelKeep);
            request.control = if final_word { request.control } else { control };
            request.approval = hash;
        }
        self.tally.count("words of a person to a run");
        self.request_changed(&name);
    }

    fn delete_something(&mut self) {
        let Some(name) = self.some_run() else { return };
        self.note(format_args!("-- a person deletes {name}"));
        self.api.requests.remove(&name);
        self.deleted.push(name.clone());
        self.tally.count("runs deleted by a person");
        self.watch_event(Watch::Objects, &|life| Event::Told(life, Input::Withdrawn(name.clone())));
    }

    /// Turns the switch that stops automation.
    pub(crate) fn turn_the_gate(&mut self) {
        if self.faults.kinds.is_empty() {
            return;
        }
        let next = match self.api.fleet.automation {
            Automation::Automatic => *self
                .rng
                .pick(&[Automation::Observe, Automation::Approve, Automation::Hold])
                .unwrap_or(&Automation::Hold),
            _ => Automation::Automatic,
        };
        self.note(format_args!("-- a person sets automation to {next:?}"));
        self.api.fleet.automation = next;
        self.tally.count("turns of the Gate");
        self.fleet_changed();
    }

    fn change_a_lifetime(&mut self) {
        let ttl_s = u32::try_from(self.rng.between(1, 9)).unwrap_or(1);
        self.api.fleet.zones.values_mut().for_each(|zone| zone.route_ttl_s = ttl_s);
        self.note(format_args!("-- a person sets the route TTL to {ttl_s} s"));
        self.fleet_changed();
    }

    /// An object that vanishes must move nothing.
    fn remove_or_restore_a_stamp(&mut self) {
        if self.missing.is_empty() {
            let names: Vec<_> = self.api.fleet.stamps.keys().cloned().collect();
            let Some(name) = self.rng.pick(&names).cloned() else { return };
            let Some(stamp) = self.api.fleet.stamps.remove(&name) else { return };
            self.note(format_args!("-- the object of {name} vanishes"));
            self.tally.count("stamp objects that vanished");
            self.missing.insert(name, stamp);
        } else {
            let missing = std::mem::take(&mut self.missing);
            self.note(format_args!("-- vanished objects are back"));
            self.api.fleet.stamps.extend(missing);
        }
        self.fleet_changed();
    }
}
