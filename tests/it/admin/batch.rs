//! Several changes at once: all of them or none, and each by the rights of whoever asks.

use serde_json::{Value, json};

use super::client::Api;
use crate::support::server::Server;

const ULID: &str = "01j0000000000000000000000";

/// The number-th new id.
fn id(number: u32) -> String {
    format!("{ULID}{number}")
}

fn bind(number: u32, subject: &Value, role: &str, space: &str) -> Value {
    json!({ "binding.create": { "id": id(number), "subject": subject, "role": role, "space": space } })
}

struct World {
    server: Server,
    root: Api,
    /// An admin of `team`, beside which there is `other`.
    admin: Api,
    admin_id: String,
    ci: String,
}

impl World {
    fn new() -> Self {
        let server = Server::start();
        let root = Api::of_root(&server);
        for space in ["team", "other"] {
            root.made("/spaces", &json!({ "id": space }));
        }
        root.made("/roles", &json!({ "id": "deployer", "actions": ["run:trigger"] }));
        let admin = root.made("/keys", &json!({ "name": "admin", "bindings": [{ "role": "space-admin", "space": "team" }] }));
        let ci = root.made("/keys", &json!({ "name": "ci" }))["id"].as_str().unwrap().to_owned();
        let api = root.with_key(admin["key"].as_str().unwrap());
        Self { admin: api, admin_id: admin["id"].as_str().unwrap().to_owned(), server, root, ci }
    }

    fn revision(&self) -> u64 {
        self.root.get("/access").json()["revision"].as_u64().unwrap()
    }

    /// Must be refused for the change of this number, and nothing be made.
    fn refused(&self, api: &Api, body: &Value, code: &str, change: u64) {
        let before = self.revision();
        let answer = api.post("/changes", body);
        assert_eq!((answer.code(), answer.json()["change"].as_u64()), (code.to_owned(), Some(change)), "{body}: {}", answer.text());
        assert_eq!(self.revision(), before, "{body}");
    }
}

#[test]
fn changes_that_are_asked_for_together_are_made_together_or_not_at_all() {
    let world = World::new();
    let key = json!({ "key": world.ci });
    let before = world.revision();
    let body = json!({ "changes": [
        { "space.create": { "id": "new", "parent": "team", "description": "New" } },
        bind(1, &key, "deployer", "new"),
        { "group.create": { "name": "eu" } },
        { "key.update": { "id": world.ci, "set": { "groups": ["eu"], "description": "Builds" } } },
        { "policy.create": { "name": "p", "source": "package spacelift\n\nallow if false\n" } },
        { "strategy.set": { "strategy": "user-management" } }
    ], "only_at": before });
    let answer = world.root.post("/changes", &json!({ "changes": body["changes"], "only_at": before, "rehearse": true }));
    assert_eq!((answer.status, answer.json()["changes"].as_array().map(Vec::len)), (200, Some(0)), "{}", answer.text());
    assert_eq!(world.revision(), before);

    let answer = world.root.post("/changes", &body);
    assert_eq!((answer.status, answer.json()["revision"].as_u64()), (200, Some(before + 6)), "{}", answer.text());
    assert_eq!(world.root.get(&format!("/keys/{}", world.ci)).json()["groups"], json!(["eu"]));
    assert_eq!(world.root.get("/spaces/new").json()["description"], "New");
    let audit = world.root.get("/audit?limit=6").json();
    let actions: Vec<&str> = audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["strategy.set", "policy.create", "key.update", "group.create", "binding.create", "space.create"]);

    // Somebody was faster.
    assert_eq!(world.root.post("/changes", &body).code(), "precondition_failed");
    let twice = json!({ "changes": [{ "space.create": { "id": "x" } }, { "space.create": { "id": "new" } }] });
    world.refused(&world.root, &twice, "exists", 1);
    let broken = json!({ "changes": [
        { "space.delete": { "id": "other" } }, { "policy.create": { "name": "q", "source": "package spacelift\n\nallow if {\n" } }
    ] });
    world.refused(&world.root, &broken, "policy_faults", 1);
    world.refused(&world.root, &json!({ "changes": [{ "role.delete": { "id": "nothing" } }] }), "not_found", 0);
    let last_admins: Vec<Value> = world.root.get("/keys").json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| json!({ "key.revoke": { "id": key["id"] } }))
        .collect();
    let before = world.revision();
    assert_eq!(world.root.post("/changes", &json!({ "changes": last_admins })).code(), "last_root_admin");
    assert_eq!(world.revision(), before);
    for wrong in [
        json!({}),
        json!({ "changes": [{ "key.bootstrap": { "id": id(1) } }] }),
        json!({ "changes": [{ "space.create": { "id": "a" }, "space.delete": { "id": "a" } }] }),
    ] {
        assert_eq!(world.root.post("/changes", &wrong).code(), "bad_request", "{wrong}");
    }
}

#[test]
fn what_is_sent_again_under_its_name_is_not_made_again() {
    let world = World::new();
    let body = json!({ "changes": [{ "space.create": { "id": "a" } }, { "space.create": { "id": "b", "parent": "a" } }] });
    let send = |body: &Value| world.root.send("POST", "/changes", Some(body), &[("Idempotency-Key", "one")]);
    let first = send(&body);
    let again = send(&body);
    assert_eq!((first.status, again.status), (200, 200), "{}", again.text());
    assert_eq!(first.json()["revision"], again.json()["revision"]);
    assert_eq!(again.json()["changes"], json!([]));
    assert_eq!(send(&json!({ "changes": [{ "space.delete": { "id": "b" } }] })).code(), "idempotency_mismatch");
}

#[test]
fn among_many_changes_each_takes_the_rights_that_it_takes_alone() {
    let world = World::new();
    let World { admin, ci, admin_id, .. } = &world;
    let (key, itself) = (json!({ "key": ci }), json!({ "key": admin_id }));
    let own = json!({ "changes": [{ "space.create": { "id": "below", "parent": "team" } }, bind(1, &key, "deployer", "below")] });
    assert_eq!(admin.post("/changes", &own).status, 200);
    assert_eq!(world.server.run(&["binding", "list"]).as_array().unwrap().iter().filter(|binding| binding["space"] == "below").count(), 1);

    let harmless = || bind(2, &key, "deployer", "team");
    for (foreign, code) in [
        (bind(3, &key, "deployer", "other"), "forbidden"),
        (bind(3, &itself, "space-admin", "root"), "forbidden"),
        (json!({ "space.update": { "id": "other", "set": { "parent": "team" } } }), "forbidden"),
        (json!({ "space.update": { "id": "team", "set": { "parent": "other" } } }), "forbidden"),
        (json!({ "space.create": { "id": "mine", "parent": "root" } }), "forbidden"),
        (json!({ "space.delete": { "id": "other" } }), "forbidden"),
        (json!({ "role.update": { "id": "deployer", "set": { "actions": ["*:*"] } } }), "forbidden"),
        (json!({ "key.revoke": { "id": ci } }), "forbidden"),
        (json!({ "key.update": { "id": admin_id, "set": { "groups": ["admins"] } } }), "forbidden"),
        (json!({ "key.create": { "id": id(4), "name": "new", "sha256": "0".repeat(64) } }), "forbidden"),
        (json!({ "policy.create": { "name": "p", "source": "package spacelift\n\nallow if true\n" } }), "forbidden"),
        (json!({ "strategy.set": { "strategy": "login-policies" } }), "forbidden"),
        (json!({ "binding.delete": { "id": id(9) } }), "not_found"),
    ] {
        world.refused(admin, &json!({ "changes": [harmless(), foreign] }), code, 1);
        let rehearsed = json!({ "changes": [harmless(), foreign], "rehearse": true });
        world.refused(admin, &rehearsed, code, 1);
    }
    // A space that is made in one's own does not bring another one along.
    let below_a_stranger = json!({ "changes": [
        { "space.create": { "id": "mine", "parent": "other" } }, { "space.create": { "id": "team2", "parent": "mine" } }
    ] });
    world.refused(admin, &below_a_stranger, "forbidden", 0);
    let of_another = world.root.get("/bindings?space=root").json()["items"][0]["id"].clone();
    world.refused(admin, &json!({ "changes": [harmless(), { "binding.delete": { "id": of_another } }] }), "forbidden", 1);
    assert_eq!(admin.post("/changes", &json!({ "changes": [], "declared": [{ "kind": "space", "id": "team" }] })).code(), "forbidden");
    for path in ["/declared", "/evaluation"] {
        assert_eq!(admin.get(path).code(), "forbidden", "{path}");
    }
    assert_eq!(admin.post("/keys/find", &json!({ "sha256": "0".repeat(64) })).code(), "forbidden");
    let seen = admin.get("/access").json();
    assert!(seen.get("policies").is_none() && seen.get("strategy").is_none() && seen["spaces"].is_array(), "{seen}");

    // Who could not do it is told of in the audit, with what was tried.
    let audit = world.root.get("/audit?limit=200").json();
    let refused: Vec<&Value> = audit["items"].as_array().unwrap().iter().filter(|entry| entry["refused"] == "forbidden").collect();
    assert!(refused.iter().any(|entry| entry["action"] == "key.revoke" && entry["resource"] == *ci), "{audit}");
    let ordinary = world.root.made("/keys", &json!({ "name": "ordinary" }));
    let ordinary = world.root.with_key(ordinary["key"].as_str().unwrap());
    assert_eq!(ordinary.get("/access").code(), "forbidden");
    assert_eq!(ordinary.post("/changes", &json!({ "changes": [harmless()] })).code(), "forbidden");
    assert_eq!(world.root.without_key().post("/changes", &json!({ "changes": [] })).code(), "missing_key");
}

#[test]
fn only_who_manages_something_may_ask_for_very_much_at_once() {
    let world = World::new();
    let ordinary = world.root.made("/keys", &json!({ "name": "ordinary" }));
    let ordinary = world.root.with_key(ordinary["key"].as_str().unwrap());
    let many: Vec<Value> = (0..9_000).map(|number| json!({ "kind": "space", "id": format!("{}-{number}", "x".repeat(200)) })).collect();
    let body = json!({ "changes": [], "declared": many });
    assert!(body.to_string().len() > 2_000_000);
    let refused = ordinary.post("/changes", &body);
    assert!(refused.status == 413 && refused.code() == "too_large", "{}", refused.text());
    // Read as a whole, and then found to name what cannot be a space.
    assert_eq!(world.root.post("/changes", &body).code(), "bad_request");
}
