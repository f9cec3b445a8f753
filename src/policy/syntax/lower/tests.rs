use regorus::Value;

use crate::policy::builtins::budget;
use crate::policy::compiled::{Bounds, Compiled};
use crate::policy::syntax;

/// The value of the rule `x`, as JSON; or what the module is refused for.
fn x(rules: &str) -> String {
    let module = syntax::parse("p", &format!("package spacelift\n{rules}\n"), None).unwrap_or_else(|fault| panic!("{fault}"));
    match super::policy("p", &module) {
        Ok(program) => {
            let path = ["spacelift", "x"].map(Box::from);
            let bounds = Bounds { memory: 1 << 20, work: budget::WORK_MAX, time_is_up: &|| false };
            match Compiled::of(&program).rule(&path, bounds, None).0 {
                Ok(Value::Undefined) => "undefined".to_owned(),
                Ok(value) => serde_json::to_string(&value).unwrap(),
                Err(failure) => failure.to_string(),
            }
        }
        Err(faults) => faults.into_iter().map(|fault| fault.reason).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn what_a_head_says_is_asked_in_its_body() {
    for (rules, value) in [
        ("x contains grants[t] if some t in [\"a\", \"b\"]\ngrants := {\"a\": 1}", "[1]"),
        ("x[grants[t]] := t if some t in [\"a\", \"b\"]\ngrants := {\"a\": \"c\"}", "{\"c\":\"a\"}"),
        ("x := f(\"a\")\nf(n) := {}[n] if n != \"\" else := 0", "0"),
        ("x := {}.a if true\nelse := 2", "2"),
        ("x[lower(\"A\")].b := 1 if true", "{\"a\":{\"b\":1}}"),
    ] {
        assert_eq!(x(rules), value, "{rules}");
    }
}

#[test]
fn what_could_be_undefined_stands_before_a_not_and_not_in_it() {
    for (rules, value) in [
        ("x if not startswith(input.no, \"a\")", "undefined"),
        ("x if not input.no", "true"),
        ("x if not input.no == 1", "true"),
        ("x if not input.no > 1", "undefined"),
        ("x if not [input.no] == [1]", "undefined"),
        ("x if not {\"a\"}[input.no]", "undefined"),
        ("x if not input.no in {1}", "undefined"),
        ("x := false in {input.no}", "undefined"),
        ("import future.keywords.not\nx if not startswith(input.no, \"a\")", "true"),
        ("x if every c in [1 in {input.no}] { c == false }", "undefined"),
    ] {
        assert_eq!(x(rules), value, "{rules}");
    }
}

#[test]
fn a_name_is_a_rule_unless_it_is_declared() {
    for (rules, value) in [
        ("t := 1\nx if { some t in [2]; t == 2 }", "true"),
        ("t := 1\nx := [t | t := 2]", "[2]"),
        ("import data.spacelift as me\nt := 1\nx := me.t", "1"),
        ("import data.spacelift\nt := 1\nx := spacelift.t", "1"),
        ("x if { y := 1; z := [y | some y in [2]]; z == [2] }", "true"),
        ("x if { [1 | z > 0]; z := 1 }", "variable `z` is unsafe: nothing binds it"),
        ("x if { y := 1; y := 2 }", "variable `y` is assigned above"),
        ("x if { y = 1; y := 2 }", "variable `y` is used above, before it is declared"),
        ("f(y) if { y := 1 }\nx if f(1)", "variable `y` is an argument already"),
        ("x if { some y; true }", "variable `y` is declared and not used"),
        ("x if { some y, y in [0, 5] }", "true"),
    ] {
        assert_eq!(x(rules), value, "{rules}");
    }
}

#[test]
fn statements_stand_in_the_order_in_which_each_has_what_it_needs() {
    for (rules, value) in [
        ("x := [a | b > 1; a := b; b = [3, 1, 2][_]]", "[3,2]"),
        ("x := [[a, b] | {\"p\": a, \"q\": [b, 1]} = {\"p\": 5, \"q\": [6, 1]}]", "[[5,6]]"),
        ("x := [a | o := {\"p\": 5, \"q\": 6}; {\"p\": a} = o]", "[]"),
        ("x := [i | [3, 4][i] == [5, 4][i]]", "[1]"),
        ("x if { a == 1 }", "variable `a` is unsafe: nothing binds it"),
        ("x if not input.a[_] == 1", "`_` is unsafe here: a value is needed, and `_` has none"),
        ("x := {\"a\": 1, k: 1} if k := \"a\"", "two keys that are written in the object come to the same"),
    ] {
        assert_eq!(x(rules), value, "{rules}");
    }
}

#[test]
fn rules_under_a_path_make_one_document() {
    for (rules, value) in [
        ("p.q := 1 if false\nx := p", "{}"),
        ("p.q contains 1 if false\nx := p", "{\"q\":[]}"),
        ("p[k] := 1 if some k in [\"a\"]\np.q := p.a\nx := p", "{\"a\":1,\"q\":1}"),
        ("p.a if p.b\np.b := true\nx := p", "{\"a\":true,\"b\":true}"),
        ("default p[\"q\"] := 1\nx := p", "{\"q\":1}"),
        ("x := data.other", "undefined"),
        ("x if data.spacelift.x", "rule `x` is recursive: x → x"),
        ("p := 1\np.q := 2\nx := p", "`p.q` is a part of `p` here, and `p` is a single value before"),
        ("p := 1\np contains 2\nx := p", "`p` is a set here and a single value before"),
        ("p.q := 1\nx if p.q == 2 with data.spacelift.p.q as 2", "true"),
        ("p.q := {}\nx if p.q.r with data.spacelift.p.q.r as 2", "`with` cannot replace a part of the rule `p.q`"),
    ] {
        assert_eq!(x(rules), value, "{rules}");
    }
}
