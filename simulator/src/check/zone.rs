//! What the primary may accept.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use stamps::{
    failover::FleetState,
    names::{Bucket, ZoneName},
    routing::Answer,
};

use super::{
    Checks,
    commit::{serves, shares},
};
use crate::dns::{Message, Zone};

/// What a name should answer, by the register alone. Lifetimes are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Alias(String),
    Addresses(BTreeSet<IpAddr>),
}

/// Every stamp's and bucket's name, with the answer that a state of the register implies.
pub(super) fn expected(state: &FleetState, zone: &ZoneName) -> BTreeMap<String, Expected> {
    let mut names = BTreeMap::new();
    for (home, record) in &state.stamps {
        let addresses = record.addresses.iter().copied().collect();
        names.insert(format!("{home}.at.{zone}"), Expected::Addresses(addresses));
        for number in 0..record.buckets {
            let target = format!("{}.at.{zone}", serves(state, home, Bucket(number)));
            names.insert(format!("b{number:02}.{home}.stamps.{zone}"), Expected::Alias(target));
        }
    }
    let serving = shares(state);
    let everybody = state.stamps.iter().filter(|(name, _)| serving.contains_key(*name));
    let addresses = everybody.flat_map(|(_, record)| record.addresses.iter().copied()).collect();
    names.insert(format!("www.{zone}"), Expected::Addresses(addresses));
    names
}

/// Whether an answer is another than the expected one.
pub(super) fn differs(expected: &BTreeMap<String, Expected>, name: &str, answer: &Answer) -> bool {
    match (expected.get(name), answer) {
        (Some(Expected::Alias(target)), Answer::Alias { target: found, .. }) => target != found,
        (Some(Expected::Addresses(set)), Answer::Addresses(found)) => set != found.set(),
        _ => true,
    }
}

/// Names of the state that a zone does not answer as expected. A host that no policy shares is nobody's.
pub(super) fn missing(state: &FleetState, zone: &ZoneName, held: &Zone, shared: bool) -> Vec<String> {
    expected(state, zone)
        .into_iter()
        .filter(|(name, _)| shared || !name.starts_with("www."))
        .filter(|(name, expected)| {
            let one = [(name.clone(), expected.clone())].into();
            held.records.get(name).is_none_or(|answer| differs(&one, name, answer))
        })
        .map(|(name, _)| name)
        .collect()
}

/// Whether an alias leads to another stamp than the state says, whatever its lifetime.
pub(super) fn leads_elsewhere(state: &FleetState, zone: &ZoneName, held: &Zone, name: &str) -> bool {
    match (expected(state, zone).get(name), held.records.get(name)) {
        (Some(Expected::Alias(wanted)), Some(Answer::Alias { target, .. })) => wanted != target,
        _ => false,
    }
}

impl Checks {
    /// The primary has accepted a message.
    pub fn applied(&mut self, message: &Message, before: &Zone, after: &Zone) {
        self.fence_rises(message, before);
        self.intent_is_recorded(message, after);
        self.nothing_moves_unconfirmed(message);
        self.nothing_is_empty(before, after);
        let again = !self.messages.insert(message.number);
        let changed = before.records != after.records || before.fence != after.fence;
        self.require(!(again && changed), "S10 one key, one change", || {
            format!("a second copy of an update under {} changed the zone", message.fence)
        });
    }

    fn fence_rises(&mut self, message: &Message, before: &Zone) {
        if let Some(held) = before.fence {
            self.require(message.fence.epoch >= held.epoch, "S2 fenced by epoch", || {
                format!("the primary accepted epoch {} after {}", message.fence.epoch, held.epoch)
            });
            self.require(message.fence >= held, "S1 fences rise", || {
                format!("the primary accepted {} after {held}", message.fence)
            });
        }
        let newest = self.newest_intent;
        self.require(message.intent >= newest, "S10 late messages change nothing", || {
            format!("the primary accepted the content of {} after that of {newest}", message.intent)
        });
        self.newest_intent = newest.max(message.intent);
    }

    /// S24: while the world knows more than the register and nobody has confirmed, nobody acts on that register. What
    /// was recorded before may still be carried out.
    fn nothing_moves_unconfirmed(&mut self, message: &Message) {
        let Some(known) = self.unconfirmed else { return };
        let since = message.intent > known && !self.lost.contains_key(&message.intent);
        self.require(!since, "S24 a restored register moves nothing", || {
            format!(
                "the primary accepted an update of {}, and the register knew the world up to {known}",
                message.intent
            )
        });
    }

    fn intent_is_recorded(&mut self, message: &Message, after: &Zone) {
        let state = self.recorded(message.intent);
        let zone = state.as_ref().and_then(|state| {
            let wanted = |content: &&ZoneName| {
                let content = &state.zones[*content].wanted;
                content.point == message.intent && content.hash == message.hash
            };
            state.zones.keys().find(wanted).cloned()
        });
        let (Some(state), Some(zone)) = (state, zone) else {
            return self.fail(
                "S9 intent before effect",
                format!(
                    "the primary accepted an update for {}, which the register does not hold",
                    message.intent
                ),
            );
        };
        let expected = expected(&state, &zone);
        for (name, answer) in &message.changes {
            self.require(!differs(&expected, name, answer), "S9 intent before effect", || {
                format!("the primary accepted {name} -> {answer:?}, which {} does not record", message.intent)
            });
        }
        let shared = after.records.keys().any(|name| name.starts_with("www."));
        if missing(&state, &zone, after, shared).is_empty() {
            self.held.insert(message.intent);
        }
    }

    /// S5: what answered goes on answering, and every alias leads to an address.
    fn nothing_is_empty(&mut self, before: &Zone, after: &Zone) {
        for name in before.records.keys() {
            self.require(after.records.contains_key(name), "S5 no empty answer", || {
                format!("{name} vanished")
            });
        }
        for (name, answer) in &after.records {
            let answers = match answer {
                Answer::Alias { target, .. } => matches!(
                    after.records.get(target),
                    Some(Answer::Addresses(addresses)) if !addresses.set().is_empty()
                ),
                Answer::Addresses(addresses) => !addresses.set().is_empty(),
            };
            self.require(answers, "S5 no empty answer", || format!("{name} leads nowhere: {answer:?}"));
        }
    }
}
