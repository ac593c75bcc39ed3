//! Where a tenant is served: the one function of placement and routes that every reader uses.

use anyhow::{Context, anyhow};
use crds::{Tenant, validate};
use kube::{Api, Client};
use shell::api::within;
use stamps::{
    failover::FleetState,
    names::{Bucket, StampName},
    routing::effective,
};

use crate::register::{self, CALL_TIMEOUT};

/// The answer in a sentence.
pub(crate) async fn sentence(client: &Client, namespace: &str, name: &str) -> anyhow::Result<String> {
    let tenants: Api<Tenant> = Api::namespaced(client.clone(), namespace);
    let tenant =
        within(CALL_TIMEOUT, tenants.get_opt(name)).await.context("read the tenant")?.ok_or_else(|| {
            anyhow!("there is no Tenant {name} in namespace {namespace}; `kubectl get tenants` lists them")
        })?;
    let Some(home) = validate::tenant(&tenant)?.home else {
        return Ok(format!("{name} has no home yet; the operator's log says why"));
    };
    let state = register::read(client, namespace).await?;
    Ok(say(&state, name, &home.stamp, home.bucket))
}

fn say(state: &FleetState, name: &str, home: &StampName, bucket: Bucket) -> String {
    let serves = effective(&state.routes, home, bucket);
    if serves == home {
        return format!("{name} is served at home by {home} (bucket {bucket})");
    }
    let by = state.routes.entries().find(|(stamp, _)| *stamp == home).map(|(_, entry)| entry.set_by);
    let since = by.map(|point| format!(", since commit {point}")).unwrap_or_default();
    format!("{name} is served by {serves}; its home is {home} (bucket {bucket}){since}")
}

#[cfg(test)]
mod tests {
    use stamps::{names::Point, routing::Move};

    use super::*;

    #[test]
    fn a_moved_bucket_is_told_with_its_home() {
        let mut state = FleetState::born("f".into(), "a".into(), 7);
        let home = StampName::from("weu-1");
        assert_eq!(say(&state, "acme", &home, Bucket(0)), "acme is served at home by weu-1 (bucket b00)");
        let mv = Move { home: home.clone(), bucket: Bucket(0), to: "neu-2".into() };
        state.routes.apply(&[mv], Point { epoch: 7, seq: 4 });
        assert_eq!(
            say(&state, "acme", &home, Bucket(0)),
            "acme is served by neu-2; its home is weu-1 (bucket b00), since commit 7.4"
        );
    }
}
