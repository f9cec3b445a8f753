//! What makes the audit a chain: each entry has a hash over itself and the hash of the entry before it.
//!
//! Whoever has kept a hash can tell later whether anything up to that entry is not as it was. `docs/audit.md` says how the hash is made, for
//! programs that are not this one; what stands there and here is the same, or chains that were kept would break.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use serde_json::Value;

use super::audit::AuditEntry;
use super::entry_hash::EntryHash;

impl AuditEntry {
    /// The hash that the entry has if it follows the one with this hash: over these 32 bytes and the entry as canonical JSON, without the
    /// hash that it says it has.
    #[must_use]
    pub fn hash_after(&self, previous: EntryHash) -> EntryHash {
        let mut entry = serde_json::to_value(self).expect("an entry can be written as JSON");
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("hash");
        }
        let mut text = String::new();
        write_canonical(&entry, &mut text);
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(previous.as_bytes());
        context.update(text.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        EntryHash::from_bytes(hash)
    }

    /// The entry as it follows the one with this hash.
    #[must_use]
    pub fn linked_to(mut self, previous: EntryHash) -> Self {
        self.hash = self.hash_after(previous);
        self
    }
}

/// Without blanks, the names of each object in the order of their characters. Escapes are those of `serde_json`.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (position, (name, value)) in fields.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_canonical(&Value::String(name.clone()), text);
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            write!(text, "{value}").expect("a text can be written to");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::audit::AuditId;
    use crate::model::id::Revision;

    /// As `docs/audit.md` has it, and found out by another program: `printf` and `sha256sum`.
    #[test]
    fn the_hash_is_over_the_one_before_and_the_canonical_text() {
        let entry = AuditEntry {
            id: AuditId(1),
            revision: Some(Revision(1)),
            at: "2026-03-04T05:06:07.123456Z".parse().unwrap(),
            actor: "operator::alice".to_owned(),
            remote_ip: None,
            action: "space.create".to_owned(),
            resource: "ü\"\u{7}".to_owned(),
            before: None,
            after: Some(json!({ "name": "ü", "labels": [], "id": "a", "more": {} })),
            request_id: None,
            refused: None,
            hash: EntryHash::NONE,
        };
        let mut text = String::new();
        write_canonical(&serde_json::to_value(&entry).unwrap(), &mut text);
        let expected = "{\"action\":\"space.create\",\"actor\":\"operator::alice\",\"after\":{\"id\":\"a\",\"labels\":[],\"more\":{},\"name\":\"ü\"},\
             \"at\":\"2026-03-04T05:06:07.123456Z\",\"before\":null,\"hash\":\"0000000000000000000000000000000000000000000000000000000000000000\",\
             \"id\":1,\"refused\":null,\"remote_ip\":null,\"request_id\":null,\"resource\":\"ü\\\"\\u0007\",\"revision\":1}";
        assert_eq!(text, expected);
        assert_eq!(entry.hash_after(EntryHash::NONE).to_string(), "8360a1eb793553e32a0148e44eb5ade6d34a93573f560f6c824649a898cdc2f0");
        assert_ne!(entry.hash_after(entry.hash_after(EntryHash::NONE)), entry.hash_after(EntryHash::NONE));
    }
}
