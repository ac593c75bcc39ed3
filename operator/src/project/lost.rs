//! What is said when nobody leads, because the register is lost or not understood.
//!
//! The replica that would lead writes this one condition and nothing else. Two of them write the same, and whoever finds
//! it written does not write it again. The next leader's own status takes its place.

use chrono::Utc;
use crds::conditions::{self, Condition};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use shell::api::within;
use stamps::failover::{Picture, RegisterLife};

use super::{CALL_TIMEOUT, Projector};

/// Owns this condition beside the leader, so that writing it takes nothing else of the status away.
const MANAGER: &str = "lifeboat-operator-unled";

impl Projector {
    pub(super) async fn say_that_nobody_leads(&self, picture: &Picture) {
        let reason = match &picture.register {
            RegisterLife::Lost { .. } => "RegisterLost",
            RegisterLife::TooNew { alone: true, .. } => "RegisterTooNew",
            RegisterLife::TooNew { alone: false, .. } | RegisterLife::Unread | RegisterLife::There => return,
        };
        let Some(message) = picture.register.sentence() else { return };
        if let Err(error) = self.write_ready_false(reason, &message).await {
            tracing::info!(%error, reason, "that nobody leads could not be said");
        }
    }

    async fn write_ready_false(&self, reason: &str, message: &str) -> Result<(), shell::api::CallError> {
        let fleets: Api<crds::Fleet> = Api::namespaced(self.client.clone(), &self.namespace);
        let Some(fleet) = within(CALL_TIMEOUT, fleets.get_opt(crds::FLEET)).await? else { return Ok(()) };
        let mut conditions = fleet.status.unwrap_or_default().conditions;
        let said = (reason, message);
        if !conditions::set(
            &mut conditions,
            conditions::READY,
            false,
            said,
            fleet.metadata.generation,
            Utc::now(),
        ) {
            return Ok(());
        }
        let ready: Vec<&Condition> = conditions.iter().filter(|c| c.type_ == conditions::READY).collect();
        let patch = json!({
            "apiVersion": format!("{}/{}", crds::GROUP, crds::VERSION),
            "kind": "Fleet",
            "metadata": { "name": crds::FLEET },
            "status": { "conditions": ready },
        });
        let params = PatchParams::apply(MANAGER).force();
        within(CALL_TIMEOUT, fleets.patch_status(crds::FLEET, &params, &Patch::Apply(&patch))).await?;
        Ok(())
    }
}
