//! Which keys may be wanted, by an index that knows them all, though not in the order of ids.
//!
//! A text is looked for by the parts of three characters that stand in it, and not by all of them: whoever reads what nearly every name has reads as much
//! as there are names. So a few names are looked at first, and those parts are taken that are in the fewest of them. What they let through is looked at
//! itself, so that any choice finds the same.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::decode::NamedKey;
use super::statement::{Statement, Text};
use super::text;
use crate::model::KeyState;
use crate::store::listing::{KeyFilter, StateWanted};
use crate::store::stored;

/// How many parts of a text are looked for. Each more lets fewer keys through, and has to be read.
const PARTS: usize = 3;
/// What is in more than one name of so many is looked for by nobody: the keys that have it are come upon soon, or are too many to be read.
const FREQUENT: usize = 4;
/// A part that so many times as many names have as the rarest is read only if it must be: it is more to be read than it saves.
const NOT_WORTH_IT: usize = 8;
/// How long some names tell what is frequent, and how few of them are read each time.
const TELL_FOR: Duration = Duration::from_mins(1);
const TOO_FEW: usize = 100;

/// An index that knows all keys that may be wanted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Sieve {
    /// In whose names, of now or of before, these parts of three characters stand: a list, as JSON.
    NameParts(String),
    /// That have ended at this time.
    Ended(i64),
}

impl Sieve {
    /// Those that let few through, as far as it can be told by some names: each after the first knows fewer keys, and takes longer to say which.
    pub(in crate::store) fn of(wanted: &KeyFilter, some: &[NamedKey]) -> Vec<Self> {
        let by_parts = |parts: Vec<String>| Self::NameParts(parts.into_iter().collect::<serde_json::Value>().to_string());
        let mut sieves: Vec<Self> =
            wanted.query.as_deref().map(|sought| rarest(parts_of(sought), some)).unwrap_or_default().into_iter().map(by_parts).collect();
        if sieves.is_empty() && has_ended(wanted) {
            sieves.push(Self::Ended(stored::micros(wanted.now)));
        }
        sieves
    }

    /// Whether there may be one.
    pub(super) fn may_know(wanted: &KeyFilter) -> bool {
        has_ended(wanted) || Self::depends_on_names(wanted)
    }

    /// Whether some names are needed to tell.
    pub(super) fn depends_on_names(wanted: &KeyFilter) -> bool {
        wanted.query.as_deref().is_some_and(|sought| !parts_of(sought).is_empty())
    }

    /// Reads what it knows of them.
    pub(super) fn push_few(&self, statement: &mut Statement) {
        match self {
            Self::NameParts(parts) => statement.push(text::FEW_BY_PARTS).push_bind(parts.as_str()).push(text::BY_PARTS_END),
            Self::Ended(now) => statement.push(text::FEW_BY_END).push_bind(*now),
        };
    }

    /// Reads them, by what it knows.
    pub(super) fn rows(&self) -> Text {
        match self {
            Self::NameParts(_) => text::ROWS_BY_PARTS,
            Self::Ended(_) => text::ROWS_BY_END,
        }
    }
}

fn has_ended(wanted: &KeyFilter) -> bool {
    wanted.state == StateWanted::In(KeyState::Expired)
}

/// Some names, if they have been read.
#[derive(Default)]
pub(super) struct SomeNames(Mutex<Option<NamesOnce>>);

/// Some names, as they were read from a place at a time.
struct NamesOnce {
    moves: u64,
    since: Duration,
    some: Arc<Vec<NamedKey>>,
}

impl SomeNames {
    /// Those of this place, if they tell what is frequent still.
    pub(super) fn known(&self, moves: u64, now: Duration) -> Option<Arc<Vec<NamedKey>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let once = kept.as_ref()?;
        (once.moves == moves && now.saturating_sub(once.since) < TELL_FOR).then(|| Arc::clone(&once.some))
    }

    /// Of few it is soon otherwise what is frequent, and they are soon read.
    pub(super) fn keep(&self, moves: u64, now: Duration, some: &Arc<Vec<NamedKey>>) {
        if some.len() >= TOO_FEW {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(NamesOnce { moves, since: now, some: Arc::clone(some) });
        }
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

/// Those that are in the fewest of these names, if there are any that are not in many: by which keys are looked for first, and by which if that lets too
/// many through.
fn rarest(parts: Vec<String>, some: &[NamedKey]) -> Vec<Vec<String>> {
    let in_how_many = |part: &String| some.iter().filter(|key| key.name.as_str().contains(part.as_str())).count();
    let mut counted: Vec<(usize, String)> = parts.into_iter().map(|part| (in_how_many(&part), part)).collect();
    counted.sort_unstable();
    counted.truncate(PARTS);
    counted.retain(|(count, _)| count * FREQUENT <= some.len());
    let rarest = counted.first().map_or(0, |(count, _)| (*count).max(1));
    let worth_it = counted.partition_point(|(count, _)| *count <= rarest * NOT_WORTH_IT);
    let all: Vec<String> = counted.into_iter().map(|(_, part)| part).collect();
    let first: Vec<String> = all.iter().take(worth_it).cloned().collect();
    let is_all = first.len() == all.len();
    [first, all].into_iter().skip(usize::from(is_all)).filter(|parts| !parts.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: impl IntoIterator<Item = String>) -> Vec<NamedKey> {
        names.into_iter().map(|name| NamedKey { name: name.parse().unwrap(), revoked: false }).collect()
    }

    fn texts(parts: &[&[&str]]) -> Vec<Vec<String>> {
        parts.iter().map(|parts| parts.iter().map(|part| (*part).to_owned()).collect()).collect()
    }

    #[test]
    fn a_text_is_looked_for_by_what_is_in_the_fewest_names() {
        let some = named((0..400).map(|number| format!("service-{:04}", number * 7)));
        assert_eq!(rarest(parts_of("service-9990"), &some), texts(&[&["-99", "990", "999"]]));
        // What is in many is left out, though there is nothing else.
        assert_eq!(rarest(parts_of("service-0"), &some), texts(&[]));
        assert_eq!(rarest(parts_of("service-x"), &some), texts(&[&["e-x"]]));
        assert_eq!(rarest(parts_of("nobody"), &[]), texts(&[&["bod", "nob", "obo"]]), "of a store of which nothing is known");
    }

    #[test]
    fn what_far_more_names_have_than_the_rarest_part_is_looked_for_only_if_that_is_not_enough() {
        let some =
            named((0..100).map(|number| format!("{}-{}", if number < 20 { "many" } else { "x" }, if number < 2 { "rare" } else { "y" })));
        let parts = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        assert_eq!(rarest(parts(&["any", "man", "rar"]), &some), texts(&[&["rar"], &["rar", "any", "man"]]));
        assert_eq!(rarest(parts(&["any", "man"]), &some), texts(&[&["any", "man"]]));
    }

    #[test]
    fn some_names_tell_what_is_frequent_for_a_while_if_they_are_not_few() {
        let (names, enough) = (SomeNames::default(), Arc::new(named((0..TOO_FEW).map(|number| format!("service-{number}")))));
        let known = |moves, seconds| names.known(moves, Duration::from_secs(seconds)).map(|some| some.len());
        names.keep(0, Duration::from_secs(5), &Arc::new(named(["service".to_owned()])));
        assert_eq!(known(0, 5), None);
        names.keep(0, Duration::from_secs(5), &enough);
        assert_eq!([known(0, 5), known(0, 64), known(0, 65), known(1, 5)], [Some(TOO_FEW), Some(TOO_FEW), None, None]);
    }

    #[test]
    fn what_is_short_or_stands_in_no_name_has_no_parts() {
        for sought in ["", "a", "ab", "abc\td"] {
            assert!(parts_of(sought).is_empty() && !Sieve::depends_on_names(&of(sought)) && !Sieve::may_know(&of(sought)), "{sought:?}");
        }
        assert_eq!(parts_of("äöüäöü"), ["äöü", "öüä", "üäö"]);
    }

    #[test]
    fn keys_that_have_ended_are_known_by_their_end_where_their_names_say_nothing() {
        let ended = |query: &str| KeyFilter { state: StateWanted::In(KeyState::Expired), ..of(query) };
        let some = named(["service".to_owned()]);
        assert_eq!(Sieve::of(&ended("serv"), &some), [Sieve::Ended(0)]);
        assert_eq!(Sieve::of(&ended("x"), &some), [Sieve::Ended(0)]);
        assert_eq!(Sieve::of(&ended("rare"), &some), [Sieve::NameParts(r#"["are","rar"]"#.to_owned())]);
        assert!(Sieve::of(&of("serv"), &some).is_empty());
        assert!(Sieve::may_know(&ended("x")) && Sieve::may_know(&of("serv")));
    }

    fn of(sought: &str) -> KeyFilter {
        KeyFilter { query: Some(sought.to_owned()), ..KeyFilter::default() }
    }
}
