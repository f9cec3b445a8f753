//! The life of a serving process: first key, readiness, reload, signals, kill -9.

use serde_json::Value;

use crate::support::http;
use crate::support::server::{Server, Setup};

fn generate() -> Value {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_claviger")).args(["key", "generate", "-o", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_first_root_admin_key_comes_from_the_environment() {
    let key = generate()["key"].as_str().unwrap().to_owned();
    let server = Setup::new().environment("CLAVIGER_BOOTSTRAP_KEY", &key).start();

    assert_eq!(server.roles(&key), serde_json::json!({ "root": ["space-admin"] }));
    assert!(!server.log().contains(&key));
}

#[test]
fn a_ready_server_says_so_and_a_metric_scraper_is_content() {
    let server = Server::start();

    assert_eq!(http::get(server.ops(), "/livez", &[]).status, 200);
    let ready = http::get(server.ops(), "/readyz?verbose", &[]);
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert!(http::get(server.ops(), "/metrics", &[]).text().contains("claviger_build_info"));
}

#[test]
fn the_last_root_admin_cannot_be_locked_out() {
    let server = Server::start();

    let refused = server.try_run(&["key", "revoke", "root-admin"]);

    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn a_terminated_server_ends_well_and_what_it_acknowledged_is_there_at_the_next_start() {
    let mut server = Server::with_spaces();
    server.key("ci", &["--bind", "deployer@production"]);

    server.signal("TERM");

    assert!(server.wait().success(), "{}", server.log());
    assert_eq!(server.run(&["key", "show", "ci"])["name"], "ci");
}

#[test]
fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let mut server = Server::with_spaces();
    let mut names = Vec::new();
    for number in 0..10 {
        names.push(format!("key-{number}"));
        server.key(&names[number], &[]);
    }

    server.signal("KILL");
    server.wait();

    for name in names {
        assert_eq!(server.run(&["key", "show", &name])["name"], name);
    }
}

#[test]
fn a_broken_policy_file_leaves_the_old_policies_in_force_and_is_told() {
    let server = Setup::new().policies([("deny.rego", "package spacelift\n\ndeny if input.session.login == \"ci\"\n")]).start();
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    assert_eq!(server.get(&key.text).code(), "denied");

    std::fs::write(server.dir().join("policies/deny.rego"), "package spacelift\n\ndeny if {\n").unwrap();
    server.signal("HUP");
    server.until("the complaint", |server| server.log().contains("deny.rego"));
    assert_eq!(server.get(&key.text).code(), "denied");

    std::fs::write(server.dir().join("policies/deny.rego"), "package spacelift\n\ndeny if input.session.login == \"other\"\n").unwrap();
    server.until("the new policy", |server| server.get(&key.text).status == 200);
}
