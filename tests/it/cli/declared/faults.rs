//! Everything that is wrong is told at once, with its place, and nothing is changed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::support::place::{Place, Run};

/// Files with faults. A line with one ends with `#!` and a piece of what must be said of it; several faults of a line are kept apart by `|`.
const FILES: [(&str, &str); 7] = [
    (
        "10-spaces.yaml",
        r#"
spacez: []                                   #! a file has no field `spacez`
strategy: combine                            #! "combine" is not a strategy
spaces:
  - id: production
  - id: Staging                              #! "Staging" is not a space id
  - id: production                           #! "production" is declared twice: it stands in
  - id: orphan
    parent: prodcution                       #! there is no space "prodcution", neither in the store nor in the files
  - id: hen
    parent: egg                              #! space hen would stand under itself
  - id: egg
    parent: hen                              #! space egg would stand under itself
  - id: root
    name: Everything                         #! the root space can be neither renamed nor moved
  - name: nameless                           #! a space needs the field `id`
  - id: labelled
    labels: critical                         #! `labels` is a list
    lables: [critical]                       #! a space has no field `lables`
  - just a text                              #! a space is written as fields
"#,
    ),
    (
        "20-roles.yml",
        r#"
roles:
  - id: deployer
    actions: [run:trigger]
    id: twice                                #! the field `id` stands here twice
  - id: numbers
    actions: [run:read, 12]                  #! what stands in `actions` is a text, and this is a number
  - id: loose
    actions: [run]                           #! "run" is not an action or a pattern of actions
  - id: empty                                #! role empty needs at least one of `actions`
  - id: space-admin                          #! role space-admin belongs to the system
    actions: ["*:*"]
groups:
  name: platform                             #! `groups` is a list
"#,
    ),
    (
        "30-keys.yaml",
        r#"
keys:
  - name: unknown                            #! key unknown is not in the store, and without its `sha256` it cannot be made
  - name: short
    sha256: abc                              #! "(not shown)" is not a SHA-256
  - name: there
    sha256: "0000000000000000000000000000000000000000000000000000000000000001"  #! key there has another secret than this
  - name: one
    sha256: "0000000000000000000000000000000000000000000000000000000000000002"
  - name: other
    sha256: "0000000000000000000000000000000000000000000000000000000000000002"  #! two keys cannot have one secret
  - name: ends
    sha256: "0000000000000000000000000000000000000000000000000000000000000003"
    expires: "2027-01-31"                    #! "2027-01-31" is not an RFC 3339 time
    disabled: "yes"                          #! `disabled` is true or false
  - name: api::me                            #! a key's name may not begin with api::
    sha256: "0000000000000000000000000000000000000000000000000000000000000004"
    description:
      - of                                   #! `description` is a single text
  - name: member
    sha256: "0000000000000000000000000000000000000000000000000000000000000005"
    groups: ["a\u0007b"]                     #! is not a group name
"#,
    ),
    (
        "40-bindings.json",
        r#"
{
  "bindings": [
    { "role": "deployer", "space": "production" },                                         #! a binding needs the field `key` or the field `group`
    { "key": "there", "group": "platform", "role": "deployer", "space": "production" },    #! a binding is for a `key` or for a `group`
    { "key": "theer", "role": "deployer", "space": "production" },                         #! there is no key "theer"
    { "key": "there", "role": "deploier", "space": "productoin" },                         #! there is no role "deploier"|there is no space "productoin"
    { "group": "platform", "role": "deployer", "space": "production" },
    { "group": "platform", "role": "deployer", "space": "production" }                     #! this binding is declared twice
  ]
}
"#,
    ),
    (
        "50-policies.yaml",
        r#"
strategy: user-management
policies:
  - name: both                               #! a policy has a `source` or a `file`, and not both
    source: package spacelift
    file: on-call.rego
  - name: neither                            #! a policy needs the field `source` or the field `file`
  - name: nowhere
    file: nowhere.rego                       #! cannot read access/nowhere.rego: No such file
  - name: v2
    rego: v2                                 #! "v2" is not a version of Rego
    source: package spacelift
  - name: broken
    source: |
      package spacelift

      allow if input.session.member
      deny if inptu.session.member           #! inptu
  - name: elsewhere
    file: ../secret.rego                     #! "../secret.rego" is no *.rego beside this file or below
  - name: absolute
    file: /etc/passwd                        #! "/etc/passwd" is no *.rego beside this file or below
  - name: linked
    file: rego/linked.rego                   #! it is a link that leads out of access
  - name: beside
    file: rego/beside.rego
"#,
    ),
    ("60-strategy.yaml", "strategy: login-policies     #! there is one strategy\n"),
    ("70-cut-short.yaml", "groups:\n  - name: described\nroles: [                    # never closed\n"),
];

/// A store, and the files beside it without the marks. The places and pieces of what must be said.
fn faulty(place: &Place) -> Vec<(String, u64, String)> {
    place.json(&["key", "create", "--name", "there"]);
    let mut expected = Vec::new();
    for (name, text) in FILES {
        let mut clean = String::new();
        for (line, number) in text.lines().zip(1_u64..) {
            let (written, told) = line.split_once("#!").unwrap_or((line, ""));
            clean.push_str(written.trim_end());
            clean.push('\n');
            expected.extend(
                told.split('|').map(str::trim).filter(|told| !told.is_empty()).map(|told| (name.to_owned(), number, told.to_owned())),
            );
        }
        place.file(&format!("access/{name}"), &clean);
    }
    place.file("access/rego/beside.rego", "package spacelift\n\nallow if wrong.input\n");
    place.file("secret.rego", "a secret\n");
    std::os::unix::fs::symlink(place.path("secret.rego"), place.path("access/rego/linked.rego")).unwrap();
    expected.push(("beside.rego".to_owned(), 3, "wrong".to_owned()));
    expected
}

/// Of each fault the file's name, the line, what is said.
fn told(run: &Run) -> Vec<(String, u64, String)> {
    let faults: Value = serde_json::from_str(&run.out).unwrap();
    let of = |fault: &Value| {
        let file = fault["file"].as_str().unwrap_or_else(|| panic!("{fault}"));
        (file.rsplit('/').next().unwrap().to_owned(), fault["line"].as_u64().unwrap(), fault["message"].as_str().unwrap().to_owned())
    };
    faults["faults"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn forty_kinds_of_fault_in_seven_files_are_told_at_once_with_their_places_and_nothing_is_changed() {
    let place = Place::new();
    let expected = faulty(&place);
    let before = (place.run(&["export"]).out, place.json(&["audit"]));

    let run = place.run(&["apply", "-f", "access", "-o", "json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    let told = told(&run);
    let lacking: Vec<_> = expected
        .iter()
        .filter(|(file, line, piece)| !told.iter().any(|(f, l, message)| f == file && l == line && message.contains(piece)))
        .collect();
    assert!(lacking.is_empty(), "{lacking:#?}\n{told:#?}");
    // Where a text ends in the middle only its end can be told.
    let cut_short: Vec<_> = told.iter().filter(|(file, _, _)| file == "70-cut-short.yaml").collect();
    assert!(cut_short.iter().any(|(_, _, message)| message.contains("this is not YAML")), "{cut_short:?}");
    // And nothing is told that is none.
    assert_eq!(told.len(), expected.len() + cut_short.len(), "{told:#?}");
    let kinds: BTreeSet<&str> = expected.iter().map(|(_, _, piece)| piece.as_str()).collect();
    assert!(kinds.len() >= 30, "{} kinds", kinds.len());
    assert!(run.err.contains(&format!("there are {} faults, and nothing was changed", told.len())), "{}", run.err);

    assert!(!run.out.contains("a secret") && !run.out.contains("root:"), "{}", run.out);

    assert_eq!((place.run(&["export"]).out, place.json(&["audit"])), before);
    assert_eq!(place.in_store(async |store| store.managed().await.unwrap().len()), 0);
}

#[test]
fn people_are_shown_the_place_and_what_was_meant() {
    let place = Place::new();
    faulty(&place);
    let run = place.run(&["apply", "-f", "access", "--dry-run"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    for shown in [
        "error: a file has no field `spacez`\n  --> access/10-spaces.yaml:2:1\n",
        " 2 | spacez: []\n   | ^^^^^^\n   = help: did you mean `spaces`?",
        "help: did you mean \"production\"?",
        "help: did you mean \"there\"?",
        "--> access/40-bindings.json:7:31\n",
        "--> access/50-policies.yaml:18:15\n",
        "--> access/rego/beside.rego:3:10\n",
    ] {
        assert!(run.err.contains(shown), "{shown}\n\n{}", run.err);
    }
}

#[test]
fn a_key_that_is_pasted_into_a_file_is_shown_to_nobody() {
    let place = Place::new();
    let key = place.json(&["key", "create", "--name", "there"])["key"].as_str().unwrap().to_owned();
    let text = format!(
        "keys:\n  - {{name: there, sha256: {key}}}\n  - {{name: {key}}}\ngroups:\n  - {{name: g, description: the key is {key}, it: {key}}}\n\
         spaces:\n  - {{id: {key}}}\n  - {{id: production, description: {key}}}\n{key}: 1\n"
    );
    let file = place.file("access.yaml", &text);
    for format in ["table", "json"] {
        let run = place.run(&["apply", "-f", &file, "-o", format]);
        assert_eq!(run.code, 1, "{}", run.err);
        assert!(run.err.contains("6 faults") || run.err.contains("7 faults"), "{}", run.err);
        assert!(!run.err.contains(&key[5..]) && !run.out.contains(&key[5..]), "{}{}", run.err, run.out);
    }
}

#[test]
fn files_that_cannot_be_read_and_directories_without_any_are_refused() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    place.file("access/good.yaml", "spaces: [{id: production}, {id: nowhere, parent: gone}]\n");
    std::fs::write(place.path("access/latin.yaml"), b"spaces: [{id: a, name: \"\xe9\"}]\n").unwrap();
    let run = place.run(&["apply", "-f", "access", "-f", "nowhere.yaml", "-o", "json"]);
    let faults: Value = serde_json::from_str(&run.out).unwrap();
    let files: Vec<&str> = faults["faults"].as_array().unwrap().iter().map(|fault| fault["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["access/latin.yaml", "nowhere.yaml", "access/good.yaml"]);

    // With --prune, nothing that is declared would be everything that goes.
    place.file("empty/readme.txt", "");
    assert!(place.refused(&["apply", "-f", "empty", "--prune"]).contains("empty: there is no *.yaml, *.yml or *.json in it"));
    assert!(place.misunderstood(&["apply"]).contains("--file"));
}

#[test]
fn a_few_aliases_do_not_fill_the_memory() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let before = format!("*a{}", level - 1);
        let _ = writeln!(text, "a{level}: &a{level} [{}]", [before.as_str(); 10].join(", "));
    }
    let file = place.file("laughs.yaml", &text);
    let run = place.run(&["apply", "-f", &file]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("values"), "{}", run.err);
    let in_lines = (0..100).map(|level| format!("{}x:", " ".repeat(level))).collect::<Vec<_>>().join("\n");
    for (deep, why) in [(in_lines, "levels deep"), (format!("spaces: {}{}", "[".repeat(10_000), "]".repeat(10_000)), "limit exceeded")] {
        let file = place.file("deep.yaml", &deep);
        let run = place.run(&["apply", "-f", &file]);
        assert!(run.code == 1 && run.err.contains(why), "{}", run.err);
    }
}
