//! Watches -> inputs: one validated snapshot of the fleet, reports, requests, and the register as others wrote it.
//!
//! A bad object is left out with its reason. A list that is not complete, or a watch that broke off, changes nothing.

mod clock;
mod store;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use crds::validate::{self, LeftOut, Objects, Webhook};
use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use stamps::{
    failover::{Input, Request},
    fleet::Stamp,
    names::{StampName, TenantName, VantageName, ZoneName},
    verdict::{Report, list_hash, unpack},
};
use tokio::{
    sync::{mpsc, watch as channel},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use clock::ServerTime;
use store::{Change, Store};

use crate::{drive::Clock, register};

/// Changes that come together make one snapshot.
const SETTLE: Duration = Duration::from_millis(50);
/// The same for tenants: there may be very many, each snapshot reads them all, and none of them is urgent.
const SETTLE_TENANTS: Duration = Duration::from_millis(400);
/// Lists of stamps that a late report may still be ordered by.
const LISTS_MAX: usize = 4;

/// What others in the process need of the objects besides the engine's inputs.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Objects that are not in the snapshot, with the reason.
    pub left_out: Vec<LeftOut>,
    /// Who is told of alerts.
    pub webhook: Option<Webhook>,
    /// Zone -> the policy it comes from, and the name of the Secret with its key.
    pub roads: BTreeMap<ZoneName, RoadRef>,
    /// Tenants as placement sees them.
    pub tenants: Arc<HashMap<TenantName, validate::TenantRequest>>,
    /// Labels of stamps, for tenants that select by them.
    pub stamp_labels: BTreeMap<StampName, BTreeMap<String, String>>,
    /// Residency zones of geodes.
    pub residency: BTreeMap<String, String>,
    /// Kind and name of every object -> its generation.
    pub generations: BTreeMap<(&'static str, String), i64>,
}

/// The newest report of each vantage, for the score.
pub type Reports = BTreeMap<VantageName, Report>;

/// Where a zone comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoadRef {
    /// Name of its `TrafficPolicy`.
    pub policy: String,
    /// Name of the Secret with the key for its updates.
    pub secret: String,
}

/// Any object of ours, as its watch tells of it.
enum Heard {
    Fleet(Event<crds::Fleet>),
    Geode(Event<crds::Geode>),
    Stamp(Event<crds::Stamp>),
    TrafficPolicy(Event<crds::TrafficPolicy>),
    FailoverPolicy(Event<crds::FailoverPolicy>),
    Tenant(Event<crds::Tenant>),
    Failover(Event<crds::Failover>),
    Report(Event<crds::HealthReport>),
    Register(Event<crds::FleetState>),
}

/// Everything that the watches have told.
#[derive(Default)]
struct Collector {
    fleets: Store<crds::Fleet>,
    geodes: Store<crds::Geode>,
    stamps: Store<crds::Stamp>,
    traffic: Store<crds::TrafficPolicy>,
    policies: Store<crds::FailoverPolicy>,
    tenants: Store<crds::Tenant>,
    failovers: Store<crds::Failover>,
    reports: Store<crds::HealthReport>,
    register_created: Option<DateTime<Utc>>,
    /// Whether a list of registers that is under way has one.
    register_listed: bool,
    /// The API server's clock.
    server_time: Option<ServerTime>,
    /// What a person said about the register last.
    confirmed: Option<String>,
    /// Lists of stamps that reports may be ordered by, with the hash that names each. The newest first.
    lists: Vec<(String, BTreeMap<StampName, Stamp>)>,
    dirty: bool,
    /// Since when tenants have changed that are in no snapshot yet.
    tenants_dirty: Option<Instant>,
}

/// Watches until `stop`.
pub async fn run(
    client: Client,
    namespace: &str,
    inputs: mpsc::Sender<Input>,
    seen: channel::Sender<Seen>,
    reports: channel::Sender<Reports>,
    clock: Clock,
    stop: CancellationToken,
) {
    let (time_sender, mut time) = channel::channel(None);
    tokio::spawn(clock::follow(client.clone(), clock, time_sender, stop.clone()));
    let mut heard = stream::select_all([
        events(&client, namespace, Heard::Fleet),
        events(&client, namespace, Heard::Geode),
        events(&client, namespace, Heard::Stamp),
        events(&client, namespace, Heard::TrafficPolicy),
        events(&client, namespace, Heard::FailoverPolicy),
        events(&client, namespace, Heard::Tenant),
        events(&client, namespace, Heard::Failover),
        events(&client, namespace, Heard::Report),
        events(&client, namespace, Heard::Register),
    ]);
    let mut collector = Collector::default();
    let mut settle = tokio::time::interval(SETTLE);
    settle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let news = tokio::select! {
            () = stop.cancelled() => return,
            Some(event) = heard.next() => collector.take(event),
            Ok(()) = time.changed() => collector.tell_time(*time.borrow_and_update()),
            _ = settle.tick(), if collector.due() => collector.snapshot(&seen),
        };
        for input in news {
            if let Input::Report { report, .. } = &input {
                reports.send_modify(|table| drop(table.insert(report.vantage.clone(), report.clone())));
            }
            if inputs.send(input).await.is_err() {
                return;
            }
        }
    }
}

type Events = stream::BoxStream<'static, Heard>;

fn events<K>(client: &Client, namespace: &str, wrap: fn(Event<K>) -> Heard) -> Events
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let events = watcher(api, watcher::Config::default()).default_backoff();
    without_errors(events).map(wrap).boxed()
}

/// A watch that breaks off is started again by its backoff; meanwhile nothing is known to have changed.
fn without_errors<K>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
) -> impl Stream<Item = Event<K>> {
    events.filter_map(|event| async {
        event.inspect_err(|error| tracing::warn!(%error, "a watch broke off and is started again")).ok()
    })
}

impl Collector {
    fn take(&mut self, heard: Heard) -> Vec<Input> {
        match heard {
            Heard::Fleet(event) => {
                self.dirty |= self.fleets.take(event) != Change::None;
                return self.person_said().into_iter().collect();
            }
            Heard::Geode(event) => self.dirty |= self.geodes.take(event) != Change::None,
            Heard::Stamp(event) => self.dirty |= self.stamps.take(event) != Change::None,
            Heard::TrafficPolicy(event) => self.dirty |= self.traffic.take(event) != Change::None,
            Heard::FailoverPolicy(event) => self.dirty |= self.policies.take(event) != Change::None,
            Heard::Tenant(event) => {
                if self.tenants.take(strip(event)) != Change::None {
                    self.tenants_dirty.get_or_insert_with(Instant::now);
                }
            }
            Heard::Failover(event) => return self.failover(event),
            Heard::Report(event) => return self.report(event),
            Heard::Register(event) => return self.register(event),
        }
        Vec::new()
    }

    /// Whether a snapshot is due.
    fn due(&self) -> bool {
        self.dirty || self.tenants_dirty.is_some_and(|since| since.elapsed() >= SETTLE_TENANTS)
    }

    fn failover(&mut self, event: Event<crds::Failover>) -> Vec<Input> {
        match self.failovers.take(event) {
            Change::None => Vec::new(),
            Change::Listed => self.requests(),
            Change::Applied(name) => self.request(&name).into_iter().collect(),
            Change::Deleted(name) => vec![Input::Withdrawn(name.into())],
        }
    }

    /// What a person confirmed about the register, if that is news.
    fn person_said(&mut self) -> Option<Input> {
        let fleet = self.fleets.get(crds::FLEET)?;
        let word = fleet.spec.recover.as_ref().map(|recover| recover.finding.clone());
        if self.confirmed == word {
            return None;
        }
        self.confirmed.clone_from(&word);
        Some(Input::Confirmed(word))
    }

    fn tell_time(&mut self, time: Option<ServerTime>) -> Vec<Input> {
        let first = self.server_time.is_none();
        self.server_time = time;
        if first { self.requests() } else { Vec::new() }
    }

    fn requests(&self) -> Vec<Input> {
        self.failovers.all().iter().filter_map(|object| self.request(&object.name_any())).collect()
    }

    /// A request, once the register's age and the server's time are known: what is older than the register, or too old
    /// to start, is no command.
    fn request(&self, name: &str) -> Option<Input> {
        let object = self.failovers.get(name)?;
        let (register_created, time) = (self.register_created?, self.server_time?);
        match validate::failover(object, Some(register_created)) {
            Ok(asked) => {
                let start_by = Some(time.when(asked.created + asked.start_deadline));
                Some(Input::Request(asked.name, Request { start_by, ..asked.request }))
            }
            Err(invalid) => {
                tracing::warn!(name, %invalid, "a Failover is not valid and is left out");
                None
            }
        }
    }

    fn report(&mut self, event: Event<crds::HealthReport>) -> Vec<Input> {
        match self.reports.take(event) {
            Change::None | Change::Deleted(_) => Vec::new(),
            Change::Listed => {
                self.reports.all().into_iter().filter_map(|object| self.unpack(object)).collect()
            }
            Change::Applied(name) => {
                self.reports.get(&name).and_then(|object| self.unpack(object)).into_iter().collect()
            }
        }
    }

    /// A report whose order of stamps is not known says nothing; it will be sent again.
    fn unpack(&self, object: &crds::HealthReport) -> Option<Input> {
        let (hash, list) = self.lists.iter().find(|(hash, _)| *hash == object.spec.stamps_hash)?;
        let samples = unpack(&object.spec.body, hash, list)
            .inspect_err(
                |error| tracing::warn!(vantage = object.spec.vantage, %error, "a report cannot be read"),
            )
            .ok()?;
        let report = Report {
            vantage: object.spec.vantage.as_str().into(),
            region: object.spec.region.as_str().into(),
            sight: object.spec.sight,
            samples,
        };
        Some(Input::Report { report, version: object.resource_version().unwrap_or_default() })
    }

    fn register(&mut self, event: Event<crds::FleetState>) -> Vec<Input> {
        let object = match event {
            Event::Init => {
                self.register_listed = false;
                return Vec::new();
            }
            Event::InitDone if self.register_listed || self.register_created.is_none() => return Vec::new(),
            Event::InitDone | Event::Delete(_) => return vec![Input::Vanished],
            Event::InitApply(object) => {
                self.register_listed = true;
                object
            }
            Event::Apply(object) => object,
        };
        let mut news = vec![register::read(&object)];
        let created = object.creation_timestamp().map(|at| crds::time::from_k8s(&at));
        if created.is_some() && self.register_created != created {
            self.register_created = created;
            news.extend(self.requests());
        }
        news
    }

    /// The snapshot, as soon as every list is complete. Without a valid fleet the last one stays.
    fn snapshot(&mut self, seen: &channel::Sender<Seen>) -> Vec<Input> {
        let synced = self.fleets.synced()
            && self.geodes.synced()
            && self.stamps.synced()
            && self.traffic.synced()
            && self.policies.synced()
            && self.tenants.synced();
        let Some(fleet) = self.fleets.get(crds::FLEET).filter(|_| synced) else { return Vec::new() };
        self.dirty = false;
        self.tenants_dirty = None;
        let objects = Objects {
            fleet,
            geodes: self.geodes.all(),
            stamps: self.stamps.all(),
            traffic_policies: self.traffic.all(),
            failover_policies: self.policies.all(),
            placed: validate::placed(self.tenants.all()),
        };
        let (fleet, left_out) = match validate::snapshot(objects) {
            Ok(snapshot) => snapshot,
            Err(why) => {
                tracing::warn!(
                    kind = why.kind,
                    reason = why.reason,
                    "the fleet is not valid; the last one stays"
                );
                seen.send_modify(|seen| seen.left_out = vec![why]);
                return Vec::new();
            }
        };
        seen.send_replace(self.seen(left_out));
        let hash = list_hash(&fleet.stamps);
        let mut news = vec![Input::Fleet(Box::new(fleet.clone()))];
        if self.lists.first().is_none_or(|(newest, _)| *newest != hash) {
            self.lists.retain(|(known, _)| *known != hash);
            self.lists.insert(0, (hash, fleet.stamps.clone()));
            self.lists.truncate(LISTS_MAX);
            news.extend(self.reports.all().into_iter().filter_map(|object| self.unpack(object)));
        }
        news
    }

    fn generations(&self) -> BTreeMap<(&'static str, String), i64> {
        fn of<K: Resource<DynamicType = ()>>(
            store: &Store<K>,
            kind: &'static str,
        ) -> impl Iterator<Item = ((&'static str, String), i64)> {
            store
                .all()
                .into_iter()
                .map(move |object| ((kind, object.name_any()), object.meta().generation.unwrap_or_default()))
        }
        of(&self.fleets, "Fleet")
            .chain(of(&self.geodes, "Geode"))
            .chain(of(&self.stamps, "Stamp"))
            .chain(of(&self.traffic, "TrafficPolicy"))
            .collect()
    }

    fn seen(&self, left_out: Vec<LeftOut>) -> Seen {
        let tenants = self.tenants.all().into_iter().filter_map(|tenant| validate::tenant(tenant).ok());
        let roads = self.traffic.all().into_iter().filter_map(|policy| {
            let zone = validate::traffic_policy(policy).ok()?.name;
            let road = policy.spec.roads.iter().find_map(|road| road.dns_update.as_ref())?;
            Some((zone, RoadRef { policy: policy.name_any(), secret: road.tsig_secret_name.to_string() }))
        });
        let fleet = self.fleets.get(crds::FLEET).and_then(|fleet| validate::fleet(fleet).ok());
        Seen {
            left_out,
            webhook: fleet.and_then(|header| header.webhook),
            roads: roads.collect(),
            tenants: Arc::new(tenants.map(|tenant| (tenant.name.clone(), tenant)).collect()),
            stamp_labels: self
                .stamps
                .all()
                .into_iter()
                .map(|stamp| (stamp.name_any().into(), stamp.labels().clone()))
                .collect(),
            residency: self
                .geodes
                .all()
                .into_iter()
                .filter_map(|geode| Some((geode.name_any(), geode.spec.residency_zone.as_ref()?.to_string())))
                .collect(),
            generations: self.generations(),
        }
    }
}

/// Managed fields are half of a small object, and nobody here reads them.
fn strip(event: Event<crds::Tenant>) -> Event<crds::Tenant> {
    event.modify(|tenant| tenant.metadata.managed_fields = None)
}
