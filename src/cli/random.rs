//! What a new key or binding draws from the operating system's randomness.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::model::{BindingId, KeyDigest, KeyId, PlainKey};

/// An id for a key made at `now`.
pub(crate) fn key_id(now: Timestamp) -> Result<KeyId, Failure> {
    Ok(KeyId::new(unix_ms(now), u128::from_ne_bytes(random()?)))
}

/// An id for a binding made at `now`.
pub(crate) fn binding_id(now: Timestamp) -> Result<BindingId, Failure> {
    Ok(BindingId::new(unix_ms(now), u128::from_ne_bytes(random()?)))
}

/// A new text for the key with this id.
pub(crate) fn plain_key(id: KeyId) -> Result<PlainKey, Failure> {
    let secret = Zeroizing::new(random::<32>()?);
    Ok(PlainKey::generate(id, &secret))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], Failure> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| Failure::refused(format_args!("the system provides no randomness: {error}")))?;
    Ok(bytes)
}

/// Before the epoch counts as the epoch: an id only has to be unique, and sorts by age where clocks are sane.
fn unix_ms(now: Timestamp) -> u64 {
    u64::try_from(now.as_millisecond()).unwrap_or(0)
}

/// The 64 hexadecimal digits that `sha256sum` prints for the key's text.
pub(crate) fn sha256_hex(plain: &PlainKey) -> String {
    KeyDigest::of(plain).as_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A key whose text nobody has seen yet; `-o json` shows it like this.
#[derive(Serialize)]
pub(crate) struct GeneratedKey<'a> {
    id: KeyId,
    key: &'a str,
    sha256: String,
}

impl<'a> GeneratedKey<'a> {
    pub(crate) fn of(id: KeyId, plain: &'a PlainKey) -> Self {
        Self { id, key: plain.reveal(), sha256: sha256_hex(plain) }
    }
}
