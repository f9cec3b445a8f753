//! Which of a listener's certificates a client is shown.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::pair::Pair;

/// A listener's certificates, in the order in which they are configured.
#[derive(Debug)]
pub(super) struct BySni(pub(super) Vec<Pair>);

impl ResolvesServerCert for BySni {
    /// The first for the name that the client asks for, of a kind that it understands; a client that names none of them, or none at all,
    /// gets the first, and finds out itself whether that will do.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let understands = |pair: &&Pair| pair.certified.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = hello.server_name().and_then(|name| self.0.iter().filter(|pair| pair.certificate.is_for(name)).find(understands));
        let pair = named.or_else(|| self.0.iter().find(understands))?;
        Some(Arc::clone(&pair.certified))
    }
}
