//! One keep-alive connection of HTTP/1.1, and no more than it takes to ask and to read an answer with a length.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server may take to take a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The revision that its `ETag` has.
    pub(crate) revision: Option<u64>,
    pub(crate) body: &'a [u8],
}

/// What clients see go wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    NotConnected,
    CutOff,
    TooLate,
    Nonsense,
}

impl Failure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotConnected => "not connected",
            Self::CutOff => "cut off",
            Self::TooLate => "no answer in time",
            Self::Nonsense => "no HTTP",
        }
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::with_capacity(4096) }
    }

    pub(crate) async fn ask(&mut self, request: &[u8], patience: Duration) -> Result<Answer<'_>, Failure> {
        if self.stream.is_none() {
            let connected = timeout(CONNECT_WITHIN.min(patience), TcpStream::connect(self.address)).await;
            let Ok(Ok(stream)) = connected else { return Err(Failure::NotConnected) };
            let _ = stream.set_nodelay(true);
            self.stream = Some(stream);
        }
        let told = timeout(patience, self.exchange(request)).await.unwrap_or(Err(Failure::TooLate));
        let Head { status, revision, length, at, last } = told.inspect_err(|_| self.stream = None)?;
        if last {
            self.stream = None;
        }
        Ok(Answer { status, revision, body: self.buffer.get(at..at + length).unwrap_or_default() })
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Head, Failure> {
        let stream = self.stream.as_mut().ok_or(Failure::NotConnected)?;
        self.buffer.clear();
        stream.write_all(request).await.map_err(|_| Failure::CutOff)?;
        let mut head: Option<Head> = None;
        loop {
            if head.is_none() {
                head = read_head(&self.buffer)?;
            }
            if let Some(head) = head.take_if(|head| self.buffer.len() >= head.at + head.length) {
                return Ok(head);
            }
            match stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(Failure::CutOff),
            }
        }
    }
}

struct Head {
    status: u16,
    revision: Option<u64>,
    length: usize,
    /// Where the body begins.
    at: usize,
    /// The server closes the connection behind it.
    last: bool,
}

/// `None`: it is not there yet.
fn read_head(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut lines);
    let httparse::Status::Complete(at) = answer.parse(bytes).map_err(|_| Failure::Nonsense)? else { return Ok(None) };
    let status = answer.code.ok_or(Failure::Nonsense)?;
    let (mut length, mut revision, mut last) = (None, None, false);
    for line in answer.headers.iter() {
        let value = std::str::from_utf8(line.value).unwrap_or_default();
        if line.name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok();
        } else if line.name.eq_ignore_ascii_case("etag") {
            revision = value.trim_matches('"').parse().ok();
        } else if line.name.eq_ignore_ascii_case("connection") {
            last = value.eq_ignore_ascii_case("close");
        }
    }
    let length = if status == 204 { 0 } else { length.ok_or(Failure::Nonsense)? };
    Ok(Some(Head { status, revision, length, at, last }))
}
