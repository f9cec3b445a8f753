//! A text is a key only if it is whole, and says nothing but what it was.

use claviger::model::{KEY_LENGTH, KEY_PREFIX, KeyDigest, KeyId, PlainKey};

use crate::{Target, kind};

pub(crate) static KEY_TEXT: Target = Target { name: "key_text", seeds, words: &["clv_", "_", "0", "z", "Z", "\u{e9}"], run };

fn seeds() -> Vec<Vec<u8>> {
    let made = (0..8_u8).map(|n| PlainKey::generate(KeyId::new(1_700_000_000_000 + u64::from(n), u128::from(n)), &[n * 37; 32]));
    let imported = ["0123456789abcdef0123456789abcdef", "sk_live_51H8Zz", ""].map(|text| text.as_bytes().to_vec());
    made.map(|key| key.reveal().as_bytes().to_vec()).chain(imported).collect()
}

fn run(text: &[u8]) -> u64 {
    let Some(key) = PlainKey::presented(text) else { return kind((text.len().min(100), text.starts_with(KEY_PREFIX.as_bytes()))) };
    assert_eq!(key.reveal().as_bytes(), text, "a key is its text");
    assert!(format!("{key:?}").len() < 64 && !format!("{key:?}").contains(key.reveal()), "nobody prints a key by mistake");
    let own = text.starts_with(KEY_PREFIX.as_bytes());
    assert_eq!(key.id().is_some(), own && text.len() == KEY_LENGTH, "a text of our own is whole, or no key");
    if own {
        // The checksum notices any one byte.
        for place in KEY_PREFIX.len()..text.len() {
            let mut other = text.to_vec();
            if let Some(byte) = other.get_mut(place) {
                *byte ^= 1;
            }
            assert!(PlainKey::presented(&other).is_none_or(|key| key.id().is_none()), "another byte at {place} went unnoticed");
        }
    }
    let digest = KeyDigest::of(&key);
    assert_eq!(digest, KeyDigest::of(&key));
    kind((own, text.len().min(100)))
}
