//! A fresh connection, by whichever of a name's addresses answers first (RFC 8305).
//!
//! An address that swallows what is sent to it must not keep the others from being tried: each gets a head start before the next one, and
//! all of them together the one time-out. Where TLS is spoken it is spoken on that connection, or there is none.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use crate::config::{UpstreamProtocol, UpstreamUrl};
use crate::edge::tls::{HandshakeFault, PlainSocket, TlsUpstream, UpstreamStream};

/// Before the next address is tried as well; less where the time-out would not suffice for all.
const HEAD_START: Duration = Duration::from_millis(250);
/// Finds a host that has vanished amid an answer, or behind a WebSocket, within minutes. One that is alive may pause as long as it likes:
/// no time-out can tell an event that is far apart from one that will never come.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15));

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot resolve the name: {0}")]
    Resolve(#[source] io::Error),
    #[error("cannot connect: {error}")]
    Refused {
        /// The last one that was tried.
        address: SocketAddr,
        #[source]
        error: io::Error,
    },
    /// Of a socket of this machine.
    #[error("cannot connect: {0}")]
    Socket(#[source] io::Error),
    #[error("{fault}")]
    Tls {
        address: SocketAddr,
        #[source]
        fault: HandshakeFault,
    },
    #[error("connecting took too long")]
    TimedOut {
        /// The last one that was tried; `None`: the name was not resolved in time.
        address: Option<SocketAddr>,
    },
}

impl ConnectError {
    /// Where it was tried.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Resolve(_) | Self::Socket(_) => None,
            Self::Refused { address, .. } | Self::Tls { address, .. } => Some(*address),
            Self::TimedOut { address } => *address,
        }
    }
}

/// Connects to one host, or to a socket of this machine.
#[derive(Debug)]
pub(crate) struct Connector {
    place: Place,
    /// `None`: it is spoken to in the clear.
    tls: Option<TlsUpstream>,
    timeout: Duration,
    /// What answered last is tried first.
    answered: Cell<Option<SocketAddr>>,
}

/// Where it is.
#[derive(Debug)]
enum Place {
    /// Its name is resolved for every connection.
    Network {
        host: String,
        port: u16,
    },
    Socket(PathBuf),
}

impl Place {
    fn of(url: &UpstreamUrl) -> Self {
        match (url.path(), url.port()) {
            (Some(path), _) => Self::Socket(path.to_owned()),
            (None, port) => Self::Network { host: url.host().to_owned(), port: port.unwrap_or_default() },
        }
    }
}

type Attempt = Pin<Box<dyn Future<Output = (SocketAddr, io::Result<TcpStream>)>>>;

impl Connector {
    pub(crate) fn new(url: &UpstreamUrl, tls: Option<TlsUpstream>, timeout: Duration) -> Self {
        Self { place: Place::of(url), tls, timeout, answered: Cell::new(None) }
    }

    /// Connects to speak one of these; what TLS agrees on is known of the connection afterwards.
    pub(crate) async fn connect(&self, speaks: UpstreamProtocol) -> Result<UpstreamStream, ConnectError> {
        let tried = Cell::new(None);
        let connecting = async {
            let (host, port) = match &self.place {
                Place::Network { host, port } => (host.as_str(), *port),
                Place::Socket(path) => {
                    let socket = UnixStream::connect(path).await.map_err(ConnectError::Socket)?;
                    return Ok(UpstreamStream::Plain(PlainSocket::Unix(socket)));
                }
            };
            let addresses = tokio::net::lookup_host((host, port)).await.map_err(ConnectError::Resolve)?;
            let (address, socket) = self.first_of(addresses.collect(), &tried).await?;
            match &self.tls {
                None => Ok(UpstreamStream::Plain(PlainSocket::Tcp(socket))),
                Some(tls) => {
                    tried.set(Some(address));
                    tls.shake_hands(socket, speaks).await.map_err(|fault| ConnectError::Tls { address, fault })
                }
            }
        };
        let timed_out = |_| Err(ConnectError::TimedOut { address: tried.get() });
        tokio::time::timeout(self.timeout, connecting).await.unwrap_or_else(timed_out)
    }

    /// The first connection that comes about. `tried`: the last address that was begun with.
    async fn first_of(
        &self,
        addresses: Vec<SocketAddr>,
        tried: &Cell<Option<SocketAddr>>,
    ) -> Result<(SocketAddr, TcpStream), ConnectError> {
        let head_start = HEAD_START.min(self.timeout / u32::try_from(addresses.len().saturating_add(1)).unwrap_or(u32::MAX));
        let mut waiting = in_order(addresses, self.answered.get()).into_iter();
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut failure = ConnectError::Resolve(io::Error::other("the name has no address"));
        loop {
            if let Some(address) = waiting.next() {
                tried.set(Some(address));
                attempts.push(Box::pin(async move { (address, TcpStream::connect(address).await) }));
            } else if attempts.is_empty() {
                return Err(failure);
            }
            let ended = if waiting.len() == 0 {
                first_to_end(&mut attempts).await
            } else {
                match tokio::time::timeout(head_start, first_to_end(&mut attempts)).await {
                    Ok(ended) => ended,
                    Err(_) => continue,
                }
            };
            match ended {
                (address, Ok(socket)) => {
                    self.answered.set(Some(address));
                    socket
                        .set_nodelay(true)
                        .and_then(|()| SockRef::from(&socket).set_tcp_keepalive(&KEEPALIVE))
                        .map_err(|error| ConnectError::Refused { address, error })?;
                    return Ok((address, socket));
                }
                (address, Err(error)) => failure = ConnectError::Refused { address, error },
            }
        }
    }
}

async fn first_to_end(attempts: &mut Vec<Attempt>) -> (SocketAddr, io::Result<TcpStream>) {
    std::future::poll_fn(|cx| {
        let ended = attempts.iter_mut().enumerate().find_map(|(place, attempt)| match attempt.as_mut().poll(cx) {
            Poll::Ready(ended) => Some((place, ended)),
            Poll::Pending => None,
        });
        let Some((place, ended)) = ended else { return Poll::Pending };
        drop(attempts.swap_remove(place));
        Poll::Ready(ended)
    })
    .await
}

/// What has answered before, then the others as the resolver ranks them, the two families in turns.
fn in_order(addresses: Vec<SocketAddr>, answered: Option<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = (one.next(), other.next());
        if pair == (None, None) {
            break;
        }
        ordered.extend(pair.0.into_iter().chain(pair.1));
    }
    if let Some(place) = answered.and_then(|answered| ordered.iter().position(|address| *address == answered)) {
        let good = ordered.remove(place);
        ordered.insert(0, good);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::config::UpstreamUrls;

    fn to(url: &str) -> Connector {
        Connector::new(url.parse::<UpstreamUrls>().unwrap().first(), None, Duration::from_secs(5))
    }

    fn connector() -> Connector {
        to("http://unused")
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A listener whose queue is full: whoever connects now hears nothing.
    async fn deaf() -> (Socket, Vec<TcpStream>, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&address("127.0.0.1:0").into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        while queued.len() < 64
            && let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            queued.push(stream);
        }
        (socket, queued, address)
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_does_not_keep_the_others_from_being_tried() {
        let (_deaf, _queued, silent) = deaf().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let (connector, tried) = (connector(), Cell::new(None));

        let (_, socket) = connector.first_of(vec![silent, good], &tried).await.unwrap();

        assert_eq!((socket.peer_addr().unwrap(), tried.get()), (good, Some(good)));
        // What has answered is tried first from now on.
        connector.first_of(vec![silent, good], &tried).await.unwrap();
        assert_eq!(tried.get(), Some(good));
        assert!(SockRef::from(&socket).keepalive().unwrap(), "a host that vanishes is noticed");
    }

    #[tokio::test]
    async fn a_failure_tells_the_address_and_the_name_that_has_none() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = connector().first_of(vec![closed], &Cell::new(None)).await.unwrap_err();
        assert_eq!(error.address(), Some(closed), "{error}");
        assert!(matches!(connector().first_of(Vec::new(), &Cell::new(None)).await, Err(ConnectError::Resolve(_))));
        let place = Place::Network { host: "no\0host".to_owned(), port: 80 };
        let unknown = Connector { place, ..connector() }.connect(UpstreamProtocol::Http1).await;
        assert!(matches!(unknown, Err(ConnectError::Resolve(_))), "{unknown:?}");
        let nobody = to("unix:/nowhere/api.sock").connect(UpstreamProtocol::Http1).await;
        assert!(matches!(nobody, Err(ConnectError::Socket(_))), "{nobody:?}");
    }

    #[test]
    fn families_take_turns_and_what_answered_goes_first() {
        let [a, b, c, d] = ["[::1]:1", "[::2]:1", "127.0.0.1:1", "127.0.0.2:1"].map(address);
        assert_eq!(in_order(vec![a, b, c, d], None), [a, c, b, d]);
        assert_eq!(in_order(vec![a, b, c, d], Some(b)), [b, a, c, d]);
        assert_eq!(in_order(vec![a], Some(c)), [a]);
        assert_eq!(in_order(Vec::new(), None), []);
    }
}
