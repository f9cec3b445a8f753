//! Which keys may be wanted, by an index that knows them all, though not in the order of ids.
//!
//! A text is looked for by the parts of three characters that stand in it, and not by all of them: whoever reads what nearly every name has reads as much
//! as there are names. So a few names are looked at first, and those parts are taken that are in the fewest of them. What they let through is looked at
//! itself, so that any choice finds the same.

use super::decode::NamedKey;
use super::statement::{Statement, query};
use super::text;
use crate::model::KeyState;
use crate::store::listing::{FEW, KeyFilter, StateWanted};
use crate::store::stored;

/// How many parts of a text are looked for. Each more lets fewer keys through, and has to be read.
const PARTS: usize = 3;
/// What is in more than one name of so many is looked for by nobody: the keys that have it are come upon soon, or are too many to be read.
const FREQUENT: usize = 4;

/// An index that knows all keys that may be wanted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Sieve {
    /// In whose names, of now or of before, these parts of three characters stand: a list, as JSON.
    NameParts(String),
    /// That have ended at this time.
    Ended(i64),
}

impl Sieve {
    /// The one that lets few through, as far as it can be told by some names.
    pub(in crate::store) fn of(wanted: &KeyFilter, some: &[NamedKey]) -> Option<Self> {
        let parts = wanted.query.as_deref().map(|sought| rarest(parts_of(sought), some)).filter(|parts| !parts.is_empty());
        let by_parts = parts.map(|parts| Self::NameParts(parts.into_iter().collect::<serde_json::Value>().to_string()));
        by_parts.or_else(|| (wanted.state == StateWanted::In(KeyState::Expired)).then(|| Self::Ended(stored::micros(wanted.now))))
    }

    /// Whether some names are needed to tell.
    pub(super) fn depends_on_names(wanted: &KeyFilter) -> bool {
        wanted.query.as_deref().is_some_and(|sought| !parts_of(sought).is_empty())
    }

    /// How many it knows, but not more than one too many.
    pub(in crate::store) fn count(&self) -> Statement {
        let mut count = query(text::COUNT_OF_FEW);
        match self {
            Self::NameParts(parts) => count.push(text::NAMES_BY_PARTS).push_bind(parts.as_str()).push(text::BY_PARTS_END),
            Self::Ended(now) => count.push(text::KEYS_BY_END).push_bind(*now),
        };
        count.push_same(" LIMIT ").push_bind(FEW + 1).push_same(") AS few");
        count
    }

    /// Reads them.
    pub(super) fn push(&self, statement: &mut Statement) {
        match self {
            Self::NameParts(parts) => statement.push(text::KEYS_BY_NAME_PARTS).push_bind(parts.as_str()).push(text::BY_PARTS_END),
            Self::Ended(now) => statement.push(text::KEYS_BY_END).push_bind(*now),
        };
    }
}

/// What stands in whatever the text stands in, each once. Nothing: it is too short, or stands in no name.
fn parts_of(sought: &str) -> Vec<String> {
    let characters: Vec<char> = sought.chars().collect();
    if characters.iter().any(|character| character.is_control()) {
        return Vec::new();
    }
    let mut parts: Vec<String> = characters.windows(3).map(|part| part.iter().collect()).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

/// Those that are in the fewest of these names, if there are any that are not in many.
fn rarest(parts: Vec<String>, some: &[NamedKey]) -> Vec<String> {
    let in_how_many = |part: &String| some.iter().filter(|key| key.name.as_str().contains(part.as_str())).count();
    let mut counted: Vec<(usize, String)> = parts.into_iter().map(|part| (in_how_many(&part), part)).collect();
    counted.sort_unstable();
    counted.into_iter().take(PARTS).filter(|(count, _)| count * FREQUENT <= some.len()).map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: impl IntoIterator<Item = String>) -> Vec<NamedKey> {
        names.into_iter().map(|name| NamedKey { name: name.parse().unwrap(), revoked: false }).collect()
    }

    #[test]
    fn a_text_is_looked_for_by_what_is_in_the_fewest_names() {
        let some = named((0..400).map(|number| format!("service-{:04}", number * 7)));
        assert_eq!(rarest(parts_of("service-9990"), &some), ["-99", "990", "999"]);
        // What is in many is left out, though there is nothing else.
        assert_eq!(rarest(parts_of("service-0"), &some), [""; 0]);
        assert_eq!(rarest(parts_of("service-x"), &some), ["e-x"]);
        assert_eq!(rarest(parts_of("nobody"), &[]), ["bod", "nob", "obo"], "of a store of which nothing is known");
    }

    #[test]
    fn what_is_short_or_stands_in_no_name_has_no_parts() {
        for sought in ["", "a", "ab", "abc\td"] {
            assert!(parts_of(sought).is_empty() && !Sieve::depends_on_names(&of(sought)), "{sought:?}");
        }
        assert_eq!(parts_of("äöüäöü"), ["äöü", "öüä", "üäö"]);
    }

    #[test]
    fn keys_that_have_ended_are_known_by_their_end_where_their_names_say_nothing() {
        let ended = |query: &str| KeyFilter { state: StateWanted::In(KeyState::Expired), ..of(query) };
        let some = named(["service".to_owned()]);
        assert_eq!(Sieve::of(&ended("serv"), &some), Some(Sieve::Ended(0)));
        assert_eq!(Sieve::of(&ended("x"), &some), Some(Sieve::Ended(0)));
        assert_eq!(Sieve::of(&ended("rare"), &some), Some(Sieve::NameParts(r#"["are","rar"]"#.to_owned())));
        assert_eq!(Sieve::of(&of("serv"), &some), None);
    }

    fn of(sought: &str) -> KeyFilter {
        KeyFilter { query: Some(sought.to_owned()), ..KeyFilter::default() }
    }
}
