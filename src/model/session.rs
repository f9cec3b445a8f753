//! Browser sessions of the console, as the store remembers them.

use std::fmt;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::api_key::KeyDigest;
use super::id::{KeyId, Revision};

/// SHA-256 of the random text in a session's cookie: what is stored, and what sessions are looked up by. Whoever reads it cannot make the
/// cookie of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionDigest([u8; 32]);

impl SessionDigest {
    /// The digest of a cookie's text, of whatever somebody has sent as one.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, text).as_ref());
        Self(bytes)
    }

    /// From its 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A digest is a look-up handle, not for eyes: it prints as nothing.
impl fmt::Debug for SessionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDigest(…)")
    }
}

/// Somebody who has signed in to the console by a key. That it is there does not say that it still counts: the key may have ended or
/// changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSession {
    /// Of its cookie.
    pub digest: SessionDigest,
    /// Who has signed in.
    pub key: KeyId,
    /// Of the secret that was presented: when that one ends, so does the session.
    pub secret: KeyDigest,
    /// The last change of the key when it was presented.
    pub key_at: Revision,
    /// When they signed in.
    pub began_at: Timestamp,
    /// When it ends, unless it is renewed.
    pub ends_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_sha256_of_the_text() {
        let sha256: KeyDigest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
        assert_eq!(SessionDigest::of(b"abc").as_bytes(), sha256.as_bytes());
        assert_eq!(SessionDigest::from_bytes(*sha256.as_bytes()), SessionDigest::of(b"abc"));
    }

    #[test]
    fn a_session_prints_nothing_that_it_could_be_found_by() {
        let session = ConsoleSession {
            digest: SessionDigest::from_bytes([0xab; 32]),
            key: KeyId::new(1, 2),
            secret: KeyDigest::from_bytes([0xcd; 32]),
            key_at: Revision(3),
            began_at: Timestamp::UNIX_EPOCH,
            ends_at: Timestamp::UNIX_EPOCH,
        };
        let shown = format!("{session:?} {:#?}", session.digest).to_lowercase();
        assert!(shown.contains("sessiondigest(…)"), "{shown}");
        for secret in ["abab", "cdcd", "171", "205"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
