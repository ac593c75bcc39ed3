//! The process's metrics.

use prometheus_client::{encoding::text::encode, metrics::info::Info, registry::Registry};

/// The content type of the text that [`render`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry whose names start with `lifeboat_`, with the build in it.
pub fn registry(component: &'static str) -> Registry {
    let mut registry = Registry::with_prefix("lifeboat");
    let build = vec![("component", component), ("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The running binary", Info::new(build));
    registry
}

/// All metrics as OpenMetrics text.
pub fn render(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}
