//! Certificates that change while somebody uses them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::HandshakeKind;

use crate::support::certificates::{Authority, Issued, Wish};
use crate::support::server::{Server, Setup};
use crate::support::tls::{Client, shown};

/// A volume as Kubernetes mounts a secret: files are links into what `..data` links to, which is swapped as a whole.
struct Volume {
    dir: PathBuf,
    version: usize,
}

impl Volume {
    fn new(dir: &Path, first: &Issued) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let mut volume = Self { dir: dir.to_owned(), version: 0 };
        volume.swap(|dir| drop(first.write(dir)));
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(format!("..data/{name}"), dir.join(name)).unwrap();
        }
        volume
    }

    fn swap(&mut self, write: impl FnOnce(&Path)) {
        self.version += 1;
        let name = format!("..version-{}", self.version);
        write(&self.dir.join(&name));
        std::os::unix::fs::symlink(&name, self.dir.join("..data_tmp")).unwrap();
        std::fs::rename(self.dir.join("..data_tmp"), self.dir.join("..data")).unwrap();
    }
}

const RELOADED: &str = "claviger_config_reloads_total{result=\"ok\"}";
const REFUSED: &str = "claviger_config_reloads_total{result=\"error\"}";
const NOT_AFTER: &str = "claviger_tls_certificate_not_after_timestamp_seconds{listener=\"proxy\"}";

fn begun() -> (Server, Volume, Authority) {
    let authority = Authority::new("the authority");
    let setup = Setup::new();
    let dir = setup.dir().join("tls");
    let volume = Volume::new(&dir, &authority.issue(Wish::default()));
    let server = setup
        .environment("CLAVIGER_PROXY__TLS__CERT", dir.join("tls.crt").to_str().unwrap())
        .environment("CLAVIGER_PROXY__TLS__KEY", dir.join("tls.key").to_str().unwrap())
        .start();
    (server, volume, authority)
}

#[test]
fn a_swapped_certificate_is_shown_without_a_failed_handshake_or_a_broken_connection() {
    let (server, mut volume, authority) = begun();
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut kept = Client::trusting(&authority).connect(server.proxy()).unwrap();
    let client = Client::trusting(&authority);
    client.get(server.proxy(), "/", "").unwrap();
    let ends = server.metric(NOT_AFTER);
    let renewals: Vec<Issued> = (0..5).map(|number| authority.issue(Wish { to: 30 + number, ..Wish::default() })).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let answer = Client::trusting(&authority).get(server.proxy(), "/", "").unwrap();
                    assert_eq!(answer.status, 401);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        server.until("clients to be served", |_| asked.load(Ordering::Relaxed) > 20);
        for renewed in &renewals {
            volume.swap(|dir| drop(renewed.write(dir)));
            server.until("it to be shown", |server| shown(&Client::trusting(&authority).connect(server.proxy()).unwrap()) == renewed.der);
            let seen = asked.load(Ordering::Relaxed);
            server.until("clients to be served on", |_| asked.load(Ordering::Relaxed) > seen + 20);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(server.metric(RELOADED) >= 5);
    assert_eq!(server.metric("claviger_tls_handshake_errors_total"), 0);
    assert_eq!(client.connect(server.proxy()).unwrap().conn.handshake_kind(), Some(HandshakeKind::Resumed), "tickets outlast it");
    assert_eq!(crate::support::tls::ask(&mut kept, "/", "").unwrap().status, 401, "a connection outlasts it");
    assert!(server.metric(NOT_AFTER) > ends);
}

/// Why a pair is refused, and what puts such a pair into a directory.
type Swap<'a> = (&'a str, &'a dyn Fn(&Path));

#[test]
fn a_pair_that_does_not_fit_or_has_ended_leaves_the_old_one_in_force() {
    let (server, mut volume, authority) = begun();
    let first = shown(&Client::trusting(&authority).connect(server.proxy()).unwrap());
    let swaps: [Swap<'_>; 2] = [
        ("not the key of the certificate", &|dir| {
            authority.issue(Wish::default()).write(dir);
            let [_, other] = authority.issue(Wish::default()).write(&dir.join("other"));
            std::fs::rename(other, dir.join("tls.key")).unwrap();
        }),
        ("has expired", &|dir| drop(authority.issue(Wish { from: -2, to: -1, ..Wish::default() }).write(dir))),
    ];
    for (number, (reason, swap)) in (1..).zip(swaps) {
        volume.swap(swap);
        server.until("it to be refused", |server| server.metric(REFUSED) == number);
        assert!(server.log().contains(reason), "{}", server.log());
        assert_eq!(shown(&Client::trusting(&authority).connect(server.proxy()).unwrap()), first);
        assert_eq!(server.metric("claviger_config_last_reload_success"), 0);
    }
    let third = authority.issue(Wish::default());
    volume.swap(|dir| drop(third.write(dir)));
    server.until("a sound one to be taken", |server| server.metric("claviger_config_last_reload_success") == 1);
    assert_eq!(shown(&Client::trusting(&authority).connect(server.proxy()).unwrap()), third.der);
}

#[test]
fn the_admin_api_does_not_lose_its_tls_while_others_reach_it() {
    let authority = Authority::new("the authority");
    let setup = Setup::new();
    let [cert, key] = authority.issue(Wish::default()).write(&setup.dir().join("tls")).map(|file| file.display().to_string());
    let pair = format!("listen = \"0.0.0.0:0\"\ntls = {{ cert = {cert:?}, key = {key:?} }}");
    let server = setup.replacing("[admin]\nlisten = \"127.0.0.1:0\"", &format!("[admin]\n{pair}")).start();
    let admin = std::net::SocketAddr::from(([127, 0, 0, 1], server.admin().port()));
    let text = std::fs::read_to_string(server.config()).unwrap();

    std::fs::write(server.config(), text.replace(&pair, "listen = \"127.0.0.1:0\"")).unwrap();

    server.until("the reload to be refused", |server| server.metric(REFUSED) >= 1);
    server.until("why to be told", |server| server.log().contains("admin.tls cannot be taken away"));
    assert_eq!(Client::trusting(&authority).get(admin, "/openapi.json", "").unwrap().status, 200);
}
