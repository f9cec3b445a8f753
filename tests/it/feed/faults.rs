//! What goes wrong between a sidecar and its control planes.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use claviger::model::{KeyDigest, PlainKey};
use serde_json::json;

use super::{key_file, sidecar_key, sidecar_of, url};
use crate::admin::client::Api;
use crate::support::http;
use crate::support::program;
use crate::support::server::Server;

#[test]
fn a_sidecar_whose_key_is_switched_off_says_so_and_refuses_after_a_while_until_it_has_another_one() {
    let plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, id) = sidecar_key(&root, "pods");
    let ci = plane.key("ci", &["--bind", "deployer@production"]).text;
    let file = key_file(&plane, &key);
    let sidecar = sidecar_of(&url(&plane), &file).environment("CLAVIGER_STORE__MAX_STALENESS", "5s").start();
    sidecar.until("the key to be known", |sidecar| sidecar.get(&ci).status == 200);

    assert_eq!(root.post(&format!("/keys/{id}/disable"), &json!({})).status, 200);

    sidecar.until("it to refuse", |sidecar| sidecar.get(&ci).code() == "unavailable");
    assert!(sidecar.log().contains("it does not take the key in"), "{}", sidecar.log());
    let (other, _) = sidecar_key(&root, "pods-again");
    key_file(&plane, &other);
    sidecar.until("the other key to be taken", |sidecar| sidecar.get(&ci).status == 200);
    assert!(sidecar.log().contains("the sidecar's key has been read again"), "{}", sidecar.log());
}

/// Takes connections, and answers each in another way than a control plane does.
fn hostile() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            std::thread::spawn(move || answer(number, stream));
        }
    });
    format!("http://{address}")
}

fn answer(number: usize, mut stream: TcpStream) {
    let mut asked = [0; 4096];
    let _ = stream.read(&mut asked);
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let written = match number % 6 {
        0 => stream.write_all(b"\x16\x03\x01 no HTTP at all\r\n\r\n"),
        // Of another form: what it says is not to be guessed at.
        1 => {
            let body = r#"{"format":2,"revision":9,"too_old":false,"changes":[],"as_of_ms":0,"as_of":9,"key":null}"#;
            stream.write_all(format!("{ok}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
        }
        // Behind.
        2 => {
            let body = r#"{"format":1,"revision":0,"too_old":false,"changes":[],"as_of_ms":99999999,"as_of":0,"key":null}"#;
            stream.write_all(format!("{ok}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
        }
        // Without end.
        3 => {
            let _ = stream.write_all(format!("{ok}Connection: close\r\n\r\n[").as_bytes());
            while stream.write_all(&[b' '; 8_192]).is_ok() {}
            Ok(())
        }
        // Nested without end.
        4 => stream.write_all(format!("{ok}Connection: close\r\n\r\n{}", "[".repeat(500_000)).as_bytes()),
        // Silent until nobody listens any more.
        _ => stream.read(&mut asked).map(drop),
    };
    drop(written);
}

#[test]
fn what_is_no_control_plane_is_not_believed_and_cannot_make_a_sidecar_grow() {
    let mut plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, _) = sidecar_key(&root, "pods");
    let ci = plane.key("ci", &["--bind", "deployer@production"]).text;
    let planes = format!("{},{}", hostile(), url(&plane));
    let sidecar = sidecar_of(&planes, &key_file(&plane, &key)).environment("CLAVIGER_STORE__MAX_STALENESS", "5s").start();
    sidecar.until("the key to be known", |sidecar| sidecar.get(&ci).status == 200);
    let before = sidecar.memory_kib();

    plane.kill();

    sidecar.until("nobody to be believed", |sidecar| sidecar.get(&ci).code() == "unavailable");
    assert!(sidecar.memory_kib() < before + 64 * 1024, "{} KiB, and {before} before", sidecar.memory_kib());
    assert_eq!(http::get(sidecar.ops(), "/livez", &[]).status, 200);
    plane.start_again();
    sidecar.until("the real one to be heard of", |sidecar| sidecar.get(&ci).status == 200);
}

#[test]
fn another_store_behind_the_same_url_is_refused_while_it_is_behind_and_then_read_wholly() {
    let mut plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, _) = sidecar_key(&root, "pods");
    let ci = plane.key("ci", &["--bind", "deployer@production"]).text;
    let sidecar = sidecar_of(&url(&plane), &key_file(&plane, &key)).environment("CLAVIGER_STORE__MAX_STALENESS", "5s").start();
    sidecar.until("the key to be known", |sidecar| sidecar.get(&ci).status == 200);
    // Only what was told as a change has a time by which it is known again.
    let last = root.made("/spaces?wait=applied", &json!({ "id": "eu" }))["applied"]["revision"].as_u64().unwrap();
    plane.kill();

    for file in ["claviger.db", "claviger.db-wal", "claviger.db-shm"] {
        let _ = std::fs::remove_file(plane.dir().join(file));
    }
    let digest = KeyDigest::of(&PlainKey::presented(key.key.as_ref().unwrap().as_bytes()).unwrap());
    plane.run(&["key", "import", "--name", "pods", "--sha256", &digest.to_hex(), "--bind", "replica@root"]);
    plane.start_again();

    sidecar.until("it to be told that it is behind", |sidecar| sidecar.log().contains("it is behind: it knows of revision"));
    sidecar.until("it to refuse", |sidecar| sidecar.get(&ci).code() == "unavailable");
    let mut made = 0;
    while made <= last {
        made = plane.run(&["group", "create", &format!("g-{made}")])["revision"].as_u64().unwrap();
    }
    sidecar.until("the other store to be served from", |sidecar| sidecar.get(&ci).code() == "invalid_key");
    // Of a key it may have heard before it has heard what has changed.
    let told = "a control plane has another store than the one that was followed";
    sidecar.until("it to be told that it is another store", |sidecar| sidecar.log().contains(told));
}

#[test]
fn what_a_sidecar_is_configured_wrongly_is_told_all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("claviger.toml");
    let told = |text: &str| {
        std::fs::write(&config, text).unwrap();
        let done = Command::new(program::claviger()).args(["check", "--config"]).arg(&config).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, faults) = told("[store]\nurl = \"http://control-plane:8081\"\n[admin]\nlisten = \"127.0.0.1:8081\"\n");
    assert_eq!(code, Some(2), "{faults}");
    for part in ["no file holds one", "store.key_file", "in the clear", "store.insecure = true", "a sidecar has no admin API"] {
        assert!(faults.contains(part), "{part}: {faults}");
    }
    let (code, faults) = told("[store]\nurl = [\"https://me:s3cret@one:8081\", \"sqlite://claviger.db\"]\nkey_file = \"k\"\n");
    assert_eq!(code, Some(2), "{faults}");
    assert!(faults.contains("neither a name nor a password") && faults.contains("control planes alone come as a list"), "{faults}");
    assert!(!faults.contains("s3cret\""), "{faults}");
    let (code, told) = told("[store]\nurl = [\"https://one:8081\", \"https://two:8081\"]\nkey_file = \"k\"\n");
    assert_eq!(code, Some(0), "{told}");
}
