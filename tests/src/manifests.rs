//! What a fresh API server needs before a fleet can live in it: our kinds and our roles.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, ensure};
use k8s_openapi::{
    api::{
        core::v1::Namespace,
        rbac::v1::{ClusterRole, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{tools, wait};

const FIELD_MANAGER: &str = "lifeboat-testbed";
/// The API server serves a new kind within a second or two; beside compilers later.
const ESTABLISHED_WITHIN: Duration = Duration::from_mins(1);
const ROLES: &str = include_str!("../manifests/rbac.yaml");

/// The role of operators.
pub const OPERATOR: &str = "lifeboat-operator";
/// The role of monitors.
pub const MONITOR: &str = "lifeboat-monitor";

/// Applies every definition of `crds/generated` and waits until its kind is served; then our roles.
pub async fn apply_all(client: &Client) -> anyhow::Result<()> {
    let names = apply_definitions(client, &tools::repository().join("crds/generated")).await?;
    for name in names {
        wait_established(client, &name).await?;
    }
    let roles: Api<ClusterRole> = Api::all(client.clone());
    for document in ROLES.split("\n---\n") {
        let role: ClusterRole = serde_saphyr::from_str(document).context("read manifests/rbac.yaml")?;
        apply(&roles, &role).await?;
    }
    Ok(())
}

async fn apply_definitions(client: &Client, folder: &Path) -> anyhow::Result<Vec<String>> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut names = Vec::new();
    // A clone in which nothing has been generated yet has no such folder.
    let Ok(files) = fs::read_dir(folder) else { return Ok(names) };
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path)?;
            let definition: CustomResourceDefinition =
                serde_saphyr::from_str(&text).with_context(|| format!("read {}", path.display()))?;
            apply(&definitions, &definition).await?;
            names.push(definition.name_any());
        }
    }
    Ok(names)
}

async fn apply<K>(api: &Api<K>, object: &K) -> anyhow::Result<()>
where
    K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let name = object.name_any();
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(object)).await.with_context(|| format!("apply {name}"))?;
    Ok(())
}

async fn wait_established(client: &Client, name: &str) -> anyhow::Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    wait::until(&format!("{name} to be served"), ESTABLISHED_WITHIN, || async {
        let definition = definitions.get(name).await?;
        let conditions = definition.status.and_then(|status| status.conditions).unwrap_or_default();
        ensure!(conditions.iter().any(|c| c.type_ == "Established" && c.status == "True"), "{conditions:?}");
        anyhow::Ok(())
    })
    .await
}

/// The group that has a role in one namespace: [`OPERATOR`] or [`MONITOR`], as their service account
/// of that namespace would.
pub fn group(role: &str, namespace: &str) -> String {
    format!("{role}:{namespace}")
}

/// Makes a namespace in which operators and monitors have their roles.
pub async fn create_namespace(client: &Client, name: &str) -> anyhow::Result<()> {
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), name);
    for role in [OPERATOR, MONITOR] {
        let api_group = "rbac.authorization.k8s.io";
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": { "name": role },
            "roleRef": { "apiGroup": api_group, "kind": "ClusterRole", "name": role },
            // Every replica and every vantage has a name of its own, so their group has the role.
            "subjects": [{ "apiGroup": api_group, "kind": "Group", "name": group(role, name) }],
        }))?;
        bindings.create(&PostParams::default(), &binding).await?;
    }
    Ok(())
}
