//! Data as YAML that people read: in one way for each data, so that two exports of one store are the same bytes.

use std::fmt::Write as _;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Datum {
    /// In quotes only if it must be.
    Text(String),
    /// Always in quotes: other readers of YAML take some digests and times for numbers and dates.
    Quoted(String),
    True,
    List(Vec<Datum>),
    Map(Vec<(&'static str, Datum)>),
}

/// Lists of texts that are longer than this are written a line each.
const LINE: usize = 100;

/// What some reader of YAML takes for something other than a text.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"];

/// The whole of a document, which is a mapping.
pub(super) fn written(fields: &[(&'static str, Datum)]) -> String {
    let mut out = String::new();
    write_fields(&mut out, fields, 0, "");
    out
}

fn write_fields(out: &mut String, fields: &[(&'static str, Datum)], indent: usize, first: &str) {
    for (number, (name, value)) in fields.iter().enumerate() {
        if number == 0 && !first.is_empty() {
            out.push_str(first);
        } else {
            pad(out, indent);
        }
        out.push_str(name);
        out.push(':');
        write_value(out, value, indent);
    }
}

/// What stands behind a field's name, up to the end of the line or of the block.
fn write_value(out: &mut String, value: &Datum, indent: usize) {
    match value {
        Datum::Text(text) => {
            let block = block(text, indent + 2);
            out.push_str(&block.unwrap_or_else(|| format!(" {}\n", scalar(text))));
        }
        Datum::Quoted(text) => {
            let _ = writeln!(out, " {}", quoted(text));
        }
        Datum::True => out.push_str(" true\n"),
        Datum::List(items) => {
            if let Some(line) = in_one_line(items) {
                let _ = writeln!(out, " {line}");
            } else {
                out.push('\n');
                write_items(out, items, indent + 2);
            }
        }
        Datum::Map(fields) => {
            out.push('\n');
            write_fields(out, fields, indent + 2, "");
        }
    }
}

fn write_items(out: &mut String, items: &[Datum], indent: usize) {
    for item in items {
        let dash = format!("{}- ", " ".repeat(indent));
        match item {
            Datum::Text(text) => {
                let _ = writeln!(out, "{dash}{}", scalar(text));
            }
            Datum::Quoted(text) => {
                let _ = writeln!(out, "{dash}{}", quoted(text));
            }
            Datum::True => {
                let _ = writeln!(out, "{dash}true");
            }
            Datum::Map(fields) => write_fields(out, fields, indent + 2, &dash),
            Datum::List(items) => {
                let _ = writeln!(out, "{}-", " ".repeat(indent));
                write_items(out, items, indent + 2);
            }
        }
    }
}

fn in_one_line(items: &[Datum]) -> Option<String> {
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Datum::Text(text) => Some(scalar(text)),
            Datum::Quoted(text) => Some(quoted(text)),
            Datum::True | Datum::List(_) | Datum::Map(_) => None,
        })
        .collect();
    texts.map(|texts| format!("[{}]", texts.join(", "))).filter(|line| line.chars().count() <= LINE)
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether a text means itself without quotes, anywhere and to any reader.
fn is_plain(text: &str) -> bool {
    let word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | '/' | '@' | '*' | ':');
    let lower = text.to_ascii_lowercase();
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.split(' ').all(|part| !part.is_empty() && part.chars().all(word) && !part.ends_with(':'))
        && !WORDS.contains(&lower.as_str())
}

/// As JSON writes it, and nothing that an editor would not show.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a text can be written as JSON");
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if crate::diagnostics::steers(character) {
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

/// Several lines as they are; `None`: they have to be quoted.
fn block(text: &str, indent: usize) -> Option<String> {
    let shown = |character: char| matches!(character, '\n' | '\t') || !crate::diagnostics::steers(character);
    if !text.contains('\n') || !text.chars().all(shown) {
        return None;
    }
    // How deep it stands is read off the first line that is not empty.
    let first = text.lines().find(|line| !line.is_empty())?;
    if first.starts_with([' ', '\t']) {
        return None;
    }
    let end = match text.chars().rev().take_while(|character| *character == '\n').count() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    let mut out = format!(" |{end}\n");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            pad(&mut out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
    Some(out)
}

/// As JSON.
impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) | Self::Quoted(text) => serializer.serialize_str(text),
            Self::True => serializer.serialize_bool(true),
            Self::List(items) => items.serialize(serializer),
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::files::Faults;
    use super::super::tree::{self, Value};
    use super::*;

    /// The text that a field has when it is read again, from YAML and from JSON.
    fn read_again(text: &str) -> Vec<String> {
        let fields = [("source", Datum::List(vec![Datum::Map(vec![("text", Datum::Text(text.to_owned())), ("end", Datum::True)])]))];
        let json = serde_json::to_string(&Datum::Map(fields.to_vec())).unwrap();
        [written(&fields), json].iter().map(|written| inner(written)).collect()
    }

    fn inner(written: &str) -> String {
        let mut faults = Faults::of(&[]);
        let documents = tree::read(written, 0, &mut faults);
        assert!(faults.is_empty(), "{:?}\n{written}", faults.end());
        let [document] = &documents[..] else { panic!("one document: {written}") };
        let Value::Map(top) = &document.value else { panic!("{written}") };
        let Value::List(items) = &top[0].1.value else { panic!("{written}") };
        let Value::Map(fields) = &items[0].value else { panic!("{written}") };
        let Value::Text(text) = &fields[0].1.value else { panic!("{written}") };
        assert_eq!(text.other_kind(), None, "{written}");
        assert!(!fields[0].1.is_null(), "{written}");
        text.text.clone()
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        let texts = [
            "",
            " ",
            "~",
            "null",
            "true",
            "No",
            "1",
            "-1",
            ".5",
            "0x1f",
            "1e3",
            ".inf",
            "2027-01-31",
            "a: b",
            "a #b",
            "- a",
            "*:*",
            "run:*",
            "a:",
            "\n",
            "\n\n",
            "a\n",
            "a\n\n",
            "a\n\n\nb",
            "\na\n",
            " a\nb\n",
            "a\n  b\n \n",
            "a\tb\n\tc\n",
            "a\r\nb\n",
            "\u{feff}a\n",
            "é – 東京 😀\n",
            "package spacelift\n\nallow if {\n\tinput.session.name == \"ci\"\n}\n",
            "---\na\n",
            "...\n",
            "# a\n",
            "%YAML\n",
            "'\"\\\n",
            "a\u{85}b\u{2028}\n",
        ];
        for text in texts {
            assert_eq!(read_again(text), [text, text], "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_as_it_was(text in "[a-c \\n\\t:#'\"|>*&!%@`{}\\[\\],?~0-9.-]{0,24}") {
            prop_assert_eq!(read_again(&text), [text.clone(), text]);
        }

        #[test]
        fn any_characters_read_as_they_were(text in "\\PC{0,12}|[\\x00-\\x{10ffff}]{0,8}") {
            prop_assert_eq!(read_again(&text), [text.clone(), text]);
        }
    }
}
