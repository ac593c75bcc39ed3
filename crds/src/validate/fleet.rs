//! The fleet, its geodes and its policy.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use kube::ResourceExt;
use stamps::{
    fleet::{Automation, Detection, Geode, Policy, Ramp, Ramps, SafetyLimits, Workflow},
    names::{FleetUid, GeodeName, RegionName, VantageName},
};

use super::{Invalid, parse};
use crate::{failover_policy as policy_api, fleet as fleet_api, geode as geode_api};

/// Regions with a vantage that automation needs: the subject's own and two others.
const AUTOMATIC_REGIONS_MIN: usize = 3;

/// Receivers that a fleet may name.
const NOTIFICATIONS_MAX: usize = 1;

/// Where a page of the web, or a receiver, is found.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAddress {
    /// By HTTPS.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path with query. It may hold a token, so it is never printed.
    pub path: String,
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}/...", self.host, self.port)
    }
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The receiver's name.
    pub name: String,
    /// Where it listens.
    pub address: WebAddress,
}

/// What the `Fleet` object itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetHeader {
    /// UID of the object.
    pub uid: FleetUid,
    /// The Gate.
    pub automation: Automation,
    /// The geode that the control plane stands in.
    pub hub_geode: Option<GeodeName>,
    /// Expected vantages.
    pub vantages: BTreeMap<VantageName, RegionName>,
    /// Name of the policy in force.
    pub failover_policy: Option<String>,
    /// Who is told of alerts.
    pub webhook: Option<Webhook>,
}

/// The header of a fleet object.
pub fn fleet(object: &fleet_api::Fleet) -> Result<FleetHeader, Invalid> {
    let spec = &object.spec;
    let uid = object.uid().ok_or_else(|| Invalid::Unsaved { field: "metadata.uid".into() })?;
    parse::distinct("spec.vantages", spec.vantages.iter().map(|vantage| vantage.name.as_str()))?;
    let mut vantages = BTreeMap::new();
    for (n, vantage) in spec.vantages.iter().enumerate() {
        let name = parse::label(&format!("spec.vantages[{n}].name"), &vantage.name)?;
        let region = parse::label(&format!("spec.vantages[{n}].region"), &vantage.region)?;
        vantages.insert(name.into(), region.into());
    }
    automation(spec.automation, &vantages)?;
    let hub_geode = match spec.hub.as_ref().and_then(|hub| hub.geode.as_ref()) {
        None => None,
        Some(geode) => Some(parse::label("spec.hub.geode", geode)?.into()),
    };
    Ok(FleetHeader {
        uid: uid.into(),
        automation: spec.automation,
        hub_geode,
        vantages,
        failover_policy: spec.failover_policy.as_ref().map(ToString::to_string),
        webhook: webhook(&spec.notifications)?,
    })
}

fn webhook(notifications: &[fleet_api::Notification]) -> Result<Option<Webhook>, Invalid> {
    if notifications.len() > NOTIFICATIONS_MAX {
        return Err(Invalid::Count {
            field: "spec.notifications".into(),
            remedy: "name one receiver; let it pass alerts on to others",
            found: notifications.len(),
        });
    }
    let Some(notification) = notifications.first() else { return Ok(None) };
    Ok(Some(Webhook {
        name: parse::label("spec.notifications[0].name", &notification.name)?.to_owned(),
        address: parse::url("spec.notifications[0].url", &notification.url)?,
    }))
}

fn automation(automation: Automation, vantages: &BTreeMap<VantageName, RegionName>) -> Result<(), Invalid> {
    let field = "spec.automation".to_owned();
    match automation {
        Automation::Observe | Automation::Approve | Automation::Hold => Ok(()),
        Automation::Automatic => {
            let regions: BTreeSet<_> = vantages.values().collect();
            if regions.len() >= AUTOMATIC_REGIONS_MIN {
                return Ok(());
            }
            Err(Invalid::Count {
                field,
                remedy: "automation Automatic needs vantages in at least 3 regions: list more in vantages, or use Observe",
                found: regions.len(),
            })
        }
    }
}

/// The domain's geode of an object.
pub fn geode(object: &geode_api::Geode) -> Result<Geode, Invalid> {
    let spec = &object.spec;
    let name = object.name_any();
    parse::label_text("metadata.name", &name)?;
    if let Some(coordinates) = &spec.coordinates {
        parse::degrees("spec.coordinates.latitude", &coordinates.latitude, 90)?;
        parse::degrees("spec.coordinates.longitude", &coordinates.longitude, 180)?;
    }
    Ok(Geode {
        display_name: spec.display_name.clone().unwrap_or_else(|| name.clone()),
        name: name.into(),
        failover_order: parse::int("spec.failoverOrder", spec.failover_order, 0..=10_000)?,
        lifecycle: spec.lifecycle,
        residency_zone: spec.residency_zone.as_ref().map(ToString::to_string),
    })
}

/// The domain's policy of an object.
pub fn failover_policy(object: &policy_api::FailoverPolicy) -> Result<Policy, Invalid> {
    policy(&object.spec)
}

/// The policy of a fleet that names none: every field at its default.
pub fn policy_defaults() -> Policy {
    // The schema's defaults are the only defaults; that they are valid is a test's business.
    policy(&policy_api::FailoverPolicySpec::default()).unwrap_or_else(|_| strictest())
}

/// A policy under which automation does nothing. Unreachable as long as the defaults are valid.
fn strictest() -> Policy {
    let hour = Duration::from_hours(1);
    Policy {
        detection: Detection {
            fail_ticks: 64,
            window_ticks: 64,
            recover_ticks: 64,
            stamp_hold: hour,
            geode_hold: hour,
        },
        safety: SafetyLimits {
            geodes_out_max: 0,
            units_out_max_pct: 0,
            serving_stamps_min: 1,
            serving_units_min_pct: 100,
            panic_window: hour,
            units_doubted_max_pct: 0,
            recent_change: hour,
            contagion: hour,
            runs_per_day_max: 0,
            subject_cooldown: hour,
            fleet_cooldown: hour,
            warm_up: hour,
            capacity_line_pct: 80,
        },
        workflow: Workflow { step_budget: hour, run_deadline: hour, drain_grace: hour },
        allowed_targets: BTreeSet::new(),
        ramps: Ramps { planned: Ramp::at_once(), unplanned: Ramp::at_once(), failback: Ramp::at_once() },
    }
}

fn policy(spec: &policy_api::FailoverPolicySpec) -> Result<Policy, Invalid> {
    Ok(Policy {
        detection: detection(&spec.detection)?,
        safety: safety(&spec.safety)?,
        workflow: workflow(&spec.workflow)?,
        allowed_targets: spec
            .allowed_targets
            .iter()
            .enumerate()
            .map(|(n, geode)| parse::label(&format!("spec.allowedTargets[{n}]"), geode).map(GeodeName::from))
            .collect::<Result<_, _>>()?,
        ramps: ramps(spec.ramps.as_ref())?,
    })
}

fn safety(spec: &policy_api::Safety) -> Result<SafetyLimits, Invalid> {
    let percent =
        |field: &str, found: i32, least: i64| parse::int(&format!("spec.safety.{field}"), found, least..=100);
    let time = |field: &str, text| {
        parse::duration(&format!("spec.safety.{field}"), text, Duration::ZERO..=parse::s(7 * 24 * 3_600))
    };
    Ok(SafetyLimits {
        geodes_out_max: parse::int("spec.safety.geodesOutMax", spec.geodes_out_max, 0..=64)?,
        units_out_max_pct: percent("unitsOutMaxPercent", spec.units_out_max_percent, 0)?,
        serving_stamps_min: parse::int("spec.safety.servingStampsMin", spec.serving_stamps_min, 1..=10_000)?,
        serving_units_min_pct: percent("servingUnitsMinPercent", spec.serving_units_min_percent, 1)?,
        panic_window: time("panicWindow", &spec.panic_window)?,
        units_doubted_max_pct: percent("unitsDoubtedMaxPercent", spec.units_doubted_max_percent, 1)?,
        recent_change: time("recentChange", &spec.recent_change)?,
        contagion: time("contagion", &spec.contagion)?,
        runs_per_day_max: parse::int("spec.safety.runsPerDayMax", spec.runs_per_day_max, 0..=1_000)?,
        subject_cooldown: time("subjectCooldown", &spec.subject_cooldown)?,
        fleet_cooldown: time("fleetCooldown", &spec.fleet_cooldown)?,
        warm_up: time("warmUp", &spec.warm_up)?,
        capacity_line_pct: percent("capacityLinePercent", spec.capacity_line_percent, 1)?,
    })
}

fn ramps(spec: Option<&policy_api::Ramps>) -> Result<Ramps, Invalid> {
    let defaults = policy_api::Ramps::default();
    let spec = spec.unwrap_or(&defaults);
    Ok(Ramps {
        planned: ramp("planned", &spec.planned)?,
        unplanned: ramp("unplanned", &spec.unplanned)?,
        failback: ramp("failback", &spec.failback)?,
    })
}

fn ramp(which: &str, spec: &policy_api::Ramp) -> Result<Ramp, Invalid> {
    let field = format!("spec.ramps.{which}.stages");
    let stages = spec.stages.iter().map(|found| parse::int(&field, *found, 1..=100));
    let stages_pct: Vec<u32> = stages.collect::<Result<_, _>>()?;
    if !stages_pct.is_sorted_by(|a, b| a < b) || stages_pct.last() != Some(&100) {
        return Err(Invalid::Conflict { field, remedy: "let the stages rise, and end with 100" });
    }
    let bake = parse::duration(
        &format!("spec.ramps.{which}.bake"),
        &spec.bake,
        Duration::ZERO..=parse::s(24 * 3_600),
    )?;
    Ok(Ramp { stages_pct, bake })
}

fn detection(spec: &policy_api::Detection) -> Result<Detection, Invalid> {
    let ticks = |field: &str, found: i32| parse::int(&format!("spec.detection.{field}"), found, 1..=64);
    let hold = |field: &str, text| {
        parse::duration(&format!("spec.detection.hold.{field}"), text, parse::s(1)..=parse::s(3_600))
    };
    if spec.fail_ticks > spec.window_ticks {
        return Err(Invalid::Conflict {
            field: "spec.detection.failTicks".into(),
            remedy: "failTicks cannot be more than windowTicks",
        });
    }
    Ok(Detection {
        fail_ticks: ticks("failTicks", spec.fail_ticks)?,
        window_ticks: ticks("windowTicks", spec.window_ticks)?,
        recover_ticks: ticks("recoverTicks", spec.recover_ticks)?,
        stamp_hold: hold("stamp", &spec.hold.stamp)?,
        geode_hold: hold("geode", &spec.hold.geode)?,
    })
}

fn workflow(spec: &policy_api::Workflow) -> Result<Workflow, Invalid> {
    let day = parse::s(24 * 3_600);
    Ok(Workflow {
        step_budget: parse::duration(
            "spec.workflow.stepBudget",
            &spec.step_budget,
            parse::s(1)..=parse::s(3_600),
        )?,
        run_deadline: parse::duration("spec.workflow.runDeadline", &spec.run_deadline, parse::s(60)..=day)?,
        drain_grace: parse::duration("spec.workflow.drainGrace", &spec.drain_grace, Duration::ZERO..=day)?,
    })
}
