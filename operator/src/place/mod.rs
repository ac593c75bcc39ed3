//! Gives tenants their home and their host names, while this replica leads.
//!
//! A placement is written once, under the leader's epoch, which the API server itself checks. Nothing here runs in a
//! failover: what moves then is buckets.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use crds::validate::{HomeChoice, TenantRequest};
use futures::{StreamExt, stream};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use shell::api::within;
use stamps::{
    failover::Picture,
    fleet::Load,
    names::{Bucket, Fence, StampName, TenantName},
    placement::{Site, Wish, place},
    routing::{Outcome, bucket_host},
    verdict::Verdict,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    agents::Roads,
    traffic::{Provider, below},
    watch::Seen,
};

/// For one write.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Placements under way at once: enough for some hundred a second, few enough to leave the API server to failovers.
const WRITES_MAX: usize = 8;
/// Placements decided in one round, each round on fresh loads.
const ROUND_MAX: usize = 256;
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two rounds of which the first was full: enough for calls that were waiting.
const PAUSE_BUSY: Duration = Duration::from_millis(20);

/// The task that places tenants.
#[derive(Debug)]
pub struct Placer {
    tenants: Api<crds::Tenant>,
    roads: Arc<Roads>,
    /// Tenants whose host names were claimed by this leader.
    claimed: HashSet<TenantName>,
    /// Placed by us, and not yet seen so by the watch.
    placed: HashMap<TenantName, (StampName, Bucket)>,
    /// Why a tenant has no home, as it was last logged.
    homeless: HashMap<TenantName, String>,
}

impl Placer {
    /// A placer of one namespace.
    pub fn new(client: &Client, namespace: &str, roads: Arc<Roads>) -> Self {
        Self {
            tenants: Api::namespaced(client.clone(), namespace),
            roads,
            claimed: HashSet::new(),
            placed: HashMap::new(),
            homeless: HashMap::new(),
        }
    }

    /// Runs until `stop`.
    pub async fn run(
        mut self,
        seen: watch::Receiver<Seen>,
        pictures: watch::Receiver<Option<Arc<Picture>>>,
        stop: CancellationToken,
    ) {
        let mut pause = PAUSE;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = PAUSE;
            let Some(picture) = pictures.borrow().clone().filter(|picture| acts(picture)) else {
                self.claimed.clear();
                self.placed.clear();
                continue;
            };
            let seen = seen.borrow().clone();
            let round = async {
                let placed = self.place_round(&seen, &picture).await;
                self.claim_round(&seen, &picture).await;
                placed
            };
            if stop.run_until_cancelled(round).await == Some(ROUND_MAX) {
                pause = PAUSE_BUSY;
            }
        }
    }

    /// Writes placements; how many.
    async fn place_round(&mut self, seen: &Seen, picture: &Picture) -> usize {
        self.placed.retain(|name, _| seen.tenants.get(name).is_some_and(|tenant| tenant.home.is_none()));
        let waiting =
            seen.tenants.values().filter(|t| t.home.is_none() && !self.placed.contains_key(&t.name));
        let decided = decide(waiting, seen, picture, &self.placed);
        let epoch = picture.state.as_ref().map_or(0, |state| state.point.epoch);
        let writes = decided.into_iter().map(|(name, home)| {
            let tenants = self.tenants.clone();
            async move {
                let Ok((stamp, bucket)) = &home else { return (name, home) };
                let written = write(&tenants, &name, stamp, *bucket, epoch).await;
                (name, written.and(home))
            }
        });
        let results: Vec<_> = stream::iter(writes).buffer_unordered(WRITES_MAX).collect().await;
        let mut written = 0;
        for (name, result) in results {
            match result {
                Ok(home) => {
                    written += 1;
                    self.homeless.remove(&name);
                    self.placed.insert(name, home);
                }
                Err(why) => {
                    if self.homeless.insert(name.clone(), why.clone()).as_ref() != Some(&why) {
                        tracing::warn!(tenant = %name, why, "a tenant has no home");
                    }
                }
            }
        }
        written
    }

    /// Claims host names below our zones, for tenants that have a home and whose zone holds what the register wants.
    async fn claim_round(&mut self, seen: &Seen, picture: &Picture) {
        let (Some(state), Some(fleet)) = (&picture.state, &picture.fleet) else { return };
        let mut due: Vec<&TenantRequest> = seen
            .tenants
            .values()
            .filter(|tenant| tenant.home.is_some() && !self.claimed.contains(&tenant.name))
            .collect();
        due.sort_by(|a, b| a.name.cmp(&b.name));
        for zone in fleet.zones.keys() {
            let Some(applied) =
                state.zones.get(zone).and_then(|z| z.applied.clone().filter(|a| *a == z.wanted))
            else {
                return;
            };
            let hosts: Vec<(String, String)> = due
                .iter()
                .filter_map(|tenant| Some((tenant, tenant.home.as_ref()?)))
                .flat_map(|(tenant, home)| tenant.hostnames.iter().map(move |host| (host, home)))
                .filter(|(host, _)| below(zone, host))
                .map(|(host, home)| (host.clone(), bucket_host(zone, &home.stamp, home.bucket)))
                .collect();
            if hosts.is_empty() {
                continue;
            }
            let Ok(road) = self.roads.get(zone).await else { return };
            let Provider::DnsUpdate(road) = road.as_ref();
            let fence = Fence { fleet: state.fleet.clone(), point: applied.point };
            let claims = road.claim_hosts(&hosts, &fence).await;
            for foreign in &claims.foreign {
                tracing::warn!(%zone, ?foreign, "a tenant's host name belongs to somebody else and is left alone");
            }
            if claims.outcome != Outcome::Done {
                tracing::info!(%zone, outcome = %claims.outcome, "host names are claimed again later");
                return;
            }
        }
        self.claimed.extend(due.into_iter().map(|tenant| tenant.name.clone()));
    }
}

/// Nobody is placed by a register that is not believed: it may know less than the world.
fn acts(picture: &Picture) -> bool {
    picture.leading && picture.state.as_ref().is_some_and(|state| state.restored.is_none())
}

type Home = Result<(StampName, Bucket), String>;

/// Homes for those who wait, each decided on the load that the ones before it leave.
fn decide<'a>(
    waiting: impl Iterator<Item = &'a TenantRequest>,
    seen: &Seen,
    picture: &Picture,
    placed: &HashMap<TenantName, (StampName, Bucket)>,
) -> Vec<(TenantName, Home)> {
    let Some(fleet) = &picture.fleet else { return Vec::new() };
    let mut loads: BTreeMap<&StampName, Load> = BTreeMap::new();
    for ((stamp, _), load) in &fleet.load {
        let sum = loads.entry(stamp).or_default();
        sum.tenants += load.tenants;
        sum.units += load.units;
    }
    for (name, (stamp, _)) in placed {
        let sum = loads.entry(stamp).or_default();
        sum.tenants += 1;
        sum.units += seen.tenants.get(name).map_or(0, |tenant| tenant.size_units);
    }
    let mut waiting: Vec<&TenantRequest> = waiting.collect();
    waiting.sort_by(|a, b| (a.tier, &a.name).cmp(&(b.tier, &b.name)));
    let mut decided = Vec::new();
    for tenant in waiting.into_iter().take(ROUND_MAX) {
        let sites = fleet.stamps.values().map(|stamp| Site {
            stamp,
            verdict: picture.assessment.stamps.get(&stamp.name).map_or(Verdict::Unknown, |f| f.verdict),
            residency: seen.residency.get(stamp.geode.as_str()).map(String::as_str),
            labels: seen.stamp_labels.get(&stamp.name),
            load: loads.get(&stamp.name).copied().unwrap_or_default(),
        });
        let home = place(&tenant.name, &wish(tenant), sites);
        if let Ok((stamp, _)) = &home
            && let Some(stamp) = fleet.stamps.get(stamp)
        {
            let sum = loads.entry(&stamp.name).or_default();
            sum.tenants += 1;
            sum.units += tenant.size_units;
        }
        decided.push((tenant.name.clone(), home.map_err(|no_home| no_home.to_string())));
    }
    decided
}

fn wish(tenant: &TenantRequest) -> Wish {
    let (pin, labels) = match &tenant.choice {
        HomeChoice::Any => (None, BTreeMap::new()),
        HomeChoice::Stamp(stamp) => (Some(stamp.clone()), BTreeMap::new()),
        HomeChoice::Labels(labels) => (None, labels.clone()),
    };
    Wish { size_units: tenant.size_units, residency: tenant.residency.clone(), pin, labels }
}

async fn write(
    tenants: &Api<crds::Tenant>,
    name: &TenantName,
    stamp: &StampName,
    bucket: Bucket,
    epoch: i64,
) -> Result<(), String> {
    let patch = Patch::Merge(
        json!({ "spec": { "placement": { "stamp": stamp, "bucket": bucket, "epoch": epoch } } }),
    );
    let params = PatchParams::default();
    match within(CALL_TIMEOUT, tenants.patch(name.as_str(), &params, &patch)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("its placement could not be written: {error}")),
    }
}
