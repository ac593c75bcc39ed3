//! Requests: tenants that want a home, and runs that somebody asks for.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use kube::ResourceExt;
use stamps::{
    failover::{Control, Request, Subject, Targets},
    names::{Bucket, GeodeName, RunName, StampName, TenantName},
};

use super::{Invalid, parse};
use crate::{conditions::FINISHED, failover as run_api, tenant as tenant_api, time};

pub use stamps::fleet::Tier;

/// A tenant as placement and traffic see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRequest {
    /// Its name.
    pub name: TenantName,
    /// Its host names, absolute, with final dots.
    pub hostnames: Vec<String>,
    /// Its load in units.
    pub size_units: u32,
    /// Who is shed last.
    pub tier: Tier,
    /// Where its data may be.
    pub residency: Option<String>,
    /// Which stamps may be its home.
    pub choice: HomeChoice,
    /// Its home, once it has one.
    pub home: Option<Home>,
}

/// Which stamps may be a tenant's home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomeChoice {
    /// Any.
    Any,
    /// This one.
    Stamp(StampName),
    /// Those with these labels.
    Labels(BTreeMap<String, String>),
}

/// A tenant's home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The stamp.
    pub stamp: StampName,
    /// Its bucket there.
    pub bucket: Bucket,
    /// Epoch of the leader that decided it.
    pub epoch: i64,
}

/// What a tenant object asks for.
pub fn tenant(object: &tenant_api::Tenant) -> Result<TenantRequest, Invalid> {
    let spec = &object.spec;
    let hostnames = spec
        .hostnames
        .iter()
        .enumerate()
        .map(|(n, host)| parse::host(&format!("spec.hostnames[{n}]"), host))
        .collect::<Result<Vec<_>, _>>()?;
    parse::distinct("spec.hostnames", hostnames.iter().map(String::as_str))?;
    let choice = match (&spec.stamp, &spec.stamp_selector) {
        (None, None) => HomeChoice::Any,
        (Some(stamp), None) => HomeChoice::Stamp(parse::label("spec.stamp", stamp)?.into()),
        (None, Some(selector)) => HomeChoice::Labels(selector.match_labels.clone()),
        (Some(_), Some(_)) => {
            return Err(Invalid::EitherOr { field: "spec".into(), one: "stamp", other: "stampSelector" });
        }
    };
    Ok(TenantRequest {
        name: object.name_any().into(),
        hostnames,
        size_units: parse::int("spec.sizeUnits", spec.size_units, 0..=1_000_000_000)?,
        tier: spec.tier,
        residency: spec.residency.as_ref().map(ToString::to_string),
        choice,
        home: spec.placement.as_ref().map(home).transpose()?,
    })
}

fn home(placement: &tenant_api::Placement) -> Result<Home, Invalid> {
    Ok(Home {
        stamp: parse::label("spec.placement.stamp", &placement.stamp)?.into(),
        bucket: Bucket(parse::int("spec.placement.bucket", placement.bucket, 0..=255)?),
        epoch: placement.epoch,
    })
}

/// A run that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// Name of the object, and of the run.
    pub name: RunName,
    /// The command, as the engine takes it, but for the moment until which it may start: that is on another clock.
    pub request: Request,
    /// When the object was made.
    pub created: DateTime<Utc>,
    /// How long after that it may still start.
    pub start_deadline: Duration,
}

/// What a failover object asks for. `register_created` is when the register was made, by the same API server's clock:
/// what is older was restored or copied here, and is no command.
pub fn failover(
    object: &run_api::Failover,
    register_created: Option<DateTime<Utc>>,
) -> Result<RunRequest, Invalid> {
    let spec = &object.spec;
    let unsaved = |field: &str| Invalid::Unsaved { field: format!("metadata.{field}") };
    let created = object
        .creation_timestamp()
        .map(|created| time::from_k8s(&created))
        .ok_or_else(|| unsaved("creationTimestamp"))?;
    let request = Request {
        uid: object.uid().ok_or_else(|| unsaved("uid"))?,
        origin: spec.origin,
        mode: spec.mode,
        dry_run: spec.dry_run,
        subject: subject(&spec.subject)?,
        targets: targets(spec.targets.as_ref())?,
        control: control(spec.control),
        approval: spec.approval.as_ref().map(|approval| approval.plan_hash.clone()),
        overrides: spec.overrides.iter().map(|own| own.rule).collect(),
        reason: spec.reason.clone(),
        ended: ended(object),
        predates_register: register_created.is_some_and(|register| created < register),
        start_by: None,
    };
    let start_deadline_s: u64 =
        parse::int("spec.startDeadlineSeconds", spec.start_deadline_seconds, 10..=86_400)?;
    Ok(RunRequest {
        name: object.name_any().into(),
        request,
        created,
        start_deadline: Duration::from_secs(start_deadline_s),
    })
}

fn subject(subject: &run_api::Subject) -> Result<Subject, Invalid> {
    match (&subject.geode, &subject.stamp) {
        (Some(geode), None) => Ok(Subject::Geode(parse::label("spec.subject.geode", geode)?.into())),
        (None, Some(stamp)) => Ok(Subject::Stamp(parse::label("spec.subject.stamp", stamp)?.into())),
        _ => Err(Invalid::EitherOr { field: "spec.subject".into(), one: "geode", other: "stamp" }),
    }
}

fn control(control: run_api::Control) -> Control {
    match control {
        run_api::Control::Run => Control::Run,
        run_api::Control::Pause => Control::Pause,
        run_api::Control::Cancel => Control::Cancel,
        run_api::Control::CancelKeep => Control::CancelKeep,
    }
}

fn ended(object: &run_api::Failover) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|condition| condition.type_ == FINISHED && condition.status == "True")
}

fn targets(targets: Option<&run_api::Targets>) -> Result<Targets, Invalid> {
    let Some(targets) = targets else { return Ok(Targets::default()) };
    if targets.geodes.is_empty() && targets.stamps.is_empty() {
        return Err(Invalid::Count {
            field: "spec.targets".into(),
            remedy: "name at least one geode or stamp, or leave targets out",
            found: 0,
        });
    }
    let geodes = targets
        .geodes
        .iter()
        .enumerate()
        .map(|(n, geode)| parse::label(&format!("spec.targets.geodes[{n}]"), geode).map(GeodeName::from));
    let stamps = targets
        .stamps
        .iter()
        .enumerate()
        .map(|(n, stamp)| parse::label(&format!("spec.targets.stamps[{n}]"), stamp).map(StampName::from));
    Ok(Targets { geodes: geodes.collect::<Result<_, _>>()?, stamps: stamps.collect::<Result<_, _>>()? })
}
