//! Values as they are written, before anyone has said what they mean.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

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

    fn of(value: &DeValue<'_>) -> Self {
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

/// The entries of a table that was read from a file.
pub(super) fn table_of(table: &DeTable<'_>) -> Table {
    let entry = |key: &Spanned<_>, value: &Spanned<DeValue<'_>>| Entry {
        key: Origin::File(key.span()),
        value: Value::of(value.get_ref()),
        at: Origin::File(value.span()),
    };
    table.iter().map(|(key, value)| (key.get_ref().to_string(), entry(key, value))).collect()
}
