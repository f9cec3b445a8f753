//! `claviger policy simulate`, by the real binary: what a policy would say, because of which line, and what that would change.

use serde_json::{Value, json};

use crate::support::place::Place;

/// In force: the deployer deploys, from anywhere.
const IN_FORCE: &str = r#"package spacelift

allow if input.session.login == "deploy"

roles["production"]["space-writer"] if input.session.login == "deploy"
"#;

/// Proposed: only from the cluster, and everybody reads.
const PROPOSED: &str = r#"package spacelift

# Who may come at all.
allow if input.session.member

roles["production"]["space-writer"] if {
	input.session.login == "deploy"
	from_cluster
}

roles[space]["space-reader"] if some space in {"production", "staging"}

from_cluster if net.cidr_contains("10.0.0.0/8", input.request.remote_ip)

deny if {
	input.session.login == "deploy"
	not from_cluster
}
"#;

fn place() -> Place {
    let place = Place::new();
    for space in ["production", "staging"] {
        place.json(&["space", "create", space]);
    }
    for name in ["deploy", "other"] {
        place.json(&["key", "create", "--name", name]);
    }
    place.json(&["policy", "create", "deployers", "--file", &place.file("deployers.rego", IN_FORCE)]);
    place.file("proposed/deployers.rego", PROPOSED);
    place
}

fn simulate(place: &Place, more: &[&str]) -> Value {
    place.json(&[&["policy", "simulate", "--file", "proposed/deployers.rego"], more].concat())
}

fn held(space: &str, role: &str) -> Value {
    json!({ "space": space, "role": role })
}

#[test]
fn a_simulation_tells_result_trace_and_difference() {
    let report = simulate(&place(), &["--key", "deploy", "--ip", "10.1.2.3", "--at", "2030-01-01T00:00:00Z"]);

    assert_eq!((&report["policy"], &report["replaces"]), (&json!("deployers"), &json!(true)));
    let one = &report["simulations"][0];
    assert_eq!(one["result"]["allow"], json!({"value": true, "lines": [4]}));
    assert_eq!(one["result"]["deny"], json!({"value": false, "lines": []}));
    assert_eq!(
        one["result"]["roles"],
        json!([
            {"space": "production", "role": "space-reader", "lines": [11]},
            {"space": "production", "role": "space-writer", "lines": [6]},
            {"space": "staging", "role": "space-reader", "lines": [11]},
        ])
    );
    assert_eq!(
        one["trace"],
        json!([
            {"line": 4, "rule": "allow", "path": [], "value": true},
            {"line": 6, "rule": "roles", "path": ["production", "space-writer"], "value": true},
            {"line": 11, "rule": "roles", "path": ["production", "space-reader"], "value": true},
            {"line": 11, "rule": "roles", "path": ["staging", "space-reader"], "value": true},
            {"line": 13, "rule": "from_cluster", "path": [], "value": true},
        ])
    );
    let difference = &one["difference"];
    assert_eq!(difference["gained"], json!([held("production", "space-reader"), held("staging", "space-reader")]));
    assert_eq!((&difference["lost"], &difference["cut_off"], &difference["let_in"]), (&json!([]), &json!(false), &json!(false)));
}

#[test]
fn a_simulation_sees_who_is_cut_off_and_who_is_let_in() {
    let place = place();

    let cut_off = simulate(&place, &["--key", "deploy", "--ip", "192.0.2.1"])["simulations"][0].clone();
    let let_in = simulate(&place, &["--key", "other", "--ip", "192.0.2.1"])["simulations"][0].clone();

    assert_eq!((&cut_off["before"]["code"], &cut_off["after"]["code"]), (&json!("ok"), &json!("denied")));
    assert_eq!(cut_off["difference"]["cut_off"], true);
    assert_eq!(cut_off["difference"]["lost"], json!([held("production", "space-writer")]));
    assert_eq!(cut_off["result"]["deny"], json!({"value": true, "lines": [15]}));
    assert_eq!((&let_in["before"]["code"], &let_in["after"]["code"]), (&json!("no_roles"), &json!("ok")));
    assert_eq!(let_in["difference"]["let_in"], true);
}

#[test]
fn a_table_shows_the_same_to_people_and_nothing_is_saved() {
    let place = place();

    let run = place.run(&["policy", "simulate", "--file", "proposed/deployers.rego", "--key", "deploy", "--ip", "192.0.2.1"]);

    assert_eq!(run.code, 0, "{}", run.err);
    for expected in [
        "policy      deployers (instead of the one in force)\n",
        "now         allow (ok)\n",
        "then        refuse (denied)\n",
        "difference  cut off: denied; loses space-writer@production\n",
        "says        allow (line 4)\n",
        "15    deny                                 true\n",
        "11    roles[\"production\"][\"space-reader\"]  true\n",
    ] {
        assert!(run.out.contains(expected), "{expected}{}", run.out);
    }
    assert_eq!(place.json(&["policy", "show", "deployers"])["source"], IN_FORCE);
}

#[test]
fn a_policy_of_another_name_is_added_to_those_in_force() {
    let place = place();

    let report = simulate(&place, &["--name", "guard", "--key", "deploy", "--ip", "10.0.0.1"]);

    assert_eq!(report["replaces"], false);
    assert_eq!(report["simulations"][0]["difference"]["lost"], json!([]));
}

#[test]
fn an_input_document_stands_for_a_key() {
    let place = place();
    place.json(&["binding", "create", "--key", "other", "--role", "space-writer", "--space", "staging"]);
    let input = r#"{
        "session": {"login": "other", "teams": ["platform"], "shoe_size": 42},
        "request": {"remote_ip": "::ffff:192.0.2.1", "timestamp_ns": 1893456000000000001}
    }"#;
    let file = place.file("input.json", input);

    let run = place.run(&["policy", "simulate", "--file", "proposed/deployers.rego", "--input", &file, "-o", "json"]);
    let one: Value = serde_json::from_str::<Value>(&run.out).unwrap()["simulations"][0].clone();

    assert_eq!((&one["ip"], &one["groups"]), (&json!("192.0.2.1"), &json!(["platform"])));
    assert_eq!(one["at"], "2030-01-01T00:00:00.000000001Z");
    assert!(run.err.contains("policies never see input.session.shoe_size"), "{}", run.err);
    // The bindings are those of the store's key.
    assert_eq!(one["before"]["grants"][0]["via"]["kind"], "binding");
}

#[test]
fn an_input_of_a_key_that_is_not_there_has_no_bindings() {
    let place = place();
    let file = place.file("input.json", r#"{"session": {"name": "deploy-2"}}"#);

    let run = place.run(&["policy", "simulate", "--file", "proposed/deployers.rego", "--input", &file]);

    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("the store has no key deploy-2"), "{}", run.err);
}

#[test]
fn what_is_no_input_and_what_is_no_policy_is_refused() {
    let place = place();
    let input = |text: &str| {
        let file = place.file("input.json", text);
        place.misunderstood(&["policy", "simulate", "--file", "proposed/deployers.rego", "--input", &file])
    };

    assert!(input("{}").contains("input.session.login is missing"));
    assert!(input("[").contains("it is not JSON"));
    assert!(input(r#"{"session": {"login": 7}}"#).contains("input.session.login must be a string"));
    assert!(input(r#"{"session": {"login": "a", "teams": [1]}}"#).contains("input.session.teams must be an array of strings"));
    assert!(place.misunderstood(&["policy", "simulate", "--file", "proposed/deployers.rego"]).contains("--key"));
    place.file("broken.rego", "package spacelift\n\nallow if x > 3\n");
    assert!(place.refused(&["policy", "simulate", "--file", "broken.rego", "--key", "deploy"]).contains("broken.rego:3:10"));
}

#[test]
fn a_policy_that_fails_is_shown_with_its_error() {
    let place = place();
    place.file(
        "torn.rego",
        "package spacelift\n\nallow := true if input.session.member\n\nallow := input.session.admin if input.session.login == \"deploy\"\n",
    );

    let report = place.json(&["policy", "simulate", "--file", "torn.rego", "--key", "deploy", "--ip", "192.0.2.1"]);

    let one = &report["simulations"][0];
    assert!(one["result"]["error"].as_str().unwrap().contains("line 3"), "{one:#}");
    assert_eq!((&one["after"]["code"], &one["difference"]["cut_off"]), (&json!("unavailable"), &json!(true)));
    // Each of the two held, which is what is wrong with them.
    let lines: Vec<&Value> = one["trace"].as_array().unwrap().iter().map(|step| &step["line"]).collect();
    assert_eq!(lines, [3, 5]);
}
