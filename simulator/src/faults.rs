//! What may go wrong. Each seed draws a subset and a strength, so that some worlds are bad in one way only, and some in
//! every way at once.

use crate::rng::Rng;

/// A misfortune that begins at some moment and lasts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfortune {
    /// A replica is killed and started again.
    Crash,
    /// A replica's process stops and goes on later, as after SIGSTOP.
    Freeze,
    /// A replica cannot reach the API server.
    CutFromApi,
    /// A replica cannot reach the zone's servers.
    CutFromDns,
    /// The API server answers nobody.
    ApiDown,
    /// The fleet object cannot be read live.
    GateUnreadable,
    /// A replica's wall clock jumps.
    WallClockJump,
    /// The primary answers nobody.
    PrimaryDown,
    /// The primary refuses every update.
    PrimaryRefuses,
    /// A secondary gets no transfers.
    SecondaryStuck,
    /// A region's stamps, name servers and vantages are gone.
    RegionDown,
    /// One stamp is down.
    StampDown,
    /// One stamp is down and up again, and again.
    StampFlaps,
    /// A vantage's control targets fail.
    VantageBlind,
    /// A vantage's reports do not arrive.
    VantageCut,
    /// A vantage cannot reach one region.
    VantagePartition,
    /// A vantage sees what is not.
    VantageLies,
    /// A vantage's own prober fails.
    ProberFails,
    /// Somebody deletes the register.
    RegisterDeleted,
    /// Somebody puts an older copy of the register in its place.
    RegisterPutBack,
    /// A sync makes `Failover` objects again that were there before.
    RunsMadeAgain,
}

impl Misfortune {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::Crash,
        Self::Freeze,
        Self::CutFromApi,
        Self::CutFromDns,
        Self::ApiDown,
        Self::GateUnreadable,
        Self::WallClockJump,
        Self::PrimaryDown,
        Self::PrimaryRefuses,
        Self::SecondaryStuck,
        Self::RegionDown,
        Self::StampDown,
        Self::StampFlaps,
        Self::VantageBlind,
        Self::VantageCut,
        Self::VantagePartition,
        Self::VantageLies,
        Self::ProberFails,
    ];
}

/// How often single messages go wrong, in permille.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// A call to the API server is lost on its way there.
    pub api_lost_request: u64,
    /// It is carried out, and its answer is lost.
    pub api_lost_answer: u64,
    /// It arrives after its caller has given up, and is carried out then.
    pub api_late: u64,
    /// A watch event comes seconds late, and all after it.
    pub watch_slow: u64,
    /// The same for what people write: somebody closes the Gate, and the leader does not hear of it.
    pub objects_slow: u64,
    /// A report of a vantage is lost.
    pub report_lost: u64,
    /// A zone update is lost on its way there.
    pub dns_lost_message: u64,
    /// It is carried out, and its answer is lost.
    pub dns_lost_answer: u64,
    /// It arrives up to minutes late.
    pub dns_late: u64,
    /// It arrives a second time, up to minutes later.
    pub dns_twice: u64,
    /// An agent's answer reaches the engine twice.
    pub outcome_twice: u64,
}

/// The faults of one world.
#[derive(Clone, Debug)]
pub struct Faults {
    /// What may befall it.
    pub kinds: Vec<Misfortune>,
    /// Mean time between two misfortunes.
    pub every_ms: u64,
    /// Single messages.
    pub rates: Rates,
    /// Between two acts of a person.
    pub person_every_ms: u64,
}

impl Faults {
    /// What this seed has to suffer.
    pub fn draw(rng: &mut Rng) -> Self {
        let breadth = rng.between(100, 900);
        let mut kinds: Vec<Misfortune> =
            Misfortune::ALL.into_iter().filter(|_| rng.chance(breadth)).collect();
        // A world in which no region ever fails asks little of anybody.
        if !kinds.contains(&Misfortune::RegionDown) || rng.chance(500) {
            kinds.push(Misfortune::RegionDown);
        }
        // People who handle the register itself are rare, and they stop everything.
        let handled = [Misfortune::RegisterDeleted, Misfortune::RegisterPutBack];
        kinds.extend(handled.into_iter().filter(|_| rng.chance(120)));
        if rng.chance(200) {
            kinds.push(Misfortune::RunsMadeAgain);
        }
        let mut rate = |most: u64| if rng.chance(500) { rng.between(most / 10 + 1, most) } else { 0 };
        let rates = Rates {
            api_lost_request: rate(100),
            api_lost_answer: rate(150),
            api_late: rate(60),
            watch_slow: rate(100),
            objects_slow: rate(600),
            report_lost: rate(200),
            dns_lost_message: rate(200),
            dns_lost_answer: rate(300),
            dns_late: rate(250),
            dns_twice: rate(300),
            outcome_twice: rate(300),
        };
        Self {
            kinds,
            every_ms: rng.between(4_000, 20_000),
            rates,
            person_every_ms: rng.between(8_000, 60_000),
        }
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.kinds.clear();
        self.rates = Rates::default();
    }
}
