//! `claviger route test`: by the configuration that is here, and for a key of the store.

use serde_json::{Value, json};

use crate::support::place::{Place, Run};

const ROUTES: &str = r#"
[token]
include_actions = true

[[routes]]
path = "/v1/spaces/{space}/runs"
methods = ["POST"]
space = "{space}"
require = "run:trigger"
name = "trigger"
response_timeout = "5s"

[[routes]]
path = "/v1/{*rest}"
hosts = ["api.example.com"]

[[routes]]
path = "/health"
auth = "none"
"#;

struct World {
    place: Place,
    config: String,
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        place.json(&["space", "create", "production"]);
        place.json(&["role", "create", "deployer", "--action", "run:trigger"]);
        place.json(&["key", "create", "--name", "ci", "--bind", "deployer@production"]);
        let config = place.file("claviger.toml", &format!("[store]\nurl = \"sqlite://claviger.db\"\n{ROUTES}"));
        Self { place, config }
    }

    fn run(&self, line: &[&str]) -> Run {
        self.place.run_with(&[&["route", "test", "--config", &self.config], line].concat(), &[], "")
    }

    fn test(&self, line: &[&str]) -> (i32, Value) {
        let run = self.run(&[line, &["-o", "json"]].concat());
        (run.code, serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}{}", run.out, run.err)))
    }
}

#[test]
fn a_request_is_told_its_route_and_why_it_is_not_for_the_others() {
    let world = World::new();
    let (code, told) = world.test(&["POST", "/v1/spaces/production/runs?x=y"]);
    assert_eq!((code, &told["code"], &told["route"]["name"], &told["space"]), (0, &json!("ok"), &json!("trigger"), &json!("production")));
    assert_eq!((&told["route"]["require"], &told["route"]["response_timeout"]), (&json!("run:trigger"), &json!("5s")));
    assert_eq!(
        told["others"],
        json!([
            {"name": "api.example.com/v1/{*rest}", "number": 1, "why": "the host is not api.example.com"},
            {"name": "/health", "number": 2, "why": "the path is not /health"},
        ])
    );
    assert_eq!((&told["sent"]["header"], &told["sent"]["claims"]), (&json!("authorization"), &json!(null)));

    let (_, told) = world.test(&["GET", "/v1/spaces/production/runs", "--host", "api.example.com:8080"]);
    assert_eq!((&told["route"]["number"], &told["others"][0]["why"]), (&json!(1), &json!("it takes POST")));
    let (_, told) = world.test(&["GET", "/health"]);
    assert_eq!((&told["route"]["auth"], &told["sent"]["header"]), (&json!("none"), &json!(null)));
}

#[test]
fn what_is_refused_ends_with_1_and_what_is_not_understood_with_2() {
    let world = World::new();
    for (line, code) in [
        (&["GET", "/other"][..], "no_route"),
        (&["GET", "/health/"], "no_route"),
        (&["GET", "/v1/../health"], "bad_request"),
        (&["POST", "/v1/spaces/staging/runs", "--key", "ci"], "missing_action"),
    ] {
        let (exit, told) = world.test(line);
        assert_eq!((exit, told["code"].as_str().unwrap(), &told["sent"]), (1, code, &json!(null)), "{line:?}");
    }
    assert_eq!(world.test(&["GET", "/health/"]).1["others"][2]["why"], "the path differs by a slash from /health");
    for line in [&["GET", "health"][..], &["G T", "/health"], &["GET", "/health", "--key", "nobody", "--config", "nowhere.toml"]] {
        assert_eq!(world.run(line).code, 2, "{line:?}");
    }
}

#[test]
fn a_key_is_told_whether_it_may_and_what_its_token_would_say() {
    let world = World::new();
    let (code, told) = world.test(&["POST", "/v1/spaces/production/runs", "--key", "ci"]);
    assert_eq!((code, &told["key"]), (0, &json!("ci")));
    assert_eq!(told["sent"]["claims"], json!({"space": "production", "roles": ["deployer"], "actions": ["run:trigger"]}));
    let (_, told) = world.test(&["GET", "/v1/x", "--host", "api.example.com", "--key", "ci"]);
    assert_eq!(told["sent"]["claims"], json!({"roles": {"production": ["deployer"]}}));

    let table = world.run(&["POST", "/v1/spaces/production/runs", "--key", "ci"]);
    for part in [
        "trigger (routes.0)",
        "ok: it takes a key that may run:trigger in space production; ci may pass",
        "about production, with the roles deployer",
        "the host is not api.example.com",
    ] {
        assert!(table.out.contains(part), "{part}: {}", table.out);
    }
    let refused = world.run(&["POST", "/v1/spaces/nowhere/runs", "--key", "ci"]);
    assert_eq!((refused.code, refused.err.trim()), (1, "error: the key may not run:trigger in space nowhere"));
}

#[test]
fn where_the_request_would_go_is_told() {
    let world = World::new();
    let routes = "[upstreams.reports]\nurl = [\"https://a\", \"https://b\"]\nresponse_timeout = \"5m\"\n\
                  [[routes]]\npath = \"/reports\"\nupstream = \"reports\"\n[[routes]]\npath = \"/files\"\nupstream = \"unix:/run/files.sock\"\n\
                  [[routes]]\npath = \"/\"\n";
    world.place.file("claviger.toml", &format!("[store]\nurl = \"sqlite://claviger.db\"\n{routes}"));
    for (path, upstream, name, timeout) in [
        ("/reports", "https://a, https://b", json!("reports"), "5m"),
        ("/files", "unix:/run/files.sock", json!(null), "1m"),
        ("/", "http://127.0.0.1:3000", json!(null), "1m"),
    ] {
        let (code, told) = world.test(&["GET", path]);
        assert_eq!((code, &told["sent"]["upstream"], &told["route"]["upstream"]), (0, &json!(upstream), &name), "{path}");
        assert_eq!(told["route"]["response_timeout"], timeout, "{path}");
    }
    let people = world.run(&["GET", "/reports"]);
    assert!(people.out.contains("GET /reports to https://a, https://b, with a token"), "{}", people.out);
}
