//! TLS on the listeners, as clients meet it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup};

use crate::support::certificates::{Authority, Wish};
use crate::support::server::{Server, Setup};
use crate::support::tls::{Client, ask};
use crate::support::{http, program, pyjwt};

/// A server that speaks TLS on these listeners, and whoever vouches for it.
pub(crate) fn server(listeners: &[&str]) -> (Server, Authority) {
    let authority = Authority::new("the authority");
    let mut setup = Setup::new();
    let [cert, key] = authority.issue(Wish::default()).write(&setup.dir().join("tls"));
    for listener in listeners {
        let pair = format!("CLAVIGER_{listener}__TLS");
        setup = setup.environment(&format!("{pair}__CERT"), cert.to_str().unwrap());
        setup = setup.environment(&format!("{pair}__KEY"), key.to_str().unwrap());
    }
    authority.write(&setup.dir().join("ca.crt"));
    (setup.start(), authority)
}

#[test]
fn the_proxy_speaks_both_versions_prefers_a_key_exchange_that_outlasts_quantum_computers_and_tells_the_api_of_tls() {
    let (server, authority) = server(&["PROXY"]);
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]).text;
    for (version, group) in [(&TLS13, NamedGroup::X25519MLKEM768), (&TLS12, NamedGroup::X25519)] {
        let client = Client::with(&authority, &[version], None).offering(&["http/1.1"]);
        let mut connection = client.connect(server.proxy()).unwrap();
        assert_eq!(connection.conn.protocol_version(), Some(version.version));
        assert_eq!(connection.conn.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name), Some(group));
        let answer = ask(&mut connection, "/", &format!("Authorization: Bearer {key}\r\n")).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("[\"x-forwarded-proto\",\"https\"]"), "{}", answer.text());
    }
    let stranger = Client::trusting(&Authority::new("the authority"));
    assert!(stranger.connect(server.proxy()).unwrap_err().to_string().contains("invalid peer certificate"));
    server.until("the failed one to be counted", |server| server.metric("claviger_tls_handshake_errors_total") == 1);
}

#[test]
fn curl_and_python_reach_the_proxy_over_http2_and_http1_and_the_admin_api() {
    let (server, _authority) = server(&["PROXY", "ADMIN"]);
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]).text;
    let ca = server.dir().join("ca.crt");
    for (port, path) in [(server.proxy().port(), "/"), (server.admin().port(), "/openapi.json")] {
        for (version, told) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
            let url = format!("https://localhost:{port}{path}");
            let done = Command::new("curl")
                .args(["-sS", version, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--cacert"])
                .arg(&ca)
                .args(["-H", &format!("Authorization: Bearer {key}"), &url])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&done.stdout), told, "{url}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
    let script = "import http.client, ssl, sys\n\
                  context = ssl.create_default_context(cafile=sys.argv[1])\n\
                  for port, path, version in ((sys.argv[2], '/', 'TLSv1_2'), (sys.argv[2], '/', 'TLSv1_3'), (sys.argv[3], '/openapi.json', 'TLSv1_3')):\n\
                  \x20   context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)\n\
                  \x20   client = http.client.HTTPSConnection('localhost', int(port), context=context)\n\
                  \x20   for _ in range(3):\n\
                  \x20       client.request('GET', path, headers={'Authorization': 'Bearer ' + sys.argv[4]})\n\
                  \x20       answer = client.getresponse()\n\
                  \x20       answer.read()\n\
                  \x20       print(answer.status, client.sock.version())\n";
    let (proxy, admin) = (server.proxy().port().to_string(), server.admin().port().to_string());
    let done = Command::new(pyjwt::python()).args(["-c", script]).arg(&ca).args([&proxy, &admin, &key]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let (old, new) = ("200 TLSv1.2\n".repeat(3), "200 TLSv1.3\n".repeat(6));
    assert_eq!(said, old + &new, "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn who_comes_back_is_spared_the_long_handshake() {
    let (server, authority) = server(&["PROXY", "ADMIN"]);
    for address in [server.proxy(), server.admin()] {
        for version in [&TLS12, &TLS13] {
            let client = Client::with(&authority, &[version], None);
            client.get(address, "/", "").unwrap();
            let again = client.connect(address).unwrap();
            assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        }
    }
}

#[test]
fn the_ops_listener_and_what_asks_it_speak_tls() {
    let (server, authority) = server(&["OPS"]);
    let answer = Client::trusting(&authority).get(server.ops(), "/readyz", "").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ready\n"));

    let url = format!("https://{}", server.ops());
    let done = Command::new(program::claviger()).args(["healthcheck", "--url", &url]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let plain = Command::new(program::claviger()).args(["healthcheck", "--url", &url.replace("https", "http")]).output().unwrap();
    assert!(String::from_utf8_lossy(&plain.stderr).contains("400"), "{}", String::from_utf8_lossy(&plain.stderr));
    let drained = server.try_run(&["drain", "--set", &format!("ops.listen={}", server.ops())]);
    assert!(drained.status.success(), "{}", String::from_utf8_lossy(&drained.stderr));
    server.until("it to drain", |server| server.log().contains("draining"));
}

#[test]
fn of_several_certificates_a_client_is_shown_the_one_for_the_name_that_it_asks_for() {
    let authority = Authority::new("the authority");
    let setup = Setup::new();
    let names: [&[&str]; 3] = [&["localhost"], &["api.example.com"], &["*.example.org"]];
    let issued = names.map(|names| authority.issue(Wish { names, ..Wish::default() }));
    let pairs: Vec<String> = (issued.iter().enumerate())
        .map(|(number, issued)| {
            let [cert, key] = issued.write(&setup.dir().join(format!("tls-{number}"))).map(|file| file.display().to_string());
            format!("{{ cert = {cert:?}, key = {key:?} }}")
        })
        .collect();
    let server = setup.environment("CLAVIGER_PROXY__TLS", &format!("[{}]", pairs.join(", "))).start();
    for (name, place) in [("localhost", 0), ("api.example.com", 1), ("a.example.org", 2)] {
        let connection = Client::trusting(&authority).named(name).connect(server.proxy()).unwrap();
        assert_eq!(crate::support::tls::shown(&connection), issued[place].der, "{name}");
    }
    let other = Client::trusting(&authority).named("example.net").connect(server.proxy());
    assert!(other.unwrap_err().to_string().contains("certificate"));
}

/// Everything that comes until the other end closes.
fn to_the_end(address: SocketAddr, said: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    connection.write_all(said).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    answer
}

/// How every client of TLS begins, and no more of it.
const HALF_A_HELLO: [u8; 11] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];

#[test]
fn who_speaks_tls_where_nobody_does_or_does_not_where_everybody_must_is_told_and_so_is_the_log_once() {
    let (server, authority) = server(&["PROXY", "ADMIN", "OPS"]);
    for address in [server.proxy(), server.admin(), server.ops()] {
        for _ in 0..3 {
            for said in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
                let answer = http::parse(&to_the_end(address, said.as_bytes()));
                assert_eq!((answer.status, answer.text().as_str()), (400, "this port speaks TLS: ask by https://\n"));
            }
        }
    }
    server.until("the log to tell of it", |server| server.log().matches("spoke no TLS").count() >= 3);
    assert_eq!(server.log().matches("spoke no TLS").count(), 3, "{}", server.log());

    let plain = Server::start();
    for address in [plain.proxy(), plain.admin(), plain.ops()] {
        assert_eq!(to_the_end(address, &HALF_A_HELLO)[..5], [0x15, 0x03, 0x01, 0x00, 0x02]);
        let refused = Client::trusting(&authority).connect(address).unwrap_err();
        assert!(refused.to_string().contains("HandshakeFailure"), "{refused}");
    }
    plain.until("the log to tell of it", |server| server.log().matches("spoke TLS on a port").count() >= 3);
    assert_eq!(plain.log().matches("spoke TLS on a port").count(), 3, "{}", plain.log());
}

#[test]
fn who_says_nothing_or_half_a_hello_is_cut_and_keeps_nobody_waiting() {
    let authority = Authority::new("the authority");
    let setup = Setup::new();
    let [cert, key] = authority.issue(Wish::default()).write(&setup.dir().join("tls"));
    let server = setup
        .environment("CLAVIGER_PROXY__TLS__CERT", cert.to_str().unwrap())
        .environment("CLAVIGER_PROXY__TLS__KEY", key.to_str().unwrap())
        .environment("CLAVIGER_LIMITS__HEADER_TIMEOUT", "1s")
        .start();
    let before = server.memory_kib();
    let silent = |said: &[u8]| {
        let mut connection = TcpStream::connect(server.proxy()).unwrap();
        connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        connection.write_all(said).unwrap();
        connection
    };
    let mut all: Vec<TcpStream> = (0..200).map(|_| silent(b"")).chain((0..200).map(|_| silent(&HALF_A_HELLO))).collect();
    assert_eq!(Client::trusting(&authority).get(server.proxy(), "/", "").unwrap().status, 401);
    for connection in &mut all {
        // A broken connection is cut, too.
        let _ = connection.read_to_end(&mut Vec::new());
    }
    server.until("nobody to be there any more", |server| server.metric("claviger_http_connections{listener=\"proxy\"}") == 0);
    let grown = server.memory_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB");
}

#[test]
fn who_begins_handshakes_by_the_hundred_and_hangs_up_or_does_not_go_on_keeps_nobody_out() {
    let (server, authority) = server(&["PROXY"]);
    let (client, before) = (Client::trusting(&authority), server.memory_kib());
    let (hello, mut held) = (client.hello(), Vec::new());
    for round in 0..20 {
        for number in 0..50 {
            let mut connection = TcpStream::connect(server.proxy()).unwrap();
            connection.write_all(&hello).unwrap();
            if number % 5 == 0 {
                held.push(connection);
            }
        }
        assert_eq!(client.get(server.proxy(), "/", "").unwrap().status, 401, "round {round}");
    }
    drop(held);
    server.until("nobody to be there any more", |server| server.metric("claviger_http_connections{listener=\"proxy\"}") == 0);
    assert_eq!(server.metric("claviger_tls_handshake_errors_total"), 1000);
    let grown = server.memory_kib().saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB");
}

#[test]
fn who_is_refused_amid_a_large_body_finds_the_refusal_and_is_told_that_it_is_all_whatever_was_offered() {
    /// More than all buffers on the way hold.
    const LENGTH: usize = 16 << 20;
    let (encrypted, authority) = server(&["PROXY", "ADMIN"]);
    let plain = Server::start();
    let client = Client::trusting(&authority).offering(&["http/1.1"]);
    // As Java's client asks on each new connection without TLS.
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n";
    for (offered, path) in
        [offer, "", "Connection: Upgrade\r\nUpgrade: websocket\r\n"].into_iter().flat_map(|one| [(one, "/"), (one, "/api/v1/keys")])
    {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: {LENGTH}\r\n{offered}\r\n");
        let refused = |connection: &mut dyn ReadWrite| {
            connection.write_all(head.as_bytes()).unwrap();
            connection.write_all(&vec![0; LENGTH]).unwrap_or_else(|error| panic!("{path} {offered:?}: {error}"));
            let mut answer = Vec::new();
            // Over TLS this fails where the end is not said.
            connection.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{path} {offered:?}: {error}"));
            assert_eq!(http::parse(&answer).status, 401, "{path} {offered:?}");
        };
        let to = |server: &Server| if path == "/" { server.proxy() } else { server.admin() };
        refused(&mut TcpStream::connect(to(&plain)).unwrap());
        refused(&mut client.connect(to(&encrypted)).unwrap());
    }
}

/// A connection, encrypted or not.
trait ReadWrite: std::io::Read + std::io::Write {}

impl<C: std::io::Read + std::io::Write> ReadWrite for C {}

#[test]
fn who_asks_for_answers_over_tls_and_takes_none_is_cut() {
    let authority = Authority::new("the authority");
    let setup = Setup::new();
    let [cert, key] = authority.issue(Wish::default()).write(&setup.dir().join("tls"));
    let server = setup
        .environment("CLAVIGER_PROXY__TLS__CERT", cert.to_str().unwrap())
        .environment("CLAVIGER_PROXY__TLS__KEY", key.to_str().unwrap())
        .environment("CLAVIGER_LIMITS__IDLE_TIMEOUT", "1s")
        .start();
    let mut connection = Client::trusting(&authority).offering(&["h2"]).connect(server.proxy()).unwrap();
    connection.sock.set_write_timeout(Some(Duration::from_mins(1))).unwrap();
    // No settings of ours, and pings without end (RFC 9113, sections 6.5 and 6.7).
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let pings = b"\0\0\x08\x06\0\0\0\0\0pingping".repeat(500);
    let broken = loop {
        if let Err(broken) = connection.write_all(&pings) {
            break broken;
        }
    };
    assert!(![ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&broken.kind()), "{broken}");
}
