//! What fires and who has been told: pure, with the clock handed in.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use stamps::{
    time::{Mono, Now},
    view::alerts::Alert,
};

/// As long as a person is needed, they are told again this often.
pub(super) const REPEAT_EVERY: Duration = Duration::from_mins(15);
/// Alerts of one message. Each is at most 1.7 KiB (see `payload`), so that a message stays below 64 KiB.
pub(super) const BATCH_MAX: usize = 32;
/// Ended alerts that wait to be told: two messages. Those that fire are bounded by the fleet.
pub(super) const ENDED_MAX: usize = 64;
/// While this replica does not tell, another does; what ended longer ago has been told, or is no news any more.
const ENDED_FOR: Duration = Duration::from_mins(5);

#[derive(Clone, Debug)]
struct Entry {
    alert: Alert,
    starts_at: DateTime<Utc>,
    ended: Option<Ended>,
    /// When this replica told that it fires.
    told: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: DateTime<Utc>,
    seen: Mono,
}

impl Entry {
    fn is_due(&self, now: Mono) -> bool {
        self.ended.is_some()
            || self.told.is_none_or(|told| self.alert.needs_person && now.since(told) >= REPEAT_EVERY)
    }
}

/// One alert of a message.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) fingerprint: String,
    pub(super) alert: Alert,
    pub(super) starts_at: DateTime<Utc>,
    /// None while it fires.
    pub(super) ended_at: Option<DateTime<Utc>>,
}

/// The content of one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<Line>,
    /// Alerts that found no room. What is news among them comes with the next message.
    pub(super) left_out: usize,
}

/// Every alert that fires, or has ended without anybody knowing, by fingerprint.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// In the order in which alerts are listed.
    order: Vec<String>,
    dropped: i64,
}

impl Ledger {
    /// Takes in what fires now: what is not among it has ended.
    pub(super) fn follow(&mut self, firing: Vec<Alert>, now: Now) {
        let mut order = Vec::with_capacity(firing.len());
        for alert in firing {
            let fingerprint = alert.fingerprint();
            let starts_at = alert.since.unwrap_or(now.wall);
            match self.entries.get_mut(&fingerprint) {
                // Its sentence may have other numbers by now.
                Some(entry) if entry.ended.is_none() => entry.alert = alert,
                _ => {
                    let entry = Entry { alert, starts_at, ended: None, told: None };
                    self.entries.insert(fingerprint.clone(), entry);
                }
            }
            order.push(fingerprint);
        }
        for (fingerprint, entry) in &mut self.entries {
            if entry.ended.is_none() && !order.contains(fingerprint) {
                entry.ended = Some(Ended { at: now.wall, seen: now.mono });
            }
        }
        self.order = order;
        self.drop_oldest();
    }

    fn drop_oldest(&mut self) {
        let mut ended: Vec<(Mono, String)> = self.ended().collect();
        ended.sort();
        for (_, fingerprint) in ended.iter().take(ended.len().saturating_sub(ENDED_MAX)) {
            self.entries.remove(fingerprint);
            self.dropped += 1;
        }
    }

    fn ended(&self) -> impl Iterator<Item = (Mono, String)> {
        self.entries.iter().filter_map(|(name, entry)| Some((entry.ended?.seen, name.clone())))
    }

    /// While nobody is told by this replica: forgets what ended some time ago.
    pub(super) fn expire(&mut self, now: Mono) {
        self.entries.retain(|_, entry| entry.ended.is_none_or(|ended| now.since(ended.seen) < ENDED_FOR));
    }

    /// There is another receiver, who knows nothing yet.
    pub(super) fn forget_who_was_told(&mut self) {
        self.entries.retain(|_, entry| entry.ended.is_none());
        self.entries.values_mut().for_each(|entry| entry.told = None);
    }

    /// How many fire.
    pub(super) fn firing(&self) -> i64 {
        i64::try_from(self.order.len()).unwrap_or(i64::MAX)
    }

    /// How many ended ones were dropped.
    pub(super) fn dropped(&self) -> i64 {
        self.dropped
    }

    /// Whether there is news, or a person is to be told again.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.entries.values().any(|entry| entry.is_due(now))
    }

    /// The next message: what is due, ended ones first, then whatever else fires.
    pub(super) fn batch(&self, now: Mono) -> Batch {
        let mut ended: Vec<(Mono, String)> = self.ended().collect();
        ended.sort();
        let is_due = |name: &&String| self.entries.get(*name).is_some_and(|entry| entry.is_due(now));
        let due = self.order.iter().filter(is_due);
        let known = self.order.iter().filter(|name| !is_due(name));
        let names: Vec<&String> = ended.iter().map(|(_, name)| name).chain(due).chain(known).collect();
        let lines = names.iter().take(BATCH_MAX).filter_map(|name| {
            let entry = self.entries.get(*name)?;
            Some(Line {
                fingerprint: (*name).clone(),
                alert: entry.alert.clone(),
                starts_at: entry.starts_at,
                ended_at: entry.ended.map(|ended| ended.at),
            })
        });
        Batch { lines: lines.collect(), left_out: names.len().saturating_sub(BATCH_MAX) }
    }

    /// A message was taken. What has changed since it was made is still to be told.
    pub(super) fn told(&mut self, batch: &Batch, now: Mono) {
        for line in &batch.lines {
            let Some(entry) = self.entries.get_mut(&line.fingerprint) else { continue };
            match (line.ended_at, entry.ended) {
                (None, _) => entry.told = Some(now),
                (Some(_), Some(_)) => drop(self.entries.remove(&line.fingerprint)),
                // It has come back since, which is news.
                (Some(_), None) => {}
            }
        }
    }
}
