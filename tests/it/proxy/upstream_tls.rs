//! TLS to the upstream: who is taken for it, what is said to it, and what becomes of an answer that is cut off.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use claviger::config::{Settings, UpstreamProtocol, UpstreamUrls};
use http::{Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, HandshakeKind, NamedGroup, ServerConfig, ServerConnection};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::proxy::balance;
use crate::proxy::upstream::{OK, Received, Reply, Upstream, accepted};
use crate::proxy::world::{Answer, World};
use crate::support::certificates::{Authority, Issued, Wish};
use crate::support::tls;

const GET: &str = "GET /a%20b?c HTTP/1.1\r\nHost: api.example\r\nX-API-Key: KEY\r\n\r\n";
const TLS_FAILED: &str = "claviger_upstream_errors_total{kind=\"tls\"}";

/// Who vouches for upstreams, and the files that say so.
pub(crate) struct Trust {
    authority: Authority,
    dir: tempfile::TempDir,
}

impl Trust {
    pub(crate) fn new() -> Self {
        Self { authority: Authority::new("the authority"), dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn issue(&self, wish: Wish<'_>) -> Issued {
        self.authority.issue(wish)
    }

    fn ca(&self) -> PathBuf {
        self.authority.write(&self.dir.path().join("ca.crt"))
    }

    /// A configuration that speaks TLS to this port, to nobody but who this authority vouches for.
    pub(crate) fn before(&self, port: u16, change: impl FnOnce(&mut Settings)) -> impl FnOnce(&mut Settings) {
        let ca = self.ca();
        move |settings: &mut Settings| {
            settings.upstream.url = https("localhost", port);
            settings.upstream.protocol = UpstreamProtocol::Either;
            settings.upstream.tls.ca = Some(ca);
            settings.upstream.connect_timeout = std::time::Duration::from_secs(20);
            change(settings);
        }
    }

    /// A world before an upstream that speaks TLS like this.
    async fn world(&self, tls: Arc<ServerConfig>, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> World {
        self.world_with(tls, script, |_| {}).await
    }

    async fn world_with(
        &self,
        tls: Arc<ServerConfig>,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        change: impl FnOnce(&mut Settings),
    ) -> World {
        let upstream = Upstream::speaking(Some(tls), script).await;
        let port = upstream.address.port();
        World::before(upstream, self.before(port, change)).await
    }
}

fn https(host: &str, port: u16) -> UpstreamUrls {
    format!("https://{host}:{port}").parse().unwrap()
}

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

fn status_and_code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

#[tokio::test]
async fn requests_go_over_tls_of_both_versions_on_a_connection_that_is_kept() {
    for (version, group) in [(&TLS13, NamedGroup::X25519MLKEM768), (&TLS12, NamedGroup::X25519)] {
        let trust = Trust::new();
        let world = trust.world(tls::server(&trust.issue(Wish::default()), &[version], &["http/1.1"], None), ok).await;
        let mut client = world.client().await;
        for _ in 0..3 {
            client.send(GET).await;
            let answer = client.answer().await;
            assert_eq!((answer.status, &*answer.body), (200, "ok"));
        }
        let received = world.last();
        assert_eq!(received.head.lines().next().unwrap(), "GET /a%20b?c HTTP/1.1");
        assert_eq!(received.header("host"), ["api.example"]);
        assert!(!world.upstream.bytes().contains(&world.key));
        let [shaken] = &world.upstream.shaken()[..] else { panic!("{:?}", world.upstream.shaken()) };
        assert_eq!((shaken.name.as_deref(), shaken.agreed.as_deref()), (Some("localhost"), Some("http/1.1")));
        assert_eq!((shaken.version, shaken.group), (Some(version.version), Some(group)));
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_prove_who_it_is_is_told_nothing() {
    let trust = Trust::new();
    let stranger = Authority::new("the authority");
    for issued in [
        trust.issue(Wish { names: &["other.example"], ..Wish::default() }),
        trust.issue(Wish { names: &[], ..Wish::default() }),
        trust.issue(Wish { from: -2, to: -1, ..Wish::default() }),
        trust.issue(Wish { from: 1, to: 2, ..Wish::default() }),
        stranger.issue(Wish::default()),
    ] {
        let world = trust.world(tls::server(&issued, ALL_VERSIONS, &[], None), ok).await;
        assert_eq!(status_and_code(&world.ask(GET).await), (502, "upstream_failed".to_owned()));
        assert_eq!(world.series(TLS_FAILED), 1);
        assert!(world.upstream.connections() == 1 && world.upstream.requests().is_empty());
    }
}

#[tokio::test]
async fn without_an_authority_of_its_own_those_of_browsers_count_and_no_other() {
    let trust = Trust::new();
    let server = tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &[], None);
    let world = trust.world_with(server, ok, |settings| settings.upstream.tls.ca = None).await;
    assert_eq!(world.ask(GET).await.status, 502);
    assert_eq!(world.series(TLS_FAILED), 1);
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_is_not_spoken_to_in_the_clear() {
    let trust = Trust::new();
    let upstream = Upstream::start(ok).await;
    let port = upstream.address.port();
    let world = World::before(upstream, trust.before(port, |_| {})).await;
    // It waits for the end of a head, which a ClientHello is not.
    let waits = trust.before(port, |settings| settings.upstream.connect_timeout = std::time::Duration::from_millis(300));
    let impatient = World::before(world.upstream.clone(), waits).await;
    assert_eq!(status_and_code(&impatient.ask(GET).await), (504, "upstream_timeout".to_owned()));
    assert!(!world.upstream.bytes().contains("HTTP/1.1"));

    // One that answers whatever comes, as most do.
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut said = [0; 1024];
        let length = socket.read(&mut said).unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        said[..length].to_vec()
    });
    let world = World::before(Upstream::start(ok).await, trust.before(port, |_| {})).await;
    assert_eq!(status_and_code(&world.ask(GET).await), (502, "upstream_failed".to_owned()));
    assert_eq!(world.series(TLS_FAILED), 1);
    assert_eq!(said.join().unwrap()[0], 0x16, "a handshake and nothing else");
}

#[tokio::test]
async fn an_address_is_verified_as_such_and_a_name_may_be_said_apart() {
    let trust = Trust::new();
    let server = || tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &[], None);
    let by_address = |settings: &mut Settings| settings.upstream.url = https("127.0.0.1", settings.upstream.url.first().port().unwrap());
    let world = trust.world_with(server(), ok, by_address).await;
    assert_eq!(world.ask(GET).await.status, 200);
    assert_eq!(world.upstream.shaken()[0].name, None, "an address is no name to ask for (RFC 6066, section 3)");

    let named = tls::server(&trust.issue(Wish { names: &["api.example"], ..Wish::default() }), ALL_VERSIONS, &[], None);
    let world = trust.world_with(Arc::clone(&named), ok, by_address).await;
    assert_eq!(world.ask(GET).await.status, 502, "the certificate is for a name alone");
    let said = |settings: &mut Settings| settings.upstream.tls.name = Some("api.example".to_owned());
    let world = trust.world_with(named, ok, said).await;
    assert_eq!(world.ask(GET).await.status, 200);
    assert_eq!(world.upstream.shaken()[0].name.as_deref(), Some("api.example"));
}

#[tokio::test]
async fn an_upstream_that_asks_for_a_certificate_is_shown_one_and_refuses_whoever_has_none() {
    let (trust, clients) = (Trust::new(), Authority::new("who vouches for clients"));
    let shown = clients.issue(Wish { subject: "claviger", names: &[], ..Wish::default() });
    let [cert, key] = shown.write(trust.dir.path());
    for version in [&TLS12, &TLS13] {
        let server = || tls::server(&trust.issue(Wish::default()), &[version], &["http/1.1"], Some(&clients));
        let nobody = trust.world(server(), ok).await;
        assert_eq!(status_and_code(&nobody.ask(GET).await), (502, "upstream_failed".to_owned()));
        assert_eq!(nobody.series(TLS_FAILED), 1, "{version:?}");
        assert!(nobody.upstream.requests().is_empty());

        let (cert, key) = (cert.clone(), key.clone());
        let world = trust
            .world_with(server(), ok, |settings| {
                (settings.upstream.tls.cert, settings.upstream.tls.key) = (Some(cert), Some(key));
            })
            .await;
        assert_eq!(world.ask(GET).await.status, 200);
        assert_eq!(world.upstream.shaken()[0].shown.as_ref(), Some(&shown.der));
        assert!(world.series("claviger_tls_certificate_not_after_timestamp_seconds{listener=\"upstream\"}") > 0);
    }
}

#[tokio::test]
async fn who_comes_back_is_spared_the_long_handshake() {
    for version in [&TLS12, &TLS13] {
        let trust = Trust::new();
        let last = |_: &Received| Reply::Whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_vec());
        let world = trust.world(tls::server(&trust.issue(Wish::default()), &[version], &[], None), last).await;
        for _ in 0..3 {
            assert_eq!(world.ask(GET).await.status, 200);
        }
        let kinds: Vec<_> = world.upstream.shaken().into_iter().map(|shaken| shaken.kind.unwrap()).collect();
        assert_eq!(kinds[1..], [HandshakeKind::Resumed; 2], "{version:?}");
        assert_ne!(kinds[0], HandshakeKind::Resumed);
    }
}

#[tokio::test]
async fn large_bodies_pass_both_ways_and_back_at_once() {
    let trust = Trust::new();
    let server = tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &[], None);
    let body = "0123456789abcdef".repeat(1 << 18);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let (echo, say) = (head.clone(), [head.as_bytes(), body.as_bytes()].concat());
    let world = trust
        .world(server, move |received| match received.target() {
            "/echo" => Reply::Echo(echo.clone().into()),
            _ => Reply::With(say.clone()),
        })
        .await;
    let post =
        |target: &str| format!("POST {target} HTTP/1.1\r\nHost: api\r\nX-API-Key: {}\r\nContent-Length: {}\r\n\r\n", world.key, body.len());
    let mut client = world.client().await;
    for _ in 0..2 {
        client.send(&(post("/") + &body)).await;
        assert!(client.answer().await.body == body);
        assert!(world.last().body == body);
    }
    assert_eq!(world.upstream.connections(), 1);
    // Its answer begins before the request has ended: somebody else goes on sending.
    let mut client = world.client().await;
    assert!(client.sends_and_reads(&(post("/echo") + &body), body.len()).await == body);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_not_taken_for_a_whole_one() {
    let trust = Trust::new();
    let server = || tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &[], None);
    let until_close = "HTTP/1.1 200 OK\r\n\r\nhalf of it";
    let whole = trust.world(server(), move |_| Reply::Whole(until_close.into())).await;
    let answer = whole.ask(GET).await;
    assert_eq!(answer.body.replace("\r\n", "|"), "A|half of it|0||");

    for cut in [
        until_close,
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf of it",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n",
    ] {
        let world = trust.world(server(), move |_| Reply::Last(cut.into())).await;
        let mut client = world.client().await;
        client.send(GET).await;
        let said = client.rest().await;
        assert!(said.contains("half of it") && !said.ends_with("0\r\n\r\n"), "{said}");
    }
}

#[tokio::test]
async fn a_websocket_passes_over_tls_and_each_end_may_be_done_before_the_other() {
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst";
    let trust = Trust::new();
    let server = tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &["h2", "http/1.1"], None);
    let world = trust.world(server, |_| Reply::Echo(SWITCH.into())).await;
    let mut client = world.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.text_of(5).await, "first");
    let long = "a".repeat(1 << 17);
    client.send("hello").await;
    assert_eq!(client.text_of(5).await, "hello");
    client.send(&long).await;
    client.finish().await;
    assert!(client.rest().await == long, "all of it comes, and then the end");
    assert_eq!(world.upstream.shaken()[0].agreed.as_deref(), Some("http/1.1"), "whatever else it could speak");
    world.upstream.until_closed(1).await;
}

/// What the upstream says behind its answer, before anybody asks for more: whole or in part, it is nobody's answer.
#[tokio::test]
async fn what_is_said_on_a_resting_connection_reaches_nobody_even_if_half_of_it_comes_later() {
    const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let trust = Trust::new();
    // How much of what is too much comes with the answer: nothing of it is to be seen above TLS but in the last case.
    for part in [Some(1), Some(4), Some(5), Some(20), None] {
        let server = tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &[], None);
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for (number, socket) in listener.incoming().enumerate() {
                let (mut socket, server) = (socket.unwrap(), Arc::clone(&server));
                std::thread::spawn(move || {
                    let mut session = ServerConnection::new(server).unwrap();
                    while session.is_handshaking() {
                        if session.complete_io(&mut socket).is_err() {
                            return;
                        }
                    }
                    let asked = |session: &mut ServerConnection, socket: &mut std::net::TcpStream| {
                        let mut head = Vec::new();
                        loop {
                            // It may have come with the end of the handshake.
                            let _ = session.reader().read_to_end(&mut head);
                            if head.ends_with(b"\r\n\r\n") {
                                return true;
                            }
                            if session.read_tls(socket).unwrap_or(0) == 0 || session.process_new_packets().is_err() {
                                return false;
                            }
                        }
                    };
                    while asked(&mut session, &mut socket) {
                        let mut bytes = Vec::new();
                        session.writer().write_all(OK.as_bytes()).unwrap();
                        while session.wants_write() {
                            session.write_tls(&mut bytes).unwrap();
                        }
                        let mut rest = Vec::new();
                        if number == 0 {
                            session.writer().write_all(EVIL).unwrap();
                            while session.wants_write() {
                                session.write_tls(&mut rest).unwrap();
                            }
                            bytes.extend(rest.drain(..part.unwrap_or(rest.len())));
                        }
                        if socket.write_all(&bytes).is_err() {
                            return;
                        }
                        if !rest.is_empty() {
                            // With the next request, if there is one.
                            let mut first = [0];
                            if socket.peek(&mut first).unwrap_or(0) == 0 || socket.write_all(&rest).is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        let world = World::before(Upstream::start(ok).await, trust.before(port, |_| {})).await;
        let mut client = world.client().await;
        for _ in 0..3 {
            client.send(GET).await;
            let answer = client.answer().await;
            assert_eq!((answer.status, &*answer.body), (200, "ok"), "{part:?}");
        }
    }
}

type Asked = Arc<Mutex<Vec<(Version, Uri)>>>;

/// An upstream that speaks whatever is agreed on.
async fn agreeing(server: Arc<ServerConfig>) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Asked::default());
    let (seen, acceptor) = (Arc::clone(&asked), TlsAcceptor::from(server));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (seen, acceptor) = (Arc::clone(&seen), acceptor.clone());
            tokio::spawn(async move {
                let Some(stream) = accepted(&acceptor, socket).await else { return };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    seen.lock().unwrap().push((request.version(), request.uri().clone()));
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        Ok::<_, Infallible>(Response::new(Full::<Bytes>::new(body)))
                    }
                });
                let io = TokioIo::new(stream);
                let _ = if http2 {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
                };
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn the_upstream_chooses_what_is_spoken_unless_the_configuration_does() {
    use UpstreamProtocol::{Either, Http1, Http2};
    let trust = Trust::new();
    let (all, http1, http2, none): (&[&str], &[&str], &[&str], &[&str]) = (&["h2", "http/1.1"], &["http/1.1"], &["h2"], &[]);
    for (offers, speaks, spoken) in [
        (all, Either, Some(Version::HTTP_2)),
        (http1, Either, Some(Version::HTTP_11)),
        (http2, Either, Some(Version::HTTP_2)),
        (none, Either, Some(Version::HTTP_11)),
        (all, Http1, Some(Version::HTTP_11)),
        (none, Http1, Some(Version::HTTP_11)),
        (all, Http2, Some(Version::HTTP_2)),
        (http1, Http2, None),
        (none, Http2, None),
    ] {
        let (address, asked) = agreeing(tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, offers, None)).await;
        let change = trust.before(address.port(), |settings| settings.upstream.protocol = speaks);
        let world = World::before(Upstream::start(ok).await, change).await;
        for _ in 0..3 {
            let mut client = world.client().await;
            client.send("POST /a?b HTTP/1.1\r\nHost: api.example\r\nX-API-Key: KEY\r\nContent-Length: 4\r\n\r\nbody").await;
            let answer = client.answer().await;
            match spoken {
                Some(version) => {
                    assert_eq!((answer.status, &*answer.body), (200, "body"), "{offers:?} {speaks:?}");
                    let (found, uri) = asked.lock().unwrap().pop().unwrap();
                    assert_eq!(found, version, "{offers:?} {speaks:?}");
                    let said = if version == Version::HTTP_2 { "https://api.example/a?b" } else { "/a?b" };
                    assert_eq!(uri.to_string(), said);
                }
                None => assert_eq!(status_and_code(&answer), (502, "upstream_failed".to_owned()), "{offers:?} {speaks:?}"),
            }
        }
        assert_eq!(world.series(TLS_FAILED), if spoken.is_some() { 0 } else { 3 });
    }
}

#[tokio::test]
async fn an_upstream_over_http2_that_refuses_what_it_is_shown_is_counted_as_such() {
    let (trust, clients) = (Trust::new(), Authority::new("who vouches for clients"));
    let (address, asked) = agreeing(tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &["h2"], Some(&clients))).await;
    let world = World::before(Upstream::start(ok).await, trust.before(address.port(), |_| {})).await;
    assert_eq!(status_and_code(&world.ask(GET).await), (502, "upstream_failed".to_owned()));
    assert_eq!(world.series(TLS_FAILED), 1);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_websocket_is_asked_for_over_http1_of_an_upstream_that_speaks_http2_otherwise() {
    let trust = Trust::new();
    let (address, asked) = agreeing(tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &["h2", "http/1.1"], None)).await;
    let world = World::before(Upstream::start(ok).await, trust.before(address.port(), |_| {})).await;
    assert_eq!(world.ask(GET).await.status, 200);
    let upgrade =
        "GET /ws HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
    // This upstream answers as if it had not been asked to switch.
    assert_eq!(world.ask(upgrade).await.status, 200);
    let versions: Vec<Version> = asked.lock().unwrap().iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, [Version::HTTP_2, Version::HTTP_11]);
}

#[tokio::test]
async fn each_of_several_endpoints_proves_who_it_is_by_its_own_name_or_is_told_nothing() {
    let trust = Trust::new();
    let speaking = async |names: &[&str]| {
        let tls = tls::server(&trust.issue(Wish { names, ..Wish::default() }), ALL_VERSIONS, &["http/1.1"], None);
        Upstream::speaking(Some(tls), ok).await
    };
    let (named, by_address, false_name) =
        (speaking(&["localhost"]).await, speaking(&["127.0.0.1"]).await, speaking(&["other.example"]).await);
    let (others, impostor) = ([&by_address, &false_name].map(|upstream| upstream.address.port()), false_name.clone());
    let port = named.address.port();
    let all = [format!("https://localhost:{port}"), format!("https://127.0.0.1:{}", others[0]), format!("https://localhost:{}", others[1])];
    let world = World::before(named, trust.before(port, |settings| settings.upstream.url = balance::urls(&all))).await;

    for _ in 0..6 {
        assert_eq!(world.ask(GET).await.status, 200);
    }

    assert_eq!(world.upstream.shaken()[0].name.as_deref(), Some("localhost"));
    assert_eq!(by_address.shaken()[0].name, None, "an address is not asked for as a name");
    assert!(!world.upstream.requests().is_empty() && !by_address.requests().is_empty());
    assert_eq!((impostor.requests().len(), impostor.length()), (0, 0));
    assert!(world.series("claviger_upstream_retries_total") > 0);
}

#[tokio::test]
async fn upstreams_of_routes_are_spoken_to_by_what_is_said_of_each() {
    let (ours, theirs) = (Trust::new(), Trust::new());
    let speaking = async |trust: &Trust| {
        let tls = tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &["h2", "http/1.1"], None);
        Upstream::speaking(Some(tls), ok).await
    };
    let (plain, first, second) = (Upstream::start(ok).await, speaking(&ours).await, speaking(&theirs).await);
    let section = |name: &str, upstream: &Upstream, trust: &Trust| {
        let (port, ca) = (upstream.address.port(), trust.ca());
        format!(
            "[upstreams.{name}]\nurl = \"https://localhost:{port}\"\nhttp2 = false\nconnect_timeout = \"20s\"\ntls.ca = {ca:?}\n\
             [[routes]]\npath = \"/{name}\"\nupstream = \"{name}\"\n"
        )
    };
    let toml = format!(
        "{}{}{}[[routes]]\npath = \"/public\"\nupstream = \"https://localhost:{}\"\n[[routes]]\npath = \"/\"\n",
        section("first", &first, &ours),
        section("second", &second, &theirs),
        section("wrong", &second, &ours),
        first.address.port(),
    );
    let configured = Settings::from_toml(&toml).unwrap_or_else(|faults| panic!("{faults}")).settings;
    let world = World::before(plain, |settings| {
        (settings.upstreams, settings.routes) = (configured.upstreams, configured.routes);
    })
    .await;

    let mut statuses = Vec::new();
    for target in ["/first", "/second", "/wrong", "/public", "/"] {
        statuses.push(world.ask(&GET.replace("/a%20b?c", target)).await.status);
    }

    // Neither who another upstream trusts, nor nobody in particular, vouches for it.
    assert_eq!(statuses, [200, 200, 502, 502, 200]);
    assert_eq!([first.requests().len(), second.requests().len(), world.upstream.requests().len()], [1, 1, 1]);
    assert_eq!(world.series(TLS_FAILED), 2);
}
