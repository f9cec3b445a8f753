//! A policy's text as somebody edits it.

use crate::console::fields::{Faults, Fields};
use crate::model::{LoginPolicy, PolicyName, RegoVersion};

/// What a policy is called that has no name yet, while it is looked at.
pub(super) const UNNAMED: &str = "unnamed";

/// A policy as it was sent.
pub(super) struct Draft {
    /// What was entered as its name, if it can be one.
    pub(super) name: Option<PolicyName>,
    pub(super) source: Box<str>,
    /// `None`: v1 is tried first, v0 if that fails.
    pub(super) rego: Option<RegoVersion>,
}

impl Draft {
    /// What is wrong with its name is noted.
    pub(super) fn read(fields: &Fields, faults: &mut Faults) -> Self {
        let rego = fields.given("rego").and_then(|_| fields.parsed::<RegoVersion>("rego", faults));
        Self { name: fields.parsed("name", faults), source: text(fields), rego }
    }

    /// As a policy, to be looked at: a name is found for one that has none.
    pub(super) fn to_be_looked_at(&self) -> Option<LoginPolicy> {
        let name = self.name.clone().or_else(|| UNNAMED.parse().ok())?;
        Some(LoginPolicy { name, source: self.source.clone(), rego: self.rego })
    }
}

/// With line ends as files have them: browsers send others.
fn text(fields: &Fields) -> Box<str> {
    fields.raw("source").replace("\r\n", "\n").into()
}

/// The fields of a form for this policy.
pub(super) fn fields_of(policy: &LoginPolicy) -> Fields {
    let rego = policy.rego.map_or("", RegoVersion::as_str);
    Fields::of([("name", policy.name.to_string()), ("source", policy.source.to_string()), ("rego", rego.to_owned())])
}
