//! Authoritative DNS as it is outside: Knot, one primary and its secondaries, one server a region.
//!
//! The primary takes dynamic updates signed with one key and tells the secondaries, which fetch the
//! change signed with another.

mod config;
mod query;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rand::Rng;

pub use self::query::{Answer, ask};
use crate::{
    process::{Launch, Process},
    tools, wait,
};

/// A port that needs no privilege, the same for every server, as each has its own address.
pub const PORT: u16 = 5300;
/// The algorithm of the keys, as Knot, BIND and hickory spell it.
pub const TSIG_ALGORITHM: &str = "hmac-sha256";
/// As long as the digest.
const TSIG_SECRET_BYTES: usize = 32;
/// Knot answers within a fraction of a second; a machine that compiles at the same time may need many.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A shared secret that signs DNS messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsigKey {
    /// The name both sides know it by.
    pub name: String,
    /// The secret in base64.
    pub secret: String,
}

impl TsigKey {
    /// A new key with a random secret.
    pub fn random(name: &str) -> Self {
        let mut secret = [0; TSIG_SECRET_BYTES];
        rand::rng().fill_bytes(&mut secret);
        Self { name: name.to_owned(), secret: BASE64.encode(secret) }
    }
}

/// What servers to start.
#[derive(Clone, Debug)]
pub struct DnsPlan {
    /// Zones that exist from the start, without a final dot.
    pub zones: Vec<String>,
    /// The region and address of each server.
    pub servers: Vec<(String, Ipv4Addr)>,
    /// The region whose server is the primary.
    pub primary: String,
    /// The port of all servers, UDP and TCP.
    pub port: u16,
}

/// One server.
#[derive(Debug)]
pub struct DnsServer {
    region: String,
    address: SocketAddr,
    process: Process,
}

impl DnsServer {
    /// The region it stands in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where it answers, over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process, to be killed, stopped or restarted.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A primary and its secondaries.
#[derive(Debug)]
pub struct Dns {
    zones: Vec<String>,
    primary: usize,
    servers: Vec<DnsServer>,
    update_key: TsigKey,
    transfer_key: TsigKey,
}

impl Dns {
    /// Starts them with their files in `folder`, and waits until each serves every zone.
    pub async fn start(plan: &DnsPlan, folder: &Path) -> anyhow::Result<Self> {
        let primary = plan.servers.iter().position(|(region, _)| *region == plan.primary);
        let primary = primary.with_context(|| format!("no DNS server stands in {}", plan.primary))?;
        let update_key = TsigKey::random("lifeboat-update");
        let transfer_key = TsigKey::random("lifeboat-transfer");

        let mut servers = Vec::new();
        for (index, (region, address)) in plan.servers.iter().enumerate() {
            let folder = folder.join(format!("dns-{region}"));
            fs::create_dir_all(folder.join("zones"))?;
            // Knot starts without it and then refuses every update.
            fs::create_dir_all(folder.join("db"))?;
            let shape = config::Shape { plan, primary, index, folder: &folder };
            fs::write(folder.join("knot.conf"), config::render(&shape, &update_key, &transfer_key))?;
            if index == primary {
                for zone in &plan.zones {
                    fs::write(folder.join(format!("zones/{zone}.zone")), config::zone_file(plan, zone))?;
                }
            }
            let process =
                Launch::tool("knotd", &folder)?.arg("--config").arg(folder.join("knot.conf")).start()?;
            servers.push(DnsServer {
                region: region.clone(),
                address: SocketAddr::from((*address, plan.port)),
                process,
            });
        }
        let mut dns = Self { zones: plan.zones.clone(), primary, servers, update_key, transfer_key };
        dns.wait_ready().await?;
        Ok(dns)
    }

    /// Waits until each server that runs serves every zone.
    pub async fn wait_ready(&mut self) -> anyhow::Result<()> {
        for server in &mut self.servers {
            for zone in &self.zones {
                let what = format!("the DNS server of {} to serve {zone}", server.region);
                let (process, address) = (&mut server.process, server.address);
                let answer = wait::until(&what, READY_WITHIN, || {
                    let running = process.check_running();
                    async move {
                        match running {
                            Err(ended) => Ok(Err(ended)),
                            Ok(()) => serves(address, zone).await.map(Ok),
                        }
                    }
                });
                answer.await??;
            }
        }
        Ok(())
    }

    /// All servers.
    pub fn servers(&self) -> &[DnsServer] {
        &self.servers
    }

    /// The server of a region.
    pub fn server(&self, region: &str) -> anyhow::Result<&DnsServer> {
        self.servers.iter().find(|s| s.region == region).with_context(|| format!("no DNS server in {region}"))
    }

    /// The server of a region, to be killed or restarted.
    pub fn server_mut(&mut self, region: &str) -> anyhow::Result<&mut DnsServer> {
        self.servers
            .iter_mut()
            .find(|s| s.region == region)
            .with_context(|| format!("no DNS server in {region}"))
    }

    /// The server that takes updates.
    pub fn primary(&self) -> &DnsServer {
        &self.servers[self.primary]
    }

    /// The key that updates are signed with.
    pub fn update_key(&self) -> &TsigKey {
        &self.update_key
    }

    /// The key that zone transfers are signed with.
    pub fn transfer_key(&self) -> &TsigKey {
        &self.transfer_key
    }

    /// Changes a zone as somebody else would: with Knot's own client, over TCP.
    ///
    /// `changes` are its lines, such as `add www.example. 60 A 192.0.2.1`.
    pub fn update(&self, zone: &str, key: &TsigKey, changes: &[&str]) -> anyhow::Result<()> {
        let server = self.primary().address;
        let mut script = format!("server {} {}\nzone {zone}.\n", server.ip(), server.port());
        for change in changes {
            script.push_str(change);
            script.push('\n');
        }
        script.push_str("send\n");
        run_knsupdate(key, &script)
    }
}

async fn serves(address: SocketAddr, zone: &str) -> anyhow::Result<()> {
    let answer = ask(address, zone, hickory_proto::rr::RecordType::SOA).await?;
    ensure!(answer.authoritative && !answer.records.is_empty(), "it answers {}", answer.code);
    Ok(())
}

fn run_knsupdate(key: &TsigKey, script: &str) -> anyhow::Result<()> {
    let mut child = Command::new(tools::find("knsupdate")?)
        .args(["-v", "-t", "5", "-y"])
        .arg(format!("{TSIG_ALGORITHM}:{}:{}", key.name, key.secret))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start knsupdate")?;
    std::io::Write::write_all(&mut child.stdin.take().context("its input is piped")?, script.as_bytes())?;
    let output = child.wait_with_output()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A refusal is said on its output; the exit code alone is zero then.
    if !output.status.success() || said.contains("failed") || said.contains("error") {
        bail!("update refused: {}", said.trim());
    }
    Ok(())
}
