//! Why an exchange does not start, or takes nothing new.

use std::path::PathBuf;

use crate::policy::PolicyFault;
use crate::store::StoreError;
use crate::token::TokenError;

/// What it takes to start.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing keys cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Login policies do not load, all faults of all of them.
    #[error("login policies have faults")]
    Policies(Vec<PolicyFault>),
    /// The directory of policies, which had some, has none any more.
    #[error(
        "there is no policy in {} any more: those that were there stay in force; to have none, take policies.dir out of the configuration",
        .0.display()
    )]
    NoPolicyLeft(PathBuf),
    /// Threads or files cannot be had.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
