//! A process whose store is files: what it serves while they are swapped, broken and mended.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use claviger::model::{KeyDigest, KeyId, PlainKey};

use crate::support::program;
use crate::support::server::{Server, Setup};

const REFUSED: &str = "claviger_config_reloads_total{result=\"error\"}";

fn key(number: u8) -> PlainKey {
    PlainKey::generate(KeyId::new(0, 0), &[number; 32])
}

/// Everything that a `ConfigMap` with these keys holds.
fn access(keys: &[(&str, u8)]) -> String {
    let mut text = "spaces:\n- id: production\nroles:\n- id: deployer\n  actions: [\"run:*\"]\nkeys:\n".to_owned();
    let mut bindings = "bindings:\n".to_owned();
    for (name, number) in keys {
        writeln!(text, "- name: {name}\n  sha256: {}", KeyDigest::of(&key(*number)).to_hex()).unwrap();
        writeln!(bindings, "- key: {name}\n  role: deployer\n  space: production").unwrap();
    }
    text + &bindings
}

/// As Kubernetes mounts it: the file is a link into what `..data` links to.
fn swap(volume: &Path, version: &str, text: &str) {
    let dir = volume.join(version);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("access.yaml"), text).unwrap();
    symlink(version, volume.join("..data_tmp")).unwrap();
    std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    let _ = symlink("..data/access.yaml", volume.join("access.yaml"));
}

fn setup(text: &str) -> (Setup, PathBuf) {
    let setup = Setup::new()
        .replacing("[admin]\nlisten = \"127.0.0.1:0\"\nrequests_per_second = 1000000\n", "")
        .replacing("sqlite://claviger.db", "file://access/access.yaml");
    let volume = setup.dir().join("access");
    swap(&volume, "..1", text);
    (setup, volume)
}

fn status(server: &Server, number: u8) -> u16 {
    server.get(key(number).reveal()).status
}

#[test]
fn a_swapped_volume_is_in_force_without_a_failed_request_and_a_broken_one_changes_nothing() {
    let (setup, volume) = setup(&access(&[("ci", 1), ("cd", 2)]));
    let server = setup.start();
    assert_eq!([1, 2, 3].map(|number| status(&server, number)), [200, 200, 401]);
    assert!(!server.dir().join("claviger.db").exists());

    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(status(&server, 1), 200);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        server.until("clients to be served", |_| asked.load(Ordering::Relaxed) > 20);
        swap(&volume, "..2", &access(&[("new", 3), ("ci", 1)]));
        server.until("the key to be known", |server| status(server, 3) == 200);
        let seen = asked.load(Ordering::Relaxed);
        server.until("clients to be served on", |_| asked.load(Ordering::Relaxed) > seen + 20);
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(status(&server, 2), 401, "who is not declared any more is nobody");

    let secret = key(4);
    for (number, broken) in (1..).zip(["keys:\n- name: ci\n  sha256: 1\n".to_owned(), format!("keys:\n- name: {}\n", secret.reveal())]) {
        swap(&volume, &format!("..broken-{number}"), &broken);
        server.until("it to be refused", |server| server.metric(REFUSED) == number);
        assert_eq!([1, 2, 3].map(|number| status(&server, number)), [200, 401, 200]);
    }
    assert!(server.log().contains("access.yaml:3:"), "{}", server.log());
    assert!(!server.log().contains(secret.reveal()), "{}", server.log());

    swap(&volume, "..3", &access(&[("ci", 1), ("cd", 2)]));
    server.until("it to be taken", |server| server.metric("claviger_config_last_reload_success") == 1);
    assert_eq!([1, 2, 3].map(|number| status(&server, number)), [200, 200, 401]);
    let refused = server.try_run(&["key", "create", "--name", "x"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("access is declared in files here"), "{refused:?}");
}

#[test]
fn a_broken_file_keeps_the_process_from_starting_and_a_check_tells_every_fault() {
    let (setup, _) = setup("keys:\n- name: ci\n  sha256: 1\n- name: ci\n  colour: red\n");
    for (command, code) in [("check", 1), ("serve", 1)] {
        let run = Command::new(program::claviger())
            .args([command, "--set", "store.url=file://access/access.yaml", "--set", "ops.listen=127.0.0.1:0"])
            .args(["--set", "proxy.listen=127.0.0.1:0"])
            .current_dir(setup.dir())
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(code), "{said}");
        for place in ["access.yaml:3:", "access.yaml:5:"] {
            assert!(said.contains(place), "{command}: {said}");
        }
    }
}
