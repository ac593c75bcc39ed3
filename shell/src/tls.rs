//! One TLS provider for the whole process.

/// Makes ring the process's TLS provider. Every binary calls it first; more calls change nothing.
///
/// Two providers in one process make rustls panic at the first handshake, so nobody else may choose.
pub fn install_provider() {
    // An error says that a provider stands already: it can only be the one of an earlier call.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
