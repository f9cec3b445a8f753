//! What a change of bindings, roles, spaces and groups comes to, told before it is made.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::place::{Place, Run};
use crate::support::pyjwt::python;

/// `ci` and `cd` in `platform`, `idle` in nothing; `production` above `eu`, `staging` beside them.
fn place() -> Place {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.json(&["space", "create", "eu", "--parent", "production"]);
    place.json(&["space", "create", "staging"]);
    place.json(&["role", "create", "deployer", "--action", "run:*"]);
    place.json(&["key", "create", "--name", "ci", "--group", "platform"]);
    place.json(&["key", "create", "--name", "cd", "--group", "platform"]);
    place.json(&["key", "create", "--name", "idle"]);
    place
}

#[test]
fn a_binding_tells_whom_it_touches_before_it_is_made_and_is_not_made_in_a_dry_run() {
    let place = place();
    let bind = ["binding", "create", "--group", "platform", "--role", "deployer", "--space", "production"];

    let tried = place.run(&[&bind[..], &["--dry-run"]].concat());
    assert_eq!((tried.code, tried.out.as_str()), (0, "nothing was changed\n"), "{}", tried.err);
    assert!(tried.err.contains("touches 2 of 2 keys that work: 0 cut off, 2 let in, 2 gain roles"), "{}", tried.err);
    assert!(tried.err.contains("  ci: let in: was no_roles; gains deployer@production"), "{}", tried.err);
    assert!(place.names(&["binding", "list"], "role").is_empty());

    let made = place.json(&bind);
    assert_eq!((&made["impact"]["let_in"], &made["role"]), (&json!(2), &json!("deployer")));

    let gone = place.json(&["binding", "delete", "--group", "platform", "--role", "deployer", "--space", "production", "--dry-run"]);
    assert_eq!((&gone["dry_run"], &gone["impact"]["cut_off"]), (&json!(true), &json!(2)), "{gone}");
    let of_key = place.json(&["binding", "create", "--key", "idle", "--role", "deployer", "--space", "staging"]);
    assert_eq!(of_key["impact"]["keys"][0]["name"], "idle", "{of_key}");
    // A dry run is refused where the change would be.
    assert!(
        place.refused(&["binding", "create", "--key", "idle", "--role", "deploier", "--space", "eu", "--dry-run"]).contains("deployer?")
    );
}

#[test]
fn a_dry_run_makes_no_store() {
    let place = Place::new();

    place.refused(&["binding", "create", "--group", "platform", "--role", "space-reader", "--space", "root", "--dry-run"]);

    assert!(!place.path("claviger.db").exists());
}

#[test]
fn a_space_that_moves_tells_who_no_longer_inherits_and_a_role_tells_who_holds_it() {
    let place = place();
    place.json(&["binding", "create", "--key", "ci", "--role", "deployer", "--space", "production"]);
    place.json(&["binding", "create", "--key", "cd", "--role", "deployer", "--space", "staging"]);

    let moved = place.run(&["space", "update", "eu", "--parent", "staging"]);
    let role = place.run(&["role", "update", "deployer", "--action", "run:read", "--dry-run"]);

    assert_eq!(moved.code, 0, "{}", moved.err);
    for told in ["touches 2 of 3 keys", "  ci: loses deployer@eu", "  cd: gains deployer@eu"] {
        assert!(moved.err.contains(told), "{told}: {}", moved.err);
    }
    assert!(role.err.contains("touches 2 of 3 keys that work: they hold deployer"), "{}", role.err);
    assert_eq!(place.json(&["role", "show", "deployer"])["actions"], json!(["run:*"]));
    assert!(place.refused(&["space", "update", "staging", "--parent", "eu"]).contains("itself"));
}

#[test]
fn a_group_that_nobody_is_in_is_told_with_the_one_that_is_spelled_nearly_so() {
    let place = place();

    for (line, near) in [
        (&["binding", "create", "--group", "Platform", "--role", "deployer", "--space", "eu"][..], "platform, which has 2 keys in it"),
        (&["binding", "create", "--group", "platfrom", "--role", "deployer", "--space", "eu"], "platform, which has 2 keys in it"),
        (&["key", "create", "--name", "new", "--group", "plat form"], "platform, which has 2 keys in it"),
        (&["key", "update", "idle", "--add-group", "PLATFORM"], "did you mean platform"),
    ] {
        let run = place.run(line);
        assert!(run.code == 0 && run.err.contains(near), "{line:?}: {}", run.err);
    }
    let run = place.run(&["binding", "create", "--group", "release", "--role", "deployer", "--space", "eu"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
}

/// Runs at a terminal and says this where it is asked; what the terminal shows comes back.
fn at_a_terminal(place: &Place, line: &[&str], answer: &str) -> Run {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/at_a_terminal.py");
    let output = Command::new(python())
        .arg(script)
        .arg(answer)
        .arg(env!("CARGO_BIN_EXE_claviger"))
        .args(line)
        .env_clear()
        .env("CLAVIGER_STORE", place.url())
        .current_dir(place.dir.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    Run { code: output.status.code().unwrap(), out: shown, err: String::from_utf8(output.stderr).unwrap() }
}

#[test]
fn whoever_sits_at_a_terminal_is_asked_before_a_key_is_revoked_or_a_space_deleted() {
    let place = place();

    for line in [&["key", "revoke", "ci"][..], &["space", "delete", "staging"]] {
        let no = at_a_terminal(&place, line, "n");
        assert!(no.code == 1 && no.out.contains("[y/N]") && no.out.contains("nothing was changed"), "{line:?}: {}{}", no.out, no.err);
    }
    assert_eq!(place.json(&["key", "show", "ci"])["state"], "active");

    let yes = at_a_terminal(&place, &["key", "revoke", "ci"], "y");
    assert!(yes.code == 0 && yes.out.contains("never used") && yes.out.contains("revoked"), "{}", yes.out);
    let unasked = at_a_terminal(&place, &["space", "delete", "staging", "--yes"], "n");
    assert!(unasked.code == 0 && !unasked.out.contains("[y/N]"), "{}", unasked.out);
    assert_eq!(place.names(&["space", "list"], "id"), ["eu", "production", "root"]);
}
