//! TLS on the listeners and to the upstream, by rustls.
//!
//! A listener has one [`ListenerTls`] for its whole life. What it says by it can be changed at any time: connections that are there keep
//! what they began with, and those that come get what is in force then. Nothing of it is decided half: a pair of files is read, held
//! against each other and built before it takes the place of another.

mod certificate;
mod client_certificate;
mod der;
mod flaw;
mod mistaken;
mod pair;
mod pauses;
mod probe;
mod records;
mod refusal;
mod resolver;
mod server;
mod socket;
mod stream;
mod upstream;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{Acceptor, ProducesTickets};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use self::flaw::settled;
use self::mistaken::Told;
use self::pauses::PausingSocket;
use self::server::{Read, Wanted};
use self::waiting::{is_ended, its_turn};
use crate::clock::Clock;
use crate::config::{ClientCertificates, Settings, UpstreamTlsSettings};
use crate::diagnostics::Diagnostic;
use crate::model::ClientCertificate;
use crate::telemetry::{Listener, Metrics};

pub use self::client_certificate::client_certificate_of_pem;
pub(super) use self::client_certificate::read as read_client_certificate;
pub(crate) use self::mistaken::HANDSHAKE;
pub(crate) use self::probe::Unverified;
pub(crate) use self::refusal::{HandshakeFault, said_by_tls};
pub use self::server::TlsServer;
pub(crate) use self::socket::PlainSocket;
pub(crate) use self::stream::{ClientStream, UpstreamStream};
pub use self::upstream::{ClientsRead, TlsClient, UpstreamTls};
pub(crate) use self::upstream::{TlsUpstream, client_for};

/// What a client's certificate says; `None`: it has shown none.
pub(crate) type ShownCertificate = Option<Arc<ClientCertificate>>;

/// How a listener speaks TLS now, if it does.
#[derive(Clone)]
pub struct ListenerTls(Arc<Shared>);

struct Shared {
    listener: Listener,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<TlsServer>,
    /// What clients come back by. The keys behind it change by themselves; a reload leaves them alone, so that it costs nobody a handshake.
    tickets: Arc<dyn ProducesTickets>,
    told: Told,
}

impl ListenerTls {
    /// Speaks none until it is told how.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn plain(listener: Listener, metrics: &Arc<Metrics>, clock: &Arc<dyn Clock>) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            listener,
            metrics: Arc::clone(metrics),
            clock: Arc::clone(clock),
            current: ArcSwapOption::empty(),
            tickets: Ticketer::new().map_err(io::Error::other)?,
            told: Told::default(),
        })))
    }

    /// Reads what these settings name. `Ok(None)`: nothing, it is to speak no TLS. Warnings come with what can be used all the same.
    ///
    /// # Errors
    /// All that is wrong with the files.
    pub fn read(&self, settings: &Settings) -> Result<(Option<TlsServer>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let now = self.0.clock.now().wall;
        let Some(Read { server, not_after, flaws }) = Wanted::of(self.0.listener, settings).read(&self.0.tickets, now)? else {
            return Ok((None, Vec::new()));
        };
        let serves = self.0.current.load().as_ref().is_some_and(|current| now < current.not_after);
        let warnings = settled(flaws, serves)?;
        Ok((Some(TlsServer { config: Arc::new(server), not_after }), warnings))
    }

    /// Has whoever connects from now on spoken to like this.
    pub fn put(&self, server: Option<TlsServer>) {
        let not_after = server.as_ref().map_or(Timestamp::UNIX_EPOCH, |server| server.not_after);
        self.0.metrics.certificate_ends(self.0.listener.into(), not_after);
        self.0.current.store(server.map(Arc::new));
    }

    /// Whether it speaks any now.
    pub(crate) fn is_on(&self) -> bool {
        self.0.current.load().is_some()
    }

    /// Waits for the first byte and takes the connection as it should be spoken on; `None`: it has ended. `begins` is called when a
    /// handshake begins, which takes memory; until then a client that says nothing costs nothing but its connection. `turn` is waited for
    /// before the client's first message is answered, which takes time; if it is not given, the connection ends. How long all that may take
    /// is for the caller to say. With it comes what the client's certificate says, if it has shown one.
    pub(crate) async fn accept(
        &self,
        socket: TcpStream,
        begins: impl FnOnce(),
        turn: impl Future<Output = bool>,
    ) -> Option<(ClientStream, ShownCertificate)> {
        let mut first = [0];
        if socket.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        match (self.0.current.load().as_ref().map(|server| Arc::clone(&server.config)), first == [HANDSHAKE]) {
            (None, false) => Some((ClientStream::Plain(socket), None)),
            (None, true) => {
                self.refuse_encrypted(socket).await;
                None
            }
            (Some(config), true) => {
                begins();
                self.shake_hands(config, socket, turn).await
            }
            (Some(_), false) => {
                self.0.told.plain(self.0.listener, socket.peer_addr().ok(), self.0.clock.now().monotonic);
                mistaken::answer_plain(socket).await;
                None
            }
        }
    }

    /// For a client that speaks TLS where nobody does.
    pub(crate) async fn refuse_encrypted(&self, socket: TcpStream) {
        self.0.told.encrypted(self.0.listener, socket.peer_addr().ok(), self.0.clock.now().monotonic);
        mistaken::answer_encrypted(socket).await;
    }

    async fn shake_hands(
        &self,
        config: Arc<ServerConfig>,
        socket: TcpStream,
        turn: impl Future<Output = bool>,
    ) -> Option<(ClientStream, ShownCertificate)> {
        let peer: Option<SocketAddr> = socket.peer_addr().ok();
        let mut handshake = Handshake { of: &self.0, ok: false };
        let shaken = async {
            if is_ended(&socket).await {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let greeted = LazyConfigAcceptor::new(Acceptor::default(), PausingSocket::new(socket)).await?;
            its_turn(greeted.io.socket(), turn).await?;
            let stream = greeted.into_stream(config).await?;
            Ok::<_, io::Error>((shown(&stream)?, stream))
        };
        match shaken.await {
            Ok((shown, stream)) => {
                handshake.ok = true;
                Some((ClientStream::Tls(Box::new(stream)), shown))
            }
            Err(error) => {
                self.0.told.failed(self.0.listener, peer, &error, self.0.clock.now().monotonic);
                None
            }
        }
    }
}

/// What the client's certificate says, if it has shown one.
fn shown(stream: &TlsStream<PausingSocket>) -> io::Result<ShownCertificate> {
    let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()) else { return Ok(None) };
    // Who has vouched for it has read it, too.
    let read = client_certificate::read(certificate).ok_or_else(|| io::Error::other("the client's certificate cannot be understood"))?;
    Ok(Some(Arc::new(read)))
}

/// A handshake that runs; it has failed unless it says otherwise, also if nobody waits for it any more.
struct Handshake<'a> {
    of: &'a Shared,
    ok: bool,
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        if !self.ok {
            self.of.metrics.tls_handshake_failed();
        }
    }
}

const LISTENERS: [Listener; 3] = [Listener::Proxy, Listener::Ops, Listener::Admin];

/// Everything that is wrong with the files that these settings name, and all that clients may have against them.
pub fn examine(settings: &Settings, now: Timestamp) -> Vec<Diagnostic> {
    let Ok(tickets) = Ticketer::new() else { return Vec::new() };
    let examined = LISTENERS.map(|listener| match Wanted::of(listener, settings).read(&tickets, now) {
        Ok(read) => read.into_iter().flat_map(|read| read.flaws).map(|flaw| flaw.diagnostic).collect(),
        Err(faults) => faults,
    });
    examined.into_iter().flatten().chain(upstream::examine(settings, now)).collect()
}

/// The files that these settings name.
pub fn files(settings: &Settings) -> Vec<PathBuf> {
    let pairs = LISTENERS.into_iter().flat_map(|listener| Wanted::of(listener, settings).pairs);
    let asks = settings.proxy.client_certificates != ClientCertificates::Off && !settings.proxy.tls.is_empty();
    let ca = settings.proxy.client_ca.iter().filter(|_| asks).cloned();
    let upstreams =
        settings.all_upstreams().filter_map(|(_, upstream)| upstream.encryption()).flat_map(UpstreamTlsSettings::files).cloned();
    pairs.flat_map(|pair| [pair.cert.clone(), pair.key.clone()]).chain(ca).chain(upstreams).collect()
}

/// Whether both name the same files, for the same purposes.
pub fn names_the_same(one: &Settings, other: &Settings) -> bool {
    let of = |settings: &Settings| {
        let proxy = (settings.proxy.tls.clone(), settings.proxy.client_ca.clone(), settings.proxy.client_certificates);
        let upstreams: Vec<_> = settings.all_upstreams().filter_map(|(_, upstream)| upstream.encryption().cloned()).collect();
        (proxy, settings.ops.tls.clone(), settings.admin.tls.clone(), upstreams)
    };
    of(one) == of(other)
}
