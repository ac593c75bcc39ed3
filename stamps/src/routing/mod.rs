//! One table for every road: tenant -> bucket -> stamp.
//!
//! A tenant's home and bucket never change in a failover; a run moves buckets. [`Routes`] is that table, [`effective`]
//! the one function that reads it, and [`RouteSet`] what a zone should then contain.

mod observation;
mod outcome;
mod route_set;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use observation::{DIFFERING_MAX, FenceRecord, Observation, ServerSeen};
pub use outcome::{FenceSeen, Outcome, RefusalClass};
pub use route_set::{Addresses, Answer, EmptyAnswer, RouteSet, bucket_host, route_set, stamp_host};

use crate::{
    fleet::Fleet,
    names::{Bucket, Point, StampName},
};

/// Where the buckets of one home stamp are served. Always explicit: no entry is ever implied by an object's absence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredRoute", into = "StoredRoute")]
pub enum Route {
    /// Every bucket at home.
    #[default]
    Home,
    /// The listed buckets elsewhere, the others at home.
    Redirect {
        /// Bucket -> the stamp that serves it. Never empty; never names the home itself.
        buckets: BTreeMap<Bucket, StampName>,
    },
}

/// A route as the register holds it: `{"at":"home"}` or `{"at":"redirect","buckets":{"3":"neu-1"}}`. serde's own tagged
/// form cannot read back a map whose keys are numbers.
#[derive(Serialize, Deserialize)]
struct StoredRoute {
    at: At,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    buckets: BTreeMap<Bucket, StampName>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum At {
    Home,
    Redirect,
}

impl From<Route> for StoredRoute {
    fn from(route: Route) -> Self {
        match route {
            Route::Home => Self { at: At::Home, buckets: BTreeMap::new() },
            Route::Redirect { buckets } => Self { at: At::Redirect, buckets },
        }
    }
}

impl From<StoredRoute> for Route {
    fn from(stored: StoredRoute) -> Self {
        if stored.buckets.is_empty() { Self::Home } else { Self::Redirect { buckets: stored.buckets } }
    }
}

/// A stamp's route and the commit that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteEntry {
    /// Where its buckets are.
    pub route: Route,
    /// Under which commit.
    pub set_by: Point,
}

/// The table: home stamp -> route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Routes(BTreeMap<StampName, RouteEntry>);

/// One bucket and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    /// The stamp the bucket belongs to.
    pub home: StampName,
    /// The bucket.
    pub bucket: Bucket,
    /// The stamp that serves it afterwards.
    pub to: StampName,
}

/// The stamp that serves a bucket. Every reader asks here: DNS, directory, views, scores.
pub fn effective<'a>(routes: &'a Routes, home: &'a StampName, bucket: Bucket) -> &'a StampName {
    match routes.0.get(home).map(|entry| &entry.route) {
        Some(Route::Redirect { buckets }) => buckets.get(&bucket).unwrap_or(home),
        Some(Route::Home) | None => home,
    }
}

impl Routes {
    /// The route of one home stamp; home if nothing was ever moved.
    pub fn route(&self, home: &StampName) -> &Route {
        self.0.get(home).map_or(&Route::Home, |entry| &entry.route)
    }

    /// Every explicit entry.
    pub fn entries(&self) -> impl Iterator<Item = (&StampName, &RouteEntry)> {
        self.0.iter()
    }

    /// Records where the buckets of `moves` go, as decided by the commit `at`.
    pub fn apply(&mut self, moves: &[Move], at: Point) {
        for Move { home, bucket, to } in moves {
            let entry = self.0.entry(home.clone()).or_default();
            let mut buckets = match std::mem::take(&mut entry.route) {
                Route::Home => BTreeMap::new(),
                Route::Redirect { buckets } => buckets,
            };
            if to == home {
                buckets.remove(bucket);
            } else {
                buckets.insert(*bucket, to.clone());
            }
            entry.route = if buckets.is_empty() { Route::Home } else { Route::Redirect { buckets } };
            entry.set_by = at;
        }
    }

    /// Every bucket of the fleet that `stamp` serves now, as (home, bucket), in order.
    pub fn served_by(&self, fleet: &Fleet, stamp: &StampName) -> Vec<(StampName, Bucket)> {
        fleet
            .stamps
            .values()
            .flat_map(|home| home.bucket_ids().map(move |bucket| (home, bucket)))
            .filter(|(home, bucket)| effective(self, &home.name, *bucket) == stamp)
            .map(|(home, bucket)| (home.name.clone(), bucket))
            .collect()
    }

    /// How many buckets each stamp serves: its share, as a count. Stamps that serve none are listed with 0.
    pub fn shares(&self, fleet: &Fleet) -> BTreeMap<StampName, u32> {
        let mut shares: BTreeMap<StampName, u32> =
            fleet.stamps.keys().map(|name| (name.clone(), 0)).collect();
        for home in fleet.stamps.values() {
            for bucket in home.bucket_ids() {
                *shares.entry(effective(self, &home.name, bucket).clone()).or_default() += 1;
            }
        }
        shares
    }

    /// Stamps that serve at least one bucket.
    pub fn serving(&self, fleet: &Fleet) -> BTreeSet<StampName> {
        self.shares(fleet).into_iter().filter(|(_, share)| *share > 0).map(|(name, _)| name).collect()
    }
}
