//! Roles, managed in a browser.

use serde_json::json;

use super::browser::{Browser, form, text_of};
use crate::admin::client::Api;
use crate::support::server::Server;

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}";

fn start() -> (Server, Api, Browser) {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    (server, api, browser)
}

#[test]
fn a_role_is_made_looked_at_changed_and_deleted_without_any_script() {
    let (_server, api, browser) = start();
    let page = browser.done(
        "/roles/new",
        "/roles/new",
        &[("id", "deployer"), ("name", "Deployer"), ("actions", "run:trigger\r\nrun:read\r\nrun:read")],
    );
    assert!(page.contains("data-in-force") && text_of(&page, "slug") == "deployer" && page.contains("data-copy=\"#slug\""), "{page}");
    assert_eq!(api.get("/roles/deployer").json()["actions"], json!(["run:read", "run:trigger"]));
    assert!(page.contains("Nobody: no binding"), "{page}");
    let list = browser.page("/roles?q=DEPLOY");
    assert!(list.contains("2 actions") && list.contains("data-copy=\"#slug-deployer\"") && !list.contains("space-reader"), "{list}");

    let wrong = browser.fill_in("/roles/deployer/edit", "/roles/deployer/edit", &[("actions", "run:*\nrun"), ("action", "save")]);
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("id=\"actions-wrong\"") && wrong.text().contains("run:*\nrun<"), "{}", wrong.text());
    browser.done("/roles/deployer/edit", "/roles/deployer/edit", &[("name", ""), ("actions", "run:*"), ("action", "save")]);
    let role = api.get("/roles/deployer").json();
    assert_eq!((&role["actions"], &role["name"]), (&json!(["run:*"]), &json!("deployer")));

    let id = api.made("/bindings", &json!({"subject": {"group": "ops"}, "role": "deployer", "space": "root"}))["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let page = browser.page("/roles/deployer/delete");
    assert!(page.contains("ops") && !page.contains("action=\"/roles/deployer/delete\""), "{page}");
    assert_eq!(api.delete(&format!("/bindings/{id}")).status, 204);
    browser.done("/roles/deployer/delete", "/roles/deployer/delete", &[]);
    assert_eq!(api.get("/roles/deployer").status, 404);
}

#[test]
fn what_a_change_of_a_role_means_to_those_who_hold_it_is_told_before_it_is_saved() {
    let (_server, api, browser) = start();
    api.made("/spaces", &json!({"id": "production"}));
    api.made("/roles", &json!({"id": "deployer", "actions": ["run:read", "run:trigger"]}));
    api.made("/roles", &json!({"id": "runner", "actions": ["run:*"]}));
    let bound = |role: &str| json!([{"role": role, "space": "production"}]);
    api.made("/keys", &json!({"name": "direct", "bindings": bound("deployer")}));
    api.made("/keys", &json!({"name": "member", "groups": ["ops"]}));
    api.made("/keys", &json!({"name": "both", "groups": ["ops"], "bindings": bound("runner")}));
    api.made("/keys", &json!({"name": "unconcerned", "bindings": bound("runner")}));
    let gone = api.made("/keys", &json!({"name": "gone", "groups": ["ops"]}))["id"].as_str().unwrap().to_owned();
    assert_eq!(api.delete(&format!("/keys/{gone}")).status, 204);
    api.made("/bindings", &json!({"subject": {"group": "ops"}, "role": "deployer", "space": "production"}));

    let edit = "/roles/deployer/edit";
    let answer = browser.fill_in(edit, edit, &[("actions", "run:read\nstack:read"), ("action", "preview")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.text();
    for part in ["2 bindings", "1 group among them", "Of 3 keys that hold it, <strong>3</strong>", "direct", "member", "both", "stack:read"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("unconcerned") && !page.contains(">gone<"), "{page}");
    let row = page.split("</tr>").find(|row| row.contains(">both<")).unwrap();
    assert!(row.contains("stack:read") && !row.contains("run:trigger"), "what another role allows is not lost: {row}");
    assert_eq!(api.get("/roles/deployer").json()["actions"], json!(["run:read", "run:trigger"]), "nothing is saved by looking");

    let answer = browser.submit(&form(&page, edit), &[("action", "save")]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(api.get("/roles/deployer").json()["actions"], json!(["run:read", "stack:read"]));
    let same = browser.fill_in(edit, edit, &[("action", "preview")]).text();
    assert!(same.contains("It would allow the same as now."), "{same}");
    let held = browser.page("/roles/deployer");
    assert!(held.contains(">direct<") && held.contains(">ops<") && held.contains("/spaces/production"), "{held}");
}

#[test]
fn a_role_that_has_been_changed_meanwhile_is_not_overwritten() {
    let (_server, api, browser) = start();
    api.made("/roles", &json!({"id": "deployer", "actions": ["run:read"]}));
    let edit = "/roles/deployer/edit";
    let (open, delete) = (form(&browser.page(edit), edit), form(&browser.page("/roles/deployer/delete"), "/roles/deployer/delete"));
    let preview = browser.submit(&open, &[("actions", "run:*"), ("action", "preview")]).text();
    assert_eq!(api.patch("/roles/deployer", &json!({"actions": ["run:trigger"]})).status, 200);
    for form in [&open, &form(&preview, edit)] {
        let answer = browser.submit(form, &[("action", "save")]);
        assert_eq!(answer.status, 412, "{}", answer.text());
        assert!(answer.text().contains("role.update by api::"), "{}", answer.text());
    }
    assert_eq!(browser.submit(&delete, &[]).status, 412);
    assert_eq!(api.get("/roles/deployer").json()["actions"], json!(["run:trigger"]));
}

#[test]
fn a_role_of_the_system_is_shown_and_nothing_else_is_offered() {
    let (_server, _api, browser) = start();
    let page = browser.page("/roles/space-admin");
    assert!(page.contains("*:*") && page.contains("can be neither changed nor deleted"), "{page}");
    assert!(!page.contains("/roles/space-admin/edit") && !page.contains("/roles/space-admin/delete"), "{page}");
    for path in ["/roles/space-admin/edit", "/roles/space-admin/delete"] {
        assert_eq!(browser.get(path).status, 409, "{path}");
    }
    assert_eq!(browser.get("/roles/nothing").status, 404);
    assert_eq!(browser.get("/roles/Not%20a%20slug").status, 404);
}

#[test]
fn texts_of_spaces_roles_and_groups_are_shown_as_they_were_written_and_never_as_a_part_of_the_page() {
    let (_server, api, browser) = start();
    api.made("/spaces", &json!({"id": "odd", "name": HOSTILE, "description": HOSTILE, "labels": [HOSTILE]}));
    api.made("/spaces", &json!({"id": "below", "parent": "odd"}));
    api.made("/roles", &json!({"id": "odd", "name": HOSTILE, "description": HOSTILE, "actions": ["run:read"]}));
    api.made("/groups", &json!({"name": HOSTILE, "description": HOSTILE}));
    api.made("/bindings", &json!({"subject": {"group": HOSTILE}, "role": "odd", "space": "odd"}));
    api.made("/keys", &json!({"name": HOSTILE, "groups": [HOSTILE]}));
    let group = super::browser::encoded(HOSTILE);
    let paths = [
        "/spaces",
        "/spaces?q=odd",
        "/spaces/new",
        "/spaces/odd",
        "/spaces/odd/edit",
        "/spaces/odd/delete",
        "/spaces/below",
        "/roles",
        "/roles/odd",
        "/roles/odd/edit",
        "/roles/odd/delete",
        "/groups",
    ];
    let paths = paths.map(str::to_owned).into_iter().chain(["of", "edit", "delete"].map(|page| format!("/groups/{page}?name={group}")));
    for path in paths.chain([format!("/roles?q={group}"), format!("/roles/new?name={group}")]) {
        let page = browser.page(&path);
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{path}: {page}");
        assert!(page.contains("&lt;script&gt;alert"), "{path}: {page}");
    }
}
