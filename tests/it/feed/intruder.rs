//! Somebody in a pod, who has the sidecar's key: what they can learn, and what they can do.

use std::collections::BTreeSet;

use claviger::model::{KeyDigest, PlainKey};
use serde_json::{Value, json};

use super::sidecar_key;
use crate::admin::client::Api;
use crate::support::http;
use crate::support::server::Server;

#[test]
fn whoever_has_a_sidecars_key_learns_what_serving_takes_and_changes_nothing() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    let (intruder, own) = sidecar_key(&root, "pods");
    let victim = root.made("/keys", &json!({ "name": "victim", "bindings": [{ "role": "deployer", "space": "production" }] }));
    let (id, text) = (victim["id"].as_str().unwrap(), victim["key"].as_str().unwrap());
    let digest = KeyDigest::of(&PlainKey::presented(text.as_bytes()).unwrap());
    let before = root.get("/access").json();
    let entries = root.get("/audit?limit=500").json()["items"].as_array().unwrap().len();

    // Every operation that there is, about the other key where it is about one.
    let description = http::get(server.admin(), "/openapi.json", &[]).json();
    let (mut open, mut told) = (BTreeSet::new(), String::new());
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "patch", "delete"].into_iter().filter(|method| item.get(*method).is_some()) {
            let target = path.replace("{id}", id).replace("{name}", "victim");
            let target = if path == "/feed/changes" { format!("{target}?after=0") } else { target };
            let body = item[method].get("requestBody").map(|_| json!({}));
            let answer = intruder.send(&method.to_ascii_uppercase(), &target, body.as_ref(), &[("Claviger-Replica", "intruder")]);
            match answer.status {
                403 => assert_eq!(answer.code(), "forbidden", "{method} {path}"),
                200..=299 => {
                    open.insert(format!("{method} {path}"));
                    told.push_str(&answer.text());
                }
                // What it is asked with is not even looked at by whom it is asked.
                400 | 404 | 422 => {}
                other => panic!("{method} {path}: {other} {}", answer.text()),
            }
        }
    }
    let expected = ["delete /feed/replica", "get /feed/changes", "get /feed/snapshot", "get /whoami"];
    assert_eq!(open, expected.map(str::to_owned).into());
    // No key but their own, by no name of it.
    for secret in [id, "victim", &digest.to_hex(), &digest.to_hex()[..12]] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert!(told.contains(&own), "whoami");

    // Whoever does not have a key cannot have it looked up: neither by what is told of it, nor by trying.
    let find = |digest: KeyDigest| intruder.post("/feed/key", &json!({ "sha256": digest.to_hex() }));
    let nobody = find(KeyDigest::from_bytes([9; 32]));
    let mut near = *digest.as_bytes();
    near[16] ^= 1;
    for tried in [KeyDigest::with_mark(&digest.mark()).unwrap(), KeyDigest::from_bytes(near)] {
        let answer = find(tried);
        assert_eq!((answer.status, answer.text()), (nobody.status, nobody.text()));
        assert_eq!(answer.headers.len(), nobody.headers.len());
    }
    assert_eq!(nobody.json()["key"], Value::Null);

    // Nor speak for another process: not for the control plane itself.
    let plane = root.get("/replicas").json()["items"][0].clone();
    let report = json!({ "version": "0", "applied": 0, "started_at": "2026-03-02T12:00:00Z" });
    let as_plane = [("Claviger-Replica", plane["name"].as_str().unwrap())];
    assert_eq!(intruder.send("POST", "/feed/replica", Some(&report), &as_plane).status, 204);
    assert_eq!(intruder.send("DELETE", "/feed/replica", None, &as_plane).status, 204);
    let listed = root.get("/replicas").json();
    let names: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|replica| replica["name"].as_str().unwrap()).collect();
    assert_eq!(names, [plane["name"].as_str().unwrap()], "{listed}");

    // A secret that they know nothing of cannot be said to have been used in the future.
    let ahead = json!({ "uses": [{ "sha256": digest.to_hex(), "at": "2999-01-01T00:00:00Z" }] });
    assert_eq!(intruder.post("/feed/uses", &ahead).status, 204);
    assert!(!root.get(&format!("/keys/{id}")).text().contains("2999"));

    assert_eq!(root.get("/access").json(), before, "nothing has changed");
    let noted = root.get("/audit?limit=500").json()["items"].as_array().unwrap().clone();
    let of_intruder = noted.iter().filter(|entry| entry["actor"] == format!("api::{own}")).count();
    assert!(noted.len() >= entries + of_intruder, "what was refused is told of");
}
