//! What goes wrong on a connection to the upstream.

use std::io;

use crate::edge::tls::{HandshakeFault, said_by_tls};
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
    Io(io::Error),
    /// What a handshake does not find out: an upstream that refuses the certificate that it was shown says so afterwards (RFC 8446, section 4.4.2.4).
    #[error("{0}")]
    Tls(#[source] HandshakeFault),
    /// The client's fault.
    #[error(transparent)]
    Body(BodyError),
}

impl From<io::Error> for H1Error {
    fn from(error: io::Error) -> Self {
        said_by_tls(&error).map_or(Self::Io(error), Self::Tls)
    }
}
