//! `docs/access-as-code.md` and `docs/access.schema.json` are what the program does and takes; an independent validator has its say.

use std::fmt::Write as _;
use std::process::Command;

use regex::Regex;

use crate::support::place::Place;
use crate::support::pyjwt::python;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access-as-code.md");
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access.schema.json");

/// Fenced blocks: what stands behind the fence, and the lines within.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for part in page.split("\n```").skip(1).step_by(2) {
        let (kind, text) = part.split_once('\n').unwrap();
        blocks.push((kind.to_owned(), format!("{text}\n")));
    }
    blocks
}

/// Validates each document of the files by the schema; what is wrong with them, a line each.
fn validate(schema: &str, files: &[String]) -> String {
    let script = "import json, sys, yaml, jsonschema\n\
                  schema = json.load(open(sys.argv[1]))\n\
                  jsonschema.Draft202012Validator.check_schema(schema)\n\
                  validator = jsonschema.Draft202012Validator(schema)\n\
                  for file in sys.argv[2:]:\n\
                  \x20   for document in yaml.safe_load_all(open(file)):\n\
                  \x20       for error in validator.iter_errors(document):\n\
                  \x20           print(file, error.json_path, error.message)";
    let output = Command::new(python()).args(["-c", script, schema]).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_of_the_page_prints_what_stands_there() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let place = Place::new();
    let digests = Regex::new("[0-9a-f]{64}").unwrap();
    let times = Regex::new("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\\)").unwrap();
    let (mut commands, mut files) = (0, Vec::new());
    for (kind, text) in blocks(&page) {
        if let Some(file) = kind.strip_prefix("yaml ").or(kind.strip_prefix("rego ")) {
            place.file(file, &text);
            if kind.starts_with("yaml") && file != "wrong.yaml" {
                files.push(place.file(&format!("valid-{}.yaml", files.len()), &text));
            }
        } else if kind == "console" {
            for shown in format!("\n{text}").split("\n$ ").skip(1) {
                let (line, told) = shown.split_once('\n').unwrap_or((shown, ""));
                let (line, code) =
                    line.split_once("; echo $?").map_or((line, None), |(line, _)| (line, told.trim_end().rsplit('\n').next()));
                let run = place.run(&line.strip_prefix("claviger ").unwrap().split(' ').collect::<Vec<_>>());
                let mut printed = format!("{}{}", run.err, run.out).trim_end().to_owned();
                if code.is_some() {
                    let _ = write!(printed, "\n{}", run.code);
                }
                let here = format!("{}/", place.dir.path().display());
                let lasting =
                    |text: &str| times.replace_all(&digests.replace_all(text, "DIGEST"), "TIME").replace(&here, "").trim_end().to_owned();
                assert_eq!(lasting(&printed), lasting(told), "{line}");
                commands += 1;
            }
        }
    }
    assert!(commands >= 6, "only {commands} commands were found");
    assert_eq!(validate(SCHEMA, &files), "");
}

#[test]
fn the_schema_takes_what_is_exported_and_what_editors_should_underline_it_does_not() {
    let place = Place::new();
    assert_eq!(std::fs::read_to_string(SCHEMA).unwrap(), place.run(&["apply", "--schema"]).out);
    place.json(&["space", "create", "production", "--label", "critical"]);
    place.json(&["role", "create", "deployer", "--action", "run:*", "--action", "*:*", "--action", "a-b:c"]);
    place.json(&["key", "create", "--name", "ci", "--group", "g", "--expires", "90d", "--bind", "deployer@production"]);
    place.json(&["key", "disable", "ci"]);
    place.json(&["binding", "create", "--group", "g", "--role", "deployer", "--space", "production"]);
    let file = place.file("p.rego", "package spacelift\n\nallow if input.session.member\n");
    place.json(&["policy", "create", "p", "--file", &file]);
    let (yaml, json) = (place.run(&["export"]).out, place.json(&["export"]));
    let files = [place.file("export.yaml", &yaml), place.file("export.json", &json.to_string())];
    assert_eq!(validate(SCHEMA, &files), "");

    // What the program refuses for its shape alone, the schema does too.
    for wrong in [
        "spacez: []",
        "spaces: {}",
        "spaces: [{name: nameless}]",
        "spaces: [{id: Upper}]",
        "roles: [{id: r}]",
        "roles: [{id: r, actions: []}]",
        "roles: [{id: r, actions: [run]}]",
        "keys: [{name: k, sha256: abc}]",
        "keys: [{name: k, disabled: 1}]",
        "bindings: [{role: r, space: s}]",
        "bindings: [{key: k, group: g, role: r, space: s}]",
        "policies: [{name: p}]",
        "policies: [{name: p, source: a, file: b}]",
        "policies: [{name: p, source: a, rego: v2}]",
        "strategy: none",
    ] {
        let file = place.file("wrong.yaml", wrong);
        assert_ne!(validate(SCHEMA, std::slice::from_ref(&file)), "", "{wrong}");
        assert_eq!(place.run(&["apply", "-f", &file]).code, 1, "{wrong}");
    }
}
