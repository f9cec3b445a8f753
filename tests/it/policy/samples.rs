//! `sample` in a policy of a running server, and the command line beside it as another process.

use serde_json::{Value, json};

use crate::support::http;
use crate::support::place::Place;
use crate::support::server::{Server, Setup};

/// In force: pipelines deploy from anywhere. It tells two networks apart, so that an answer for one is none for the other.
const IN_FORCE: &str = r#"package spacelift

allow if input.session.member

roles["production"]["deployer"] if startswith(input.session.login, "ci-")

team contains "inside" if net.cidr_contains("10.0.0.0/8", input.request.remote_ip)

sample if input.session.login == "ci-x"
"#;

/// Proposed: only from inside.
const PROPOSED: &str = r#"package spacelift

allow if input.session.member

roles["production"]["deployer"] if {
	startswith(input.session.login, "ci-")
	net.cidr_contains("10.0.0.0/8", input.request.remote_ip)
}
"#;

/// A server that was asked by `ci-x` from inside and from outside, and by a key that nobody wants kept.
fn asked() -> Server {
    let server = Setup::new().policies([("pipelines.rego", IN_FORCE)]).start();
    server.make_spaces();
    let (wanted, other) = (server.key("ci-x", &[]).text, server.key("ci-y", &[]).text);
    for (key, address) in [(&other, "192.0.2.7"), (&wanted, "10.1.2.3"), (&wanted, "192.0.2.7"), (&wanted, "192.0.2.8")] {
        assert_eq!(server.get_from(key, address).status, 200);
    }
    server
}

fn list(server: &Server) -> Vec<Value> {
    server.run(&["policy", "sample", "list"]).as_array().unwrap().clone()
}

#[test]
fn a_request_that_a_policy_wants_kept_is_listed_shown_simulated_and_given_up() {
    let server = asked();
    server.until("the samples", |server| list(server).len() >= 2);

    // The second request from outside was answered from memory.
    let kept = list(&server);
    let addresses: Vec<&Value> = kept.iter().map(|sample| &sample["input"]["request"]["remote_ip"]).collect();
    assert_eq!(addresses, ["192.0.2.7", "10.1.2.3"], "newest first");
    assert_eq!(
        (&kept[0]["key"]["name"], &kept[0]["answer"]["decision"], &kept[0]["answer"]["code"]),
        (&json!("ci-x"), &json!("allow"), &json!("ok"))
    );
    assert_eq!(kept[0]["answer"]["verdicts"][0]["sample"], true);
    let (outside, inside) = (kept[0]["id"].to_string(), kept[1]["id"].to_string());
    assert_eq!(server.run(&["policy", "sample", "show", &outside]), kept[0]);

    let proposed = server.dir().join("pipelines.rego");
    std::fs::write(&proposed, PROPOSED).unwrap();
    let simulate = |more: &[&str]| server.run(&[&["policy", "simulate", "--file", proposed.to_str().unwrap()], more].concat());
    let one = &simulate(&["--sample", &outside])["simulations"][0];
    assert_eq!((&one["sample"], &one["ip"]), (&kept[0]["id"], &json!("192.0.2.7")));
    assert_eq!(
        (&one["before"]["code"], &one["after"]["code"], &one["difference"]["cut_off"]),
        (&json!("ok"), &json!("no_roles"), &json!(true))
    );
    assert_eq!(one["difference"]["lost"], json!([{ "space": "production", "role": "deployer" }]));
    let of_inside = &simulate(&["--sample", &inside])["simulations"][0];
    assert_eq!(of_inside["difference"]["lost"], json!([]));
    assert_eq!(of_inside["result"]["roles"], json!([{ "space": "production", "role": "deployer", "lines": [5] }]));

    let all = simulate(&["--all-samples"]);
    assert_eq!(all["simulations"].as_array().unwrap().len(), 2);
    let expected = json!({ "samples": 2, "keys": 1, "changed": 2, "cut_off": 1, "let_in": 0, "gain": 0, "lose": 1 });
    assert_eq!(all["summary"], expected, "and one loses a group");

    assert_eq!(server.run(&["policy", "sample", "clear"]), json!({ "cleared": 2 }));
    assert_eq!(list(&server), [Value::Null; 0]);
    let told = server.run(&["audit", "--action", "sample.clear"]);
    assert_eq!((&told[0]["after"], &told[0]["revision"]), (&json!({ "cleared": 2 }), &Value::Null), "{told}");
    assert!(told[0]["actor"].as_str().unwrap().starts_with("operator::"), "{told}");
}

#[test]
fn what_was_taken_before_the_end_is_kept() {
    let mut server = asked();

    server.signal("TERM");

    assert!(server.wait().success());
    assert_eq!(list(&server).len(), 2);
}

#[test]
fn a_policy_that_wants_everything_kept_refuses_nobody_and_fills_no_store() {
    // Every address is another answer, so that nothing is answered from memory.
    let everything = "package spacelift\n\nallow if true\n\nroles[\"production\"][\"deployer\"] if true\n\n\
                      team contains input.request.remote_ip\n\nsample if true\n";
    let server = Setup::new().policies([("everything.rego", everything)]).start();
    server.make_spaces();
    let key = server.key("ci", &[]).text;

    for number in 0..250 {
        assert_eq!(server.get_from(&key, &format!("10.0.0.{number}")).status, 200);
    }

    let counted = |server: &Server, result: &str| -> usize {
        let metrics = http::get(server.ops(), "/metrics", &[]).text();
        let series = format!("claviger_policy_samples_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    };
    let all = ["kept", "too_many", "failed"];
    server.until("every request to be counted", |server| all.iter().map(|result| counted(server, result)).sum::<usize>() == 250);
    let kept = counted(&server, "kept");
    assert!(kept > 0);
    assert_eq!(list(&server).len(), kept.min(100), "ten a second, and how fast the machine is nobody knows");
}

#[test]
fn a_sample_that_is_not_there_is_refused_and_none_at_all_changes_nothing() {
    let place = Place::new();
    place.file("pipelines.rego", PROPOSED);
    place.json(&["space", "create", "production"]);

    assert!(place.refused(&["policy", "sample", "show", "7"]).contains("there is no sample 7"));
    assert!(place.misunderstood(&["policy", "sample", "show", "x"]).contains("a sample has a number"));
    assert!(place.refused(&["policy", "simulate", "--file", "pipelines.rego", "--sample", "7"]).contains("there is no sample 7"));
    place.misunderstood(&["policy", "simulate", "--file", "pipelines.rego", "--sample", "7", "--all-samples"]);
    place.misunderstood(&["policy", "simulate", "--file", "pipelines.rego", "--sample", "7", "--ip", "10.1.2.3"]);
    let none = place.run(&["policy", "simulate", "--file", "pipelines.rego", "--all-samples"]);
    assert_eq!(none.code, 0, "{}", none.err);
    assert!(none.out.contains("samples  0, of 0 keys\n") && none.err.contains("no request is kept"), "{}{}", none.out, none.err);
    assert_eq!(place.json(&["policy", "sample", "clear"]), json!({ "cleared": 0 }));
}

#[test]
fn a_sample_of_a_key_that_was_revoked_since_shows_that_nothing_changes_for_it() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["role", "create", "deployer", "--action", "run:trigger"]);
    place.json(&["key", "create", "--name", "ci-x"]);
    place.keep_request("ci-x", "10.1.2.3");
    place.json(&["key", "revoke", "ci-x"]);
    place.file("pipelines.rego", PROPOSED);

    let run = place.run(&["policy", "simulate", "--file", "pipelines.rego", "--all-samples"]);

    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.contains("changed  0: 0 cut off, 0 let in, 0 gain roles, 0 lose roles\n"), "{}", run.out);
}
