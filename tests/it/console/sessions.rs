//! Signing in, and all that ends a session.

use serde_json::json;

use super::browser::{Browser, form};
use crate::admin::client::Api;
use crate::support::postgres::{Database, shared};
use crate::support::server::{Server, Setup};

/// Something done to the key of this id.
type Change = fn(&Api, &str);

/// Where somebody is sent who has not signed in.
fn is_sent_away(browser: &Browser) -> bool {
    let answer = browser.get("/keys");
    answer.status == 303 && answer.header("location") == Some("/sign-in?next=%2Fkeys")
}

#[test]
fn whoever_has_not_signed_in_sees_no_page_and_comes_to_the_one_they_wanted_afterwards() {
    let server = Server::start();
    let key = server.key("root", &["--bind", "space-admin@root"]).text;
    let mut browser = Browser::at(&server);
    for path in ["/", "/keys", "/keys/new", "/in-force?revision=1"] {
        let answer = browser.get(path);
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        assert!(answer.header("location").unwrap().starts_with("/sign-in"), "{path}");
    }
    assert_eq!(browser.post("/keys/new", &[("name", "x")]).status, 303, "and changes nothing");
    let door = browser.page("/sign-in?next=%2Fkeys%3Fq%3Da%2520b");
    let form = form(&door, "/sign-in");
    assert_eq!(form.fields.iter().find(|(name, _)| name == "next").unwrap().1, "/keys?q=a%20b");
    let answer = browser.post("/sign-in", &[("key", &key), ("next", "/keys?q=a%20b")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/keys?q=a%20b")));
    for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let answer = browser.post("/sign-in", &[("key", &key), ("next", elsewhere)]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{elsewhere}");
    }
    assert_eq!(browser.sign_in(&key).status, 303);
    assert!(browser.page("/").contains("Overview"));
}

#[test]
fn a_cookie_is_for_this_listener_alone_and_neither_it_nor_the_key_stands_in_the_log() {
    let server = Server::start();
    let key = server.key("root", &["--bind", "space-admin@root"]).text;
    let mut browser = Browser::at(&server);
    let answer = browser.sign_in(&key);
    let cookie = answer.header("set-cookie").unwrap();
    let value = cookie.strip_prefix("claviger=").unwrap().split(';').next().unwrap();
    assert_eq!(value.len(), 43, "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    browser.page("/keys");
    let log = server.log();
    assert!(!log.contains(value) && !log.contains(&key), "{log}");
}

#[test]
fn a_session_ends_when_it_is_signed_out_and_its_cookie_opens_nothing_afterwards() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    let other = browser.clone();
    let page = browser.page("/keys");
    let out = form(&page, "/sign-out");
    assert_eq!(browser.post("/sign-out", &[]).status, 403, "nobody else signs somebody out");
    assert!(!is_sent_away(&browser));
    let answer = browser.submit(&out, &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in")));
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(is_sent_away(&other), "the cookie was copied before");
}

#[test]
fn a_session_ends_with_any_change_of_its_key() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let changes: [(&str, Change); 5] = [
        ("rotate", |api, id| assert_eq!(api.post(&format!("/keys/{id}/rotate"), &json!({"grace_seconds": 3600})).status, 200)),
        ("disable", |api, id| assert_eq!(api.post(&format!("/keys/{id}/disable"), &json!({})).status, 200)),
        ("rename", |api, id| assert_eq!(api.patch(&format!("/keys/{id}"), &json!({"name": "another"})).status, 200)),
        ("groups", |api, id| assert_eq!(api.patch(&format!("/keys/{id}"), &json!({"groups": ["g"]})).status, 200)),
        ("revoke", |api, id| assert_eq!(api.delete(&format!("/keys/{id}")).status, 204)),
    ];
    for (what, change) in changes {
        let made = api.made("/keys", &json!({"name": what, "bindings": [{"role": "space-admin", "space": "root"}]}));
        let browser = Browser::signed_in(&server, made["key"].as_str().unwrap());
        assert!(!is_sent_away(&browser), "{what}");
        change(&api, made["id"].as_str().unwrap());
        assert!(is_sent_away(&browser), "{what}");
    }
}

#[test]
fn a_session_is_known_at_every_control_plane_that_shares_the_store_and_ends_at_all_of_them() {
    let database = Database::with_store(shared());
    let one = Setup::new().store(&database.url()).start();
    let other = Setup::new().store(&database.url()).start();
    let browser = Browser::of_root(&one);
    let elsewhere = Browser { address: other.admin(), cookie: browser.cookie.clone() };
    assert!(elsewhere.page("/keys").contains("root"));
    let out = form(&elsewhere.page("/keys"), "/sign-out");
    assert_eq!(elsewhere.submit(&out, &[]).status, 303);
    assert!(is_sent_away(&browser) && is_sent_away(&elsewhere));
}

#[test]
fn a_key_that_works_for_nobody_or_manages_nothing_signs_nobody_in_and_guessing_is_slowed() {
    let server = Server::start();
    let mut browser = Browser::at(&server);
    let nothing = server.key("app", &["--bind", "space-reader@root"]).text;
    let answer = browser.sign_in(&nothing);
    assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{}", answer.text());
    for wrong in ["", "x", "clv_wrong", &"a".repeat(600)] {
        let answer = browser.sign_in(wrong);
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{wrong}: {}", answer.text());
        assert!(!answer.text().contains("clv_wrong"));
    }
    let statuses: Vec<u16> = (0..40).map(|number| browser.sign_in(&format!("guess-{number}")).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    // Whoever has guessed so often is not told whether the next one works, here or at the API.
    let root = server.key("root", &["--bind", "space-admin@root"]).text;
    assert_eq!(browser.sign_in(&root).status, 429);
    let api = Api { address: server.admin(), key: Some(root) };
    assert_eq!(api.get("/whoami").status, 429);
}

#[test]
fn the_audit_tells_who_has_signed_in_and_out() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    browser.submit(&form(&browser.page("/"), "/sign-out"), &[]);
    let entries = api.get("/audit?action=session.").json();
    let told: Vec<&str> = entries["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(told, ["session.end", "session.begin"], "{entries}");
}

#[test]
fn a_form_is_taken_from_a_page_of_its_own_session_alone() {
    let server = Server::start();
    let (browser, other) = (Browser::of_root(&server), Browser::signed_in(&server, &server.key("b", &["--bind", "space-admin@root"]).text));
    let own = form(&browser.page("/keys/new"), "/keys/new");
    let token = own.fields.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    let foreign = form(&other.page("/keys/new"), "/keys/new").fields.into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    assert_ne!(token, foreign);
    let entered = |token: &str| {
        [("csrf".to_owned(), token.to_owned()), ("name".to_owned(), "made".to_owned()), ("expires".to_owned(), "30d".to_owned())]
    };
    let send = |token: &str, headers: &[(&str, &str)]| {
        let fields = entered(token);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post_with("/keys/new", &fields, headers).status
    };
    assert_eq!(send("", &[]), 403);
    assert_eq!(send(&foreign, &[]), 403);
    for from in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "http://evil.example"), ("Origin", "null")] {
        assert_eq!(send(&token, &[from]), 403, "{from:?}");
    }
    assert!(!browser.page("/keys").contains("made"));
    assert_eq!(send(&token, &[("Sec-Fetch-Site", "same-origin")]), 200);
    assert!(browser.page("/keys").contains("made"));
}
