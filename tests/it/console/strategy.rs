//! The strategy, and whom another one would concern.

use serde_json::json;

use super::browser::{Browser, form};
use crate::admin::client::Api;
use crate::support::server::Server;

#[test]
fn another_strategy_is_set_after_it_was_said_whom_it_cuts_off() {
    let server = Server::with_spaces();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    let key = api.made("/keys", &json!({ "name": "bound", "bindings": [{ "role": "deployer", "space": "production" }] }));
    let key = key["key"].as_str().unwrap().to_owned();

    let cards = browser.page("/strategy");
    assert!(
        cards.contains("in force") && cards.contains("3 live keys looked at: 1 would be answered otherwise, <strong>1 cut off</strong>"),
        "{cards}"
    );
    assert!(cards.contains("3 live keys looked at: nothing would change."), "{cards}");
    let asked = browser.page("/strategy/set?strategy=login-policies");
    assert!(asked.contains(">bound<") && asked.contains("cut off") && asked.contains("deployer"), "{asked}");
    assert_eq!(server.get(&key).status, 200, "nothing is set by looking");

    let page = browser.done("/strategy/set?strategy=login-policies", "/strategy", &[]);
    assert!(page.contains("data-in-force"), "{page}");
    assert_eq!((api.get("/strategy").json()["strategy"].clone(), server.get(&key).status), (json!("login-policies"), 403));
    assert_eq!(browser.get("/strategy/set?strategy=other").status, 404);
}

#[test]
fn a_choice_that_somebody_else_has_made_meanwhile_stands() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    assert_eq!(api.send("PUT", "/strategy", Some(&json!({ "strategy": "combined" })), &[]).status, 200);
    let stale = form(&browser.page("/strategy/set?strategy=login-policies"), "/strategy");
    assert_eq!(api.send("PUT", "/strategy", Some(&json!({ "strategy": "user-management" })), &[]).status, 200);

    let answer = browser.submit(&stale, &[]);

    assert_eq!(answer.status, 412, "{}", answer.text());
    assert!(answer.text().contains("strategy.set by api::"), "{}", answer.text());
    let again = browser.submit(&form(&answer.text(), "/strategy"), &[]);
    assert_eq!(again.status, 412, "what has come since was not looked at yet: {}", again.text());
    assert_eq!(api.get("/strategy").json()["strategy"], "user-management");
}
