mod control;
mod leadership;
mod ramp;
mod requests;
mod restore;
mod rig;

use rig::Rig;

use super::*;
use crate::{fleet::Automation, names::Point, routing::Outcome, verdict::Tick};

/// The one commit among some outputs.
fn commit(outputs: Vec<Output>) -> (FleetState, Option<Point>, bool) {
    let mut commits = outputs.into_iter().filter_map(|output| match output {
        Output::Commit { state, base, gate } => Some((*state, base, gate != GateAsk::Nothing)),
        _ => None,
    });
    let only = commits.next().expect("a commit");
    assert!(commits.next().is_none(), "two commits at once");
    only
}

#[test]
fn a_region_dies_is_failed_over_by_evidence_and_brought_back_by_a_person() {
    let mut rig = Rig::leading();
    assert_eq!(rig.state().stamps.len(), 6);
    assert_eq!(rig.served_in("weu"), 8);
    assert!(rig.zone.is_some(), "the zone was written");

    rig.see_for(12, &["weu"]);
    let (name, run) = rig.automatic();
    assert_eq!(run.subject.to_string(), "geode/weu", "{name}");
    assert!(matches!(run.phase, Phase::Running | Phase::Succeeded), "{run:?}");
    assert_eq!(rig.served_in("weu"), 0);

    rig.see_for(12, &["weu"]);
    let (_, run) = rig.automatic();
    assert_eq!(run.phase, Phase::Succeeded, "{run:#?}");
    assert!(run.steps.iter().all(|step| step.state == StepState::Processed && step.attempt <= 1));
    assert!(rig.commits.iter().any(|(_, gate)| *gate), "the Gate was looked at");
    let shown = rig.zone.as_ref().unwrap();
    assert!(!format!("{:?}", shown.answers).contains("target: \"weu-1.at"));

    rig.request("early", Mode::Failback, "geode/weu");
    rig.pass(500);
    assert_eq!(rig.run("early").phase, Phase::Refused);
    assert!(rig.run("early").reason.starts_with("NoRaise"), "{}", rig.run("early").reason);

    rig.see_for(10, &[]);
    rig.request("back", Mode::Failback, "geode/weu");
    rig.see_for(12, &[]);
    assert_eq!(rig.run("back").phase, Phase::Succeeded, "{:#?}", rig.run("back"));
    assert_eq!(rig.served_in("weu"), 8);
    assert!(rig.state().out.is_empty());
    assert!(rig.state().doubts.is_empty());
    assert!(rig.state().outbox.waiting.is_empty(), "all was published");
    assert!(rig.fences.is_sorted_by_key(|fence| fence.point));
    assert!(rig.stepped_down.is_empty(), "{:?}", rig.stepped_down);
}

/// What its vantage reported last still counts as fresh when the run starts, and proves nothing.
#[test]
fn a_region_that_died_with_its_vantage_is_not_called_cut_off() {
    let said = |vantage_dies: bool| {
        let mut rig = Rig::leading();
        rig.see_for(10, &[]);
        rig.silent = vantage_dies.then(|| "weu-a".into());
        for _ in 0..8 {
            rig.step(1_000);
            rig.report(&|vantage, stamp| {
                let outside = vantage.as_str() != "weu-a";
                if outside && stamp.as_str().starts_with("weu") { Tick::Bad } else { Tick::Good }
            });
        }
        format!("{:?}", rig.automatic().1)
    };
    assert!(said(false).contains("CutOff: ") && !said(false).contains("Unhealthy: "), "{}", said(false));
    assert!(said(true).contains("Unhealthy: ") && !said(true).contains("CutOff: "), "{}", said(true));
}

/// A write was thought lost, an old sight of the register ended the wait, and then the write shows.
#[test]
fn a_write_that_shows_late_is_what_the_next_one_is_based_on() {
    let mut rig = Rig::leading();
    let before = rig.state().clone();
    let (late, ..) = commit(rig.ask_for_route_ttl(7));
    rig.ask(Input::Unknown);
    rig.ask(Input::Stored(Box::new(before)));
    rig.ask(Input::Stored(Box::new(late.clone())));
    rig.step(50);
    let (_, base, _) = commit(rig.ask_for_route_ttl(8));
    assert_eq!(base, Some(late.point));
}

/// Content that is wanted again is not taken for content that is still there.
#[test]
fn a_zone_that_an_unacknowledged_update_changed_is_changed_back() {
    let mut rig = Rig::leading();
    let home = rig.zone.clone();
    rig.agents_say = Some(Outcome::Unknown { reason: "no answer".into() });
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(1_000);
    assert_ne!(rig.zone, home, "the update went through, and nobody knows");
    rig.control("out", Control::CancelKeep);
    rig.request("back", Mode::Failback, "geode/weu");
    rig.pass(1_000);
    assert_eq!(rig.run("back").phase, Phase::Running, "{}", rig.run("back").reason);
    assert_eq!(rig.zone, home);
}

#[test]
fn what_a_refused_commit_held_is_decided_again() {
    let mut rig = Rig::leading();
    rig.commits_say.push_back(Input::Lost);
    let wanted = rig.ask_for_route_ttl(7);
    rig.follow(wanted);
    rig.pass(1_000);
    let shown = format!("{:?}", rig.zone.unwrap().answers);
    assert!(shown.contains("ttl_s: 7"), "{shown}");
}

#[test]
fn a_gate_that_could_not_be_read_is_asked_again() {
    let mut rig = Rig::leading();
    rig.gate_says = Some(Input::GateShut(None));
    rig.see_for(12, &["weu"]);
    assert!(rig.state().runs.is_empty(), "a Gate that cannot be read is closed");
    let asked = rig.commits.iter().filter(|(_, gate)| *gate).count();
    assert!((1..=12).contains(&asked), "asked {asked} times");
    rig.gate_says = None;
    rig.pass(1_500);
    assert_eq!(rig.automatic().1.phase, Phase::Running);
}

#[test]
fn a_gate_that_was_closed_before_its_watch_says_so_lets_nothing_through() {
    let mut rig = Rig::leading();
    rig.gate_says = Some(Input::GateShut(Some(Automation::Observe)));
    rig.see_for(12, &["weu"]);
    assert!(rig.state().runs.is_empty());
    assert!(rig.published.values().any(|notice| notice.reason == "WouldHave"), "{:?}", rig.published);
}

#[test]
fn buckets_without_declared_load_spread_too() {
    let mut rig = Rig::leading();
    rig.fleet.load.retain(|(home, bucket), _| home.as_str() != "weu-1" || bucket.0 == 0);
    rig.give(Input::Fleet(Box::new(rig.fleet.clone())));
    rig.see_for(12, &["weu"]);
    let plan = rig.automatic().1.plan.as_ref().unwrap();
    let counts: Vec<usize> = run::count_buckets(&plan.moves).into_values().collect();
    assert_eq!(counts, [2, 2, 2, 2], "eight buckets on four targets of equal load: {}", plan.sentence());
}

/// Whichever run brings the last bucket home, its subject does not count as out any more.
#[test]
fn a_stamp_that_came_home_with_its_geode_is_not_out() {
    let mut rig = Rig::leading();
    for (name, mode, subject) in [
        ("stamp-out", Mode::Failover, "stamp/weu-1"),
        ("geode-out", Mode::Failover, "geode/weu"),
        ("geode-back", Mode::Failback, "geode/weu"),
    ] {
        rig.request(name, mode, subject);
        rig.see_for(10, &[]);
        assert_eq!(rig.run(name).phase, Phase::Succeeded, "{}", rig.run(name).reason);
    }
    assert!(rig.state().out.is_empty(), "{:?}", rig.state().out);

    rig.request("out", Mode::Failover, "geode/weu");
    rig.see_for(10, &[]);
    rig.request("half", Mode::Failback, "stamp/weu-1");
    rig.see_for(10, &[]);
    assert_eq!(rig.state().out.len(), 1, "the other stamp is still out");
    rig.request("rest", Mode::Failback, "stamp/weu-2");
    rig.see_for(10, &[]);
    assert!(rig.state().out.is_empty(), "{:?}", rig.state().out);
}

#[test]
fn nothing_is_brought_home_to_a_stamp_whose_object_is_gone() {
    let mut rig = Rig::leading();
    rig.request("out", Mode::Failover, "geode/weu");
    rig.see_for(10, &[]);
    let gone = rig.fleet.stamps.remove(&"weu-1".into()).unwrap();
    rig.give(Input::Fleet(Box::new(rig.fleet.clone())));
    rig.request("back", Mode::Failback, "geode/weu");
    rig.request("ghost", Mode::Failback, "stamp/weu-1");
    rig.see_for(10, &[]);
    assert_eq!(rig.run("back").phase, Phase::Succeeded, "{}", rig.run("back").reason);
    let plan = rig.run("back").plan.as_ref().unwrap();
    assert!(plan.moves.iter().all(|mv| mv.to.as_str() == "weu-2"), "{:?}", plan.moves);
    assert!(plan.not_chosen.contains_key(&gone.name));
    assert_eq!(rig.run("ghost").phase, Phase::Refused);
    assert_eq!(rig.served_in("weu"), 4);
}

/// A region may be dead for hours; that alone is no reason to decide twenty times a second.
#[test]
fn a_doubt_alone_does_not_keep_the_engine_awake() {
    let mut rig = Rig::leading();
    rig.fleet.automation = Automation::Observe;
    rig.give(Input::Fleet(Box::new(rig.fleet.clone())));
    rig.see_for(12, &["weu"]);
    assert!(!rig.state().doubts.is_empty());
    rig.pass(100);
    let wake = rig.ask(Input::Tick).into_iter().find_map(|output| match output {
        Output::WakeAt(at) => Some(at.since(rig.now.mono)),
        _ => None,
    });
    assert_eq!(wake, Some(std::time::Duration::from_millis(500)));
}
