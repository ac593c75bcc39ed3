//! Stages, capacity, deadlines.

use std::time::Duration;

use super::{super::*, rig::Rig};
use crate::{fixtures, names::Bucket, verdict::Tick};

#[test]
fn a_planned_run_goes_in_stages_that_each_stand_their_time() {
    let mut rig = Rig::with_ramps(&[1, 50, 100], 3);
    rig.request("out", Mode::Failover, "geode/weu");
    let mut seen = Vec::new();
    for _ in 0..12 {
        rig.see_for(1, &[]);
        seen.push(rig.served_in("weu"));
    }
    seen.dedup();
    assert_eq!(seen, [7, 4, 0], "one bucket of eight, half of them, all");
    rig.see_for(10, &[]);
    assert_eq!(rig.run("out").phase, Phase::Succeeded, "{}", rig.run("out").reason);
    rig.request("back", Mode::Failback, "geode/weu");
    rig.see_for(2, &[]);
    assert_eq!(rig.served_in("weu"), 1);
    assert!(!rig.state().out.is_empty(), "still out");
    rig.see_for(20, &[]);
    assert_eq!(rig.served_in("weu"), 8);
    assert!(rig.state().out.is_empty());
}

#[test]
fn a_stage_waits_while_its_target_is_not_well_and_says_so() {
    let mut rig = Rig::with_ramps(&[50, 100], 6);
    rig.request("out", Mode::Failover, "stamp/weu-1");
    rig.see_for(1, &[]);
    assert_eq!(rig.run("out").stage, 1);
    // Every other stamp is unwell, so whoever the next target is.
    for _ in 0..8 {
        rig.pass(1_000);
        rig.report(&|_, stamp| if stamp.as_str() == "weu-1" { Tick::Good } else { Tick::Bad });
    }
    let waits = rig.run("out").reason.clone();
    assert!(waits.starts_with("waits: ") && waits.contains("NoRaise"), "{waits}");
    assert_eq!(rig.run("out").stage, 1);
    rig.see_for(12, &[]);
    assert_eq!(rig.run("out").plan.as_ref().unwrap().moves.len(), 4);
    assert_eq!(rig.run("out").stage, 2, "{}", rig.run("out").reason);
}

#[test]
fn a_planned_run_past_its_deadline_goes_back() {
    let mut rig = Rig::with_ramps(&[50, 100], 2);
    rig.request("out", Mode::Failover, "geode/weu");
    rig.see_for(1, &[]);
    rig.agents_say = Some(crate::routing::Outcome::NotDone { reason: "no answer".into() });
    rig.see_for(610, &[]);
    assert_eq!(rig.run("out").phase, Phase::Compensating, "{}", rig.run("out").reason);
    rig.agents_say = None;
    rig.see_for(40, &[]);
    assert_eq!(rig.run("out").phase, Phase::Compensated, "{}", rig.run("out").reason);
    assert_eq!(rig.served_in("weu"), 8);
}

#[test]
fn an_unplanned_run_past_its_deadline_holds() {
    let mut rig = Rig::leading();
    rig.agents_say = Some(crate::routing::Outcome::NotDone { reason: "no answer".into() });
    rig.see_for(620, &["weu"]);
    let (_, run) = rig.automatic();
    assert_eq!((run.phase, run.held_by), (Phase::Held, Some(HeldBy::Deadline)), "{}", run.reason);
    assert_eq!(rig.served_in("weu"), 0, "no route goes back to what is down");
}

#[test]
fn what_fits_nowhere_stays_the_least_important_first() {
    let mut fleet = fixtures::fleet(3, 2);
    let state = FleetState::born(fleet.uid.clone(), "a".into(), 1);
    let mut rig = Rig::leading();
    rig.see_for(8, &["weu"]);
    // Each target carries 40 units of its own: room for 20 more is room for two buckets of 10.
    for stamp in fleet.stamps.values_mut() {
        stamp.capacity.units = 60;
    }
    for name in ["neu-2", "eus-1", "eus-2"] {
        fleet.stamps.get_mut(&name.into()).unwrap().lifecycle = crate::fleet::StampLifecycle::Cordoned;
    }
    let important = (crate::names::StampName::from("weu-2"), Bucket(3));
    fleet.load.get_mut(&important).unwrap().tier = crate::fleet::Tier::Critical;
    let assessment = rig.assessment();
    let everywhere = Targets::default();
    let plan = plan(&fleet, &state, &assessment, &"geode/weu".parse().unwrap(), Mode::Failover, &everywhere)
        .unwrap();
    assert_eq!(plan.moves.len(), 2);
    assert_eq!(plan.left.len(), 6);
    assert!(plan.moves.iter().any(|mv| (mv.home.clone(), mv.bucket) == important), "{:?}", plan.moves);
    assert!(plan.sentence().contains("6 buckets fit nowhere and stay"), "{}", plan.sentence());
}

#[test]
fn residency_keeps_buckets_in_their_zone() {
    let mut rig = Rig::leading();
    for geode in ["weu", "eus"] {
        rig.fleet.geodes.get_mut(&geode.into()).unwrap().residency_zone = Some("far".to_owned());
    }
    rig.fleet.residency.insert(("weu-1".into(), Bucket(0)), ["far".to_owned()].into());
    rig.give(Input::Fleet(Box::new(rig.fleet.clone())));
    rig.request("out", Mode::Failover, "geode/weu");
    rig.pass(500);
    let run = rig.run("out");
    let moves = &run.plan.as_ref().expect(&run.reason).moves;
    let kept = moves.iter().find(|mv| mv.home.as_str() == "weu-1" && mv.bucket == Bucket(0)).unwrap();
    assert!(kept.to.as_str().starts_with("eus"), "{kept:?}");
}

/// Fleet time passes with its leader, and a takeover does not lose what was counted.
#[test]
fn fleet_time_passes_while_somebody_leads() {
    let mut rig = Rig::leading();
    let before = rig.state().clock_ms;
    rig.see_for(30, &["weu"]);
    let after = rig.state().clock_ms;
    assert!(after > before && after - before <= 31_000, "{before} to {after}");
    assert_eq!(rig.state().past.len(), 1);
    assert!(FleetState::ago(after, rig.state().past[0].at_ms) < Duration::from_secs(30));
}
