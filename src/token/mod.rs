//! The short-lived JWT: claims, signing keys, and what verifiers need.
//!
//! A [`KeyDirectory`] holds the private keys and says which one signs; a [`KeyRing`] is one reading of it, immutable; a [`Minter`]
//! signs with it; [`verify()`] is what any client of the JWKS does. A roll of the signing key is publish → activate → retire: the next key
//! is in the JWKS before it signs, and the old one stays there until its last token has expired everywhere.

mod claims;
mod directory;
mod key_file;
mod minter;
mod ring;
mod ring_file;
mod signing_key;
mod verify;

pub use directory::{Activate, KeyDirectory, ListedKey, Withdraw};
pub use minter::{Minted, Minter, Subject};
pub use ring::{Envelope, KeyRing};
pub use ring_file::KeyStanding;
pub use verify::{Decoded, VerifyError, decode, verify, verify_as};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::TokenSize;

/// What can go wrong with tokens and signing keys.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The signing keys cannot be used; the text says which file and why.
    #[error("{0}")]
    Keys(String),
    /// The token would pass `token.max_bytes` even with the shorter list of roles and without groups.
    #[error("the token would be {} bytes, more than token.max_bytes = {}", .0.size, .0.limit)]
    TooLarge(TokenSize),
    /// The key did not sign.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// Base64url without padding, as all of JOSE has it.
fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
