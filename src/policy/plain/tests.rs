use std::path::Path;
use std::time::Duration;

use regorus::Value;

use super::Plain;
use crate::model::Verdict;
use crate::policy::{PolicySource, input, module};

fn plain(text: &str) -> Option<Plain> {
    let source = PolicySource { name: "p".parse().unwrap(), file: None, text: text.into(), rego: None };
    let parsed = module::parse(&source, Duration::from_secs(5)).unwrap_or_else(|fault| panic!("{fault}"));
    Plain::of(&parsed.module)
}

fn ask(body: &str) -> Option<Verdict> {
    let plain = plain(&format!("package spacelift\n{body}\n")).unwrap_or_else(|| panic!("not plain: {body}"));
    plain.ask(&input::sample(), &|| false)
}

fn allows(body: &str) -> Option<bool> {
    ask(body).map(|verdict| verdict.allow)
}

#[test]
fn every_example_policy_is_plain() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let sources = crate::policy::read_dir(&policies).unwrap();
    assert!(sources.len() > 5);
    for source in sources {
        assert!(plain(&source.text).is_some(), "{}", source.name);
    }
}

#[test]
fn what_is_written_in_any_order_is_taken_in_one_that_works() {
    assert_eq!(allows("allow if { y == 3; y := x + 1; x := 2 }"), Some(true));
    assert_eq!(allows("allow if { n == 2; n := count([v | v := list[_]; v > least]); least := 1 }\nlist := [1, 2, 3]"), Some(true));
}

#[test]
fn variables_without_a_value_go_through_all_items() {
    assert_eq!(allows("allow if { some i; list[i] == 3; i == 2 }\nlist := [1, 2, 3]"), Some(true));
    assert_eq!(allows("allow if { some i, x in [7, 8]; x == 8; i == 1 }"), Some(true));
    assert_eq!(
        allows("allow if { table[name].size > 1; name == \"b\" }\ntable := {\"a\": {\"size\": 1}, \"b\": {\"size\": 2}}"),
        Some(true)
    );
    assert_eq!(allows("allow if { every x in [1, 2] { x > 0 } }"), Some(true));
    assert_eq!(allows("allow if { every x in [1, 2] { x > 1 } }"), Some(false));
    assert_eq!(allows("allow if { [\"a\", rest] = split(\"a-b\", \"-\"); rest == \"b\" }"), Some(true));
    assert_eq!(allows("allow if { [\"a\"] = split(\"a-b\", \"-\") }"), Some(false));
}

#[test]
fn rules_functions_defaults_and_else_come_together() {
    assert_eq!(allows("default allow := false\nallow if input.session.admin"), Some(false));
    assert_eq!(allows("level := 1 if input.session.admin else := 2\nallow if level == 2"), Some(true));
    assert_eq!(allows("double(x) := x * 2\nallow if double(double(1)) == 4"), Some(true));
    assert_eq!(allows("team contains \"a\"\nteam contains \"b\"\nallow if count(team) == 2"), Some(true));
    let roles = ask("roles[s][\"r\"] if some s in {\"x\", \"y\"}\nroles[\"x\"][\"z\"] if true\nspace_read contains \"s\"").unwrap();
    assert_eq!(roles.roles.len(), 3, "{roles:?}");
    assert_eq!(roles.space_roles.len(), 1, "{roles:?}");
}

#[test]
fn what_is_not_plain_is_left_to_the_engine_when_it_is_loaded() {
    for body in [
        "allow if input.session.admin with input.session.admin as true",
        "import data.spacelift.other\nallow if true",
        "allow if data.spacelift.other\nother := true",
        "allow if { x := 1; [x | x := 2][0] == 2 }",
        "x := 1\nallow if { some x in [2]; x == 2 }",
        "f(\"a\") := 1\nallow if f(\"a\") == 1",
        "allow if walk(input, [_, _])",
        "roles[\"x\"][\"y\"] if true\nroles[\"x\"] contains \"z\" if true",
        "roles[\"x\"][\"y\"] if true\nallow if roles",
        // A loop in a value before an `else`, and what holds although its argument is undefined.
        "x := input.session.teams[_] if true else := \"none\"\nallow if x == \"none\"",
        "allow if print(input.nothing)",
        "roles[\"x\"][\"y\"] if true\nallow if count(roles[\"x\"]) == 1",
    ] {
        assert!(plain(&format!("package spacelift\n{body}\n")).is_none(), "{body}");
    }
}

#[test]
fn what_is_not_plain_is_left_to_the_engine_when_it_comes_up() {
    for body in [
        // Two values.
        "x := 1\nx := 2\nallow if x == 1",
        "f(a) := a\nf(a) := a + 1\nallow if f(1) == 1",
        "roles[\"x\"][\"y\"] := true\nroles[\"x\"][\"y\"] := false",
        // Undefined where a `not` would make a yes of it.
        "allow if not startswith(input.nothing, \"x\")",
        "allow if not input.nothing == 1",
        "allow if not input.nothing in [1]",
        "allow if not {\"a\": 1}[input.nothing]",
        // Two values that only a later item of a set comes to.
        "f(x) := 1 if x > 0\nf(x) := 2 if x > 1\nteam contains \"ops\" if { some x in [1, 2]; f(x) == 1 }",
        // Wrong types.
        "allow := 1",
        "allow if { x := 1 + \"a\"; x }",
        "allow if { some x in 7; x }",
        // Much work, large values.
        "allow if { some a in n; some b in n; some c in n; a + b + c < 0 }\nn := numbers.range(1, 100)",
        "allow if count([x | some a in n; x := sprintf(\"%01000d\", [a])]) == 1\nn := numbers.range(1, 1000)",
    ] {
        assert_eq!(ask(body), None, "{body}");
    }
}

#[test]
fn an_evaluation_ends_when_its_time_is_up() {
    let text = "package spacelift\nallow if { some a in n; some b in n; a + b < 0 }\nn := numbers.range(1, 100)\n";
    let plain = plain(text).unwrap();
    assert_eq!(plain.ask(&input::sample(), &|| false), Some(Verdict::default()));
    assert_eq!(plain.ask(&input::sample(), &|| true), None);
}

#[test]
fn a_rule_that_calls_itself_gives_up() {
    let source = "package spacelift\nallow if x\nx if y\ny if x\n";
    assert_eq!(plain(source).unwrap().ask(&Value::new_object(), &|| false), None);
}
