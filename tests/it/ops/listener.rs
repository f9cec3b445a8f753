//! The ops listener, asked as a kubelet, a scraper and a verifier ask it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use claviger::clock::{Clock, SystemClock};
use claviger::edge::tls::ListenerTls;
use claviger::ops::{Lifecycle, OpsState, Parts, serve};
use claviger::telemetry::{Listener, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Ops {
    address: SocketAddr,
    lifecycle: Arc<Lifecycle>,
    parts: Arc<Mutex<Parts>>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(line, _)| line.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

impl Ops {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lifecycle = Arc::new(Lifecycle::starting());
        let parts: Arc<Mutex<Parts>> = Arc::new(Mutex::new(vec![("store", Ok(())), ("policies", Ok(()))]));
        let asked = Arc::clone(&parts);
        let state = OpsState {
            lifecycle: Arc::clone(&lifecycle),
            metrics: Arc::new(Metrics::new()),
            issuer: Arc::new(|| "https://auth.example.com".to_owned()),
            parts: Arc::new(move || asked.lock().unwrap().clone()),
            jwks: Arc::new(|| r#"{"keys":[{"kty":"EC","alg":"ES256","kid":"k"}]}"#.into()),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let tls = ListenerTls::plain(Listener::Ops, &state.metrics, &clock).unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve((listener, tls), state, async { _ = stopped.await }));
        Self { address, lifecycle, parts, stop, server }
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: ops\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer { head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }
}

#[tokio::test]
async fn it_is_live_before_it_is_ready() {
    let ops = Ops::start().await;
    assert_eq!(ops.get("/livez").await.status(), "200");
    let starting = ops.get("/readyz").await;
    assert_eq!((starting.status(), starting.body.as_str()), ("503", "not ready\n"));

    ops.lifecycle.serve();
    let serving = ops.get("/readyz").await;
    assert_eq!((serving.status(), serving.body.as_str(), serving.header("cache-control")), ("200", "ready\n", "no-store"));

    ops.lifecycle.drain();
    assert_eq!(ops.get("/readyz").await.status(), "503");
    assert_eq!(ops.get("/livez").await.status(), "200");
}

#[tokio::test]
async fn asked_to_be_verbose_it_names_each_part_and_what_it_lacks() {
    let ops = Ops::start().await;
    ops.lifecycle.serve();
    ops.parts.lock().unwrap()[1].1 = Err("policies/a.rego:3: no such\nvariable".to_owned());
    for path in ["/readyz?verbose", "/readyz?a=b&verbose=1"] {
        let answer = ops.get(path).await;
        assert_eq!(answer.status(), "503");
        let expected = "[+] store: ok\n[-] policies: policies/a.rego:3: no such\\nvariable\n[+] listeners: ok\nnot ready\n";
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let ops = Ops::start().await;
    let answer = ops.get("/metrics").await;
    assert_eq!((answer.status(), answer.header("content-type")), ("200", "text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.contains("claviger_http_connections{listener=\"ops\"} 1\n"), "{}", answer.body);
}

#[tokio::test]
async fn a_verifier_finds_the_keys_by_the_issuer() {
    let ops = Ops::start().await;
    for document in ["openid-configuration", "oauth-authorization-server"] {
        let answer = ops.get(&format!("/.well-known/{document}")).await;
        assert_eq!((answer.status(), answer.header("content-type")), ("200", "application/json"));
        let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(document["issuer"], "https://auth.example.com");
        assert_eq!(document["jwks_uri"], "https://auth.example.com/.well-known/jwks.json");
    }
    let answer = ops.get("/.well-known/jwks.json").await;
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "public, max-age=60"));
    assert_eq!(answer.body, r#"{"keys":[{"kty":"EC","alg":"ES256","kid":"k"}]}"#);
}

#[tokio::test]
async fn nothing_else_is_here_and_nothing_can_be_changed() {
    let ops = Ops::start().await;
    for path in ["/", "/metrics/", "/livez/x", "/api/v1/keys", "/%2e%2e/etc/passwd", "//metrics"] {
        assert_eq!(ops.get(path).await.status(), "404", "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer = ops.ask(method, "/metrics").await;
        assert_eq!((answer.status(), answer.header("allow")), ("405", "GET,HEAD"), "{method}");
    }
    let head = ops.ask("HEAD", "/livez").await;
    assert_eq!((head.status(), head.body.as_str()), ("200", ""));
}

#[tokio::test]
async fn it_ends_when_it_is_told_and_does_not_wait_for_who_says_nothing() {
    let ops = Ops::start().await;
    let _silent = TcpStream::connect(ops.address).await.unwrap();
    assert_eq!(ops.get("/livez").await.status(), "200");
    ops.stop.send(()).unwrap();
    ops.server.await.unwrap();
    assert!(TcpStream::connect(ops.address).await.is_err());
}
