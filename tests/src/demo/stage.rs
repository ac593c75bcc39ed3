//! The stage: a testbed with a fleet, tenants that are served, and clients at work.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use crds::Tenant;
use futures::future::try_join_all;
use kube::{Api, Client};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    Options,
    clients::{Crowd, Manner, Tally, Town},
    kubectl::Kubectl,
    narrate::Narrator,
    register::Follower,
    report::{FailedAfterShift, Requests},
    tenants::{self, Resident, Visits},
};
use crate::{
    quickstart::{Quickstart, StampPlace},
    replica::operator_name,
    up::{NAMESPACE, OPERATORS, Running},
    wait,
};

/// Verdicts need a window of good probes, and the zone its first content.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Placement and claims go at some hundred tenants a second.
const TENANTS_WITHIN: Duration = Duration::from_mins(3);
/// Polite clients. With their pace that is 100 requests a second.
const POLITE: usize = 40;
/// Between two changes of the line that moves.
const STATUS_EVERY: Duration = Duration::from_millis(250);
/// How much of each log is shown when the demo failed.
const LOG_LINES: usize = 12;

/// All of it. The fields end in this order: clients before servers.
pub(super) struct Stage {
    status: JoinHandle<()>,
    pub(super) crowd: Crowd,
    pub(super) follower: Follower,
    pub(super) town: Town,
    pub(super) residents: BTreeMap<String, Resident>,
    /// Who served each tenant before anything happened.
    pub(super) at_first: Visits,
    pub(super) client: Client,
    pub(super) kubectl: Kubectl,
    /// The region that will die.
    pub(super) region: String,
    /// When the shift was seen, and one TTL has passed.
    pub(super) settled: Option<std::time::Instant>,
    pub(super) running: Running,
}

impl Stage {
    /// Builds it up.
    pub(super) async fn set(options: &Options, narrator: &Arc<Narrator>) -> anyhow::Result<Self> {
        narrator.status("the testbed starts".to_owned());
        let running = Running::start(|step| narrator.say(step)).await?;
        let client = running.cluster().client().await?;
        let quickstart = running.quickstart().clone();
        ensure!(
            options.tenants >= quickstart.tenants,
            "the quickstart itself brings {} tenants; say --tenants {} or more",
            quickstart.tenants,
            quickstart.tenants
        );
        let kubectl = Kubectl::new(running.cluster().person_kubeconfig_file(NAMESPACE)?)?;
        let follower = Follower::start(&client, NAMESPACE, Arc::clone(narrator));
        let applied = kubectl.with_file("apply", &Quickstart::folder()).await?;
        narrator.say(&format!("kubectl apply -f examples/quickstart: {} objects", applied.len()));
        wait_ready(&client, &quickstart, narrator).await?;

        let town = Town {
            servers: quickstart.servers.iter().map(|server| server.address).collect(),
            port: quickstart.stamps.first().context("the quickstart has no stamp")?.address.port(),
        };
        let region = region_to_lose(&quickstart)?;
        let (residents, at_first) = settle_tenants(options, &client, &quickstart, &town, narrator).await?;
        let crowd = gather(&residents, &quickstart, &region, &town);
        narrator.say(&format!("{} clients are at work, {} of them rude", crowd.len(), Manner::RUDE.len()));
        let status = tokio::spawn(keep_status(Arc::clone(narrator), Arc::clone(crowd.tally())));
        Ok(Self {
            status,
            crowd,
            follower,
            town,
            residents,
            at_first,
            client,
            kubectl,
            region,
            settled: None,
            running,
        })
    }

    /// Stamps of the region that dies.
    pub(super) fn lost_stamps(&self) -> impl Iterator<Item = &StampPlace> {
        self.running.quickstart().stamps.iter().filter(|stamp| stamp.geode == self.region)
    }

    /// What became of the clients' requests so far.
    pub(super) fn requests(&self) -> Requests {
        let tally = self.crowd.tally();
        let after = self.settled.map(|moment| tally.failed_after(moment)).unwrap_or_default();
        Requests {
            total: tally.total(),
            failed: tally.failed(),
            failed_after_shift: FailedAfterShift { polite: after.polite, rude: after.rude },
        }
    }

    /// The users of the operator's replicas.
    pub(super) fn operator_users() -> Vec<String> {
        (1..=OPERATORS).map(operator_name).collect()
    }

    /// The ends of the operators' logs.
    pub(super) fn last_words(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for operator in self.running.operators() {
            lines.push(format!("the end of {}:", operator.process.log().display()));
            let tail = operator.process.log_tail();
            let tail: Vec<&str> = tail.lines().collect();
            lines.extend(
                tail.iter().skip(tail.len().saturating_sub(LOG_LINES)).map(|line| format!("  {line}")),
            );
        }
        lines
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.status.abort();
    }
}

/// The first geode whose name server is not the primary: as long as there is one primary, its region is no demo.
fn region_to_lose(quickstart: &Quickstart) -> anyhow::Result<String> {
    let primary =
        |geode: &str| quickstart.servers.iter().any(|server| server.primary && server.geode == geode);
    let geode = quickstart.geodes().into_iter().find(|geode| !primary(geode));
    Ok(geode.context("every geode of the quickstart has the DNS primary")?.to_owned())
}

/// Waits until every geode is Healthy by verdict and the zone holds what is wanted.
async fn wait_ready(client: &Client, quickstart: &Quickstart, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.status("waiting for verdicts and for the zone's first content".to_owned());
    try_join_all(quickstart.geodes().into_iter().map(|geode| wait_healthy(client, geode, READY_WITHIN)))
        .await?;
    let policies: Api<crds::TrafficPolicy> = Api::namespaced(client.clone(), NAMESPACE);
    wait::until("the zone to be served", READY_WITHIN, || async {
        for policy in policies.list(&kube::api::ListParams::default()).await?.items {
            let conditions = policy.status.map(|status| status.conditions).unwrap_or_default();
            let available = conditions.iter().find(|c| c.type_ == crds::conditions::AVAILABLE);
            ensure!(available.is_some_and(|c| c.status == "True"), "{conditions:?}");
        }
        anyhow::Ok(())
    })
    .await?;
    narrator.say(&format!("geodes {} are Healthy by verdict", quickstart.geodes().join(", ")));
    Ok(())
}

/// Waits until a geode is Healthy by verdict.
pub(super) async fn wait_healthy(client: &Client, geode: &str, bound: Duration) -> anyhow::Result<()> {
    let geodes: Api<crds::Geode> = Api::namespaced(client.clone(), NAMESPACE);
    wait::until(&format!("geode {geode} to be Healthy"), bound, || async {
        let verdict = geodes.get(geode).await?.status.and_then(|status| status.verdict);
        ensure!(verdict.as_deref() == Some("Healthy"), "{verdict:?}");
        anyhow::Ok(())
    })
    .await
}

/// Creates tenants, and waits until each has a home and is served.
async fn settle_tenants(
    options: &Options,
    client: &Client,
    quickstart: &Quickstart,
    town: &Town,
    narrator: &Narrator,
) -> anyhow::Result<(BTreeMap<String, Resident>, Visits)> {
    let began = Instant::now();
    let api: Api<Tenant> = Api::namespaced(client.clone(), NAMESPACE);
    narrator.status("tenants are created".to_owned());
    tenants::create(&api, &quickstart.tenants_below, quickstart.tenants, options.tenants).await?;
    narrator.say(&format!("{} tenants exist ({:.1} s)", options.tenants, began.elapsed().as_secs_f64()));
    narrator.status("tenants wait for a home".to_owned());
    tenants::wait_placed(&api, TENANTS_WITHIN).await?;
    narrator.say(&format!("each has a home: a stamp and a bucket ({:.1} s)", began.elapsed().as_secs_f64()));
    let residents = tenants::residents(&api).await?;
    ensure!(residents.len() == options.tenants, "{} tenants were found", residents.len());
    let at_first = tenants::wait_served(&residents, town, TENANTS_WITHIN, narrator).await?;
    narrator.say(&format!(
        "each was found by DNS and served by HTTP once ({:.1} s)",
        began.elapsed().as_secs_f64()
    ));
    Ok((residents, at_first))
}

/// Polite clients of tenants of every stamp, and one rude client of each kind in the region that dies.
fn gather(
    residents: &BTreeMap<String, Resident>,
    quickstart: &Quickstart,
    region: &str,
    town: &Town,
) -> Crowd {
    let mut by_home: Vec<&Resident> = residents.values().collect();
    by_home.sort_by_key(|resident| (resident.placement.stamp.as_str(), resident.name.as_str()));
    let mut crowd = Crowd::new(town.clone());
    let polite = by_home.len().min(POLITE);
    for n in 0..polite {
        // Evenly over the list, so that every stamp has its part.
        crowd.join(Manner::Polite, &by_home[n * by_home.len() / polite].host);
    }
    let dying: Vec<&str> =
        quickstart.stamps.iter().filter(|s| s.geode == region).map(|s| s.name.as_str()).collect();
    // The last stamp of the region becomes a black hole, so that is where the client without a timeout is.
    let tenant_of = |stamp: &str| by_home.iter().find(|r| r.placement.stamp.as_str() == stamp).copied();
    for (n, manner) in Manner::RUDE.into_iter().enumerate() {
        let home = if manner == Manner::NoTimeout { dying.last() } else { dying.get(n % dying.len()) };
        let tenant = home.and_then(|home| tenant_of(home));
        if let Some(tenant) = tenant.or_else(|| dying.iter().find_map(|stamp| tenant_of(stamp))) {
            crowd.join(manner, &tenant.host);
        }
    }
    crowd
}

async fn keep_status(narrator: Arc<Narrator>, tally: Arc<Tally>) {
    loop {
        narrator.status(format!("{} requests, {} of them failed", tally.total(), tally.failed()));
        sleep(STATUS_EVERY).await;
    }
}

/// Where a name server of a region answers.
pub(super) fn server_in(quickstart: &Quickstart, region: &str) -> Option<SocketAddr> {
    quickstart.servers.iter().find(|server| server.geode == region).map(|server| server.address)
}
