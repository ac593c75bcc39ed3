//! Requests: tenants that want a home, and runs that somebody asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use kube::ResourceExt;
use stamps::names::{Bucket, GeodeName, RunName, StampName, TenantName};

use super::{Invalid, parse};
use crate::{failover as run_api, tenant as tenant_api, time};

pub use run_api::{Mode, Origin};
pub use tenant_api::Tier;

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
    /// UID of the object: a run is new only if its UID is.
    pub uid: String,
    /// What the traffic leaves or comes back to.
    pub subject: RunSubject,
    /// Geodes that it may go to; with `target_stamps` empty too, the policy chooses.
    pub target_geodes: BTreeSet<GeodeName>,
    /// Stamps that it may go to.
    pub target_stamps: BTreeSet<StampName>,
    /// Away or back.
    pub mode: Mode,
    /// Changes nothing outside.
    pub dry_run: bool,
    /// It is to stop where it is.
    pub cancel: bool,
    /// Who asks.
    pub origin: Origin,
    /// Why, for the record.
    pub reason: Option<String>,
    /// When the object was made.
    pub created: DateTime<Utc>,
    /// How long after that it may still start.
    pub start_deadline: Duration,
}

/// A geode or a stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunSubject {
    /// A whole geode.
    Geode(GeodeName),
    /// One stamp.
    Stamp(StampName),
}

/// What a failover object asks for.
pub fn failover(object: &run_api::Failover) -> Result<RunRequest, Invalid> {
    let spec = &object.spec;
    let subject = match (&spec.subject.geode, &spec.subject.stamp) {
        (Some(geode), None) => RunSubject::Geode(parse::label("spec.subject.geode", geode)?.into()),
        (None, Some(stamp)) => RunSubject::Stamp(parse::label("spec.subject.stamp", stamp)?.into()),
        _ => return Err(Invalid::EitherOr { field: "spec.subject".into(), one: "geode", other: "stamp" }),
    };
    let cancel = match spec.control {
        run_api::Control::Run => false,
        run_api::Control::Cancel => true,
        run_api::Control::Pause | run_api::Control::CancelKeep => {
            return Err(Invalid::NotYet {
                field: "spec.control".into(),
                remedy: "use Run, or Cancel, which keeps the traffic where it is",
            });
        }
    };
    let (target_geodes, target_stamps) = targets(spec.targets.as_ref())?;
    let unsaved = |field: &str| Invalid::Unsaved { field: format!("metadata.{field}") };
    let start_deadline_s: u64 =
        parse::int("spec.startDeadlineSeconds", spec.start_deadline_seconds, 10..=86_400)?;
    Ok(RunRequest {
        name: object.name_any().into(),
        uid: object.uid().ok_or_else(|| unsaved("uid"))?,
        subject,
        target_geodes,
        target_stamps,
        mode: spec.mode,
        dry_run: spec.dry_run,
        cancel,
        origin: spec.origin,
        reason: spec.reason.clone(),
        created: object
            .creation_timestamp()
            .map(|created| time::from_k8s(&created))
            .ok_or_else(|| unsaved("creationTimestamp"))?,
        start_deadline: Duration::from_secs(start_deadline_s),
    })
}

type TargetSets = (BTreeSet<GeodeName>, BTreeSet<StampName>);

fn targets(targets: Option<&run_api::Targets>) -> Result<TargetSets, Invalid> {
    let Some(targets) = targets else { return Ok(TargetSets::default()) };
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
    Ok((geodes.collect::<Result<_, _>>()?, stamps.collect::<Result<_, _>>()?))
}
