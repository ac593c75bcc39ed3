//! The text of a state object: canonical JSON, compressed when it grows.
//!
//! Generic, so that the register and every later state document share one codec. Canonical means: keys sorted, no
//! white space, the same bytes for the same state. So two replicas can compare texts instead of states.

use std::io::{Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Serialize, de::DeserializeOwned};

pub use stamps::failover::FORMAT_VERSION;

/// Above this many bytes of JSON the text is compressed. Below, a write costs the API server little and a person can
/// read it as it is; measured, a quarter of a megabyte costs ten times as much plain as compressed.
pub const COMPRESS_ABOVE_BYTES: usize = 32 * 1024;

/// No state is larger than this many bytes of JSON, whatever it was compressed to. Far above what a register may hold
/// (new runs are refused from 192 KiB on), and small enough for a hostile text to do no harm.
pub const JSON_MAX_BYTES: usize = 1024 * 1024;

/// What a compressed text begins with. JSON never does.
const COMPRESSED: &str = "gzip+base64:";

/// Why a text could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Written by a newer Lifeboat.
    #[error(
        "the state has format {found} and this binary knows up to {known}: run a newer Lifeboat; this one does not lead"
    )]
    Newer {
        /// The text's format.
        found: i64,
        /// The newest format that this binary reads.
        known: i64,
    },
    /// Larger than any state may be.
    #[error("the state is larger than {max_bytes} bytes of JSON")]
    TooLarge {
        /// The bound.
        max_bytes: usize,
    },
    /// Not what a leader writes: the compression.
    #[error("the compressed state cannot be read: {0}")]
    Compression(String),
    /// Not what a leader writes: the content.
    #[error("the state is not of its format: {0}")]
    Content(#[from] serde_json::Error),
}

/// The text of a state.
pub fn encode<T: Serialize>(state: &T) -> Result<String, RegisterError> {
    let mut value = serde_json::to_value(state)?;
    // Sorted already unless some crate of the build asks serde_json to keep the order of insertion.
    value.sort_all_objects();
    let json = serde_json::to_string(&value)?;
    if json.len() > JSON_MAX_BYTES {
        return Err(RegisterError::TooLarge { max_bytes: JSON_MAX_BYTES });
    }
    if json.len() <= COMPRESS_ABOVE_BYTES {
        return Ok(json);
    }
    let compression = |error: std::io::Error| RegisterError::Compression(error.to_string());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(json.as_bytes()).map_err(compression)?;
    let packed = gzip.finish().map_err(compression)?;
    Ok(format!("{COMPRESSED}{}", STANDARD.encode(packed)))
}

/// The state of a text of the given format.
pub fn decode<T: DeserializeOwned>(format_version: i64, text: &str) -> Result<T, RegisterError> {
    if format_version > FORMAT_VERSION {
        return Err(RegisterError::Newer { found: format_version, known: FORMAT_VERSION });
    }
    let Some(packed) = text.strip_prefix(COMPRESSED) else {
        return bounded(text.as_bytes());
    };
    let packed = STANDARD.decode(packed).map_err(|error| RegisterError::Compression(error.to_string()))?;
    let mut json = Vec::new();
    // One byte more than is allowed, to tell "full" from "too much".
    GzDecoder::new(packed.as_slice())
        .take(JSON_MAX_BYTES as u64 + 1)
        .read_to_end(&mut json)
        .map_err(|error| RegisterError::Compression(error.to_string()))?;
    bounded(&json)
}

fn bounded<T: DeserializeOwned>(json: &[u8]) -> Result<T, RegisterError> {
    if json.len() > JSON_MAX_BYTES {
        return Err(RegisterError::TooLarge { max_bytes: JSON_MAX_BYTES });
    }
    Ok(serde_json::from_slice(json)?)
}

#[cfg(test)]
mod tests;
