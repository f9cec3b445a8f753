//! An upstream that keeps every byte it gets and answers as it is told to, broken answers included.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
    /// Read the body, then say this and close.
    Last(Vec<u8>),
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

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Self { address, seen: Arc::default(), moved: Arc::default(), late: Arc::default(), said_late: Arc::default() };
        let (script, serving) = (Arc::new(script), upstream.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, serving) = (Arc::clone(&script), serving.clone());
                socket.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let connection = {
                        let mut seen = serving.seen.lock().unwrap();
                        seen.connections += 1;
                        seen.connections
                    };
                    serving.serve(connection, socket, &*script).await;
                    serving.seen.lock().unwrap().closed += 1;
                    serving.moved.notify_waiters();
                });
            }
        });
        upstream
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// Every byte that ever came.
    pub(crate) fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().bytes).into_owned()
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

    async fn serve(&self, connection: usize, mut socket: TcpStream, script: &(impl Fn(&Received) -> Reply + ?Sized)) {
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
                    }
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
                    let (mut reading, mut writing) = socket.split();
                    let read = async {
                        let mut bytes = vec![0; 64 * 1024];
                        while let Ok(read @ 1..) = reading.read(&mut bytes).await {
                            self.seen.lock().unwrap().bytes.extend_from_slice(&bytes[..read]);
                        }
                    };
                    tokio::join!(read, writing.write_all(answer)).1.ok();
                    return;
                }
                Reply::With(answer) | Reply::Last(answer) | Reply::Later(answer, _) => vec![answer.clone()],
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
                tokio::task::yield_now().await;
            }
            match reply {
                Reply::Last(_) => return,
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

    async fn until(&self, socket: &mut TcpStream, buffer: &mut Vec<u8>, done: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(end) = done(buffer) {
                return Some(end);
            }
            if !self.more(socket, buffer).await {
                return None;
            }
        }
    }

    async fn more(&self, socket: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
        let before = buffer.len();
        let read = socket.read_buf(buffer).await.unwrap_or(0);
        self.seen.lock().unwrap().bytes.extend_from_slice(&buffer[before..]);
        read > 0
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
