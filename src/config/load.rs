//! From a file, variables and flags to settings, or to everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::environment::{Raw, nowhere, variable};
use super::faults::Faults;
use super::reader::{Override, Reader, Said, TakesEffect, about};
use super::relations::relate;
use super::settings::Settings;
use super::store::StoreUrl;
use super::syntax::broken;
use super::value::{Origin, Table, Value, WrittenIn, table_of};
use crate::diagnostics::{Diagnostic, Place, Severity, Source};

/// Settings that are fit to be used, and what to know about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// What they say, key by key.
    pub values: Values,
    /// Remarks that keep nothing from starting.
    pub warnings: Vec<Diagnostic>,
    /// There is a file, and nothing stands in it.
    pub is_empty: bool,
}

/// What each key says, to be held against what it said before.
#[derive(Clone, Debug, Default)]
pub struct Values {
    said: BTreeMap<String, Said>,
    /// Those of which another value waits for the next start.
    waiting: BTreeSet<String>,
}

/// A look at a configuration that may be wrong: what `claviger check` works with. Nothing may run on it.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// As far as they can be read: a key with a fault has its default.
    pub settings: Settings,
    /// Everything that is wrong.
    pub faults: Option<Faults>,
    values: Values,
    /// Remarks that keep nothing from starting.
    pub warnings: Vec<Diagnostic>,
    /// There is a file, and nothing stands in it.
    is_empty: bool,
}

impl Settings {
    /// Reads the file, if there is one, then the environment's variables, then the flags: pairs of a dotted key and a value. Each layer
    /// wins over the ones before it. Variables that are not about Claviger are passed over.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Loaded, Faults> {
        Self::survey(file, environment, flags).sound()
    }

    /// Reads a text alone, as if it stood in a file `claviger.toml` in the working directory.
    pub fn from_toml(text: &str) -> Result<Loaded, Faults> {
        survey(Source { file: Path::new("claviger.toml"), text }, &[], Vec::new()).sound()
    }

    /// Does what [`load`](Self::load) does, and tells what can be told of a configuration with faults, too.
    pub fn survey(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>, flags: &[(String, String)]) -> Survey {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let commands = environment.iter().find(|(name, _)| name == STORE_OF_COMMANDS).map(|(_, url)| url.clone());
        let Raw { overrides: mut layers, faults: misspelt, mut warnings } = asked(|reader| Raw::of(environment, &reader));
        layers.extend(flags.iter().map(|(key, text)| Override {
            key: key.clone(),
            text: text.clone(),
            at: Origin::Flag(key.clone(), text.clone()),
            name: Origin::FlagKey(key.clone()),
        }));
        let mut found = match file {
            None => survey(nowhere(), &layers, misspelt),
            Some(file) => match read(file) {
                Ok(bytes) => match str::from_utf8(&bytes) {
                    Ok(text) => Survey { is_empty: text.is_empty(), ..survey(Source { file, text }, &layers, misspelt) },
                    Err(error) => Survey::nothing(not_utf8(file, &bytes, error.valid_up_to())),
                },
                Err(error) => Survey::nothing(Diagnostic::error(Place::whole(file), format!("cannot be read: {error}"))),
            },
        };
        warnings.extend(commands.and_then(|url| other_store(&url, &found.settings.store.url)));
        found.warnings.extend(warnings);
        found.file = file.map(Path::to_owned);
        found
    }

    /// Every key, dotted, in alphabetical order, and when another value of it counts. The keys of entries of lists have `*` for the number.
    pub fn keys() -> BTreeMap<String, TakesEffect> {
        asked(|reader| {
            let of_entries = reader.of_entries;
            reader.known.into_iter().map(|(key, said)| (key, said.takes_effect)).chain(of_entries).collect()
        })
    }
}

impl Survey {
    fn nothing(fault: Diagnostic) -> Self {
        Self {
            file: None,
            settings: Settings::default(),
            faults: Some(fault.into()),
            values: Values::default(),
            warnings: Vec::new(),
            is_empty: false,
        }
    }

    /// What may be run on, if nothing is wrong.
    fn sound(self) -> Result<Loaded, Faults> {
        match self.faults {
            Some(faults) => Err(faults),
            None => Ok(Loaded { settings: self.settings, values: self.values, warnings: self.warnings, is_empty: self.is_empty }),
        }
    }
}

impl Values {
    /// The keys, dotted, that the other values say something else of, and when that counts.
    pub fn changed<'a>(&'a self, other: &'a Self) -> BTreeMap<&'a str, TakesEffect> {
        let differs = |(key, said): (&'a String, &'a Said), other: &Self| {
            (other.said.get(key).map(|other| &other.value) != Some(&said.value)).then_some((key.as_str(), said.takes_effect))
        };
        let here = self.said.iter().filter_map(|pair| differs(pair, other));
        here.chain(other.said.iter().filter_map(|pair| differs(pair, self))).collect()
    }
}

impl Values {
    /// What is in force once these have been read anew: what counts with the next start alone is as it was at the last one.
    #[must_use]
    pub fn with_start_of(mut self, started: &Self) -> Self {
        let at_start = |takes_effect: TakesEffect| takes_effect == TakesEffect::AtStart;
        let waits = self.changed(started).into_iter().filter(|(_, takes_effect)| at_start(*takes_effect)).map(|(key, _)| key.to_owned());
        self.waiting = waits.collect();
        self.said.retain(|_, said| !at_start(said.takes_effect));
        let kept = started.said.iter().filter(|(_, said)| at_start(said.takes_effect));
        self.said.extend(kept.map(|(key, said)| (key.clone(), said.clone())));
        self
    }

    /// Every key, dotted, in alphabetical order, with its value in these settings, for people to read. No secret stands in it.
    pub fn shown(&self, settings: &Settings) -> Vec<ShownKey> {
        let (reference, _) = DeTable::parse_recoverable(REFERENCE);
        let reference = Value::Table(table_of(reference.get_ref()));
        let shown = |(key, said): (&String, &Said)| {
            let default = reference.within(key).map(|(value, _)| value.written_out());
            let written = said.written.as_ref().map(|written| written.text.clone());
            let value = match key.as_str() {
                "store.url" => Some(settings.store.url.to_string()),
                // Receivers are told apart by what stands in their urls.
                "audit.webhook.url" => settings.audit.webhook.url.as_ref().map(|url| format!("{}/…", origin_of(url))),
                _ => written.or_else(|| default.clone()),
            };
            let place = said.written.as_ref().map(|written| written.place.clone());
            ShownKey { key: key.clone(), value, default, place, takes_effect: said.takes_effect, waits: self.waiting.contains(key) }
        };
        self.said.iter().map(shown).collect()
    }
}

/// The reference, which says every default.
const REFERENCE: &str = include_str!("../../config/claviger.toml");

/// A key of the configuration, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    /// Dotted; entries of lists are numbered.
    pub key: String,
    /// Its value in force; `None`: it has none, which is its default.
    pub value: Option<String>,
    /// What holds where nothing is said; `None`: nothing does.
    pub default: Option<String>,
    /// Where the value was written; `None`: nowhere.
    pub place: Option<WrittenIn>,
    /// When another value counts.
    pub takes_effect: TakesEffect,
    /// Another value was read since, and waits for the next start.
    pub waits: bool,
}

/// `http://host:port`.
fn origin_of(url: &http::Uri) -> String {
    let host = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    format!("{}://{host}", url.scheme_str().unwrap_or_default())
}

fn not_utf8(file: &Path, bytes: &[u8], at: usize) -> Diagnostic {
    let text = String::from_utf8_lossy(bytes);
    let place = Source { file, text: &text }.place(at..at + char::REPLACEMENT_CHARACTER.len_utf8());
    Diagnostic::error(place, "this is not UTF-8")
}

fn survey(source: Source<'_>, layers: &[Override], misspelt: Vec<Diagnostic>) -> Survey {
    let (document, errors) = DeTable::parse_recoverable(source.text);
    let mut syntax: Vec<Diagnostic> = errors.iter().map(|error| broken(source, document.get_ref(), error)).collect();
    // The first thing that is wrong with a line leads to the others.
    syntax.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
    syntax.dedup_by_key(|fault| fault.place.order().1);
    let broken_lines: BTreeSet<usize> = syntax.iter().map(|fault| fault.place.order().1).collect();

    let table = table_of(document.get_ref());
    let mut reader = Reader::new(source, &table, layers);
    let settings = Settings::read(&mut reader);
    // Keys that are lost to a broken line must not make the others look contradictory.
    if syntax.is_empty() {
        relate(&settings, &mut reader);
    }

    let mut faults: Vec<Diagnostic> = misspelt.into_iter().chain(reader.faults).collect();
    // What the parser made of a broken line says nothing about what was meant.
    faults.retain(|fault| fault.place.file().is_none() || !broken_lines.contains(&fault.place.order().1));
    faults.extend(syntax);
    faults.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
    Survey {
        file: None,
        settings,
        faults: Faults::of(faults),
        values: Values { said: reader.known, waiting: BTreeSet::new() },
        warnings: reader.warnings,
        is_empty: false,
    }
}

/// Commands that manage work on the store that this variable names.
const STORE_OF_COMMANDS: &str = "CLAVIGER_STORE";

/// A remark if commands work on another store than this one. Said of the variable without its value, which may hold a password.
fn other_store(url: &str, here: &StoreUrl) -> Option<Diagnostic> {
    let place = |url: &StoreUrl| match url {
        StoreUrl::Sqlite(path) | StoreUrl::Files(path) => std::path::absolute(path).ok().map(|path| path.display().to_string()),
        StoreUrl::Postgres(_) | StoreUrl::ControlPlanes(_) => Some(url.to_string()),
    };
    let differs = StoreUrl::parse(url).ok().is_none_or(|named| place(&named) != place(here));
    differs.then(|| {
        let reason = "the variable names another store; only commands that manage go by it, and this does not";
        let suggestion = format!("`{}` sets the store that is served", variable("store.url"));
        let at = Origin::VariableName(STORE_OF_COMMANDS.to_owned());
        about(nowhere(), &at, "store.url", reason, Some(suggestion)).weighing(Severity::Warning)
    })
}

/// Longer files are no configurations.
const LONGEST_FILE: u64 = 1 << 20;

/// The whole file, if it is not too long: a device may never end.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// Reads an empty configuration, and tells what the reader has learnt by it: the schema.
fn asked<T>(tell: impl FnOnce(Reader<'_>) -> T) -> T {
    let table = Table::new();
    let mut reader = Reader::new(nowhere(), &table, &[]);
    Settings::read(&mut reader);
    tell(reader)
}
