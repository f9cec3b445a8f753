//! What can go wrong with tokens and signing keys.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::model::TokenSize;

/// What can go wrong with tokens and signing keys.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The signing keys cannot be used; the text says which file and why.
    #[error("{0}")]
    Keys(String),
    /// The signing keys stay as they are.
    #[error(transparent)]
    Roll(#[from] RollRefusal),
    /// The token would pass `token.max_bytes` even with the shorter list of roles and without groups.
    #[error("the token would be {} bytes, more than token.max_bytes = {}", .0.size, .0.limit)]
    TooLarge(TokenSize),
    /// The key did not sign.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// Why the signing keys stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollRefusal {
    /// There is no such key.
    #[error("there is no key {kid:?} in {}", .directory.display())]
    NoSuchKey {
        /// What was asked for.
        kid: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// One is waiting to sign.
    #[error("there is a next key already, {kid}: activate it or retire it")]
    NextIsThere {
        /// Which.
        kid: String,
    },
    /// Verifiers would refuse what it signs.
    #[error(
        "the key {kid} was published at {published_at:.0}, and verifiers may not know it before {may_sign_from:.0}: wait, or let it sign at once"
    )]
    NotKnownYet {
        /// Which.
        kid: String,
        /// Since when they can have known it.
        published_at: Timestamp,
        /// From when on all of them can be expected to.
        may_sign_from: Timestamp,
    },
    /// Tokens would not be as they are configured.
    #[error("the key {kid} is for {has}, and token.algorithm is {wants}: change that and the key together, where the configuration is")]
    OtherAlgorithm {
        /// Which.
        kid: String,
        /// What it signs with.
        has: &'static str,
        /// What is configured.
        wants: &'static str,
    },
    /// Verifiers have been told to forget it.
    #[error("the key {kid} has not been in the JWKS since {since}: publish a new one")]
    OutOfJwks {
        /// Which.
        kid: String,
        /// Since when.
        since: Timestamp,
    },
    /// Nothing would be left to sign with.
    #[error("the key {kid} signs: activate another one first")]
    Signs {
        /// Which.
        kid: String,
    },
    /// What it has signed would stop to verify.
    #[error("tokens of the key {kid} may live until {until}: wait, or withdraw it at once")]
    TokensLive {
        /// Which.
        kid: String,
        /// When the last of them has expired everywhere.
        until: Timestamp,
    },
    /// The configuration says which key signs.
    #[error("token.active names the key that signs, {kid}: change it there, or take it out")]
    NamedByConfiguration {
        /// Which.
        kid: String,
    },
    /// This process may not write there.
    #[error("{} cannot be written by this process: {why}", .path.display())]
    ReadOnly {
        /// What would be written.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl TokenError {
    /// That a file of the signing keys could not be written.
    pub(super) fn unwritten(path: &Path, what: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                RollRefusal::ReadOnly { path: path.to_owned(), why: error.to_string() }.into()
            }
            _ => Self::Keys(format!("{} {what}: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_written_is_no_fault_of_the_keys() {
        let told = |kind| TokenError::unwritten(Path::new("/keys/.lock"), "cannot be locked", &io::Error::from(kind));
        for kind in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied] {
            let error = told(kind);
            assert!(matches!(&error, TokenError::Roll(RollRefusal::ReadOnly { .. })), "{error}");
            assert!(error.to_string().starts_with("/keys/.lock cannot be written by this process: "), "{error}");
        }
        assert!(matches!(told(io::ErrorKind::StorageFull), TokenError::Keys(_)));
    }
}
