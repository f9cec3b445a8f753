//! `docs/policy-workbench.md` shows what the workbench's commands print; here it is held to it.

use regex::Regex;

use crate::support::place::Place;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy-workbench.md");

/// Fenced blocks: what stands behind the fence, and the lines within.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for part in page.split("\n```").skip(1).step_by(2) {
        let (kind, text) = part.split_once('\n').unwrap();
        blocks.push((kind.to_owned(), format!("{text}\n")));
    }
    blocks
}

/// The same without what is another each time: ids, times, durations.
fn lasting(text: &str) -> String {
    let patterns = [
        ("[0-9a-hjkmnp-tv-z]{26}", "ID"),
        ("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", "TIME"),
        ("[0-9]+[.][0-9] ms", "SPAN"),
    ];
    patterns.iter().fold(text.to_owned(), |text, (pattern, word)| Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned())
}

#[test]
fn every_output_on_the_page_is_what_the_program_prints() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let place = Place::new();
    for space in ["production", "staging"] {
        place.json(&["space", "create", space]);
    }
    place.json(&["role", "create", "deployer", "--action", "run:trigger"]);
    place.json(&["key", "create", "--name", "ci-production", "--group", "Platform Team"]);
    place.json(&["key", "create", "--name", "ci-staging"]);

    for address in ["10.1.2.3", "192.0.2.1"] {
        place.keep_request("ci-production", address);
    }

    let mut commands = 0;
    for (kind, text) in blocks(&page) {
        if let Some(file) = kind.strip_prefix("rego ").or(kind.strip_prefix("json ")) {
            place.file(file, &text);
        } else if kind == "console" {
            for shown in format!("\n{text}").split("\n$ claviger ").skip(1) {
                let (line, told) = shown.split_once('\n').unwrap_or((shown, ""));
                let run = place.run(&line.split(' ').collect::<Vec<_>>());
                assert_eq!(lasting(format!("{}{}", run.err, run.out).trim_end()), lasting(told.trim_end()), "{line}");
                commands += 1;
            }
        }
    }
    assert!(commands >= 12, "only {commands} commands were found");
}
