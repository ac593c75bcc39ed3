//! A stamp and its probes.

use std::net::IpAddr;

use kube::ResourceExt;
use stamps::fleet::{Capacity, Check, HttpCheck, Probe, ProbeTimeouts, Stamp};

use super::{Invalid, parse};
use crate::stamp as api;

/// The domain's stamp of an object. Whether its geode exists is seen only by [`super::snapshot`].
pub fn stamp(object: &api::Stamp) -> Result<Stamp, Invalid> {
    let spec = &object.spec;
    let name = object.name_any();
    let endpoints = endpoints(&spec.endpoints)?;
    if spec.critical == api::Critical::Any {
        return Err(Invalid::NotYet { field: "spec.critical".into(), remedy: "use All" });
    }
    Ok(Stamp {
        name: parse::label_text("metadata.name", &name)?.into(),
        geode: parse::label("spec.geode", &spec.geode)?.into(),
        addresses: published(&endpoints)?,
        probes: probes(&spec.probes, &endpoints)?,
        capacity: Capacity {
            units: parse::int("spec.capacity.units", spec.capacity.units, 1..=1_000_000_000)?,
            tenants: parse::int("spec.capacity.tenants", spec.capacity.tenants, 0..=10_000_000)?,
        },
        data: spec.data.mode,
        lifecycle: spec.lifecycle,
        buckets: parse::int("spec.buckets", spec.buckets, 1..=256)?,
        ring: spec.ring.as_ref().map(ToString::to_string),
        version: spec.version.clone(),
        depends_on: spec.depends_on.iter().map(ToString::to_string).collect(),
        objective_bp: objective(spec.slo.as_ref())?,
    })
}

struct Endpoint<'a> {
    name: &'a str,
    address: IpAddr,
    port: u16,
    published: bool,
}

fn endpoints(list: &[api::Endpoint]) -> Result<Vec<Endpoint<'_>>, Invalid> {
    parse::distinct("spec.endpoints", list.iter().map(|endpoint| endpoint.name.as_str()))?;
    list.iter()
        .enumerate()
        .map(|(n, endpoint)| {
            let at = |field: &str| format!("spec.endpoints[{n}].{field}");
            Ok(Endpoint {
                name: parse::label(&at("name"), &endpoint.name)?,
                address: parse::ip(&at("address"), &endpoint.address)?,
                port: parse::int(&at("port"), endpoint.port, 1..=65_535)?,
                published: endpoint.published,
            })
        })
        .collect()
}

fn published(endpoints: &[Endpoint<'_>]) -> Result<Vec<IpAddr>, Invalid> {
    let mut addresses: Vec<IpAddr> =
        endpoints.iter().filter(|endpoint| endpoint.published).map(|endpoint| endpoint.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Invalid::Count {
            field: "spec.endpoints".into(),
            remedy: "publish at least one endpoint: a stamp without an address in DNS serves nobody",
            found: 0,
        });
    }
    Ok(addresses)
}

fn probes(list: &[api::Probe], endpoints: &[Endpoint<'_>]) -> Result<Vec<Probe>, Invalid> {
    if list.is_empty() {
        return Err(Invalid::Count {
            field: "spec.probes".into(),
            remedy: "add at least one probe: a stamp that nobody asks is Unknown for ever",
            found: 0,
        });
    }
    parse::distinct("spec.probes", list.iter().map(|probe| probe.name.as_str()))?;
    list.iter()
        .enumerate()
        .map(|(n, probe)| one_probe(&format!("spec.probes[{n}]"), probe, endpoints))
        .collect()
}

fn one_probe(at: &str, probe: &api::Probe, endpoints: &[Endpoint<'_>]) -> Result<Probe, Invalid> {
    let endpoint = match &probe.endpoint {
        None => endpoints.first(),
        Some(name) => endpoints.iter().find(|endpoint| endpoint.name == name.as_str()),
    }
    .ok_or_else(|| Invalid::Dangling {
        field: format!("{at}.endpoint"),
        name: probe.endpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
        known: endpoints.iter().map(|endpoint| endpoint.name).collect::<Vec<_>>().join(", "),
    })?;
    let check = match (&probe.http, &probe.tcp) {
        (Some(http), None) => Check::Http(http_check(&format!("{at}.http"), http)?),
        (None, Some(api::TcpProbe {})) => Check::Tcp,
        _ => return Err(Invalid::EitherOr { field: at.to_owned(), one: "http", other: "tcp" }),
    };
    Ok(Probe {
        name: parse::label(&format!("{at}.name"), &probe.name)?.to_owned(),
        host: endpoint.address.to_string(),
        port: endpoint.port,
        check,
        interval: parse::duration(
            &format!("{at}.interval"),
            &probe.interval,
            parse::ms(500)..=parse::s(5 * 60),
        )?,
        timeouts: timeouts(&format!("{at}.timeouts"), &probe.timeouts)?,
    })
}

fn timeouts(at: &str, timeouts: &api::Timeouts) -> Result<ProbeTimeouts, Invalid> {
    let phase =
        |field: &str, text| parse::duration(&format!("{at}.{field}"), text, parse::ms(50)..=parse::s(60));
    Ok(ProbeTimeouts {
        connect: phase("connect", &timeouts.connect)?,
        tls: phase("tls", &timeouts.tls)?,
        first_byte: phase("firstByte", &timeouts.first_byte)?,
        total: phase("total", &timeouts.total)?,
    })
}

fn http_check(at: &str, http: &api::HttpProbe) -> Result<HttpCheck, Invalid> {
    if !http.path.starts_with('/') || http.path.contains([' ', '\t', '\r', '\n']) {
        return Err(Invalid::Form {
            field: format!("{at}.path"),
            found: http.path.clone(),
            remedy: "start the path with / and leave out white space, e.g. /healthz",
        });
    }
    if http.statuses.is_empty() {
        return Err(Invalid::Count {
            field: format!("{at}.statuses"),
            remedy: "name at least one status that is good",
            found: 0,
        });
    }
    let host_header = match &http.host {
        None => None,
        Some(host) => Some(parse::host(&format!("{at}.host"), host)?.trim_end_matches('.').to_owned()),
    };
    Ok(HttpCheck {
        tls: http.scheme == api::Scheme::Https,
        path: http.path.clone(),
        host_header,
        statuses: http
            .statuses
            .iter()
            .enumerate()
            .map(|(n, range)| parse::statuses(&format!("{at}.statuses[{n}]"), range))
            .collect::<Result<_, _>>()?,
        body_contains: http.body_contains.clone(),
    })
}

fn objective(slo: Option<&api::Slo>) -> Result<Option<u32>, Invalid> {
    let Some(slo) = slo else { return Ok(None) };
    parse::duration("spec.slo.window", &slo.window, parse::s(3_600)..=parse::s(9_600 * 3_600))?;
    parse::basis_points("spec.slo.objective", &slo.objective).map(Some)
}
