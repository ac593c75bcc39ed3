//! One sample: ask a stamp once, over a new connection, and keep apart whose fault a failure is.

mod egress;
mod http;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{TokioResolver, net::NetError};
use rustls::ClientConfig;
use stamps::{
    fleet::{Check, Probe},
    verdict::{Failure, FailureClass, Phase},
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

pub use egress::{Egress, Range};

/// What a sample came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Good.
    Good,
    /// The prober could not ask: says nothing about the stamp.
    Unknown(Failure),
    /// The stamp did not serve.
    Bad(Failure),
}

impl Outcome {
    pub(crate) fn bad(class: FailureClass, phase: Phase) -> Self {
        Self::Bad(Failure { class, phase })
    }

    pub(crate) fn prober_error(phase: Phase) -> Self {
        Self::Unknown(Failure { class: FailureClass::ProberError, phase })
    }
}

/// Everything a sample needs besides its target.
#[derive(Clone)]
pub struct Prober {
    egress: Egress,
    tls: Arc<ClientConfig>,
    /// None where the host has no resolver configured: names cannot be asked for then, addresses can.
    resolver: Option<TokioResolver>,
}

/// The bounds of one sample: each phase its own, and none beyond the total.
#[derive(Clone, Copy)]
struct Bounds {
    end: Instant,
}

impl Bounds {
    fn new(total: Duration) -> Self {
        Self { end: Instant::now() + total }
    }

    fn phase(self, bound: Duration) -> Instant {
        self.end.min(Instant::now() + bound)
    }
}

impl Prober {
    /// A prober that may connect to what `egress` permits and trusts what `tls` trusts.
    pub fn new(egress: Egress, tls: Arc<ClientConfig>) -> Self {
        Self { egress, tls, resolver: resolver() }
    }

    /// Takes one sample. `attempt` chooses among several addresses of a name, one address per attempt.
    pub async fn sample(&self, probe: &Probe, attempt: usize) -> Outcome {
        match self.try_sample(probe, attempt).await {
            Ok(()) => Outcome::Good,
            Err(outcome) => outcome,
        }
    }

    async fn try_sample(&self, probe: &Probe, attempt: usize) -> Result<(), Outcome> {
        let bounds = Bounds::new(probe.timeouts.total);
        let address = self.resolve(probe, attempt, bounds).await?;
        if !self.egress.permits(address) {
            return Err(Outcome::prober_error(Phase::Connect));
        }
        let stream = connect(probe, SocketAddr::new(address, probe.port), bounds).await?;
        match &probe.check {
            Check::Tcp => Ok(()),
            Check::Http(check) => http::ask(stream, probe, check, &self.tls, bounds).await,
        }
    }

    async fn resolve(&self, probe: &Probe, attempt: usize, bounds: Bounds) -> Result<IpAddr, Outcome> {
        let host = probe.host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        let resolver = self.resolver.as_ref().ok_or(Outcome::prober_error(Phase::Dns))?;
        // A name has no bound of its own: it gets that of the connection which it leads to.
        let answer = timeout_at(bounds.phase(probe.timeouts.connect), resolver.lookup_ip(host))
            .await
            .map_err(|_| Outcome::prober_error(Phase::Dns))?;
        let addresses: Vec<IpAddr> = answer.map_err(|error| unresolved(&error))?.iter().collect();
        let turn = attempt.checked_rem(addresses.len()).unwrap_or(0);
        addresses.get(turn).copied().ok_or(Outcome::bad(FailureClass::Dns, Phase::Dns))
    }
}

/// An answer without an address is the zone's fault; no answer at all is our resolver's.
fn unresolved(error: &NetError) -> Outcome {
    match error {
        NetError::Dns(_) => Outcome::bad(FailureClass::Dns, Phase::Dns),
        _ => Outcome::prober_error(Phase::Dns),
    }
}

fn resolver() -> Option<TokioResolver> {
    let mut builder = TokioResolver::builder_tokio()
        .inspect_err(|error| tracing::warn!(%error, "no resolver: probes by name will be Unknown"))
        .ok()?;
    // The next sample is the retry.
    builder.options_mut().attempts = 0;
    builder.build().ok()
}

async fn connect(probe: &Probe, address: SocketAddr, bounds: Bounds) -> Result<TcpStream, Outcome> {
    match timeout_at(bounds.phase(probe.timeouts.connect), TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(blame(&error, Phase::Connect)),
        Err(_) => Err(Outcome::bad(FailureClass::Timeout, Phase::Connect)),
    }
}

/// Whose fault an error of the socket is. What is not known to be the stamp's is ours: an error that nobody
/// thought of must not take a region down.
fn blame(error: &io::Error, phase: Phase) -> Outcome {
    use io::ErrorKind as Kind;
    let class = match error.kind() {
        // A region that vanishes from routing answers with an unreachable; the control targets tell whether it is
        // rather our own network that is gone.
        Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable => FailureClass::Refused,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => {
            FailureClass::Reset
        }
        Kind::TimedOut => FailureClass::Timeout,
        // Too many open files, no free port, a local firewall and all the rest.
        _ => return Outcome::prober_error(phase),
    };
    Outcome::bad(class, phase)
}

#[cfg(test)]
mod tests;
