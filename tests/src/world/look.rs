//! What a scenario sees of a fleet: in the API server, and at the DNS servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use crds::conditions::FINISHED;
use futures::{StreamExt, TryStreamExt, stream};
use hickory_proto::rr::RecordType;
use k8s_openapi::api::events::v1::Event;
use kube::{ResourceExt, api::ListParams};
use stamps::{
    failover::{FleetState, Run},
    names::{Fence, Point},
};

use super::World;
use crate::{apiserver::AuditEvent, dns, tools, wait};

/// Where each bucket goes by one server: `b07.weu-1` -> `neu-2`.
pub type Routes = BTreeMap<String, String>;

/// Writes by kind (`patch stamps status`) and by name: how many.
pub type Writes = BTreeMap<String, BTreeMap<String, usize>>;

/// Questions to one server at once.
const QUESTIONS_AT_ONCE: usize = 16;
/// Longer than the operator's pause between two rounds of statuses (2 s without news).
const QUIET: Duration = Duration::from_secs(5);
/// Between two looks that something stays as it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the DNS primary's journal says happened to the zone, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Each change: the serial it led to, with what it added at our names.
    pub changes: Vec<Change>,
}

/// One change of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The fence that it wrote.
    pub fence: Option<Point>,
    /// Buckets that it moved, and where to.
    pub buckets: Routes,
}

impl Journal {
    /// Changes that moved a bucket.
    pub fn moves(&self) -> Vec<&Change> {
        self.changes.iter().filter(|change| !change.buckets.is_empty()).collect()
    }

    /// Every fence in the order in which it was written.
    pub fn fences(&self) -> Vec<Point> {
        self.changes.iter().filter_map(|change| change.fence).collect()
    }
}

impl World {
    /// Asks until the answer is `Ok`, at most for `bound`.
    pub async fn until<T>(
        &self,
        what: &str,
        bound: Duration,
        probe: impl AsyncFn() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        wait::until(what, bound, async || probe().await).await
    }

    /// The register: its object, and the state in it.
    pub async fn register(&self) -> anyhow::Result<(crds::FleetState, FleetState)> {
        let object = self.api::<crds::FleetState>().get(crds::FLEET).await?;
        let state = crds::register::decode(object.spec.format_version, &object.spec.data)?;
        Ok((object, state))
    }

    /// Waits until this replica leads by the register. Says under which epoch.
    pub async fn until_leader(&self, identity: &str, bound: Duration) -> anyhow::Result<i64> {
        self.until(&format!("{identity} to lead"), bound, async || {
            let (object, _) = self.register().await?;
            ensure!(object.spec.leader == identity, "{} leads", object.spec.leader);
            Ok(object.spec.epoch)
        })
        .await
    }

    /// Waits until a Geode's status carries this verdict.
    pub async fn until_verdict(&self, geode: &str, wanted: &str, bound: Duration) -> anyhow::Result<()> {
        self.until(&format!("{geode} to be {wanted}"), bound, async || {
            let status = self.api::<crds::Geode>().get(geode).await?.status.context("no status yet")?;
            let (verdict, advisory) =
                (status.verdict.unwrap_or_default(), status.advisory.unwrap_or_default());
            let said: Vec<&str> = status.conditions.iter().map(|c| c.message.as_str()).collect();
            ensure!(verdict == wanted, "it is {verdict} ({advisory}) {said:?}");
            Ok(())
        })
        .await
    }

    pub(super) async fn all_well(&self) -> anyhow::Result<()> {
        let fleet = self.api::<crds::Fleet>().get(crds::FLEET).await?.status.context("no status yet")?;
        let stamps = self.stamps.all().len();
        let (geodes, well) = (fleet.geodes.unwrap_or_default(), fleet.stamps.unwrap_or_default());
        ensure!(geodes == "3/3" && well == format!("{stamps}/{stamps}"), "geodes {geodes}, stamps {well}");
        let policy = self.api::<crds::TrafficPolicy>().get("zone").await?.status.context("no status yet")?;
        ensure!(policy.servers.as_deref() == Some("3/3"), "servers {:?}: {policy:?}", policy.servers);
        Ok(())
    }

    pub(super) async fn all_placed(&self) -> anyhow::Result<()> {
        let tenants = self.api::<crds::Tenant>().list(&ListParams::default()).await?.items;
        let homeless = tenants.iter().filter(|tenant| tenant.spec.placement.is_none()).count();
        ensure!(homeless == 0, "{homeless} of {} tenants have no home", tenants.len());
        for server in self.scenario.dns().servers() {
            let silent: Vec<String> = stream::iter(&tenants)
                .map(|tenant| async move {
                    let host = self.tenant_host(&tenant.name_any());
                    Ok(self.addresses(server.region(), &host).await?.is_empty().then_some(host))
                })
                .buffered(QUESTIONS_AT_ONCE)
                .try_filter_map(|silent: Option<String>| async move { anyhow::Ok(silent) })
                .try_collect()
                .await?;
            ensure!(silent.is_empty(), "{} tenants have no address yet", silent.len());
        }
        Ok(())
    }

    /// The addresses that one server answers for a host name, aliases followed.
    pub async fn addresses(&self, region: &str, host: &str) -> anyhow::Result<BTreeSet<String>> {
        let server = self.scenario.dns().server(region)?.address();
        Ok(dns::ask(server, host, RecordType::A).await?.data(RecordType::A).into_iter().collect())
    }

    /// The address of a stamp.
    pub fn address_of(&self, stamp: &str) -> anyhow::Result<String> {
        Ok(self.stamps.get(stamp)?.address().ip().to_string())
    }

    /// Where every bucket goes by the server of a region.
    pub async fn routes(&self, region: &str) -> anyhow::Result<Routes> {
        let server = self.scenario.dns().server(region)?.address();
        let zone = self.scenario.zone();
        let buckets: Vec<String> = self
            .register()
            .await?
            .1
            .stamps
            .iter()
            .flat_map(|(stamp, record)| {
                (0..record.buckets).map(move |bucket| format!("b{bucket:02}.{stamp}"))
            })
            .collect();
        stream::iter(buckets)
            .map(|bucket| async move {
                let answer = dns::ask(server, &format!("{bucket}.stamps.{zone}"), RecordType::CNAME).await?;
                let target = answer.data(RecordType::CNAME).join(" ");
                let stamp = target.split('.').next().unwrap_or_default().to_owned();
                anyhow::Ok((bucket, stamp))
            })
            .buffered(QUESTIONS_AT_ONCE)
            .try_collect()
            .await
    }

    /// Waits until every server of these regions shows `holds` of every bucket and where it goes.
    pub async fn until_routes(
        &self,
        what: &str,
        regions: &[&str],
        bound: Duration,
        holds: impl Fn(&str, &str) -> bool,
    ) -> anyhow::Result<()> {
        self.until(what, bound, async || {
            for region in regions {
                let routes = self.routes(region).await?;
                ensure!(!routes.is_empty(), "no bucket is known");
                let odd: Vec<_> = routes.iter().filter(|(bucket, stamp)| !holds(bucket, stamp)).collect();
                ensure!(
                    odd.is_empty(),
                    "{} of {} buckets at {region} not: {:?}",
                    odd.len(),
                    routes.len(),
                    odd[0]
                );
            }
            Ok(())
        })
        .await
    }

    /// The zone's serial at the primary. Every update that changes something raises it by one.
    pub async fn serial(&self) -> anyhow::Result<u32> {
        let answer =
            dns::ask(self.scenario.dns().primary().address(), self.scenario.zone(), RecordType::SOA).await?;
        let data = answer.data(RecordType::SOA).join(" ");
        data.split_whitespace().nth(2).context("no SOA")?.parse().context("the serial of the SOA")
    }

    /// Fails as soon as a bucket moves or a zone changes or a run of the engine appears; passes after `time`.
    pub async fn nothing_moves_for(&self, time: Duration) -> anyhow::Result<()> {
        let (serial, since) = (self.serial().await?, Instant::now());
        let runs = self.runs().await?;
        while since.elapsed() < time {
            let now = self.serial().await?;
            ensure!(now == serial, "the zone changed {} times after {:?}", now - serial, since.elapsed());
            let new = self.runs().await?;
            ensure!(new.keys().eq(runs.keys()), "a run has begun: {:?}", new.keys());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Runs in the register.
    pub async fn runs(&self) -> anyhow::Result<BTreeMap<String, Run>> {
        let runs = self.register().await?.1.runs;
        Ok(runs.into_iter().map(|(name, run)| (name.to_string(), run)).collect())
    }

    /// Waits for a run that was not there `before` and returns its name.
    pub async fn until_new_run(
        &self,
        before: &BTreeMap<String, Run>,
        bound: Duration,
    ) -> anyhow::Result<String> {
        self.until("a run to begin", bound, async || {
            let mut runs = self.runs().await?;
            runs.retain(|name, _| !before.contains_key(name));
            runs.into_keys().next().context("there is none")
        })
        .await
    }

    /// Waits until a Failover object says Finished, as `kubectl wait --for=condition=Finished` does, and returns it.
    pub async fn finished(&self, run: &str, bound: Duration) -> anyhow::Result<crds::Failover> {
        self.until(&format!("{run} to be finished"), bound, async || {
            let object = self.api::<crds::Failover>().get(run).await?;
            let status = object.status.as_ref().context("no status yet")?;
            let finished = status.conditions.iter().any(|c| c.type_ == FINISHED && c.status == "True");
            ensure!(finished, "{:?} {:?}: {:?}", status.phase, status.step, status.message);
            Ok(object)
        })
        .await
    }

    /// Events with this reason, as (kind, name, note), in the order of their names.
    pub async fn events(&self, reason: &str) -> anyhow::Result<Vec<(String, String, String)>> {
        let events = self.api::<Event>().list(&ListParams::default()).await?.items;
        let told = events.into_iter().filter(|event| event.reason.as_deref() == Some(reason)).map(|event| {
            let about = event.regarding.unwrap_or_default();
            (about.kind.unwrap_or_default(), about.name.unwrap_or_default(), event.note.unwrap_or_default())
        });
        Ok(told.collect())
    }

    /// Waits for an event with this reason about an object, and returns what it says.
    pub async fn until_event(&self, reason: &str, about: &str, bound: Duration) -> anyhow::Result<String> {
        self.until(&format!("the event {reason} about {about}"), bound, async || {
            let events = self.events(reason).await?;
            let told = events.iter().find(|(_, name, _)| name == about);
            Ok(told.with_context(|| format!("{events:?}"))?.2.clone())
        })
        .await
    }

    /// Waits until nothing is left to be told or shown: the outbox is empty, and no operator has written anything but
    /// its heartbeat for a while.
    pub async fn until_quiet(&self, bound: Duration) -> anyhow::Result<()> {
        let seen = std::sync::Mutex::new((0, Instant::now()));
        self.until("the operators to have said everything", bound, async || {
            let waiting = self.register().await?.1.outbox.waiting.len();
            ensure!(waiting == 0, "{waiting} events wait");
            // The whole audit log is read for this, so not as often as other things are looked at.
            tokio::time::sleep(LOOK_EVERY).await;
            let writes: usize = self.writes(0)?.values().flat_map(BTreeMap::values).sum();
            let mut seen = seen.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
            if seen.0 != writes {
                *seen = (writes, Instant::now());
            }
            ensure!(seen.1.elapsed() >= QUIET, "{writes} writes so far");
            Ok(())
        })
        .await
    }

    /// How many requests the API server has answered.
    pub fn answered(&self) -> anyhow::Result<usize> {
        Ok(self.scenario.cluster().audit()?.len())
    }

    /// What operators wrote in this namespace after so many answers. Without the heartbeat: how often it is written
    /// follows from time alone.
    pub fn writes(&self, after: usize) -> anyhow::Result<Writes> {
        let mut writes = Writes::new();
        for event in self.scenario.cluster().audit()?.into_iter().skip(after).filter(AuditEvent::is_write) {
            let object = event.object_ref.unwrap_or_default();
            let ours =
                event.user.username.starts_with("operator-") && object.namespace == self.scenario.namespace();
            if ours && object.resource != "leases" {
                let kind = format!("{} {} {}", event.verb, object.resource, object.subresource);
                let of_kind = writes.entry(kind.trim_end().to_owned()).or_default();
                *of_kind.entry(object.name).or_default() += 1;
            }
        }
        Ok(writes)
    }

    /// Reads the journal of the DNS primary, which tells every change since the zone was made.
    pub fn journal(&self) -> anyhow::Result<Journal> {
        let region = self.scenario.dns().primary().region();
        let database = self.scenario.folder().join(format!("dns-{region}/db/journal"));
        let output = Command::new(tools::find("kjournalprint")?)
            .args(["-n"])
            .arg(&database)
            .arg(self.scenario.zone())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("kjournalprint: {}{}", text, String::from_utf8_lossy(&output.stderr));
        }
        Ok(read_journal(&text, self.scenario.zone()))
    }
}

/// A change begins where removals do: `;; Removed`; what it added stands below `;; Added`.
fn read_journal(text: &str, zone: &str) -> Journal {
    let mut journal = Journal::default();
    let mut adding = false;
    for line in text.lines() {
        if line.starts_with(";;") {
            adding = line.contains("Added");
            if line.contains("Removed") {
                journal.changes.push(Change::default());
            }
            continue;
        }
        let (Some(change), true) = (journal.changes.last_mut(), adding) else { continue };
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, _ttl, rest @ ..] = &fields[..] else { continue };
        match rest {
            ["TXT" | "IN", ..] if name.starts_with("_lifeboat.") => {
                let said = rest.last().map(|text| text.trim_matches('"').parse::<Fence>());
                change.fence = said.and_then(Result::ok).map(|fence| fence.point);
            }
            [.., "CNAME", target] => {
                if let Some(bucket) = name.strip_suffix(&format!(".stamps.{zone}.")) {
                    let stamp = target.split('.').next().unwrap_or_default();
                    change.buckets.insert(bucket.to_owned(), stamp.to_owned());
                }
            }
            _ => {}
        }
    }
    journal
}
