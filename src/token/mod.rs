//! The short-lived JWT: claims, signing keys, and what verifiers need.
//!
//! A [`KeyDirectory`] holds the private keys and says which one signs; a [`KeyRing`] is one reading of it, immutable; a [`Minter`]
//! signs with it; [`verify()`] is what any client of the JWKS does. A roll of the signing key is publish → activate → retire: the next key
//! is in the JWKS before it signs, and the old one stays there until its last token has expired everywhere.

mod claims;
mod directory;
mod encoding;
mod error;
mod headers;
mod key_file;
mod minter;
mod ring;
mod ring_file;
mod signing_key;
mod verify;

pub use claims::Confirmation;
pub use directory::{Activate, KeyDirectory, ListedKey, Withdraw};
pub use error::{RollRefusal, TokenError};
pub use headers::ClaimHeaders;
pub use minter::{Minted, Minter, Scope, Subject};
pub use ring::{Envelope, KeyRing};
pub use ring_file::KeyStanding;
pub use verify::{Decoded, VerifyError, decode, verify, verify_as};
