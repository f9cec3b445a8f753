//! What a change answers with, and what becomes of it.

use claviger::model::{KeyDigest, PlainKey};
use serde_json::{Value, json};

use super::client::Api;
use crate::support::server::Server;

#[test]
fn a_change_is_in_force_when_it_is_acknowledged_and_stands_in_the_audit() {
    let server = Server::start();
    let root = Api::of_root(&server);
    root.made("/spaces", &json!({ "id": "production" }));
    root.made("/roles", &json!({ "id": "deployer", "actions": ["run:trigger"] }));
    let key = root.made("/keys", &json!({ "name": "ci", "groups": ["platform"], "description": "builds" }));
    let (id, text) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    assert_eq!(server.get(text).code(), "no_roles");

    let bound = root.post("/bindings", &json!({ "subject": { "key": id }, "role": "deployer", "space": "production" }));
    assert_eq!(bound.status, 201, "{}", bound.text());
    assert_eq!(server.roles(text), json!({ "production": ["deployer"] }));

    let binding = bound.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(bound.header("location"), Some(&*format!("/api/v1/bindings/{binding}")));
    let entry = &root.get("/audit?action=binding.create&limit=1").json()["items"][0];
    assert_eq!(entry["revision"], bound.revision());
    assert_eq!(entry["request_id"], bound.header("x-request-id").unwrap());
    assert_eq!(entry["remote_ip"], "127.0.0.1");
    assert!(entry["actor"].as_str().unwrap().starts_with("api::"), "{entry}");
    assert_eq!(entry["after"]["role"], "deployer", "{entry}");

    assert_eq!(root.delete(&format!("/bindings/{binding}")).status, 204);
    assert_eq!(server.get(text).code(), "no_roles");
    assert_eq!(root.send("POST", &format!("/keys/{id}/disable"), None, &[]).json()["state"], "disabled");
    assert_eq!(server.get(text).status, 401);
    assert_eq!(root.send("POST", &format!("/keys/{id}/enable"), None, &[]).json()["state"], "active");
    assert_eq!(server.get(text).status, 403);
}

#[test]
fn the_text_of_a_key_is_shown_once_and_its_digest_to_root_admins_alone() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let made = root.post("/keys", &json!({ "name": "ci" }));
    let (id, text) = (made.json()["id"].as_str().unwrap().to_owned(), made.json()["key"].as_str().unwrap().to_owned());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let rotated = root.post(&format!("/keys/{id}/rotate"), &json!({ "grace_seconds": 3600 }));
    assert_eq!(rotated.status, 200);
    let next = rotated.json()["key"].as_str().unwrap().to_owned();
    assert_ne!(text, next);

    root.made("/spaces", &json!({ "id": "team" }));
    let admin = root.made("/keys", &json!({ "name": "admin", "bindings": [{ "role": "space-admin", "space": "team" }] }));
    let admin = root.with_key(admin["key"].as_str().unwrap());
    let shown = |api: &Api| [api.get("/keys").text(), api.get(&format!("/keys/{id}")).text()].concat();
    let by_all = [shown(&admin), root.get("/audit").text(), root.get("/bindings").text(), server.log()].concat();
    let by_root = shown(&root);
    for text in [&text, &next] {
        assert!(!by_all.contains(&text[31..60]) && !by_root.contains(&text[31..60]), "{by_all} {by_root}");
        let digest = KeyDigest::of(&PlainKey::presented(text.as_bytes()).unwrap()).to_hex();
        assert!(!by_all.contains(&digest) && by_root.matches(&digest).count() == 2, "{by_root}");
    }
    assert!(!by_all.contains("digest") && !by_all.contains("sha256"), "{by_all}");
    let secrets = root.get(&format!("/keys/{id}")).json()["secrets"].clone();
    assert_eq!(secrets.as_array().unwrap().len(), 2, "{secrets}");
    assert!(secrets[0]["ends_at"].is_null() && secrets[1]["ends_at"].is_string(), "{secrets}");
}

#[test]
fn a_change_is_made_only_to_what_its_author_has_seen() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let made = root.post("/keys", &json!({ "name": "ci" }));
    let path = format!("/keys/{}", made.json()["id"].as_str().unwrap());
    let seen = root.get(&path);
    assert_eq!(seen.revision(), made.revision());
    let tag = format!("\"{}\"", seen.revision());

    let first = root.send("PATCH", &path, Some(&json!({ "description": "first" })), &[("If-Match", &tag)]);
    let second = root.send("PATCH", &path, Some(&json!({ "description": "second" })), &[("If-Match", &tag)]);

    assert_eq!((first.status, second.status), (200, 412), "{}", second.text());
    assert_eq!(second.code(), "precondition_failed");
    assert_eq!(root.get(&path).json()["description"], "first");
    let again = format!("\"{}\"", first.revision());
    assert_eq!(root.send("DELETE", &path, None, &[("If-Match", &again)]).status, 204);
    assert_eq!(root.send("PATCH", &path, Some(&json!({})), &[("If-Match", "42")]).code(), "bad_request");
    assert_eq!(root.send("PATCH", &path, Some(&json!({ "name": "x" })), &[]).code(), "key_revoked");
}

#[test]
fn pages_neither_skip_nor_repeat_what_stays_whatever_changes() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let ids: Vec<String> =
        (0..25).map(|number| root.made("/keys", &json!({ "name": format!("k{number}") }))["id"].as_str().unwrap().to_owned()).collect();
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let query = cursor.as_ref().map_or_else(|| "/keys?limit=7&q=k".to_owned(), |cursor| format!("/keys?limit=7&q=k&cursor={cursor}"));
        let page = root.get(&query).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 7);
        seen.extend(items.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        // What a page ended with, and what comes later, goes away meanwhile.
        if let Some(last) = items.last() {
            root.delete(&format!("/keys/{}", last["id"].as_str().unwrap()));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(root.get("/keys?limit=0").code(), "bad_request");
    assert_eq!(root.get("/keys?cursor=%FF").code(), "bad_request");
    assert_eq!(root.get("/keys?nmae=x").code(), "bad_request");
    assert_eq!(root.post("/keys?dry_run=true", &json!({ "name": "k" })).code(), "bad_request", "what is not done is not passed over");
}

#[test]
fn a_policy_is_in_force_only_if_it_loads_and_what_is_odd_about_it_is_told() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let key = root.made("/keys", &json!({ "name": "ci" }))["key"].as_str().unwrap().to_owned();
    let broken = root.post("/policies", &json!({ "name": "p", "source": "package spacelift\n\ndeny if startwith(1, 2)\n" }));
    assert_eq!((broken.status, broken.code().as_str()), (422, "policy_faults"), "{}", broken.text());
    assert_eq!(broken.json()["faults"][0]["line"], 3, "{}", broken.text());

    let odd = "package spacelift\n\nroles[\"prodution\"][\"deployer\"] if input.session.login == \"ci\"\nallow if true\n";
    let made = root.post("/policies", &json!({ "name": "p", "source": odd }));
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(!made.json()["warnings"].as_array().unwrap().is_empty(), "{}", made.text());
    assert_eq!(server.get(&key).code(), "no_roles");

    for (method, path) in [("POST", "/policies"), ("PUT", "/policies/p")] {
        let mut misspelt = json!({ "source": odd, "regoo": "v0" });
        if method == "POST" {
            misspelt["name"] = json!("q");
        }
        let answer = root.send(method, path, Some(&misspelt), &[]);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{method}: {}", answer.text());
    }
    let replaced = root.send("PUT", "/policies/p", Some(&json!({ "source": "package spacelift\n\ndeny if true\n" })), &[]);
    assert_eq!(replaced.status, 200, "{}", replaced.text());
    assert_eq!(server.get(&key).code(), "denied");
    let explained = root.post("/explain", &json!({ "key": "ci" })).json();
    assert_eq!((&explained["decision"], &explained["code"]), (&json!("refuse"), &json!("denied")), "{explained}");
    assert_eq!(explained["policies"][0]["trace"][0]["line"], 3, "{explained}");
    assert_eq!(root.delete("/policies/p").status, 204);
    assert_eq!(server.get(&key).code(), "no_roles");
}

#[test]
fn the_past_is_explained_by_what_was_in_force_then() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    let key = root.made("/keys", &json!({ "name": "ci", "groups": ["platform"] }));
    let own = root.made("/bindings", &json!({ "subject": { "key": key["id"] }, "role": "deployer", "space": "production" }));
    let group = root.made("/bindings", &json!({ "subject": { "group": "platform" }, "role": "observer", "space": "root" }));
    root.made("/policies", &json!({ "name": "gate", "source": "package spacelift\n\ndeny if input.session.login == \"ci\"\n" }));
    let explain = |at: &Value| root.post("/explain", &json!({ "key": key["id"], "at": at, "remote_ip": "192.0.2.7" })).json();
    let last = || root.get("/audit?limit=1").json()["items"][0]["at"].clone();
    let then = last();
    let before = explain(&Value::Null);
    assert_eq!((&before["code"], &before["reason"]), (&json!("denied"), &json!("policy gate says deny")), "{before}");
    assert_eq!(before["remarks"], json!([]));

    root.delete("/policies/gate");
    for binding in [own, group] {
        root.delete(&format!("/bindings/{}", binding["id"].as_str().unwrap()));
    }
    root.send("POST", &format!("/keys/{}/disable", key["id"].as_str().unwrap()), None, &[]);
    assert_eq!(explain(&Value::Null)["code"], "invalid_key");

    let past = explain(&then);
    for field in ["decision", "code", "reason", "key", "grants", "groups", "strategy", "remote_ip"] {
        assert_eq!(past[field], before[field], "{field}: {past}");
    }
    assert_eq!(past["policies"][0]["name"], "gate", "{past}");
    let remark = past["remarks"][0].as_str().unwrap();
    assert!(remark.starts_with("4 changes since then: key.disable ") && remark.ends_with(", and 1 more"), "{remark}");
    let unborn = explain(&json!("2001-01-01T00:00:00Z"));
    assert!(unborn["remarks"][0].as_str().unwrap().starts_with("the key did not exist yet"), "{unborn}");
}

#[test]
fn a_policy_is_tried_on_every_key_before_it_is_saved() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    for name in ["ci-1", "ci-2", "app"] {
        root.made("/keys", &json!({ "name": name, "bindings": [{ "role": "deployer", "space": "production" }] }));
    }
    let source = "package spacelift\n\ndeny if startswith(input.session.login, \"ci-\")\nallow if true\n";
    let simulate = |about: Value| root.post("/policies/simulate", &json!({ "name": "p", "source": source, "about": about }));

    let all = simulate(json!("all_keys")).json();

    assert_eq!((&all["changed"], &all["cut_off"], &all["complete"]), (&json!(2), &json!(2), &json!(true)), "{all}");
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let one = simulate(json!({ "key": "ci-1" })).json();
    assert_eq!(one["items"][0]["difference"]["after"]["code"], "denied", "{one}");
    assert_eq!(one["items"][0]["trace"][0]["line"], 3, "{one}");
    assert_eq!(simulate(json!({ "key": "nobody" })).status, 404);
    assert_eq!(root.get("/policies").json()["items"], json!([]), "nothing is saved");
}

#[test]
fn a_key_sees_itself_and_what_it_may() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    let lead = root.made("/keys", &json!({ "name": "lead", "bindings": [{ "role": "space-admin", "space": "production" }] }));
    let lead = root.with_key(lead["key"].as_str().unwrap());

    let me = lead.get("/whoami").json();

    assert_eq!(me["key"]["name"], "lead");
    assert_eq!((&me["root_admin"], &me["administers"]), (&json!(false), &json!(["production"])));
    let may: Vec<&str> = me["may"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(may.contains(&"bind roles") && !may.contains(&"create keys"), "{may:?}");
    assert_eq!(root.get("/whoami").json()["root_admin"], true);
}

#[test]
fn a_request_that_is_sent_again_makes_nothing_twice_and_shows_no_secret_again() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let named = [("Idempotency-Key", "3f2a")];
    let body = json!({ "name": "ci" });

    let first = root.send("POST", "/keys", Some(&body), &named);
    let again = root.send("POST", "/keys", Some(&body), &named);

    assert_eq!((first.status, again.status), (201, 201), "{}", again.text());
    assert_eq!((first.json()["id"].clone(), first.revision()), (again.json()["id"].clone(), again.revision()));
    assert!(first.json()["key"].is_string() && again.json().get("key").is_none(), "{}", again.text());
    let other = root.send("POST", "/keys", Some(&json!({ "name": "other" })), &named);
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_mismatch"), "{}", other.text());
    // Somebody else's name for something else.
    let bindings = json!([{ "role": "space-admin", "space": "root" }]);
    let second = root.made("/keys", &json!({ "name": "second", "bindings": bindings }));
    let second = root.with_key(second["key"].as_str().unwrap());
    assert_eq!(second.send("POST", "/keys", Some(&json!({ "name": "other" })), &named).status, 201);

    // All at once: one of them makes it.
    let keys = |count: usize| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                let root = root.clone();
                std::thread::spawn(move || root.send("POST", "/keys", Some(&json!({ "name": "once" })), &[("Idempotency-Key", "at-once")]))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    };
    let answers = keys(8);
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.json()["id"] == answers[0].json()["id"]), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.json()["key"].is_string()).count(), 1);
    assert_eq!(root.send("POST", "/keys", Some(&body), &[("Idempotency-Key", "")]).code(), "bad_request");
}

#[test]
fn what_was_tried_and_refused_stands_in_the_audit_and_so_does_a_new_address() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    let lead = root.made("/keys", &json!({ "name": "lead", "bindings": [{ "role": "space-admin", "space": "production" }] }));
    let id = lead["id"].as_str().unwrap().to_owned();
    let lead = root.with_key(lead["key"].as_str().unwrap());

    let refused = lead.post("/bindings", &json!({ "subject": { "key": id }, "role": "space-admin", "space": "root" }));

    assert_eq!(refused.status, 403);
    let entries = root.get(&format!("/audit?actor=api::{id}")).json();
    let entries = entries["items"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!((&entries[0]["action"], &entries[0]["refused"]), (&json!("binding.create"), &json!("forbidden")));
    assert_eq!(entries[0]["request_id"], refused.header("x-request-id").unwrap());
    assert!(entries[0]["revision"].is_null());
    assert_eq!((&entries[1]["action"], &entries[1]["remote_ip"]), (&json!("key.sign-in"), &json!("127.0.0.1")));
    lead.send("GET", "/whoami", None, &[("X-Forwarded-For", "203.0.113.7")]);
    let newest = &root.get(&format!("/audit?actor=api::{id}&limit=1")).json()["items"][0];
    assert_eq!((&newest["action"], &newest["remote_ip"]), (&json!("key.sign-in"), &json!("203.0.113.7")));
    // Seeing is no change, and whatever of it is refused stands nowhere.
    assert_eq!(lead.get("/policies").status, 403);
    assert_eq!(root.get(&format!("/audit?actor=api::{id}")).json()["items"].as_array().unwrap().len(), 3);
}
