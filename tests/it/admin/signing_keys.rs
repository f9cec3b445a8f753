//! A roll of the signing keys over HTTP.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::client::Api;
use crate::support::http;
use crate::support::server::Server;

/// The key that has signed what the upstream gets for this key.
fn signer(server: &Server, key: &str) -> String {
    let answer = server.get(key);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let header = answer["token"].as_str().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn published(server: &Server) -> Vec<String> {
    let keys = http::get(server.ops(), "/.well-known/jwks.json", &[]).json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn states(root: &Api) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = root.get("/signing-keys").json()["items"].clone();
    items.as_array().unwrap().iter().map(|key| (text(&key["kid"]), text(&key["state"]))).collect()
}

#[test]
fn each_step_of_a_roll_is_in_force_when_it_is_answered_and_stands_in_the_audit() {
    let server = Server::with_spaces();
    let root = Api::of_root(&server);
    let key = server.key("ci", &["--bind", "deployer@production"]).text;
    let old = signer(&server, &key);
    let named = |kid: &str, state: &str| (kid.to_owned(), state.to_owned());
    assert_eq!(states(&root), [named(&old, "current")]);
    let step = |kid: &str, verb: &str, force: bool| root.post(&format!("/signing-keys/{kid}/{verb}"), &json!({ "force": force }));

    let made = root.post("/signing-keys", &json!({}));
    assert_eq!(made.status, 201, "{}", made.text());
    let next = made.json()["kid"].as_str().unwrap().to_owned();
    assert_eq!((made.json()["state"].as_str(), made.json()["algorithm"].as_str()), (Some("next"), Some("ES256")), "{}", made.text());
    assert!(published(&server).contains(&next), "it is in the JWKS before it signs");
    assert_eq!(signer(&server, &key), old);
    let file = server.dir().join("keys").join(format!("{next}.pem"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(root.post("/signing-keys", &json!({})).code(), "exists", "there is one next key at a time");

    let early = step(&next, "activate", false);
    assert_eq!((early.status, early.code().as_str()), (409, "too_early"), "{}", early.text());
    assert!(early.json()["detail"].as_str().unwrap().contains("\"force\": true"), "{}", early.text());
    assert_eq!(signer(&server, &key), old);
    assert_eq!(step(&next, "activate", true).json()["state"], "current");
    assert_eq!(signer(&server, &key), next, "of tokens that were kept, too");
    assert_eq!(states(&root), [named(&next, "current"), named(&old, "retiring")]);
    assert_eq!(published(&server), [&*next, &*old], "what it has signed still verifies");
    assert_eq!(server.metric("claviger_signing_keys{state=\"retiring\"}"), 1);
    let listed = server.run(&["token", "keys", "list"]);
    assert!(
        listed.as_array().unwrap().iter().any(|key| key["kid"] == *next && key["state"] == "current"),
        "a restart finds the same: {listed}"
    );

    assert_eq!(step(&next, "retire", true).code(), "in_use", "the one that signs");
    assert_eq!(step(&old, "retire", false).code(), "too_early");
    assert_eq!(step("no-such-key", "retire", true).code(), "not_found");
    let gone = step(&old, "retire", true);
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert_eq!((states(&root), published(&server)), (vec![named(&next, "current")], vec![next.clone()]));

    let other = root.made("/signing-keys", &json!({ "algorithm": "EdDSA" }))["kid"].as_str().unwrap().to_owned();
    let refused = step(&other, "activate", true);
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "no start would take it: {}", refused.text());

    let reader = root.made("/keys", &json!({ "name": "reader", "bindings": [{ "role": "space-admin", "space": "production" }] }));
    let reader = root.with_key(reader["key"].as_str().unwrap());
    assert_eq!(reader.post("/signing-keys", &json!({})).code(), "forbidden");
    let audit = root.get("/audit?action=signing-key.&limit=50");
    let entries = audit.json()["items"].clone();
    let told: Vec<(String, Value)> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (format!("{} {}", entry["action"].as_str().unwrap(), entry["resource"].as_str().unwrap()), entry["refused"].clone()))
        .collect();
    let expected = [
        ("signing-key.publish next".to_owned(), json!("forbidden")),
        (format!("signing-key.activate {other}"), json!("invalid")),
        (format!("signing-key.publish {other}"), Value::Null),
        (format!("signing-key.retire {old}"), Value::Null),
        ("signing-key.retire no-such-key".to_owned(), json!("not_found")),
        (format!("signing-key.retire {old}"), json!("too_early")),
        (format!("signing-key.retire {next}"), json!("in_use")),
        (format!("signing-key.activate {next}"), Value::Null),
        (format!("signing-key.activate {next}"), json!("too_early")),
        ("signing-key.publish next".to_owned(), json!("exists")),
        (format!("signing-key.publish {next}"), Value::Null),
    ];
    assert_eq!(told, expected);
    let retired = entries.as_array().unwrap().iter().find(|entry| entry["request_id"] == gone.header("x-request-id").unwrap()).unwrap();
    assert_eq!((&retired["before"]["state"], &retired["after"]), (&json!("retiring"), &Value::Null), "{retired}");
    assert!(retired["actor"].as_str().unwrap().starts_with("api::") && retired["remote_ip"] == "127.0.0.1", "{retired}");
    assert!(!audit.text().contains("PRIVATE"), "{}", audit.text());
    assert!(server.try_run(&["audit", "verify"]).status.success());
}

#[test]
fn what_the_configuration_names_is_not_changed_over_http() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let kid = states(&root)[0].0.clone();
    let config = std::fs::read_to_string(server.config()).unwrap();
    std::fs::write(server.config(), config.replace("keys = \"keys\"", &format!("keys = \"keys\"\nactive = \"{kid}\""))).unwrap();
    server.signal("HUP");

    let publish = || root.post("/signing-keys", &json!({}));
    // What is published before the reload is taken away again.
    server.until("the configuration to be in force", |_| {
        let answer = publish();
        if answer.status == 201 {
            root.post(&format!("/signing-keys/{}/retire", answer.json()["kid"].as_str().unwrap()), &json!({}));
        }
        answer.code() == "signing_keys_fixed"
    });

    let answer = publish();
    assert_eq!(answer.status, 409);
    assert!(
        answer.json()["detail"].as_str().unwrap().contains(&format!("token.active names the key that signs, {kid}")),
        "{}",
        answer.text()
    );
    for verb in ["activate", "retire"] {
        assert_eq!(root.post(&format!("/signing-keys/{kid}/{verb}"), &json!({ "force": true })).code(), "signing_keys_fixed", "{verb}");
    }
    assert_eq!(states(&root)[0], (kid, "current".to_owned()), "it can still be seen");
}
