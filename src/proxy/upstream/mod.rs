//! Towards the API: which endpoint is asked, connections to it, sending, waiting for the head.

mod budget;
mod connect;
mod connect_queue;
mod endpoint;
mod error;
mod forward;
mod h1;
mod h2;
mod head_copy;
mod health;
mod lent_body;
mod said;
mod upstreams;

pub(crate) use self::endpoint::{Endpoint, EndpointLimits};
pub(crate) use self::error::ForwardError;
pub(crate) use self::forward::{Attempts, Upstream, UpstreamBody, UpstreamParts};
pub(crate) use self::h1::fuzzing;
pub(crate) use self::h1::{H1Body, OpenConnection};
pub(crate) use self::upstreams::Upstreams;
