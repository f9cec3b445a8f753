//! Why there is no answer, and what that is to the client and to whoever counts.

use std::net::SocketAddr;

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
            Self::Connect(ConnectError::Resolve(_) | ConnectError::Refused { .. } | ConnectError::Tls { .. })
            | Self::Http1(_)
            | Self::Http2(_)
            | Self::Tls(_)
            | Self::Unfit(_) => Outcome::UpstreamFailed,
            Self::Overloaded => Outcome::Refused(Refusal::Overloaded),
            Self::Unsayable => Outcome::BadRequest("the authority is malformed"),
            Self::Body(BodyError::Stalled) => Outcome::BadRequest("the body did not arrive in time"),
            Self::Body(BodyError::TooLong) => Outcome::TooLarge(TooLarge::Body),
            Self::Body(BodyError::Client | BodyError::Upstream) => Outcome::BadRequest("the body is malformed"),
        }
    }

    /// Where it was tried, if no connection came about.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Connect(error) => error.address(),
            Self::ResponseTimeout
            | Self::Http1(_)
            | Self::Http2(_)
            | Self::Tls(_)
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
            Self::Connect(ConnectError::Refused { .. }) => Some(UpstreamError::Connect),
            Self::Connect(ConnectError::Tls { .. }) | Self::Http1(H1Error::Tls(_)) | Self::Tls(_) => Some(UpstreamError::Tls),
            Self::Connect(ConnectError::TimedOut { .. }) => Some(UpstreamError::ConnectTimeout),
            Self::ResponseTimeout => Some(UpstreamError::ResponseTimeout),
            Self::Http1(H1Error::Malformed(_)) | Self::Unfit(_) => Some(UpstreamError::Protocol),
            Self::Http2(error) if error.is_parse() => Some(UpstreamError::Protocol),
            Self::Http1(H1Error::Closed | H1Error::Io(_) | H1Error::Body(_)) | Self::Http2(_) => Some(UpstreamError::Reset),
            Self::Overloaded | Self::Unsayable | Self::Body(_) => None,
        }
    }
}

/// What a kind of failure is called in the log, as in the metrics.
pub(crate) fn reason(kind: UpstreamError) -> &'static str {
    match kind {
        UpstreamError::Resolve => "resolve",
        UpstreamError::Connect => "connect",
        UpstreamError::ConnectTimeout => "connect_timeout",
        UpstreamError::ResponseTimeout => "response_timeout",
        UpstreamError::Protocol => "protocol",
        UpstreamError::Reset => "reset",
        UpstreamError::Tls => "tls",
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
