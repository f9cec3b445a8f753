//! A control plane and sidecars, each a process of its own.

use serde_json::{Value, json};

use super::{key_file, sidecar_key, sidecar_of, url};
use crate::admin::client::Api;
use crate::support::http;
use crate::support::server::{Server, Setup};

fn everywhere(answer: &http::Answer, replicas: usize) {
    let applied = &answer.json()["applied"];
    assert_eq!((&applied["everywhere"], &applied["replicas"]), (&json!(true), &json!(replicas)), "{}", answer.text());
}

#[test]
fn a_sidecar_lets_pass_whom_its_control_plane_knows_and_nobody_whom_that_has_revoked() {
    let plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, _) = sidecar_key(&root, "pods");
    let mut sidecar = sidecar_of(&url(&plane), &key_file(&plane, &key)).start();
    assert_eq!(http::get(sidecar.ops(), "/readyz", &[]).status, 200);

    let made = root.post("/keys?wait=applied", &json!({ "name": "ci", "groups": ["platform"] }));
    everywhere(&made, 2);
    let (id, text) = (made.json()["id"].as_str().unwrap().to_owned(), made.json()["key"].as_str().unwrap().to_owned());
    assert_eq!(sidecar.get(&text).code(), "no_roles");
    let propagated = sidecar.metric("claviger_change_propagation_seconds_count");

    // A change to the key itself, one to what is shared, and a policy.
    let bound = root.post("/bindings?wait=applied", &json!({ "subject": { "key": id }, "role": "deployer", "space": "production" }));
    everywhere(&bound, 2);
    assert_eq!(sidecar.roles(&text), json!({ "production": ["deployer"] }));
    let group = json!({ "subject": { "group": "platform" }, "role": "observer", "space": "staging" });
    everywhere(&root.post("/bindings?wait=applied", &group), 2);
    assert_eq!(sidecar.roles(&text), json!({ "production": ["deployer"], "staging": ["observer"] }));
    let policy = json!({ "name": "p", "source": "package spacelift\n\ndeny if input.session.login == \"ci\"\nallow if true\n" });
    everywhere(&root.post("/policies?wait=applied", &policy), 2);
    assert_eq!(sidecar.get(&text).code(), "denied");
    everywhere(&root.send("DELETE", "/policies/p?wait=applied", None, &[]), 2);
    assert_eq!(sidecar.get(&text).status, 200);
    assert_eq!(sidecar.metric("claviger_change_propagation_seconds_count"), propagated + 4);

    // Its own signing key.
    let jwks = |server: &Server| http::get(server.ops(), "/.well-known/jwks.json", &[]).json();
    assert_ne!(jwks(&sidecar), jwks(&plane));

    let (old, rotated) = (text, root.post(&format!("/keys/{id}/rotate?wait=applied"), &json!({ "grace_seconds": 0 })));
    everywhere(&rotated, 2);
    let text = rotated.json()["key"].as_str().unwrap().to_owned();
    assert_eq!((sidecar.get(&old).status, sidecar.get(&text).status), (401, 200));
    let unknown = sidecar.get("clv_of_nobody");
    assert_eq!(unknown.status, 401);
    let revoked = root.delete(&format!("/keys/{id}?wait=applied"));
    everywhere(&revoked, 2);
    assert_eq!(sidecar.get(&text).code(), "invalid_key");

    // It ends in order: what was used is known, and nobody waits for it any more.
    sidecar.signal("TERM");
    assert!(sidecar.wait().success());
    let used: Value = root.get(&format!("/keys/{id}")).json();
    assert!(used["secrets"][0]["last_used_at"].is_string(), "{used}");
    assert_eq!(root.get("/replicas?all=true").json()["items"].as_array().unwrap().len(), 1);
    assert!(!sidecar.log().contains(&text) && !sidecar.log().contains(key.key.as_ref().unwrap()));
}

#[test]
fn a_sidecar_serves_on_without_its_control_plane_for_a_while_and_then_knows_all_that_has_changed() {
    let mut plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, _) = sidecar_key(&root, "pods");
    let ci = plane.key("ci", &["--bind", "deployer@production"]).text;
    let gone = plane.key("gone", &["--bind", "deployer@production"]).text;
    let file = key_file(&plane, &key);
    let sidecar = sidecar_of(&url(&plane), &file).environment("CLAVIGER_STORE__MAX_STALENESS", "5s").start();
    sidecar.until("the keys to be known", |sidecar| sidecar.get(&ci).status == 200 && sidecar.get(&gone).status == 200);

    plane.kill();
    assert_eq!(sidecar.get(&ci).status, 200, "{}", sidecar.log());
    sidecar.until("it to be too long ago", |sidecar| sidecar.get(&ci).code() == "unavailable");
    let ready = http::get(sidecar.ops(), "/readyz?verbose", &[]);
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert_eq!(http::get(sidecar.ops(), "/livez", &[]).status, 200);
    assert!(sidecar.log().contains("the store does not answer; what is loaded serves on for a while"), "{}", sidecar.log());
    sidecar.until("it to be told that all are refused", |sidecar| sidecar.log().contains("every request is refused until it answers"));

    // Whoever has the store changes it meanwhile.
    plane.run(&["key", "revoke", "gone", "--yes"]);
    plane.run(&["binding", "create", "--key", "ci", "--role", "observer", "--space", "staging"]);
    plane.start_again();

    sidecar.until("it to be heard of again", |sidecar| sidecar.get(&ci).status == 200);
    assert_eq!(sidecar.roles(&ci), json!({ "production": ["deployer"], "staging": ["observer"] }));
    assert_eq!(sidecar.get(&gone).code(), "invalid_key");
    assert_eq!(http::get(sidecar.ops(), "/readyz", &[]).status, 200);

    // One that starts while nobody answers waits, and says that it does.
    plane.kill();
    let early = sidecar_of(&url(&plane), &file).start();
    let ready = http::get(early.ops(), "/readyz?verbose", &[]);
    assert!(ready.status == 503 && ready.text().contains("the store has not answered yet"), "{}", ready.text());
    assert_eq!((http::get(early.ops(), "/livez", &[]).status, early.get(&ci).code().as_str()), (200, "unavailable"));
    plane.start_again();
    early.until("it to be heard of", |early| early.get(&ci).status == 200);
    assert_eq!(http::get(early.ops(), "/readyz", &[]).status, 200);
}

#[test]
fn a_sidecar_goes_on_with_another_control_plane_and_stays_with_it() {
    let mut first = Server::with_spaces();
    let store = format!("sqlite://{}", first.dir().join("claviger.db").display());
    let second = Setup::new().environment("CLAVIGER_STORE__URL", &store).start();
    let root = Api::of_root(&first);
    let (key, _) = sidecar_key(&root, "pods");
    let sidecar = sidecar_of(&format!("{},{}", url(&first), url(&second)), &key_file(&first, &key)).start();
    let made = root.post("/keys?wait=applied", &json!({ "name": "ci", "bindings": [{ "role": "deployer", "space": "production" }] }));
    everywhere(&made, 3);
    let text = made.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(sidecar.get(&text).status, 200);

    first.kill();
    let root = Api { address: second.admin(), ..root };
    sidecar.until("the other one to be followed", |sidecar| sidecar.log().contains("this control plane is followed from here on"));
    // The one that was killed is counted on for a while.
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let revoked = root.delete(&format!("/keys/{id}?wait=applied&timeout=1s"));
    assert!(revoked.json()["applied"]["waiting_for"].as_array().unwrap().len() <= 1, "{}", revoked.text());
    sidecar.until("the key to be gone", |sidecar| sidecar.get(&text).status == 401);
    first.start_again();
    assert_eq!(sidecar.log().matches("this control plane is followed from here on").count(), 1, "it goes back for nothing");
}
