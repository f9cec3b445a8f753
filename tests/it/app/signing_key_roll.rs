//! A roll of the signing key under a running server: what the old and the new key have signed verifies, by an independent library, until
//! the old key is withdrawn.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::http;
use crate::support::pyjwt;
use crate::support::server::Server;

/// What `PyJWT` says to these tokens, by what the ops listener publishes and nothing else.
fn verify(server: &Server, tokens: &[&str]) -> Result<Vec<Value>, String> {
    let discovery = http::get(server.ops(), "/.well-known/openid-configuration", &[]).json();
    let jwks = http::get(server.ops(), "/.well-known/jwks.json", &[]).json();
    pyjwt::verify(&json!({ "jwks": jwks, "issuer": discovery["issuer"], "audience": "upstream", "algorithm": "ES256", "tokens": tokens }))
}

fn published(server: &Server) -> usize {
    http::get(server.ops(), "/.well-known/jwks.json", &[]).json()["keys"].as_array().unwrap().len()
}

fn token(server: &Server, key: &str) -> String {
    let answer = server.get(key);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["token"].as_str().unwrap().to_owned()
}

fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[test]
fn old_and_new_tokens_verify_through_a_roll_and_a_withdrawn_key_takes_its_cached_tokens_along() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]).text;
    let old = token(&server, &key);
    assert_eq!(verify(&server, &[&old]).unwrap()[0]["roles"], json!({ "production": ["deployer"] }));

    let published_key = server.run(&["token", "keys", "publish"]);
    let next = published_key["kid"].as_str().unwrap();
    server.until("the next key to be published", |server| published(server) == 2);
    assert_eq!(kid(&token(&server, &key)), kid(&old), "a key that is only published does not sign");

    let refused = server.try_run(&["token", "keys", "activate", next]);
    assert_eq!(refused.status.code(), Some(1), "verifiers may not know it yet: {refused:?}");
    server.run(&["token", "keys", "activate", next, "--now"]);
    server.until("a token of the new key", |server| kid(&token(server, &key)) == next);
    let new = token(&server, &key);
    let claims = verify(&server, &[&old, &new]).unwrap();
    assert_eq!(claims[0]["sub"], claims[1]["sub"]);

    let keys = server.run(&["token", "keys", "list"]);
    let retiring = keys.as_array().unwrap().iter().find(|key| key["kid"] != next).unwrap()["kid"].as_str().unwrap().to_owned();
    let refused = server.try_run(&["token", "keys", "retire", &retiring]);
    assert_eq!(refused.status.code(), Some(1), "its tokens may still live: {refused:?}");

    server.run(&["token", "keys", "retire", &retiring, "--now"]);
    server.until("the old key to be gone", |server| published(server) == 1);
    assert!(verify(&server, &[&old]).is_err(), "a withdrawn key verifies nothing");
    verify(&server, &[&token(&server, &key)]).unwrap();
}
