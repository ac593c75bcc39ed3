//! What this vantage knows: one sample strip per stamp, and whether it may trust its own eyes.
//!
//! Target tasks write ticks, the self-check writes sight, the report writer reads. The lock is held for a few
//! instructions, never over an await.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};
use stamps::{
    fleet::{Probe, Stamp},
    names::StampName,
    verdict::{Failure, FailureClass, STRIP_TICKS, Sample, Sight, Tick, list_hash, pack, unpack},
};
use tokio::sync::Notify;

use crate::probe::Outcome;

/// A stamp has passed when so many known ticks in a row were good: the widest window by default.
const PASSED_TICKS: u8 = 5;

/// Stamps by name.
pub(crate) type Stamps = BTreeMap<StampName, Stamp>;

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    /// A permit is there while something changed that was not reported yet.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// None until the first complete list was read.
    stamps: Option<Stamps>,
    entries: BTreeMap<StampName, Entry>,
    sight: Sight,
    generation: u64,
}

#[derive(Debug)]
struct Entry {
    generation: u64,
    sample: Sample,
    good_in_a_row: u8,
}

/// A target to be probed from now on. Ticks of an older generation of the same stamp are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) stamp: Stamp,
    pub(crate) generation: u64,
}

/// What a new list of stamps changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// New, or probed in another way than before.
    pub(crate) started: Vec<Target>,
    /// Gone, or probed in another way than before.
    pub(crate) ended: Vec<StampName>,
}

/// All that a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) sight: Sight,
    pub(crate) stamps_hash: String,
    pub(crate) body: String,
    /// Hash of all probe definitions: after a restart, history counts only for the same questions.
    pub(crate) definitions: String,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a complete list of stamps. A changed probe asks another question, so its stamp starts anew.
    pub(crate) fn adopt(&self, stamps: &Stamps) -> Changes {
        let mut state = self.state();
        let before = state.stamps.replace(stamps.clone()).unwrap_or_default();
        let same = |name: &StampName| match (before.get(name), stamps.get(name)) {
            (Some(old), Some(new)) => old.probes == new.probes,
            _ => false,
        };
        let mut changes = Changes {
            started: Vec::new(),
            ended: before.keys().filter(|name| !same(name)).cloned().collect(),
        };
        for stamp in stamps.values().filter(|stamp| !same(&stamp.name)) {
            state.generation += 1;
            let generation = state.generation;
            let old = state.entries.remove(&stamp.name);
            state.entries.insert(stamp.name.clone(), Entry::successor(old, generation));
            changes.started.push(Target { stamp: stamp.clone(), generation });
        }
        for name in &changes.ended {
            if !stamps.contains_key(name) {
                state.entries.remove(name);
            }
        }
        drop(state);
        self.news.notify_one();
        changes
    }

    /// Adds one tick. While this vantage is not sighted, whatever it sees is Unknown.
    pub(crate) fn record(&self, target: &Target, outcome: Outcome) {
        let mut state = self.state();
        let sighted = state.sight == Sight::Sighted;
        let Some(entry) = state.entry(target) else { return };
        let before = entry.sample.strip;
        if sighted {
            entry.push(outcome);
        } else {
            entry.sample.push(Tick::Unknown);
        }
        let changed = entry.sample.strip != before;
        drop(state);
        if changed {
            self.news.notify_one();
        }
    }

    /// Adds ticks that nobody took.
    pub(crate) fn missed(&self, target: &Target, ticks: u64) {
        let mut state = self.state();
        let Some(entry) = state.entry(target) else { return };
        for _ in 0..ticks.min(STRIP_TICKS.into()) {
            entry.sample.push(Tick::Unknown);
        }
        drop(state);
        if ticks > 0 {
            self.news.notify_one();
        }
    }

    /// Says whether this vantage may trust its own eyes.
    pub(crate) fn set_sight(&self, sight: Sight) {
        let mut state = self.state();
        let changed = state.sight != sight;
        state.sight = sight;
        drop(state);
        if changed {
            self.news.notify_one();
        }
    }

    /// Goes on from the last report of this vantage: totals and what has ever passed. Strips start empty, for nobody
    /// knows how many ticks were missed meanwhile.
    pub(crate) fn restore(&self, stamps_hash: &str, body: &str, definitions: &str) -> bool {
        let mut state = self.state();
        let Some(stamps) = &state.stamps else { return false };
        if definitions != definitions_hash(stamps) {
            return false;
        }
        let Ok(samples) = unpack(body, stamps_hash, stamps) else { return false };
        for (name, old) in samples {
            if let Some(entry) = state.entries.get_mut(&name) {
                entry.sample.continue_from(&old);
            }
        }
        true
    }

    /// What a report says now; none before the list of stamps is known.
    pub(crate) fn content(&self) -> Option<Content> {
        let state = self.state();
        let stamps = state.stamps.as_ref()?;
        let samples = state.entries.iter().map(|(name, entry)| (name.clone(), entry.sample)).collect();
        Some(Content {
            sight: state.sight,
            stamps_hash: list_hash(stamps),
            body: pack(stamps, &samples),
            definitions: definitions_hash(stamps),
        })
    }

    /// Waits for something to report.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    #[cfg(test)]
    pub(crate) fn sample(&self, stamp: &str) -> Sample {
        self.state().entries[&StampName::from(stamp)].sample
    }
}

impl State {
    fn entry(&mut self, target: &Target) -> Option<&mut Entry> {
        self.entries.get_mut(&target.stamp.name).filter(|entry| entry.generation == target.generation)
    }
}

impl Entry {
    /// A new definition keeps the totals, which only ever grow, and nothing else.
    fn successor(old: Option<Self>, generation: u64) -> Self {
        let sample = old.map_or_else(Sample::default, |old| Sample {
            good_total: old.sample.good_total,
            all_total: old.sample.all_total,
            ..Sample::default()
        });
        Self { generation, sample, good_in_a_row: 0 }
    }

    fn push(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Good => {
                self.good_in_a_row = self.good_in_a_row.saturating_add(1);
                self.sample.ever_passed |= self.good_in_a_row >= PASSED_TICKS;
                self.sample.push(Tick::Good);
            }
            Outcome::Bad(failure) => {
                self.good_in_a_row = 0;
                self.sample.last_failure = Some(failure);
                self.sample.push(Tick::Bad);
            }
            Outcome::Unknown(failure) => {
                // Our own trouble never hides what the stamp did.
                let ours = |old: Failure| old.class == FailureClass::ProberError;
                if self.sample.last_failure.is_none_or(ours) {
                    self.sample.last_failure = Some(failure);
                }
                self.sample.push(Tick::Unknown);
            }
        }
    }
}

/// Changes when any probe asks another question. Its form is private to one version of the monitor: after an upgrade
/// that changes it, stamps have to pass once more.
fn definitions_hash(stamps: &Stamps) -> String {
    let mut hash = Sha256::new();
    for (name, stamp) in stamps {
        let probes: &[Probe] = &stamp.probes;
        hash.update(format!("{name}\0{probes:?}\n"));
    }
    let short = hash.finalize().iter().take(8).fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("{short:016x}")
}

#[cfg(test)]
mod tests;
