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

fn seat(fleet: &Fleet, vantage: &VantageName, (samples, sight, fresh): (Vec<Sample>, Sight, bool)) -> Seat {
    let samples = fleet.stamps.keys().cloned().zip(samples).collect();
    let region = fleet.vantages[vantage].clone();
    Seat { report: Report { vantage: vantage.clone(), region, sight, samples }, fresh, age: Duration::ZERO }
}

fn bad_verdicts(all: &Assessment) -> usize {
    let verdicts = all.stamps.values().chain(all.geodes.values()).map(|finding| finding.verdict);
    verdicts.filter(|verdict| *verdict == Verdict::Unhealthy).count()
}

/// Three regions with so many vantages each, and none elsewhere.
fn watched_by(each: usize) -> Fleet {
    let mut fleet = fixtures::fleet(3, 2);
    let vantages = ["weu", "neu", "eus"].into_iter().flat_map(|region| {
        ["a", "b", "c"].into_iter().take(each).map(move |n| (format!("{region}-{n}").into(), region.into()))
    });
    fleet.vantages = vantages.collect();
    fleet
}

/// What all honest vantages see: all well, weu down, weu down a moment too short, and weu recovering.
const TRUTHS: [&str; 4] = ["++++++++++++++++", "+++++-----------", "++++++++++++++--", "---+++++---+++++"];

/// Verdicts while everybody tells the truth, and with this lie.
fn with_a_lie(
    fleet: &Fleet,
    truth: &str,
    liar: usize,
    lie: (Vec<Sample>, Sight, bool),
) -> (Assessment, Assessment) {
    let mut table =
        table(fleet, |_, stamp| sample(if stamp.as_str().starts_with("weu") { truth } else { TRUTHS[0] }));
    let honest = assess(fleet, &table);
    let vantage = fleet.vantages.keys().nth(liar).unwrap().clone();
    table.seats.insert(vantage.clone(), seat(fleet, &vantage, lie));
    (honest, assess(fleet, &table))
}

fn verdicts(all: &Assessment) -> Vec<Verdict> {
    all.stamps.values().chain(all.geodes.values()).map(|finding| finding.verdict).collect()
}

proptest! {
    /// Whatever else a vantage has reported before, in whatever order it was mixed with what others reported, and
    /// whichever of it was lost: the newest report of each vantage is all that counts.
    #[test]
    fn lost_and_repeated_reports_are_irrelevant(
        ticks in prop::collection::vec("[+?-]{20}", 4),
        deliveries in prop::collection::vec((0usize..4, 1usize..20), 0..40),
    ) {
        let fleet = fixtures::fleet(3, 1);
        let report = |at: usize, upto: usize| {
            let (vantage, region) = fleet.vantages.iter().nth(at).unwrap();
            let samples = fleet.stamps.keys().map(|stamp| (stamp.clone(), sample(&ticks[at][..upto])));
            let samples = samples.collect();
            Report { vantage: vantage.clone(), region: region.clone(), sight: Sight::Sighted, samples }
        };
        let newest = |table: &mut Table| (0..4).for_each(|at| table.put(report(at, 20), true));
        let mut clean = Table::default();
        newest(&mut clean);
        let mut messy = Table::default();
        let mut deliveries = deliveries;
        deliveries.sort_by_key(|(_, upto)| *upto);
        for (at, upto) in deliveries {
            messy.put(report(at, upto), true);
        }
        newest(&mut messy);
        newest(&mut messy);
        prop_assert_eq!(assess(&fleet, &messy), assess(&fleet, &clean));
    }

    /// With three vantages per region, the honest two decide: no verdict changes at all.
    #[test]
    fn one_liar_among_three_of_its_region_changes_no_verdict(
        lie in any_seat(), liar in 0usize..9, truth in 0usize..4,
    ) {
        let (honest, lied) = with_a_lie(&watched_by(3), TRUTHS[truth], liar, lie);
        prop_assert_eq!(verdicts(&lied), verdicts(&honest));
    }

    /// With two per region a liar can split its own: then that region says nothing. What is well stays Healthy, and
    /// nothing turns Healthy or down that is not.
    #[test]
    fn one_liar_among_two_of_its_region_flips_no_verdict(
        lie in any_seat(), liar in 0usize..6, truth in 0usize..4,
    ) {
        let (honest, lied) = with_a_lie(&watched_by(2), TRUTHS[truth], liar, lie);
        for (before, after) in verdicts(&honest).into_iter().zip(verdicts(&lied)) {
            prop_assert_eq!(after == Verdict::Healthy, before == Verdict::Healthy, "{:?} -> {:?}", before, after);
            prop_assert!(!after.is_down() || before.is_down(), "{:?} -> {:?}", before, after);
        }
    }

    /// Unknown ticks, wherever they fall, neither shorten nor lengthen the time that evidence has stood.
    #[test]
    fn unknown_ticks_do_not_reset_evidence(
        bad in 3usize..20, unknown in prop::collection::vec((0usize..25, 1usize..4), 0..6),
    ) {
        let fleet = fixtures::fleet(3, 1);
        let plain = format!("+++++{}", "-".repeat(bad));
        let mut gaps = plain.clone();
        for (at, n) in unknown {
            gaps.insert_str(at.min(gaps.len()), &"?".repeat(n));
        }
        let age = |ticks: &str| {
            let table = table(&fleet, |vantage, stamp| {
                let weu = stamp.as_str() == "weu-1";
                sample(if !weu { "+++++" } else if vantage.as_str() == "neu-a" { ticks } else { &plain })
            });
            assess(&fleet, &table).stamps[&"weu-1".into()].evidence_age()
        };
        prop_assume!(!gaps.ends_with("?????"));
        prop_assert_eq!(age(&gaps), age(&plain));
    }

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
