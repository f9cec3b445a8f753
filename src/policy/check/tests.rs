//! What is refused, by its text and its place.

use crate::model::RegoVersion;
use crate::policy::{PolicyFault, PolicyLimits, PolicySet, PolicySource};
use std::time::Duration;

fn faults(text: &str, rego: Option<RegoVersion>) -> Vec<PolicyFault> {
    let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
    let source = PolicySource { name: "p".parse().unwrap(), file: None, text: format!("package spacelift\n{text}\n").into(), rego };
    PolicySet::load(&[source], limits).err().unwrap_or_default()
}

/// `(what is wrong, the text, and for each fault its line, column, and a part of its reason)`
type Case = (&'static str, &'static str, &'static [(u32, u32, &'static str)]);

fn expect(cases: &[Case], rego: Option<RegoVersion>) {
    for (what, text, expected) in cases {
        let found = faults(text, rego);
        let places: Vec<(u32, u32)> = found.iter().map(|fault| (fault.line, fault.column)).collect();
        let wanted: Vec<(u32, u32)> = expected.iter().map(|(line, column, _)| (*line, *column)).collect();
        assert_eq!(places, wanted, "{what}: {found:#?}");
        for (fault, (_, _, reason)) in found.iter().zip(*expected) {
            assert!(fault.reason.contains(reason), "{what}: {}", fault.reason);
        }
    }
}

#[test]
fn good_policies_have_no_faults() {
    expect(
        &[
            ("a name", "allow if input.session.login == \"x\"", &[]),
            ("a pattern", "roles[\"production\"][\"deployer\"] if startswith(input.session.login, \"ci-\")", &[]),
            ("some in", "roles[space][\"r\"] if { some space in {\"a\", \"b\"}; input.session.member }", &[]),
            ("an index that binds", "roles[s][\"r\"] if { spaces := {\"a\", \"b\"}; spaces[s] }", &[]),
            ("order does not count", "allow if { x > 3; x = count(input.session.teams) }", &[]),
            ("unification of arrays", "allow if { [x, \"b\"] = [input.session.login, y]; y == x }", &[]),
            ("unification either way", "allow if { input.session.login = x; x != \"\" }", &[]),
            ("a reference as a head's value", "team contains input.session.teams[_]", &[]),
            ("every", "allow if every team in input.session.teams { team != \"x\" }", &[]),
            (
                "a comprehension using its surroundings",
                "allow if { n := 3; count([x | x := input.session.teams[_]; count(x) > n]) > 0 }",
                &[],
            ),
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
                "not around what is always there",
                "allow if not input.session.login in {\"x\"}\ndeny if not net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)",
                &[],
            ),
            (
                "not around sets and bound variables",
                "bad contains \"x\"\ndeny if { not bad[input.session.login]; x := input.session.teams[0]; not startswith(x, \"a\") }",
                &[],
            ),
            ("not around a count", "deny if not count([t | some t in input.session.teams; t == \"x\"]) > 0", &[]),
            ("roles as an object", "roles := {\"a\": {\"r\": true}}", &[]),
            ("roles as a comprehension", "roles := {s: {\"r\"} | some s in [\"a\"]}", &[]),
        ],
        None,
    );
}

#[test]
fn variables_that_nothing_binds_are_refused() {
    expect(
        &[
            (
                "in a head",
                "roles[space][role_id] if { input.session.login == \"x\" }",
                &[(2, 7, "`space` is unsafe"), (2, 14, "`role_id` is unsafe")],
            ),
            ("in a comparison", "allow if x > 3", &[(2, 10, "`x` is unsafe")]),
            ("a misspelt rule", "members := {\"a\"}\nallow if member[input.session.login]", &[(3, 10, "`member` is unsafe")]),
            ("under not", "allow if not x == 1", &[(2, 14, "`x` is unsafe")]),
            ("an index under not", "allow if not input.session.teams[i] == \"x\"", &[(2, 34, "`i` is unsafe")]),
            ("a wildcard under not", "allow if not input.session.teams[_] == \"x\"", &[(2, 34, "`_` is unsafe")]),
            ("as an argument", "allow if startswith(x, \"a\")", &[(2, 21, "`x` is unsafe")]),
            ("only what is at the root of it", "allow if { y := x + 1; y > 2 }", &[(2, 17, "`x` is unsafe")]),
            ("in a circle", "allow if { x := y; y := x }", &[(2, 17, "`y` is unsafe"), (2, 25, "`x` is unsafe")]),
            ("in a comprehension", "allow if count([1 | x > 1]) > 0", &[(2, 21, "`x` is unsafe")]),
            ("bound only inside of a comprehension", "allow if { count([x | some x in [1]]) > 0; x == 1 }", &[(2, 44, "`x` is unsafe")]),
            ("declared and never bound", "allow if { some x; x > 1 }", &[(2, 20, "`x` is unsafe")]),
            ("used above its declaration", "allow if { x > 3; x := 4 }", &[(2, 12, "`x` used before definition")]),
            ("in the value of an else", "allow := true if { input.session.admin } else := x", &[(2, 50, "`x` is unsafe")]),
            ("in a function", "f(x) := y\nallow if f(1)", &[(2, 9, "`y` is unsafe")]),
            ("in every", "allow if every t in input.session.teams { t == x }", &[(2, 48, "`x` is unsafe")]),
        ],
        None,
    );
}

#[test]
fn a_variable_of_every_is_used_and_declared_once() {
    expect(
        &[
            ("used", "allow if { every k, x in [1] { x > k } }", &[]),
            ("used where another one is, too", "allow if { every x in [1] { x > 0; every x in [2] { x > 1 } } }", &[]),
            ("used in a domain", "allow if { every x in [1] { every x in [x] { x > 0 } } }", &[]),
            ("used in a comprehension", "allow if { every x in [1] { y := [x | x > 0]; count(y) > 0 } }", &[]),
            ("not used", "allow if { every k, x in [1] { x > 0 } }", &[(2, 18, "`k` is declared and not used")]),
            ("another of its name", "allow if { every x in [1] { every x in [2] { x > 0 } } }", &[(2, 18, "`x` is declared and not used")]),
            (
                "another of its name in a comprehension",
                "allow if { every x in [1] { y := [x | some x in [2]]; count(y) > 0 } }",
                &[(2, 18, "`x` is declared and not used")],
            ),
            ("declared once more", "allow if { every x in [1] { some x in [2]; x > 0 } }", &[(2, 29, "`x` is declared above")]),
            ("given a value", "allow if { every x in [1] { x := 2; x > 0 } }", &[(2, 29, "`x` is declared above")]),
        ],
        None,
    );
}

#[test]
fn calls_that_cannot_be_made_are_refused() {
    expect(
        &[
            ("unknown", "allow if startwith(input.session.login, \"a\")", &[(2, 10, "no function `startwith`")]),
            ("impure", "allow if time.now_ns() > 0", &[(2, 10, "the time is `input.request.timestamp_ns`")]),
            ("network", "allow if http.send({}).status_code == 200", &[(2, 10, "may not use the network")]),
            ("printing", "allow if { print(1) }", &[(2, 12, "`print` may not be called")]),
            ("arity", "allow if startswith(input.session.login)", &[(2, 10, "takes 2 arguments, and is given 1")]),
            (
                "the result as an argument",
                "allow if { count([], n); n == 0 }",
                &[(2, 12, "takes 1 argument, and is given 2"), (2, 26, "`n` is unsafe")],
            ),
            ("arity of a function", "f(x) := x\nallow if f(1, 2)", &[(3, 10, "`f` takes 1 argument")]),
            ("a rule is no function", "f := 1\nallow if f(1)", &[(3, 10, "is a rule and not a function")]),
            ("minus", "allow if { x := 1; -x < 0 }", &[(2, 20, "minus sign")]),
        ],
        None,
    );
}

#[test]
fn rules_that_use_themselves_are_refused() {
    expect(
        &[
            ("a function", "f(x) := f(x + 1)\nallow if f(1)", &[(2, 1, "rule `f` is recursive: f → f")]),
            ("two rules", "a if b\nb if a\nallow if a", &[(2, 1, "a → b → a")]),
            ("by the full name", "allow if data.spacelift.allow", &[(2, 1, "`allow` is recursive")]),
            ("as a whole", "allow if data.spacelift", &[(2, 10, "by their names only")]),
            ("of all", "allow if data[x].allow", &[(2, 10, "by their names only")]),
            ("a rule that is not there", "allow if data.spacelift.alow", &[(2, 10, "the policy has no rule `alow`")]),
            ("an import that is not there", "import data.spacelift.known\nallow if known", &[(2, 8, "no rule `known`")]),
            ("nothing there", "allow if data.users[input.session.login]", &[(2, 10, "nothing at `data.users`")]),
        ],
        None,
    );
}

#[test]
fn a_field_that_a_text_and_a_variable_name_is_refused_where_it_is_written_out() {
    const HEADS: &str =
        "blocked[k] if { some k in [\"a\"]; input.session.member }\nblocked[\"a\"] if input.session.login == \"zz\"\nallow if true";
    let with = |rest: &str| faults(&format!("{HEADS}\n{rest}"), None);
    for rest in [
        "deny if data.spacelift.blocked.a",
        "deny if blocked.a",
        "deny if not blocked[\"a\"]",
        "deny if { x := \"b\"; x in blocked.a[_] }",
        "deny if input.session.member with data.spacelift.blocked.a as true",
        "deny if { some blocked in [{\"a\": true}]; blocked.a }",
    ] {
        let found = with(rest);
        assert!(
            found.iter().any(|fault| fault.line == 5 && fault.reason.contains("only one would be looked at here")),
            "{rest}: {found:?}"
        );
    }
    for rest in [
        "deny if blocked[_]",
        "deny if blocked[input.session.login]",
        "deny if { all := blocked; all.a }",
        "deny if some \"a\", _ in blocked",
    ] {
        assert_eq!(with(rest), [], "{rest}");
    }
    expect(
        &[
            (
                "in a set",
                "b[k] contains \"x\" if some k in [\"a\"]\nb.a contains \"y\" if input.session.member\ndeny if \"x\" in b.a",
                &[(4, 16, "of `b.a` (line 3) and `b[k]` (line 2)")],
            ),
            (
                "by an import",
                "import data.spacelift.m.a as n\nm[k] := \"x\" if some k in [\"a\"]\nm.a := \"y\" if input.session.member\nallow if n",
                &[(5, 10, "only one would be looked at here")],
            ),
            (
                "by an import of all",
                "import data.spacelift.m as n\nm[k] := true if some k in [\"a\"]\nm.a := true if input.session.member\nallow if n.a",
                &[],
            ),
            (
                "a field beyond one that a text names",
                "m[k].x if some k in [\"a\"]\nm.a.y if input.session.member\nallow if m.a.x",
                &[(4, 10, "of `m.a.y` (line 3)")],
            ),
            ("a field that the other does not have", "m[k].x if some k in [\"a\"]\nm.a.y if input.session.member\nallow if m.a.y", &[]),
            ("roles that nobody asks for", "roles[s].r if some s in [\"a\"]\nroles.a[r] if some r in [\"b\"]\nroles.a.b if true", &[]),
            ("texts alone", "m.a.x := 1\nm[\"b\"] := 2\nallow if m.a.x == 1", &[]),
        ],
        None,
    );
    let items =
        ("items of a set", "bad[x] { x := input.session.teams[_] }\nbad[\"a\"] { input.session.admin }\ndeny { bad[\"a\"] }", &[][..]);
    expect(&[items], Some(RegoVersion::V0));
}

#[test]
fn a_name_that_stands_twice_is_refused_where_nothing_compares_the_two() {
    expect(
        &[
            ("arguments", "eq(x, x) := true\nallow if eq(input.session.login, \"root\")", &[(2, 7, "`x` stands twice")]),
            ("within an argument and beside it", "f(x, [x]) := true\nallow if f(1, [1])", &[(2, 7, "`x` stands twice")]),
            ("with another between them", "f(x, y, x) := y\nallow if f(1, true, 1)", &[(2, 9, "`x` stands twice")]),
            ("after some", "allow if { some x, x in {\"a\": \"b\"} }", &[(2, 20, "`x` stands twice")]),
            ("after some, in a comprehension", "allow if count([x | some x, [x] in {}]) > 0", &[(2, 30, "`x` stands twice")]),
            ("after every", "allow if { every x, x in {\"a\": \"b\"} { x == \"b\" } }", &[(2, 21, "`x` stands twice")]),
            ("within one array", "f([x, x]) := true\nallow if f([input.session.login, \"x\"])", &[]),
            ("nobody's name", "f(_, _) := true\nallow if { f(1, 2); some _, _ in [1] }", &[]),
        ],
        None,
    );
}

#[test]
fn with_in_the_place_of_a_function_is_refused() {
    const HINT: &str = "may not put anything in the place of the function";
    expect(
        &[
            (
                "a builtin by its name",
                "allow if { numbers := {\"a\": 1}; numbers.a; bits.and(1, 10) with bits.and as numbers.range }",
                &[(2, 65, HINT)],
            ),
            (
                "a function that is a value",
                "allow if { time := {\"a\": 1}; time.a; f(1) with f as time.now_ns }\nf(x) := x",
                &[(2, 48, HINT)],
            ),
            ("one's own by the full name", "f(x) := x\nallow if f(1) == 2 with data.spacelift.f as 2", &[(3, 25, HINT)]),
            ("by an import", "import data.spacelift.f as g\nf(x) := x\nallow if f(1) == 2 with g as 2", &[(4, 25, HINT)]),
            ("a value", "allow if count([]) == 9 with count as 9", &[(2, 30, HINT)]),
            ("where a rule has the first name", "bits := {\"and\": 1}\nallow if bits.and == 2 with bits.and as 2", &[(3, 29, HINT)]),
            ("a rule or a path of input", "x := 1\nallow if x == 2 with data.spacelift.x as 2 with input.session.login as \"a\"", &[]),
        ],
        None,
    );
}

#[test]
fn a_chain_of_rules_may_be_long_but_not_without_end() {
    let chain = |length: usize| {
        (0..length).map(|n| format!("a{n} if a{}\n", n + 1)).collect::<Vec<_>>().concat() + &format!("a{length} if true\nallow if a0")
    };
    assert_eq!(faults(&chain(50), None), []);
    assert!(faults(&chain(500), None)[0].reason.contains("chain"));
}

#[test]
fn rules_that_count_must_be_what_they_are_read_as() {
    expect(
        &[
            ("deny as a set", "deny contains \"no\" if input.session.admin", &[(2, 1, "`deny` must be true or false")]),
            ("allow as a text", "allow := \"yes\"", &[(2, 10, "`allow` must be true or false")]),
            ("allow as a function", "allow(x) if x", &[(2, 1, "`allow` must be true or false")]),
            ("roles as a set", "roles contains \"x\"", &[(2, 1, "`roles` must be roles by space")]),
            ("team as a text", "team := \"x\"", &[(2, 9, "`team` must be a set of names")]),
            ("two values", "x := 1\nx := 2\nallow if x", &[(3, 6, "always `2` here and always `1` on line 2")]),
            ("two values of a function", "f(x) := 1\nf(x) := 2\nallow if f(1) == 1", &[(3, 9, "always `2` here")]),
            ("two things at once", "x := 1\nx contains 2\nallow if x", &[(3, 1, "a set here and a single value before")]),
            ("two defaults", "default allow := false\ndefault allow := true", &[(3, 9, "has a default already")]),
            ("a default that varies", "default allow := input.session.admin", &[(2, 18, "must be a constant")]),
            ("nothing that counts", "alow if input.session.admin", &[(2, 1, "no rule of the policy counts")]),
            ("neither body nor value", "allow", &[(2, 1, "neither a body nor a value")]),
        ],
        None,
    );
}

#[test]
fn not_around_what_may_be_undefined_is_refused() {
    expect(
        &[
            ("a field that is not there", "allow if not startswith(input.session.nick, \"a\")", &[(2, 25, "may be undefined")]),
            ("an item", "allow if not startswith(input.session.teams[0], \"a\")", &[(2, 25, "may be undefined")]),
            ("a comparison", "allow if not input.session.age > 5", &[(2, 14, "may be undefined")]),
            ("membership", "allow if not input.team in {\"x\"}", &[(2, 14, "may be undefined")]),
            ("an index", "bad := {\"x\"}\nallow if not bad[input.team]", &[(3, 18, "may be undefined")]),
            ("a rule that may not hold", "x := 1 if input.session.admin\nallow if not x > 5", &[(3, 14, "may be undefined")]),
            ("a call within", "allow if not to_number(input.session.login) > 5", &[(2, 14, "may be undefined")]),
        ],
        None,
    );
}

#[test]
fn objects_as_patterns_are_refused() {
    expect(
        &[
            ("declared", "allow if { {\"admin\": x} := input.session; x }", &[(2, 12, "more fields")]),
            ("unified", "allow if { input.session = {\"admin\": x}; x }", &[(2, 28, "more fields")]),
            ("within an array", "allow if { [{\"admin\": x}] := [input.session]; x }", &[(2, 13, "more fields")]),
            ("as an argument", "f({\"admin\": x}) := x\nallow if f(input.session)", &[(2, 3, "more fields")]),
            ("after some", "allow if { some {\"admin\": x} in [input.session]; x }", &[(2, 17, "more fields")]),
            ("made and not matched", "allow if { x := {\"a\": input.session.login}; y = {\"a\": \"b\"}; x == y }", &[]),
        ],
        None,
    );
}

#[test]
fn a_policy_in_another_package_is_refused() {
    let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
    let source = PolicySource { name: "p".parse().unwrap(), file: None, text: "package login\nallow := true".into(), rego: None };
    let faults = PolicySet::load(&[source], limits).unwrap_err();
    assert!(faults[0].reason.contains("must be `spacelift`") && faults[0].line == 1, "{faults:?}");
}

#[test]
fn v1_syntax_never_loads_as_v0() {
    for text in ["allow if { input.session.admin }", "roles[\"a\"][\"b\"] if { input.session.admin }", "allow if\ndeny"] {
        let found = faults(text, Some(RegoVersion::V0));
        assert!(found[0].reason.contains("`if` is a keyword of Rego v1"), "{found:?}");
    }
}

#[test]
fn all_faults_of_all_policies_are_told_at_once() {
    let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
    let source = |name: &str, text: &str| PolicySource { name: name.parse().unwrap(), file: None, text: text.into(), rego: None };
    let sources = [
        source("a", "package spacelift\nallow if x\ndeny if { trace(\"\") }"),
        source("b", "package spacelift\nallow if {"),
        source("c", "package spacelift\nallow := true"),
        source("a", "package spacelift\nallow := true"),
    ];
    let faults = PolicySet::load(&sources, limits).unwrap_err();
    let told: Vec<(&str, u32)> = faults.iter().map(|fault| (fault.policy.as_str(), fault.line)).collect();
    assert_eq!(told, [("a", 0), ("a", 2), ("a", 3), ("b", 2)]);
}
