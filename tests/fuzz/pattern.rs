//! A pattern of OPA's is translated into one that is read, or refused; a plain one stays what it is.

use claviger::policy::fuzzing::pattern;
use regex::RegexBuilder;

use crate::{Target, kind};

pub(crate) static PATTERN: Target = Target {
    name: "pattern",
    seeds,
    words: &[
        "(",
        ")",
        "[",
        "]",
        "[^",
        "(?i)",
        "(?P<n>",
        "(?:",
        "|",
        "*",
        "+",
        "?",
        "{2,3}",
        "{1000}",
        "^",
        "$",
        "\\A",
        "\\z",
        "\\b",
        "\\d",
        "\\W",
        "\\pL",
        "\\p{Greek}",
        "\\Q",
        "\\E",
        "\\x41",
        "\\x{10FFFF}",
        "[[:alpha:]]",
        "[a-z]",
        "&&",
        "--",
        "~~",
        "\u{17f}",
        "\\C",
        "\\123",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let patterns = [
        "^ci-[a-z]+$",
        "(?i)admin",
        "[[:alpha:]]+-\\d{2,4}",
        "\\Qa.b\\E",
        "(?P<team>[^/]+)/.*",
        "a{0,5}?b|c",
        "\\pL+",
        "[\\w.-]+@x\\.io",
        "[a&&b]",
        "x*",
    ];
    patterns.map(|pattern| pattern.as_bytes().to_vec()).to_vec()
}

const PROBES: [&str; 8] = ["", "ci-deploy", "ADMIN", "a.b", "team/x", "aaab", "\u{17f}\u{e9}", "a\nb"];

fn run(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let Some(translated) = pattern(text) else { return kind((1, text.len().min(8))) };
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(1 << 20).build();
    let read = match build(&translated) {
        Ok(read) => read,
        Err(regex::Error::CompiledTooBig(_)) => return 2,
        Err(error) => panic!("{text:?} was taken, and its translation {translated:?} is no pattern: {error}"),
    };
    let said: Vec<bool> = PROBES.iter().map(|probe| read.is_match(probe)).collect();
    // Letters, digits, and signs that mean the same everywhere.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".^$|()*+?-/@ ".contains(&byte))
        && let Ok(plain) = build(text)
    {
        let expected: Vec<bool> = PROBES.iter().map(|probe| plain.is_match(probe)).collect();
        assert_eq!(said, expected, "{text:?} says something else as {translated:?}");
    }
    kind((said, translated.len().min(40), read.captures_len().min(4)))
}
