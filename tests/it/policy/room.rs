//! What holds of the sources of `src/policy` beside what holds of all of them: see the folder `house`.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;

const ROOM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/policy");

/// Every source of the room, by its path in it.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                let name = path.strip_prefix(ROOM).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(Path::new(ROOM), &mut found);
    found.sort();
    found
}

#[test]
fn only_the_syntax_names_what_regorus_may_change() {
    let named: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.contains("unstable::") || text.contains("regorus::unstable"))
        .map(|(path, _)| path)
        .collect();
    assert!(!named.is_empty() && named.iter().all(|path| path.starts_with("syntax/")), "{named:?}");
}

/// The stages from the text to the compiled form call what they make by one name: a rule is a `Rule` in each of them, of its own stage.
const STAGES: [&str; 3] = ["syntax/", "compiled/", "builtins/"];

#[test]
fn no_type_has_the_name_of_another_but_for_the_stages_of_one_thing() {
    let declared = Regex::new(r"(?m)^ *(?:pub(?:\([a-z :]+\))? )?(?:struct|enum|trait) ([A-Z]\w*)").unwrap();
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in sources() {
        for name in declared.captures_iter(&text) {
            places.entry(name[1].to_owned()).or_default().push(path.clone());
        }
    }
    let is_stage = |path: &String| STAGES.iter().any(|stage| path.starts_with(stage));
    places.retain(|_, places| places.len() > 1 && !places.iter().all(is_stage));
    assert!(places.is_empty(), "{places:#?}");
}
