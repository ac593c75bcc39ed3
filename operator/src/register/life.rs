//! The end of the register's object: held back by a finalizer, and let go when its whole namespace is deleted.

use std::{sync::Arc, time::Duration};

use crds::{FLEET, REGISTER_FINALIZER};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;
use shell::api::{CallError, within};
use tokio_util::sync::CancellationToken;

use super::{CALL_TIMEOUT, Register};

/// Between two looks whether the register is being deleted. A namespace waits for this long at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Register {
    /// Lets the register go when its namespace is deleted, until `stop` and once more then: in a namespace that goes,
    /// pods go first, and nobody else would take the finalizer off.
    pub async fn let_go_in_time(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let stopped = stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none();
            if let Err(error) = self.let_go(stopped).await {
                tracing::debug!(%error, "whether the register is to be let go could not be told");
            }
            if stopped {
                return;
            }
        }
    }

    /// Takes the finalizer off, if the namespace is being deleted. A register that alone is deleted stays.
    async fn let_go(&self, ending: bool) -> Result<(), CallError> {
        let Some(object) = within(CALL_TIMEOUT, self.objects.get_opt(FLEET)).await? else { return Ok(()) };
        let held = object.finalizers().iter().any(|held| held == REGISTER_FINALIZER);
        let deleted = object.metadata.deletion_timestamp.is_some();
        if !held || !(deleted || ending) {
            return Ok(());
        }
        let namespace = within(CALL_TIMEOUT, self.namespaces.get(&self.namespace)).await?;
        if namespace.metadata.deletion_timestamp.is_none() {
            if deleted {
                tracing::warn!(
                    "somebody deleted the FleetState object; its finalizer holds it. Back it up, and delete the namespace \
                     if the whole fleet is to go"
                );
            }
            return Ok(());
        }
        let left: Vec<&String> =
            object.finalizers().iter().filter(|held| *held != REGISTER_FINALIZER).collect();
        let patch = json!({ "metadata": {
            "finalizers": left, "resourceVersion": object.resource_version(), "uid": object.uid(),
        }});
        within(CALL_TIMEOUT, self.objects.patch(FLEET, &PatchParams::default(), &Patch::Merge(&patch)))
            .await?;
        tracing::info!("the namespace is being deleted: the register is let go, and DNS keeps what it holds");
        Ok(())
    }
}
