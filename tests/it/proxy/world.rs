//! A proxy with a real exchange on a store of its own, one key, and a client that speaks in bytes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger::clock::{Clock, SystemClock};
use claviger::config::{AccessLog, Settings, StoreUrl, TlsPair};
use claviger::edge::tls::{ListenerTls, UpstreamTls};
use claviger::exchange::Exchange;
use claviger::model::{AdmitWithoutRoles, Cause, KeyDigest, KeyId, Mutation, NewKey, PlainKey, Strategy};
use claviger::proxy::{Proxy, Running};
use claviger::store::Store;
use claviger::telemetry::{Listener, Metrics};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::upstream::{Received, Reply, Upstream, find};
use crate::support::certificates::{Authority, Wish};
use crate::support::tls;
use crate::support::waiting;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How clients come to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Cleartext,
    Tls,
}

impl Via {
    pub(crate) const BOTH: [Self; 2] = [Self::Cleartext, Self::Tls];

    /// What the API is told of it.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Cleartext => "http",
            Self::Tls => "https",
        }
    }
}

/// A connection, whatever it goes over.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) upstream: Upstream,
    pub(crate) key: String,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) running: Running,
    pub(crate) id: KeyId,
    /// How clients speak TLS, where they do.
    tls: Option<tls::Client>,
    store: Arc<dyn Store>,
    exchange: Arc<Exchange>,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(script, |_| {}).await
    }

    pub(crate) async fn with(script: impl Fn(&Received) -> Reply + Send + Sync + 'static, change: impl FnOnce(&mut Settings)) -> Self {
        Self::before(Upstream::start(script).await, change).await
    }

    pub(crate) async fn before(upstream: Upstream, change: impl FnOnce(&mut Settings)) -> Self {
        Self::reached(Via::Cleartext, upstream, change).await
    }

    /// One that clients come to in this way.
    pub(crate) async fn via(via: Via, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::via_with(via, script, |_| {}).await
    }

    pub(crate) async fn via_with(
        via: Via,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::reached(via, Upstream::start(script).await, change).await
    }

    async fn reached(via: Via, upstream: Upstream, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.proxy.threads = 1;
        settings.upstream.url = format!("http://{}", upstream.address).parse().unwrap();
        settings.token.keys = dir.path().join("keys");
        settings.store.url = StoreUrl::Sqlite(dir.path().join("store.db"));
        settings.login.admit_without_roles = AdmitWithoutRoles::Yes;
        settings.log.access = AccessLog::All;
        let client = match via {
            Via::Cleartext => None,
            Via::Tls => Some(encrypted(&mut settings, dir.path())),
        };
        change(&mut settings);

        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let store = claviger::store::open(&settings.store.url, Strategy::Combined, Arc::clone(&clock)).await.unwrap();
        let id = KeyId::new(1, 2);
        let key = PlainKey::generate(id, &[7; 32]);
        let new = NewKey {
            id,
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            expires_at: None,
            digest: KeyDigest::of(&key),
            bindings: Vec::new(),
        };
        store.apply(Mutation::CreateKey(new), &Cause::SYSTEM, None).await.unwrap();
        let metrics = Arc::new(Metrics::new());
        let exchange = Exchange::start(&settings, store.clone(), Arc::clone(&clock), Arc::clone(&metrics)).await.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = ListenerTls::plain(Listener::Proxy, &metrics, &clock).unwrap();
        tls.put(tls.read(&settings).unwrap().0);
        let upstream_tls = UpstreamTls::plain(&metrics, &clock);
        upstream_tls.put(upstream_tls.read(&settings).unwrap().0);
        let running = Proxy::start(&settings, &exchange, &clock, &metrics, listener, (&tls, &upstream_tls)).unwrap();
        let key = key.reveal().to_owned();
        Self { address: running.local_addr(), upstream, key, metrics, running, id, tls: client, store, exchange, _dir: dir }
    }

    pub(crate) async fn client(&self) -> Client {
        Client { socket: self.connect("http/1.1").await, buffer: Vec::new(), key: self.key.clone() }
    }

    /// Connects; where that takes a handshake, this protocol is agreed on in it.
    pub(crate) async fn connect(&self, protocol: &'static str) -> Box<dyn Duplex> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        match &self.tls {
            None => Box::new(socket),
            Some(client) => Box::new(client.clone().offering(&[protocol]).over(socket).await.unwrap()),
        }
    }

    /// Makes a change in this process, and returns when it is in force.
    pub(crate) async fn change(&self, mutation: Mutation) {
        let change = self.store.apply(mutation, &Cause::SYSTEM, None).await.unwrap();
        self.exchange.applied(&change).await.unwrap();
    }

    /// Sends bytes on a connection of their own and reads one answer; `KEY` stands for the key.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut client = self.client().await;
        client.send(request).await;
        client.answer().await
    }

    /// Sends bytes that must be refused: the status and the code, the connection closed, and nothing at the upstream.
    pub(crate) async fn refused(&self, request: &str) -> (u16, String) {
        let before = self.upstream.requests().len();
        let mut client = self.client().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert!(client.is_closed().await, "still open after {request:?}");
        assert_eq!(self.upstream.requests().len(), before, "the upstream saw {request:?}");
        (answer.status, answer.code())
    }

    pub(crate) fn last(&self) -> Received {
        self.upstream.requests().pop().expect("the upstream was asked")
    }

    /// Asks again and again until it holds.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        assert!(waiting::comes_to_be_async(|| holds(self)).await, "what is waited for never comes to be");
    }

    /// The value of a series.
    pub(crate) fn series(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(series, _)| series == name));
        line.unwrap_or_else(|| panic!("no series {name}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}

/// Has the proxy speak TLS; and how clients do, then.
fn encrypted(settings: &mut Settings, dir: &Path) -> tls::Client {
    let authority = Authority::new("the authority");
    let [cert, key] = authority.issue(Wish::default()).write(&dir.join("tls"));
    settings.proxy.tls = vec![TlsPair { cert, key }];
    tls::Client::trusting(&authority)
}

pub(crate) struct Client {
    socket: Box<dyn Duplex>,
    buffer: Vec<u8>,
    key: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// As framed.
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        // A peer that has closed already is for `answer` to find out.
        self.sends_whole(text).await;
    }

    /// No byte more from here.
    pub(crate) async fn finish(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    /// Reads one answer, unless the connection ends first.
    pub(crate) async fn comes(&mut self) -> Option<Answer> {
        self.until(|bytes| find(bytes, b"\r\n\r\n")).await?;
        Some(self.answer().await)
    }

    /// Reads one answer; by the method it is known whether it has a body.
    pub(crate) async fn answer_to(&mut self, method: &str) -> Answer {
        let end = self.until(|bytes| find(bytes, b"\r\n\r\n")).await.unwrap_or_else(|| panic!("closed amid {:?}", self.text()));
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut answer = Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: String::new() };
        let bodyless = method == "HEAD" || answer.status < 200 || [204, 304].contains(&answer.status);
        let end = if bodyless {
            0
        } else if answer.header("transfer-encoding") == ["chunked"] {
            self.until(|bytes| find(bytes, b"0\r\n").and_then(|last| find(&bytes[last..], b"\r\n\r\n").map(|end| last + end + 4)))
                .await
                .unwrap_or_else(|| panic!("closed amid {:?}", self.text()))
        } else if let [length] = answer.header("content-length")[..] {
            let length: usize = length.parse().unwrap();
            self.until(|bytes| (bytes.len() >= length).then_some(length)).await.unwrap_or_else(|| panic!("closed amid {:?}", self.text()))
        } else {
            let end = self.until(|_| None).await;
            assert!(end.is_none());
            self.buffer.len()
        };
        answer.body = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        answer
    }

    /// Whether the other end closes without saying more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.until(|bytes| (!bytes.is_empty()).then_some(0)).await.is_none()
    }

    /// What has come so far and was not taken as an answer.
    pub(crate) async fn text_of(&mut self, length: usize) -> String {
        self.until(|bytes| (bytes.len() >= length).then_some(length)).await.unwrap_or_else(|| panic!("closed amid {:?}", self.text()));
        String::from_utf8(self.buffer.drain(..length).collect()).unwrap()
    }

    /// Whether the other end closes within `span` without saying more.
    pub(crate) async fn is_closed_within(&mut self, span: Duration) -> bool {
        tokio::time::timeout(span, self.until(|bytes| (!bytes.is_empty()).then_some(0))).await.is_ok_and(|said| said.is_none())
    }

    /// Whether a head has come within `span`; it stays to be read.
    pub(crate) async fn has_answer_within(&mut self, span: Duration) -> bool {
        tokio::time::timeout(span, self.until(|bytes| find(bytes, b"\r\n\r\n"))).await.is_ok()
    }

    /// Whether the other end takes all of it.
    pub(crate) async fn sends_whole(&mut self, text: &str) -> bool {
        let bytes = text.replace("KEY", &self.key);
        self.socket.write_all(bytes.as_bytes()).await.is_ok() && self.socket.flush().await.is_ok()
    }

    /// Sends all of it, and reads until so many bytes have come behind the head that is read first.
    pub(crate) async fn sends_and_reads(&mut self, text: &str, length: usize) -> String {
        let (mut reading, mut writing) = tokio::io::split(&mut self.socket);
        let buffer = &mut self.buffer;
        let read = async {
            while find(buffer, b"\r\n\r\n").is_none_or(|end| buffer.len() < end + 4 + length) {
                assert!(reading.read_buf(buffer).await.unwrap() > 0, "closed amid the answer");
            }
        };
        let both = async { tokio::join!(writing.write_all(text.as_bytes()), read) };
        tokio::time::timeout(PATIENCE, both).await.expect("nothing comes").0.unwrap();
        String::from_utf8_lossy(&buffer[buffer.len() - length..]).into_owned()
    }

    /// Sends until nothing more is taken for a moment.
    pub(crate) async fn sends_what_is_taken(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Ok(Ok(written @ 1..)) = tokio::time::timeout(Duration::from_millis(300), self.socket.write(rest)).await {
            rest = &rest[written..];
        }
        assert!(!rest.is_empty(), "everything was taken");
    }

    /// A whole answer, or whatever came of it before the other end closed.
    pub(crate) async fn rest_or_answer(&mut self) -> String {
        self.until(end_of_sized_answer).await;
        self.text()
    }

    /// Everything until the other end closes.
    pub(crate) async fn rest(&mut self) -> String {
        assert!(self.until(|_| None).await.is_none());
        self.text()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    async fn until(&mut self, done: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(end) = done(&self.buffer) {
                return Some(end);
            }
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.buffer)).await.expect("nothing comes");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

/// Where an answer with a Content-Length ends.
fn end_of_sized_answer(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().unwrap();
    (bytes.len() >= head + length).then_some(head + length)
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
    }

    /// The code of a problem document; `-` if it is none.
    pub(crate) fn code(&self) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        problem.and_then(|problem| Some(problem["code"].as_str()?.to_owned())).unwrap_or_else(|| "-".to_owned())
    }
}
