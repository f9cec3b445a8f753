//! Spaces, managed in a browser.

use serde_json::{Value, json};

use super::browser::{Browser, form, forms};
use crate::admin::client::Api;
use crate::support::server::Server;

/// Spaces `production` with `eu` in it, and `staging`; a root admin at a browser and at the API.
struct Spaces {
    server: Server,
    api: Api,
    root: Browser,
}

impl Spaces {
    fn new() -> Self {
        let server = Server::start();
        let api = Api::of_root(&server);
        for (id, parent) in [("production", "root"), ("staging", "root"), ("eu", "production")] {
            api.made("/spaces", &json!({"id": id, "parent": parent}));
        }
        let root = Browser::signed_in(&server, api.key.as_deref().unwrap());
        Self { server, api, root }
    }

    /// A browser with a key that holds this.
    fn browser_of(&self, name: &str, role: &str, space: &str) -> Browser {
        let key = self.api.made("/keys", &json!({"name": name, "bindings": [{"role": role, "space": space}]}));
        Browser::signed_in(&self.server, key["key"].as_str().unwrap())
    }

    fn bound(&self, subject: &Value, role: &str, space: &str) -> String {
        self.api.made("/bindings", &json!({"subject": subject, "role": role, "space": space}))["id"].as_str().unwrap().to_owned()
    }

    fn space(&self, id: &str) -> Value {
        self.api.get(&format!("/spaces/{id}")).json()
    }

    fn bindings_in(&self, space: &str) -> usize {
        self.api.get(&format!("/bindings?space={space}")).json()["items"].as_array().unwrap().len()
    }
}

#[test]
fn a_space_is_made_changed_moved_and_deleted_without_any_script() {
    let spaces = Spaces::new();
    let root = &spaces.root;
    let page = root.done(
        "/spaces/new?parent=production",
        "/spaces/new",
        &[("id", "us"), ("name", "States"), ("labels", "b\r\n a \r\n\r\na"), ("description", "one\r\ntwo")],
    );
    assert!(page.contains("data-in-force") && page.contains("States"), "{page}");
    let us = spaces.space("us");
    assert_eq!((&us["parent"], &us["labels"], &us["description"]), (&json!("production"), &json!(["a", "b"]), &json!("one\ntwo")));

    let page = root.done("/spaces/us/edit", "/spaces/us/edit", &[("name", "United"), ("parent", "staging")]);
    assert!(page.contains("href=\"/spaces/staging\"") && page.contains("United"), "{page}");
    let us = spaces.space("us");
    assert_eq!((&us["parent"], &us["labels"], &us["description"]), (&json!("staging"), &json!(["a", "b"]), &json!("one\ntwo")));

    let page = root.done("/spaces/us/delete", "/spaces/us/delete", &[]);
    assert!(page.contains("data-in-force") && !page.contains("href=\"/spaces/us\""), "{page}");
    assert_eq!(spaces.api.get("/spaces/us").status, 404);
    assert_eq!(root.get("/spaces/us").status, 404);
}

#[test]
fn what_a_form_cannot_say_is_left_as_it_is() {
    let spaces = Spaces::new();
    spaces.api.made("/spaces", &json!({"id": "odd", "name": " two\nlines ", "description": "\r\n x ", "labels": ["a\nb", " c"]}));
    let before = spaces.space("odd");
    spaces.root.done("/spaces/odd/edit", "/spaces/odd/edit", &[]);
    let after = spaces.space("odd");
    for field in ["name", "description", "labels", "parent"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    spaces.root.done("/spaces/root/edit", "/spaces/root/edit", &[("labels", "all")]);
    assert_eq!(spaces.space("root")["labels"], json!(["all"]), "the root space has labels, too");
}

#[test]
fn a_space_that_is_used_is_not_deleted_and_what_uses_it_is_named() {
    let spaces = Spaces::new();
    let binding = spaces.bound(&json!({"group": "ops <b>"}), "space-reader", "production");
    let page = spaces.root.page("/spaces/production/delete");
    assert!(page.contains("href=\"/spaces/eu\"") && page.contains("ops &lt;b&gt;"), "{page}");
    assert!(forms(&page).iter().all(|form| form.action != "/spaces/production/delete"), "{page}");
    assert!(spaces.root.page("/spaces/root/delete").contains("cannot be deleted"));

    // Somebody uses it after the form was opened.
    assert_eq!(spaces.api.delete(&format!("/bindings/{binding}")).status, 204);
    assert_eq!(spaces.api.delete("/spaces/eu").status, 204);
    let open = form(&spaces.root.page("/spaces/production/delete"), "/spaces/production/delete");
    spaces.bound(&json!({"group": "late"}), "space-reader", "production");
    let refused = spaces.root.submit(&open, &[]);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("late"), "{}", refused.text());
    assert_eq!(spaces.space("production")["id"], "production");
}

#[test]
fn roles_are_assigned_and_taken_away_on_the_page_of_a_space() {
    let spaces = Spaces::new();
    let id = spaces.api.made("/keys", &json!({"name": "ci <i>"}))["id"].as_str().unwrap().to_owned();
    let root = &spaces.root;
    let assign = |entered: &[(&str, &str)]| root.fill_in("/spaces/production", "/spaces/production/assign", entered);
    for (kind, subject, role) in
        [("key", "ci <i>", "space-reader"), ("key", &id, "space-writer"), ("group", "not there yet", "space-reader")]
    {
        let answer = assign(&[("subject_kind", kind), ("subject", subject), ("role", role)]);
        assert_eq!(answer.status, 303, "{kind} {subject}: {}", answer.text());
    }
    assert_eq!(spaces.bindings_in("production"), 3);
    for (kind, subject, role, status, told) in [
        ("key", "nobody", "space-reader", 422, "id=\"subject-wrong\""),
        ("key", "ci <i>", "", 422, "id=\"role-wrong\""),
        ("key", "ci <i>", "space-reader", 409, "says the same already"),
        ("group", "", "space-reader", 422, "id=\"subject-wrong\""),
    ] {
        let answer = assign(&[("subject_kind", kind), ("subject", subject), ("role", role)]);
        assert_eq!(answer.status, status, "{kind} {subject}: {}", answer.text());
        assert!(answer.text().contains(told), "{told}: {}", answer.text());
    }
    let below = root.page("/spaces/eu");
    assert!(below.contains("No role is assigned in this very space"), "{below}");
    assert!(below.contains("By bindings in") && below.contains("ci &lt;i&gt;") && below.contains("not there yet"), "{below}");

    let elsewhere = spaces.bound(&json!({"key": id}), "space-reader", "staging");
    let unassign = form(&root.page("/spaces/production"), "/spaces/production/unassign");
    assert_eq!(root.submit(&unassign, &[("binding", &elsewhere)]).status, 404, "what stands elsewhere is not taken away from here");
    assert_eq!(root.submit(&unassign, &[]).status, 303);
    assert_eq!(root.submit(&unassign, &[]).status, 404, "once");
    assert_eq!((spaces.bindings_in("production"), spaces.bindings_in("staging")), (2, 1));
}

#[test]
fn a_group_is_the_one_that_was_typed_blanks_and_all_if_there_is_one() {
    let spaces = Spaces::new();
    spaces.api.made("/groups", &json!({"name": " ops"}));
    for subject in [" ops", " team "] {
        let entered = [("subject_kind", "group"), ("subject", subject), ("role", "space-reader")];
        assert_eq!(spaces.root.fill_in("/spaces/eu", "/spaces/eu/assign", &entered).status, 303);
    }
    let bound = spaces.api.get("/bindings?space=eu").json();
    let groups: Vec<&str> =
        bound["items"].as_array().unwrap().iter().map(|binding| binding["subject"]["group"].as_str().unwrap()).collect();
    assert_eq!(groups, [" ops", "team"]);
}

#[test]
fn an_admin_of_a_subtree_is_offered_what_they_may_there_and_refused_everything_else() {
    let spaces = Spaces::new();
    let beside = spaces.bound(&json!({"group": "ops"}), "space-reader", "staging");
    let admin = spaces.browser_of("admin", "space-admin", "production");
    let before = spaces.bindings_in("root");
    let offers = |page: &str, action: &str| forms(page).iter().any(|form| form.action == action);

    let tree = admin.page("/spaces");
    assert!(tree.contains("/spaces/new?parent=production") && tree.contains("You administer"), "{tree}");
    let parents = admin.page("/spaces/new");
    assert!(parents.contains("value=\"eu\"") && !parents.contains("value=\"staging\"") && !parents.contains("value=\"root\""), "{parents}");
    for path in ["/spaces/root", "/spaces/staging"] {
        let page = admin.page(path);
        assert!(
            !page.contains(&format!("{path}/edit")) && !page.contains(&format!("{path}/delete")) && !page.contains("New space below"),
            "{page}"
        );
        assert!(!offers(&page, &format!("{path}/assign")) && !offers(&page, &format!("{path}/unassign")), "{page}");
        for (page, method) in
            [("edit", "GET"), ("delete", "GET"), ("delete", "POST"), ("edit", "POST"), ("assign", "POST"), ("unassign", "POST")]
        {
            let csrf = form(&tree, "/sign-out").fields[0].1.clone();
            let fields = [
                ("csrf", csrf.as_str()),
                ("subject_kind", "group"),
                ("subject", "mine"),
                ("role", "space-admin"),
                ("binding", beside.as_str()),
            ];
            let answer =
                if method == "GET" { admin.get(&format!("{path}/{page}")) } else { admin.post(&format!("{path}/{page}"), &fields) };
            let expected = if (path, page) == ("/spaces/root", "unassign") { 404 } else { 403 };
            assert_eq!(answer.status, expected, "{method} {path}/{page}: {}", answer.text());
        }
    }
    assert_eq!((spaces.bindings_in("staging"), spaces.bindings_in("root")), (1, before));

    // Their own space stays where it is, what is below it moves within.
    let own = form(&admin.page("/spaces/production/edit"), "/spaces/production/edit");
    assert!(own.fields.iter().all(|(name, _)| name != "parent"), "{own:?}");
    assert_eq!(admin.submit(&own, &[("parent", "staging")]).status, 403);
    assert_eq!(admin.submit(&own, &[("name", "Mine")]).status, 303);
    admin.done("/spaces/new", "/spaces/new", &[("id", "us"), ("parent", "production")]);
    let page = admin.page("/spaces/eu/edit");
    assert!(page.contains("value=\"us\"") && !page.contains("value=\"staging\"") && !page.contains("<option value=\"eu\""), "{page}");
    assert_eq!(admin.fill_in("/spaces/eu/edit", "/spaces/eu/edit", &[("parent", "root")]).status, 403);
    admin.done("/spaces/eu/edit", "/spaces/eu/edit", &[("parent", "us")]);
    assert_eq!((spaces.space("eu")["parent"].clone(), spaces.space("production")["parent"].clone()), (json!("us"), json!("root")));
    admin.done("/spaces/eu", "/spaces/eu/assign", &[("subject_kind", "group"), ("subject", "ops"), ("role", "space-reader")]);
    admin.done("/spaces/eu", "/spaces/eu/unassign", &[]);

    // Everything that roles and groups are is for root admins; who is no admin at all sees nothing.
    for path in ["/roles/new", "/groups/new"] {
        assert_eq!(admin.get(path).status, 403, "{path}");
    }
    assert!(!admin.page("/roles").contains("/roles/new") && !admin.page("/groups").contains("/groups/new"));
    // By a group: a change of the key itself would have ended the session.
    let key = spaces.api.made("/keys", &json!({"name": "former", "groups": ["admins"]}));
    let held = spaces.bound(&json!({"group": "admins"}), "space-admin", "production");
    let former = Browser::signed_in(&spaces.server, key["key"].as_str().unwrap());
    assert_eq!(spaces.api.delete(&format!("/bindings/{held}")).status, 204);
    for path in ["/spaces", "/spaces/production", "/spaces/new", "/roles", "/roles/space-reader", "/groups", "/groups/of?name=ops"] {
        let answer = former.get(path);
        // Refused, or asked to sign in as somebody else: shown nothing.
        assert!([303, 403].contains(&answer.status), "{path}: {}", answer.text());
    }
}

#[test]
fn a_form_of_a_space_that_is_stale_changes_nothing_until_it_is_opened_anew() {
    let spaces = Spaces::new();
    let (edit, delete) =
        (form(&spaces.root.page("/spaces/eu/edit"), "/spaces/eu/edit"), form(&spaces.root.page("/spaces/eu/delete"), "/spaces/eu/delete"));
    assert_eq!(spaces.api.patch("/spaces/eu", &json!({"name": "theirs"})).status, 200);
    let answer = spaces.root.submit(&edit, &[("name", "mine")]);
    assert_eq!(answer.status, 412, "{}", answer.text());
    assert!(answer.text().contains("space.update by api::") && answer.text().contains("value=\"mine\""), "{}", answer.text());
    assert_eq!(spaces.root.submit(&form(&answer.text(), "/spaces/eu/edit"), &[]).status, 412, "what was not looked at is not overwritten");
    assert_eq!(spaces.root.submit(&delete, &[]).status, 412);
    assert_eq!(spaces.space("eu")["name"], "theirs");
}

#[test]
fn what_is_called_new_has_its_pages_as_everything_else() {
    let spaces = Spaces::new();
    let root = &spaces.root;
    let page = root.done("/spaces/new", "/spaces/new", &[("id", "new"), ("name", "Novel"), ("parent", "eu")]);
    assert!(page.contains("<h1>Novel</h1>"), "{page}");
    root.done("/spaces/new/", "/spaces/new/assign", &[("subject_kind", "group"), ("subject", "ops"), ("role", "space-reader")]);
    root.done("/spaces/new/edit", "/spaces/new/edit", &[("name", "Newest")]);
    root.done("/spaces/new/", "/spaces/new/unassign", &[]);
    assert!(root.page("/spaces").contains("href=\"/spaces/new/\""));
    root.done("/spaces/new/delete", "/spaces/new/delete", &[]);
    let page = root.done("/roles/new", "/roles/new", &[("id", "new"), ("actions", "run:read")]);
    assert!(page.contains("<h1>new</h1>") && page.contains("run:read"), "{page}");
}

#[test]
fn a_large_tree_is_shown_in_parts_and_whatever_is_left_out_is_behind_a_link() {
    let spaces = Spaces::new();
    for start in (0..700).step_by(100) {
        let changes: Vec<Value> =
            (start..start + 100).map(|n| json!({"space.create": {"id": format!("s{n:03}"), "parent": "staging"}})).collect();
        let answer = spaces.api.post("/changes", &json!({"changes": changes}));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let page = spaces.root.page("/spaces");
    let shown = page.matches("href=\"/spaces/s").count();
    // 50 but for production and eu; staging's name begins with that letter.
    assert_eq!(shown, 48, "{page}");
    assert!(page.contains("/spaces?under=staging&amp;after=s046") && page.contains("653 more spaces"), "{page}");
    let next = spaces.root.page("/spaces?under=staging&after=s046");
    assert_eq!(next.matches("href=\"/spaces/s").count(), 51, "{next}");
    assert!(next.contains("/spaces?under=staging&amp;after=s096") && next.contains("603 more spaces"), "{next}");
    let rest = spaces.root.page("/spaces?under=staging&after=s660");
    assert_eq!(rest.matches("href=\"/spaces/s").count(), 40, "{rest}");
    let found = spaces.root.page("/spaces?q=S69");
    assert_eq!(found.matches("href=\"/spaces/s69").count(), 10, "{found}");
    let first = spaces.root.page("/spaces?q=s");
    assert!(first.contains("cursor=s04"), "{first}");
    assert_eq!(spaces.root.get("/spaces?under=nowhere").status, 404);
}
