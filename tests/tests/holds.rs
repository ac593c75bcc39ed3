//! What automation does not do: nothing moves without sight, past the blast radius, or against the Gate. Each scenario
//! then takes the obstacle away and sees the failover, so that nothing else can have held it.

use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;
use stamps::{failover::Subject, fleet::Automation, verdict::Sight};
use testbed::{
    region::REGIONS,
    world::{Design, FAILOVER_WITHIN, World, in_world},
};

const WEST: &str = REGIONS[0].name;
const EAST: &str = REGIONS[2].name;

/// For what follows at once: a check of the control targets, a report, a status.
const SOON: Duration = Duration::from_secs(30);
/// A failover begins about 6 s after a region's death; twice that and more without one is no coincidence.
const LONG_ENOUGH: Duration = Duration::from_secs(15);
/// Reports are stale after 25 s.
const STALE_WITHIN: Duration = Duration::from_mins(1);

/// Waits until every vantage says this about its own sight.
async fn until_sight(world: &World, wanted: Sight) -> anyhow::Result<()> {
    world
        .until(&format!("every vantage to be {wanted:?}"), SOON, async || {
            let reports = world.api::<crds::HealthReport>().list(&kube::api::ListParams::default()).await?;
            ensure!(reports.items.len() == 4);
            for report in reports.items {
                ensure!(report.spec.sight == wanted, "{} is {:?}", report.spec.vantage, report.spec.sight);
            }
            Ok(())
        })
        .await
}

/// The obstacle is gone: a run about the first region begins and succeeds.
async fn fails_over(world: &World) -> anyhow::Result<()> {
    let name = world.until_new_run(&std::collections::BTreeMap::new(), FAILOVER_WITHIN).await?;
    let status = world.finished(&name, FAILOVER_WITHIN).await?.status.context("no status")?;
    ensure!(status.phase.as_deref() == Some("Succeeded"), "{status:?}");
    ensure!(status.subject.as_deref() == Some("geode/westeurope"), "{status:?}");
    Ok(())
}

#[tokio::test]
async fn nothing_moves_while_every_vantage_is_blind() -> anyhow::Result<()> {
    in_world(Design::new("blind"), async |world| {
        world.cut_sight().await;
        until_sight(world, Sight::Blind).await?;
        world.until_verdict(WEST, "Unknown", SOON).await?;
        world.kill_region(WEST).await?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        world.until_verdict(WEST, "Unknown", SOON).await?;

        world.restore_sight().await?;
        until_sight(world, Sight::Sighted).await?;
        fails_over(world).await
    })
    .await
}

#[tokio::test]
async fn nothing_moves_while_every_vantage_is_silent() -> anyhow::Result<()> {
    // Long enough to freeze the vantages between their first doubt and the end of the hold window.
    let design = Design { hold_s: 8, ..Design::new("silent") };
    in_world(design, async |world| {
        world.kill_region(WEST).await?;
        world.until_event("Doubted", WEST, FAILOVER_WITHIN).await?;
        world.signal_monitors(Signal::STOP)?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        world.until_verdict(WEST, "Unknown", STALE_WITHIN).await?;
        world.until_verdict(EAST, "Unknown", STALE_WITHIN).await?;
        ensure!(world.runs().await?.is_empty(), "a run has begun");

        world.signal_monitors(Signal::CONT)?;
        fails_over(world).await
    })
    .await
}

#[tokio::test]
async fn the_second_region_is_held_with_the_reason() -> anyhow::Result<()> {
    in_world(Design::new("second"), async |world| {
        world.kill_region(WEST).await?;
        fails_over(world).await?;
        world.kill_region(EAST).await?;
        let note = world.until_event("FailoverHeld", EAST, FAILOVER_WITHIN).await?;
        for sentence in [
            "geode/eastus is down, and nothing is started",
            "BlastRadius: 2 geodes would be out by automation (eastus, westeurope), and 1 is the most",
            "MinServing: 2000 of 6000 units (33 %) would keep serving, and 50 % is the least",
        ] {
            ensure!(note.contains(sentence), "{sentence:?} is not in {note:?}");
        }
        world.until_verdict(EAST, "Unhealthy", SOON).await?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        let (_, state) = world.register().await?;
        let doubt = state.doubts.get(&Subject::Geode(EAST.into())).context("no doubt about the second")?;
        ensure!(doubt.held_because.iter().any(|because| because.starts_with("BlastRadius")), "{doubt:?}");
        ensure!(state.runs.len() == 1, "{:?}", state.runs.keys());
        let status = world.api::<crds::Geode>().get(EAST).await?.status.context("no status")?;
        ensure!(status.share.as_deref() == Some("48/96") && status.evacuated_since.is_none(), "{status:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_gate_stops_what_has_not_begun() -> anyhow::Result<()> {
    let design = Design { hold_s: 8, ..Design::new("gate") };
    in_world(design, async |world| {
        world.kill_region(WEST).await?;
        world.until_event("Doubted", WEST, FAILOVER_WITHIN).await?;
        world.set_automation(Automation::Hold).await?;
        world.until_event("WouldHave", WEST, FAILOVER_WITHIN).await?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        world.set_automation(Automation::Observe).await?;
        world.nothing_moves_for(LONG_ENOUGH).await?;
        world.set_automation(Automation::Automatic).await?;
        fails_over(world).await
    })
    .await
}
