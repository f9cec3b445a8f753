//! A process that does not run for a while, because somebody has stopped it or its machine, and then goes on as if nothing had been.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::{key_file, sidecar_key, sidecar_of, url};
use crate::admin::client::Api;
use crate::support::http::parse;
use crate::support::server::Server;

/// A connection that the server has taken already.
fn connected(server: &Server) -> TcpStream {
    let mut connection = TcpStream::connect(server.proxy()).unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let read = connection.read(&mut answer).unwrap();
    assert_eq!(parse(&answer[..read]).status, 401);
    connection
}

fn ask(connection: &mut TcpStream, key: &str) {
    let request = format!("GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
}

fn answered(mut connection: TcpStream) -> u16 {
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    parse(&answer).status
}

#[test]
fn a_sidecar_that_has_slept_goes_by_nothing_that_it_has_not_asked_for_again() {
    let plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, _) = sidecar_key(&root, "pods");
    let file = key_file(&plane, &key);
    // For less than it may be cut off, and for longer.
    for max_staleness in ["60s", "2s"] {
        let sidecar = sidecar_of(&url(&plane), &file).environment("CLAVIGER_STORE__MAX_STALENESS", max_staleness);
        let sidecar = sidecar.environment("CLAVIGER_CACHE__NEGATIVE_TTL", "1s").start();
        let name = format!("ci-{max_staleness}");
        let ci = plane.key(&name, &["--bind", "deployer@production"]).text;
        sidecar.until("the key to be known", |sidecar| sidecar.get(&ci).status == 200);
        let mut connections: Vec<TcpStream> = (0..8).map(|_| connected(&sidecar)).collect();
        let id = root.get(&format!("/keys?name={name}")).json()["items"][0]["id"].as_str().unwrap().to_owned();

        sidecar.signal("STOP");
        // It is waited for in vain, for longer than a change may take.
        let revoked = root.delete(&format!("/keys/{id}?wait=applied&timeout=3s"));
        assert_eq!(revoked.json()["applied"]["everywhere"], json!(false), "{}", revoked.text());
        for connection in &mut connections {
            ask(connection, &ci);
        }
        sidecar.signal("CONT");

        for connection in connections {
            assert_eq!(answered(connection), 401, "{max_staleness}");
        }
        assert!(sidecar.log().contains("this process has not run for a while"), "{}", sidecar.log());
    }
}

#[test]
fn a_server_that_has_slept_asks_its_store_before_it_answers() {
    let server = Server::with_spaces();
    let ci = server.key("ci", &["--bind", "deployer@production"]).text;
    server.until("the key to be known", |server| server.get(&ci).status == 200);
    let mut connections: Vec<TcpStream> = (0..8).map(|_| connected(&server)).collect();

    server.signal("STOP");
    server.run(&["key", "revoke", "ci"]);
    server.until("it to be behind for longer than a change may take", |server| {
        server.run(&["replicas"])[0]["lag_seconds"].as_f64().unwrap() > 2.0
    });
    for connection in &mut connections {
        ask(connection, &ci);
    }
    server.signal("CONT");

    for connection in connections {
        assert_eq!(answered(connection), 401);
    }
}
