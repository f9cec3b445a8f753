//! A key in every place that one may stand in, over both versions of HTTP, of gRPC's clients and for upgrades: it is taken off wherever
//! it stands, stands in no log, and what the API is told of its owner is ours, in whatever spelling a client says it, too.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;

use crate::support::server::{Server, Setup};

/// Names that clients try, all of which are one to some API.
const SPOOFED: [&str; 5] = ["x-auth-subject", "X-Auth-Subject", "x_auth_subject", "x.auth.subject", "x_auth.roles"];

/// A way of presenting a key.
struct Presented {
    about: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
}

fn ways(key: &str) -> Vec<Presented> {
    let way = |about, target: &str, headers: &[(&'static str, &str)]| Presented {
        about,
        target: target.replace("KEY", key),
        headers: headers.iter().map(|(name, value)| (*name, value.replace("KEY", key))).collect(),
    };
    let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text.replace("KEY", key)));
    vec![
        way("bearer", "/a?b=c", &[("authorization", "Bearer KEY")]),
        way("bearer in another case", "/a?b=c", &[("authorization", "bEARER KEY")]),
        way("the password", "/a?b=c", &[("authorization", &basic("ci:KEY"))]),
        way("the user", "/a?b=c", &[("authorization", &basic("KEY:"))]),
        way("a header", "/a?b=c", &[("x-api-key", "KEY")]),
        way("the query", "/a?api_key=KEY&b=c", &[]),
        way("the query, escaped", "/a?b=c&api%5Fkey=KEY", &[("referer", "https://x/?api_key=KEY")]),
        way("a cookie", "/a?b=c", &[("cookie", "a=1; session-key=KEY; d=2")]),
    ]
}

struct World {
    server: Server,
    key: String,
}

impl World {
    fn new(upstream: Option<SocketAddr>) -> Self {
        let mut setup = Setup::new()
            .environment("CLAVIGER_PROXY__CREDENTIALS", "bearer, header:x-api-key, basic, query:api_key, cookie:session-key")
            .environment("CLAVIGER_TOKEN__HEADERS", "{ x-auth-subject = \"sub\", x-auth-roles = \"roles\" }");
        if let Some(upstream) = upstream {
            setup = setup.environment("CLAVIGER_UPSTREAM__URL", &format!("http://{upstream}"));
        }
        let server = setup.start();
        let key = server.key("ci", &["--bind", "space-reader@root"]).text;
        Self { server, key }
    }

    /// The part of the key that nobody must ever see; whoever has the text has the key.
    fn secret(&self) -> &str {
        self.key.rsplit('_').next().unwrap()
    }

    /// Neither as it is nor as `Basic` has it.
    fn is_free_of_the_key(&self, text: &str) -> bool {
        let encoded = ["ci:", ""].map(|user| BASE64_STANDARD.encode(format!("{user}{}", self.key)));
        !text.contains(self.secret()) && !encoded.iter().any(|encoded| text.contains(&encoded[..encoded.len() - 4]))
    }

    fn expect_told(&self, about: &str, told: &Value) {
        assert!(self.is_free_of_the_key(&told.to_string()), "{about}: {told}");
        let target = told["request"].as_str().unwrap().split(' ').nth(1).unwrap().to_owned();
        assert_eq!(target, "/a?b=c", "{about}");
        let headers: Vec<(String, String)> = serde_json::from_value(told["headers"].clone()).unwrap();
        let folded = |name: &str| name.replace(['_', '.'], "-");
        let subject = told["claims"]["sub"].as_str().unwrap();
        for (name, value) in [("x-auth-subject", subject), ("x-auth-roles", "root:space-reader")] {
            let lines: Vec<_> = headers.iter().filter(|(found, _)| folded(found) == name).collect();
            assert_eq!(lines, [&(name.to_owned(), value.to_owned())], "{about}");
        }
        assert!(!told.to_string().contains("api::root"), "{about}: {told}");
        for (name, value) in &headers {
            match name.as_str() {
                "cookie" => assert_eq!(value, "a=1; d=2", "{about}"),
                "referer" => assert_eq!(value, "https://x/?", "{about}"),
                "authorization" => assert!(value.starts_with("Bearer ey"), "{about}"),
                "x-api-key" => panic!("{about}: {value}"),
                _ => {}
            }
        }
    }

    fn expect_log_of(&self, lines: usize) {
        self.server.until("the log to tell of each", |server| server.log().matches("\"claviger::access\"").count() >= lines);
        assert!(self.is_free_of_the_key(&self.server.log()), "{}", self.server.log());
        assert!(!self.server.log().contains("api_key="), "{}", self.server.log());
    }
}

/// Asks over one version of HTTP.
async fn ask(address: SocketAddr, version: Version, request: Request<Empty<Bytes>>) -> Response<Bytes> {
    let socket = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let response = if version == Version::HTTP_2 {
        let (mut sender, driver) = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
        tokio::spawn(driver);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, driver) = hyper::client::conn::http1::handshake(socket).await.unwrap();
        tokio::spawn(driver);
        sender.send_request(request).await.unwrap()
    };
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn request(version: Version, target: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let is_http2 = version == Version::HTTP_2;
    let uri = if is_http2 { format!("http://api.example{target}") } else { target.to_owned() };
    let mut request = Request::post(uri);
    if !is_http2 {
        request = request.header("host", "api.example");
    }
    for (name, value) in headers {
        // Over HTTP/2, each crumb has a line.
        let crumbs: Vec<&str> = if is_http2 && *name == "cookie" { value.split("; ").collect() } else { vec![value] };
        request = crumbs.into_iter().fold(request, |request, crumb| request.header(*name, crumb));
    }
    request.body(Empty::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_taken_off_wherever_it_stands_over_both_versions_and_from_grpcs_clients() {
    let world = tokio::task::spawn_blocking(|| World::new(None)).await.unwrap();
    let mut asked = 0;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for media_type in ["application/json", "application/grpc"] {
            for way in ways(&world.key) {
                let about = format!("{version:?}, {media_type}, {}", way.about);
                let mut headers = vec![("content-type", media_type)];
                headers.extend(way.headers.iter().map(|(name, value)| (*name, value.as_str())));
                headers.extend(SPOOFED.map(|name| (name, "api::root")));
                let answer = ask(world.server.proxy(), version, request(version, &way.target, &headers)).await;
                assert_eq!(answer.status(), 200, "{about}: {:?}", answer.body());
                world.expect_told(&about, &serde_json::from_slice(answer.body()).unwrap());
                asked += 1;
            }
        }
    }
    let received = String::from_utf8_lossy(&world.server.echo().received()).into_owned();
    assert!(world.is_free_of_the_key(&received), "{received}");
    world.expect_log_of(asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keys_in_two_places_are_refused_in_the_words_of_whoever_asks() {
    let world = tokio::task::spawn_blocking(|| World::new(None)).await.unwrap();
    let ways = ways(&world.key);
    let mut asked = 0;
    for one in &ways {
        let other =
            if one.about == "a header" { ("authorization", format!("Bearer {}", world.key)) } else { ("x-api-key", world.key.clone()) };
        for (media_type, is_grpc) in [("application/json", false), ("application/grpc+proto", true)] {
            let mut headers = vec![("content-type", media_type), (other.0, other.1.as_str())];
            headers.extend(one.headers.iter().map(|(name, value)| (*name, value.as_str())));
            let answer = ask(world.server.proxy(), Version::HTTP_2, request(Version::HTTP_2, &one.target, &headers)).await;
            if is_grpc {
                assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"3".parse().unwrap()), "{}", one.about);
                assert!(answer.body().is_empty());
            } else {
                let problem: Value = serde_json::from_slice(answer.body()).unwrap();
                assert_eq!((answer.status().as_u16(), problem["code"].as_str()), (400, Some("bad_request")), "{}", one.about);
            }
            assert!(world.is_free_of_the_key(&format!("{answer:?}")));
            asked += 1;
        }
    }
    assert!(world.server.echo().received().is_empty());
    world.expect_log_of(asked);
}

/// Switches to WebSocket, whoever asks, and keeps what it was asked.
fn switching() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, received) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
    let kept = Arc::clone(&received);
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && matches!(socket.read(&mut byte), Ok(1)) {
                    head.extend(byte);
                }
                kept.lock().unwrap().extend_from_slice(&head);
                let switch =
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\nhello";
                let _ = socket.write_all(switch.as_bytes());
                // Until the other end closes.
                let _ = socket.read(&mut byte);
            });
        }
    });
    (address, received)
}

#[test]
fn a_key_is_taken_off_a_request_for_a_websocket_wherever_it_stands() {
    let (upstream, received) = switching();
    let world = World::new(Some(upstream));
    let ways = ways(&world.key);
    for way in &ways {
        let mut socket = TcpStream::connect(world.server.proxy()).unwrap();
        socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let lines = way.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let spoofed = SPOOFED.map(|name| format!("{name}: api::root\r\n"));
        let lines: String = lines.chain(spoofed).collect();
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: api\r\n{lines}Connection: Upgrade, x-api-key, authorization, x-auth-subject\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
            way.target
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            let mut byte = [0];
            assert_eq!(socket.read(&mut byte).unwrap(), 1, "{}: {}", way.about, String::from_utf8_lossy(&answer));
            answer.extend(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", way.about);

        let asked = String::from_utf8(std::mem::take(&mut *received.lock().unwrap())).unwrap();
        assert!(world.is_free_of_the_key(&asked), "{}: {asked}", way.about);
        assert!(asked.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{}: {asked}", way.about);
        let asked = asked.to_ascii_lowercase();
        assert_eq!(asked.matches("\r\nauthorization: bearer ey").count(), 1, "{}: {asked}", way.about);
        let folded = asked.replace(['_', '.'], "-");
        assert_eq!(folded.matches("\r\nx-auth-subject: ").count(), 1, "{}: {asked}", way.about);
        assert!(!asked.contains("api::root") && asked.contains("\r\nx-auth-subject: api::"), "{}: {asked}", way.about);
    }
    world.expect_log_of(ways.len());
}
