//! What is wrong with a configuration: told to people with the offending text under a caret, to programs as JSON.

use std::fmt::{self, Write as _};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::place::{Excerpt, Place, steers};

/// One thing that is wrong with a configuration, or one remark about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub place: Place,
    /// The dotted key that it is about: `token.ttl`. `None` where the text cannot be read as keys at all.
    pub key: Option<String>,
    /// A sentence without capital and full stop.
    pub message: String,
    /// What to write instead, where that can be guessed.
    pub suggestion: Option<String>,
}

/// Why a configuration is refused: every fault, in the order of the file, then the environment, then the flags. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Finding>);

/// Whether a rendering carries the escape sequences of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Always,
    Never,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The configuration is refused.
    Fault,
    /// It is accepted all the same.
    Warning,
    /// It is accepted, and may well be right.
    Note,
}

impl Finding {
    /// The finding in one line: for logs.
    pub fn summary(&self) -> String {
        match &self.key {
            Some(key) => format!("{}: {key}: {}", self.place, self.message),
            None => format!("{}: {}", self.place, self.message),
        }
    }

    /// The finding as a terminal shows it: message, place, the offending line with a caret, the suggestion. Ends with a newline.
    pub fn render(&self, weight: Weight, colour: Colour) -> String {
        let paint = Paint::of(weight, colour);
        let (weight_word, strong, plain) = (paint.word, paint.strong, paint.plain);
        let (gutter_on, mark) = (paint.gutter, paint.mark);
        let number = if let Place::File { line, .. } = &self.place { line.to_string() } else { String::new() };
        let gutter = " ".repeat(number.len().max(2));

        let key = self.key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
        let mut out = format!("{mark}{weight_word}{plain}{strong}: {key}{}{plain}\n", printable(&self.message));
        let _ = writeln!(out, "{gutter_on}{gutter}-->{plain} {}", printable(&self.place.to_string()));
        if let Some(excerpt) = self.place.excerpt() {
            let caret = format!("{}{mark}{}{plain}", " ".repeat(excerpt.before), "^".repeat(excerpt.width));
            let _ = writeln!(out, "{gutter_on}{gutter} |{plain}");
            let _ = writeln!(out, "{gutter_on}{number:>width$} |{plain} {}", excerpt.text(), width = gutter.len());
            let _ = writeln!(out, "{gutter_on}{gutter} |{plain} {caret}");
        }
        if let Some(suggestion) = &self.suggestion {
            let _ = writeln!(out, "{gutter_on}{gutter} ={plain} {strong}help{plain}: {}", printable(suggestion));
        }
        out
    }
}

/// The escape sequences of one rendering; all empty without colour.
struct Paint {
    word: &'static str,
    mark: &'static str,
    strong: &'static str,
    gutter: &'static str,
    plain: &'static str,
}

impl Paint {
    fn of(weight: Weight, colour: Colour) -> Self {
        let word = match weight {
            Weight::Fault => "error",
            Weight::Warning => "warning",
            Weight::Note => "note",
        };
        match (colour, weight) {
            (Colour::Never, _) => Self { word, mark: "", strong: "", gutter: "", plain: "" },
            (Colour::Always, Weight::Fault) => Self::coloured(word, "\x1b[1;31m"),
            (Colour::Always, Weight::Warning) => Self::coloured(word, "\x1b[1;33m"),
            (Colour::Always, Weight::Note) => Self::coloured(word, "\x1b[1;36m"),
        }
    }

    fn coloured(word: &'static str, mark: &'static str) -> Self {
        Self { word, mark, strong: "\x1b[1m", gutter: "\x1b[1;34m", plain: "\x1b[0m" }
    }
}

impl Finding {
    /// Makes the finding one event of the log, `what` being its message.
    pub fn log(&self, weight: Weight, what: &'static str) {
        let (mut file, mut line, mut column) = (None, None, None);
        match &self.place {
            Place::File { file: name, line: number, column: character, .. } => {
                (file, line, column) = (Some(name.display().to_string()), Some(*number), Some(*character));
            }
            Place::WholeFile(name) => file = Some(name.display().to_string()),
            Place::Variable { .. } | Place::Flag { .. } => {}
        }
        let (place, key, reason, hint) = (self.place.to_string(), &self.key, &self.message, &self.suggestion);
        match weight {
            Weight::Fault => tracing::error!(place, file, line, column, key, reason, hint, "{what}"),
            Weight::Warning => tracing::warn!(place, file, line, column, key, reason, hint, "{what}"),
            Weight::Note => tracing::info!(place, file, line, column, key, reason, hint, "{what}"),
        }
    }
}

/// Messages quote what was written: nothing of it may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if steers(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

/// `{file, line, column, key, message, suggestion}` as the contract has it, `null` where there is none; `text` is the offending line;
/// `variable` or `flag` names the source where it is not a file.
impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut file, mut line, mut column, mut variable, mut flag) = (None, None, None, None, None);
        match &self.place {
            Place::File { file: name, line: number, column: character, .. } => {
                (file, line, column) = (Some(name.display().to_string()), Some(number), Some(character));
            }
            Place::WholeFile(name) => file = Some(name.display().to_string()),
            Place::Variable { name, .. } => variable = Some(name),
            Place::Flag { key, .. } => flag = Some(key),
        }
        let mut object = serializer.serialize_struct("Finding", 9)?;
        object.serialize_field("file", &file)?;
        object.serialize_field("line", &line)?;
        object.serialize_field("column", &column)?;
        object.serialize_field("variable", &variable)?;
        object.serialize_field("flag", &flag)?;
        object.serialize_field("key", &self.key)?;
        object.serialize_field("text", &self.place.excerpt().map(Excerpt::text))?;
        object.serialize_field("message", &self.message)?;
        object.serialize_field("suggestion", &self.suggestion)?;
        object.end()
    }
}

impl Faults {
    /// `None` if there is none.
    pub(super) fn of(findings: Vec<Finding>) -> Option<Self> {
        (!findings.is_empty()).then_some(Self(findings))
    }

    /// Every fault as a terminal shows it, a blank line between them.
    pub fn render(&self, colour: Colour) -> String {
        self.0.iter().map(|fault| fault.render(Weight::Fault, colour)).collect::<Vec<_>>().join("\n")
    }

    /// How many there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order of the file, then the environment, then the flags.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }
}

impl From<Finding> for Faults {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A JSON array of findings.
impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colour::Never))
    }
}

impl std::error::Error for Faults {}
