//! Rooms stand on floors; a room uses lower floors, never neighbours; guarded crates stay behind their doors.
//!
//! The sources are read as tokens, comments and texts left out, so that neither prose nor formatting matters. What the check cannot
//! follow (the whole crate under another name) it refuses.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, lowest floor first.
const FLOORS: [&[&str]; 9] = [
    &["model", "clock", "diagnostics"],
    &["config"],
    &["telemetry"],
    &["store", "policy", "token"],
    &["exchange", "audit", "remote"],
    &["edge", "control"],
    &["proxy", "admin", "console", "ops"],
    &["app"],
    &["cli"],
];

/// Crates, and the only rooms that may name them.
const DOORS: [(&str, &[&str]); 7] = [
    ("saphyr_parser", &["control"]),
    ("sqlx", &["store"]),
    ("regorus", &["policy"]),
    ("jsonwebtoken", &["token"]),
    ("axum", &["admin", "console", "ops"]),
    ("rustls", &["edge", "proxy", "store", "remote"]),
    ("tokio_rustls", &["edge", "proxy", "store", "remote"]),
];

/// The rooms that may ask the environment.
const ENVIRONMENT: [&str; 2] = ["config", "cli"];

/// The rooms that neither wait for anything nor touch the world.
const PURE: [&str; 2] = ["model", "clock"];
const IMPURE_WORDS: [&str; 10] =
    ["async", "await", "tokio", "getrandom", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener", "ToSocketAddrs"];
const IMPURE_STD: [&str; 5] = ["fs", "io", "env", "process", "thread"];
/// Where time comes from; `clock` is the one that may ask.
const TELL_THE_TIME: [&str; 4] = ["SystemTime", "Instant", "Timestamp", "Zoned"];

#[test]
fn rooms_use_lower_floors_only_and_guarded_crates_stay_behind_their_doors() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    assert!(files.len() > 20, "only {} files under {}", files.len(), src.display());

    let faults: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
            faults(&path, &fs::read_to_string(file).unwrap())
        })
        .collect();

    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

pub(super) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

// ---------------------------------------------------------------------------------------------------------------- the check

/// Everything in a source file, named by its path under `src`, that breaks a rule.
fn faults(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(format!("src/{path}: {what}"));

    for token in &tokens {
        if token == "unsafe" {
            fault("unsafe code".to_owned());
        }
    }
    let first = path.split('/').next().unwrap();
    let room = first.trim_end_matches(".rs");
    match path {
        // The list of rooms, and what links the program: neither stands in a room.
        "lib.rs" | "build.rs" => return faults,
        "main.rs" => {
            for used in roots(&tokens, "claviger") {
                if used != "cli" {
                    fault(format!("uses {used}; it may use cli alone"));
                }
            }
            return faults;
        }
        _ => {}
    }
    let Some(floor) = floor_of(room) else {
        fault(format!("{room} stands on no floor"));
        return faults;
    };

    let above = depth(path);
    for used in roots(&tokens, "crate").into_iter().chain(escapes(&tokens, above)) {
        match floor_of(&used) {
            _ if used == room => {}
            Some(its_floor) if its_floor < floor => {}
            Some(its_floor) if its_floor == floor => fault(format!("uses {used}, its neighbour")),
            Some(_) => fault(format!("uses {used}, which stands above it")),
            None => fault(format!("uses {used}, which is no room")),
        }
    }
    for (guarded, rooms) in DOORS {
        if !rooms.contains(&room) && tokens.iter().any(|token| token == guarded) {
            fault(format!("names {guarded}, which is for {} alone", rooms.join(", ")));
        }
    }
    let of_std = roots(&tokens, "std");
    if !ENVIRONMENT.contains(&room) && of_std.iter().any(|module| module == "env") {
        fault("asks the environment, which is for config and cli".to_owned());
    }
    if of_std.iter().any(|module| module == "*" || module.contains(' ')) {
        fault("names the whole of std, so that nothing of it can be followed".to_owned());
    }
    if PURE.contains(&room) {
        for word in IMPURE_WORDS {
            if tokens.iter().any(|token| token == word) {
                fault(format!("names {word}, but is pure"));
            }
        }
        for module in IMPURE_STD {
            if of_std.iter().any(|used| used == module) {
                fault(format!("names std::{module}, but is pure"));
            }
        }
    }
    if room != "clock" {
        for name in TELL_THE_TIME {
            if tokens.windows(3).any(|three| three == [name, "::", "now"]) {
                fault(format!("asks {name} for the time; a Clock is for that"));
            }
        }
    }
    faults
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// How many modules a file stands below the crate's root: 1 for `store/mod.rs`, 2 for `store/rows.rs`.
fn depth(path: &str) -> usize {
    path.split('/').filter(|part| *part != "mod.rs").count()
}

/// What stands behind `root::`, or in the outermost list behind it: `a` and `b` of `root::{a::{x, y}, b}`.
fn roots(tokens: &[String], root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token != root {
            continue;
        }
        match word(tokens, at + 1) {
            "::" => found.extend(named(tokens, at + 2)),
            // `use crate as other`, `use std as other`: nothing behind it could be followed. `pub(crate)` is no path.
            "as" => found.push(format!("{root} under another name")),
            _ => {}
        }
    }
    found
}

/// What is named at the start of a path or of each path in a list of them.
fn named(tokens: &[String], at: usize) -> Vec<String> {
    if word(tokens, at) != "{" {
        return vec![word(tokens, at).to_owned()];
    }
    let (mut found, mut open, mut at) = (Vec::new(), 1, at + 1);
    let mut starts = true;
    while open > 0 && at < tokens.len() {
        match word(tokens, at) {
            "{" => open += 1,
            "}" => open -= 1,
            "," if open == 1 => starts = true,
            "::" => {}
            name if starts && open == 1 => {
                found.push(name.to_owned());
                starts = false;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// What `super::super::…` reaches that stands at the crate's root, given how deep the file stands.
fn escapes(tokens: &[String], depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    // For each open brace, whether it is that of a module, which is one more to climb out of.
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match word(tokens, at) {
            "{" => braces.push(at >= 2 && word(tokens, at - 2) == "mod"),
            "}" => drop(braces.pop()),
            "super" => {
                let start = at;
                while word(tokens, at + 1) == "::" && word(tokens, at + 2) == "super" {
                    at += 2;
                }
                let climbs = (at - start) / 2 + 1;
                if climbs >= depth + braces.iter().filter(|is_module| **is_module).count() && word(tokens, at + 1) == "::" {
                    found.extend(named(tokens, at + 2));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

pub(super) fn word(tokens: &[String], at: usize) -> &str {
    tokens.get(at).map_or("", String::as_str)
}

// ---------------------------------------------------------------------------------------------------------------- tokens

/// Words and signs of Rust source; `::` is one sign. Comments, texts, characters and lifetimes are left out.
pub(super) fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let at = |position: usize| chars.get(position).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut here = 0;
    while here < chars.len() {
        let start = here;
        match at(here) {
            '/' if at(here + 1) == '/' => {
                while here < chars.len() && at(here) != '\n' {
                    here += 1;
                }
            }
            '/' if at(here + 1) == '*' => here = after_block_comment(&chars, here),
            '"' => here = after_text(&chars, here + 1),
            '\'' if at(here + 1) == '\\' => {
                here += 3;
                while here < chars.len() && at(here) != '\'' {
                    here += 1;
                }
                here += 1;
            }
            '\'' if at(here + 2) == '\'' => here += 3,
            '\'' => {
                here += 1;
                while is_word(at(here)) {
                    here += 1;
                }
            }
            first if is_word(first) => {
                while is_word(at(here)) {
                    here += 1;
                }
                let word: String = chars[start..here].iter().collect();
                let hashes = chars[here..].iter().take_while(|sign| **sign == '#').count();
                match word.as_str() {
                    "r" | "br" | "cr" if at(here + hashes) == '"' => here = after_raw_text(&chars, here + hashes + 1, hashes),
                    // The rest of a raw identifier follows as a word of its own.
                    "r" if hashes == 1 => here += 1,
                    "b" | "c" if at(here) == '"' => here = after_text(&chars, here + 1),
                    // What is left is a character, and the next round takes it.
                    "b" if at(here) == '\'' => {}
                    _ => tokens.push(word),
                }
            }
            ':' if at(here + 1) == ':' => {
                tokens.push("::".to_owned());
                here += 2;
            }
            sign => {
                if !sign.is_whitespace() {
                    tokens.push(sign.to_string());
                }
                here += 1;
            }
        }
    }
    tokens
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn after_block_comment(chars: &[char], mut here: usize) -> usize {
    let mut open = 0;
    while here < chars.len() {
        match &chars[here..chars.len().min(here + 2)] {
            ['/', '*'] => (open, here) = (open + 1, here + 2),
            ['*', '/'] => (open, here) = (open - 1, here + 2),
            _ => here += 1,
        }
        if open == 0 {
            break;
        }
    }
    here
}

fn after_text(chars: &[char], mut here: usize) -> usize {
    while here < chars.len() && chars[here] != '"' {
        here += if chars[here] == '\\' { 2 } else { 1 };
    }
    here + 1
}

fn after_raw_text(chars: &[char], mut here: usize, hashes: usize) -> usize {
    while here < chars.len() {
        let ends = chars[here] == '"' && chars[here + 1..].iter().take_while(|sign| **sign == '#').count() >= hashes;
        here += 1;
        if ends {
            return here + hashes;
        }
    }
    here
}

// ---------------------------------------------------------------------------------------------------------------- the check, checked

#[test]
fn planted_violations_are_found() {
    for (path, source, what) in [
        ("store/mod.rs", "use crate::policy::PolicySet;", "uses policy, its neighbour"),
        ("store/sqlite/read.rs", "fn f() { crate::exchange::go() }", "uses exchange, which stands above it"),
        ("model/key.rs", "use crate::{\n    clock::Clock,\n    model::Grant,\n};", "uses clock, its neighbour"),
        ("config/mod.rs", "use crate::{model::{self, Strategy}, token::{Claims}};", "uses token, which stands above it"),
        ("store/rows.rs", "use super::super::token::Claims;", "uses token, its neighbour"),
        ("store/mod.rs", "mod tests { use super::super::policy; }", "uses policy, its neighbour"),
        ("store/mod.rs", "use super::{clock, proxy};", "uses proxy, which stands above it"),
        ("proxy/mod.rs", "use crate::*;", "uses *, which is no room"),
        ("proxy/mod.rs", "use crate as all;", "uses crate under another name, which is no room"),
        ("proxy/mod.rs", "macro_rules! m { () => { $crate::app::run() } }", "uses app, which stands above it"),
        ("proxy/mod.rs", "use r#crate::cli::x; use crate::r#cli::y;", "uses cli, which stands above it"),
        ("util/mod.rs", "", "util stands on no floor"),
        ("helpers.rs", "", "helpers stands on no floor"),
        ("exchange/cache.rs", "let pool: sqlx::SqlitePool;", "names sqlx, which is for store alone"),
        ("store/mod.rs", "use regorus::Engine;", "names regorus, which is for policy alone"),
        ("exchange/mod.rs", "use ::jsonwebtoken as jwt;", "names jsonwebtoken, which is for token alone"),
        ("proxy/mod.rs", "use axum::Router;", "names axum, which is for admin, console, ops alone"),
        ("store/mod.rs", "let home = std::env::var(\"HOME\");", "asks the environment, which is for config and cli"),
        ("store/mod.rs", "use std::{collections::BTreeMap, env};", "asks the environment, which is for config and cli"),
        ("store/mod.rs", "use std as s;", "names the whole of std"),
        ("store/mod.rs", "use std::*;", "names the whole of std"),
        ("cli/mod.rs", "unsafe { go() }", "unsafe code"),
        ("main.rs", "claviger::app::run()", "uses app; it may use cli alone"),
        ("model/key.rs", "async fn f() {}", "names async, but is pure"),
        ("clock.rs", "use tokio::time::Instant;", "names tokio, but is pure"),
        ("model/key.rs", "use std::{fs, fmt};", "names std::fs, but is pure"),
        ("model/key.rs", "let at = Timestamp::now();", "asks Timestamp for the time"),
    ] {
        let found = faults(path, source);

        assert!(found.iter().any(|fault| fault.contains(what)), "{path}: {source}\n{found:?}");
    }
}

#[test]
fn what_keeps_the_rules_passes() {
    for (path, source) in [
        ("store/mod.rs", "use crate::{clock::Clock, config::StoreUrl, model::{self, Key}}; use crate::store::rows;"),
        ("store/rows.rs", "use super::Store; mod tests { use super::super::Store; use super::*; }"),
        ("store/sqlite/read.rs", "pub(crate) fn f() { super::super::rows() }"),
        ("store/mod.rs", "sqlx::query(); fn f<'a>(x: &'a str) -> char { '\\'' }"),
        ("config/mod.rs", "std::env::vars(); env!(\"CARGO\");"),
        ("exchange/mod.rs", "// sqlx::query and crate::proxy\n/* unsafe /* nested */ axum */ let a = \"crate::cli \\\" unsafe\";"),
        ("exchange/mod.rs", "let a = r#\"crate::cli \" unsafe\"#; let b = b\"axum\"; let c = br\"sqlx\"; let d = b'\"'; let e = '\"';"),
        ("clock.rs", "Timestamp::now()"),
        ("main.rs", "fn main() -> ExitCode { claviger::cli::main() }"),
        ("lib.rs", "pub mod model;"),
    ] {
        assert_eq!(faults(path, source), Vec::<String>::new(), "{path}: {source}");
    }
}

#[test]
fn code_after_a_text_is_still_read() {
    for text in ["\"a\"", "\"\\\\\"", "r\"\\\"", "r##\"a\"# \"##", "b'\\''", "'\"'", "'\\u{1f600}'", "'a'", "/* /* */ */", "b\"\\\"\""] {
        let found = faults("store/mod.rs", &format!("let a = {text}; crate::cli::go();"));

        assert_eq!(found, ["src/store/mod.rs: uses cli, which stands above it"], "{text}");
    }
}
