//! What goes wrong on a connection to the upstream.

use std::io;

use crate::proxy::request_body::BodyError;

/// What an upstream says wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is malformed: {0}")]
pub(crate) struct Malformed(pub(super) &'static str);

/// Why a connection does not bring what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum H1Error {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the connection was closed amid the answer, or before it")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The client's fault.
    #[error(transparent)]
    Body(BodyError),
}
