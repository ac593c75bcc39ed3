//! The quickstart's files are valid, and what their comments and the demo rely on is in them.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use crate::{
    Failover, FailoverPolicy, Fleet, Geode, Stamp, Tenant, TrafficPolicy,
    validate::{self, Objects},
};
use kube::{CustomResourceExt, core::cel::validate_cel};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Default)]
struct Files {
    fleet: Vec<Fleet>,
    geodes: Vec<Geode>,
    stamps: Vec<Stamp>,
    tenants: Vec<Tenant>,
    traffic_policies: Vec<TrafficPolicy>,
    failover_policies: Vec<FailoverPolicy>,
}

/// The typed object, after the API server's rules, with no field that the type does not know.
fn checked<K: CustomResourceExt + Serialize + DeserializeOwned>(file: &Path, document: &Value) -> K {
    let object: K =
        serde_json::from_value(document.clone()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    if let Err(errors) = validate_cel(&object) {
        panic!("{}: {errors}", file.display());
    }
    unknown_fields(file, "", document, &serde_json::to_value(&object).unwrap());
    object
}

fn unknown_fields(file: &Path, path: &str, written: &Value, read: &Value) {
    match written {
        Value::Object(map) => {
            for (key, value) in map {
                let read =
                    read.get(key).unwrap_or_else(|| panic!("{}: {path}.{key} is unknown", file.display()));
                unknown_fields(file, &format!("{path}.{key}"), value, read);
            }
        }
        Value::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                unknown_fields(file, &format!("{path}[{n}]"), value, &read[n]);
            }
        }
        _ => assert_eq!(written, read, "{}: {path}", file.display()),
    }
}

fn read() -> Files {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart");
    let mut files = Files::default();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        for document in serde_saphyr::from_multiple::<Value>(&fs::read_to_string(&path).unwrap()).unwrap() {
            match document["kind"].as_str().unwrap() {
                "Fleet" => files.fleet.push(checked(&path, &document)),
                "Geode" => files.geodes.push(checked(&path, &document)),
                "Stamp" => files.stamps.push(checked(&path, &document)),
                "Tenant" => files.tenants.push(checked(&path, &document)),
                "TrafficPolicy" => files.traffic_policies.push(checked(&path, &document)),
                "FailoverPolicy" => files.failover_policies.push(checked(&path, &document)),
                "Failover" => drop(checked::<Failover>(&path, &document)),
                other => panic!("{}: kind {other}", path.display()),
            }
        }
    }
    files
}

#[test]
fn the_quickstart_is_one_sound_fleet() {
    let mut files = read();
    files.fleet[0].metadata.uid = Some("1111".into());
    let objects = Objects {
        fleet: &files.fleet[0],
        geodes: files.geodes.iter().collect(),
        stamps: files.stamps.iter().collect(),
        traffic_policies: files.traffic_policies.iter().collect(),
        failover_policies: files.failover_policies.iter().collect(),
        placed: validate::placed(&files.tenants),
    };
    let (fleet, left_out) = validate::snapshot(objects).unwrap();
    assert_eq!(left_out, []);
    assert_eq!(fleet.geodes.keys().map(ToString::to_string).collect::<Vec<_>>(), ["eus", "neu", "weu"]);
    assert_eq!(fleet.stamps.len(), 9);
    assert_eq!(fleet.vantage_regions().len(), 4);
    assert_eq!(fleet.hub_geode, None, "the hub stands outside");
    let addresses: BTreeSet<String> =
        fleet.stamps.values().flat_map(|stamp| &stamp.addresses).map(ToString::to_string).collect();
    let expected = (1..=3).flat_map(|g| (11..=13).map(move |n| format!("127.77.{g}.{n}"))).collect();
    assert_eq!(addresses, expected);
    let second = Duration::from_secs(1);
    assert!(fleet.stamps.values().all(|stamp| stamp.tick() == second && stamp.probes[0].port == 8080));
    assert_eq!(fleet.policy.detection.geode_hold, 2 * second);

    let zone = &fleet.zones[&"demo.lifeboat.test.".into()];
    assert_eq!(zone.route_ttl_s, 2);
    let primary = zone.name_servers.iter().find(|server| server.primary).unwrap();
    assert_eq!((primary.name.as_str(), primary.address.to_string().as_str()), ("ns-neu", "127.77.2.53:5353"));
    assert!(zone.name_servers.iter().all(|server| server.geode.is_some()));
}

#[test]
fn tenants_lie_under_the_granted_suffix() {
    let files = read();
    assert!(!files.tenants.is_empty());
    for object in &files.tenants {
        let tenant = validate::tenant(object).unwrap();
        assert_eq!(tenant.hostnames, [format!("{}.tenants.demo.lifeboat.test.", tenant.name)]);
        assert_eq!(tenant.home, None, "the engine gives it a home");
    }
}

#[test]
fn what_is_short_is_marked() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart");
    for (file, settings) in [
        ("20-stamps.yaml", &["interval:", "timeouts:"][..]),
        ("30-failover-policy.yaml", &["hold:"]),
        ("40-traffic-policy.yaml", &["ttls:"]),
    ] {
        let text = fs::read_to_string(format!("{folder}/{file}")).unwrap();
        for line in
            text.lines().filter(|line| settings.iter().any(|setting| line.trim_start().starts_with(setting)))
        {
            assert!(line.contains("# demo only"), "{file}: {line}");
        }
    }
}
