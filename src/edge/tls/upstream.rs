//! TLS to upstreams: who is trusted, and what is shown; made of files as a whole, or not at all.
//!
//! There is no way from here to a connection that is not encrypted, nor to one whose other end nobody vouches for.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
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
use crate::config::{Settings, UpstreamProtocol, UpstreamTlsSettings};
use crate::diagnostics::Diagnostic;
use crate::telemetry::{CertificateOf, Metrics};

/// How TLS is spoken to upstreams now, if it is.
#[derive(Clone)]
pub struct UpstreamTls(Arc<InForce>);

struct InForce {
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// One for each way of speaking it that upstreams want.
    current: ArcSwap<Vec<Arc<TlsClient>>>,
    /// Another number: there are others.
    version: AtomicUsize,
}

/// How TLS is spoken to upstreams that want it alike: by all threads alike, so that what one has learned of it spares the others a long handshake.
#[derive(Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    /// What it was made by, where the first that wants it so says it, and what the files said.
    wanted: UpstreamTlsSettings,
    section: String,
    contents: [u8; 32],
    /// When the first certificate ends of those that are shown; `None`: none is.
    not_after: Option<Timestamp>,
}

/// One for each way of speaking TLS that is wanted, and what upstreams may have against them.
pub type ClientsRead = (Vec<Arc<TlsClient>>, Vec<Diagnostic>);

/// What can be used, and what the upstream may have against it.
struct ClientRead {
    client: TlsClient,
    flaws: Vec<Flaw>,
}

impl UpstreamTls {
    /// Speaks none until it is told how.
    pub fn plain(metrics: &Arc<Metrics>, clock: &Arc<dyn Clock>) -> Self {
        let (metrics, clock) = (Arc::clone(metrics), Arc::clone(clock));
        Self(Arc::new(InForce { metrics, clock, current: ArcSwap::default(), version: AtomicUsize::new(0) }))
    }

    /// Reads what these settings name; none: all upstreams are spoken to in the clear. Warnings come with what can be used all the same.
    ///
    /// # Errors
    /// All that is wrong with the files.
    pub fn read(&self, settings: &Settings) -> Result<ClientsRead, Vec<Diagnostic>> {
        let now = self.0.clock.now().wall;
        let (mut clients, mut warnings, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for ClientRead { client, flaws } in read(settings, now)? {
            let serves = self.made_by(&client.wanted).is_some_and(|current| current.not_after.is_some_and(|end| now < end));
            match settled(flaws, serves) {
                Ok(found) => warnings.extend(found),
                Err(found) => faults.extend(found),
            }
            clients.push(Arc::new(client));
        }
        if faults.is_empty() { Ok((clients, warnings)) } else { Err(faults) }
    }

    /// Has connections that are made from now on made like this. One that says the same as one that is in force takes nobody's place.
    pub fn put(&self, clients: Vec<Arc<TlsClient>>) {
        let not_after = clients.iter().filter_map(|client| client.not_after).min().unwrap_or(Timestamp::UNIX_EPOCH);
        self.replace(clients);
        self.0.metrics.certificate_ends(CertificateOf::Upstream, not_after);
    }

    /// The same, and leaves what others want in force: for settings that are about to take the place of those that want it.
    pub fn put_beside(&self, clients: &[Arc<TlsClient>]) {
        let current = self.0.current.load_full();
        let wanted = |other: &Arc<TlsClient>| clients.iter().any(|client| client.wanted == other.wanted);
        self.replace(clients.iter().chain(current.iter().filter(|other| !wanted(other))).cloned().collect());
    }

    fn replace(&self, clients: Vec<Arc<TlsClient>>) {
        let current = self.0.current.load_full();
        let known = |client: Arc<TlsClient>| current.iter().find(|known| known.says_the_same(&client)).cloned().unwrap_or(client);
        let clients: Vec<Arc<TlsClient>> = clients.into_iter().map(known).collect();
        if clients.len() == current.len() && clients.iter().zip(&*current).all(|(one, other)| Arc::ptr_eq(one, other)) {
            return;
        }
        self.0.current.store(Arc::new(clients));
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// Another number than before: something else is in force.
    pub(crate) fn version(&self) -> usize {
        self.0.version.load(Ordering::Acquire)
    }

    /// The one in force that was made by these settings, if there is one.
    pub(crate) fn made_by(&self, wanted: &UpstreamTlsSettings) -> Option<Arc<TlsClient>> {
        self.0.current.load().iter().find(|client| client.wanted == *wanted).cloned()
    }
}

impl TlsClient {
    fn says_the_same(&self, other: &Self) -> bool {
        self.wanted == other.wanted && self.contents == other.contents
    }
}

/// For each way of speaking TLS that these settings want.
fn read(settings: &Settings, now: Timestamp) -> Result<Vec<ClientRead>, Vec<Diagnostic>> {
    let (mut clients, mut faults): (Vec<ClientRead>, Vec<Diagnostic>) = (Vec::new(), Vec::new());
    for (section, upstream) in settings.all_upstreams() {
        let Some(wanted) = upstream.encryption().filter(|wanted| clients.iter().all(|known| known.client.wanted != **wanted)) else {
            continue;
        };
        match read_one(wanted, &section, now) {
            Ok(client) => clients.push(client),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(clients) } else { Err(faults) }
}

/// `section`: where they are said.
fn read_one(wanted: &UpstreamTlsSettings, section: &str, now: Timestamp) -> Result<ClientRead, Vec<Diagnostic>> {
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
            let fault = |reason| about(file, &format!("{section}.tls.ca"), reason);
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
    let pair = match wanted.pair().map(|files| Pair::read(&files, &format!("{section}.tls"), &provider, now, Shown::ToTheUpstream)) {
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
    let client = TlsClient { config: Arc::new(config), wanted: wanted.clone(), section: section.to_owned(), contents, not_after };
    Ok(ClientRead { client, flaws })
}

/// All that is wrong with the files that these settings name for upstreams, and all that it may have against them.
pub(super) fn examine(settings: &Settings, now: Timestamp) -> Vec<Diagnostic> {
    match read(settings, now) {
        Ok(read) => read.into_iter().flat_map(|read| read.flaws).map(|flaw| flaw.diagnostic).collect(),
        Err(faults) => faults,
    }
}

/// How TLS is spoken to upstreams that want it like this, for whoever asks one besides the data plane. `section`: where the settings say so.
///
/// # Errors
/// What is wrong with the files.
pub(crate) fn client_for(wanted: &UpstreamTlsSettings, section: &str, now: Timestamp) -> Result<Arc<TlsClient>, Vec<Diagnostic>> {
    read_one(wanted, section, now).map(|ClientRead { client, .. }| Arc::new(client))
}

/// One upstream, as it is known by TLS.
#[derive(Debug)]
pub(crate) struct TlsUpstream {
    client: Arc<TlsClient>,
    name: ServerName<'static>,
}

impl TlsUpstream {
    /// `host`: whose certificate it must show, unless the settings name another. `None`: that is no name that a certificate could be for.
    pub(crate) fn new(host: &str, client: Arc<TlsClient>) -> Option<Self> {
        let host = client.wanted.name.as_deref().unwrap_or(host);
        let name = match host.parse::<IpAddr>() {
            Ok(ip) => ServerName::IpAddress(ip.into()),
            Err(_) => ServerName::try_from(host.to_owned()).ok()?,
        };
        Some(Self { client, name })
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
        let fault = |error: io::Error| HandshakeFault::of(&error, &self.name, self.client.wanted.ca.is_some(), &self.client.section);
        let stream = UpstreamStream::Tls(Box::new(connecting.connect(self.name.clone(), RecordSocket::new(socket)).await.map_err(fault)?));
        if speaks == UpstreamProtocol::Http2 && !stream.agreed_on_http2() {
            return Err(HandshakeFault::no_http2(&self.client.section));
        }
        Ok(stream)
    }
}
