//! `claviger policy eval`, by the real binary: what policies say of inputs as they are written down.

use serde_json::{Value, json};

use crate::support::place::{Place, Run};

const DEPLOYERS: &str = r#"package spacelift

allow if startswith(input.session.login, "ci-")

deny if not input.session.login

roles[t]["space-reader"] if some t in input.session.teams

space_write contains "staging" if allow

team contains upper(t) if some t in input.session.teams
"#;

/// Runs without any store, and without a configuration that names one.
fn eval(place: &Place, line: &[&str], stdin: &str) -> Run {
    let run = place.run_with(&[&["policy", "eval"], line].concat(), &[], stdin);
    assert!(!place.path("claviger.db").exists());
    run
}

fn lines(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn said(line: &Value) -> Value {
    let mut told = line.clone();
    told["verdict"].as_object_mut().unwrap().retain(|_, value| *value != json!(false) && *value != json!([]));
    told["verdict"].take()
}

#[test]
fn every_input_of_a_file_is_answered_and_nothing_is_filled_in() {
    let place = Place::new();
    let policy = place.file("deployers.rego", DEPLOYERS);
    let inputs = "{\"session\": {\"login\": \"ci-1\", \"teams\": [\"staging\"]}}\n{\n  \"session\": {}\n}\n\"nothing\"\n[1.5, -2, null]";
    let inputs = place.file("inputs.json", inputs);

    let run = eval(&place, &["--file", &policy, "--input", &inputs, "-o", "json"], "");

    assert_eq!(run.code, 0, "{}", run.err);
    let told = lines(&run);
    let whose: Vec<(&str, u64)> = told.iter().map(|line| (line["policy"].as_str().unwrap(), line["input"].as_u64().unwrap())).collect();
    assert_eq!(whose, [("deployers", 1), ("deployers", 2), ("deployers", 3), ("deployers", 4)]);
    let roles = json!([{"space": "staging", "role": "space-reader"}, {"space": "staging", "role": "space-writer"}]);
    assert_eq!(said(&told[0]), json!({"allow": true, "roles": roles, "teams": ["STAGING"]}));
    for line in &told[1..] {
        assert_eq!(said(line), json!({"deny": true}), "{line}");
    }
}

#[test]
fn people_see_a_row_for_each() {
    let place = Place::new();
    let policy = place.file("deployers.rego", DEPLOYERS);

    let input = r#"{"session": {"login": "ci-1", "teams": []}} {}"#;
    let run = eval(&place, &["--file", &policy, "--input", "-"], input);

    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(run.out, "POLICY     INPUT  SAYS\ndeployers  1      allow, space-writer@staging\ndeployers  2      deny\n");
}

#[test]
fn a_policy_that_fails_for_one_input_answers_the_others() {
    let place = Place::new();
    let policy = place.file("torn.rego", "package spacelift\n\nallow := true if input.a\n\nallow := false if input.b\n");
    let inputs = place.file("inputs.json", r#"{"a": 1, "b": 1} {"a": 1} {"b": 1}"#);

    let told = lines(&eval(&place, &["--file", &policy, "--input", &inputs, "-o", "json"], ""));

    assert!(told[0]["error"].as_str().unwrap().contains("policy torn failed"), "{}", told[0]);
    assert_eq!((said(&told[1]), said(&told[2])), (json!({"allow": true}), json!({})));
}

#[test]
fn a_policy_with_a_fault_keeps_no_other_from_being_asked() {
    let place = Place::new();
    let policies = [
        place.file("broken.rego", "package spacelift\n\nallow if x > 3\n"),
        place.file("whole.rego", "package spacelift\n\nallow { input.x }\n"),
    ];
    let inputs = place.file("inputs.json", r#"{"x": 1}"#);
    let line = ["--file", &policies[0], &policies[1], "--input", &inputs];

    let for_people = eval(&place, &line, "");
    let run = eval(&place, &[&line[..], &["-o", "json"]].concat(), "");

    assert_eq!((for_people.code, run.code), (1, 1));
    assert!(for_people.err.contains("broken.rego:3:10") && for_people.err.contains("a policy has a fault"), "{}", for_people.err);
    assert!(for_people.out.contains("whole   1      allow"), "{}", for_people.out);
    let told = lines(&run);
    assert_eq!((&told[0]["policy"], &told[0]["faults"][0]["line"]), (&json!("broken"), &json!(3)));
    assert_eq!(said(&told[1]), json!({"allow": true}));
}

#[test]
fn what_is_no_input_is_misunderstood() {
    let place = Place::new();
    let policy = place.file("deployers.rego", DEPLOYERS);
    let told = |text: &str| {
        let run = eval(&place, &["--file", &policy, "--input", &place.file("inputs.json", text)], "");
        assert_eq!(run.code, 2, "{}", run.err);
        run.err
    };

    assert!(told("{").contains("it is not JSON"));
    assert!(told(" \n").contains("there is no input in it"));
}
