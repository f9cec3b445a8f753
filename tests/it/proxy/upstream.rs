//! An upstream that keeps every byte it gets and answers as it is told to, broken answers included.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::{HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// One request as it came, and on which connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) connection: usize,
    /// Up to and without the empty line.
    pub(crate) head: String,
    /// As framed: chunk sizes included.
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// The values of all lines with this name, exactly as spelled there.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
    }
}

/// What to do once a request's head is there.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Read the body, then say this.
    With(Vec<u8>),
    /// Read the body, then say this and close; over TLS without a word that it was all.
    Last(Vec<u8>),
    /// Read the body, then say this, and that it was all.
    Whole(Vec<u8>),
    /// Say this at once, whatever comes.
    Early(Vec<u8>),
    /// Say nothing, ever.
    Silence,
    /// Say this, then send back whatever comes.
    Echo(Vec<u8>),
    /// Read the body, then say this, a piece at a time.
    Pieces(Vec<Vec<u8>>),
    /// Say this while whatever comes is read.
    Meanwhile(Vec<u8>),
    /// Say this, and then more and more of anything, without reading a byte.
    Deaf(Vec<u8>),
    /// Read the body and say the first; the second when the test asks for it.
    Later(Vec<u8>, Vec<u8>),
}

impl Reply {
    pub(crate) fn with(answer: &str) -> Self {
        Self::With(answer.into())
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What came of one handshake.
#[derive(Clone, Debug)]
pub(crate) struct Shaken {
    /// The name that was asked for.
    pub(crate) name: Option<String>,
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) kind: Option<HandshakeKind>,
    pub(crate) agreed: Option<String>,
    /// The first of the certificates that the proxy has shown.
    pub(crate) shown: Option<Vec<u8>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    shaken: Vec<Shaken>,
    bytes: Vec<u8>,
    connections: usize,
    closed: usize,
}

/// A running upstream.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    moved: Arc<tokio::sync::Notify>,
    late: Arc<tokio::sync::Notify>,
    said_late: Arc<tokio::sync::Notify>,
}

impl Upstream {
    pub(crate) async fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::speaking(None, script).await
    }

    /// One that speaks TLS, if it is told how.
    pub(crate) async fn speaking(tls: Option<Arc<ServerConfig>>, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), tls, script)
    }

    fn at(address: SocketAddr) -> Self {
        Self { address, seen: Arc::default(), moved: Arc::default(), late: Arc::default(), said_late: Arc::default() }
    }

    /// One behind a socket of this machine; its address is nobody's.
    pub(crate) fn at_socket(path: &Path, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let (listener, upstream) = (UnixListener::bind(path).unwrap(), Self::at(([0, 0, 0, 0], 0).into()));
        let (script, serving) = (Arc::new(script), upstream.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, serving) = (Arc::clone(&script), serving.clone());
                tokio::spawn(async move {
                    let connection = serving.connects();
                    serving.serve(connection, socket, &*script).await;
                    serving.closes();
                });
            }
        });
        upstream
    }

    /// One that listens here.
    pub(crate) fn on(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let acceptor = tls.map(TlsAcceptor::from);
        let upstream = Self::at(listener.local_addr().unwrap());
        let (script, serving) = (Arc::new(script), upstream.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, serving, acceptor) = (Arc::clone(&script), serving.clone(), acceptor.clone());
                socket.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let connection = serving.connects();
                    match acceptor {
                        None => serving.serve(connection, socket, &*script).await,
                        Some(acceptor) => {
                            if let Some(stream) = accepted(&acceptor, socket).await {
                                serving.shake(stream.get_ref().1);
                                serving.serve(connection, stream, &*script).await;
                            }
                        }
                    }
                    serving.closes();
                });
            }
        });
        upstream
    }

    fn connects(&self) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.connections += 1;
        seen.connections
    }

    fn closes(&self) {
        self.seen.lock().unwrap().closed += 1;
        self.moved.notify_waiters();
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen.lock().unwrap().requests.clone()
    }

    fn shake(&self, session: &rustls::ServerConnection) {
        let shaken = Shaken {
            name: session.server_name().map(str::to_owned),
            version: session.protocol_version(),
            group: session.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name),
            kind: session.handshake_kind(),
            agreed: session.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
            shown: session.peer_certificates().map(|shown| shown[0].to_vec()),
        };
        self.seen.lock().unwrap().shaken.push(shaken);
    }

    /// What came of the handshakes that came to something.
    pub(crate) fn shaken(&self) -> Vec<Shaken> {
        self.seen.lock().unwrap().shaken.clone()
    }

    /// Every byte that ever came.
    pub(crate) fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().bytes).into_owned()
    }

    /// Every byte that has come since this was asked last.
    pub(crate) fn take_bytes(&self) -> String {
        let mut seen = self.seen.lock().unwrap();
        seen.requests.clear();
        String::from_utf8_lossy(&std::mem::take(&mut seen.bytes)).into_owned()
    }

    /// How many bytes ever came.
    pub(crate) fn length(&self) -> usize {
        self.seen.lock().unwrap().bytes.len()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub(crate) fn closed(&self) -> usize {
        self.seen.lock().unwrap().closed
    }

    /// Has the upstream say what it has for later.
    pub(crate) async fn say_late(&self) {
        self.late.notify_one();
        self.said_late.notified().await;
    }

    /// Waits until so many connections have been closed by the proxy.
    pub(crate) async fn until_closed(&self, count: usize) {
        loop {
            let moved = self.moved.notified();
            if self.seen.lock().unwrap().closed >= count {
                return;
            }
            tokio::time::timeout(crate::proxy::world::PATIENCE, moved).await.expect("the proxy keeps its connection to the upstream");
        }
    }

    async fn serve<S>(&self, connection: usize, mut socket: S, script: &(impl Fn(&Received) -> Reply + ?Sized))
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut buffer = Vec::new();
        loop {
            let Some(end) = self.until(&mut socket, &mut buffer, |bytes| find(bytes, b"\r\n\r\n")).await else { return };
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 4);
            let mut received = Received { connection, head, body: String::new() };
            let reply = script(&received);
            let answer = match &reply {
                Reply::Early(answer) => {
                    self.note(&received);
                    socket.write_all(answer).await.ok();
                    self.until(&mut socket, &mut buffer, |_| None).await;
                    return;
                }
                Reply::Silence => {
                    self.note(&received);
                    self.until(&mut socket, &mut buffer, |_| None).await;
                    return;
                }
                Reply::Echo(answer) => {
                    self.note(&received);
                    socket.write_all(answer).await.ok();
                    while !buffer.is_empty() || self.more(&mut socket, &mut buffer).await {
                        socket.write_all(&std::mem::take(&mut buffer)).await.ok();
                        socket.flush().await.ok();
                    }
                    socket.shutdown().await.ok();
                    return;
                }
                Reply::Deaf(answer) => {
                    self.note(&received);
                    socket.write_all(answer).await.ok();
                    while socket.write_all(&[b'a'; 4096]).await.is_ok() {}
                    return;
                }
                Reply::Meanwhile(answer) => {
                    self.note(&received);
                    let (mut reading, mut writing) = tokio::io::split(socket);
                    let read = async {
                        let mut bytes = vec![0; 64 * 1024];
                        while let Ok(read @ 1..) = reading.read(&mut bytes).await {
                            self.seen.lock().unwrap().bytes.extend_from_slice(&bytes[..read]);
                        }
                    };
                    tokio::join!(read, writing.write_all(answer)).1.ok();
                    return;
                }
                Reply::With(answer) | Reply::Last(answer) | Reply::Whole(answer) | Reply::Later(answer, _) => vec![answer.clone()],
                Reply::Pieces(pieces) => pieces.clone(),
            };
            let length = received.header("content-length").first().map(|length| length.parse::<usize>().unwrap());
            let body = if received.header("transfer-encoding") == ["chunked"] {
                self.until(&mut socket, &mut buffer, end_of_chunks).await
            } else {
                let length = length.unwrap_or(0);
                self.until(&mut socket, &mut buffer, |bytes| (bytes.len() >= length).then_some(length)).await
            };
            let Some(body) = body else {
                received.body = "(cut off)".to_owned();
                self.note(&received);
                return;
            };
            received.body = String::from_utf8_lossy(&buffer[..body]).into_owned();
            buffer.drain(..body);
            self.note(&received);
            for piece in answer {
                if socket.write_all(&piece).await.is_err() {
                    return;
                }
                if socket.flush().await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            match reply {
                Reply::Last(_) => return,
                Reply::Whole(_) => {
                    socket.shutdown().await.ok();
                    return;
                }
                Reply::Later(_, late) => {
                    self.late.notified().await;
                    socket.write_all(&late).await.unwrap();
                    self.said_late.notify_one();
                }
                _ => {}
            }
        }
    }

    fn note(&self, received: &Received) {
        self.seen.lock().unwrap().requests.push(received.clone());
    }

    async fn until<S: AsyncRead + Unpin>(
        &self,
        socket: &mut S,
        buffer: &mut Vec<u8>,
        done: impl Fn(&[u8]) -> Option<usize>,
    ) -> Option<usize> {
        loop {
            if let Some(end) = done(buffer) {
                return Some(end);
            }
            if !self.more(socket, buffer).await {
                return None;
            }
        }
    }

    async fn more<S: AsyncRead + Unpin>(&self, socket: &mut S, buffer: &mut Vec<u8>) -> bool {
        let before = buffer.len();
        let read = socket.read_buf(buffer).await.unwrap_or(0);
        self.seen.lock().unwrap().bytes.extend_from_slice(&buffer[before..]);
        read > 0
    }
}

/// Shakes hands; of one that is refused, what it says is read to its end, so that it hears why.
pub(crate) async fn accepted(acceptor: &TlsAcceptor, socket: TcpStream) -> Option<TlsStream<TcpStream>> {
    match acceptor.accept(socket).into_fallible().await {
        Ok(stream) => Some(stream),
        Err((_, mut socket)) => {
            socket.shutdown().await.ok();
            while let Ok(1..) = socket.read(&mut [0; 1024]).await {}
            None
        }
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Where a chunked body and its trailers end.
fn end_of_chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = at + find(&bytes[at..], b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..line]).unwrap().split(';').next().unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return Some(line + find(&bytes[line..], b"\r\n\r\n")? + 4);
        }
        at = line + 2 + size + 2;
        if at > bytes.len() {
            return None;
        }
    }
}
