//! A change is in force for keys whose credential is cached, when it was made by another process: the command line.

use serde_json::json;

use crate::support::server::Server;

#[test]
fn a_revoked_key_is_refused() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    assert_eq!(server.get(&key.text).status, 200);

    server.run(&["key", "revoke", "ci"]);

    server.until("the refusal", |server| server.get(&key.text).status == 401);
}

#[test]
fn a_disabled_key_is_refused_until_it_is_enabled() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    assert_eq!(server.get(&key.text).status, 200);

    server.run(&["key", "disable", "ci"]);
    server.until("the refusal", |server| server.get(&key.text).status == 401);

    server.run(&["key", "enable", "ci"]);
    server.until("the pass", |server| server.get(&key.text).status == 200);
}

#[test]
fn a_role_that_was_unbound_is_no_longer_in_the_token() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production", "--bind", "observer@staging"]);
    server.until("both roles", |server| server.roles(&key.text) == json!({ "production": ["deployer"], "staging": ["observer"] }));
    let bindings = server.run(&["binding", "list"]);
    let deployer = bindings.as_array().unwrap().iter().find(|binding| binding["role"] == "deployer").unwrap();

    server.run(&["binding", "delete", deployer["id"].as_str().unwrap()]);

    server.until("the loss", |server| server.roles(&key.text) == json!({ "staging": ["observer"] }));
}

#[test]
fn a_key_taken_out_of_its_group_loses_the_groups_roles() {
    let server = Server::with_spaces();
    let key = server.key("tool", &["--group", "platform", "--bind", "observer@staging"]);
    server.run(&["binding", "create", "--group", "platform", "--role", "deployer", "--space", "production"]);
    server.until("the group's role", |server| server.roles(&key.text) == json!({ "production": ["deployer"], "staging": ["observer"] }));

    server.run(&["key", "update", "tool", "--remove-group", "platform"]);

    server.until("the loss", |server| server.roles(&key.text) == json!({ "staging": ["observer"] }));
}

#[test]
fn a_group_that_was_unbound_gives_nothing_more() {
    let server = Server::with_spaces();
    let key = server.key("tool", &["--group", "platform"]);
    let binding = server.run(&["binding", "create", "--group", "platform", "--role", "deployer", "--space", "production"]);
    server.until("the group's role", |server| server.get(&key.text).status == 200);

    server.run(&["binding", "delete", binding["id"].as_str().unwrap()]);

    server.until("the refusal", |server| {
        let answer = server.get(&key.text);
        answer.status == 403 && answer.code() == "no_roles"
    });
}

#[test]
fn a_changed_role_changes_what_explain_says_and_a_deleted_space_what_the_token_says() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@root"]);
    let everywhere = json!({ "root": ["deployer"], "development": ["deployer"], "staging": ["deployer"], "production": ["deployer"] });
    server.until("the role to hold everywhere", |server| server.roles(&key.text) == everywhere);
    let before = server.get(&key.text).json()["claims"]["rev"].as_u64().unwrap();

    server.run(&["role", "update", "deployer", "--action", "run:*"]);
    server.until("a token of the new revision", |server| {
        server.get(&key.text).json()["claims"]["rev"].as_u64().is_some_and(|now| now > before)
    });

    server.run(&["space", "delete", "staging"]);
    server.until("the space to be gone", |server| {
        server.roles(&key.text) == json!({ "root": ["deployer"], "development": ["deployer"], "production": ["deployer"] })
    });
}

#[test]
fn a_switched_strategy_changes_whose_word_counts() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    assert_eq!(server.get(&key.text).status, 200);

    server.run(&["strategy", "set", "login-policies"]);
    server.until("the bindings to count no more", |server| server.get(&key.text).status == 403);

    server.run(&["strategy", "set", "user-management"]);
    server.until("the bindings to count again", |server| server.get(&key.text).status == 200);
}

#[test]
fn a_rotated_key_cut_at_once_is_refused_and_its_successor_passes() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    assert_eq!(server.get(&key.text).status, 200);

    let rotated = server.run(&["key", "rotate", "ci", "--grace", "0"]);

    server.until("the old secret's refusal", |server| server.get(&key.text).status == 401);
    server.until("the new secret's pass", |server| server.get(rotated["key"].as_str().unwrap()).status == 200);
}

#[test]
fn a_policy_put_into_force_counts_for_keys_that_were_cached() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    assert_eq!(server.get(&key.text).status, 200);
    let file = server.dir().join("deny.rego");
    std::fs::write(&file, "package spacelift\n\ndeny if input.session.login == \"ci\"\n").unwrap();

    server.run(&["policy", "create", "deny-ci", "--file", file.to_str().unwrap()]);
    server.until("the denial", |server| server.get(&key.text).code() == "denied");

    server.run(&["policy", "delete", "deny-ci"]);
    server.until("the pass", |server| server.get(&key.text).status == 200);
}
