//! Tenants: made, waited for, and visited one by one.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use crds::{Placement, Tenant, TenantSpec};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use tokio::time::{sleep, timeout};

use super::{clients::Town, http::Connection, narrate::Narrator, resolver::Resolver};

/// Creations under way at once. More only wait for each other in the API server.
const CREATES_AT_ONCE: usize = 24;
/// Visits under way at once.
const VISITS_AT_ONCE: usize = 32;
/// A visit takes milliseconds where all is well.
const VISIT_WITHIN: Duration = Duration::from_secs(3);
/// Between two questions for tenants without a home.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Tenants in one page of a list: about 2 MB.
const PAGE: u32 = 1000;

/// A tenant that has a home.
#[derive(Clone, Debug)]
pub(super) struct Resident {
    /// Its name.
    pub(super) name: String,
    /// Its host.
    pub(super) host: String,
    /// Where it lives.
    pub(super) placement: Placement,
}

/// Creates tenants of one unit each until there are `total` with those of the quickstart.
pub(super) async fn create(
    tenants: &Api<Tenant>,
    below: &str,
    quickstart: usize,
    total: usize,
) -> anyhow::Result<()> {
    let made = (quickstart..total).map(|number| {
        let name = format!("tenant-{number:05}");
        let spec = TenantSpec {
            hostnames: vec![format!("{name}.{below}").as_str().into()],
            size_units: 1,
            ..TenantSpec::default()
        };
        let tenant = Tenant::new(&name, spec);
        async move { tenants.create(&PostParams::default(), &tenant).await.map(drop) }
    });
    stream::iter(made).buffer_unordered(CREATES_AT_ONCE).try_collect::<()>().await.context("create tenants")
}

/// Waits until every tenant has a home.
pub(super) async fn wait_placed(tenants: &Api<Tenant>, bound: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    // A tenant's home is a selectable field, so the server looks for one without.
    let homeless = ListParams::default().fields("spec.placement.stamp=").limit(1);
    loop {
        let waiting = tenants.list_metadata(&homeless).await.context("list tenants without a home")?.items;
        let Some(first) = waiting.first() else { return Ok(()) };
        if began.elapsed() > bound {
            bail!("tenant {} has no home after {} s", first.name_any(), bound.as_secs());
        }
        sleep(ASK_EVERY).await;
    }
}

/// Every tenant with its home, by name.
pub(super) async fn residents(tenants: &Api<Tenant>) -> anyhow::Result<BTreeMap<String, Resident>> {
    let mut residents = BTreeMap::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = tenants.list(&page).await.context("list tenants")?;
        for tenant in list.items {
            let name = tenant.name_any();
            if let (Some(host), Some(placement)) = (tenant.spec.hostnames.first(), tenant.spec.placement) {
                let host = host.to_string();
                residents.insert(name.clone(), Resident { name, host, placement });
            }
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(residents),
        }
    }
}

/// What came of visiting tenants: by name, the stamp that answered, or why none did.
pub(super) type Visits = BTreeMap<String, Result<String, String>>;

/// Resolves and calls every tenant once, as a new client would.
pub(super) async fn visit(residents: impl Iterator<Item = &Resident>, town: &Town) -> Visits {
    let visits = residents.enumerate().map(|(n, resident)| async move {
        let visit = timeout(VISIT_WITHIN, visit_one(resident, town, n));
        let result = match visit.await {
            Ok(result) => result.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("no answer within {} s", VISIT_WITHIN.as_secs())),
        };
        (resident.name.clone(), result)
    });
    // The list decouples the visits from the borrowed iterator.
    stream::iter(visits.collect::<Vec<_>>()).buffer_unordered(VISITS_AT_ONCE).collect().await
}

async fn visit_one(resident: &Resident, town: &Town, n: usize) -> anyhow::Result<String> {
    let address = Resolver::new(&town.servers, n, Duration::ZERO).address(&resident.host).await?;
    Connection::open(SocketAddr::new(address, town.port)).await?.get(&resident.host).await
}

/// Visits until every tenant was served once; its stamp by name.
pub(super) async fn wait_served(
    residents: &BTreeMap<String, Resident>,
    town: &Town,
    bound: Duration,
    narrator: &Narrator,
) -> anyhow::Result<Visits> {
    let began = Instant::now();
    let mut served = Visits::new();
    loop {
        let open = residents.values().filter(|resident| !served.contains_key(&resident.name));
        let visits = visit(open, town).await;
        let failed = visits.values().find_map(|visit| visit.as_ref().err()).cloned();
        served.extend(visits.into_iter().filter(|(_, visit)| visit.is_ok()));
        let Some(why) = failed else { return Ok(served) };
        if began.elapsed() > bound {
            let open = residents.len() - served.len();
            bail!("{open} tenants are not served after {} s; the first: {why}", bound.as_secs());
        }
        narrator.status(format!("{} of {} tenants are served", served.len(), residents.len()));
        sleep(ASK_EVERY).await;
    }
}
