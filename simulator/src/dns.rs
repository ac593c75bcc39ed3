//! A model of a zone: a primary that checks prerequisites, and secondaries that copy it when they can.

use std::{collections::BTreeMap, rc::Rc};

use stamps::{
    names::Point,
    routing::{Answer, RouteSet},
};

/// Names and what they answer.
pub type Records = BTreeMap<String, Answer>;

/// One version of the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Counts versions.
    pub serial: u64,
    /// The fence record.
    pub fence: Option<Point>,
    /// Everything else.
    pub records: Records,
}

impl Zone {
    /// Whether every wanted name answers as wanted.
    pub fn shows(&self, desired: &RouteSet) -> bool {
        desired.answers.iter().all(|(name, answer)| self.records.get(name) == Some(answer))
    }
}

impl Zone {
    /// Where aliases lead that are not as wanted.
    pub fn elsewhere(&self, desired: &RouteSet) -> BTreeMap<String, String> {
        let differing =
            desired.answers.iter().filter(|(name, answer)| self.records.get(*name) != Some(answer));
        differing
            .filter_map(|(name, wanted)| match (wanted, self.records.get(name)?) {
                (Answer::Alias { target: wanted, .. }, Answer::Alias { target, .. }) if wanted != target => {
                    Some((name.clone(), target.clone()))
                }
                _ => None,
            })
            .collect()
    }
}

/// One update message: all of it happens, or none of it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Which it is, for the checks: a copy has the number of its original.
    pub number: u64,
    /// The fence record that must be there; none: there must be none.
    pub requires: Option<Point>,
    /// The fence record afterwards.
    pub fence: Point,
    /// Names that are replaced.
    pub changes: Vec<(String, Answer)>,
    /// The commit whose content it brings. The servers do not see it; the checks do.
    pub intent: Point,
    /// The hash of that content, as the commit recorded it.
    pub hash: String,
}

/// What the primary says to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Done.
    Applied,
    /// A prerequisite does not hold.
    Unmet,
    /// It will not.
    Refused,
}

/// The servers of the zone.
#[derive(Debug)]
pub struct Dns {
    /// What the primary holds.
    pub primary: Rc<Zone>,
    /// What each server of the zone answers; the primary's own place is not used.
    pub copies: Vec<Rc<Zone>>,
    /// The primary's place among the servers.
    pub primary_at: usize,
    /// Until then the primary answers nobody.
    pub primary_down_until: u64,
    /// Until then it refuses updates.
    pub refuses_until: u64,
    /// Until then a server gets no transfer.
    pub stuck_until: Vec<u64>,
}

impl Dns {
    /// An empty zone.
    pub fn new(servers: usize, primary_at: usize) -> Self {
        let empty = Rc::new(Zone::default());
        Self {
            primary: Rc::clone(&empty),
            copies: vec![empty; servers],
            primary_at,
            primary_down_until: 0,
            refuses_until: 0,
            stuck_until: vec![0; servers],
        }
    }

    /// Takes a message, as RFC 2136 has it: prerequisites first, then everything at once.
    pub fn take(&mut self, message: &Message, now_ms: u64, check_prerequisite: bool) -> Said {
        if now_ms < self.refuses_until {
            return Said::Refused;
        }
        if check_prerequisite && self.primary.fence != message.requires {
            return Said::Unmet;
        }
        let mut zone = (*self.primary).clone();
        zone.serial += 1;
        zone.fence = Some(message.fence);
        zone.records.extend(message.changes.iter().cloned());
        self.primary = Rc::new(zone);
        Said::Applied
    }

    /// What one server answers.
    pub fn served(&self, server: usize) -> &Rc<Zone> {
        if server == self.primary_at { &self.primary } else { &self.copies[server] }
    }
}
