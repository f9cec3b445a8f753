//! What a proxy in front says of its client before the first byte: believed of whoever is trusted, asked for from them, and of nobody else.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, TcpStream};
use std::time::Duration;

use super::address::World;
use crate::support::certificates::{Authority, Wish};
use crate::support::http::{self, Answer};
use crate::support::server::Setup;
use crate::support::tls;

const BEHIND: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\r\n";
const ERRORS: &str = "claviger_proxy_protocol_errors_total";

/// A header of version 2.
fn binary(version_and_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(block.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[version_and_command, family, high, low], block].concat()
}

fn over_ipv4(source: [u8; 4]) -> Vec<u8> {
    [&source[..], &[10, 0, 0, 1, 0xc8, 0x22, 0x01, 0xbb]].concat()
}

fn over_ipv6(source: &str) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().unwrap();
    [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0xc8, 0x22, 0x01, 0xbb]].concat()
}

impl World {
    fn request(&self, more: &str) -> String {
        format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{more}\r\n", self.key)
    }

    /// Asks on a connection that begins with these bytes; `None`: it is closed without an answer.
    fn ask_behind(&self, header: &[u8], more: &str) -> Option<Answer> {
        let request = self.request(&format!("Connection: close\r\n{more}"));
        http::try_exchange(self.server.proxy(), &[header, request.as_bytes()].concat())
    }

    fn seen_behind(&self, header: &[u8], more: &str) -> String {
        Self::seen_by(&self.ask_behind(header, more).unwrap_or_else(|| panic!("closed after {header:?}: {}", self.server.log())))
    }
}

fn headers(answer: &Answer, name: &str) -> Vec<String> {
    let lines: Vec<(String, String)> = serde_json::from_value(answer.json()["headers"].clone()).unwrap();
    lines.into_iter().filter(|(found, _)| found == name).map(|(_, value)| value).collect()
}

#[test]
fn a_trusted_proxy_says_whose_connection_it_is_and_no_header_of_a_request_does() {
    let world = World::new("proxy-protocol", "127.0.0.0/8");
    let unknown_tlvs = [&over_ipv4([192, 0, 2, 7])[..], &[0x02, 0, 3, b'a', b'.', b'b', 0xea, 0, 1, 9]].concat();
    for (header, expected) in [
        (BEHIND.to_vec(), "client"),
        (b"PROXY TCP6 2001:db8::7 ::1 51234 443\r\n".to_vec(), "client-six"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 51234 443\r\n".to_vec(), "client"),
        (b"PROXY TCP4 6.6.6.6 10.0.0.1 1 2\r\n".to_vec(), "forged"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "unavailable"),
        (b"PROXY UNKNOWN 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), "unavailable"),
        (binary(0x21, 0x11, &over_ipv4([192, 0, 2, 7])), "client"),
        (binary(0x21, 0x21, &over_ipv6("2001:db8::7")), "client-six"),
        (binary(0x21, 0x21, &over_ipv6("::ffff:192.0.2.7")), "client"),
        (binary(0x21, 0x11, &unknown_tlvs), "client"),
        (binary(0x21, 0x00, &[]), "unavailable"),
        (binary(0x21, 0x31, &[7; 216]), "unavailable"),
        (binary(0x20, 0x00, &[]), "proxy"),
        (binary(0x20, 0x11, &over_ipv4([192, 0, 2, 7])), "proxy"),
    ] {
        for more in ["", "X-Forwarded-For: 8.8.8.8\r\n", "Forwarded: for=8.8.8.8\r\nX-Forwarded-For: garbage\r\n"] {
            assert_eq!(world.seen_behind(&header, more), expected, "{header:?} {more:?}");
        }
    }
    let answer = world.ask_behind(BEHIND, "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Request-Id: theirs\r\n").unwrap();
    assert_eq!(headers(&answer, "x-forwarded-for"), ["192.0.2.7"]);
    assert!(headers(&answer, "forwarded").is_empty());
    assert_ne!(headers(&answer, "x-request-id"), ["theirs"]);
    world.server.until("the log to name the client", |_| world.logged().as_deref() == Some("192.0.2.7"));
    assert_eq!(world.server.metric(ERRORS), 0);
}

#[test]
fn the_address_counts_for_the_whole_connection_however_the_header_comes() {
    let world = World::new("proxy-protocol", "127.0.0.0/8");
    for header in [BEHIND.to_vec(), binary(0x21, 0x11, &over_ipv4([192, 0, 2, 7]))] {
        let mut connection = TcpStream::connect(world.server.proxy()).unwrap();
        connection.set_nodelay(true).unwrap();
        connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        for byte in &header {
            connection.write_all(&[*byte]).unwrap();
        }
        let first = world.request("");
        let last = world.request("Connection: close\r\n");
        connection.write_all([&*first, &first, &last].concat().as_bytes()).unwrap();
        let mut answers = String::new();
        connection.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
        assert_eq!(answers.matches("[\"x-forwarded-for\",\"192.0.2.7\"]").count(), 3, "{answers}");
        assert_eq!(answers.matches("{\"root\":[\"client\"]}").count(), 3, "{answers}");
    }
    // Where no policy reads it, who is not known is let in, and called so.
    let server = Setup::new()
        .environment("CLAVIGER_PROXY__CLIENT_IP", "proxy-protocol")
        .environment("CLAVIGER_PROXY__TRUSTED_PROXIES", "127.0.0.1")
        .start();
    let world = World { key: server.key("ci", &["--bind", "space-reader@root"]).text, server };
    let answer = world.ask_behind(b"PROXY UNKNOWN\r\n", "X-Forwarded-For: 6.6.6.6\r\n").unwrap();
    assert_eq!((answer.status, headers(&answer, "x-forwarded-for")), (200, vec!["unknown".to_owned()]));
    world.server.until("the log to tell of it", |server| server.log().contains("\"claviger::access\""));
    assert_eq!(world.logged(), None);
}

#[test]
fn a_trusted_proxy_that_sends_no_sound_header_is_cut_off_and_told_of_and_one_that_looks_is_not() {
    let setup = Setup::new().environment("CLAVIGER_LIMITS__HEADER_TIMEOUT", "1s");
    let world = World::of(setup, "proxy-protocol", "127.0.0.0/8");
    let faulty: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51234\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\n".to_vec(),
        [b"PROXY UNKNOWN ", &*b"x".repeat(200), b"\r\n"].concat(),
        binary(0x21, 0x11, &over_ipv4([192, 0, 2, 7])[..8]),
        binary(0x22, 0x11, &over_ipv4([192, 0, 2, 7])),
        binary(0x21, 0x11, &[&over_ipv4([192, 0, 2, 7])[..], &[3, 0, 4, 1, 2, 3, 4]].concat()),
        binary(0x21, 0x11, &[7; 5000]),
    ];
    for header in &faulty {
        assert!(world.ask_behind(header, "").is_none(), "{header:?}");
    }
    let mut told = u64::try_from(faulty.len()).unwrap();
    assert_eq!(world.server.metric(ERRORS), told);

    // Somebody looks whether the port is open; somebody says nothing.
    for _ in 0..5 {
        drop(TcpStream::connect(world.server.proxy()).unwrap());
    }
    let said = |first: &[u8]| {
        let mut connection = TcpStream::connect(world.server.proxy()).unwrap();
        connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        connection.write_all(first).unwrap();
        let mut answer = Vec::new();
        // One that is reset is cut off, too.
        let _ = connection.read_to_end(&mut answer);
        answer
    };
    assert_eq!(said(b""), b"");
    world.server.until("them to be gone", |server| server.metric("claviger_http_connections{listener=\"proxy\"}") == 0);
    assert_eq!(world.server.metric(ERRORS), told);
    // Half of one, until it is too late.
    for half in [&BEHIND[..20], b"\r\n\r\n\0\r\nQU", &binary(0x21, 0x11, &over_ipv4([1; 4]))[..20]] {
        assert_eq!(said(half), b"");
        told += 1;
    }
    world.server.until("what was cut short to be counted", |server| server.metric(ERRORS) == told);
    world.server.until("the log to tell of them", |server| server.log().contains("without a sound header"));
    let log = world.server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("without a sound header")).collect();
    assert!((1..=3).contains(&lines.len()), "{lines:?}");
    assert!(lines[0].contains("\"peer\":\"127.0.0.1\"") && lines[0].contains("it begins with something else"), "{lines:?}");
    assert_eq!(world.server.echo().received(), b"", "nobody has asked anything");
    assert_eq!(world.seen_behind(BEHIND, ""), "client");
}

#[test]
fn of_whoever_is_not_trusted_no_header_is_read_and_one_that_is_sent_is_no_request() {
    let world = World::new("proxy-protocol", "10.0.0.0/8");
    assert_eq!(world.seen(&[]), "proxy");
    assert_eq!(world.seen(&[("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")]), "proxy");
    for header in [BEHIND.to_vec(), binary(0x21, 0x11, &over_ipv4([192, 0, 2, 7])), binary(0x20, 0, &[])] {
        let answer = world.ask_behind(&header, "").unwrap();
        assert_eq!((answer.status, answer.code()), (400, "bad_request".to_owned()), "{header:?}");
    }
    for client_ip in ["peer", "x-forwarded-for", "forwarded"] {
        let world = World::new(client_ip, "127.0.0.0/8");
        assert_eq!(world.ask_behind(BEHIND, "").unwrap().status, 400, "{client_ip}");
    }
    assert_eq!(world.server.metric(ERRORS), 0);
}

#[test]
fn the_header_comes_before_tls() {
    let authority = Authority::new("the authority");
    let setup = Setup::new();
    let [cert, key] = authority.issue(Wish::default()).write(&setup.dir().join("tls"));
    let setup = setup
        .environment("CLAVIGER_PROXY__TLS__CERT", cert.to_str().unwrap())
        .environment("CLAVIGER_PROXY__TLS__KEY", key.to_str().unwrap());
    let world = World::of(setup, "proxy-protocol", "127.0.0.0/8");
    let client = tls::Client::trusting(&authority);
    for header in [BEHIND.to_vec(), binary(0x21, 0x11, &over_ipv4([192, 0, 2, 7]))] {
        let mut connection = client.connect_behind(world.server.proxy(), &header).unwrap();
        let answer = tls::ask(&mut connection, "/", &format!("Authorization: Bearer {}\r\n", world.key)).unwrap();
        assert_eq!(World::seen_by(&answer), "client");
        assert_eq!(headers(&answer, "x-forwarded-proto"), ["https"]);
    }
    let http2 = client.clone().offering(&["h2"]).connect_behind(world.server.proxy(), BEHIND).unwrap();
    assert_eq!(http2.conn.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(world.server.metric(ERRORS), 0);
    assert!(client.connect(world.server.proxy()).is_err());
    assert_eq!(world.server.metric(ERRORS), 1);
}

#[test]
fn a_connection_that_began_otherwise_ends_when_headers_are_asked_for() {
    let world = World::with(Setup::new());
    let mut connection = TcpStream::connect(world.server.proxy()).unwrap();
    connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut ask = |expected: &str| {
        connection.write_all(world.request("X-Forwarded-For: 192.0.2.7\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains(expected) {
            let mut piece = [0; 4096];
            let read = connection.read(&mut piece).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..read]);
        }
        String::from_utf8(answer).unwrap().to_ascii_lowercase()
    };
    assert!(!ask("\"client\"").contains("connection: close"));
    let config = std::fs::read_to_string(world.server.config()).unwrap();
    std::fs::write(world.server.config(), config.replace("\"x-forwarded-for\"", "\"proxy-protocol\"")).unwrap();
    world.server.until("headers to be asked for", |_| world.ask_behind(BEHIND, "").is_some_and(|answer| answer.status == 200));
    // Nobody has said whose connection that one is.
    let last = ask("\"unavailable\"");
    assert!(last.contains("connection: close"), "{last}");
    assert_eq!(world.seen_behind(BEHIND, ""), "client");
}
