//! A process that runs the engine: its clock, its connections, and what its driver keeps between two calls.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use stamps::{
    failover::{Engine, Key},
    names::{Point, ReplicaName},
    time::{Mono, Now},
};

/// A clock that starts somewhere, runs at its own rate, and says another wall time than the others.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Milliseconds that it shows at virtual time 0.
    pub offset_ms: u64,
    /// Its milliseconds per thousand true ones.
    pub rate_permille: u64,
    /// How far its wall clock is ahead.
    pub wall_ahead_ms: i64,
}

impl Clock {
    /// What it shows.
    pub fn now(&self, at_ms: u64) -> Now {
        let wall_ms = 1_800_000_000_000 + at_ms.cast_signed() + self.wall_ahead_ms;
        let wall = DateTime::<Utc>::from_timestamp_millis(wall_ms).unwrap_or_default();
        Now { wall: wall + TimeDelta::zero(), mono: Mono(self.offset_ms + at_ms * self.rate_permille / 1000) }
    }

    /// The moment at which it will show `mono`.
    pub fn when(&self, mono: Mono) -> u64 {
        mono.0.saturating_sub(self.offset_ms) * 1000 / self.rate_permille + 1
    }
}

/// One life of a replica: what was meant for an earlier one does not reach a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which replica.
    pub replica: usize,
    /// How often it was started before.
    pub number: u32,
}

/// The watches of a driver. What one watch brings keeps its order; two watches may overtake each other.
#[derive(Clone, Copy, Debug)]
pub enum Watch {
    /// The register.
    Register,
    /// The Lease.
    Lease,
    /// What people write.
    Objects,
    /// Reports.
    Reports,
}

/// A process.
#[derive(Debug)]
pub struct Replica {
    /// Its name.
    pub name: ReplicaName,
    /// None while it is dead.
    pub engine: Option<Engine>,
    /// How often it was started.
    pub life: u32,
    /// Its clock.
    pub clock: Clock,
    /// Until then nothing runs in it.
    pub frozen_until: u64,
    /// Until then it does not reach the API server.
    pub api_cut_until: u64,
    /// Until then it does not reach the zone's servers.
    pub dns_cut_until: u64,
    /// resourceVersion of every state of the register that it was shown.
    pub sights: BTreeMap<Point, u64>,
    /// Agents at work, by number.
    pub agents: BTreeMap<Key, u64>,
    /// Number of the wake-up that counts.
    pub wake: u64,
    /// By watch: when its last event arrives.
    pub watch_at: [u64; 4],
}

impl Replica {
    /// A process that has not been started.
    pub fn new(name: &str, clock: Clock) -> Self {
        Self {
            name: name.into(),
            engine: None,
            life: 0,
            clock,
            frozen_until: 0,
            api_cut_until: 0,
            dns_cut_until: 0,
            sights: BTreeMap::new(),
            agents: BTreeMap::new(),
            wake: 0,
            watch_at: [0; 4],
        }
    }
}
