//! What can go wrong with tokens and signing keys.

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
