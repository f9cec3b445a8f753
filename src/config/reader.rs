//! Hands each section its values, and keeps book: what was asked for is a key, what is left over is a fault.
//!
//! Reading *is* the schema. There is no second list of keys that could drift from the first: whether a key exists, what it may hold, and
//! when another value of it counts are said in the one place where it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::parse::{ValueError, ValueErrors, path};
use super::value::{AsWritten, Origin, Table, Value};
use crate::diagnostics::{Diagnostic, Severity, Source};

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

/// When another value of a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakesEffect {
    /// With the next request after a reload.
    Live,
    /// With the next start of the process.
    AtStart,
    /// Never for what there is already: it is what something new begins with.
    Once,
}

/// What a key says, written out so that two values can be compared, and when that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) value: String,
    pub(super) takes_effect: TakesEffect,
    /// As somebody has written it; `None`: nobody has.
    pub(super) written: Option<AsWritten>,
}

/// The values of all layers, and what has been asked and found so far.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    table: &'a Table,
    /// Later ones win.
    overrides: &'a [Override],
    /// What relative paths are relative to.
    base: &'a Path,
    /// Lists and sections that a variable or a flag says as a whole.
    said_whole: BTreeMap<String, Value>,
    /// Every key that was asked for, dotted; entries of lists are numbered.
    pub(super) known: BTreeMap<String, Said>,
    /// The keys of the entries of lists, with `*` for the number.
    pub(super) of_entries: BTreeMap<String, TakesEffect>,
    pub(super) tables: BTreeSet<String>,
    pub(super) lists: BTreeSet<String>,
    /// Keys and sections that are understood but not served, each with the reason.
    refused: Vec<(String, &'static str)>,
    pub(super) faults: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// The keys of one table.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// Dotted. Empty for the keys outside of any section.
    name: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>, table: &'a Table, overrides: &'a [Override]) -> Self {
        Self {
            source,
            table,
            overrides,
            base: source.file.parent().unwrap_or(Path::new("")),
            said_whole: BTreeMap::new(),
            known: BTreeMap::new(),
            of_entries: BTreeMap::new(),
            tables: BTreeSet::new(),
            lists: BTreeSet::new(),
            refused: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// A variable or a flag may say it as a whole, in TOML's `{ … }`.
    pub(super) fn section(&mut self, name: &str) -> Section<'_, 'a> {
        self.tables.insert(name.to_owned());
        let said = self.overrides.iter().rev().find(|over| over.key == name);
        if let Some((table, at)) = said.and_then(|over| Some((Value::table_in(&over.text)?, &over.at))) {
            self.said_whole.insert(name.to_owned(), table.said_at(at));
        }
        Section { reader: self, name: name.to_owned() }
    }

    /// The keys outside of any section.
    pub(super) fn top(&mut self) -> Section<'_, 'a> {
        Section { reader: self, name: String::new() }
    }

    /// Where the key was set, if it was.
    pub(super) fn given(&self, key: &str) -> Option<Origin> {
        self.find(key).map(|(_, at)| at)
    }

    /// Whether something is wrong with this key or below it.
    pub(super) fn is_faulty(&self, key: &str) -> bool {
        let below = |fault: &str| fault.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.faults.iter().any(|fault| fault.key.as_deref().is_some_and(below))
    }

    fn find(&self, key: &str) -> Option<(Value, Origin)> {
        if let Some(over) = self.overrides.iter().rev().find(|over| over.key == key) {
            return Some((Value::Bare(over.text.clone()), over.at.clone()));
        }
        // The most particular one counts.
        for (whole, value) in self.said_whole.iter().rev() {
            if let Some(rest) = key.strip_prefix(whole.as_str()).and_then(|rest| rest.strip_prefix('.')) {
                return value.within(rest).map(|(value, at)| (value.clone(), at.clone()));
            }
        }
        let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
        let entry = self.table.get(first)?;
        let (value, at) = match rest {
            None => (&entry.value, &entry.at),
            Some(rest) => entry.value.within(rest)?,
        };
        Some((value.clone(), at.clone()))
    }

    /// The first thing that a variable or a flag says below this key.
    fn said_below(&self, key: &str) -> Option<&Override> {
        self.overrides.iter().find(|over| over.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }

    /// A rule between keys. It is not looked at if one of them is wrong already. A breach stands where the first of them that was set
    /// stands: the defaults fit each other.
    pub(super) fn rule(&mut self, keys: &[&str], holds: bool, message: impl Into<String>, suggestion: Option<&str>) {
        if holds || keys.iter().any(|key| self.faults.iter().any(|fault| fault.key.as_deref() == Some(key))) {
            return;
        }
        let Some((key, at)) = keys.iter().find_map(|key| self.given(key).map(|at| (*key, at))) else { return };
        self.fault(&at, key, message, suggestion.map(str::to_owned));
    }

    /// Something to know about a key that was set. Not said of a default.
    pub(super) fn warn(&mut self, key: &str, message: &str) {
        if let Some(at) = self.given(key) {
            self.warnings.push(about(self.source, &at, key, message, None).weighing(Severity::Warning));
        }
    }

    pub(super) fn fault(&mut self, at: &Origin, key: &str, reason: impl Into<String>, suggestion: Option<String>) {
        // What the parser made of a broken line says nothing about what was meant. A value that it made up has no extent.
        if !matches!(at, Origin::File(bytes) if bytes.is_empty()) {
            self.faults.push(about(self.source, at, key, reason, suggestion));
        }
    }

    /// What a configuration that says nothing teaches of the keys that `read` asks for.
    fn schema<T>(&self, name: &str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> BTreeMap<String, Said> {
        let (table, source) = (Table::new(), Source { text: "", ..self.source });
        let mut reader = Reader::new(source, &table, &[]);
        read(&mut Section { reader: &mut reader, name: name.to_owned() });
        reader.known
    }

    /// Complains about everything that was set and that nobody has asked for.
    pub(super) fn leftovers(&mut self) {
        self.leftovers_of(self.table, "");
        for (whole, value) in &self.said_whole.clone() {
            self.leftovers_in(whole, value);
        }
        for over in self.overrides {
            if let Some(reason) = self.refusal(&over.key) {
                self.fault(&over.name, &over.key, reason, None);
            } else if self.said_whole.contains_key(&over.key) {
                // Its keys have been looked at.
            } else if self.tables.contains(&over.key) {
                self.fault(&over.at, &over.key, "this is a section: a table is wanted, `{ key = value, … }`", self.keys_of_override(over));
            } else if !self.known.contains_key(&over.key) && !self.lists.contains(&over.key) {
                let suggestion = self.instead_of_override(over);
                self.fault(&over.name, &over.key, "there is no such key", suggestion);
            }
        }
    }

    fn leftovers_of(&mut self, table: &Table, section: &str) {
        for (name, entry) in table {
            let key = join(section, name);
            // A name with a dot in it stands in quotes, and is another one than the key that it looks like.
            let is_plain = !name.contains('.');
            if let Some(reason) = self.refusal(&key) {
                self.fault(&entry.key, &key, reason, None);
            } else if is_plain && self.known.contains_key(&key) {
                // The key's own reader has looked at the value.
            } else if is_plain && (self.lists.contains(&key) || self.tables.contains(&key)) {
                if self.tables.contains(&key) && !matches!(entry.value, Value::Table(_)) {
                    let message = format!("this is a section, not {}", entry.value.kind());
                    self.fault(&entry.at, &key, message, Some(format!("write `[{key}]` above its keys")));
                } else {
                    self.leftovers_in(&key, &entry.value);
                }
            } else {
                let message = if matches!(entry.value, Value::Table(_)) { "there is no such section" } else { "there is no such key" };
                let suggestion = self.instead_of(section, name, &entry.value);
                self.fault(&entry.key, &key, message, Some(suggestion));
            }
        }
    }

    fn leftovers_in(&mut self, key: &str, value: &Value) {
        match value {
            Value::Table(table) => self.leftovers_of(table, key),
            Value::List(items) => {
                for (number, (item, _)) in items.iter().enumerate() {
                    self.leftovers_in(&format!("{key}.{number}"), item);
                }
            }
            Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::Bare(_) | Value::Other(_) => {}
        }
    }

    /// Whether this is a key, or something that is refused with a reason.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.known.contains_key(key) || self.lists.contains(key) || self.refusal(key).is_some()
    }

    /// Why this key, or something that it is a part of, is not served.
    fn refusal(&self, key: &str) -> Option<&'static str> {
        let covers = |whole: &str| key == whole || key.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'));
        self.refused.iter().find(|(whole, _)| covers(whole)).map(|(_, reason)| *reason)
    }
}

impl<'a> Section<'_, 'a> {
    /// A key whose other value counts with the next request after a reload: what was set, if `parse` can read it, else the default. A fault
    /// is kept for later, so that the others are found too.
    pub(super) fn live<T: Debug>(&mut self, name: &str, default: T, parse: impl FnOnce(&Value, &Origin) -> Result<T, ValueErrors>) -> T {
        self.read(name, TakesEffect::Live, default, parse)
    }

    /// A key whose other value counts with the next start.
    pub(super) fn at_start<T: Debug>(
        &mut self,
        name: &str,
        default: T,
        parse: impl FnOnce(&Value, &Origin) -> Result<T, ValueErrors>,
    ) -> T {
        self.read(name, TakesEffect::AtStart, default, parse)
    }

    /// A key that counts for something new alone.
    pub(super) fn once<T: Debug>(&mut self, name: &str, default: T, parse: impl FnOnce(&Value, &Origin) -> Result<T, ValueErrors>) -> T {
        self.read(name, TakesEffect::Once, default, parse)
    }

    fn read<T: Debug>(
        &mut self,
        name: &str,
        takes_effect: TakesEffect,
        default: T,
        parse: impl FnOnce(&Value, &Origin) -> Result<T, ValueErrors>,
    ) -> T {
        let key = self.key(name);
        let found = self.reader.find(&key);
        let written = found.as_ref().map(|(value, at)| AsWritten { text: value.written_out(), place: at.written_in() });
        let value = match found {
            None => default,
            Some((value, at)) => parse(&value, &at).unwrap_or_else(|errors| {
                self.refuse_value(&key, &at, errors);
                default
            }),
        };
        self.reader.known.insert(key, Said { value: format!("{value:?}"), takes_effect, written });
        value
    }

    /// A key without a default. `None`: it was left out, or is wrong; there is a fault then.
    pub(super) fn required<T: Debug>(
        &mut self,
        name: &str,
        takes_effect: TakesEffect,
        parse: impl FnOnce(&Value, &Origin) -> Result<T, ValueErrors>,
    ) -> Option<T> {
        let value = self.read(name, takes_effect, None, |value, at| parse(value, at).map(Some));
        let key = self.key(name);
        if value.is_none()
            && self.reader.given(&key).is_none()
            && let Some(at) = self.reader.given(&self.name).or_else(|| self.reader.said_below(&self.name).map(|over| over.name.clone()))
        {
            let entry = self.name.clone();
            self.reader.fault(&at, &entry, format!("`{name}` is missing"), None);
        }
        value
    }

    /// A table in this one, which is there whether it is written or not: its keys have defaults.
    pub(super) fn section(&mut self, name: &str) -> Section<'_, 'a> {
        let name = self.key(name);
        self.reader.section(&name)
    }

    /// A table in this one that may be left out as a whole: `None` if no layer says anything in it.
    pub(super) fn optional<T>(&mut self, name: &str, read: impl Fn(&mut Section<'_, '_>) -> T) -> Option<T> {
        let name = self.key(name);
        // What a variable says that is no table is told of later.
        let is_given = match self.reader.find(&name) {
            Some((Value::Bare(text), _)) => Value::table_in(&text).is_some(),
            Some(_) => true,
            None => false,
        };
        if is_given || self.reader.said_below(&name).is_some() {
            return Some(read(&mut self.reader.section(&name)));
        }
        let schema = self.reader.schema(&name, &read);
        self.reader.tables.insert(name);
        self.reader.known.extend(schema.into_iter().map(|(key, said)| (key, Said { value: String::new(), ..said })));
        None
    }

    /// A list of tables, `[[name]]` each. A variable or a flag may say one key of an entry, by its number from 0 (`routes.0.path`), add
    /// entries behind the last one, or say the list as a whole, in TOML's `[{ … }]`.
    pub(super) fn list<T>(&mut self, name: &str, read: impl Fn(&mut Section<'_, '_>) -> T) -> Vec<T> {
        let of_entries = self.reader.schema(&format!("{}.*", self.key(name)), &read);
        self.reader.of_entries.extend(of_entries.into_iter().map(|(key, said)| (key, said.takes_effect)));
        self.entries(name, read)
    }

    /// Tables in this one, each under a name of its own: `[upstreams.reports]`. A variable or a flag may say a key of one, whether it is
    /// written or not. `read` is given the name, and tells of what is wrong with it.
    pub(super) fn named<T>(&mut self, name: &str, read: impl Fn(&mut Section<'_, '_>, &str) -> T) -> BTreeMap<String, T> {
        let key = self.key(name);
        let of_entries = self.reader.schema(&format!("{key}.*"), |section| read(section, "*"));
        self.reader.of_entries.extend(of_entries.into_iter().map(|(key, said)| (key, said.takes_effect)));
        self.reader.tables.insert(key.clone());
        let mut names = BTreeSet::new();
        if let Some((Value::Table(table), _)) = self.reader.find(&key) {
            // A name with a dot in it would be taken for a table in a table.
            for (name, entry) in table.into_iter().filter(|(name, _)| !name.contains('.')) {
                // Of anything else it is told that a section is wanted.
                self.reader.tables.insert(format!("{key}.{name}"));
                if let Value::Table(_) = entry.value {
                    names.insert(name);
                }
            }
        }
        let said = self.reader.overrides.iter().filter_map(|over| over.key.strip_prefix(&*key)?.strip_prefix('.')?.split_once('.'));
        names.extend(said.map(|(name, _)| name.to_owned()));
        let entries = names.into_iter().map(|name| {
            let entry = read(&mut self.reader.section(&format!("{key}.{name}")), &name);
            (name, entry)
        });
        entries.collect()
    }

    /// A table in this one, or a list of such tables: none if no layer says anything of it. Its keys are told of as those of the one table.
    pub(super) fn one_or_more<T>(&mut self, name: &str, read: impl Fn(&mut Section<'_, '_>) -> T) -> Vec<T> {
        let key = self.key(name);
        let is_list = match self.reader.find(&key) {
            Some((Value::List(_), _)) => true,
            Some((Value::Bare(text), _)) => text.trim_start().starts_with('['),
            Some(_) | None => false,
        };
        if is_list || self.reader.said_below(&format!("{key}.0")).is_some() {
            return self.entries(name, read);
        }
        self.optional(name, read).into_iter().collect()
    }

    /// The entries of a list of tables.
    fn entries<T>(&mut self, name: &str, read: impl Fn(&mut Section<'_, '_>) -> T) -> Vec<T> {
        let name = self.key(name);
        self.reader.lists.insert(name.clone());
        let written = self.reader.find(&name).map_or(0, |(value, at)| {
            let Some(items) = value.as_list_of_tables() else {
                let message = format!("a list of tables is wanted, not {}", value.kind());
                self.reader.fault(&at, &name, message, Some(format!("write `[[{name}]]` above the keys of each")));
                return 0;
            };
            let count = items.len();
            if let Value::Bare(_) = value {
                self.reader.said_whole.insert(name.clone(), Value::List(items).said_at(&at));
            }
            count
        });
        let mut entries = Vec::new();
        while entries.len() < written || self.reader.said_below(&format!("{name}.{}", entries.len())).is_some() {
            let entry = format!("{name}.{}", entries.len());
            entries.push(read(&mut self.reader.section(&entry)));
        }
        entries
    }

    fn refuse_value(&mut self, key: &str, at: &Origin, ValueErrors(errors): ValueErrors) {
        for ValueError { at: part, message, suggestion } in errors {
            self.reader.fault(part.as_ref().unwrap_or(at), key, message, suggestion);
        }
    }

    /// A path. A relative one is taken from the file's directory, unless a variable or a flag says it: those speak of the working
    /// directory. The default is taken as if the file said it.
    pub(super) fn live_path(&mut self, name: &str, default: PathBuf) -> PathBuf {
        let path = self.live(name, default, path);
        self.resolve(name, path)
    }

    /// A path that may be left out.
    pub(super) fn optional_live_path(&mut self, name: &str) -> Option<PathBuf> {
        self.live(name, None, |value, at| path(value, at).map(Some)).map(|path| self.resolve(name, path))
    }

    /// A path that may be left out, and counts with the next start.
    pub(super) fn optional_path(&mut self, name: &str) -> Option<PathBuf> {
        self.at_start(name, None, |value, at| path(value, at).map(Some)).map(|path| self.resolve(name, path))
    }

    /// Something to know about a key that was set.
    pub(super) fn warn(&mut self, name: &str, message: &str) {
        let key = self.key(name);
        self.reader.warn(&key, message);
    }

    /// Where the path of this key, which has been read, leads.
    pub(super) fn resolve(&mut self, name: &str, path: PathBuf) -> PathBuf {
        let key = self.key(name);
        let path = self.base_of(name).join(path);
        if let Some(said) = self.reader.known.get_mut(&key) {
            said.value = path.display().to_string();
        }
        path
    }

    /// What a relative path of this key is relative to.
    pub(super) fn base_of(&self, name: &str) -> PathBuf {
        match self.reader.given(&self.key(name)) {
            None | Some(Origin::File(_)) => self.reader.base.to_owned(),
            Some(_) => PathBuf::new(),
        }
    }

    /// A fault of a key in this section that was set and read.
    pub(super) fn fault_of_own(&mut self, name: &str, reason: impl Into<String>, suggestion: Option<String>) {
        let key = self.key(name);
        self.fault_of(&key, reason, suggestion);
    }

    /// A fault of the section itself, which was written or said something in.
    pub(super) fn fault_of_section(&mut self, reason: impl Into<String>, suggestion: Option<String>) {
        let (name, said) = (self.name.clone(), self.reader.said_below(&self.name).map(|over| over.name.clone()));
        if let Some(at) = self.reader.given(&name).or(said) {
            self.reader.fault(&at, &name, reason, suggestion);
        }
    }

    /// Whether this key of the section was set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.reader.given(&self.key(name)).is_some()
    }

    /// A fault of a key that was set, dotted.
    pub(super) fn fault_of(&mut self, key: &str, reason: impl Into<String>, suggestion: Option<String>) {
        if let Some(at) = self.reader.given(key) {
            self.reader.fault(&at, key, reason, suggestion);
        }
    }

    /// Where a key was set, dotted: as faults name it.
    pub(super) fn place_of(&self, key: &str) -> String {
        self.reader.given(key).map_or_else(|| key.to_owned(), |at| at.place(self.reader.source).to_string())
    }

    /// Whether something is wrong with this key of the section.
    pub(super) fn is_faulty(&self, name: &str) -> bool {
        self.reader.is_faulty(&self.key(name))
    }

    /// A key or sub-section that is understood but not served: silence would promise what is not kept.
    pub(super) fn refuse(&mut self, name: &str, reason: &'static str) {
        let key = self.key(name);
        self.reader.refused.push((key, reason));
    }

    fn key(&self, name: &str) -> String {
        join(&self.name, name)
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// What is to be said of a key.
pub(super) fn about(source: Source<'_>, at: &Origin, key: &str, reason: impl Into<String>, suggestion: Option<String>) -> Diagnostic {
    Diagnostic { key: Some(key.to_owned()), suggestion, ..Diagnostic::error(at.place(source), reason) }
}
