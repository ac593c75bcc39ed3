//! A model of the API server: objects with versions, compare-and-swap, and nothing else.

use std::{collections::BTreeMap, rc::Rc};

use stamps::{
    failover::{FleetState, LeaseSeen, Request},
    fleet::Fleet,
    names::{RegisterUid, ReplicaName, RunName, VantageName},
    verdict::Report,
};

/// What the API server holds.
#[derive(Debug)]
pub struct Api {
    /// The register and its resourceVersion.
    pub register: Option<(Rc<FleetState>, u64)>,
    /// UID of the register's object.
    pub register_uid: RegisterUid,
    /// UID of the register in the fleet's status.
    pub known: Option<RegisterUid>,
    /// What a person has said about the register.
    pub confirmed: Option<String>,
    /// The heartbeat.
    pub lease: LeaseSeen,
    /// `Fleet`, `Stamp` and the others.
    pub fleet: Fleet,
    /// `Failover` objects.
    pub requests: BTreeMap<RunName, Request>,
    /// `HealthReport` objects with their resourceVersions.
    pub reports: BTreeMap<VantageName, (Report, u64)>,
    version: u64,
}

impl Api {
    /// A server that holds this fleet and nothing that Lifeboat writes.
    pub fn new(fleet: Fleet) -> Self {
        Self {
            register: None,
            register_uid: "register-0".into(),
            known: None,
            confirmed: None,
            lease: LeaseSeen { holder: None, version: "0".to_owned() },
            fleet,
            requests: BTreeMap::new(),
            reports: BTreeMap::new(),
            version: 0,
        }
    }

    /// The next resourceVersion.
    pub fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Writes the register if it still has `version`; none creates it. Says whether it did.
    pub fn put_register(&mut self, state: Rc<FleetState>, version: Option<u64>) -> bool {
        if self.register.as_ref().map(|(_, held)| *held) != version {
            return false;
        }
        let made = self.register.is_none();
        let version = self.next_version();
        if made {
            self.register_uid = format!("register-{version}").into();
        }
        self.register = Some((state, version));
        true
    }

    /// Writes the Lease.
    pub fn put_lease(&mut self, holder: Option<ReplicaName>) {
        let version = self.next_version().to_string();
        self.lease = LeaseSeen { holder, version };
    }
}
