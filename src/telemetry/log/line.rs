//! What a line looks like: JSON for programs, text for people; in both, hostile characters are escaped.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::diagnostics::steers;

/// `{"timestamp":"…","level":"INFO","message":"…","field":…,"target":"…"}`
pub(super) fn json(line: &mut String, at: Timestamp, event: &Event<'_>) {
    let metadata = event.metadata();
    _ = write!(line, r#"{{"timestamp":"{at:.6}","level":"{}","message":"#, metadata.level());
    let mut message = Message(String::new());
    event.record(&mut message);
    json_string(line, &message.0);
    event.record(&mut JsonFields(line));
    line.push_str(r#","target":"#);
    json_string(line, metadata.target());
    line.push('}');
}

#[derive(Clone, Copy)]
pub(super) enum Colour {
    With,
    Without,
}

/// `2026-11-23T08:12:39.123456Z  INFO claviger::app: message field=value`
pub(super) fn text(line: &mut String, at: Timestamp, event: &Event<'_>, colour: Colour) {
    let metadata = event.metadata();
    let tint = match *metadata.level() {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    };
    _ = match colour {
        Colour::With => write!(line, "\x1b[2m{at:.6}\x1b[0m \x1b[{tint}m{:>5}\x1b[0m ", metadata.level()),
        Colour::Without => write!(line, "{at:.6} {:>5} ", metadata.level()),
    };
    escape(line, metadata.target(), Quotes::Outside);
    line.push_str(": ");
    let mut message = Message(String::new());
    event.record(&mut message);
    escape(line, &message.0, Quotes::Outside);
    event.record(&mut TextFields(line));
}

/// Picks the message out of an event's fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            _ = write!(self.0, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.push_str(value);
        }
    }
}

struct JsonFields<'a>(&'a mut String);

impl JsonFields<'_> {
    /// Writes the name; whether there is a value to follow.
    fn name(&mut self, field: &Field) -> bool {
        match field.name() {
            "message" => return false,
            // These have their own meaning in the line: an object does not say anything twice.
            reserved @ ("timestamp" | "level" | "target") => _ = write!(self.0, r#","{reserved}_":"#),
            name => {
                self.0.push(',');
                json_string(self.0, name);
                self.0.push(':');
            }
        }
        true
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        if self.name(field) {
            _ = write!(self.0, "{value}");
        }
    }
}

impl Visit for JsonFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.name(field) {
            json_string(self.0, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.name(field) {
            json_string(self.0, value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is not a number.
        if value.is_finite() { self.plain(field, value) } else { self.plain(field, "null") }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }
}

struct TextFields<'a>(&'a mut String);

impl Visit for TextFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return;
        }
        _ = write!(self.0, " {}=", field.name());
        let bare = !value.is_empty() && !value.contains([' ', '"', '=', '\\']) && !value.chars().any(steers);
        if bare {
            self.0.push_str(value);
        } else {
            self.0.push('"');
            escape(self.0, value, Quotes::Inside);
            self.0.push('"');
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Inside,
    Outside,
}

fn escape(line: &mut String, text: &str, quotes: Quotes) {
    for character in text.chars() {
        match character {
            '"' | '\\' if quotes == Quotes::Inside => line.extend(['\\', character]),
            hostile if steers(hostile) => line.extend(hostile.escape_default()),
            plain => line.push(plain),
        }
    }
}

fn json_string(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            '\n' => line.push_str("\\n"),
            // All of them lie in the basic plane: four digits are enough.
            hostile if steers(hostile) => _ = write!(line, "\\u{:04x}", u32::from(hostile)),
            plain => line.push(plain),
        }
    }
    line.push('"');
}
