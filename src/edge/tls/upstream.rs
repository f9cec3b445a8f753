//! TLS to the upstream: who is trusted, and what is shown; made of files as a whole, or not at all.
//!
//! There is no way from here to a connection that is not encrypted, nor to one whose other end nobody vouches for.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{self, SHA256};
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::flaw::{Flaw, settled};
use super::pair::{Pair, Shown, about, read_certificates};
use super::records::RecordSocket;
use super::refusal::HandshakeFault;
use super::stream::UpstreamStream;
use crate::clock::Clock;
use crate::config::{Settings, UpstreamProtocol, UpstreamSettings, UpstreamTlsSettings};
use crate::diagnostics::Diagnostic;
use crate::telemetry::{CertificateOf, Metrics};

/// How TLS is spoken to the upstream now, if it is.
#[derive(Clone)]
pub struct UpstreamTls(Arc<InForce>);

struct InForce {
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<TlsClient>,
    /// Another number: there is another one.
    version: AtomicUsize,
}

/// How TLS is spoken to an upstream: by all threads alike, so that what one has learned of it spares the others a long handshake.
#[derive(Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    /// What it was made by, and what the files said.
    wanted: UpstreamTlsSettings,
    contents: [u8; 32],
    /// When the first certificate ends of those that are shown; `None`: none is.
    not_after: Option<Timestamp>,
}

/// What can be used, and what the upstream may have against it.
struct ClientRead {
    client: TlsClient,
    flaws: Vec<Flaw>,
}

impl UpstreamTls {
    /// Speaks none until it is told how.
    pub fn plain(metrics: &Arc<Metrics>, clock: &Arc<dyn Clock>) -> Self {
        let (metrics, clock) = (Arc::clone(metrics), Arc::clone(clock));
        Self(Arc::new(InForce { metrics, clock, current: ArcSwapOption::empty(), version: AtomicUsize::new(0) }))
    }

    /// Reads what these settings name. `Ok(None)`: nothing, the upstream is spoken to in the clear. Warnings come with what can be used all
    /// the same.
    ///
    /// # Errors
    /// All that is wrong with the files.
    pub fn read(&self, settings: &Settings) -> Result<(Option<TlsClient>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let now = self.0.clock.now().wall;
        let Some(ClientRead { client, flaws }) = read(settings, now)? else { return Ok((None, Vec::new())) };
        let serves = self.0.current.load().as_ref().is_some_and(|current| current.not_after.is_some_and(|end| now < end));
        Ok((Some(client), settled(flaws, serves)?))
    }

    /// Has connections that are made from now on made like this. One that says the same as the one in force changes nothing.
    pub fn put(&self, client: Option<TlsClient>) {
        let same = match (self.0.current.load().as_ref(), &client) {
            (None, None) => true,
            (Some(current), Some(client)) => current.wanted == client.wanted && current.contents == client.contents,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return;
        }
        let not_after = client.as_ref().and_then(|client| client.not_after).unwrap_or(Timestamp::UNIX_EPOCH);
        self.0.metrics.certificate_ends(CertificateOf::Upstream, not_after);
        self.0.current.store(client.map(Arc::new));
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// Another number than before: there is another one in force.
    pub(crate) fn version(&self) -> usize {
        self.0.version.load(Ordering::Acquire)
    }

    /// The one in force, if it was made by these settings.
    pub(crate) fn made_by(&self, wanted: &UpstreamTlsSettings) -> Option<Arc<TlsClient>> {
        self.0.current.load_full().filter(|client| client.wanted == *wanted)
    }
}

/// `Ok(None)`: the upstream is spoken to in the clear.
fn read(settings: &Settings, now: Timestamp) -> Result<Option<ClientRead>, Vec<Diagnostic>> {
    let Some(wanted) = settings.upstream.encryption() else { return Ok(None) };
    let provider = Arc::new(provider::default_provider());
    let mut faults = Vec::new();
    let mut contents = digest::Context::new(&SHA256);
    let mut note = |certificates: &[CertificateDer<'static>]| {
        for part in [&[certificates.len()][..], &certificates.iter().map(|der| der.len()).collect::<Vec<_>>()].concat() {
            contents.update(&part.to_be_bytes());
        }
        for der in certificates {
            contents.update(der);
        }
    };

    let mut roots = RootCertStore::empty();
    match &wanted.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let fault = |reason| about(file, "upstream.tls.ca", reason);
            match read_certificates(file) {
                Err(reason) => faults.push(*fault(reason)),
                Ok(certificates) => {
                    note(&certificates);
                    for certificate in certificates {
                        if let Err(error) = roots.add(certificate) {
                            faults.push(*fault(format!("a certificate in it cannot be used: {error}")));
                        }
                    }
                }
            }
        }
    }
    let pair = match wanted.pair().map(|files| Pair::read(&files, "upstream.tls", &provider, now, Shown::ToTheUpstream)) {
        None => None,
        Some(Ok(pair)) => Some(pair),
        Some(Err(fault)) => {
            faults.push(*fault);
            None
        }
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has suites for both versions of TLS").with_root_certificates(roots);
    let (config, not_after, flaws) = match pair {
        None => (builder.with_no_client_auth(), None, Vec::new()),
        Some(pair) => {
            note(&pair.certified.cert);
            let shown = Arc::new(SingleCertAndKey::from(pair.certified));
            (builder.with_client_cert_resolver(shown), Some(pair.not_after), pair.flaws)
        }
    };
    let contents = contents.finish().as_ref().try_into().unwrap_or_default();
    let client = TlsClient { config: Arc::new(config), wanted: wanted.clone(), contents, not_after };
    Ok(Some(ClientRead { client, flaws }))
}

/// All that is wrong with the files that these settings name for the upstream, and all that it may have against them.
pub(super) fn examine(settings: &Settings, now: Timestamp) -> Vec<Diagnostic> {
    match read(settings, now) {
        Ok(read) => read.into_iter().flat_map(|read| read.flaws).map(|flaw| flaw.diagnostic).collect(),
        Err(faults) => faults,
    }
}

/// How TLS is spoken to the upstream that these settings name, for whoever asks it besides the data plane; `None`: it is spoken to in the clear.
///
/// # Errors
/// What is wrong with the files.
pub(crate) fn for_upstream(settings: &Settings, now: Timestamp) -> Result<Option<TlsUpstream>, Vec<Diagnostic>> {
    Ok(read(settings, now)?.and_then(|ClientRead { client, .. }| TlsUpstream::new(&settings.upstream, Arc::new(client))))
}

/// One upstream, as it is known by TLS.
#[derive(Debug)]
pub(crate) struct TlsUpstream {
    client: Arc<TlsClient>,
    name: ServerName<'static>,
}

impl TlsUpstream {
    /// `None`: its host is no name that a certificate could be for.
    pub(crate) fn new(settings: &UpstreamSettings, client: Arc<TlsClient>) -> Option<Self> {
        let host = client.wanted.name.as_deref().unwrap_or(settings.host());
        let name = match host.parse::<IpAddr>() {
            Ok(ip) => ServerName::IpAddress(ip.into()),
            Err(_) => ServerName::try_from(host.to_owned()).ok()?,
        };
        Some(Self { client, name })
    }

    /// Whether it is spoken to like this.
    pub(crate) fn is_by(&self, client: &Arc<TlsClient>) -> bool {
        Arc::ptr_eq(&self.client, client)
    }

    /// Shakes hands, and agrees on what is spoken. How long that may take is for the caller to say.
    pub(crate) async fn shake_hands(&self, socket: TcpStream, speaks: UpstreamProtocol) -> Result<UpstreamStream, HandshakeFault> {
        let offered: &[&[u8]] = match speaks {
            UpstreamProtocol::Http1 => &[b"http/1.1"],
            UpstreamProtocol::Http2 => &[b"h2"],
            UpstreamProtocol::Either => &[b"h2", b"http/1.1"],
        };
        let connector = TlsConnector::from(Arc::clone(&self.client.config));
        let connecting = connector.with_alpn(offered.iter().map(|protocol| protocol.to_vec()).collect());
        let fault = |error: io::Error| HandshakeFault::of(&error, &self.name, self.client.wanted.ca.is_some());
        let stream = UpstreamStream::Tls(Box::new(connecting.connect(self.name.clone(), RecordSocket::new(socket)).await.map_err(fault)?));
        if speaks == UpstreamProtocol::Http2 && !stream.agreed_on_http2() {
            return Err(HandshakeFault::no_http2());
        }
        Ok(stream)
    }
}
