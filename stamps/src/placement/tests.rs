use proptest::prelude::*;

use super::*;
use crate::{fixtures, fleet::Fleet};

fn sites(fleet: &Fleet) -> Vec<Site<'_>> {
    let site = |stamp| Site {
        stamp,
        verdict: Verdict::Healthy,
        residency: Some("eu"),
        labels: None,
        load: Load::default(),
    };
    fleet.stamps.values().map(site).collect()
}

fn wish(size_units: u32) -> Wish {
    Wish { size_units, ..Wish::default() }
}

#[test]
fn buckets_that_router_authors_can_check() {
    let bucket = |name: &str| bucket_of(&name.into(), 16).0;
    // printf acme | sha256sum | cut -c16 gives the lowest nibble.
    assert_eq!((bucket("acme"), bucket("globex"), bucket("t-0001")), VECTORS);
}
const VECTORS: (u16, u16, u16) = (0, 7, 11);

#[test]
fn the_least_loaded_stamp_is_home() {
    let fleet = fixtures::fleet(2, 1);
    let mut sites = sites(&fleet);
    sites[0].load = Load { tenants: 1, units: 50, ..Load::default() };
    let (home, _) = place(&"acme".into(), &wish(5), sites).unwrap();
    assert_eq!(home.as_str(), "weu-1", "neu-1 comes first by name and carries more");
}

#[test]
fn every_reason_is_told() {
    let mut fleet = fixtures::fleet(5, 1);
    for stamp in fleet.stamps.values_mut() {
        stamp.capacity.tenants = 1;
    }
    fleet.stamps.values_mut().next().unwrap().lifecycle = StampLifecycle::Cordoned;
    let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    let mut sites = sites(&fleet);
    for site in &mut sites {
        site.labels = Some(&labels);
    }
    sites[1].verdict = Verdict::Unknown;
    sites[2].residency = Some("us");
    sites[3].labels = None;
    sites[4].load.tenants = 1;
    let wish = Wish { residency: Some("eu".into()), labels: labels.clone(), ..wish(1) };
    let no_home = place(&"acme".into(), &wish, sites).unwrap_err();
    insta::assert_snapshot!(
        no_home,
        @"no stamp can be home: aue-1 is Cordoned, eus-1 is Unknown, neu-1 is not in residency zone eu, sea-1 lacks the label tier=gold, weu-1 has its 1 tenants"
    );
}

#[test]
fn only_a_healthy_stamp_takes_new_tenants() {
    let fleet = fixtures::fleet(1, 1);
    for verdict in [Verdict::Degraded, Verdict::Unhealthy, Verdict::CutOff, Verdict::Unknown] {
        let sites: Vec<Site<'_>> = sites(&fleet).into_iter().map(|site| Site { verdict, ..site }).collect();
        let no_home = place(&"acme".into(), &wish(1), sites).unwrap_err();
        assert_eq!(no_home.why[&"weu-1".into()], format!("is {verdict:?}"));
    }
}

#[test]
fn a_pin_is_kept_and_room_is_not_made() {
    let fleet = fixtures::fleet(2, 1);
    let pinned = Wish { pin: Some("weu-1".into()), ..wish(5) };
    assert_eq!(place(&"acme".into(), &pinned, sites(&fleet)).unwrap().0.as_str(), "weu-1");
    let huge = Wish { pin: Some("weu-1".into()), ..wish(101) };
    let no_home = place(&"acme".into(), &huge, sites(&fleet)).unwrap_err();
    assert_eq!(no_home.why[&"weu-1".into()], "would carry 101 of 100 units");
}

proptest! {
    #[test]
    fn a_bucket_is_always_one_of_the_stamps(name in "[a-z0-9-]{1,40}", buckets in 1u16..=256) {
        prop_assert!(bucket_of(&name.as_str().into(), buckets).0 < buckets);
    }
}
