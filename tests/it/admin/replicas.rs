//! Several processes on one store: who they are, and when a change is in force in all of them.

use std::sync::Arc;
use std::time::Duration;

use claviger::clock::{Clock as _, ManualClock, SystemClock};
use claviger::config::StoreUrl;
use claviger::model::{Replica, Strategy};
use claviger::store;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::client::Api;
use crate::support::server::{Server, Setup};
use crate::support::{http, waiting};

/// Another process on the same store.
fn beside(first: &Server) -> Server {
    let store = format!("sqlite://{}", first.dir().join("claviger.db").display());
    Setup::new().environment("CLAVIGER_STORE__URL", &store).start()
}

/// Stops a process, but not while it has the store's lock: nobody else could change anything then.
fn stop(process: &Server, of_store: &Server) {
    let stopped = waiting::comes_to_be(|| {
        process.signal("STOP");
        let is_free = locked_for_a_moment(of_store);
        if !is_free {
            process.signal("CONT");
        }
        is_free
    });
    assert!(stopped, "{}", of_store.log());
}

/// Whether somebody else could have the lock.
fn locked_for_a_moment(of_store: &Server) -> bool {
    let file = SqliteConnectOptions::new().filename(of_store.dir().join("claviger.db")).busy_timeout(Duration::from_millis(500));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = file.connect().await.unwrap();
        match connection.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction.rollback().await.is_ok(),
            Err(_) => false,
        }
    })
}

fn names(api: &Api, query: &str) -> Vec<String> {
    let listed = api.get(&format!("/replicas{query}"));
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.json()["items"].as_array().unwrap().iter().map(|replica| replica["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_change_that_was_waited_for_is_in_force_in_every_process_when_it_is_answered() {
    let first = Server::with_spaces();
    let second = beside(&first);
    let root = Api::of_root(&first);
    assert_eq!(names(&root, "").len(), 2, "whoever is served by a process finds it among the replicas");
    let key = root.made("/keys?wait=applied", &json!({ "name": "ci" }));
    assert_eq!((&key["applied"]["everywhere"], &key["applied"]["replicas"]), (&json!(true), &json!(2)), "{key}");
    let (id, text) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    let propagated = second.metric("claviger_change_propagation_seconds_count");

    for round in 0..3 {
        // What the other one remembers of the key, it must give up.
        assert_eq!(second.get(text).code(), "no_roles", "round {round}");
        let body = json!({ "subject": { "key": id }, "role": "deployer", "space": "production" });
        let bound = root.post("/bindings?wait=applied", &body);
        assert_eq!(second.roles(text), json!({ "production": ["deployer"] }), "{}", bound.text());
        assert_eq!(bound.status, 201);
        assert_eq!(bound.json()["applied"], json!({ "everywhere": true, "revision": bound.revision(), "replicas": 2, "waiting_for": [] }));

        let gone = root.delete(&format!("/bindings/{}?wait=applied&timeout=30s", bound.json()["id"].as_str().unwrap()));
        assert_eq!(second.get(text).code(), "no_roles", "{}", gone.text());
        assert_eq!((gone.status, &gone.json()["applied"]["everywhere"]), (200, &json!(true)));
    }
    assert_eq!(second.metric("claviger_change_propagation_seconds_count"), propagated + 6);

    // Sent again under its name, it may wait or not: it is the same request.
    let named = [("Idempotency-Key", "7c1e")];
    let body = json!({ "id": "eu", "parent": "production" });
    let once = root.send("POST", "/spaces", Some(&body), &named);
    let again = root.send("POST", "/spaces?wait=applied", Some(&body), &named);
    assert_eq!((once.status, again.status, again.revision()), (201, 201, once.revision()), "{}", again.text());
    assert_eq!((&once.json()["applied"], &again.json()["applied"]["everywhere"]), (&Value::Null, &json!(true)));
    // What was refused is not waited for.
    let late = root.send("PATCH", "/spaces/eu?wait=applied", Some(&json!({ "description": "x" })), &[("If-Match", "\"1\"")]);
    assert_eq!((late.status, late.code().as_str(), &late.json()["applied"]), (412, "precondition_failed", &Value::Null));
    for refused in ["/spaces?wait=ready", "/spaces?wait=applied&timeout=2m", "/spaces?wait=applied&wait=applied", "/spaces?async=true"] {
        assert_eq!(root.post(refused, &json!({ "id": "us" })).code(), "bad_request", "{refused}");
    }
    assert_eq!(root.post("/explain?wait=applied", &json!({ "key": "ci" })).code(), "bad_request", "there is nothing to wait for");
    assert_eq!(root.get("/spaces/us").status, 404);
}

#[test]
fn a_process_that_does_not_apply_a_change_is_named_and_keeps_nobody_for_longer_than_was_said() {
    let mut first = Server::start();
    let root = Api::of_root(&first);
    let own = names(&root, "");
    let second = beside(&first);
    let other: Vec<String> = names(&root, "").into_iter().filter(|name| !own.contains(name)).collect();
    assert_eq!((own.len(), other.len()), (1, 1));

    stop(&second, &first);
    let made = root.post("/spaces?wait=applied&timeout=1s", &json!({ "id": "production" }));

    assert_eq!(made.status, 201, "{}", made.text());
    let applied = json!({ "everywhere": false, "revision": made.revision(), "replicas": 2, "waiting_for": other });
    assert_eq!(made.json()["applied"], applied);
    let listed = root.get("/replicas").json();
    let lagging = listed["items"].as_array().unwrap().iter().find(|replica| replica["name"] == other[0].as_str()).unwrap();
    assert!(lagging["lag_revisions"] == 1 && lagging["lag_seconds"].as_f64().unwrap() >= 1.0 && lagging["live"] == true, "{listed}");
    let told = first.run(&["replicas"]);
    assert_eq!(told.as_array().unwrap().len(), 2, "{told}");

    second.signal("CONT");
    let changed = root.send("PATCH", "/spaces/production?wait=applied&timeout=60s", Some(&json!({ "description": "x" })), &[]);
    assert_eq!((changed.status, &changed.json()["applied"]["everywhere"]), (200, &json!(true)), "{}", changed.text());

    // And whoever waits when a process drains is answered then.
    stop(&second, &first);
    let asking = root.clone();
    let waits = std::thread::spawn(move || {
        let clock = SystemClock::start();
        (asking.post("/spaces?wait=applied&timeout=60s", &json!({ "id": "staging" })), clock.monotonic())
    });
    first.until("the change to be made", |first| first.try_run(&["space", "show", "staging"]).status.success());
    first.signal("TERM");
    let (answer, took) = waits.join().unwrap();
    assert_eq!((answer.status, &answer.json()["applied"]["waiting_for"]), (201, &json!(other)), "{}", answer.text());
    assert!(took < Duration::from_secs(50), "{took:?}");
    assert!(first.wait().success());
    second.signal("CONT");
    let root = Api { address: second.admin(), ..root };
    assert_eq!(names(&root, "?all=true"), other, "who has ended in order is gone at once");
}

#[test]
fn a_process_that_was_killed_is_counted_on_for_a_while_and_no_longer() {
    let first = Server::start();
    let root = Api::of_root(&first);
    let own = names(&root, "");
    let mut second = beside(&first);
    second.signal("KILL");
    second.wait();
    assert_eq!(names(&root, "").len(), 2, "nobody can know yet");

    // As somebody sees it to whom it is later than to the first one, which goes on telling of itself.
    let later = SystemClock::start().now().wall + Duration::from_secs(16);
    let url = StoreUrl::Sqlite(first.dir().join("claviger.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store::open(&url, Strategy::Combined, Arc::new(ManualClock::at(later))).await.unwrap();
        let replicas = store.replicas().await.unwrap();
        let killed: Vec<&Replica> = replicas.all.iter().filter(|replica| replica.report.name.as_str() != own[0]).collect();
        assert!(matches!(killed[..], [killed] if !killed.is_live(later)), "{replicas:?}");
        store.close().await;
    });
}

#[test]
fn a_store_that_cannot_be_told_keeps_nobody_from_being_served_and_is_spoken_of_once() {
    const AWAY: &str = "the store cannot be told what is in force in this process";
    const BACK: &str = "the store is told again what is in force in this process";
    let server = Server::with_spaces();
    let keys: Vec<_> = (0..20).map(|number| server.key(&format!("k{number}"), &["--bind", "deployer@production"])).collect();
    let mut unused = keys.iter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut writer =
        runtime.block_on(SqliteConnectOptions::new().filename(server.dir().join("claviger.db")).connect()).expect("the store's file");
    let locked = runtime.block_on(writer.begin_with("BEGIN IMMEDIATE")).unwrap();

    server.until("the warning", |server| {
        let key = unused.next().unwrap_or(&keys[0]);
        assert_eq!(server.get(&key.text).status, 200, "{}", server.log());
        server.log().contains(AWAY)
    });
    // Twice more it is tried, and not told.
    let clock = SystemClock::start();
    assert!(waiting::comes_to_be(|| {
        assert_eq!(http::get(server.ops(), "/readyz", &[]).status, 200);
        clock.monotonic() > Duration::from_secs(3)
    }));
    runtime.block_on(locked.rollback()).unwrap();

    server.until("it to be told again", |server| server.log().contains(BACK));
    assert_eq!((server.log().matches(AWAY).count(), server.log().matches(BACK).count()), (1, 1), "{}", server.log());
}
