//! What is told although nothing is refused, and what is not told.

use std::collections::BTreeSet;

use super::tests::parsed;
use super::{Whole, faults, warnings};
use crate::diagnostics::Severity;
use crate::policy::fault::PolicyFault;
use crate::policy::syntax::tree::Module;
use crate::policy::vocabulary::Vocabulary;

fn told_of_all(texts: &[&str], whole: Whole, vocabulary: &Vocabulary) -> Vec<PolicyFault> {
    let modules: Vec<Module> = texts.iter().map(|text| parsed(text, None)).collect();
    for (module, text) in modules.iter().zip(texts) {
        assert_eq!(faults("p", module), [], "{text}");
    }
    warnings(modules.iter().map(|module| ("p", module)), whole, vocabulary)
}

fn told(text: &str) -> Vec<PolicyFault> {
    told_of_all(&[text], Whole::Yes, &vocabulary())
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
type WarningCase = (&'static str, &'static [(Severity, u32, u32, u32, &'static str)]);

fn expect(cases: &[WarningCase]) {
    for (text, expected) in cases {
        let told = told(text);
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
fn a_certificate_that_is_not_there_is_null_and_not_false() {
    expect(&[
        ("deny if not input.request.client_certificate", &[(Warning, 2, 13, 32, "is an object or null, which is there for everybody")]),
        ("c := input.request.client_certificate\ndeny if not c.subject", &[]),
        ("deny if input.request.client_certificate == null", &[]),
        ("allow if \"a\" in input.request.client_certificate.san.dns", &[]),
    ]);
}

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
        ("allow if contains(input.session.teams, \"x\")", &[(Warning, 2, 19, 19, "`\"x\" in input.session.teams`")]),
        ("allow if startswith(input.request.timestamp_ns, \"1\")", &[(Warning, 2, 21, 26, "wants a string")]),
        ("allow if input.session.login", &[(Warning, 2, 10, 19, "as a condition it always holds")]),
        ("allow if { not count(input.session.teams) != \"1\" }", &[(Warning, 2, 16, 33, "take the quotes off")]),
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
    let expect = |text: &str, expected: &[(u32, &str)]| {
        let told = told(&format!("{text}\n{tail}"));
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
    assert_eq!(told_of_all(&[&format!("roles[\"x\"][\"y\"] if true\n{tail}")], Whole::Yes, &Vocabulary::unknown()), []);
}

#[test]
fn roles_that_no_policy_allows() {
    let roles = "roles[\"staging\"][\"deployer\"] if input.session.admin";
    let of_all = |texts: &[&str], whole| told_of_all(texts, whole, &vocabulary());
    assert!(told(roles)[0].reason.ends_with("this policy never does"));
    let never = "default allow := false\ndeny if input.session.admin";
    assert_eq!(of_all(&[roles, never], Whole::Yes).len(), 1);
    assert_eq!(of_all(&[roles, "allow if input.session.member"], Whole::Yes), []);
    // Whether another policy allows is not known while it cannot be read.
    assert_eq!(of_all(&[roles], Whole::No), []);
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
        (
            "allow if regex.match(\"ci-*\", input.session.login)",
            &[(Warning, 2, 22, 6, "`-*` is any number of `-`, none included: the pattern matches `ci` as well as `ci-`")],
        ),
        (
            "deny if regex.match(\"^ci-*$\", input.session.login)\nallow := false",
            &[(Warning, 2, 21, 8, "write `regex.match(\"^ci-\", input.session.login)`")],
        ),
        (
            "allow if regex.match(\"*-prod\", input.session.login)",
            &[(Warning, 2, 22, 8, "write `regex.match(\"-prod$\", input.session.login)`")],
        ),
        ("allow if regex.match(\"ci-(\", input.session.login)", &[(Warning, 2, 22, 6, "is no regular expression")]),
        ("allow if regex.match(\"^ci-[0-9]*$\", input.session.login)", &[]),
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

#[test]
fn arguments_in_each_others_place() {
    expect(&[
        (
            "allow if net.cidr_contains(input.request.remote_ip, \"10.0.0.0/8\")",
            &[(Warning, 2, 10, 56, "write `net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)`")],
        ),
        (
            "inside(ip) if { some net in {\"10.0.0.0/8\"}; net.cidr_contains(ip, net) }\nallow if inside(input.request.remote_ip)",
            &[(Warning, 2, 45, 26, "this takes `ip` for a network")],
        ),
        (
            "allow if startswith(\"ci-\", input.session.login)",
            &[(Warning, 2, 10, 38, "this asks whether `\"ci-\"` begins with `input.session.login`")],
        ),
        ("allow if endswith(\"-ci\", input.session.login)", &[(Warning, 2, 10, 36, "write `endswith(input.session.login, \"-ci\")`")]),
        (
            "allow if { some team in input.session.teams; contains(\"ops\", team) }",
            &[(Warning, 2, 46, 21, "write `contains(team, \"ops\")`")],
        ),
        ("allow if regex.match(input.session.login, \"^ci-\")", &[(Warning, 2, 10, 40, "takes `input.session.login` for a pattern")]),
        (
            "allow if glob.match(input.session.login, [], \"ci-*\")",
            &[(Warning, 2, 10, 43, "write `glob.match(\"ci-*\", [], input.session.login)`")],
        ),
        ("allow if net.cidr_contains(\"10.0.0.0/8\", \"10.1.0.0/16\")", &[]),
        ("allow if startswith(input.session.login, input.session.account_name)", &[]),
    ]);
}

#[test]
fn any_other_item() {
    let deny = "allow if input.session.admin\n";
    let told = |rule: &str| told(&format!("{deny}{rule}"));
    for rule in [
        "deny if { some team in input.session.teams; team != \"x\" }",
        "deny if { some team in input.session.teams; team != \"x\"; team != \"y\" }",
        "deny if input.session.teams[_] != \"x\"",
        "deny if { team := input.session.teams[_]; \"x\" != team }",
    ] {
        let told = told(rule);
        assert!(told[0].severity == Warning && told[0].reason.contains("even if `\"x\"` is in it, too"), "{rule}: {told:#?}");
        assert_eq!(told[0].hint.as_deref(), Some("write `not \"x\" in input.session.teams` if that must not be in it"), "{rule}");
    }
    let of_names = told("deny if { some name in {\"a\", \"b\"}; input.session.login != name }");
    assert!(of_names[0].reason.contains("this holds for everybody"), "{of_names:#?}");
    assert_eq!(told("other if { some team in input.session.teams; team != \"x\" }\ndeny if not other")[0].severity, Note);
    for rule in [
        "deny if { some team in input.session.teams; startswith(team, \"x\"); team != \"x-1\" }",
        "deny if { every team in input.session.teams { team != \"x\" } }",
        "team contains team if { some team in input.session.teams; team != \"x\" }",
        "deny if { every name in {\"a\", \"b\"} { input.session.login != name } }",
        "deny if { count([team | some team in input.session.teams; team != \"x\"]) > 2 }",
        "deny if input.session.teams[0] != \"x\"",
    ] {
        assert_eq!(told(rule), [], "{rule}");
    }
}

#[test]
fn texts_that_nothing_is() {
    expect(&[
        ("allow if input.session.login == \"ci-*\"", &[(Warning, 2, 33, 6, "write `startswith(input.session.login, \"ci-\")`")]),
        ("allow if input.session.login in {\"*-ci\"}", &[(Warning, 2, 34, 6, "write `endswith(input.session.login, \"-ci\")`")]),
        ("allow if {\"a*b\"}[input.session.login]", &[(Warning, 2, 11, 5, "write `glob.match(\"a*b\", null, input.session.login)`")]),
        (
            "allow if \"ops-*\" in input.session.teams",
            &[(Warning, 2, 10, 7, "write `some item in input.session.teams; startswith(item, \"ops-\")`")],
        ),
        ("allow if lower(input.session.login) == \"CI-1\"", &[(Warning, 2, 40, 6, "write `\"ci-1\"`")]),
        ("allow if { who := upper(input.session.login); who in {\"CI\", \"Dev\"} }", &[(Warning, 2, 61, 5, "write `\"DEV\"`")]),
        ("allow if startswith(lower(input.session.login), \"CI\")", &[(Warning, 2, 49, 4, "this never holds")]),
        ("allow if input.session.login == \"api::01HZ\"", &[(Warning, 2, 33, 11, "`input.session.actor` is `api::` and the key's id")]),
        ("allow if startswith(input.session.login, \"api::\")", &[(Warning, 2, 42, 7, "no key's name begins with `api::`")]),
        ("allow if input.session.api_key_id == \"api::01HZ\"", &[(Warning, 2, 38, 11, "take `api::` off")]),
        ("allow if input.session.actor == \"ci\"", &[(Warning, 2, 33, 4, "compare `input.session.login`")]),
        ("allow if input.session.actor == \"api::01HZ\"", &[]),
        ("allow if startswith(lower(input.session.login), \"ci\")", &[]),
    ]);
}

#[test]
fn a_variable_that_nothing_binds_is_not_taken_for_its_own_rule() {
    let told = |name| super::unbound::told(name, "roles", ["roles", "members"].into_iter()).1;
    assert!(told("role").contains("put it in quotes if a name is meant: `\"role\"`"), "{}", told("role"));
    assert_eq!(told("member"), "did you mean `members`?");
}
