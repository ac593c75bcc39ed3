//! The register, unpacked.

use std::time::Duration;

use anyhow::{Context, anyhow};
use crds::register as codec;
use kube::{Api, Client};
use shell::api::within;
use stamps::failover::FleetState;

/// For one read.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads it.
pub(crate) async fn read(client: &Client, namespace: &str) -> anyhow::Result<FleetState> {
    find(client, namespace).await?.ok_or_else(|| {
        anyhow!(
            "there is no register in namespace {namespace}: is an operator running, and a Fleet applied? If there was \
             one, `kubectl lifeboat state recover` begins a new one"
        )
    })
}

/// Reads it, if it is there.
pub(crate) async fn find(client: &Client, namespace: &str) -> anyhow::Result<Option<FleetState>> {
    let objects: Api<crds::FleetState> = Api::namespaced(client.clone(), namespace);
    let object = within(CALL_TIMEOUT, objects.get_opt(crds::FLEET)).await.context("read the register")?;
    let Some(object) = object else { return Ok(None) };
    Ok(Some(codec::decode(object.spec.format_version, &object.spec.data)?))
}

/// As JSON for people and for jq.
pub(crate) fn text(state: &FleetState) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(state)?)
}
