//! Small fleets for tests of this crate and the simulator.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use crate::{
    fleet::{
        Automation, Capacity, Check, DataMode, Detection, Fleet, Geode, GeodeLifecycle, Load, NameServer,
        Policy, Probe, ProbeTimeouts, Ramp, Ramps, Routing, SafetyLimits, Stamp, StampLifecycle, Tier,
        Workflow, Zone,
    },
    names::{Bucket, GeodeName},
};

/// Names of the geodes of [`fleet`], as many as asked for.
pub const GEODES: [&str; 5] = ["weu", "neu", "eus", "sea", "aue"];

/// A fleet of `geodes` regions with `stamps_each` stamps of four buckets, one vantage in each region and one outside,
/// a one-second probe, 3-of-5 and a hold of two seconds.
pub fn fleet(geodes: usize, stamps_each: usize) -> Fleet {
    let names: Vec<&str> = GEODES.into_iter().take(geodes).collect();
    let mut fleet = Fleet {
        uid: "11111111-2222-3333-4444-555555555555".into(),
        automation: Automation::Automatic,
        hub_geode: None,
        vantages: names.iter().map(|g| (format!("{g}-a").as_str().into(), (*g).into())).collect(),
        geodes: names
            .iter()
            .zip(0..)
            .map(|(name, order)| {
                let geode = Geode {
                    name: (*name).into(),
                    display_name: name.to_uppercase(),
                    failover_order: order,
                    lifecycle: GeodeLifecycle::Active,
                    residency_zone: None,
                };
                (geode.name.clone(), geode)
            })
            .collect(),
        stamps: BTreeMap::new(),
        zones: BTreeMap::new(),
        policy: policy(),
        load: BTreeMap::new(),
        residency: BTreeMap::new(),
    };
    fleet.vantages.insert("out-a".into(), "outside".into());
    for (g, geode) in (1u8..).zip(&names) {
        for n in (1u8..).take(stamps_each) {
            let stamp = stamp(geode, g, n);
            for bucket in stamp.bucket_ids() {
                fleet.load.insert(
                    (stamp.name.clone(), bucket),
                    Load { tenants: 5, units: 10, tier: Tier::Standard },
                );
            }
            fleet.stamps.insert(stamp.name.clone(), stamp);
        }
    }
    let zone = zone(&names);
    fleet.zones.insert(zone.name.clone(), zone);
    fleet
}

fn policy() -> Policy {
    Policy {
        detection: Detection {
            fail_ticks: 3,
            window_ticks: 5,
            recover_ticks: 5,
            stamp_hold: Duration::from_secs(2),
            geode_hold: Duration::from_secs(2),
        },
        safety: SafetyLimits {
            geodes_out_max: 1,
            units_out_max_pct: 40,
            serving_stamps_min: 2,
            serving_units_min_pct: 50,
            panic_window: Duration::from_mins(4),
            units_doubted_max_pct: 50,
            recent_change: Duration::from_hours(1),
            contagion: Duration::from_mins(15),
            // What counts runs over hours would stop a simulated hour after its first minutes.
            runs_per_day_max: 1_000,
            subject_cooldown: Duration::ZERO,
            fleet_cooldown: Duration::ZERO,
            warm_up: Duration::ZERO,
            capacity_line_pct: 80,
        },
        workflow: Workflow {
            step_budget: Duration::from_secs(30),
            run_deadline: Duration::from_mins(10),
            drain_grace: Duration::from_secs(5),
        },
        allowed_targets: BTreeSet::new(),
        ramps: Ramps { planned: Ramp::at_once(), unplanned: Ramp::at_once(), failback: Ramp::at_once() },
    }
}

fn stamp(geode: &str, g: u8, n: u8) -> Stamp {
    let second = Duration::from_secs(1);
    Stamp {
        name: format!("{geode}-{n}").as_str().into(),
        geode: geode.into(),
        addresses: vec![Ipv4Addr::new(127, 9, g, n).into()],
        probes: vec![Probe {
            name: "http".into(),
            host: format!("127.9.{g}.{n}"),
            port: 8080,
            check: Check::Tcp,
            interval: second,
            timeouts: ProbeTimeouts { connect: second, tls: second, first_byte: second, total: second },
        }],
        capacity: Capacity { units: 100, tenants: 100 },
        data: DataMode::ActiveActive,
        lifecycle: StampLifecycle::Active,
        buckets: 4,
        ring: None,
        version: None,
        depends_on: BTreeSet::new(),
        objective_bp: None,
    }
}

fn zone(geodes: &[&str]) -> Zone {
    Zone {
        name: "app.lifeboat.test.".into(),
        routing: Routing::Homed,
        shared_hosts: vec!["www.app.lifeboat.test.".into()],
        route_ttl_s: 2,
        address_ttl_s: 300,
        name_servers: (1u8..)
            .zip(geodes)
            .map(|(n, geode)| NameServer {
                name: format!("ns-{geode}"),
                address: (Ipv4Addr::new(127, 9, n, 53), 5353).into(),
                geode: Some(GeodeName::from(*geode)),
                primary: n == 2,
            })
            .collect(),
        adopt: false,
    }
}

/// Bucket ids from plain numbers.
pub fn buckets<const N: usize>(ids: [u16; N]) -> [Bucket; N] {
    ids.map(Bucket)
}
