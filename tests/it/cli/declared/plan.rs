//! What a plan says, what it takes away, and who is asked.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::place::Place;
use crate::support::pyjwt::python;

const DIGEST: &str = "679fcf1995ebfcd00fe0ee18b93a6795cebcf3d41271ccba654e7f4bad907371";

fn apply(place: &Place, text: &str, more: &[&str]) -> (i32, String, String) {
    let file = place.file("access.yaml", text);
    let run = place.run(&[&["apply", "-f", &file], more].concat());
    (run.code, run.out, run.err)
}

fn everything() -> String {
    format!(
        "spaces:\n  - id: production\n  - {{id: eu, parent: production}}\nroles:\n  - {{id: deployer, actions: ['run:trigger']}}\n\
         keys:\n  - {{name: ci, sha256: {DIGEST}, groups: [platform]}}\n\
         bindings:\n  - {{key: ci, role: deployer, space: eu}}\n  - {{group: platform, role: space-reader, space: root}}\n\
         policies:\n  - name: window\n    source: |\n      package spacelift\n\n      allow if input.session.member\n"
    )
}

#[test]
fn a_plan_tells_what_changes_and_a_dry_run_changes_nothing() {
    let place = Place::new();
    place.json(&["space", "create", "eu", "--label", "old"]);
    place.json(&["role", "create", "deployer", "--action", "run:read"]);
    let before = place.json(&["audit"]);

    let (code, told, talk) = apply(&place, &everything(), &["--dry-run"]);
    assert_eq!((code, talk.as_str()), (2, "7 things would change\n"));
    let shown = format!(
        "\
+ space production
    parent: root
~ space eu
    parent: root → production
    labels: old → none
~ role deployer
    actions: run:read → run:trigger
+ key ci
    groups: platform
+ binding of key ci: deployer@eu
+ binding of group platform: space-reader@root
+ policy window
    source: from line 1
      + package spacelift
      +
      + allow if input.session.member
{}
",
        "5 to create, 2 to update, 0 to delete"
    );
    assert_eq!(told, shown);
    assert_eq!(place.json(&["audit"]), before);

    let planned = place.run(&["apply", "-f", "access.yaml", "--dry-run", "-o", "json"]);
    let planned: Value = serde_json::from_str(&planned.out).unwrap();
    assert_eq!(planned["dry_run"], true);
    assert_eq!(
        planned["changes"][1],
        json!({ "do": "update", "kind": "space", "name": "eu", "fields": [
            { "field": "parent", "before": "root", "after": "production" }, { "field": "labels", "before": "old", "after": null },
        ] })
    );

    let (code, same, _) = apply(&place, &everything(), &[]);
    assert_eq!((code, same), (0, shown));
    assert_eq!(apply(&place, &everything(), &["--dry-run"]).0, 0);
    let last = place.json(&["audit", "--limit", "1"]);
    assert_eq!((&last[0]["action"], &last[0]["revision"]), (&json!("policy.create"), &json!(9)));
    // A policy is told by what is different in it.
    let changed = everything().replace("session.member", "request.remote_ip");
    let (_, told, _) = apply(&place, &changed, &["--dry-run"]);
    assert!(told.contains("~ policy window\n    source: from line 3\n      - allow if input.session.member\n      + allow if"), "{told}");
}

#[test]
fn only_what_files_once_declared_is_pruned() {
    let place = Place::new();
    place.json(&["role", "create", "by-hand", "--action", "run:read"]);
    place.json(&["key", "create", "--name", "mine", "--bind", "by-hand@root"]);
    apply(&place, &everything(), &[]);
    // One that was there already is taken over by being declared.
    place.json(&["space", "create", "taken-over"]);
    apply(&place, &format!("{}  - {{id: taken-over}}\n", "spaces:\n  - {id: production}\n"), &[]);

    let (code, told, talk) = apply(&place, "spaces: [{id: production}]\n", &[]);
    assert_eq!((code, told.as_str()), (0, "nothing to change\n"));
    assert!(talk.contains("what earlier files declared and these do not stays (8: "), "{talk}");
    assert!(talk.contains("binding of key ci: deployer@eu") && talk.contains("space taken-over"), "{talk}");

    let (code, told, _) = apply(&place, "spaces: [{id: production}]\n", &["--prune", "--dry-run"]);
    assert_eq!(code, 2);
    assert_eq!(
        told,
        "- binding of key ci: deployer@eu\n- binding of group platform: space-reader@root\n- policy window\n- key ci\n- group platform\n\
         - role deployer\n- space eu\n- space taken-over\n0 to create, 0 to update, 8 to delete\n"
    );
    let (code, same, _) = apply(&place, "spaces: [{id: production}]\n", &["--prune"]);
    assert_eq!((code, same), (0, told));
    assert_eq!(apply(&place, "spaces: [{id: production}]\n", &["--prune"]).1, "nothing to change\n");
    assert_eq!(place.names(&["space", "list"], "id"), ["production", "root"]);
    assert!(place.names(&["role", "list"], "id").contains(&"by-hand".to_owned()));
    assert_eq!(place.names(&["key", "list"], "name"), ["mine"]);

    // An empty pipe is no wish to have nothing.
    for nothing in ["", "spaces: []\n"] {
        let (code, _, talk) = apply(&place, nothing, &["--prune"]);
        assert_eq!(code, 1);
        assert!(talk.contains("nothing was changed: the files declare nothing"), "{talk}");
    }
    assert_eq!(place.names(&["space", "list"], "id"), ["production", "root"]);

    // What somebody makes under a name that files once had is theirs.
    place.json(&["space", "create", "eu"]);
    assert_eq!(apply(&place, "spaces: [{id: production}]\n", &["--prune"]).1, "nothing to change\n");
}

#[test]
fn what_the_store_refuses_of_the_whole_is_told_before_it_is_merged() {
    let place = Place::new();
    apply(&place, &everything(), &[]);
    place.json(&["binding", "create", "--group", "others", "--role", "deployer", "--space", "root"]);
    let gone = everything().replace("roles:\n  - {id: deployer, actions: ['run:trigger']}\n", "").replace("deployer", "space-writer");
    for more in [&["--prune", "--dry-run"][..], &["--prune"]] {
        let (code, _, talk) = apply(&place, &gone, more);
        assert_eq!(code, 1, "{talk}");
        assert!(talk.contains("nothing was changed: role deployer: role deployer cannot be deleted: 1 binding of it"), "{talk}");
    }
    assert_eq!(place.run(&["export"]).out.matches("deployer").count(), 3);

    // Nobody is locked out by a file, and one root admin may take the place of another.
    let other = Place::new();
    let admin = "keys: [{name: ci, sha256: 679fcf1995ebfcd00fe0ee18b93a6795cebcf3d41271ccba654e7f4bad907371}]\n\
                 bindings: [{key: ci, role: space-admin, space: root}]\n";
    assert_eq!(apply(&other, admin, &[]).0, 0);
    let (code, _, talk) = apply(&other, "strategy: combined\n", &["--prune"]);
    assert_eq!(code, 1);
    assert!(talk.contains("nothing was changed"), "{talk}");
    let next = admin.replace("ci", "cd").replace("679f", "779f");
    assert_eq!(apply(&other, &next, &["--prune"]).0, 0);
    assert_eq!(other.names(&["key", "list"], "name"), ["cd"]);
}

#[test]
fn many_files_make_one_plan_in_the_order_of_what_needs_what() {
    let place = Place::new();
    place.file("access/a.json", r#"{"bindings": [{"group": "g", "role": "r", "space": "c"}]}"#);
    place.file("access/b.yml", "spaces: [{id: c, parent: b}, {id: b, parent: a}]\n---\nspaces: [{id: a}]\n");
    place.file("access/.hidden.yaml", "spaces: [{id: hidden}]");
    place.file("access/policies/p.rego", "package spacelift\n\nallow if input.session.member\n");
    let file = place.file("more.yaml", "policies: [{name: p, file: access/policies/p.rego}]\n");
    let line = ["apply", "-f", "access", "-f", &file, "-f", "-"];
    let run = place.run_with(&line, &[("CLAVIGER_STORE", &place.url())], "roles: [{id: r, actions: ['*:*']}]");
    assert_eq!(run.code, 0, "{}", run.err);
    let first: Vec<&str> = run.out.lines().filter(|line| line.starts_with('+')).collect();
    assert_eq!(first, ["+ space a", "+ space b", "+ space c", "+ role r", "+ binding of group g: r@c", "+ policy p"]);

    // Two that stand under each other change places.
    let swapped = "spaces: [{id: a, parent: b}, {id: b}, {id: c, parent: a}]\n";
    assert_eq!(apply(&place, swapped, &[]).0, 0);
    assert_eq!(place.json(&["space", "show", "a"])["parent"], "b");
}

#[test]
fn two_who_apply_at_once_have_both_applied() {
    let place = Place::new();
    place.json(&["space", "create", "root-of-all"]);
    let files: Vec<String> = (0..4)
        .map(|number| {
            let spaces: Vec<String> = (0..20).map(|space| format!("{{id: of-{number}-{space}}}")).collect();
            place.file(&format!("{number}.yaml"), &format!("spaces: [{}]\n", spaces.join(", ")))
        })
        .collect();
    let start = |file: &String| place.start(&["apply", "-f", file], &[("CLAVIGER_STORE", &place.url())], Stdio::null());
    let children: Vec<_> = files.iter().map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(place.names(&["space", "list"], "id").len(), 2 + 4 * 20);
    assert_eq!(place.json(&["audit", "--limit", "1"])[0]["revision"], 81);
}

#[test]
fn whoever_sits_at_a_terminal_is_asked_before_something_is_taken_away() {
    let place = Place::new();
    apply(&place, &everything(), &[]);
    let at_a_terminal = |answer: &str, more: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/at_a_terminal.py");
        let line = [&["apply", "-f", "access.yaml", "--prune"], more].concat();
        let output = Command::new(python())
            .args([script.as_os_str(), answer.as_ref(), env!("CARGO_BIN_EXE_claviger").as_ref()])
            .args(line)
            .env_clear()
            .env("CLAVIGER_STORE", place.url())
            .current_dir(place.dir.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    place.file("access.yaml", &everything().replace("  - {key: ci, role: deployer, space: eu}\n", ""));
    let (code, shown) = at_a_terminal("n", &[]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("- binding of key ci: deployer@eu") && shown.contains("take away what is marked with - (1)?"), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
    let (code, shown) = at_a_terminal("y", &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("done, as revision 8"), "{shown}");

    // Nobody is asked where nothing is taken away, or where that is answered.
    place.file("access.yaml", &everything());
    assert!(!at_a_terminal("n", &[]).1.contains("[y/N]"));
    place.file("access.yaml", "spaces: [{id: production}]\n");
    let (code, shown) = at_a_terminal("n", &["--yes"]);
    assert_eq!((code, shown.contains("[y/N]")), (0, false), "{shown}");
}

#[test]
fn what_is_odd_about_a_policy_is_told_at_its_place_and_it_is_taken() {
    let place = Place::new();
    let odd = "policies:\n  - name: window\n    source: |\n      package spacelift\n\n      allow if input.session.teams == \"platform\"\n";
    let (code, _, talk) = apply(&place, odd, &[]);
    assert_eq!(code, 0, "{talk}");
    assert!(talk.contains("\nwarning: ") && talk.contains("access.yaml:6:"), "{talk}");
}

#[test]
fn a_plan_tells_who_would_feel_it_before_it_is_carried_out() {
    let place = Place::new();
    apply(&place, &everything(), &[]);
    place.json(&["key", "create", "--name", "other"]);
    place.json(&["key", "create", "--name", "member", "--group", "platform"]);
    let fewer = everything().replace("{id: eu, parent: production}", "{id: eu}").replace(", groups: [platform]", "");
    let fewer = format!("{fewer}      deny if input.session.name == \"member\"\n");

    let (code, _, talk) = apply(&place, &fewer, &["--dry-run"]);
    assert_eq!(code, 2);
    assert!(talk.contains("touches 2 of 3 keys that work:"), "{talk}");
    assert!(talk.contains("\n  ci: loses space-reader@root") && talk.contains("\n  member: "), "{talk}");
    assert!(!talk.contains("\n  other: "), "{talk}");

    let told = place.run(&["apply", "-f", "access.yaml", "-o", "json"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&told["impact"]["looked_at"], &told["impact"]["keys"][0]["name"]), (&json!(3), &json!("ci")));
    assert_eq!(place.json(&["explain", "--key", "member"])["code"], "denied");
    // Who is revoked is cut off.
    let (_, _, talk) = apply(&place, "strategy: combined\n", &["--prune", "--dry-run"]);
    assert!(talk.contains("ci: ") && talk.contains("cut off"), "{talk}");
}
