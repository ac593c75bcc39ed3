//! The HTTP part of a sample: TLS if asked for, one request, no redirects, and only so much of the answer.

use std::{error::Error, io, sync::Arc};

use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use stamps::{
    fleet::{HttpCheck, Probe},
    verdict::{FailureClass, Phase},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout_at,
};
use tokio_rustls::TlsConnector;

use super::{Bounds, Outcome, blame};

/// Bytes of a body that are read. A condition can only look at these, and a hostile target can cost no more.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
const USER_AGENT: &str = concat!("lifeboat-monitor/", env!("CARGO_PKG_VERSION"));

/// Asks over a connection that stands.
pub(super) async fn ask(
    stream: TcpStream,
    probe: &Probe,
    check: &HttpCheck,
    tls: &Arc<ClientConfig>,
    bounds: Bounds,
) -> Result<(), Outcome> {
    if !check.tls {
        return exchange(stream, probe, check, bounds).await;
    }
    let name = ServerName::try_from(server_name(probe, check).to_owned())
        .map_err(|_| Outcome::prober_error(Phase::Tls))?;
    let handshake = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    match timeout_at(bounds.phase(probe.timeouts.tls), handshake).await {
        Ok(Ok(stream)) => exchange(stream, probe, check, bounds).await,
        Ok(Err(error)) => Err(tls_failure(&error)),
        Err(_) => Err(Outcome::bad(FailureClass::Timeout, Phase::Tls)),
    }
}

/// What the certificate must be for: the Host header without its port, else the host.
fn server_name<'a>(probe: &'a Probe, check: &'a HttpCheck) -> &'a str {
    let host = check.host_header.as_deref().unwrap_or(&probe.host);
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host.trim_start_matches('[').trim_end_matches(']'),
    }
}

fn tls_failure(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Outcome::bad(FailureClass::Tls, Phase::Tls)
        }
        _ => blame(error, Phase::Tls),
    }
}

async fn exchange<S>(stream: S, probe: &Probe, check: &HttpCheck, bounds: Bounds) -> Result<(), Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(probe, check)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error, Phase::FirstByte))?;
    // Dropped with this future, so that a sample that is given up leaves no connection behind.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = match timeout_at(bounds.phase(probe.timeouts.first_byte), sender.send_request(request)).await
    {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(broken(&error, Phase::FirstByte)),
        Err(_) => return Err(Outcome::bad(FailureClass::Timeout, Phase::FirstByte)),
    };
    let status = answer.status().as_u16();
    if !check.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status)) {
        return Err(Outcome::bad(FailureClass::WrongAnswer, Phase::Condition));
    }
    let body = match timeout_at(bounds.end, read(answer.into_body())).await {
        Ok(body) => body?,
        Err(_) => return Err(Outcome::bad(FailureClass::TooSlow, Phase::Body)),
    };
    match &check.body_contains {
        Some(text) if !contains(&body, text.as_bytes()) => {
            Err(Outcome::bad(FailureClass::WrongAnswer, Phase::Condition))
        }
        _ => Ok(()),
    }
}

fn request(probe: &Probe, check: &HttpCheck) -> Result<Request<Empty<Bytes>>, Outcome> {
    let default_port = if check.tls { 443 } else { 80 };
    let host = match &check.host_header {
        Some(host) => host.clone(),
        None if probe.port == default_port => probe.host.clone(),
        None => format!("{}:{}", probe.host, probe.port),
    };
    Request::builder()
        .method(Method::GET)
        .uri(&check.path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        // A path or host that cannot be sent is a mistake in the probe.
        .map_err(|_| Outcome::prober_error(Phase::FirstByte))
}

/// The body's beginning. A longer one is cut, which is no failure.
async fn read(mut body: Incoming) -> Result<Vec<u8>, Outcome> {
    let mut read = Vec::new();
    while read.len() < BODY_BYTES_MAX {
        let Some(frame) = body.frame().await else { break };
        if let Some(data) = frame.map_err(|error| broken(&error, Phase::Body))?.data_ref() {
            read.extend_from_slice(&data[..data.len().min(BODY_BYTES_MAX - read.len())]);
        }
    }
    Ok(read)
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// Whose fault a failed exchange is.
fn broken(error: &hyper::Error, phase: Phase) -> Outcome {
    if error.is_parse() {
        return Outcome::bad(FailureClass::WrongAnswer, phase);
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => blame(error, phase),
        // The connection ended in the middle of the answer, or before it.
        None => Outcome::bad(FailureClass::Reset, phase),
    }
}
