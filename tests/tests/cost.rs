//! The cost of a failover grows with stamps, never with tenants.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use testbed::{
    region::REGIONS,
    world::{Design, FAILOVER_WITHIN, Writes, in_world},
};

const FEW: usize = 20;
const MANY: usize = 500;
/// By how many writes two failovers of the same fleet may differ. Four vantages tick by clocks of their own, so what
/// becomes one commit or one round of statuses once may become two the next time: seen are differences of up to 6 in
/// about 40. One write for every twentieth tenant would be 24 more.
const BY_CHANCE_MAX: usize = 15;

/// What operators write between a region's death and the last word about its failover.
async fn cost(name: &'static str, tenants: usize) -> anyhow::Result<Writes> {
    let mut cost = Writes::new();
    in_world(Design { tenants, ..Design::new(name) }, async |world| {
        world.until_quiet(FAILOVER_WITHIN).await?;
        let before = world.answered()?;
        world.kill_region(REGIONS[0].name).await?;
        let run = world.until_new_run(&BTreeMap::new(), FAILOVER_WITHIN).await?;
        let status = world.finished(&run, FAILOVER_WITHIN).await?.status.context("no status")?;
        ensure!(status.phase.as_deref() == Some("Succeeded"), "{status:?}");
        world.until_quiet(FAILOVER_WITHIN).await?;
        cost = world.writes(before)?;
        Ok(())
    })
    .await?;
    Ok(cost)
}

/// Every object that was written, and how. Names of runs and of events hold the moment, so their kind stands for them.
fn objects(writes: &Writes) -> BTreeSet<(&str, &str)> {
    writes
        .iter()
        .flat_map(|(kind, names)| names.keys().map(move |name| (kind.as_str(), name.as_str())))
        .map(|(kind, name)| {
            (kind, if kind.contains("failovers") || kind.contains("events") { "" } else { name })
        })
        .collect()
}

fn count(writes: &Writes) -> usize {
    writes.values().flat_map(BTreeMap::values).sum()
}

#[tokio::test]
async fn a_failover_with_many_tenants_writes_no_more_than_with_few() -> anyhow::Result<()> {
    let few = cost("cost-few", FEW).await?;
    let many = cost("cost-many", MANY).await?;
    let sums = |writes: &Writes| -> Vec<String> {
        writes.iter().map(|(kind, names)| format!("{kind}: {}", names.values().sum::<usize>())).collect()
    };
    eprintln!("{FEW} tenants, {} writes: {:?}", count(&few), sums(&few));
    eprintln!("{MANY} tenants, {} writes: {:?}", count(&many), sums(&many));
    ensure!(!few.is_empty(), "a failover is on record");
    ensure!(!many.keys().any(|kind| kind.contains("tenants")), "tenants were written: {:?}", sums(&many));
    ensure!(objects(&few) == objects(&many), "{:?}\n{:?}", objects(&few), objects(&many));
    let difference = count(&many).abs_diff(count(&few));
    ensure!(
        difference <= BY_CHANCE_MAX,
        "{difference} writes more or less with {MANY} tenants than with {FEW}"
    );
    Ok(())
}
