//! Two requests that policies cannot tell apart, by what was found in their text, get the same answer from them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger::model::{PolicyName, Verdict};
use claviger::policy::{Facet, PolicySet, PolicySource, read_dir, truncated};
use jiff::Timestamp;

use crate::policy::grammar::{ADDRESSES, Draw, LOGINS};
use crate::policy::question::{LIMITS, Question, examples, source};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<Vec<(PolicyName, Verdict)>, String>;

/// Asks about each of these and compares with what the first of its class got. How many answers were compared, and how many classes
/// there were.
async fn compare(sources: &[PolicySource], logins: &[&str], requests: &[(&str, Timestamp)]) -> (usize, usize) {
    let set = match PolicySet::load(sources, LIMITS) {
        Ok(set) => Arc::new(set),
        Err(faults) => panic!("{faults:#?}"),
    };
    let (mut compared, mut classes) = (0, 0);
    for login in logins {
        let mut first: HashMap<Facet, (&str, Timestamp, Answer)> = HashMap::new();
        for (address, at) in requests {
            let ip: IpAddr = address.parse::<IpAddr>().unwrap().to_canonical();
            let facet = set.reads().facet(Some(ip), None, *at, SECOND);
            let seen = truncated(*at, SECOND);
            let question = Question::by(login).from(address).at(&seen.to_string());
            let answer: Answer = question.ask(&set).await.map_err(|error| error.to_string());
            match first.get(&facet) {
                None => {
                    first.insert(facet, (address, *at, answer));
                }
                Some((one, then, said)) => {
                    let texts: Vec<&str> = sources.iter().map(|source| &*source.text).collect();
                    assert_eq!(answer, *said, "{login} from {address} at {at}, and from {one} at {then}\n{}", texts.join("\n"));
                    compared += 1;
                }
            }
        }
        classes += first.len();
    }
    (compared, classes)
}

fn requests(draw: &mut Draw, count: usize) -> Vec<(&'static str, Timestamp)> {
    let times: Vec<Timestamp> = (0..8).map(|_| draw.time()).collect();
    (0..count).map(|_| (draw.pick(&ADDRESSES), draw.pick(&times))).collect()
}

#[tokio::test]
async fn the_examples_answer_all_requests_of_a_class_alike() {
    let draw = &mut Draw::new(1);
    for policy in read_dir(examples()).unwrap() {
        let about = policy.name.to_string();
        let logins = ["vault-1", "office-1", "release-bot", "ci-cd-production", "nobody"];
        let (compared, _) = compare(&[policy], &logins, &requests(draw, 120)).await;
        assert!(compared >= 100, "{about}: {compared}");
    }
    let all = read_dir(examples()).unwrap();
    assert!(compare(&all, &["vault-1", "office-1", "release-bot"], &requests(draw, 200)).await.0 > 200);
}

#[tokio::test]
async fn random_policies_answer_all_requests_of_a_class_alike() {
    let (mut compared, mut classes) = (0, 0);
    for seed in 0..250 {
        let draw = &mut Draw::new(seed);
        let text = format!("package spacelift\nimport rego.v1\n{}", draw.policy());
        let found = compare(&[source("random", &text, None)], &LOGINS[..2], &requests(draw, 40)).await;
        (compared, classes) = (compared + found.0, classes + found.1);
    }
    assert!(compared > 4_000 && classes > 2_000, "{compared} answers of {classes} classes were compared");
}

/// Each tries to get something of the address or the time past the analysis.
#[tokio::test]
async fn policies_that_hide_what_they_read_answer_all_requests_of_a_class_alike() {
    let policies = [
        // By way of another field of the input.
        "allow if input.session.creator_ip == \"10.1.2.3\"",
        "allow if { some v in input.session; v == \"10.1.2.3\" }",
        "allow if { some k, v in input.request; k == \"remote_ip\"; startswith(v, \"10.1\") }",
        "allow if { [v | v := input[_].remote_ip][0] == \"10.1.2.3\" }",
        "allow if contains(json.marshal(input), \"10.1.2.3\")",
        "x := input\nallow if { y := x; z := y.request; startswith(z.remote_ip, \"10.1\") }",
        "import input as everything\nallow if everything.request.remote_ip == \"10.1.2.3\"",
        "allow if object.get(input, [\"request\", \"remote_ip\"], \"\") == \"10.1.2.3\"",
        // By way of functions, arguments, collections, and values of rules.
        "f(x) := y if { y := g(x) }\ng(x) := lower(x)\nallow if f(input.request.remote_ip) == \"10.1.2.3\"",
        "f([x, _]) := x\nallow if f([input.request.remote_ip, 1]) == \"10.1.2.3\"",
        "s contains input.request.remote_ip\nallow if s[\"10.1.2.3\"]",
        "o[input.request.remote_ip] := 1\nallow if o[\"10.1.2.3\"]",
        "o := {input.request.remote_ip: 1}\nallow if some k, _ in o\nteam contains k if some k, _ in o",
        "v := input.request.remote_ip if input.session.member\nelse := \"\"\nallow if v in {\"10.1.2.3\", \"10.1.2.4\"}",
        "allow if { x = y; y = input.request.remote_ip; startswith(x, \"10.1\") }",
        "allow if { x := [y | y = input.request.remote_ip]; x[_] == \"10.1.2.3\" }",
        "allow if every x in [input.request.remote_ip] { startswith(x, \"10.\") }",
        "allow if { [a, b] = [input.request.remote_ip, c]; c = a; startswith(b, \"10.1\") }",
        "allow if member with input.session.login as input.request.remote_ip\nmember if startswith(input.session.login, \"10.1\")",
        "n := input.request.remote_ip\nallow if { input.session.login != n; n != \"10.1.2.3\" }",
        // Networks that do not stand there, or not as such.
        "nets := {n | some x in [\"10.1.0.0\", \"192.0.2.0\"]; n := sprintf(\"%s/16\", [x])}\nallow if net.cidr_contains(nets[_], input.request.remote_ip)",
        "nets := split(\"10.1.0.0/16,192.0.2.0/24\", \",\")\nallow if net.cidr_contains(nets[_], input.request.remote_ip)",
        "nets := json.unmarshal(\"[\\\"10.1.0.0/16\\\"]\")\nallow if net.cidr_contains(nets[0], input.request.remote_ip)",
        "nets[\"10.1.0.0/16\"].x := 1\nallow if { some n; nets[n]; net.cidr_contains(n, input.request.remote_ip) }",
        "allow if net.cidr_contains(trim(\" 10.1.0.0/16 \", \" \"), input.request.remote_ip)",
        "allow if net.cidr_contains(`10.1.0.0/16`, input.request.remote_ip)",
        "allow if net.cidr_contains(\"10.1.0.0\\u002f16\", input.request.remote_ip)",
        "allow if net.cidr_contains(input.session.login, input.request.remote_ip) with input.session.login as \"10.1.0.0/16\"",
        "f(n, a) if net.cidr_contains(n, a)\nallow if f(\"10.1.0.0/16\", input.request.remote_ip)\ndeny if f(input.request.remote_ip, \"10.1.2.3\")",
        "deny if net.cidr_contains(concat(\"\", [input.request.remote_ip, \"/24\"]), \"10.1.2.3\")",
        "allow if net.cidr_contains_matches({\"10.1.0.0/16\"}, input.request.remote_ip) != set()",
        "nets := {\"a\": [\"10.1.0.0/16\"], \"b\": {\"192.0.2.0/24\": {\"x\": \"2001:db8::/32\"}}}\nallow if { walked := [n | n := nets[_][_]]; net.cidr_contains(walked[_], input.request.remote_ip) }",
        // Numbers that do not stand there.
        "allow if { some i, _ in [1, 2, 3]; input.request.timestamp_ns > i * 600000000000000000 }",
        "allow if input.request.timestamp_ns < to_number(\"1772452800000000000\")",
        "allow if input.request.timestamp_ns < 1772452800000000000.5",
        "allow if input.request.timestamp_ns < 1.7724528e18",
        "allow if { x := input.request.timestamp_ns - 1772452800000000000; x < 0 }",
        "allow if { x := [input.request.timestamp_ns, 1772452800000000000]; max(x) == x[1] }",
        "allow if { [h, _, _] = time.clock(input.request.timestamp_ns); h = 12 }",
        "allow if { [12, m, _] = time.clock(input.request.timestamp_ns); m >= 0 }",
        "allow if { [_, 0, 0] = time.clock(input.request.timestamp_ns) }",
        "c := time.clock([input.request.timestamp_ns, \"Europe/Berlin\"])\nallow if { c == [2, 0, 0] }",
        "c := time.clock([input.request.timestamp_ns, \"Europe/Berlin\"])\nallow if c[count(input.session.teams) + 2] > 30",
        "z.UTC := true\nz[\"Europe/Berlin\"] := true\nallow if { some zone; z[zone]; [h, _, _] := time.clock([input.request.timestamp_ns, zone]); h == 2 }",
        "allow if time.clock([input.request.timestamp_ns, concat(\"/\", [\"Europe\", \"Berlin\"])])[0] == 2",
        "allow if time.diff(input.request.timestamp_ns, 1772452800000000000)[5] > 30",
        "allow if time.weekday(time.add_date(input.request.timestamp_ns, 0, 0, 1)) == \"Monday\"",
        "t := input.request.timestamp_ns\nroles.staging.reader if { t < e }\ne := time.parse_rfc3339_ns(s)\ns := \"2026-03-29T01:00:00Z\"",
        "allow if { time.clock([input.request.timestamp_ns, \"UTC\"], [h, _, s]); h == s }",
    ];
    let draw = &mut Draw::new(7);
    let (mut compared, mut loaded) = (0, 0);
    for policy in policies {
        let text = format!("package spacelift\nimport rego.v1\n{policy}\n");
        let sources = [source("sly", &text, None)];
        if PolicySet::load(&sources, LIMITS).is_err() {
            continue;
        }
        loaded += 1;
        compared += compare(&sources, &["ci"], &requests(draw, 80)).await.0;
    }
    assert!(loaded >= 42 && compared > 800, "{loaded} of {} policies load, {compared} answers were compared", policies.len());
}
