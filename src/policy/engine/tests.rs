//! What the engine says of whole policies, by way of the text that is made of them.

#![expect(clippy::format_collect, reason = "the texts are short")]

use std::time::Duration;

use regorus::Value;
use serde_json::{Value as Json, json};

use super::{Allowance, Engine, Stopped};
use crate::clock::{Clock, SystemClock};
use crate::policy::settings::PolicyLimits;
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
    let asked =
        engine.evaluate(write::RESULT, Some(Value::from_json_str(&input().to_string()).unwrap()), Allowance::all(LIMITS), || {
            Duration::ZERO
        })?;
    Ok(serde_json::to_value(&asked[0][0]).unwrap())
}

fn expect(cases: &[(&str, Json)]) {
    for (text, expected) in cases {
        assert_eq!(document(text).unwrap_or_else(|stopped| panic!("{text}: {stopped:?}")), *expected, "{text}");
    }
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
        engine.ask(Value::new_object(), Allowance::all(limits), || begun.now().monotonic)
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
        Engine::of(&program(text), LIMITS)
            .unwrap()
            .ask(Value::from_json_str(&input().to_string()).unwrap(), Allowance::all(LIMITS), || Duration::ZERO)
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
