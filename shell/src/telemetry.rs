//! Logs: text for people, JSON for machines, both on standard error.

use std::str::FromStr;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

/// The environment variable that says what is logged, such as `info,health_monitor=debug`.
pub const FILTER_VARIABLE: &str = "LIFEBOAT_LOG";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What can go wrong at the start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Not a format.
    #[error("`{0}` is no log format; say text or json")]
    Format(String),
    /// Not a filter.
    #[error("{FILTER_VARIABLE} cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// Called twice.
    #[error("logs are set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

impl FromStr for LogFormat {
    type Err = TelemetryError;

    fn from_str(text: &str) -> Result<Self, TelemetryError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(TelemetryError::Format(other.to_owned())),
        }
    }
}

/// Sets up the process's logs; call it once. Without a filter in the environment, `info` and above are logged.
pub fn init(format: LogFormat) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .with_env_var(FILTER_VARIABLE)
        .with_default_directive(tracing::Level::INFO.into())
        .from_env()?;
    let logs = registry().with(filter);
    match format {
        LogFormat::Text => logs.with(fmt::layer().with_writer(std::io::stderr)).try_init()?,
        LogFormat::Json => logs.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()?,
    }
    Ok(())
}
