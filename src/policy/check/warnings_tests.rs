//! What is told although nothing is refused, and what is not told.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::policy::{PolicyFault, PolicyLimits, PolicySource, Severity, Vocabulary, review};

fn told_of_all(texts: &[&str], vocabulary: &Vocabulary) -> Vec<PolicyFault> {
    let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
    let source = |(index, text): (usize, &&str)| PolicySource {
        name: format!("p{index}").parse().unwrap(),
        file: None,
        text: format!("package spacelift\n{text}\n").into(),
        rego: None,
    };
    let sources: Vec<PolicySource> = texts.iter().enumerate().map(source).collect();
    review(&sources, limits, vocabulary)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn vocabulary() -> Vocabulary {
    Vocabulary {
        spaces: Some(names(&["production", "root", "staging"])),
        roles: Some(names(&["deployer", "space-admin"])),
        groups: Some(names(&["Dev Ops"])),
        keys: Some(names(&["ci", "Release"])),
    }
}

/// `(the text, and of each remark its weight, line, column, width, and a part of its reason or hint)`
type Case = (&'static str, &'static [(Severity, u32, u32, u32, &'static str)]);

fn expect(cases: &[Case]) {
    for (text, expected) in cases {
        let told = told_of_all(&[text], &vocabulary());
        let places: Vec<_> = told.iter().map(|fault| (fault.severity, fault.line, fault.column, fault.width)).collect();
        let wanted: Vec<_> = expected.iter().map(|(severity, line, column, width, _)| (*severity, *line, *column, *width)).collect();
        assert_eq!(places, wanted, "{text}: {told:#?}");
        for (fault, (.., part)) in told.iter().zip(*expected) {
            let said = format!("{}\n{}", fault.reason, fault.hint.as_deref().unwrap_or_default());
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}

use Severity::{Note, Warning};

#[test]
fn what_is_right_is_told_nothing() {
    expect(&[
        ("allow if input.session.login == \"ci\"", &[]),
        ("allow if \"Dev Ops\" in input.session.teams", &[]),
        ("allow if \"a group that nobody knows yet\" in input.session.teams", &[]),
        ("allow if input.spaces[_].parent == null", &[]),
        ("allow if input.spaces[_].parent == \"root\"", &[]),
        ("allow if { some space in input.spaces; \"live\" in space.labels }", &[]),
        ("allow if not input.session.admin", &[]),
        ("allow if input.session.teams[_]", &[]),
        ("allow if count(input.session.teams) > 0", &[]),
        ("allow if { [hour, _, _] := time.clock([input.request.timestamp_ns, \"Europe/Berlin\"]); hour >= 9; hour < 17 }", &[]),
        ("allow if { [hour, minute, _] := time.clock(input.request.timestamp_ns); hour == 9; minute <= 30 }", &[]),
        ("allow if time.weekday(input.request.timestamp_ns) in {\"Monday\", \"Sunday\"}", &[]),
        ("allow if lower(time.weekday(input.request.timestamp_ns)) == \"monday\"", &[]),
        ("allow if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)", &[]),
        ("allow if input.request.remote_ip in {\"192.0.2.1\", \"2001:db8::1\"}", &[]),
        ("allow if startswith(input.session.login, \"10.\")", &[]),
        ("allow if { net.cidr_contains(\"::/0\", input.request.remote_ip); regex.match(\"^a/8$\", input.session.login) }", &[]),
        ("roles[space][\"deployer\"] if { some space in {\"staging\", \"production\"} }\nallow if roles[_][_]", &[]),
        (
            "roles := {\"staging\": {\"deployer\"}}\nspace_admin contains \"root\" if input.session.admin\nallow if input.session.member",
            &[],
        ),
        ("default allow := false\nallow if input.session.member", &[]),
        ("deny if regex.match(\"bot\", input.session.login)", &[]),
        ("x := 1 if input.session.admin\nx := 1 if input.session.member\nallow if x == 1", &[]),
        ("x := 1 if { input.session.admin } else := 2\nallow if x == 1", &[]),
        ("allow if { x := input.session; x.login = name; name == \"ci\" }", &[]),
    ]);
}

#[test]
fn paths_of_input_that_lead_nowhere() {
    expect(&[
        ("allow if input.session.logn == \"x\"", &[(Warning, 2, 24, 4, "did you mean `input.session.login`?")]),
        ("allow if input.session.email == \"x\"", &[(Warning, 2, 24, 5, "did you mean `input.session.login`?")]),
        ("deny if not input.session.mfa", &[(Warning, 2, 27, 3, "so `not` around it always holds")]),
        ("deny if not input.session.mfa == true", &[(Warning, 2, 27, 3, "so `not` around it always holds")]),
        ("import input.session as who\nallow if who.team == \"x\"", &[(Warning, 3, 14, 4, "did you mean `input.session.teams`?")]),
        ("allow if { who := input.session; who[\"ip\"] == \"::1\" }", &[(Warning, 2, 38, 4, "did you mean `input.request.remote_ip`?")]),
        ("allow if { some space in input.spaces; space.slug == \"x\" }", &[(Warning, 2, 46, 4, "`input.spaces[…]` has id, labels")]),
        ("allow if input.session.login.first == \"x\"", &[(Warning, 2, 30, 5, "it has no fields")]),
        ("allow if { who := input.sesion; who.login == \"x\" }", &[(Warning, 2, 25, 6, "did you mean `input.session`?")]),
    ]);
}

#[test]
fn comparisons_that_the_types_decide() {
    expect(&[
        ("allow if input.session.login == 5", &[(Warning, 2, 10, 24, "write it in quotes: `\"5\"`")]),
        ("allow if 5 != input.session.login", &[(Warning, 2, 10, 24, "they always differ")]),
        (
            "allow if input.session.member == \"true\"",
            &[(Warning, 2, 10, 30, "a boolean and `\"true\"` is a string: they are never equal")],
        ),
        ("allow if input.request.timestamp_ns < \"2026\"", &[(Warning, 2, 10, 35, "time.parse_rfc3339_ns(")]),
        ("allow if input.session.teams == \"ops\"", &[(Warning, 2, 10, 28, "`\"ops\" in input.session.teams`")]),
        ("allow if input.session.teams[_] == 5", &[(Warning, 2, 10, 27, "is a string and `5` is a number")]),
        ("allow if 5 in input.session.teams", &[(Warning, 2, 10, 24, "an item of `input.session.teams` is a string")]),
        ("allow if \"ci\" in input.session.login", &[(Warning, 2, 10, 27, "`in` looks into arrays, sets and objects")]),
        ("allow if input.session.login = input.session.admin", &[(Warning, 2, 10, 41, "never equal")]),
        ("allow if contains(input.session.teams, \"x\")", &[(Warning, 2, 19, 19, "`item in input.session.teams`")]),
        ("allow if startswith(input.request.timestamp_ns, \"1\")", &[(Warning, 2, 21, 26, "wants a string")]),
        ("allow if input.session.login", &[(Warning, 2, 10, 19, "as a condition it always holds")]),
        ("allow if { count(input.session.teams) == \"1\" }", &[(Warning, 2, 12, 33, "take the quotes off")]),
    ]);
}

#[test]
fn hours_days_and_zones() {
    expect(&[
        (
            "allow if { [hour, _, _] := time.clock(input.request.timestamp_ns); hour <= 4 }",
            &[(Warning, 2, 68, 9, "it holds until 04:59:59")],
        ),
        ("allow if time.clock(input.request.timestamp_ns)[0] > 17", &[(Warning, 2, 10, 46, "it holds from 18:00")]),
        ("hour := time.clock(input.request.timestamp_ns)[0]\nallow if 17 >= hour", &[(Warning, 3, 10, 10, "until 17:59:59")]),
        ("hour := time.clock(input.request.timestamp_ns)[0]\nallow if hour < 25", &[(Warning, 3, 10, 9, "from 0 to 23")]),
        (
            "allow if { clock := time.clock(input.request.timestamp_ns); clock[0] >= 22; clock[0] < 6 }",
            &[(Warning, 2, 77, 12, "no hour is both from 22:00 on and before 06:00")],
        ),
        ("allow if time.weekday(input.request.timestamp_ns) == \"monday\"", &[(Warning, 2, 54, 8, "did you mean `\"Monday\"`?")]),
        (
            "weekend := {\"Sat\", \"Sunday\"}\nallow if weekend[time.weekday(input.request.timestamp_ns)]",
            &[(Warning, 2, 13, 5, "did you mean `\"Saturday\"`?")],
        ),
        (
            "allow if { day := time.weekday(input.request.timestamp_ns); some free in [\"Montag\"]; day == free }",
            &[(Warning, 2, 75, 8, "did you mean `\"Monday\"`?")],
        ),
        (
            "allow if time.weekday([input.request.timestamp_ns, \"europe/berlin\"]) == \"Monday\"",
            &[(Warning, 2, 52, 15, "did you mean `\"Europe/Berlin\"`?")],
        ),
        (
            "is_in(hour, from, to) if { hour >= from; hour < to }\nallow if is_in(time.clock(input.request.timestamp_ns)[0], 22, 6)",
            &[(Warning, 2, 42, 9, "no hour is both from 22:00 on and before 06:00")],
        ),
        ("allow if input.request.timestamp_ns < 1798675200", &[(Warning, 2, 39, 10, "in nanoseconds since 1970")]),
        ("allow if input.request.timestamp_ns < 1798675200000000000", &[]),
        (
            "zone := \"Berlin\"\nallow if time.clock([input.request.timestamp_ns, zone])[0] == 9",
            &[(Warning, 2, 9, 8, "there is no time zone `\"Berlin\"`")],
        ),
    ]);
}

#[test]
fn networks_and_addresses() {
    expect(&[
        ("allow if net.cidr_contains(\"10.0.0.0/33\", input.request.remote_ip)", &[(Warning, 2, 28, 13, "a prefix goes to 32")]),
        ("allow if net.cidr_contains(\"10.0.0/8\", input.request.remote_ip)", &[(Warning, 2, 28, 10, "`10.0.0` is not an address")]),
        ("allow if net.cidr_contains(\"010.0.0.0/8\", input.request.remote_ip)", &[(Warning, 2, 28, 13, "`10.0.0.0/8`")]),
        ("allow if net.cidr_contains(\"10.1.2.3/8\", input.request.remote_ip)", &[(Note, 2, 28, 12, "it is all of `10.0.0.0/8`")]),
        (
            "allow if net.cidr_contains(\"::ffff:10.0.0.0/104\", input.request.remote_ip)",
            &[(Note, 2, 28, 21, "`10.0.0.0/8` is the same network")],
        ),
        ("allow if input.request.remote_ip == \"10.0.0.0/8\"", &[(Warning, 2, 37, 12, "net.cidr_contains(\"10.0.0.0/8\"")]),
        ("allow if input.request.remote_ip in [\"::ffff:10.0.0.1\"]", &[(Warning, 2, 38, 17, "write `\"10.0.0.1\"`")]),
        ("allow if input.session.creator_ip == \"10.0.0.256\"", &[(Warning, 2, 38, 12, "is not an address")]),
        ("allow if startswith(input.request.remote_ip, \"10.1\")", &[(Warning, 2, 10, 43, "ends within a number")]),
    ]);
}

#[test]
fn names_that_nothing_has() {
    let tail = "allow if input.session.member";
    let told = |text: &str| told_of_all(&[&format!("{text}\n{tail}")], &vocabulary());
    let expect = |text: &str, expected: &[(u32, &str)]| {
        let told = told(text);
        let places: Vec<u32> = told.iter().map(|fault| fault.column).collect();
        assert_eq!(places, expected.iter().map(|(column, _)| *column).collect::<Vec<_>>(), "{text}: {told:#?}");
        for (fault, (_, part)) in told.iter().zip(expected) {
            let said = format!("{}\n{}", fault.reason, fault.hint.as_deref().unwrap_or_default());
            assert!(said.contains(part), "{text}: {said}");
        }
    };
    expect(
        "roles[\"prodction\"][\"Deployer\"] if input.session.admin",
        &[(7, "did you mean `production`?"), (20, "did you mean `deployer`?")],
    );
    expect("roles.nowhere contains \"deployer\"", &[(7, "there are `production`, `root`, `staging`")]);
    expect("roles[s][\"deployer\"] if some s in [\"root\", \"stagin\"]", &[(44, "did you mean `staging`?")]);
    expect("roles := {\"rot\": {\"deployers\": true}}", &[(11, "`root`"), (19, "`deployer`")]);
    expect("space_read contains \"roots\"", &[(21, "`root`")]);
    expect("deny if \"dev  ops\" in input.session.teams", &[(9, "did you mean `\"Dev Ops\"`?")]);
    expect("deny if { some group in input.session.teams; group in {\"DEV OPS\"} }", &[(56, "case and blanks included")]);
    expect(
        "member(group) if group in input.session.teams\ndeny if member(\"dev ops\")\nadmin if member(\"Dev Ops\")",
        &[(16, "did you mean `\"Dev Ops\"`?")],
    );
    expect("deny if input.session.login in {\"CI\", \"other\"}", &[(33, "did you mean `\"ci\"`?")]);
    expect("deny if {\"release\": 1}[input.session.name]", &[(10, "did you mean `\"Release\"`?")]);
    assert_eq!(told_of_all(&[&format!("roles[\"x\"][\"y\"] if true\n{tail}")], &Vocabulary::unknown()), []);
}

#[test]
fn roles_that_no_policy_allows() {
    let roles = "roles[\"staging\"][\"deployer\"] if input.session.admin";
    let alone = told_of_all(&[roles], &vocabulary());
    assert!(alone[0].reason.ends_with("this policy never does"), "{alone:?}");
    let never = "default allow := false\ndeny if input.session.admin";
    assert_eq!(told_of_all(&[roles, never], &vocabulary()).len(), 1);
    assert_eq!(told_of_all(&[roles, "allow if input.session.member"], &vocabulary()), []);
    // Whether another policy allows is not known while it cannot be read.
    let with_a_broken_one = told_of_all(&[roles, "allow if {"], &vocabulary());
    assert!(with_a_broken_one.iter().all(PolicyFault::is_error), "{with_a_broken_one:?}");
}

#[test]
fn rules_that_hold_for_everybody_or_have_two_values() {
    expect(&[
        ("default allow := true", &[(Warning, 2, 9, 5, "lets everybody in whom no rule makes `allow` false")]),
        ("allow := true", &[(Note, 2, 1, 5, "holds for every key")]),
        (
            "allow := true if input.session.member\nallow := false if input.session.admin",
            &[(Warning, 3, 10, 5, "`allow` is `false` here and `true` on line 2")],
        ),
        (
            "roles[\"staging\"][\"deployer\"] if input.session.admin\nallow if count(roles) > 0",
            &[(Warning, 3, 10, 16, "so it is never empty")],
        ),
        ("allow if regex.match(\"ci|cd\", input.session.login)", &[(Note, 2, 22, 7, "write `^(ci|cd)$`")]),
        ("allow if regex.match(\"(?i)ci\", input.session.login)", &[(Note, 2, 22, 8, "write `(?i)^ci$`")]),
        ("allow if regex.match(\"^ci-\", input.session.login)", &[]),
    ]);
}

#[test]
fn the_older_syntax_is_read_as_closely() {
    expect(&[
        (
            "roles[\"prodction\"][\"deployr\"] { input.session.logn == \"x\" }\nallow { input.session.member }",
            &[
                (Warning, 2, 7, 11, "did you mean `production`?"),
                (Warning, 2, 20, 9, "did you mean `deployer`?"),
                (Warning, 2, 47, 4, "did you mean `input.session.login`?"),
            ],
        ),
        ("space_read[\"stagin\"] { input.session.member }\nallow { true }", &[(Warning, 2, 12, 8, "did you mean `staging`?")]),
        ("allow { input.session.teams[_] = \"dev ops\" }", &[(Warning, 2, 34, 9, "did you mean `\"Dev Ops\"`?")]),
        (
            "allow { [hour, _, _] := time.clock(input.request.timestamp_ns); hour <= 17 }",
            &[(Warning, 2, 65, 10, "it holds until 17:59:59")],
        ),
        ("default allow = true", &[(Warning, 2, 9, 5, "lets everybody in")]),
    ]);
}
