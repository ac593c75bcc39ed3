//! One validated snapshot of many objects.
//!
//! A bad object is left out with its reason and harms no other. An object that cannot be understood must not loosen
//! what holds: where the policy in force cannot be read, automation only observes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kube::{Resource, ResourceExt};
use stamps::{
    fleet::{Automation, Fleet, Geode, Load, Policy, Stamp, Zone},
    names::{Bucket, GeodeName, StampName, ZoneName},
    verdict::STRIP_TICKS,
};

use super::{FleetHeader, Invalid};
use crate as api;

/// The objects of one namespace, as the watches hold them.
#[derive(Clone, Debug)]
pub struct Objects<'a> {
    /// The fleet.
    pub fleet: &'a api::Fleet,
    /// Geodes.
    pub geodes: Vec<&'a api::Geode>,
    /// Stamps.
    pub stamps: Vec<&'a api::Stamp>,
    /// Zones.
    pub traffic_policies: Vec<&'a api::TrafficPolicy>,
    /// Policies, in force or not.
    pub failover_policies: Vec<&'a api::FailoverPolicy>,
    /// What lives where: see [`placed`].
    pub placed: Placed,
}

/// What lives in each home bucket, with nothing kept per tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// How much.
    pub load: BTreeMap<(StampName, Bucket), Load>,
    /// Residency zones that its tenants ask for.
    pub residency: BTreeMap<(StampName, Bucket), BTreeSet<String>>,
}

/// An object, or a reference in one, that the snapshot does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What is left out and what to do, in a sentence.
    pub reason: String,
}

impl LeftOut {
    fn new<K: Resource<DynamicType = ()>>(object: &K, reason: &impl ToString) -> Self {
        Self { kind: K::kind(&()).into_owned(), name: object.name_any(), reason: reason.to_string() }
    }
}

/// What lives in every bucket, in one pass over the tenants.
pub fn placed<'a>(tenants: impl IntoIterator<Item = &'a api::Tenant>) -> Placed {
    let mut by_bucket: HashMap<(&str, u16), Load> = HashMap::new();
    let mut residency: BTreeMap<(StampName, Bucket), BTreeSet<String>> = BTreeMap::new();
    for tenant in tenants {
        let Some(placement) = &tenant.spec.placement else { continue };
        let Ok(bucket) = u16::try_from(placement.bucket) else { continue };
        if let Some(zone) = &tenant.spec.residency {
            let asked = residency.entry((placement.stamp.as_str().into(), Bucket(bucket))).or_default();
            asked.insert(zone.to_string());
        }
        let load = by_bucket
            .entry((placement.stamp.as_str(), bucket))
            .or_insert(Load { tier: tenant.spec.tier, ..Load::default() });
        load.tier = load.tier.min(tenant.spec.tier);
        load.tenants = load.tenants.saturating_add(1);
        load.units = load.units.saturating_add(u32::try_from(tenant.spec.size_units).unwrap_or(0));
    }
    let load = by_bucket.into_iter().map(|((stamp, bucket), load)| ((stamp.into(), Bucket(bucket)), load));
    Placed { load: load.collect(), residency }
}

/// The snapshot, and what is not in it. Without a valid fleet object there is none: the caller keeps the last.
pub fn snapshot(objects: Objects<'_>) -> Result<(Fleet, Vec<LeftOut>), LeftOut> {
    let header = super::fleet(objects.fleet).map_err(|why| LeftOut::new(objects.fleet, &why))?;
    let mut left_out = Vec::new();
    let geodes = each(&objects.geodes, super::geode, &mut left_out, |geode: &Geode| geode.name.clone());
    let stamps = stamps(&objects.stamps, &geodes, &mut left_out);
    let zones = zones(&objects.traffic_policies, &geodes, &mut left_out);
    let (policy, automation) = policy(&header, &objects, &mut left_out);
    if let Some(named) = policy.allowed_targets.iter().find(|name| !geodes.contains_key(*name)) {
        left_out.push(LeftOut {
            kind: "FailoverPolicy".into(),
            name: header.failover_policy.clone().unwrap_or_default(),
            reason: format!("allowedTargets names {named}, which is no geode; it is no target"),
        });
    }
    let hub_geode = header.hub_geode.filter(|name| {
        let known = geodes.contains_key(name);
        if !known {
            let reason =
                format!("hub.geode names {name}, which is no geode; the hub counts as outside of all");
            left_out.push(LeftOut::new(objects.fleet, &reason));
        }
        known
    });
    left_out.extend(unreachable_holds(&stamps, &policy));
    left_out.sort();
    let fleet = Fleet {
        uid: header.uid,
        automation,
        hub_geode,
        vantages: header.vantages,
        geodes,
        stamps,
        zones,
        policy,
        load: objects.placed.load,
        residency: objects.placed.residency,
    };
    Ok((fleet, left_out))
}

/// Stamps whose probes are so frequent that a strip of [`STRIP_TICKS`] ticks cannot show evidence for the whole hold:
/// automation would wait for ever. They stay in the snapshot, and their objects say so.
fn unreachable_holds(stamps: &BTreeMap<StampName, Stamp>, policy: &Policy) -> Vec<LeftOut> {
    let detection = policy.detection;
    let hold = detection.stamp_hold.max(detection.geode_hold);
    let ticks = u32::from(STRIP_TICKS.saturating_sub(detection.fail_ticks));
    let shown = |stamp: &Stamp| stamp.tick() * ticks;
    stamps
        .values()
        .filter(|stamp| shown(stamp) < hold)
        .map(|stamp| LeftOut {
            kind: "Stamp".into(),
            name: stamp.name.to_string(),
            reason: format!(
                "spec.probes: at an interval of {:?} a report shows at most {:?} of evidence, and the policy's hold is \
                 {hold:?}; nothing fails over by itself until the interval is raised or the hold is lowered",
                stamp.tick(),
                shown(stamp)
            ),
        })
        .collect()
}

/// Every valid object, by its name.
fn each<K, T, N>(
    objects: &[&K],
    parse: impl Fn(&K) -> Result<T, Invalid>,
    left_out: &mut Vec<LeftOut>,
    name: impl Fn(&T) -> N,
) -> BTreeMap<N, T>
where
    K: Resource<DynamicType = ()>,
    N: Ord,
{
    let mut valid = BTreeMap::new();
    for object in objects {
        match parse(object) {
            Ok(parsed) => {
                valid.insert(name(&parsed), parsed);
            }
            Err(why) => left_out.push(LeftOut::new(*object, &why)),
        }
    }
    valid
}

fn stamps(
    objects: &[&api::Stamp],
    geodes: &BTreeMap<GeodeName, Geode>,
    left_out: &mut Vec<LeftOut>,
) -> BTreeMap<StampName, Stamp> {
    let mut stamps = each(objects, super::stamp, left_out, |stamp| stamp.name.clone());
    stamps.retain(|name, stamp| {
        let known = geodes.contains_key(&stamp.geode);
        if !known {
            left_out.push(LeftOut {
                kind: "Stamp".into(),
                name: name.to_string(),
                reason: format!("spec.geode: there is no geode {}; make it, or name another", stamp.geode),
            });
        }
        known
    });
    stamps
}

/// One policy per zone: the oldest holds it, so that a newcomer takes nothing away.
fn zones(
    objects: &[&api::TrafficPolicy],
    geodes: &BTreeMap<GeodeName, Geode>,
    left_out: &mut Vec<LeftOut>,
) -> BTreeMap<ZoneName, Zone> {
    let mut oldest_first = objects.to_vec();
    oldest_first.sort_by_key(|object| {
        let created = object.creation_timestamp();
        (created.is_none(), created.map(|created| api::time::from_k8s(&created)), object.name_any())
    });
    let mut zones: BTreeMap<ZoneName, Zone> = BTreeMap::new();
    let mut holders: BTreeMap<ZoneName, String> = BTreeMap::new();
    for object in oldest_first {
        let mut zone = match super::traffic_policy(object) {
            Ok(zone) => zone,
            Err(why) => {
                left_out.push(LeftOut::new(object, &why));
                continue;
            }
        };
        if let Some(holder) = holders.get(&zone.name) {
            let reason =
                format!("spec.zone: {} is held by the older policy {holder}; delete one of them", zone.name);
            left_out.push(LeftOut::new(object, &reason));
            continue;
        }
        for server in &mut zone.name_servers {
            let unknown = server.geode.take_if(|geode| !geodes.contains_key(geode));
            if let Some(geode) = unknown {
                let reason = format!(
                    "server {} names {geode}, which is no geode; it counts as outside of all",
                    server.name
                );
                left_out.push(LeftOut::new(object, &reason));
            }
        }
        holders.insert(zone.name.clone(), object.name_any());
        zones.insert(zone.name.clone(), zone);
    }
    zones
}

/// The policy in force and what automation may do under it.
fn policy(header: &FleetHeader, objects: &Objects<'_>, left_out: &mut Vec<LeftOut>) -> (Policy, Automation) {
    let Some(name) = &header.failover_policy else {
        return (super::policy_defaults(), header.automation);
    };
    let named = objects.failover_policies.iter().find(|policy| &policy.name_any() == name);
    let why = match named.map(|policy| super::failover_policy(policy)) {
        Some(Ok(policy)) => return (policy, header.automation),
        Some(Err(why)) => why.to_string(),
        None => "it does not exist".to_owned(),
    };
    // The defaults may be looser than what the person wrote, so nothing starts by itself under them.
    let automation = match header.automation {
        Automation::Automatic | Automation::Approve => Automation::Observe,
        strict @ (Automation::Observe | Automation::Hold) => strict,
    };
    left_out.push(LeftOut {
        kind: "FailoverPolicy".into(),
        name: name.clone(),
        reason: format!(
            "the fleet names it and cannot use it: {why}; defaults hold and automation only observes"
        ),
    });
    (super::policy_defaults(), automation)
}
