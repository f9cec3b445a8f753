//! Who is told of the audit, and by whom.

use crate::model::AuditId;

/// Who is told of the audit's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// `None`: nobody.
    pub receiver: Option<Receiver>,
    /// The last entry that they have been told of, or were not to be told of.
    pub sent: AuditId,
}

/// Where somebody is told, and what they know us by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Their url.
    pub url: String,
    /// The file of the secret.
    pub secret_file: String,
}

/// Whether one is still the one who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// One is.
    Still,
    /// Another one has taken over.
    Lost,
}
