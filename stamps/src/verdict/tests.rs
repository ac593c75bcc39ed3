use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    fixtures,
    fleet::{Detection, Fleet},
    names::{StampName, VantageName},
};

const REFUSED: Failure = Failure { class: FailureClass::Refused, phase: Phase::Connect };

/// A strip from text, oldest tick first: `+` good, `-` bad, `?` unknown.
fn strip(ticks: &str) -> Strip {
    let mut strip = Strip::default();
    for tick in ticks.chars() {
        strip.push(match tick {
            '+' => Tick::Good,
            '-' => Tick::Bad,
            _ => Tick::Unknown,
        });
    }
    strip
}

fn detection() -> Detection {
    fixtures::fleet(3, 1).policy.detection
}

fn smooth(ticks: &str) -> (Voice, u8) {
    let smoothed = strip(ticks).smooth(&detection());
    (smoothed.voice, smoothed.ticks)
}

fn sample(ticks: &str) -> Sample {
    let strip = strip(ticks);
    Sample {
        strip,
        ever_passed: true,
        last_failure: ticks.contains('-').then_some(REFUSED),
        ..Sample::default()
    }
}

/// Every vantage of the fleet reports, with what `see` gives for it and a stamp.
fn table(fleet: &Fleet, see: impl Fn(&VantageName, &StampName) -> Sample) -> Table {
    let mut table = Table::default();
    for (vantage, region) in &fleet.vantages {
        let samples = fleet.stamps.keys().map(|stamp| (stamp.clone(), see(vantage, stamp))).collect();
        let report =
            Report { vantage: vantage.clone(), region: region.clone(), sight: Sight::Sighted, samples };
        table.put(report, true);
    }
    table
}

/// `down_for` are the vantages that see stamps of weu fail for four ticks after they became Down.
fn weu_down_for(fleet: &Fleet, down_for: &[&str]) -> Table {
    table(fleet, |vantage, stamp| {
        if stamp.as_str().starts_with("weu") && down_for.contains(&vantage.as_str()) {
            sample("+++++-------")
        } else {
            sample("++++++++++++")
        }
    })
}

mod smoothing {
    use super::*;

    #[test]
    fn down_needs_three_bad_of_five() {
        assert_eq!(smooth("+++++"), (Voice::Up, 0));
        assert_eq!(smooth("+++++--"), (Voice::Up, 2));
        assert_eq!(smooth("+++++-+-+"), (Voice::Up, 4));
        assert_eq!(smooth("+++++-+-+-"), (Voice::Down, 0));
        assert_eq!(smooth("+++++---"), (Voice::Down, 0));
        assert_eq!(smooth("+++++-----"), (Voice::Down, 2));
    }

    #[test]
    fn up_needs_five_good_in_a_row() {
        assert_eq!(smooth("---++++"), (Voice::Down, 4));
        assert_eq!(smooth("---+++++"), (Voice::Up, 0));
        assert_eq!(smooth("---++++-"), (Voice::Down, 5));
    }

    #[test]
    fn too_few_ticks_say_nothing() {
        for ticks in ["", "++++", "--", "?????"] {
            assert_eq!(smooth(ticks), (Voice::Unknown, u8::try_from(ticks.replace('?', "").len()).unwrap()));
        }
    }

    #[test]
    fn unknown_neither_counts_nor_resets() {
        assert_eq!(smooth("+++++-?-?-"), (Voice::Down, 0));
        assert_eq!(smooth("+++?++"), (Voice::Up, 0));
        assert_eq!(smooth("+++++---??--"), (Voice::Down, 2));
    }

    #[test]
    fn a_window_of_unknown_says_nothing_and_keeps_the_clock() {
        assert_eq!(smooth("+++++---?????").0, Voice::Unknown);
        assert_eq!(smooth("+++++---?????-"), (Voice::Down, 1));
    }

    #[test]
    fn the_clock_stops_at_the_strips_end() {
        assert_eq!(smooth(&"-".repeat(500)), (Voice::Down, STRIP_TICKS - 3));
    }
}

mod packing {
    use std::collections::BTreeMap;

    use super::*;

    fn samples() -> BTreeMap<StampName, Sample> {
        let strip = Strip { known: 0xff, good: 0xf8 };
        let failing = Sample {
            strip,
            good_total: 5,
            all_total: 0x01_02_03,
            last_failure: Some(REFUSED),
            ever_passed: true,
        };
        [("neu-1".into(), Sample::default()), ("weu-1".into(), failing)].into()
    }

    /// The published vector, also reproduced with sha256sum and another language's base64. Whoever changes it changes
    /// the format.
    #[test]
    fn vector() {
        let fleet = fixtures::fleet(2, 1);
        assert_eq!(list_hash(&fleet.stamps), "a1c9bad1d89e5e5b");
        let body = pack(&fleet.stamps, &samples());
        assert_eq!(body, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8AAAAAAAAA+AAABQECAxIB");
        assert_eq!(body.len(), fleet.stamps.len() * RECORD_CHARS);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let fleet = fixtures::fleet(2, 1);
        let (hash, body) = (list_hash(&fleet.stamps), pack(&fleet.stamps, &samples()));
        let read = |body: &str| unpack(body, &hash, &fleet.stamps);
        assert_eq!(read(&body), Ok(samples()));
        let other = unpack(&body, "0000000000000000", &fleet.stamps);
        assert!(matches!(other, Err(ReportError::OtherList { .. })), "{other:?}");
        assert_eq!(read(&body[..63]), Err(ReportError::BadLength { found: 63, expected: 64 }));
        assert!(matches!(read(&body.replace('+', "!")), Err(ReportError::NotBase64(_))));
        // The last four characters are totals' last byte, codes and flags.
        let tail = |tail: &str| read(&format!("{}{tail}", &body[..60]));
        assert_eq!(tail("A/IB"), Err(ReportError::UnknownCode { stamp: "weu-1".into(), code: 0xf2 }));
        assert_eq!(tail("AxIC"), Err(ReportError::UnknownCode { stamp: "weu-1".into(), code: 2 }));
        let unseen = Sample { strip: Strip { known: 0, good: 1 }, ..Sample::default() };
        let body = pack(&fleet.stamps, &[("neu-1".into(), unseen)].into());
        assert_eq!(read(&body), Err(ReportError::Inconsistent("neu-1".into())));
    }

    #[test]
    fn another_interval_is_another_list() {
        let mut fleet = fixtures::fleet(2, 1);
        let before = list_hash(&fleet.stamps);
        fleet.stamps.get_mut(&"weu-1".into()).unwrap().probes[0].interval = Duration::from_secs(2);
        assert_ne!(list_hash(&fleet.stamps), before);
    }

    #[test]
    fn totals_wrap() {
        let mut sample = Sample { good_total: 0x00ff_ffff, all_total: 0x00ff_ffff, ..Sample::default() };
        sample.push(Tick::Good);
        assert_eq!((sample.good_total, sample.all_total), (0, 0));
        sample.push(Tick::Unknown);
        sample.push(Tick::Bad);
        assert_eq!((sample.good_total, sample.all_total), (0, 1));
    }

    proptest! {
        #[test]
        fn every_sample_survives(known: u64, good: u64, g in 0u32..1 << 24, a in 0u32..1 << 24, passed: bool, class in 0usize..9, phase in 0usize..6) {
            let classes = [FailureClass::Refused, FailureClass::Timeout, FailureClass::Reset, FailureClass::Tls,
                FailureClass::Dns, FailureClass::WrongAnswer, FailureClass::TooSlow, FailureClass::ProberError];
            let phases = [Phase::Dns, Phase::Connect, Phase::Tls, Phase::FirstByte, Phase::Body, Phase::Condition];
            let sample = Sample {
                strip: Strip { known, good: good & known },
                good_total: g,
                all_total: a,
                last_failure: classes.get(class).map(|class| Failure { class: *class, phase: phases[phase] }),
                ever_passed: passed,
            };
            let fleet = fixtures::fleet(1, 1);
            let samples: BTreeMap<_, _> = [("weu-1".into(), sample)].into();
            let body = pack(&fleet.stamps, &samples);
            prop_assert_eq!(unpack(&body, &list_hash(&fleet.stamps), &fleet.stamps), Ok(samples));
        }
    }
}

mod judging {
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
        assert_eq!(
            stamp.sentence,
            "Unhealthy: eus (1 of 1) and neu (1 of 1) say Down for 4 s, connect refused"
        );
        assert_eq!(
            geode.sentence,
            "Unhealthy: eus (200 of 200) and neu (200 of 200) say Down for 4 s, connect refused"
        );
        assert!(!stamp.cut_off && stamp.doubt() && stamp.advisory.is_none());
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
                "Down is said by neu-a (neu) for 4 s, connect refused; 1 of the 2 outside regions that evidence needs"
            )
        );
        assert_eq!(
            geode.advisory.as_deref(),
            Some(
                "neu sees 100 of 100 units Down, connect refused; 1 of the 2 outside regions that evidence needs"
            )
        );
    }

    #[test]
    fn its_own_region_does_not_decide() {
        let fleet = fixtures::fleet(3, 1);
        let (stamp, geode) = weu(&fleet, &weu_down_for(&fleet, &["weu-a"]));
        assert_eq!((stamp.verdict, geode.verdict), (Verdict::Healthy, Verdict::Healthy));
        assert!(!stamp.doubt() && stamp.advisory.is_none());
    }

    #[test]
    fn inside_up_and_outside_down_is_cut_off() {
        let fleet = fixtures::fleet(3, 1);
        let (stamp, geode) = weu(&fleet, &weu_down_for(&fleet, &["neu-a", "eus-a", "out-a"]));
        assert!(stamp.cut_off && geode.cut_off);
        assert!(stamp.sentence.ends_with("; weu itself says Up: cut off"), "{}", stamp.sentence);
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
        let mut table = weu_down_for(&fleet, &["neu-a", "neu-b", "eus-a"]);
        assert_eq!(weu(&fleet, &table).0.verdict, Verdict::Unhealthy, "2 of 3 in neu");
        table.seats.remove(&"neu-b".into());
        assert_eq!(
            weu(&fleet, &table).0.regions[&"neu".into()].voice,
            Voice::Unknown,
            "1 of 2 is no majority"
        );
        table.seats.remove(&"neu-c".into());
        assert_eq!(weu(&fleet, &table).0.regions[&"neu".into()].voice, Voice::Unknown, "1 of 3 can see");
        assert!(!assess(&fleet, &table).sighted_regions.contains(&"neu".into()));
    }

    #[test]
    fn a_geode_is_down_by_units() {
        let mut fleet = fixtures::fleet(3, 2);
        let table = table(&fleet, |vantage, stamp| match (stamp.as_str(), vantage.as_str()) {
            ("weu-1", "neu-a" | "eus-a") => sample("+++++-------"),
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
}

mod laws {
    use super::*;

    fn any_sample() -> impl Strategy<Value = Sample> {
        // Failures in long runs: random bits alone would hardly ever hold still for three of five.
        let ticks = prop::collection::vec(("[+?-]", 1usize..12), 1..12);
        (ticks, any::<bool>()).prop_map(|(runs, ever_passed)| {
            let ticks: String = runs.iter().map(|(tick, n)| tick.repeat(*n)).collect();
            Sample { ever_passed, ..sample(&ticks) }
        })
    }

    fn any_seat() -> impl Strategy<Value = (Vec<Sample>, Sight, bool)> {
        let sight =
            prop_oneof![4 => Just(Sight::Sighted), 1 => Just(Sight::Blind), 1 => Just(Sight::ClockSkewed)];
        (prop::collection::vec(any_sample(), 6), sight, prop::bool::weighted(0.8))
    }

    fn seat(
        fleet: &Fleet,
        vantage: &VantageName,
        (samples, sight, fresh): (Vec<Sample>, Sight, bool),
    ) -> Seat {
        let samples = fleet.stamps.keys().cloned().zip(samples).collect();
        let region = fleet.vantages[vantage].clone();
        Seat { report: Report { vantage: vantage.clone(), region, sight, samples }, fresh }
    }

    fn bad_verdicts(all: &Assessment) -> usize {
        let verdicts = all.stamps.values().chain(all.geodes.values()).map(|finding| finding.verdict);
        verdicts.filter(|verdict| *verdict == Verdict::Unhealthy).count()
    }

    proptest! {
        #[test]
        fn order_of_reports_is_irrelevant(seats in prop::collection::vec(any_seat(), 4), turn in 0usize..4) {
            let fleet = fixtures::fleet(3, 2);
            let mut seats: Vec<Seat> =
                fleet.vantages.keys().zip(seats).map(|(vantage, any)| seat(&fleet, vantage, any)).collect();
            let lay = |seats: &[Seat]| {
                let mut table = Table::default();
                for seat in seats {
                    table.put(seat.report.clone(), seat.fresh);
                }
                assess(&fleet, &table)
            };
            let before = lay(&seats);
            seats.rotate_left(turn);
            seats.extend_from_within(..1);
            prop_assert_eq!(lay(&seats), before);
        }

        #[test]
        fn one_lying_vantage_evacuates_nothing(lie in any_seat(), liar in 0usize..4) {
            let fleet = fixtures::fleet(3, 2);
            let mut table = weu_down_for(&fleet, &[]);
            let vantage = fleet.vantages.keys().nth(liar).unwrap().clone();
            table.seats.insert(vantage.clone(), seat(&fleet, &vantage, lie));
            prop_assert_eq!(bad_verdicts(&assess(&fleet, &table)), 0);
        }

        #[test]
        fn silence_never_adds_evidence(seats in prop::collection::vec(any_seat(), 4), silent in 0usize..4) {
            let fleet = fixtures::fleet(3, 2);
            let mut table = Table::default();
            for (vantage, any) in fleet.vantages.keys().zip(seats) {
                table.seats.insert(vantage.clone(), seat(&fleet, vantage, any));
            }
            let before = assess(&fleet, &table);
            table.seats.values_mut().nth(silent).unwrap().report.sight = Sight::Blind;
            let after = assess(&fleet, &table);
            for (name, finding) in &after.stamps {
                prop_assert!(finding.evidence_age() <= before.stamps[name].evidence_age());
            }
        }

        #[test]
        fn unknown_ticks_never_make_a_down(ticks in "[+?]{0,64}") {
            prop_assert_ne!(smooth(&ticks).0, Voice::Down);
        }

        #[test]
        fn unknown_ticks_do_not_move_the_clock(ticks in "[+-]{5,40}", unknown in 1usize..4) {
            prop_assert_eq!(smooth(&format!("{ticks}{}", "?".repeat(unknown))), smooth(&ticks));
        }

        #[test]
        fn all_blind_is_all_unknown(seats in prop::collection::vec(any_seat(), 4)) {
            let fleet = fixtures::fleet(3, 2);
            let mut table = Table::default();
            for (vantage, (samples, _, fresh)) in fleet.vantages.keys().zip(seats) {
                table.seats.insert(vantage.clone(), seat(&fleet, vantage, (samples, Sight::Blind, fresh)));
            }
            let all = assess(&fleet, &table);
            prop_assert!(all.sighted_regions.is_empty());
            prop_assert!(all.stamps.values().chain(all.geodes.values()).all(|f| f.verdict == Verdict::Unknown));
        }
    }
}
