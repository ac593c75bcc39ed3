//! The testbed's own promises: what scenarios take for granted is shown here on the real parts.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use hickory_proto::{op::ResponseCode, rr::RecordType};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;
use testbed::{
    apiserver::Cluster,
    dns::{TsigKey, ask},
    etcd::Etcd,
    manifests,
    net::Subnet,
    run_dir::RunDir,
    scenario::{Scenario, Testbed, until, wait_for},
    stamps_http::{self, Behaviour, Stamp},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// What DNS servers on one machine need to tell each other of a change, with a wide margin.
const SPREAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a client waits before it calls a stamp silent.
const CLIENT_PATIENCE: Duration = Duration::from_millis(300);

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name } })).expect("a config map needs only a name")
}

#[expect(clippy::panic, reason = "a test's helper, called from nothing else")]
fn status_of<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> u16 {
    match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("the API server should have refused, but: {other:?}"),
    }
}

#[tokio::test]
async fn rbac_refuses_who_has_no_role() -> anyhow::Result<()> {
    let cluster = Testbed::shared().await?.cluster();
    let maps = |client| Api::<ConfigMap>::namespaced(client, "default");
    let parameters = ListParams::default();

    maps(cluster.client().await?).list(&parameters).await.context("the administrator may list")?;
    let stranger = maps(cluster.client_for("stranger", None).await?);
    assert_eq!(status_of(stranger.list(&parameters).await), 403);
    let nobody = maps(cluster.client_anonymous().await?);
    assert_eq!(status_of(nobody.list(&parameters).await), 403);
    Ok(())
}

#[tokio::test]
async fn roles_hold_in_their_own_namespace_only() -> anyhow::Result<()> {
    let here = Scenario::new("roles-here").await?;
    let there = Scenario::new("roles-there").await?;
    let group = manifests::group(manifests::OPERATOR, here.namespace());
    let operator = here.cluster().client_for("operator-1", Some(&group)).await?;
    let secrets =
        |namespace: &str| Api::<k8s_openapi::api::core::v1::Secret>::namespaced(operator.clone(), namespace);

    // Allowed, so the answer is about the object, not about the right.
    assert_eq!(status_of(secrets(here.namespace()).get("tsig").await), 404);
    assert_eq!(status_of(secrets(there.namespace()).get("tsig").await), 403);
    assert_eq!(status_of(secrets(here.namespace()).list(&ListParams::default()).await), 403);
    Ok(())
}

#[tokio::test]
async fn two_api_servers_on_one_etcd_are_two_clusters() -> anyhow::Result<()> {
    let folder = RunDir::new()?;
    let etcd = Etcd::start(&folder.sub("etcd")?).await?;
    let east = Cluster::start(&etcd, "east", &folder.sub("east")?).await?;
    let west = Cluster::start(&etcd, "west", &folder.sub("west")?).await?;

    let eastern = Api::<ConfigMap>::namespaced(east.client().await?, "default");
    let western = Api::<ConfigMap>::namespaced(west.client().await?, "default");
    eastern.create(&PostParams::default(), &config_map("mine")).await?;
    eastern.get("mine").await.context("it is there where it was made")?;
    assert_eq!(status_of(western.get("mine").await), 404);

    // Nor does one take the other's identities.
    let text = west.admin_kubeconfig()?.replace(&west.address().to_string(), &east.address().to_string());
    let path = folder.path().join("crossed.kubeconfig");
    std::fs::write(&path, text)?;
    let config = kube::Config::from_custom_kubeconfig(
        kube::config::Kubeconfig::read_from(&path)?,
        &kube::config::KubeConfigOptions::default(),
    )
    .await?;
    let crossed = Api::<ConfigMap>::namespaced(kube::Client::try_from(config)?, "default");
    assert!(crossed.get("mine").await.is_err(), "the certificate of another cluster was taken");
    Ok(())
}

#[tokio::test]
async fn audit_log_tells_writes_from_reads() -> anyhow::Result<()> {
    let cluster = Testbed::shared().await?.cluster();
    let maps = Api::<ConfigMap>::namespaced(cluster.client().await?, "default");
    maps.create(&PostParams::default(), &config_map("audited")).await?;
    maps.get("audited").await?;

    let events = cluster.audit()?;
    let about: Vec<_> = events
        .iter()
        .filter(|event| {
            event.object_ref.as_ref().is_some_and(|o| o.resource == "configmaps" && o.name == "audited")
        })
        .collect();
    let verbs: Vec<(&str, bool)> =
        about.iter().map(|event| (event.verb.as_str(), event.is_write())).collect();
    assert_eq!(verbs, [("create", true), ("get", false)]);
    assert!(about.iter().all(|event| event.user.username == "testbed-admin"));
    Ok(())
}

#[tokio::test]
async fn an_update_reaches_every_dns_server() -> anyhow::Result<()> {
    let scenario = Scenario::new("dns-spread").await?;
    let dns = scenario.dns();
    let name = format!("weu-1.at.{}", scenario.zone());
    let missing = ask(dns.primary().address(), &name, RecordType::A).await?;
    assert_eq!(missing.code, ResponseCode::NXDomain);

    dns.update(scenario.zone(), dns.update_key(), &[&format!("add {name}. 60 A 127.0.0.9")])?;
    for server in dns.servers() {
        wait_for(&format!("{} to know {name}", server.region()), SPREAD_WITHIN, || async {
            let answer = ask(server.address(), &name, RecordType::A).await?;
            ensure!(answer.authoritative && answer.data(RecordType::A) == ["127.0.0.9"], "{answer:?}");
            Ok(())
        })
        .await;
    }
    Ok(())
}

#[tokio::test]
async fn an_update_with_a_wrong_key_changes_nothing() -> anyhow::Result<()> {
    let scenario = Scenario::new("dns-wrong-key").await?;
    let dns = scenario.dns();
    let name = format!("stray.{}", scenario.zone());
    let change = format!("add {name}. 60 A 127.0.0.9");

    let wrong_secret = TsigKey::random(&dns.update_key().name);
    let strange = TsigKey::random("strange");
    for key in [&wrong_secret, &strange, dns.transfer_key()] {
        let error = dns.update(scenario.zone(), key, &[&change]).expect_err("only one key may update");
        assert!(error.to_string().contains("refused"), "{error:#}");
    }
    let answer = ask(dns.primary().address(), &name, RecordType::A).await?;
    assert_eq!(answer.code, ResponseCode::NXDomain);
    // The same change with the right key shows that it was the key.
    dns.update(scenario.zone(), dns.update_key(), &[&change])?;
    Ok(())
}

#[tokio::test]
async fn a_killed_primary_leaves_its_secondaries_and_comes_back() -> anyhow::Result<()> {
    let mut scenario = Scenario::with_primary("dns-primary", "eastus").await?;
    let zone = scenario.zone().to_owned();
    let name = format!("kept.{zone}");
    let dns = scenario.dns_mut();
    assert_eq!(dns.primary().region(), "eastus");
    let key = dns.update_key().clone();
    dns.update(&zone, &key, &[&format!("add {name}. 60 TXT \"v=1\"")])?;
    let secondary = dns.server("northeurope")?.address();
    let known = |address: SocketAddr| {
        let name = name.clone();
        async move {
            let answer = ask(address, &name, RecordType::TXT).await?;
            ensure!(!answer.data(RecordType::TXT).is_empty(), "{answer:?}");
            anyhow::Ok(())
        }
    };
    wait_for("the secondary to know the name", SPREAD_WITHIN, || known(secondary)).await;

    let primary = dns.primary().address();
    dns.server_mut("eastus")?.process().kill()?;
    assert!(known(primary).await.is_err(), "a killed server answers");
    known(secondary).await.context("the secondary serves without the primary")?;
    assert!(dns.update(&zone, &key, &["add late 60 A 127.0.0.9"]).is_err(), "a killed primary takes updates");

    dns.server_mut("eastus")?.process().restart()?;
    dns.wait_ready().await?;
    known(primary).await.context("an acknowledged update survives the crash")?;
    Ok(())
}

/// What a client saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Answer { status: u16, stamp: String, body: String },
    Refused,
    Reset,
    Silence,
}

struct Client {
    stream: TcpStream,
}

impl Client {
    async fn connect(stamp: &Stamp) -> Result<Self, Seen> {
        match TcpStream::connect(stamp.address()).await {
            Ok(stream) => Ok(Self { stream }),
            Err(_) => Err(Seen::Refused),
        }
    }

    /// One request on a connection that stays open.
    async fn get(&mut self, path: &str) -> Seen {
        let request = format!("GET {path} HTTP/1.1\r\nhost: tenant.example\r\n\r\n");
        if self.stream.write_all(request.as_bytes()).await.is_err() {
            return Seen::Reset;
        }
        timeout(CLIENT_PATIENCE, self.read_answer()).await.unwrap_or(Seen::Silence)
    }

    async fn read_answer(&mut self) -> Seen {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return Seen::Reset,
                Ok(length) => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
            }
            if let Some(answer) = parse(&text) {
                return answer;
            }
        }
    }
}

fn parse(text: &str) -> Option<Seen> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    let length: usize = header("content-length")?.1.parse().ok()?;
    let stamp = header("x-stamp").map(|(_, value)| value.to_owned()).unwrap_or_default();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Seen::Answer { status, stamp, body: body.to_owned() })
}

async fn fresh(stamp: &Stamp, path: &str) -> Seen {
    match Client::connect(stamp).await {
        Ok(mut client) => client.get(path).await,
        Err(seen) => seen,
    }
}

fn answer(status: u16, body: &str) -> Seen {
    Seen::Answer { status, stamp: "weu-1".to_owned(), body: body.to_owned() }
}

async fn one_stamp(wish: &str) -> anyhow::Result<(Subnet, Stamp)> {
    let subnet = Subnet::take(wish)?;
    let address = SocketAddr::from((subnet.stamp(0, 1)?, stamps_http::PORT));
    let stamp = Stamp::start("weu-1", "westeurope", address).await?;
    Ok((subnet, stamp))
}

#[tokio::test]
async fn a_stamp_behaves_as_it_is_told() -> anyhow::Result<()> {
    let (_subnet, stamp) = one_stamp("stamp-behaviour").await?;
    assert_eq!(fresh(&stamp, "/healthz").await, answer(200, "ok\n"));
    assert_eq!(fresh(&stamp, "/x").await, answer(200, r#"{"host":"tenant.example","stamp":"weu-1"}"#));
    assert_eq!((stamp.counters().health(), stamp.counters().other()), (1, 1));

    stamp.set(Behaviour::Error500).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, answer(500, "error\n"));
    stamp.set(Behaviour::WrongBody).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, answer(200, "this is another service\n"));
    stamp.set(Behaviour::Hang).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, Seen::Silence);
    stamp.set(Behaviour::Slow(CLIENT_PATIENCE * 10)).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, Seen::Silence);
    stamp.set(Behaviour::Slow(CLIENT_PATIENCE / 10)).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, answer(200, "ok\n"));
    stamp.set(Behaviour::Refuse).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, Seen::Refused);
    stamp.set(Behaviour::Dead).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, Seen::Refused);
    stamp.set(Behaviour::Healthy).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, answer(200, "ok\n"));
    Ok(())
}

#[tokio::test]
async fn refusing_spares_open_connections_and_death_resets_them() -> anyhow::Result<()> {
    let (_subnet, stamp) = one_stamp("stamp-connections").await?;
    let mut idle = Client::connect(&stamp).await.expect("it listens");
    assert_eq!(idle.get("/healthz").await, answer(200, "ok\n"));

    stamp.set(Behaviour::Refuse).await?;
    assert_eq!(fresh(&stamp, "/healthz").await, Seen::Refused);
    assert_eq!(idle.get("/healthz").await, answer(200, "ok\n"));

    stamp.set(Behaviour::Dead).await?;
    let mut byte = [0];
    let error =
        timeout(Duration::from_secs(5), idle.stream.read(&mut byte)).await?.expect_err("not a polite end");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    Ok(())
}

#[tokio::test]
async fn a_wait_says_what_it_saw_last() {
    let mut looks = 0;
    let error = until::<(), _, _, _>("the moon", Duration::from_millis(200), || {
        looks += 1;
        let look = looks;
        async move { Err(format!("cloud {look}")) }
    })
    .await
    .expect_err("there is no moon");
    assert_eq!(error.to_string(), format!("waited 200ms for the moon; last seen: cloud {looks}"));
}

#[tokio::test]
async fn no_two_scenarios_share_addresses() -> anyhow::Result<()> {
    let (first, second) = (Subnet::take("same")?, Subnet::take("same")?);
    assert_ne!(first.address(10), second.address(10));
    assert_eq!(first.dns(0)?, first.address(10));
    assert_eq!(first.stamp(2, 9)?, first.address(39));
    assert!(first.stamp(0, 10).is_err() && first.stamp(0, 0).is_err() && first.dns(24).is_err());
    Ok(())
}
