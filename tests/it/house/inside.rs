//! Inside a room, too, files know each other in one direction only, and a type's name stands for one thing.
//!
//! A search, an editor's jump and a talk between two people fail where one name means two things; a change spreads where files form a
//! circle. Read as in `architecture`: as tokens, and only what can be followed by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::architecture::{rust_files, tokens, word};

/// A module by the names that lead to it: `["proxy", "upstream", "h1"]`.
type Module = Vec<String>;

#[test]
fn no_circle_of_files_in_a_room() {
    check(|room| circles(&uses(room)));
}

#[test]
fn no_type_name_twice_in_a_room() {
    check(ambiguous);
}

/// No room has any of these faults.
fn check(faults: impl Fn(&BTreeMap<Module, Vec<String>>) -> Vec<String>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms: BTreeMap<String, BTreeMap<Module, Vec<String>>> = BTreeMap::new();
    for file in rust_files(&src) {
        let module = module_of(file.strip_prefix(&src).unwrap());
        if let Some(room) = module.first() {
            rooms.entry(room.clone()).or_default().insert(module, tokens(&fs::read_to_string(file).unwrap()));
        }
    }
    let found: Vec<String> = rooms.values().flat_map(faults).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn module_of(path: &Path) -> Module {
    let path: PathBuf = if path.ends_with("mod.rs") { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    path.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

/// Which files each file uses.
fn uses(room: &BTreeMap<Module, Vec<String>>) -> BTreeMap<Module, BTreeSet<Module>> {
    room.iter()
        .map(|(module, tokens)| {
            let used = paths(module, tokens).into_iter().filter_map(|path| {
                let known = (1..=path.len()).rev().filter_map(|length| path.get(..length)).find(|prefix| room.contains_key(*prefix))?;
                Some(known.to_vec()).filter(|used| used != module)
            });
            (module.clone(), used.collect())
        })
        .collect()
}

/// Every path that begins with `crate`, `super`, `self` or, in a `use`, with a name, as seen from the root.
fn paths(module: &Module, tokens: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    for (at, here) in inner_modules(tokens) {
        let first = word(tokens, at);
        // `pub(in crate::room)` tells who may see something; it uses nothing.
        let is_scope = at > 1 && word(tokens, at - 1) == "in" && word(tokens, at - 2) == "(";
        let is_path = matches!(first, "crate" | "super" | "self")
            && word(tokens, at + 1) == "::"
            && (at == 0 || word(tokens, at - 1) != "::")
            && !is_scope;
        let is_use = at > 0 && word(tokens, at - 1) == "use" && first != "::" && first != "{";
        if !is_path && !is_use {
            continue;
        }
        let mut named = Vec::new();
        spelled_out(tokens, at, &[], &mut named);
        for path in named {
            let mut from: Module = if path[0] == "crate" { Vec::new() } else { module.iter().chain(&here).cloned().collect() };
            let mut rest = &path[..];
            while let Some((step, behind)) = rest.split_first() {
                match step.as_str() {
                    "crate" | "self" => {}
                    "super" => drop(from.pop()),
                    _ => break,
                }
                rest = behind;
            }
            from.extend_from_slice(rest);
            found.push(from);
        }
    }
    found
}

/// Each place in the tokens, with the modules within the file that it stands in.
fn inner_modules(tokens: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut open: Vec<Option<String>> = Vec::new();
    let mut places = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => open.push((at >= 2 && word(tokens, at - 2) == "mod").then(|| word(tokens, at - 1).to_owned())),
            "}" => drop(open.pop()),
            _ => places.push((at, open.iter().flatten().cloned().collect())),
        }
    }
    places
}

/// `a::{b, c::d}` becomes `a::b` and `a::c::d`. Where the next token behind it stands.
fn spelled_out(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        if word(tokens, at) == "{" {
            at += 1;
            while at < tokens.len() && word(tokens, at) != "}" {
                at = spelled_out(tokens, at, &path, found);
                while !matches!(word(tokens, at), "," | "}" | "") {
                    at += 1;
                }
                at += usize::from(word(tokens, at) == ",");
            }
            return at + 1;
        }
        path.push(word(tokens, at).to_owned());
        at += 1;
        if word(tokens, at) != "::" {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

/// Each circle, told by the files on it.
fn circles(uses: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let reach = |from: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for used in uses.get(module).into_iter().flatten() {
                if seen.insert(used) {
                    next.push(used);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = uses.keys().map(|module| (module, reach(module))).collect();
    let mut circles = BTreeSet::new();
    for (module, theirs) in &reached {
        if theirs.contains(module) {
            let circle: Vec<String> = theirs.iter().filter(|other| reached[*other].contains(module)).map(|other| other.join("/")).collect();
            circles.insert(format!("a circle: {}", circle.join(", ")));
        }
    }
    circles.into_iter().collect()
}

/// Names that several files of a room define. Tests have words of their own.
fn ambiguous(room: &BTreeMap<Module, Vec<String>>) -> Vec<String> {
    let mut places: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (module, tokens) in room {
        for (at, inner) in inner_modules(tokens) {
            let name = word(tokens, at + 1);
            let defines = matches!(word(tokens, at), "struct" | "enum" | "trait" | "union") && name.starts_with(char::is_uppercase);
            if defines && !module.iter().chain(&inner).any(|part| part.contains("tests")) {
                places.entry(name).or_default().insert(module.join("/"));
            }
        }
    }
    let several = places.into_iter().filter(|(_, modules)| modules.len() > 1);
    several.map(|(name, modules)| format!("{name} is defined in {}", modules.into_iter().collect::<Vec<_>>().join(", "))).collect()
}

fn room(files: &[(&str, &str)]) -> BTreeMap<Module, Vec<String>> {
    files.iter().map(|(path, source)| (module_of(Path::new(path)), tokens(source))).collect()
}

#[test]
fn planted_circles_are_found_however_they_are_spelled() {
    for (one, other) in [
        ("use super::b::B;", "use super::a::A;"),
        ("use crate::r::{b::{B, C}, d};", "fn f() { super::a::go() }"),
        ("mod tests { use super::super::b; }", "use crate::r::a;"),
    ] {
        let found = circles(&uses(&room(&[("r/mod.rs", ""), ("r/a.rs", one), ("r/b.rs", other)])));

        assert_eq!(found, ["a circle: r/a, r/b"], "{one} {other}");
    }
    let parent = room(&[("r/mod.rs", "mod a; pub use a::A; struct B;"), ("r/a.rs", "use super::B;")]);
    assert_eq!(circles(&uses(&parent)), ["a circle: r, r/a"]);
    let seen_by = room(&[("r/mod.rs", "mod a; pub use a::A;"), ("r/a.rs", "pub(in crate::r) struct A;")]);
    assert_eq!(circles(&uses(&seen_by)), Vec::<String>::new());
    let sound =
        room(&[("r/mod.rs", "mod a; pub use self::a::A;"), ("r/a.rs", "use super::b::B; mod tests { use super::*; }"), ("r/b.rs", "")]);
    assert_eq!(circles(&uses(&sound)), Vec::<String>::new());
}

#[test]
fn a_planted_second_meaning_is_found() {
    let two = room(&[("r/a.rs", "pub struct Place { x: u8 }"), ("r/b.rs", "enum Place { Here }")]);
    assert_eq!(ambiguous(&two), ["Place is defined in r/a, r/b"]);
    let of_tests = room(&[("r/a.rs", "struct Place;"), ("r/b.rs", "mod tests { struct Place; }")]);
    assert_eq!(ambiguous(&of_tests), Vec::<String>::new());
}
