//! What a change of policies or strategy would make of every key, told before it is made, by the real binary.

use serde_json::json;

use crate::support::place::Place;

const OPEN: &str = "package spacelift\n\nallow if true\n\nroles[\"production\"][\"space-reader\"] if true\n";
const CLOSED: &str = "package spacelift\n\nallow if true\n\nroles[\"production\"][\"space-writer\"] if input.session.login == \"key-01\"\n\n\
                      deny if input.session.login == \"key-02\"\n";

/// `count` keys without bindings, and a policy that lets all of them read.
fn place(count: usize) -> Place {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    for number in 1..=count {
        place.json(&["key", "create", "--name", &format!("key-{number:02}")]);
    }
    place.json(&["policy", "create", "readers", "--file", &place.file("open.rego", OPEN)]);
    place.file("closed.rego", CLOSED);
    place
}

#[test]
fn whom_a_policy_touches_is_told_before_it_is_saved() {
    let place = place(3);
    place.json(&["key", "create", "--name", "asleep"]);
    place.json(&["key", "disable", "asleep"]);

    let run = place.run(&["policy", "update", "readers", "--file", "closed.rego", "--ip", "192.0.2.1"]);

    assert_eq!(run.code, 0, "{}", run.err);
    let first = run.err.lines().find(|line| line.starts_with("touches")).unwrap_or_else(|| panic!("{}", run.err));
    assert!(
        first.starts_with("touches 3 of 3 keys that work: 2 cut off, 0 let in, 1 gain roles, 3 lose roles (asked about at 192.0.2.1, "),
        "{}",
        run.err
    );
    for expected in [
        "  key-01: gains space-writer@production; loses space-reader@production\n",
        "  key-02: cut off: denied; loses space-reader@production\n",
        "  key-03: cut off: no_roles; loses space-reader@production\n",
    ] {
        assert!(run.err.contains(expected), "{expected}{}", run.err);
    }
    assert_eq!(place.json(&["policy", "show", "readers"])["source"], CLOSED);
}

#[test]
fn a_dry_run_tells_and_saves_nothing() {
    let place = place(2);

    let update = place.json(&["policy", "update", "readers", "--file", "closed.rego", "--dry-run"]);
    let delete = place.run(&["policy", "delete", "readers", "--dry-run"]);
    let create = place.run(&["policy", "create", "more", "--file", "closed.rego", "--dry-run"]);
    let strategy = place.json(&["strategy", "set", "user-management", "--dry-run"]);

    assert_eq!((&update["dry_run"], &update["impact"]["looked_at"]), (&json!(true), &json!(2)));
    assert_eq!((&update["impact"]["ip"], &update["impact"]["cut_off"]), (&json!("127.0.0.1"), &json!(1)));
    assert_eq!(update["impact"]["keys"][0]["name"], "key-01");
    assert!(delete.out == "nothing was changed\n" && delete.err.contains("2 cut off"), "{}{}", delete.out, delete.err);
    assert!(create.err.contains("touches 2 of 2 keys"), "{}", create.err);
    assert_eq!(strategy["impact"]["cut_off"], 2);
    assert_eq!(place.names(&["policy", "list"], "name"), ["readers"]);
    assert_eq!(place.json(&["policy", "show", "readers"])["source"], OPEN);
    assert_eq!(place.json(&["strategy", "show"])["strategy"], "combined");
}

#[test]
fn a_change_that_touches_nobody_is_made_without_a_word() {
    let place = place(2);
    place.file("same.rego", &format!("# Everybody reads.\n{OPEN}"));

    let run = place.run(&["policy", "update", "readers", "--file", "same.rego"]);

    assert!(run.code == 0 && !run.err.contains("touches"), "{}", run.err);
}

#[test]
fn twenty_keys_are_named_and_all_for_whoever_asks() {
    let place = place(23);

    let some = place.run(&["policy", "delete", "readers", "--dry-run"]);
    let all = place.run(&["policy", "delete", "readers", "--dry-run", "-v"]);

    assert_eq!(some.err.lines().filter(|line| line.contains("cut off: no_roles")).count(), 20);
    assert!(some.err.contains("  and 3 more; -v names them\n"), "{}", some.err);
    assert_eq!(all.err.lines().filter(|line| line.contains("cut off: no_roles")).count(), 23);
}

#[test]
fn what_there_was_no_time_for_is_said() {
    let run = place(2).run(&["policy", "delete", "readers", "--dry-run", "--look-for", "0"]);

    assert!(run.err.contains("touches 0 of 0 keys") && run.err.contains("there was no time for the rest"), "{}", run.err);
}

#[test]
fn a_policy_that_mends_what_does_not_load_can_be_saved() {
    let place = place(1);
    place.file("policies/broken.rego", "package spacelift\n\nallow if x > 3\n");
    let config = place.file("claviger.toml", "[policies]\ndir = \"policies\"\n[store]\nurl = \"sqlite://claviger.db\"\n");

    let run = place.run(&["policy", "delete", "readers", "--config", &config]);

    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("what it changes cannot be told"), "{}", run.err);
}

#[test]
fn a_change_is_weighed_against_the_requests_that_are_kept_too() {
    let place = place(1);
    place.keep_request("key-01", "192.0.2.7");
    place.keep_request("key-01", "10.1.2.3");
    place.file("inside.rego", &format!("{OPEN}\ndeny if not net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\n"));

    let run = place.run(&["policy", "update", "readers", "--file", "inside.rego", "--ip", "10.1.2.3"]);

    assert_eq!(run.code, 0, "{}", run.err);
    for expected in [
        "touches 0 of 1 keys that work: 0 cut off,",
        "\nanswers 1 of 2 kept requests otherwise: 1 cut off, 0 let in, 0 gain roles, 1 lose roles\n  sample 1, key-01 from 192.0.2.7, ",
        ": cut off: denied; loses space-reader@production\n",
    ] {
        assert!(run.err.contains(expected), "{expected}{}", run.err);
    }
    let undone = place.json(&["policy", "update", "readers", "--file", "open.rego", "--dry-run", "--ip", "10.1.2.3"]);
    assert_eq!((&undone["impact"]["keys"], &undone["impact"]["samples"]["let_in"]), (&json!([]), &json!(1)));
    assert_eq!(undone["impact"]["samples"]["requests"][0]["ip"], "192.0.2.7");
}
