//! Where policies' texts come from, and what is looked at before one is parsed.

pub(super) mod directory;

use std::path::PathBuf;

use crate::model::{LoginPolicy, PolicyName, RegoVersion};

/// A module to load: one of the store's, or a file of `policies.dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// Unique in a set.
    pub name: PolicyName,
    /// Where it stands, for messages; `None` for the store's.
    pub file: Option<PathBuf>,
    /// The module's text.
    pub text: Box<str>,
    /// `None`: v1 is tried first, v0 if that fails.
    pub rego: Option<RegoVersion>,
}

impl PolicySource {
    /// What messages call it: its file, or its name.
    #[must_use]
    pub fn place(&self) -> String {
        self.file.as_ref().map_or_else(|| self.name.to_string(), |file| file.display().to_string())
    }
}

impl From<&LoginPolicy> for PolicySource {
    fn from(policy: &LoginPolicy) -> Self {
        Self { name: policy.name.clone(), file: None, text: policy.source.clone(), rego: policy.rego }
    }
}
