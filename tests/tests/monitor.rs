//! Vantages on a real API server: what they see becomes reports, and the reports become verdicts.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use crds::validate::{Objects, snapshot};
use kube::{
    Api, Client, Resource,
    api::{ListParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stamps::{
    fleet::Fleet,
    verdict::{Assessment, Report, Table, Verdict, assess, unpack},
};
use testbed::{
    region::REGIONS,
    scenario::{Scenario, wait_for},
    stamps_http::{self, Behaviour},
};
use tokio::net::TcpListener;

/// From the start of a vantage to its first verdict: processes start, watches fill, five ticks pass.
const SEEN_WITHIN: Duration = Duration::from_mins(1);
/// Three bad ticks of a second, a hold of two, and what compilers beside the test take.
const DOWN_WITHIN: Duration = Duration::from_mins(1);
const HOLD: Duration = Duration::from_secs(2);

/// Creates an object of a kind that people write.
async fn create<K>(client: &Client, namespace: &str, name: &str, spec: Value) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + DeserializeOwned,
{
    let object: K = serde_json::from_value(json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "spec": spec,
    }))?;
    Api::<K>::namespaced(client.clone(), namespace).create(&PostParams::default(), &object).await?;
    Ok(())
}

/// A fleet with a stamp in each region, and a vantage in each and one outside.
async fn create_fleet(scenario: &Scenario, vantages: &[(String, String)]) -> anyhow::Result<()> {
    let (client, namespace) = (scenario.client().await?, scenario.namespace());
    let listed: Vec<Value> =
        vantages.iter().map(|(name, region)| json!({"name": name, "region": region})).collect();
    create::<crds::Fleet>(&client, namespace, "fleet", json!({ "vantages": listed })).await?;
    for (index, region) in REGIONS.iter().enumerate() {
        create::<crds::Geode>(&client, namespace, region.name, json!({"displayName": region.name})).await?;
        let stamp = json!({
            "geode": region.name,
            "endpoints": [
                {"name": "web", "address": scenario.subnet().stamp(index, 1)?, "port": stamps_http::PORT},
            ],
            "probes": [{
                "name": "healthz", "interval": "1s",
                "timeouts": {"connect": "800ms", "tls": "800ms", "firstByte": "800ms", "total": "900ms"},
                "http": {"path": "/healthz", "statuses": ["200"]},
            }],
            "capacity": {"units": 100},
        });
        create::<crds::Stamp>(&client, namespace, &format!("{}-1", region.short), stamp).await?;
    }
    Ok(())
}

async fn items<K>(client: &Client, namespace: &str) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    Ok(Api::<K>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?.items)
}

async fn read_fleet(client: &Client, namespace: &str) -> anyhow::Result<Fleet> {
    let fleets: Vec<crds::Fleet> = items(client, namespace).await?;
    let (geodes, stamps): (Vec<crds::Geode>, Vec<crds::Stamp>) =
        (items(client, namespace).await?, items(client, namespace).await?);
    let objects = Objects {
        fleet: fleets.first().context("no fleet")?,
        geodes: geodes.iter().collect(),
        stamps: stamps.iter().collect(),
        traffic_policies: Vec::new(),
        failover_policies: Vec::new(),
        placed: crds::validate::Placed::default(),
    };
    Ok(snapshot(objects).map_err(|why| anyhow::anyhow!("{}: {}", why.name, why.reason))?.0)
}

/// Judges all reports that stand there, each taken for fresh.
async fn judge(client: &Client, namespace: &str) -> anyhow::Result<Assessment> {
    let fleet = read_fleet(client, namespace).await?;
    let reports: Vec<crds::HealthReport> = items(client, namespace).await?;
    let mut table = Table::default();
    for report in reports {
        let fields = report.spec;
        let Ok(samples) = unpack(&fields.body, &fields.stamps_hash, &fleet.stamps) else { continue };
        let (vantage, region) = (fields.vantage.into(), fields.region.into());
        table.put(Report { vantage, region, sight: fields.sight, samples }, true);
    }
    Ok(assess(&fleet, &table))
}

/// Waits for an assessment that `holds`.
async fn judged(
    scenario: &Scenario,
    what: &str,
    bound: Duration,
    holds: impl Fn(&Assessment) -> bool,
) -> anyhow::Result<Assessment> {
    let client = scenario.client().await?;
    let look = async || {
        let all = judge(&client, scenario.namespace()).await?;
        let sentences: Vec<&str> = all.geodes.values().map(|finding| finding.sentence.as_str()).collect();
        ensure!(holds(&all), "{sentences:?}");
        Ok::<_, anyhow::Error>(all)
    };
    Ok(wait_for(what, bound, look).await)
}

#[tokio::test]
async fn what_vantages_see_becomes_a_verdict() -> anyhow::Result<()> {
    let scenario = Scenario::new("monitor").await?;
    let stamps = scenario.stamps(1).await?;
    let mut vantages: Vec<(String, String)> =
        REGIONS.iter().map(|region| (format!("{}-a", region.short), region.name.to_owned())).collect();
    vantages.push(("outside-a".to_owned(), "outside".to_owned()));
    create_fleet(&scenario, &vantages).await?;
    let control = TcpListener::bind("127.0.0.1:0").await?;
    let target: SocketAddr = control.local_addr()?;
    // Somebody has to accept: a backlog that is full answers nobody.
    let control = tokio::spawn(async move { while control.accept().await.is_ok() {} });
    let _monitors = vantages
        .iter()
        .map(|(vantage, region)| scenario.monitor(vantage, region, &[target]))
        .collect::<anyhow::Result<Vec<_>>>()?;

    let west = REGIONS[0].name;
    let verdict = |all: &Assessment| all.geodes.get(&west.into()).map(|finding| finding.verdict);
    judged(&scenario, "all geodes to be Healthy", SEEN_WITHIN, |all| {
        all.geodes.len() == 3 && all.geodes.values().all(|finding| finding.verdict == Verdict::Healthy)
    })
    .await?;

    let began = Instant::now();
    stamps.set_region(west, Behaviour::Dead).await?;
    let down = judged(&scenario, "evidence against one geode", DOWN_WITHIN, |all| {
        all.geodes.get(&west.into()).is_some_and(|finding| finding.held(HOLD))
    })
    .await?;
    eprintln!("after {} ms: {}", began.elapsed().as_millis(), down.geodes[&west.into()].sentence);
    ensure!(verdict(&down) == Some(Verdict::Unhealthy));
    let well = down.geodes.iter().filter(|(_, finding)| finding.verdict == Verdict::Healthy).count();
    ensure!(well == 2, "the two others are well: {:?}", down.geodes);

    stamps.set_region(west, Behaviour::Healthy).await?;
    judged(&scenario, "the geode to be Healthy again", DOWN_WITHIN, |all| {
        verdict(all) == Some(Verdict::Healthy)
    })
    .await?;

    // Vantages whose own network fails see nothing, whatever fails with it.
    control.abort();
    ensure!(control.await.is_err_and(|end| end.is_cancelled()), "the listener is closed");
    stamps.set_region(west, Behaviour::Hang).await?;
    let blind = judged(&scenario, "every vantage to be blind", DOWN_WITHIN, |all| {
        all.sighted_regions.is_empty() && all.geodes.values().all(|f| f.verdict == Verdict::Unknown)
    })
    .await?;
    eprintln!("{}", blind.geodes[&west.into()].sentence);
    Ok(())
}
