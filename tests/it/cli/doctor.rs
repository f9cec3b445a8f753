//! What `claviger doctor` finds, with faults that are real.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claviger::clock::{Clock as _, ManualClock, SystemClock, earlier};
use claviger::config::StoreUrl;
use claviger::model::{BindingId, Cause, KeyDigest, KeyId, Mutation, NewKey, Strategy};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, raw_sql};

use crate::support::place::Place;
use crate::support::server::Server;

/// By check: the results, each with what was said and what to do.
type Told = BTreeMap<String, Vec<(String, String, String)>>;

fn told(stdout: &[u8]) -> Told {
    let report: Value = serde_json::from_slice(stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(stdout)));
    let mut told = Told::new();
    for check in report["checks"].as_array().unwrap() {
        let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
        told.entry(text("check")).or_default().push((text("result"), text("said"), text("advice")));
    }
    let failed = told.values().flatten().any(|(result, ..)| result == "failed");
    assert_eq!(report["ok"], !failed);
    told
}

/// Whether one of this check's findings has this result, says this, and what to do if something is to be done.
#[track_caller]
fn expect(told: &Told, check: &str, result: &str, said: &str) {
    let findings = told.get(check).unwrap_or_else(|| panic!("nothing of {check}: {told:#?}"));
    let found = findings.iter().find(|(found, text, _)| found == result && text.contains(said));
    let (_, _, advice) = found.unwrap_or_else(|| panic!("{check} is not {result} for {said:?}: {findings:#?}"));
    assert_eq!(advice.is_empty(), matches!(result, "ok" | "skipped"), "{check}: {advice}");
}

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An upstream that answers once, with this time for now.
fn upstream_at(date: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, date) = (listener.local_addr().unwrap(), date.to_owned());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let read = client.read(&mut head).unwrap();
        assert!(head[..read].starts_with(b"HEAD / HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&head[..read]));
        write!(client, "HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    });
    address
}

/// Every file below, with its content and mode; what SQLite keeps beside an open store comes and goes.
fn everything(dir: &Path) -> BTreeMap<String, (Vec<u8>, u32, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else if !path.to_str().unwrap().ends_with("-shm") && !path.to_str().unwrap().ends_with("-wal") {
            let metadata = std::fs::metadata(&path).unwrap();
            let found = (std::fs::read(&path).unwrap(), metadata.permissions().mode(), metadata.modified().unwrap());
            all.insert(path.to_str().unwrap().to_owned(), found);
        }
    }
    all
}

#[test]
fn of_an_installation_that_works_nothing_has_failed() {
    let server = Server::with_spaces();
    server.key("ci", &["--bind", "deployer@production"]);
    let run = server.try_run(&["doctor", "--set", &format!("ops.listen={}", server.ops())]);

    let told = told(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{told:#?}");
    for (check, said) in [
        ("configuration", "claviger.toml"),
        ("policies", "there are none"),
        ("store", "with the schema of this version"),
        ("audit", "are a chain that ends with"),
        ("upstream", "answers 200 to HEAD /"),
        ("walk-around", "127.0.0.1 is this machine alone"),
        ("process", "is ready, version"),
        ("jwks", "1 key is published"),
        ("signing-keys", "(ES256) has signed for"),
        ("keys-expiring", "no key ends"),
        ("keys-unused", "within 90 days"),
        ("permissions", "nobody else"),
    ] {
        expect(&told, check, "ok", said);
    }
    for check in ["clock", "disk", "descriptors"] {
        assert!(told.contains_key(check), "{check}: {told:#?}");
    }
}

#[test]
fn an_api_that_others_reach_around_the_proxy_is_found() {
    let place = Place::new();
    let diagnosed =
        |url: &str| told(place.run(&["doctor", "-o", "json", "--timeout", "1s", "--set", &format!("upstream.url={url}")]).out.as_bytes());
    // What this machine would send from to somewhere else; without a network nobody comes from there either.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let has_a_network = socket.connect("192.0.2.1:9").is_ok() && !socket.local_addr().unwrap().ip().is_loopback();

    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let found = diagnosed(&format!("http://127.0.0.1:{}", everywhere.local_addr().unwrap().port()));
    if has_a_network {
        expect(&found, "walk-around", "warning", "and not only at 127.0.0.1");
    } else {
        expect(&found, "walk-around", "ok", "is this machine alone");
    }

    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    expect(&diagnosed(&format!("http://127.0.0.1:{port}")), "walk-around", "ok", "127.0.0.1 is this machine alone");
    expect(&diagnosed(&format!("http://localhost:{port}")), "walk-around", "ok", "localhost is this machine alone");
    expect(&diagnosed("http://192.0.2.7:1"), "walk-around", "warning", "192.0.2.7 is not this machine");
}

#[test]
fn every_endpoint_of_every_upstream_is_looked_at() {
    let place = Place::new();
    let socket = place.path("api.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let here = upstream_at("Tue, 15 Nov 1994 08:12:31 GMT");
    let config = format!(
        "[upstream]\nurl = [\"http://{here}\", \"http://{}\"]\n[store]\nurl = \"sqlite://claviger.db\"\n\
         [[routes]]\npath = \"/\"\nupstream = \"unix:api.sock\"\n",
        nowhere()
    );
    place.file("claviger.toml", &config);
    let mode = |mode| std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(mode)).unwrap();
    let doctor = || told(place.run_with(&["doctor", "--config", "claviger.toml", "-o", "json", "--timeout", "1s"], &[], "").out.as_bytes());

    mode(0o777);
    let found = doctor();
    expect(&found, "upstream", "ok", "answers 404 to HEAD /");
    expect(&found, "upstream", "failed", "cannot be reached");
    expect(&found, "upstream", "failed", "api.sock does not answer within 1s");
    expect(&found, "walk-around", "warning", "every user of this machine who reaches");

    mode(0o660);
    expect(&doctor(), "walk-around", "ok", "api.sock is for its owner and its group alone");
    drop(listener);
}

#[test]
fn each_fault_is_found_and_comes_with_what_to_do_and_nothing_is_changed() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ending", "--expires", "7d"]);
    place.json(&["strategy", "set", "user-management"]);
    let signing = place.json(&["token", "keys", "publish", "--keys", "keys"]);
    let key_file = place.path(&format!("keys/{}.pem", signing["kid"].as_str().unwrap()));
    place.file("policies/gate.rego", "package spacelift\n\nallow if true\n\ndeny if startwith(1, 2)\n");
    place.file("webhook.secret", "a secret that everybody knows by now");
    let config = format!(
        "[upstream]\nurl = \"http://{}\"\n[ops]\nlisten = \"{}\"\n[token]\nkeys = \"keys\"\n[policies]\ndir = \"policies\"\n\
         [store]\nurl = \"sqlite://claviger.db\"\n[audit.webhook]\nurl = \"http://127.0.0.1:1/\"\nsecret_file = \"webhook.secret\"\n",
        nowhere(),
        nowhere()
    );
    place.file("claviger.toml", &config);
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&place.path("webhook.secret"), 0o644);
    mode(&place.path("claviger.db"), 0o604);
    mode(&place.path("keys"), 0o777);
    let before = everything(place.dir.path());
    let doctor = |more: &[&str]| {
        let run = place.run_with(&[&["doctor", "--config", "claviger.toml", "-o", "json"], more].concat(), &[], "");
        assert_eq!(run.code, 1, "{}", run.err);
        assert!(run.err.contains("checks have failed"), "{}", run.err);
        told(run.out.as_bytes())
    };

    let found = doctor(&[]);
    expect(&found, "upstream", "failed", "cannot be reached");
    expect(&found, "process", "failed", "nobody answers at http://127.0.0.1:");
    expect(&found, "jwks", "skipped", "no process answers");
    expect(&found, "policies", "failed", "policies/gate.rego:5");
    expect(&found, "policies", "warning", "no policy is asked: the strategy is user-management");
    expect(&found, "keys-expiring", "warning", "1 key ends within 14 days: ending (6 days)");
    expect(&found, "permissions", "failed", "webhook's secret");
    expect(&found, "permissions", "failed", "keys (mode 0777)");
    expect(&found, "permissions", "warning", "everybody on this machine may read it");
    expect(&found, "store", "ok", "at revision 2");
    assert_eq!(everything(place.dir.path()), before, "it changes nothing");

    mode(&place.path("keys"), 0o700);
    mode(&key_file, 0o644);
    expect(&doctor(&[]), "signing-keys", "failed", "(mode 0644)");
    mode(&key_file, 0o600);
    expect(&doctor(&[]), "signing-keys", "ok", "has signed for");

    let found = doctor(&["--set", "token.ttls=5s"]);
    expect(&found, "configuration", "failed", "token.ttls");
    let found = doctor(&["--set", "store.url=sqlite://nothing.db"]);
    expect(&found, "store", "failed", "there is no store at");
    for check in ["audit", "keys-expiring", "keys-unused"] {
        assert_eq!(found[check][0].0, "skipped", "{check}: {found:#?}");
    }
    assert!(!place.path("nothing.db").exists());

    let people = place.run_with(&["doctor", "--config", "claviger.toml"], &[], "");
    let line = people.out.lines().position(|line| line.starts_with("failed   upstream")).unwrap_or_else(|| panic!("{}", people.out));
    assert!(people.out.lines().nth(line + 1).unwrap().trim_start().starts_with("-> requests get 502"), "{}", people.out);
}

#[test]
fn an_upstream_whose_clock_is_another_is_told() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let told_of = |date: &str| {
        let upstream = format!("upstream.url=http://{}", upstream_at(date));
        let set = [&*upstream, "store.url=sqlite://claviger.db", &format!("ops.listen={}", nowhere())].map(str::to_owned);
        let line = ["doctor", "-o", "json", "--set", &set[0], "--set", &set[1], "--set", &set[2]];
        told(place.run_with(&line, &[], "").out.as_bytes())
    };

    let found = told_of("Sun, 06 Nov 1994 08:49:37 GMT");

    expect(&found, "upstream", "ok", "answers 404 to HEAD /");
    expect(&found, "clock", "failed", "days behind: it refuses tokens");
}

#[test]
fn keys_that_nobody_has_used_and_an_audit_that_was_changed_are_told() {
    let place = Place::new();
    let url = StoreUrl::parse(&place.url()).unwrap();
    let long_ago = earlier(SystemClock::start().now().wall, Duration::from_hours(100 * 24));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = claviger::store::open(&url, Strategy::Combined, Arc::new(ManualClock::at(long_ago))).await.unwrap();
        let key = NewKey {
            id: KeyId::new(0, 1),
            name: "forgotten".parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            expires_at: None,
            digest: KeyDigest::from_bytes([7; 32]),
            bindings: vec![(BindingId::new(0, 2), "space-reader".parse().unwrap(), "root".parse().unwrap())],
        };
        store.apply(Mutation::CreateKey(key), &Cause::SYSTEM, None).await.unwrap();
        store.close().await;
    });
    place.json(&["key", "create", "--name", "young"]);
    let set = [format!("ops.listen={}", nowhere()), format!("upstream.url=http://{}", nowhere())];
    let line = ["doctor", "-o", "json", "--set", "store.url=sqlite://claviger.db", "--set", &set[0], "--set", &set[1]];
    let doctor = || told(place.run_with(&line, &[], "").out.as_bytes());

    let found = doctor();
    expect(&found, "keys-unused", "warning", "1 key has not been used for 90 days: forgotten");
    expect(&found, "audit", "ok", "the last 2 entries are a chain that ends with 2");
    expect(&found, "clock", "ok", "not behind the last entry");

    runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new().filename(place.path("claviger.db")).connect().await.unwrap();
        let changed = "UPDATE audit SET actor = 'operator::eve' WHERE id = 1";
        raw_sql(AssertSqlSafe(changed.to_owned())).execute(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
    });
    expect(&doctor(), "audit", "failed", "entry 1 is not what was written");
}
