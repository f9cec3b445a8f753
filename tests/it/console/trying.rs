//! What a key holds, looked at by whoever has its text.

use serde_json::json;

use super::browser::Browser;
use crate::admin::client::Api;
use crate::support::server::{Server, Setup};

const POLICY: &str = "package spacelift\n\ndeny if input.session.login == \"barred\"\n\nroles[\"production\"][\"deployer\"] if input.session.login == \"ci\"\n";

/// With a policy, a role and a space.
fn server() -> Server {
    let server = Setup::new().policies([("roles.rego", POLICY)]).start();
    server.make_spaces();
    server
}

fn tried(browser: &Browser, key: &str) -> String {
    let answer = browser.post("/try", &[("key", key)]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("set-cookie").is_none(), "nobody has signed in");
    let page = answer.text();
    assert!(!page.contains(key), "its text is not shown: {page}");
    page
}

#[test]
fn whoever_has_a_key_sees_what_it_holds_without_signing_in_and_without_using_it() {
    let server = Server::with_spaces();
    let api = Api::of_root(&server);
    let key = server.key("ci", &["--bind", "deployer@production"]).text;
    let id = key.split('_').nth(1).unwrap().to_owned();
    let page = tried(&Browser::at(&server), &key);
    for part in ["ci</h2>", &id, "badge good\">active", "Let in.", "deployer", "run:trigger", "127.0.0.1"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let record = api.get(&format!("/keys/{id}")).json();
    assert_eq!(record["last_used_at"], json!(null), "{record}");
    let audit = api.get(&format!("/audit?resource={id}")).json();
    assert_eq!(audit["items"].as_array().unwrap().len(), 1, "nothing but that it was made: {audit}");
    assert!(!server.log().contains(&key), "it is not logged");
}

#[test]
fn a_key_that_does_not_work_shows_its_state_and_nothing_of_what_it_held() {
    let server = Server::with_spaces();
    let api = Api::of_root(&server);
    let browser = Browser::at(&server);
    let text = server.key("ci", &["--bind", "deployer@production"]).text;
    let id = text.split('_').nth(1).unwrap().to_owned();
    let does = |verb: &str| assert_eq!(api.post(&format!("/keys/{id}/{verb}"), &json!({})).status / 100, 2, "{verb}");
    does("disable");
    let page = tried(&browser, &text);
    assert!(page.contains("disabled") && !page.contains("deployer"), "{page}");
    does("enable");
    let new = api.post(&format!("/keys/{id}/rotate"), &json!({"grace_seconds": 0})).json()["key"].as_str().unwrap().to_owned();
    let page = tried(&browser, &text);
    assert!(page.contains("another secret now") && !page.contains("deployer"), "{page}");
    assert!(tried(&browser, &new).contains("deployer"));
    does("revoke");
    let page = tried(&browser, &new);
    assert!(page.contains("revoked") && !page.contains("deployer"), "{page}");
    for nobodys in ["clv_01m83thf00000000000000000_nothing", "x", "<script>alert(1)</script>"] {
        assert!(tried(&browser, nobodys).contains("No key has this text."), "{nobodys}");
    }
}

#[test]
fn whoever_guesses_is_slowed_as_where_somebody_signs_in() {
    let server = Server::start();
    let mut browser = Browser::at(&server);
    let statuses: Vec<u16> = (0..40).map(|number| browser.post("/try", &[("key", &format!("guess-{number}"))]).status).collect();
    assert_eq!((statuses[0], statuses[39]), (200, 429), "{statuses:?}");
    assert_eq!(browser.sign_in("guess").status, 429, "the same guesses count at the door");
}

#[test]
fn what_policies_say_is_shown_to_everybody_and_their_lines_to_root_admins_alone() {
    let server = server();
    let api = Api::of_root(&server);
    let root = Browser::signed_in(&server, api.key.as_deref().unwrap());
    let text = server.key("ci", &[]).text;
    for (browser, sees_lines) in [(Browser::at(&server), false), (root.clone(), true)] {
        let page = tried(&browser, &text);
        assert!(page.contains("deployer in production"), "{page}");
        assert_eq!(page.contains("line 5"), sees_lines, "{page}");
    }
    let page = tried(&Browser::at(&server), &server.key("barred", &[]).text);
    assert!(page.contains("badge bad\">deny") && page.contains("Refused"), "{page}");
    assert_eq!(root.get("/keys").status, 200, "whoever tries a key stays who they are");
}

#[test]
fn a_form_from_elsewhere_is_refused() {
    let server = Server::start();
    let answer = Browser::at(&server).post_with("/try", &[("key", "x")], &[("Sec-Fetch-Site", "cross-site")]);
    assert_eq!(answer.status, 403, "{}", answer.text());
}
