//! Regional failover from end to end, every part real: stamps, vantages, operators, API server, DNS.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, ensure};
use crds::conditions::SUCCEEDED;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use rustix::process::Signal;
use serde_json::json;
use stamps::{
    failover::{Mode, Origin, Phase, StepKind, StepState, Subject},
    fleet::Automation,
};
use testbed::{
    region::REGIONS,
    world::{Design, FAILOVER_WITHIN, World, in_world},
};

const WEST: &str = REGIONS[0].name;
const NORTH: &str = REGIONS[1].name;
const EAST: &str = REGIONS[2].name;

/// For what follows at once: a commit, an answer, a status. Half a second on an idle machine.
const SOON: Duration = Duration::from_secs(20);

/// Whether a stamp stands in the first region.
fn in_west(stamp: &str) -> bool {
    stamp.starts_with(REGIONS[0].short)
}

/// The stamp of `b07.weu-1`.
fn home(bucket: &str) -> &str {
    bucket.split_once('.').map_or(bucket, |(_, stamp)| stamp)
}

/// Every event of a successful run, in order.
async fn told_of(world: &World, run: &str) -> anyhow::Result<Vec<&'static str>> {
    let mut told = Vec::new();
    for reason in ["RunAccepted", "RunRunning", "RunSucceeded"] {
        if world.events(reason).await?.iter().any(|(kind, name, _)| kind == "Failover" && name == run) {
            told.push(reason);
        }
    }
    Ok(told)
}

/// Every tenant's host answers at every server that runs, with the address of the stamp that serves its bucket.
async fn tenants_follow_their_buckets(world: &World, regions: &[&str]) -> anyhow::Result<()> {
    let tenants = world.api::<crds::Tenant>().list(&kube::api::ListParams::default()).await?.items;
    ensure!(tenants.len() == world.design().tenants);
    for region in regions {
        let routes = world.routes(region).await?;
        for tenant in &tenants {
            let name = tenant.metadata.name.as_deref().unwrap_or_default();
            let placement = tenant.spec.placement.as_ref().with_context(|| format!("{name} has no home"))?;
            let bucket = format!("b{:02}.{}", placement.bucket, placement.stamp.as_str());
            let stamp = routes.get(&bucket).with_context(|| format!("no {bucket}"))?;
            let addresses = world.addresses(region, &world.tenant_host(name)).await?;
            ensure!(
                addresses == BTreeSet::from([world.address_of(stamp)?]),
                "{name} lives in {bucket}, which {stamp} serves, and resolves to {addresses:?} at {region}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_dead_region_is_failed_over_and_brought_back() -> anyhow::Result<()> {
    let design = Design { tenants: 12, ..Design::new("failover") };
    in_world(design, async |world| {
        let all = [WEST, NORTH, EAST];
        world.until_routes("every bucket at home", &all, SOON, |bucket, stamp| home(bucket) == stamp).await?;
        tenants_follow_their_buckets(world, &all).await?;
        let placements = placements(world).await?;
        let moves_before = world.journal()?.moves().len();

        let before = world.runs().await?;
        let died = world.kill_region(WEST).await?;
        world.until_new_run(&before, FAILOVER_WITHIN).await?;
        let left = [NORTH, EAST];
        let nobody_west = |_: &str, stamp: &str| !in_west(stamp);
        world.until_routes("no bucket in the dead region", &left, FAILOVER_WITHIN, nobody_west).await?;
        eprintln!("every server that answers showed the new routes after {} ms", died.elapsed().as_millis());
        world
            .until_routes("the others' buckets at home", &left, SOON, |bucket, stamp| {
                in_west(home(bucket)) || home(bucket) == stamp
            })
            .await?;
        tenants_follow_their_buckets(world, &left).await?;

        let name = only_run(world).await?;
        let object = world.finished(&name, FAILOVER_WITHIN).await?;
        succeeded(&object)?;
        let run = world.runs().await?.remove(&name).context("the register forgot the run")?;
        ensure!(run.phase == Phase::Succeeded && run.origin == Origin::Engine, "{run:?}");
        ensure!(run.subject == Subject::Geode(WEST.into()), "{:?}", run.subject);
        ensure!(run.steps.iter().all(|step| step.state == StepState::Processed), "{:?}", run.steps);
        ensure!(run.steps.iter().all(|step| step.attempt <= 1), "{:?}", run.steps);
        let verified = run.step(StepKind::Verify).and_then(|step| step.result.clone()).unwrap_or_default();
        ensure!(verified.contains(&format!("silent: ns-{WEST}")), "{verified}");
        let status = object.status.context("no status")?;
        ensure!(status.subject.as_deref() == Some("geode/westeurope"), "{status:?}");
        ensure!(status.plan.as_ref().is_some_and(|plan| plan.moves == 32), "{:?}", status.plan);
        let times = [status.detected_at, status.decided_at, status.shifted_at, status.ended_at];
        ensure!(times.iter().all(Option::is_some) && times.is_sorted(), "{times:?}");
        world.until_event("Doubted", WEST, SOON).await?;
        world.until_event("RunSucceeded", &name, SOON).await?;
        ensure!(told_of(world, &name).await? == ["RunAccepted", "RunRunning", "RunSucceeded"]);
        ensure!(world.journal()?.moves().len() == moves_before + 1, "one update should do it");
        ensure!(geode(world, WEST).await?.evacuated_since.is_some(), "the geode should say that it is empty");

        // It comes back. Nothing follows until a person says so.
        world.revive_region(WEST).await?;
        world.until_verdict(WEST, "Healthy", FAILOVER_WITHIN).await?;
        world.nothing_moves_for(Duration::from_secs(4)).await?;
        let spec = json!({ "subject": { "geode": WEST }, "mode": "Failback", "reason": "it is back" });
        world.create::<crds::Failover>("back", spec).await?;
        succeeded(&world.finished("back", FAILOVER_WITHIN).await?)?;
        world.until_routes("every bucket at home", &all, SOON, |bucket, stamp| home(bucket) == stamp).await?;
        tenants_follow_their_buckets(world, &all).await?;
        let back = world.runs().await?.remove("back").context("the register forgot the run")?;
        ensure!(back.mode == Mode::Failback && back.origin == Origin::Person, "{back:?}");
        world
            .until("the geode to be in service again", SOON, async || {
                let status = geode(world, WEST).await?;
                ensure!(
                    status.evacuated_since.is_none() && status.share.as_deref() == Some("32/96"),
                    "{status:?}"
                );
                Ok(())
            })
            .await?;
        ensure!(placements == self::placements(world).await?, "a tenant's home has changed");
        Ok(())
    })
    .await
}

fn succeeded(object: &crds::Failover) -> anyhow::Result<()> {
    let status = object.status.as_ref().context("no status")?;
    let said = status.conditions.iter().find(|condition| condition.type_ == SUCCEEDED);
    ensure!(said.is_some_and(|condition| condition.status == "True"), "{status:?}");
    Ok(())
}

async fn geode(world: &World, name: &str) -> anyhow::Result<crds::GeodeStatus> {
    world.api::<crds::Geode>().get(name).await?.status.context("no status")
}

async fn only_run(world: &World) -> anyhow::Result<String> {
    let runs = world.runs().await?;
    ensure!(runs.len() == 1, "{:?}", runs.keys());
    runs.into_keys().next().context("no run")
}

async fn placements(world: &World) -> anyhow::Result<Vec<Option<crds::Placement>>> {
    let tenants = world.api::<crds::Tenant>().list(&kube::api::ListParams::default()).await?;
    Ok(tenants.items.into_iter().map(|tenant| tenant.spec.placement).collect())
}

/// The end of a run that did not succeed: its phase and its sentence.
async fn end_of(world: &World, run: &str) -> anyhow::Result<(String, String)> {
    let status = world.finished(run, FAILOVER_WITHIN).await?.status.context("no status")?;
    let said = status.conditions.iter().find(|condition| condition.type_ == SUCCEEDED);
    let phase = status.phase.unwrap_or_default();
    ensure!(said.is_some_and(|said| said.reason == phase), "{:?}", status.conditions);
    Ok((phase, status.message.unwrap_or_default()))
}

#[tokio::test]
async fn what_may_not_run_says_so_and_moves_nothing() -> anyhow::Result<()> {
    let design = Design { single_writers: vec!["eus-1"], ..Design::new("refused") };
    in_world(design, async |world| {
        let (serial, routes) = (world.serial().await?, world.routes(NORTH).await?);

        let dry = json!({ "subject": { "geode": WEST }, "dryRun": true });
        world.create::<crds::Failover>("dry", dry).await?;
        let object = world.finished("dry", FAILOVER_WITHIN).await?;
        succeeded(&object)?;
        let status = object.status.context("no status")?;
        let message = status.message.unwrap_or_default();
        ensure!(message.starts_with("dry run, nothing moved: 32 buckets"), "{message}");
        let plan = status.plan.context("a dry run shows its plan")?;
        ensure!(plan.moves == 32 && plan.by_stamp.iter().all(|taken| !in_west(&taken.stamp)), "{plan:?}");

        let writer = json!({ "subject": { "geode": EAST }, "reason": "it has a stamp with one writer" });
        world.create::<crds::Failover>("writer", writer).await?;
        let (phase, message) = end_of(world, "writer").await?;
        ensure!(
            phase == "Refused" && message.starts_with("DataModeUnsupported: eus-1 "),
            "{phase}: {message}"
        );

        let nowhere = json!({ "subject": { "geode": "atlantis" } });
        world.create::<crds::Failover>("nowhere", nowhere).await?;
        let (phase, message) = end_of(world, "nowhere").await?;
        ensure!(phase == "Refused" && message.contains("does not exist"), "{phase}: {message}");

        // Cancelled before anybody could begin: while it is written and taken back, nobody leads.
        let operator = &mut world.operators[0].process;
        operator.signal(Signal::TERM)?;
        operator.wait_end(SOON).await?;
        world.create::<crds::Failover>("cancelled", json!({ "subject": { "geode": WEST } })).await?;
        let cancel = Patch::Merge(json!({ "spec": { "control": "Cancel" } }));
        let failovers: Api<crds::Failover> = world.api();
        failovers.patch("cancelled", &PatchParams::default(), &cancel).await?;
        world.operators[0].process.restart()?;
        let (phase, message) = end_of(world, "cancelled").await?;
        ensure!(phase == "Cancelled" && message.ends_with("before anything moved"), "{phase}: {message}");

        ensure!(world.routes(NORTH).await? == routes, "routes have changed");
        let changes = world.serial().await? - serial;
        ensure!(changes == 1, "the new leader raises the zone's fence, and nothing else: {changes} changes");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn observe_says_what_it_would_have_done() -> anyhow::Result<()> {
    let design = Design { automation: Automation::Observe, ..Design::new("observe") };
    in_world(design, async |world| {
        let serial = world.serial().await?;
        world.kill_region(WEST).await?;
        let note = world.until_event("WouldHave", WEST, FAILOVER_WITHIN).await?;
        ensure!(note.starts_with("would have failed geode/westeurope over"), "{note}");
        ensure!(note.contains("32 buckets"), "{note}");
        world.until_verdict(WEST, "Unhealthy", SOON).await?;
        world.nothing_moves_for(Duration::from_secs(6)).await?;
        ensure!(world.serial().await? == serial && world.runs().await?.is_empty());
        let told = world.events("WouldHave").await?;
        ensure!(told.len() == 1, "it is said once: {told:?}");
        let status = geode(world, WEST).await?;
        ensure!(status.share.as_deref() == Some("32/96") && status.evacuated_since.is_none(), "{status:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_shared_host_loses_the_dead_region_and_is_never_empty() -> anyhow::Result<()> {
    let design = Design { shared_hosts: vec!["www"], ..Design::new("shared") };
    in_world(design, async |world| {
        let host = format!("www.{}", world.scenario.zone());
        let expected = |world: &World, regions: &[usize]| -> anyhow::Result<BTreeSet<String>> {
            let stamps = regions.iter().flat_map(|n| [1, 2].map(|k| format!("{}-{k}", REGIONS[*n].short)));
            stamps.map(|stamp| world.address_of(&stamp)).collect()
        };
        let everyone = expected(world, &[0, 1, 2])?;
        for region in [WEST, NORTH, EAST] {
            ensure!(world.addresses(region, &host).await? == everyone, "{region}");
        }

        world.kill_region(WEST).await?;
        let left = expected(world, &[1, 2])?;
        world
            .until("the host to leave the dead region", FAILOVER_WITHIN, async || {
                let mut open = Vec::new();
                for region in [NORTH, EAST] {
                    let addresses = world.addresses(region, &host).await?;
                    // An empty answer ends the scenario, not the wait.
                    assert!(!addresses.is_empty(), "{host} was empty at {region}");
                    open.extend((addresses != left).then_some((region, addresses)));
                }
                ensure!(open.is_empty(), "{open:?}");
                Ok(())
            })
            .await?;
        let name = only_run(world).await?;
        succeeded(&world.finished(&name, FAILOVER_WITHIN).await?)
    })
    .await
}
