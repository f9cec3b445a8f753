//! What is exported is what is there, and applies to nothing.

use claviger::model::Revision;
use serde_json::{Value, json};

use crate::support::place::Place;

const POLICY: &str = "package spacelift\n\n# Who is \"on call\":\nallow if {\n\tinput.session.member\n\n\troles[\"production\"][\"deployer\"]\n}\n\n\
    roles[space] contains role if {\n    space := \"production\"\n    role := \"deployer\"\n}\n";

/// A store with something of everything, and oddities. The texts of its keys.
fn furnished(place: &Place) -> Vec<String> {
    place.json(&["space", "create", "production", "--name", "Production: all of it", "--label", "critical", "--label", "a, b"]);
    place.json(&["space", "create", "a-below-z", "--parent", "production", "--description", "line one\nline two\n"]);
    place.json(&["space", "create", "zone", "--description=- \"quoted\" \u{1b}[31m é\u{2028}"]);
    place.json(&["space", "update", "a-below-z", "--parent", "zone"]);
    place.json(&["space", "update", "root", "--label", "everything"]);
    place.json(&["role", "create", "deployer", "--action", "run:*", "--action", "stack:read"]);
    place.json(&["role", "create", "1", "--name", "no", "--action", "*:*"]);
    place.json(&["group", "create", "Platform Team: EU", "--description", "#1"]);
    let mut texts = Vec::new();
    for line in [
        &["--name", "ci", "--group", "Platform Team: EU", "--group", "null", "--bind", "deployer@production"][..],
        &["--name", "2027-01-31", "--expires", "2099-01-31T12:00:00.25Z", "--description", "true"],
        &["--name", "off", "--bind", "space-admin@root"],
        &["--name", "gone", "--bind", "1@zone"],
        &["--name", "root-admin", "--bind", "space-admin@root"],
    ] {
        let made = place.json(&[&["key", "create"], line].concat());
        texts.push(made["key"].as_str().unwrap().to_owned());
    }
    texts.push(place.json(&["key", "rotate", "ci", "--grace", "1h"])["key"].as_str().unwrap().to_owned());
    place.json(&["key", "disable", "off"]);
    place.json(&["key", "revoke", "gone"]);
    place.json(&["binding", "create", "--group", "Platform Team: EU", "--role", "1", "--space", "a-below-z"]);
    place.json(&["binding", "create", "--group", "Platform Team: EU", "--role", "space-reader", "--space", "root"]);
    let file = place.file("on-call.rego", POLICY);
    place.json(&["policy", "create", "on-call", "--file", &file, "--rego", "v1"]);
    let file = place.file("old.rego", "package spacelift\r\n\r\nallow { input.session.member }\r\n");
    place.json(&["policy", "create", "old one", "--file", &file]);
    place.json(&["strategy", "set", "user-management"]);
    texts
}

fn revision(place: &Place) -> u64 {
    place.in_store(async |store| store.snapshot().await.unwrap().revision).0
}

#[test]
fn an_export_applied_to_an_empty_store_is_exported_again_byte_for_byte() {
    let (place, other) = (Place::new(), Place::new());
    let texts = furnished(&place);
    let exported = place.run(&["export"]);
    assert_eq!((exported.code, exported.err.as_str()), (0, ""));

    let applied = other.run_with(&["apply", "-f", "-"], &[("CLAVIGER_STORE", &other.url())], &exported.out);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let again = other.run(&["export"]);
    assert_eq!(again.out, exported.out);

    // Neither store has anything to change then, and that is no change.
    for place in [&place, &other] {
        let before = revision(place);
        let file = place.file("access.yaml", &exported.out);
        for line in [&["apply", "-f", &file, "--dry-run"][..], &["apply", "-f", &file], &["apply", "-f", &file, "--prune"]] {
            let run = place.run(line);
            assert_eq!((run.code, run.out.trim()), (0, "nothing to change"), "{}", run.err);
        }
        assert_eq!(revision(place), before);
    }

    // The keys are the same keys: whoever has one presents it here as there. The secret that is about to end is not taken along.
    let works = |text: &str| other.look_up(text).map(|key| (key.name.to_string(), key.disabled_at.is_some()));
    assert_eq!(works(&texts[5]), Some(("ci".to_owned(), false)));
    assert_eq!(works(&texts[1]), Some(("2027-01-31".to_owned(), false)));
    assert_eq!(works(&texts[2]), Some(("off".to_owned(), true)));
    assert_eq!([works(&texts[0]), works(&texts[3])], [None, None]);
    assert_eq!(other.json(&["policy", "show", "old one"])["source"], "package spacelift\r\n\r\nallow { input.session.member }\r\n");
    assert_eq!(other.json(&["policy", "show", "on-call"])["source"], POLICY);
}

#[test]
fn json_says_the_same_as_yaml() {
    let (place, other) = (Place::new(), Place::new());
    furnished(&place);
    let exported: Value = place.json(&["export"]);
    let file = other.file("access.json", &exported.to_string());

    assert_eq!(other.run(&["apply", "-f", &file]).code, 0);
    assert_eq!(other.json(&["export"]), exported);
    assert_eq!(other.run(&["export"]).out, place.run(&["export"]).out);
    // As a program writes it that keeps to ASCII.
    let file = other.file("ascii.json", r#"{"spaces": [{"id": "party", "name": "\ud83c\udf89 \\ud83c \u00e9"}]}"#);
    assert_eq!(other.run(&["apply", "-f", &file]).code, 0);
    assert_eq!(other.json(&["space", "show", "party"])["name"], "🎉 \\ud83c é");
}

#[test]
fn an_empty_store_is_exported_and_applied_too() {
    let place = Place::new();
    place.json(&["space", "create", "a"]);
    place.json(&["space", "delete", "a", "--yes"]);
    let exported = place.run(&["export"]);
    assert_eq!(exported.out, "strategy: combined\n");
    assert_eq!(place.json(&["export"]), json!({ "strategy": "combined" }));
    let file = place.file("empty.yaml", &exported.out);
    assert_eq!(place.run(&["apply", "-f", &file]).code, 0);
    assert_eq!(place.in_store(async |store| store.snapshot().await.unwrap().revision), Revision(2));
    for nothing in ["", "# nothing\n", "---\n", "{}\n", "spaces:\n"] {
        let file = place.file("nothing.yaml", nothing);
        let run = place.run(&["apply", "-f", &file]);
        assert_eq!((run.code, run.out.trim()), (0, "nothing to change"), "{nothing:?}: {}", run.err);
    }
}
