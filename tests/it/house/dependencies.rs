//! What is tested is what is shipped: no dependency of the product does more under test because a dependency of the tests, or of the build,
//! asks for a feature of it.
//!
//! Cargo builds a package once for the tests and the product alike, with all features that either asks for. The program that is shipped is
//! built without those of the tests; with them, a pattern such as `(?i)admin` matched in every test and never in the program.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Features that a package has under test alone, and why nothing of the product is different with them.
const HARMLESS: [(&str, &[&str], &str); 5] = [
    ("log", &["alloc", "std"], "of loom: another way to say who reads the lines"),
    ("regex-automata", &["dfa-build", "dfa-search"], "of loom: one more engine for small patterns, which finds what the others find"),
    (
        "regex-syntax",
        &["default", "unicode", "unicode-age", "unicode-bool", "unicode-segment"],
        "of proptest: properties and boundaries that RE2 has not, which no pattern names once it has been translated",
    ),
    ("tracing-core", &["default"], "of loom: the name for what the product has"),
    (
        "tracing-subscriber",
        &["ansi", "default", "env-filter", "fmt", "matchers", "nu-ansi-term", "once_cell", "smallvec", "tracing", "tracing-log"],
        "of loom: lines that dependencies write to `log` stand in the log, too, and there are other ways to write a log, which nothing but a test asks for",
    ),
];

/// Every package that is built along these edges, with all features that it is built with.
fn packages(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--quiet", "--prefix", "none", "--no-dedupe", "--format", "{p}\t{f}", "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(cargo.stdout).unwrap().lines() {
        let (package, features) = line.split_once('\t').unwrap();
        let features = features.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned);
        packages.entry(package.to_owned()).or_default().extend(features);
    }
    packages
}

#[test]
fn no_dependency_does_more_under_test_than_in_the_program() {
    let (shipped, tested) = (packages("normal"), packages("normal,build,dev"));
    assert!(shipped.len() > 100, "only {} packages", shipped.len());
    let mut unused: BTreeSet<_> =
        HARMLESS.iter().flat_map(|(name, features, _)| features.iter().map(move |feature| (*name, *feature))).collect();
    let mut told = Vec::new();
    for (package, features) in &shipped {
        let name = package.split(' ').next().unwrap();
        for feature in tested[package].difference(features) {
            if !unused.remove(&(name, feature.as_str())) {
                told.push(format!("{package} has `{feature}` under test alone"));
            }
        }
    }
    assert!(told.is_empty(), "give it to the product too, or take it from the tests:\n{}", told.join("\n"));
    assert!(unused.is_empty(), "no longer so: {unused:?}");
}

#[test]
fn what_patterns_need_is_shipped() {
    let shipped = packages("normal");
    for package in ["regex v1.", "regex-syntax v0.8.", "regex-automata v0.4."] {
        let (_, features) = shipped.iter().find(|(name, _)| name.starts_with(package)).unwrap_or_else(|| panic!("no {package}"));
        for table in ["unicode-case", "unicode-gencat", "unicode-perl", "unicode-script"] {
            assert!(features.contains(table), "{package} lacks {table}");
        }
    }
    assert!(!shipped.iter().any(|(name, features)| name.starts_with("serde_json ") && features.contains("arbitrary_precision")));
}
