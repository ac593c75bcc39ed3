//! What agents are told to do, derived from what the register gave back.

use std::collections::BTreeMap;

use super::{
    decide::content_hash,
    state::{Content, FleetState, Notice},
};
use crate::{
    fleet::Fleet,
    mutants::{Mutant, planted},
    names::{Explained, Fence, Point, ZoneName},
    routing::{Outcome, RouteSet, route_set},
};

/// Events that one publishing call carries at most.
const PUBLISH_MAX: usize = 32;

/// A state that the register gave back. Commands are derived from nothing else, so no effect precedes its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed(FleetState);

impl Committed {
    /// Only the engine makes one, from what the register gave back.
    pub(super) fn new(state: FleetState) -> Self {
        Self(state)
    }

    /// The state.
    pub fn state(&self) -> &FleetState {
        &self.0
    }
}

/// Names a command: the same intent has the same key, whoever derives it and how often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Bring a zone to the content that a commit asked for.
    Zone {
        /// Which.
        zone: ZoneName,
        /// The fence, as text, which names the commit.
        fence: String,
    },
    /// Look at a zone.
    Observe {
        /// Which.
        zone: ZoneName,
    },
    /// Publish events.
    Publish {
        /// The last of them.
        through: u64,
    },
}

impl Key {
    /// The zone that is looked at, if this is a look.
    pub(super) fn observed(&self) -> Option<&ZoneName> {
        match self {
            Self::Observe { zone } => Some(zone),
            Self::Zone { .. } | Self::Publish { .. } => None,
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zone { zone, fence } => write!(f, "update of {zone} under {fence}"),
            Self::Observe { zone } => write!(f, "look at {zone}"),
            Self::Publish { through } => write!(f, "publishing of events up to {through}"),
        }
    }
}

/// Something to do outside the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make the zone hold these records under this fence.
    Converge {
        /// What it should hold.
        desired: RouteSet,
        /// How new that is.
        fence: Fence,
        /// Which fences it may find there.
        past: Explained,
        /// Content as recorded, given back with the outcome.
        content: Content,
    },
    /// Raise the zone's fence and change nothing else.
    RaiseFence {
        /// Which zone.
        zone: ZoneName,
        /// The new fence.
        fence: Fence,
        /// Which fences it may find there.
        past: Explained,
        /// Content as recorded, given back with the outcome.
        content: Content,
    },
    /// See what every server of the zone really serves.
    Observe {
        /// What it should serve.
        desired: RouteSet,
        /// The content that this is.
        against: Content,
    },
    /// Publish events, oldest first.
    Publish {
        /// The events.
        notices: Vec<Notice>,
    },
}

/// An outcome that has come in, with the content it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What came of it.
    pub outcome: Outcome,
    /// For zones: what was to be there.
    pub content: Option<Content>,
}

/// All that follows from one state and one fleet. It costs a look at every bucket, so it is kept while both last.
#[derive(Clone, Debug)]
pub(super) struct Derived {
    /// What is to be done.
    pub(super) effects: Vec<(Key, Command)>,
    /// What there is to look at.
    pub(super) looks: BTreeMap<ZoneName, (Key, Command)>,
}

impl Derived {
    pub(super) fn of(committed: &Committed, fleet: &Fleet) -> Self {
        let zones = fleet.zones.keys();
        Self {
            effects: commands(committed, fleet),
            looks: zones.filter_map(|zone| Some((zone.clone(), observe(committed, fleet, zone)?))).collect(),
        }
    }
}

/// Every effect that the register asks for and that is not known to have taken place.
pub fn commands(committed: &Committed, fleet: &Fleet) -> Vec<(Key, Command)> {
    let state = committed.state();
    let mut commands: Vec<(Key, Command)> =
        // A register that is not believed sends nobody out.
        match state.restored {
            Some(_) => Vec::new(),
            None => state.zones.keys().filter_map(|zone| zone_command(state, fleet, zone)).collect(),
        };
    let notices: Vec<Notice> = state.outbox.waiting.iter().take(PUBLISH_MAX).cloned().collect();
    if let Some(last) = notices.last() {
        commands.push((Key::Publish { through: last.id }, Command::Publish { notices }));
    }
    commands
}

fn zone_command(state: &FleetState, fleet: &Fleet, name: &ZoneName) -> Option<(Key, Command)> {
    let zone_state = state.zones.get(name)?;
    let content = zone_state.wanted.clone();
    if zone_state.applied.as_ref() == Some(&content) {
        return None;
    }
    let seq = if planted(Mutant::ForgetsFence) { 0 } else { content.point.seq };
    let fence = Fence { fleet: state.fleet.clone(), point: Point { seq, ..content.point } };
    let key = Key::Zone { zone: name.clone(), fence: fence.to_string() };
    let past = zone_state.explained.clone();
    if zone_state.applied.as_ref().is_some_and(|applied| applied.hash == content.hash) {
        return Some((key, Command::RaiseFence { zone: name.clone(), fence, past, content }));
    }
    let desired = desired(state, fleet, name)?;
    Some((key, Command::Converge { desired, fence, past, content }))
}

/// What a zone should hold by the register, if the fleet as we see it still leads to the content that was recorded. If
/// not, the new content has to be recorded first.
fn desired(state: &FleetState, fleet: &Fleet, name: &ZoneName) -> Option<RouteSet> {
    let zone = fleet.zones.get(name)?;
    let set = route_set(fleet, zone, &state.routes).ok()?;
    (content_hash(&set) == state.zones.get(name)?.wanted.hash).then_some(set)
}

/// The look at a zone that Verify and the page need.
fn observe(committed: &Committed, fleet: &Fleet, name: &ZoneName) -> Option<(Key, Command)> {
    let state = committed.state();
    if state.restored.is_some() {
        // Nothing is wanted, and everything is looked at.
        let desired = route_set(fleet, fleet.zones.get(name)?, &state.routes).ok()?;
        let against = Content { point: state.point, hash: content_hash(&desired) };
        return Some((Key::Observe { zone: name.clone() }, Command::Observe { desired, against }));
    }
    let desired = desired(state, fleet, name)?;
    let against = state.zones.get(name)?.wanted.clone();
    Some((Key::Observe { zone: name.clone() }, Command::Observe { desired, against }))
}
