//! The world that `examples/quickstart` describes: a testbed for people plays exactly that one.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::tools;

/// Where a stamp stands and listens.
#[derive(Clone, Debug)]
pub struct StampPlace {
    /// Its name.
    pub name: String,
    /// Its geode.
    pub geode: String,
    /// Where it is reached.
    pub address: SocketAddr,
    /// Number of its buckets.
    pub buckets: u16,
}

/// Where a name server stands and listens.
#[derive(Clone, Debug)]
pub struct ServerPlace {
    /// Its geode.
    pub geode: String,
    /// Where it answers.
    pub address: SocketAddr,
    /// Whether it takes updates.
    pub primary: bool,
}

/// A vantage that the fleet expects.
#[derive(Clone, Debug)]
pub struct VantagePlace {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Quickstart {
    /// Stamps of every geode.
    pub stamps: Vec<StampPlace>,
    /// Name servers, one in each geode.
    pub servers: Vec<ServerPlace>,
    /// Vantages.
    pub vantages: Vec<VantagePlace>,
    /// The zone, without its final dot.
    pub zone: String,
    /// Host names of tenants lie below this name.
    pub tenants_below: String,
    /// The longest time for which an answer that a run changes may be kept.
    pub route_ttl: Duration,
    /// The Secret that holds the key for updates of the zone.
    pub key_secret: String,
    /// How many tenants it brings.
    pub tenants: usize,
}

impl Quickstart {
    /// The files, for `kubectl apply -f`.
    pub fn folder() -> PathBuf {
        tools::repository().join("examples/quickstart")
    }

    /// Reads the files.
    pub fn read() -> anyhow::Result<Self> {
        let documents = documents()?;
        let fleet: crds::Fleet = one(&documents, "Fleet")?;
        let traffic: crds::TrafficPolicy = one(&documents, "TrafficPolicy")?;
        let stamps: Vec<crds::Stamp> = all(&documents, "Stamp")?;
        let tenants: Vec<crds::Tenant> = all(&documents, "Tenant")?;
        let road = traffic.spec.roads.iter().find_map(|road| road.dns_update.as_ref());
        let vantage = |vantage: &crds::fleet::Vantage| VantagePlace {
            name: vantage.name.to_string(),
            region: vantage.region.to_string(),
        };
        Ok(Self {
            stamps: stamps.iter().map(stamp).collect::<anyhow::Result<_>>()?,
            servers: traffic.spec.name_servers.iter().map(server).collect::<anyhow::Result<_>>()?,
            vantages: fleet.spec.vantages.iter().map(vantage).collect(),
            zone: traffic.spec.zone.as_str().trim_end_matches('.').to_owned(),
            tenants_below: traffic
                .spec
                .hostname_suffixes
                .first()
                .context("the quickstart's TrafficPolicy grants no suffix")?
                .to_string(),
            route_ttl: Duration::from_secs(traffic.spec.ttls.route_seconds.try_into()?),
            key_secret: road.context("the quickstart has no road by dnsUpdate")?.tsig_secret_name.to_string(),
            tenants: tenants.len(),
        })
    }

    /// Its geodes, in the order of their stamps.
    pub fn geodes(&self) -> Vec<&str> {
        let mut geodes: Vec<&str> = Vec::new();
        for stamp in &self.stamps {
            if !geodes.contains(&stamp.geode.as_str()) {
                geodes.push(&stamp.geode);
            }
        }
        geodes
    }

    /// Every /24 that it needs.
    pub fn subnets(&self) -> BTreeSet<[u8; 3]> {
        let addresses = self.stamps.iter().map(|s| s.address).chain(self.servers.iter().map(|s| s.address));
        addresses
            .filter_map(|address| match address.ip() {
                IpAddr::V4(address) => {
                    let [first, second, third, _] = address.octets();
                    Some([first, second, third])
                }
                IpAddr::V6(_) => None,
            })
            .collect()
    }
}

fn documents() -> anyhow::Result<Vec<Value>> {
    let folder = Quickstart::folder();
    let mut documents = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        documents.extend(
            serde_saphyr::from_multiple::<Value>(&text)
                .with_context(|| format!("read {}", path.display()))?,
        );
    }
    Ok(documents)
}

fn all<K: DeserializeOwned>(documents: &[Value], kind: &str) -> anyhow::Result<Vec<K>> {
    let of_kind = documents.iter().filter(|document| document["kind"] == kind);
    of_kind
        .map(|document| {
            serde_json::from_value(document.clone())
                .with_context(|| format!("read a {kind} of the quickstart"))
        })
        .collect()
}

fn one<K: DeserializeOwned>(documents: &[Value], kind: &str) -> anyhow::Result<K> {
    let mut found = all(documents, kind)?;
    match (found.pop(), found.is_empty()) {
        (Some(object), true) => Ok(object),
        _ => bail!("the quickstart must hold exactly one {kind}"),
    }
}

fn stamp(stamp: &crds::Stamp) -> anyhow::Result<StampPlace> {
    let name = stamp.metadata.name.clone().context("a stamp of the quickstart has no name")?;
    let endpoint = stamp.spec.endpoints.first().with_context(|| format!("stamp {name} has no endpoint"))?;
    Ok(StampPlace {
        geode: stamp.spec.geode.to_string(),
        address: SocketAddr::new(endpoint.address.as_str().parse()?, u16::try_from(endpoint.port)?),
        buckets: u16::try_from(stamp.spec.buckets)?,
        name,
    })
}

fn server(server: &crds::traffic_policy::NameServer) -> anyhow::Result<ServerPlace> {
    let geode = server.geode.as_ref().with_context(|| format!("{} names no geode", server.name))?;
    Ok(ServerPlace {
        geode: geode.to_string(),
        address: server.address.as_str().parse()?,
        primary: server.primary,
    })
}
