//! Clients of tenants: polite ones, which do what DNS tells them, and rude ones, each in a way seen in the wild.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::RngExt;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval_at, timeout},
};

use super::{http::Connection, resolver::Resolver};

/// Between two requests of a polite client. 40 of them make 100 requests a second.
const POLITE_EVERY: Duration = Duration::from_millis(400);
/// Between two requests of a rude client.
const RUDE_EVERY: Duration = Duration::from_millis(500);
/// A polite client gives a request up after this long.
const PATIENCE: Duration = Duration::from_secs(2);
/// A client without a timeout of its own hangs until some system below it gives up; this stands for that.
const BLACK_HOLE_PATIENCE: Duration = Duration::from_secs(20);
/// The floor of the resolver that does not believe in short TTLs.
const TTL_FLOOR: Duration = Duration::from_secs(15);

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Resolves whenever a TTL has passed, and opens a connection for each request.
    Polite,
    /// Resolves at its start and never again.
    ResolvesOnce,
    /// Keeps its connection for as long as that works.
    Pooled,
    /// Its resolver keeps every answer for at least 15 s.
    TtlFloor,
    /// Waits for an answer for as long as it takes; nothing else is done meanwhile.
    NoTimeout,
}

impl Manner {
    /// All that is rude.
    pub(super) const RUDE: [Self; 4] = [Self::ResolvesOnce, Self::Pooled, Self::TtlFloor, Self::NoTimeout];

    fn patience(self) -> Duration {
        if self == Self::NoTimeout { BLACK_HOLE_PATIENCE } else { PATIENCE }
    }

    fn every(self) -> Duration {
        if self == Self::Polite { POLITE_EVERY } else { RUDE_EVERY }
    }
}

/// A failed request.
#[derive(Clone, Debug)]
struct Failure {
    manner: Manner,
    began: Instant,
    ended: Instant,
    why: String,
}

/// What became of all requests. Failures are kept one by one: a region's death costs some hundreds.
#[derive(Debug, Default)]
pub(super) struct Tally {
    total: AtomicU64,
    failures: Mutex<Vec<Failure>>,
}

/// Failures of both kinds of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// Of polite clients.
    pub(super) polite: u64,
    /// Of rude clients.
    pub(super) rude: u64,
}

impl Tally {
    fn count(&self, manner: Manner, began: Instant, result: anyhow::Result<()>) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result {
            let failure = Failure { manner, began, ended: Instant::now(), why: format!("{error:#}") };
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
        }
    }

    /// All requests so far.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// All failed requests so far.
    pub(super) fn failed(&self) -> u64 {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Polite requests that began after `moment` and failed, and rude ones that failed after it: a rude client may
    /// have been stuck since long before.
    pub(super) fn failed_after(&self, moment: Instant) -> Failed {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |wanted: &dyn Fn(&Failure) -> bool| failures.iter().filter(|f| wanted(f)).count() as u64;
        Failed {
            polite: count(&|f| f.manner == Manner::Polite && f.began > moment),
            rude: count(&|f| f.manner != Manner::Polite && f.ended > moment),
        }
    }

    /// Why the first failed request failed.
    pub(super) fn first_failure(&self) -> Option<String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.first().map(|f| format!("{:?} client: {}", f.manner, f.why))
    }

    /// When the first polite request after `moment` that failed began, and why it failed.
    pub(super) fn first_polite_failure_after(&self, moment: Instant) -> Option<(Instant, String)> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let first = failures.iter().find(|f| f.manner == Manner::Polite && f.began > moment);
        first.map(|failure| (failure.began, failure.why.clone()))
    }
}

/// Where clients find things.
#[derive(Clone, Debug)]
pub(super) struct Town {
    /// Name servers.
    pub(super) servers: Vec<SocketAddr>,
    /// The port of every stamp.
    pub(super) port: u16,
}

/// Clients at work. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Crowd {
    clients: JoinSet<()>,
    tally: Arc<Tally>,
    town: Town,
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new(town: Town) -> Self {
        Self { clients: JoinSet::new(), tally: Arc::default(), town }
    }

    /// Another client, of one tenant.
    pub(super) fn join(&mut self, manner: Manner, host: &str) {
        let floor = if manner == Manner::TtlFloor { TTL_FLOOR } else { Duration::ZERO };
        let client = Client {
            manner,
            host: host.to_owned(),
            port: self.town.port,
            resolver: Resolver::new(&self.town.servers, self.clients.len(), floor),
            address: None,
            connection: None,
        };
        self.clients.spawn(client.run(Arc::clone(&self.tally)));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// What became of their requests.
    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }
}

struct Client {
    manner: Manner,
    host: String,
    port: u16,
    resolver: Resolver,
    address: Option<IpAddr>,
    connection: Option<Connection>,
}

impl Client {
    async fn run(mut self, tally: Arc<Tally>) {
        let every = self.manner.every();
        // Each starts at a moment of its own, so that they do not all ask at once.
        let phase = rand::rng().random_range(Duration::ZERO..every);
        let mut turns = interval_at(tokio::time::Instant::now() + phase, every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let began = Instant::now();
            let result = match timeout(self.manner.patience(), self.request()).await {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!("no answer for {} s", self.manner.patience().as_secs())),
            };
            if result.is_err() {
                self.connection = None;
            }
            tally.count(self.manner, began, result);
        }
    }

    async fn request(&mut self) -> anyhow::Result<()> {
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => Connection::open((self.locate().await?, self.port).into()).await?,
        };
        connection.get(&self.host).await?;
        if self.manner == Manner::Pooled {
            self.connection = Some(connection);
        }
        Ok(())
    }

    async fn locate(&mut self) -> anyhow::Result<IpAddr> {
        if let Some(address) = self.address {
            return Ok(address);
        }
        let address = self.resolver.address(&self.host).await?;
        if self.manner == Manner::ResolvesOnce {
            self.address = Some(address);
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polite_failures_count_by_their_beginning_and_rude_ones_by_their_end() {
        let tally = Tally::default();
        let before = Instant::now();
        let failure = || Err(anyhow::anyhow!("refused"));
        tally.count(Manner::Polite, before, failure());
        tally.count(Manner::NoTimeout, before, failure());
        tally.count(Manner::Polite, before, Ok(()));
        assert_eq!(tally.failed_after(before), Failed { polite: 0, rude: 1 });
        tally.count(Manner::Polite, Instant::now(), failure());
        assert_eq!(tally.failed_after(before), Failed { polite: 1, rude: 1 });
        assert_eq!((tally.total(), tally.failed()), (4, 3));
    }
}
