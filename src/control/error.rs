//! Why the control plane does not do what it is asked.

use super::draw::NoRandomness;
use super::rights::{Needs, Operation};
use crate::exchange::ExchangeError;
use crate::model::{KeyName, SpaceId, TokenSize};
use crate::policy::PolicyFault;
use crate::store::StoreError;
use crate::token::TokenError;

/// Somebody may not do what they ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Forbidden {
    /// What they want to do.
    pub operation: Operation,
    /// Where, if that is why they may not.
    pub space: Option<SpaceId>,
}

impl Forbidden {
    fn sentence(&self) -> String {
        let Self { operation, space } = self;
        match (operation.needs(), space) {
            (_, Some(space)) => format!("only an admin of space {space} may {operation} there"),
            (Needs::RootAdmin, None) => format!("only a root admin may {operation}"),
            (Needs::AnyAdmin | Needs::AdminThere, None) => format!("only the admin of a space may {operation}"),
            (Needs::RotateSelf, None) => {
                format!("only a key with a role that allows key:rotate-self, and by its current secret, may {operation}")
            }
            (Needs::Replica, None) => format!("only a sidecar, by a key with role replica on root, may {operation}"),
            (Needs::Key, None) => format!("only a key that works may {operation}"),
        }
    }
}

/// Why the control plane does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The key that asks is unknown or does not work (any more).
    #[error("the API key is not valid")]
    NoSuchCaller,
    /// They may not.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The store refuses it, or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too much else is being changed.
    #[error("too many changes are made at the moment: try again")]
    Busy,
    /// Nothing can be drawn.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The policy cannot be in force; every fault, and what is odd beside.
    #[error("the login policy has faults")]
    Policy(Vec<PolicyFault>),
    /// A key of others would be locked out.
    #[error("key {key} would be locked out: its token would be {} bytes, more than token.max_bytes = {}", size.size, size.limit)]
    TokenTooLarge {
        /// Whose.
        key: KeyName,
        /// How large it would be.
        size: TokenSize,
    },
    /// Two requests under one name are not the same.
    #[error("another request was sent under this Idempotency-Key")]
    IdempotencyMismatch,
    /// The signing keys stay as they are, or cannot be looked at.
    #[error(transparent)]
    SigningKeys(TokenError),
    /// Two fields say the same twice, or what they say cannot be.
    #[error("{0}")]
    Invalid(String),
}

/// What is in force cannot be explained by.
impl From<ExchangeError> for ControlError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Store(error) => error.into(),
            ExchangeError::Policies(faults) => Self::Policy(faults),
            ExchangeError::Token(_) | ExchangeError::NoPolicyLeft(_) | ExchangeError::Io(_) => {
                StoreError::Unavailable(error.to_string()).into()
            }
        }
    }
}
