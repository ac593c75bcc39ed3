use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;

use super::*;

fn geode(name: &str) -> crds::Geode {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    crds::Geode { metadata, ..crds::Geode::default() }
}

fn names(kept: &Kept<crds::Geode>) -> Option<Vec<&str>> {
    kept.whole().map(|objects| objects.keys().map(String::as_str).collect())
}

#[test]
fn a_list_counts_when_it_is_complete() {
    let mut kept = Kept::default();
    kept.apply(Event::Init);
    kept.apply(Event::InitApply(geode("weu")));
    assert_eq!(names(&kept), None);
    kept.apply(Event::InitDone);
    kept.apply(Event::Apply(geode("neu")));
    assert_eq!(names(&kept), Some(vec!["neu", "weu"]));
    // A list that breaks off in the middle takes nothing away.
    kept.apply(Event::Init);
    assert_eq!(names(&kept), Some(vec!["neu", "weu"]));
    kept.apply(Event::Init);
    kept.apply(Event::InitApply(geode("eus")));
    kept.apply(Event::InitDone);
    assert_eq!(names(&kept), Some(vec!["eus"]));
    kept.apply(Event::Delete(geode("eus")));
    assert_eq!(names(&kept), Some(vec![]));
}

mod list {
    use serde_json::json;

    use super::*;

    fn told() -> Told {
        Told {
            identity: Identity { vantage: "weu-a".into(), region: "weu".into() },
            readiness: Readiness::default(),
            metrics: Metrics::default(),
        }
    }

    fn object<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &serde_json::Value) -> K {
        serde_json::from_value(json!({
            "apiVersion": "lifeboat.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "uid": "6f1c", "namespace": "test"}, "spec": spec,
        }))
        .unwrap()
    }

    fn stamp(name: &str, geode: &str) -> crds::Stamp {
        object(
            "Stamp",
            name,
            &json!({
                "geode": geode,
                "endpoints": [{"name": "web", "address": "192.0.2.1", "port": 80}],
                "probes": [{"name": "web", "tcp": {}}],
                "capacity": {"units": 100},
            }),
        )
    }

    fn watched<K: kube::Resource>(objects: impl IntoIterator<Item = K>) -> Kept<K> {
        let mut kept = Kept::default();
        objects.into_iter().for_each(|object| kept.apply(Event::InitApply(object)));
        kept.apply(Event::InitDone);
        kept
    }

    #[test]
    fn it_holds_what_the_operator_judges() {
        let fleet = object("Fleet", "fleet", &json!({"vantages": [{"name": "weu-a", "region": "weu"}]}));
        let mut held = Held {
            fleets: watched([fleet]),
            geodes: Kept::default(),
            stamps: watched([stamp("weu-1", "weu"), stamp("lost-1", "nowhere")]),
        };
        let told = told();
        assert_eq!(held.list(&told), None, "the geodes are not known yet");
        held.geodes = watched([object("Geode", "weu", &json!({"displayName": "West"}))]);
        let names: Vec<_> = held.list(&told).unwrap().into_keys().map(|name| name.to_string()).collect();
        assert_eq!(names, ["weu-1"]);
        assert_eq!(told.metrics.listed.get(), 1);
        assert!(told.readiness.reasons().is_empty());
    }

    #[test]
    fn without_a_fleet_there_is_no_list() {
        let held =
            Held { fleets: watched([]), geodes: watched([]), stamps: watched([stamp("weu-1", "weu")]) };
        let told = told();
        assert_eq!(held.list(&told), None);
        assert!(told.readiness.reasons().contains_key(FLEET_PART));
    }
}
