//! The objects of a fleet, as a person would apply them.

use anyhow::Context;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use stamps::fleet::Automation;

use super::World;
use crate::{dns::TSIG_ALGORITHM, region::REGIONS, stamps_http};

const POLICY: &str = "quick";
const SECRET: &str = "dns-key";
/// Tenants that are created at once.
const CREATES_AT_ONCE: usize = 16;

/// Every vantage with its region: one in each region, and one outside, so that two others can speak for each region
/// even when one of them is gone.
pub(super) fn vantages() -> Vec<(String, &'static str)> {
    let inside = REGIONS.iter().map(|region| (format!("{}-a", region.short), region.name));
    inside.chain([("outside-a".to_owned(), "outside")]).collect()
}

impl World {
    /// Objects of one kind in the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.scenario.namespace())
    }

    /// A person sets the Gate.
    pub async fn set_automation(&self, automation: Automation) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({ "spec": { "automation": automation } }));
        self.api::<crds::Fleet>().patch(crds::FLEET, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Creates an object from its spec.
    pub async fn create<K>(&self, name: &str, spec: Value) -> anyhow::Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let object: K = serde_json::from_value(json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": name },
            "spec": spec,
        }))?;
        self.api::<K>()
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("create {} {}", K::kind(&()), object.name_any()))
    }

    /// A Stamp's spec; `number` counts from 1.
    fn stamp_spec(&self, region: usize, number: usize, single_writer: bool) -> anyhow::Result<Value> {
        let mut spec = json!({
            "geode": REGIONS[region].name,
            "endpoints": [{
                "name": "web",
                "address": self.scenario.subnet().stamp(region, number)?,
                "port": stamps_http::PORT,
            }],
            "probes": [{
                "name": "healthz",
                "endpoint": "web",
                "interval": "1s",
                "timeouts": { "connect": "800ms", "tls": "800ms", "firstByte": "800ms", "total": "900ms" },
                "http": { "path": stamps_http::HEALTH_PATH, "statuses": ["200"] },
            }],
            "capacity": { "units": 1000, "tenants": 5000 },
        });
        if single_writer {
            spec["data"] = json!({ "mode": "SingleWriter" });
        }
        Ok(spec)
    }

    fn traffic_policy_spec(&self) -> Value {
        let dns = self.scenario.dns();
        let primary = dns.primary().region();
        let servers: Vec<Value> = dns
            .servers()
            .iter()
            .map(|server| {
                json!({
                    "name": format!("ns-{}", server.region()),
                    "address": server.address().to_string(),
                    "geode": server.region(),
                    "primary": server.region() == primary,
                })
            })
            .collect();
        let hosts = &self.design.shared_hosts;
        json!({
            "zone": format!("{}.", self.scenario.zone()),
            "routing": if hosts.is_empty() { "Homed" } else { "Shared" },
            "hosts": hosts.iter().map(|host| format!("{host}.{}", self.scenario.zone())).collect::<Vec<_>>(),
            "ttls": { "routeSeconds": 2, "addressSeconds": 2, "negativeSeconds": 2 },
            "nameServers": servers,
            "roads": [{ "dnsUpdate": { "tsigSecretName": SECRET } }],
            "hostnameSuffixes": [format!("tenants.{}", self.scenario.zone())],
        })
    }

    /// The host name of a tenant.
    pub fn tenant_host(&self, tenant: &str) -> String {
        format!("{tenant}.tenants.{}", self.scenario.zone())
    }
}

/// Creates everything that people write.
pub(super) async fn create_all(world: &World) -> anyhow::Result<()> {
    let design = &world.design;
    let key = world.scenario.dns().update_key();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": SECRET },
        "stringData": { "name": key.name, "algorithm": TSIG_ALGORITHM, "secret": key.secret },
    }))?;
    world.api::<Secret>().create(&PostParams::default(), &secret).await?;
    let hold = format!("{}s", design.hold_s);
    let (stages, bake) = &design.ramp;
    let ramp = json!({ "stages": stages, "bake": bake });
    let policy = json!({
        "detection": {
            "failTicks": 3, "windowTicks": 5, "recoverTicks": 5,
            // A stamp by itself is left to the geode's run: both would be legal, and a scenario wants to know which.
            "hold": { "stamp": "1h", "geode": hold },
        },
        "safety": { "warmUp": "0s" },
        "ramps": {
            "planned": ramp, "unplanned": ramp, "failback": ramp,
        },
        "workflow": { "stepBudget": "10s", "runDeadline": "5m", "drainGrace": "1s" },
    });
    world.create::<crds::FailoverPolicy>(POLICY, policy).await?;
    for (index, region) in REGIONS.iter().enumerate() {
        let order = json!({ "displayName": region.name, "failoverOrder": (index + 1) * 10 });
        world.create::<crds::Geode>(region.name, order).await?;
        for number in 1..=design.stamps_per_region {
            let name = format!("{}-{number}", region.short);
            let spec = world.stamp_spec(index, number, design.single_writers.contains(&name.as_str()))?;
            world.create::<crds::Stamp>(&name, spec).await?;
        }
    }
    world.create::<crds::TrafficPolicy>("zone", world.traffic_policy_spec()).await?;
    let listed: Vec<Value> =
        vantages().iter().map(|(name, region)| json!({ "name": name, "region": region })).collect();
    let fleet = json!({
        "automation": design.automation,
        "vantages": listed,
        "hub": { "region": "hub" },
        "failoverPolicy": POLICY,
    });
    world.create::<crds::Fleet>(crds::FLEET, fleet).await?;
    create_tenants(world).await
}

async fn create_tenants(world: &World) -> anyhow::Result<()> {
    use futures::{TryStreamExt, stream};
    let names = (0..world.design.tenants).map(|n| format!("t-{n:03}"));
    stream::iter(names.map(anyhow::Ok))
        .try_for_each_concurrent(CREATES_AT_ONCE, async |name| {
            let spec = json!({ "hostnames": [world.tenant_host(&name)], "sizeUnits": 1 });
            world.create::<crds::Tenant>(&name, spec).await?;
            Ok(())
        })
        .await
}
