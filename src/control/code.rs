//! The stable code of each refusal: what programs go by, and the audit keeps.

use super::error::ControlError;
use crate::store::{Conflict, StoreError};
use crate::token::{RollRefusal, TokenError};

/// Why something was refused. Each has a page in `docs/errors/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// It cannot be read.
    BadRequest,
    /// No key was sent.
    MissingKey,
    /// The key does not work.
    InvalidKey,
    /// The key may not.
    Forbidden,
    /// What it is about is not there.
    NotFound,
    /// Not that method.
    MethodNotAllowed,
    /// What is to be made is there.
    Exists,
    /// Another key has the name.
    NameTaken,
    /// The key is revoked.
    KeyRevoked,
    /// Something else needs it.
    InUse,
    /// It belongs to the system.
    Fixed,
    /// Nobody could manage any more.
    LastRootAdmin,
    /// A key of others would be locked out.
    TokenTooLarge,
    /// Two requests under one `Idempotency-Key` are not the same.
    IdempotencyMismatch,
    /// It makes no sense, though it is well-formed.
    Invalid,
    /// The policy cannot be in force.
    PolicyFaults,
    /// The signing keys are changed elsewhere.
    SigningKeysFixed,
    /// It would be right later.
    TooEarly,
    /// Somebody was faster.
    PreconditionFailed,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// Too many requests.
    RateLimited,
    /// It cannot be done at the moment.
    Unavailable,
}

impl Code {
    /// Every one.
    pub const ALL: [Self; 23] = [
        Self::BadRequest,
        Self::MissingKey,
        Self::InvalidKey,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Exists,
        Self::NameTaken,
        Self::KeyRevoked,
        Self::InUse,
        Self::Fixed,
        Self::LastRootAdmin,
        Self::TokenTooLarge,
        Self::IdempotencyMismatch,
        Self::Invalid,
        Self::PolicyFaults,
        Self::SigningKeysFixed,
        Self::TooEarly,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::Unavailable,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::MissingKey => "missing_key",
            Self::InvalidKey => "invalid_key",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Exists => "exists",
            Self::NameTaken => "name_taken",
            Self::KeyRevoked => "key_revoked",
            Self::InUse => "in_use",
            Self::Fixed => "fixed",
            Self::LastRootAdmin => "last_root_admin",
            Self::TokenTooLarge => "token_too_large",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::Invalid => "invalid",
            Self::PolicyFaults => "policy_faults",
            Self::SigningKeysFixed => "signing_keys_fixed",
            Self::TooEarly => "too_early",
            Self::PreconditionFailed => "precondition_failed",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
        }
    }
}

impl ControlError {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NoSuchCaller => Code::InvalidKey,
            Self::Forbidden(_) => Code::Forbidden,
            Self::Store(error) => code(error),
            Self::Busy | Self::NoRandomness(_) => Code::Unavailable,
            Self::Policy(_) => Code::PolicyFaults,
            Self::TokenTooLarge { .. } => Code::TokenTooLarge,
            Self::IdempotencyMismatch => Code::IdempotencyMismatch,
            Self::Invalid(_) => Code::Invalid,
            Self::SigningKeys(error) => code_of_keys(error),
        }
    }
}

fn code_of_keys(error: &TokenError) -> Code {
    match error {
        TokenError::Roll(refusal) => match refusal {
            RollRefusal::NoSuchKey { .. } => Code::NotFound,
            RollRefusal::NextIsThere { .. } => Code::Exists,
            RollRefusal::NotKnownYet { .. } | RollRefusal::TokensLive { .. } => Code::TooEarly,
            RollRefusal::OtherAlgorithm { .. } | RollRefusal::OutOfJwks { .. } => Code::Invalid,
            RollRefusal::Signs { .. } => Code::InUse,
            RollRefusal::NamedByConfiguration { .. } | RollRefusal::ReadOnly { .. } => Code::SigningKeysFixed,
        },
        TokenError::Keys(_) | TokenError::TooLarge(_) | TokenError::Signing(_) => Code::Unavailable,
    }
}

fn code(error: &StoreError) -> Code {
    match error {
        StoreError::NotFound(_) => Code::NotFound,
        StoreError::Precondition(_) => Code::PreconditionFailed,
        // Of another control plane, which nobody asks on behalf of somebody else.
        StoreError::Unavailable(_) | StoreError::Elsewhere { .. } => Code::Unavailable,
        StoreError::Conflict(conflict) => match conflict {
            Conflict::Exists(_) | Conflict::SameBinding(_) | Conflict::SecretTaken | Conflict::NotTheFirstKey => Code::Exists,
            Conflict::NameTaken { .. } => Code::NameTaken,
            Conflict::KeyRevoked(_) => Code::KeyRevoked,
            Conflict::GroupInUse { .. } | Conflict::RoleInUse { .. } | Conflict::SpaceInUse { .. } => Code::InUse,
            Conflict::SystemRole(_) | Conflict::RootSpaceFixed | Conflict::RootSpaceKept => Code::Fixed,
            Conflict::RoleOfRoot(_)
            | Conflict::SpaceWithoutParent(_)
            | Conflict::SpaceUnderItself { .. }
            | Conflict::OtherStore { .. }
            | Conflict::WouldUndo { .. }
            | Conflict::NotEmpty
            | Conflict::KeyTextIn(_)
            | Conflict::NameReserved(_) => Code::Invalid,
            Conflict::LastRootAdmin => Code::LastRootAdmin,
        },
    }
}
