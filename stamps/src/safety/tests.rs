use std::time::Duration;

use super::*;
use crate::{
    failover::{Change, Closed, Doubt, Out, Past, Phase, Plan, Run, StampRecord, Step, StepKind, StepState},
    fixtures,
    fleet::Automation,
    names::{Bucket, Point},
    verdict::{Report, Sample, Sight, Strip, Table, Tick, assess},
};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Everything that rules look at, at a moment in which automation may fail weu over.
struct Scene {
    fleet: Fleet,
    state: FleetState,
    table: Table,
    planned: bool,
    approved: bool,
    overrides: std::collections::BTreeSet<Rule>,
    clock_ms: u64,
    led_for: Duration,
}

impl Scene {
    /// Every vantage has seen the stamps of weu fail for twelve seconds, and everything else well.
    fn weu_is_dead() -> Self {
        let fleet = fixtures::fleet(3, 2);
        let state = FleetState::born(fleet.uid.clone(), "a".into(), 1);
        let mut scene = Self {
            fleet,
            state,
            table: Table::default(),
            planned: false,
            approved: false,
            overrides: std::collections::BTreeSet::new(),
            clock_ms: HOUR_MS * 100,
            led_for: Duration::from_mins(1),
        };
        for vantage in ["weu-a", "neu-a", "eus-a", "out-a"] {
            scene.sees(vantage, Sight::Sighted, 12);
        }
        scene
    }

    /// What a vantage reports: the stamps of weu failing for so many ticks, and well before.
    fn sees(&mut self, vantage: &str, sight: Sight, weu_bad_ticks: u32) {
        let strip = |bad: u32| {
            let mut strip = Strip::default();
            (0..20).for_each(|_| strip.push(Tick::Good));
            (0..bad).for_each(|_| strip.push(Tick::Bad));
            strip
        };
        let sample = |stamp: &StampName| Sample {
            strip: strip(if stamp.as_str().starts_with("weu") { weu_bad_ticks } else { 0 }),
            ever_passed: true,
            ..Sample::default()
        };
        let samples = self.fleet.stamps.keys().map(|stamp| (stamp.clone(), sample(stamp))).collect();
        let region = self.fleet.vantages[&vantage.into()].clone();
        self.table.put(Report { vantage: vantage.into(), region, sight, samples }, true);
    }

    /// The rules that refuse.
    fn refuse(&self, origin: Origin, mode: Mode, subject: &str, moves: &[Move]) -> Vec<Rule> {
        let assessment = assess(&self.fleet, &self.table);
        let (run, subject) = ("this".into(), subject.parse().unwrap());
        let proposal = Proposal {
            run: &run,
            origin,
            mode,
            subject: &subject,
            moves,
            planned: self.planned,
            approved: self.approved,
            overrides: &self.overrides,
        };
        let facts = Facts {
            fleet: &self.fleet,
            state: &self.state,
            assessment: &assessment,
            clock_ms: self.clock_ms,
            led_for: self.led_for,
        };
        match judge(&proposal, &facts) {
            Ok(allowed) => {
                assert_eq!(allowed.moves(), moves);
                Vec::new()
            }
            Err(refusals) => {
                assert!(refusals.iter().all(|refusal| !refusal.sentence.is_empty()));
                refusals.into_iter().map(|refusal| refusal.rule).collect()
            }
        }
    }

    /// The rules that refuse that automation fails weu over.
    fn refuse_automation(&self) -> Vec<Rule> {
        self.refuse(Origin::Engine, Mode::Failover, "geode/weu", &away())
    }

    /// The rules that refuse that a person does.
    fn refuse_a_person(&self) -> Vec<Rule> {
        self.refuse(Origin::Person, Mode::Failover, "geode/weu", &away())
    }
}

fn mv(home: &str, bucket: u16, to: &str) -> Move {
    Move { home: home.into(), bucket: Bucket(bucket), to: to.into() }
}

/// Every bucket of weu goes to the stamps of the other regions.
fn away() -> Vec<Move> {
    (0..4).flat_map(|b| [mv("weu-1", b, "neu-1"), mv("weu-2", b, "eus-2")]).collect()
}

/// A run under way that empties neu-2 into `to`.
fn running(to: &str) -> Run {
    let moves = vec![mv("neu-2", 0, to)];
    Run {
        phase: Phase::Running,
        plan: Some(plan(moves)),
        steps: vec![Step { state: StepState::Processing, ..Step::new(StepKind::ShiftTraffic) }],
        ..Run::new("stamp/neu-2".parse().unwrap())
    }
}

fn plan(moves: Vec<Move>) -> Plan {
    Plan {
        moves,
        hash: String::new(),
        tenants: 0,
        not_chosen: std::collections::BTreeMap::new(),
        before: Vec::new(),
        stages: Vec::new(),
        planned: false,
        left: Vec::new(),
    }
}

#[test]
fn a_dead_region_may_be_failed_over() {
    let scene = Scene::weu_is_dead();
    assert_eq!(scene.refuse_automation(), []);
    assert_eq!(scene.refuse_a_person(), []);
}

#[test]
fn gate_binds_automation_unless_it_is_automatic() {
    let mut scene = Scene::weu_is_dead();
    for automation in [Automation::Observe, Automation::Approve, Automation::Hold] {
        scene.fleet.automation = automation;
        assert_eq!(scene.refuse_automation(), [Rule::Gate]);
        assert_eq!(scene.refuse_a_person(), []);
    }
}

#[test]
fn self_doubt_wants_more_than_half_of_the_vantages() {
    let mut scene = Scene::weu_is_dead();
    scene.sees("weu-a", Sight::Blind, 12);
    assert_eq!(scene.refuse_automation(), []);
    scene.sees("neu-a", Sight::Blind, 12);
    assert_eq!(
        scene.refuse_automation(),
        [Rule::SelfDoubt],
        "eus and outside alone are two regions and half"
    );
    assert_eq!(scene.refuse_a_person(), []);
}

#[test]
fn evidence_wants_two_other_regions() {
    let mut scene = Scene::weu_is_dead();
    scene.sees("neu-a", Sight::Sighted, 0);
    assert_eq!(scene.refuse_automation(), [], "eus and outside say down");
    scene.sees("eus-a", Sight::Sighted, 0);
    assert_eq!(
        scene.refuse_automation(),
        [Rule::Evidence, Rule::Differential],
        "outside alone, and weu itself, which does not count"
    );
    assert_eq!(scene.refuse_a_person(), []);
}

#[test]
fn evidence_wants_the_whole_hold() {
    let mut scene = Scene::weu_is_dead();
    scene.sees("neu-a", Sight::Sighted, 0);
    // Down at the third bad tick; the hold of 2 s is over two ticks later.
    scene.sees("eus-a", Sight::Sighted, 4);
    assert_eq!(scene.refuse_automation(), [Rule::Evidence]);
    scene.sees("eus-a", Sight::Sighted, 5);
    assert_eq!(scene.refuse_automation(), []);
}

#[test]
fn single_flight_locks_subject_and_targets_of_a_run() {
    let mut scene = Scene::weu_is_dead();
    scene.state.runs.insert("other".into(), running("neu-1"));
    assert_eq!(scene.refuse_automation(), [Rule::SingleFlight], "both move to neu-1");
    assert_eq!(scene.refuse_a_person(), [Rule::SingleFlight]);
    scene.state.runs.insert("other".into(), running("eus-1"));
    assert_eq!(scene.refuse_automation(), [], "nothing in common");
    scene.state.runs.insert("other".into(), Run { phase: Phase::Succeeded, ..running("neu-1") });
    assert_eq!(scene.refuse_automation(), [], "it has ended");
    scene.state.runs.insert("this".into(), running("neu-1"));
    assert_eq!(scene.refuse_automation(), [], "a run does not stand in its own way");
}

#[test]
fn blast_radius_counts_geodes_and_units_that_automation_holds_out() {
    let mut scene = Scene::weu_is_dead();
    scene.fleet.policy.safety.units_out_max_pct = 33;
    assert_eq!(scene.refuse_automation(), [Rule::BlastRadius], "200 of 600 units are more than 33 %");
    scene.fleet.policy.safety.units_out_max_pct = 34;
    assert_eq!(scene.refuse_automation(), []);
    scene.fleet.policy.safety.units_out_max_pct = 100;
    let out = |origin| Out { run: "earlier".into(), origin, since: chrono::DateTime::UNIX_EPOCH };
    scene.state.out.insert("geode/neu".parse().unwrap(), out(Origin::Person));
    assert_eq!(scene.refuse_automation(), [], "a person's doing");
    scene.state.out.insert("geode/neu".parse().unwrap(), out(Origin::Engine));
    assert_eq!(scene.refuse_automation(), [Rule::BlastRadius]);
    assert_eq!(scene.refuse_a_person(), []);
}

#[test]
fn min_serving_counts_healthy_stamps_and_their_units() {
    let mut scene = Scene::weu_is_dead();
    scene.fleet.policy.safety.serving_stamps_min = 5;
    assert_eq!(scene.refuse_automation(), [Rule::MinServing]);
    assert_eq!(scene.refuse_a_person(), [Rule::MinServing]);
    scene.fleet.policy.safety.serving_stamps_min = 4;
    assert_eq!(scene.refuse_automation(), []);
    scene.fleet.policy.safety.serving_units_min_pct = 67;
    assert_eq!(scene.refuse_automation(), [Rule::MinServing], "400 of 600 units");
}

#[test]
fn never_empty_wants_a_target_with_an_address_for_every_name() {
    let mut scene = Scene::weu_is_dead();
    assert_eq!(scene.refuse(Origin::Person, Mode::Failover, "geode/weu", &[]), [Rule::NeverEmpty]);
    let nowhere = [mv("weu-1", 0, "sea-1")];
    assert!(scene.refuse(Origin::Person, Mode::Failover, "geode/weu", &nowhere).contains(&Rule::NeverEmpty));
    scene.fleet.stamps.get_mut(&"neu-1".into()).unwrap().addresses.clear();
    assert_eq!(scene.refuse_automation(), [Rule::NeverEmpty]);
}

#[test]
fn no_raise_binds_a_persons_failback_too() {
    let mut scene = Scene::weu_is_dead();
    scene.state.routes.apply(&away(), Point { epoch: 1, seq: 2 });
    let back: Vec<Move> = (0..4).map(|b| mv("weu-1", b, "weu-1")).collect();
    let refuse = |scene: &Scene| scene.refuse(Origin::Person, Mode::Failback, "stamp/weu-1", &back);
    assert_eq!(refuse(&scene), [Rule::NoRaise]);
    for vantage in ["neu-a", "eus-a", "out-a"] {
        scene.sees(vantage, Sight::Sighted, 0);
    }
    assert_eq!(refuse(&scene), []);
    scene.sees("neu-a", Sight::Sighted, 12);
    scene.sees("eus-a", Sight::Blind, 12);
    assert_eq!(refuse(&scene), [Rule::NoRaise], "Degraded is not Healthy");
    scene.sees("eus-a", Sight::Sighted, 12);
    scene.sees("weu-a", Sight::Sighted, 0);
    assert_eq!(refuse(&scene), [Rule::NoRaise], "CutOff is not Healthy");
    assert_eq!(scene.refuse_automation(), [], "and is as dead as Unhealthy to those outside");
    scene.table.seats.clear();
    assert_eq!(refuse(&scene), [Rule::NoRaise], "Unknown is not Healthy");
}

#[test]
fn the_gate_in_approve_lets_through_what_a_person_agreed_to() {
    let mut scene = Scene::weu_is_dead();
    scene.approved = true;
    for (automation, refused) in [
        (Automation::Approve, vec![]),
        (Automation::Automatic, vec![]),
        (Automation::Observe, vec![Rule::Gate]),
        (Automation::Hold, vec![Rule::Gate]),
    ] {
        scene.fleet.automation = automation;
        assert_eq!(scene.refuse_automation(), refused, "{automation:?}");
    }
}

impl Scene {
    fn doubt(&mut self, subject: &str, since_ms: u64) {
        let doubt = Doubt {
            since: chrono::DateTime::UNIX_EPOCH,
            since_ms,
            sentence: String::new(),
            held_because: Vec::new(),
            would_have: false,
        };
        self.state.doubts.insert(subject.parse().unwrap(), doubt);
    }

    fn past(&mut self, subject: &str, ago_ms: u64) {
        let at_ms = self.clock_ms - ago_ms;
        self.state.past.push_back(Past { run: "earlier".into(), subject: subject.parse().unwrap(), at_ms });
    }

    fn changed(&mut self, stamp: &str, ago_ms: u64) {
        let known = StampRecord::of(&self.fleet.stamps[&stamp.into()]);
        let change =
            Some(Change { what: "version went from 1 to 2".to_owned(), at_ms: self.clock_ms - ago_ms });
        self.state.stamps.insert(stamp.into(), StampRecord { change, ..known });
    }
}

#[test]
fn panic_is_two_geodes_within_the_window() {
    let mut scene = Scene::weu_is_dead();
    scene.doubt("geode/weu", 1_000);
    assert_eq!(scene.refuse_automation(), []);
    scene.doubt("geode/eus", 241_000);
    scene.fleet.policy.safety.units_doubted_max_pct = 100;
    assert_eq!(scene.refuse_automation(), [Rule::Panic], "exactly 240 s apart");
    assert_eq!(scene.refuse_a_person(), []);
    scene.doubt("geode/eus", 241_001);
    assert_eq!(scene.refuse_automation(), [], "the second one is another story, and BlastRadius's");
}

#[test]
fn panic_is_more_than_half_of_the_units() {
    let mut scene = Scene::weu_is_dead();
    for (n, stamp) in ["stamp/weu-1", "stamp/neu-1", "stamp/eus-1"].into_iter().enumerate() {
        scene.doubt(stamp, n as u64);
    }
    scene.fleet.policy.safety.units_doubted_max_pct = 50;
    let panics = |scene: &Scene| scene.refuse_automation().contains(&Rule::Panic);
    assert!(!panics(&scene), "half is not more than half");
    scene.doubt("stamp/eus-2", 9);
    assert!(panics(&scene));
}

#[test]
fn differential_wants_most_of_the_region_bad_and_most_elsewhere_good() {
    let mut scene = Scene::weu_is_dead();
    scene.fleet.stamps.get_mut(&"weu-2".into()).unwrap().capacity.units = 67;
    assert_eq!(scene.refuse_automation(), [], "all of weu is bad");
    // A stamp of weu that nobody probes is not bad: 67 of 167 units are.
    let only: Vec<_> = scene.table.seats.keys().cloned().collect();
    for vantage in only {
        let seat = scene.table.seats.get_mut(&vantage).unwrap();
        seat.report.samples.remove(&"weu-1".into());
    }
    let refused = scene.refuse_automation();
    assert_eq!(refused, [Rule::Evidence, Rule::Differential], "the region as a whole does not say so either");
    assert_eq!(scene.refuse_a_person(), []);
    let mut scene = Scene::weu_is_dead();
    scene.doubt("stamp/neu-1", 0);
    for vantage in ["weu-a", "neu-a", "eus-a", "out-a"] {
        let seat = scene.table.seats.get_mut(&vantage.into()).unwrap();
        let bad = seat.report.samples[&"weu-1".into()];
        seat.report.samples.insert("neu-1".into(), bad);
    }
    assert!(scene.refuse_automation().contains(&Rule::Differential), "3 of the 4 stamps elsewhere are well");
}

#[test]
fn differential_asks_what_else_explains_the_failing_set() {
    for shared in ["ring", "version", "dependency"] {
        let mut scene = Scene::weu_is_dead();
        let mark = |scene: &mut Scene, stamp: &str| {
            let stamp = scene.fleet.stamps.get_mut(&stamp.into()).unwrap();
            match shared {
                "ring" => stamp.ring = Some("canary".to_owned()),
                "version" => stamp.version = Some("7".to_owned()),
                _ => {
                    stamp.depends_on.insert("identity".to_owned());
                }
            }
        };
        mark(&mut scene, "weu-1");
        mark(&mut scene, "weu-2");
        assert_eq!(scene.refuse_automation(), [], "{shared} of exactly weu explains it as well, not better");
        mark(&mut scene, "neu-1");
        scene.doubt("stamp/neu-1", 0);
        assert_eq!(
            scene.refuse_automation(),
            [Rule::Differential],
            "{shared}: three of three, against two of three"
        );
    }
}

#[test]
fn recent_change_blames_the_change_for_an_hour() {
    let mut scene = Scene::weu_is_dead();
    scene.changed("neu-1", 0);
    assert_eq!(scene.refuse_automation(), [], "a target's change");
    scene.changed("weu-1", HOUR_MS - 1);
    assert_eq!(scene.refuse_automation(), [Rule::RecentChange]);
    assert_eq!(scene.refuse_a_person(), []);
    scene.changed("weu-1", HOUR_MS);
    assert_eq!(scene.refuse_automation(), []);
}

#[test]
fn a_record_knows_a_change_from_a_first_sight() {
    let scene = Scene::weu_is_dead();
    let mut stamp = scene.fleet.stamps[&"weu-1".into()].clone();
    let first = StampRecord::of(&stamp);
    stamp.version = Some("1".to_owned());
    let named = StampRecord::of(&stamp).following(&first, 10);
    assert_eq!(named.change, None, "a version that was not named before");
    stamp.version = Some("2".to_owned());
    let next = StampRecord::of(&stamp).following(&named, 20);
    assert_eq!(next.change.as_ref().unwrap().at_ms, 20);
    assert_eq!(StampRecord::of(&stamp).following(&next, 30), next, "no change, the old one stays");
    stamp.probes[0].port += 1;
    assert_eq!(StampRecord::of(&stamp).following(&next, 40).change.unwrap().at_ms, 40);
}

#[test]
fn contagion_closes_automation_until_a_person_opens_it() {
    let mut scene = Scene::weu_is_dead();
    let since = chrono::DateTime::UNIX_EPOCH;
    scene.state.closed = Some(Closed { because: "neu-1 turned bad".to_owned(), since });
    assert_eq!(scene.refuse_automation(), [Rule::Contagion]);
    assert_eq!(scene.refuse_a_person(), []);
}

#[test]
fn run_rate_counts_a_day() {
    let mut scene = Scene::weu_is_dead();
    scene.fleet.policy.safety.runs_per_day_max = 2;
    scene.past("geode/neu", 24 * HOUR_MS);
    scene.past("geode/neu", 24 * HOUR_MS - 1);
    assert_eq!(scene.refuse_automation(), [], "one of them is older than a day");
    scene.past("geode/eus", 5 * HOUR_MS);
    assert_eq!(scene.refuse_automation(), [Rule::RunRate]);
    assert_eq!(scene.refuse_a_person(), []);
}

#[test]
fn cooldown_is_longer_for_the_same_subject() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let scene = |subject: &str, ago_ms: u64| {
        let mut scene = Scene::weu_is_dead();
        scene.fleet.policy.safety.subject_cooldown = minutes(60);
        scene.fleet.policy.safety.fleet_cooldown = minutes(30);
        scene.past(subject, ago_ms);
        scene
    };
    assert_eq!(scene("geode/neu", 29 * MINUTE_MS).refuse_automation(), [Rule::Cooldown]);
    assert_eq!(scene("geode/neu", 29 * MINUTE_MS).refuse_a_person(), []);
    assert_eq!(scene("geode/neu", 30 * MINUTE_MS).refuse_automation(), []);
    assert_eq!(scene("geode/weu", 59 * MINUTE_MS).refuse_automation(), [Rule::Cooldown]);
    assert_eq!(scene("stamp/weu-2", 59 * MINUTE_MS).refuse_automation(), [Rule::Cooldown], "a part of it");
    assert_eq!(scene("geode/weu", 60 * MINUTE_MS).refuse_automation(), []);
}

#[test]
fn warm_up_follows_a_start_and_a_takeover() {
    let mut scene = Scene::weu_is_dead();
    scene.fleet.policy.safety.warm_up = Duration::from_mins(2);
    scene.state.settling.since_ms = scene.clock_ms - 119_999;
    assert_eq!(scene.refuse_automation(), [Rule::WarmUp]);
    assert_eq!(scene.refuse_a_person(), []);
    scene.state.settling.since_ms -= 1;
    assert_eq!(scene.refuse_automation(), []);

    scene.led_for = Duration::from_secs(5);
    assert_eq!(scene.refuse_automation(), [], "every vantage was heard");
    scene.table.seats.remove(&"weu-a".into());
    assert_eq!(scene.refuse_automation(), [], "the subject's own may be as dead as it is");
    scene.table.seats.get_mut(&"neu-a".into()).unwrap().fresh = false;
    assert!(scene.refuse_automation().contains(&Rule::WarmUp));
    scene.led_for = Duration::from_secs(25);
    assert!(!scene.refuse_automation().contains(&Rule::WarmUp), "who is silent for so long is gone");
}

#[test]
fn residency_binds_people_too() {
    let mut scene = Scene::weu_is_dead();
    scene.fleet.residency.insert(("weu-1".into(), Bucket(2)), ["eu".to_owned()].into());
    assert_eq!(scene.refuse_automation(), [Rule::Residency]);
    assert_eq!(scene.refuse_a_person(), [Rule::Residency]);
    scene.overrides.insert(Rule::Residency);
    assert_eq!(scene.refuse_a_person(), [Rule::Residency], "a right is not enough");
    scene.fleet.geodes.get_mut(&"neu".into()).unwrap().residency_zone = Some("eu".to_owned());
    assert_eq!(scene.refuse_automation(), []);
}

#[test]
fn capacity_keeps_headroom_in_planned_runs_only() {
    let mut scene = Scene::weu_is_dead();
    // neu-1 carries 40 units of its own and would take 40 of weu-1.
    scene.fleet.stamps.get_mut(&"neu-1".into()).unwrap().capacity.units = 99;
    assert_eq!(scene.refuse_a_person(), []);
    scene.planned = true;
    assert_eq!(scene.refuse_a_person(), [Rule::Capacity], "80 of 79 units at 80 %");
    scene.overrides.insert(Rule::Capacity);
    assert_eq!(scene.refuse_a_person(), []);
    assert_eq!(scene.refuse_automation(), [Rule::Capacity], "automation overrides nothing");
    scene.planned = false;
    scene.fleet.stamps.get_mut(&"neu-1".into()).unwrap().capacity.units = 79;
    assert_eq!(scene.refuse_automation(), [Rule::Capacity], "80 of 79 units");
}

#[test]
fn only_some_rules_can_be_overridden() {
    let never = [Rule::NeverEmpty, Rule::SingleFlight];
    for rule in never {
        assert_eq!(rule.may_be_overridden(), Override::Never);
    }
    let mut scene = Scene::weu_is_dead();
    scene.fleet.policy.safety.serving_stamps_min = 5;
    scene.overrides.insert(Rule::MinServing);
    assert_eq!(scene.refuse_a_person(), []);
    scene.overrides.insert(Rule::NeverEmpty);
    assert_eq!(scene.refuse(Origin::Person, Mode::Failover, "geode/weu", &[]), [Rule::NeverEmpty]);
}

#[test]
fn nothing_goes_to_a_stamp_whose_object_is_gone() {
    let mut scene = Scene::weu_is_dead();
    scene.fleet.stamps.get_mut(&"neu-1".into()).unwrap().probes.clear();
    assert_eq!(scene.refuse_a_person(), [Rule::NoRaise]);
}
