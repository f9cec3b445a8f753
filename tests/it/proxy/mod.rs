//! The data plane on a real exchange: forwarding, both versions of HTTP.

pub(crate) mod balance;
mod forwarding;
pub(crate) mod http2;
mod overload;
mod routes;
pub(crate) mod upstream;
mod upstream_http2;
pub(crate) mod upstream_tls;
pub(crate) mod world;
