use std::{net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use stamps::{
    failover::{Control, Mode, Origin, Request, Subject, Targets},
    fleet::{Automation, Check, Load, Routing},
    names::{Bucket, StampName},
};

use super::*;
use crate::{
    self as api,
    samples::{bent, sample, typed},
};

/// The sentence with which an object of a kind is refused.
fn refusal(kind: &str, object: &Value) -> Result<(), Invalid> {
    match kind {
        "Fleet" => fleet(&typed(object)).map(drop),
        "Geode" => geode(&typed(object)).map(drop),
        "Stamp" => stamp(&typed(object)).map(drop),
        "Tenant" => tenant(&typed(object)).map(drop),
        "TrafficPolicy" => traffic_policy(&typed(object)).map(drop),
        "FailoverPolicy" => failover_policy(&typed(object)).map(drop),
        "Failover" => failover(&typed(object), None).map(drop),
        other => panic!("no kind {other}"),
    }
}

#[test]
fn the_samples_are_valid() {
    for kind in ["Fleet", "Geode", "Stamp", "Tenant", "TrafficPolicy", "FailoverPolicy", "Failover"] {
        assert_eq!(refusal(kind, &sample(kind)), Ok(()), "{kind}");
    }
}

#[test]
fn a_stamp_arrives_whole() {
    let stamp = stamp(&typed(&sample("Stamp"))).unwrap();
    assert_eq!(stamp.addresses, [Ipv4Addr::new(192, 0, 2, 10)]);
    assert_eq!((stamp.buckets, stamp.objective_bp), (16, Some(9_995)));
    let probe = &stamp.probes[0];
    assert_eq!(
        (probe.host.as_str(), probe.port, probe.interval),
        ("192.0.2.10", 443, Duration::from_secs(10))
    );
    assert_eq!(probe.timeouts.total, Duration::from_secs(8));
    let Check::Http(http) = &probe.check else { panic!("not http") };
    assert_eq!((http.tls, http.path.as_str(), &http.statuses[..]), (true, "/healthz", &[(200, 399)][..]));
    assert_eq!(http.host_header.as_deref(), Some("www.example.com"));
}

#[test]
fn a_webhook_arrives_in_parts_and_its_path_is_not_printed() {
    let webhook = |url: &str| {
        let spec = json!({ "spec": { "notifications": [{ "name": "on-call", "url": url }] } });
        fleet(&typed(&bent("Fleet", &spec))).unwrap().webhook.unwrap()
    };
    let parts = |url: &str| {
        let WebAddress { tls, host, port, path } = webhook(url).address;
        (tls, host, port, path)
    };
    assert_eq!(
        parts("https://alerts.example.com/hook?token=secret"),
        (true, "alerts.example.com".into(), 443, "/hook?token=secret".into())
    );
    assert_eq!(parts("http://127.0.0.1:9093"), (false, "127.0.0.1".into(), 9093, "/".into()));
    assert_eq!(parts("http://[::1]/a"), (false, "::1".into(), 80, "/a".into()));
    for url in ["http://a:0/", "http://a:65536/", "http://[:::]/", "http://a..b/"] {
        let spec = json!({ "spec": { "notifications": [{ "name": "on-call", "url": url }] } });
        assert!(matches!(fleet(&typed(&bent("Fleet", &spec))), Err(Invalid::Form { .. })), "{url}");
    }
    let printed = format!("{:?}", webhook("https://alerts.example.com/hook?token=secret"));
    assert!(printed.contains("https://alerts.example.com:443") && !printed.contains("secret"), "{printed}");
    assert_eq!(fleet(&typed(&sample("Fleet"))).unwrap().webhook, None);
}

#[test]
fn a_zone_arrives_whole() {
    let shared =
        json!({ "spec": { "routing": "Shared", "hosts": ["www.app.example.com", "app.example.com."] } });
    let zone = traffic_policy(&typed(&bent("TrafficPolicy", &shared))).unwrap();
    assert_eq!(zone.routing, Routing::Shared);
    assert_eq!(zone.shared_hosts, ["app.example.com.", "www.app.example.com."]);
    assert_eq!((zone.route_ttl_s, zone.address_ttl_s, zone.adopt), (60, 300, false));
    assert_eq!(zone.name_servers[1].address, "[2001:db8::53]:53".parse().unwrap());
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let policy = policy_defaults();
    assert_eq!(
        (policy.detection.fail_ticks, policy.detection.window_ticks, policy.detection.recover_ticks),
        (3, 5, 5)
    );
    assert_eq!(policy.detection.stamp_hold, Duration::from_mins(1));
    assert_eq!(policy.detection.geode_hold, Duration::from_mins(2));
    let safety = policy.safety;
    assert_eq!((safety.geodes_out_max, safety.units_out_max_pct), (1, 40));
    assert_eq!((safety.serving_stamps_min, safety.serving_units_min_pct), (2, 50));
    assert_eq!(policy.workflow.step_budget, Duration::from_mins(1));
    assert_eq!(policy.workflow.run_deadline, Duration::from_mins(30));
    assert_eq!(policy.workflow.drain_grace, Duration::from_mins(15));
}

#[test]
fn every_kind_of_refusal_says_its_sentence() {
    let cases = [
        ("Form", "Stamp", json!({ "spec": { "geode": "West" } })),
        (
            "Form",
            "Fleet",
            json!({ "spec": { "notifications": [{ "name": "a", "url": "alerts.example.com" }] } }),
        ),
        ("Form", "Geode", json!({ "spec": { "coordinates": { "latitude": "91", "longitude": "0" } } })),
        ("Form", "TrafficPolicy", json!({ "spec": { "routing": "Shared", "hosts": ["www.example.org"] } })),
        ("Bounds", "Stamp", json!({ "spec": { "buckets": 257 } })),
        ("Bounds", "FailoverPolicy", json!({ "spec": { "detection": { "hold": { "stamp": "2h" } } } })),
        (
            "Duplicate",
            "Fleet",
            json!({ "spec": { "vantages": [{ "name": "a", "region": "b" }, { "name": "a", "region": "c" }] } }),
        ),
        ("Count", "Fleet", json!({ "spec": { "vantages": [{ "name": "a", "region": "b" }] } })),
        (
            "Count",
            "Fleet",
            json!({ "spec": { "notifications": [
                { "name": "a", "url": "http://a" },
                { "name": "b", "url": "http://b" }
            ] } }),
        ),
        ("Count", "Stamp", json!({ "spec": { "probes": [] } })),
        (
            "Count",
            "TrafficPolicy",
            json!({ "spec": { "nameServers": [{ "name": "a", "address": "192.0.2.1:53" }] } }),
        ),
        ("EitherOr", "Failover", json!({ "spec": { "subject": { "stamp": "weu-1" } } })),
        ("EitherOr", "Stamp", json!({ "spec": { "probes": [{ "name": "a" }] } })),
        (
            "EitherOr",
            "Tenant",
            json!({ "spec": { "stamp": "a", "stampSelector": { "matchLabels": { "a": "b" } } } }),
        ),
        (
            "Dangling",
            "Stamp",
            json!({ "spec": { "probes": [{ "name": "a", "endpoint": "api", "tcp": {} }] } }),
        ),
        ("Conflict", "FailoverPolicy", json!({ "spec": { "detection": { "failTicks": 9 } } })),
        ("Conflict", "TrafficPolicy", json!({ "spec": { "hosts": ["www.app.example.com"] } })),
        (
            "Conflict",
            "FailoverPolicy",
            json!({ "spec": { "ramps": { "planned": { "stages": [50, 25, 100] } } } }),
        ),
        ("Conflict", "FailoverPolicy", json!({ "spec": { "ramps": { "failback": { "stages": [50] } } } })),
        ("Bounds", "FailoverPolicy", json!({ "spec": { "safety": { "warmUp": "999h" } } })),
        ("NotYet", "Stamp", json!({ "spec": { "critical": "Any" } })),
        ("NotYet", "TrafficPolicy", json!({ "spec": { "roads": [{ "directory": {} }] } })),
        ("Unsaved", "Fleet", json!({ "metadata": { "uid": null } })),
        ("Unsaved", "Failover", json!({ "metadata": { "creationTimestamp": null } })),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(variant, kind, patch)| {
            let invalid = refusal(kind, &bent(kind, patch)).expect_err(&patch.to_string());
            assert!(format!("{invalid:?}").starts_with(variant), "{kind} {patch}: {invalid:?}");
            format!("{kind}: {invalid}")
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn durations_are_read_as_go_writes_them() {
    for (text, ms) in [
        ("10s", Some(10_000)),
        ("1m30s", Some(90_000)),
        ("500ms", Some(500)),
        ("1h2m3s4ms", Some(3_723_004)),
        ("0s", Some(0)),
        ("", None),
        ("10", None),
        ("s", None),
        ("1s1m", None),
        ("1s1s", None),
        ("1.5s", None),
        ("-1s", None),
        ("1 s", None),
        ("1d", None),
        ("1234567890s", None),
        ("1é", None),
    ] {
        assert_eq!(parse::go_duration(text), ms.map(Duration::from_millis), "{text:?}");
    }
}

struct World {
    fleet: api::Fleet,
    geodes: Vec<api::Geode>,
    stamps: Vec<api::Stamp>,
    zones: Vec<api::TrafficPolicy>,
    policies: Vec<api::FailoverPolicy>,
}

impl World {
    /// A fleet with one geode, one stamp, one zone and the policy that it names.
    fn new() -> Self {
        let named = |kind: &str, name: &str| bent(kind, &json!({ "metadata": { "name": name } }));
        Self {
            fleet: typed(&sample("Fleet")),
            geodes: vec![typed(&named("Geode", "weu"))],
            stamps: vec![typed(&named("Stamp", "weu-1"))],
            zones: vec![typed(&named("TrafficPolicy", "app"))],
            policies: vec![typed(&named("FailoverPolicy", "standard"))],
        }
    }

    fn snapshot(&self) -> (stamps::fleet::Fleet, Vec<String>) {
        let objects = Objects {
            fleet: &self.fleet,
            geodes: self.geodes.iter().collect(),
            stamps: self.stamps.iter().collect(),
            traffic_policies: self.zones.iter().collect(),
            failover_policies: self.policies.iter().collect(),
            placed: placed(&[]),
        };
        let (fleet, left_out) = snapshot(objects).unwrap();
        (
            fleet,
            left_out.into_iter().map(|out| format!("{} {}: {}", out.kind, out.name, out.reason)).collect(),
        )
    }
}

#[test]
fn a_sound_world_is_taken_whole() {
    let (fleet, left_out) = World::new().snapshot();
    assert_eq!(left_out, [""; 0]);
    assert_eq!((fleet.geodes.len(), fleet.stamps.len(), fleet.zones.len()), (1, 1, 1));
    assert_eq!(fleet.automation, Automation::Automatic);
    assert_eq!(fleet.policy.detection.geode_hold, Duration::from_mins(2));
}

#[test]
fn a_bad_object_is_left_out_and_harms_no_other() {
    let mut world = World::new();
    let bad = json!({ "metadata": { "name": "weu-2" }, "spec": { "capacity": { "units": 0 } } });
    world.stamps.push(typed(&bent("Stamp", &bad)));
    let elsewhere = json!({ "metadata": { "name": "sea-1" }, "spec": { "geode": "sea" } });
    world.stamps.push(typed(&bent("Stamp", &elsewhere)));
    let (fleet, left_out) = world.snapshot();
    assert_eq!(fleet.stamps.keys().map(StampName::as_str).collect::<Vec<_>>(), ["weu-1"]);
    assert_eq!(
        left_out,
        [
            "Stamp sea-1: spec.geode: there is no geode sea; make it, or name another",
            "Stamp weu-2: spec.capacity.units: use a value from 1 to 1000000000 (it says 0)",
        ]
    );
}

#[test]
fn without_the_policy_in_force_automation_only_observes() {
    let mut world = World::new();
    world.policies.clear();
    let (fleet, left_out) = world.snapshot();
    assert_eq!((fleet.automation, &fleet.policy), (Automation::Observe, &policy_defaults()));
    assert!(left_out[0].contains("it does not exist"), "{left_out:?}");

    let mut world = World::new();
    world.policies[0].spec.detection.fail_ticks = 60;
    let (fleet, left_out) = world.snapshot();
    assert_eq!(fleet.automation, Automation::Observe);
    assert!(left_out[0].contains("failTicks cannot be more than windowTicks"), "{left_out:?}");

    let mut world = World::new();
    world.fleet.spec.automation = Automation::Hold;
    world.policies.clear();
    assert_eq!(world.snapshot().0.automation, Automation::Hold, "never looser");

    let mut world = World::new();
    world.fleet.spec.failover_policy = None;
    world.policies.clear();
    let (fleet, left_out) = world.snapshot();
    assert_eq!((fleet.automation, left_out.len()), (Automation::Automatic, 0), "naming none is a choice");
}

#[test]
fn the_older_policy_holds_the_zone() {
    let mut world = World::new();
    let newer = json!({ "metadata": { "name": "aaa", "creationTimestamp": "2026-11-21T13:00:00Z" }, "spec": { "ttls": { "routeSeconds": 1 } } });
    world.zones.insert(0, typed(&bent("TrafficPolicy", &newer)));
    let (fleet, left_out) = world.snapshot();
    assert_eq!(fleet.zones.values().next().unwrap().route_ttl_s, 60);
    assert_eq!(
        left_out,
        [
            "TrafficPolicy aaa: spec.zone: app.example.com. is held by the older policy app; delete one of them"
        ]
    );
}

#[test]
fn a_name_of_no_geode_counts_as_outside() {
    let mut world = World::new();
    world.zones[0].spec.name_servers[0].geode = Some("sea".into());
    world.fleet.spec.hub.as_mut().unwrap().geode = Some("sea".into());
    world.policies[0].spec.allowed_targets = vec!["weu".into(), "sea".into()];
    let (fleet, left_out) = world.snapshot();
    assert_eq!(fleet.hub_geode, None);
    assert_eq!(fleet.zones.values().next().unwrap().name_servers[0].geode, None);
    assert_eq!(left_out.len(), 3, "{left_out:?}");
    assert!(left_out.iter().all(|out| out.contains("names sea, which is no geode")), "{left_out:?}");
}

#[test]
fn without_a_valid_fleet_there_is_no_snapshot() {
    let mut world = World::new();
    world.fleet.spec.vantages.clear();
    let objects = Objects {
        fleet: &world.fleet,
        geodes: vec![],
        stamps: vec![],
        traffic_policies: vec![],
        failover_policies: vec![],
        placed: placed(&[]),
    };
    let out = snapshot(objects).unwrap_err();
    assert_eq!((out.kind.as_str(), out.name.as_str()), ("Fleet", "fleet"));
    assert!(out.reason.contains("at least 3 regions"), "{}", out.reason);
}

#[test]
fn tenants_become_load_by_home_and_bucket() {
    let tenant = |stamp: &str, bucket: i32, units: i32| -> api::Tenant {
        let spec =
            json!({ "placement": { "stamp": stamp, "bucket": bucket, "epoch": 1 }, "sizeUnits": units });
        typed(&bent("Tenant", &json!({ "spec": spec })))
    };
    let homeless: api::Tenant = typed(&sample("Tenant"));
    let tenants = [tenant("weu-1", 3, 5), tenant("weu-1", 3, 7), tenant("weu-1", 4, 1), homeless];
    let load = placed(&tenants).load;
    assert_eq!(load.len(), 2);
    assert_eq!(load[&("weu-1".into(), Bucket(3))], Load { tenants: 2, units: 12, ..Load::default() });
    assert_eq!(load[&("weu-1".into(), Bucket(4))], Load { tenants: 1, units: 1, ..Load::default() });
}

#[test]
fn a_run_arrives_whole() {
    let spec = json!({
        "subject": { "geode": null, "stamp": "weu-1" }, "targets": { "geodes": ["neu"] }, "mode": "Failback",
        "dryRun": true, "control": "Cancel", "origin": "Engine", "reason": "ticket 4711"
    });
    let object = bent("Failover", &json!({ "metadata": { "name": "run-1" }, "spec": spec }));
    let run = failover(&typed(&object), None).unwrap();
    assert_eq!((run.name.as_str(), run.start_deadline), ("run-1", Duration::from_mins(10)));
    assert_eq!(
        run.request,
        Request {
            uid: "1111".into(),
            origin: Origin::Engine,
            mode: Mode::Failback,
            dry_run: true,
            subject: Subject::Stamp("weu-1".into()),
            targets: Targets { geodes: ["neu".into()].into(), stamps: [].into() },
            control: Control::Cancel,
            approval: None,
            overrides: std::collections::BTreeSet::new(),
            reason: Some("ticket 4711".into()),
            ended: false,
            predates_register: false,
            start_by: None,
        }
    );
}

#[test]
fn a_run_that_has_ended_or_is_older_than_the_register_says_so() {
    let finished = |status: &str| json!({ "type": "Finished", "status": status, "reason": "Succeeded", "message": "", "lastTransitionTime": "2026-11-21T12:00:00Z" });
    for (status, ended) in [("True", true), ("False", false)] {
        let object = bent("Failover", &json!({ "status": { "conditions": [finished(status)] } }));
        assert_eq!(failover(&typed(&object), None).unwrap().request.ended, ended);
    }
    // The object is of 12:00:00; times of Kubernetes have whole seconds, so the same second is not "before".
    for (register, predates) in [("2026-11-21T12:00:00Z", false), ("2026-11-21T12:00:01Z", true)] {
        let run = failover(&typed(&sample("Failover")), Some(register.parse().unwrap())).unwrap();
        assert_eq!(run.request.predates_register, predates, "{register}");
    }
}

#[test]
fn a_tenant_arrives_whole() {
    let spec = json!({ "residency": "eu", "stamp": "weu-1", "placement": { "stamp": "weu-1", "bucket": 7, "epoch": 9 } });
    let tenant = tenant(&typed(&bent("Tenant", &json!({ "spec": spec })))).unwrap();
    assert_eq!(tenant.hostnames, ["acme.tenants.example.com."]);
    assert_eq!(tenant.choice, HomeChoice::Stamp("weu-1".into()));
    assert_eq!(tenant.home, Some(Home { stamp: "weu-1".into(), bucket: Bucket(7), epoch: 9 }));
}

#[test]
fn a_hold_that_no_report_can_show_is_said() {
    let mut world = World::new();
    world.stamps[0].spec.probes[0].interval = "1s".into();
    world.stamps[0].spec.probes[0].timeouts.total = "1s".into();
    let (fleet, left_out) = world.snapshot();
    assert_eq!(fleet.stamps.len(), 1, "it is judged all the same");
    assert_eq!(
        left_out,
        [
            "Stamp weu-1: spec.probes: at an interval of 1s a report shows at most 61s of evidence, and the policy's hold is 120s; nothing fails over by itself until the interval is raised or the hold is lowered"
        ]
    );
}
