//! Pictures and scores for tests of whatever renders views.

use chrono::{DateTime, TimeDelta, Utc};

use super::Scores;
use crate::{
    availability::{Samples, Score, Tally, WINDOW_SLICES, score},
    failover::{
        Event, FleetState, Mode, Origin, Phase, Picture, Run, StampRecord, StepKind, Subject, Targets,
        ZoneSeen, plan,
    },
    fixtures,
    fleet::Fleet,
    names::{Fence, Point, RunName, ZoneName},
    routing::{FenceRecord, Observation, ServerSeen},
    safety::{Facts, Proposal, judge},
    verdict::{
        Assessment, Failure, FailureClass, Phase as ProbePhase, Report, Sample, Sight, Table, Tick, assess,
    },
};

/// A moment in the life of a fleet of three regions with two stamps each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Nothing is known yet.
    Start,
    /// All is well.
    Well,
    /// weu is seen down; 1 s of the hold of 2 s has passed.
    Doubt,
    /// weu is failed over; servers are looked at.
    Run,
    /// weu is empty and still down.
    Evacuated,
    /// weu is empty and well again.
    Recovered,
}

/// When the moments are: 2026-11-21, noon.
pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_262_400, 0).unwrap_or_default()
}

/// What the engine projects at that moment.
pub fn picture(moment: Moment) -> Picture {
    if moment == Moment::Start {
        return Picture::default();
    }
    let fleet = fixtures::fleet(3, 2);
    let down = matches!(moment, Moment::Doubt | Moment::Run | Moment::Evacuated);
    let bad_ticks = match moment {
        Moment::Doubt => 4,
        _ if down => 9,
        _ => 0,
    };
    let assessment = assessment(&fleet, bad_ticks);
    let state = state(&fleet, moment);
    let zones = fleet.zones.keys().map(|zone| (zone.clone(), look(zone, &fleet, &state, moment))).collect();
    let troubles = if moment == Moment::Run {
        vec!["look at app.lifeboat.test.: it is not known whether it was done: <b>no answer</b>".to_owned()]
    } else {
        Vec::new()
    };
    Picture {
        state: Some(state),
        fleet: Some(fleet),
        assessment,
        zones,
        troubles,
        leading: true,
        ..Picture::default()
    }
}

/// One stamp of each kind of score; the others have none yet.
pub fn scores() -> Scores {
    let of = |good, bad, unknown, episodes, failed: u64| -> Score {
        let all = good * 40;
        let samples = Samples { good: all - failed, all };
        score(Tally { good, bad, unknown, episodes, samples }, WINDOW_SLICES, Some(9_999))
    };
    [
        ("eus-1", of(250_000, 0, 516, 0, 0)),
        ("eus-2", of(259_200, 0, 0, 0, 0)),
        ("neu-1", of(259_154, 26, 20, 2, 40)),
        ("neu-2", of(259_200, 0, 0, 0, 103_680)),
        ("weu-1", of(12, 0, 0, 0, 0)),
    ]
    .into_iter()
    .map(|(stamp, score)| (stamp.into(), score))
    .collect()
}

fn assessment(fleet: &Fleet, bad_ticks: u32) -> Assessment {
    let mut table = Table::default();
    for (vantage, region) in &fleet.vantages {
        let samples = fleet.stamps.values().map(|stamp| {
            let mut sample = Sample { ever_passed: true, ..Sample::default() };
            (0..20).for_each(|_| sample.push(Tick::Good));
            if stamp.geode.as_str() == "weu" && bad_ticks > 0 {
                (0..bad_ticks).for_each(|_| sample.push(Tick::Bad));
                sample.last_failure =
                    Some(Failure { class: FailureClass::Refused, phase: ProbePhase::Connect });
            }
            (stamp.name.clone(), sample)
        });
        let report = Report {
            vantage: vantage.clone(),
            region: region.clone(),
            sight: Sight::Sighted,
            samples: samples.collect(),
        };
        table.put(report, true);
    }
    assess(fleet, &table)
}

/// The register, made by the engine's own events.
fn state(fleet: &Fleet, moment: Moment) -> FleetState {
    let born = FleetState::born(fleet.uid.clone(), "lifeboat-operator-0".into(), 1_795_262_000);
    let mut life = Life { state: born, fleet, down: assessment(fleet, 9) };
    let zones = || fleet.zones.keys().cloned();
    let wanted = |hash: &str| -> Vec<Event> {
        zones().map(|zone| Event::ZoneWanted { zone, hash: hash.to_owned() }).collect()
    };
    let seen = fleet
        .stamps
        .values()
        .map(|stamp| Event::StampSeen { stamp: stamp.name.clone(), record: StampRecord::of(stamp) });
    life.commit(-60_000, &seen.chain(wanted("home")).collect::<Vec<_>>());
    life.applied(-59_000);
    if moment == Moment::Well {
        return life.state;
    }
    let sentence = life.down.geodes[&"weu".into()].sentence.clone();
    life.commit(0, &[Event::Doubted { subject: weu(), sentence }]);
    if moment == Moment::Doubt {
        return life.state;
    }
    life.begin(2_100);
    life.commit(2_100, &wanted("away"));
    life.applied(2_400);
    let done = |kind, result: &str| Event::StepDone { run: run(), kind, result: result.to_owned() };
    let begun = |kind| Event::StepBegun { run: run(), kind, complete_by: noon() + TimeDelta::seconds(32) };
    life.commit(2_500, &[done(StepKind::ShiftTraffic, "the primary took it"), begun(StepKind::Verify)]);
    if moment == Moment::Run {
        return life.state;
    }
    life.commit(
        3_300,
        &[done(StepKind::Verify, "2 of 2 servers that answer show it"), begun(StepKind::Drain)],
    );
    let reason = "geode/weu is failed over".to_owned();
    life.commit(
        9_000,
        &[
            done(StepKind::Drain, "blind: the TTL tail of 2 s and 5 s of grace have passed"),
            done(StepKind::Notify, "told"),
            Event::PhaseChanged { run: run(), to: Phase::Succeeded, reason },
        ],
    );
    if moment == Moment::Recovered {
        life.commit(60_000, &[Event::DoubtCleared { subject: weu() }]);
    }
    life.state
}

fn weu() -> Subject {
    Subject::Geode("weu".into())
}

fn run() -> RunName {
    "auto-geode-weu-1795262000-4".into()
}

struct Life<'a> {
    state: FleetState,
    fleet: &'a Fleet,
    down: Assessment,
}

impl Life<'_> {
    /// Milliseconds are counted from noon. An event that the table refuses would show in every test of a view.
    fn commit(&mut self, at_ms: i64, events: &[Event]) {
        if let Ok(next) =
            self.state.after(events, noon() + TimeDelta::milliseconds(at_ms), at_ms.unsigned_abs())
        {
            self.state = next;
        }
    }

    fn applied(&mut self, at_ms: i64) {
        let zones = self.state.zones.iter();
        let events: Vec<Event> = zones
            .map(|(zone, state)| Event::ZoneApplied { zone: zone.clone(), content: state.wanted.clone() })
            .collect();
        self.commit(at_ms, &events);
    }

    /// The run, from accepted to shifting, in one commit.
    fn begin(&mut self, at_ms: i64) {
        let record = Run {
            origin: Origin::Engine,
            reason: self.down.geodes[&"weu".into()].sentence.clone(),
            ..Run::new(weu())
        };
        let planned = plan(self.fleet, &self.state, &self.down, &weu(), Mode::Failover, &Targets::default());
        let Ok(plan) = planned else { return };
        let name = run();
        let subject = weu();
        let proposal = Proposal {
            run: &name,
            origin: Origin::Engine,
            mode: Mode::Failover,
            subject: &subject,
            moves: &plan.moves,
            planned: false,
            approved: false,
            overrides: &std::collections::BTreeSet::new(),
        };
        let facts = Facts {
            fleet: self.fleet,
            state: &self.state,
            assessment: &self.down,
            clock_ms: 0,
            led_for: std::time::Duration::from_mins(1),
        };
        let Ok(allowed) = judge(&proposal, &facts) else { return };
        let reason = plan.sentence();
        let complete_by = noon() + TimeDelta::seconds(32);
        self.commit(
            at_ms,
            &[
                Event::RunAccepted { run: run(), record: Box::new(record) },
                Event::Planned { run: run(), plan },
                Event::PhaseChanged { run: run(), to: Phase::Running, reason: reason.clone() },
                Event::StepDone { run: run(), kind: StepKind::Precheck, result: reason },
                Event::ShiftBegun { run: run(), allowed, complete_by },
            ],
        );
    }
}

/// What the servers of a zone answer: while weu is down its server is silent, and the last one lags behind a run.
fn look(zone: &ZoneName, fleet: &Fleet, state: &FleetState, moment: Moment) -> ZoneSeen {
    let wanted = state.zones.get(zone).map(|zone| zone.wanted.point).unwrap_or_default();
    let down = matches!(moment, Moment::Doubt | Moment::Run | Moment::Evacuated);
    let servers = fleet.zones.get(zone).map(|zone| zone.name_servers.as_slice()).unwrap_or_default();
    let seen = servers.iter().map(|server| {
        let silent = down && server.name == "ns-weu";
        let lags = moment == Moment::Run && server.name == "ns-eus";
        let point = if lags { Point { seq: wanted.seq - 2, ..wanted } } else { wanted };
        ServerSeen {
            elsewhere: std::collections::BTreeMap::new(),
            server: server.name.clone(),
            answered: !silent,
            fence: (!silent).then(|| FenceRecord::Fence(Fence { fleet: fleet.uid.clone(), point })),
            matches: !silent && !lags,
            differing: if lags { vec![format!("b00.weu-1.stamps.{zone}")] } else { Vec::new() },
            error: silent.then(|| "no answer within 1 s".to_owned()),
        }
    });
    ZoneSeen { against: wanted, observation: Observation { zone: zone.clone(), servers: seen.collect() } }
}
