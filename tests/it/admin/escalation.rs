//! Ways to get more than one has, tried.

use std::sync::Arc;

use serde_json::{Value, json};

use super::client::Api;
use crate::support::server::Server;

struct World {
    server: Server,
    root: Api,
    /// Admin of `team`.
    lead: Api,
    lead_id: String,
}

/// `root` > { `team` > `mine`, `theirs` > `below` }.
fn world() -> World {
    let server = Server::start();
    let root = Api::of_root(&server);
    for (id, parent) in [("team", "root"), ("mine", "team"), ("theirs", "root"), ("below", "theirs")] {
        root.made("/spaces", &json!({ "id": id, "parent": parent }));
    }
    let lead = root.made("/keys", &json!({ "name": "lead", "bindings": [{ "role": "space-admin", "space": "team" }] }));
    let (key, id) = (lead["key"].as_str().unwrap().to_owned(), lead["id"].as_str().unwrap().to_owned());
    World { lead: root.with_key(&key), server, root, lead_id: id }
}

fn refused(answer: &crate::support::http::Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{}", answer.text());
}

#[test]
fn nobody_binds_where_they_do_not_administer() {
    let world = world();
    let World { lead, lead_id, .. } = &world;
    for space in ["root", "theirs", "below", "no-such-space"] {
        for subject in [json!({ "key": lead_id }), json!({ "group": "everybody" })] {
            for role in ["space-admin", "space-reader"] {
                refused(&lead.post("/bindings", &json!({ "subject": subject, "role": role, "space": space })));
            }
        }
    }
}

#[test]
fn moving_a_space_wins_nothing() {
    let world = world();
    let World { lead, root, .. } = &world;
    // Theirs comes to mine, mine goes to theirs, the own space goes up.
    refused(&lead.patch("/spaces/below", &json!({ "parent": "mine" })));
    refused(&lead.patch("/spaces/theirs", &json!({ "parent": "mine" })));
    refused(&lead.patch("/spaces/mine", &json!({ "parent": "theirs" })));
    refused(&lead.patch("/spaces/mine", &json!({ "parent": "root" })));
    refused(&lead.patch("/spaces/team", &json!({ "parent": "theirs" })));
    refused(&lead.patch("/spaces/root", &json!({ "description": "mine" })));
    refused(&lead.post("/spaces", &json!({ "id": "new" })));
    assert_eq!(root.get("/spaces/below").json()["parent"], "theirs");
}

#[test]
fn neither_roles_nor_groups_nor_policies_are_a_way_up() {
    let world = world();
    let World { lead, lead_id, root, .. } = &world;
    root.made("/roles", &json!({ "id": "deployer", "actions": ["run:trigger"] }));
    root.made("/bindings", &json!({ "subject": { "group": "roots" }, "role": "space-admin", "space": "root" }));
    refused(&lead.patch("/roles/deployer", &json!({ "actions": ["*:*"] })));
    refused(&lead.patch(&format!("/keys/{lead_id}"), &json!({ "groups": ["roots"] })));
    refused(&lead.patch("/groups/roots", &json!({ "description": "mine" })));
    // A role of the same actions by another name manages nothing, nor does what a policy gives.
    root.made("/roles", &json!({ "id": "almighty", "actions": ["*:*"] }));
    root.made("/bindings", &json!({ "subject": { "key": lead_id }, "role": "almighty", "space": "root" }));
    root.made("/policies", &json!({ "name": "all", "source": "package spacelift\n\nadmin if true\nallow if true\n" }));
    assert_eq!(lead.get("/whoami").json()["root_admin"], false);
    refused(&lead.get("/policies"));
    refused(&lead.post("/keys", &json!({ "name": "mine" })));
}

#[test]
fn a_right_that_was_taken_away_is_gone_with_the_next_request() {
    let world = world();
    let World { lead, lead_id, root, .. } = &world;
    let bound = |name: &str| json!({ "subject": { "group": name }, "role": "space-reader", "space": "mine" });
    assert_eq!(lead.post("/bindings", &bound("one")).status, 201);
    let binding = root.get(&format!("/keys/{lead_id}")).json()["bindings"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(root.delete(&format!("/bindings/{binding}")).status, 204);
    refused(&lead.post("/bindings", &bound("two")));
}

#[test]
fn the_last_root_admin_stays_whatever_is_tried() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let others: Vec<String> = root.get("/keys").json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["name"] != "root")
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect();
    for id in others {
        assert_eq!(root.delete(&format!("/keys/{id}")).status, 204);
    }
    let me = root.get("/whoami").json();
    let id = me["key"]["id"].as_str().unwrap();
    let binding = me["key"]["bindings"][0]["id"].as_str().unwrap();
    let last = |answer: &crate::support::http::Answer| {
        assert_eq!((answer.status, answer.code().as_str()), (409, "last_root_admin"), "{}", answer.text());
    };
    last(&root.delete(&format!("/keys/{id}")));
    last(&root.send("POST", &format!("/keys/{id}/disable"), None, &[]));
    last(&root.patch(&format!("/keys/{id}"), &json!({ "expires_at": "2999-01-01T00:00:00Z" })));
    last(&root.delete(&format!("/bindings/{binding}")));

    // By its group alone: the group's binding and the membership stay, too.
    let bound = root.made("/bindings", &json!({ "subject": { "group": "roots" }, "role": "space-admin", "space": "root" }));
    assert_eq!(root.patch(&format!("/keys/{id}"), &json!({ "groups": ["roots"] })).status, 200);
    assert_eq!(root.delete(&format!("/bindings/{binding}")).status, 204);
    last(&root.patch(&format!("/keys/{id}"), &json!({ "groups": [] })));
    last(&root.delete(&format!("/bindings/{}", bound["id"].as_str().unwrap())));
    assert_eq!(root.get("/whoami").json()["root_admin"], true);
}

#[test]
fn two_root_admins_cannot_take_each_other_away_at_once() {
    let server = Server::start();
    let root = Api::of_root(&server);
    for _ in 0..10 {
        let bindings = json!([{ "role": "space-admin", "space": "root" }]);
        let make = |name: &str| root.made("/keys", &json!({ "name": name, "bindings": bindings }));
        let pair = [make("one"), make("other")];
        let keep: Vec<Value> = root.get("/keys").json()["items"].as_array().unwrap().clone();
        // Everybody else goes, so that the two are the last.
        let (one, other) = (root.with_key(pair[0]["key"].as_str().unwrap()), root.with_key(pair[1]["key"].as_str().unwrap()));
        for key in keep.iter().filter(|key| key["name"] != "one" && key["name"] != "other" && key["name"] != "root") {
            root.delete(&format!("/keys/{}", key["id"].as_str().unwrap()));
        }
        let own = root.get("/whoami").json()["key"]["id"].as_str().unwrap().to_owned();
        assert_eq!(root.send("POST", &format!("/keys/{own}/disable"), None, &[]).status, 200);
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let take = |by: &Api, whom: &Value| {
            let (by, path, barrier) = (by.clone(), format!("/keys/{}", whom["id"].as_str().unwrap()), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                by.delete(&path).status
            })
        };
        let (first, second) = (take(&one, &pair[1]), take(&other, &pair[0]));
        let mut done = [first.join().unwrap(), second.join().unwrap()];
        done.sort_unstable();
        // The one that came second does not work any more, or would have been the last.
        assert!(done[0] == 204 && [401, 409].contains(&done[1]), "{done:?}");
        let left = if one.get("/whoami").status == 200 { &one } else { &other };
        assert_eq!(left.send("POST", &format!("/keys/{own}/enable"), None, &[]).status, 200);
        let last = left.get("/whoami").json()["key"]["id"].as_str().unwrap().to_owned();
        assert_eq!(root.delete(&format!("/keys/{last}")).status, 204);
    }
}

#[test]
fn a_key_that_has_leaked_revokes_itself_and_rotates_itself_only_by_a_role() {
    let world = world();
    let World { root, server, .. } = &world;
    let make = |name: &str, role: Option<&str>| {
        let bindings: Vec<Value> = role.iter().map(|role| json!({ "role": role, "space": "mine" })).collect();
        let key = root.made("/keys", &json!({ "name": name, "bindings": bindings }));
        (root.with_key(key["key"].as_str().unwrap()), format!("/keys/{}", key["id"].as_str().unwrap()))
    };
    root.made("/roles", &json!({ "id": "self-service", "actions": ["key:rotate-self"] }));
    let (plain, plain_path) = make("plain", None);
    let (serving, serving_path) = make("serving", Some("self-service"));
    let grace = json!({ "grace_seconds": 60 });

    refused(&plain.post(&format!("{plain_path}/rotate"), &grace));
    refused(&serving.post(&format!("{plain_path}/rotate"), &grace));
    let rotated = serving.post(&format!("{serving_path}/rotate"), &grace);
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let next = root.with_key(rotated.json()["key"].as_str().unwrap());
    assert_eq!((serving.get("/whoami").status, next.get("/whoami").status), (200, 200));

    // The secret before works for a while, and cannot give itself another life.
    refused(&serving.post(&format!("{serving_path}/rotate"), &grace));
    refused(&plain.delete(&serving_path));
    assert_eq!(plain.delete(&plain_path).status, 204);
    assert_eq!(plain.get("/whoami").status, 401);
    assert_eq!(server.get(plain.key.as_deref().unwrap()).status, 401);
}

#[test]
fn a_space_admin_locks_no_key_of_others_out_by_what_is_bound_to_it() {
    let world = world();
    let World { root, lead, server, .. } = &world;
    let key = root.made("/keys", &json!({ "name": "victim", "bindings": [{ "role": "space-reader", "space": "theirs" }] }));
    let (id, text) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    // As long as possible, so that few are needed.
    let long = |number: usize| format!("{}{number:04}", "s".repeat(60));
    let mut refusals = 0;
    for number in 0..120 {
        lead.made("/spaces", &json!({ "id": long(number), "parent": "mine" }));
        let answer = lead.post("/bindings", &json!({ "subject": { "key": id }, "role": "space-reader", "space": long(number) }));
        if answer.status != 201 {
            assert_eq!((answer.status, answer.code().as_str()), (409, "token_too_large"), "{}", answer.text());
            refusals += 1;
            break;
        }
    }
    assert_eq!(refusals, 1);
    assert_eq!(server.get(text).status, 200);
}
