//! The key that signs updates, from a Secret.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use hickory_proto::rr::{Name, TSigner, rdata::tsig::TsigAlgorithm};
use k8s_openapi::ByteString;

/// Seconds by which our clock and the server's may differ: the value RFC 8945 recommends.
const FUDGE_S: u16 = 300;

/// Fewer bytes of secret than this (128 bits) are guessable.
const SECRET_LEN_MIN: usize = 16;

/// A TSIG key. Its secret is never printed.
#[derive(Clone)]
pub struct TsigKey(TSigner);

/// Why a Secret holds no usable key. None of them repeats a value of the Secret besides the key's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An entry is not there.
    #[error("the Secret has no entry `{0}`; it needs name, algorithm and secret")]
    Missing(&'static str),
    /// An entry is not text.
    #[error("the Secret's entry `{0}` is not UTF-8 text")]
    NotText(&'static str),
    /// The key's name is not a DNS name.
    #[error("the key's name `{0}` is not a DNS name")]
    BadName(String),
    /// We cannot sign with it.
    #[error("the Secret's algorithm is not supported; use hmac-sha256, hmac-sha384 or hmac-sha512")]
    Algorithm,
    /// The secret is not base64.
    #[error("the Secret's entry `secret` is not base64; copy it as the name server's configuration has it")]
    NotBase64,
    /// The secret is guessable.
    #[error("the key has {0} bytes; {SECRET_LEN_MIN} is the least, 32 suit hmac-sha256")]
    TooShort(usize),
}

impl TsigKey {
    /// Reads the entries `name`, `algorithm` and `secret` (base64, as name servers write it).
    pub fn from_data(data: &BTreeMap<String, ByteString>) -> Result<Self, KeyError> {
        let text = |entry: &'static str| {
            let bytes = data.get(entry).ok_or(KeyError::Missing(entry))?;
            std::str::from_utf8(&bytes.0).map(str::trim).map_err(|_| KeyError::NotText(entry))
        };
        Self::new(text("name")?, text("algorithm")?, text("secret")?)
    }

    /// A key from its three parts.
    pub fn new(name: &str, algorithm: &str, secret: &str) -> Result<Self, KeyError> {
        let signer = Name::from_ascii(name.to_ascii_lowercase())
            .ok()
            .filter(|parsed| parsed.num_labels() > 0)
            .ok_or_else(|| KeyError::BadName(name.to_owned()))?;
        let algorithm = match algorithm.to_ascii_lowercase().trim_end_matches('.') {
            "hmac-sha256" => TsigAlgorithm::HmacSha256,
            "hmac-sha384" => TsigAlgorithm::HmacSha384,
            "hmac-sha512" => TsigAlgorithm::HmacSha512,
            _ => return Err(KeyError::Algorithm),
        };
        let secret = STANDARD.decode(secret).map_err(|_| KeyError::NotBase64)?;
        if secret.len() < SECRET_LEN_MIN {
            return Err(KeyError::TooShort(secret.len()));
        }
        TSigner::new(secret, algorithm, signer, FUDGE_S).map(Self).map_err(|_| KeyError::Algorithm)
    }

    /// Signs with it.
    pub(super) fn signer(&self) -> &TSigner {
        &self.0
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({} {})", self.0.signer_name(), self.0.algorithm())
    }
}
