//! One client's connection to a stamp.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, task::JoinHandle};

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

/// What a stamp says to a request for a tenant.
#[derive(Debug, Deserialize)]
struct Said {
    stamp: String,
    host: String,
}

impl Connection {
    /// Connects.
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(async move {
            // Its end shows at the sender.
            drop(connection.await);
        });
        Ok(Self { sender, driver })
    }

    /// Asks for a tenant by its host; the stamp that answered.
    pub(super) async fn get(&mut self, host: &str) -> anyhow::Result<String> {
        let request = Request::get("/").header(header::HOST, host).body(Empty::new())?;
        // After an answer the connection is a moment later ready for the next request.
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        ensure!(response.status() == StatusCode::OK, "status {}", response.status());
        let body = response.into_body().collect().await?.to_bytes();
        let said: Said = serde_json::from_slice(&body).context("not an answer of a stamp")?;
        ensure!(said.host == host, "answered for {} instead of {host}", said.host);
        Ok(said.stamp)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
