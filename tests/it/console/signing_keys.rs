//! A roll of the signing keys in a browser.

use super::browser::{Browser, form};
use crate::support::http;
use crate::support::server::Server;

fn published(server: &Server) -> Vec<String> {
    let keys = http::get(server.ops(), "/.well-known/jwks.json", &[]).json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_next_key_is_published_activated_and_the_old_one_retired() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    let old = published(&server).pop().unwrap();
    assert!(browser.page("/signing-keys").contains(&old));
    let page = browser.done("/signing-keys", "/signing-keys", &[]);
    assert!(page.contains("The next key is published"), "{page}");
    let next = published(&server).into_iter().find(|kid| *kid != old).unwrap();
    assert!(!page.contains("action=\"/signing-keys\""), "there is one next key at a time: {page}");

    let activate = format!("/signing-keys/{next}/activate");
    let early = browser.fill_in(&activate, &activate, &[]);
    assert_eq!(early.status, 409, "{}", early.text());
    assert!(early.text().contains("verifiers may not know it before"), "{}", early.text());
    let page = browser.done(&activate, &activate, &[("force", "yes")]);
    assert!(page.contains("The key signs from now on"), "{page}");

    let retire = format!("/signing-keys/{old}/retire");
    assert_eq!(browser.fill_in(&retire, &retire, &[]).status, 409, "its tokens live");
    browser.done(&retire, &retire, &[("force", "yes")]);
    assert_eq!(published(&server), std::slice::from_ref(&next));
    let stay = format!("/signing-keys/{next}/retire");
    assert_eq!(browser.fill_in(&stay, &stay, &[("force", "yes")]).status, 409, "it signs");
    assert_eq!(browser.get("/signing-keys/none/activate").status, 404);
    let audit = browser.page("/audit?action=signing-key.");
    for step in ["publish", "activate", "retire"] {
        assert!(audit.contains(&format!("signing-key.{step}")), "{step}: {audit}");
    }
}

#[test]
fn a_form_of_another_session_changes_no_signing_key() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    let form = form(&browser.page("/signing-keys"), "/signing-keys");
    let other = Browser::signed_in(&server, &server.key("other", &["--bind", "space-admin@root"]).text);
    assert_eq!(other.submit(&form, &[]).status, 403);
    assert_eq!(published(&server).len(), 1);
}
