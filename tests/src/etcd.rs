//! One etcd on loopback. Several API servers share it, each under its own prefix.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    net::free_address,
    process::{Launch, Process},
    wait,
};

/// It starts in well under a second; a machine that compiles at the same time may need many.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// A free port may be taken between finding and using it; three times in a row it is something else.
const ATTEMPTS: usize = 3;

/// A running etcd.
#[derive(Debug)]
pub struct Etcd {
    process: Process,
    client: SocketAddr,
}

impl Etcd {
    /// Starts one with its data and log in `folder`.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::try_start(folder).await {
                Ok(etcd) => return Ok(etcd),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no attempt was made")?).context("start etcd")
    }

    async fn try_start(folder: &Path) -> anyhow::Result<Self> {
        let (client, peer) = (free_address()?, free_address()?);
        let process = Launch::tool("etcd", folder)?
            .args(["--name=testbed", "--log-level=warn", "--logger=zap"])
            // The data lives as long as the testbed, so a crash of the machine has nothing to lose.
            .arg("--unsafe-no-fsync")
            .arg(format!("--data-dir={}", folder.join("data").display()))
            .arg(format!("--listen-client-urls=http://{client}"))
            .arg(format!("--advertise-client-urls=http://{client}"))
            .arg(format!("--listen-peer-urls=http://{peer}"))
            .arg(format!("--initial-advertise-peer-urls=http://{peer}"))
            .arg(format!("--initial-cluster=testbed=http://{peer}"))
            .start()?;
        let mut etcd = Self { process, client };
        etcd.wait_ready().await?;
        Ok(etcd)
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let client = self.client;
        let process = &mut self.process;
        let answer = wait::until("etcd to be healthy", READY_WITHIN, || {
            let running = process.check_running();
            async move {
                // A dead process ends the wait as a success that carries the failure.
                match running {
                    Err(ended) => Ok(Err(ended)),
                    Ok(()) => healthy(client).await.map(Ok),
                }
            }
        });
        answer.await?
    }

    /// Where API servers reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.client)
    }

    /// The process, to be killed, stopped or restarted.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

async fn healthy(client: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(client).await?;
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if !answer.contains(r#""health":"true""#) {
        bail!("/health says {answer}");
    }
    Ok(())
}
