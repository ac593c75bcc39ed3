use crate::fleet::Fleet;
use insta::assert_snapshot;

use super::{
    fixtures::{Moment, picture, scores},
    *,
};
use crate::{
    failover::{Event, Phase, Subject},
    fleet::Automation,
    names::RunName,
    verdict::Verdict,
};

fn views(moment: Moment) -> Views {
    Views::of(&picture(moment), &scores())
}

fn first(picture: &Picture) -> Headline {
    FleetView::of(picture).headline
}

#[test]
fn one_screen_for_each_moment() {
    for (name, moment) in [
        ("start", Moment::Start),
        ("well", Moment::Well),
        ("doubt", Moment::Doubt),
        ("run", Moment::Run),
        ("evacuated", Moment::Evacuated),
        ("recovered", Moment::Recovered),
    ] {
        assert_snapshot!(name, views(moment).to_string());
    }
}

#[test]
fn the_json_of_a_run_in_progress() {
    insta::assert_json_snapshot!("run_json", views(Moment::Run));
}

#[test]
fn the_first_line_is_the_run_then_the_doubt_then_all_well() {
    let kind = |moment| views(moment).fleet.headline.kind;
    assert_eq!(kind(Moment::Start), HeadlineKind::Unknown);
    assert_eq!(kind(Moment::Well), HeadlineKind::Well);
    assert_eq!(kind(Moment::Doubt), HeadlineKind::Doubt);
    assert_eq!(kind(Moment::Run), HeadlineKind::Run);
    assert_eq!(kind(Moment::Evacuated), HeadlineKind::Doubt);
    assert_eq!(kind(Moment::Recovered), HeadlineKind::Attention);
}

#[test]
fn the_countdown_is_the_hold_less_the_age_of_the_evidence() {
    let mut picture = picture(Moment::Doubt);
    picture.fleet.as_mut().unwrap().policy.detection.geode_hold = std::time::Duration::from_millis(61_500);
    let age = picture.assessment.geodes[&"weu".into()].evidence_age().unwrap();
    let line = first(&picture);
    assert_eq!(line.starts_in_ms, Some(61_500 - u64::try_from(age.as_millis()).unwrap()));
    assert!(line.sentence.contains("failover starts in"), "{}", line.sentence);
}

#[test]
fn automation_that_does_not_act_announces_no_start() {
    for (automation, says) in [
        (Automation::Observe, "automation is Observe, so nothing does"),
        (Automation::Approve, "a person must start it"),
        (Automation::Hold, "a person must start it"),
    ] {
        let mut picture = picture(Moment::Doubt);
        picture.fleet.as_mut().unwrap().automation = automation;
        let line = first(&picture);
        assert_eq!(line.starts_in_ms, None);
        assert!(line.sentence.contains(says), "{}", line.sentence);
        assert!(line.alarm.unwrap().command.contains("\"geode\":\"weu\""));
    }
}

#[test]
fn a_doubt_that_a_rule_holds_says_which() {
    let mut picture = picture(Moment::Doubt);
    let held = Event::DoubtHeld {
        subject: Subject::Geode("weu".into()),
        because: vec!["MinServing: 1 stamp would be left".into()],
    };
    let state = picture.state.take().unwrap().after(&[held], fixtures::noon(), 0).unwrap();
    picture.state = Some(state);
    let line = first(&picture);
    assert!(line.sentence.contains("nothing is started: MinServing"), "{}", line.sentence);
    assert_eq!(line.starts_in_ms, None);
}

#[test]
fn a_geode_that_is_degraded_without_a_doubt_has_a_line_that_says_so() {
    let mut picture = picture(Moment::Well);
    let weu = picture.assessment.geodes.get_mut(&"weu".into()).unwrap();
    weu.verdict = Verdict::Degraded;
    weu.sentence = "Degraded: 1 of 2 stamps not Healthy (weu-1 is Degraded)".to_owned();
    let line = first(&picture);
    assert_eq!(line.kind, HeadlineKind::Attention);
    assert_eq!(
        line.sentence,
        "geode/weu is no target until it is Healthy (Degraded: 1 of 2 stamps not Healthy (weu-1 is Degraded))"
    );
    assert_eq!(line.alarm.unwrap().command, "kubectl describe geode weu");
}

#[test]
fn one_region_alone_starts_no_countdown() {
    let mut picture = picture(Moment::Doubt);
    for finding in picture.assessment.geodes.values_mut() {
        let others = finding.regions.iter_mut().filter(|(region, _)| region.as_str() != "neu");
        others.for_each(|(_, says)| says.voice = crate::verdict::Voice::Up);
    }
    let line = first(&picture);
    assert!(line.sentence.contains("nothing starts before 2 outside regions"), "{}", line.sentence);
    assert_eq!(line.starts_in_ms, None);
}

#[test]
fn a_run_that_waits_goes_before_one_that_goes_on_and_says_how_to_end_it() {
    let mut picture = picture(Moment::Run);
    let state = picture.state.as_mut().unwrap();
    let name = RunName::from("by-hand");
    let mut other = state.runs.values().next().unwrap().clone();
    (other.phase, other.reason) = (Phase::Held, "past its deadline".into());
    state.runs.insert(name, other);
    let line = first(&picture);
    assert!(line.sentence.contains("is Held"), "{}", line.sentence);
    assert!(line.alarm.unwrap().command.starts_with("kubectl patch failover by-hand"));
}

#[test]
fn shares_add_up_to_all_buckets() {
    for moment in [Moment::Well, Moment::Run, Moment::Evacuated] {
        let views = views(moment);
        let of_geodes: u32 = views.geodes.iter().map(|geode| geode.share.buckets).sum();
        let of_stamps: u32 = views.stamps.iter().map(|stamp| stamp.share.buckets).sum();
        assert_eq!((of_geodes, of_stamps), (24, 24), "{moment:?}");
    }
    let weu = &views(Moment::Run).geodes[2];
    assert_eq!((weu.name.as_str(), weu.share.to_string().as_str()), ("weu", "0 of 24 buckets (0.0 %)"));
    assert_eq!(Share::new(1, 3).percent(), "33.3 %");
    assert_eq!(Share::new(0, 0).percent(), "0.0 %");
}

/// Whatever is red says why and what to type next.
#[test]
fn nothing_is_red_without_a_way_out() {
    for moment in [Moment::Start, Moment::Doubt, Moment::Run, Moment::Evacuated, Moment::Recovered] {
        let views = views(moment);
        let lines = std::iter::once(&views.fleet.headline).chain(&views.fleet.also);
        let mut alarms: Vec<&Alarm> = lines.filter_map(|line| line.alarm.as_ref()).collect();
        alarms.extend(views.geodes.iter().filter_map(|geode| geode.alarm.as_ref()));
        alarms.extend(views.stamps.iter().filter_map(|stamp| stamp.alarm.as_ref()));
        alarms.extend(views.zones.iter().filter_map(|zone| zone.alarm.as_ref()));
        assert!(!alarms.is_empty(), "{moment:?}");
        for alarm in alarms {
            assert!(!alarm.why.is_empty() && !alarm.what_now.is_empty(), "{alarm:?}");
            assert!(
                ["kubectl ", "echo ", "dig "].iter().any(|tool| alarm.command.starts_with(tool)),
                "{alarm:?}"
            );
        }
        for geode in views.geodes.iter().filter(|geode| geode.verdict != Verdict::Healthy) {
            assert!(geode.alarm.is_some(), "{}", geode.name);
        }
    }
}

#[test]
fn a_look_that_was_compared_with_older_content_settles_nothing() {
    let mut picture = picture(Moment::Well);
    assert!(Views::of(&picture, &Scores::new()).zones[0].settled);
    for seen in picture.zones.values_mut() {
        seen.against.seq -= 1;
    }
    assert!(!Views::of(&picture, &Scores::new()).zones[0].settled);
}

#[test]
fn evacuable_says_every_obstacle_with_what_to_do() {
    use super::Obstacle::{Capacity, DnsPrimaryInside, HubInside, NoTarget, QuorumInside, SafetyRule};
    let found = |bend: &dyn Fn(&mut Picture), geode: &str| -> Vec<super::Obstacle> {
        let mut picture = picture(Moment::Well);
        bend(&mut picture);
        let hindrances = super::hindrances(&picture, &geode.into()).unwrap();
        assert!(hindrances.iter().all(|hindrance| !hindrance.sentence.is_empty()));
        hindrances.into_iter().map(|hindrance| hindrance.obstacle).collect()
    };
    let fleet = |picture: &mut Picture, bend: &dyn Fn(&mut Fleet)| bend(picture.fleet.as_mut().unwrap());
    assert_eq!(found(&|_| {}, "weu"), []);
    assert_eq!(found(&|_| {}, "neu"), [DnsPrimaryInside]);
    assert_eq!(found(&|p| fleet(p, &|f| f.hub_geode = Some("weu".into())), "weu"), [HubInside]);
    let few = |f: &mut Fleet| f.vantages.retain(|_, region| region.as_str() != "outside");
    assert_eq!(found(&|p| fleet(p, &few), "weu"), [], "two regions and two of three");
    let inside = |f: &mut Fleet| {
        for letter in ["b", "c", "d", "e"] {
            f.vantages.insert(format!("weu-{letter}").as_str().into(), "weu".into());
        }
    };
    assert_eq!(found(&|p| fleet(p, &inside), "weu"), [QuorumInside]);
    let small = |f: &mut Fleet| f.stamps.values_mut().for_each(|stamp| stamp.capacity.units = 45);
    assert_eq!(found(&|p| fleet(p, &small), "weu"), [NoTarget], "no stamp has room for even one bucket");
    let tight = |f: &mut Fleet| f.stamps.values_mut().for_each(|stamp| stamp.capacity.units = 55);
    assert_eq!(found(&|p| fleet(p, &tight), "weu"), [Capacity], "four of eight fit");
    let many = |f: &mut Fleet| f.policy.safety.serving_stamps_min = 5;
    assert_eq!(found(&|p| fleet(p, &many), "weu"), [SafetyRule]);
}
