//! TLS to the upstream while somebody uses it: files that change, faults as the log tells of them, and what doctor sees.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::{ALL_VERSIONS, ServerConfig};
use serde_json::Value;

use crate::proxy::upstream::{OK, Reply, Upstream};
use crate::support::certificates::{Authority, Issued, Wish};
use crate::support::place::Place;
use crate::support::server::{Server, Setup};
use crate::support::tls;

const RELOADED: &str = "claviger_config_reloads_total{result=\"ok\"}";
const REFUSED: &str = "claviger_config_reloads_total{result=\"error\"}";
const NOT_AFTER: &str = "claviger_tls_certificate_not_after_timestamp_seconds{listener=\"upstream\"}";
const TLS_FAILED: &str = "claviger_upstream_errors_total{kind=\"tls\"}";

async fn upstream(tls: Arc<ServerConfig>) -> Upstream {
    Upstream::speaking(Some(tls), |_| Reply::with(OK)).await
}

fn url(upstream: &Upstream) -> String {
    format!("https://localhost:{}", upstream.address.port())
}

/// A server before this upstream, with these files.
fn server(setup: Setup, upstream: &Upstream, files: &[(&str, &Path)]) -> Server {
    let setup = setup.environment("CLAVIGER_UPSTREAM__URL", &url(upstream)).environment("CLAVIGER_UPSTREAM__CONNECT_TIMEOUT", "20s");
    files
        .iter()
        .fold(setup, |setup, (key, file)| setup.environment(&format!("CLAVIGER_UPSTREAM__TLS__{key}"), file.to_str().unwrap()))
        .start()
}

/// Files that are swapped as a whole, as Kubernetes swaps those of a secret.
struct Volume {
    dir: PathBuf,
    version: usize,
}

impl Volume {
    fn new(dir: PathBuf, ca: &Authority, shown: &Issued) -> Self {
        std::fs::create_dir_all(&dir).unwrap();
        let mut volume = Self { dir, version: 0 };
        volume.swap(ca, shown);
        for name in ["ca.crt", "tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(format!("..data/{name}"), volume.file(name)).unwrap();
        }
        volume
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn swap(&mut self, ca: &Authority, shown: &Issued) {
        self.swap_with(|dir| {
            shown.write(dir);
            ca.write(&dir.join("ca.crt"));
        });
    }

    fn swap_with(&mut self, write: impl FnOnce(&Path)) {
        self.version += 1;
        let name = format!("..version-{}", self.version);
        write(&self.dir.join(&name));
        std::os::unix::fs::symlink(&name, self.file("..data_tmp")).unwrap();
        std::fs::rename(self.file("..data_tmp"), self.file("..data")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_change_are_in_force_on_the_next_request_and_no_request_fails() {
    let (authority, clients) = (Authority::new("the authority"), Authority::new("who vouches for clients"));
    let first = clients.issue(Wish::default());
    let upstream = upstream(tls::server(&authority.issue(Wish::default()), ALL_VERSIONS, &["http/1.1"], Some(&clients))).await;
    let setup = Setup::new();
    let mut volume = Volume::new(setup.dir().join("tls"), &authority, &first);
    let files = [("CA", volume.file("ca.crt")), ("CERT", volume.file("tls.crt")), ("KEY", volume.file("tls.key"))];
    let server = server(setup, &upstream, &files.each_ref().map(|(key, file)| (*key, file.as_path())));
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]).text;
    server.until("the key", |server| server.get(&key).status == 200);
    let last_shown = |upstream: &Upstream| upstream.shaken().pop().unwrap().shown;
    assert_eq!(last_shown(&upstream), Some(first.der.clone()));
    let ends = server.metric(NOT_AFTER);

    let renewed = clients.issue(Wish { to: 30, ..Wish::default() });
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(server.get(&key).status, 200);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        server.until("requests to be answered", |_| asked.load(Ordering::Relaxed) > 20);
        volume.swap(&authority, &renewed);
        server.until("the files to be read", |server| server.metric(RELOADED) == 1);
        server.until("the other one to be shown", |_| last_shown(&upstream) == Some(renewed.der.clone()));

        // A pair that does not fit changes nothing.
        volume.swap_with(|dir| {
            clients.issue(Wish::default()).write(dir);
            let [_, other] = clients.issue(Wish::default()).write(&dir.join("other"));
            std::fs::rename(other, dir.join("tls.key")).unwrap();
            authority.write(&dir.join("ca.crt"));
        });
        server.until("it to be refused", |server| server.metric(REFUSED) == 1);
        let seen = asked.load(Ordering::Relaxed);
        server.until("requests to be answered on", |_| asked.load(Ordering::Relaxed) > seen + 20);
        done.store(true, Ordering::Relaxed);
    });
    assert!(server.log().contains("not the key of the certificate"), "{}", server.log());
    assert_eq!(last_shown(&upstream), Some(renewed.der.clone()));
    assert!(server.metric(NOT_AFTER) > ends);
    assert_eq!(server.metric(TLS_FAILED), 0);

    // Whoever is trusted no more is so at once, also on what is open.
    volume.swap(&Authority::new("the authority"), &renewed);
    server.until("the files to be read", |server| server.metric(RELOADED) == 2);
    server.until("it to be trusted no more", |server| server.get(&key).status == 502);
    server.until("the log to tell why", |server| server.log().contains("nobody in upstream.tls.ca vouches for its certificate"));
    volume.swap(&authority, &renewed);
    server.until("it to be trusted again", |server| server.get(&key).status == 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_and_doctor_say_why_there_is_no_tls_and_what_to_do() {
    let authority = Authority::new("the authority");
    let dir = tempfile::tempdir().unwrap();
    let ca = authority.write(&dir.path().join("ca.crt"));
    let sound = authority.issue(Wish::default());
    let ours = |wish: Wish<'_>| tls::server(&authority.issue(wish), ALL_VERSIONS, &["http/1.1"], None);
    for (tls, reason) in [
        (Some(ours(Wish { names: &["other.example"], ..Wish::default() })), "its certificate is not for localhost"),
        (Some(ours(Wish { from: -2, to: -1, ..Wish::default() })), "its certificate has expired"),
        (Some(tls::server(&Authority::new("who").issue(Wish::default()), ALL_VERSIONS, &[], None)), "nobody in upstream.tls.ca vouches"),
        (Some(tls::server(&sound, ALL_VERSIONS, &["http/1.1"], Some(&authority))), "it asks for a certificate"),
        (Some(tls::server(&sound, ALL_VERSIONS, &["foo"], None)), "it speaks none of the versions of HTTP"),
        (Some(ours(Wish::default())), ""),
    ] {
        let upstream = Upstream::speaking(tls, |_| Reply::with(OK)).await;
        let server = server(Setup::new(), &upstream, &[("CA", &ca)]);
        server.make_spaces();
        let key = server.key("ci", &["--bind", "deployer@production"]).text;
        server.until("the key", |server| server.get(&key).status != 401);
        let place = Place::new();
        let (said_url, said_ca) = (format!("upstream.url={}", url(&upstream)), format!("upstream.tls.ca={}", ca.display()));
        let run = place.run(&[
            "doctor",
            "-o",
            "json",
            "--timeout",
            "20s",
            "--set",
            "upstream.connect_timeout=20s",
            "--set",
            &said_url,
            "--set",
            &said_ca,
        ]);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let finding = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "upstream").unwrap();
        if reason.is_empty() {
            assert_eq!(server.get(&key).status, 200);
            assert_eq!(finding["result"], "ok", "{finding}");
            continue;
        }
        assert_eq!(server.get(&key).status, 502, "{reason}");
        server.until(reason, |server| server.log().contains(reason) && server.log().contains("\"reason\":\"tls\""));
        assert!(finding["result"] == "failed" && finding["said"].as_str().unwrap().contains(reason), "{finding}");
    }
}
