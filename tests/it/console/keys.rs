//! Keys, managed in a browser.

use serde_json::json;

use super::browser::{Browser, encoded, form, forms, text_of};
use crate::admin::client::Api;
use crate::support::server::Server;

#[test]
fn a_key_is_made_given_a_role_used_and_revoked_without_any_script() {
    let server = Server::start();
    let api = Api::of_root(&server);
    api.made("/spaces", &json!({"id": "production", "name": "Production", "parent": "root"}));
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    let made = browser.fill_in("/keys/new", "/keys/new", &[("name", "ci"), ("groups", "eng\nops team"), ("expires", "30d")]);
    assert_eq!(made.status, 200, "{}", made.text());
    let (page, secret) = (made.text(), text_of(&made.text(), "secret"));
    assert!(secret.starts_with("clv_"), "{secret}");
    assert!(text_of(&page, "curl").contains(&secret) && text_of(&page, "env").ends_with(&secret));
    let id = secret.split('_').nth(1).unwrap().to_owned();
    assert_eq!(server.get(&secret).status, 403, "it holds nothing yet");

    let page =
        browser.done(&format!("/keys/{id}/roles"), &format!("/keys/{id}/roles"), &[("role", "space-writer"), ("space", "production")]);
    assert!(page.contains("data-in-force"), "{page}");
    assert_eq!(server.get(&secret).status, 200);
    let page = browser.page(&format!("/keys/{id}"));
    assert!(page.contains("Let in.") && page.contains("bound to the key itself"), "{page}");
    assert!(!page.contains(&secret), "it was shown once");

    let page = browser.done(&format!("/keys/{id}/roles"), &format!("/keys/{id}/unassign"), &[]);
    assert!(page.contains("No role is bound"), "{page}");
    assert_eq!(server.get(&secret).status, 403);

    let wrong = browser.fill_in(&format!("/keys/{id}/revoke"), &format!("/keys/{id}/revoke"), &[("name", "c")]);
    assert_eq!(wrong.status, 422);
    browser.done(&format!("/keys/{id}/revoke"), &format!("/keys/{id}/revoke"), &[("name", "ci")]);
    assert_eq!(server.get(&secret).status, 401);
    assert!(!browser.page("/keys").contains(&id));
    assert!(browser.page("/keys?state=revoked").contains(&id));
}

#[test]
fn a_form_that_is_stale_changes_nothing_and_says_who_was_faster() {
    let server = Server::start();
    let api = Api::of_root(&server);
    // Somebody else than who was faster: who is named is not whoever was refused just now.
    let other = api.made("/keys", &json!({"name": "other", "bindings": [{"role": "space-admin", "space": "root"}]}));
    let browser = Browser::signed_in(&server, other["key"].as_str().unwrap());
    let faster = format!("by api::{}", api.get("/whoami").json()["key"]["id"].as_str().unwrap());
    let id = api.made("/keys", &json!({"name": "ci"}))["id"].as_str().unwrap().to_owned();
    let (edit, groups) = (
        form(&browser.page(&format!("/keys/{id}/edit")), &format!("/keys/{id}/edit")),
        form(&browser.page(&format!("/keys/{id}/groups")), &format!("/keys/{id}/groups")),
    );
    assert_eq!(api.patch(&format!("/keys/{id}"), &json!({"description": "by somebody else"})).status, 200);
    for (stale, entered) in [(edit, ("name", "mine")), (groups, ("groups", "mine"))] {
        let answer = browser.submit(&stale, &[entered]);
        assert_eq!(answer.status, 412, "{}", answer.text());
        let page = answer.text();
        assert!(page.contains(&format!("key.update {faster}")) && page.contains(entered.1), "what was entered is kept: {page}");
        let again = browser.submit(&form(&page, &stale.action), &[entered]);
        assert_eq!(again.status, 412, "what has come since was not looked at yet: {}", again.text());
    }
    let now = api.get(&format!("/keys/{id}")).json();
    assert_eq!((&now["name"], &now["description"], &now["groups"]), (&json!("ci"), &json!("by somebody else"), &json!([])));

    // What a key holds is a part of it.
    let stale = form(&browser.page(&format!("/keys/{id}/edit")), &format!("/keys/{id}/edit"));
    let binding = json!({"subject": {"key": id}, "role": "space-reader", "space": "root"});
    let binding = api.made("/bindings", &binding)["id"].as_str().unwrap().to_owned();
    let answer = browser.submit(&stale, &[("name", "mine")]);
    assert!(answer.status == 412 && answer.text().contains(&format!("binding.create {faster}")), "{}", answer.text());

    let (roles, unassign) = (format!("/keys/{id}/roles"), format!("/keys/{id}/unassign"));
    let stale = form(&browser.page(&roles), &unassign);
    assert_eq!(api.delete(&format!("/bindings/{binding}")).status, 204);
    let answer = browser.submit(&stale, &[]);
    assert!(answer.status == 404 && answer.text().contains(&format!("binding.delete {faster}")), "{}", answer.text());
}

#[test]
fn a_form_that_deletes_and_was_overtaken_stays_refused() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    api.made("/spaces", &json!({"id": "s", "parent": "root"}));
    api.made("/roles", &json!({"id": "r", "actions": ["run:read"]}));
    api.made("/groups", &json!({"name": "g"}));
    for (page, action, path, kind) in [
        ("/spaces/s/delete", "/spaces/s/delete", "/spaces/s", "space"),
        ("/roles/r/delete", "/roles/r/delete", "/roles/r", "role"),
        ("/groups/delete?name=g", "/groups/delete", "/groups/g", "group"),
    ] {
        let mut stale = form(&browser.page(page), action);
        assert_eq!(api.patch(path, &json!({"description": "by somebody else"})).status, 200);
        for _ in 0..2 {
            let answer = browser.submit(&stale, &[]);
            assert!(answer.status == 412 && answer.text().contains(&format!("{kind}.update by api::")), "{page}: {}", answer.text());
            stale = form(&answer.text(), action);
        }
        assert_eq!(api.get(path).status, 200, "{page}");
        assert_eq!(browser.fill_in(page, action, &[]).status, 303, "{page}, looked at anew");
    }
}

#[test]
fn what_is_wrong_with_a_form_stands_at_its_fields_and_what_was_entered_is_kept() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    let answer = browser.fill_in(
        "/keys/new",
        "/keys/new",
        &[("name", " "), ("description", "kept"), ("expires", "at"), ("expires_at", "soon"), ("role", "space-reader")],
    );
    assert_eq!(answer.status, 422);
    let page = answer.text();
    for part in ["id=\"name-wrong\"", "id=\"expires_at-wrong\"", "id=\"space-wrong\"", "value=\"kept\"", "role=\"alert\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let taken = browser.fill_in("/keys/new", "/keys/new", &[("name", "root")]);
    assert_eq!(taken.status, 409, "{}", taken.text());
}

#[test]
fn keys_are_listed_a_page_at_a_time_and_found_by_name_group_and_state() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    for number in 0..60 {
        let group = if number % 2 == 0 { "even one" } else { "odd" };
        api.made("/keys", &json!({"name": format!("app-{number:02}"), "groups": [group]}));
    }
    let first = browser.page("/keys");
    let next = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let second = browser.page(&super::browser::unescaped(&next));
    assert!(first.contains(">app-00<") && !first.contains(">app-59<") && second.contains(">app-59<"));
    let even = browser.page(&format!("/keys?group={}&q=app-1", encoded("even one")));
    assert!(even.contains(">app-10<") && !even.contains(">app-11<") && !even.contains(">app-20<"));
    assert!(browser.page("/keys?q=app-59").contains(">app-59<"));
    assert!(browser.page("/keys?q=none-such").contains("No key is like that"));
}

#[test]
fn several_keys_are_revoked_or_let_expire_together_or_not_at_all() {
    let server = Server::start();
    let api = Api::of_root(&server);
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    let ids: Vec<String> =
        ["a", "b", "c"].iter().map(|name| api.made("/keys", &json!({"name": name}))["id"].as_str().unwrap().to_owned()).collect();
    let list = form(&browser.page("/keys"), "/keys");
    let token = &list.fields.iter().find(|(name, _)| name == "csrf").unwrap().1;
    let confirm = browser.post("/keys", &[("csrf", token), ("id", &ids[0]), ("id", &ids[1]), ("action", "expire")]);
    assert_eq!(confirm.status, 200, "{}", confirm.text());
    let answer = browser.submit(&form(&confirm.text(), "/keys/bulk"), &[("expires", "30d")]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(api.get(&format!("/keys/{}", ids[0])).json()["expires_at"].is_string());
    assert!(api.get(&format!("/keys/{}", ids[2])).json()["expires_at"].is_null());

    // The last root admin is among them: none is revoked.
    let root = api.get("/whoami").json()["key"]["id"].as_str().unwrap().to_owned();
    for key in api.get("/keys").json()["items"].as_array().unwrap() {
        if key["bindings"][0]["role"] == "space-admin" && key["id"] != root {
            assert_eq!(api.delete(&format!("/keys/{}", key["id"].as_str().unwrap())).status, 204);
        }
    }
    let confirm = browser.post("/keys", &[("csrf", token), ("id", &ids[0]), ("id", &root), ("action", "revoke")]);
    let answer = browser.submit(&form(&confirm.text(), "/keys/bulk"), &[]);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(api.get(&format!("/keys/{}", ids[0])).json()["state"], "active");

    let confirm = browser.post("/keys", &[("csrf", token), ("id", &ids[0]), ("id", &ids[1]), ("action", "revoke")]);
    assert_eq!(browser.submit(&form(&confirm.text(), "/keys/bulk"), &[]).status, 303);
    assert_eq!(api.get(&format!("/keys/{}", ids[1])).json()["state"], "revoked");
}

#[test]
fn a_space_admin_is_offered_what_they_may_and_refused_the_rest() {
    let server = Server::start();
    let api = Api::of_root(&server);
    for (id, parent) in [("mine", "root"), ("below", "mine"), ("other", "root")] {
        api.made("/spaces", &json!({"id": id, "name": id, "parent": parent}));
    }
    let id = api.made("/keys", &json!({"name": "app", "bindings": [{"role": "space-reader", "space": "other"}]}))["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let root = Browser::signed_in(&server, api.key.as_deref().unwrap());
    let admin = Browser::signed_in(&server, &server.key("admin", &["--bind", "space-admin@mine"]).text);
    let list = admin.page("/keys");
    assert!(!list.contains("/keys/new") && !list.contains("name=\"action\""), "{list}");
    for path in ["/keys/new".to_owned(), format!("/keys/{id}/edit"), format!("/keys/{id}/audit"), format!("/keys/{id}/policies")] {
        assert_eq!((root.get(&path).status, admin.get(&path).status), (200, 403), "{path}");
    }
    let page = admin.page(&format!("/keys/{id}/roles"));
    assert!(page.contains("value=\"mine\"") && page.contains("value=\"below\"") && !page.contains("value=\"other\""), "{page}");
    assert!(!forms(&page).iter().any(|form| form.action.ends_with("/unassign") || form.action.ends_with("/disable")), "{page}");
    let assign = form(&page, &format!("/keys/{id}/roles"));
    assert_eq!(admin.submit(&assign, &[("role", "space-reader"), ("space", "below")]).status, 303);
    assert_eq!(admin.submit(&assign, &[("role", "space-reader"), ("space", "root")]).status, 403);
    let token = &assign.fields.iter().find(|(name, _)| name == "csrf").unwrap().1;
    for action in ["disable", "enable", "revoke", "groups", "secrets", "edit"] {
        let answer = admin.post(
            &format!("/keys/{id}/{action}"),
            &[("csrf", token), ("name", "app"), ("grace", "0"), ("groups", "x"), ("expires", "never")],
        );
        assert_eq!(answer.status, 403, "{action}: {}", answer.text());
    }
    let refused = api.get("/audit?action=key.&q=key").json();
    let told: Vec<&str> = refused["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["refused"] == "forbidden")
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    for action in ["key.update", "key.rotate", "key.revoke", "key.disable", "key.enable"] {
        assert!(told.contains(&action), "{action} is told of in the audit: {told:?}");
    }
    assert_eq!(admin.post("/keys/new", &[("csrf", token), ("name", "x")]).status, 403);
    let refused = api.get("/audit?action=key.create").json();
    assert_eq!(
        (&refused["items"][0]["refused"], &refused["items"][0]["resource"]),
        (&json!("forbidden"), &json!("/keys/new")),
        "{refused}"
    );
    let others = api.get(&format!("/keys/{id}")).json()["bindings"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(admin.post(&format!("/keys/{id}/unassign"), &[("csrf", token), ("binding", &others)]).status, 403);
}
