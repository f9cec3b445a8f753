//! What a listener says of itself by TLS: made of files as a whole, or not at all.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::flaw::Flaw;
use super::pair::{Pair, Shown, about, read_certificates};
use super::resolver::BySni;
use crate::config::{ClientCertificates, Settings, TlsPair};
use crate::diagnostics::Diagnostic;
use crate::telemetry::Listener;

/// How a listener speaks TLS.
#[derive(Debug)]
pub struct TlsServer {
    pub(super) config: Arc<ServerConfig>,
    /// When the first of its certificates ends.
    pub(super) not_after: Timestamp,
}

/// What one listener's settings say of TLS.
pub(super) struct Wanted<'a> {
    /// The key of the configuration.
    key: &'static str,
    pub(super) pairs: &'a [TlsPair],
    clients: (ClientCertificates, Option<&'a Path>),
    /// What it speaks, the best first (RFC 7301).
    protocols: &'static [&'static [u8]],
}

/// A certificate, or several, that can be used, and what clients may have against them.
pub(super) struct Read {
    pub(super) server: ServerConfig,
    pub(super) not_after: Timestamp,
    pub(super) flaws: Vec<Flaw>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(listener: Listener, settings: &'a Settings) -> Self {
        let nobody = (ClientCertificates::Off, None);
        match listener {
            Listener::Proxy => {
                let clients = (settings.proxy.client_certificates, settings.proxy.client_ca.as_deref());
                Self { key: "proxy.tls", pairs: &settings.proxy.tls, clients, protocols: &[b"h2", b"http/1.1"] }
            }
            Listener::Ops => Self { key: "ops.tls", pairs: &settings.ops.tls, clients: nobody, protocols: &[b"http/1.1"] },
            Listener::Admin => Self { key: "admin.tls", pairs: &settings.admin.tls, clients: nobody, protocols: &[b"h2", b"http/1.1"] },
        }
    }

    /// `Ok(None)`: it speaks no TLS.
    pub(super) fn read(&self, tickets: &Arc<dyn ProducesTickets>, now: Timestamp) -> Result<Option<Read>, Vec<Diagnostic>> {
        if self.pairs.is_empty() {
            return Ok(None);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (mut pairs, mut faults, mut flaws) = (Vec::new(), Vec::new(), Vec::new());
        for (number, files) in self.pairs.iter().enumerate() {
            let key = if self.pairs.len() == 1 { self.key.to_owned() } else { format!("{}.{number}", self.key) };
            match Pair::read(files, &key, &provider, now, Shown::ToClients) {
                Ok(mut pair) => {
                    flaws.append(&mut pair.flaws);
                    pairs.push(pair);
                }
                Err(fault) => faults.push(*fault),
            }
        }
        let verifier = verifier(self.clients, &provider).map_err(|fault| faults.push(*fault));
        let (Ok(verifier), true) = (verifier, faults.is_empty()) else { return Err(faults) };
        let not_after = pairs.iter().map(|pair| pair.not_after).min().unwrap_or(Timestamp::MIN);
        let asks = verifier.is_some();
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("the provider has suites for both versions of TLS");
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut server = builder.with_cert_resolver(Arc::new(BySni(pairs)));
        server.alpn_protocols = self.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // Whoever comes back shows a ticket; nothing is kept here for those that do not come back.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        if asks {
            // Who comes back by a ticket is not asked again, whatever has become of the certificate, and of who vouched for it.
            server.send_tls13_tickets = 0;
        } else {
            server.ticketer = Arc::clone(tickets);
        }
        Ok(Some(Read { server, not_after, flaws }))
    }
}

/// `Ok(None)`: clients are not asked for certificates.
fn verifier(
    (asked, ca): (ClientCertificates, Option<&Path>),
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Box<Diagnostic>> {
    let Some(file) = ca.filter(|_| asked != ClientCertificates::Off) else { return Ok(None) };
    let fault = |reason: String| about(file, "proxy.client_ca", reason);
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(file).map_err(fault)? {
        roots.add(certificate).map_err(|error| fault(format!("a certificate in it cannot be used: {error}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match asked {
        ClientCertificates::Off | ClientCertificates::Required => builder,
        ClientCertificates::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map(Some).map_err(|error| fault(format!("it cannot vouch for clients: {error}")))
}
