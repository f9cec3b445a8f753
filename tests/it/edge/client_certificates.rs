//! Clients that show certificates, to the proxy.

use rustls::HandshakeKind;

use crate::support::certificates::{Authority, Issued, Wish};
use crate::support::server::{Server, Setup};
use crate::support::tls::Client;

const ALL: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

struct World {
    server: Server,
    servers: Authority,
    known: Issued,
    stranger: Issued,
}

impl World {
    fn new(asked: &str) -> Self {
        let (servers, clients) = (Authority::new("of servers"), Authority::new("of clients"));
        let setup = Setup::new();
        let [cert, key] = servers.issue(Wish::default()).write(&setup.dir().join("tls"));
        let ca = clients.write(&setup.dir().join("clients.crt"));
        let server = setup
            .environment("CLAVIGER_PROXY__TLS__CERT", cert.to_str().unwrap())
            .environment("CLAVIGER_PROXY__TLS__KEY", key.to_str().unwrap())
            .environment("CLAVIGER_PROXY__CLIENT_CA", ca.to_str().unwrap())
            .environment("CLAVIGER_PROXY__CLIENT_CERTIFICATES", asked)
            .start();
        let wish = Wish { subject: "ci", names: &["ci.example.com"], ..Wish::default() };
        Self { server, known: clients.issue(wish), stranger: Authority::new("of clients").issue(wish), servers }
    }

    /// The status of an answer, or that there is none.
    fn status(&self, shown: Option<&Issued>) -> Option<u16> {
        let client = Client::with(&self.servers, ALL, shown);
        client.get(self.server.proxy(), "/", "").ok().map(|answer| answer.status)
    }
}

#[test]
fn where_a_certificate_is_required_nobody_asks_anything_without_one_that_is_vouched_for() {
    let world = World::new("required");
    assert_eq!(world.status(Some(&world.known)), Some(401), "the key is asked for all the same");
    assert_eq!(world.status(None), None);
    assert_eq!(world.status(Some(&world.stranger)), None);
    // Whoever comes back shows the certificate again: it may have ended since.
    let client = Client::with(&world.servers, ALL, Some(&world.known));
    client.get(world.server.proxy(), "/", "").unwrap();
    let again = client.connect(world.server.proxy()).unwrap();
    assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn where_a_certificate_is_optional_none_will_do_and_one_that_nobody_vouches_for_will_not() {
    let world = World::new("optional");
    assert_eq!(world.status(Some(&world.known)), Some(401));
    assert_eq!(world.status(None), Some(401));
    assert_eq!(world.status(Some(&world.stranger)), None);
}
