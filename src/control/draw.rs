//! What a new key or binding draws from the operating system's randomness.

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::model::{BindingId, KeyDigest, KeyId, PlainKey};

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system provides no randomness: {0}")]
pub struct NoRandomness(#[from] getrandom::Error);

/// An id for a key made at `now`.
pub fn key_id(now: Timestamp) -> Result<KeyId, NoRandomness> {
    Ok(KeyId::new(unix_ms(now), u128::from_ne_bytes(random()?)))
}

/// An id for a binding made at `now`.
pub fn binding_id(now: Timestamp) -> Result<BindingId, NoRandomness> {
    Ok(BindingId::new(unix_ms(now), u128::from_ne_bytes(random()?)))
}

/// A new text for the key with this id.
pub fn plain_key(id: KeyId) -> Result<PlainKey, NoRandomness> {
    let secret = Zeroizing::new(random::<32>()?);
    Ok(PlainKey::generate(id, &secret))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], NoRandomness> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Before the epoch counts as the epoch: an id only has to be unique, and sorts by age where clocks are sane.
fn unix_ms(now: Timestamp) -> u64 {
    u64::try_from(now.as_millisecond()).unwrap_or(0)
}

/// The 64 hexadecimal digits that `sha256sum` prints for the key's text.
#[must_use]
pub fn sha256_hex(plain: &PlainKey) -> String {
    KeyDigest::of(plain).to_hex()
}

/// A key whose text nobody has seen yet; `-o json` shows it like this.
#[derive(Serialize)]
pub struct GeneratedKey<'a> {
    id: KeyId,
    key: &'a str,
    sha256: String,
}

impl<'a> GeneratedKey<'a> {
    /// To be shown.
    #[must_use]
    pub fn of(id: KeyId, plain: &'a PlainKey) -> Self {
        Self { id, key: plain.reveal(), sha256: sha256_hex(plain) }
    }
}
