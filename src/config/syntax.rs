//! What is wrong with the text of a configuration before it has keys and values: what the parser says, and what was probably meant.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::diagnostics::{Diagnostic, Source};

/// What the parser says, in the words of somebody who writes configurations.
pub(super) fn broken(source: Source<'_>, document: &DeTable<'_>, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or_default();
    let said = error.message();
    let line = Line::at(source.text, span.start);
    let found = Diagnostic::error(source.place(span.clone()), format!("the TOML is broken here: {said}"));
    let is_twice = said == "duplicate key";
    let first = is_twice.then(|| first_place(source.text, document, &span)).flatten();
    if let Some((name, number)) = first {
        return Diagnostic { reason: format!("`{name}` stands in line {number} already"), ..found };
    }
    match line.what_was_meant(said) {
        Some(suggestion) => found.suggest(suggestion),
        None => found,
    }
}

/// A line of the file without its comment.
struct Line<'t>(&'t str);

impl<'t> Line<'t> {
    fn at(text: &'t str, byte: usize) -> Self {
        let at = text.floor_char_boundary(byte);
        let (before, after) = text.split_at(at);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = after.find('\n').map_or(text.len(), |newline| at + newline);
        Self(text.get(start..end).unwrap_or_default().split(" #").next().unwrap_or_default().trim())
    }

    fn what_was_meant(&self, said: &str) -> Option<String> {
        let Self(line) = self;
        if let Some(section) = line.strip_prefix('[').filter(|_| said.starts_with("unclosed table") && !line.contains('=')) {
            return Some(format!("write `[{}]`", section.trim_matches(['[', ']', ' '])));
        }
        let Some((key, value)) = line.split_once('=') else {
            let (key, value) = line.split_once(':')?;
            let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
            return key.trim().chars().all(plain).then(|| format!("write `{} = {}`", key.trim(), quoted(value.trim())));
        };
        let (key, value) = (key.trim(), value.trim());
        if value.is_empty() || value.contains(['"', '\'', '{']) {
            return None;
        }
        match value.to_ascii_lowercase().as_str() {
            truth @ ("true" | "false") => Some(format!("write `{key} = {truth}`")),
            _ => match value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(items) => {
                    let items: Vec<String> = items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(quoted).collect();
                    Some(format!("write `{key} = [{}]`", items.join(", ")))
                }
                None => Some(format!("write `{key} = {}`", quoted(value))),
            },
        }
    }
}

/// As TOML has a text; numbers, truth values and what is a text already stay.
fn quoted(value: &str) -> String {
    let is_plain = value.starts_with('"') || value == "true" || value == "false" || value.parse::<i64>().is_ok();
    if is_plain { value.to_owned() } else { format!("\"{value}\"") }
}

/// Where the key that stands at `again` for the second time stands first: its name, and the number of the line.
fn first_place<'t>(text: &'t str, document: &DeTable<'_>, again: &Range<usize>) -> Option<(&'t str, usize)> {
    let written = text.get(again.clone())?;
    let mut earlier = Vec::new();
    keys(document, written.trim_matches(['"', '\'']), &mut earlier);
    earlier.retain(|start| *start < again.start);
    // Of keys of that name, the first in the same section; of sections, the last before.
    let section = text.get(..again.start)?.rfind("\n[").map_or(0, |header| header + 1);
    let here = earlier.iter().filter(|start| **start > section).min();
    match here.or_else(|| earlier.iter().max()) {
        Some(first) => Some((written, text.get(..*first)?.matches('\n').count() + 1)),
        // Of a section that stands twice, the document knows the last place alone.
        None => text.get(..again.start)?.lines().position(|line| is_header_of(line, written)).map(|before| (written, before + 1)),
    }
}

fn is_header_of(line: &str, name: &str) -> bool {
    line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']')).is_some_and(|(header, _)| header.trim() == name)
}

/// Where keys of this name begin, wherever in the document.
fn keys(table: &DeTable<'_>, name: &str, found: &mut Vec<usize>) {
    for (key, value) in table {
        if key.get_ref() == name {
            found.push(key.span().start);
        }
        keys_in(value.get_ref(), name, found);
    }
}

fn keys_in(value: &DeValue<'_>, name: &str, found: &mut Vec<usize>) {
    match value {
        DeValue::Table(table) => keys(table, name, found),
        DeValue::Array(items) => items.iter().for_each(|item| keys_in(item.get_ref(), name, found)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
