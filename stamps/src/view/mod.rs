//! What people read: one set of structs, of which API, page and command line are renderings.
//!
//! Everything here follows from what the engine projects ([`Picture`]) and from scores. Whatever is not well has an
//! [`Alarm`]: why, and what to do now with the next command in it.

pub mod alerts;
mod evacuable;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod fleet;
mod geode;
mod headline;
mod run;
mod stamp;
#[cfg(test)]
mod tests;
mod text;
mod zone;

use std::collections::BTreeMap;

use serde::Serialize;

pub use evacuable::{Hindrance, Obstacle, hindrances};
pub use fleet::{FleetView, GateView, LeaderView, VantageView};
pub use geode::{EvacuatedView, GeodeView, RegionView};
pub use headline::{Headline, HeadlineKind};
pub use run::{PlanView, RunView, SaidView, StepView, TimesView};
pub use stamp::{ScoreView, StampView, VoteView};
pub use zone::{ServerView, ZoneView};

use crate::{availability::Score, failover::Picture, names::StampName};

/// Scores by stamp. One that is missing has not been recorded yet.
pub type Scores = BTreeMap<StampName, Score>;

/// Why something is not well, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// What is wrong, with its numbers.
    pub why: String,
    /// What helps.
    pub what_now: String,
    /// The next command, to be typed as it stands.
    pub command: String,
}

/// How many buckets are served, of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Buckets served now.
    pub buckets: u32,
    /// Buckets of the fleet.
    pub of: u32,
    /// The same in tenths of a per cent.
    pub per_mille: u32,
}

impl Share {
    fn new(buckets: u32, of: u32) -> Self {
        let per_mille = (u64::from(buckets) * 1000 + u64::from(of) / 2).checked_div(of.into()).unwrap_or(0);
        Self { buckets, of, per_mille: u32::try_from(per_mille).unwrap_or(u32::MAX) }
    }

    /// `33.3 %`
    pub fn percent(&self) -> String {
        format!("{}.{} %", self.per_mille / 10, self.per_mille % 10)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} buckets ({})", self.buckets, self.of, self.percent())
    }
}

/// Everything that there is to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Views {
    /// The fleet as a whole.
    pub fleet: FleetView,
    /// By name.
    pub geodes: Vec<GeodeView>,
    /// By geode, then by name.
    pub stamps: Vec<StampView>,
    /// Those that go on first, then the newest end first.
    pub runs: Vec<RunView>,
    /// By name.
    pub zones: Vec<ZoneView>,
}

impl Views {
    /// The views of a picture.
    pub fn of(picture: &Picture, scores: &Scores) -> Self {
        Self {
            fleet: FleetView::of(picture),
            geodes: geode::all(picture),
            stamps: stamp::all(picture, scores),
            runs: run::all(picture),
            zones: zone::all(picture),
        }
    }
}

/// Shares by stamp, and the number of all buckets.
fn shares(picture: &Picture) -> (BTreeMap<StampName, u32>, u32) {
    let (Some(fleet), Some(state)) = (&picture.fleet, &picture.state) else {
        return (BTreeMap::new(), 0);
    };
    let shares = state.routes.shares(fleet);
    // A route may point to a stamp that the fleet has lost; its buckets are buckets all the same.
    let all = shares.values().sum();
    (shares, all)
}
