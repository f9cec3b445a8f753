//! What was done can be read again, by people and by programs.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use claviger::model::{Actor, AuditNote, Cause, KeyId};

use crate::support::place::Place;

fn actions(entries: &Value) -> Vec<&str> {
    entries.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

fn with_a_history() -> Place {
    let place = Place::new();
    for line in [
        &["space", "create", "production", "--parent", "root"] as &[&str],
        &["key", "create", "--name", "ci"],
        &["binding", "create", "--key", "ci", "--role", "space-reader", "--space", "production"],
        &["key", "disable", "ci"],
    ] {
        place.json(line);
    }
    place
}

#[test]
fn every_change_is_listed_newest_first_with_who_when_and_what_changed() {
    let place = with_a_history();

    let entries = place.json(&["audit"]);
    let table = place.run(&["audit"]);

    assert_eq!(actions(&entries), ["key.disable", "binding.create", "key.create", "space.create"]);
    assert!(entries[0]["actor"].as_str().unwrap().starts_with("operator::"), "{entries}");
    assert!(entries[0]["before"]["disabled_at"].is_null() && entries[0]["after"]["disabled_at"].is_string(), "{entries}");
    let told: Vec<&str> = table.out.lines().skip(1).map(str::trim_end).collect();
    let ends = [("key.disable", "ci", "disabled"), ("binding.create", "ci", "gets space-reader in production")];
    for (line, (action, resource, what)) in told.iter().zip(ends) {
        assert!(line.contains(action) && line.contains(&format!(" {resource} ")) && line.ends_with(what), "{line}");
    }
    assert!(!table.out.contains("clv_"), "{}", table.out);
}

#[test]
fn the_audit_is_narrowed_by_text_time_and_number() {
    let place = with_a_history();
    let id = place.json(&["key", "show", "ci"])["id"].as_str().unwrap().to_owned();

    assert_eq!(actions(&place.json(&["audit", "--query", "key."])), ["key.disable", "key.create"]);
    assert_eq!(actions(&place.json(&["audit", "--query", &id, "--limit", "1"])), ["key.disable"]);
    assert_eq!(actions(&place.json(&["audit", "--since", "1h"])).len(), 4);
    assert_eq!(place.json(&["audit", "--since", "2999-01-01T00:00:00Z"]), Value::Array(vec![]));
    assert!(place.misunderstood(&["audit", "--since", "yesterday"]).contains("24h"));
    assert_eq!(actions(&place.json(&["audit", "--until", "1h"])).len(), 0);
    assert_eq!(actions(&place.json(&["audit", "--action", "key."])), ["key.disable", "key.create"]);
    assert_eq!(actions(&place.json(&["audit", "--resource", "ci"])), ["key.disable", "key.create"]);
    assert_eq!(actions(&place.json(&["audit", "--space", "production"])), ["key.disable", "binding.create", "space.create"]);
    assert_eq!(actions(&place.json(&["audit", "--actor", "system"])).len(), 0);
}

#[test]
fn the_audit_names_whoever_is_at_the_command_line() {
    let place = Place::new();
    let url = place.url();
    let create = |name: &str, environment: &[(&str, &str)]| {
        let store = [("CLAVIGER_STORE", url.as_str())];
        place.run_with(&["space", "create", name, "--parent", "root"], &[&store, environment].concat(), "")
    };

    assert_eq!(create("a", &[]).code, 0);
    assert_eq!(create("b", &[("CLAVIGER_ACTOR", " pipeline 7@ci\n")]).code, 0);
    let nobody = create("c", &[("CLAVIGER_ACTOR", "two\nlines")]);

    let entries = place.json(&["audit"]);
    assert_eq!(entries[0]["actor"], "operator::pipeline 7@ci");
    let uname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let actor = entries[1]["actor"].as_str().unwrap();
    assert!(actor.starts_with("operator::") && actor.ends_with(&format!("@{}", uname.trim())), "{actor}");
    assert_eq!(actions(&place.json(&["audit", "--actor", "operator::pipeline 7@ci"])), ["space.create"]);
    assert!(nobody.code == 2 && nobody.err.contains("CLAVIGER_ACTOR"), "{}", nobody.err);
}

#[test]
fn what_is_no_change_is_told_in_words_too() {
    let place = with_a_history();
    let key = KeyId::new(1, 2);
    let cause = Cause { actor: Actor::Key(key), remote_ip: Some("192.0.2.7".parse().unwrap()), request_id: None, once: None };
    let refused = AuditNote::Refused { action: "space.delete", resource: "production".to_owned(), spaces: Vec::new(), code: "forbidden" };
    place.in_store(async |store| {
        store.note(AuditNote::SignIn { key }, &cause).await.unwrap();
        store.note(refused, &cause).await.unwrap();
        store.note(AuditNote::SessionBegan { key }, &cause).await.unwrap();
        store.note(AuditNote::SessionEnded { key }, &cause).await.unwrap();
        store.note(AuditNote::SamplesCleared { cleared: 2 }, &cause).await.unwrap();
    });

    let entries = place.json(&["audit", "--limit", "5"]);
    let table = place.run(&["audit", "--limit", "5"]).out;

    assert_eq!(actions(&entries), ["sample.clear", "session.end", "session.begin", "space.delete", "key.sign-in"]);
    assert_eq!((&entries[3]["id"], &entries[3]["revision"], &entries[3]["refused"]), (&6.into(), &Value::Null, &"forbidden".into()));
    let lines: Vec<&str> = table.lines().skip(1).map(str::trim_end).collect();
    assert!(lines[0].contains("  samples  ") && lines[0].ends_with("  2 given up"), "{table}");
    assert!(lines[1].ends_with("  a session of the console ended"), "{table}");
    assert!(lines[2].ends_with("  signed in to the console from 192.0.2.7"), "{table}");
    assert!(lines[3].starts_with("-  ") && lines[3].contains("  production  ") && lines[3].ends_with("  refused: forbidden"), "{table}");
    assert!(lines[4].ends_with("from 192.0.2.7, for the first time"), "{table}");
    // What is explained of the past rests on changes alone.
    let last_change = place.json(&["audit", "--action", "key.disable"])[0]["at"].as_str().unwrap().to_owned();
    let explained = place.run(&["explain", "--key", "ci", "--at", &last_change]);
    assert!(explained.out.contains("ci") && !explained.out.contains("since then"), "{}{}", explained.out, explained.err);
}

#[test]
fn a_followed_audit_tells_of_a_change_that_another_process_makes() {
    let place = with_a_history();
    let mut follower = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["audit", "--follow", "--limit", "1", "-o", "json"])
        .env_clear()
        .env("CLAVIGER_STORE", place.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };

    let last = next();
    place.json(&["key", "enable", "ci"]);
    let new = next();
    follower.kill().unwrap();
    follower.wait().unwrap();

    assert_eq!((&last["action"], &new["action"]), (&"key.disable".into(), &"key.enable".into()));
    assert_eq!(new["revision"].as_u64(), last["revision"].as_u64().map(|revision| revision + 1));
}

#[test]
fn a_shell_completes_and_the_manual_names_every_command() {
    let place = Place::new();

    let bash = place.run(&["completion", "bash"]);
    let page = place.run(&["man"]);
    let all = place.run(&["man", "--dir", "pages"]);

    assert!(bash.out.contains("_claviger()"), "{}", bash.err);
    assert!(page.out.contains(".TH claviger 1"), "{}", page.out);
    assert_eq!((all.code, all.out.as_str()), (0, ""), "{}", all.err);
    let create = std::fs::read_to_string(place.path("pages").join("claviger-key-create.1")).unwrap();
    assert!(create.contains("expires"), "{create}");
    assert!(place.path("pages").join("claviger-audit.1").is_file());
}
