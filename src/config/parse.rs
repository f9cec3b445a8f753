//! What a key may hold: each function here reads one kind of value, or says what is wrong with it and what to write instead.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::quantity::{QuantityError, parse_duration, parse_size, show_duration, show_size};
use super::value::{Origin, Value};
use crate::diagnostics::nearest;

/// What is wrong with a value.
#[derive(Clone, Debug)]
pub(super) struct ValueError {
    /// Where, if only a part of the value is wrong.
    pub(super) at: Option<Origin>,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

/// Everything that is wrong with a value: a list may be wrong in several places.
#[derive(Clone, Debug)]
pub(super) struct ValueErrors(pub(super) Vec<ValueError>);

impl ValueError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into(), suggestion: None }
    }

    pub(super) fn suggest(self, suggestion: impl Into<String>) -> Self {
        Self { suggestion: Some(suggestion.into()), ..self }
    }
}

impl From<ValueError> for ValueErrors {
    fn from(wrong: ValueError) -> Self {
        Self(vec![wrong])
    }
}

/// A text that `parse` understands.
pub(super) fn text<T>(parse: impl Fn(&str) -> Result<T, ValueError>) -> impl Fn(&Value, &Origin) -> Result<T, ValueErrors> {
    move |value, _| match value {
        Value::Text(text) | Value::Bare(text) => parse(text).map_err(ValueErrors::from),
        other => Err(not_a_text(other).into()),
    }
}

fn not_a_text(value: &Value) -> ValueError {
    let wrong = ValueError::new(format!("a text in quotes is wanted, not {}", value.kind()));
    match value {
        Value::Integer(integer) => wrong.suggest(format!("write \"{integer}\"")),
        Value::Boolean(truth) => wrong.suggest(format!("write \"{truth}\"")),
        _ => wrong,
    }
}

/// One of the words of a closed set.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value, &Origin) -> Result<T, ValueErrors> {
    let word = text(|written: &str| {
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == written) {
            return Ok(*meaning);
        }
        let all = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let wrong = ValueError::new(format!("it is one of {all}, not {written:?}"));
        let lower = written.to_lowercase();
        let same = words.iter().map(|(word, _)| *word).find(|word| word.to_lowercase() == lower);
        Err(match same.or_else(|| nearest(written, words.iter().map(|(word, _)| *word))) {
            Some(near) => wrong.suggest(format!("did you mean \"{near}\"?")),
            None => wrong,
        })
    });
    move |value, at| match value {
        Value::Text(_) | Value::Bare(_) => word(value, at),
        Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::Other(_) => {
            let all = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            Err(ValueError::new(format!("a text in quotes is wanted, not {}", value.kind())).suggest(format!("write one of {all}")).into())
        }
    }
}

/// `true` or `false`.
pub(super) fn truth(value: &Value, _: &Origin) -> Result<bool, ValueErrors> {
    match value {
        Value::Boolean(truth) => Ok(*truth),
        Value::Bare(text) if text == "true" => Ok(true),
        Value::Bare(text) if text == "false" => Ok(false),
        Value::Text(text) if text == "true" || text == "false" => {
            Err(ValueError::new("true or false is wanted, not a text").suggest(format!("write {text} without quotes")).into())
        }
        Value::Bare(text) => Err(ValueError::new(format!("true or false is wanted, not {text:?}")).into()),
        other => Err(ValueError::new(format!("true or false is wanted, not {}", other.kind())).into()),
    }
}

/// A whole number within bounds.
pub(super) fn number(bounds: RangeInclusive<u32>) -> impl Fn(&Value, &Origin) -> Result<u32, ValueErrors> {
    move |value, _| {
        let written = match value {
            Value::Integer(integer) => *integer,
            Value::Bare(text) => text.trim().parse().map_err(|_| ValueError::new(format!("a whole number is wanted, not {text:?}")))?,
            Value::Text(text) if text.parse::<i64>().is_ok() => {
                return Err(ValueError::new("a whole number is wanted, not a text").suggest(format!("write {text} without quotes")).into());
            }
            other => return Err(ValueError::new(format!("a whole number is wanted, not {}", other.kind())).into()),
        };
        let within = u32::try_from(written).ok().filter(|number| bounds.contains(number));
        within.ok_or_else(|| out_of(&bounds.start(), &bounds.end(), &written).into())
    }
}

/// A duration within bounds.
pub(super) fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(&Value, &Origin) -> Result<Duration, ValueErrors> {
    move |value, _| {
        let written = match value {
            Value::Text(text) | Value::Bare(text) => parse_duration(text).map_err(|error| bad_duration(text, &error))?,
            Value::Integer(integer) => {
                return Err(ValueError::new("a duration is a text with a unit")
                    .suggest(format!("write \"{integer}s\" for seconds"))
                    .into());
            }
            other => return Err(ValueError::new(format!("a duration like \"30s\" is wanted, not {}", other.kind())).into()),
        };
        if bounds.contains(&written) {
            return Ok(written);
        }
        Err(out_of(&show_duration(*bounds.start()), &show_duration(*bounds.end()), &show_duration(written)).into())
    }
}

fn bad_duration(text: &str, error: &QuantityError) -> ValueError {
    let wrong = ValueError::new(format!("{text:?} is not a duration: {error}"));
    match error {
        QuantityError::NoUnit(number) => wrong.suggest(format!("write \"{number}s\" for seconds")),
        _ => wrong.suggest("durations look like \"500ms\", \"30s\", \"2m\", \"1h30m\", \"90d\""),
    }
}

/// A size in bytes within bounds: a number, or a text with a unit.
pub(super) fn size(bounds: RangeInclusive<u64>) -> impl Fn(&Value, &Origin) -> Result<usize, ValueErrors> {
    move |value, _| {
        let written = match value {
            Value::Text(text) | Value::Bare(text) => parse_size(text).map_err(|error| {
                let wrong = ValueError::new(format!("{text:?} is not a size: {error}"));
                wrong.suggest("sizes look like 6144, \"32KiB\", \"64MiB\"")
            })?,
            Value::Integer(bytes) => match u64::try_from(*bytes) {
                Ok(bytes) => bytes,
                Err(_) => return Err(out_of(&show_size(*bounds.start()), &show_size(*bounds.end()), bytes).into()),
            },
            other => return Err(ValueError::new(format!("a size like \"64MiB\" is wanted, not {}", other.kind())).into()),
        };
        let within = usize::try_from(written).ok().filter(|_| bounds.contains(&written));
        within.ok_or_else(|| out_of(&show_size(*bounds.start()), &show_size(*bounds.end()), &show_size(written)).into())
    }
}

fn out_of(least: &dyn Display, most: &dyn Display, written: &dyn Display) -> ValueError {
    ValueError::new(format!("it is between {least} and {most}, not {written}"))
}

/// A list, each item of which `item` understands. Every wrong item is told, where it stands.
pub(super) fn list<T>(item: impl Fn(&Value, &Origin) -> Result<T, ValueErrors>) -> impl Fn(&Value, &Origin) -> Result<Vec<T>, ValueErrors> {
    move |value, at| {
        let split;
        let items = match value {
            Value::List(items) => items,
            Value::Bare(bare) => {
                split = Value::split_list(bare, at);
                &split
            }
            Value::Text(text) => {
                let wrong = ValueError::new("a list is wanted, not a text");
                return Err(wrong.suggest(format!("write [{text:?}]")).into());
            }
            other => return Err(ValueError::new(format!("a list is wanted, not {}", other.kind())).into()),
        };
        let (mut read, mut wrongs) = (Vec::new(), Vec::new());
        for (value, at) in items {
            match item(value, at) {
                Ok(item) => read.push(item),
                Err(ValueErrors(found)) => {
                    wrongs.extend(found.into_iter().map(|wrong| ValueError { at: wrong.at.or_else(|| Some(at.clone())), ..wrong }));
                }
            }
        }
        if wrongs.is_empty() { Ok(read) } else { Err(ValueErrors(wrongs)) }
    }
}

/// A path: anything but nothing.
pub(super) fn path(value: &Value, at: &Origin) -> Result<PathBuf, ValueErrors> {
    text(|text| match text {
        "" => Err(ValueError::new("a path is wanted, not an empty text")),
        text => match plain_path(text) {
            Ok(()) => Ok(PathBuf::from(text)),
            Err(wrong) => Err(wrong),
        },
    })(value, at)
}

/// Nobody means a path with a line's end or another control character in it: the file beside the one that was meant would be made, or
/// taken.
pub(super) fn plain_path(text: &str) -> Result<(), ValueError> {
    match text.chars().find(|character| character.is_control()) {
        None => Ok(()),
        Some('\n' | '\r') => Err(ValueError::new("a path holds no end of a line").suggest("take the line's end out of it")),
        Some(control) => Err(ValueError::new(format!("a path holds no control character, such as {}", control.escape_default()))),
    }
}

/// An address to listen on.
pub(super) fn listen(text: &str) -> Result<SocketAddr, ValueError> {
    text.parse().map_err(|_| {
        let wrong = ValueError::new(format!("{text:?} is not an address and a port"));
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        match (host, port.parse::<u16>()) {
            ("", Ok(port)) => wrong.suggest(format!("write \"[::]:{port}\" for every address of the machine")),
            ("localhost", Ok(port)) => wrong.suggest(format!("write \"127.0.0.1:{port}\"")),
            (_, Ok(_)) => wrong.suggest("it is an address of this machine, not a name"),
            (_, Err(_)) => wrong.suggest("addresses look like \"127.0.0.1:8080\" or \"[::1]:8080\""),
        }
    })
}
