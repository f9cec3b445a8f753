//! What the engine says of whole policies, by way of the text that is made of them.

#![expect(clippy::format_collect, reason = "the texts are short")]

use std::time::Duration;

use regorus::Value;
use serde_json::{Value as Json, json};

use super::{Engine, Stopped};
use crate::clock::{Clock, SystemClock};
use crate::policy::PolicyLimits;
use crate::policy::syntax::core::Program;
use crate::policy::syntax::{self, lower, write};

const LIMITS: PolicyLimits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };

fn program(text: &str) -> Program {
    let module = syntax::parse("p", &format!("package spacelift\n{text}\n"), None).unwrap_or_else(|fault| panic!("{fault}"));
    lower::policy("p", &module).unwrap_or_else(|faults| panic!("{text}: {faults:#?}"))
}

fn input() -> Json {
    json!({"session": {"login": "ci-1", "teams": ["a", "b", "c"]}, "n": 5, "o": {"x": 1, "y": [1, 2, {"z": 3}]}})
}

/// The document that a policy makes.
fn document(text: &str) -> Result<Json, Stopped> {
    let engine = Engine::for_documents(&program(text), &[vec!["spacelift".into()]], LIMITS)?;
    let asked = engine.evaluate(write::RESULT, Some(Value::from_json_str(&input().to_string()).unwrap()), || Duration::ZERO)?;
    Ok(serde_json::to_value(&asked[0][0]).unwrap())
}

fn expect(cases: &[(&str, Json)]) {
    for (text, expected) in cases {
        assert_eq!(document(text).unwrap_or_else(|stopped| panic!("{text}: {stopped:?}")), *expected, "{text}");
    }
}

#[test]
fn rules_have_the_values_that_their_bodies_give() {
    expect(&[
        ("allow if input.session.login == \"ci-1\"\ndeny if not input.session.login", json!({"allow": true})),
        ("p := 1 if input.n == 6 else := 2 if input.n == 5 else := 3", json!({"p": 2})),
        ("default p := {\"a\": [x | x := 1]}\np := 1 if input.nothing\ndefault q := 1\nq := 2", json!({"p": {"a": [1]}, "q": 2})),
        ("p := x if x := input.nothing\nq := false", json!({"q": false})),
        (
            "s contains t if some t in input.session.teams\ns contains \"d\"\nt contains 1 if input.nothing",
            json!({"s": ["a", "b", "c", "d"], "t": []}),
        ),
        ("o[t] := i if some i, t in input.session.teams\nn[x] := 1 if x := input.nothing", json!({"o": {"a": 0, "b": 1, "c": 2}, "n": {}})),
        (
            "r[x].s contains t if { x := \"a\"; some t in input.session.teams }\nr[\"b\"][y] := 1 if y := 2",
            json!({"r": {"a": {"s": ["a", "b", "c"]}, "b": {"2": 1}}}),
        ),
        ("r.a.b := 1\nr.c.d := 2 if input.nothing\nall := r", json!({"r": {"a": {"b": 1}, "c": {}}, "all": {"a": {"b": 1}, "c": {}}})),
    ]);
}

#[test]
fn functions_have_results_and_defaults() {
    expect(&[
        (
            "f(x) := \"big\" if x > 3 else := \"small\" if x > 1 else := \"tiny\"\na := [f(5), f(2), f(0)]",
            json!({"a": ["big", "small", "tiny"]}),
        ),
        ("default f(_) := \"other\"\nf(1) := \"one\"\na := f(1)\nb := f(2)\nc := f(input.nothing)", json!({"a": "one", "b": "other"})),
        ("f([x, _]) := x\na := f([1, 2])\nb := f([1])", json!({"a": 1})),
    ]);
}

#[test]
fn statements_mean_what_they_mean_to_opa() {
    expect(&[
        (
            "a if every t in input.session.teams { t != \"d\" }\nb if every t in input.session.teams { t != \"b\" }\nc if every x in input.n { x }",
            json!({"a": true}),
        ),
        (
            "a if not \"z\" in input.session.teams\nb := \"z\" in input.session.teams\nc := input.nothing in input.session.teams",
            json!({"a": true, "b": false}),
        ),
        ("a if not input.nothing == 1\nb if not input.nothing in {1}", json!({"a": true})),
        (
            "a := [x, y] if [x, [y, 3]] = [1, [2, 3]]\nb := y if {\"x\": 1, \"y\": [_, y, _]} = input.o\nc := y if {\"x\": y} = input.o",
            json!({"a": [1, 2], "b": 2}),
        ),
        (
            "a := [i | input.session.teams[i] == \"b\"]\nb := {k: v | some k, v in input.o}",
            json!({"a": [1], "b": {"x": 1, "y": [1, 2, {"z": 3}]}}),
        ),
        (
            "a := {1, 2} | {3}\nb := {1, 2} & {2, 3}\nc := {1, 2} - {1}\nd := 7 % 4 + 2 * 3 - 1\ne := 9 / 3\nf := 1 / 0",
            json!({"a": [1, 2, 3], "b": [2], "c": [2], "d": 8, "e": 3}),
        ),
        ("a := $\"{input.n} of {input.nothing} {input.session.teams}\"", json!({"a": "5 of <undefined> [\"a\", \"b\", \"c\"]"})),
        ("a if null < false\nb if {\"a\": 1} < {1}\nc if 1 == 1.0", json!({"a": true, "b": true, "c": true})),
    ]);
}

#[test]
fn with_replaces_inputs_and_rules_for_its_statement_alone() {
    expect(&[
        (
            "login := input.session.login\na := x if x := login with input.session.login as \"x\"\nb := login",
            json!({"login": "ci-1", "a": "x", "b": "ci-1"}),
        ),
        ("a := [t | some t in input.session.teams with input.session.teams as [\"q\", \"r\"]]", json!({"a": ["q", "r"]})),
        (
            "a := [t, n] if { some t in input.session.teams with input as {\"session\": {\"teams\": [\"q\"]}}; n := input.n }",
            json!({"a": ["q", 5]}),
        ),
        ("a := input.n.m if input.n.m == 1 with input.n.m as 1\nb := x if x := input.n.m with input.n.m as 1", json!({"b": 1})),
        ("limit := 5\ntwice := limit * 2\na := x if x := twice with data.spacelift.limit as 7", json!({"limit": 5, "twice": 10, "a": 14})),
        (
            "r.x := 1\nr.y := 2\na := x if x := r with data.spacelift.r.x as 3\nb := x if x := r with data.spacelift.r as 4",
            json!({"r": {"x": 1, "y": 2}, "a": {"x": 3, "y": 2}, "b": 4}),
        ),
        ("a := x if x := data.other.thing with data.other as {\"thing\": 1}\nb if not data.other.thing", json!({"a": 1, "b": true})),
        (
            "flag := false\na if not flag with data.spacelift.flag as true\nb if flag with data.spacelift.flag as true",
            json!({"flag": false, "b": true}),
        ),
    ]);
}

#[test]
fn statements_are_evaluated_in_their_order() {
    let names: Vec<String> = (0..12).map(|number| format!("some x{number} in [{number}, \"b\"]")).collect();
    let text = format!(
        "a := [[x0, x1, x11] | {}; x2 == 2; x9 == 9; x3 == 3; x4 == 4; x5 == 5; x6 == 6; x7 == 7; x8 == 8; x10 == 10]",
        names.join("; ")
    );
    let expected =
        json!({"a": [[0, 1, 11], [0, 1, "b"], [0, "b", 11], [0, "b", "b"], ["b", 1, 11], ["b", 1, "b"], ["b", "b", 11], ["b", "b", "b"]]});
    expect(&[(&text, expected)]);
}

#[test]
fn what_stands_deep_is_evaluated_too() {
    let deep = |begin: &str, core: &str, end: &str| format!("{}{core}{}", begin.repeat(24), end.repeat(24));
    let mut arrays = json!(1);
    let mut loops = json!([1]);
    for _ in 0..24 {
        arrays = json!([arrays]);
    }
    for _ in 1..24 {
        loops = json!([loops]);
    }
    expect(&[
        (&format!("a := {}", deep("[", "input.o.x", "]")), json!({"a": arrays})),
        (&format!("a := {}", deep("[", "input.o.x", " | true]")), json!({"a": arrays})),
        (&format!("a := {}", deep("[x | x := ", "[input.o.x]", "]")), json!({"a": json!([loops])})),
        (&format!("f(x) := [x]\na := {}", deep("f(", "input.o.x", ")")), json!({"a": arrays})),
    ]);
}

#[test]
fn constants_are_what_stands_in_the_policy() {
    let odd: String = (0..0x300).chain([0x2028, 0x2029, 0xfeff, 0xfffd, 0x1f511]).filter_map(char::from_u32).collect();
    let quoted = serde_json::to_string(&odd).unwrap().replace('\u{feff}', "\\ufeff");
    expect(&[
        (&format!("a := {quoted}\nb[{quoted}] := 1\nc := {{{quoted}: 1}}[{quoted}]"), json!({"a": odd, "b": {odd.as_str(): 1}, "c": 1})),
        (
            "a := [-1, 0, 1.5, 1e3, 12345678901234567890, -9007199254740993, true, null]",
            json!({"a": [-1, 0, 1.5, 1000, 12_345_678_901_234_567_890_u64, -9_007_199_254_740_993_i64, true, null]}),
        ),
        ("a := [set(), {}, [], {1: {2}}[1]]", json!({"a": [[], {}, [], [2]]})),
    ]);
}

#[test]
fn an_error_is_told_with_its_place_in_the_policy() {
    for (text, reason, place) in [
        ("a := x if some x in [1, 2]", "the rule comes to two different values, and has room for one", (2, 1)),
        ("a := 1\n\na := 2 if input.n == 5", "the rule comes to two different values, and has room for one", (4, 1)),
        (
            "f(x) := 1 if x\nf(x) := 2 if x == 5\na if {\n  f(input.n)\n}",
            "the function comes to two different values for the same arguments",
            (5, 3),
        ),
        ("a if {\n  input.n\n  {x: y | some y, x in [1, 1]}\n}", "an object has two different values for one key", (4, 3)),
    ] {
        match document(text) {
            Err(Stopped::Failed(told, Some(span))) => assert_eq!((told.as_str(), (span.line, span.col)), (reason, place), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn an_evaluation_that_takes_too_much_is_stopped() {
    let ask = |text: &str, time: Duration| {
        let limits = PolicyLimits { time, memory: 1 << 20 };
        let (engine, begun) = (Engine::of(&program(text), limits).unwrap(), SystemClock::start());
        engine.ask(Value::new_object(), || begun.now().monotonic)
    };
    let endless = "some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a + b < 0";
    for text in [
        format!("allow if {{ {endless} }}"),
        format!("allow if f(1)\nf(_) if {{ {endless} }}"),
        format!("deny if not f(1)\nf(_) if {{ {endless} }}"),
    ] {
        assert!(matches!(ask(&text, Duration::from_millis(300)), Err(Stopped::TimeLimit | Stopped::MemoryLimit)), "{text}");
    }
    let arrays: String = (1..40).map(|number| format!("x{number} := [x{}, x{}]\n", number - 1, number - 1)).collect();
    let objects: String = (1..40).map(|number| format!("x{number}.a := x{0}\nx{number}.b := x{0}\n", number - 1)).collect();
    for text in [
        format!("allow if x39\nx0 := 1\n{arrays}"),
        format!("allow if count(x39) > 0\nx0 := 1\n{objects}"),
        "allow if count([x | some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); x := a * b]) > 0".to_owned(),
    ] {
        assert!(matches!(ask(&text, Duration::from_mins(2)), Err(Stopped::MemoryLimit)), "{text}");
    }
}

#[test]
fn a_rule_that_counts_is_read_and_one_of_the_wrong_type_is_an_error() {
    let ask = |text: &str| {
        Engine::of(&program(text), LIMITS).unwrap().ask(Value::from_json_str(&input().to_string()).unwrap(), || Duration::ZERO)
    };
    let verdict = ask(
        "allow if true\nroles[\"production\"][\"deployer\"] if input.n == 5\nroles[\"dev\"][r] if some r in [\"a\"]\nteam contains \"ops\"",
    )
    .unwrap();
    assert!(verdict.allow && !verdict.deny);
    assert_eq!(verdict.roles.iter().map(|(space, role)| format!("{space}/{role}")).collect::<Vec<_>>(), ["dev/a", "production/deployer"]);
    assert_eq!(verdict.teams.into_iter().collect::<Vec<_>>(), ["ops"]);
    assert!(matches!(ask("allow := \"yes\""), Err(Stopped::Failed(reason, None)) if reason.contains("`allow` must be")));
}

#[test]
fn tests_print_and_put_functions_in_the_place_of_others() {
    let policy = "allow if check(input.session.login)\ncheck(login) if startswith(lower(login), \"ci-\")\nlimit(x) := x";
    let tests = r#"
test_value if data.spacelift.allow with input.session.login as "x" with data.spacelift.check as true
test_function if data.spacelift.allow with input.session.login as "x" with data.spacelift.check as always
test_builtin if data.spacelift.allow with input.session.login as "x" with lower as "ci-1"
test_builtin_by_function if data.spacelift.allow with input.session.login as "x" with lower as prefixed
test_original_within if data.spacelift.limit(1) == 11 with data.spacelift.limit as more
test_false if not data.spacelift.allow with input.session.login as "ci-1" with data.spacelift.check as false
test_prints if {
    print("teams", input.session.teams, input.nothing, set())
}
always(_) if true
prefixed(x) := concat("", ["ci-", x])
more(x) := data.spacelift.limit(x) + 10
"#;
    let parse = |package: &str, text: &str| syntax::parse("p", &format!("package {package}\nimport rego.v1\n{text}"), None).unwrap();
    let (policy, tests) = (parse("spacelift", policy), parse("spacelift_test", tests));
    let program = lower::with_tests(("p", &policy), ("t", &tests)).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let engine = Engine::of(&program, LIMITS).unwrap();
    for (number, rule) in program.rules.iter().enumerate() {
        let name = rule.path.last().unwrap().to_string();
        if !name.starts_with("test_") {
            continue;
        }
        let input = Value::from_json_str(&input().to_string()).unwrap();
        let (value, prints) = engine.rule(number, Some(input), || Duration::ZERO);
        assert_eq!(value.unwrap_or_else(|stopped| panic!("{name}: {stopped:?}")), Value::from(true), "{name}");
        let expected: &[&str] = if name == "test_prints" { &["p:11: teams [\"a\", \"b\", \"c\"] <undefined> set()"] } else { &[] };
        assert_eq!(prints, expected, "{name}");
    }
}
