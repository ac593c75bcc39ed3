//! Small valid objects for the tests of this crate, and how to bend them.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A valid object of each kind that people write, by kind.
pub(crate) fn sample(kind: &str) -> Value {
    let spec = match kind {
        "Fleet" => json!({
            "automation": "Automatic",
            "vantages": [
                { "name": "weu-a", "region": "weu" },
                { "name": "neu-a", "region": "neu" },
                { "name": "out-a", "region": "outside" }
            ],
            "hub": { "region": "hub" },
            "failoverPolicy": "standard"
        }),
        "Geode" => json!({ "displayName": "West Europe", "failoverOrder": 10 }),
        "Stamp" => json!({
            "geode": "weu",
            "endpoints": [{ "name": "web", "address": "192.0.2.10", "port": 443 }],
            "probes": [{ "name": "web", "endpoint": "web", "http": { "scheme": "HTTPS", "path": "/healthz", "host": "www.example.com" } }],
            "capacity": { "units": 100 },
            "slo": { "objective": "99.95" }
        }),
        "Tenant" => json!({ "hostnames": ["acme.tenants.example.com"], "sizeUnits": 5 }),
        "TrafficPolicy" => json!({
            "zone": "app.example.com.",
            "nameServers": [
                { "name": "ns-weu", "address": "192.0.2.53:53", "geode": "weu", "primary": true },
                { "name": "ns-neu", "address": "[2001:db8::53]:53" }
            ],
            "roads": [{ "dnsUpdate": { "tsigSecretName": "dns-key" } }]
        }),
        "FailoverPolicy" => json!({ "detection": { "hold": { "geode": "2m" } } }),
        "Failover" => json!({ "subject": { "geode": "weu" } }),
        other => panic!("no sample of {other}"),
    };
    let name = if kind == "Fleet" { "fleet" } else { "weu" };
    json!({
        "apiVersion": "lifeboat.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "uid": "1111", "creationTimestamp": "2026-11-21T12:00:00Z" },
        "spec": spec
    })
}

/// The sample of a kind with a merge patch on it.
pub(crate) fn bent(kind: &str, patch: &Value) -> Value {
    let mut object = sample(kind);
    merge(&mut object, patch);
    object
}

/// The typed object.
pub(crate) fn typed<K: DeserializeOwned>(object: &Value) -> K {
    serde_json::from_value(object.clone()).unwrap()
}

/// RFC 7386: objects merge, null removes, all else replaces.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let map = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
