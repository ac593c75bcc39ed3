use stamps::view::{Alarm, alerts::Alert};

use super::{
    super::ledger::{BATCH_MAX, Batch, Line},
    *,
};

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_262_400, 0).unwrap()
}

fn line(name: &str, subject: &str, summary: &str, ended: bool) -> Line {
    let alert = Alert {
        labels: BTreeMap::from([
            ("alertname", name.to_owned()),
            ("severity", "critical".to_owned()),
            ("fleet", "prod".to_owned()),
            ("subject", subject.to_owned()),
        ]),
        needs_person: true,
        since: None,
        summary: summary.to_owned(),
        alarm: Alarm {
            why: "2 regions say Down".to_owned(),
            what_now: "Look:".to_owned(),
            command: "kubectl describe geode weu".to_owned(),
        },
    };
    Line {
        fingerprint: alert.fingerprint(),
        alert,
        starts_at: noon(),
        ended_at: ended.then(|| noon() + chrono::TimeDelta::seconds(90)),
    }
}

fn rendered(lines: Vec<Line>, left_out: usize) -> serde_json::Value {
    serde_json::from_slice(&render("prod", "on-call", &Batch { lines, left_out })).unwrap()
}

#[test]
fn a_message_is_what_alertmanager_sends() {
    let lines = vec![
        line("RunStarted", "geode/weu", "it is under way", true),
        line("GateShut", "geode/weu", "geode/weu is in doubt", false),
    ];
    insta::assert_json_snapshot!(rendered(lines, 3));
}

#[test]
fn a_message_is_resolved_once_everything_in_it_is() {
    let message = rendered(vec![line("a", "s", "x", true), line("b", "s", "x", false)], 0);
    assert_eq!((&message["status"], &message["alerts"][0]["status"]), (&"firing".into(), &"resolved".into()));
    assert_eq!(rendered(vec![line("a", "s", "x", true)], 0)["status"], "resolved");
}

#[test]
fn a_full_message_of_long_sentences_stays_below_64_kib() {
    let long = |n: usize| {
        let mut line = line(&format!("a{n}"), &"s".repeat(70), &"\"words\" ".repeat(200), false);
        line.alert.alarm.what_now = "words ".repeat(200);
        line.alert.alarm.command = "words ".repeat(200);
        line
    };
    let batch = Batch { lines: (0..BATCH_MAX).map(long).collect(), left_out: 0 };
    let size = render("prod", "on-call", &batch).len();
    assert!(size < 64 * 1024, "{size}");
}

#[test]
fn text_is_cut_between_characters() {
    let cut = clipped(&"ü".repeat(ANNOTATION_CHARS_MAX + 1));
    assert_eq!(cut.chars().count(), ANNOTATION_CHARS_MAX + 3);
    assert_eq!(clipped("short"), "short");
}
