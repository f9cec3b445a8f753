//! `docs/policies.md` shows what `claviger check` says of policies; here it is held to it.

use std::path::Path;
use std::process::{Command, Output};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies.md");
const COMMAND: &str = "$ claviger check --config claviger.toml\n";
const CONFIGURATION: &str = "[proxy]\nclient_ip = \"x-forwarded-for\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n[policies]\ndir = \"policies\"\n[store]\nurl = \"sqlite://claviger.db\"\n";

/// A policy of the page, and what the page says is told of it.
struct Example {
    heading: String,
    policy: String,
    told: String,
}

/// Every policy that has an output below it.
fn examples() -> Vec<Example> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut examples = Vec::new();
    for section in page.split("\n### ").skip(1) {
        let heading = section.lines().next().unwrap_or_default().to_owned();
        if let (Some(policy), Some(told)) = (block(section, "rego"), block(section, "console"))
            && let Some(told) = told.strip_prefix(COMMAND)
        {
            examples.push(Example { heading, policy: policy.to_owned(), told: told.to_owned() });
        }
    }
    examples
}

/// The first fenced block of a kind.
fn block<'a>(section: &'a str, kind: &str) -> Option<&'a str> {
    let (_, rest) = section.split_once(&format!("\n```{kind}\n"))?;
    // An empty block ends where it begins.
    if rest.starts_with("```") { Some("") } else { rest.find("\n```").map(|end| &rest[..=end]) }
}

fn claviger(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_claviger")).current_dir(dir).env_clear().args(arguments).output().unwrap()
}

/// A directory with the configuration and the store that the page speaks of.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("claviger.toml"), CONFIGURATION).unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    let commands: [&[&str]; 4] = [
        &["space", "create", "production", "--parent", "root"],
        &["space", "create", "staging", "--parent", "root"],
        &["role", "create", "deployer", "--action", "run:trigger"],
        &["key", "create", "--name", "ci-production", "--group", "Platform Team"],
    ];
    for command in commands {
        let done = claviger(dir.path(), &[command, &["--store", "sqlite://claviger.db"]].concat());
        assert!(done.status.success(), "{command:?}: {done:?}");
    }
    dir
}

#[test]
fn the_page_shows_ten_broken_policies_and_ten_subtle_ones() {
    let examples = examples();
    let refused = examples.iter().filter(|example| example.told.contains("error: ")).count();
    let saved = examples.iter().filter(|example| example.told.contains("\nok: ")).count();
    assert_eq!((refused, saved), (10, 10));
}

#[test]
fn every_output_on_the_page_is_what_the_program_says() {
    let dir = place();
    for Example { heading, policy, told } in examples() {
        std::fs::write(dir.path().join("policies/login.rego"), policy).unwrap();

        let done = claviger(dir.path(), &["check", "--config", "claviger.toml"]);

        let said = String::from_utf8([done.stderr, done.stdout].concat()).unwrap();
        assert_eq!(said, told, "{heading}");
        let refused = told.contains("\nerror: the policies have");
        assert_eq!(done.status.code(), Some(i32::from(refused)), "{heading}");
    }
}
