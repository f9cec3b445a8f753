//! From a file, variables and flags to settings, or to everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use toml::de::DeTable;

use super::environment::{Sifted, overrides, sift, variable};
use super::finding::{Faults, Finding};
use super::place::{Place, Source};
use super::reader::{Complaint, Override, Reader};
use super::relations::relate;
use super::value::{Origin, Table, table_of};
use super::{Settings, StoreUrl};

/// Settings that are fit to be used, and what to know about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// What they say, key by key.
    pub values: Values,
    /// Remarks that keep nothing from starting.
    pub warnings: Vec<Finding>,
}

/// What each key says, to be held against what it said before.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<String, String>);

/// A look at a configuration that may be wrong: what `claviger check` works with. Nothing may run on it.
#[derive(Clone, Debug)]
pub struct Survey {
    /// As far as they can be read: a key with a fault has its default.
    pub settings: Settings,
    /// Everything that is wrong.
    pub faults: Option<Faults>,
    values: Values,
    /// Remarks that keep nothing from starting.
    pub warnings: Vec<Finding>,
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
        let mut layers = overrides(environment);
        let Sifted { faults: misspelt, mut warnings } = asked(|reader| sift(&mut layers, &reader));
        layers.extend(flags.iter().map(|(key, text)| Override {
            key: key.clone(),
            text: text.clone(),
            at: Origin::Flag(key.clone(), text.clone()),
            name: Origin::FlagKey(key.clone()),
        }));
        let mut found = match file {
            None => survey(Source { file: Path::new(""), text: "" }, &layers, misspelt),
            Some(file) => match read(file) {
                Ok(bytes) => match str::from_utf8(&bytes) {
                    Ok(text) => survey(Source { file, text }, &layers, misspelt),
                    Err(error) => Survey::nothing(not_utf8(file, &bytes, error.valid_up_to())),
                },
                Err(error) => Survey::nothing(finding(Place::WholeFile(file.to_owned()), format!("cannot be read: {error}"))),
            },
        };
        warnings.extend(commands.and_then(|url| other_store(&url, &found.settings.store.url)));
        let nowhere = Source { file: Path::new(""), text: "" };
        found.warnings.extend(warnings.into_iter().map(|warning| found_at(nowhere, warning)));
        found
    }

    /// Every key, dotted, in alphabetical order.
    pub fn keys() -> Vec<String> {
        asked(|reader| reader.known.into_keys().collect())
    }
}

impl Survey {
    fn nothing(fault: Finding) -> Self {
        Self { settings: Settings::default(), faults: Some(fault.into()), values: Values::default(), warnings: Vec::new() }
    }

    /// What may be run on, if nothing is wrong.
    fn sound(self) -> Result<Loaded, Faults> {
        match self.faults {
            Some(faults) => Err(faults),
            None => Ok(Loaded { settings: self.settings, values: self.values, warnings: self.warnings }),
        }
    }
}

impl Values {
    /// The keys, dotted, that the other values say something else of, if whoever runs on these must start again to follow them.
    /// `login.strategy` is not among them: it is what a new store begins with, and a restart changes nothing about a store.
    pub fn restart_keys<'a>(&'a self, other: &Self) -> Vec<&'a str> {
        let differs = |(key, value): &(&String, &String)| other.0.get(*key) != Some(value) && *key != "login.strategy";
        self.0.iter().filter(differs).map(|(key, _)| key.as_str()).collect()
    }
}

fn not_utf8(file: &Path, bytes: &[u8], at: usize) -> Finding {
    let text = String::from_utf8_lossy(bytes);
    let place = Source { file, text: &text }.place(at..at + char::REPLACEMENT_CHARACTER.len_utf8());
    finding(place, "this is not UTF-8".to_owned())
}

fn survey(source: Source<'_>, layers: &[Override], misspelt: Vec<Complaint>) -> Survey {
    let (document, errors) = DeTable::parse_recoverable(source.text);
    let mut syntax: Vec<Finding> = errors
        .iter()
        .map(|error| finding(source.place(error.span().unwrap_or_default()), format!("the TOML is broken here: {}", error.message())))
        .collect();
    // The first thing that is wrong with a line leads to the others.
    syntax.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
    syntax.dedup_by_key(|fault| fault.place.order().1);
    let broken_lines: BTreeSet<usize> = syntax.iter().map(|fault| fault.place.order().1).collect();

    let table = table_of(document.get_ref());
    let mut reader = Reader::new(&table, layers, source.file.parent().unwrap_or(Path::new("")));
    let settings = Settings::read(&mut reader);
    // Keys that are lost to a broken line must not make the others look contradictory.
    if syntax.is_empty() {
        relate(&settings, &mut reader);
    }

    let place = |complaint| found_at(source, complaint);
    // What the parser made of a broken line says nothing about what was meant. A value that it made up has no extent.
    let made_up = |complaint: &Complaint| matches!(&complaint.at, Origin::File(bytes) if bytes.is_empty());
    let mut faults: Vec<Finding> =
        misspelt.into_iter().chain(reader.faults.into_iter().filter(|complaint| !made_up(complaint))).map(place).collect();
    faults.retain(|fault| !matches!(&fault.place, Place::File { line, .. } if broken_lines.contains(line)));
    faults.extend(syntax);
    faults.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
    let warnings = reader.warnings.into_iter().map(place).collect();
    Survey { settings, faults: Faults::of(faults), values: Values(reader.known), warnings }
}

/// Commands that manage work on the store that this variable names.
const STORE_OF_COMMANDS: &str = "CLAVIGER_STORE";

/// A remark if commands work on another store than this one. Said of the variable without its value, which may hold a password.
fn other_store(url: &str, here: &StoreUrl) -> Option<Complaint> {
    let file = |url: &StoreUrl| match url {
        StoreUrl::Sqlite(path) => std::path::absolute(path).ok(),
    };
    let differs = StoreUrl::parse(url).ok().is_none_or(|named| file(&named) != file(here));
    differs.then(|| Complaint {
        at: Origin::VariableName(STORE_OF_COMMANDS.to_owned()),
        key: "store.url".to_owned(),
        message: "the variable names another store; only commands that manage go by it, and this does not".to_owned(),
        suggestion: Some(format!("`{}` sets the store that is served", variable("store.url"))),
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

fn found_at(source: Source<'_>, complaint: Complaint) -> Finding {
    let Complaint { at, key, message, suggestion } = complaint;
    Finding { place: place(source, &at), key: Some(key), message, suggestion }
}

fn place(source: Source<'_>, at: &Origin) -> Place {
    match at {
        Origin::File(bytes) => source.place(bytes.clone()),
        Origin::Variable(name, value) => Place::variable(name, value),
        Origin::VariableName(name) => Place::variable_name(name),
        Origin::Flag(key, value) => Place::flag(key, value),
        Origin::FlagKey(key) => Place::flag_key(key),
    }
}

fn finding(place: Place, message: String) -> Finding {
    Finding { place, key: None, message, suggestion: None }
}

/// Reads an empty configuration, and tells what the reader has learnt by it: the schema.
fn asked<T>(tell: impl FnOnce(Reader<'_>) -> T) -> T {
    let table = Table::new();
    let mut reader = Reader::new(&table, &[], Path::new(""));
    Settings::read(&mut reader);
    tell(reader)
}
