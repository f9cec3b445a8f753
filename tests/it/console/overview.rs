//! The first page: what somebody may want to look at.

use serde_json::json;

use super::browser::Browser;
use crate::admin::client::Api;
use crate::support::server::Server;

#[test]
fn keys_that_end_soon_and_groups_that_nobody_is_in_stand_on_the_first_page() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    let page = browser.page("/");
    assert!(page.contains("Nothing stands out.") && !page.contains("were looked at"), "{page}");

    for number in 0..7 {
        server.key(&format!("ending-{number}"), &["--expires", &format!("{}d", 13 - number)]);
    }
    server.key("later", &["--expires", "15d"]);
    let id = api.made("/keys", &json!({"name": "alive", "groups": ["peopled"]}))["id"].as_str().unwrap().to_owned();
    for group in ["peopled", "left"] {
        api.made("/bindings", &json!({"subject": {"group": group}, "role": "space-reader", "space": "root"}));
    }
    let page = browser.page("/");
    let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}: {page}"));
    // The next one to end goes first.
    assert!(at(">ending-6<") < at(">ending-5<") && at(">ending-5<") < at(">ending-2<"), "{page}");
    at("and 2 more");
    at("name=left\"");
    for other in [">ending-1<", ">later<", "name=peopled", id.as_str()] {
        assert!(!page.contains(other), "{other}: {page}");
    }
}
