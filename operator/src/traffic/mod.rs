//! Roads: where the table of routes meets what clients really follow.
//!
//! A road can be observed and can be converged. What has to change is planned by a pure function ([`plan`]); what was
//! really reached is only what [`Provider::observe`] sees.

pub mod change;
pub mod observe;
pub mod plan;
pub mod secret;
pub mod tenants;
pub mod update;
mod wire;

use std::collections::BTreeSet;

use stamps::{
    names::{Explained, Fence, ZoneName},
    routing::{Observation, Outcome, RouteSet},
};

pub use secret::{KeyError, TsigKey};
pub use update::{DnsUpdate, Primary};
pub use wire::ReadError;

/// Why a road cannot be built from what is configured.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// No server takes updates.
    #[error("zone {0} lists no primary; mark the name server that takes updates with primary: true")]
    NoPrimary(ZoneName),
    /// A name that DNS does not allow.
    #[error("{name} is not a DNS name: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What the parser says.
        why: String,
    },
    /// The message cannot be encoded or signed.
    #[error("the update cannot be encoded: {0}")]
    Encode(String),
    /// The resolver of one server cannot be built.
    #[error("no resolver for name server {server}: {why}")]
    Resolver {
        /// The server.
        server: String,
        /// What the library says.
        why: String,
    },
}

/// The finest split a road can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// Single requests, by weight.
    Request,
    /// Buckets of tenants.
    Bucket,
    /// One target at a time.
    AllOrNothing,
}

/// How strongly a road itself refuses an outdated writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceLevel {
    /// Fence and effect are one atomic step at the resource.
    Atomic,
    /// The resource compares a version, and we compare the fence.
    CompareAndSwap,
    /// Nothing refuses.
    None,
}

/// Which names a converge touches.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Every desired name.
    Full,
    /// Only these; each must be a desired name.
    Only(&'a BTreeSet<String>),
}

/// What an effect is done under: its fence, and which fences it may find there.
#[derive(Clone, Copy, Debug)]
pub struct Under<'a> {
    /// How new the effect is.
    pub fence: &'a Fence,
    /// What the register can explain of what stands there. None: anything that is not newer.
    pub past: Option<&'a Explained>,
}

impl<'a> From<&'a Fence> for Under<'a> {
    fn from(fence: &'a Fence) -> Self {
        Self { fence, past: None }
    }
}

/// Every kind of road.
#[derive(Debug)]
pub enum Provider {
    /// A zone, by signed dynamic updates.
    DnsUpdate(DnsUpdate),
}

impl Provider {
    /// What every server of the road really answers, against what is wanted.
    pub async fn observe(&self, wanted: &RouteSet) -> Observation {
        match self {
            Self::DnsUpdate(road) => road.observe(wanted).await,
        }
    }

    /// Brings the names in `scope` to what is desired, under `fence`. Repeating it changes nothing more.
    pub async fn converge<'a>(
        &self,
        desired: &RouteSet,
        scope: Scope<'_>,
        under: impl Into<Under<'a>>,
    ) -> Outcome {
        match self {
            Self::DnsUpdate(road) => road.converge(desired, scope, under).await,
        }
    }

    /// Shuts out every writer before `fence` and changes nothing else: a new leader's first act.
    pub async fn raise_fence<'a>(&self, under: impl Into<Under<'a>>) -> Outcome {
        match self {
            Self::DnsUpdate(road) => road.raise_fence(under).await,
        }
    }

    /// The finest split this road can hold.
    pub fn granularity(&self) -> Granularity {
        match self {
            // A record set knows no weights, but each bucket has a name of its own.
            Self::DnsUpdate(_) => Granularity::Bucket,
        }
    }

    /// How strongly this road refuses an outdated writer.
    pub fn fence_level(&self) -> FenceLevel {
        match self {
            Self::DnsUpdate(_) => FenceLevel::Atomic,
        }
    }
}

/// A host name as it is compared and written: lower case, with its final dot.
pub(crate) fn absolute(name: &str) -> String {
    let mut name = name.to_ascii_lowercase();
    if !name.ends_with('.') {
        name.push('.');
    }
    name
}

/// Whether `name` lies below `zone`; both absolute. The apex itself is not ours to change.
pub(crate) fn below(zone: &ZoneName, name: &str) -> bool {
    name.strip_suffix(zone.as_str()).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_below_a_zone_only_at_a_dot() {
        let zone = ZoneName::from("app.test.");
        assert!(below(&zone, "www.app.test."));
        for outside in ["app.test.", "myapp.test.", ".app.test.", "www.other.test."] {
            assert!(!below(&zone, outside), "{outside}");
        }
        assert_eq!(absolute("WWW.App.Test"), "www.app.test.");
    }
}
