//! Values that are small in memory and have no end when they are walked through, because their parts are shared: each is refused when the
//! policy is saved, or when it is asked, before it is walked through. What the same means do in moderation is an answer like any other.

use std::time::Duration;

use claviger::policy::{Evaluator, PolicyError, PolicyLimits, PolicySet};

use crate::policy::question::{Question, source};

/// It is the memory limit that ends what is too large, before the clock could.
const LIMITS: PolicyLimits = PolicyLimits { time: Duration::from_mins(2), memory: 8 << 20 };

/// `{name}0 := first`, and then each from the one before.
fn tower(name: &str, times: usize, first: &str, next: impl Fn(&str) -> String) -> String {
    let steps = (0..times).map(|n| format!("{name}{} := {}\n", n + 1, next(&format!("{name}{n}"))));
    format!("{name}0 := {first}\n{}", steps.collect::<Vec<_>>().concat())
}

fn doubled(name: &str) -> String {
    tower(name, 40, "{1}", |x| format!("[{x}, {x}]"))
}

/// Ways to share parts, as rules beside `allow` and statements in it; each makes `y` without end.
fn ways() -> Vec<(&'static str, String, String)> {
    let statements = |text: String, last: &str| (String::new(), format!("{text}y := {last}\n"));
    let functions = |first: &str, each: &str| {
        let each = |n: usize| each.replace("LAST", &format!("f{n}")).replace("THIS", &format!("f{}", n + 1));
        format!("f0(x) := {first}\n{}", (0..40).map(each).collect::<Vec<_>>().concat())
    };
    let rules = |first: &str, each: &str| {
        let each = |n: usize| each.replace("LAST", &format!("r{n}")).replace("THIS", &format!("r{}", n + 1));
        format!("{first}\n{}", (0..40).map(each).collect::<Vec<_>>().concat())
    };
    let y = |rules: String, last: &str| (rules, format!("y := {last}\n"));
    let named = |name, (rules, body)| (name, rules, body);
    vec![
        named("arrays", statements(doubled("x"), "x40")),
        named("arrays by =", statements(doubled("x").replace(":=", "="), "x40")),
        named("arrays by =, the other way around", {
            let steps = (0..40).map(|n| format!("[x{n}, x{n}] = x{}\n", n + 1)).collect::<Vec<_>>().concat();
            statements(format!("x0 = {{1}}\n{steps}"), "x40")
        }),
        named(
            "parts of =",
            statements(tower("x", 40, "{1}", |x| format!("[{x}, {x}]")).replace(":=", "=").replace('\n', "; ") + "\n", "x40"),
        ),
        named("objects", statements(tower("x", 40, "{1}", |x| format!("{{\"a\": {x}, \"b\": {x}}}")), "x40")),
        named("keys", statements(tower("x", 40, "{1}", |x| format!("{{[{x}]: 1, [{x}, 1]: 1}}")), "x40")),
        named("sets", statements(tower("x", 40, "{1}", |x| format!("{{[{x}], [{x}, 1]}}")), "x40")),
        named("a set and its part", {
            let steps = (1..60).map(|n| format!("x{} := {{x{n}, x{}}}\n", n + 1, n - 1)).collect::<Vec<_>>().concat();
            statements(format!("x0 := {{1}}\nx1 := {{2}}\n{steps}"), "x60")
        }),
        named("unions", statements(tower("x", 40, "{1}", |x| format!("{{[1, {x}]}} | {{[2, {x}]}}")), "x40")),
        named("joined", statements(tower("x", 40, "[1]", |x| format!("array.concat([{x}], [{x}])")), "x40")),
        named("joined twice", statements(tower("x", 40, "[1]", |x| format!("array.concat({x}, {x})")), "x40")),
        named("comprehensions", statements(tower("x", 40, "{1}", |x| format!("[{x} | some _ in [1, 2]]")), "x40")),
        named("three comprehensions", {
            let steps = tower("x", 3, "numbers.range(1, 3000)", |x| format!("[{x} | some _ in numbers.range(1, 3000)]"));
            statements(steps, "x3")
        }),
        named("pairs", statements(tower("x", 40, "{1}", |x| format!("[[{x}, {x}] | some _ in [1]]")), "x40")),
        named("set comprehensions", statements(tower("x", 40, "{1}", |x| format!("{{[{x}, n] | some n in [1, 2]}}")), "x40")),
        named("object comprehensions", statements(tower("x", 40, "{1}", |x| format!("{{n: {x} | some n in [1, 2]}}")), "x40")),
        named("a text", {
            let long = "a".repeat(2000);
            statements(tower("x", 3, &format!("`{long}`"), |x| format!("[{x} | some _ in numbers.range(1, 3000)]")), "x3")
        }),
        named("functions", y(functions("[x]", "THIS(x) := LAST([x, x])\n"), "f40({1})")),
        named("functions that give pairs", y(functions("[x]", "THIS(x) := [z, z] if { z := LAST(x) }\n"), "f40({1})")),
        named("rules", y(rules("r0 := {1}", "THIS := [LAST, LAST]\n"), "r40")),
        named("rules by data", y(rules("r0 := {1}", "THIS := [data.spacelift.LAST, data.spacelift.LAST]\n"), "r40")),
        named("objects of rules", y(rules("r0 := {1}", "THIS[n] := LAST if some n in [1, 2]\n"), "r40")),
        named("else", y(rules("r0 := {1}", "THIS := 1 if {\n some n in [1, 2]\n n == 3\n} else := [LAST, LAST]\n"), "r40")),
        named("sets of rules", y(rules("r0 := {1}", "THIS contains [LAST, n] if some n in [1, 2]\n"), "r40")),
        named("keys of rules", y(rules("r0 := {1}", "THIS[n][LAST] := 1 if some n in [1, 2]\n"), "r40")),
        named("keys of rules that go without saying", y(rules("r0 := {1}", "THIS[n][LAST] if some n in [1, 2]\n"), "r40")),
        named("sets in rules", y(rules("r0 := {1}", "THIS[n] contains LAST if some n in [1, 2]\n"), "r40")),
        named("with", {
            let rules = rules("r0 := input", "THIS := i if { i := LAST with input.a as input with input.b as input }\n");
            y(rules, "r40")
        }),
        named(
            "with the session",
            y(rules("r0 := input.x", "THIS := z if { z := LAST with input.x as [input.x, input.x] }\n"), "r40 with input.x as [1]"),
        ),
    ]
}

/// What walks through a value. Each once with a value made in another way, so that nothing is found to be the same.
const WALKS: [&str; 11] = [
    "y + 1 == 2",
    "y | {1} == {1}",
    "y - 1 == 2",
    "y == z",
    "y < z",
    "y in [z]",
    "z in {y}",
    "{y, z} != {1}",
    "{y: 1, z: 2} != {}",
    "sprintf(\"%v\", [y]) != \"\"",
    "object.get({}, y, 1) == 1",
];

fn loaded(rules: &str, body: &str) -> Result<PolicySet, String> {
    let text = format!("package spacelift\n{rules}\nallow if {{\ninput.session.login == \"x\"\n{body}\n}}\n");
    PolicySet::load(&[source("hostile", &text, None)], LIMITS).map_err(|faults| format!("{}\n{text}", faults[0]))
}

/// Whether a policy is refused when it is saved, or when it is asked.
async fn is_refused(rules: &str, body: &str) -> Result<(), String> {
    let set = match loaded(rules, body) {
        Ok(set) => set,
        Err(fault) if fault.contains("memory limit") => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let evaluator = Evaluator::start(1).unwrap();
    match evaluator.ask(set.into(), Question::by("x").input().clone()).await {
        Err(PolicyError::MemoryLimit(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_value_that_shares_its_parts_without_end_is_never_made() {
    for (name, rules, body) in ways() {
        if let Err(why) = is_refused(&rules, &format!("{body}count(y) > 0")).await {
            panic!("{name}: {why}");
        }
    }
}

#[tokio::test]
async fn nothing_walks_through_a_value_without_end() {
    for walk in WALKS {
        if let Err(why) = is_refused("", &format!("{}y := x40\n{}z := v40\n{walk}", doubled("x"), doubled("v"))).await {
            panic!("{walk}: {why}");
        }
    }
}

#[tokio::test]
async fn what_leaves_the_policy_has_an_end() {
    let rules = format!("roles[y][z] if {{\ninput.session.login == \"x\"\n{}y := x40\n{}z := v40\n}}", doubled("x"), doubled("v"));
    is_refused(&rules, "true").await.unwrap();
    let rules = format!("team contains y if {{\ninput.session.login == \"x\"\n{}y := x40\n}}", doubled("x"));
    is_refused(&rules, "true").await.unwrap();
}

#[tokio::test]
async fn a_value_in_moderation_is_put_into_others() {
    let set = loaded(
        "pairs[team] := [team, names] if some team in input.session.teams\n\
         names contains upper(team) if some team in input.session.teams\n\
         twice(x) := {\"a\": x, \"b\": [x, x]}\n\
         roles[space][role] if { some space, entry in table; some role in entry.roles }\n\
         table := {\"production\": {\"roles\": base}, \"staging\": {\"roles\": (base | {\"reader\"})}}\n\
         base := {\"deployer\"}",
        "x := [t | t := twice(names)]\nx == [{\"a\": {\"OPS\"}, \"b\": [{\"OPS\"}, {\"OPS\"}]}]\n\
         pairs.ops == [\"ops\", {\"OPS\"}]\n[a, b] = split(\"c/d\", \"/\")\n{a, b} == {\"c\", \"d\"}\n\
         teams := input.session.teams with input.session.teams as [a, b]\nteams == [\"c\", \"d\"]",
    );
    let verdict = Question::by("x").in_groups(&["ops"]).verdict(&set.unwrap().into()).await;
    assert!(verdict.allow);
    let roles: Vec<_> = verdict.roles.iter().map(|(space, role)| format!("{space}/{role}")).collect();
    assert_eq!(roles, ["production/deployer", "staging/deployer", "staging/reader"]);
}

#[tokio::test]
async fn a_fault_of_a_weighed_policy_has_the_authors_column() {
    let set = loaded("f(x) := 1 if x[0]\nf(x) := 2 if x[1]\n", "t := input.session.teams\ny := [t, t]; f([y, y]) == 3").unwrap();
    let failed = Question::by("x").ask(&set.into()).await;
    let Err(PolicyError::Failed(_, reason)) = failed else { panic!("{failed:?}") };
    assert_eq!(reason, "line 3, column 1: the function comes to two different values for the same arguments");
}

#[test]
fn no_name_is_taken_by_what_weighs() {
    loaded("claviger_weigh(x) := x\nop_made(x) := x\nr0 := 1", "claviger_weigh(op_made(r0)) == 1").unwrap();
}
