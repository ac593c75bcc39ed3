use insta::assert_snapshot;

use super::*;
use crate::{
    failover::Event,
    names::Point,
    view::fixtures::{Moment, noon, picture},
};

const START: Mono = Mono(1_000_000);

fn weu() -> Subject {
    Subject::Geode("weu".into())
}

/// What fires for somebody who has seen nothing but this.
fn firing(picture: &Picture) -> Vec<Alert> {
    let mut memory = Memory::default();
    memory.follow(picture, START);
    alerts(picture, &memory, "prod").unwrap()
}

fn names(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(Alert::name).collect()
}

/// The picture after these events.
fn with(mut picture: Picture, events: &[Event]) -> Picture {
    picture.state = Some(picture.state.unwrap().after(events, noon(), 0).unwrap());
    picture
}

fn with_automation(mut picture: Picture, automation: Automation) -> Picture {
    picture.fleet.as_mut().unwrap().automation = automation;
    picture
}

fn in_phase(phase: Phase) -> Picture {
    let mut picture = picture(Moment::Run);
    picture.state.as_mut().unwrap().runs.values_mut().for_each(|run| run.phase = phase);
    picture
}

#[test]
fn what_is_told_at_each_moment() {
    let observing = with_automation(picture(Moment::Doubt), Automation::Observe);
    let told = [
        ("well", picture(Moment::Well)),
        ("doubt", picture(Moment::Doubt)),
        ("doubt, and automation observes", observing),
        ("run", picture(Moment::Run)),
        ("evacuated", picture(Moment::Evacuated)),
    ]
    .map(|(moment, picture)| {
        let alerts: Vec<String> = firing(&picture).iter().map(line).collect();
        format!("{moment}:\n{}", alerts.concat())
    });
    assert_snapshot!(told.join("\n"));
}

fn line(alert: &Alert) -> String {
    let Alert { labels, needs_person, since, summary, alarm } = alert;
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        "  {}\n    person {needs_person}, since {since:?}\n    {summary}\n    {} {}\n",
        labels.join(" "),
        alarm.what_now,
        alarm.command
    )
}

#[test]
fn a_doubt_is_told_at_half_of_the_hold_and_until_it_is_cleared() {
    let mut doubt = picture(Moment::Doubt);
    let age = doubt.assessment.geodes[&"weu".into()].evidence_age().unwrap();
    let mut memory = Memory::default();
    let mut told = |picture: &Picture| {
        memory.follow(picture, START);
        names(&alerts(picture, &memory, "prod").unwrap()).join(" ")
    };
    doubt.fleet.as_mut().unwrap().policy.detection.geode_hold = age * 2 + Duration::from_millis(1);
    assert_eq!(told(&doubt), "");
    doubt.fleet.as_mut().unwrap().policy.detection.geode_hold = age * 2;
    assert_eq!(told(&doubt), "Doubt");
    // Nobody sees anything any more: that is no reason to call it off.
    doubt.assessment = crate::verdict::Assessment::default();
    assert_eq!(told(&doubt), "Doubt");
    assert_eq!(told(&with(doubt, &[Event::DoubtCleared { subject: weu() }])), "");
}

#[test]
fn a_shut_gate_asks_a_person_and_an_open_one_does_not() {
    for automation in [Automation::Observe, Automation::Approve, Automation::Hold, Automation::Automatic] {
        let alerts = firing(&with_automation(picture(Moment::Doubt), automation));
        let wanted: &[&str] =
            if automation == Automation::Automatic { &["Doubt"] } else { &["Doubt", "GateShut"] };
        assert_eq!(names(&alerts), wanted);
        assert_eq!(alerts.iter().any(|alert| alert.needs_person), wanted.len() == 2, "{automation:?}");
    }
    // What is out already, or the matter of a run, needs no gate.
    for moment in [Moment::Evacuated, Moment::Run] {
        let alerts = firing(&with_automation(picture(moment), Automation::Observe));
        assert!(!names(&alerts).contains(&"GateShut"), "{moment:?}");
    }
}

#[test]
fn a_rule_that_holds_asks_a_person_until_somebody_acts() {
    let because = vec!["MinServing: 1 stamp would be left".to_owned()];
    let held = Event::DoubtHeld { subject: weu(), because };
    let alerts = firing(&with(picture(Moment::Doubt), std::slice::from_ref(&held)));
    assert_eq!(names(&alerts), ["Doubt", "FailoverHeld"]);
    assert!(alerts[1].needs_person && alerts[1].summary.contains("MinServing"), "{}", alerts[1].summary);
    assert_eq!(names(&firing(&with(picture(Moment::Evacuated), &[held]))), ["Doubt"]);
}

#[test]
fn each_phase_of_a_run_is_told_in_its_way() {
    for phase in Phase::ALL {
        let mut before = Memory::default();
        before.follow(&picture(Moment::Doubt), START);
        let now = in_phase(phase);
        before.follow(&now, START);
        let alerts = alerts(&now, &before, "prod").unwrap();
        let of_run: Vec<&Alert> = alerts.iter().filter(|alert| alert.labels.contains_key("run")).collect();
        let wanted: &[(&str, bool)] = match phase {
            Phase::Arming => &[],
            Phase::Pending | Phase::Running | Phase::Compensating => &[("RunStarted", false)],
            Phase::AwaitingApproval => &[("ApprovalWanted", true)],
            Phase::Paused => &[("RunPaused", true)],
            Phase::Held | Phase::Blocked => &[("RunHeld", true)],
            Phase::Succeeded | Phase::Compensated | Phase::Cancelled | Phase::Replaced => {
                &[("RunEnded", false)]
            }
            Phase::Failed | Phase::Refused | Phase::Expired => &[("RunFailed", false)],
        };
        let told: Vec<(&str, bool)> = of_run.iter().map(|alert| (alert.name(), alert.needs_person)).collect();
        assert_eq!(told, wanted, "{phase:?}");
        assert!(of_run.iter().all(|alert| alert.labels["subject"] == "geode/weu"), "{phase:?}");
    }
}

#[test]
fn a_dry_run_is_told_to_nobody() {
    for phase in Phase::ALL {
        let mut picture = in_phase(phase);
        picture.state.as_mut().unwrap().runs.values_mut().for_each(|run| run.dry_run = true);
        assert!(!firing(&picture).iter().any(|alert| alert.labels.contains_key("run")), "{phase:?}");
    }
}

#[test]
fn the_end_of_a_run_is_news_for_five_minutes() {
    let mut memory = Memory::default();
    memory.follow(&picture(Moment::Run), START);
    let ended = picture(Moment::Evacuated);
    let mut told = |after| {
        memory.follow(&ended, START + after);
        names(&alerts(&ended, &memory, "prod").unwrap()).contains(&"RunEnded")
    };
    assert!(told(Duration::from_secs(1)));
    assert!(told(ENDED_FOR));
    assert!(!told(ENDED_FOR + Duration::from_secs(1)));
}

#[test]
fn a_run_that_ended_before_this_process_began_is_no_news() {
    assert_eq!(names(&firing(&picture(Moment::Evacuated))), ["Doubt"]);
}

#[test]
fn a_run_that_ended_as_soon_as_it_was_seen_is_news() {
    let mut memory = Memory::default();
    memory.follow(&picture(Moment::Doubt), START);
    let refused = in_phase(Phase::Refused);
    memory.follow(&refused, START);
    assert_eq!(names(&alerts(&refused, &memory, "prod").unwrap()), ["Doubt", "RunFailed"]);
}

#[test]
fn each_way_of_being_fenced_out_says_what_to_do() {
    let zone = picture(Moment::Well).fleet.unwrap().zones.keys().next().unwrap().clone();
    let said: Vec<String> = [
        FenceSeen::Newer(Point { epoch: 1_900_000_000, seq: 1 }),
        FenceSeen::OtherFleet("6f1c".into()),
        FenceSeen::Hold,
        FenceSeen::Unreadable("x".into()),
        FenceSeen::Absent,
    ]
    .into_iter()
    .map(|by| {
        let mut picture = picture(Moment::Well);
        picture.fenced.insert(zone.clone(), by);
        picture.fenced.insert("gone.example.".into(), FenceSeen::Hold);
        let alerts = firing(&picture);
        assert_eq!(names(&alerts), ["FencedOut"]);
        line(&alerts[0])
    })
    .collect();
    assert_snapshot!(said.concat());
}

#[test]
fn nothing_known_is_not_nothing_firing() {
    let memory = Memory::default();
    assert_eq!(alerts(&Picture::default(), &memory, "prod"), None);
    let unread = Picture { state: None, ..picture(Moment::Doubt) };
    assert_eq!(alerts(&unread, &memory, "prod"), None);
}

#[test]
fn a_fingerprint_follows_from_the_labels_and_from_nothing_else() {
    let alerts = firing(&with_automation(picture(Moment::Doubt), Automation::Observe));
    let [doubt, gate] = &alerts[..] else { panic!("{alerts:?}") };
    assert_ne!(doubt.fingerprint(), gate.fingerprint());
    let reworded = Alert { summary: "otherwise".into(), since: None, ..doubt.clone() };
    assert_eq!(doubt.fingerprint(), reworded.fingerprint());
    assert_eq!(doubt.fingerprint().len(), 16);
}
