//! The feed as it goes over the wire.

use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};
use claviger::model::{KeyDigest, PlainKey};
use serde_json::{Value, json};

use super::sidecar_key;
use crate::admin::client::Api;
use crate::support::http::Answer;
use crate::support::server::Server;

/// The last revision that there can be.
const LAST: u64 = i64::MAX as u64;

fn poll(api: &Api, after: u64, wait: u64) -> Answer {
    api.send("GET", &format!("/feed/changes?after={after}&wait={wait}"), None, &[("Claviger-Replica", "web-1")])
}

fn report(api: &Api, applied: u64) -> Answer {
    let report = json!({ "version": "9.9", "applied": applied, "started_at": "2026-03-02T12:00:00Z" });
    api.send("POST", "/feed/replica", Some(&report), &[("Claviger-Replica", "web-1")])
}

fn digest(text: &str) -> KeyDigest {
    KeyDigest::of(&PlainKey::presented(text.as_bytes()).unwrap())
}

#[test]
fn a_sidecar_is_told_what_it_takes_to_serve_and_no_more() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    let (api, _) = sidecar_key(&root, "pods");

    let snapshot = api.get("/feed/snapshot");
    let seen = snapshot.revision();
    assert_eq!((snapshot.status, &snapshot.json()["format"], &snapshot.json()["revision"]), (200, &json!(1), &json!(seen)));
    let spaces: Vec<Value> = snapshot.json()["content"]["spaces"].as_array().unwrap().iter().map(|space| space["id"].clone()).collect();
    assert_eq!(spaces, ["development", "production", "root", "staging"]);
    let known = api.send("GET", "/feed/snapshot", None, &[("If-None-Match", &format!("\"{seen}\""))]);
    assert_eq!((known.status, known.text().as_str()), (304, ""), "what is known is not sent again");

    // A key is made, and rotated: the feed tells that something is another, and neither the key nor its digests.
    let key = root.made("/keys", &json!({ "name": "ci", "bindings": [{ "role": "deployer", "space": "production" }] }));
    let (id, text) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    let rotated = root.post(&format!("/keys/{id}/rotate"), &json!({ "grace_seconds": 600 }));
    let newer = rotated.json()["key"].as_str().unwrap().to_owned();
    let told = poll(&api, seen, 0);
    let changes = told.json()["changes"].as_array().unwrap().clone();
    assert_eq!((changes.len() as u64 + seen, &told.json()["too_old"]), (rotated.revision(), &json!(false)), "{}", told.text());
    assert_eq!(changes[changes.len() - 1]["reach"], json!({ "marks": [digest(&newer).mark(), digest(text).mark()] }));
    assert!(!told.text().contains(id) && !told.text().contains(&digest(text).to_hex()[..16]), "{}", told.text());

    // Whoever knows a digest is told of that secret alone.
    let find = |digest: &KeyDigest| api.post("/feed/key", &json!({ "sha256": digest.to_hex() }));
    let found = find(&digest(text)).json();
    assert_eq!((&found["key"]["id"], &found["key"]["name"], &found["as_of"]), (&json!(id), &json!("ci"), &json!(rotated.revision())));
    assert!(found["key"]["secret"]["ends_at"].is_string(), "{found}");
    assert!(!found.to_string().contains(&digest(&newer).to_hex()), "{found}");
    let unknown = find(&KeyDigest::from_bytes([7; 32]));
    let masked = find(&KeyDigest::with_mark(&digest(text).mark()).unwrap());
    assert_eq!((unknown.status, &unknown.json()["key"]), (200, &Value::Null));
    assert_eq!(unknown.text(), masked.text(), "a mark finds nothing");

    // It reports which secrets were used, and what was to be kept.
    let now = SystemClock::start().now().wall.to_string();
    let used = api.post("/feed/uses", &json!({ "uses": [{ "sha256": digest(&newer).to_hex(), "at": now }] }));
    assert_eq!(used.status, 204, "{}", used.text());
    assert!(root.get(&format!("/keys/{id}")).json()["secrets"][0]["last_used_at"].is_string());
    for refused in
        [json!({ "uses": [{ "sha256": "x", "at": now }] }), json!({ "uses": vec![json!({ "sha256": "0".repeat(64), "at": now }); 2_001] })]
    {
        assert_eq!(api.post("/feed/uses", &refused).code(), "bad_request");
    }

    // What lies too far back is not told, nor what lies ahead.
    let ahead = poll(&api, LAST, 10);
    assert_eq!((ahead.status, &ahead.json()["changes"], &ahead.json()["revision"]), (200, &json!([]), &json!(rotated.revision())));
    assert_eq!(api.get("/feed/changes?after=0&wait=31").code(), "bad_request");
    assert_eq!(poll(&api, LAST + 1, 0).code(), "bad_request");

    // The role is bound on root alone.
    let elsewhere = json!([{ "role": "replica", "space": "production" }]);
    let refused = root.post("/keys", &json!({ "name": "elsewhere", "bindings": elsewhere }));
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
}

#[test]
fn a_change_that_is_waited_for_is_in_force_in_a_sidecar_when_it_asks_for_what_comes_after() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    let (api, id) = sidecar_key(&root, "pods");
    let seen = api.get("/feed/snapshot").revision();
    assert_eq!((report(&api, LAST).status, report(&api, LAST + 1).code().as_str()), (204, "bad_request"));
    let name = format!("web-1.{}", &id[18..]);
    let listed = root.get("/replicas").json();
    let replica = listed["items"].as_array().unwrap().iter().find(|replica| replica["name"] == name.as_str());
    let replica = replica.unwrap_or_else(|| panic!("{listed}")).clone();
    assert_eq!((&replica["version"], &replica["applied_revision"]), (&json!("9.9"), &json!(seen)), "nothing of the future is believed");

    // It asks for nothing: it is named.
    let late = root.send("POST", "/spaces?wait=applied&timeout=1s", Some(&json!({ "id": "eu" })), &[]);
    assert_eq!(late.json()["applied"]["waiting_for"], json!([name]), "{}", late.text());

    // It waits, is told at once, and what it asks for next says that it is in force.
    let waiting = api.clone();
    let after = late.revision();
    let follows = std::thread::spawn(move || {
        let told = poll(&waiting, after, 30).json();
        let last = told["changes"][0]["revision"].as_u64().unwrap();
        poll(&waiting, last, 1);
        told
    });
    server.until("it to have asked", |_| {
        let listed = root.get("/replicas").json();
        listed["items"].as_array().unwrap().iter().any(|replica| replica["name"] == name.as_str() && replica["lag_revisions"] == 0)
    });
    let clock = SystemClock::start();
    let made = root.send("POST", "/spaces?wait=applied&timeout=60s", Some(&json!({ "id": "us" })), &[]);
    assert_eq!((&made.json()["applied"]["everywhere"], &made.json()["applied"]["replicas"]), (&json!(true), &json!(2)), "{}", made.text());
    let told = follows.join().unwrap();
    assert!(clock.monotonic() < Duration::from_secs(20));
    assert_eq!((&told["changes"][0]["revision"], &told["changes"][0]["reach"]), (&json!(made.revision()), &json!("all")));
    assert!(told["after_at"].is_string(), "{told}");

    // Who says that it ends is gone at once.
    assert_eq!(api.send("DELETE", "/feed/replica", None, &[("Claviger-Replica", "web-1")]).status, 204);
    assert_eq!(root.get("/replicas?all=true").json()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn whoever_waits_for_changes_is_answered_when_the_right_ends_and_when_the_control_plane_does() {
    let mut server = Server::start();
    let root = Api::of_root(&server);
    let (api, _) = sidecar_key(&root, "pods");
    let (other, id) = sidecar_key(&root, "others");
    let seen = api.get("/feed/snapshot").revision();
    let wait = |api: &Api, after: u64| {
        let api = api.clone();
        std::thread::spawn(move || poll(&api, after, 30))
    };
    let ended = wait(&other, seen);
    assert_eq!(root.delete(&format!("/keys/{id}")).status, 204);
    let ended = ended.join().unwrap();
    assert_eq!((ended.status, ended.code().as_str()), (401, "invalid_key"));

    let clock = SystemClock::start();
    let now = api.get("/feed/snapshot").revision();
    let drained = wait(&api, now);
    server.until("it to wait", |server| server.metric("claviger_http_connections{listener=\"admin\"}") >= 1);
    server.signal("TERM");
    let drained = drained.join().unwrap();
    assert_eq!((drained.status, &drained.json()["changes"]), (200, &json!([])));
    assert!(clock.monotonic() < Duration::from_secs(20), "{:?}", clock.monotonic());
    assert!(server.wait().success());
}
