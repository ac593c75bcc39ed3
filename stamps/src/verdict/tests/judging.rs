use super::*;
use crate::fleet::StampLifecycle;

fn weu(fleet: &Fleet, table: &Table) -> (Finding, Finding) {
    let mut all = assess(fleet, table);
    (all.stamps.remove(&"weu-1".into()).unwrap(), all.geodes.remove(&"weu".into()).unwrap())
}

#[test]
fn two_outside_regions_make_it_unhealthy() {
    let fleet = fixtures::fleet(3, 2);
    let (stamp, geode) = weu(&fleet, &weu_down_for(&fleet, &["weu-a", "neu-a", "eus-a"]));
    assert_eq!((stamp.verdict, geode.verdict), (Verdict::Unhealthy, Verdict::Unhealthy));
    assert_eq!(stamp.sentence, "Unhealthy: eus (1 of 1) and neu (1 of 1) say Down for 4 s, connect refused");
    assert_eq!(
        geode.sentence,
        "Unhealthy: eus (200 of 200) and neu (200 of 200) say Down for 4 s, connect refused"
    );
    assert!(stamp.doubt() && stamp.advisory.is_none());
    for finding in [&stamp, &geode] {
        assert!(finding.held(Duration::from_secs(4)));
        assert!(!finding.held(Duration::from_secs(5)), "evidence that has stood for 4 s");
    }
}

#[test]
fn the_hold_is_counted_from_the_second_region() {
    let fleet = fixtures::fleet(3, 1);
    let table = table(&fleet, |vantage, stamp| match (stamp.as_str(), vantage.as_str()) {
        ("weu-1", "neu-a") => sample("+++++------------"),
        ("weu-1", "eus-a") => sample("+++++----"),
        _ => sample("+++++++++++++++"),
    });
    let (stamp, geode) = weu(&fleet, &table);
    assert_eq!(stamp.evidence_age(), Some(Duration::from_secs(1)));
    assert_eq!(geode.evidence_age(), Some(Duration::from_secs(1)));
}

#[test]
fn one_outside_region_is_an_advisory() {
    let fleet = fixtures::fleet(3, 1);
    let (stamp, geode) = weu(&fleet, &weu_down_for(&fleet, &["weu-a", "neu-a"]));
    assert_eq!((stamp.verdict, geode.verdict), (Verdict::Healthy, Verdict::Healthy));
    assert!(stamp.doubt() && geode.doubt());
    assert_eq!(stamp.sentence, "Healthy: 2 of 3 regions outside weu say Up");
    assert_eq!(
        stamp.advisory.as_deref(),
        Some(
            "Down is said by neu-a (neu) for 4 s, connect refused, weu-a (weu, inside, not counted) for 4 s, connect refused; 1 of the 2 outside regions that evidence needs"
        )
    );
    assert_eq!(
        geode.advisory.as_deref(),
        Some(
            "neu sees 100 of 100 units Down for 4 s, connect refused, weu (inside, not counted) sees 100 of 100 units Down for 4 s, connect refused; 1 of the 2 outside regions that evidence needs"
        )
    );
}

#[test]
fn its_own_region_does_not_decide() {
    let fleet = fixtures::fleet(3, 1);
    let (stamp, geode) = weu(&fleet, &weu_down_for(&fleet, &["weu-a"]));
    assert_eq!((stamp.verdict, geode.verdict), (Verdict::Healthy, Verdict::Healthy));
    assert!(!stamp.doubt() && !geode.doubt());
    assert_eq!(
        stamp.advisory.as_deref(),
        Some(
            "Down is said by weu-a (weu, inside, not counted) for 4 s, connect refused; 0 of the 2 outside regions \
             that evidence needs"
        )
    );
}

#[test]
fn inside_up_and_outside_down_is_cut_off() {
    let fleet = fixtures::fleet(3, 1);
    let (stamp, geode) = weu(&fleet, &weu_down_for(&fleet, &["neu-a", "eus-a", "out-a"]));
    assert_eq!((stamp.verdict, geode.verdict), (Verdict::CutOff, Verdict::CutOff));
    assert!(stamp.verdict.is_down() && stamp.held(Duration::from_secs(4)));
    assert_eq!(
        stamp.sentence,
        "CutOff: eus (1 of 1), neu (1 of 1) and outside (1 of 1) say Down for 4 s, connect refused; weu itself says Up: \
         it is alive, and maybe writing"
    );
    assert!(geode.sentence.starts_with("CutOff: "), "{}", geode.sentence);
}

/// The table in which everybody outside sees weu-1 down for 4 s, and weu-a sees this.
fn seen_inside(ticks: &str, age: Duration) -> (Finding, Finding) {
    let fleet = fixtures::fleet(3, 1);
    let mut table = weu_down_for(&fleet, &["neu-a", "eus-a", "out-a"]);
    let seat = table.seats.get_mut(&"weu-a".into()).unwrap();
    seat.report.samples.insert("weu-1".into(), sample(ticks));
    seat.age = age;
    weu(&fleet, &table)
}

#[test]
fn the_last_report_of_a_vantage_that_died_with_its_region_is_no_cut_off() {
    let second = Duration::from_secs(1);
    for (ticks, age, wanted) in [
        ("++++++++++++", second * 3, Verdict::CutOff),
        ("++++++++++++", second * 4, Verdict::Unhealthy),
        ("++++++++++++", second * 20, Verdict::Unhealthy),
        ("+++++++++???", Duration::ZERO, Verdict::CutOff),
        ("++++++++????", Duration::ZERO, Verdict::Unhealthy),
        ("++++++++++--", second * 1, Verdict::CutOff),
        ("++++++++----", Duration::ZERO, Verdict::Unhealthy),
    ] {
        let (stamp, geode) = seen_inside(ticks, age);
        assert_eq!(
            (stamp.verdict, geode.verdict),
            (wanted, wanted),
            "{ticks} {age:?} ago: {}",
            stamp.sentence
        );
        assert!(stamp.verdict.is_down() && stamp.held(second * 4), "to every rule the two are one");
    }
    let (stamp, _) = seen_inside("++++++++++++", second * 20);
    assert!(stamp.sentence.ends_with("; weu itself said Up, and nothing since"), "{}", stamp.sentence);
}

#[test]
fn being_cut_off_does_not_change_while_no_report_comes() {
    let fleet = fixtures::fleet(3, 1);
    for inside in 0..9 {
        let verdict = |later: u64| {
            let mut table = weu_down_for(&fleet, &["neu-a", "eus-a", "out-a"]);
            table.seats.values_mut().for_each(|seat| seat.age = Duration::from_secs(later));
            table.seats.get_mut(&"weu-a".into()).unwrap().age += Duration::from_secs(inside);
            weu(&fleet, &table).0.verdict
        };
        assert!((0..20).all(|later| verdict(later) == verdict(0)), "{inside}");
    }
}

#[test]
fn a_stamp_that_recovers_inside_is_alive_too() {
    let (stamp, _) = seen_inside("+++++---+++++---++++++", Duration::ZERO);
    assert_eq!(stamp.regions[&"weu".into()].voice, Voice::Recovering);
    assert_eq!(stamp.verdict, Verdict::CutOff);
}

#[test]
fn one_living_vantage_of_two_is_enough_to_be_cut_off() {
    let mut fleet = fixtures::fleet(3, 1);
    fleet.vantages.insert("weu-b".into(), "weu".into());
    let mut table = weu_down_for(&fleet, &["neu-a", "eus-a"]);
    table.seats.get_mut(&"weu-a".into()).unwrap().age = Duration::from_secs(9);
    assert_eq!(weu(&fleet, &table).0.verdict, Verdict::CutOff);
    table.seats.get_mut(&"weu-b".into()).unwrap().age = Duration::from_secs(9);
    assert_eq!(weu(&fleet, &table).0.verdict, Verdict::Unhealthy);
}

#[test]
fn until_the_hold_is_over_the_advisory_counts_it() {
    let mut fleet = fixtures::fleet(3, 1);
    fleet.policy.detection.stamp_hold = Duration::from_mins(1);
    fleet.policy.detection.geode_hold = Duration::from_mins(2);
    let (stamp, geode) = weu(&fleet, &weu_down_for(&fleet, &["weu-a", "neu-a", "eus-a"]));
    assert_eq!(stamp.advisory.as_deref(), Some("the evidence has stood for 4 s of the 60 s that it must"));
    assert_eq!(geode.advisory.as_deref(), Some("the evidence has stood for 4 s of the 120 s that it must"));
}

#[test]
fn a_region_below_its_majority_says_how_many_vantages_it_lacks() {
    let mut fleet = fixtures::fleet(3, 1);
    fleet.vantages.insert("neu-b".into(), "neu".into());
    fleet.vantages.insert("neu-c".into(), "neu".into());
    let (stamp, _) = weu(&fleet, &weu_down_for(&fleet, &["neu-b"]));
    assert_eq!(stamp.verdict, Verdict::Healthy);
    assert_eq!(
        stamp.advisory.as_deref(),
        Some(
            "Down is said by neu-b (neu) for 4 s, connect refused; 0 of the 2 outside regions that evidence needs \
             (neu has 1 of the 2 vantages that it needs)"
        )
    );
}

/// Vantages of these regions have never seen a full good window since the probe was defined.
fn never_passed(table: &mut Table, regions: &[&str]) {
    for seat in table.seats.values_mut().filter(|seat| regions.contains(&seat.report.region.as_str())) {
        seat.report.samples.values_mut().for_each(|sample| sample.ever_passed = false);
    }
}

#[test]
fn a_stamp_without_history_neither_fails_nor_is_well() {
    let fleet = fixtures::fleet(3, 1);
    for down_for in [&[][..], &["neu-a", "eus-a", "out-a"]] {
        let mut table = weu_down_for(&fleet, down_for);
        never_passed(&mut table, &["weu", "neu", "eus", "outside"]);
        let (stamp, geode) = weu(&fleet, &table);
        assert_eq!(stamp.sentence, "Unknown: 0 of 3 regions outside weu can tell (3 never saw it pass)");
        assert_eq!(geode.sentence, stamp.sentence);
        assert!(!stamp.doubt() && !geode.doubt());
    }
}

#[test]
fn a_region_that_never_saw_it_pass_abstains_and_says_so() {
    let fleet = fixtures::fleet(3, 1);
    let mut table = weu_down_for(&fleet, &["weu-a", "neu-a", "eus-a"]);
    never_passed(&mut table, &["neu"]);
    let (stamp, _) = weu(&fleet, &table);
    assert_eq!(stamp.regions[&"neu".into()], RegionSays::default());
    assert_eq!(stamp.verdict, Verdict::Degraded, "eus alone is no evidence");
    let advisory = stamp.advisory.unwrap();
    assert!(
        advisory.ends_with(
            "1 of the 2 outside regions that evidence needs; it has never passed the probes of neu-a (neu), connect \
             refused: that may be the probes' fault and does not count"
        ),
        "{advisory}"
    );
}

#[test]
fn a_tie_outside_is_degraded() {
    let fleet = fixtures::fleet(3, 1);
    let mut table = weu_down_for(&fleet, &["neu-a"]);
    table.seats.get_mut(&"out-a".into()).unwrap().fresh = false;
    let (stamp, geode) = weu(&fleet, &table);
    assert_eq!(
        stamp.sentence,
        "Degraded: neu (1 of 1) says Down for 4 s, connect refused; 1 of 3 regions outside weu say Up"
    );
    assert_eq!(geode.sentence, "Degraded: 1 of 1 stamps not Healthy (weu-1 is Degraded)");
}

#[test]
fn a_vantage_that_cannot_be_counted_is_silent() {
    let fleet = fixtures::fleet(3, 1);
    let down = weu_down_for(&fleet, &["neu-a", "eus-a"]);
    let silenced = |change: fn(&mut Seat)| {
        let mut table = down.clone();
        change(table.seats.get_mut(&"neu-a".into()).unwrap());
        let (stamp, _) = weu(&fleet, &table);
        assert_ne!(stamp.verdict, Verdict::Unhealthy);
        (assess(&fleet, &table).vantages[&"neu-a".into()], stamp.votes[&"neu-a".into()].silence)
    };
    let both = |silence| (Some(silence), Some(silence));
    assert_eq!(silenced(|seat| seat.fresh = false), both(Silence::Stale));
    assert_eq!(silenced(|seat| seat.report.sight = Sight::Blind), both(Silence::Blind));
    assert_eq!(silenced(|seat| seat.report.sight = Sight::ClockSkewed), both(Silence::ClockSkewed));
    assert_eq!(silenced(|seat| seat.report.region = "eus".into()), both(Silence::Unlisted));
    assert_eq!(silenced(|seat| seat.report.samples.clear()), (None, Some(Silence::NoSample)));
    let never = |seat: &mut Seat| seat.report.samples.values_mut().for_each(|s| s.ever_passed = false);
    assert_eq!(silenced(never), (None, Some(Silence::NeverPassed)));
}

#[test]
fn an_unlisted_vantage_is_shown_and_not_counted() {
    let fleet = fixtures::fleet(3, 1);
    let mut table = weu_down_for(&fleet, &["neu-a"]);
    let mut report = table.seats[&"neu-a".into()].report.clone();
    (report.vantage, report.region) = ("neu-b".into(), "sea".into());
    table.put(report, true);
    assert_eq!(weu(&fleet, &table).0.verdict, Verdict::Healthy);
    assert_eq!(assess(&fleet, &table).vantages[&"neu-b".into()], Some(Silence::Unlisted));
}

#[test]
fn half_of_a_regions_vantages_must_see() {
    let mut fleet = fixtures::fleet(3, 1);
    fleet.vantages.insert("neu-b".into(), "neu".into());
    fleet.vantages.insert("neu-c".into(), "neu".into());
    let mut table = weu_down_for(&fleet, &["weu-a", "neu-a", "neu-b", "eus-a"]);
    assert_eq!(weu(&fleet, &table).0.verdict, Verdict::Unhealthy, "2 of 3 in neu");
    table.seats.remove(&"neu-b".into());
    assert_eq!(weu(&fleet, &table).0.regions[&"neu".into()].voice, Voice::Unknown, "1 of 2 is no majority");
    table.seats.remove(&"neu-c".into());
    assert_eq!(weu(&fleet, &table).0.regions[&"neu".into()].voice, Voice::Unknown, "1 of 3 can see");
    assert!(!assess(&fleet, &table).sighted_regions.contains(&"neu".into()));
}

#[test]
fn a_geode_is_down_by_units() {
    let mut fleet = fixtures::fleet(3, 2);
    let table = table(&fleet, |vantage, stamp| match (stamp.as_str(), vantage.as_str()) {
        ("weu-1", "weu-a" | "neu-a" | "eus-a") => sample("+++++-------"),
        _ => sample("++++++++++++"),
    });
    let (stamp, geode) = weu(&fleet, &table);
    assert_eq!(stamp.verdict, Verdict::Unhealthy);
    assert_eq!(geode.sentence, "Degraded: 1 of 2 stamps not Healthy (weu-1 is Unhealthy)");
    fleet.stamps.get_mut(&"weu-1".into()).unwrap().capacity.units = 150;
    assert_eq!(weu(&fleet, &table).1.verdict, Verdict::Unhealthy, "150 of 250 units are 60 %");
    fleet.stamps.get_mut(&"weu-1".into()).unwrap().lifecycle = StampLifecycle::Decommissioned;
    assert_eq!(weu(&fleet, &table).1.verdict, Verdict::Healthy);
}

#[test]
fn an_empty_table_knows_nothing() {
    let fleet = fixtures::fleet(3, 1);
    let all = assess(&fleet, &Table::default());
    assert!(all.sighted_regions.is_empty());
    assert!(all.vantages.values().all(|silence| *silence == Some(Silence::NoReport)));
    let sentences: Vec<_> = all.stamps.values().map(|finding| finding.sentence.as_str()).collect();
    assert_eq!(sentences[2], "Unknown: 0 of 3 regions outside weu can tell (3 NoReport)");
    assert!(all.geodes.values().all(|finding| finding.verdict == Verdict::Unknown));
    assert_eq!(all.geodes[&"weu".into()].sentence, sentences[2]);
}
