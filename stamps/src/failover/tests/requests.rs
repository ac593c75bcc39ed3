//! What people's and the engine's own `Failover` objects do to runs.

use super::{
    super::*,
    rig::{Rig, wish},
};

#[test]
fn a_request_that_was_taken_back_before_it_was_seen_moves_nothing() {
    let mut rig = Rig::leading();
    let fences = rig.fences.len();
    let request = Request { control: Control::Cancel, ..wish("never", Mode::Failover, "geode/weu") };
    rig.give(Input::Request("never".into(), request));
    rig.pass(500);
    let run = rig.run("never");
    assert_eq!(run.phase, Phase::Cancelled, "{run:?}");
    assert_eq!(run.reason, "cancelled by spec.control before anything moved");
    assert!(run.plan.is_none());
    assert_eq!(rig.fences.len(), fences);
}

/// The API server may be away for as long as a run takes.
#[test]
fn an_object_that_was_made_after_its_run_ended_is_the_runs() {
    let mut rig = Rig::leading();
    rig.see_for(24, &["weu"]);
    let (name, run) = rig.automatic();
    assert_eq!((run.phase, run.uid.as_ref()), (Phase::Succeeded, None));
    let name = name.clone();
    let request = Request { origin: Origin::Engine, ..wish(name.as_str(), Mode::Failover, "geode/weu") };
    rig.give(Input::Request(name.clone(), request));
    rig.pass(500);
    let run = rig.run(name.as_str());
    assert_eq!(run.uid, Some(format!("uid-{name}")));
    assert_eq!(run.phase, Phase::Succeeded);
}

#[test]
fn a_leader_that_has_heard_nobody_yet_lets_a_request_wait() {
    let mut rig = Rig::new();
    rig.start();
    rig.request("early", Mode::Failover, "geode/weu");
    rig.pass(500);
    assert_eq!(rig.run("early").phase, Phase::Pending, "{}", rig.run("early").reason);
    rig.see_for(10, &[]);
    assert!(rig.run("early").has_shifted(), "{}", rig.run("early").reason);
}

#[test]
fn vantages_that_never_speak_do_not_hold_up_a_request_for_ever() {
    let mut rig = Rig::new();
    rig.start();
    rig.request("early", Mode::Failover, "geode/weu");
    rig.pass(20_000);
    assert_eq!(rig.run("early").phase, Phase::Pending, "{}", rig.run("early").reason);
    rig.pass(10_000);
    assert_eq!(rig.run("early").phase, Phase::Refused, "{}", rig.run("early").reason);
}
