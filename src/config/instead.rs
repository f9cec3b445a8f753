//! What was probably meant by a key that there is not.

use std::collections::BTreeSet;

use super::environment::variable;
use super::reader::{Override, Reader};
use super::value::{Origin, Value};
use crate::diagnostics::nearest;

impl Reader<'_> {
    /// What to write instead of `name` in `section`, which is empty outside of any.
    pub(super) fn instead_of(&self, section: &str, name: &str, value: &Value) -> String {
        match value {
            Value::Table(_) => self.instead_of_section(section, name),
            Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Bare(_) | Value::Other(_) => {
                self.instead_of_key(section, name)
            }
        }
    }

    fn instead_of_section(&self, section: &str, name: &str) -> String {
        let full = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        let sections: Vec<&str> = self.tables.iter().filter_map(|table| below(section, table)).filter(|name| !name.contains('.')).collect();
        match nearest(name, sections.iter().copied()) {
            Some(near) => format!("did you mean `[{}]`?", full(near)),
            None if section.is_empty() => format!("the sections are {}", sections.join(", ")),
            None => self.instead_of_key(section, name),
        }
    }

    fn instead_of_key(&self, section: &str, name: &str) -> String {
        let here: Vec<&str> = self.known.keys().filter_map(|key| below(section, key)).filter(|name| !name.contains('.')).collect();
        if let Some(near) = nearest(name, here.iter().copied()) {
            return format!("did you mean `{near}`?");
        }
        // Somebody who quotes `"token.ttl"`, or repeats the section in the key, has the right one in mind.
        if let Some(key) = self.known.keys().find(|key| **key == name) {
            return format!("did you mean `{key}`, without quotes and above all sections?");
        }
        let elsewhere: Vec<&str> =
            self.known.keys().filter_map(|key| key.rsplit_once('.')).filter(|(_, last)| *last == name).map(|(of, _)| of).collect();
        let sections = || self.tables.iter().filter(|table| !table.contains('.')).map(String::as_str).collect::<BTreeSet<_>>();
        match (&*elsewhere, section) {
            ([one], "") => format!("did you mean `{name}` in `[{one}]`?"),
            ([one], _) => format!("did you mean `{one}.{name}`?"),
            ([], "") => format!("keys stand in sections: {}", sections().into_iter().collect::<Vec<_>>().join(", ")),
            ([], _) => format!("[{section}] has {}", here.join(", ")),
            ([first @ .., last], _) => {
                let first: Vec<String> = first.iter().map(|section| format!("`[{section}]`")).collect();
                format!("write it below the section that is meant: {} or `[{last}]`", first.join(", "))
            }
        }
    }

    pub(super) fn instead_of_override(&self, over: &Override) -> Option<String> {
        let near = nearest(&over.key, self.known.keys().map(String::as_str))?;
        match over.name {
            Origin::VariableName(_) | Origin::Variable(..) => Some(format!("did you mean `{}`?", variable(near))),
            Origin::Flag(..) | Origin::FlagKey(_) | Origin::File(_) => Some(format!("did you mean `{near}`?")),
        }
    }

    /// For whoever says a section otherwise than as a table: how one of its keys is said.
    pub(super) fn keys_of_override(&self, over: &Override) -> Option<String> {
        let key = self.known.keys().find(|key| below(&over.key, key).is_some())?;
        Some(match over.name {
            Origin::VariableName(_) | Origin::Variable(..) => {
                format!("or each of its keys by a variable of its own, like `{}`", variable(key))
            }
            Origin::Flag(..) | Origin::FlagKey(_) | Origin::File(_) => format!("or each of its keys for itself, like `{key}`"),
        })
    }
}

/// What is left of a dotted key below a section.
fn below<'k>(section: &str, key: &'k str) -> Option<&'k str> {
    if section.is_empty() { Some(key) } else { key.strip_prefix(section)?.strip_prefix('.') }
}
