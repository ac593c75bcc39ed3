//! What every Lifeboat binary needs and no domain knows: logs, metrics and their server, the Kubernetes client, TLS,
//! and an orderly end.

pub mod api;
pub mod metrics;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
