//! The Kubernetes client as effects and leadership need it: nothing is sent twice behind our back, nothing waits
//! for ever.

use std::{path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::tls;

/// For the TCP connection and the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For the bytes of a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// A watch is silent for up to 290 s and then closed by the server; a connection silent for longer is dead. Calls end
/// much sooner, by [`within`].
const READ_TIMEOUT: Duration = Duration::from_mins(5);
/// For one call that is not a watch.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the API server's address and our credentials are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// A kubeconfig file, its current context.
    File(PathBuf),
    /// The pod's service account.
    InCluster,
}

impl From<Option<PathBuf>> for Access {
    fn from(kubeconfig: Option<PathBuf>) -> Self {
        kubeconfig.map_or(Self::InCluster, Self::File)
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig is missing or wrong.
    #[error("kubeconfig {path} cannot be used: {source}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: kube::config::KubeconfigError,
    },
    /// Not in a pod, or the pod has no service account.
    #[error("no service account is mounted here, and no kubeconfig was given: {0}")]
    InCluster(#[from] kube::config::InClusterError),
    /// Certificates, keys or the address are unusable.
    #[error("no client can be made from the configuration: {0}")]
    Client(#[from] kube::Error),
}

/// A call that did not succeed in time.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer in time. A write may have been applied nevertheless.
    #[error("no answer from the API server within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The API server's answer, or a broken connection.
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

impl CallError {
    /// The status code with which the API server refused, if it answered at all.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Kube(kube::Error::Api(status)) => Some(status.code),
            Self::Kube(_) | Self::Timeout(_) => None,
        }
    }
}

/// Reads where the API server is and hardens what kube makes of it.
pub async fn config(access: &Access) -> Result<Config, AccessError> {
    let config = match access {
        Access::InCluster => Config::incluster()?,
        Access::File(path) => {
            let unusable = |source| AccessError::Kubeconfig { path: path.clone(), source };
            let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(unusable)?
        }
    };
    Ok(hardened(config))
}

/// kube by itself repeats any request, writes included, up to 15 times on 429, 503 and 504, and waits for an answer
/// without end. Who repeats a write must first look whether it was applied.
fn hardened(mut config: Config) -> Config {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // Otherwise the time that a pooled connection lay idle counts against the next answer.
    config.reset_reader_on_write = true;
    config
}

/// A client with retries off and timeouts on.
pub fn client(config: Config) -> Result<Client, AccessError> {
    tls::install_provider();
    Ok(Client::try_from(config)?)
}

/// Runs a call with a bound. On [`CallError::Timeout`] nobody knows whether a write was applied.
pub async fn within<T>(
    bound: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(bound, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::Timeout(bound)),
    }
}

#[cfg(test)]
mod tests;
