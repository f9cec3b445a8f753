//! Policies written to break something: each is refused when it is loaded or when it is asked, and the process does not notice.

use std::sync::Arc;
use std::time::Duration;

use claviger::config::PolicyEvaluator;
use claviger::model::KeyId;
use claviger::policy::{EvaluationSettings, Evaluator, PolicyError, PolicyLimits, PolicySet};

use crate::policy::question::{Question, load, source};

/// What only the clock ends is ended soon.
const SHORT: PolicyLimits = PolicyLimits { time: Duration::from_millis(200), memory: 8 << 20 };
/// What the memory limit ends, or nothing: however busy the machine is, the clock does not.
const LONG: PolicyLimits = PolicyLimits { time: Duration::from_mins(2), memory: 8 << 20 };

fn load_within(limits: PolicyLimits, text: &str) -> Arc<PolicySet> {
    match PolicySet::load(&[source("hostile", &format!("package spacelift\n{text}\n"), None)], limits) {
        Ok(set) => Arc::new(set),
        Err(faults) => panic!("{text}: {}", faults[0]),
    }
}

fn refused_at_load(text: &str) -> String {
    match load(&format!("package spacelift\n{text}\n")) {
        Ok(_) => panic!("loaded: {}", text.chars().take(200).collect::<String>()),
        Err(faults) => faults[0].reason.clone(),
    }
}

#[test]
fn what_would_be_too_much_to_parse_is_refused_unparsed() {
    for (text, reason) in [
        (format!("x := {}1{}", "[".repeat(100_000), "]".repeat(100_000)), "more than 100 brackets"),
        (format!("x := {}1{}", "[\n".repeat(1000), "]\n".repeat(1000)), "more than 100 brackets"),
        (format!("x := {}1{}", "{\"x\":".repeat(101), "}".repeat(101)), "more than 100 brackets"),
        (format!("x := {}1", "- \n".repeat(1000)), "stands only before"),
        ("# \n".repeat(1_000_000), "bytes"),
    ] {
        let found = refused_at_load(&text);
        assert!(found.contains(reason), "{found}");
    }
}

#[test]
fn what_would_be_too_deep_or_too_broad_is_refused() {
    for (text, reason) in [
        (format!("allow if 1 < 1{}", "\n + 1".repeat(2000)), "250 operators"),
        (format!("allow if input{}", ".a".repeat(1000)), "250 operators"),
        (format!("allow if {{ {} }}", "true\n".repeat(5000)), "statements"),
        ("f(x) := f(x + 1)\nallow if f(1) == 1".to_owned(), "recursive"),
        ("a if b\nb if c\nc if a\nallow if a".to_owned(), "recursive"),
    ] {
        let found = refused_at_load(&text);
        assert!(found.contains(reason), "{found}");
    }
}

#[tokio::test]
async fn what_never_ends_is_stopped_by_the_clock() {
    // Loading asks once, with an empty name: these are long for long names alone.
    for text in [
        "allow if { r := numbers.range(1, count(input.session.login) * 3000); count([1 | some a in r; some b in r; a + b < 0]) > 0 }",
        "allow if { r := numbers.range(1, count(input.session.login) * 3000); every a in r { every b in r { a + b > -1 } } }",
    ] {
        let answer = Question::by("ten-letter").ask(&load_within(SHORT, text)).await;
        assert_eq!(answer, Err(PolicyError::TimeLimit("hostile".parse().unwrap())), "{text}");
    }
}

#[tokio::test]
async fn what_grows_without_end_is_stopped_by_the_budget() {
    let doubling = (0..40).map(|n| format!("x{} := concat(\"\", [x{n}, x{n}])\n", n + 1)).collect::<Vec<_>>().concat();
    for text in [
        format!("allow if {{ x0 := input.session.login\n{doubling}\nx40 != \"\" }}"),
        "allow if { x := replace(sprintf(\"%0999d\", [1]), \"0\", sprintf(\"%0999d\", [1])); y := replace(x, \"0\", x); y != input.session.login }".to_owned(),
        "allow if { x := numbers.range(1, 90000); y := [array.concat(x, x) | some n in x; n < 100]; count(y) > input.request.timestamp_ns }".to_owned(),
    ] {
        let text = if text.contains("login\n") { text } else { text.replace("allow if {", "allow if { input.session.login != \"\"\n") };
        let set = load_within(LONG, &text);
        let answer = Question::by("ten-letter").ask(&set).await;
        assert_eq!(answer, Err(PolicyError::MemoryLimit("hostile".parse().unwrap())), "{text}");
    }
}

#[tokio::test]
async fn a_budget_that_is_passed_inside_of_a_function_refuses_too() {
    // Were the error taken for `undefined`, the `not` would turn it into an answer that lets pass.
    let text = r#"
f(x) := y if { startswith(x, "x"); y := net.cidr_expand("10.0.0.0/16"); count(y) == 0 }
is_one if f(input.session.login) == {"1"}
allow if not is_one
"#;
    let limits = PolicyLimits { memory: 1 << 16, ..LONG };
    let set = Arc::new(PolicySet::load(&[source("hostile", &format!("package spacelift\n{text}"), None)], limits).unwrap());
    assert!(Question::by("y").verdict(&set).await.allow);
    assert_eq!(Question::by("x").ask(&set).await, Err(PolicyError::MemoryLimit("hostile".parse().unwrap())));
}

#[tokio::test]
async fn calls_that_would_abort_or_panic_are_refused_or_undefined() {
    for call in [
        "numbers.range(1, 1000000000000 * count(input.session.login))",
        "numbers.range(0, 9223372036854775807)",
        "numbers.range_step(1, 1000000000000, 1)",
        "net.cidr_expand(\"0.0.0.0/0\")",
        "net.cidr_expand(\"2001:db8::/64\")",
        "sprintf(\"%0999999999d\", [1])",
        "bits.lsh(1, 1000000000)",
        "to_number(\"1e99999999\")",
    ] {
        let set = load_within(LONG, &format!("allow if {{ input.session.login != \"\"; x := {call}; x != input.attachment }}"));
        let answer = Question::by("x").ask(&set).await;
        assert!(matches!(answer, Err(PolicyError::Failed(..))), "{call}: {answer:?}");
    }
    for call in [
        "numbers.range_step(1, 9, 0)",
        "numbers.range_step(1, 9, -1)",
        "time.parse_ns(input.session.login, \"2006\")",
        "json.unmarshal(\"{\\\"x\\\":\")",
    ] {
        let set = load_within(LONG, &format!("allow if {{ input.session.login != \"\"; x := {call}; x != input.attachment }}"));
        assert!(!Question::by("é").verdict(&set).await.allow, "{call}");
    }
    for call in [
        "object.subset([1, 2], [])",
        "strings.count(input.session.login, \"\") == 2",
        "json.unmarshal(\"{\\\"x\\\":{\\\"$serde_json::private::Number\\\":\\\"1e99999999\\\"}}\")",
    ] {
        let set = load_within(LONG, &format!("allow if {{ input.session.login != \"\"; {call} }}"));
        assert!(Question::by("é").verdict(&set).await.allow, "{call}");
    }
}

#[tokio::test]
async fn a_name_that_is_hostile_is_only_a_name() {
    let set = load_within(
        LONG,
        "allow if regex.match(`^(a+)+$`, input.session.login)\nsample if glob.match(\"*a*a*a*a*b\", [], input.session.login)",
    );
    let verdict = Question::by(&format!("{}!", "a".repeat(120))).verdict(&set).await;
    assert!(!verdict.allow && !verdict.sample);
}

#[tokio::test]
async fn other_questions_are_answered_beside_a_policy_that_never_ends() {
    let hostile = load_within(
        SHORT,
        "allow if { r := numbers.range(1, count(input.session.login) * 3000); count([1 | some a in r; some b in r; a + b < 0]) > 0 }",
    );
    let good = load_within(LONG, "allow if input.session.member");
    let evaluator = Evaluator::start(2).unwrap();
    let ask = |set: &Arc<PolicySet>| {
        let (evaluator, set, input) = (evaluator.clone(), set.clone(), Question::by("ten-letter").input().clone());
        tokio::spawn(async move { evaluator.ask(set, input).await })
    };
    let stuck = ask(&hostile);
    for _ in 0..20 {
        assert!(ask(&good).await.unwrap().unwrap()[0].1.allow);
    }
    assert!(matches!(stuck.await.unwrap(), Err(PolicyError::TimeLimit(_))));
    assert!(ask(&good).await.unwrap().unwrap()[0].1.allow);
}

/// What is made without an end is charged for while it grows, by whoever evaluates it: the memory limit ends it and not the clock.
#[tokio::test]
async fn what_grows_without_end_is_stopped_by_the_memory_limit() {
    const MANY: &str = "some a in numbers.range(1, 2000); some b in numbers.range(1, 2000)";
    let alone = |body: &str| (String::new(), body.replace("MANY", MANY));
    let rule = |rule: &str, body: &str| (rule.replace("MANY", &format!("input.session.login == \"x\"; {MANY}")), body.to_owned());
    let limits = PolicyLimits { time: Duration::from_mins(2), memory: 1 << 20 };
    for (rules, body) in [
        alone("count([1 | MANY]) > 0"),
        alone("count([[a, b] | MANY]) > 0"),
        alone("count({n | MANY; n := (a * 10000) + b}) > 0"),
        alone("count({n: b | MANY; n := (a * 10000) + b}) > 0"),
        alone("not count([1 | MANY]) == 0"),
        alone("count([s | MANY; s := sprintf(\"%d\", [a])]) > 0"),
        alone("s := {n | some n in numbers.range(1, 2000)}; count([u | some i in s; u := s | {0 - i}]) > 0"),
        alone("s := {n | some n in numbers.range(1, 2000)}; count([u | some i in s; u := s - {i}]) > 0"),
        alone("s := {n | some n in numbers.range(1, 2000)}; count([u | some i in s; u := s & s; i > 0]) > 0"),
        alone("s := numbers.range(1, 2000); count([u | some i in s; u := array.concat(s, [i])]) > 0"),
        alone("s := numbers.range(1, 2000); count([u | some i in s; u := array.slice(s, 0, 2000 - (i % 2))]) > 0"),
        rule("many contains n if { MANY; n := (a * 10000) + b }", "count(many) > 0"),
        rule("by_number[n] := b if { MANY; n := (a * 10000) + b }", "count(by_number) > 0"),
        rule("by_two[a][b] := true if { MANY }", "count(by_two) > 0"),
        rule("by_one[a] contains b if { MANY }", "count(by_one) > 0"),
        rule("f(x) := [x | some _ in numbers.range(1, 1000)]", "count([v | some i in numbers.range(1, 2000); v := f(i)]) > 0"),
    ] {
        let text = format!("package spacelift\n{rules}\nallow if {{ input.session.login == \"x\"; {body} }}\n");
        for evaluator in [PolicyEvaluator::Auto, PolicyEvaluator::Regorus] {
            let settings = EvaluationSettings { evaluator, ..limits.into() };
            let set = PolicySet::load(&[source("hostile", &text, None)], settings).unwrap_or_else(|faults| panic!("{}", faults[0]));
            let answer = Question::by("x").ask(&Arc::new(set)).await;
            assert_eq!(answer, Err(PolicyError::MemoryLimit("hostile".parse().unwrap())), "{evaluator:?}: {text}");
        }
    }
}

const ENDLESS: &str =
    "allow if { r := numbers.range(1, count(input.session.login) * 3000); count([1 | some a in r; some b in r; a + b < 0]) > 0 }";

#[tokio::test]
async fn a_policy_that_never_ends_for_a_key_is_not_asked_about_it_all_the_time() {
    let (hostile, evaluator) = (load_within(SHORT, ENDLESS), Evaluator::start(1).unwrap());
    let question = Question::by("ten-letter");
    let time_limit = PolicyError::TimeLimit("hostile".parse().unwrap());
    let is_paused = |told: &PolicyError| matches!(told, PolicyError::Paused(_, left) if !left.is_zero());
    // On a busy machine a pause may be over before the next question, which then takes its time and lengthens the pause.
    let asked_until_paused = async |set: &Arc<PolicySet>| {
        let mut told = Vec::new();
        while !told.last().is_some_and(is_paused) {
            told.push(evaluator.ask(set.clone(), question.input().clone()).await.unwrap_err());
        }
        told.pop();
        assert!(told.iter().all(|told| *told == time_limit), "{told:?}");
        told.len()
    };
    assert!(asked_until_paused(&hostile).await >= 4);
    // The same text, loaded once more as it is at every change of any policy, is no other policy.
    assert!(asked_until_paused(&load_within(SHORT, ENDLESS)).await < 4);

    assert!(evaluator.ask(load_within(SHORT, "allow if input.session.member"), question.input().clone()).await.unwrap()[0].1.allow);
    let mut another = question.input().clone();
    Arc::make_mut(&mut another.key).id = KeyId::new(3, 4);
    assert_eq!(evaluator.ask(hostile.clone(), another).await, Err(time_limit.clone()), "another key");

    let asked_again = async { while evaluator.ask(hostile.clone(), question.input().clone()).await.is_err_and(|told| is_paused(&told)) {} };
    tokio::time::timeout(Duration::from_mins(1), asked_again).await.unwrap();
}

/// A value that holds another `times` times, which has four million parts: small in memory, walked through in one step. Only for the key
/// `x`; and only because the memory limit is one that nobody has.
fn sharing(times: usize, time: Duration) -> Arc<PolicySet> {
    let text = "allow if { input.session.login == \"x\"\na := [input.session.login | some i in numbers.range(1, 2000)]\n\
                b := [a | some i in numbers.range(1, 2000)]\n"
        .to_owned();
    // Its like, with no part in common: whoever compares the two walks through all of it.
    let like = text.replace("allow if { input.session.login == \"x\"", "").replace("a :=", "d :=").replace("b := [a", "e := [d");
    let text =
        format!("{text}{like}c := [b | some i in numbers.range(1, {times})]\nf := [e | some i in numbers.range(1, {times})]\nc == f }}");
    load_within(PolicyLimits { time, memory: usize::MAX }, &text)
}

/// Has a thread lost to such a policy, which is then not asked about the harmless key `y` either. On a busy machine the time limit may be
/// over before the one long step begins; the thread comes back at once then, and gets more time.
async fn lose_thread(evaluator: &Evaluator, times: usize) -> Arc<PolicySet> {
    let mut time = Duration::from_millis(500);
    loop {
        let hostile = sharing(times, time);
        let mut key = Question::by("x").input().clone();
        // Another each time, so that it is not made to wait.
        Arc::make_mut(&mut key.key).id = KeyId::new(5, time.as_millis());
        assert_eq!(evaluator.ask(hostile.clone(), key).await, Err(PolicyError::TimeLimit("hostile".parse().unwrap())));
        if evaluator.ask(hostile.clone(), Question::by("y").input().clone()).await.is_err() {
            return hostile;
        }
        time *= 2;
        assert!(time < Duration::from_mins(1), "the step never begins");
    }
}

#[tokio::test]
async fn a_thread_that_does_not_come_back_is_replaced_and_its_policy_is_not_asked_meanwhile() {
    let evaluator = Evaluator::start(1).unwrap();
    let hostile = lose_thread(&evaluator, 10_000).await;
    let good = load_within(LONG, "allow if input.session.member");
    let harmless = Question::by("y");
    assert!(evaluator.ask(good, harmless.input().clone()).await.unwrap()[0].1.allow);
    // The same text, loaded once more as it is at every change of any policy, would cost another thread.
    for set in [hostile, sharing(10_000, Duration::from_mins(1))] {
        let answer = evaluator.ask(set, harmless.input().clone()).await;
        assert_eq!(answer, Err(PolicyError::TimeLimit("hostile".parse().unwrap())));
    }
}

#[tokio::test]
async fn a_policy_whose_thread_has_come_back_is_asked_again() {
    let evaluator = Evaluator::start(1).unwrap();
    let hostile = lose_thread(&evaluator, 800).await;
    let harmless = Question::by("y");
    let back = async {
        while evaluator.ask(hostile.clone(), harmless.input().clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(10), back).await.unwrap();
}

#[tokio::test]
async fn values_nested_without_end_do_not_overflow_the_stack() {
    let doubling = (0..20).map(|n| format!("f{}(x) := f{n}(f{n}(x))\n", n + 1)).collect::<Vec<_>>().concat();
    let set = load_within(
        LONG,
        &format!("f0(x) := [[[[[[[[x]]]]]]]]\n{doubling}allow if {{ startswith(input.session.login, \"x\"); x := f20(1); x != 1 }}"),
    );
    let answer = Question::by("x").ask(&set).await;
    assert_eq!(answer, Err(PolicyError::MemoryLimit("hostile".parse().unwrap())));
}
