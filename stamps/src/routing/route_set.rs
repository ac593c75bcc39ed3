//! What a zone should contain, from the table and the fleet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Routes, effective};
use crate::{
    fleet::{Fleet, Routing, Zone},
    names::{Bucket, StampName, ZoneName},
};

/// What one name answers. An empty answer cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Another name answers for it.
    Alias {
        /// Absolute, with the final dot.
        target: String,
        /// Seconds.
        ttl_s: u32,
    },
    /// Addresses. At least one: made only by [`Answer::addresses`].
    Addresses(Addresses),
}

/// A set of addresses that is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    set: BTreeSet<IpAddr>,
    ttl_s: u32,
}

impl Addresses {
    /// The addresses, at least one.
    pub fn set(&self) -> &BTreeSet<IpAddr> {
        &self.set
    }

    /// Seconds.
    pub fn ttl_s(&self) -> u32 {
        self.ttl_s
    }
}

/// A name would have been left without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} would answer with no address; no stamp that serves it has one")]
pub struct EmptyAnswer {
    /// The name.
    pub name: String,
}

impl Answer {
    /// An address answer, or the refusal to make an empty one.
    pub fn addresses(
        name: &str,
        set: impl IntoIterator<Item = IpAddr>,
        ttl_s: u32,
    ) -> Result<Self, EmptyAnswer> {
        let set: BTreeSet<IpAddr> = set.into_iter().collect();
        if set.is_empty() {
            return Err(EmptyAnswer { name: name.to_owned() });
        }
        Ok(Self::Addresses(Addresses { set, ttl_s }))
    }
}

/// Everything that Lifeboat manages in one zone, apart from tenant host names, fence and owner records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSet {
    /// The zone.
    pub zone: ZoneName,
    /// Absolute owner name -> what it answers.
    pub answers: BTreeMap<String, Answer>,
}

/// `b07.weu-1.stamps.<zone>`: what a tenant's host name points to for ever.
pub fn bucket_host(zone: &ZoneName, home: &StampName, bucket: Bucket) -> String {
    format!("{bucket}.{home}.stamps.{zone}")
}

/// `neu-2.at.<zone>`: the addresses of a stamp.
pub fn stamp_host(zone: &ZoneName, stamp: &StampName) -> String {
    format!("{stamp}.at.{zone}")
}

/// The desired content of `zone` for a table of routes.
pub fn route_set(fleet: &Fleet, zone: &Zone, routes: &Routes) -> Result<RouteSet, EmptyAnswer> {
    let mut answers = BTreeMap::new();
    for stamp in fleet.stamps.values() {
        let host = stamp_host(&zone.name, &stamp.name);
        let answer = Answer::addresses(&host, stamp.addresses.iter().copied(), zone.address_ttl_s)?;
        answers.insert(host, answer);
        for bucket in stamp.bucket_ids() {
            let target = stamp_host(&zone.name, effective(routes, &stamp.name, bucket));
            answers.insert(
                bucket_host(&zone.name, &stamp.name, bucket),
                Answer::Alias { target, ttl_s: zone.route_ttl_s },
            );
        }
    }
    if zone.routing == Routing::Shared {
        let serving = routes.serving(fleet);
        for host in &zone.shared_hosts {
            let addresses =
                serving.iter().filter_map(|name| fleet.stamps.get(name)).flat_map(|s| s.addresses.clone());
            answers.insert(host.clone(), Answer::addresses(host, addresses, zone.route_ttl_s)?);
        }
    }
    Ok(RouteSet { zone: zone.name.clone(), answers })
}
