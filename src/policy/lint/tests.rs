//! What is refused, by its text and its place.

#![expect(clippy::format_collect, reason = "the texts are short")]

use crate::model::RegoVersion;
use crate::policy::fault::PolicyFault;
use crate::policy::syntax::{self, tree::Module};

/// A module of these rules, `package spacelift` on its first line.
pub(super) fn parsed(text: &str, rego: Option<RegoVersion>) -> Module {
    syntax::parse("p", &format!("package spacelift\n{text}\n"), rego).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn faults(text: &str) -> Vec<PolicyFault> {
    super::faults("p", &parsed(text, None))
}

/// `(what is wrong, the text, and for each fault its line, column, and a part of its reason or hint)`
type Case = (&'static str, &'static str, &'static [(u32, u32, &'static str)]);

fn expect(cases: &[Case]) {
    for (what, text, expected) in cases {
        let found = faults(text);
        let places: Vec<(u32, u32)> = found.iter().map(|fault| (fault.line, fault.column)).collect();
        let wanted: Vec<(u32, u32)> = expected.iter().map(|(line, column, _)| (*line, *column)).collect();
        assert_eq!(places, wanted, "{what}: {found:#?}");
        for (fault, (_, _, part)) in found.iter().zip(*expected) {
            let said = format!("{}\n{}", fault.reason, fault.hint.as_deref().unwrap_or_default());
            assert!(said.contains(part), "{what}: {said}");
        }
    }
}

#[test]
fn good_policies_have_no_faults() {
    expect(&[
        ("a name", "allow if input.session.login == \"x\"", &[]),
        ("a pattern", "roles[\"production\"][\"deployer\"] if startswith(input.session.login, \"ci-\")", &[]),
        ("some in", "roles[space][\"r\"] if { some space in {\"a\", \"b\"}; input.session.member }", &[]),
        ("an index that binds", "roles[s][\"r\"] if { spaces := {\"a\", \"b\"}; spaces[s] }", &[]),
        ("order does not count", "allow if { x > 3; x = count(input.session.teams) }", &[]),
        ("unification of arrays", "allow if { [x, \"b\"] = [input.session.login, y]; y == x }", &[]),
        ("unification either way", "allow if { input.session.login = x; x != \"\" }", &[]),
        ("a reference as a head's value", "team contains input.session.teams[_]", &[]),
        ("every", "allow if every team in input.session.teams { team != \"x\" }", &[]),
        ("a comprehension using its surroundings", "allow if { n := 3; count([x | x := input.session.teams[_]; count(x) > n]) > 0 }", &[]),
        (
            "a comprehension with variables of its own",
            "allow if { count([x | some x in input.session.teams]) > 0; some x in [1]; x == 1 }",
            &[],
        ),
        ("functions", "f(x) := y if { y := lower(x) }\nallow if f(input.session.login) == \"x\"", &[]),
        ("a pattern as an argument", "f([a, b]) := a if b\nallow if f([true, true])", &[]),
        ("else", "allow := true if { input.session.admin } else := x if { x := input.session.member }", &[]),
        ("defaults", "default allow := false\nallow if input.session.member", &[]),
        ("imports of input", "import input.session as who\nallow if who.login == \"x\"", &[]),
        ("own rules by their full name", "f(x) := x\nallow if data.spacelift.f(data.spacelift.me)\nme := true", &[]),
        (
            "not around whatever it is",
            "login := input.session.login\nadmins := {\"x\"}\nallow if not admins[login]\ndeny if not net.cidr_contains(\"10.0.0.0/8\", input.request.ip)",
            &[],
        ),
        ("not around a comparison", "deny if not input.session.age > 5\nallow if not to_number(input.session.login) > 5", &[]),
        ("not around a count", "deny if not count([t | some t in input.session.teams; t == \"x\"]) > 0", &[]),
        ("objects as patterns", "allow if { {\"admin\": x} := input.session; x; some {\"id\": id} in input.spaces; id == \"x\" }", &[]),
        ("heads by a text and by a variable", "b[k] if some k in [\"a\"]\nb.a if input.session.member\ndeny if b.a", &[]),
        ("an item beside a key", "allow if \"x\", input.y in {\"x\": 1}", &[]),
        ("with on a rule's name", "x := 1\nallow if x == 2 with x as 2", &[]),
        ("with on a function", "allow if count([]) == 9 with count as 9", &[]),
        ("a name that stands twice", "eq(x, x) := true\nallow if eq(input.session.login, \"root\")", &[]),
        ("a minus sign", "allow if { x := 1; -x < 0 }", &[]),
        ("roles as an object", "roles := {\"a\": {\"r\": true}}", &[]),
        ("roles as a comprehension", "roles := {s: {\"r\"} | some s in [\"a\"]}", &[]),
        ("roles by a set", "roles[\"a\"] contains \"r\"", &[]),
        ("roles by an array", "roles[\"a\"] := [\"r\"] if input.session.member", &[]),
        ("names by an object", "team[\"a\"] := true", &[]),
        ("a flag by a field", "allow := input.session.admin", &[]),
        (
            "a flag by a field that with changes",
            "x := input.session.login\nallow := y if { y := x with input as {\"session\": {\"login\": true}} }",
            &[],
        ),
    ]);
}

#[test]
fn rules_that_count_must_be_what_they_are_read_as() {
    expect(&[
        ("deny as a set", "deny contains \"no\" if input.session.admin", &[(2, 1, "`deny` must be true or false, and is a set")]),
        ("allow as a text", "allow := \"yes\"", &[(2, 10, "`allow` must be true or false, and is a string")]),
        ("allow as an object", "allow.x := true", &[(2, 1, "`allow` must be true or false, and is an object")]),
        ("allow as a function", "allow(x) if x", &[(2, 1, "`allow` must be true or false, and is a function")]),
        ("roles as a set", "roles contains \"x\"", &[(2, 1, "`roles` must be roles by space")]),
        ("team as a text", "team := \"x\"", &[(2, 9, "write `team contains \"x\"`")]),
        ("nothing that counts", "alow if input.session.admin", &[(2, 1, "did you mean `allow`?")]),
        (
            "a role that is no set",
            "roles[\"production\"] := \"deployer\"",
            &[(2, 24, "write `roles[\"production\"][\"deployer\"] if { … }`")],
        ),
        (
            "an object of roles",
            "roles := {\"production\": \"deployer\"}",
            &[(2, 10, "must be roles by space, and is an object of strings")],
        ),
        (
            "a role with a value",
            "roles[\"a\"][\"b\"] := \"yes\"",
            &[(2, 20, "`roles[\"a\"][\"b\"]` must be true or false, and is a string")],
        ),
        ("a step too many", "roles[\"a\"][\"b\"][\"c\"] if input.session.admin", &[(2, 1, "must be roles by space, and is an object")]),
        ("a number as a name", "team contains 5", &[(2, 15, "names are strings: write the number in quotes")]),
        ("a number as a space", "level := count(input.session.teams)\nroles[level][\"r\"] if level > 0", &[(3, 7, "`level` is a number")]),
        ("a field of input", "allow := input.session.login", &[(2, 10, "compare it: `allow if input.session.login == …`")]),
        ("a rule of a field of input", "login := input.session.login\nallow := login", &[(3, 10, "and is a string")]),
        ("a default", "default allow := \"no\"\nallow if input.session.admin", &[(2, 18, "and is a string")]),
        ("an else", "allow if { input.session.admin } else := 1 if { input.session.member }", &[(2, 42, "and is a number")]),
        ("a group of input", "team := input.session.login", &[(2, 9, "`team` must be a set of names, and is a string")]),
        ("all spaces", "space_read := input.spaces", &[(2, 15, "and is an array of objects")]),
    ]);
    let v0 = super::faults("p", &parsed("team[5] { input.session.admin }", Some(RegoVersion::V0)));
    assert!(v0[0].reason.contains("`5` is a number") && (v0[0].line, v0[0].column) == (2, 6), "{v0:?}");
}

#[test]
fn what_leads_into_something_that_has_no_items_is_refused() {
    expect(&[
        (
            "a rule that holds",
            "ci if input.session.login == \"x\"\nallow if ci.x",
            &[(3, 13, "`ci` is a boolean, and has no `x`: `ci.x` is never defined")],
        ),
        ("in brackets", "ci := input.session.login == \"x\"\nallow if ci[\"x\"]", &[(3, 13, "write `ci` alone")]),
        ("by the full name", "ci if input.session.member\nallow if data.spacelift.ci.x", &[(3, 28, "`data.spacelift.ci` is a boolean")]),
        ("by an import", "import data.spacelift.ci as c\nci if input.session.member\nallow if c.x", &[(4, 12, "`c` is a boolean")]),
        ("by a variable", "allow if { x := lower(input.session.login); x[0] }", &[(2, 47, "`x` is a string, and has no item 0")]),
        ("a table", "t := {\"alice\": 1}\nallow if t.alicf == 1", &[(3, 12, "did you mean `alice`?")]),
        ("a table's table", "t := {\"q\": {\"a\": 1}}\nallow if t[_].b", &[(3, 15, "it has `a`")]),
        ("an array", "t := [\"a\"]\nallow if t.a", &[(3, 12, "look for an item by `\"a\" in t`")]),
        ("an item too far", "t := [\"a\"]\nallow if t[1]", &[(3, 12, "has 1 items, counted from 0")]),
        ("a set of others", "t contains 1\nallow if t[\"a\"]", &[(3, 12, "`t` is a set of numbers")]),
        ("an object of rules", "p.a.b := 1\nallow if p.a.b.c", &[(3, 16, "`p.a.b` is a number")]),
        ("a function's answer", "f(x) := lower(x)\nallow if f(\"a\").y", &[(3, 17, "`f(\"a\")` is a string")]),
        ("some in a number", "n := 1\nallow if some x in n", &[(3, 10, "`n` is a number, and has no items")]),
        ("an object with more fields", "t := {\"a\": 1, \"b\": 2}\nallow if { {\"a\": x} := t; x == 1 }", &[(3, 12, "has other fields")]),
        (
            "one more item",
            "allow if { [hour, _] := time.clock(input.request.timestamp_ns); hour < 9 }",
            &[(2, 12, "an array of 3 is taken for one of 2")],
        ),
    ]);
}

#[test]
fn what_opa_takes_is_not_refused_for_its_types() {
    expect(&[
        ("what with replaces", "ci := true\nallow if ci.y with ci as {\"y\": true}", &[]),
        ("two types of values", "ci := true if input.x\nci := {\"y\": 1} if input.z\nallow if ci.y", &[]),
        ("a field that no rule gives", "p.a := 1\nallow if p.b", &[]),
        ("an object of variables", "p[x] := {\"b\": 1} if x := input.session.login\np.a := 1\nallow if p.a.b", &[]),
        ("a set of strings", "x := {\"a\"}\nallow if x.b", &[]),
        ("nothing in it", "x := []\ny := {}\nallow if { x[0]; y.a }", &[]),
        ("arguments", "f(x) := x.y\nallow if f(\"a\")", &[]),
        ("a variable with a rule's name", "team contains \"x\"\nallow if { some team in input.session.teams; team == \"x\" }", &[]),
        (
            "the same name in two comprehensions",
            "xs := [{\"b\": 1}]\nallow if { count([x | x := 1]) > 0; count([y | some x in xs; y := x.b]) > 0 }",
            &[],
        ),
        (
            "a variable that is bound by being used",
            "allow if { x = input.session; x.login == \"a\"; count([1 | [{\"y\": 1}][x]]) == 0 }",
            &[],
        ),
        ("an item that may be one of two", "x := [{\"a\": 1}, {\"b\": 1}]\nallow if x[_].b", &[]),
        ("in every", "allow if every x in [\"a\"] { x.b; startswith(1, x) }", &[]),
        ("any role", "roles[\"a\"][r] if r := input.session.login\nallow if roles[_][_]", &[]),
        ("in a scalar", "allow if \"a\" in input.session.login", &[]),
        ("comparisons that are no unification", "allow if { 1 != \"a\"; 1 < \"a\"; x := 1 == \"a\"; not x }", &[]),
    ]);
}

#[test]
fn what_is_never_equal_is_refused() {
    expect(&[
        ("a count", "allow if count(input.session.teams) == \"1\"", &[(2, 10, "take the quotes off")]),
        ("a string", "allow if lower(input.session.login) == 1", &[(2, 10, "write it in quotes: `\"1\"`")]),
        ("under not", "n := 1\nallow if not n == \"a\"", &[(3, 14, "`n` is a number and `\"a\"` is a string: they are never equal")]),
        ("arrays", "allow if [1, 2] == [1]", &[(2, 10, "never equal")]),
        ("unified", "allow if { x := \"a\"; x = 1 }", &[(2, 22, "never equal")]),
        ("in a comprehension", "allow if { x := \"a\"; count([1 | x == 2]) > 0 }", &[(2, 33, "never equal")]),
    ]);
}

#[test]
fn arguments_that_a_builtin_cannot_take_are_refused() {
    expect(&[
        ("a number", "allow if startswith(input.session.login, 5)", &[(2, 42, "`startswith` takes a string here, and this is a number")]),
        ("a rule", "ok if input.session.admin\nallow if count(ok) > 0", &[(3, 16, "and this is a boolean")]),
        ("a call", "allow if startswith(count([]), \"a\")", &[(2, 21, "and this is a number")]),
        ("a moment", "allow if time.clock([1, 2])[0] == 1", &[(2, 21, "takes a number or an array of a number and a string here")]),
        ("items", "allow if concat(\",\", {\"a\", 1}) == \"a\"", &[(2, 22, "an array of strings or a set of strings")]),
        ("a sum", "allow if \"a\" + 1 > 0", &[(2, 10, "only numbers can be computed with, and this is a string")]),
        ("a difference", "allow if [1] - {1} == set()", &[(2, 10, "only numbers and sets can be subtracted")]),
        ("a union", "allow if count([1] | {1}) > 0", &[(2, 16, "only sets can be put together")]),
        ("a function of one's own that has a builtin's name", "count(x) := x\nallow if count(1) == 1", &[]),
    ]);
}

#[test]
fn numbers_that_would_not_be_the_same_are_refused() {
    expect(&[
        ("a trailing zero", "allow if count(input.session.teams) > 1.0", &[(2, 39, "must be written out in its shortest form")]),
        ("a fraction", "allow if count(input.session.teams) + 0.5 > 2", &[(2, 39, "a policy computes with whole numbers")]),
        ("a quotient", "allow if count(input.session.teams) / 2 > 2", &[(2, 39, "a policy cannot divide")]),
        ("a divisor", "allow if 7 % count(input.session.teams) > 2", &[(2, 14, "must be a number that is not zero")]),
        ("what is right", "allow if { count(input.session.teams) % 2 == 0; 0.5 < 1 }", &[]),
    ]);
}

#[test]
fn patterns_that_are_not_taken_are_refused() {
    expect(&[
        ("a regular expression", "allow if regex.match(\"a\\\\B\", input.session.login)", &[(2, 22, "which is not taken here")]),
        ("a format", "allow if sprintf(\"%[1]d\", [1]) == \"1\"", &[(2, 18, "one after the other")]),
        ("a precision", "allow if sprintf(\"%.3x\", [1]) == \"1\"", &[(2, 18, "takes no precision")]),
        ("a layout", "allow if time.parse_ns(\"MST\", input.session.login) > 1", &[(2, 24, "no names of zones but UTC")]),
    ]);
}

#[test]
fn values_that_double_again_and_again_are_looked_at_in_no_time() {
    let rules: String = (0..60).map(|n| format!("a{} := [a{n}, a{n}, {{a{n}}}]\n", n + 1)).collect();
    assert_eq!(faults(&format!("a0 := 1\n{rules}allow if a60 == a59")), []);
    let locals: String = (0..60).map(|n| format!("a{} := [a{n}, a{n}]\n", n + 1)).collect();
    assert_eq!(faults(&format!("allow if {{ a0 := 1\n{locals} a60 == 1 }}")), []);
}
