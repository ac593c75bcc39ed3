//! Resolves names as clients do: at the authoritative servers, with a cache that keeps every record for its TTL.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use hickory_proto::{
    op::ResponseCode,
    rr::{RData, RecordType},
};

use crate::dns::{Answer, ask};

/// Aliases from a tenant's host to an address: two, and room for a zone that chains more.
const CHAIN_MAX: usize = 8;

/// A caching resolver of one client.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    servers: Vec<SocketAddr>,
    /// The server that answered last goes first.
    first: usize,
    /// Keeps every record at least this long, as some resolvers do against the owner's will.
    floor: Duration,
    cache: HashMap<String, Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    until: Instant,
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    Alias(String),
    Address(IpAddr),
}

impl Resolver {
    /// One that honours TTLs, or with a floor does not.
    pub(super) fn new(servers: &[SocketAddr], first: usize, floor: Duration) -> Self {
        Self {
            first: first % servers.len().max(1),
            servers: servers.to_owned(),
            floor,
            cache: HashMap::new(),
        }
    }

    /// The address of a host.
    pub(super) async fn address(&mut self, host: &str) -> anyhow::Result<IpAddr> {
        let mut name = absolute(host);
        for _ in 0..CHAIN_MAX {
            if self.kept(&name).is_none() {
                let answer = self.ask(&name).await?;
                self.keep(&answer);
                if self.kept(&name).is_none() {
                    bail!("{} answers {} for {name}, and no address", self.servers[self.first], answer.code);
                }
            }
            match self.kept(&name) {
                Some(Data::Address(address)) => return Ok(*address),
                Some(Data::Alias(target)) => name = target.clone(),
                // Its TTL has just run out: it is asked for again.
                None => {}
            }
        }
        bail!("{host} leads through more than {CHAIN_MAX} aliases")
    }

    fn kept(&self, name: &str) -> Option<&Data> {
        self.cache.get(name).filter(|kept| Instant::now() < kept.until).map(|kept| &kept.data)
    }

    fn keep(&mut self, answer: &Answer) {
        for record in &answer.records {
            let data = match &record.data {
                RData::CNAME(target) => Data::Alias(absolute(&target.0.to_string())),
                RData::A(address) => Data::Address(IpAddr::V4(address.0)),
                _ => continue,
            };
            let ttl = Duration::from_secs(record.ttl.into()).max(self.floor);
            self.cache.insert(absolute(&record.name.to_string()), Kept { until: Instant::now() + ttl, data });
        }
    }

    /// The first server that answers; one that does not is asked again only when the others fail, too.
    async fn ask(&mut self, name: &str) -> anyhow::Result<Answer> {
        let mut last = None;
        for turn in 0..self.servers.len() {
            let index = (self.first + turn) % self.servers.len();
            match ask(self.servers[index], name, RecordType::A).await {
                // A server that is starting says that it does not serve the zone; the next one does.
                Ok(answer) if !speaks_for_zone(&answer) => {
                    last = Some(anyhow!("{} answers {}", self.servers[index], answer.code));
                }
                Ok(answer) => {
                    self.first = index;
                    return Ok(answer);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("there is no name server")?)
    }
}

fn speaks_for_zone(answer: &Answer) -> bool {
    answer.authoritative && matches!(answer.code, ResponseCode::NoError | ResponseCode::NXDomain)
}

fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}
