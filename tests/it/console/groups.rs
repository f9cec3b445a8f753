//! Groups, managed in a browser.

use serde_json::json;

use super::browser::{Browser, encoded, form, forms};
use crate::admin::client::Api;
use crate::support::server::Server;

/// Whatever an identity provider may assert.
const ODD: &str = " ops & \"co\" +%/?#ü ";

fn start() -> (Server, Api, Browser) {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    (server, api, browser)
}

/// Where this page of a group is, as links have it.
fn path(page: &str, name: &str) -> String {
    format!("/groups/{page}?name={}", encoded(name))
}

#[test]
fn a_group_is_described_given_a_role_and_deleted_without_any_script() {
    let (server, api, browser) = start();
    assert!(browser.page("/groups").contains("There is no group."));
    let page = browser.done("/groups/new", "/groups/new", &[("name", "ops"), ("description", "who operates")]);
    assert!(page.contains("data-in-force") && page.contains("who operates") && page.contains("No key is in it."), "{page}");
    assert_eq!(browser.fill_in("/groups/new", "/groups/new", &[("name", "ops")]).status, 409);
    let key = server.key("ci", &["--group", "ops"]);
    assert_eq!(server.get(&key.text).status, 403);

    let page = browser.done("/groups/of?name=ops", "/groups/assign", &[("role", "space-reader"), ("space", "root")]);
    assert!(page.contains("/roles/space-reader") && page.contains(">ci<"), "{page}");
    assert_eq!(server.get(&key.text).status, 200);
    let list = browser.page("/groups?q=OPS");
    assert!(list.contains("1 binding") && list.contains("yes"), "{list}");
    let page = browser.page("/groups/delete?name=ops");
    assert!(
        page.contains("space-reader") && page.contains(">ci<") && !forms(&page).iter().any(|form| form.action == "/groups/delete"),
        "{page}"
    );

    let other = api.made("/bindings", &json!({"subject": {"group": "others"}, "role": "space-reader", "space": "root"}))["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let unassign = form(&browser.page("/groups/of?name=ops"), "/groups/unassign?name=ops");
    assert_eq!(browser.submit(&unassign, &[("binding", &other)]).status, 404, "another group's binding is not taken away from here");
    assert_eq!(browser.submit(&unassign, &[]).status, 303);
    assert_eq!(server.get(&key.text).status, 403);
    let id = key.text.split('_').nth(1).unwrap().to_owned();
    assert_eq!(api.patch(&format!("/keys/{id}"), &json!({"groups": []})).status, 200);
    browser.done("/groups/delete?name=ops", "/groups/delete", &[]);
    assert_eq!((api.get("/groups/ops").status, browser.get("/groups/of?name=ops").status), (404, 404));
}

#[test]
fn a_group_of_any_name_is_found_changed_and_bound_and_its_name_stays_as_it_is() {
    let (_server, api, browser) = start();
    let id = api.made("/keys", &json!({"name": "ci", "groups": [ODD]}))["id"].as_str().unwrap().to_owned();
    let list = browser.page("/groups");
    let link = list.split("href=\"/groups/of?name=").nth(1).unwrap().split('"').next().unwrap();
    let page = browser.page(&format!("/groups/of?name={link}"));
    assert!(page.contains(&format!("/keys/{id}")), "{page}");
    browser.done(&path("edit", ODD), "/groups/edit", &[("description", "odd")]);
    let page = browser.done(&path("of", ODD), "/groups/assign", &[("role", "space-reader"), ("space", "root")]);
    assert!(page.contains("group.") || page.contains("The group was last changed"), "{page}");
    let unassign = forms(&page).into_iter().find(|form| form.action.starts_with("/groups/unassign?")).unwrap();
    assert_eq!(browser.submit(&unassign, &[]).status, 303);
    let page = format!("/keys/{id}/groups");
    browser.done(&page, &page, &[]);
    let groups = api.get("/groups").json();
    let names: Vec<&str> = groups["items"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(names, [ODD], "no other group has come into being");
    assert_eq!(groups["items"][0]["description"], "odd");
    for wrong in ["/groups/of", "/groups/of?name=", "/groups/of?name=ops", "/groups/edit?name=ops", "/groups/delete?name=%00"] {
        assert_eq!(browser.get(wrong).status, 404, "{wrong}");
    }
}

#[test]
fn members_and_bindings_of_a_group_and_groups_themselves_come_a_page_at_a_time() {
    let (_server, api, browser) = start();
    for number in 0..60 {
        api.made("/keys", &json!({"name": format!("k{number:02}"), "groups": [ODD]}));
    }
    let spaces: Vec<_> = (0..110).map(|n| json!({"space.create": {"id": format!("s{n:03}")}})).collect();
    let bind = |n| json!({"id": format!("01j00000000000000000000{n:03}"), "subject": {"group": ODD}, "role": "space-reader", "space": format!("s{n:03}")});
    let bindings: Vec<_> = (0..110).map(|n| json!({"binding.create": bind(n)})).collect();
    let groups: Vec<_> = (0..110).map(|n| json!({"group.create": {"name": format!("g{n:03}")}})).collect();
    for changes in [spaces, bindings, groups] {
        let answer = api.post("/changes", &json!({"changes": changes}));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let first = browser.page(&path("of", ODD));
    assert_eq!((first.matches(">k").count(), first.matches(">Unassign<").count()), (50, 100), "{first}");
    for (what, cell, count) in [("Next page of members", ">k", 10), ("Next page of bindings", ">Unassign<", 10)] {
        let link = first.split("href=\"").find(|link| link.contains(&format!("\">{what}"))).unwrap().split('"').next().unwrap();
        let next = browser.page(&super::browser::unescaped(link));
        assert_eq!(next.matches(cell).count(), count, "{what}: {next}");
    }
    let list = browser.page("/groups");
    assert!(list.contains("cursor=g048") && !list.contains(">g049<"), "{list}");
    let next = browser.page("/groups?cursor=g048");
    assert!(next.contains(">g049<") && next.contains("cursor=g098") && !next.contains(">g048<") && !next.contains(">g099<"), "{next}");
    let end = browser.page("/groups?cursor=g098");
    assert!(end.contains(">g099<") && end.contains(">g109<") && !end.contains(">g098<") && !end.contains("Next page"), "{end}");
}

#[test]
fn a_stale_form_of_a_group_changes_nothing_and_an_admin_of_a_space_changes_no_group() {
    let (server, api, browser) = start();
    api.made("/groups", &json!({"name": "ops"}));
    api.made("/spaces", &json!({"id": "production"}));
    let (edit, delete) =
        (form(&browser.page("/groups/edit?name=ops"), "/groups/edit"), form(&browser.page("/groups/delete?name=ops"), "/groups/delete"));
    assert_eq!(api.patch("/groups/ops", &json!({"description": "theirs"})).status, 200);
    let answer = browser.submit(&edit, &[("description", "mine")]);
    assert_eq!(answer.status, 412, "{}", answer.text());
    assert!(answer.text().contains("group.update by api::"), "{}", answer.text());
    assert_eq!(browser.submit(&delete, &[]).status, 412);
    assert_eq!(api.get("/groups/ops").json()["description"], "theirs");

    let key = server.key("admin", &["--bind", "space-admin@production"]);
    let admin = Browser::signed_in(&server, &key.text);
    let page = admin.page("/groups/of?name=ops");
    assert!(!page.contains("/groups/edit") && !page.contains("/groups/delete"), "{page}");
    let assign = form(&page, "/groups/assign");
    assert_eq!(admin.submit(&assign, &[("role", "space-reader"), ("space", "root")]).status, 403);
    assert_eq!(admin.submit(&assign, &[("role", "space-reader"), ("space", "production")]).status, 303);
    for path in ["/groups/edit?name=ops", "/groups/delete?name=ops"] {
        assert_eq!(admin.get(path).status, 403, "{path}");
    }
    let csrf = assign.fields.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    for path in ["/groups/edit", "/groups/delete", "/groups/new"] {
        assert_eq!(admin.post(path, &[("csrf", &csrf), ("name", "ops"), ("description", "x")]).status, 403, "{path}");
    }
}
