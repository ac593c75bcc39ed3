//! The small HTTP server beside every binary: metrics, liveness, and readiness with its reasons.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// What still stands between this process and being of use. Empty means ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Readiness {
    /// Says why a part is not ready.
    pub fn missing(&self, part: &'static str, reason: impl Into<String>) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(part, reason.into());
    }

    /// Says that a part is ready.
    pub fn ready(&self, part: &'static str) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// The parts that are not ready, with their reasons.
    pub fn reasons(&self) -> BTreeMap<&'static str, String> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Served {
    registry: Arc<Registry>,
    readiness: Readiness,
}

/// `/metrics`, `/healthz` and `/readyz`, to be merged into a bigger router or served alone.
pub fn router(registry: Arc<Registry>, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(serve_metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(serve_readiness))
        .with_state(Served { registry, readiness })
}

async fn serve_metrics(State(served): State<Served>) -> Response {
    match metrics::render(&served.registry) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn serve_readiness(State(served): State<Served>) -> (StatusCode, String) {
    let reasons = served.readiness.reasons();
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let text = reasons.iter().fold(String::new(), |mut text, (part, reason)| {
        let _ = writeln!(text, "{part}: {reason}");
        text
    });
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Serves until the token is cancelled, then lets running requests end.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

#[cfg(test)]
mod tests;
