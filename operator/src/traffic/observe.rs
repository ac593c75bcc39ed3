//! What one authoritative server answers, asked the way any resolver asks it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use hickory_net::{DnsError, NetError, runtime::TokioRuntimeProvider};
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
};
use stamps::{
    fleet::NameServer,
    routing::{Answer, DIFFERING_MAX, FenceRecord, RouteSet, ServerSeen},
};

use super::{
    TrafficError, absolute,
    change::Data,
    update::{data, parse, text},
};

/// How long one question may take. An authoritative server answers from memory; this is the longest way around the
/// earth and back, twice, with room.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);

/// Names asked for at once at one server. 32 small datagrams fit every server's socket buffer.
const NAMES_AT_ONCE: usize = 32;

/// Asks one server and no other.
pub struct Observer {
    server: String,
    resolver: TokioResolver,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Observer({})", self.server)
    }
}

impl Observer {
    /// An observer of `server`.
    pub fn new(server: &NameServer) -> Result<Self, TrafficError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.address.port();
            connection
        });
        let only = NameServerConfig::new(server.address.ip(), true, connections.to_vec());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![only]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options();
        let resolver = builder.build().map_err(|error| TrafficError::Resolver {
            server: server.name.clone(),
            why: error.to_string(),
        })?;
        Ok(Self { server: server.name.clone(), resolver })
    }

    /// What the server answers for the fence and for every wanted name. At the first question that gets no answer the
    /// server counts as silent, and the others are not asked.
    pub async fn look(&self, fence_name: &str, wanted: &RouteSet) -> ServerSeen {
        let mut seen = ServerSeen {
            server: self.server.clone(),
            answered: false,
            fence: None,
            matches: false,
            differing: Vec::new(),
            elsewhere: BTreeMap::new(),
            error: None,
        };
        match self.texts(fence_name).await {
            Ok(texts) => seen.fence = FenceRecord::read(&texts),
            Err(error) => return ServerSeen { error: Some(error), ..seen },
        }
        // Boxed, or the compiler cannot show that the whole look may move between threads.
        let questions: Vec<_> = wanted
            .answers
            .iter()
            .map(|(name, answer)| async move { (name, self.answers_as(name, answer).await) }.boxed())
            .collect();
        let mut matches = true;
        let mut answers = futures::stream::iter(questions).buffered(NAMES_AT_ONCE);
        while let Some((name, answer)) = answers.next().await {
            match answer {
                Ok(Shown::AsWanted) => {}
                Ok(Shown::Otherwise(target)) => {
                    matches = false;
                    if seen.differing.len() < DIFFERING_MAX {
                        seen.differing.push(name.clone());
                    }
                    seen.elsewhere.extend(target.map(|target| (name.clone(), target)));
                }
                Err(error) => return ServerSeen { error: Some(format!("{name}: {error}")), ..seen },
            }
        }
        seen.answered = true;
        seen.matches = matches;
        seen
    }

    /// The texts at `name`. A server that refuses or fails here does not serve the zone, which is silence to clients.
    async fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let parsed = parse(name).map_err(|error| error.to_string())?;
        match self.resolver.lookup(parsed, RecordType::TXT).await {
            Ok(lookup) => {
                Ok(lookup.answers().iter().filter_map(|record| text(data(&record.data)?)).collect())
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether `name` answers with exactly `answer`, and where else it leads.
    async fn answers_as(&self, name: &str, answer: &Answer) -> Result<Shown, String> {
        let parsed = parse(name).map_err(|error| error.to_string())?;
        match answer {
            Answer::Alias { target, .. } => {
                let alias = self.records(&parsed, RecordType::CNAME).await?;
                if alias == BTreeSet::from([Data::Alias(absolute(target))]) {
                    return Ok(Shown::AsWanted);
                }
                Ok(Shown::Otherwise(alias.into_iter().find_map(|data| match data {
                    Data::Alias(target) => Some(target),
                    Data::Address(_) | Data::Text(_) => None,
                })))
            }
            Answer::Addresses(addresses) => {
                let (mut found, six) = futures::try_join!(
                    self.records(&parsed, RecordType::A),
                    self.records(&parsed, RecordType::AAAA)
                )?;
                found.extend(six);
                let wanted = addresses.set().iter().copied().map(Data::Address).collect();
                Ok(if found == wanted { Shown::AsWanted } else { Shown::Otherwise(None) })
            }
        }
    }

    /// What stands at `name` itself. An error that the server answers with is an answer, only not the wanted one.
    async fn records(&self, name: &Name, kind: RecordType) -> Result<BTreeSet<Data>, String> {
        match self.resolver.lookup(name.clone(), kind).await {
            Ok(lookup) => {
                let own = lookup.answers().iter().filter(|record| record.name == *name);
                Ok(own.filter_map(|record| data(&record.data)).collect())
            }
            Err(NetError::Dns(_)) => Ok(BTreeSet::new()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a server shows for one name.
enum Shown {
    AsWanted,
    /// Something else; if it is an alias, where that leads.
    Otherwise(Option<String>),
}

/// Ask the server, this server, now.
fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = QUESTION_TIMEOUT;
    options.attempts = 1;
    options.cache_size = 0;
    options.recursion_desired = false;
    options.use_hosts_file = ResolveHosts::Never;
    // Both names of a question, the address and the alias, go out at once.
    options.max_active_requests = NAMES_AT_ONCE * 2;
    options
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use tokio::net::UdpSocket;

    use super::*;

    /// A zone has thousands of names; a dead server must not cost a second for each of them.
    #[tokio::test]
    async fn a_silent_server_is_asked_for_nothing_but_the_fence() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = NameServer { name: "ns".into(), address, geode: None, primary: true };
        let alias = Answer::Alias { target: "x.app.test.".into(), ttl_s: 60 };
        let answers: BTreeMap<String, Answer> =
            (0..100).map(|n| (format!("n{n}.app.test."), alias.clone())).collect();
        let wanted = RouteSet { zone: "app.test.".into(), answers };

        let seen = Observer::new(&server).unwrap().look("_lifeboat.f1.app.test.", &wanted).await;
        assert!(!seen.answered && !seen.matches && seen.error.is_some(), "{seen:?}");
        let mut buffer = [0; 512];
        let mut asked = BTreeSet::new();
        while let Ok(length) = socket.try_recv(&mut buffer) {
            asked.insert(Message::from_vec(&buffer[..length]).unwrap().queries[0].name().to_string());
        }
        assert_eq!(asked, BTreeSet::from(["_lifeboat.f1.app.test.".to_owned()]));
    }
}
