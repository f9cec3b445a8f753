//! One field for everything that has a name.

use serde_json::json;

use super::browser::{Browser, encoded};
use crate::admin::client::Api;
use crate::support::server::{Server, Setup};

#[test]
fn a_policy_is_found_wherever_it_lies_by_whoever_may_see_policies() {
    let server = Setup::new().policies([("lies-in-a-file.rego", "package spacelift\n\nallow if false\n")]).start();
    let api = Api::of_root(&server);
    api.made("/policies", &json!({"name": "lies-in-the-store", "source": "package spacelift\n\nallow if false\n"}));
    let found = Browser::signed_in(&server, api.key.as_deref().unwrap()).page("/search?q=lies-in");
    for name in ["lies-in-a-file", "lies-in-the-store"] {
        assert!(found.contains(&format!("href=\"/policies/of?name={name}\"")), "{name}: {found}");
    }
    api.made("/spaces", &json!({"id": "mine", "parent": "root"}));
    let admin = Browser::signed_in(&server, &server.key("admin", &["--bind", "space-admin@mine"]).text);
    assert!(admin.page("/search?q=lies-in").contains("Nothing is called that."));
}

#[test]
fn everything_of_a_name_is_found_and_the_very_name_goes_first() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    for id in ["a-prod", "b-prod", "prod", "other"] {
        api.made("/spaces", &json!({"id": id, "name": id, "parent": "root"}));
    }
    for number in 0..12 {
        api.made("/groups", &json!({"name": format!("prod team {number}")}));
        api.made("/keys", &json!({"name": format!("my-prod-{number}")}));
    }
    let id = api.made("/keys", &json!({"name": "prod"}))["id"].as_str().unwrap().to_owned();
    api.made("/roles", &json!({"id": "producer", "name": "Producer", "actions": ["run:read"]}));
    let page = browser.page("/search?q=prod");
    let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}: {page}"));
    assert!(at("href=\"/spaces/prod\"") < at("href=\"/spaces/a-prod\""));
    assert!(at(&format!("href=\"/keys/{id}\"")) < at("my-prod-0"));
    at("href=\"/roles/producer\"");
    at("href=\"/groups?q=prod\"");
    at("href=\"/keys?q=prod&amp;state=any\"");
    assert!(!page.contains("/spaces/other"), "{page}");
    assert!(browser.page(&format!("/search?q={id}")).contains("prod</a>"), "a key by its id");
    let hostile = browser.page(&format!("/search?q={}", encoded("<script>alert(1)</script>")));
    assert!(hostile.contains("Nothing is called that.") && !hostile.contains("<script>alert"), "{hostile}");
    assert!(browser.page("/search").contains("Enter a part"));
}
