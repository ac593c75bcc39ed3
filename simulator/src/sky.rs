//! The truth about stamps and regions, and what vantages see of it.

use std::collections::BTreeMap;

use stamps::{
    fleet::Fleet,
    names::{GeodeName, RegionName, StampName, VantageName},
    verdict::{Failure, FailureClass, Phase, Report, Sample, Sight, Tick},
};

/// Ticks after a change during which a vantage reports every tick.
const IN_DOUBT_TICKS: u64 = 14;
/// Ticks between two reports otherwise.
const QUIET_TICKS: u64 = 10;

/// When what is down comes up again.
#[derive(Debug, Default)]
pub struct Weather {
    /// By stamp.
    pub stamp_down_until: BTreeMap<StampName, u64>,
    /// By region.
    pub region_down_until: BTreeMap<GeodeName, u64>,
    /// Stamps that come and go.
    pub flaps: BTreeMap<StampName, Flap>,
}

/// Down and up by turns, beginning with down. The shortest turns are just long enough for a vantage to take note.
#[derive(Clone, Copy, Debug)]
pub struct Flap {
    /// When it begins.
    pub from_ms: u64,
    /// When it ends.
    pub until_ms: u64,
    /// How long it is down each time.
    pub down_ms: u64,
    /// How long it is up each time.
    pub up_ms: u64,
}

impl Flap {
    fn is_down(self, now_ms: u64) -> bool {
        now_ms < self.until_ms && (now_ms - self.from_ms) % (self.down_ms + self.up_ms) < self.down_ms
    }
}

impl Weather {
    /// Whether a region is gone.
    pub fn region_down(&self, geode: &str, now_ms: u64) -> bool {
        self.region_down_until.get(&geode.into()).is_some_and(|until| now_ms < *until)
    }

    /// Whether a stamp is down just now, by itself or with its region.
    pub fn stamp_down(&self, stamp: &StampName, geode: &GeodeName, now_ms: u64) -> bool {
        self.region_down(geode.as_str(), now_ms)
            || self.stamp_down_until.get(stamp).is_some_and(|until| now_ms < *until)
            || self.flaps.get(stamp).is_some_and(|flap| flap.is_down(now_ms))
    }
}

/// A monitor.
#[derive(Debug)]
pub struct Vantage {
    /// Its name.
    pub name: VantageName,
    /// Where it stands.
    pub region: RegionName,
    /// Until then its control targets fail.
    pub blind_until: u64,
    /// Until then its reports do not arrive.
    pub cut_until: u64,
    /// Until then its prober fails.
    pub prober_fails_until: u64,
    /// Until then it cannot reach this region.
    pub partition: (GeodeName, u64),
    /// Until then it sees this stamp as the opposite of what it is.
    pub lies: (StampName, u64),
    samples: BTreeMap<StampName, Sample>,
    since_change: u64,
    since_report: u64,
}

impl Vantage {
    /// A monitor that has seen everything well for a while.
    pub fn new(name: VantageName, region: RegionName, fleet: &Fleet) -> Self {
        let mut sample = Sample { ever_passed: true, ..Sample::default() };
        for _ in 0..8 {
            sample.push(Tick::Good);
        }
        Self {
            name,
            region,
            blind_until: 0,
            cut_until: 0,
            prober_fails_until: 0,
            partition: ("".into(), 0),
            lies: ("".into(), 0),
            samples: fleet.stamps.keys().map(|stamp| (stamp.clone(), sample)).collect(),
            since_change: 0,
            since_report: 0,
        }
    }

    /// One tick: probes every stamp, and says whether there is something to report.
    pub fn tick(&mut self, fleet: &Fleet, weather: &Weather, now_ms: u64) -> bool {
        let mut changed = false;
        // A stamp whose object is gone is not probed, and one that comes back is new.
        self.samples.retain(|stamp, _| fleet.stamps.contains_key(stamp));
        for stamp in fleet.stamps.values() {
            let result = self.see(&stamp.name, &stamp.geode, weather, now_ms);
            let sample = self.samples.entry(stamp.name.clone()).or_default();
            changed |= sample.strip.tick(0) != result;
            sample.push(result);
            let window = u64::MAX >> (64 - u32::from(fleet.policy.detection.window_ticks));
            sample.ever_passed |= sample.strip.good & window == window;
            if result == Tick::Bad {
                sample.last_failure = Some(Failure { class: FailureClass::Timeout, phase: Phase::Connect });
            }
        }
        self.since_change = if changed { 0 } else { self.since_change + 1 };
        self.since_report += 1;
        let due = self.since_change < IN_DOUBT_TICKS || self.since_report >= QUIET_TICKS;
        if due {
            self.since_report = 0;
        }
        due
    }

    fn see(&self, stamp: &StampName, geode: &GeodeName, weather: &Weather, now_ms: u64) -> Tick {
        if now_ms < self.prober_fails_until {
            return Tick::Unknown;
        }
        let cut_off = self.partition.0 == *geode && now_ms < self.partition.1;
        let down = weather.stamp_down(stamp, geode, now_ms) || cut_off;
        let lies = self.lies.0 == *stamp && now_ms < self.lies.1;
        if down == lies { Tick::Good } else { Tick::Bad }
    }

    /// Its report.
    pub fn report(&self, now_ms: u64) -> Report {
        Report {
            vantage: self.name.clone(),
            region: self.region.clone(),
            sight: if now_ms < self.blind_until { Sight::Blind } else { Sight::Sighted },
            samples: self.samples.clone(),
        }
    }

    /// All is well with it again.
    pub fn heal(&mut self) {
        self.blind_until = 0;
        self.cut_until = 0;
        self.prober_fails_until = 0;
        self.partition.1 = 0;
        self.lies.1 = 0;
    }
}
