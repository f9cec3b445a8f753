//! Login policies, written, tried and compared in a browser.

use serde_json::{Value, json};

use super::browser::{Browser, encoded, form, forms};
use crate::admin::client::Api;
use crate::support::certificates::{Authority, Wish};
use crate::support::server::{Server, Setup};

/// Whoever is called `ci-…` deploys, and nobody else comes in by it.
const DEPLOYERS: &str = "package spacelift\n\nallow if startswith(input.session.login, \"ci-\")\n\nroles[\"production\"][\"deployer\"] if startswith(input.session.login, \"ci-\")\n";
const DENIES: &str = "package spacelift\n\n# Nobody deploys today.\ndeny if startswith(input.session.login, \"ci-\")\n";
const BROKEN: &str = "package spacelift\n\nallow if input.session.login == \"ci\" and true\n";

struct Place {
    server: Server,
    api: Api,
    browser: Browser,
}

/// A root admin who has signed in, beside the one that a store begins with, and two keys that deploy.
fn place() -> Place {
    let server = Server::with_spaces();
    let api = Api::of_root(&server);
    for name in ["ci-1", "ci-2"] {
        api.made("/keys", &json!({ "name": name, "bindings": [{ "role": "deployer", "space": "production" }] }));
    }
    let browser = Browser::signed_in(&server, api.key.as_deref().unwrap());
    Place { server, api, browser }
}

fn of(name: &str) -> String {
    format!("/policies/of?name={}", encoded(name))
}

#[test]
fn a_policy_is_checked_tried_on_every_key_saved_compared_restored_and_deleted_without_any_script() {
    let Place { server, api, browser } = place();
    assert!(browser.page("/policies").contains("There is no login policy"));
    let new = |entered: &[(&str, &str)]| browser.fill_in("/policies/new", "/policies/new", entered);

    let checked = new(&[("name", "today"), ("source", DENIES), ("action", "check")]);
    assert_eq!(checked.status, 200, "{}", checked.text());
    assert!(checked.text().contains("It can be saved") && checked.text().contains("Nobody deploys today"), "{}", checked.text());

    let tried = new(&[("name", "today"), ("source", DENIES), ("action", "difference")]).text();
    assert!(tried.contains("4 live keys looked at: 2 would be answered otherwise, <strong>2 cut off</strong>"), "{tried}");
    assert!(tried.contains(">ci-1<") && tried.contains(">ci-2<") && tried.contains("denied"), "{tried}");
    assert_eq!(api.get("/policies").json()["items"], json!([]), "nothing is saved");

    let one = new(&[("name", "today"), ("source", DENIES), ("about", "key"), ("key", "ci-1"), ("action", "simulate")]).text();
    assert!(one.contains("1 live key looked at") && one.contains("line 4: "), "{one}");
    let nobody = new(&[("name", "today"), ("source", DENIES), ("about", "key"), ("key", "nobody"), ("action", "simulate")]);
    assert!(nobody.status == 422 && nobody.text().contains("id=\"key-wrong\""), "{}", nobody.text());

    let page = browser.done("/policies/new", "/policies/new", &[("name", "today"), ("source", DENIES), ("action", "save")]);
    assert!(page.contains("data-in-force") && page.contains("Nobody deploys today"), "{page}");
    assert_eq!(api.get("/policies/today").json()["source"], DENIES);
    let taken = new(&[("name", "today"), ("source", DENIES), ("action", "save")]);
    assert_eq!(taken.status, 409, "{}", taken.text());

    let again = DENIES.replace("today", "tomorrow").replace('\n', "\r\n");
    browser.done(&of("today"), "/policies/of", &[("source", &again), ("action", "save")]);
    assert_eq!(api.get("/policies/today").json()["source"], DENIES.replace("today", "tomorrow"), "line ends are those of files");

    let versions = browser.page("/policies/versions?name=today");
    assert!(versions.contains("<del>- # Nobody deploys today.") && versions.contains("<ins>+ # Nobody deploys tomorrow."), "{versions}");
    assert!(versions.contains("policy.create") && versions.contains("policy.update") && versions.contains("api::"), "{versions}");
    let first = forms(&versions).into_iter().rfind(|form| form.action == "/policies/of").unwrap();
    let version = first.fields.iter().find(|(name, _)| name == "version").unwrap().1.clone();
    let restored = browser.page(&format!("{}&version={version}", of("today")));
    assert!(restored.contains("Nobody deploys today") && restored.contains("It is in force when it is saved"), "{restored}");
    assert_eq!(browser.get(&format!("{}&version=999999", of("today"))).status, 404);
    assert_eq!(browser.submit(&form(&restored, "/policies/of"), &[("action", "save")]).status, 303);
    assert_eq!(api.get("/policies/today").json()["source"], DENIES);

    let asked = browser.page("/policies/delete?name=today");
    assert!(asked.contains("<strong>2 let in</strong>"), "{asked}");
    let page = browser.done("/policies/delete?name=today", "/policies/delete", &[]);
    assert!(page.contains("There is no login policy"), "{page}");
    let gone = browser.page("/policies/versions?name=today");
    let begun = browser.page(&format!("/policies/new?name=today&version={version}"));
    assert!(gone.contains("policy.delete") && begun.contains("Nobody deploys today"), "{gone}");
    drop(server);
}

#[test]
fn a_text_with_faults_is_not_saved_and_each_fault_says_where_it_is() {
    let Place { api, browser, server: _server } = place();
    api.made("/policies", &json!({ "name": "p", "source": DEPLOYERS }));

    for action in ["check", "save", "difference", "simulate"] {
        let answer = browser.fill_in(&of("p"), "/policies/of", &[("source", BROKEN), ("about", "keys"), ("action", action)]);
        let page = answer.text();
        assert_eq!(answer.status, if action == "check" { 200 } else { 422 }, "{action}: {page}");
        assert!(
            page.contains("data-line=\"3\"") && page.contains("Line 3, column ") && page.contains("It would not be saved"),
            "{action}: {page}"
        );
        assert!(page.contains("== &quot;ci&quot; and true"), "what was entered is kept: {page}");
    }
    assert_eq!(api.get("/policies/p").json()["source"], DEPLOYERS);
    let unnamed = browser.fill_in("/policies/new", "/policies/new", &[("name", " "), ("source", DEPLOYERS), ("action", "save")]);
    assert!(unnamed.status == 422 && unnamed.text().contains("id=\"name-wrong\""), "{}", unnamed.text());
}

#[test]
fn findings_are_told_to_a_script_of_this_session_and_to_no_other() {
    let Place { browser, server: _server, .. } = place();
    let token = form(&browser.page("/policies/new"), "/policies/new").fields.into_iter().find(|(name, _)| name == "csrf").unwrap().1;

    let answer = browser.post("/policies/check", &[("csrf", &token), ("name", ""), ("source", BROKEN), ("rego", "v1")]);

    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.text());
    let told = answer.json();
    assert_eq!((&told["findings"][0]["line"], &told["findings"][0]["severity"]), (&json!(3), &json!("error")), "{told}");
    assert!(
        told["findings"][0]["reason"].as_str().unwrap().ends_with('.') && told["summary"].as_str().unwrap().contains("1 error"),
        "{told}"
    );
    let sound = browser.post("/policies/check", &[("csrf", &token), ("name", "p"), ("source", DEPLOYERS), ("rego", "")]).json();
    assert_eq!(sound["findings"], json!([]), "{sound}");
    assert_eq!(browser.post("/policies/check", &[("csrf", "x"), ("name", "p"), ("source", DEPLOYERS)]).status, 403);
}

#[test]
fn a_text_that_somebody_has_changed_meanwhile_is_not_overwritten_nor_deleted() {
    let Place { api, browser, server: _server } = place();
    api.made("/policies", &json!({ "name": "p", "source": DEPLOYERS }));
    let edit = form(&browser.page(&of("p")), "/policies/of");
    let delete = form(&browser.page("/policies/delete?name=p"), "/policies/delete");
    let theirs = format!("{DEPLOYERS}\n# by somebody else\n");
    assert_eq!(api.send("PUT", "/policies/p", Some(&json!({ "source": theirs })), &[]).status, 200);

    let mut edit = edit;
    for action in ["save", "save", "check", "difference", "save"] {
        let answer = browser.submit(&edit, &[("source", DENIES), ("action", action)]);
        let page = answer.text();
        assert_eq!(answer.status, if action == "save" { 412 } else { 200 }, "what has come since was not looked at yet: {page}");
        assert!(page.contains("Nobody deploys today"), "what was entered is kept: {page}");
        assert_eq!(page.contains("policy.update by api::"), action == "save", "{action}: {page}");
        edit = form(&page, "/policies/of");
    }
    let answer = browser.submit(&delete, &[]);
    assert!(answer.status == 412 && answer.text().contains("policy.update by api::"), "{}", answer.text());
    assert_eq!(browser.submit(&form(&answer.text(), "/policies/delete"), &[]).status, 412);
    assert_eq!(api.get("/policies/p").json()["source"], theirs);

    assert_eq!(api.delete("/policies/p").status, 204);
    let answer = browser.submit(&edit, &[("source", DENIES), ("action", "save")]);
    assert!(answer.status == 412 && answer.text().contains("policy.delete by api::"), "{} {}", answer.status, answer.text());
}

#[test]
fn a_text_is_tried_with_the_certificate_that_a_client_would_show() {
    let Place { browser, server: _server, .. } = place();
    let certificate = Authority::new("an authority").issue(Wish { subject: "machine", ..Wish::default() });
    let source = "package spacelift\n\ndeny if contains(input.request.client_certificate.subject, \"machine\")\n";
    let tried = |pem: &str| {
        let entered = [("name", "p"), ("source", source), ("about", "key"), ("key", "ci-1"), ("client_certificate", pem)];
        browser.fill_in("/policies/new", "/policies/new", &[&entered[..], &[("action", "simulate")]].concat())
    };
    assert!(tried("").text().contains("1 live key looked at: nothing would change."), "{}", tried("").text());
    let shown = tried(&certificate.pem()).text();
    assert!(shown.contains("<strong>1 cut off</strong>") && shown.contains("line 3: "), "{shown}");
    let none = tried("-----BEGIN NOTHING-----");
    assert!(none.status == 422 && none.text().contains("id=\"client_certificate-wrong\""), "{}", none.text());
}

#[test]
fn requests_that_policies_wanted_kept_are_looked_at_tried_and_given_up() {
    let Place { api, browser, server } = place();
    let source = format!("{DEPLOYERS}\nsample := true\n");
    api.made("/policies", &json!({ "name": "keeps", "source": source }));
    let key = api.made("/keys", &json!({ "name": "ci-3" }))["key"].as_str().unwrap().to_owned();
    assert_eq!(server.get_from(&key, "192.0.2.9").status, 200);
    let kept = |api: &Api| api.get("/samples").json()["items"].as_array().unwrap().clone();
    server.until("the sample", |_| !kept(&api).is_empty());
    let id = kept(&api)[0]["id"].to_string();

    let list = browser.page("/policies/samples");
    assert!(list.contains(">ci-3<") && list.contains("192.0.2.9") && list.contains("let in") && list.contains(">keeps<"), "{list}");
    let one = browser.page(&format!("/policies/samples/show?id={id}"));
    assert!(one.contains("&quot;login&quot;: &quot;ci-3&quot;"), "{one}");
    assert_eq!(browser.get("/policies/samples/show?id=99").status, 404);
    assert!(browser.page(&of("keeps")).contains(&format!("value=\"{id}\"")), "it can be chosen");

    let tried = |entered: &[(&str, &str)]| {
        browser.fill_in(&of("keeps"), "/policies/of", &[&[("source", DENIES), ("action", "simulate")], entered].concat())
    };
    let of_one = tried(&[("about", "sample"), ("sample", &id)]).text();
    assert!(of_one.contains("1 sample looked at") && of_one.contains("192.0.2.9") && of_one.contains("line 4: "), "{of_one}");
    assert!(tried(&[("about", "samples")]).text().contains("<strong>1 cut off</strong>"));
    assert_eq!(tried(&[("about", "sample"), ("sample", "99")]).status, 422);

    let cleared = browser.done("/policies/samples/clear", "/policies/samples/clear", &[]);
    assert!(cleared.contains("Samples given up: 1.") && cleared.contains("There is no sample"), "{cleared}");
    assert_eq!(kept(&api), Vec::<Value>::new());
    let told = &api.get("/audit?action=sample.clear").json()["items"];
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!((&told[0]["after"], &told[0]["refused"]), (&json!({ "cleared": 1 }), &Value::Null), "{told}");
    assert!(told[0]["actor"].as_str().unwrap().starts_with("api::") && told[0]["remote_ip"] == "127.0.0.1", "{told}");
}

#[test]
fn policies_of_the_directory_are_shown_with_what_is_odd_about_them_and_cannot_be_changed_here() {
    let odd = "package spacelift\n\nallow if input.session.login == \"ci\"\n\nroles[\"nowhere\"][\"deployer\"] if input.session.login == \"ci\"\n";
    let server = Setup::new().policies([("from-file.rego", odd)]).start();
    let browser = Browser::of_root(&server);

    let list = browser.page("/policies");
    assert!(list.contains("from-file") && list.contains("from-file.rego") && list.contains("2 warnings"), "{list}");
    assert!(!list.contains("/policies/delete"), "{list}");
    let page = browser.page(&of("from-file"));
    assert!(page.contains("is changed there") && page.contains("data-line=\"5\"") && !page.contains("<textarea"), "{page}");
    let fields = form(&browser.page("/policies/new"), "/policies/new").fields;
    let token = &fields.iter().find(|(name, _)| name == "csrf").unwrap().1;
    let answer = browser.post("/policies/of", &[("csrf", token), ("name", "from-file"), ("source", DENIES), ("action", "save")]);
    assert!(answer.status == 404 || answer.status == 422, "{} {}", answer.status, answer.text());
    let same = browser.fill_in("/policies/new", "/policies/new", &[("name", "from-file"), ("source", DEPLOYERS), ("action", "save")]);
    assert_eq!(same.status, 422, "{}", same.text());
}

#[test]
fn policies_and_the_strategy_are_for_root_admins_alone() {
    let Place { api, server, .. } = place();
    api.made("/policies", &json!({ "name": "p", "source": DEPLOYERS }));
    let admin = Browser::signed_in(&server, &server.key("admin", &["--bind", "space-admin@production"]).text);
    let front = admin.page("/");
    assert!(!front.contains("href=\"/policies\"") && !front.contains("href=\"/strategy\""), "{front}");
    let paths = [
        "/policies",
        "/policies/new",
        "/policies/of?name=p",
        "/policies/versions?name=p",
        "/policies/delete?name=p",
        "/policies/samples",
        "/policies/samples/show?id=1",
        "/policies/samples/clear",
        "/strategy",
        "/strategy/set?strategy=combined",
    ];
    for path in paths {
        let answer = admin.get(path);
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        assert!(!answer.text().contains("startswith"), "{path}");
    }
    let token = forms(&front).into_iter().flat_map(|form| form.fields).find(|(name, _)| name == "csrf").unwrap().1;
    let entered: [(&str, &str); 5] =
        [("csrf", &token), ("name", "p"), ("source", DENIES), ("action", "save"), ("strategy", "user-management")];
    for path in ["/policies/new", "/policies/of", "/policies/check", "/policies/delete", "/policies/samples/clear", "/strategy"] {
        assert_eq!(admin.post(path, &entered).status, 403, "{path}");
    }
    assert_eq!(
        (&api.get("/policies/p").json()["source"], &api.get("/strategy").json()["strategy"]),
        (&json!(DEPLOYERS), &json!("combined"))
    );
}

#[test]
fn what_authors_write_never_becomes_a_part_of_a_page() {
    let Place { api, browser, server: _server } = place();
    let name = "\"><script>alert(1)</script>";
    let source = format!(
        "{DEPLOYERS}\n# </textarea><script>alert(2)</script> &amp; <img src=x>\nroles[\"<script>alert(3)\"][\"deployer\"] if input.session.login == \"ci\"\n"
    );
    api.made("/policies", &json!({ "name": name, "source": source }));
    let versions = format!("/policies/versions?name={}", encoded(name));
    let checked = browser.fill_in(&of(name), "/policies/of", &[("about", "key"), ("key", "<script>alert(4)"), ("action", "simulate")]);
    let pages = [
        browser.page("/policies"),
        browser.page(&of(name)),
        browser.page(&versions),
        browser.page(&format!("/policies/delete?name={}", encoded(name))),
        checked.text(),
    ];
    for page in pages {
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }
    let kept = form(&browser.page(&of(name)), "/policies/of").fields.into_iter().find(|(name, _)| name == "source").unwrap().1;
    assert_eq!(kept, source, "it comes back as it was written");
}
