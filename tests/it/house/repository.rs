//! The rules of the repository itself, so that they are held by more than good intentions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use claviger::model::{KEY_LENGTH, KeyId, PlainKey};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files below `folder` whose names end like this.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    let paths = ["src", "benches", "tests"].into_iter().flat_map(|folder| files(folder, ".rs"));
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// `path:line` of each line of the sources for which this holds.
fn lines_where(found: impl Fn(&str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().enumerate().filter(|(_, line)| found(line));
        places.extend(lines.map(|(number, _)| format!("{}:{}", path.strip_prefix(root()).unwrap().display(), number + 1)));
    }
    places
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    let belongs = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "LICENSE",
        "Dockerfile",
        "src",
        "config",
        "policies",
        "benches",
        "tests",
        "docs",
        ".cargo",
        ".ci",
        ".github",
        ".clippy.toml",
        ".rustfmt.toml",
        ".deny.toml",
        ".dockerignore",
        ".gitignore",
    ];
    // Not part of the repository: git's own, and what .gitignore names.
    let passing = [".git", "target", "claviger-dev"];

    let found = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stray: Vec<String> = found.filter(|name| !belongs.contains(&name.as_str()) && !passing.contains(&name.as_str())).collect();

    assert_eq!(stray, [""; 0]);
}

#[test]
fn nothing_is_left_to_be_written() {
    // Put together here, so that this file is not found.
    let marks = ["todo", "unimplemented"].map(|name| format!("{name}!("));

    assert_eq!(lines_where(|line| marks.iter().any(|mark| line.contains(mark.as_str()))), [""; 0]);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_just_allowed() {
    let marks = ["#[", "#!["].map(|open| format!("{open}allow("));

    assert_eq!(lines_where(|line| marks.iter().any(|mark| line.contains(mark.as_str()))), [""; 0]);
}

#[test]
fn every_policy_has_its_test_beside_it() {
    let policies = files("policies", ".rego");
    assert!(!policies.is_empty(), "there are example policies");

    let test_of = |path: &Path| path.with_file_name(format!("{}_test.rego", path.file_stem().unwrap().to_string_lossy()));
    let is_test = |path: &Path| path.to_string_lossy().ends_with("_test.rego");
    let lonely: Vec<&PathBuf> = policies.iter().filter(|path| !is_test(path) && !policies.contains(&test_of(path))).collect();

    assert!(lonely.is_empty(), "no test beside {lonely:?}");
}

/// A file that no module names is compiled by nobody, and tests nothing.
#[test]
fn every_file_of_the_tests_is_part_of_them() {
    let declared = |path: &Path| {
        let (folder, name) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        let (folder, name) =
            if name == "mod" { (folder.parent().unwrap(), folder.file_name().unwrap().to_str().unwrap()) } else { (folder, name) };
        let parent = [folder.join("mod.rs"), folder.join("main.rs"), folder.with_extension("rs")]
            .into_iter()
            .find(|parent| parent.exists())
            .unwrap();
        fs::read_to_string(parent)
            .unwrap()
            .lines()
            .any(|line| line.trim_start().trim_start_matches("pub(crate) ") == format!("mod {name};"))
    };
    let lost: Vec<PathBuf> = ["tests/it", "tests/fuzz"]
        .into_iter()
        .flat_map(|folder| files(folder, ".rs"))
        .filter(|path| !path.ends_with("main.rs") && !declared(path))
        .collect();

    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let pages = ["docs", ".github"].into_iter().flat_map(|folder| files(folder, ".md")).chain([root().join("README.md")]);
    let mut broken = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(char::is_whitespace)) {
            if !page.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }

    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn scripts_can_be_run_and_stop_at_the_first_failure() {
    for script in ["tests/run", "tests/load", "tests/image", ".ci/run", "benches/compare", "benches/floods"] {
        let mode = fs::metadata(root().join(script)).unwrap_or_else(|error| panic!("{script}: {error}")).permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} is executable");

        let text = read(script);
        if text.starts_with("#!/usr/bin/env bash") {
            assert!(text.contains("\nset -euo pipefail\n"), "{script} stops at the first failure");
        }
    }
}

#[test]
fn the_readme_names_only_scripts_that_exist() {
    let readme = read("README.md");
    let scripts: Vec<&str> = blocks(&readme, "sh").filter(|line| line.starts_with("tests/") || line.starts_with("benches/")).collect();

    assert!(scripts.contains(&"tests/run"), "{scripts:?}");
    for script in scripts {
        assert!(root().join(script).exists(), "there is no {script}");
    }
}

#[test]
fn the_readme_s_commands_do_what_they_should_in_its_order() {
    let readme = read("README.md");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("claviger.toml"), "").unwrap();
    std::os::unix::fs::symlink(root().join("policies"), dir.path().join("policies")).unwrap();
    let mut environment = Vec::new();

    let mut ran = Vec::new();
    for line in blocks(&readme, "sh") {
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
            environment.push((name, value));
        } else if let Some(arguments) = line.strip_prefix("claviger ").filter(|arguments| !arguments.starts_with("serve ")) {
            claviger(dir.path(), &environment, arguments);
            ran.push(arguments);
        }
    }

    assert!(ran.len() > 10, "the README's commands are found: {ran:?}");
}

#[test]
fn the_readme_s_policy_loads() {
    let dir = tempfile::tempdir().unwrap();
    let policy: Vec<String> = blocks(&read("README.md"), "rego").map(str::to_owned).collect();
    fs::write(dir.path().join("readme.rego"), policy.join("\n")).unwrap();

    claviger(dir.path(), &[], "policy create readme --file readme.rego --store sqlite://readme.db");
}

/// Runs the program with these arguments, none of which has a blank in it; fails if it fails.
fn claviger(dir: &Path, environment: &[(&str, &str)], arguments: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    let done = command.args(arguments.split_whitespace()).current_dir(dir).envs(environment.iter().copied()).output().unwrap();
    assert!(done.status.success(), "claviger {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The lines of the README's code blocks in this language, one block after another.
fn blocks<'a>(readme: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!("```{language}");
    let mut inside = false;
    readme.lines().filter(move |line| {
        let fence = line.starts_with("```");
        inside = if fence { *line == opening } else { inside };
        inside && !fence
    })
}

#[test]
fn the_expression_for_secret_scanners_fits_the_keys_that_are_made() {
    let expression = "clv_[0-9a-hjkmnp-tv-z]{26}_[0-9A-Za-z]{49}";
    assert!(read("README.md").contains(expression));

    let text = PlainKey::generate(KeyId::new((1 << 48) - 1, u128::MAX), &[0xff; 32]);
    let (id, secret) = text.reveal().strip_prefix("clv_").unwrap().split_once('_').unwrap();

    assert_eq!((id.len(), secret.len(), text.reveal().len()), (26, 49, KEY_LENGTH));
    assert!(id.chars().all(|c| c.is_ascii_digit() || (c.is_ascii_lowercase() && !"ilou".contains(c))), "{id}");
    assert!(secret.chars().all(|c| c.is_ascii_alphanumeric()));
}

#[test]
fn there_is_one_crypto_stack_and_one_sqlite() {
    let lock = read("Cargo.lock");

    let banned = ["openssl", "openssl-sys", "native-tls", "rusqlite"];
    let found: Vec<&str> = banned.into_iter().filter(|name| lock.contains(&format!("name = \"{name}\"\n"))).collect();
    assert_eq!(found, [""; 0]);
    // The lock names what webpki could be built with; it is not, for any target.
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--target", "all", "--edges", "all", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    // Packages of other systems are not here before somebody fetches them.
    assert!(tree.status.success(), "run cargo fetch first: {}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert_eq!(tree.lines().find(|line| line.starts_with("ring ")), None);
    assert_eq!(lock.matches("name = \"aws-lc-sys\"\n").count(), 1);
    // A lock file has what rustls could be built with. That it is not is held by cargo-deny, and by nobody else's asking for it.
    let packages = lock.split("[[package]]");
    let using_ring: Vec<&str> =
        packages.filter(|package| package.contains("\n \"ring\"")).filter_map(|package| package.split('"').nth(1)).collect();
    assert!(using_ring.iter().all(|name| ["rustls", "rustls-webpki"].contains(name)), "{using_ring:?}");
}

#[test]
fn what_is_shipped_inherits_no_haste_of_what_is_tried() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let dist = &manifest["profile"]["dist"];
    let levels = [&dist["opt-level"], &dist["package"]["*"]["opt-level"]];

    assert_eq!(levels.map(toml::Value::as_integer), [Some(3); 2]);
}

#[test]
fn the_image_is_built_with_the_compiler_that_the_manifest_asks_for() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let version = manifest["package"]["rust-version"].as_str().unwrap();

    assert!(read("Dockerfile").contains(&format!("ARG BUILD_IMAGE=rust:{version}-")));
}
