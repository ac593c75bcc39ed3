use std::{collections::BTreeMap, time::Duration};

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::{
    fixtures,
    fleet::Fleet,
    names::{StampName, VantageName},
    time::{Mono, Now},
    verdict::{Assessment, Report, Sample, Sight, Table, Tick, assess},
};

const START: i64 = 178_000_123;

fn slice(class: Class, bad: u64, all: u64) -> Slice {
    Slice { class, samples: Samples { good: all - bad, all } }
}

fn ledger(slices: &[Slice]) -> Ledger {
    let mut ledger = Ledger::default();
    for (number, slice) in (START..).zip(slices) {
        ledger.push(number, *slice).unwrap();
    }
    ledger
}

/// Runs of equal slices, long enough together to reach hours and sometimes days.
fn some_slices() -> impl Strategy<Value = Vec<Slice>> {
    let class = prop_oneof![6 => Just(Class::Good), 2 => Just(Class::Bad), 2 => Just(Class::Unknown)];
    let run = (class, 0u64..50, 0u64..3, 1usize..900);
    prop::collection::vec(run, 1..12).prop_map(|runs| {
        runs.into_iter()
            .flat_map(|(class, all, bad, len)| std::iter::repeat_n(slice(class, bad.min(all), all), len))
            .collect()
    })
}

/// The sum by hand.
fn counted(slices: &[Slice]) -> Tally {
    let mut down = false;
    let mut sum = Tally::default();
    for slice in slices {
        let begins = slice.class == Class::Bad && !down;
        sum += Tally::of(*slice, 1, begins);
        if slice.class != Class::Unknown {
            down = slice.class == Class::Bad;
        }
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn adjacent_windows_add_up_to_their_union(
        slices in some_slices(), cuts in prop::array::uniform3(-400i64..12_000)
    ) {
        let ledger = ledger(&slices);
        let mut cuts = cuts.map(|cut| START + cut);
        cuts.sort_unstable();
        let [a, b, c] = cuts;
        prop_assert_eq!(ledger.tally(a, b) + ledger.tally(b, c), ledger.tally(a, c));
    }

    #[test]
    fn nothing_is_lost_or_counted_twice(slices in some_slices()) {
        let ledger = ledger(&slices);
        prop_assert_eq!(ledger.tally(i64::MIN, i64::MAX), counted(&slices));
        prop_assert_eq!(ledger.head(), Some(START + i64::try_from(slices.len()).unwrap()));
    }

    #[test]
    fn a_ledger_survives_its_text(slices in some_slices()) {
        let ledger = ledger(&slices);
        let text = ledger.to_text();
        prop_assert!(text.len() <= LEDGER_TEXT_MAX);
        prop_assert_eq!(Ledger::from_text(&text), Ok(ledger));
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "[0-9a-zGBU;,.*]{0,60}") {
        if let Ok(ledger) = Ledger::from_text(&text) {
            let _ = score(ledger.newest(WINDOW_SLICES), WINDOW_SLICES, None);
            prop_assert!(ledger.to_text().len() <= LEDGER_TEXT_MAX);
        }
    }

    #[test]
    fn worse_is_never_shown_as_better(bad in 0u64..400, more in 0u64..400, good in 0u64..300_000) {
        let all = bad + more + good;
        prop_assume!(all > 0);
        let (few, many) = (nines(bad, all).unwrap(), nines(bad + more, all).unwrap());
        prop_assert!(many.tenths <= few.tenths, "{few} with {bad}, {many} with {}", bad + more);
        let unknown = Tally { good, bad, unknown: more, ..Tally::default() };
        if let Reading::Nines { nines, low } = score(unknown, WINDOW_SLICES, Some(9_000)).headline {
            prop_assert!(low.tenths <= nines.tenths);
        }
    }

    #[test]
    fn nines_agree_with_the_logarithm(bad in 4u64..1000, good in 0u64..1_000_000) {
        let all = bad + good;
        #[allow(clippy::cast_precision_loss)]
        let exact = -(bad as f64 / all as f64).log10() * 10.0;
        let shown = f64::from(nines(bad, all).unwrap().tenths);
        prop_assert!(shown <= exact + 1e-6 && exact < shown + 1.0 + 1e-6, "{shown} for {exact}");
    }
}

#[test]
fn nines_in_steps_and_never_a_hundred_per_cent() {
    for (bad, all, shown) in [
        (0, 300, ">= 2.0"),
        (0, 259_200, ">= 4.9"),
        (1, 259_200, ">= 4.9"),
        (3, 259_200, "4.9"),
        (26, 259_200, "3.9"),
        (259, 259_200, "3.0"),
        (2_592, 259_200, "2.0"),
        (2_593, 259_200, "1.9"),
        (500, 1_000, "0.3"),
        (1_000, 1_000, "0.0"),
        (0, 1, ">= 0.0"),
    ] {
        assert_eq!(nines(bad, all).unwrap().to_string(), shown, "{bad} of {all}");
    }
    assert_eq!(nines(0, 0), None);
}

#[test]
fn a_score_says_why_it_has_no_nines() {
    let read = |tally, objective| score(tally, WINDOW_SLICES, objective).headline.to_string();
    let known = |good, bad, unknown| Tally { good, bad, unknown, ..Tally::default() };
    assert_eq!(read(Tally::default(), None), "- CollectingSamples 0/300");
    assert_eq!(read(known(12, 0, 500), None), "- CollectingSamples 12/300");
    // 86 minutes unknown, and 99.99 % of 30 days leaves 4.3.
    assert_eq!(read(known(250_000, 0, 516), Some(9_999)), "- UnknownExceedsBudget 86 min > 4.3 min");
    assert_eq!(read(known(250_000, 30, 516), Some(9_000)), "3.9 (2.6 if the unknown was down)");
    assert_eq!(read(known(259_200, 0, 0), None), ">= 4.9 (sampling only)");
    assert_eq!(read(known(259_174, 26, 0), None), "3.9");
}

#[test]
fn the_lower_of_uptime_and_success_is_the_headline() {
    // One request in a hundred fails, and no vote ever notices.
    let samples = Samples { good: 990_000, all: 1_000_000 };
    let steady = score(Tally { good: 259_200, samples, ..Tally::default() }, WINDOW_SLICES, None);
    assert_eq!(steady.uptime.unwrap().to_string(), ">= 4.9");
    assert_eq!(steady.headline.to_string(), "2.0");
}

#[test]
fn unknown_neither_begins_nor_ends_an_episode() {
    use Class::{Bad, Good, Unknown};
    let classes = [Good, Bad, Bad, Unknown, Bad, Good, Unknown, Bad, Unknown, Good, Bad];
    let slices: Vec<Slice> = classes.iter().map(|class| slice(*class, 0, 0)).collect();
    assert_eq!(ledger(&slices).newest(WINDOW_SLICES).episodes, 3);
}

#[test]
fn a_gap_is_unknown_and_the_past_is_not_rewritten() {
    let mut ledger = ledger(&[slice(Class::Good, 0, 40)]);
    ledger.push(START + 101, slice(Class::Good, 0, 40)).unwrap();
    let tally = ledger.newest(WINDOW_SLICES);
    assert_eq!((tally.good, tally.unknown), (2, 100));
    let late = ledger.push(START + 101, Slice::default());
    assert_eq!(late, Err(OutOfOrder { slice: START + 101, head: START + 102 }));
}

#[test]
fn a_very_long_gap_begins_a_new_ledger() {
    let mut ledger = ledger(&[slice(Class::Good, 0, 40)]);
    let later = START + 500 * DAY_SLICES;
    ledger.push(later, slice(Class::Bad, 40, 40)).unwrap();
    assert_eq!(ledger.tally(i64::MIN, i64::MAX), Tally::of(slice(Class::Bad, 40, 40), 1, true));
    assert_eq!(ledger.head(), Some(later + 1));
}

/// Five hundred days with something bad in every slice of an hour: as long as any text gets.
#[test]
fn the_text_is_bounded_whatever_happened() {
    let mut ledger = Ledger::default();
    let mut at = START;
    while at < START + 500 * DAY_SLICES {
        for (class, n) in [(Class::Bad, 7i64), (Class::Good, 13), (Class::Unknown, 3)] {
            let all = 40_000 + n.unsigned_abs() * (at.unsigned_abs() % 97);
            ledger.push(at, slice(class, all / 3, all)).unwrap();
            at += n;
        }
    }
    let text = ledger.to_text();
    assert!(text.len() <= LEDGER_TEXT_MAX, "{}", text.len());
    let read = Ledger::from_text(&text).unwrap();
    assert_eq!(read.head(), ledger.head());
    // Detail is given up, the last 30 days are not.
    let month = ledger.head().unwrap().div_euclid(DAY_SLICES) * DAY_SLICES - 30 * DAY_SLICES;
    assert_eq!(read.tally(month, i64::MAX), ledger.tally(month, i64::MAX));
}

#[test]
fn three_good_days_are_short_and_survive() {
    let mut ledger = Ledger::default();
    for at in START..START + 3 * DAY_SLICES {
        ledger.push(at, slice(Class::Good, 0, 40)).unwrap();
    }
    insta::assert_snapshot!(ledger.to_text(), @"1;2xzpk0;0;G14*7v;7v.0.0.0.0.2dk,b40*1z;");
    assert_eq!(Ledger::from_text(&ledger.to_text()), Ok(ledger));
}

#[test]
fn a_text_that_is_no_ledger_is_refused() {
    let read = |text: &str| Ledger::from_text(text).unwrap_err();
    assert_eq!(read("2;anything"), LedgerError::Newer("2".into()));
    assert_eq!(read(""), LedgerError::Parts(1));
    assert_eq!(read("1;a;0;G14;;;"), LedgerError::Parts(7));
    assert_eq!(read("1;a;2;G14;;"), LedgerError::Malformed("2".into()));
    assert_eq!(read("1;a;0;M14;;"), LedgerError::Malformed("M14".into()));
    assert_eq!(read("1;a;0;G14*0;;"), LedgerError::Malformed("14*0".into()));
    assert_eq!(read("1;a;0;G2.1;;"), LedgerError::Inconsistent("more bad samples than samples"));
    assert_eq!(read("1;a;0;;b40;"), LedgerError::Inconsistent("hours or days end within an hour"));
    assert_eq!(read("1;a0;0;;;b40"), LedgerError::Inconsistent("days end within a day"));
    let too_long = format!("1;a;0;{};;", "G1".repeat(5_000));
    assert_eq!(read(&too_long), LedgerError::TooLong(too_long.len()));
    let many = "1;a;0;G1*zz;;";
    assert_eq!(read(many), LedgerError::Inconsistent("more single slices than are ever kept"));
}

/// A fleet, its vantages' samples, and a clock.
struct World {
    fleet: Fleet,
    now: Now,
    reports: BTreeMap<VantageName, Report>,
    recorder: Recorder,
}

impl World {
    fn new() -> Self {
        let fleet = fixtures::fleet(3, 1);
        let now = Now { wall: DateTime::from_timestamp(START * SLICE_S, 0).unwrap(), mono: Mono(5_000) };
        let report = |(vantage, region): (&VantageName, &crate::names::RegionName)| {
            let samples = fleet
                .stamps
                .keys()
                .map(|name| (name.clone(), Sample { ever_passed: true, ..Sample::default() }));
            let report = Report {
                vantage: vantage.clone(),
                region: region.clone(),
                sight: Sight::Sighted,
                samples: samples.collect(),
            };
            (vantage.clone(), report)
        };
        let reports = fleet.vantages.iter().map(report).collect();
        let mut world = Self { recorder: Recorder::new(BTreeMap::new(), now), fleet, now, reports };
        world.look();
        world
    }

    fn assessment(&self) -> Assessment {
        let mut table = Table::default();
        self.reports.values().for_each(|report| table.put(report.clone(), true));
        assess(&self.fleet, &table)
    }

    fn look(&mut self) {
        let assessment = self.assessment();
        self.recorder.take(self.now, &assessment, &totals(self.reports.values()));
    }

    /// One second: every vantage samples weu-1 as `tick` says, then everybody looks.
    fn second(&mut self, tick: impl Fn(&str) -> Tick) {
        self.now.wall += Duration::from_secs(1);
        self.now.mono = self.now.mono + Duration::from_secs(1);
        for (vantage, report) in &mut self.reports {
            let sample = report.samples.get_mut(&StampName::from("weu-1")).unwrap();
            sample.push(tick(vantage.as_str()));
        }
        self.look();
    }

    fn seconds(&mut self, n: usize, tick: impl Fn(&str) -> Tick) {
        for _ in 0..n {
            self.second(&tick);
        }
    }

    fn tally(&self) -> Tally {
        self.recorder.ledgers()[&StampName::from("weu-1")].newest(WINDOW_SLICES)
    }
}

#[test]
fn short_failures_count_and_the_own_region_does_not() {
    let mut world = World::new();
    world.seconds(30, |_| Tick::Good);
    // Six seconds: no verdict follows from that at 3-of-5 with recovery at 5-of-5 alone, but the slice is bad.
    world.seconds(6, |_| Tick::Bad);
    world.seconds(14, |_| Tick::Good);
    // Inside says up, three regions outside say down.
    world.seconds(10, |vantage| if vantage == "weu-a" { Tick::Good } else { Tick::Bad });
    world.second(|_| Tick::Good);
    let tally = world.tally();
    assert_eq!((tally.good, tally.bad, tally.unknown, tally.episodes), (4, 2, 0, 2));
    // Three outside vantages, ten samples a slice; the sample at the grid's second belongs to the next slice.
    assert_eq!(tally.samples, Samples { good: 3 * 44, all: 3 * 59 });
}

#[test]
fn one_region_alone_makes_no_slice_bad() {
    let mut world = World::new();
    world.seconds(11, |vantage| if vantage == "neu-a" { Tick::Bad } else { Tick::Good });
    assert_eq!((world.tally().good, world.tally().bad), (1, 0));
}

#[test]
fn a_silent_vantage_is_carried_for_two_slices_and_then_unknown() {
    let mut world = World::new();
    world.seconds(10, |_| Tick::Good);
    world.seconds(41, |_| Tick::Unknown);
    let tally = world.tally();
    // Two slices with samples, two on their word, and one in which nobody knows.
    assert_eq!((tally.good, tally.unknown), (4, 1));
}

#[test]
fn time_in_which_nobody_looked_is_unknown() {
    let mut world = World::new();
    world.seconds(10, |_| Tick::Good);
    world.now.mono = world.now.mono + Duration::from_mins(10);
    world.seconds(10, |_| Tick::Good);
    let tally = world.tally();
    assert!(tally.unknown >= 58, "{tally:?}");
    assert_eq!(tally.bad, 0);
}

#[test]
fn a_wall_clock_that_is_set_moves_no_slice() {
    let mut world = World::new();
    world.seconds(25, |_| Tick::Good);
    world.now.wall -= Duration::from_hours(5);
    world.seconds(25, |_| Tick::Good);
    world.now.wall += Duration::from_hours(50);
    world.seconds(11, |_| Tick::Good);
    assert_eq!((world.tally().good, world.tally().unknown), (6, 0));
}

#[test]
fn a_monitor_that_counts_anew_is_no_flood_of_samples() {
    let mut world = World::new();
    world.seconds(20, |_| Tick::Good);
    let sample = Sample { ever_passed: true, ..Sample::default() };
    for report in world.reports.values_mut() {
        report.samples.insert("weu-1".into(), sample);
    }
    world.seconds(11, |_| Tick::Good);
    assert!(world.tally().samples.all <= 3 * 30, "{:?}", world.tally());
    assert_eq!(world.tally().good, 3);
}
