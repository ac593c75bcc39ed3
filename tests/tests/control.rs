//! What people say to runs, and what makes automation hold in mid-run, on real parts.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, ensure};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use stamps::{
    failover::{HeldBy, Phase, Run},
    fleet::Automation,
};
use testbed::{
    region::REGIONS,
    stamps_http::Behaviour,
    world::{Design, FAILOVER_WITHIN, World, in_world},
};

const WEST: &str = REGIONS[0].name;
const NORTH: &str = REGIONS[1].name;
const EAST: &str = REGIONS[2].name;

/// A word to a run is followed within a second; a busy machine gets more.
const SOON: Duration = Duration::from_secs(30);
/// Longer than a stage stands.
const LONG_ENOUGH: Duration = Duration::from_secs(12);
/// Two stages, and time between them to do something.
const HALVES: (&[u32], &str) = (&[50, 100], "8s");

fn in_halves(name: &'static str) -> Design {
    Design { ramp: (HALVES.0.to_vec(), HALVES.1), ..Design::new(name) }
}

/// Writes into the spec of a run's object, once there is one.
async fn say(world: &World, run: &str, spec: Value) -> anyhow::Result<()> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    world
        .until("the run to have an object", SOON, async || {
            world.api::<crds::Failover>().patch(run, &PatchParams::default(), &patch).await?;
            Ok(())
        })
        .await
}

/// A person asks for a failover of the first region.
async fn ask(world: &World, name: &str) -> anyhow::Result<()> {
    let spec = serde_json::from_value(json!({ "subject": { "geode": WEST } }))?;
    world.api::<crds::Failover>().create(&PostParams::default(), &crds::Failover::new(name, spec)).await?;
    Ok(())
}

async fn until_run(
    world: &World,
    what: &str,
    bound: Duration,
    wanted: impl Fn(&Run) -> bool,
) -> anyhow::Result<(String, Run)> {
    world
        .until(what, bound, async || {
            let runs = world.runs().await?;
            let found = runs.iter().find(|(_, run)| wanted(run));
            let said = || {
                let all =
                    runs.values().map(|run| format!("{:?} stage {}: {}", run.phase, run.stage, run.reason));
                all.collect::<Vec<_>>().join("; ")
            };
            let (name, run) = found.with_context(said)?;
            Ok((name.clone(), run.clone()))
        })
        .await
}

/// How many buckets the first region serves, as a name server of another region shows it.
async fn served_in_the_west(world: &World) -> anyhow::Result<usize> {
    let routes = world.routes(EAST).await?;
    Ok(routes.values().filter(|stamp| stamp.starts_with(REGIONS[0].short)).count())
}

async fn until_served(world: &World, wanted: usize) -> anyhow::Result<()> {
    world
        .until(&format!("{wanted} buckets to be served in the first region"), SOON, async || {
            let served = served_in_the_west(world).await?;
            ensure!(served == wanted, "{served} are");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn in_approve_a_person_agrees_and_only_then_traffic_moves() -> anyhow::Result<()> {
    let design = Design { automation: Automation::Approve, ..Design::new("approve") };
    in_world(design, async |world| {
        world.kill_region(WEST).await?;
        let waits = |run: &Run| run.phase == Phase::AwaitingApproval;
        let (name, run) = until_run(world, "a run that waits for a person", FAILOVER_WITHIN, waits).await?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        let hash = run.plan.context("no plan")?.hash;
        ensure!(run.reason.contains(&hash), "it says what to write: {}", run.reason);
        say(world, &name, json!({ "approval": { "planHash": hash } })).await?;
        let status = world.finished(&name, FAILOVER_WITHIN).await?.status.context("no status")?;
        ensure!(status.phase.as_deref() == Some("Succeeded"), "{status:?}");
        world
            .until_routes("no bucket in the dead region", &[NORTH, EAST], SOON, |_, stamp| {
                !stamp.starts_with(REGIONS[0].short)
            })
            .await
    })
    .await
}

#[tokio::test]
async fn hold_stops_an_automatic_run_between_two_stages() -> anyhow::Result<()> {
    in_world(in_halves("hold-run"), async |world| {
        let all = served_in_the_west(world).await?;
        world.kill_region(WEST).await?;
        let half = |run: &Run| run.phase == Phase::Running && run.stage == 1;
        until_run(world, "the first stage", FAILOVER_WITHIN, half).await?;
        world.set_automation(Automation::Hold).await?;
        let held = |run: &Run| run.phase == Phase::Held && run.held_by == Some(HeldBy::Gate);
        until_run(world, "the run to hold", SOON, held).await?;
        until_served(world, all / 2).await?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        world.set_automation(Automation::Automatic).await?;
        until_run(world, "the run to end", FAILOVER_WITHIN, |run| run.phase == Phase::Succeeded).await?;
        until_served(world, 0).await
    })
    .await
}

#[tokio::test]
async fn a_planned_run_is_paused_goes_on_and_is_cancelled_home() -> anyhow::Result<()> {
    in_world(in_halves("planned"), async |world| {
        let all = served_in_the_west(world).await?;
        ask(world, "maintenance").await?;
        until_served(world, all / 2).await?;
        say(world, "maintenance", json!({ "control": "Pause" })).await?;
        until_run(world, "the run to pause", SOON, |run| run.phase == Phase::Paused).await?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        say(world, "maintenance", json!({ "control": "Run" })).await?;
        until_served(world, 0).await?;
        say(world, "maintenance", json!({ "control": "Cancel" })).await?;
        let (_, run) =
            until_run(world, "the run to be undone", SOON, |run| run.phase == Phase::Compensated).await?;
        ensure!(run.reason.contains(&format!("{all} buckets go back")), "{}", run.reason);
        until_served(world, all).await?;
        let again = say_refused(world, "maintenance").await?;
        ensure!(again.contains("a cancelled run stays cancelled"), "{again}");
        Ok(())
    })
    .await
}

/// What the API server answers to whoever wants a cancelled run to go on.
async fn say_refused(world: &World, run: &str) -> anyhow::Result<String> {
    let patch = Patch::Merge(json!({ "spec": { "control": "Run" } }));
    let answer = world.api::<crds::Failover>().patch(run, &PatchParams::default(), &patch).await;
    let error = answer.err().context("it was taken")?;
    Ok(error.to_string())
}

#[tokio::test]
async fn two_regions_at_once_are_a_panic_and_nothing_moves() -> anyhow::Result<()> {
    in_world(Design::new("panic"), async |world| {
        for region in [WEST, EAST] {
            world.stamps.set_region(region, Behaviour::Dead).await?;
        }
        let note = world.until_event("FailoverHeld", WEST, FAILOVER_WITHIN).await?;
        ensure!(note.contains("Panic: ") && note.contains("look for a cause that they share"), "{note}");
        world.nothing_moves_for(LONG_ENOUGH).await?;
        ensure!(world.runs().await?.is_empty(), "a run has begun");

        // One of them comes back: what is left is one region's failure, and that may be acted on.
        world.stamps.set_region(EAST, Behaviour::Healthy).await?;
        let name = world.until_new_run(&BTreeMap::new(), FAILOVER_WITHIN).await?;
        let status = world.finished(&name, FAILOVER_WITHIN).await?.status.context("no status")?;
        ensure!(status.subject.as_deref() == Some("geode/westeurope"), "{status:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn load_that_fells_its_new_stamp_makes_one_hop_and_no_second() -> anyhow::Result<()> {
    in_world(Design::new("poison"), async |world| {
        world.kill_region(WEST).await?;
        let (_, run) =
            until_run(world, "the failover", FAILOVER_WITHIN, |run| run.phase == Phase::Succeeded).await?;
        let target = run.plan.context("no plan")?.moves.first().context("no move")?.to.clone();
        world.stamps.get(target.as_str())?.set(Behaviour::Dead).await?;
        let because = world
            .until("automation to close itself", FAILOVER_WITHIN, async || {
                Ok(world.register().await?.1.closed.context("it is open")?.because)
            })
            .await?;
        ensure!(because.contains(target.as_str()), "{because}");
        world.nothing_moves_for(LONG_ENOUGH).await?;
        ensure!(world.runs().await?.len() == 1, "a second run has begun");
        let told = world.events("AutomationClosed").await?;
        ensure!(told.len() == 1, "{told:?}");
        world.set_automation(Automation::Hold).await?;
        world
            .until("a person's word to open it", SOON, async || {
                ensure!(world.register().await?.1.closed.is_none(), "it is closed");
                Ok(())
            })
            .await
    })
    .await
}
