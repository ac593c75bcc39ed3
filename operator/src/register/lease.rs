//! The heartbeat: a small Lease that says when to try for the register. It is a hint and never the truth.

use chrono::Utc;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client, api::PostParams};
use shell::api::within;
use stamps::{
    failover::{Input, LeaseSeen, PATIENCE},
    names::ReplicaName,
    time::Mono,
};
use tokio::sync::Mutex;

use super::CALL_TIMEOUT;

/// Name of the Lease in the fleet's namespace.
const NAME: &str = "lifeboat-leader";

/// Renews and reads the Lease.
#[derive(Debug)]
pub struct Heartbeat {
    leases: Api<Lease>,
    me: ReplicaName,
    /// As it was last written by us: renewing needs no read.
    held: Mutex<Option<Lease>>,
}

impl Heartbeat {
    /// The heartbeat of one replica.
    pub fn new(client: &Client, namespace: &str, me: ReplicaName) -> Self {
        Self { leases: Api::namespaced(client.clone(), namespace), me, held: Mutex::new(None) }
    }

    /// Looks at it.
    pub async fn look(&self) -> Option<Input> {
        match within(CALL_TIMEOUT, self.leases.get_opt(NAME)).await {
            Ok(lease) => Some(Input::Lease(seen(lease.as_ref()))),
            Err(error) => {
                tracing::debug!(%error, "the Lease could not be read");
                None
            }
        }
    }

    /// Renews it; `started` says when that began, by the caller's monotonic clock.
    pub async fn beat(&self, started: Mono) -> Input {
        let mut held = self.held.lock().await;
        let good = match self.write(held.take(), Some(self.me.to_string())).await {
            Ok(lease) => {
                *held = Some(lease);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the Lease could not be renewed");
                false
            }
        };
        Input::Beaten { started, good }
    }

    /// Gives it up, so that another replica need not wait.
    pub async fn release(&self) {
        let held = self.held.lock().await.take();
        if held.is_some()
            && let Err(error) = self.write(held, None).await
        {
            tracing::debug!(%error, "the Lease could not be given up; it will run out");
        }
    }

    async fn write(
        &self,
        held: Option<Lease>,
        holder: Option<String>,
    ) -> Result<Lease, shell::api::CallError> {
        let before = match held {
            Some(lease) => Some(lease),
            None => within(CALL_TIMEOUT, self.leases.get_opt(NAME)).await?,
        };
        let mut lease = before.clone().unwrap_or_default();
        lease.metadata.name = Some(NAME.to_owned());
        lease.spec = Some(LeaseSpec {
            holder_identity: holder,
            lease_duration_seconds: i32::try_from(PATIENCE.as_secs()).ok(),
            renew_time: Some(crds::time::to_k8s_micro(Utc::now())),
            ..LeaseSpec::default()
        });
        let params = PostParams::default();
        if before.is_some() {
            within(CALL_TIMEOUT, self.leases.replace(NAME, &params, &lease)).await
        } else {
            within(CALL_TIMEOUT, self.leases.create(&params, &lease)).await
        }
    }
}

/// The Lease as the engine hears of it; one that does not exist is held by nobody.
fn seen(lease: Option<&Lease>) -> LeaseSeen {
    let holder = lease.and_then(|lease| lease.spec.as_ref()?.holder_identity.clone());
    LeaseSeen {
        holder: holder.filter(|holder| !holder.is_empty()).map(ReplicaName::from),
        version: lease.and_then(|lease| lease.metadata.resource_version.clone()).unwrap_or_default(),
    }
}
