//! Who leads, who stops, and what an effect waits for.

use super::{super::*, commit, rig::Rig};
use crate::{
    names::Point,
    routing::{FenceSeen, Outcome},
};

fn lease(holder: &str, version: &str) -> Input {
    Input::Lease(LeaseSeen { holder: Some(holder.into()), version: version.to_owned() })
}

fn performs(outputs: &[Output]) -> Vec<Key> {
    let keys = outputs.iter().filter_map(|output| match output {
        Output::Perform(key, _) => Some(key.clone()),
        _ => None,
    });
    keys.filter(|key| matches!(key, Key::Zone { .. })).collect()
}

/// The last picture.
fn shown(outputs: &[Output]) -> Picture {
    let picture = outputs.iter().rev().find_map(|output| match output {
        Output::Project(picture) => Some((**picture).clone()),
        _ => None,
    });
    picture.expect("a picture")
}

/// A register that `b` leads, with the routes of `rig`.
fn led_by_b(rig: &Rig) -> FleetState {
    let mut state = rig.state().clone();
    state.leader = "b".into();
    state.point = Point { epoch: state.point.epoch + 10, seq: state.point.seq + 1 };
    state
}

#[test]
fn no_agent_is_sent_off_before_the_register_gave_the_intent_back() {
    let mut rig = Rig::leading();
    let outputs = rig.ask_for_route_ttl(7);
    assert_eq!(performs(&outputs), []);
    let (state, ..) = commit(outputs);
    rig.step(10);
    assert_eq!(performs(&rig.ask(Input::Tick)), [], "still on its way");
    let sent = performs(&rig.ask(Input::Stored(Box::new(state.clone()))));
    let [Key::Zone { fence, .. }] = &sent[..] else { panic!("{sent:?}") };
    assert!(fence.ends_with(&format!("s={}", state.point.seq)), "{fence}");
}

#[test]
fn a_new_leader_raises_epoch_and_fence_and_goes_on_with_what_is_recorded() {
    let mut rig = Rig::leading();
    rig.agents_say = Some(Outcome::Unknown { reason: "no answer".into() });
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(500);
    assert_eq!(rig.run("out").phase, Phase::Running);
    let old = rig.state().point;

    // The process dies; another starts, and hears nothing of the old one.
    rig.engine = Engine::new("b".into(), std::time::Duration::ZERO);
    rig.agents_say = None;
    rig.give(Input::Fleet(Box::new(rig.fleet.clone())));
    rig.give(lease("a", "9"));
    rig.pass(7_900);
    assert_eq!(rig.engine.leading(), None, "not before the silence has lasted");
    rig.see_for(14, &[]);
    assert!(rig.state().point.epoch > old.epoch);
    assert_eq!(rig.state().leader.as_str(), "b");
    assert!(rig.fences.last().unwrap().point.epoch > old.epoch);
    assert_eq!(rig.run("out").phase, Phase::Succeeded, "{}", rig.run("out").reason);
}

#[test]
fn a_leader_that_cannot_renew_stops_by_itself_before_a_challenger_may_try() {
    let mut rig = Rig::leading();
    rig.ask(Input::Beaten { started: rig.now.mono, good: true });
    for _ in 0..59 {
        rig.step(100);
        rig.ask(Input::Beaten { started: rig.now.mono, good: false });
    }
    assert!(rig.engine.leading().is_some());
    rig.step(100);
    let outputs = rig.ask(Input::Tick);
    assert!(outputs.iter().any(|output| matches!(output, Output::StepDown(_))), "{outputs:?}");
    assert_eq!(rig.engine.leading(), None);
    assert!(SELF_STOP < PATIENCE);
}

#[test]
fn a_deposed_leader_stops_its_agents_and_hears_no_outcome() {
    let mut rig = Rig::leading();
    let (state, ..) = commit(rig.ask_for_route_ttl(7));
    let sent = performs(&rig.ask(Input::Stored(Box::new(state))));
    let theirs = led_by_b(&rig);
    let outputs = rig.ask(Input::Stored(Box::new(theirs)));
    assert!(outputs.iter().any(|output| matches!(output, Output::Forget(key) if *key == sent[0])));
    assert_eq!(rig.engine.leading(), None);
    let outputs = rig.ask(Input::Outcome(sent[0].clone(), Outcome::Done));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Commit { .. } | Output::Perform(..))));
}

#[test]
fn a_fence_above_our_epoch_ends_our_leadership() {
    let mut rig = Rig::leading();
    let (state, ..) = commit(rig.ask_for_route_ttl(7));
    let sent = performs(&rig.ask(Input::Stored(Box::new(state.clone()))));
    let newer = Point { epoch: state.point.epoch + 1, seq: 0 };
    let outputs = rig.ask(Input::Outcome(sent[0].clone(), Outcome::Fenced { by: FenceSeen::Newer(newer) }));
    assert_eq!(rig.engine.leading(), None);
    // It is the one who found it, and says so until somebody else leads.
    assert!(shown(&outputs).fenced.values().eq([&FenceSeen::Newer(newer)]), "{outputs:?}");
    let outputs = rig.ask(Input::Stored(Box::new(led_by_b(&rig))));
    assert!(shown(&outputs).fenced.is_empty(), "{outputs:?}");
}

#[test]
fn a_fence_of_our_own_epoch_keeps_nobody_out_and_a_hold_does_until_an_update_is_taken() {
    let mut rig = Rig::leading();
    let (state, ..) = commit(rig.ask_for_route_ttl(7));
    let sent = performs(&rig.ask(Input::Stored(Box::new(state.clone()))));
    let newer = FenceSeen::Newer(Point { seq: state.point.seq + 1, ..state.point });
    for (outcome, keeps_out) in [
        (Outcome::Fenced { by: newer }, None),
        (Outcome::Fenced { by: FenceSeen::Hold }, Some(FenceSeen::Hold)),
        (Outcome::Unknown { reason: "no answer".into() }, Some(FenceSeen::Hold)),
        (Outcome::Done, None),
    ] {
        let fenced = shown(&rig.ask(Input::Outcome(sent[0].clone(), outcome.clone()))).fenced;
        assert_eq!(fenced.into_values().next(), keeps_out, "{outcome:?}");
        rig.step(1_000);
        rig.ask(Input::Tick); // it is tried again
    }
}

#[test]
fn a_late_outcome_of_what_is_no_longer_wanted_changes_nothing() {
    let mut rig = Rig::leading();
    let (first, ..) = commit(rig.ask_for_route_ttl(7));
    let sent = performs(&rig.ask(Input::Stored(Box::new(first))));
    rig.step(50);
    let outputs = rig.ask_for_route_ttl(8);
    assert!(outputs.iter().any(|output| matches!(output, Output::Forget(key) if *key == sent[0])));
    let (second, ..) = commit(outputs);
    rig.ask(Input::Stored(Box::new(second)));
    rig.step(50);
    let outputs = rig.ask(Input::Outcome(sent[0].clone(), Outcome::Done));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Commit { .. })), "{outputs:?}");
}

#[test]
fn a_candidate_gives_way_to_whoever_renewed_while_it_waited_for_an_answer() {
    let mut rig = Rig::leading();
    rig.engine = Engine::new("b".into(), std::time::Duration::ZERO);
    rig.give(Input::Fleet(Box::new(rig.fleet.clone())));
    rig.give(lease("a", "9"));
    rig.step(8_000);
    assert!(rig.ask(Input::Tick).iter().any(|output| matches!(output, Output::Load)));
    let state = Box::new(rig.state().clone());
    commit(rig.ask(Input::Loaded { state, uid: "register-0".into(), known: None, epoch: 0 }));
    rig.ask(Input::Unknown);
    rig.step(5_900);
    rig.ask(lease("a", "10"));
    rig.step(200);
    let outputs = rig.ask(Input::Tick);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Load)), "{outputs:?}");
}

#[test]
fn a_register_is_made_once_in_a_fleets_life() {
    let mut rig = Rig::new();
    rig.ask(Input::Fleet(Box::new(rig.fleet.clone())));
    rig.ask(Input::Lease(LeaseSeen { holder: None, version: "0".into() }));
    let outputs = rig.ask(Input::Missing { known: Some("gone".into()), epoch: 7 });
    assert!(!outputs.iter().any(|output| matches!(output, Output::Commit { .. })));
    let reason = outputs.iter().find_map(|output| match output {
        Output::StepDown(reason) => Some(reason.as_str()),
        _ => None,
    });
    assert!(reason.is_some_and(|reason| reason.starts_with("RegisterLost")), "{reason:?}");
}

#[test]
fn a_format_of_the_future_is_not_led() {
    let mut rig = Rig::leading();
    rig.ask(Input::TooNew { version: FORMAT_VERSION + 1 });
    assert_eq!(rig.engine.leading(), None);
}
