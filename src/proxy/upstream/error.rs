//! Why there is no answer, and what that is to the client and to whoever counts.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::connect::ConnectError;
use super::h1::H1Error;
use crate::edge::tls::HandshakeFault;
use crate::model::{Outcome, Refusal, TooLarge};
use crate::proxy::headers::Unfit;
use crate::proxy::request_body::{BodyError, UploadState};
use crate::telemetry::UpstreamError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no response in time")]
    ResponseTimeout,
    #[error("the connection failed: {0}")]
    Http1(#[source] H1Error),
    #[error("the connection failed: {0}")]
    Http2(#[source] hyper::Error),
    /// It was said after the handshake, on a connection that carries several requests.
    #[error(transparent)]
    Tls(HandshakeFault),
    /// A fresh connection, before anything was said on it.
    #[error("the upstream closed the connection at once")]
    ClosedAtOnce,
    /// Of a connection that several requests waited for.
    #[error(transparent)]
    Shared(Arc<Self>),
    #[error("the upstream accepts no further requests")]
    Overloaded,
    #[error("the request cannot be written for the upstream")]
    Unsayable,
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The client's fault.
    #[error(transparent)]
    Body(BodyError),
}

impl ForwardError {
    /// How the request ends.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Connect(ConnectError::TimedOut { .. }) | Self::ResponseTimeout => Outcome::UpstreamTimeout,
            Self::Connect(ConnectError::Resolve(_) | ConnectError::Refused { .. } | ConnectError::Socket(_) | ConnectError::Tls { .. })
            | Self::Http1(_)
            | Self::Http2(_)
            | Self::Tls(_)
            | Self::ClosedAtOnce
            | Self::Unfit(_) => Outcome::UpstreamFailed,
            Self::Shared(error) => error.outcome(),
            Self::Overloaded => Outcome::Refused(Refusal::Overloaded),
            Self::Unsayable => Outcome::BadRequest("the authority is malformed"),
            Self::Body(BodyError::Stalled) => Outcome::BadRequest("the body did not arrive in time"),
            Self::Body(BodyError::TooLong) => Outcome::TooLarge(TooLarge::Body),
            Self::Body(BodyError::Client | BodyError::Upstream) => Outcome::BadRequest("the body is malformed"),
        }
    }

    /// Whether no connection came about in time.
    pub(super) fn is_connect_timeout(&self) -> bool {
        match self {
            Self::Connect(ConnectError::TimedOut { .. }) => true,
            Self::Shared(error) => error.is_connect_timeout(),
            Self::Connect(ConnectError::Resolve(_) | ConnectError::Refused { .. } | ConnectError::Socket(_) | ConnectError::Tls { .. })
            | Self::ResponseTimeout
            | Self::Http1(_)
            | Self::Http2(_)
            | Self::Tls(_)
            | Self::ClosedAtOnce
            | Self::Overloaded
            | Self::Unsayable
            | Self::Unfit(_)
            | Self::Body(_) => false,
        }
    }

    /// Where it was tried, if no connection came about.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Connect(error) => error.address(),
            Self::Shared(error) => error.address(),
            Self::ResponseTimeout
            | Self::Http1(_)
            | Self::Http2(_)
            | Self::Tls(_)
            | Self::ClosedAtOnce
            | Self::Overloaded
            | Self::Unsayable
            | Self::Unfit(_)
            | Self::Body(_) => None,
        }
    }

    /// What to count; `None`: it is not the upstream's.
    pub(crate) fn kind(&self) -> Option<UpstreamError> {
        match self {
            Self::Connect(ConnectError::Resolve(_)) => Some(UpstreamError::Resolve),
            Self::Connect(ConnectError::Refused { .. } | ConnectError::Socket(_)) => Some(UpstreamError::Connect),
            Self::Connect(ConnectError::Tls { .. }) | Self::Http1(H1Error::Tls(_)) | Self::Tls(_) => Some(UpstreamError::Tls),
            Self::Connect(ConnectError::TimedOut { .. }) => Some(UpstreamError::ConnectTimeout),
            Self::ResponseTimeout => Some(UpstreamError::ResponseTimeout),
            Self::Http1(H1Error::Malformed(_)) | Self::Unfit(_) => Some(UpstreamError::Protocol),
            Self::Http2(error) if error.is_parse() => Some(UpstreamError::Protocol),
            Self::Http1(H1Error::Closed | H1Error::Io(_) | H1Error::Body(_)) | Self::Http2(_) | Self::ClosedAtOnce => {
                Some(UpstreamError::Reset)
            }
            Self::Shared(error) => error.kind(),
            Self::Overloaded | Self::Unsayable | Self::Body(_) => None,
        }
    }
}

impl From<H1Error> for ForwardError {
    fn from(error: H1Error) -> Self {
        match error {
            H1Error::Body(body) => Self::Body(body),
            error @ (H1Error::Malformed(_) | H1Error::Closed | H1Error::Io(_) | H1Error::Tls(_)) => Self::Http1(error),
        }
    }
}

/// Whose fault it is that a request failed.
pub(crate) fn failed(error: hyper::Error, upload: Option<&UploadState>) -> ForwardError {
    upload.and_then(UploadState::broken).map_or(ForwardError::Http2(error), ForwardError::Body)
}

/// Why an upstream has not touched a request that was sent over HTTP/2, whatever it asks for (RFC 9113, section 8.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unprocessed {
    /// It takes no more on this connection: the request came behind the last one that it looks at (section 6.8).
    Leaving,
    /// It refuses this one (`REFUSED_STREAM`).
    Refused,
}

impl Unprocessed {
    /// As the upstream says it; `None`: it may have touched it.
    pub(super) fn by(error: &hyper::Error) -> Option<Self> {
        let said = error.source()?.downcast_ref::<::h2::Error>().filter(|said| said.is_remote())?;
        if said.is_go_away() {
            return Some(Self::Leaving);
        }
        (said.is_reset() && said.reason() == Some(::h2::Reason::REFUSED_STREAM)).then_some(Self::Refused)
    }
}

/// Whether the connection under a request broke, of which nothing more is known.
pub(super) fn broke(error: &hyper::Error) -> bool {
    error.is_closed() || error.is_incomplete_message() || error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>)
}
