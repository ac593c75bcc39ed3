//! From what a zone holds to the changes that make it what is desired. Pure.
//!
//! Every change requires the fence's last text and replaces it, so that the server refuses whatever was planned before
//! a newer change went through. Every name is changed only under our own owner mark, so that the server refuses to
//! touch what another fleet took over after we looked.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use stamps::{
    names::{Explained, Fence, FleetUid, ZoneName},
    routing::{Answer, FenceRecord, FenceSeen},
};

use super::change::{Change, Data, Kind, Prerequisite, Record};

/// Seconds that a resolver may keep the fence. It is read at the authoritative servers; this bounds what others see.
const FENCE_TTL_S: u32 = 30;

/// Seconds that a resolver may keep an owner mark. It changes once in a name's life.
const OWNER_TTL_S: u32 = 300;

/// How large one change may get.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Managed names.
    pub names_max: usize,
    /// Bytes.
    pub bytes_max: usize,
}

impl Limits {
    /// A message over TCP holds 64 KiB; a quarter is left for header, signature and the server's own margin. 200 names
    /// keep the time in which a server holds its zone lock short, and move a dozen stamps at once.
    pub const DEFAULT: Self = Self { names_max: 200, bytes_max: 48 * 1024 };
}

/// What the primary holds now, as far as it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Texts of the fence record.
    pub fence: Vec<String>,
    /// Every name that was asked for, also those that hold nothing.
    pub names: BTreeMap<String, Held>,
}

/// What one name holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its aliases and addresses, each with its TTL in seconds.
    pub records: BTreeSet<(Data, u32)>,
    /// Texts of its owner mark.
    pub owner: Vec<String>,
}

/// On whose behalf, and how, a zone is changed.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The zone.
    pub zone: &'a ZoneName,
    /// The fence to write.
    pub fence: &'a Fence,
    /// What the register can explain of the fence that stands there. None: anything that is not newer.
    pub past: Option<&'a Explained>,
    /// Take over names that carry no owner mark.
    pub adopt: bool,
    /// How large one change may get.
    pub limits: Limits,
}

/// What is to be sent, in order, and what is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes, to be sent one after the other.
    pub changes: Vec<Change>,
    /// Names that are not ours.
    pub foreign: Vec<Foreign>,
}

/// A name that somebody else made or owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The name.
    pub name: String,
    /// The text of its owner mark; none if it has no mark.
    pub owner: Option<String>,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{} (owner mark `{owner}`)", self.name),
            None => write!(f, "{} (made by hand or by another tool)", self.name),
        }
    }
}

/// Where the fence of a fleet stands.
pub fn fence_name(zone: &ZoneName, fleet: &FleetUid) -> String {
    format!("_lifeboat.{fleet}.{zone}")
}

/// Where the owner mark of a managed name stands.
pub fn owner_name(name: &str) -> String {
    format!("_owner.{name}")
}

/// The text of an owner mark.
pub fn owner_text(fleet: &FleetUid) -> String {
    format!("v=1;f={fleet}")
}

/// What must be sent so that `desired` holds, or what keeps us out.
///
/// Nothing is sent if all of it holds already and the fence has our point. A name that is not desired is never touched.
pub fn plan(seen: &Seen, desired: &BTreeMap<String, Answer>, terms: &Terms) -> Result<Plan, FenceSeen> {
    let fence_seen = FenceRecord::read(&seen.fence);
    let kept_out = fence_seen.as_ref().and_then(|record| match terms.past {
        Some(past) => record.keeps_out_after(terms.fence, past),
        None => record.keeps_out(terms.fence),
    });
    if let Some(by) = kept_out {
        return Err(by);
    }
    let ours = owner_text(&terms.fence.fleet);
    let known = seen.names.values().any(|held| held.owner.contains(&ours));
    if fence_seen.is_none() && known && !terms.adopt {
        return Err(FenceSeen::Absent);
    }

    let mut foreign = Vec::new();
    let mut steps = Vec::new();
    // Addresses first: an alias in an earlier message than the name it points to would lead nowhere until the next.
    let (addresses, aliases): (Vec<_>, Vec<_>) =
        desired.iter().partition(|(_, answer)| matches!(answer, Answer::Addresses(_)));
    for (name, answer) in addresses.into_iter().chain(aliases) {
        let nothing = Held::default();
        match step(name, seen.names.get(name).unwrap_or(&nothing), answer, terms) {
            Step::Nothing => {}
            Step::Change(change) => steps.push(change),
            Step::Foreign(owner) => foreign.push(Foreign { name: name.clone(), owner }),
        }
    }
    let raised = fence_seen == Some(FenceRecord::Fence(terms.fence.clone()));
    let changes = if steps.is_empty() && (raised || !foreign.is_empty()) {
        Vec::new()
    } else {
        group(steps, seen.fence.first(), terms)
    };
    Ok(Plan { changes, foreign })
}

/// What one name needs.
enum Step {
    Nothing,
    Change(Change),
    Foreign(Option<String>),
}

fn step(name: &str, held: &Held, answer: &Answer, terms: &Terms) -> Step {
    let ours = owner_text(&terms.fence.fleet);
    let mark = owner_name(name);
    let wanted = records(name, answer);
    let everything = || Kind::ANSWERS.map(|kind| (name.to_owned(), kind)).to_vec();
    match &held.owner[..] {
        [owner] if *owner == ours => {
            if held.records == wanted.iter().map(|add| (add.data.clone(), add.ttl_s)).collect() {
                return Step::Nothing;
            }
            let prerequisites = vec![Prerequisite::Text { name: mark, text: ours }];
            Step::Change(Change { prerequisites, deletes: everything(), adds: wanted, names: 1 })
        }
        [] if held.records.is_empty() || terms.adopt => {
            let mut change = Change { adds: wanted, names: 1, ..Change::default() };
            change.prerequisites.push(Prerequisite::Absent { name: mark.clone(), kind: Kind::Txt });
            if terms.adopt {
                change.deletes = everything();
            } else {
                let absent = |kind| Prerequisite::Absent { name: name.to_owned(), kind };
                change.prerequisites.extend(Kind::ANSWERS.map(absent));
            }
            change.adds.push(Record { name: mark, ttl_s: OWNER_TTL_S, data: Data::Text(ours) });
            Step::Change(change)
        }
        [] => Step::Foreign(None),
        others => Step::Foreign(Some(others.join(" | "))),
    }
}

/// The records of one answer, all with the same TTL.
fn records(name: &str, answer: &Answer) -> Vec<Record> {
    let record = |ttl_s, data| Record { name: name.to_owned(), ttl_s, data };
    match answer {
        Answer::Alias { target, ttl_s } => vec![record(*ttl_s, Data::Alias(target.clone()))],
        Answer::Addresses(addresses) => {
            let ttl_s = addresses.ttl_s();
            addresses.set().iter().map(|address| record(ttl_s, Data::Address(*address))).collect()
        }
    }
}

/// Packs single names into as few changes as the limits allow; without any name, one change that raises the fence.
fn group(steps: Vec<Change>, fence_text: Option<&String>, terms: &Terms) -> Vec<Change> {
    let name = fence_name(terms.zone, &terms.fence.fleet);
    let raise = |before: Option<&String>| Change {
        prerequisites: vec![match before {
            Some(text) => Prerequisite::Text { name: name.clone(), text: text.clone() },
            None => Prerequisite::Absent { name: name.clone(), kind: Kind::Txt },
        }],
        deletes: vec![(name.clone(), Kind::Txt)],
        adds: vec![Record {
            name: name.clone(),
            ttl_s: FENCE_TTL_S,
            data: Data::Text(terms.fence.to_string()),
        }],
        names: 0,
    };
    let raised = terms.fence.to_string();
    let mut changes = Vec::new();
    let mut open = raise(fence_text);
    let mut bytes = open.wire_len_max();
    for step in steps {
        let more = step.wire_len_max();
        let full = open.names >= terms.limits.names_max || bytes + more > terms.limits.bytes_max;
        if full && open.names > 0 {
            changes.push(std::mem::replace(&mut open, raise(Some(&raised))));
            bytes = open.wire_len_max();
        }
        bytes += more;
        open.merge(step);
    }
    changes.push(open);
    changes
}
