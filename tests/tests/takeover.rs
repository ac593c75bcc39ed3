//! The leading replica dies, leaves or freezes at the worst moment, and the other one finishes: once.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rustix::process::Signal;
use stamps::{
    failover::{Phase, Run, StepKind, StepState},
    names::Point,
};
use testbed::{
    region::REGIONS,
    world::{Design, FAILOVER_WITHIN, World, in_world},
};

const WEST: &str = REGIONS[0].name;
const NORTH: &str = REGIONS[1].name;
const EAST: &str = REGIONS[2].name;

/// The stated takeover time after a crash.
const TAKEOVER: Duration = Duration::from_secs(12);
/// The same after a clean end.
const HANDOVER: Duration = Duration::from_secs(2);
/// What a machine that compiles beside may add to a stated time.
const SLACK: Duration = Duration::from_secs(3);
/// For what follows at once.
const SOON: Duration = Duration::from_secs(20);

/// Two replicas, of which the first leads and has this in its environment.
fn two(name: &'static str, first: &[(&'static str, &'static str)]) -> Design {
    Design { operators: vec![first.to_vec(), Vec::new()], ..Design::new(name) }
}

/// The only run in the register.
async fn only_run(world: &World) -> anyhow::Result<(String, Run)> {
    let runs = world.runs().await?;
    ensure!(runs.len() == 1, "{:?}", runs.keys());
    runs.into_iter().next().context("no run")
}

/// The zone's history: each fence newer than the one before, and one change that moved buckets away from the region
/// since `before` changes that moved some.
fn moved_once(world: &World, before: usize) -> anyhow::Result<Vec<Point>> {
    let journal = world.journal()?;
    let fences = journal.fences();
    ensure!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    let moves = journal.moves();
    ensure!(moves.len() == before + 1, "{} changes moved buckets, {before} of them before", moves.len());
    let last = moves.last().context("no change")?;
    ensure!(last.buckets.len() == 32, "{:?}", last.buckets);
    Ok(fences)
}

/// The other replica has finished what the first began: one run, each step once, every bucket where it should be.
async fn finished_once(world: &World) -> anyhow::Result<()> {
    let (name, _) = only_run(world).await?;
    world.finished(&name, FAILOVER_WITHIN).await?;
    let (_, run) = only_run(world).await?;
    ensure!(run.phase == Phase::Succeeded, "{:?}: {}", run.phase, run.reason);
    let attempts: Vec<_> = run.steps.iter().map(|step| (step.kind, step.attempt, step.failures)).collect();
    ensure!(run.steps.iter().all(|step| step.attempt <= 1 && step.failures == 0), "{attempts:?}");
    let away = |_: &str, stamp: &str| !stamp.starts_with(REGIONS[0].short);
    world.until_routes("no bucket in the dead region", &[NORTH, EAST], SOON, away).await?;
    let objects = world.api::<crds::Failover>().list(&kube::api::ListParams::default()).await?.items;
    ensure!(objects.len() == 1, "{} Failover objects", objects.len());
    let told = world.events("RunSucceeded").await?;
    ensure!(told.len() == 1, "said once: {told:?}");
    Ok(())
}

/// Waits for the first replica's death by its own hand, and says when it was seen.
async fn killed(world: &mut World) -> anyhow::Result<Instant> {
    let status = world.operators[0].process.wait_end(FAILOVER_WITHIN).await?;
    ensure!(status.signal() == Some(Signal::KILL.as_raw()), "{status}");
    Ok(Instant::now())
}

async fn second_leads(world: &World, since: Instant, within: Duration) -> anyhow::Result<i64> {
    let epoch = world.until_leader("operator-2", within + SLACK + SOON).await?;
    let took = since.elapsed();
    eprintln!("takeover after {} ms", took.as_millis());
    ensure!(took <= within + SLACK, "takeover took {took:?}");
    Ok(epoch)
}

#[tokio::test]
async fn a_leader_killed_between_intent_and_effect_is_finished_for() -> anyhow::Result<()> {
    in_world(two("kill-intent", &[("LIFEBOAT_KILL_AT", "shift-committed")]), async |world| {
        let (serial, moves) = (world.serial().await?, world.journal()?.moves().len());
        let epoch = world.register().await?.0.spec.epoch;
        world.kill_region(WEST).await?;
        let died = killed(world).await?;

        let (_, run) = only_run(world).await?;
        let shift = run.step(StepKind::ShiftTraffic).context("no such step")?;
        ensure!(shift.state == StepState::Processing, "the intent is on record: {shift:?}");
        ensure!(world.serial().await? == serial, "and nothing has happened");

        let next = second_leads(world, died, TAKEOVER).await?;
        ensure!(next > epoch, "{next} after {epoch}");
        finished_once(world).await?;
        let fences = moved_once(world, moves)?;
        let changes = world.serial().await? - serial;
        ensure!(changes == 1, "the new leader's one update does it: {changes} changes, {fences:?}");
        ensure!(fences.last().is_some_and(|fence| fence.epoch == next), "{fences:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_leader_killed_between_effect_and_result_is_not_repeated() -> anyhow::Result<()> {
    in_world(two("kill-effect", &[("LIFEBOAT_KILL_AT", "effect-done")]), async |world| {
        let (serial, moves) = (world.serial().await?, world.journal()?.moves().len());
        world.kill_region(WEST).await?;
        let died = killed(world).await?;
        ensure!(world.serial().await? == serial + 1, "traffic has moved");
        let (_, run) = only_run(world).await?;
        let shift = run.step(StepKind::ShiftTraffic).context("no such step")?;
        ensure!(shift.state == StepState::Processing, "and nobody knows: {shift:?}");

        let next = second_leads(world, died, TAKEOVER).await?;
        finished_once(world).await?;
        let fences = moved_once(world, moves)?;
        let changes = world.serial().await? - serial;
        ensure!(changes == 2, "the move, and then the new leader's fence: {changes} changes, {fences:?}");
        ensure!(fences.last().is_some_and(|fence| fence.epoch == next), "{fences:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_leader_that_is_asked_to_end_hands_over_at_once() -> anyhow::Result<()> {
    in_world(two("handover", &[]), async |world| {
        let serial = world.serial().await?;
        let asked = Instant::now();
        world.operators[0].process.signal(Signal::TERM)?;
        second_leads(world, asked, HANDOVER).await?;
        let status = world.operators[0].process.wait_end(SOON).await?;
        ensure!(status.success(), "{status}");
        world
            .until("the new leader to raise the zone's fence", SOON, async || {
                let changes = world.serial().await? - serial;
                ensure!(changes == 1, "{changes} changes");
                Ok(())
            })
            .await
    })
    .await
}

/// The state of a process by the kernel: `R`, `S`, `T` for stopped, ...
fn state_of(pid: u32) -> anyhow::Result<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("no state")?;
    rest.trim_start().chars().next().context("no state")
}

/// The agent that is to move traffic freezes with its whole process, and goes on when another leader has done it.
#[tokio::test]
async fn a_frozen_leader_finds_itself_deposed_and_its_late_effects_refused() -> anyhow::Result<()> {
    in_world(two("frozen", &[("LIFEBOAT_STOP_AT", "effect-due")]), async |world| {
        let moves = world.journal()?.moves().len();
        let epoch = world.register().await?.0.spec.epoch;
        world.kill_region(WEST).await?;
        let pid = world.operators[0].process.id();
        world
            .until("the leader to freeze", FAILOVER_WITHIN, async || {
                let state = state_of(pid)?;
                ensure!(state == 'T', "it is {state}");
                Ok(())
            })
            .await?;
        let next = second_leads(world, Instant::now(), TAKEOVER).await?;
        ensure!(next > epoch, "{next} after {epoch}");
        finished_once(world).await?;
        world.until_quiet(SOON).await?;
        let (serial, status) = (world.serial().await?, world.api::<crds::Geode>().get(WEST).await?.status);

        let frozen = &world.operators[0].process;
        frozen.signal(Signal::CONT)?;
        world
            .until("the frozen one to step down", SOON, async || {
                ensure!(frozen.log_end(usize::MAX).contains("not leading"), "{}", frozen.log_tail());
                Ok(())
            })
            .await?;
        world.nothing_moves_for(Duration::from_secs(5)).await?;
        moved_once(world, moves)?;
        ensure!(world.serial().await? == serial, "its late effect was taken");
        let (object, _) = world.register().await?;
        ensure!((object.spec.leader.as_str(), object.spec.epoch) == ("operator-2", next), "{object:?}");
        ensure!(world.api::<crds::Geode>().get(WEST).await?.status == status, "its late status was taken");
        world.operators[0].process.check_running()
    })
    .await
}
