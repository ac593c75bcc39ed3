//! The register is deleted, put back from an older copy, loses its definition: nothing moves, a person is asked, and
//! `kubectl lifeboat state recover` goes on from what is served. Old runs that come back do not run.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use crds::REGISTER_FINALIZER;
use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        core::v1::Namespace,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use testbed::{
    manifests,
    region::REGIONS,
    tools,
    world::{Design, FAILOVER_WITHIN, Routes, World, in_world},
};

const WEST: &str = REGIONS[0].name;
const NORTH: &str = REGIONS[1].name;
const EAST: &str = REGIONS[2].name;

/// A challenger waits for 8 s and up to 1 s more, and a person must know within 30 s.
const KNOWN_WITHIN: Duration = Duration::from_secs(45);
/// For what follows at once.
const SOON: Duration = Duration::from_secs(30);
/// Several rounds of everything that runs by itself, and more than a takeover.
const LONG_ENOUGH: Duration = Duration::from_secs(15);

/// What must not change, whatever becomes of the register.
struct Served {
    routes: Routes,
    moves: usize,
}

impl Served {
    async fn now(world: &World) -> anyhow::Result<Self> {
        Ok(Self { routes: world.routes(NORTH).await?, moves: world.journal()?.moves().len() })
    }

    /// No change has moved a bucket since.
    fn unmoved(&self, world: &World) -> anyhow::Result<()> {
        let moves = world.journal()?.moves().len();
        ensure!(moves == self.moves, "{} changes moved buckets", moves - self.moves);
        Ok(())
    }

    /// The zone does not change at all for a while.
    async fn stays(&self, world: &World) -> anyhow::Result<()> {
        let serial = world.serial().await?;
        tokio::time::sleep(LONG_ENOUGH).await;
        let after = world.serial().await?;
        ensure!(after == serial, "the zone changed {} times", after - serial);
        self.unmoved(world)
    }

    /// Every bucket is where it was, by the register too.
    async fn same(&self, world: &World) -> anyhow::Result<()> {
        self.unmoved(world)?;
        let routes = world.routes(NORTH).await?;
        ensure!(routes == self.routes, "{routes:?}");
        let (_, state) = world.register().await?;
        for (bucket, stamp) in &self.routes {
            let (number, home) = bucket.split_once('.').context("no bucket")?;
            let bucket = stamps::names::Bucket(number.trim_start_matches('b').parse()?);
            let home = home.into();
            let says = stamps::routing::effective(&state.routes, &home, bucket);
            ensure!(
                says.as_str() == stamp,
                "{bucket} of {home}: the register says {says}, served is {stamp}"
            );
        }
        Ok(())
    }
}

async fn admin(world: &World) -> anyhow::Result<Client> {
    world.scenario.cluster().client().await
}

/// Waits until the fleet says why it is not ready, and returns the sentence.
async fn until_not_ready(world: &World, reason: &str) -> anyhow::Result<String> {
    world
        .until(&format!("Ready=False, {reason}"), KNOWN_WITHIN, async || {
            let status = world.api::<crds::Fleet>().get(crds::FLEET).await?.status.context("no status")?;
            let ready = status.conditions.iter().find(|c| c.type_ == "Ready").context("no condition")?;
            ensure!(ready.status == "False" && ready.reason == reason, "{}: {}", ready.reason, ready.message);
            ensure!(ready.message.contains("kubectl lifeboat state recover"), "{}", ready.message);
            Ok(ready.message.clone())
        })
        .await
}

async fn until_ready(world: &World) -> anyhow::Result<()> {
    world
        .until("Ready=True", KNOWN_WITHIN, async || {
            let status = world.api::<crds::Fleet>().get(crds::FLEET).await?.status.context("no status")?;
            let ready = status.conditions.iter().find(|c| c.type_ == "Ready").context("no condition")?;
            ensure!(ready.status == "True", "{}: {}", ready.reason, ready.message);
            Ok(())
        })
        .await
}

/// What an administrator does who wants to be rid of the object by all means.
async fn delete_by_force(world: &World) -> anyhow::Result<()> {
    let registers = world.api::<crds::FleetState>();
    registers.delete(crds::FLEET, &DeleteParams::default()).await?;
    let held = registers.get(crds::FLEET).await?;
    ensure!(held.finalizers().contains(&REGISTER_FINALIZER.to_owned()), "{:?}", held.finalizers());
    ensure!(held.metadata.deletion_timestamp.is_some());
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    registers.patch(crds::FLEET, &PatchParams::default(), &patch).await?;
    ensure!(registers.get_opt(crds::FLEET).await?.is_none());
    Ok(())
}

/// `kubectl lifeboat state recover`, as a person's script calls it.
async fn recover(world: &World) -> anyhow::Result<String> {
    let (binary, kubeconfig): (PathBuf, PathBuf) =
        (tools::ours("kubectl-lifeboat")?, world.scenario.cluster().admin_kubeconfig_file()?);
    let namespace = world.scenario.namespace().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(binary)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--namespace", &namespace, "state", "recover", "--yes"])
            .output()
    })
    .await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(said.contains("nothing was moved by it"), "{said}");
    Ok(said)
}

/// Runs start and end again: a dry run, because everything else would move something.
async fn runs_again(world: &World, name: &str) -> anyhow::Result<()> {
    world.create::<crds::Failover>(name, json!({ "subject": { "geode": EAST }, "dryRun": true })).await?;
    let status = world.finished(name, KNOWN_WITHIN).await?.status.context("no status")?;
    ensure!(status.phase.as_deref() == Some("Succeeded"), "{status:?}");
    Ok(())
}

#[tokio::test]
async fn a_register_that_is_lost_or_put_back_moves_nothing() -> anyhow::Result<()> {
    let design = Design { operators: vec![Vec::new(), Vec::new()], ..Design::new("register") };
    in_world(design, async |world| {
        let young = world.register().await?.0;
        deletion_is_refused(world).await?;
        world.kill_region(WEST).await?;
        let run = world.until_new_run(&std::collections::BTreeMap::new(), FAILOVER_WITHIN).await?;
        world.finished(&run, FAILOVER_WITHIN).await?;
        world.until_quiet(SOON).await?;
        let served = Served::now(world).await?;
        ensure!(served.routes.values().all(|stamp| !stamp.starts_with(REGIONS[0].short)));

        lost(world, &served).await?;
        put_back(world, &served, young).await?;
        made_again(world, &served, &run).await?;
        if std::env::var_os(testbed::state::VARIABLE).is_none() {
            // Nobody else lives in this API server.
            definition_deleted(world, &served).await?;
        }
        namespace_goes(world, &served).await
    })
    .await
}

/// The policy refuses what the finalizer would only hold. It is bound to this namespace alone here.
async fn deletion_is_refused(world: &World) -> anyhow::Result<()> {
    let client = admin(world).await?;
    let name = crds::policies::REGISTER_DELETION;
    let text = std::fs::read_to_string(
        tools::repository().join(format!("crds/generated/{}/{name}.yaml", crds::definitions::POLICIES)),
    )?;
    let (policy, binding) = text.split_once("---\n").context("two documents")?;
    let policy: ValidatingAdmissionPolicy = serde_saphyr::from_str(policy)?;
    let mut binding: ValidatingAdmissionPolicyBinding = serde_saphyr::from_str(binding)?;
    let bound = format!("{name}-{}", world.scenario.namespace());
    binding.metadata.name = Some(bound.clone());
    let here = json!({ "namespaceSelector": {
        "matchLabels": { "kubernetes.io/metadata.name": world.scenario.namespace() },
    }});
    binding.spec.get_or_insert_default().match_resources = Some(serde_json::from_value(here)?);
    let params = PatchParams::apply("test").force();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    policies.patch(name, &params, &Patch::Apply(&policy)).await?;
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client);
    bindings.patch(&bound, &params, &Patch::Apply(&binding)).await?;

    let registers = world.api::<crds::FleetState>();
    let dry_run = DeleteParams { dry_run: true, ..DeleteParams::default() };
    world
        .until("the deletion to be refused", SOON, async || {
            match registers.delete(crds::FLEET, &dry_run).await {
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    ensure!(
                        status.message.contains("without it Lifeboat moves nothing"),
                        "{}",
                        status.message
                    );
                    Ok(())
                }
                other => anyhow::bail!("{other:?}"),
            }
        })
        .await?;
    bindings.delete(&bound, &DeleteParams::default()).await?;
    world
        .until("the deletion to be let through", SOON, async || {
            registers.delete(crds::FLEET, &dry_run).await?;
            Ok(())
        })
        .await
}

async fn lost(world: &World, served: &Served) -> anyhow::Result<()> {
    let epoch = world.register().await?.0.spec.epoch;
    delete_by_force(world).await?;
    until_not_ready(world, "RegisterLost").await?;
    served.stays(world).await?;
    let gone = world.api::<crds::FleetState>().get_opt(crds::FLEET).await?;
    ensure!(gone.is_none(), "nobody begins a new one by themselves");

    recover(world).await?;
    served.same(world).await?;
    until_ready(world).await?;
    ensure!(world.register().await?.0.spec.epoch > epoch);
    runs_again(world, "after-loss").await?;
    served.same(world).await
}

async fn put_back(world: &World, served: &Served, young: crds::FleetState) -> anyhow::Result<()> {
    delete_by_force(world).await?;
    let metadata = ObjectMeta { name: Some(crds::FLEET.to_owned()), ..ObjectMeta::default() };
    let copy = crds::FleetState { metadata, ..young };
    world.api::<crds::FleetState>().create(&PostParams::default(), &copy).await?;
    let said = until_not_ready(world, "Restored").await?;
    eprintln!("{said}");
    // Somebody is in a hurry.
    let wish = json!({ "subject": { "geode": EAST } });
    world.create::<crds::Failover>("in-a-hurry", wish).await?;
    served.stays(world).await?;
    let (_, state) = world.register().await?;
    ensure!(
        state.restored.is_some() && !state.runs.contains_key(&"in-a-hurry".into()),
        "{:?}",
        state.runs.keys()
    );

    let said = recover(world).await?;
    ensure!(said.contains("are served by"), "what differs was shown: {said}");
    served.same(world).await?;
    until_ready(world).await?;
    let status = world.finished("in-a-hurry", SOON).await?.status.context("no status")?;
    ensure!(status.phase.as_deref() == Some("Expired"), "{status:?}");
    runs_again(world, "after-restore").await?;
    served.same(world).await
}

/// A sync, or a backup of objects, makes runs again that are over.
async fn made_again(world: &World, served: &Served, run: &str) -> anyhow::Result<()> {
    let runs = world.api::<crds::Failover>();
    let before = world.runs().await?;
    for name in [run, "after-restore", "in-a-hurry"] {
        let old = runs.get(name).await?;
        runs.delete(name, &DeleteParams::default()).await?;
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let mut again = crds::Failover { metadata, status: None, ..old };
        again.spec.dry_run = false;
        runs.create(&PostParams::default(), &again).await?;
    }
    served.stays(world).await?;
    let shifted: Vec<String> = world
        .runs()
        .await?
        .into_iter()
        .filter(|(name, run)| run.has_shifted() && !before.contains_key(name))
        .map(|(name, _)| name)
        .collect();
    ensure!(shifted.is_empty(), "{shifted:?}");
    served.same(world).await
}

/// The definition's deletion passes every policy; the object's finalizer holds it.
async fn definition_deleted(world: &World, served: &Served) -> anyhow::Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(admin(world).await?);
    let name = "fleetstates.state.lifeboat.dev";
    definitions.delete(name, &DeleteParams::default()).await?;
    served.stays(world).await?;
    ensure!(world.register().await?.0.metadata.deletion_timestamp.is_some(), "asked to go, and held");

    let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    world.api::<crds::FleetState>().patch(crds::FLEET, &PatchParams::default(), &patch).await?;
    world
        .until("the definition to go", SOON, async || {
            ensure!(definitions.get_opt(name).await?.is_none());
            Ok(())
        })
        .await?;
    until_not_ready(world, "RegisterLost").await?;
    served.stays(world).await?;

    manifests::apply_all(&admin(world).await?).await?;
    recover(world).await?;
    served.same(world).await?;
    until_ready(world).await
}

/// With the whole namespace the register is let go. Here an administrator deletes the object, as the controller of
/// namespaces would.
async fn namespace_goes(world: &World, served: &Served) -> anyhow::Result<()> {
    let namespaces: Api<Namespace> = Api::all(admin(world).await?);
    namespaces.delete(world.scenario.namespace(), &DeleteParams::default()).await?;
    let registers = world.api::<crds::FleetState>();
    registers.delete(crds::FLEET, &DeleteParams::default()).await?;
    world
        .until("the register to be let go", SOON, async || {
            ensure!(registers.get_opt(crds::FLEET).await?.is_none());
            Ok(())
        })
        .await?;
    served.unmoved(world)
}
