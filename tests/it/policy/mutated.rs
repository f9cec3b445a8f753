//! Texts that nobody wrote: loading must come back with a set or with faults, whatever it is given.

use claviger::model::RegoVersion;
use claviger::policy::{PolicySet, read_dir};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::policy::question::{LIMITS, examples, source};

/// Pieces that mean something to the parser.
const PIECES: [&str; 32] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "if ",
    "not ",
    "some x in ",
    "every x in ",
    "default ",
    "else ",
    "with input as ",
    "import ",
    "package ",
    ":=",
    "=",
    "==",
    "|",
    "-",
    ".",
    ",",
    ";",
    "\n",
    "\"",
    "`",
    "_",
    "input",
    "data",
    "1e999",
    "set()",
    "é",
];

#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, usize),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ]
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for edit in edits {
        let length = characters.len();
        match edit {
            Edit::Insert(at, piece) => {
                let at = at.index(length + 1);
                characters.splice(at..at, PIECES[*piece].chars());
            }
            Edit::Remove(at, count) => {
                let at = at.index(length + 1);
                characters.drain(at..(at + count).min(length));
            }
            Edit::Repeat(at, count) => {
                let at = at.index(length + 1);
                let piece: Vec<char> = characters[at..(at + count).min(length)].to_vec();
                characters.splice(at..at, piece);
            }
        }
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn loading_a_mutated_policy_ends_in_a_set_or_in_faults_that_say_something(which in any::<Index>(), edits in prop::collection::vec(edit(), 1..6), old in any::<bool>()) {
        let texts: Vec<String> = read_dir(examples()).unwrap().iter().map(|source| source.text.to_string()).collect();
        let text = apply(which.get::<String>(&texts), &edits);
        let source = source("mutated", &text, old.then_some(RegoVersion::V0));
        if let Err(faults) = PolicySet::load(&[source], LIMITS) {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                prop_assert!(!fault.reason.is_empty() && !fault.reason.contains("engine fails") && !fault.reason.contains("too long to load"), "{fault}");
            }
        }
    }
}
