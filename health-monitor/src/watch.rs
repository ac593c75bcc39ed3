//! Which stamps to probe, from the watches of Fleet, Geode and Stamp.
//!
//! The list is made by the same function as the operator's, or reports would be about another list. A failed watch or
//! a fleet that cannot be read changes nothing: the last list stands.

use std::{collections::BTreeMap, pin::pin};

use crds::validate::{Objects, Placed, snapshot};
use futures::{Stream, StreamExt as _, stream::select};
use kube::{
    Api, Client,
    runtime::{WatchStreamExt as _, watcher},
};
use shell::server::Readiness;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Identity, board::Stamps, metrics::Metrics};

/// The part of readiness that waits for the first list.
pub(crate) const FLEET_PART: &str = "fleet";

enum Event {
    Fleet(watcher::Event<crds::Fleet>),
    Geode(watcher::Event<crds::Geode>),
    Stamp(Box<watcher::Event<crds::Stamp>>),
}

/// Publishes a new list whenever one of the three changes, until stopped.
pub(crate) async fn run(
    client: Client,
    namespace: &str,
    lists: watch::Sender<Option<Stamps>>,
    told: Told,
    stop: CancellationToken,
) {
    let fleets = events(Api::namespaced(client.clone(), namespace)).map(Event::Fleet);
    let geodes = events(Api::namespaced(client.clone(), namespace)).map(Event::Geode);
    let stamps = events(Api::namespaced(client, namespace)).map(|event| Event::Stamp(Box::new(event)));
    let mut events = pin!(select(fleets, select(geodes, stamps)));
    let mut held = Held::default();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Event::Fleet(event)) => held.fleets.apply(event),
            Some(Event::Geode(event)) => held.geodes.apply(event),
            Some(Event::Stamp(event)) => held.stamps.apply(*event),
            None => return,
        }
        if let Some(list) = held.list(&told) {
            lists.send_if_modified(|last| {
                let changed = last.as_ref() != Some(&list);
                *last = Some(list);
                changed
            });
        }
    }
}

fn events<K>(api: Api<K>) -> impl Stream<Item = watcher::Event<K>>
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    watcher(api, watcher::Config::default()).default_backoff().filter_map(async |event| {
        event
            .inspect_err(
                |error| tracing::warn!(kind = %K::kind(&()), %error, "watch broke; the last list stands"),
            )
            .ok()
    })
}

/// Where what the list says about ourselves is shown.
pub(crate) struct Told {
    pub(crate) identity: Identity,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
}

/// The objects of the three watches.
#[derive(Default)]
struct Held {
    fleets: Kept<crds::Fleet>,
    geodes: Kept<crds::Geode>,
    stamps: Kept<crds::Stamp>,
}

impl Held {
    /// The list, once all three watches have been complete once and the fleet can be read.
    fn list(&self, told: &Told) -> Option<Stamps> {
        let (fleets, geodes, stamps) = (self.fleets.whole()?, self.geodes.whole()?, self.stamps.whole()?);
        let Some(fleet) = fleets.get(crds::FLEET) else {
            told.readiness.missing(FLEET_PART, "there is no Fleet named `fleet` in this namespace");
            return None;
        };
        let objects = Objects {
            fleet,
            geodes: geodes.values().collect(),
            stamps: stamps.values().collect(),
            traffic_policies: Vec::new(),
            failover_policies: Vec::new(),
            placed: Placed::default(),
        };
        match snapshot(objects) {
            Ok((fleet, left_out)) => {
                let missing = |name: &str| !fleet.stamps.contains_key(&name.into());
                for out in left_out.iter().filter(|out| out.kind == "Stamp" && missing(&out.name)) {
                    tracing::warn!(stamp = out.name, reason = out.reason, "not probed");
                }
                told.listing(&fleet);
                Some(fleet.stamps)
            }
            Err(why) => {
                told.readiness.missing(FLEET_PART, why.reason);
                None
            }
        }
    }
}

impl Told {
    fn listing(&self, fleet: &stamps::fleet::Fleet) {
        let Identity { vantage, region } = &self.identity;
        let listed = fleet.vantages.get(&vantage.as_str().into()).is_some_and(|at| at.as_str() == region);
        if !listed {
            tracing::warn!(
                vantage,
                region,
                "the fleet does not list this vantage here: its reports do not count"
            );
        }
        self.metrics.listed.set(listed.into());
        self.readiness.ready(FLEET_PART);
    }
}

/// The objects of one watch. A list that is being read again replaces the old one only when it is complete.
struct Kept<K> {
    objects: Option<BTreeMap<String, K>>,
    listing: BTreeMap<String, K>,
}

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self { objects: None, listing: BTreeMap::new() }
    }
}

impl<K: kube::Resource> Kept<K> {
    fn apply(&mut self, event: watcher::Event<K>) {
        let name = |object: &K| object.meta().name.clone().unwrap_or_default();
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(object) => {
                self.listing.insert(name(&object), object);
            }
            watcher::Event::InitDone => self.objects = Some(std::mem::take(&mut self.listing)),
            watcher::Event::Apply(object) => {
                self.objects.as_mut().map(|objects| objects.insert(name(&object), object));
            }
            watcher::Event::Delete(object) => {
                self.objects.as_mut().map(|objects| objects.remove(&name(&object)));
            }
        }
    }

    fn whole(&self) -> Option<&BTreeMap<String, K>> {
        self.objects.as_ref()
    }
}

#[cfg(test)]
mod tests;
