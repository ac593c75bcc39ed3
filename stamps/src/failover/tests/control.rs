//! What people say to runs, and what holds automation.

use super::{
    super::*,
    rig::{Rig, wish},
};
use crate::{fleet::Automation, names::StampName, verdict::Tick};

/// weu is dead and would be failed over in stages; the first of them has begun.
fn in_mid_run() -> Rig {
    let mut rig = Rig::with_ramps(&[50, 100], 5);
    rig.see_for(6, &["weu"]);
    assert_eq!(rig.served_in("weu"), 4, "the first stage: {:?}", rig.state().doubts);
    assert_eq!(rig.automatic().1.phase, Phase::Running);
    rig
}

#[test]
fn a_paused_run_waits_and_goes_on() {
    let mut rig = Rig::with_ramps(&[50, 100], 2);
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(500);
    assert_eq!(rig.served_in("weu"), 4);
    rig.control("out", Control::Pause);
    rig.pass(100);
    assert_eq!(rig.run("out").phase, Phase::Paused);
    rig.see_for(10, &[]);
    assert_eq!(rig.served_in("weu"), 4, "no further stage");
    rig.control("out", Control::Run);
    rig.see_for(10, &[]);
    assert_eq!(rig.served_in("weu"), 0);
}

#[test]
fn a_run_that_is_paused_from_the_beginning_does_not_begin() {
    let mut rig = Rig::leading();
    let request = Request { control: Control::Pause, ..wish("out", Mode::Failover, "geode/weu") };
    rig.give(Input::Request("out".into(), request.clone()));
    rig.pass(1_000);
    assert_eq!(rig.run("out").phase, Phase::Pending);
    rig.give(Input::Request("out".into(), Request { control: Control::Run, ..request }));
    rig.pass(1_000);
    assert_eq!(rig.served_in("weu"), 0);
}

#[test]
fn a_cancelled_planned_run_brings_back_what_is_well() {
    let mut rig = Rig::leading();
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(500);
    assert_eq!(rig.served_in("weu"), 0);
    rig.cancel("out");
    rig.pass(500);
    let run = rig.run("out");
    assert_eq!(run.phase, Phase::Compensated, "{}", run.reason);
    assert_eq!(run.step(StepKind::ShiftTraffic).unwrap().state, StepState::Compensated);
    assert_eq!(rig.served_in("weu"), 8);
    assert!(rig.state().out.is_empty(), "it is in service again");
}

#[test]
fn a_source_that_fell_ill_gets_nothing_back() {
    let mut rig = Rig::leading();
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(500);
    let one_is_ill = |_: &_, stamp: &StampName| {
        if stamp.as_str() == "weu-1" { Tick::Bad } else { Tick::Good }
    };
    for _ in 0..4 {
        rig.pass(1_000);
        rig.report(&one_is_ill);
    }
    rig.cancel("out");
    rig.pass(500);
    let run = rig.run("out");
    assert_eq!(run.phase, Phase::Compensated, "{}", run.reason);
    assert!(run.reason.contains("4 buckets go back, and 4 stay"), "{}", run.reason);
    assert_eq!(rig.served_in("weu"), 4);
}

#[test]
fn a_cancelled_unplanned_run_leaves_routes_where_they_are() {
    let mut rig = in_mid_run();
    // Or automation would begin anew: the evidence stands.
    rig.fleet.policy.safety.subject_cooldown = std::time::Duration::from_hours(1);
    rig.give(Input::Fleet(Box::new(rig.fleet.clone())));
    let name = rig.automatic().0.clone();
    rig.give(Input::Withdrawn(name.clone()));
    rig.pass(500);
    assert_eq!(rig.state().runs[&name].phase, Phase::Cancelled);
    rig.see_for(10, &[]);
    assert_eq!(rig.served_in("weu"), 4, "nothing goes back by itself, though weu is well again");
}

#[test]
fn deleting_the_object_of_a_planned_run_moves_nothing() {
    let mut rig = Rig::leading();
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(500);
    rig.give(Input::Withdrawn("out".into()));
    rig.pass(2_000);
    assert_eq!(rig.run("out").phase, Phase::Cancelled);
    assert_eq!(rig.served_in("weu"), 0);
}

#[test]
fn hold_stops_an_automatic_run_and_automatic_lets_it_go_on() {
    let mut rig = in_mid_run();
    rig.set_automation(Automation::Hold);
    rig.pass(100);
    let (_, run) = rig.automatic();
    assert_eq!((run.phase, run.held_by), (Phase::Held, Some(HeldBy::Gate)));
    rig.see_for(10, &["weu"]);
    assert_eq!(rig.served_in("weu"), 4);
    rig.set_automation(Automation::Automatic);
    rig.see_for(10, &["weu"]);
    assert_eq!(rig.automatic().1.held_by, None);
    assert_eq!(rig.served_in("weu"), 0);
}

#[test]
fn a_second_region_in_doubt_is_a_panic_and_holds_the_run() {
    let mut rig = in_mid_run();
    rig.see_for(4, &["weu", "neu"]);
    let (_, run) = rig.automatic();
    let closed = rig.state().closed.is_some();
    assert_eq!(run.phase, Phase::Held, "closed: {closed}, {}", run.reason);
    rig.see_for(20, &["weu", "neu"]);
    assert_eq!(rig.served_in("weu"), 4, "nothing moves");
    assert_eq!(rig.state().runs.len(), 1, "and nothing starts");
}

#[test]
fn load_that_makes_its_target_fail_closes_automation_until_a_person_opens_it() {
    let mut rig = Rig::leading();
    rig.see_for(8, &["weu"]);
    assert_eq!(rig.served_in("weu"), 0);
    let target = rig.automatic().1.plan.as_ref().unwrap().moves[0].to.clone();
    for _ in 0..8 {
        rig.pass(1_000);
        let target = target.clone();
        rig.report(&move |_, stamp| {
            if stamp.as_str().starts_with("weu") || *stamp == target { Tick::Bad } else { Tick::Good }
        });
    }
    let closed = rig.state().closed.clone().expect("one hop, and no second");
    assert!(closed.because.contains(target.as_str()), "{}", closed.because);
    assert_eq!(rig.state().runs.len(), 1);
    rig.see_for(12, &["weu"]);
    assert!(rig.state().closed.is_some(), "that the target is well again is no reason");
    rig.set_automation(Automation::Hold);
    rig.pass(100);
    rig.set_automation(Automation::Automatic);
    rig.pass(100);
    assert_eq!(rig.state().closed, None);
}

#[test]
fn in_approve_a_run_is_prepared_and_waits_for_a_person() {
    let mut rig = Rig::leading();
    rig.set_automation(Automation::Approve);
    rig.see_for(8, &["weu"]);
    let (name, run) = rig.automatic();
    let (name, run) = (name.clone(), run.clone());
    assert_eq!(run.phase, Phase::AwaitingApproval, "{}", run.reason);
    assert_eq!(rig.served_in("weu"), 8, "nothing moves yet");
    let hash = run.plan.unwrap().hash;
    assert!(run.reason.contains(&hash), "it says what to write: {}", run.reason);
    let agree = |hash: &str| Request {
        origin: Origin::Engine,
        approval: Some(hash.to_owned()),
        ..wish("x", Mode::Failover, "geode/weu")
    };
    rig.give(Input::Request(name.clone(), agree("another plan")));
    rig.see_for(1, &["weu"]);
    assert_eq!(rig.served_in("weu"), 8);
    rig.give(Input::Request(name.clone(), agree(&hash)));
    rig.see_for(1, &["weu"]);
    assert_eq!(rig.served_in("weu"), 0, "{}", rig.state().runs[&name].reason);
    assert_eq!(rig.state().runs[&name].approved.as_deref(), Some(hash.as_str()));
}

#[test]
fn what_nobody_agreed_to_ends_with_its_evidence() {
    let mut rig = Rig::leading();
    rig.set_automation(Automation::Approve);
    rig.see_for(8, &["weu"]);
    assert_eq!(rig.automatic().1.phase, Phase::AwaitingApproval);
    rig.see_for(8, &[]);
    assert_eq!(rig.automatic().1.phase, Phase::Replaced);
    assert_eq!(rig.served_in("weu"), 8);
}

#[test]
fn a_person_goes_before_automation() {
    let mut rig = in_mid_run();
    rig.set_automation(Automation::Hold);
    rig.pass(100);
    rig.request("mine", Mode::Failover, "geode/weu");
    rig.see_for(10, &["weu"]);
    assert_eq!(rig.automatic().1.phase, Phase::Replaced);
    assert_eq!(rig.served_in("weu"), 0, "{}", rig.run("mine").reason);
}
