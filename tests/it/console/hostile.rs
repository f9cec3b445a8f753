//! Text that would like to be more than text, and pages that would like to be shown inside others.

use serde_json::json;

use super::browser::Browser;
use crate::admin::client::Api;
use crate::support::server::Server;

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}";

#[test]
fn what_people_have_written_is_shown_as_they_have_written_it_and_never_as_a_part_of_the_page() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    let key = api.made("/keys", &json!({"name": HOSTILE, "description": HOSTILE, "groups": [HOSTILE]}));
    let id = key["id"].as_str().unwrap();
    for path in [
        "/keys".to_owned(),
        format!("/keys/{id}"),
        format!("/keys/{id}/groups"),
        format!("/keys/{id}/edit"),
        format!("/keys/{id}/audit"),
        format!("/keys/{id}/revoke"),
        "/keys?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(),
    ] {
        let page = browser.page(&path);
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{path}: {page}");
        assert!(page.contains("&lt;script&gt;alert"), "{path}: {page}");
    }
}

#[test]
fn browsers_are_told_to_take_nothing_that_is_no_file_of_this_listener_and_to_show_no_page_inside_another() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    for path in ["/", "/keys", "/sign-in", "/no-such-page", "/assets/x/console.js"] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cross-origin-opener-policy", "same-origin")]
        {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let text = answer.text();
        assert!(!text.contains(" style=") && !text.contains(" onclick=") && !text.contains("<style"), "{path}");
        assert!(!text.contains("http://") && !text.contains("https://") || path.starts_with("/assets"), "{path}: {text}");
    }
    assert!(!browser.page("/").contains("<script>"), "no script stands in a page");
}

#[test]
fn the_api_is_where_it_was_and_answers_programs_as_before() {
    let server = Server::start();
    let api = Api::of_root(&server);
    assert_eq!(api.get("/whoami").status, 200);
    let browser = Browser::at(&server);
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/keys", 405, "method_not_allowed"),
        ("GET", "/api/v1/nowhere", 404, "not_found"),
    ] {
        let key = format!("Bearer {}", api.key.as_deref().unwrap());
        let answer = browser.send(method, path, &[("Accept", "application/json"), ("Authorization", &key)], "");
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}");
        assert!(answer.header("x-request-id").is_some(), "{method} {path}");
    }
}
