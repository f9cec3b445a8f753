//! What `claviger explain` says beyond the decision: lines, the policies' own words, and what would have been needed.

use serde_json::{Value, json};

use crate::support::place::Place;

fn place() -> Place {
    let place = Place::new();
    for space in ["production", "staging"] {
        place.json(&["space", "create", space]);
    }
    place
}

fn near(explained: &Value) -> Vec<&str> {
    explained["near"].as_array().unwrap().iter().map(|near| near.as_str().unwrap()).collect()
}

fn explain(place: &Place, line: &[&str]) -> Value {
    place.json(&[&["explain", "--ip", "192.0.2.7"], line].concat())
}

#[test]
fn each_role_is_followed_back_to_its_line_binding_or_group() {
    let place = place();
    place.json(&["key", "create", "--name", "ada", "--group", "platform"]);
    let binding = place.json(&["binding", "create", "--group", "platform", "--role", "space-reader", "--space", "root"])["id"].clone();
    let text = "package spacelift\n\nallow if true\n\nroles[\"production\"][\"space-writer\"] if input.session.login == \"ada\"\n";
    place.file("policies/night.rego", text);
    let config = place.file("claviger.toml", "[policies]\ndir = \"policies\"\n[store]\nurl = \"sqlite://claviger.db\"\n");

    let explained = explain(&place, &["--key", "ada", "--config", &config]);
    let table = place.run(&["explain", "--key", "ada", "--ip", "192.0.2.7", "--config", &config]);

    let chain = explained["chain"].as_array().unwrap();
    let because: Vec<&str> = chain.iter().map(|link| link["because"].as_str().unwrap()).collect();
    assert!(because[0].starts_with("policy night (") && because[0].ends_with("policies/night.rego:5)"), "{because:?}");
    assert_eq!(because[1], format!("group platform, binding {}", binding.as_str().unwrap()));
    assert_eq!(chain[0]["lines"], json!([5]));
    assert_eq!(explained["policies"][0]["says"]["allow"], json!({"value": true, "lines": [3]}));
    assert!(table.out.contains("policies/night.rego:5)"), "{}", table.out);
    assert!(table.out.contains("policy night: allow (line 3); space-writer@production (line 5)"), "{}", table.out);
}

#[test]
fn a_policy_that_fails_is_named_with_its_error() {
    let place = place();
    place.json(&["key", "create", "--name", "ada"]);
    let torn =
        "package spacelift\n\nallow := true if input.session.member\n\nallow := input.session.admin if input.session.login == \"ada\"\n";
    place.json(&["policy", "create", "torn", "--file", &place.file("torn.rego", torn)]);

    let explained = explain(&place, &["--key", "ada"]);

    assert_eq!(explained["code"], "unavailable");
    let reason = explained["reason"].as_str().unwrap();
    assert!(reason.starts_with("no decision can be made: policy torn failed: line 3"), "{reason}");
    let run = place.run(&["explain", "--key", "ada", "--ip", "192.0.2.7"]);
    assert_eq!(run.err, "", "nothing is logged: no request was made");
}

#[test]
fn a_group_that_is_spelled_otherwise_is_pointed_out() {
    let place = place();
    place.json(&["key", "create", "--name", "ada", "--group", "platform"]);
    place.json(&["binding", "create", "--group", "Platform", "--role", "space-reader", "--space", "root"]);

    assert_eq!(near(&explain(&place, &["--key", "ada"])), ["group `Platform` is bound; the key has `platform`"]);
}

#[test]
fn every_group_that_differs_in_case_and_blanks_alone_is_pointed_out() {
    let place = place();
    place.json(&["key", "create", "--name", "ada", "--group", "Platform Team"]);
    for group in ["platform team", "Platform Team ", "Platform  Team", "Platform Tea"] {
        place.json(&["binding", "create", "--group", group, "--role", "space-reader", "--space", "root"]);
    }

    assert_eq!(
        near(&explain(&place, &["--key", "ada"])),
        ["Platform  Team", "Platform Team ", "platform team"].map(|group| format!("group `{group}` is bound; the key has `Platform Team`"))
    );
}

#[test]
fn a_time_before_the_key_was_made_or_ended_is_not_told_as_if_it_came_after() {
    let place = place();
    place.json(&["key", "create", "--name", "ada", "--bind", "space-reader@root"]);
    place.json(&["key", "create", "--name", "ben"]);
    place.json(&["key", "disable", "ben"]);

    let unborn = explain(&place, &["--key", "ada", "--at", "1600-01-01T00:00:00Z"]);
    let table = place.run(&["explain", "--key", "ada", "--at", "1600-01-01T00:00:00Z"]).out;
    let disabled = explain(&place, &["--key", "ben", "--at", "2020-01-01T00:00:00Z"]);
    let now = explain(&place, &["--key", "ada"]);

    let remark = unborn["remarks"][0].as_str().unwrap();
    assert!(remark.starts_with("the key did not exist yet: it was made at 20") && remark.ends_with(" days after the time asked about"));
    assert!(table.contains(remark), "{table}");
    assert_eq!((&disabled["code"], &disabled["key"]["state"]), (&json!("no_roles"), &json!("active")), "it was disabled later");
    assert_eq!(now["remarks"], json!([]));
}

#[test]
fn the_past_is_explained_by_what_was_in_force_then() {
    let place = place();
    place.json(&["key", "create", "--name", "ada", "--group", "platform", "--bind", "space-reader@production"]);
    place.json(&["key", "create", "--name", "ben"]);
    let group = place.json(&["binding", "create", "--group", "platform", "--role", "space-writer", "--space", "root"]);
    let denies = "package spacelift\n\ndeny if input.session.login == \"ada\"\n";
    place.json(&["policy", "create", "gate", "--file", &place.file("gate.rego", denies)]);
    let then = place.json(&["audit", "--limit", "1"])[0]["at"].as_str().unwrap().to_owned();
    let before = explain(&place, &["--key", "ada"]);
    assert_eq!((&before["code"], &before["reason"]), (&json!("denied"), &json!("policy gate says deny")));

    // The next change has another millisecond.
    while place.json(&["key", "update", "ben", "--description", "later"])["revision"].is_null()
        || place.json(&["audit", "--limit", "1"])[0]["at"] == json!(then)
    {}
    let since = place.json(&["audit", "--limit", "1"])[0]["at"].as_str().unwrap().to_owned();
    place.json(&["policy", "delete", "gate"]);
    place.json(&["binding", "delete", group["id"].as_str().unwrap()]);
    place.json(&["key", "disable", "ada"]);
    assert_eq!(explain(&place, &["--key", "ada"])["code"], "invalid_key");

    let past = explain(&place, &["--key", "ada", "--at", &then]);
    assert_eq!((&past["code"], &past["reason"]), (&json!("denied"), &json!("policy gate says deny")));
    assert_eq!((&past["grants"], &past["key"], &past["strategy"]), (&before["grants"], &before["key"], &before["strategy"]));
    let remark = past["remarks"][0].as_str().unwrap();
    assert!(remark.starts_with("3 changes since then: key.disable ") && remark.contains("policy.delete gate"), "{remark}");
    assert!(since >= then);
}

#[test]
fn what_policies_would_say_of_a_key_that_does_not_work_is_told_as_such() {
    let place = place();
    place.json(&["key", "create", "--name", "ada"]);
    place.json(&["policy", "create", "all", "--file", &place.file("all.rego", "package spacelift\n\nallow if true\n")]);
    let working = place.run(&["explain", "--key", "ada", "--ip", "192.0.2.7"]);
    place.json(&["key", "disable", "ada"]);

    let (table, explained) = (place.run(&["explain", "--key", "ada", "--ip", "192.0.2.7"]), explain(&place, &["--key", "ada"]));

    let line = |out: &str, word: &str| out.lines().any(|line| line.starts_with(word) && line.ends_with("policy all: allow (line 3)"));
    assert!(line(&working.out, "said ") && !line(&table.out, "said ") && line(&table.out, "would say "), "{}", table.out);
    assert_eq!(explained["policies"][0]["asked"], false);
}

#[test]
fn a_policy_that_says_nothing_is_told_with_the_rules_that_do_not_hold() {
    let place = place();
    place.json(&["key", "create", "--name", "ada"]);
    let text = "package spacelift\n\nis_ben if input.session.login == \"ben\"\n\nallow if is_ben\n\n\
                roles[\"production\"][\"space-writer\"] if input.session.login == \"ben\"\n";
    place.json(&["policy", "create", "bens", "--file", &place.file("bens.rego", text)]);

    let table = place.run(&["explain", "--key", "ada", "--ip", "192.0.2.7"]).out;
    let silent = explain(&place, &["--key", "ada"])["policies"][0]["unheld"].clone();
    place.json(&["key", "update", "ada", "--name", "ben"]);
    let heard = explain(&place, &["--key", "ben"])["policies"][0]["unheld"].clone();

    assert!(table.contains("policy bens: nothing, for none of its rules holds: allow (line 5), roles (line 7)\n"), "{table}");
    assert_eq!(silent, json!([{"line": 5, "rule": "allow"}, {"line": 7, "rule": "roles"}]));
    assert_eq!(heard, json!([]));
}

#[test]
fn a_network_that_two_policies_name_is_told_once() {
    let place = place();
    place.json(&["key", "create", "--name", "ada"]);
    let text = "package spacelift\n\nallow if true\n\n\
                roles[\"production\"][\"space-writer\"] if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\n";
    for name in ["one", "two"] {
        place.json(&["policy", "create", name, "--file", &place.file("office.rego", text)]);
    }

    assert_eq!(near(&explain(&place, &["--key", "ada"])), ["from 10.0.0.0/8 the key would gain space-writer@production"]);
}

#[test]
fn a_key_that_has_ended_says_since_when() {
    let place = place();
    place.json(&["key", "create", "--name", "ada", "--expires", "2099-01-01T00:00:00Z"]);
    place.json(&["key", "create", "--name", "ben"]);
    place.json(&["key", "disable", "ben"]);

    let expired = explain(&place, &["--key", "ada", "--at", "2099-01-02T12:00:00Z"]);
    let disabled = explain(&place, &["--key", "ben"]);

    assert_eq!(near(&expired), ["the key expired at 2099-01-01T00:00:00Z, 1 day before"]);
    assert!(near(&disabled)[0].starts_with("the key was disabled at "), "{disabled}");
}

#[test]
fn a_key_of_nearly_the_same_name_is_pointed_out_to_one_without_roles() {
    let place = place();
    place.json(&["key", "create", "--name", "ci-production", "--bind", "space-writer@production"]);
    place.json(&["key", "create", "--name", "ci-prodcution"]);

    let explained = explain(&place, &["--key", "ci-prodcution"]);

    assert_eq!(near(&explained), ["key ci-production is bound to space-writer@production; this one is ci-prodcution"]);
}

#[test]
fn roles_that_wait_for_an_allow_are_pointed_out_and_so_are_misspelt_spaces() {
    let place = place();
    place.json(&["key", "create", "--name", "ada"]);
    let text = "package spacelift\n\nallow if input.session.login == \"ben\"\n\nroles[\"production\"][\"space-writer\"] if true\n\n\
                roles[\"prodution\"][\"space-reder\"] if true\n";
    place.json(&["policy", "create", "writers", "--file", &place.file("writers.rego", text)]);

    let unallowed = explain(&place, &["--key", "ada"]);
    place.json(&["policy", "update", "writers", "--file", &place.file("writers.rego", &text.replace("ben", "ada"))]);
    let misspelt = explain(&place, &["--key", "ada"]);

    assert_eq!(near(&unallowed), ["policy writers gives roles, but no policy says `allow`, and without that they do not count"]);
    assert_eq!(near(&misspelt), ["policy writers gives a role in `prodution`; there is a space production"]);
}

#[test]
fn networks_and_hours_in_which_a_policy_would_give_more_are_told() {
    let place = place();
    place.json(&["key", "create", "--name", "ada"]);
    let text = "package spacelift\n\nallow if true\n\n\
                roles[\"production\"][\"space-writer\"] if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\n\n\
                roles[\"staging\"][\"space-writer\"] if {\n\t[hour, _, _] := time.clock(input.request.timestamp_ns)\n\thour >= 9\n\thour < 17\n}\n";
    place.json(&["policy", "create", "office", "--file", &place.file("office.rego", text)]);

    let explained = explain(&place, &["--key", "ada", "--at", "2030-01-01T20:15:00Z"]);

    assert_eq!(explained["code"], "no_roles");
    assert_eq!(
        near(&explained),
        ["from 10.0.0.0/8 the key would gain space-writer@production", "at 2030-01-02T09:00:00Z the key would gain space-writer@staging"]
    );
}

#[test]
fn a_strategy_that_leaves_bindings_or_policies_out_is_named() {
    let place = place();
    place.json(&["key", "create", "--name", "ada", "--bind", "space-writer@production"]);
    place.json(&["policy", "create", "all", "--file", &place.file("all.rego", "package spacelift\n\nallow if false\n")]);

    place.json(&["strategy", "set", "login-policies"]);
    let policies_alone = explain(&place, &["--key", "ada"]);
    place.json(&["strategy", "set", "user-management"]);
    let bindings_alone = explain(&place, &["--key", "ada"]);

    assert_eq!(near(&policies_alone), ["space-writer@production by bindings would count under another strategy than login-policies"]);
    assert_eq!(near(&bindings_alone), ["policies are not asked: the strategy is user-management"]);
}
