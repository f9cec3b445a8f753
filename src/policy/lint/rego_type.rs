//! What values an expression can have, as OPA's type checker sees it.

use std::collections::BTreeMap;

use regorus::Value;

use crate::policy::syntax::tree::{Collection, Expr};

/// What a value can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    Null,
    Bool,
    Number,
    Text,
    /// An array with as many items as there are types.
    Tuple(Vec<Self>),
    /// An array of any length.
    Array(Box<Self>),
    Set(Box<Self>),
    /// Fields that are known by name, and what keys and values others can be; without these there are no others.
    Object(BTreeMap<Box<str>, Self>, Option<Box<(Self, Self)>>),
    /// One of several, none of them one of several.
    Or(Vec<Self>),
}

/// Where in a collection.
#[derive(Clone, Copy, Debug)]
pub(super) enum At<'a> {
    Name(&'a str),
    Index(usize),
    /// Anywhere that something of the type can stand for.
    Of(&'a Type),
}

/// More alternatives than these are anything.
const ALTERNATIVES: usize = 8;

impl Type {
    pub(super) fn array(item: Self) -> Self {
        Self::Array(Box::new(item))
    }

    pub(super) fn set(item: Self) -> Self {
        Self::Set(Box::new(item))
    }

    /// An object with any fields of these types.
    pub(super) fn object(key: Self, value: Self) -> Self {
        Self::Object(BTreeMap::new(), Some(Box::new((key, value))))
    }

    /// Of these items; a key is an object's alone.
    pub(super) fn collection(kind: Collection, key: Self, item: Self) -> Self {
        match kind {
            Collection::Array => Self::array(item),
            Collection::Set => Self::set(item),
            Collection::Object => Self::object(key, item),
        }
    }

    /// Either of them; anything if there is none, as of the items of `[]`.
    pub(super) fn one_of(types: impl IntoIterator<Item = Self>) -> Self {
        let mut found: Vec<Self> = Vec::new();
        for each in types {
            let parts = if let Self::Or(parts) = each { parts } else { vec![each] };
            for part in parts {
                if part == Self::Any || found.len() > ALTERNATIVES {
                    return Self::Any;
                }
                if !found.contains(&part) {
                    found.push(part);
                }
            }
        }
        match found.len() {
            0 => Self::Any,
            1 => found.swap_remove(0),
            _ => Self::Or(found),
        }
    }

    /// What a literal is by its own syntax; of what stands in it nothing is said.
    pub(super) fn of_syntax(expr: &Expr) -> Self {
        match expr {
            Expr::Scalar { value: Value::Number(_), .. } => Self::Number,
            Expr::Scalar { value: Value::Bool(_), .. } => Self::Bool,
            Expr::Scalar { value: Value::Null, .. } => Self::Null,
            Expr::Scalar { .. } | Expr::Template { .. } => Self::Text,
            Expr::Array { items, .. } => Self::Tuple(items.iter().map(|_| Self::Any).collect()),
            Expr::Set { .. } => Self::set(Self::Any),
            Expr::Object { .. } => Self::object(Self::Any, Self::Any),
            Expr::Compr { kind, .. } => Self::collection(*kind, Self::Any, Self::Any),
            _ => Self::Any,
        }
    }

    /// What stands at a place; `None`: nothing ever does.
    pub(super) fn at(&self, place: At<'_>) -> Option<Self> {
        let is_number = match place {
            At::Name(_) => false,
            At::Index(_) => true,
            At::Of(key) => key.overlaps(&Self::Number),
        };
        match self {
            Self::Any => Some(Self::Any),
            Self::Null | Self::Bool | Self::Number | Self::Text => None,
            Self::Tuple(items) if items.is_empty() => Some(Self::Any),
            Self::Tuple(items) => match place {
                At::Index(index) => items.get(index).cloned(),
                At::Name(_) | At::Of(_) => is_number.then(|| Self::one_of(items.iter().cloned())),
            },
            Self::Array(item) => is_number.then(|| (**item).clone()),
            Self::Set(item) if **item == Self::Any => Some(place.key()),
            Self::Set(item) => place.key().overlaps(item).then(|| (**item).clone()),
            Self::Object(fields, None) if fields.is_empty() => Some(Self::Any),
            Self::Object(fields, others) => {
                let other = others.as_ref().filter(|other| place.key().overlaps(&other.0)).map(|other| other.1.clone());
                match place {
                    At::Name(name) => fields.get(name).cloned().or(other),
                    At::Index(_) => other,
                    At::Of(key) => {
                        let fields = fields.values().filter(|_| key.overlaps(&Self::Text)).cloned();
                        let found: Vec<Self> = fields.chain(other).collect();
                        (!found.is_empty()).then(|| Self::one_of(found))
                    }
                }
            }
            Self::Or(types) => {
                let found: Vec<Self> = types.iter().filter_map(|each| each.at(place)).collect();
                (!found.is_empty()).then(|| Self::one_of(found))
            }
        }
    }

    /// What its keys are: of an array numbers, of a set its items.
    pub(super) fn keys(&self) -> Self {
        match self {
            Self::Tuple(_) | Self::Array(_) => Self::Number,
            Self::Set(item) => (**item).clone(),
            Self::Object(fields, None) if !fields.is_empty() => Self::Text,
            Self::Object(fields, Some(others)) => Self::one_of(fields.keys().map(|_| Self::Text).chain([others.0.clone()])),
            _ => Self::Any,
        }
    }

    /// Whether some value is of both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Or(types), other) | (other, Self::Or(types)) => types.iter().any(|each| each.overlaps(other)),
            (Self::Tuple(ones), Self::Tuple(others)) => {
                // OPA takes `[]` for an array of any length.
                let of_one_length = ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| one.overlaps(other));
                ones.is_empty() || others.is_empty() || of_one_length
            }
            (Self::Tuple(items), Self::Array(item)) | (Self::Array(item), Self::Tuple(items)) => {
                items.iter().all(|each| each.overlaps(item))
            }
            (Self::Array(one), Self::Array(other)) | (Self::Set(one), Self::Set(other)) => one.overlaps(other),
            (Self::Object(fields, None), Self::Object(..)) | (Self::Object(..), Self::Object(fields, None)) if fields.is_empty() => true,
            (Self::Object(..), Self::Object(..)) => self.fits_into(other) && other.fits_into(self),
            (one, other) => one == other,
        }
    }

    /// Whether the fields of an object can be those of another one. Of one that may have others it is not known which are there.
    fn fits_into(&self, other: &Self) -> bool {
        let Self::Object(fields, others) = self else { return false };
        fields.iter().all(|(name, field)| other.at(At::Name(name)).map_or(others.is_some(), |found| found.overlaps(field)))
    }

    /// How many types it is made of; a bound on how much it takes to copy it.
    pub(super) fn size(&self) -> usize {
        1 + match self {
            Self::Any | Self::Null | Self::Bool | Self::Number | Self::Text => 0,
            Self::Tuple(types) | Self::Or(types) => types.iter().map(Self::size).sum(),
            Self::Array(item) | Self::Set(item) => item.size(),
            Self::Object(fields, others) => {
                fields.values().map(Self::size).sum::<usize>() + others.as_ref().map_or(0, |other| other.0.size() + other.1.size())
            }
        }
    }

    /// In words, with an article: `a string`, `an array of numbers`.
    pub(super) fn noun(&self) -> String {
        match self {
            Self::Any => "anything".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool => "a boolean".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Tuple(items) if items.contains(&Self::Any) || !(1..=4).contains(&items.len()) => "an array".to_owned(),
            Self::Tuple(items) => format!("an array of {}", joined(items.iter().map(Self::noun), "and")),
            Self::Array(item) => format!("an array{}", item.of_these()),
            Self::Set(item) => format!("a set{}", item.of_these()),
            Self::Object(fields, others) => {
                let values = fields.values().chain(others.as_ref().map(|others| &others.1));
                format!("an object{}", Self::one_of(values.cloned()).of_these())
            }
            Self::Or(types) => joined(types.iter().map(Self::noun), "or"),
        }
    }

    fn of_these(&self) -> &'static str {
        match self {
            Self::Bool => " of booleans",
            Self::Number => " of numbers",
            Self::Text => " of strings",
            Self::Object(..) => " of objects",
            Self::Set(_) => " of sets",
            _ => "",
        }
    }
}

impl At<'_> {
    fn key(&self) -> Type {
        match self {
            At::Name(_) => Type::Text,
            At::Index(_) => Type::Number,
            At::Of(key) => (*key).clone(),
        }
    }
}

/// `a, b or c`.
pub(super) fn joined(words: impl Iterator<Item = String>, last: &str) -> String {
    let mut words: Vec<String> = words.collect();
    let Some(end) = words.pop() else { return String::new() };
    if words.is_empty() { end } else { format!("{} {last} {end}", words.join(", ")) }
}

/// A literal as it stands in the text.
pub(super) fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Scalar { value: Value::Bool(true), .. })
}

/// Whether an expression is a literal that is no collection.
pub(super) fn is_scalar(expr: &Expr) -> bool {
    matches!(expr, Expr::Scalar { .. })
}
