//! The status API: what the views say, as JSON, as plain text and as one page that needs no script.
//!
//! It is read-only, and it knows nothing but the newest [`Snapshot`] that is laid into a channel: no request reaches
//! Kubernetes or the engine, so no number of readers can slow a failover down. Every replica serves it.
//!
//! It has no TLS, no tokens and no authorization yet. Therefore it binds loopback by default; reach it by
//! `kubectl port-forward`. A later version checks who asks and then may listen elsewhere.

mod page;
mod problem;
mod routes;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use prometheus_client::registry::Registry;
use stamps::view::Views;
use tokio::sync::watch;

pub use problem::Problem;
pub use routes::{ROUTES, Route, router};
pub use server::{CONNECTIONS_MAX, ServeError, serve};

/// What there is to show at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Everything people read.
    pub views: Views,
    /// Whether this replica is of use, or why it is not.
    pub ready: Result<(), Vec<String>>,
    /// When the views were made.
    pub generated_at: DateTime<Utc>,
}

/// What the routes are answered from.
#[derive(Clone, Debug)]
pub struct StatusApi {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    metrics: Arc<Registry>,
}

impl StatusApi {
    /// Answers from the newest snapshot and from the process's metrics.
    pub fn new(snapshots: watch::Receiver<Arc<Snapshot>>, metrics: Arc<Registry>) -> Self {
        Self { snapshots, metrics }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Why this replica is not ready; nothing if it is.
    fn unready(&self) -> Vec<String> {
        let mut reasons = self.snapshot().ready.clone().err().unwrap_or_default();
        if self.snapshots.has_changed().is_err() {
            reasons.push("whoever made the snapshots has ended; what is shown is the last one".to_owned());
        }
        reasons
    }
}
