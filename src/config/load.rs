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
use super::value::{Origin, Table, table_of};
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
pub struct Values(BTreeMap<String, Said>);

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
            (other.0.get(key).map(|other| &other.value) != Some(&said.value)).then_some((key.as_str(), said.takes_effect))
        };
        let here = self.0.iter().filter_map(|pair| differs(pair, other));
        here.chain(other.0.iter().filter_map(|pair| differs(pair, self))).collect()
    }
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
    Survey { file: None, settings, faults: Faults::of(faults), values: Values(reader.known), warnings: reader.warnings, is_empty: false }
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
