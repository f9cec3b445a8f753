//! `docs/policies-tried.md` tries the policies of `docs/policies.md` out; here its outputs are held to the program.

use regex::Regex;

use crate::support::place::Place;

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies.md");
const TRIED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies-tried.md");

/// The first fenced block of a kind.
fn block<'a>(text: &'a str, kind: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n```{kind}\n")).unwrap();
    &rest[..=rest.find("\n```").unwrap()]
}

/// The sections of a page by their headings.
fn sections(page: &str) -> Vec<(&str, &str)> {
    page.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap()).collect()
}

/// The same without ids, which are others each time.
fn lasting(text: &str) -> String {
    Regex::new("[0-9a-hjkmnp-tv-z]{26}").unwrap().replace_all(text.trim_end(), "ID").into_owned()
}

/// The store that the page speaks of, with its two policies in force.
fn place(page: &str) -> Place {
    let place = Place::new();
    for space in ["production", "staging"] {
        place.json(&["space", "create", space]);
    }
    place.json(&["role", "create", "deployer", "--action", "run:trigger"]);
    place.json(&["key", "create", "--name", "ci-production", "--group", "Platform Team"]);
    place.json(&["key", "create", "--name", "social-media"]);
    for name in ["duties", "login"] {
        let file = place.file("in-force.rego", block(page, &format!("rego {name}.rego")));
        place.json(&["policy", "create", name, "--file", &file]);
    }
    place
}

#[test]
fn every_policy_is_tried_and_every_output_is_what_the_program_prints() {
    let (policies, page) = (std::fs::read_to_string(POLICIES).unwrap(), std::fs::read_to_string(TRIED).unwrap());
    let policies = sections(&policies);
    let mut tried = (0, 0);
    for (heading, section) in sections(&page) {
        let place = place(&page);
        let (_, of_policies) = policies.iter().find(|(of_policies, _)| *of_policies == heading).unwrap();
        let policy = block(of_policies, "rego");
        for shown in format!("\n{}", block(section, "console")).split("\n$ claviger ").skip(1) {
            let (line, told) = shown.split_once('\n').unwrap();
            let words: Vec<_> = line.split(' ').collect();
            if let Some(file) = words.iter().skip_while(|word| **word != "--file").nth(1) {
                place.file(file, policy);
            }
            let run = place.run(&words);
            assert_eq!(lasting(&format!("{}{}", run.err, run.out)), lasting(told), "{heading}: {line}");
            if words[..2] == ["policy", "simulate"] {
                let name = words[3].trim_end_matches(".rego");
                let saving = if name == "login" { "update" } else { "create" };
                let saved = place.run(&["policy", saving, name, "--file", words[3]]);
                assert_eq!(saved.code, run.code, "{heading}: {}", saved.err);
                if run.code == 0 { tried.0 += 1 } else { tried.1 += 1 }
            }
        }
    }
    assert_eq!(tried, (10, 10));
}
