//! What people write into a store, before it is written: no secret, and no name that could be taken for something else.
//!
//! A name, a description or a label is shown in listings, kept in the audit for good, and may stand in every token. A key's text that is
//! pasted into the wrong place would be in all of them. The types of the model do not refuse it, since what a store holds already must load.

use crate::model::{KEY_LENGTH, KEY_PREFIX, KeyId, KeyName, Mutation, PlainKey};
use crate::store::error::{ACTOR_PREFIX, Conflict, Likeness};

/// Refuses a mutation that would write down what must not stand there. No refusal repeats the text.
pub(in crate::store) fn check(mutation: &Mutation) -> Result<(), Conflict> {
    if let Some((what, _)) = mutation.texts().into_iter().find(|(_, text)| holds_key(text)) {
        return Err(Conflict::KeyTextIn(what));
    }
    let Some(name) = mutation.key_name().map(KeyName::as_str) else { return Ok(()) };
    let lower = name.to_ascii_lowercase();
    if name.starts_with(KEY_PREFIX) {
        Err(Conflict::NameReserved(Likeness::KeyText))
    } else if lower.starts_with(ACTOR_PREFIX) {
        Err(Conflict::NameReserved(Likeness::Actor))
    } else if lower.parse::<KeyId>().is_ok() {
        Err(Conflict::NameReserved(Likeness::Id))
    } else {
        Ok(())
    }
}

/// Whether the text of a key stands somewhere in this one. Its checksum tells it from anything else.
pub(super) fn holds_key(text: &str) -> bool {
    let mut starts = text.match_indices(KEY_PREFIX).filter_map(|(start, _)| text.as_bytes().get(start..start + KEY_LENGTH));
    starts.any(|candidate| PlainKey::presented(candidate).is_some_and(|plain| plain.id().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_it_stands_and_what_only_looks_like_one_is_not() {
        let plain = PlainKey::generate(KeyId::new(1, 2), &[7; 32]);
        let key = plain.reveal();
        for text in [key.to_owned(), format!("the key of CI: {key}!"), format!("clv_ü clv_{key}")] {
            assert!(holds_key(&text));
        }
        for text in ["", "clv_", "clv_and more", &key[..KEY_LENGTH - 1], &key.replace('_', "-"), &format!("{}x", &key[..KEY_LENGTH - 1])] {
            assert!(!holds_key(text), "{text}");
        }
    }
}
