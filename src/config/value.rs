//! Values as they are written, before anyone has said what they mean.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostics::{Place, Source};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A stretch of bytes of the file.
    File(Range<usize>),
    /// The variable of this name, with this value.
    Variable(String, String),
    /// The name of a variable that is no setting. Its value is nobody's business.
    VariableName(String),
    /// The flag for this key, with this value.
    Flag(String, String),
    /// The key of a flag that is no setting.
    FlagKey(String),
}

impl Origin {
    pub(super) fn written_in(&self) -> WrittenIn {
        match self {
            Self::File(_) => WrittenIn::File,
            Self::Variable(name, _) | Self::VariableName(name) => WrittenIn::Variable(name.clone()),
            Self::Flag(..) | Self::FlagKey(_) => WrittenIn::Flag,
        }
    }

    /// The place, as `source` has it if it is in the file.
    pub(super) fn place(&self, source: Source<'_>) -> Place {
        match self {
            Self::File(bytes) => source.place(bytes.clone()),
            Self::Variable(name, value) => Place::of_variable(name, value),
            Self::VariableName(name) => Place::of_variable_name(name),
            Self::Flag(key, value) => Place::of_flag(key, value),
            Self::FlagKey(key) => Place::of_flag_key(key),
        }
    }
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AsWritten {
    /// For people to read, without what may be a secret.
    pub(super) text: String,
    pub(super) place: WrittenIn,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenIn {
    /// In the file.
    File,
    /// In the variable of this name.
    Variable(String),
    /// Behind a flag.
    Flag,
}

/// A value that nobody has interpreted yet.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// TOML's integers go up to 64 bits; nothing here needs more.
    Integer(i64),
    Boolean(bool),
    List(Vec<(Value, Origin)>),
    Table(Table),
    /// The text of a variable or a flag: what it is depends on what is wanted.
    Bare(String),
    /// Something that no key takes, by what it is called.
    Other(&'static str),
}

/// Keys with their values. An entry knows where its key stands and where its value stands.
pub(super) type Table = BTreeMap<String, Entry>;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Origin,
    pub(super) value: Value,
    pub(super) at: Origin,
}

impl Value {
    /// What it is called in a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Bare(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a truth value",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }

    /// As it stands in a file, for people to read: whatever may be a password in a url is left out.
    pub(super) fn written_out(&self) -> String {
        match self {
            Self::Text(text) => toml::Value::String(without_secrets(text)).to_string(),
            Self::Bare(text) => without_secrets(text),
            Self::Integer(integer) => integer.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(|(item, _)| item.written_out()).collect::<Vec<_>>().join(", ")),
            Self::Table(table) => {
                let entries: Vec<String> = table.iter().map(|(name, entry)| format!("{name} = {}", entry.value.written_out())).collect();
                format!("{{ {} }}", entries.join(", "))
            }
            Self::Other(kind) => (*kind).to_owned(),
        }
    }

    /// The same, said here as a whole.
    pub(super) fn said_at(self, here: &Origin) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(|(item, _)| (item.said_at(here), here.clone())).collect()),
            Self::Table(table) => {
                let entry = |entry: Entry| Entry { key: here.clone(), value: entry.value.said_at(here), at: here.clone() };
                Self::Table(table.into_iter().map(|(name, inner)| (name, entry(inner))).collect())
            }
            plain @ (Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::Bare(_) | Self::Other(_)) => plain,
        }
    }

    /// What stands at a dotted path in it; entries of lists are numbered from 0.
    pub(super) fn within(&self, path: &str) -> Option<(&Self, &Origin)> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let (value, at) = match self {
            Self::Table(table) => table.get(first).map(|entry| (&entry.value, &entry.at))?,
            Self::List(items) => items.get(first.parse::<usize>().ok()?).map(|(item, at)| (item, at))?,
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::Bare(_) | Self::Other(_) => return None,
        };
        match rest {
            None => Some((value, at)),
            Some(rest) => value.within(rest),
        }
    }

    /// The table that such a text writes out, as a variable or a flag may say one.
    pub(super) fn table_in(text: &str) -> Option<Self> {
        match Self::of(DeValue::parse(text.trim()).ok()?.get_ref()) {
            table @ Self::Table(_) => Some(table),
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Bare(_) | Self::Other(_) => None,
        }
    }

    /// The tables of a list that holds nothing else; a variable or a flag says one in TOML.
    pub(super) fn as_list_of_tables(&self) -> Option<Vec<(Self, Origin)>> {
        let items = match self {
            Self::List(items) => items.clone(),
            Self::Bare(text) => match Self::of(DeValue::parse(text.trim()).ok()?.get_ref()) {
                Self::List(items) => items,
                Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::Table(_) | Self::Bare(_) | Self::Other(_) => return None,
            },
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::Table(_) | Self::Other(_) => return None,
        };
        items.iter().all(|(item, _)| matches!(item, Self::Table(_))).then_some(items)
    }

    pub(super) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Self::Integer(integer),
                Err(_) => Self::Other("an integer out of any range"),
            },
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Boolean(truth) => Self::Boolean(*truth),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Array(items) => Self::List(items.iter().map(|item| (Self::of(item.get_ref()), Origin::File(item.span()))).collect()),
            DeValue::Table(table) => Self::Table(table_of(table)),
        }
    }

    /// What a variable or a flag says where a list is wanted: `a, b`, or TOML's `["a", "b"]`. Items stand where the whole stands.
    pub(super) fn split_list(bare: &str, at: &Origin) -> Vec<(Self, Origin)> {
        if bare.trim_start().starts_with('[')
            && let Ok(value) = DeValue::parse(bare.trim())
            && let Self::List(items) = Self::of(value.get_ref())
        {
            return items.into_iter().map(|(item, _)| (item, at.clone())).collect();
        }
        let items = bare.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| (Self::Bare(item.to_owned()), at.clone())).collect()
    }
}

/// Each url in it without its user, password and query.
fn without_secrets(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(|sign: char| sign.is_whitespace() || ",\"'".contains(sign)).unwrap_or(rest.len());
    let (url, behind) = rest.split_at(end);
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?…"));
    // A password may hold anything: what stands before the last of these signs is none of the host's.
    let url = url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{before}://{url}{query}{}", without_secrets(behind))
}

/// The entries of a table that was read from a file.
pub(super) fn table_of(table: &DeTable<'_>) -> Table {
    let entry = |key: &Spanned<_>, value: &Spanned<DeValue<'_>>| Entry {
        key: Origin::File(key.span()),
        value: Value::of(value.get_ref()),
        at: Origin::File(value.span()),
    };
    table.iter().map(|(key, value)| (key.get_ref().to_string(), entry(key, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_holds_no_password() {
        for (text, shown) in [
            ("postgres://me:s3cret@db/x?password=s3cret", "postgres://…@db/x?…"),
            ("http://u:s3@cret/x@host/y", "http://…@host/y"),
            ("http://a/x, https://u:s3cret@b/y", "http://a/x, https://…@b/y"),
            ("http://a/x?token=s3cret", "http://a/x?…"),
            ("plain, with: nothing/ of @ it", "plain, with: nothing/ of @ it"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
