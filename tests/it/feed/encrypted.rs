//! A control plane behind TLS, whose certificate a private authority vouches for: `localhost`, and no other name.
//!
//! The files in `tls/` were made for these tests alone, with openssl: an authority whose key is gone, and a certificate until the year 2126.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};
use claviger::model::KeyDigest;
use claviger::remote::{FeedSettings, FeedSource};
use claviger::store::Lookup as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::{key_file, sidecar_key, sidecar_of};
use crate::admin::client::Api;
use crate::support::server::{Server, Setup};
use crate::support::{http, program};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/feed/tls").join(name)
}

/// Ends TLS, and forwards what is in it. The port.
fn in_front_of(plane: SocketAddr) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let chain = CertificateDer::pem_file_iter(file("tls.crt")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("tls.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let (Ok(mut within), Ok(mut behind)) = (acceptor.accept(stream).await, TcpStream::connect(plane).await) else { return };
                    let _ = tokio::io::copy_bidirectional(&mut within, &mut behind).await;
                });
            }
        });
    });
    port
}

#[test]
fn a_control_plane_is_followed_over_tls_if_it_is_vouched_for_under_its_name_and_not_otherwise() {
    let plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, _) = sidecar_key(&root, "pods");
    let ci = plane.key("ci", &["--bind", "deployer@production"]).text;
    let port = in_front_of(plane.admin());
    let key_file = key_file(&plane, &key);
    let ca = file("ca.crt");
    let named = format!("https://localhost:{port}");

    let sidecar = sidecar_of(&named, &key_file).environment("CLAVIGER_STORE__CA", ca.to_str().unwrap()).start();
    assert_eq!((http::get(sidecar.ops(), "/readyz", &[]).status, sidecar.get(&ci).status), (200, 200), "{}", sidecar.log());

    for (url, trusted) in [(format!("https://127.0.0.1:{port}"), true), (named.clone(), false)] {
        let mut setup = sidecar_of(&url, &key_file);
        if trusted {
            setup = setup.environment("CLAVIGER_STORE__CA", ca.to_str().unwrap());
        }
        let stranger = setup.start();
        assert_eq!((http::get(stranger.ops(), "/readyz", &[]).status, stranger.get(&ci).status), (503, 503), "{url}");
        assert!(stranger.log().contains("invalid peer certificate"), "{}", stranger.log());
    }

    let whoami = |more: &[&str]| {
        let mut command = Command::new(program::claviger());
        command.args(["whoami", "--server", &named]).args(more).env_clear().env("HOME", plane.dir()).stdin(Stdio::null());
        command.env("CLAVIGER_KEY", root.key.as_ref().unwrap()).output().unwrap()
    };
    let done = whoami(&["--ca", ca.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!String::from_utf8_lossy(&done.stderr).contains("as it is"), "nobody listens on the way");
    let stranger = whoami(&[]);
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("invalid peer certificate"), "{stranger:?}");
}

#[test]
fn a_sidecar_follows_and_asks_for_keys_over_one_connection_and_finds_its_way_back() {
    let pair = |name: &str| file(name).to_str().unwrap().to_owned();
    let setup =
        Setup::new().environment("CLAVIGER_ADMIN__TLS__CERT", &pair("tls.crt")).environment("CLAVIGER_ADMIN__TLS__KEY", &pair("tls.key"));
    let mut plane = setup.start();
    plane.make_spaces();
    let replica = plane.key("pods", &["--bind", "replica@root"]).text;
    let key_file = plane.dir().join("replica.key");
    std::fs::write(&key_file, &replica).unwrap();
    let keys: Vec<String> = (0..20).map(|n| plane.key(&format!("ci-{n}"), &["--bind", "deployer@production"]).text).collect();
    let named = format!("https://localhost:{}", plane.admin().port());

    let sidecar = sidecar_of(&named, &key_file).environment("CLAVIGER_STORE__CA", &pair("ca.crt")).start();
    sidecar.until("it to follow", |sidecar| http::get(sidecar.ops(), "/readyz", &[]).status == 200);
    let connections = |plane: &Server| plane.metric("claviger_http_connections{listener=\"admin\"}");
    // Those that were made before the first one was kept end with their first question.
    plane.until("one connection to be left", |plane| connections(plane) == 1);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = keys.iter().map(|key| scope.spawn(|| sidecar.get(key).status)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!((statuses, connections(&plane)), (vec![200; keys.len()], 1), "{}", sidecar.log());

    plane.run(&["key", "revoke", "ci-0", "--yes"]);
    sidecar.until("the change to be told", |sidecar| sidecar.get(&keys[0]).status == 401);
    plane.kill();
    plane.start_again();
    plane.run(&["key", "revoke", "ci-1", "--yes"]);
    sidecar.until("the change to be told by who has come back", |sidecar| sidecar.get(&keys[1]).status == 401);
    plane.until("one connection to be left again", |plane| connections(plane) == 1);
}

/// Passes connections on, once it may; and counts them.
fn relay(plane: SocketAddr) -> (SocketAddr, watch::Receiver<u64>, watch::Sender<bool>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let ((come, seen), (passes, may_pass)) = (watch::channel(0), watch::channel(false));
    tokio::spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((mut client, _)) = listener.accept().await {
            come.send_modify(|come| *come += 1);
            let mut may_pass = may_pass.clone();
            tokio::spawn(async move {
                may_pass.wait_for(|passes| *passes).await.unwrap();
                let mut server = TcpStream::connect(plane).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (address, seen, passes)
}

#[test]
fn a_connection_that_takes_longer_than_anybody_waits_is_made_and_used_by_who_comes_next() {
    let pair = |name: &str| file(name).to_str().unwrap().to_owned();
    let setup =
        Setup::new().environment("CLAVIGER_ADMIN__TLS__CERT", &pair("tls.crt")).environment("CLAVIGER_ADMIN__TLS__KEY", &pair("tls.key"));
    let plane = setup.start();
    let key_file = plane.dir().join("replica.key");
    std::fs::write(&key_file, plane.key("pods", &["--bind", "replica@root"]).text).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(SystemClock::start());
        let (address, mut come, passes) = relay(plane.admin());
        let planes = vec![format!("https://localhost:{}", address.port()).parse().unwrap()];
        let settings = FeedSettings { planes, key_file, ca: Some(file("ca.crt")), max_staleness: Duration::from_mins(1) };
        let source = Arc::new(FeedSource::open(settings, clock.clone()).unwrap());
        let (unknown, began) = (KeyDigest::from_bytes([3; 32]), clock.monotonic());

        let first = Arc::clone(&source);
        let gives_up = tokio::spawn(async move { first.find_key(&unknown).await });
        come.wait_for(|come| *come == 1).await.unwrap();
        gives_up.abort();
        assert!(gives_up.await.is_err_and(|error| error.is_cancelled()), "nothing comes through");
        passes.send(true).unwrap();

        assert_eq!(source.find_key(&unknown).await.unwrap(), None);
        // After a while it is begun anew with another one.
        assert!(*come.borrow() == 1 || clock.monotonic() > began + Duration::from_secs(2), "it was begun with once more");
        source.close().await;
    });
}
