use std::net::IpAddr;

use stamps::names::Point;

use super::*;

const ZONE: &str = "app.test.";
const BUCKET: &str = "b07.weu-1.stamps.app.test.";
const STAMP: &str = "neu-2.at.app.test.";

fn fence(seq: i64) -> Fence {
    Fence { fleet: "f1".into(), point: Point { epoch: 7, seq } }
}

fn alias(target: &str) -> Answer {
    Answer::Alias { target: target.into(), ttl_s: 60 }
}

fn addresses(set: &[&str]) -> Answer {
    let set = set.iter().map(|text| text.parse::<IpAddr>().unwrap());
    Answer::addresses("x", set, 300).unwrap()
}

fn desired(answers: &[(&str, Answer)]) -> BTreeMap<String, Answer> {
    answers.iter().map(|(name, answer)| ((*name).to_owned(), answer.clone())).collect()
}

/// What the name would hold once `answer` is written, under this owner mark.
fn held(answer: &Answer, owner: Option<&str>) -> Held {
    let records = records("x", answer).into_iter().map(|record| (record.data, record.ttl_s)).collect();
    Held { records, owner: owner.map(str::to_owned).into_iter().collect() }
}

fn seen(fence: &str, names: &[(&str, Held)]) -> Seen {
    Seen {
        fence: if fence.is_empty() { vec![] } else { vec![fence.into()] },
        names: names.iter().map(|(name, held)| ((*name).to_owned(), held.clone())).collect(),
    }
}

fn run(seen: &Seen, desired: &BTreeMap<String, Answer>, seq: i64, adopt: bool) -> Result<Plan, FenceSeen> {
    run_within(seen, desired, seq, adopt, Limits::DEFAULT)
}

fn run_within(
    seen: &Seen,
    desired: &BTreeMap<String, Answer>,
    seq: i64,
    adopt: bool,
    limits: Limits,
) -> Result<Plan, FenceSeen> {
    plan(seen, desired, &Terms { zone: &ZoneName::from(ZONE), fence: &fence(seq), past: None, adopt, limits })
}

fn text(plan: &Plan) -> String {
    plan.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const OURS: Option<&str> = Some("v=1;f=f1");

#[test]
fn a_first_claim_requires_that_nothing_is_there() {
    let wanted = desired(&[(BUCKET, alias(STAMP)), (STAMP, addresses(&["10.0.0.1", "fd00::1"]))]);
    let plan = run(&seen("", &[]), &wanted, 1, false).unwrap();
    insta::assert_snapshot!(text(&plan));
}

#[test]
fn a_move_replaces_whole_record_sets_under_fence_and_owner() {
    let now = seen("v=1;f=f1;e=7;s=41", &[(BUCKET, held(&alias("weu-1.at.app.test."), OURS))]);
    let plan = run(&now, &desired(&[(BUCKET, alias(STAMP))]), 42, false).unwrap();
    insta::assert_snapshot!(text(&plan));
}

#[test]
fn an_adopted_name_is_cleared_first() {
    let now = seen("v=1;f=f1;e=7;s=41", &[(STAMP, held(&addresses(&["10.9.9.9"]), None))]);
    let wanted = desired(&[(STAMP, addresses(&["10.0.0.1"]))]);
    let plan = run(&now, &wanted, 42, true).unwrap();
    insta::assert_snapshot!(text(&plan));
}

#[test]
fn what_does_not_fit_one_message_goes_in_several_with_one_fence() {
    let names: Vec<String> = (0..5).map(|n| format!("b{n:02}.weu-1.stamps.app.test.")).collect();
    let now: Vec<(&str, Held)> = names.iter().map(|name| (name.as_str(), held(&alias("a."), OURS))).collect();
    let wanted: Vec<(&str, Answer)> = names.iter().map(|name| (name.as_str(), alias(STAMP))).collect();
    let now = seen("v=1;f=f1;e=7;s=41", &now);
    let two = Limits { names_max: 2, ..Limits::DEFAULT };
    let plan = run_within(&now, &desired(&wanted), 42, false, two).unwrap();
    assert_eq!(plan.changes.iter().map(|change| change.names).collect::<Vec<_>>(), [2, 2, 1]);
    let requires: Vec<_> = plan.changes.iter().map(|change| change.prerequisites[0].clone()).collect();
    let on = |seq| Prerequisite::Text { name: "_lifeboat.f1.app.test.".into(), text: fence(seq).to_string() };
    assert_eq!(requires, [on(41), on(42), on(42)]);
}

#[test]
fn addresses_are_there_before_the_aliases_that_point_to_them() {
    let desired = desired(&[
        ("b00.app.test.", alias("weu-1.at.app.test.")),
        ("weu-1.at.app.test.", addresses(&["192.0.2.1"])),
    ]);
    let limits = Limits { names_max: 1, ..Limits::DEFAULT };
    let plan = run_within(&Seen::default(), &desired, 41, false, limits).unwrap();
    let first: Vec<&str> = plan.changes[0].adds.iter().map(|add| add.name.as_str()).collect();
    assert!(first.contains(&"weu-1.at.app.test."), "{first:?}");
    assert!(plan.changes[1].adds.iter().any(|add| add.name == "b00.app.test."));
}

#[test]
fn a_message_keeps_its_bound_in_bytes() {
    let names: Vec<String> =
        (0..400).map(|n| format!("b{n:03}.{}.stamps.app.test.", "w".repeat(60))).collect();
    let wanted: Vec<(&str, Answer)> = names.iter().map(|name| (name.as_str(), alias(STAMP))).collect();
    let plan = run(&seen("", &[]), &desired(&wanted), 1, false).unwrap();
    assert!(plan.changes.iter().all(|change| change.wire_len_max() <= Limits::DEFAULT.bytes_max));
    assert!(plan.changes.iter().all(|change| change.names <= Limits::DEFAULT.names_max));
    assert_eq!(plan.changes.iter().map(|change| change.names).sum::<usize>(), 400);
}

#[test]
fn nothing_is_sent_when_all_of_it_holds() {
    let now = seen("v=1;f=f1;e=7;s=42", &[(BUCKET, held(&alias(STAMP), OURS))]);
    let wanted = desired(&[(BUCKET, alias(STAMP))]);
    assert_eq!(run(&now, &wanted, 42, false), Ok(Plan::default()));
    let raise = run(&now, &wanted, 43, false).unwrap();
    insta::assert_snapshot!(text(&raise));
}

#[test]
fn another_ttl_is_another_answer() {
    let slow = Answer::Alias { target: STAMP.into(), ttl_s: 300 };
    let now = seen("v=1;f=f1;e=7;s=42", &[(BUCKET, held(&slow, OURS))]);
    assert_eq!(run(&now, &desired(&[(BUCKET, alias(STAMP))]), 42, false).unwrap().changes.len(), 1);
}

#[test]
fn the_fence_keeps_older_foreign_and_held_plans_out() {
    let wanted = desired(&[(BUCKET, alias(STAMP))]);
    let by = |fence: &str| run(&seen(fence, &[]), &wanted, 42, true).unwrap_err();
    assert_eq!(by("v=1;f=f1;e=7;s=43"), FenceSeen::Newer(Point { epoch: 7, seq: 43 }));
    assert_eq!(by("v=1;f=f2;e=1;s=1"), FenceSeen::OtherFleet("f2".into()));
    assert_eq!(by("hold"), FenceSeen::Hold);
    assert_eq!(by("stop please"), FenceSeen::Unreadable("stop please".into()));
}

#[test]
fn a_vanished_fence_beside_our_names_stops_us_until_a_person_says_adopt() {
    let now = seen("", &[(BUCKET, held(&alias("weu-1.at.app.test."), OURS))]);
    let wanted = desired(&[(BUCKET, alias(STAMP))]);
    assert_eq!(run(&now, &wanted, 42, false), Err(FenceSeen::Absent));
    assert_eq!(run(&now, &wanted, 42, true).unwrap().changes.len(), 1);
}

#[test]
fn foreign_names_are_named_and_the_others_change() {
    let other = "x.app.test.";
    let now = seen(
        "v=1;f=f1;e=7;s=41",
        &[
            (BUCKET, held(&alias("weu-1.at.app.test."), OURS)),
            (STAMP, held(&addresses(&["10.9.9.9"]), None)),
            (other, held(&alias("y."), Some("v=1;f=f2"))),
        ],
    );
    let wanted = desired(&[(BUCKET, alias(STAMP)), (STAMP, addresses(&["10.0.0.1"])), (other, alias(STAMP))]);
    let plan = run(&now, &wanted, 42, false).unwrap();
    let foreign = [
        Foreign { name: STAMP.into(), owner: None },
        Foreign { name: other.into(), owner: Some("v=1;f=f2".into()) },
    ];
    assert_eq!(plan.foreign, foreign);
    assert_eq!(plan.changes.iter().map(|change| change.names).sum::<usize>(), 1);
    let adopting = run(&now, &wanted, 42, true).unwrap();
    assert_eq!(adopting.foreign, foreign[1..], "another fleet's name is never adopted");
}

#[test]
fn nothing_at_all_is_sent_for_foreign_names_alone() {
    let now = seen("", &[(STAMP, held(&addresses(&["10.9.9.9"]), None))]);
    let plan = run(&now, &desired(&[(STAMP, addresses(&["10.0.0.1"]))]), 42, false).unwrap();
    assert_eq!((plan.changes.len(), plan.foreign.len()), (0, 1));
}
