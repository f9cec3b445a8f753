//! The settings in force, as they are shown.

use super::browser::Browser;
use crate::support::server::{Server, Setup};

/// What stands in the row of a key, without markup.
fn row(page: &str, key: &str) -> String {
    let begin = page.find(&format!("<code>{key}</code>")).unwrap_or_else(|| panic!("there is no {key}: {page}"));
    let row = page[begin..].split("</tr>").next().unwrap();
    let mut text = String::new();
    for part in row.split('<').skip(1) {
        text += part.split_once('>').map_or("", |(_, text)| text);
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_key_is_shown_with_its_value_its_default_and_where_it_was_written() {
    let server = Setup::new().environment("CLAVIGER_TOKEN__TTL", "45s").start();
    let browser = Browser::of_root(&server);
    let page = browser.page("/settings");
    assert_eq!(row(&page, "token.ttl"), "token.ttl 45s \"60s\" in CLAVIGER_TOKEN__TTL at once");
    assert_eq!(row(&page, "proxy.threads"), "proxy.threads 1 0 in the file after a restart");
    assert_eq!(row(&page, "token.backdate"), "token.backdate \"5s\" \"5s\" nowhere at once");
    assert_eq!(row(&page, "login.strategy").split(' ').next_back(), Some("alone"));
    assert!(!browser.page("/settings?written=yes").contains("token.backdate"));
}

#[test]
fn what_may_be_a_secret_is_not_shown() {
    let url = "http://127.0.0.1:9/hooks/s3cret?token=s3cret";
    let server = Setup::new().environment("CLAVIGER_AUDIT__WEBHOOK__URL", url).start();
    let browser = Browser::of_root(&server);
    let page = browser.page("/settings");
    assert!(row(&page, "audit.webhook.url").contains("http://127.0.0.1:9/…"), "{page}");
    assert!(!page.contains("s3cret"), "{page}");
}

#[test]
fn a_value_that_waits_for_a_restart_is_not_shown_as_one_in_force() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    let config = std::fs::read_to_string(server.config()).unwrap();
    let changed = config.replace("threads = 1", "threads = 3").replace("[token]", "[token]\nttl = \"50s\"");
    std::fs::write(server.config(), changed).unwrap();
    server.signal("HUP");
    server.until("the file to be read", |_| row(&browser.page("/settings"), "token.ttl").starts_with("token.ttl \"50s\""));
    assert_eq!(
        row(&browser.page("/settings"), "proxy.threads"),
        "proxy.threads 1 another one waits for a restart 0 in the file after a restart"
    );
}
