//! What a receiver is sent, and how it is signed.
//!
//! The time at which it was sent stands in the body, which is what is signed: who catches a body and sends it again later is found out by it.
//! `docs/audit.md` tells receivers.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{AuditEntry, AuditId};

/// One event.
pub(super) struct Event {
    /// As the header says it.
    pub(super) kind: &'static str,
    /// The entry that it is about.
    pub(super) entry: AuditId,
    pub(super) body: String,
}

impl Event {
    pub(super) fn entry(entry: &AuditEntry, attempt: u32, at: Timestamp) -> Self {
        Self::of("audit.entry", entry.id, &json!({ "type": "audit.entry", "sent_at": at, "attempt": attempt, "entry": entry }))
    }

    /// The last one that a receiver gets. `last`: the last entry that it was told of.
    pub(super) fn removed(last: AuditId, attempt: u32, at: Timestamp) -> Self {
        Self::of("webhook.removed", last, &json!({ "type": "webhook.removed", "sent_at": at, "attempt": attempt, "last": last }))
    }

    fn of(kind: &'static str, entry: AuditId, body: &Value) -> Self {
        Self { kind, entry, body: body.to_string() }
    }

    /// `sha256=` and HMAC-SHA256 over the body, as hexadecimal digits.
    pub(super) fn signature(&self, secret: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), self.body.as_bytes());
        let mut text = "sha256=".to_owned();
        for byte in tag.as_ref() {
            write!(text, "{byte:02x}").expect("a text can be written to");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation of its webhooks.
    #[test]
    fn the_signature_is_the_one_that_others_make() {
        let event = Event { kind: "audit.entry", entry: AuditId(1), body: "Hello, World!".to_owned() };
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(event.signature(b"It's a Secret to Everybody"), expected);
    }
}
