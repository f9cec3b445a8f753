//! The audit, looked at in a browser and taken away as a file.

use serde_json::{Value, json};

use super::browser::{Browser, encoded};
use crate::admin::client::Api;
use crate::support::server::Server;

fn root(server: &Server) -> (Api, Browser) {
    let api = Api::of_root(server);
    let browser = Browser::signed_in(server, api.key.as_deref().unwrap());
    (api, browser)
}

/// The numbers of the entries that a page leads to, in its order.
fn entries(page: &str) -> Vec<u64> {
    page.split("href=\"/audit/").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
}

/// The address of the next page.
fn next(page: &str) -> Option<String> {
    let link = page.split("rel=\"next\" href=\"").nth(1)?;
    Some(link.split('"').next()?.replace("&amp;", "&"))
}

#[test]
fn entries_are_found_by_each_filter_and_read_page_by_page_in_both_orders() {
    let server = Server::start();
    let (api, browser) = root(&server);
    api.made("/spaces", &json!({"id": "production", "name": "Production", "parent": "root"}));
    for number in 0..60 {
        api.made("/groups", &json!({"name": format!("group-{number}")}));
    }
    for order in ["", "oldest"] {
        let (mut path, mut seen) = (format!("/audit?action=group.&order={order}"), Vec::new());
        loop {
            let page = browser.page(&path);
            seen.extend(entries(&page));
            match next(&page) {
                Some(address) => path = address,
                None => break,
            }
        }
        assert_eq!(seen.len(), 60, "{order}");
        assert!(seen.windows(2).all(|two| (two[0] < two[1]) == (order == "oldest")), "{order}: {seen:?}");
    }
    let count = |filters: &str| entries(&browser.page(&format!("/audit?{filters}"))).len();
    assert_eq!(count("action=space.create&space=production"), 1);
    assert_eq!(count("resource=group-7"), 1);
    assert_eq!(count("q=group-59"), 1);
    assert_eq!(count("actor=root&action=space."), 1, "a key by its name");
    assert_eq!(count("actor=system&action=space.create"), 0);
    assert_eq!(count("action=group.&until=2020-01-01T00:00"), 0);
    assert_eq!(count("action=space.&since=2020-01-01T00:00"), 1);
    let answer = browser.get("/audit?since=yesterday&space=not%20one");
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("id=\"since-wrong\"") && answer.text().contains("id=\"space-wrong\""), "{}", answer.text());
}

#[test]
fn an_entry_shows_what_was_there_before_and_after_and_one_that_is_not_there_is_not_found() {
    let server = Server::start();
    let (api, browser) = root(&server);
    let id = api.made("/keys", &json!({"name": "ci", "description": "<b>old</b>"}))["id"].as_str().unwrap().to_owned();
    assert_eq!(api.patch(&format!("/keys/{id}"), &json!({"description": "new"})).status, 200);
    let list = browser.page(&format!("/audit?action=key.update&resource={id}"));
    let [number] = entries(&list)[..] else { panic!("{list}") };
    let page = browser.page(&format!("/audit/{number}"));
    assert!(page.contains("<pre>&lt;b&gt;old&lt;/b&gt;</pre>") && page.contains("<pre>new</pre>"), "{page}");
    assert!(page.contains(&format!("href=\"/keys/{id}\"")), "{page}");
    for path in ["/audit/999999", "/audit/x", "/audit/18446744073709551615"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
}

#[test]
fn what_is_exported_is_what_is_found_and_no_field_of_it_is_a_formula() {
    let server = Server::start();
    let (api, browser) = root(&server);
    let formula = "=HYPERLINK(\"http://evil.example\",\"x\")";
    api.made("/groups", &json!({"name": formula}));
    for number in 0..250 {
        api.made("/groups", &json!({"name": format!("group-{number}")}));
    }
    let all = browser.get("/audit/export?format=jsonl&action=group.&order=oldest");
    assert_eq!(all.header("content-type"), Some("application/jsonl; charset=utf-8"));
    assert_eq!(all.header("content-disposition"), Some("attachment; filename=\"claviger-audit.jsonl\""));
    let lines: Vec<Value> = all.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 251);
    assert_eq!(lines[0]["resource"], formula);
    assert_eq!(lines[250]["resource"], "group-249");

    let csv = browser.get(&format!("/audit/export?format=csv&resource={}", encoded(formula)));
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let text = csv.text();
    let mut lines = text.split("\r\n");
    assert_eq!(lines.next(), Some("id,revision,at,actor,remote_ip,action,resource,refused,request_id,before,after,hash"));
    let line = lines.next().unwrap();
    assert!(line.contains(",group.create,\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"x\"\")\","), "{line}");
    assert_eq!(lines.next(), Some(""), "one entry");
    for path in ["/audit/export", "/audit/export?format=xml", "/audit/export?format=csv&since=x"] {
        assert_eq!(browser.get(path).status, 400, "{path}");
    }
}

#[test]
fn the_audit_is_for_root_admins() {
    let server = Server::start();
    let (api, _) = root(&server);
    api.made("/spaces", &json!({"id": "production", "name": "Production", "parent": "root"}));
    let admin = Browser::signed_in(&server, &server.key("admin", &["--bind", "space-admin@production"]).text);
    for path in ["/audit", "/audit/1", "/audit/export?format=csv", "/settings", "/signing-keys"] {
        assert_eq!(admin.get(path).status, 403, "{path}");
        assert!(!admin.page("/").contains(&format!("href=\"{path}\"")), "{path}");
    }
    for path in ["/replicas", "/docs", "/search?q=x"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
        assert_eq!(Browser::at(&server).get(path).status, 303, "{path}");
    }
}
