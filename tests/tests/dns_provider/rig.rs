//! A zone on real servers, and what Lifeboat would want in it.

use std::{collections::BTreeMap, net::SocketAddr};

use hickory_proto::rr::RecordType;
use operator::traffic::{
    DnsUpdate, Primary, TsigKey,
    change::Change,
    plan::{self, Limits, Terms},
};
use stamps::{
    fleet::{NameServer, Routing, Zone},
    names::{Fence, Point},
    routing::{Answer, RouteSet},
};
use testbed::{
    dns::{self, Dns, DnsPlan, TSIG_ALGORITHM},
    net::Subnet,
};

pub(crate) const ZONE: &str = "app.lifeboat.test";
pub(crate) const BUCKET: &str = "b07.weu-1.stamps.app.lifeboat.test.";
pub(crate) const WEU: &str = "weu-1.at.app.lifeboat.test.";
pub(crate) const NEU: &str = "neu-1.at.app.lifeboat.test.";
pub(crate) const FENCE: &str = "_lifeboat.f1.app.lifeboat.test.";

pub(crate) struct Rig {
    pub(crate) dns: Dns,
    _folder: tempfile::TempDir,
    _subnet: Subnet,
}

impl Rig {
    /// One server in each of `regions`; the first is the primary.
    pub(crate) async fn start(name: &str, regions: &[&str]) -> anyhow::Result<Self> {
        let subnet = Subnet::take(name)?;
        let folder = tempfile::tempdir()?;
        let mut servers = Vec::new();
        for (index, region) in regions.iter().enumerate() {
            servers.push(((*region).to_owned(), subnet.dns(index)?));
        }
        let primary = regions[0].to_owned();
        let plan = DnsPlan { zones: vec![ZONE.to_owned()], servers, primary, port: dns::PORT };
        let dns = Dns::start(&plan, folder.path()).await?;
        Ok(Self { dns, _folder: folder, _subnet: subnet })
    }

    /// The zone as a policy would describe it.
    pub(crate) fn zone(&self) -> Zone {
        let primary = self.dns.primary().address();
        let servers = self.dns.servers().iter().map(|server| NameServer {
            name: format!("ns-{}", server.region()),
            address: server.address(),
            geode: None,
            primary: server.address() == primary,
        });
        Zone {
            name: format!("{ZONE}.").into(),
            routing: Routing::Homed,
            shared_hosts: Vec::new(),
            route_ttl_s: 2,
            address_ttl_s: 300,
            name_servers: servers.collect(),
            adopt: false,
        }
    }

    pub(crate) fn key(&self) -> anyhow::Result<TsigKey> {
        let key = self.dns.update_key();
        Ok(TsigKey::new(&key.name, TSIG_ALGORITHM, &key.secret)?)
    }

    pub(crate) fn road(&self) -> anyhow::Result<DnsUpdate> {
        Ok(DnsUpdate::new(self.zone(), "f1".into(), self.key()?)?)
    }

    /// A road whose primary is reached through a proxy.
    pub(crate) fn road_through(&self, proxy: SocketAddr) -> anyhow::Result<DnsUpdate> {
        let mut zone = self.zone();
        for server in zone.name_servers.iter_mut().filter(|server| server.primary) {
            server.address = proxy;
        }
        Ok(DnsUpdate::new(zone, "f1".into(), self.key()?)?)
    }

    pub(crate) fn primary(&self) -> anyhow::Result<Primary> {
        Ok(Primary::new(self.dns.primary().address(), &self.zone().name, self.key()?)?)
    }

    /// The messages that would bring `desired` about now.
    pub(crate) async fn messages(&self, desired: &RouteSet, fence: &Fence) -> anyhow::Result<Vec<Change>> {
        let seen = self.primary()?.read(&fence.fleet, desired.answers.keys()).await?;
        let zone = self.zone().name;
        let terms = Terms { zone: &zone, fence, past: None, adopt: false, limits: Limits::DEFAULT };
        match plan::plan(&seen, &desired.answers, &terms) {
            Ok(plan) => Ok(plan.changes),
            Err(by) => anyhow::bail!("kept out by {by:?}"),
        }
    }

    /// The one message that would do it.
    pub(crate) async fn planned(&self, desired: &RouteSet, fence: &Fence) -> anyhow::Result<Change> {
        let messages = self.messages(desired, fence).await?;
        let [one] = <[Change; 1]>::try_from(messages)
            .map_err(|messages| anyhow::anyhow!("{} messages", messages.len()))?;
        Ok(one)
    }

    /// Changes the zone as a person would.
    pub(crate) fn by_hand(&self, changes: &[&str]) -> anyhow::Result<()> {
        self.dns.update(ZONE, self.dns.update_key(), changes)
    }

    /// What the primary answers, as zone files write it.
    pub(crate) async fn answers(&self, name: &str, kind: RecordType) -> anyhow::Result<Vec<String>> {
        Ok(dns::ask(self.dns.primary().address(), name, kind).await?.data(kind))
    }

    /// Where the one bucket goes.
    pub(crate) async fn bucket_goes(&self) -> anyhow::Result<String> {
        Ok(self.answers(BUCKET, RecordType::CNAME).await?.join(" "))
    }
}

pub(crate) fn fence(epoch: i64, seq: i64) -> Fence {
    Fence { fleet: "f1".into(), point: Point { epoch, seq } }
}

/// Two stamps, and one bucket that goes to `target`.
pub(crate) fn bucket_at(target: &str) -> anyhow::Result<RouteSet> {
    let weu = Answer::addresses(WEU, ["127.9.1.1".parse()?, "::1".parse()?], 300)?;
    let neu = Answer::addresses(NEU, ["127.9.2.1".parse()?], 300)?;
    let bucket = Answer::Alias { target: target.to_owned(), ttl_s: 2 };
    let answers = [(WEU, weu), (NEU, neu), (BUCKET, bucket)];
    let answers: BTreeMap<String, Answer> =
        answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect();
    Ok(RouteSet { zone: format!("{ZONE}.").into(), answers })
}
