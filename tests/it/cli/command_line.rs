//! The real binary, on a store of its own.

use std::io::{Read, Write};
use std::net::TcpListener;

use claviger::model::{KEY_LENGTH, KeyDigest, PlainKey, ReplicaName, ReplicaReport, Revision};
use serde_json::{Value, json};

use crate::support::place::Place;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

// ---------------------------------------------------------------------------------------------------------------- keys

#[test]
fn a_command_that_makes_nothing_makes_no_store_either() {
    let place = Place::new();

    for line in [
        &["key", "list"][..],
        &["key", "show", "ci"],
        &["key", "revoke", "ci"],
        &["space", "list"],
        &["role", "show", "deployer"],
        &["group", "delete", "platform"],
        &["binding", "list"],
        &["policy", "list"],
        &["strategy"],
        &["audit"],
        &["replicas"],
        &["explain", "--key", "ci"],
    ] {
        let told = place.refused(line);
        assert!(told.contains("there is no store at ") && told.contains("claviger.db"), "{line:?}: {told}");
    }
    assert!(!place.path("claviger.db").exists());
}

#[test]
fn a_generated_key_is_printed_and_nothing_is_stored() {
    let place = Place::new();

    let plain = place.run(&["key", "generate"]);
    let both = place.json(&["key", "generate"]);

    assert_eq!((plain.code, plain.err.as_str(), plain.out.trim_end().len()), (0, "", KEY_LENGTH));
    let key = PlainKey::presented(text(&both["key"]).as_bytes()).unwrap();
    assert_eq!(key.id().unwrap().to_string(), text(&both["id"]));
    assert_eq!(text(&both["sha256"]).parse::<KeyDigest>().unwrap(), KeyDigest::of(&key));
    assert!(!place.path("claviger.db").exists());
}

#[test]
fn a_created_key_works_and_its_text_is_shown_this_once() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);

    let made = place.json(&[
        "key",
        "create",
        "--name",
        "ci",
        "--group",
        "platform",
        "--expires",
        "90d",
        "--bind",
        "space-writer@production",
        "--bind",
        "space-reader@root",
    ]);

    let key = place.look_up(text(&made["key"])).unwrap();
    assert_eq!((key.id.to_string(), key.name.as_str()), (text(&made["id"]).to_owned(), "ci"));
    assert_eq!((&made["state"], &made["groups"], &made["revision"]), (&json!("active"), &json!(["platform"]), &json!(2)));
    let bound: Vec<_> = key.bindings.iter().map(|binding| (binding.role.as_str(), binding.space.as_str())).collect();
    assert!(bound.len() == 2 && bound.contains(&("space-writer", "production")) && bound.contains(&("space-reader", "root")), "{bound:?}");
    let secret = &text(&made["key"])[31..];
    let digest = KeyDigest::of(&PlainKey::presented(text(&made["key"]).as_bytes()).unwrap());
    let hex = digest.as_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    for line in [&["key", "show", "ci"][..], &["key", "list"], &["key", "show", "ci", "-o", "json"], &["key", "list", "-o", "json"]] {
        let run = place.run(line);
        assert!(run.code == 0 && run.out.contains("ci"), "{}", run.err);
        assert!(!run.out.contains(secret) && !run.out.contains(&hex) && !run.err.contains(secret), "{line:?}");
    }
}

#[test]
fn a_table_of_a_new_key_has_its_text_and_stderr_says_that_it_is_shown_once() {
    let place = Place::new();

    let run = place.run(&["key", "create", "--name", "ci"]);

    let line = run.out.lines().find(|line| line.starts_with("key ")).unwrap();
    assert!(place.look_up(line.split_whitespace().nth(1).unwrap()).is_some());
    assert!(run.err.contains("shown this once"), "{}", run.err);
    assert!(!run.err.contains("clv_"), "{}", run.err);
}

#[test]
fn a_key_is_switched_off_on_and_off_for_good() {
    let place = Place::new();
    let made = place.json(&["key", "create", "--name", "ci"]);
    let id = text(&made["id"]);

    assert_eq!(place.json(&["key", "disable", "ci"])["state"], "disabled");
    assert_eq!(place.json(&["key", "enable", id])["state"], "active");
    let revoked = place.json(&["key", "revoke", "ci"]);

    assert_eq!((&revoked["state"], &revoked["revision"]), (&json!("revoked"), &json!(4)));
    assert!(place.names(&["key", "list"], "id").is_empty());
    assert_eq!(place.names(&["key", "list", "--all"], "id"), [id]);
    assert_eq!(place.json(&["key", "show", id])["state"], "revoked");
    place.refused(&["key", "enable", id]);
}

#[test]
fn the_text_of_a_key_is_taken_for_no_name_and_no_description_and_is_not_repeated() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let made = place.json(&["key", "generate"]);
    let (secret, id) = (text(&made["key"]), text(&made["id"]));
    let described = format!("the old one was {secret}");

    for line in [
        &["key", "create", "--name", secret][..],
        &["key", "create", "--name", "cd", "--group", secret],
        &["key", "update", "ci", "--name", secret],
        &["key", "update", "ci", "--description", &described],
        &["group", "create", secret],
        &["space", "create", "production", "--label", secret],
        &["role", "create", "deployer", "--action", "run:trigger", "--name", secret],
        &["binding", "create", "--group", secret, "--role", "space-reader", "--space", "root"],
    ] {
        let told = place.refused(line);
        assert!(told.contains("the text of a key in") && !told.contains(&secret[31..]), "{told}");
    }
    assert!(place.refused(&["key", "update", "ci", "--name", "clv_ci"]).contains("may not begin with clv_"));
    assert!(place.refused(&["key", "update", "ci", "--name", &id.to_uppercase()]).contains("may not be a ULID"));
    let actor = format!("api::{id}");
    assert!(place.refused(&["key", "create", "--name", &actor]).contains("may not begin with api::"));
    assert!(place.refused(&["key", "update", "ci", "--name", &actor]).contains("may not begin with api::"));
    assert!(!place.run(&["audit", "-o", "json"]).out.contains(&secret[31..]));
}

#[test]
fn a_secret_that_was_to_work_for_longer_than_a_second_rotation_lets_it_is_told_of() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let first = place.json(&["key", "rotate", "ci", "--grace", "1h"]);
    let promised = first["secrets"].as_array().unwrap().iter().find_map(|secret| secret["ends_at"].as_str()).unwrap();

    let table = place.run(&["key", "rotate", "ci", "--grace", "1h"]);
    let json = place.json(&["key", "rotate", "ci", "--grace", "0"]);
    let last = place.json(&["key", "rotate", "ci", "--grace", "1h"]);

    assert_eq!(first["cut_short"], Value::Null);
    assert!(table.err.contains(&format!("was to work until {}Z and no longer works", &promised[..19])), "{}", table.err);
    assert!(json["cut_short"].as_str().unwrap() > promised, "{json}");
    assert_eq!(last["cut_short"], Value::Null);
}

#[test]
fn a_revoked_key_is_named_with_its_id_where_it_is_looked_for_by_name() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    place.json(&["key", "revoke", "ci"]);
    let made = place.json(&["key", "create", "--name", "ci"]);
    place.json(&["key", "create", "--name", "ci-two"]);
    let at = place.json(&["key", "revoke", "ci"])["revoked_at"].clone();

    let second = text(&at).trim_end_matches('Z').split('.').next().unwrap().to_owned();
    let told = format!("key ci was revoked at {second}Z; its id is {}", text(&made["id"]));
    for line in [&["key", "show", "ci"][..], &["key", "revoke", "ci"], &["explain", "--key", "ci"]] {
        let said = place.refused(line);
        assert!(said.contains(&told), "{told}: {said}");
    }
    assert!(place.refused(&["key", "show", "c"]).contains("there is no key c"));
}

#[test]
fn an_id_in_upper_case_is_the_same_id() {
    let place = Place::new();
    let id = text(&place.json(&["key", "create", "--name", "ci"])["id"]).to_owned();

    assert_eq!(place.json(&["key", "show", &id.to_uppercase()])["id"], id);
}

#[test]
fn a_rotated_key_has_two_secrets_for_the_grace_and_one_after_a_cut() {
    let place = Place::new();
    let first = place.json(&["key", "create", "--name", "ci"]);

    let second = place.json(&["key", "rotate", "ci", "--grace", "1h"]);

    let secrets = second["secrets"].as_array().unwrap();
    assert_eq!(secrets.iter().filter(|secret| secret["ends_at"].is_null()).count(), 1);
    assert!(secrets.iter().all(|secret| secret["last_used_at"].is_null() && secret.get("digest").is_none()));
    assert_eq!((&first["id"], secrets.len()), (&second["id"], 2));
    for made in [&first, &second] {
        assert_eq!(place.look_up(text(&made["key"])).unwrap().id.to_string(), text(&first["id"]));
    }

    let third = place.run(&["key", "rotate", "ci", "--grace", "0"]);
    assert!(third.code == 0 && third.err.contains("no longer works"), "{}", third.err);
    assert!(place.misunderstood(&["key", "rotate", "ci"]).contains("--grace"));
}

#[test]
fn a_new_secret_of_a_key_that_does_not_work_comes_with_a_word_about_that() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let working = place.run(&["key", "rotate", "ci", "--grace", "0"]);
    place.json(&["key", "disable", "ci"]);

    let disabled = place.run(&["key", "rotate", "ci", "--grace", "0"]);

    assert!(working.code == 0 && !working.err.contains("But the key"), "{}", working.err);
    assert!(disabled.code == 0 && disabled.err.contains("But the key is disabled: no secret of it works until"), "{}", disabled.err);
}

#[test]
fn a_role_that_is_bound_twice_on_one_line_is_named() {
    let place = Place::new();

    let said = place.misunderstood(&["key", "create", "--name", "ci", "--bind", "space-reader@root", "--bind", "space-reader@root"]);

    assert!(said.contains("--bind: space-reader@root is given twice"), "{said}");
    assert!(place.names(&["key", "list"], "name").is_empty());
}

#[test]
fn a_key_is_renamed_regrouped_and_given_another_end() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci", "--group", "a", "--group", "b"]);

    let renamed = place.json(&["key", "update", "ci", "--name", "cd", "--description", "deploys"]);
    let regrouped = place.json(&["key", "update", "cd", "--add-group", "c", "--remove-group", "a"]);
    let ended = place.json(&["key", "update", "cd", "--expires", "2099-01-01T00:00:00Z"]);
    let endless = place.json(&["key", "update", "cd", "--expires", "never", "--no-groups"]);

    assert_eq!((&renamed["name"], &renamed["description"]), (&json!("cd"), &json!("deploys")));
    assert_eq!(regrouped["groups"], json!(["b", "c"]));
    assert_eq!(ended["expires_at"], "2099-01-01T00:00:00Z");
    assert_eq!((&endless["expires_at"], &endless["groups"]), (&Value::Null, &json!([])));
    assert!(place.misunderstood(&["key", "update", "cd"]).contains("nothing to change"));
    assert!(place.misunderstood(&["key", "update", "cd", "--expires", "2020-01-01T00:00:00Z"]).contains("has passed"));
}

#[test]
fn keys_of_other_systems_are_imported_by_digest_file_or_stdin() {
    let place = Place::new();
    let file = place.file("old.key", "sk-an-old-key-of-another-system\n");
    // printf %s sk-by-its-digest | sha256sum
    let sha256 = "679fcf1995ebfcd00fe0ee18b93a6795cebcf3d41271ccba654e7f4bad907371";

    let by_file = place.json(&["key", "import", "--name", "by-file", "--text-file", &file]);
    let environment = [("CLAVIGER_STORE", place.url())];
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let by_stdin = place.run_with(&["key", "import", "--name", "by-stdin", "--text-file", "-"], &environment, "sk-from-stdin");
    let by_digest = place.json(&["key", "import", "--name", "by-digest", "--sha256", sha256]);

    assert_eq!(place.look_up("sk-an-old-key-of-another-system").unwrap().id.to_string(), text(&by_file["id"]));
    assert_eq!((by_stdin.code, place.look_up("sk-from-stdin").unwrap().name.as_str()), (0, "by-stdin"));
    assert!(by_digest.get("key").is_none() && !by_file.to_string().contains("sk-an-old"));
    place.misunderstood(&["key", "import", "--name", "x"]);
    place.misunderstood(&["key", "import", "--name", "x", "--sha256", sha256, "--text-file", &file]);
    assert!(place.refused(&["key", "import", "--name", "again", "--sha256", sha256]).contains("error:"));
}

#[test]
fn a_digest_is_taken_as_sha256sum_prints_it_and_that_of_nothing_is_refused() {
    let place = Place::new();
    // printf %s sk-by-its-digest | sha256sum
    let printed = "679fcf1995ebfcd00fe0ee18b93a6795cebcf3d41271ccba654e7f4bad907371  -";
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    place.json(&["key", "import", "--name", "by-digest", "--sha256", printed]);

    assert_eq!(place.look_up("sk-by-its-digest").unwrap().name.as_str(), "by-digest");
    let said = place.misunderstood(&["key", "import", "--name", "empty", "--sha256", of_nothing]);
    assert!(said.contains("of an empty text"), "{said}");
}

#[test]
fn a_key_generated_beforehand_keeps_the_id_in_its_text() {
    let place = Place::new();
    let generated = place.json(&["key", "generate"]);
    let file = place.file("new.key", text(&generated["key"]));

    let imported = place.json(&["key", "import", "--name", "ci", "--text-file", &file]);

    assert_eq!(imported["id"], generated["id"]);
    assert!(place.look_up(text(&generated["key"])).is_some());
}

#[test]
fn a_key_pasted_in_the_wrong_place_is_not_repeated() {
    let place = Place::new();
    let key = place.json(&["key", "create", "--name", "ci"]);
    let pasted = text(&key["key"]);

    for line in [
        &["key", "show", pasted][..],
        &["key", "revoke", pasted],
        &["explain", "--key", pasted],
        &["binding", "create", "--key", pasted, "--role", "space-reader", "--space", "root"],
        &["key", "import", "--name", "x", "--sha256", pasted],
        &["key", "import", "--name", "x", "--sha256", &"0".repeat(64), "--id", pasted],
    ] {
        let said = place.misunderstood(line);
        assert!(!said.contains(&pasted[31..]), "{said}");
    }
    assert!(place.misunderstood(&["key", "show", pasted]).contains(text(&key["id"])));
}

// ---------------------------------------------------------------------------------------------------------------- spaces, roles, groups, bindings

#[test]
fn spaces_are_made_relabelled_moved_and_deleted() {
    let place = Place::new();

    let made = place.json(&["space", "create", "production", "--parent", "root", "--name", "Production", "--label", "b", "--label", "a"]);
    place.json(&["space", "create", "eu", "--parent", "production"]);
    place.json(&["space", "create", "staging"]);
    let moved = place.json(&["space", "update", "eu", "--parent", "staging", "--description", "moved"]);
    let bare = place.json(&["space", "update", "production", "--no-labels"]);

    assert_eq!(
        made,
        json!({"id": "production", "name": "Production", "description": "", "parent": "root", "labels": ["a", "b"], "revision": 1})
    );
    assert_eq!((&moved["parent"], &moved["description"], &moved["revision"]), (&json!("staging"), &json!("moved"), &json!(4)));
    assert_eq!(bare["labels"], json!([]));
    assert_eq!(place.names(&["space", "list"], "id"), ["eu", "production", "root", "staging"]);
    place.refused(&["space", "update", "staging", "--parent", "eu"]);
    place.refused(&["space", "delete", "staging"]);
    place.refused(&["space", "delete", "root"]);
    let deleted = place.json(&["space", "delete", "eu"]);
    assert_eq!((&deleted["id"], &deleted["deleted"], &deleted["revision"]), (&json!("eu"), &json!(true), &json!(6)));
    assert!(place.misunderstood(&["space", "create", "Not A Slug"]).contains("Not A Slug"));
}

#[test]
fn spaces_are_listed_as_the_tree_that_they_are() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["space", "create", "eu", "--parent", "production"]);
    place.json(&["space", "create", "berlin", "--parent", "eu"]);
    place.json(&["space", "create", "development"]);

    let table = place.run(&["space", "list"]).out;

    let ids: Vec<&str> = table.lines().skip(1).map(|line| line.split("  ").find(|part| !part.is_empty()).unwrap()).collect();
    assert_eq!(ids, ["root", "development", "production", "eu", "berlin"], "{table}");
    for (id, indent) in [("root", ""), ("development", "  "), ("production", "  "), ("eu", "    "), ("berlin", "      ")] {
        assert!(table.lines().any(|line| line.starts_with(&format!("{indent}{id} "))), "{table}");
    }
}

#[test]
fn tables_and_help_fit_the_terminal() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "pipeline-orders-production", "--expires", "90d", "--group", "platform", "--group", "on-call"]);
    let environment = [("CLAVIGER_STORE", place.url()), ("COLUMNS", "80".to_owned())];
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();

    for line in [&["key", "list"][..], &["role", "list"], &["audit"], &["binding", "list"], &["key", "create", "--help"], &["--help"]] {
        let run = place.run_with(line, &environment, "");
        let widest = run.out.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(run.code == 0 && widest <= 80, "{line:?} has {widest} columns:\n{}", run.out);
    }
    let piped = place.run(&["key", "list"]).out;
    assert_eq!(piped.lines().count(), 2, "without COLUMNS a pipe gets a line each: {piped}");
}

#[test]
fn roles_are_made_changed_and_deleted_but_those_of_the_system_stay() {
    let place = Place::new();

    let made = place.json(&["role", "create", "deployer", "--action", "run:trigger", "--action", "run:read"]);
    let changed = place.json(&["role", "update", "deployer", "--action", "run:*", "--name", "Deploys"]);

    assert_eq!(
        (&made["actions"], &made["name"], &made["system"]),
        (&json!(["run:read", "run:trigger"]), &json!("deployer"), &json!(false))
    );
    assert_eq!((&changed["actions"], &changed["name"]), (&json!(["run:*"]), &json!("Deploys")));
    assert_eq!(place.json(&["role", "show", "deployer"])["actions"], json!(["run:*"]));
    assert_eq!(place.names(&["role", "list"], "id"), ["deployer", "replica", "space-admin", "space-reader", "space-writer"]);
    place.refused(&["role", "update", "space-reader", "--action", "*:*"]);
    place.refused(&["role", "delete", "space-admin"]);
    assert_eq!(place.json(&["role", "delete", "deployer"])["deleted"], true);
    place.misunderstood(&["role", "create", "deployer"]);
    place.misunderstood(&["role", "create", "deployer", "--action", "run"]);
}

#[test]
fn groups_are_described_and_show_what_they_hold() {
    let place = Place::new();

    place.json(&["group", "create", "On Call", "--description", "who is woken"]);
    let binding = place.json(&["binding", "create", "--group", "On Call", "--role", "space-writer", "--space", "root"]);
    let changed = place.json(&["group", "update", "On Call", "--description", "who wakes"]);

    assert_eq!(changed["description"], "who wakes");
    assert_eq!(changed["bindings"], json!([{"id": binding["id"], "role": "space-writer", "space": "root"}]));
    place.refused(&["group", "delete", "On Call"]);
    place.json(&["binding", "delete", text(&binding["id"])]);
    assert_eq!(place.json(&["group", "delete", "On Call"])["deleted"], true);
    assert!(place.names(&["group", "list"], "name").is_empty());
}

#[test]
fn bindings_are_made_listed_shown_and_deleted() {
    let place = Place::new();
    let key = place.json(&["key", "create", "--name", "ci"]);

    let of_key = place.json(&["binding", "create", "--key", "ci", "--role", "space-reader", "--space", "root"]);
    let of_group = place.json(&["binding", "create", "--group", "platform", "--role", "space-writer", "--space", "root"]);

    assert_eq!(of_key["subject"], json!({"kind": "key", "id": key["id"], "name": "ci"}));
    assert_eq!(of_group["subject"], json!({"kind": "group", "name": "platform"}));
    let ids = |line: &[&str]| place.names(&[&["binding", "list"], line].concat(), "id");
    assert_eq!(ids(&[]).len(), 2);
    assert_eq!(ids(&["--key", "ci"]), [text(&of_key["id"])]);
    assert_eq!(ids(&["--group", "platform"]), [text(&of_group["id"])]);
    assert_eq!(ids(&["--role", "space-writer"]), [text(&of_group["id"])]);
    assert!(ids(&["--role", "space-admin"]).is_empty());
    assert_eq!(place.json(&["binding", "show", text(&of_key["id"])])["role"], "space-reader");
    place.refused(&["binding", "create", "--key", "ci", "--role", "space-reader", "--space", "root"]);
    assert_eq!(place.json(&["binding", "delete", text(&of_key["id"])])["deleted"], true);
    assert!(place.refused(&["binding", "show", text(&of_key["id"])]).contains("there is no binding"));
    place.misunderstood(&["binding", "create", "--role", "space-reader", "--space", "root"]);
}

#[test]
fn a_binding_is_deleted_by_what_it_says() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["key", "create", "--name", "ci", "--bind", "space-reader@production", "--bind", "space-writer@root"]);
    place.json(&["binding", "create", "--group", "platform", "--role", "space-reader", "--space", "root"]);

    let gone = place.json(&["binding", "delete", "--key", "ci", "--role", "space-reader", "--space", "production"]);
    let of_group = place.json(&["binding", "delete", "--group", "platform", "--role", "space-reader", "--space", "root"]);

    assert_eq!((&gone["deleted"], &gone["role"], &gone["space"]), (&json!(true), &json!("space-reader"), &json!("production")));
    assert_eq!(of_group["deleted"], true);
    assert_eq!(place.names(&["binding", "list"], "role"), ["space-writer"]);
    let said = place.refused(&["binding", "delete", "--key", "ci", "--role", "space-reader", "--space", "root"]);
    assert!(said.contains("key ci has no binding space-reader@root; it has space-writer@root"), "{said}");
    for line in [&["--role", "space-reader", "--space", "root"][..], &["--key", "ci", "--role", "space-reader"], &[]] {
        place.misunderstood(&[&["binding", "delete"], line].concat());
    }
}

#[test]
fn keys_that_nobody_uses_and_keys_that_end_soon_are_listed() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "endless"]);
    place.json(&["key", "create", "--name", "soon", "--expires", "10d"]);
    place.json(&["key", "create", "--name", "later", "--expires", "30d"]);

    assert_eq!(place.names(&["key", "list", "--expiring", "14d"], "name"), ["soon"]);
    assert_eq!(place.names(&["key", "list", "--expiring", "31d"], "name"), ["soon", "later"]);
    assert_eq!(place.names(&["key", "list", "--unused", "0"], "name"), ["endless", "soon", "later"]);
    assert!(place.names(&["key", "list", "--unused", "1d"], "name").is_empty());
    assert_eq!(place.names(&["key", "list", "--unused", "0", "--expiring", "14d"], "name"), ["soon"]);
}

#[test]
fn a_secret_is_printed_alone_where_nothing_else_is_asked_for() {
    let place = Place::new();

    let made = place.run(&["key", "create", "--name", "ci", "--quiet"]);
    let rotated = place.run(&["key", "rotate", "ci", "--grace", "1h", "-q"]);

    for run in [made, rotated] {
        assert_eq!((run.code, run.out.lines().count(), run.out.trim_end().len()), (0, 1, KEY_LENGTH), "{}", run.out);
        assert_eq!(place.look_up(run.out.trim_end()).unwrap().name.as_str(), "ci");
    }
}

#[test]
fn a_role_and_a_space_that_are_swapped_are_noticed() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);

    let said = place.misunderstood(&["key", "create", "--name", "ci", "--bind", "production@space-reader"]);

    assert!(said.contains("role and space swapped; write space-reader@production"), "{said}");
    let said = place.misunderstood(&["binding", "create", "--group", "platform", "--role", "production", "--space", "space-reader"]);
    assert!(said.contains("write --role space-reader --space production"), "{said}");
    assert!(place.refused(&["key", "create", "--name", "ci", "--bind", "space-reader@nowhere"]).contains("there is no space nowhere"));
}

#[test]
fn an_end_without_unit_or_time_says_what_to_write_and_a_grace_ends_with_the_key() {
    let place = Place::new();

    assert!(place.misunderstood(&["key", "create", "--name", "ci", "--expires", "90"]).contains("write `90d` for days"));
    let said = place.misunderstood(&["key", "create", "--name", "ci", "--expires", "2099-01-31"]);
    assert!(said.contains("write `2099-01-31T00:00:00Z`"), "{said}");

    place.json(&["key", "create", "--name", "ci", "--expires", "2099-01-31T00:00:00Z"]);
    let said = place.run(&["key", "rotate", "ci", "--grace", "99999d"]).err;
    assert!(said.contains("ends with the key, at 2099-01-31T00:00:00Z"), "{said}");
}

#[test]
fn tests_of_policies_that_are_not_there_are_no_directory_without_tests() {
    let place = Place::new();

    assert!(place.refused(&["policy", "test", "nowhere"]).contains("cannot read nowhere: No such file"));
}

#[test]
fn a_filter_by_what_is_not_there_does_not_look_like_an_empty_list() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["key", "create", "--name", "ci", "--group", "platform"]);

    assert!(
        place.refused(&["binding", "list", "--role", "space-readr"]).contains("there is no role space-readr; did you mean space-reader?")
    );
    assert!(place.refused(&["binding", "list", "--space", "prodction"]).contains("there is no space prodction; did you mean production?"));
    for line in [&["binding", "list", "--group", "Platform"][..], &["key", "list", "--group", "Platform"]] {
        let run = place.run(line);
        assert_eq!((run.code, run.out.lines().count()), (0, 1), "{line:?}: {}", run.out);
        assert!(run.err.contains("there is no group Platform; did you mean platform?"), "{line:?}: {}", run.err);
    }
    assert_eq!(place.run(&["binding", "list", "--group", "platform", "--role", "space-admin"]).err, "");
}

#[test]
fn what_is_not_there_is_named_with_what_is_nearly_called_so() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["role", "create", "deployer", "--action", "run:trigger"]);
    place.json(&["key", "create", "--name", "backup-service"]);

    for (line, hint) in [
        (&["space", "show", "prodction"][..], "did you mean production?"),
        (&["role", "delete", "deploier"], "did you mean deployer?"),
        (&["key", "revoke", "backup-servce"], "did you mean backup-service?"),
        (&["binding", "create", "--key", "backup-service", "--role", "deployr", "--space", "production"], "did you mean deployer?"),
        (&["binding", "create", "--key", "backup-service", "--role", "deployer", "--space", "producton"], "did you mean production?"),
    ] {
        let said = place.refused(line);
        assert!(said.contains(hint), "{line:?}: {said}");
    }
    let said = place.refused(&["space", "show", "billing"]);
    assert!(said.contains("there is no space billing") && !said.contains("did you mean"), "{said}");
}

// ---------------------------------------------------------------------------------------------------------------- policies, strategy, explain

const NIGHTLY: &str = "package spacelift\n\nimport rego.v1\n\nallow if input.session.login == \"nightly\"\n\n\
    roles[\"production\"] contains \"space-writer\" if input.session.login == \"nightly\"\n\n\
    roles[\"nowhere\"] contains \"space-reader\" if input.session.login == \"nightly\"\n\n\
    deny if input.request.remote_ip == \"203.0.113.9\"\n";

#[test]
fn a_policy_is_saved_shown_replaced_and_deleted() {
    let place = Place::new();
    let file = place.file("nightly.rego", NIGHTLY);

    let made = place.json(&["policy", "create", "nightly", "--file", &file]);
    let environment = [("CLAVIGER_STORE", place.url())];
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let v0 = "package spacelift\nallow { input.session.member }\n";
    let replaced = place.run_with(&["policy", "update", "nightly", "--file", "-", "--rego", "v0", "-o", "json"], &environment, v0);

    assert_eq!((&made["name"], &made["source"], &made["rego"]), (&json!("nightly"), &json!(NIGHTLY), &Value::Null));
    let replaced: Value = serde_json::from_str(&replaced.out).unwrap();
    assert_eq!((&replaced["source"], &replaced["rego"], &replaced["revision"]), (&json!(v0), &json!("v0"), &json!(2)));
    assert_eq!(place.json(&["policy", "show", "nightly"])["source"], v0);
    assert_eq!(place.names(&["policy", "list"], "name"), ["nightly"]);
    assert_eq!(place.json(&["policy", "delete", "nightly"])["deleted"], true);
    assert!(place.names(&["policy", "list"], "name").is_empty());
}

#[test]
fn a_policy_that_exists_is_not_weighed_as_if_it_were_new() {
    let place = Place::new();
    let file = place.file("nightly.rego", NIGHTLY);
    place.json(&["policy", "create", "nightly", "--file", &file]);

    for line in [&["--dry-run"][..], &[]] {
        let said = place.refused(&[&["policy", "create", "nightly", "--file", &file], line].concat());
        assert!(said.contains("policy nightly exists already; `policy update nightly` replaces it"), "{said}");
    }
}

#[test]
fn a_policy_of_the_directory_is_shown_and_changed_where_its_file_is() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let file = place.file("policies/by-day.rego", NIGHTLY);
    let config = place.file("claviger.toml", &format!("[store]\nurl = \"{}\"\n[policies]\ndir = \"policies\"\n", place.url()));

    let shown = place.json(&["policy", "show", "by-day", "--config", &config]);
    let table = place.run(&["policy", "show", "by-day", "--config", &config]);

    assert_eq!((&shown["name"], &shown["source"], &shown["from"]), (&json!("by-day"), &json!(NIGHTLY), &json!("file")));
    assert!(text(&shown["file"]).ends_with("policies/by-day.rego") && table.out.contains(text(&shown["file"])), "{shown}");
    for line in [&["policy", "update", "by-day", "--file", &file][..], &["policy", "delete", "by-day"]] {
        let said = place.refused(&[line, &["--config", &config]].concat());
        assert!(said.contains(&format!("policy by-day is a file, and is changed there: {}", text(&shown["file"]))), "{said}");
    }
    assert!(place.refused(&["policy", "show", "by-night", "--config", &config]).contains("there is no policy by-night"));
}

#[test]
fn policies_of_store_and_directory_are_listed_with_where_they_live() {
    let place = Place::new();
    let file = place.file("policies/by-day.rego", NIGHTLY);
    place.file("policies/by-day_test.rego", "package spacelift\n");
    place.json(&["policy", "create", "by-night", "--file", &file, "--rego", "v1"]);
    let config = place.file("claviger.toml", &format!("[store]\nurl = \"{}\"\n[policies]\ndir = \"policies\"\n", place.url()));
    let lines = NIGHTLY.lines().count();

    let listed = place.run_with(&["policy", "list", "-o", "json", "--config", &config], &[], "");
    let table = place.run_with(&["policy", "list", "--config", &config], &[], "");

    assert_eq!(
        serde_json::from_str::<Value>(&listed.out).unwrap(),
        json!([
            {"name": "by-night", "from": "store", "file": null, "rego": "v1", "lines": lines},
            {"name": "by-day", "from": "file", "file": file, "rego": null, "lines": lines}
        ])
    );
    let rows: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "FROM", "REGO", "LINES"], "{}", table.out);
    assert_eq!((rows[1][1], rows[2][1]), ("store", &*file), "{}", table.out);

    place.file("policies/broken.rego", &"#".repeat(2 << 20));
    let broken = place.run_with(&["policy", "list", "--config", &config], &[], "");
    assert_eq!(broken.code, 1, "{}", broken.err);
    assert!(broken.err.contains("broken.rego"), "{}", broken.err);
}

#[test]
fn what_is_odd_about_a_saved_policy_is_told_and_about_others_is_not() {
    let place = Place::new();
    place.json(&["space", "create", "production", "--parent", "root"]);
    let odd = place.file("odd.rego", "package spacelift\n\nroles[\"prodction\"][\"space-reader\"] if input.session.admin\n");
    let sound = place.file("sound.rego", "package spacelift\n\nallow if input.session.admin\n");

    let saved = place.run(&["policy", "create", "odd", "--file", &odd]);
    let unallowed = place.json(&["policy", "update", "odd", "--file", &odd]);
    let other = place.run(&["policy", "create", "sound", "--file", &sound]);
    let allowed = place.json(&["policy", "update", "odd", "--file", &odd]);

    assert_eq!(saved.code, 0);
    assert!(saved.err.contains("warning: there is no space `prodction`"), "{}", saved.err);
    assert!(saved.err.contains("  --> odd:3:7\n") && saved.err.contains("= help: did you mean `production`?"), "{}", saved.err);
    let reasons =
        |saved: &Value| saved["warnings"].as_array().unwrap().iter().map(|warning| warning["message"].clone()).collect::<Vec<_>>();
    assert!(reasons(&unallowed)[0].as_str().unwrap().starts_with("`roles` counts only where a policy says `allow`"), "{unallowed}");
    assert_eq!((other.err.as_str(), other.code), ("", 0));
    // Now that another policy allows, the roles count.
    assert_eq!(reasons(&allowed), ["there is no space `prodction`: what is given with it is left out"]);
    assert_eq!(allowed["warnings"][0]["severity"], "warning");
}

#[test]
fn a_policy_with_faults_is_not_saved_and_its_faults_are_told() {
    let place = Place::new();
    let file = place.file("open.rego", "package spacelift\n\nroles[space][role_id] { input.session.login == \"x\" }\n");

    let told = place.run(&["policy", "create", "open", "--file", &file]);
    let as_json = place.run(&["policy", "create", "open", "--file", &file, "-o", "json"]);

    assert_eq!((told.code, told.out.as_str(), as_json.code), (1, "", 1));
    assert!(told.err.contains("3:"), "{}", told.err);
    let faults: Value = serde_json::from_str(&as_json.out).unwrap();
    assert_eq!(faults["faults"][0]["line"], 3, "{faults}");
    assert!(place.names(&["policy", "list"], "name").is_empty());
    assert!(place.refused(&["policy", "create", "x", "--file", "no-such-file"]).contains("cannot read no-such-file"));
}

#[test]
fn the_strategy_is_shown_and_set() {
    let place = Place::new();

    place.json(&["group", "create", "platform"]);
    assert_eq!(place.run(&["strategy"]).out, "combined\n");
    let set = place.json(&["strategy", "set", "login-policies"]);
    assert_eq!(set, json!({"strategy": "login-policies", "revision": 2}));
    assert_eq!(place.json(&["strategy", "show"])["strategy"], "login-policies");
    place.misunderstood(&["strategy", "set", "none"]);
}

#[test]
fn replicas_are_listed_with_what_is_in_force_in_them() {
    let place = Place::new();
    place.json(&["group", "create", "platform"]);
    place.json(&["group", "create", "on-call"]);
    let started_at = "2026-03-04T05:06:07Z".parse().unwrap();
    place.in_store(async |store| {
        for (number, applied) in [(1, 1), (2, 2)] {
            let (name, version) = (ReplicaName::of("web", number), "0.9.1".to_owned());
            store.report_replica(&ReplicaReport { name, version, applied: Revision(applied), started_at }).await.unwrap();
        }
    });

    let table = place.run(&["replicas"]).out;
    let listed = place.json(&["replicas", "--all"]);

    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "VERSION", "STATE", "APPLIED", "BEHIND", "STARTED", "SEEN"]);
    assert_eq!(rows[1][..6], ["web-00000001", "0.9.1", "live", "1", "1", "for"], "{table}");
    assert_eq!(rows[2][..6], ["web-00000002", "0.9.1", "live", "2", "0", "2026-03-04T05:06:07Z"], "{table}");
    assert_eq!(
        (&listed[0]["name"], &listed[0]["lag_revisions"], &listed[1]["lag_seconds"]),
        (&json!("web-00000001"), &json!(1), &json!(0.0))
    );
    assert!(listed[0]["live"] == true && text(&listed[0]["last_seen_at"]) > "2026", "{listed}");
}

#[test]
fn an_explanation_names_the_binding_the_group_and_the_policy_and_what_was_left_out() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["key", "create", "--name", "nightly", "--group", "platform", "--bind", "space-reader@production"]);
    place.json(&["binding", "create", "--group", "platform", "--role", "space-reader", "--space", "root"]);
    place.json(&["policy", "create", "by-night", "--file", &place.file("nightly.rego", NIGHTLY)]);
    let binding = place.json(&["binding", "list", "--key", "nightly"])[0]["id"].clone();

    let explained = place.json(&["explain", "--key", "nightly", "--ip", "192.0.2.7", "--at", "2030-01-01T00:00:00Z"]);

    assert_eq!((&explained["decision"], &explained["code"]), (&json!("allow"), &json!("ok")));
    assert_eq!((&explained["ip"], &explained["at"]), (&json!("192.0.2.7"), &json!("2030-01-01T00:00:00Z")));
    assert_eq!(
        explained["grants"],
        json!([
            {"space": "production", "role": "space-reader", "via": {"kind": "binding", "name": binding}},
            {"space": "production", "role": "space-writer", "via": {"kind": "policy", "name": "by-night"}},
            {"space": "root", "role": "space-reader", "via": {"kind": "group", "name": "platform"}},
        ])
    );
    assert_eq!(
        explained["ignored"],
        json!([{"policy": "by-night", "space": "nowhere", "role": "space-reader", "reason": "unknown_space"}])
    );
    let table = place.run(&["explain", "--key", "nightly"]);
    assert!(table.out.contains("policy by-night") && table.out.contains("group platform") && table.out.contains("no such space"));
    assert!(table.err.contains("127.0.0.1"), "{}", table.err);
}

#[test]
fn an_explanation_of_a_refusal_says_why_and_is_no_failure() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["key", "create", "--name", "nightly", "--expires", "90d"]);
    place.json(&["key", "create", "--name", "idle"]);
    place.json(&["policy", "create", "by-night", "--file", &place.file("nightly.rego", NIGHTLY)]);
    let explain = |line: &[&str]| {
        let explained = place.json(&[&["explain", "--ip", "192.0.2.7"], line].concat());
        assert_eq!(explained["decision"], "refuse");
        (text(&explained["code"]).to_owned(), text(&explained["reason"]).to_owned())
    };

    assert_eq!(explain(&["--key", "idle"]).0, "no_roles");
    assert_eq!(
        explain(&["--key", "nightly", "--at", "2099-01-01T00:00:00Z"]),
        ("invalid_key".into(), "the key does not work: expired".into())
    );
    let denied = place.json(&["explain", "--key", "nightly", "--ip", "::ffff:203.0.113.9"]);
    assert_eq!((&denied["code"], &denied["reason"]), (&json!("denied"), &json!("policy by-night says deny")));
    place.json(&["strategy", "set", "login-policies"]);
    assert_eq!(explain(&["--key", "idle"]).0, "not_allowed");
    place.json(&["key", "disable", "idle"]);
    assert_eq!(explain(&["--key", "idle"]).0, "invalid_key");
}

#[test]
fn an_explanation_takes_in_the_policies_of_the_configured_directory() {
    let place = Place::new();
    place.file("policies/by_night.rego", NIGHTLY);
    let config = place.file("claviger.toml", "[policies]\ndir = \"policies\"\n[store]\nurl = \"sqlite://claviger.db\"\n");
    place.json(&["space", "create", "production", "--config", &config]);
    place.json(&["key", "create", "--name", "nightly", "--config", &config]);

    let explained = place.json(&["explain", "--key", "nightly", "--ip", "192.0.2.7", "--config", &config]);

    assert_eq!(explained["grants"][0]["via"], json!({"kind": "policy", "name": "by_night"}), "{explained}");
}

// ---------------------------------------------------------------------------------------------------------------- the frame

#[test]
fn a_command_without_a_store_says_what_to_give() {
    let place = Place::new();

    let run = place.run_with(&["key", "list"], &[], "");

    assert_eq!((run.code, run.out.as_str()), (2, ""));
    for way in ["--store", "--config", "CLAVIGER_STORE", "CLAVIGER_CONFIG"] {
        assert!(run.err.contains(way), "{}", run.err);
    }
}

#[test]
fn the_store_is_named_by_argument_configuration_or_environment() {
    let place = Place::new();
    let config = place.file("etc/claviger.toml", "[store]\nurl = \"sqlite://configured.db\"\n");
    let named = |line: &[&str], environment: &[(&str, &str)]| {
        let run = place.run_with(&[&["strategy", "set", "combined"], line].concat(), environment, "");
        assert_eq!((run.code, run.out.as_str()), (0, "combined\n"), "{}", run.err);
    };

    named(&["--store", "sqlite://one.db"], &[("CLAVIGER_STORE", "sqlite://environment.db")]);
    named(&["--config", &config], &[("CLAVIGER_STORE", "sqlite://environment.db")]);
    named(&[], &[("CLAVIGER_STORE", "sqlite://two.db"), ("CLAVIGER_CONFIG", &config)]);
    named(&[], &[("CLAVIGER_STORE__URL", "sqlite://three.db")]);

    for made in ["one.db", "etc/configured.db", "two.db", "three.db"] {
        assert!(place.path(made).exists(), "{made}");
    }
    assert!(!place.path("environment.db").exists());
    named(&[], &[("CLAVIGER_CONFIG", &config)]);
}

#[test]
fn a_new_store_is_remarked_upon_and_starts_with_the_configured_strategy() {
    let place = Place::new();
    let config = place.file("claviger.toml", "[login]\nstrategy = \"user-management\"\n[store]\nurl = \"sqlite://claviger.db\"\n");

    let first = place.run_with(&["group", "create", "platform", "--config", &config], &[], "");
    let second = place.run_with(&["strategy", "--config", &config], &[], "");

    assert_eq!((second.code, second.out.as_str()), (0, "user-management\n"), "{}", second.err);
    assert!(first.err.contains("made a new store") && second.err.is_empty(), "{}{}", first.err, second.err);
}

#[test]
fn a_broken_configuration_keeps_nobody_from_revoking_a_key() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "leaked"]);
    let config = place.file("claviger.toml", "[token]\nttl = \"soon\"\n");

    let broken = place.run_with(&["key", "list", "--config", &config], &[], "");
    let revoked = place.run_with(&["key", "revoke", "leaked", "--store", &place.url()], &[("CLAVIGER_CONFIG", &config)], "");

    assert!(broken.code == 2 && broken.err.contains("ttl"), "{}", broken.err);
    assert_eq!(revoked.code, 0, "{}", revoked.err);
}

#[test]
fn every_command_tells_of_a_faulty_configuration_in_the_same_way() {
    let place = Place::new();
    let config = place.file("claviger.toml", "[token]\nttl = \"soon\"\n");

    for line in [
        &["serve"][..],
        &["key", "list"],
        &["healthcheck"],
        &["policy", "test", "."],
        &["token", "keys", "list"],
        &["explain", "--key", "ci"],
    ] {
        let run = place.run_with(&[line, &["--config", &config, "-o", "json"]].concat(), &[], "");
        let told: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{line:?}: {error}: {}", run.out));
        assert_eq!((run.code, &told["faults"][0]["key"]), (2, &json!("token.ttl")), "{line:?}");
        assert!(run.err.contains("the configuration has a fault"), "{line:?}: {}", run.err);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_every_command_that_is_given_one() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let policy = place.file("nightly.rego", NIGHTLY);

    for line in [
        &["policy", "create", "nightly", "--file"][..],
        &["policy", "simulate", "--key", "ci", "--name", "nightly", "--file"],
        &["policy", "simulate", "--file", &policy, "--input"],
        &["token", "decode", "--file"],
        &["token", "verify", "--issuer", "i", "--audience", "a", "--jwks"],
        &["key", "import", "--name", "x", "--text-file"],
    ] {
        let said = place.refused(&[line, &["nowhere"]].concat());
        assert!(said.contains("cannot read nowhere: No such file"), "{line:?}: {said}");
    }
    let said = place.refused(&["policy", "create", "endless", "--file", "/dev/zero"]);
    assert!(said.contains("cannot read /dev/zero: it has more than"), "{said}");
}

#[test]
fn what_people_fill_in_cannot_steer_a_terminal() {
    let place = Place::new();
    let hostile = "\u{1b}[2J\u{202e}evil";
    place.json(&["space", "create", "production", "--name", hostile, "--label", hostile]);
    place.json(&["key", "create", "--name", "ci", "--description", hostile]);

    for line in [&["space", "list"][..], &["space", "show", "production"], &["key", "show", "ci"]] {
        let run = place.run(line);
        assert!(run.out.contains("\\u{1b}[2J\\u{202e}evil"), "{}", run.out);
        assert!(!run.out.contains(['\u{1b}', '\u{202e}']), "{}", run.out);
    }
    assert_eq!(place.json(&["space", "show", "production"])["name"], hostile);
    let said = place.refused(&["key", "show", hostile]);
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn what_is_not_understood_ends_with_two_and_help_with_zero() {
    let place = Place::new();

    for line in [&["frobnicate"][..], &["key"], &["key", "list", "-o", "xml"], &["key", "create"], &["key", "create", "--name", " x"]] {
        place.misunderstood(line);
    }
    assert!(place.misunderstood(&["key", "list", "--store", "postgres://db/claviger"]).contains("error:"));
    for line in [&["--help"][..], &["--version"], &["key", "--help"]] {
        let run = place.run(line);
        assert!(run.code == 0 && !run.out.is_empty(), "{line:?}: {}", run.err);
    }
}

#[test]
fn a_shell_completes_names_of_the_store_and_words_of_the_command_line() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["key", "create", "--name", "backup", "--description", "every night"]);
    place.json(&["key", "create", "--name", "old"]);
    place.json(&["key", "revoke", "old"]);
    // As fish asks: what has been typed, the last word not yet finished.
    let completed = |typed: &[&str]| -> Vec<String> {
        let run = place.run_with(&[&["--", "claviger"], typed].concat(), &[("COMPLETE", "fish"), ("CLAVIGER_STORE", &place.url())], "");
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{typed:?}");
        run.out.lines().map(str::to_owned).collect()
    };

    assert_eq!(completed(&["key", "show", ""]).iter().filter(|line| !line.starts_with('-')).collect::<Vec<_>>(), ["backup\tevery night"]);
    assert_eq!(completed(&["binding", "create", "--role", "space-a"]), ["space-admin\tSpace admin"]);
    assert_eq!(completed(&["binding", "create", "--space", "pro"]), ["production"]);
    assert_eq!(completed(&["key", "create", "--bind", "space-reader@p"]), ["space-reader@production"]);
    assert!(completed(&["strategy", "set", "log"]).contains(&"login-policies".to_owned()));
    assert!(completed(&["hea"])[0].starts_with("healthcheck\t"));
    let elsewhere = completed(&["space", "show", "--store", "sqlite://nowhere.db", "pro"]);
    assert!(elsewhere.is_empty() && !place.path("nowhere.db").exists(), "{elsewhere:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.run(&["completion", shell]).out.contains("COMPLETE"), "{shell}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let place = Place::new();

    assert!(place.run(&["version"]).out.starts_with(concat!("claviger ", env!("CARGO_PKG_VERSION"))));
    assert_eq!(place.json(&["version"])["version"], env!("CARGO_PKG_VERSION"));
}

/// Answers one request with this status; the request's first line comes back.
fn answering(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 1024];
        while !asked.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "the request ends early");
            asked.extend_from_slice(&buffer[..read]);
        }
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 8\r\nconnection: close\r\n\r\nstore: -").unwrap();
        String::from_utf8(asked).unwrap().lines().next().unwrap().to_owned()
    });
    (address, answering)
}

#[test]
fn a_healthcheck_passes_on_what_readyz_says() {
    let place = Place::new();

    let (address, asked) = answering("200 OK");
    let ready = place.run(&["healthcheck", "--url", &format!("http://{address}")]);
    assert_eq!((ready.code, ready.out.as_str()), (0, "ready\n"), "{}", ready.err);
    assert!(asked.join().unwrap().starts_with("GET /readyz"));

    let (address, asked) = answering("503 Service Unavailable");
    let unready = place.run_with(&["healthcheck"], &[("CLAVIGER_OPS__LISTEN", &address)], "");
    assert_eq!((unready.code, unready.out.as_str()), (1, "not ready\n"));
    assert!(unready.err.contains("store: -"), "{}", unready.err);
    asked.join().unwrap();
}

#[test]
fn a_healthcheck_that_nobody_answers_fails() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let said = place.refused(&["healthcheck", "--url", &format!("http://{free}")]);

    assert!(said.contains("no answer"), "{said}");
    assert_eq!(place.run(&["healthcheck", "--url", "ftp://x"]).code, 2);
}

#[test]
fn what_makes_a_token_too_large_is_told_when_it_is_saved_and_when_it_is_explained() {
    let place = Place::new();
    let name = |number: usize| format!("space-number-{number:03}-with-a-long-name-that-takes-room");
    let roles: Vec<String> = (0..90).map(|number| format!("space-reader@{}", name(number))).collect();
    for number in 0..90 {
        place.json(&["space", "create", &name(number)]);
    }
    let binds: Vec<&str> = roles.iter().flat_map(|role| ["--bind", role.as_str()]).collect();
    let made = place.run(&[&["key", "create", "--name", "wide"], binds.as_slice()].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("wide is refused with token_too_large: its token would be "), "{}", made.err);

    let explained = place.json(&["explain", "--key", "wide", "--ip", "192.0.2.7"]);
    assert_eq!((&explained["decision"], &explained["code"]), (&json!("refuse"), &json!("token_too_large")));
    assert!(text(&explained["reason"]).contains(" bytes, more than token.max_bytes = 6144"), "{explained}");
    assert!(!place.run(&["key", "create", "--name", "narrow"]).err.contains("token_too_large"));
}
