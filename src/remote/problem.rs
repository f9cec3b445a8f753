//! How a request ends when it does not end well.

use serde::Deserialize;

use crate::model::{Resource, ResourceKind};
use crate::store::StoreError;

/// What a server says that refuses: a problem document (RFC 9457).
#[derive(Clone, Debug, Deserialize)]
pub struct Refused {
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub detail: String,
    #[serde(default)]
    missing: Option<Missing>,
    /// Which of several changes it is about.
    #[serde(default)]
    pub(super) change: Option<usize>,
    #[serde(default)]
    faults: Vec<Fault>,
    /// After so many seconds it may be asked again.
    #[serde(skip)]
    pub(super) retry_after: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Missing {
    kind: String,
    id: String,
}

/// What is wrong with a policy, as far as it is told in a sentence.
#[derive(Clone, Debug, Deserialize)]
struct Fault {
    #[serde(default)]
    line: Option<u32>,
    severity: String,
    message: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failed {
    /// Nobody answers, or not as an admin API does.
    #[error("{0}")]
    Away(String),
    /// The answer is no.
    #[error("{}", _0.detail)]
    Refused(Box<Refused>),
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Away(why) => Self::Unavailable(why),
            Failed::Refused(refused) => {
                if let Some(resource) = refused.missing() {
                    return Self::NotFound(resource);
                }
                let sentence = refused.sentence();
                Self::Elsewhere { code: refused.code.into(), sentence }
            }
        }
    }
}

impl Refused {
    fn missing(&self) -> Option<Resource> {
        let Missing { kind, id } = self.missing.as_ref()?;
        let kind = ResourceKind::ALL.into_iter().find(|known| known.to_string() == *kind)?;
        Resource::called(kind, id).ok()
    }

    fn sentence(&self) -> String {
        let errors = self.faults.iter().filter(|fault| fault.severity == "error");
        let faults = errors.map(|fault| match fault.line {
            Some(line) => format!("; line {line}: {}", fault.message),
            None => format!("; {}", fault.message),
        });
        std::iter::once(self.detail.clone()).chain(faults).collect()
    }
}
