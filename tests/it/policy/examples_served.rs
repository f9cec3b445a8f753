//! Each policy of `policies/`, in force alone, through the whole proxy: what the upstream is told, or how the client is refused.

use serde_json::{Value, json};

use crate::support::server::{Server, Setup};

const INSIDE: &str = "10.20.30.40";
const OUTSIDE: &str = "203.0.113.9";

/// Who comes, from where, and what becomes of it: the roles that the upstream is told, or the refusal's code.
struct Case {
    key: &'static str,
    groups: &'static [&'static str],
    from: &'static str,
    outcome: Outcome,
}

enum Outcome {
    Roles(Value),
    Code(&'static str),
}

fn passes(key: &'static str, roles: Value) -> Case {
    Case { key, groups: &[], from: OUTSIDE, outcome: Outcome::Roles(roles) }
}

fn refused(key: &'static str, code: &'static str) -> Case {
    Case { key, groups: &[], from: OUTSIDE, outcome: Outcome::Code(code) }
}

impl Case {
    fn from(self, from: &'static str) -> Self {
        Self { from, ..self }
    }

    fn in_groups(self, groups: &'static [&'static str]) -> Self {
        Self { groups, ..self }
    }
}

/// Starts a server with this policy alone, and asks for every case twice: the second answer comes from the cache.
fn through_the_proxy(policy: &str, cases: impl IntoIterator<Item = Case>) {
    let text = std::fs::read_to_string(format!("{}/policies/{policy}.rego", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let server = Setup::new().policies([(&*format!("{policy}.rego"), &*text)]).start();
    server.make_spaces();
    server.make_role("operator", "stack:*");
    for (number, case) in cases.into_iter().enumerate() {
        let groups: Vec<&str> = case.groups.iter().flat_map(|group| ["--group", group]).collect();
        // Names are unique among live keys, so each case gives its key back.
        let key = server.key(case.key, &groups);
        for time in ["cold", "cached"] {
            let answer = server.get_from(&key.text, case.from);
            let about = format!("{policy}, case {number}, {}, {time}: {}", case.key, answer.text());
            match &case.outcome {
                Outcome::Roles(roles) => {
                    assert_eq!(answer.status, 200, "{about}");
                    assert_eq!(answer.json()["claims"]["roles"], *roles, "{about}");
                }
                Outcome::Code(code) => assert_eq!((answer.status, &*answer.code()), (403, *code), "{about}"),
            }
        }
        server.run(&["key", "revoke", case.key]);
    }
}

#[test]
fn by_key_name() {
    through_the_proxy(
        "by-key-name",
        [
            passes("ci-cd-production", json!({ "production": ["deployer"] })),
            passes("grafana", json!({ "production": ["observer"] })),
            refused("grafana-2", "no_roles"),
        ],
    );
}

#[test]
fn by_name_pattern() {
    through_the_proxy(
        "by-name-pattern",
        [
            passes("ci-cd-orders-production", json!({ "production": ["deployer"] })),
            passes("dev-anna", json!({ "development": ["space-writer"] })),
            passes("mon-cpu-07", json!({ "production": ["observer"] })),
            refused("mon-cpu-7", "no_roles"),
            refused("ci-cd-orders-staging", "no_roles"),
        ],
    );
}

#[test]
fn per_environment() {
    through_the_proxy(
        "per-environment",
        [
            passes("deploy-dev-1", json!({ "development": ["deployer"] })),
            passes("deploy-staging", json!({ "staging": ["deployer"] })),
            passes("deploy-prod-green", json!({ "production": ["deployer"] })),
            refused("deploy-prod", "no_roles"),
        ],
    );
}

#[test]
fn many_environments() {
    let watched = json!({ "development": ["observer"], "staging": ["observer"], "production": ["observer"] });
    let kept = json!({ "development": ["observer", "operator"], "staging": ["observer", "operator"], "production": ["observer"] });
    through_the_proxy(
        "many-environments",
        [passes("monitoring-agent", watched), passes("backup-service", kept), refused("backup", "no_roles")],
    );
}

#[test]
fn ci_cd_pipelines() {
    through_the_proxy(
        "ci-cd-pipelines",
        [
            passes("pipeline-orders-production", json!({ "production": ["deployer"], "staging": ["space-reader"] })),
            passes("pipeline-website-staging", json!({ "staging": ["deployer"] })),
            refused("pipeline-website-production", "no_roles"),
            refused("pipeline-orders", "no_roles"),
        ],
    );
}

#[test]
fn infrastructure_tools() {
    let operated = json!({ "development": ["operator"], "staging": ["operator"], "production": ["operator"] });
    through_the_proxy(
        "infrastructure-tools",
        [
            passes("terraform", json!({ "development": ["space-writer"], "staging": ["space-writer"] })),
            passes("ansible", operated),
            refused("chef", "no_roles"),
        ],
    );
}

#[test]
fn restricted_networks() {
    through_the_proxy(
        "restricted-networks",
        [
            passes("vault-1", json!({ "production": ["operator"] })).from(INSIDE),
            passes("vault-1", json!({ "production": ["operator"] })).from("::ffff:10.1.2.3"),
            passes("vault-1", json!({ "production": ["operator"] })).from("fd00:c1a5::7"),
            refused("vault-1", "denied").from(OUTSIDE),
            refused("vault-1", "denied").from("2001:db8:f::1"),
            passes("office-printer", json!({ "production": ["space-reader"] })).from("192.0.2.77"),
            passes("office-printer", json!({ "production": ["space-reader"] })).from("2001:db8:f::1"),
            refused("office-printer", "no_roles").from(OUTSIDE),
        ],
    );
}

#[test]
fn groups() {
    through_the_proxy(
        "groups",
        [
            passes("a", json!({ "development": ["space-writer"], "staging": ["deployer"] })).in_groups(&["developers"]),
            passes("b", json!({ "production": ["operator", "space-reader"] })).in_groups(&["platform", "on-call"]),
            passes("c", json!({ "production": ["space-reader"] })).in_groups(&["platform"]),
            refused("d", "denied").in_groups(&["platform", "contractors"]),
            refused("e", "no_roles").in_groups(&["Developers"]),
        ],
    );
}

/// The hour is the machine's, so both sides of the window are asked of `explain`, and the proxy must say what `explain` says of now.
#[test]
fn deployment_window() {
    let text = include_str!("../../../policies/deployment-window.rego");
    let server = Setup::new().policies([("deployment-window.rego", text)]).start();
    server.make_spaces();
    let key = server.key("release-bot", &[]);
    let roles_at = |at: &[&str]| {
        let explained = server.run(&[&["explain", "--key", "release-bot", "--ip", OUTSIDE], at].concat());
        let grants = explained["grants"].as_array().unwrap().clone();
        let mut roles: Vec<String> = grants.iter().map(|grant| format!("{}@{}", grant["role"], grant["space"]).replace('"', "")).collect();
        roles.sort();
        roles
    };
    let (open, closed) =
        (vec!["deployer@production", "deployer@staging", "space-reader@production"], vec!["deployer@staging", "space-reader@production"]);

    // In years to come: of the past, what the store held then is told.
    for (at, expected) in [
        ("2031-01-16T08:59:59Z", &closed),
        ("2031-01-16T09:00:00Z", &open),
        ("2031-01-16T16:59:59Z", &open),
        ("2031-01-16T17:00:00Z", &closed),
        ("2031-01-18T12:00:00Z", &closed),
    ] {
        assert_eq!(roles_at(&["--at", at]), *expected, "{at}");
    }

    // A window may open or close between the two questions; then the next round agrees.
    server.until("the proxy to say what explain says", |server: &Server| {
        let expected = roles_at(&[]);
        let told = server.roles(&key.text);
        let mut roles: Vec<String> = told
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(space, roles)| roles.as_array().unwrap().iter().map(move |role| format!("{}@{space}", role.as_str().unwrap())))
            .collect();
        roles.sort();
        roles == expected
    });
}
