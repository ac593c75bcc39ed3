//! A zone.

use std::collections::BTreeSet;

use stamps::fleet::{NameServer, Routing, Zone};

use super::{Invalid, parse};
use crate::traffic_policy as api;

/// The domain's zone of an object. Whether its servers' geodes exist is seen only by [`super::snapshot`].
pub fn traffic_policy(object: &api::TrafficPolicy) -> Result<Zone, Invalid> {
    let spec = &object.spec;
    let zone = parse::zone("spec.zone", &spec.zone)?;
    for (n, suffix) in spec.hostname_suffixes.iter().enumerate() {
        parse::host(&format!("spec.hostnameSuffixes[{n}]"), suffix)?;
    }
    let ttl = |field: &str, found: i32, max: i64| parse::int(&format!("spec.ttls.{field}"), found, 1..=max);
    let _negative_ttl_s: u32 = ttl("negativeSeconds", spec.ttls.negative_seconds, 3_600)?;
    Ok(Zone {
        routing: spec.routing,
        shared_hosts: shared_hosts(spec, zone)?,
        route_ttl_s: ttl("routeSeconds", spec.ttls.route_seconds, 3_600)?,
        address_ttl_s: ttl("addressSeconds", spec.ttls.address_seconds, 86_400)?,
        name_servers: name_servers(&spec.name_servers)?,
        adopt: dns_update(&spec.roads)?.adopt,
        name: zone.into(),
    })
}

fn shared_hosts(spec: &api::TrafficPolicySpec, zone: &str) -> Result<Vec<String>, Invalid> {
    let field = "spec.hosts";
    match (spec.routing, spec.hosts.is_empty()) {
        (Routing::Homed, false) => {
            return Err(Invalid::Conflict {
                field: field.into(),
                remedy: "hosts are for routing Shared; with Homed each tenant brings its own hostnames",
            });
        }
        (Routing::Shared, true) => {
            return Err(Invalid::Conflict {
                field: field.into(),
                remedy: "routing Shared needs at least one name in hosts",
            });
        }
        (Routing::Homed, true) | (Routing::Shared, false) => {}
    }
    let mut hosts = BTreeSet::new();
    for (n, host) in spec.hosts.iter().enumerate() {
        let field = format!("{field}[{n}]");
        let absolute = parse::host(&field, host)?;
        if absolute != zone && !absolute.ends_with(&format!(".{zone}")) {
            return Err(Invalid::Form {
                field,
                found: host.to_string(),
                remedy: "use a name inside the policy's zone",
            });
        }
        hosts.insert(absolute);
    }
    Ok(hosts.into_iter().collect())
}

fn name_servers(list: &[api::NameServer]) -> Result<Vec<NameServer>, Invalid> {
    parse::distinct("spec.nameServers", list.iter().map(|server| server.name.as_str()))?;
    let primaries = list.iter().filter(|server| server.primary).count();
    if primaries != 1 {
        return Err(Invalid::Count {
            field: "spec.nameServers".into(),
            remedy: "mark exactly one server with primary: true",
            found: primaries,
        });
    }
    list.iter()
        .enumerate()
        .map(|(n, server)| {
            let at = |field: &str| format!("spec.nameServers[{n}].{field}");
            Ok(NameServer {
                name: parse::label(&at("name"), &server.name)?.to_owned(),
                address: parse::socket(&at("address"), &server.address)?,
                geode: match &server.geode {
                    None => None,
                    Some(geode) => Some(parse::label(&at("geode"), geode)?.into()),
                },
                primary: server.primary,
            })
        })
        .collect()
}

/// The one road there is.
fn dns_update(roads: &[api::Road]) -> Result<&api::DnsUpdate, Invalid> {
    let later = |road: &api::Road| {
        road.gateway_api.is_some() || road.external_dns.is_some() || road.directory.is_some()
    };
    if roads.iter().any(later) {
        return Err(Invalid::NotYet { field: "spec.roads".into(), remedy: "use dnsUpdate" });
    }
    let updates: Vec<&api::DnsUpdate> = roads.iter().filter_map(|road| road.dns_update.as_ref()).collect();
    match updates[..] {
        [update] => Ok(update),
        _ => Err(Invalid::Count {
            field: "spec.roads".into(),
            remedy: "name one road with dnsUpdate",
            found: updates.len(),
        }),
    }
}
