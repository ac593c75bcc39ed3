//! The register in the API server: read it, and write it if it is still as it was read.
//!
//! The answer is always one of the engine's words. A write that timed out is `Unknown`: it may have been applied, now
//! or later, and only the register itself can say.

mod lease;
mod life;

use std::time::Duration;

use crds::{FLEET, FleetStateFields, REGISTER_FINALIZER, register as codec};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use shell::api::{CallError, within};
use stamps::{
    failover::{FORMAT_VERSION, FleetState, GateAsk, Input},
    names::{Point, RegisterUid},
};
use tokio::sync::Mutex;

pub use lease::Heartbeat;

/// For one call. A leader renews every 2 s and stops after 6 s, so two calls in a row may fail.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// The register of one namespace.
#[derive(Debug)]
pub struct Register {
    objects: Api<crds::FleetState>,
    fleets: Api<crds::Fleet>,
    namespaces: Api<Namespace>,
    namespace: String,
    /// The object as it was last read or written, and the commit it held: what the next write replaces.
    base: Mutex<Option<(Point, ObjectMeta)>>,
}

/// The object holds something that this binary cannot use.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The text cannot be read.
    #[error("the register cannot be read: {0}")]
    Codec(#[from] codec::RegisterError),
}

impl Register {
    /// The register of `namespace`.
    pub fn new(client: &Client, namespace: &str) -> Self {
        Self {
            objects: Api::namespaced(client.clone(), namespace),
            fleets: Api::namespaced(client.clone(), namespace),
            namespaces: Api::all(client.clone()),
            namespace: namespace.to_owned(),
            base: Mutex::new(None),
        }
    }

    /// The UID of the object, once it was read or written.
    pub async fn uid(&self) -> Option<String> {
        self.base.lock().await.as_ref().and_then(|(_, base)| base.uid.clone())
    }

    /// Reads it, and what the fleet knows of it: absence is a beginning only if there never was a register, and another
    /// object than the known one is a copy.
    pub async fn load(&self) -> Input {
        let object = match within(CALL_TIMEOUT, self.objects.get_opt(FLEET)).await {
            Ok(object) => object,
            Err(error) => {
                tracing::warn!(%error, "the register could not be read");
                return Input::Unknown;
            }
        };
        let fleet = match within(CALL_TIMEOUT, self.fleets.get_opt(FLEET)).await {
            Ok(fleet) => fleet,
            Err(error) => {
                tracing::warn!(%error, "the fleet could not be read");
                return Input::Unknown;
            }
        };
        *self.base.lock().await = object.as_ref().map(base_of);
        // A fleet that is not there has no register to begin, and none that could be missed.
        let gone = fleet.is_none().then(|| RegisterUid::from("of a fleet that is gone"));
        let status = fleet.and_then(|fleet| fleet.status).unwrap_or_default();
        let (known, epoch) = (status.register_uid.map(RegisterUid::from), status.epoch);
        let Some(object) = object else { return Input::Missing { known: known.or(gone), epoch } };
        let uid = object.metadata.uid.clone().unwrap_or_default().into();
        match read(&object) {
            Input::Stored(state) => Input::Loaded { state, uid, known, epoch },
            other => other,
        }
    }

    /// Writes it, if it still holds the commit that `state` replaces, and only while the Gate, read live, says what
    /// `gate` asks for.
    pub async fn commit(&self, state: &FleetState, replaces: Option<Point>, gate: GateAsk) -> Input {
        if gate != GateAsk::Nothing
            && let Some(shut) = self.gate(gate).await
        {
            return shut;
        }
        let mut base = self.base.lock().await;
        if base.as_ref().map(|(point, _)| *point) != replaces {
            // Read or written by another call since the decision: the engine reads again and decides again.
            return Input::Lost;
        }
        let object = match write(state, base.as_ref().map(|(_, base)| base)) {
            Ok(object) => object,
            Err(error) => {
                tracing::error!(%error, "the register could not be encoded");
                return Input::Lost;
            }
        };
        let params = PostParams::default();
        let answer = if base.is_some() {
            within(CALL_TIMEOUT, self.objects.replace(FLEET, &params, &object)).await
        } else {
            within(CALL_TIMEOUT, self.objects.create(&params, &object)).await
        };
        match answer {
            Ok(object) => {
                *base = Some(base_of(&object));
                read(&object)
            }
            Err(error) => refused(&error),
        }
    }

    async fn gate(&self, asks: GateAsk) -> Option<Input> {
        match within(CALL_TIMEOUT, self.fleets.get(FLEET)).await {
            Ok(fleet) if asks.is_met_by(fleet.spec.automation) => None,
            Ok(fleet) => Some(Input::GateShut(Some(fleet.spec.automation))),
            Err(error) => {
                tracing::warn!(%error, "the Gate could not be read, so it is closed");
                Some(Input::GateShut(None))
            }
        }
    }
}

/// What a refused or lost write means.
fn refused(error: &CallError) -> Input {
    // Conflict, gone, already there, or refused by the rule that no number goes down: somebody else wrote.
    if let Some(404 | 409 | 422) = error.code() {
        tracing::info!(%error, "the register was changed by somebody else");
        Input::Lost
    } else {
        tracing::warn!(%error, "it is not known whether the register was written");
        Input::Unknown
    }
}

fn base_of(object: &crds::FleetState) -> (Point, ObjectMeta) {
    (Point { epoch: object.spec.epoch, seq: object.spec.revision }, object.metadata.clone())
}

/// The state in an object, as the engine hears of it.
pub fn read(object: &crds::FleetState) -> Input {
    if object.spec.format_version > FORMAT_VERSION {
        return Input::TooNew { version: object.spec.format_version };
    }
    match codec::decode::<FleetState>(object.spec.format_version, &object.spec.data) {
        Ok(state) => Input::Stored(Box::new(state)),
        Err(error) => {
            tracing::error!(%error, "the register cannot be read");
            Input::Unknown
        }
    }
}

fn write(state: &FleetState, base: Option<&ObjectMeta>) -> Result<crds::FleetState, RegisterError> {
    let fields = FleetStateFields {
        epoch: state.point.epoch,
        revision: state.point.seq,
        leader: state.leader.to_string(),
        format_version: FORMAT_VERSION,
        data: codec::encode(state)?,
    };
    let mut object = crds::FleetState::new(FLEET, fields);
    if let Some(base) = base {
        object.metadata.resource_version.clone_from(&base.resource_version);
        object.metadata.uid.clone_from(&base.uid);
        object.metadata.finalizers.clone_from(&base.finalizers);
        object.metadata.labels.clone_from(&base.labels);
        object.metadata.annotations.clone_from(&base.annotations);
    }
    let finalizers = object.metadata.finalizers.get_or_insert_default();
    // None can be added to what is being deleted.
    let going = base.is_some_and(|base| base.deletion_timestamp.is_some());
    if !going && !finalizers.iter().any(|held| held == REGISTER_FINALIZER) {
        finalizers.push(REGISTER_FINALIZER.to_owned());
    }
    Ok(object)
}
