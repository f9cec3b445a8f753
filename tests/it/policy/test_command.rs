//! `claviger policy test`, by the real binary: what it finds, what it shows of it, and how it ends.

use serde_json::{Value, json};

use crate::policy::question::examples;
use crate::support::place::Place;

const POLICY: &str = r#"package spacelift

default allow := false

allow if input.session.login in {"ada", "ben"}

roles["production"]["deployer"] if {
	input.session.login == "ada"
	within
}

within if input.request.remote_ip == "10.0.0.1"

level := "high" if {
	input.session.admin
} else := "low" if {
	input.session.machine
}
"#;

const TESTS: &str = r#"package spacelift_test

import data.spacelift

test_ada_gets_in if spacelift.allow with input as {"session": {"login": "ada"}}

test_ada_deploys if {
	who := {"session": {"login": "ada"}, "request": {"remote_ip": "10.0.0.2"}}
	print("asking as", who.session.login)
	roles := spacelift.roles with input as who
	spacelift.allow with input as who
	roles.production.deployer
}

todo_test_later if false

test_a_field_of_the_input if not spacelift.allow with input.session.login as "eve"

test_a_rule_replaced if spacelift.level == "low" with input.session as {"machine": true, "admin": false}

test_data_replaced if spacelift.roles.production.deployer with input.session.login as "ada" with data.spacelift.within as true
"#;

fn place() -> Place {
    let place = Place::new();
    place.file("policies/night.rego", POLICY);
    place.file("policies/night_test.rego", TESTS);
    place
}

fn outcome<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["tests"].as_array().unwrap().iter().find(|test| test["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

#[test]
fn the_examples_pass_and_their_tests_make_every_rule_hold() {
    let run = Place::new().run(&["policy", "test", examples().to_str().unwrap(), "--coverage", "--coverage-min", "100"]);

    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.lines().last().unwrap().ends_with("100.0 %"), "{}", run.out);
}

#[test]
fn a_failing_test_shows_the_statement_it_fails_at_and_what_its_variables_are() {
    let run = place().run(&["policy", "test", "policies"]);

    assert_eq!(run.code, 1);
    assert_eq!(run.err, "error: a test failed\n");
    let place = "  FAIL test_ada_deploys (line 7, ";
    assert!(run.out.starts_with(&format!("policies/night_test.rego:\n{place}")), "{}", run.out);
    assert!(run.out.contains("\n    12 | roles.production.deployer\n       | roles is { \"production\": {} }\n"), "{}", run.out);
    assert!(run.out.ends_with("\n4 of 6 passed, 1 failed, 1 skipped\n"), "{}", run.out);
    assert!(!run.out.contains("PASS") && !run.out.contains("asking as"), "{}", run.out);
}

#[test]
fn a_failing_statement_that_ends_with_a_string_is_found_too() {
    let place = Place::new();
    place.file("p.rego", POLICY);
    place.file("p_test.rego", "package t\nimport data.spacelift\ntest_x if {\n\tspacelift.allow with input.session.login as \"eve\"\n}\n");

    let run = place.run(&["policy", "test", "p.rego"]);

    assert!(run.out.contains("\n    4 | spacelift.allow with input.session.login as \"eve\"\n"), "{}", run.out);
}

#[test]
fn verbose_shows_every_test_and_what_it_prints() {
    let run = place().run(&["policy", "test", "-v", "policies/night.rego"]);

    for expected in ["  PASS test_ada_gets_in (line 5, ", "  SKIPPED todo_test_later (line 15, ", "night_test.rego:9: asking as ada\n"] {
        assert!(run.out.contains(expected), "{expected}: {}", run.out);
    }
}

#[test]
fn tests_are_chosen_by_name_and_none_at_all_is_a_failure() {
    let place = place();

    let some = place.json(&["policy", "test", "policies/night_test.rego", "--run", "spacelift_test\\.test_a(_|da_gets)"]);
    let none = place.run(&["policy", "test", "policies", "--run", "nothing"]);
    let wrong = place.misunderstood(&["policy", "test", "policies", "--run", "("]);

    let names: Vec<&Value> = some["tests"].as_array().unwrap().iter().map(|test| &test["name"]).collect();
    assert_eq!(names, ["test_ada_gets_in", "test_a_field_of_the_input", "test_a_rule_replaced"]);
    assert_eq!((none.code, none.err.as_str()), (1, "error: no test in policies has a name that matches `nothing`\n"));
    place.file("untested/night.rego", "package spacelift\n\nallow if true\n");
    let untested = place.run(&["policy", "test", "untested"]);
    assert_eq!(
        (untested.code, untested.err.as_str()),
        (1, "error: there is no test in untested: tests are rules `test_…` in files `*_test.rego`\n")
    );
    assert!(wrong.contains("unclosed group"), "{wrong}");
}

#[test]
fn json_has_every_test_with_its_outcome_and_place() {
    let run = place().run(&["policy", "test", "policies", "-o", "json"]);

    assert_eq!(run.code, 1);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let counts = ["passed", "failed", "broken", "skipped"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [4, 1, 0, 1]);
    let failed = outcome(&report, "test_ada_deploys");
    assert_eq!((&failed["outcome"], &failed["line"]), (&json!("failed"), &json!(7)));
    assert_eq!(failed["at"], json!({"line": 12, "text": "roles.production.deployer", "values": [["roles", "{ \"production\": {} }"]]}));
    assert_eq!(outcome(&report, "todo_test_later")["outcome"], "skipped");
    assert!(outcome(&report, "test_ada_gets_in")["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn coverage_names_the_rules_that_never_hold_though_their_lines_are_looked_at() {
    let place = place();
    place.file("policies/untested.rego", "package spacelift\n\nallow if input.session.member\n");

    let run = place.run(&["policy", "test", "policies", "--coverage", "-o", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();

    let files = &report["coverage"]["files"];
    assert_eq!(files[0]["rules"], json!({"covered": 3, "total": 5}), "{report:#}");
    // Line 12 was looked at in a test, and did not hold.
    assert_eq!(files[0]["uncovered"], json!([{"line": 12, "rule": "within"}, {"line": 14, "rule": "level"}]));
    assert_eq!(files[0]["uncovered_lines"], json!([12, 14]));
    assert_eq!((&files[1]["percent"], &files[1]["uncovered_lines"]), (&json!(0.0), &json!([3])));
    assert_eq!(report["coverage"]["percent"], json!(50.0));
}

#[test]
fn too_little_coverage_is_a_failure_if_a_least_is_given() {
    let place = place();
    let tests = TESTS.replace("test_ada_deploys", "todo_test_ada_deploys");
    place.file("policies/night_test.rego", &tests);

    let enough = place.run(&["policy", "test", "policies", "--coverage-min", "60"]);
    let little = place.run(&["policy", "test", "policies", "--coverage-min", "61%"]);

    assert_eq!(enough.code, 0, "{}", enough.err);
    assert_eq!((little.code, little.err.as_str()), (1, "error: 60.0 % of the rules are covered, and 61 % are wanted\n"));
    assert!(little.out.contains("not covered: line 12, 14"), "{}", little.out);
}

#[test]
fn results_are_written_for_build_servers() {
    let place = place();

    let run = place.run(&["policy", "test", "policies", "--junit", "results.xml"]);

    assert_eq!(run.code, 1);
    let xml = std::fs::read_to_string(place.path("results.xml")).unwrap();
    assert!(xml.contains("<testsuite name=\"policies/night_test.rego\" tests=\"6\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{xml}");
    assert!(
        xml.contains("<failure message=\"line 12: roles.production.deployer\">roles is { &quot;production&quot;: {} }</failure>"),
        "{xml}"
    );
    assert_eq!(xml.matches("<testcase").count(), xml.matches("</testcase>").count());
}

#[test]
fn every_fault_of_every_file_is_told_and_no_test_is_run() {
    let place = place();
    place.file("policies/broken.rego", "package spacelift\n\nallow if x > 3\n");
    place.file("policies/broken_test.rego", "package t\n\ntest_a if nothing_like_it(1)\n\ntest_b if http.send({})\n");
    place.file("policies/alone_test.rego", "package t\n\ntest_a if true\n");

    let orphan = place.misunderstood(&["policy", "test", "policies"]);
    std::fs::remove_file(place.path("policies/alone_test.rego")).unwrap();
    let run = place.misunderstood(&["policy", "test", "policies"]);

    assert!(orphan.contains("there is no alone.rego that these would be tests of\n  --> policies/alone_test.rego\n"), "{orphan}");
    for expected in [
        "variable `x` is unsafe: nothing binds it\n  --> policies/broken.rego:3:10\n",
        "there is no function `nothing_like_it`\n  --> policies/broken_test.rego:3:11\n",
        "a policy may not use the network\n  --> policies/broken_test.rego:5:11\n",
    ] {
        assert!(run.contains(expected), "{expected}: {run}");
    }
    assert!(run.ends_with("error: files have 3 faults, and no test was run\n"), "{run}");
}

#[test]
fn an_error_within_a_test_is_told_with_its_line() {
    let place = Place::new();
    place.file("p.rego", "package spacelift\n\nallow := true if input.session.login == \"x\"\n\nallow := false if input.session.member\n");
    place.file(
        "p_test.rego",
        "package t\n\nimport data.spacelift\n\ntest_a if spacelift.allow with input as {\"session\": {\"login\": \"x\", \"member\": true}}\n",
    );

    let run = place.run(&["policy", "test", "."]);

    assert_eq!(run.code, 1);
    assert!(run.out.contains("ERROR test_a") && run.out.contains("p.rego:3:1: the rule comes to two different values"), "{}", run.out);
}

#[test]
fn a_test_may_put_no_function_in_the_place_of_another_that_a_policy_may_not_call() {
    let place = place();
    place.file("policies/night_test.rego", "package spacelift_test\n\ntest_a if count([1, 2]) == 1 with count as units.parse\n");
    let run = place.run(&["policy", "test", "policies"]);
    assert!(run.err.contains("`units.parse` may not be called in a login policy, and not in the place of another function"), "{}", run.err);
    // The wrapper is called in its place, and not what it wraps.
    let huge = "test_a if bits.and(1, 1000000000000) with bits.and as numbers.range";
    place.file("policies/night_test.rego", &format!("package spacelift_test\n\n{huge}\ntest_b if sum([1]) == 7 with sum as 7\n"));
    let run = place.run(&["policy", "test", "policies"]);
    assert!(run.out.contains("numbers.range makes at most"), "{}{}", run.out, run.err);
    assert!(run.out.contains("1 of 2 passed, 1 ended with an error"), "{}", run.out);
}

#[test]
fn a_test_sees_all_that_fixed_and_variable_heads_give_together() {
    let place = place();
    place.file(
        "policies/night.rego",
        "package spacelift\n\nroles[space].reader if some space in [\"eu\"]\n\nroles.eu.writer if input.session.admin\n",
    );
    let told = |test: &str| {
        place.file("policies/night_test.rego", &format!("package spacelift_test\n\nimport data.spacelift\n\n{test}\n"));
        let run = place.run(&["policy", "test", "policies"]);
        (run.code, format!("{}{}", run.out, run.err))
    };
    let (code, said) = told("test_a if not data.spacelift.roles.eu.reader with input.session.admin as false");
    assert!(code != 0 && said.contains("FAIL test_a"), "{said}");
    let (code, said) =
        told("test_a if { roles := spacelift.roles with input.session.admin as false; roles.eu.reader; not roles.eu.writer }");
    assert_eq!(code, 0, "{said}");
}
