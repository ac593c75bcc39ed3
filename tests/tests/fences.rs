//! What a deposed leader still sends is refused by the API server itself: the register, placements and everything
//! that Lifeboat projects carry an epoch that never goes down. (DNS has its own fence; see `dns_provider`.)

use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use testbed::{manifests, scenario::Testbed};

/// An epoch that a leader has.
const EPOCH: i64 = 1_795_000_007;

/// A namespace of its own, as an operator may use it.
struct Rig {
    client: Client,
    namespace: String,
}

impl Rig {
    async fn new(name: &str) -> anyhow::Result<Self> {
        let cluster = Testbed::shared().await?.cluster();
        let namespace = format!("{name}-{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        manifests::create_namespace(&cluster.client().await?, &namespace).await?;
        // People's objects are made by an administrator, in `make`; everything else is done with the operator's role.
        let group = manifests::group(manifests::OPERATOR, &namespace);
        let client = cluster.client_for("operator-1", Some(&group)).await?;
        Ok(Self { client, namespace })
    }

    fn with(&self, client: Client, group: &str, kind: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(group, crds::VERSION, kind);
        let plural = match kind {
            "TrafficPolicy" => "trafficpolicies".to_owned(),
            "FailoverPolicy" => "failoverpolicies".to_owned(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
        Api::namespaced_with(client, &self.namespace, &resource)
    }

    /// Objects as the operator may change them.
    fn operators(&self, group: &str, kind: &str) -> Api<DynamicObject> {
        self.with(self.client.clone(), group, kind)
    }

    /// Objects as a person may change them.
    async fn peoples(&self, kind: &str) -> anyhow::Result<Api<DynamicObject>> {
        let client = Testbed::shared().await?.cluster().client().await?;
        Ok(self.with(client, crds::GROUP, kind))
    }

    async fn make(&self, kind: &str, name: &str, spec: Value) -> anyhow::Result<()> {
        let object = object(crds::GROUP, kind, name, json!({ "spec": spec }))?;
        self.peoples(kind).await?.create(&PostParams::default(), &object).await?;
        Ok(())
    }
}

fn object(group: &str, kind: &str, name: &str, fields: Value) -> anyhow::Result<DynamicObject> {
    let mut object = json!({
        "apiVersion": format!("{group}/{}", crds::VERSION),
        "kind": kind,
        "metadata": { "name": name },
    });
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
    Ok(serde_json::from_value(object)?)
}

type Answer = Result<DynamicObject, kube::Error>;

#[expect(clippy::panic, reason = "a test's helper, called from nothing else")]
#[track_caller]
fn refused(what: &str, answer: Answer, sentence: &str) {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 422 && status.message.contains(sentence) => {}
        Err(error) => panic!("{what} was refused, but not with 422 and {sentence:?}: {error}"),
        Ok(object) => panic!("{what} should have been refused: {:#}", object.data),
    }
}

#[expect(clippy::panic, reason = "a test's helper, called from nothing else")]
#[track_caller]
fn taken(what: &str, answer: Answer) -> DynamicObject {
    answer.unwrap_or_else(|error| panic!("{what} should have been taken: {error}"))
}

/// Labels, annotations and finalizers stay open to everyone with the right, whatever the epoch.
async fn metadata_can_be_edited(what: &str, objects: &Api<DynamicObject>, name: &str) {
    let marked = json!({ "metadata": {
        "labels": { "team": "red" }, "annotations": { "note": "x" }, "finalizers": ["lifeboat.dev/keep"],
    }});
    let cleared = json!({ "metadata": { "labels": null, "annotations": null, "finalizers": null } });
    for patch in [marked, cleared] {
        let answer = objects.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        taken(&format!("{what}: {patch}"), answer);
    }
}

#[tokio::test]
async fn the_register_takes_no_lower_epoch() -> anyhow::Result<()> {
    let rig = Rig::new("fence-register").await?;
    let states = rig.operators(crds::STATE_GROUP, "FleetState");
    let state = |epoch: i64, revision: i64| json!({ "epoch": epoch, "revision": revision, "leader": "operator-1", "formatVersion": 1, "data": "{}" });
    let first = object(crds::STATE_GROUP, "FleetState", crds::FLEET, state(EPOCH, 40))?;
    states.create(&PostParams::default(), &first).await?;

    // Each as a whole, the way the operator writes it: with the version that it has just read.
    let put = async |fields: Value| -> anyhow::Result<Answer> {
        let mut object = object(crds::STATE_GROUP, "FleetState", crds::FLEET, fields)?;
        object.metadata.resource_version = states.get(crds::FLEET).await?.metadata.resource_version;
        Ok(states.replace(crds::FLEET, &PostParams::default(), &object).await)
    };
    refused("a lower epoch", put(state(EPOCH - 1, 41)).await?, "epoch never goes down");
    refused("a lower revision", put(state(EPOCH, 39)).await?, "revision never goes down");
    refused(
        "a lower revision of a later epoch",
        put(state(EPOCH + 1, 39)).await?,
        "revision never goes down",
    );
    taken("the same epoch", put(state(EPOCH, 41)).await?);
    taken("a higher epoch", put(state(EPOCH + 1, 42)).await?);

    let patch =
        async |patch: Value| states.patch(crds::FLEET, &PatchParams::default(), &Patch::Merge(&patch)).await;
    refused("a patch to a lower epoch", patch(json!({ "epoch": EPOCH })).await, "epoch never goes down");
    refused("a patch that removes the epoch", patch(json!({ "epoch": null })).await, "epoch");
    refused("an older format", patch(json!({ "formatVersion": 0 })).await, "formatVersion");
    metadata_can_be_edited("the register", &states, crds::FLEET).await;

    let held = states.get(crds::FLEET).await?;
    assert_eq!((&held.data["epoch"], &held.data["revision"]), (&json!(EPOCH + 1), &json!(42)));
    Ok(())
}

#[tokio::test]
async fn a_placement_takes_no_lower_epoch() -> anyhow::Result<()> {
    let rig = Rig::new("fence-placement").await?;
    rig.make("Tenant", "acme", json!({ "sizeUnits": 5 })).await?;
    let tenants = rig.operators(crds::GROUP, "Tenant");
    let patch = async |placement: Value| {
        let patch = json!({ "spec": { "placement": placement } });
        tenants.patch("acme", &PatchParams::default(), &Patch::Merge(&patch)).await
    };
    let home = |stamp: &str, epoch: i64| json!({ "stamp": stamp, "bucket": 7, "epoch": epoch });
    let sentence = "a placement is never removed";

    taken("a first placement", patch(home("weu-1", EPOCH)).await);
    refused("another home under a lower epoch", patch(home("neu-1", EPOCH - 1)).await, sentence);
    refused("the same home under a lower epoch", patch(home("weu-1", EPOCH - 1)).await, sentence);
    refused("another home under the same epoch", patch(home("neu-1", EPOCH)).await, sentence);
    refused("another bucket under the same epoch", patch(json!({ "bucket": 8 })).await, sentence);
    refused("no home", patch(Value::Null).await, sentence);
    let mut without = tenants.get("acme").await?;
    without.data["spec"] = json!({ "sizeUnits": 5 });
    refused(
        "a whole without a home",
        tenants.replace("acme", &PostParams::default(), &without).await,
        sentence,
    );

    taken("the same placement again", patch(home("weu-1", EPOCH)).await);
    let grown = Patch::Merge(json!({ "spec": { "sizeUnits": 6 } }));
    taken("another size", rig.peoples("Tenant").await?.patch("acme", &PatchParams::default(), &grown).await);
    metadata_can_be_edited("a tenant", &tenants, "acme").await;
    let moved = taken("another home under a higher epoch", patch(home("neu-1", EPOCH + 1)).await);
    assert_eq!(moved.data["spec"]["placement"], home("neu-1", EPOCH + 1));
    Ok(())
}

/// Every kind with a status, and a spec that is valid.
fn projected() -> [(&'static str, Value); 7] {
    [
        ("Fleet", json!({})),
        ("Geode", json!({ "displayName": "West Europe" })),
        (
            "Stamp",
            json!({
                "geode": "weu",
                "endpoints": [{ "name": "web", "address": "192.0.2.10", "port": 443 }],
                "probes": [{ "name": "web", "endpoint": "web", "http": { "path": "/healthz" } }],
                "capacity": { "units": 100 },
            }),
        ),
        ("Tenant", json!({ "sizeUnits": 5 })),
        (
            "TrafficPolicy",
            json!({
                "zone": "app.example.com.",
                "nameServers": [{ "name": "ns", "address": "192.0.2.53:53", "primary": true }],
                "roads": [{ "dnsUpdate": { "tsigSecretName": "dns-key" } }],
            }),
        ),
        ("FailoverPolicy", json!({ "detection": { "hold": { "geode": "2m" } } })),
        ("Failover", json!({ "subject": { "geode": "weu" } })),
    ]
}

#[tokio::test]
async fn a_status_takes_no_lower_epoch_and_is_never_taken_away() -> anyhow::Result<()> {
    let rig = Rig::new("fence-status").await?;
    for (kind, spec) in projected() {
        let name = if kind == "Fleet" { crds::FLEET } else { "weu" };
        rig.make(kind, name, spec).await?;
        status_is_fenced(&rig, kind, name).await?;
    }
    Ok(())
}

async fn status_is_fenced(rig: &Rig, kind: &str, name: &str) -> anyhow::Result<()> {
    let objects = rig.operators(crds::GROUP, kind);
    let sentence = "a newer leader wrote this status";
    let what = |what: &str| format!("{kind}: {what}");

    // As the operator writes: server-side apply, force.
    let apply = async |status: Value| -> anyhow::Result<Answer> {
        let patch = object(crds::GROUP, kind, name, json!({ "status": status }))?;
        let params = PatchParams::apply("lifeboat-operator").force();
        Ok(objects.patch_status(name, &params, &Patch::Apply(&patch)).await)
    };
    taken(&what("a first status"), apply(json!({ "epoch": EPOCH })).await?);
    refused(&what("a lower epoch"), apply(json!({ "epoch": EPOCH - 1 })).await?, sentence);
    // The schema is first to refuse what remains of it then: null.
    refused(&what("an applied empty status"), apply(json!({})).await?, "status");
    taken(&what("the same epoch"), apply(json!({ "epoch": EPOCH, "observedGeneration": 1 })).await?);
    taken(&what("a higher epoch"), apply(json!({ "epoch": EPOCH + 1 })).await?);

    // As anything else might: patches and whole objects.
    let merge = async |status: Value| {
        let patch = json!({ "status": status });
        objects.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await
    };
    refused(&what("a patch to a lower epoch"), merge(json!({ "epoch": EPOCH })).await, sentence);
    refused(&what("a patch that removes the epoch"), merge(json!({ "epoch": null })).await, sentence);
    refused(&what("a patch to null"), merge(Value::Null).await, sentence);
    let put = async |status: Option<Value>| -> anyhow::Result<Answer> {
        let mut object = objects.get(name).await?;
        match (status, object.data.as_object_mut()) {
            (Some(status), Some(data)) => drop(data.insert("status".to_owned(), status)),
            (None, Some(data)) => drop(data.remove("status")),
            (_, None) => {}
        }
        Ok(objects.replace_status(name, &PostParams::default(), &object).await)
    };
    refused(&what("a whole without status"), put(None).await?, sentence);
    refused(&what("a whole with null as status"), put(Some(Value::Null)).await?, sentence);
    refused(&what("a whole with an empty status"), put(Some(json!({}))).await?, sentence);
    refused(&what("a whole with a lower epoch"), put(Some(json!({ "epoch": 1 }))).await?, sentence);

    metadata_can_be_edited(kind, &rig.peoples(kind).await?, name).await;
    let held = objects.get(name).await?;
    assert_eq!(held.data["status"]["epoch"], json!(EPOCH + 1), "{kind}");
    Ok(())
}

#[tokio::test]
async fn a_ledger_takes_no_lower_epoch() -> anyhow::Result<()> {
    let rig = Rig::new("fence-ledger").await?;
    let ledgers = rig.operators(crds::STATE_GROUP, "AvailabilityLedger");
    let fields = json!({ "stamp": "weu-1", "epoch": EPOCH, "formatVersion": 1, "data": "" });
    let first = object(crds::STATE_GROUP, "AvailabilityLedger", "weu-1", fields)?;
    ledgers.create(&PostParams::default(), &first).await?;
    let patch = async |epoch: Value| {
        let patch = json!({ "epoch": epoch });
        ledgers.patch("weu-1", &PatchParams::default(), &Patch::Merge(&patch)).await
    };
    refused("a lower epoch", patch(json!(EPOCH - 1)).await, "epoch never goes down");
    refused("no epoch", patch(Value::Null).await, "epoch");
    taken("a higher epoch", patch(json!(EPOCH + 1)).await);
    metadata_can_be_edited("a ledger", &ledgers, "weu-1").await;
    Ok(())
}
