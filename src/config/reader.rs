//! Hands each section its values, and keeps book: what was asked for is a key, what is left over is a fault.
//!
//! Reading *is* the schema. There is no second list of keys that could drift from the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use super::value::{Origin, Table, Value};
use super::wanted::{Wrong, Wrongs, path};

/// One layer above the file: a variable or a flag.
#[derive(Clone, Debug)]
pub(super) struct Override {
    /// The dotted key.
    pub(super) key: String,
    pub(super) text: String,
    /// Where a wrong value stands.
    pub(super) at: Origin,
    /// Where a wrong key stands.
    pub(super) name: Origin,
}

/// Something to be said about a key, before places are looked up.
#[derive(Clone, Debug)]
pub(super) struct Complaint {
    pub(super) at: Origin,
    pub(super) key: String,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

/// The values of all layers, and what has been asked and found so far.
pub(super) struct Reader<'a> {
    table: &'a Table,
    /// Later ones win.
    overrides: &'a [Override],
    /// What relative paths are relative to.
    base: &'a Path,
    /// Every key that was asked for, dotted, with the value that counts, written out so that two can be compared.
    pub(super) known: BTreeMap<String, String>,
    /// Keys and sections that are understood but not served, each with the reason.
    refused: Vec<(String, &'static str)>,
    pub(super) faults: Vec<Complaint>,
    pub(super) warnings: Vec<Complaint>,
}

/// The keys of one section.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// Empty for the keys outside of any section.
    name: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'a Table, overrides: &'a [Override], base: &'a Path) -> Self {
        let (known, refused) = (BTreeMap::new(), Vec::new());
        Self { table, overrides, base, known, refused, faults: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 'a> {
        Section { reader: self, name }
    }

    /// The keys outside of any section.
    pub(super) fn top(&mut self) -> Section<'_, 'a> {
        self.section("")
    }

    /// Where the key was set, if it was.
    pub(super) fn given(&self, key: &str) -> Option<Origin> {
        self.find(key).map(|(_, at)| at)
    }

    fn find(&self, key: &str) -> Option<(Value, Origin)> {
        if let Some(over) = self.overrides.iter().rev().find(|over| over.key == key) {
            return Some((Value::Bare(over.text.clone()), over.at.clone()));
        }
        let entry = match key.split_once('.') {
            None => self.table.get(key)?,
            Some((section, name)) => match &self.table.get(section)?.value {
                Value::Table(entries) => entries.get(name)?,
                _ => return None,
            },
        };
        Some((entry.value.clone(), entry.at.clone()))
    }

    /// A rule between keys. It is not looked at if one of them is wrong already. A breach stands where the first of them that was set
    /// stands: the defaults fit each other.
    pub(super) fn rule(&mut self, keys: &[&str], holds: bool, message: impl Into<String>, suggestion: Option<&str>) {
        if holds || keys.iter().any(|key| self.faults.iter().any(|fault| fault.key == *key)) {
            return;
        }
        let Some((key, at)) = keys.iter().find_map(|key| self.given(key).map(|at| (*key, at))) else { return };
        self.faults.push(Complaint { at, key: key.to_owned(), message: message.into(), suggestion: suggestion.map(str::to_owned) });
    }

    /// Something to know about a key that was set. Not said of a default.
    pub(super) fn warn(&mut self, key: &str, message: &str) {
        if let Some(at) = self.given(key) {
            self.warnings.push(Complaint { at, key: key.to_owned(), message: message.to_owned(), suggestion: None });
        }
    }

    /// Complains about everything that was set and that nobody has asked for.
    pub(super) fn leftovers(&mut self) {
        let mut found = Vec::new();
        for (name, entry) in self.table {
            if let Some(reason) = self.refusal(name) {
                found.push(complaint(&entry.key, name, reason, None));
            } else if self.known.contains_key(name) {
                // The key's own reader has looked at the value.
            } else if !self.is_section(name) {
                let suggestion = Some(self.instead_of_top(name, &entry.value));
                let message = if matches!(entry.value, Value::Table(_)) { "there is no such section" } else { "there is no such key" };
                found.push(complaint(&entry.key, name, message, suggestion));
            } else if let Value::Table(entries) = &entry.value {
                for (inner, inner_entry) in entries {
                    let key = format!("{name}.{inner}");
                    if let Some(reason) = self.refusal(&key) {
                        found.push(complaint(&inner_entry.key, &key, reason, None));
                    } else if !self.known.contains_key(&key) {
                        found.push(complaint(&inner_entry.key, &key, "there is no such key", Some(self.instead_of(name, inner))));
                    }
                }
            } else {
                let message = format!("this is a section, not {}", entry.value.kind());
                found.push(complaint(&entry.at, name, &message, Some(format!("write `[{name}]` above its keys"))));
            }
        }
        for over in self.overrides {
            if let Some(reason) = self.refusal(&over.key) {
                found.push(complaint(&over.name, &over.key, reason, None));
            } else if !self.known.contains_key(&over.key) {
                let suggestion = self.instead_of_override(over);
                found.push(complaint(&over.name, &over.key, "there is no such key", suggestion));
            }
        }
        self.faults.extend(found);
    }

    /// Whether this is a key, or something that is refused with a reason.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.known.contains_key(key) || self.refusal(key).is_some()
    }

    /// Why this key, or something that it is a part of, is not served.
    fn refusal(&self, key: &str) -> Option<&'static str> {
        let covers = |whole: &str| key == whole || key.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'));
        self.refused.iter().find(|(whole, _)| covers(whole)).map(|(_, reason)| *reason)
    }

    fn is_section(&self, name: &str) -> bool {
        self.sections().contains(name)
    }

    fn sections(&self) -> BTreeSet<&str> {
        self.known.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect()
    }

    fn keys_of(&self, section: &str) -> Vec<&str> {
        self.known.keys().filter_map(|key| key.split_once('.')).filter(|(of, _)| *of == section).map(|(_, name)| name).collect()
    }

    fn instead_of(&self, section: &str, name: &str) -> String {
        let here = self.keys_of(section);
        if let Some(near) = nearest(name, here.iter().copied()) {
            return format!("did you mean `{near}`?");
        }
        let elsewhere = self.known.keys().find(|key| key.rsplit_once('.').map_or(key.as_str(), |(_, last)| last) == name);
        match elsewhere {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("[{section}] has {}", here.join(", ")),
        }
    }

    fn instead_of_top(&self, name: &str, value: &Value) -> String {
        let sections = self.sections();
        if let Value::Table(_) = value {
            return match nearest(name, sections.iter().copied()) {
                Some(near) => format!("did you mean `[{near}]`?"),
                None => format!("the sections are {}", sections.into_iter().collect::<Vec<_>>().join(", ")),
            };
        }
        if let Some(near) = nearest(name, self.known.keys().filter(|key| !key.contains('.')).map(String::as_str)) {
            return format!("did you mean `{near}`?");
        }
        match self.known.keys().find_map(|key| key.split_once('.').filter(|(_, last)| *last == name)) {
            Some((section, _)) => format!("did you mean `{name}` in `[{section}]`?"),
            None => format!("keys stand in sections: {}", sections.into_iter().collect::<Vec<_>>().join(", ")),
        }
    }

    fn instead_of_override(&self, over: &Override) -> Option<String> {
        let near = nearest(&over.key, self.known.keys().map(String::as_str))?;
        match over.name {
            Origin::VariableName(_) | Origin::Variable(..) => Some(format!("did you mean `{}`?", super::environment::variable(near))),
            Origin::Flag(..) | Origin::FlagKey(_) | Origin::File(_) => Some(format!("did you mean `{near}`?")),
        }
    }
}

impl Section<'_, '_> {
    /// The value of a key: what was set, if it can be read as what is wanted, else the default. A fault is kept for later, so that the
    /// others are found too.
    pub(super) fn read<T: Debug>(&mut self, name: &str, default: T, wanted: impl FnOnce(&Value, &Origin) -> Result<T, Wrongs>) -> T {
        let key = self.key(name);
        let value = self.read_key(&key, default, wanted);
        self.reader.known.insert(key, format!("{value:?}"));
        value
    }

    fn read_key<T>(&mut self, key: &str, default: T, wanted: impl FnOnce(&Value, &Origin) -> Result<T, Wrongs>) -> T {
        let Some((value, at)) = self.reader.find(key) else { return default };
        match wanted(&value, &at) {
            Ok(value) => value,
            Err(Wrongs(wrongs)) => {
                let complaint = |wrong: Wrong| Complaint {
                    at: wrong.at.unwrap_or_else(|| at.clone()),
                    key: key.to_owned(),
                    message: wrong.message,
                    suggestion: wrong.suggestion,
                };
                self.reader.faults.extend(wrongs.into_iter().map(complaint));
                default
            }
        }
    }

    /// A path. A relative one is taken from the file's directory, unless a variable or a flag says it: those speak of the working
    /// directory. The default is taken as if the file said it.
    pub(super) fn path(&mut self, name: &str, default: PathBuf) -> PathBuf {
        let path = self.read(name, default, path);
        self.resolve(name, path)
    }

    /// A path that may be left out.
    pub(super) fn optional_path(&mut self, name: &str) -> Option<PathBuf> {
        self.read(name, None, |value, at| path(value, at).map(Some)).map(|path| self.resolve(name, path))
    }

    /// Where the path of this key leads.
    pub(super) fn resolve(&mut self, name: &str, path: PathBuf) -> PathBuf {
        let key = self.key(name);
        let path = match self.reader.given(&key) {
            None | Some(Origin::File(_)) => self.reader.base.join(path),
            Some(_) => path,
        };
        self.reader.known.insert(key, path.display().to_string());
        path
    }

    /// A key or sub-section that is understood but not served: silence would promise what is not kept.
    pub(super) fn refuse(&mut self, name: &str, reason: &'static str) {
        let key = self.key(name);
        self.reader.refused.push((key, reason));
    }

    fn key(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }
}

fn complaint(at: &Origin, key: &str, message: &str, suggestion: Option<String>) -> Complaint {
    Complaint { at: at.clone(), key: key.to_owned(), message: message.to_owned(), suggestion }
}

/// The candidate that was probably meant: at most two characters differ, and at most a third of them.
pub(crate) fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = |name: &str| name.to_lowercase().replace('-', "_");
    let written = folded(written);
    let allowed = (written.chars().count() / 3).min(2);
    let scored = candidates.map(|candidate| (strsim::damerau_levenshtein(&written, &folded(candidate)), candidate));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_near() {
        let keys = ["issuer", "audience", "ttl", "max_bytes"];
        for (written, meant) in [("isuer", Some("issuer")), ("max-bytes", Some("max_bytes")), ("TTL", Some("ttl")), ("colour", None)] {
            assert_eq!(nearest(written, keys.into_iter()), meant, "{written}");
        }
    }
}
