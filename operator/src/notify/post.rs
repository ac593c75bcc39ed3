//! One message over one connection. Nothing of the answer is read but its status, and no redirect is followed.

#[cfg(test)]
mod tests;

use std::{io, sync::Arc, time::Duration};

use crds::validate::WebAddress;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// For the whole of one attempt: name, connection, TLS and status.
const POST_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("lifeboat-operator/", env!("CARGO_PKG_VERSION"));

/// Why a message was not taken. The receiver's path is in none of them: it may hold a token.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// Nobody there.
    #[error("there is no connection to {host}: {source}")]
    Connect {
        /// Where to.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Somebody there whom we do not trust.
    #[error("there is no trusted connection to {host}: {source}")]
    Tls {
        /// Where to.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// This machine trusts nobody.
    #[error("this machine has no trusted roots, so nothing is sent by https; install CA certificates")]
    Roots,
    /// The connection broke, or the answer is not HTTP.
    #[error("the exchange broke off: {0}")]
    Exchange(#[from] hyper::Error),
    /// The request cannot be built.
    #[error("no request can be made of the URL in spec.notifications: {0}")]
    Request(#[from] hyper::http::Error),
    /// No answer in time. It may have been taken all the same.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Not now.
    #[error("the receiver answered {0}")]
    Busy(StatusCode),
    /// Not ever.
    #[error(
        "the receiver answered {0}; look at the URL in spec.notifications, and at what the receiver expects"
    )]
    Refused(StatusCode),
}

impl PostError {
    /// The same message may be taken later.
    pub(super) fn is_passing(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Request(_) | Self::Roots)
    }

    /// For a metric.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Tls { .. } | Self::Roots => "tls",
            Self::Exchange(_) => "exchange",
            Self::Request(_) => "request",
            Self::Timeout(_) => "timeout",
            Self::Busy(_) => "busy",
            Self::Refused(_) => "refused",
        }
    }
}

/// Who carries messages.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    /// None where the machine has no trusted roots: `http` works there nevertheless.
    tls: Option<Arc<ClientConfig>>,
}

impl Poster {
    /// A poster that trusts what this machine trusts.
    pub(super) fn new() -> Self {
        shell::tls::install_provider();
        let tls = ClientConfig::with_platform_verifier().inspect_err(
            |error| tracing::warn!(%error, "no trusted roots: webhooks by https are not possible"),
        );
        Self { tls: tls.ok().map(Arc::new) }
    }

    #[cfg(test)]
    pub(super) fn trusting(roots: rustls::RootCertStore) -> Self {
        shell::tls::install_provider();
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { tls: Some(Arc::new(tls)) }
    }

    /// Posts JSON.
    pub(super) async fn post(&self, to: &WebAddress, body: Vec<u8>) -> Result<(), PostError> {
        match timeout(POST_TIMEOUT, self.exchange(to, body)).await {
            Ok(status) => judge(status?),
            Err(_) => Err(PostError::Timeout(POST_TIMEOUT)),
        }
    }

    async fn exchange(&self, to: &WebAddress, body: Vec<u8>) -> Result<StatusCode, PostError> {
        let request = request(to, body)?;
        let stream = TcpStream::connect((to.host.as_str(), to.port))
            .await
            .map_err(|source| PostError::Connect { host: to.host.clone(), source })?;
        if !to.tls {
            return send(stream, request).await;
        }
        let tls = self.tls.clone().ok_or(PostError::Roots)?;
        let untrusted = |source| PostError::Tls { host: to.host.clone(), source };
        let name = ServerName::try_from(to.host.clone())
            .map_err(|error| untrusted(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        send(TlsConnector::from(tls).connect(name, stream).await.map_err(untrusted)?, request).await
    }
}

fn request(to: &WebAddress, body: Vec<u8>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
    let usual_port = if to.tls { 443 } else { 80 };
    let host = if to.port == usual_port { host } else { format!("{host}:{}", to.port) };
    Request::builder()
        .method(Method::POST)
        .uri(&to.path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::new(body.into()))
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Dropped with this future, so that an attempt that is given up leaves no connection behind.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    Ok(sender.send_request(request).await?.status())
}

fn judge(status: StatusCode) -> Result<(), PostError> {
    if status.is_success() {
        Ok(())
    } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Err(PostError::Busy(status))
    } else {
        Err(PostError::Refused(status))
    }
}
