//! Every rule is evaluated as the API server does it, without one. What is not CEL (bounds, enums, required fields)
//! is the schema's, and tried on a real API server in the end-to-end tests.

use kube::{
    CustomResourceExt,
    core::cel::{validate_cel, validate_cel_update},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    AvailabilityLedger, Failover, FailoverPolicy, Fleet, FleetState, Geode, HealthReport, Stamp, Tenant,
    TrafficPolicy,
    samples::{bent, sample, typed},
};

fn create<K: CustomResourceExt + Serialize + DeserializeOwned>(object: &Value) -> Result<(), String> {
    validate_cel(&typed::<K>(object)).map_err(|errors| errors.to_string())
}

fn update<K: CustomResourceExt + Serialize + DeserializeOwned>(
    new: &Value,
    old: &Value,
) -> Result<(), String> {
    validate_cel_update(&typed::<K>(new), &typed::<K>(old)).map_err(|errors| errors.to_string())
}

fn created(kind: &str, object: &Value) -> Result<(), String> {
    match kind {
        "Fleet" => create::<Fleet>(object),
        "Geode" => create::<Geode>(object),
        "Stamp" => create::<Stamp>(object),
        "Tenant" => create::<Tenant>(object),
        "TrafficPolicy" => create::<TrafficPolicy>(object),
        "FailoverPolicy" => create::<FailoverPolicy>(object),
        "Failover" => create::<Failover>(object),
        other => panic!("no kind {other}"),
    }
}

fn updated(kind: &str, new: &Value, old: &Value) -> Result<(), String> {
    match kind {
        "Fleet" => update::<Fleet>(new, old),
        "Geode" => update::<Geode>(new, old),
        "Stamp" => update::<Stamp>(new, old),
        "Tenant" => update::<Tenant>(new, old),
        "TrafficPolicy" => update::<TrafficPolicy>(new, old),
        "FailoverPolicy" => update::<FailoverPolicy>(new, old),
        "Failover" => update::<Failover>(new, old),
        other => panic!("no kind {other}"),
    }
}

const KINDS: [&str; 7] = ["Fleet", "Geode", "Stamp", "Tenant", "TrafficPolicy", "FailoverPolicy", "Failover"];

#[test]
fn the_samples_pass_and_may_be_written_again() {
    for kind in KINDS {
        let object = sample(kind);
        assert_eq!(created(kind, &object), Ok(()), "{kind}");
        assert_eq!(updated(kind, &object, &object), Ok(()), "{kind}");
    }
}

#[track_caller]
fn refused(kind: &str, spec: &Value, sentence: &str) {
    let error = created(kind, &bent(kind, &json!({ "spec": spec }))).expect_err(sentence);
    assert!(error.contains(sentence), "{kind} {spec}: wanted {sentence:?}, got {error:?}");
}

#[test]
fn what_a_later_version_reads_is_refused_with_not_yet() {
    for (kind, spec) in [
        ("Fleet", json!({ "quorumRegions": 3 })),
        ("Fleet", json!({ "deadMan": { "url": "https://example.com" } })),
        ("Geode", json!({ "cluster": { "secretName": "weu" } })),
        ("Stamp", json!({ "critical": "Any" })),
        ("Stamp", json!({ "signals": [{ "promql": "up" }] })),
        ("Stamp", json!({ "data": { "fence": { "hook": {} } } })),
        ("Stamp", json!({ "data": { "lagSource": { "promql": "lag" } } })),
        ("Tenant", json!({ "quarantine": { "stamp": "weu-9" } })),
        ("TrafficPolicy", json!({ "onDelete": "Remove" })),
        (
            "TrafficPolicy",
            json!({ "roads": [{ "dnsUpdate": { "tsigSecretName": "k" } }, { "gatewayApi": {} }] }),
        ),
        (
            "TrafficPolicy",
            json!({ "roads": [{ "dnsUpdate": { "tsigSecretName": "k" } }, { "externalDns": {} }] }),
        ),
        (
            "TrafficPolicy",
            json!({ "roads": [{ "dnsUpdate": { "tsigSecretName": "k" } }, { "directory": {} }] }),
        ),
        (
            "TrafficPolicy",
            json!({ "roads": [{ "required": false, "dnsUpdate": { "tsigSecretName": "k" } }] }),
        ),
        ("FailoverPolicy", json!({ "failback": { "after": "60m" } })),
        ("Failover", json!({ "overrides": [{ "rule": "Capacity", "reason": "measured" }] })),
        ("Failover", json!({ "form": "Graceful" })),
        ("Failover", json!({ "skip": ["Drain"] })),
        ("Failover", json!({ "assertions": { "sourceFenced": {} } })),
    ] {
        refused(kind, &spec, "not yet: ");
    }
}

#[test]
fn every_not_yet_of_the_schemas_is_tried_above() {
    let count = |crd: &Value| crd.to_string().matches("\"not yet: ").count();
    let total: usize =
        crate::definitions::all().unwrap().iter().map(|crd| count(&serde_json::to_value(crd).unwrap())).sum();
    assert_eq!(total, 18);
}

fn webhook(url: &str) -> Value {
    json!({ "notifications": [{ "name": "on-call", "url": url }] })
}

#[test]
fn a_bad_form_is_refused_with_how_to_write_it() {
    let probe = |patch: &Value| {
        let mut probe = json!({ "name": "web", "tcp": {} });
        probe.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        json!({ "probes": [probe] })
    };
    for (kind, spec, sentence) in [
        ("Fleet", webhook("alerts.example.com/hook"), "write http:// or https://, a host"),
        ("Fleet", webhook("https://user:word@alerts.example.com/"), "without user or fragment"),
        ("Fleet", webhook("https://alerts.example.com/#part"), "without user or fragment"),
        ("Stamp", json!({ "geode": "West Europe" }), "use lower-case letters, digits and hyphens"),
        ("Stamp", json!({ "geode": "-weu" }), "use lower-case letters"),
        (
            "Stamp",
            json!({ "endpoints": [{ "name": "web", "address": "weu.example.com", "port": 1 }] }),
            "use an IP address",
        ),
        ("Stamp", probe(&json!({ "interval": "10" })), "write whole numbers with the units"),
        ("Stamp", probe(&json!({ "interval": "" })), "write whole numbers with the units"),
        ("Stamp", probe(&json!({ "interval": "1s1m" })), "write whole numbers with the units"),
        ("Stamp", probe(&json!({ "interval": "499ms" })), "use a duration from 500ms to 5m"),
        ("Stamp", probe(&json!({ "interval": "5m1s" })), "use a duration from 500ms to 5m"),
        ("Stamp", probe(&json!({ "timeouts": { "total": "2m" } })), "use a duration from 50ms to 1m"),
        ("Stamp", probe(&json!({ "tcp": null, "http": { "path": "healthz" } })), "start the path with /"),
        ("Stamp", probe(&json!({ "tcp": null, "http": { "path": "/a b" } })), "leave out white space"),
        (
            "Stamp",
            probe(&json!({ "tcp": null, "http": { "statuses": ["2xx"] } })),
            "write one status or a range",
        ),
        ("Stamp", probe(&json!({ "tcp": null, "http": { "host": "a..b" } })), "use a lower-case host name"),
        ("Stamp", json!({ "slo": { "objective": "99.999" } }), "write a percentage from 50 to 99.99"),
        ("Stamp", json!({ "slo": { "objective": "100" } }), "write a percentage"),
        ("Stamp", json!({ "slo": { "window": "59m" } }), "use a duration from 1h to 9600h"),
        ("Geode", json!({ "coordinates": { "latitude": "52N", "longitude": "4.8" } }), "write degrees"),
        ("TrafficPolicy", json!({ "zone": "app.example.com" }), "with its final dot"),
        (
            "TrafficPolicy",
            json!({ "nameServers": [{ "name": "a", "address": "192.0.2.53", "primary": true }] }),
            "use an IP address and a port",
        ),
        (
            "TrafficPolicy",
            json!({ "roads": [{ "dnsUpdate": { "tsigSecretName": "Key/1" } }] }),
            "use the name of an object",
        ),
        (
            "FailoverPolicy",
            json!({ "detection": { "hold": { "geode": "0s" } } }),
            "use a duration from 1s to 1h",
        ),
        ("FailoverPolicy", json!({ "workflow": { "runDeadline": "25h" } }), "use a duration from 1m to 24h"),
        ("Tenant", json!({ "hostnames": ["Acme.example.com"] }), "use a lower-case host name"),
    ] {
        refused(kind, &spec, sentence);
    }
}

#[test]
fn schema_and_validation_agree_on_urls() {
    for (url, good) in [
        ("http://127.0.0.1:8080", true),
        ("https://alerts.example.com/hook?token=a%20b&c=d", true),
        ("http://[::1]:9093/api", true),
        ("http://am.monitoring.svc:9093/", true),
        ("HTTPS://alerts.example.com/", false),
        ("ftp://alerts.example.com/", false),
        ("https://", false),
        ("https:///hook", false),
        ("https://-a.example.com/", false),
        ("https://alerts.example.com:/", false),
        ("https://alerts.example.com:port/", false),
        ("https://alerts.example.com/a b", false),
        ("https://alerts.example.com/\r\nX-Other: 1", false),
        ("https://alerts.example.com/<", false),
        ("https://alerts.example.com?token=1", false),
    ] {
        let object = bent("Fleet", &json!({ "spec": webhook(url) }));
        assert_eq!(created("Fleet", &object).is_ok(), good, "{url}");
        assert_eq!(crate::validate::fleet(&crate::samples::typed(&object)).is_ok(), good, "{url}");
    }
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    for (kind, spec, sentence) in [
        (
            "Stamp",
            json!({ "endpoints": [{ "name": "web", "address": "192.0.2.1", "port": 1, "published": false }] }),
            "publish at least one endpoint",
        ),
        (
            "Stamp",
            json!({ "probes": [{ "name": "web", "endpoint": "api", "tcp": {} }] }),
            "must be the name of one of the stamp's endpoints",
        ),
        ("Stamp", json!({ "probes": [{ "name": "web" }] }), "say either http or tcp"),
        ("Stamp", json!({ "probes": [{ "name": "web", "tcp": {}, "http": {} }] }), "say either http or tcp"),
        (
            "Tenant",
            json!({ "stamp": "weu-1", "stampSelector": { "matchLabels": { "a": "b" } } }),
            "say either stamp or stampSelector",
        ),
        ("TrafficPolicy", json!({ "hosts": ["www.app.example.com"] }), "hosts are for routing Shared"),
        ("TrafficPolicy", json!({ "routing": "Shared" }), "routing Shared needs at least one name"),
        (
            "TrafficPolicy",
            json!({ "nameServers": [{ "name": "a", "address": "192.0.2.53:53" }] }),
            "mark exactly one server",
        ),
        ("TrafficPolicy", json!({ "roads": [{ "required": true }] }), "say exactly one kind of road"),
        (
            "FailoverPolicy",
            json!({ "detection": { "failTicks": 6, "windowTicks": 5 } }),
            "failTicks cannot be more than windowTicks",
        ),
        ("Failover", json!({ "subject": { "stamp": "weu-1" } }), "say either geode or stamp"),
        ("Failover", json!({ "targets": {} }), "name at least one geode or stamp"),
    ] {
        refused(kind, &spec, sentence);
    }
}

#[test]
fn automation_needs_eyes_in_three_regions() {
    let vantages = |regions: &[&str]| -> Value {
        regions
            .iter()
            .enumerate()
            .map(|(n, region)| json!({ "name": format!("v{n}"), "region": region }))
            .collect()
    };
    let sentence = "automation Automatic needs vantages in at least 3 regions";
    for regions in [&[][..], &["a"], &["a", "b"], &["a", "b", "a", "b"]] {
        refused("Fleet", &json!({ "vantages": vantages(regions) }), sentence);
        let observing = json!({ "spec": { "automation": "Observe", "vantages": vantages(regions) } });
        assert_eq!(created("Fleet", &bent("Fleet", &observing)), Ok(()));
    }
    for regions in [&["a", "b", "c"][..], &["a", "a", "b", "b", "c"]] {
        let seen = json!({ "spec": { "vantages": vantages(regions) } });
        assert_eq!(created("Fleet", &bent("Fleet", &seen)), Ok(()), "{regions:?}");
    }
}

#[test]
fn names_that_become_part_of_others_are_checked() {
    for (kind, name, sentence) in [
        ("Fleet", "other", "name this object fleet"),
        ("Geode", "weu.1", "becomes part of host names"),
        ("Stamp", "weu.1", "becomes part of host names"),
    ] {
        let error = created(kind, &bent(kind, &json!({ "metadata": { "name": name } }))).unwrap_err();
        assert!(error.contains(sentence), "{kind}: {error}");
    }
}

#[test]
fn a_status_is_never_written_by_an_older_leader_nor_taken_away() {
    let status = |epoch: i64| json!({ "status": { "epoch": epoch } });
    for kind in KINDS {
        let old = bent(kind, &status(7));
        for epoch in [7, 8] {
            assert_eq!(updated(kind, &bent(kind, &status(epoch)), &old), Ok(()), "{kind} {epoch}");
        }
        for new in [bent(kind, &status(6)), sample(kind), bent(kind, &json!({ "status": {} }))] {
            let error = updated(kind, &new, &old).expect_err(kind);
            assert!(error.contains("a newer leader wrote this status"), "{kind}: {error}");
        }
        assert_eq!(updated(kind, &old, &sample(kind)), Ok(()), "{kind}: the first status");
    }
}

#[test]
fn a_placement_stays_unless_a_newer_epoch_changes_it() {
    let placed = |stamp: &str, epoch: i64| {
        bent("Tenant", &json!({ "spec": { "placement": { "stamp": stamp, "bucket": 3, "epoch": epoch } } }))
    };
    let old = placed("weu-1", 7);
    assert_eq!(updated("Tenant", &old, &sample("Tenant")), Ok(()), "set once");
    assert_eq!(updated("Tenant", &placed("weu-1", 7), &old), Ok(()), "unchanged");
    assert_eq!(updated("Tenant", &placed("neu-1", 8), &old), Ok(()), "a newer leader");
    for new in [placed("neu-1", 7), placed("neu-1", 6), placed("weu-1", 6), sample("Tenant")] {
        let error = updated("Tenant", &new, &old).unwrap_err();
        assert!(error.contains("a placement is never removed"), "{error}");
    }
}

#[test]
fn what_is_fixed_cannot_change_come_or_go() {
    let targets = json!({ "geodes": ["neu"] });
    for (kind, old, new, sentence) in [
        ("Failover", json!({}), json!({ "subject": { "geode": "neu" } }), "subject cannot change"),
        ("Failover", json!({}), json!({ "targets": targets }), "targets cannot change"),
        ("Failover", json!({ "targets": targets }), json!({}), "targets cannot change"),
        ("Failover", json!({}), json!({ "mode": "Failback" }), "mode cannot change"),
        ("Failover", json!({ "dryRun": true }), json!({ "dryRun": false }), "dryRun cannot change"),
        ("Failover", json!({}), json!({ "origin": "Engine" }), "origin cannot change"),
        ("Failover", json!({ "control": "Cancel" }), json!({}), "a cancelled run stays cancelled"),
        ("Stamp", json!({}), json!({ "geode": "neu" }), "a stamp does not move"),
        ("Stamp", json!({}), json!({ "buckets": 32 }), "host names contain the bucket"),
        (
            "TrafficPolicy",
            json!({}),
            json!({ "zone": "other.example.com." }),
            "host names point into the zone",
        ),
    ] {
        let bend = |spec: &Value| bent(kind, &json!({ "spec": spec }));
        let error = updated(kind, &bend(&new), &bend(&old)).expect_err(sentence);
        assert!(error.contains(sentence), "{kind}: wanted {sentence:?}, got {error:?}");
    }
    let cancelled = bent("Failover", &json!({ "spec": { "control": "Cancel" } }));
    assert_eq!(updated("Failover", &cancelled, &sample("Failover")), Ok(()), "a run may be cancelled");
}

fn state(epoch: i64, revision: i64, format_version: i64) -> Value {
    json!({
        "apiVersion": "state.lifeboat.dev/v1alpha1", "kind": "FleetState", "metadata": { "name": "fleet" },
        "epoch": epoch, "revision": revision, "leader": "a", "formatVersion": format_version, "data": "{}"
    })
}

#[test]
fn no_number_of_the_register_goes_down() {
    let old = state(7, 41, 2);
    for (new, refusal) in [
        (state(7, 41, 2), None),
        (state(8, 42, 3), None),
        (state(6, 42, 2), Some("epoch never goes down")),
        (state(8, 40, 2), Some("revision never goes down")),
        (state(8, 42, 1), Some("formatVersion never goes down")),
    ] {
        match (update::<FleetState>(&new, &old), refusal) {
            (Ok(()), None) => {}
            (Err(error), Some(sentence)) => assert!(error.contains(sentence), "{error}"),
            (got, wanted) => panic!("{new}: wanted {wanted:?}, got {got:?}"),
        }
    }
    let mut other = state(1, 1, 1);
    other["metadata"]["name"] = "second".into();
    assert!(create::<FleetState>(&other).unwrap_err().contains("name this object fleet"));
}

#[test]
fn ledger_and_report_keep_their_numbers_too() {
    let ledger = |epoch: i64, format_version: i64| {
        json!({
            "apiVersion": "state.lifeboat.dev/v1alpha1", "kind": "AvailabilityLedger", "metadata": { "name": "weu-1" },
            "stamp": "weu-1", "epoch": epoch, "formatVersion": format_version, "data": ""
        })
    };
    assert_eq!(update::<AvailabilityLedger>(&ledger(7, 1), &ledger(7, 1)), Ok(()));
    assert!(update::<AvailabilityLedger>(&ledger(6, 1), &ledger(7, 1)).is_err());
    assert!(update::<AvailabilityLedger>(&ledger(7, 1), &ledger(7, 2)).is_err());
    let report = |format_version: i64, sequence: i64| {
        json!({
            "apiVersion": "state.lifeboat.dev/v1alpha1", "kind": "HealthReport", "metadata": { "name": "weu-a" },
            "vantage": "weu-a", "region": "weu", "sequence": sequence, "observedAt": "2026-11-21T12:00:00.250Z",
            "sight": "Sighted", "formatVersion": format_version, "stampsHash": "9f86", "body": ""
        })
    };
    assert_eq!(
        update::<HealthReport>(&report(1, 0), &report(1, 9)),
        Ok(()),
        "a restarted monitor counts anew"
    );
    assert!(update::<HealthReport>(&report(1, 9), &report(2, 9)).is_err());
}
