//! The acts: the region dies, what follows is watched, it comes back, and it is failed back.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use crds::Tenant;
use kube::Api;
use stamps::{
    failover::{FleetState, Mode, Phase, Run, Subject},
    names::RunName,
};
use tokio::time::{sleep, sleep_until, timeout};

use super::{
    Options,
    audit::Writes,
    millis,
    narrate::Narrator,
    pause,
    report::Report,
    routes::{self, Shown, Wanted},
    stage::{self, Stage},
    tenants::{self, Visits},
};
use crate::{stamps_http::Behaviour, tools, up::NAMESPACE};

/// The clients are watched this long in peace, before the region dies and after it is back.
const PEACE: Duration = Duration::from_secs(3);
/// By then the shift would have been seen; the quickstart's timings promise a few seconds.
const SHIFT_WITHIN: Duration = Duration::from_mins(1);
/// A run with the quickstart's drain ends within half a minute.
const RUN_WITHIN: Duration = Duration::from_secs(90);
/// After a return, verdicts need a window of good probes.
const HEALTHY_WITHIN: Duration = Duration::from_mins(1);
/// DNS clients count whole seconds, and an answer is on its way for some milliseconds.
const TTL_MARGIN: Duration = Duration::from_millis(100);

/// A death: its moment on two clocks.
#[derive(Clone, Copy, Debug)]
struct Death {
    at: Instant,
    wall: DateTime<Utc>,
}

/// Plays them.
pub(super) async fn play(
    stage: &mut Stage,
    options: &Options,
    narrator: &Narrator,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.tenants.total = stage.residents.len();
    sleep(PEACE).await;
    ensure_peace(stage)?;
    let region = stage.region.clone();
    pause::for_reader(options, narrator, &format!("kill region {region}")).await;
    let death = kill(stage, narrator).await?;
    watch_failover(stage, narrator, report, death).await?;
    pause::for_reader(options, narrator, &format!("bring region {region} back")).await;
    revive(stage, narrator).await?;
    pause::for_reader(options, narrator, &format!("fail back to {region}")).await;
    fail_back(stage, narrator, report).await?;
    let requests = stage.requests();
    narrator.say(&format!(
        "{} requests; {} failed; after the shift and one TTL: {} of polite clients, {} of rude ones",
        requests.total, requests.failed, requests.failed_after_shift.polite, requests.failed_after_shift.rude
    ));
    let broken = stage.settled.and_then(|at| stage.crowd.tally().first_polite_failure_after(at));
    if let Some((at, why)) = broken {
        narrator.say(&format!("the first of the polite ones, begun at {:.1} s: {why}", narrator.seconds(at)));
    }
    Ok(())
}

/// Failures before the region dies would be held against its death.
fn ensure_peace(stage: &Stage) -> anyhow::Result<()> {
    let requests = stage.requests();
    if let Some(why) = stage.crowd.tally().first_failure() {
        let (failed, total) = (requests.failed, requests.total);
        bail!("{failed} of {total} requests failed before anything happened, the first: {why}");
    }
    Ok(())
}

/// The region's machines, its name server and its vantage are gone from one moment to the next. Its last stamp still
/// takes connections and answers none: half of an outage is like that.
async fn kill(stage: &mut Stage, narrator: &Narrator) -> anyhow::Result<Death> {
    let region = stage.region.clone();
    let death = Death { at: Instant::now(), wall: Utc::now() };
    narrator.say(&format!("REGION {region} DIES: its stamps, its name server, its vantage"));
    let stamps: Vec<String> = stage.lost_stamps().map(|stamp| stamp.name.clone()).collect();
    for (n, name) in stamps.iter().enumerate() {
        let black_hole = n + 1 == stamps.len() && stamps.len() > 1;
        let behaviour = if black_hole { Behaviour::Hang } else { Behaviour::Dead };
        stage.running.stamps().get(name)?.set(behaviour).await?;
    }
    stage.running.dns().server_mut(&region)?.process().kill()?;
    for monitor in stage.running.monitors_in(&region) {
        monitor.process.kill()?;
    }
    Ok(death)
}

async fn watch_failover(
    stage: &mut Stage,
    narrator: &Narrator,
    report: &mut Report,
    death: Death,
) -> anyhow::Result<()> {
    let quickstart = stage.running.quickstart().clone();
    let buckets = routes::buckets(stage.lost_stamps(), &quickstart.zone);
    let shown = routes::shown_everywhere(&stage.town.servers, &buckets, Wanted::Away);
    let (shown, run) = tokio::join!(timeout(SHIFT_WITHIN, shown), watch_run(stage, death));
    let shown = shown.ok().context("no name server showed the shift within a minute")?;
    let (name, run) = run?;
    let dead = stage::server_in(&quickstart, &stage.region);
    ensure!(
        shown.silent.iter().all(|server| Some(*server) == dead),
        "name servers outside of {} do not answer: {:?}",
        stage.region,
        shown.silent
    );
    let since =
        |moment: Option<DateTime<Utc>>| moment.and_then(|at| (at - death.wall).to_std().ok()).map(millis);
    report.detected_after_ms = since(run.times.detected);
    report.decided_after_ms = since(run.times.decided);
    report.shifted_after_ms = Some(millis(shown.at - death.at));
    let writes = count_writes(stage, death, &run)?;
    report.api_writes = writes.total();
    narrator.say(&format!(
        "{name}: detected after {} ms, decided after {} ms, shifted after {} ms at every name server that answers",
        report.detected_after_ms.unwrap_or_default(),
        report.decided_after_ms.unwrap_or_default(),
        millis(shown.at - death.at)
    ));
    ensure!(run.phase == Phase::Succeeded, "{name} ended as {:?}: {}", run.phase, run.reason);

    let settled = shown.at + quickstart.route_ttl + TTL_MARGIN;
    sleep_until(settled.into()).await;
    stage.settled = Some(settled);
    let visits = visit(stage, narrator, report).await?;
    report.tenants.moved = moved(&stage.at_first, &visits);
    narrator.say(&format!(
        "visited all {} tenants: {} are served by another stamp now, {} are lost",
        report.tenants.total, report.tenants.moved, report.tenants.lost
    ));
    narrator.say(&format!("the failover cost the API server {writes}"));
    Ok(())
}

/// The automatic run about the region, from its beginning to its end.
async fn watch_run(stage: &Stage, death: Death) -> anyhow::Result<(RunName, Run)> {
    let subject = Subject::Geode(stage.region.as_str().into());
    let begun = |state: &FleetState| {
        let ours = |run: &Run| run.subject == subject && run.mode == Mode::Failover;
        state.runs.iter().find(|(_, run)| ours(run)).map(|(name, _)| name.clone())
    };
    let name = stage.follower.wait("an automatic run", SHIFT_WITHIN, begun).await?;
    let left = RUN_WITHIN.saturating_sub(death.at.elapsed());
    let run = stage.follower.end_of(&name, left).await?;
    Ok((name, run))
}

fn count_writes(stage: &Stage, death: Death, run: &Run) -> anyhow::Result<Writes> {
    let ended = run.times.ended.context("the run has no end")?;
    let writes = Writes::of(stage.running.cluster(), &Stage::operator_users(), death.wall, ended)?;
    ensure!(
        writes.of_tenants() == 0,
        "the failover wrote {} tenants; it must write none",
        writes.of_tenants()
    );
    Ok(writes)
}

/// Visits every tenant; one that is not served, or does not live where it lived, is lost.
async fn visit(stage: &Stage, narrator: &Narrator, report: &mut Report) -> anyhow::Result<Visits> {
    let tenants: Api<Tenant> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let now = tenants::residents(&tenants).await?;
    let visits = tenants::visit(stage.residents.values(), &stage.town).await;
    let mut lost = 0;
    for (name, resident) in &stage.residents {
        let homeless = now.get(name).is_none_or(|now| now.placement != resident.placement);
        let unserved = visits.get(name).and_then(|visit| visit.as_ref().err());
        if homeless || unserved.is_some() {
            lost += 1;
            if lost == 1 {
                let why = unserved.map_or("its placement is not what it was", String::as_str);
                narrator.say(&format!("tenant {name} is lost: {why}"));
            }
        }
    }
    report.tenants.lost = report.tenants.lost.max(lost);
    Ok(visits)
}

fn moved(before: &Visits, after: &Visits) -> usize {
    let served_by = |visits: &Visits, name: &str| visits.get(name).and_then(|visit| visit.clone().ok());
    after
        .iter()
        .filter(|(name, visit)| {
            visit.as_ref().is_ok_and(|stamp| served_by(before, name).is_some_and(|was| was != *stamp))
        })
        .count()
}

/// Stamps first: a name server that comes back may show for a moment what was right before the outage.
async fn revive(stage: &mut Stage, narrator: &Narrator) -> anyhow::Result<()> {
    let region = stage.region.clone();
    narrator.say(&format!("region {region} comes back; nothing moves by that alone"));
    stage.running.stamps().set_region(&region, Behaviour::Healthy).await?;
    stage.running.dns().server_mut(&region)?.process().restart()?;
    for monitor in stage.running.monitors_in(&region) {
        monitor.process.restart()?;
    }
    stage.running.dns().wait_ready().await?;
    stage::wait_healthy(&stage.client, &region, HEALTHY_WITHIN).await?;
    narrator.say(&format!("geode {region} is Healthy by verdict"));
    Ok(())
}

async fn fail_back(stage: &mut Stage, narrator: &Narrator, report: &mut Report) -> anyhow::Result<()> {
    let buckets = routes::buckets(stage.lost_stamps(), &stage.running.quickstart().zone);
    let asked = Instant::now();
    let created =
        stage.kubectl.with_file("create", &tools::repository().join("examples/runs/failback.yaml")).await?;
    let name = created.first().and_then(|name| name.rsplit('/').next()).context("kubectl created nothing")?;
    narrator.say(&format!("kubectl create -f examples/runs/failback.yaml: {name}"));
    let name = RunName::from(name);
    let shown = timeout(SHIFT_WITHIN, routes::shown_everywhere(&stage.town.servers, &buckets, Wanted::Home));
    let (shown, run) = tokio::join!(shown, stage.follower.end_of(&name, RUN_WITHIN));
    let run = run?;
    ensure!(run.phase == Phase::Succeeded, "{name} ended as {:?}: {}", run.phase, run.reason);
    let Shown { at, silent } = shown.ok().context("no name server showed the failback within a minute")?;
    ensure!(silent.is_empty(), "name servers do not answer: {silent:?}");
    report.failed_back_after_ms = Some(millis(at - asked));
    sleep(PEACE).await;
    visit(stage, narrator, report).await?;
    narrator.say(&format!("all buckets were home again {} ms after that was asked for", millis(at - asked)));
    Ok(())
}
