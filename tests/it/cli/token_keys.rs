//! `claviger token`, as it is typed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use claviger::clock::{Clock, SystemClock};
use claviger::config::TokenSettings;
use claviger::edge::tls::ListenerTls;
use claviger::model::{KeyId, Revision, RolesBySpace};
use claviger::ops::{Lifecycle, OpsState, serve};
use claviger::telemetry::{Listener, Metrics};
use claviger::token::{KeyRing, Minter, Subject};
use serde_json::Value;

fn claviger(arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.env_clear().arg("token").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

fn data(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn told(output: &Output) -> (i32, String) {
    assert!(output.stdout.is_empty(), "what is refused has no data");
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// A token of the ring in this directory, and the ring's key set.
fn token_and_keys(keys: &Path) -> (String, String) {
    let now = SystemClock::start().now().wall;
    let ring = KeyRing::open(&TokenSettings { keys: keys.to_owned(), ..TokenSettings::default() }, now).unwrap();
    let roles = RolesBySpace::new();
    let subject = Subject {
        key: KeyId::new(0, 1),
        name: &"ci".parse().unwrap(),
        groups: &[],
        effective: &roles,
        bound: &roles,
        scope: None,
        confirmation: None,
        revision: Revision(1),
        not_after: None,
    };
    let minted = Minter::new(&TokenSettings::default()).mint(&ring, &subject, now).unwrap();
    (minted.header.to_str().unwrap().to_owned(), ring.jwks().to_string())
}

#[test]
fn a_roll_by_hand() {
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("keys");
    let keys = keys.to_str().unwrap();
    let run = |verb: &[&str]| claviger(&[&["keys"], verb, &["--keys", keys, "-o", "json"]].concat(), "");
    let kid = |output: &Output| data(output)["kid"].as_str().unwrap().to_owned();
    let states = || {
        let listed = data(&run(&["list"]));
        let state = |key: &Value| (key["kid"].as_str().unwrap().to_owned(), key["state"].as_str().unwrap().to_owned());
        listed.as_array().unwrap().iter().map(state).collect::<std::collections::BTreeMap<_, _>>()
    };

    let first = kid(&run(&["publish"]));
    assert_eq!(states()[&first], "current");
    let next = kid(&run(&["publish"]));
    assert_eq!((states()[&first].as_str(), states()[&next].as_str()), ("current", "next"));
    let (code, why) = told(&run(&["activate", &next]));
    assert!(code == 1 && why.contains("may not know it before") && why.contains("--now"), "{code} {why}");
    data(&run(&["activate", &next, "--now"]));
    assert_eq!((states()[&first].as_str(), states()[&next].as_str()), ("retiring", "current"));

    let (code, why) = told(&run(&["retire", &first]));
    assert!(code == 1 && why.contains("may live until"), "{code} {why}");
    data(&run(&["retire", &first, "--now"]));
    assert_eq!(states().len(), 1);
}

#[test]
fn a_kid_may_begin_with_a_dash() {
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("keys");
    let keys = keys.to_str().unwrap();
    claviger(&["keys", "publish", "--keys", keys], "");
    let (code, why) = told(&claviger(&["keys", "activate", "-abc", "--keys", keys], ""));
    assert!(code == 1 && why.contains("there is no key \"-abc\""), "{code} {why}");
}

#[test]
fn a_token_by_stdin_or_file_is_shown_and_verified() {
    let home = tempfile::tempdir().unwrap();
    let (bearer, jwks) = token_and_keys(&home.path().join("keys"));
    let (token_file, jwks_file) = (home.path().join("token"), home.path().join("jwks.json"));
    fs::write(&token_file, &bearer).unwrap();
    fs::write(&jwks_file, jwks).unwrap();
    let (token_file, jwks_file) = (token_file.to_str().unwrap(), jwks_file.to_str().unwrap());

    let shown = data(&claviger(&["decode", "-o", "json"], &format!("{bearer}\n")));
    assert_eq!((&shown["claims"]["name"], &shown["header"]["alg"]), (&Value::from("ci"), &Value::from("ES256")));

    let good = ["--jwks", jwks_file, "--issuer", "http://127.0.0.1:9464", "--audience", "upstream"];
    let verified = data(&claviger(&[&["verify", "-o", "json", "--file", token_file][..], &good].concat(), ""));
    assert_eq!(verified, shown);

    let elsewhere = ["--jwks", jwks_file, "--issuer", "http://127.0.0.1:9464", "--audience", "billing"];
    let (code, why) = told(&claviger(&[&["verify"][..], &elsewhere].concat(), &bearer));
    assert!(code == 1 && why.contains("the claim aud is not right"), "{code} {why}");
    let (code, why) = told(&claviger(&["decode"], "no token"));
    assert!(code == 1 && why.contains("not a JWT"), "{code} {why}");
    let (code, _) = told(&claviger(&["decode", &bearer], ""));
    assert_eq!(code, 2, "a token is never an argument");
}

#[test]
fn a_server_of_keys_that_speaks_something_else_is_told_by_what_it_says() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 ready for mail\r\n").unwrap();
        // Until whoever asked has heard enough.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });

    let arguments = ["verify", "--jwks", &url, "--issuer", "http://127.0.0.1:9464", "--audience", "upstream"];
    let (code, why) = told(&claviger(&arguments, "a.b.c"));

    // Before or after the question: either way it is no answer.
    assert!(code == 1 && (why.contains("invalid HTTP version") || why.contains("unexpected message")), "{code} {why}");
    server.join().unwrap();
}

#[tokio::test]
async fn a_token_is_verified_by_what_the_ops_listener_publishes() {
    let home = tempfile::tempdir().unwrap();
    let (bearer, jwks) = token_and_keys(&home.path().join("keys"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
    let state = OpsState {
        lifecycle: Arc::new(Lifecycle::starting()),
        metrics: Arc::new(Metrics::new()),
        issuer: Arc::new(|| "http://127.0.0.1:9464".to_owned()),
        parts: Arc::new(Vec::new),
        jwks: Arc::new(move || jwks.as_str().into()),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let tls = ListenerTls::plain(Listener::Ops, &state.metrics, &clock).unwrap();
    let server = tokio::spawn(serve((listener, tls), state, std::future::pending()));

    let verify = move || {
        let arguments = ["verify", "--jwks", &url, "--issuer", "http://127.0.0.1:9464", "--audience", "upstream", "-o", "json"];
        claviger(&arguments, &bearer)
    };
    let verified = tokio::task::spawn_blocking(verify).await.unwrap();
    assert_eq!(data(&verified)["claims"]["name"], "ci");
    server.abort();
}
