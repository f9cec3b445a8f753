//! One thing that is wrong, or one remark.

use std::fmt;
use std::path::Path;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::place::{Excerpt, Place};

/// One thing that is wrong with what somebody has written, or one remark about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What follows from it.
    pub severity: Severity,
    /// Where it stands, how wide, and the text there.
    pub place: Place,
    /// The dotted key of the configuration that it is about: `token.ttl`. `None` where the text cannot be read as keys at all, and in texts
    /// that are no configuration.
    pub key: Option<String>,
    /// What is wrong: a sentence without capital and full stop.
    pub reason: String,
    /// What to write instead, where that can be guessed.
    pub suggestion: Option<String>,
}

/// What follows from a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What it is about is refused.
    Error,
    /// It is taken, and does not do what somebody seems to expect.
    Warning,
    /// It is taken and may well be right; worth a second look.
    Note,
}

impl Diagnostic {
    /// An error, as far as it is known.
    #[must_use]
    pub fn error(place: Place, reason: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place, key: None, reason: reason.into(), suggestion: None }
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn suggest(self, suggestion: impl Into<String>) -> Self {
        Self { suggestion: Some(suggestion.into()), ..self }
    }

    /// The same with another severity.
    #[must_use]
    pub fn weighing(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Whether what it is about is refused.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Makes it one event of the log, `what` being the event's message.
    pub fn log(&self, what: &'static str) {
        let Self { severity, place, key, reason, suggestion: hint } = self;
        let file = place.file().map(|file| file.display().to_string());
        let (policy, line, column) = (place.policy(), place.spot().map(|spot| spot.line), place.spot().map(|spot| spot.column));
        let place = place.to_string();
        match severity {
            Severity::Error => tracing::error!(place, file, policy, line, column, key, reason, hint, "{what}"),
            Severity::Warning => tracing::warn!(place, file, policy, line, column, key, reason, hint, "{what}"),
            Severity::Note => tracing::info!(place, file, policy, line, column, key, reason, hint, "{what}"),
        }
    }
}

/// In one line: where, about which key, and why.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, reason, .. } = self;
        match key {
            Some(key) => write!(f, "{place}: {key}: {reason}"),
            None => write!(f, "{place}: {reason}"),
        }
    }
}

/// The one form for programs. `null` where there is nothing to say: `file`, `policy` (one of the store), `variable` and `flag` name the
/// source, of which there is one; `text` is the offending line, `column` and `width` count its characters.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { severity, place, key, reason, suggestion } = self;
        let spot = place.spot();
        let mut object = serializer.serialize_struct("Diagnostic", 12)?;
        object.serialize_field("severity", severity)?;
        object.serialize_field("file", &place.file().map(Path::display).map(|file| file.to_string()))?;
        object.serialize_field("policy", &place.policy())?;
        object.serialize_field("variable", &place.variable())?;
        object.serialize_field("flag", &place.flag())?;
        object.serialize_field("line", &spot.map(|spot| spot.line))?;
        object.serialize_field("column", &spot.map(|spot| spot.column))?;
        object.serialize_field("width", &place.excerpt().map(Excerpt::width))?;
        object.serialize_field("key", key)?;
        object.serialize_field("text", &place.excerpt().map(Excerpt::text))?;
        object.serialize_field("message", reason)?;
        object.serialize_field("suggestion", suggestion)?;
        object.end()
    }
}
