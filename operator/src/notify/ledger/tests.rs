use std::collections::BTreeMap;

use stamps::view::Alarm;

use super::*;

/// So many seconds after the start.
fn at(seconds: u64) -> Now {
    let wall = DateTime::from_timestamp(1_795_262_400 + seconds.cast_signed(), 0).unwrap();
    Now { wall, mono: Mono(1_000_000 + seconds * 1_000) }
}

fn alert(name: &str) -> Alert {
    Alert {
        labels: BTreeMap::from([("alertname", name.to_owned())]),
        needs_person: false,
        since: None,
        summary: String::new(),
        alarm: Alarm { why: String::new(), what_now: String::new(), command: String::new() },
    }
}

fn for_a_person(name: &str) -> Alert {
    Alert { needs_person: true, ..alert(name) }
}

/// The next message, taken by the receiver: `a`, or `a ended`.
fn tell(ledger: &mut Ledger, now: Now) -> Vec<String> {
    if !ledger.is_due(now.mono) {
        return Vec::new();
    }
    let batch = ledger.batch(now.mono);
    ledger.told(&batch, now.mono);
    said(&batch)
}

fn said(batch: &Batch) -> Vec<String> {
    let ended = |line: &Line| if line.ended_at.is_some() { " ended" } else { "" };
    batch.lines.iter().map(|line| format!("{}{}", line.alert.name(), ended(line))).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_is_new_and_what_has_ended_is_told_once() {
    let mut ledger = Ledger::default();
    ledger.follow(vec![alert("a")], at(0));
    assert_eq!(tell(&mut ledger, at(0)), ["a"]);
    ledger.follow(vec![alert("a"), alert("b")], at(1));
    assert_eq!(tell(&mut ledger, at(1)), ["b", "a"]);
    ledger.follow(vec![alert("b")], at(2));
    assert_eq!(tell(&mut ledger, at(2)), ["a ended", "b"]);
    assert_eq!(tell(&mut ledger, at(86_400)), NOTHING);
}

#[test]
fn a_person_is_told_again_every_quarter_of_an_hour() {
    let mut ledger = Ledger::default();
    ledger.follow(vec![alert("a"), for_a_person("b")], at(0));
    assert_eq!(tell(&mut ledger, at(0)), ["a", "b"]);
    assert_eq!(tell(&mut ledger, at(15 * 60 - 1)), NOTHING);
    assert_eq!(tell(&mut ledger, at(15 * 60)), ["b", "a"]);
    assert_eq!(tell(&mut ledger, at(15 * 60 + 1)), NOTHING);
    assert_eq!(tell(&mut ledger, at(30 * 60)), ["b", "a"]);
    ledger.follow(vec![alert("a")], at(31 * 60));
    assert_eq!(tell(&mut ledger, at(31 * 60)), ["b ended", "a"]);
    assert_eq!(tell(&mut ledger, at(60 * 60)), NOTHING);
}

#[test]
fn what_came_and_went_before_anybody_listened_is_told_as_ended() {
    let mut ledger = Ledger::default();
    ledger.follow(vec![alert("a")], at(0));
    ledger.follow(vec![], at(7));
    let batch = ledger.batch(at(8).mono);
    let line = &batch.lines[0];
    assert_eq!((line.starts_at, line.ended_at), (at(0).wall, Some(at(7).wall)));
    assert_eq!(tell(&mut ledger, at(8)), ["a ended"]);
    assert_eq!(tell(&mut ledger, at(9)), NOTHING);
}

#[test]
fn what_changes_while_a_message_is_on_its_way_is_told_next() {
    let mut ledger = Ledger::default();
    ledger.follow(vec![alert("a"), alert("b")], at(0));
    let sent = ledger.batch(at(0).mono);
    ledger.follow(vec![alert("b")], at(1));
    ledger.told(&sent, at(2).mono);
    let sent = ledger.batch(at(2).mono);
    assert_eq!(said(&sent), ["a ended", "b"]);
    ledger.follow(vec![alert("a"), alert("b")], at(3));
    ledger.told(&sent, at(4).mono);
    assert_eq!(tell(&mut ledger, at(4)), ["a", "b"]);
}

#[test]
fn the_start_is_what_the_register_says_or_the_first_sight() {
    let since = at(0).wall - chrono::TimeDelta::hours(1);
    let mut ledger = Ledger::default();
    ledger.follow(vec![alert("a"), Alert { since: Some(since), ..alert("b") }], at(0));
    ledger.follow(vec![alert("a"), Alert { since: Some(since), ..alert("b") }], at(5));
    let starts: Vec<_> = ledger.batch(at(5).mono).lines.iter().map(|line| line.starts_at).collect();
    assert_eq!(starts, [at(0).wall, since]);
}

#[test]
fn a_message_has_room_for_so_many_and_the_rest_comes_next() {
    let mut ledger = Ledger::default();
    let all: Vec<Alert> = (0..BATCH_MAX + 3).map(|n| alert(&format!("a{n}"))).collect();
    ledger.follow(all, at(0));
    let batch = ledger.batch(at(0).mono);
    assert_eq!((batch.lines.len(), batch.left_out), (BATCH_MAX, 3));
    ledger.told(&batch, at(0).mono);
    assert_eq!(tell(&mut ledger, at(1))[..3], ["a32", "a33", "a34"]);
    assert_eq!(tell(&mut ledger, at(2)), NOTHING);
}

#[test]
fn ended_ones_that_nobody_takes_are_bounded_and_counted() {
    let mut ledger = Ledger::default();
    for n in 0..u64::try_from(ENDED_MAX).unwrap() + 5 {
        ledger.follow(vec![alert(&format!("a{n}"))], at(n));
    }
    ledger.follow(vec![], at(1_000));
    assert_eq!((ledger.entries.len(), ledger.dropped()), (ENDED_MAX, 5));
    assert_eq!(tell(&mut ledger, at(1_000))[0], "a5 ended", "the oldest went first");
}

#[test]
fn who_does_not_tell_keeps_the_news_for_as_long_as_a_takeover_may_last() {
    let mut ledger = Ledger::default();
    ledger.follow(vec![alert("a"), alert("b")], at(0));
    ledger.follow(vec![alert("b")], at(10));
    ledger.expire(at(309).mono);
    assert_eq!(said(&ledger.batch(at(309).mono)), ["a ended", "b"]);
    ledger.expire(at(310).mono);
    assert_eq!(said(&ledger.batch(at(310).mono)), ["b"]);
}

#[test]
fn another_receiver_hears_what_fires_and_not_what_ended() {
    let mut ledger = Ledger::default();
    ledger.follow(vec![alert("a"), alert("b")], at(0));
    assert_eq!(tell(&mut ledger, at(0)), ["a", "b"]);
    ledger.follow(vec![alert("b")], at(1));
    ledger.forget_who_was_told();
    assert_eq!(tell(&mut ledger, at(1)), ["b"]);
}
