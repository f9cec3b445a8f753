//! The audit is a chain that other programs can verify; what was changed in it, or in the store beside it, is found.

use std::process::Command;

use claviger::model::{Actor, AuditNote, BindingId, Cause, KeyDigest, KeyId, Mutation, NewKey, Subject};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, raw_sql};

use crate::support::place::Place;
use crate::support::pyjwt;

/// As `docs/audit.md` has it.
const VERIFIER: &str = r#"
import hashlib, json, sys
previous = bytes(32)
for line in sys.stdin:
    entry = json.loads(line)
    told = entry.pop("hash")
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    previous = hashlib.sha256(previous + text.encode()).digest()
    assert previous.hex() == told, entry["id"]
print(entry["id"], previous.hex(), sep=":")
"#;

/// Every kind of thing, some of which have gone again, and a note.
pub(super) fn with_a_history() -> Place {
    let place = Place::new();
    let policy = place.file("gate.rego", "package spacelift\n\nallow if true\n");
    for line in [
        &["space", "create", "production", "--parent", "root", "--description", "ü \"\u{1f511}\" \u{7f}"] as &[&str],
        &["space", "create", "staging", "--parent", "production"],
        &["role", "create", "deployer", "--action", "run:trigger"],
        &["group", "create", "crew", "--description", "the crew"],
        &["key", "create", "--name", "ci", "--group", "crew", "--group", "drawn", "--bind", "deployer@production"],
        &["key", "create", "--name", "cd", "--bind", "deployer@staging", "--expires", "90d"],
        &["binding", "create", "--key", "ci", "--role", "space-reader", "--space", "root"],
        &["binding", "create", "--group", "crew", "--role", "deployer", "--space", "staging"],
        &["key", "rotate", "ci", "--grace", "1h"],
        &["key", "disable", "cd"],
        &["key", "update", "ci", "--description", "deploys"],
        &["key", "create", "--name", "old", "--group", "gone", "--bind", "deployer@staging"],
        &["key", "revoke", "old"],
        &["group", "delete", "gone"],
        &["space", "create", "gone", "--parent", "root"],
        &["space", "delete", "gone"],
        &["policy", "create", "gate", "--file", &policy],
        &["strategy", "set", "combined"],
    ] {
        place.json(line);
    }
    let cause = Cause { actor: Actor::Key(KeyId::new(1, 2)), remote_ip: Some("192.0.2.7".parse().unwrap()), request_id: None, once: None };
    let note = AuditNote::Refused { action: "key.revoke", resource: "ü".to_owned(), spaces: Vec::new(), code: "forbidden" };
    place.in_store(async |store| store.note(note, &cause).await.unwrap());
    place
}

fn tamper(place: &Place, statement: &str) {
    let options = SqliteConnectOptions::new().filename(place.path("claviger.db")).foreign_keys(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        let done = raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
        sqlx::Connection::close(connection).await.unwrap();
    });
}

/// What another program says the last link is.
fn verified_elsewhere(place: &Place) -> String {
    let lines = place.path("audit.jsonl");
    let _ = std::fs::remove_file(&lines);
    assert_eq!(place.run(&["audit", "export", lines.to_str().unwrap()]).code, 0);
    let out = Command::new(pyjwt::python()).args(["-c", VERIFIER]).stdin(std::fs::File::open(&lines).unwrap()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_chain_is_verified_by_another_program_and_by_this_one_also_after_restores() {
    let place = with_a_history();
    let copy = place.path("copy.db").display().to_string();
    let sound = |place: &Place| {
        let found = place.json(&["audit", "verify"]);
        assert_eq!(found["head"], Value::from(verified_elsewhere(place)));
        assert_eq!(found["faults"], serde_json::json!([]));
        found["head"].as_str().unwrap().to_owned()
    };
    let first = sound(&place);
    place.json(&["backup", &copy]);

    // What is undone by a restore is not held against the rows, and what is done after it is.
    place.json(&["key", "revoke", "ci"]);
    place.json(&["space", "create", "undone", "--parent", "root"]);
    place.json(&["restore", &copy, "--undo-changes"]);
    let second = sound(&place);
    place.json(&["key", "update", "ci", "--name", "ci-2"]);
    place.json(&["key", "revoke", "cd"]);
    assert_eq!(place.run(&["audit", "verify", "--expect", &first, "--expect", &second]).code, 0);
    let newer = place.path("newer.db").display().to_string();
    place.json(&["backup", &newer]);

    // A store that was put back as a file, and went another way than the copy that is restored into it.
    std::fs::copy(&copy, place.path("claviger.db")).unwrap();
    place.json(&["space", "create", "another-way", "--parent", "root"]);
    let other = sound(&place);
    place.json(&["restore", &newer, "--undo-changes"]);
    sound(&place);
    assert_eq!(place.run(&["audit", "verify", "--expect", &first, "--expect", &other]).code, 0);
    assert!(place.refused(&["audit", "verify", "--expect", &second]).contains("has not the hash that was kept"));

    // One that goes the same way and is only behind gets what it lacks.
    std::fs::copy(&copy, place.path("claviger.db")).unwrap();
    place.json(&["restore", &newer]);
    sound(&place);
    assert_eq!(place.run(&["audit", "verify", "--expect", &first, "--expect", &second]).code, 0);
}

#[test]
fn whatever_is_changed_in_the_audit_or_beside_it_is_found() {
    let place = with_a_history();
    let found = place.json(&["audit", "verify"]);
    let head = found["head"].as_str().unwrap().to_owned();
    let last: u64 = head.split_once(':').unwrap().0.parse().unwrap();
    let copy = place.path("copy.db").display().to_string();
    place.json(&["backup", &copy]);
    for (statement, said) in [
        ("UPDATE audit SET actor = 'operator::eve' WHERE id = 3", "entry 3 does not fit the one before it".to_owned()),
        ("UPDATE audit SET at = at + 1 WHERE id = 1", "entry 1 does not fit the one before it".to_owned()),
        ("UPDATE audit SET after = json_set(after, '$.name', 'x') WHERE id = 2", "entry 2 does not fit the one before it".to_owned()),
        ("UPDATE audit SET hash = zeroblob(32) WHERE id = 4", "entry 4 does not fit the one before it".to_owned()),
        ("DELETE FROM audit WHERE id IN (5, 6)", "entries 5 to 6 are missing".to_owned()),
        ("DELETE FROM audit WHERE id = 7", "entry 7 is missing".to_owned()),
        ("DELETE FROM audit WHERE id = 1", "entry 2 is the first one: those before it are missing".to_owned()),
        ("DELETE FROM audit WHERE id >= 17", "the end is missing: the store is at revision".to_owned()),
        (&format!("DELETE FROM audit WHERE id = {last}"), format!("entry {last}, whose hash was kept, is not there")),
        ("UPDATE keys SET disabled_at = NULL WHERE name = 'cd'", "is not in the store as entry".to_owned()),
        ("UPDATE keys SET expires_at = NULL WHERE name = 'cd'", "is not in the store as entry".to_owned()),
        ("UPDATE keys SET revoked_at = NULL WHERE name = 'old'", "is not in the store as entry".to_owned()),
        ("DELETE FROM memberships WHERE group_name = 'drawn'", "is not in the store as entry".to_owned()),
        ("DELETE FROM secrets WHERE ends_at IS NOT NULL", "is not in the store as entry".to_owned()),
        ("UPDATE bindings SET role = 'space-admin' WHERE role = 'space-reader'", "is not in the store as entry".to_owned()),
        (
            "UPDATE bindings SET space = 'root' WHERE role = 'deployer' AND space = 'production'",
            "no entry tells how it got there".to_owned(),
        ),
        (
            "DELETE FROM bindings WHERE role = 'deployer' AND space = 'production'",
            "is not in the store, though entry 5 says that it is".to_owned(),
        ),
        ("DELETE FROM bindings WHERE group_name = 'crew'", "is not in the store, though entry 8 says that it is".to_owned()),
        (
            "INSERT INTO bindings SELECT '01aryz6s41041061050r3gg28b', id, NULL, 'space-admin', 'root', created_at, 0 FROM keys WHERE name = 'cd'",
            "binding 01aryz6s41041061050r3gg28b is in the store, and no entry tells how it got there".to_owned(),
        ),
        (
            "UPDATE roles SET actions = '[\"*:*\"]' WHERE id = 'deployer'",
            "role deployer is not in the store as entry 3 has left it".to_owned(),
        ),
        ("UPDATE spaces SET parent = 'root' WHERE id = 'staging'", "space staging is not in the store as entry 2".to_owned()),
        (
            "INSERT INTO spaces SELECT 'gone', name, description, parent, labels, 0 FROM spaces WHERE id = 'staging'",
            "space gone is in the store, though entry".to_owned(),
        ),
        ("UPDATE groups SET description = '' WHERE name = 'crew'", "group crew is not in the store as entry 4".to_owned()),
        ("UPDATE policies SET source = 'package spacelift'", "policy gate is not in the store as entry".to_owned()),
        ("DELETE FROM policies", "policy gate is not in the store, though entry".to_owned()),
        ("UPDATE state SET strategy = 'user-management'", "strategy is not in the store as entry".to_owned()),
    ] {
        tamper(&place, statement);
        let why = place.refused(&["audit", "verify", "--expect", &head]);
        assert!(why.contains(&said), "{statement}\n{why}");
        std::fs::copy(&copy, place.path("claviger.db")).unwrap();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(place.path(&format!("claviger.db{end}")));
        }
    }
    assert_eq!(place.run(&["audit", "verify", "--expect", &head]).code, 0);
    assert!(place.misunderstood(&["audit", "verify", "--expect", "7"]).contains("a colon"));
}

#[test]
fn a_binding_that_comes_with_a_key_under_the_id_of_one_that_is_gone_is_no_fault_and_the_one_that_is_gone_is_no_other() {
    let place = Place::new();
    let (binding, root) = (BindingId::new(1, 1), "root".parse().unwrap());
    let [first, second] = [1, 2].map(|number| KeyId::new(number, 1));
    let key = |id: KeyId, name: &str, bindings| {
        let digest = KeyDigest::from_bytes([u8::try_from(name.len()).unwrap(); 32]);
        let (description, name) = (String::new(), name.parse().unwrap());
        Mutation::CreateKey(NewKey { id, name, description, groups: Vec::new(), expires_at: None, digest, bindings })
    };
    let role = || "space-reader".parse().unwrap();
    place.in_store(async |store| {
        let space = |root: &claviger::model::SpaceId| root.clone();
        for change in [
            key(first, "first", Vec::new()),
            Mutation::CreateBinding { id: binding, subject: Subject::Key(first), role: role(), space: space(&root) },
            Mutation::DeleteBinding { id: binding },
            key(second, "second", vec![(binding, role(), space(&root))]),
        ] {
            store.apply(change, &Cause::SYSTEM, None).await.unwrap();
        }
    });
    assert_eq!(place.run(&["audit", "verify"]).code, 0);
    tamper(&place, &format!("UPDATE bindings SET key_id = '{first}' WHERE id = '{binding}'"));
    assert!(place.refused(&["audit", "verify"]).contains("is in the store, though entry"));
}

#[test]
fn an_export_has_what_the_filters_leave_a_line_each_and_oldest_first() {
    let place = with_a_history();
    let all = place.run(&["audit", "export"]);
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let mut listed = place.json(&["audit", "--limit", "1000"]).as_array().unwrap().clone();
    listed.reverse();
    assert_eq!(lines(&all.out), listed);
    assert_eq!(all.err, "");

    let of_space = place.run(&["audit", "export", "-", "--space", "staging", "--action", "binding."]);
    assert_eq!(lines(&of_space.out).iter().map(|entry| &entry["action"]).collect::<Vec<_>>(), ["binding.create"]);
    assert_eq!(place.run(&["audit", "export", "--since", "2999-01-01T00:00:00Z"]).out, "");

    let file = place.path("audit.jsonl");
    let made = place.run(&["audit", "export", file.to_str().unwrap()]);
    assert_eq!((made.code, made.out.as_str(), std::fs::read_to_string(&file).unwrap()), (0, "", all.out));
    assert!(place.refused(&["audit", "export", file.to_str().unwrap()]).contains("exists"));
    assert!(place.misunderstood(&["audit", "--limit", "3", "export"]).contains("behind the word"));

    // Whoever waits at a terminal sees how far it is; what is written there itself is not disturbed.
    let another = place.path("another.jsonl");
    let at_a_terminal = |line: &[&str]| {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/at_a_terminal.py");
        let mut python = Command::new(pyjwt::python());
        python.arg(script).args(["n", env!("CARGO_BIN_EXE_claviger")]).args(line).env("CLAVIGER_STORE", place.url());
        String::from_utf8(python.output().unwrap().stdout).unwrap()
    };
    let shown = at_a_terminal(&["audit", "export", another.to_str().unwrap()]);
    assert!(shown.contains("of 19 entries") && shown.contains("19 entries written to"), "{shown}");
    let shown = at_a_terminal(&["audit", "export"]);
    assert!(!shown.contains("of 19 entries") && shown.contains("\"action\":\"space.create\""), "{shown}");
}
