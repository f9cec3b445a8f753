//! The map of the sources leads to what is there, and passes no folder over.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::architecture::rust_files;

#[test]
fn the_map_names_every_folder_and_nothing_that_is_not_there() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src).iter().map(|file| file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned()).collect();
    let map = fs::read_to_string(src.join("ARCHITECTURE.md")).unwrap();

    let faults = faults(&map, &files);

    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// What is wrong with a map of these files, each told by its path below the root. A name may leave out where something stands, as people do
/// who speak of one room; it ends with a slash if it is a folder's.
fn faults(map: &str, files: &BTreeSet<String>) -> Vec<String> {
    let folders: BTreeSet<&str> = files.iter().flat_map(|file| file.match_indices('/').map(|(end, _)| &file[..=end])).collect();
    let paths: Vec<&str> = files.iter().map(String::as_str).chain(folders.iter().copied()).collect();
    let words = map.split(|sign: char| !(sign.is_ascii_alphanumeric() || "._/".contains(sign))).map(|word| word.trim_end_matches('.'));
    let is_name = |word: &&str| word.ends_with('/') || word.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs");
    let names = words.filter(|word| word.starts_with(char::is_alphabetic)).filter(is_name);
    let names: BTreeSet<&str> = names.map(|name| name.strip_prefix("src/").unwrap_or(name)).filter(|name| !name.is_empty()).collect();

    let (mut faults, mut reached) = (Vec::new(), BTreeSet::new());
    for name in names {
        let is_it = |path: &&&str| path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'));
        let found: Vec<&str> = paths.iter().filter(is_it).copied().collect();
        if found.is_empty() {
            faults.push(format!("{name} is nowhere"));
        }
        // `mod.rs` alone says nothing of the folder that it stands in.
        reached.extend(found.into_iter().filter(|_| name.contains('/')));
    }
    let is_left_out = |folder: &&&str| !reached.iter().any(|path| path.starts_with(**folder));
    faults.extend(folders.iter().filter(is_left_out).map(|folder| format!("{folder} is not on the map")));
    faults
}

#[test]
fn what_is_planted_beside_the_map_is_found() {
    let files = ["a/mod.rs", "a/b/mod.rs", "a/b/c.rs", "d/mod.rs"].map(str::to_owned).into();

    assert_eq!(faults("`src/a/b/c.rs` and the folder (`d/`); what a room promises: `mod.rs`", &files), Vec::<String>::new());
    assert_eq!(faults("`c.rs`, and what is in a/.", &files), ["a/b/ is not on the map", "d/ is not on the map"]);
    assert_eq!(faults("b/c.rs, d/, b/e.rs, f/", &files), ["b/e.rs is nowhere", "f/ is nowhere"]);
}
