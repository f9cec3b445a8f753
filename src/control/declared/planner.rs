//! What every part of a plan is made with: words that are checked, faults that are gathered, steps in an order in which each can be made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use super::current::Current;
use super::files::Faults;
use super::step::{Deed, FieldChange, Step};
use super::text::{At, PlacedText};
use crate::diagnostics::nearest;
use crate::model::{BindingId, Invalid, KeyId, Mutation, Resource, ResourceKind};

/// Ids of what is new: one after the other from a random one, so that a plan has them in the order of its files.
#[derive(Clone, Copy, Debug)]
pub struct NewIds {
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The randomness of the first.
    pub first: u128,
}

impl NewIds {
    fn next(&mut self) -> (u64, u128) {
        let next = self.first;
        self.first = next.wrapping_add(1);
        (self.unix_ms, next)
    }

    pub(super) fn key(&mut self) -> KeyId {
        let (at, random) = self.next();
        KeyId::new(at, random)
    }

    pub(super) fn binding(&mut self) -> BindingId {
        let (at, random) = self.next();
        BindingId::new(at, random)
    }
}

pub(super) struct Planner<'a, 'f> {
    pub(super) current: &'a Current,
    pub(super) faults: &'a mut Faults<'f>,
    pub(super) ids: NewIds,
    pub(super) steps: Vec<Step>,
    /// Everything that stands in files, whether or not it is to be changed.
    pub(super) declared: BTreeSet<Resource>,
}

impl Planner<'_, '_> {
    /// A word of the model.
    pub(super) fn word<T: FromStr<Err = Invalid>>(&mut self, text: &PlacedText) -> Option<T> {
        text.text.parse().map_err(|error: Invalid| self.faults.add(&text.at, error.to_string())).ok()
    }

    /// Words that stand in a list; `None` if one of them is none.
    pub(super) fn words<T: FromStr<Err = Invalid> + Ord>(&mut self, texts: &[PlacedText]) -> Option<Vec<T>> {
        let words: Vec<Option<T>> = texts.iter().map(|text| self.word(text)).collect();
        let mut words: Vec<T> = words.into_iter().collect::<Option<_>>()?;
        words.sort();
        words.dedup();
        Some(words)
    }

    /// A word that names the entry in which it stands, and no other entry.
    pub(super) fn name<T: FromStr<Err = Invalid> + Ord + Clone>(&mut self, text: &PlacedText, seen: &mut BTreeMap<T, At>) -> Option<T> {
        let word: T = self.word(text)?;
        if let Some(first) = seen.get(&word) {
            let first = self.faults.named(first);
            self.faults.add(&text.at, format!("{:?} is declared twice: it stands in {first} already", text.text));
            return None;
        }
        seen.insert(word.clone(), text.at);
        Some(word)
    }

    /// Something is named that is neither in the store nor in the files.
    pub(super) fn unknown(&mut self, kind: ResourceKind, text: &PlacedText, candidates: impl IntoIterator<Item = String>) {
        let meant = nearest(&text.text, candidates).map(|near| format!("did you mean {near:?}?"));
        let why = format!("there is no {kind} {:?}, neither in the store nor in the files", text.text);
        self.faults.add_with(&text.at, why, meant);
    }

    pub(super) fn create(
        &mut self,
        at: At,
        (kind, name): (ResourceKind, String),
        fields: Vec<Option<FieldChange>>,
        mutations: Vec<Mutation>,
    ) {
        let fields = fields.into_iter().flatten().collect();
        self.steps.push(Step { deed: Deed::Create, kind, name, fields, mutations, at: Some(at) });
    }

    /// Nothing is done if no field is different.
    pub(super) fn update(
        &mut self,
        at: At,
        (kind, name): (ResourceKind, String),
        fields: Vec<Option<FieldChange>>,
        mutations: impl FnOnce() -> Vec<Mutation>,
    ) {
        let fields: Vec<FieldChange> = fields.into_iter().flatten().collect();
        if !fields.is_empty() {
            self.steps.push(Step { deed: Deed::Update, kind, name, fields, mutations: mutations(), at: Some(at) });
        }
    }

    pub(super) fn delete(&mut self, (kind, name): (ResourceKind, String), mutation: Mutation) {
        self.steps.push(Step { deed: Deed::Delete, kind, name, fields: Vec::new(), mutations: vec![mutation], at: None });
    }
}

/// What stands in a field, or what it is without.
pub(super) fn or(text: Option<&PlacedText>, otherwise: &str) -> String {
    text.map_or_else(|| otherwise.to_owned(), |text| text.text.clone())
}

/// `a, b, c`.
pub(super) fn listed(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
