//! A register that is lost, put back from a backup, copied, or another hub's.

use super::{
    super::*,
    rig::{Rig, wish},
};
use crate::{
    names::{Point, RegisterUid},
    routing::{FenceRecord, RouteSet, effective},
};

impl Rig {
    /// Every replica dies, and another one starts that knows nothing but what it reads.
    fn start_anew(&mut self) {
        self.engine = Engine::new("b".into(), std::time::Duration::ZERO);
        self.give(Input::Fleet(Box::new(self.fleet.clone())));
        self.give(Input::Lease(LeaseSeen { holder: None, version: "9".into() }));
        self.see_for(4, &[]);
    }

    /// The register as it was is put back, without its object's being another.
    fn put_back(&mut self, backup: &FleetState) {
        self.register = Some(backup.clone());
    }

    fn restored(&self) -> &Restored {
        self.state().restored.as_ref().expect("a register that is not believed")
    }

    fn world(&self) -> (Option<RouteSet>, usize) {
        (self.zone.clone(), self.fences.len())
    }

    fn confirm(&mut self, word: &str) {
        self.give(Input::Confirmed(Some(word.to_owned())));
        self.see_for(3, &[]);
    }

    /// weu is failed over by a person, after a backup was made.
    fn failed_over() -> (Self, FleetState) {
        let mut rig = Self::leading();
        rig.known = Some(rig.uid.clone());
        let backup = rig.state().clone();
        rig.request("out", Mode::Failover, "geode/weu");
        rig.see_for(10, &[]);
        assert_eq!(rig.run("out").phase, Phase::Succeeded, "{}", rig.run("out").reason);
        (rig, backup)
    }

    /// Every stamp still does something: a run ends and traffic moves.
    fn works_again(&mut self, subject: &str) {
        self.request("afterwards", Mode::Failback, subject);
        self.see_for(10, &[]);
        assert_eq!(self.run("afterwards").phase, Phase::Succeeded, "{}", self.run("afterwards").reason);
    }
}

#[test]
fn a_register_older_than_the_world_is_led_and_does_nothing() {
    let (mut rig, backup) = Rig::failed_over();
    let world = rig.world();
    rig.put_back(&backup);
    rig.start_anew();
    assert!(rig.engine.leading().is_some(), "somebody leads, to say so: {:?}", rig.stepped_down);
    let newest = rig.fences.last().unwrap().point;
    assert!(rig.restored().because.contains(&newest.to_string()), "{}", rig.restored().because);
    assert_eq!(rig.restored().survey.elsewhere.len(), 8, "every bucket of weu");

    // A region dies, a person asks for a run, and an hour goes by.
    rig.request("back", Mode::Failback, "geode/weu");
    rig.see_for(60, &["neu"]);
    assert_eq!(rig.world(), world, "nothing moved");
    assert_eq!(rig.state().runs.len(), backup.runs.len(), "nothing started");
    let told = rig.published.values().filter(|notice| notice.reason == "Restored").count();
    assert_eq!(told, 1, "said once");
}

#[test]
fn a_finding_outlives_the_leader_who_made_it_and_its_epoch() {
    let (mut rig, backup) = Rig::failed_over();
    let world = rig.world();
    rig.put_back(&backup);
    rig.start_anew();
    let found = rig.restored().found;
    rig.start_anew();
    assert_eq!(rig.restored().found, found);
    assert!(rig.state().point.epoch > found.epoch);
    assert_eq!(rig.world(), world);
}

/// The dangerous moment: the epoch is raised above what the world shows, and whoever raised it dies before looking.
#[test]
fn an_epoch_that_was_raised_hides_nothing() {
    let (mut rig, backup) = Rig::failed_over();
    let world = rig.world();
    let epoch = rig.fences.last().unwrap().point.epoch + 1_000;
    let led = Event::Led { replica: "c".into(), epoch };
    rig.put_back(&backup.after(&[led], rig.now.wall, 0).unwrap());
    rig.start_anew();
    assert!(rig.restored().because.contains("older than the world"), "{}", rig.restored().because);
    assert_eq!(rig.world(), world);
}

#[test]
fn what_is_served_becomes_the_truth_when_a_person_confirms() {
    let (mut rig, backup) = Rig::failed_over();
    let (routes, answers) = (rig.state().routes.clone(), rig.zone.clone());
    rig.put_back(&backup);
    rig.start_anew();
    rig.confirm("1.1");
    assert!(rig.state().restored.is_some(), "another finding's word");
    rig.confirm(&rig.restored().word());
    assert_eq!(rig.state().restored, None);
    assert_eq!(rig.zone, answers, "nothing moved by it");
    for (home, entry) in routes.entries() {
        assert_eq!(rig.state().routes.route(home), &entry.route);
    }
    assert!(rig.state().out.contains_key(&"geode/weu".parse().unwrap()), "{:?}", rig.state().out);
    let fences: Vec<Point> = rig.fences.iter().map(|fence| fence.point).collect();
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    rig.works_again("geode/weu");
}

#[test]
fn a_run_that_a_restored_register_believes_in_goes_no_further() {
    let mut rig = Rig::leading();
    rig.known = Some(rig.uid.clone());
    rig.agents_say = Some(crate::routing::Outcome::Unknown { reason: "no answer".into() });
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(500);
    let backup = rig.state().clone();
    assert_eq!(rig.run("out").phase, Phase::Running);
    rig.agents_say = None;
    rig.see_for(10, &[]);
    rig.request("back", Mode::Failback, "geode/weu");
    rig.see_for(10, &[]);
    assert_eq!(rig.run("back").phase, Phase::Succeeded, "{}", rig.run("back").reason);

    let world = rig.world();
    rig.put_back(&backup);
    rig.start_anew();
    assert_eq!(rig.world(), world);
    rig.confirm(&rig.restored().word());
    assert_eq!(rig.run("out").phase, Phase::Cancelled, "{}", rig.run("out").reason);
    assert_eq!(rig.zone, world.0, "all is at home, as it was served");
    assert_eq!(rig.served_in("weu"), 8);
}

#[test]
fn another_hubs_register_is_not_led_as_ours() {
    let (mut rig, backup) = Rig::failed_over();
    let world = rig.world();
    rig.fleet.uid = "another".into();
    rig.put_back(&backup);
    rig.start_anew();
    assert!(rig.restored().because.contains("another hub's"), "{}", rig.restored().because);
    assert_eq!(rig.world(), world);
}

#[test]
fn a_copy_in_the_registers_place_is_seen_by_its_uid() {
    let (mut rig, backup) = Rig::failed_over();
    rig.known = Some("the-one-before".into());
    rig.put_back(&backup);
    rig.start_anew();
    assert!(rig.restored().because.contains("the-one-before"), "{}", rig.restored().because);
    rig.confirm(&rig.restored().word());
    assert_eq!(rig.state().replaces, Some(RegisterUid::from("the-one-before")));
    // The status still names the old one, and that is no news.
    rig.start_anew();
    assert_eq!(rig.state().restored, None);
}

#[test]
fn a_leader_under_whom_the_register_is_put_back_stops_and_says_so() {
    let (mut rig, backup) = Rig::failed_over();
    let world = rig.world();
    rig.put_back(&backup);
    rig.see_for(12, &[]);
    let why = rig.stepped_down.last().expect("it stepped down");
    assert!(why.contains("put back"), "{why}");
    rig.see_for(12, &[]);
    assert!(rig.engine.leading().is_some(), "{:?}", rig.stepped_down);
    assert!(rig.restored().because.contains("older than its commit"), "{}", rig.restored().because);
    assert_eq!(rig.world(), world);
}

#[test]
fn a_lost_register_is_begun_anew_only_by_a_persons_word() {
    let (mut rig, _) = Rig::failed_over();
    let (answers, fences) = rig.world();
    let lost = rig.uid.clone();
    rig.known_epoch = rig.state().point.epoch;
    rig.register = None;
    rig.give(Input::Vanished);
    assert_eq!(rig.engine.leading(), None);
    rig.see_for(20, &[]);
    assert_eq!(rig.register, None);
    let shown = rig.shown.as_ref().unwrap();
    assert_eq!(shown.register, RegisterLife::Lost { known: lost.clone() });
    assert!(!shown.leading);

    // Born under a higher epoch, and not believed yet.
    rig.give(Input::Confirmed(Some(lost.to_string())));
    rig.see_for(12, &[]);
    assert!(rig.state().point.epoch > rig.known_epoch);
    assert!(rig.restored().because.contains(lost.as_str()), "{}", rig.restored().because);
    assert_eq!(rig.world(), (answers.clone(), fences));
    assert_eq!(rig.restored().survey.elsewhere.len(), 8);

    rig.confirm(&rig.restored().word());
    assert_eq!(rig.state().restored, None);
    assert_eq!(rig.zone, answers, "nothing moved by it");
    assert_eq!(rig.served_in("weu"), 0);
    rig.works_again("geode/weu");
}

#[test]
fn what_is_served_is_not_guessed() {
    let (mut rig, backup) = Rig::failed_over();
    rig.put_back(&backup);
    rig.start_anew();
    let word = rig.restored().word();
    let fleet = rig.fleet.clone();
    let zone = fleet.zones.keys().next().unwrap().clone();
    let server = |server: &str, answered| crate::routing::ServerSeen {
        server: server.into(),
        answered,
        fence: rig.fences.last().cloned().map(FenceRecord::Fence).filter(|_| answered),
        matches: false,
        differing: Vec::new(),
        elsewhere: std::collections::BTreeMap::new(),
        error: None,
    };
    let servers = vec![server("ns-weu", true), server("ns-neu", false)];
    let observation = crate::routing::Observation { zone, servers };
    let against = rig.state().point;
    rig.give(Input::Observed { against, observation });
    rig.ask(Input::Confirmed(Some(word)));
    rig.step(60);
    rig.ask(Input::Tick);
    let unclear = rig.restored().survey.unclear.clone();
    assert_eq!(unclear.as_deref(), Some("the primary of app.lifeboat.test. does not answer"));
    assert!(effective(&rig.state().routes, &"weu-1".into(), crate::names::Bucket(0)).as_str() == "weu-1");
}

#[test]
fn names_of_runs_are_not_run_twice_even_when_the_run_is_forgotten() {
    let mut rig = Rig::leading();
    let names: Vec<String> = (0..=ENDED_RUNS_MAX).map(|n| format!("dry-{n}")).collect();
    for name in &names {
        rig.give(Input::Request(
            name.as_str().into(),
            Request { dry_run: true, ..wish(name, Mode::Failover, "geode/weu") },
        ));
        rig.see_for(1, &[]);
    }
    assert!(!rig.state().runs.contains_key(&"dry-0".into()), "the oldest is forgotten");
    let commits = rig.commits.len();
    let again = Request { uid: "another".into(), ..wish("dry-0", Mode::Failover, "geode/weu") };
    rig.give(Input::Request("dry-0".into(), again));
    rig.see_for(2, &[]);
    assert!(!rig.state().runs.contains_key(&"dry-0".into()));
    assert_eq!(rig.commits.len(), commits);
}

#[test]
fn a_register_that_is_full_lets_nothing_begin() {
    let mut rig = Rig::leading();
    let mut state = rig.state().clone();
    let doubt = Doubt {
        since: rig.now.wall,
        sentence: "x".repeat(NEW_RUNS_MAX_BYTES),
        held_because: Vec::new(),
        would_have: false,
        since_ms: 0,
    };
    // About a stamp that is not there any more, so that nothing takes it away.
    state.doubts.insert("stamp/gone".parse().unwrap(), doubt);
    rig.register = Some(state);
    rig.start_anew();
    rig.see_for(8, &[]);
    let routes = rig.state().routes.clone();
    rig.request("out", Mode::Failover, "geode/weu");
    rig.see_for(2, &[]);
    assert_eq!(rig.run("out").phase, Phase::Refused);
    assert!(rig.run("out").reason.starts_with("RegisterFull"), "{}", rig.run("out").reason);
    rig.see_for(12, &["neu"]);
    let because = &rig.state().doubts[&"geode/neu".parse().unwrap()].held_because;
    assert!(because.iter().any(|reason| reason.starts_with("RegisterFull")), "{because:?}");
    assert_eq!(rig.state().routes, routes);
}

#[test]
fn a_request_that_comes_too_late_is_not_run() {
    let mut rig = Rig::leading();
    let late = Request { start_by: Some(rig.now.mono), ..wish("late", Mode::Failover, "geode/weu") };
    rig.step(1);
    rig.give(Input::Request("late".into(), late));
    rig.pass(200);
    assert_eq!(rig.run("late").phase, Phase::Expired, "{}", rig.run("late").reason);
    assert!(rig.run("late").reason.starts_with("TooLate"), "{}", rig.run("late").reason);
    let mut rig = Rig::new();
    rig.start();
    let start_by = Some(rig.now.mono + std::time::Duration::from_secs(5));
    let waits = Request { start_by, ..wish("waits", Mode::Failover, "geode/weu") };
    rig.give(Input::Request("waits".into(), waits));
    rig.pass(4_000);
    assert_eq!(rig.run("waits").phase, Phase::Pending, "no vantage has spoken");
    rig.pass(2_000);
    assert_eq!(rig.run("waits").phase, Phase::Expired);
}
