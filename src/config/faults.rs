//! Why a configuration is refused.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::diagnostics::{Colour, Diagnostic};

/// Every fault, in the order of the file, then the environment, then the flags. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Diagnostic>);

impl Faults {
    /// `None` if there is none.
    pub(super) fn of(faults: Vec<Diagnostic>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// Every fault as a terminal shows it, a blank line between them.
    pub fn render(&self, colour: Colour) -> String {
        self.0.iter().map(|fault| fault.render(colour)).collect::<Vec<_>>().join("\n")
    }

    /// How many there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order of the file, then the environment, then the flags.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Faults {
    fn from(fault: Diagnostic) -> Self {
        Self(vec![fault])
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A JSON array of diagnostics.
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
