use super::*;
use crate::{
    failover::{Out, Phase, Plan, Run, Step, StepKind, StepState, Targets, Times},
    fixtures,
    fleet::Automation,
    names::{Bucket, Point},
    verdict::{Report, Sample, Sight, Strip, Table, Tick, assess},
};

/// Everything that rules look at, at a moment in which automation may fail weu over.
struct Scene {
    fleet: Fleet,
    state: FleetState,
    table: Table,
}

impl Scene {
    /// Every vantage has seen the stamps of weu fail for twelve seconds, and everything else well.
    fn weu_is_dead() -> Self {
        let fleet = fixtures::fleet(3, 2);
        let state = FleetState::born(fleet.uid.clone(), "a".into(), 1);
        let mut scene = Self { fleet, state, table: Table::default() };
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
        let proposal = Proposal { run: &run, origin, mode, subject: &subject, moves };
        let facts = Facts { fleet: &self.fleet, state: &self.state, assessment: &assessment };
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
        uid: None,
        origin: Origin::Person,
        mode: Mode::Failover,
        dry_run: false,
        subject: "stamp/neu-2".parse().unwrap(),
        targets: Targets::default(),
        phase: Phase::Running,
        reason: String::new(),
        plan: Some(Plan {
            moves,
            hash: String::new(),
            tenants: 0,
            not_chosen: std::collections::BTreeMap::new(),
        }),
        steps: vec![Step { state: StepState::Processing, ..Step::new(StepKind::ShiftTraffic) }],
        times: Times::default(),
        timeline: std::collections::VecDeque::new(),
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
        [Rule::Evidence],
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
