use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{fixtures, fleet::Routing};

fn at(seq: i64) -> Point {
    Point { epoch: 1, seq }
}

fn mv(home: &str, bucket: u16, to: &str) -> Move {
    Move { home: home.into(), bucket: Bucket(bucket), to: to.into() }
}

#[test]
fn a_bucket_goes_where_it_was_moved_and_comes_home() {
    let mut routes = Routes::default();
    let home = StampName::from("weu-1");
    assert_eq!(effective(&routes, &home, Bucket(1)), &home);
    routes.apply(&[mv("weu-1", 1, "neu-1")], at(5));
    assert_eq!(effective(&routes, &home, Bucket(1)).as_str(), "neu-1");
    assert_eq!(effective(&routes, &home, Bucket(2)), &home);
    routes.apply(&[mv("weu-1", 1, "weu-1")], at(6));
    assert_eq!(routes.route(&home), &Route::Home);
    assert_eq!(routes.entries().next().map(|(_, entry)| entry.set_by), Some(at(6)), "still explicit");
}

#[test]
fn the_table_survives_the_register() {
    let mut routes = Routes::default();
    routes.apply(&[mv("weu-1", 3, "neu-1"), mv("weu-2", 0, "weu-2")], at(5));
    let text = serde_json::to_string(&routes).unwrap();
    assert_eq!(
        text,
        r#"{"weu-1":{"route":{"at":"redirect","buckets":{"3":"neu-1"}},"setBy":{"epoch":1,"seq":5}},"weu-2":{"route":{"at":"home"},"setBy":{"epoch":1,"seq":5}}}"#
    );
    assert_eq!(serde_json::from_str::<Routes>(&text).unwrap(), routes);
}

#[test]
fn the_zone_follows_the_table() {
    let fleet = fixtures::fleet(2, 1);
    let zone = fleet.zones.values().next().unwrap();
    let mut routes = Routes::default();
    routes.apply(&[mv("weu-1", 0, "neu-1")], at(1));
    let set = route_set(&fleet, zone, &routes).unwrap();
    insta::assert_snapshot!(
        set.answers.iter().map(|(name, answer)| format!("{name} {answer:?}")).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn a_shared_host_loses_a_stamp_that_serves_nothing_and_never_its_last_one() {
    let mut fleet = fixtures::fleet(2, 1);
    let mut zone = fleet.zones.values().next().unwrap().clone();
    zone.routing = Routing::Shared;
    let mut routes = Routes::default();
    routes.apply(&(0..4).map(|b| mv("weu-1", b, "neu-1")).collect::<Vec<_>>(), at(1));
    let host = zone.shared_hosts[0].clone();
    let set = route_set(&fleet, &zone, &routes).unwrap();
    let Answer::Addresses(addresses) = &set.answers[&host] else { panic!("not addresses") };
    assert_eq!(addresses.set().len(), 1);

    fleet.stamps.clear();
    assert_eq!(route_set(&fleet, &zone, &routes), Err(EmptyAnswer { name: host }));
}

proptest! {
    /// S4's routing half: whatever is moved, every bucket is served by exactly one stamp.
    #[test]
    fn shares_always_add_up(moves in prop::collection::vec((0usize..6, 0u16..4, 0usize..6), 0..40)) {
        let fleet = fixtures::fleet(3, 2);
        let names: Vec<StampName> = fleet.stamps.keys().cloned().collect();
        let mut routes = Routes::default();
        for (n, (home, bucket, to)) in (0i64..).zip(moves) {
            routes.apply(&[Move { home: names[home].clone(), bucket: Bucket(bucket), to: names[to].clone() }], at(n));
        }
        prop_assert_eq!(routes.shares(&fleet).values().sum::<u32>(), 24);
        let served: Vec<_> = names.iter().flat_map(|name| routes.served_by(&fleet, name)).collect();
        prop_assert_eq!(served.iter().collect::<BTreeSet<_>>().len(), 24);
        prop_assert_eq!(served.len(), 24);
    }
}
