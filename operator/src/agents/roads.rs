//! Roads by zone: built when first needed, from the zone as it is now and the key as its Secret holds it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use shell::api::within;
use stamps::{
    fleet::{Fleet, Zone},
    names::{FleetUid, ZoneName},
    routing::{Outcome, RefusalClass},
};
use tokio::sync::{Mutex, watch};

use crate::{
    traffic::{DnsUpdate, Provider, TsigKey},
    watch::Seen,
};

/// For reading a Secret.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Every zone's road.
#[derive(Debug)]
pub struct Roads {
    secrets: Api<Secret>,
    seen: watch::Receiver<Seen>,
    zones: RwLock<Option<(FleetUid, BTreeMap<ZoneName, Zone>)>>,
    built: Mutex<BTreeMap<ZoneName, (Zone, Arc<Provider>)>>,
}

impl Roads {
    /// Roads of a namespace.
    pub fn new(client: &Client, namespace: &str, seen: watch::Receiver<Seen>) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            seen,
            zones: RwLock::new(None),
            built: Mutex::default(),
        }
    }

    /// Learns what the zones are now.
    pub fn follow(&self, fleet: &Fleet) {
        let mut zones = self.zones.write().unwrap_or_else(PoisonError::into_inner);
        if zones.as_ref().is_none_or(|(_, known)| *known != fleet.zones) {
            *zones = Some((fleet.uid.clone(), fleet.zones.clone()));
        }
    }

    /// Forgets what was built for a zone, so that its key is read again.
    pub async fn renew(&self, zone: &ZoneName) {
        self.built.lock().await.remove(zone);
    }

    /// The road of a zone, or why there is none.
    pub async fn get(&self, name: &ZoneName) -> Result<Arc<Provider>, Outcome> {
        let not_done = |reason: String| Outcome::NotDone { reason };
        let (fleet, zone) = {
            let zones = self.zones.read().unwrap_or_else(PoisonError::into_inner);
            let known =
                zones.as_ref().and_then(|(fleet, zones)| Some((fleet.clone(), zones.get(name)?.clone())));
            known.ok_or_else(|| not_done(format!("no TrafficPolicy names {name} any more")))?
        };
        let mut built = self.built.lock().await;
        if let Some((as_it_was, road)) = built.get(name)
            && *as_it_was == zone
        {
            return Ok(road.clone());
        }
        let key = self.key(name).await?;
        let road = DnsUpdate::new(zone.clone(), fleet, key)
            .map_err(|error| Outcome::Refused { class: RefusalClass::Invalid, reason: error.to_string() })?;
        let road = Arc::new(Provider::DnsUpdate(road));
        built.insert(name.clone(), (zone, road.clone()));
        Ok(road)
    }

    async fn key(&self, zone: &ZoneName) -> Result<TsigKey, Outcome> {
        let name = self.seen.borrow().roads.get(zone).map(|road| road.secret.clone());
        let name =
            name.ok_or_else(|| Outcome::NotDone { reason: format!("no Secret is named for {zone}") })?;
        let bad_key = |reason: String| Outcome::Refused { class: RefusalClass::BadKey, reason };
        match within(CALL_TIMEOUT, self.secrets.get_opt(&name)).await {
            Ok(Some(secret)) => TsigKey::from_data(&secret.data.unwrap_or_default())
                .map_err(|error| bad_key(format!("Secret {name}: {error}"))),
            Ok(None) => Err(bad_key(format!(
                "there is no Secret {name}; create it with `kubectl create secret generic {name} \
                 --from-literal=name=... --from-literal=algorithm=hmac-sha256 --from-literal=secret=...`"
            ))),
            Err(error) => {
                Err(Outcome::NotDone { reason: format!("Secret {name} could not be read: {error}") })
            }
        }
    }
}
