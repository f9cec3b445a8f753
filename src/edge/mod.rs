//! What every entrance shares: what comes in over HTTP is read here, in one way, before anybody acts on it.
//!
//! The data plane, the operations endpoints and whatever else is reached over the network find here who is at the other end of a
//! connection, what a request is about, whose key it carries, and how a refusal is told. Nothing here decides who may pass: that is
//! [`Exchange::credential`](crate::exchange::Exchange::credential).

pub(crate) mod client_address;
pub(crate) mod credential;
pub(crate) mod problem;
pub(crate) mod request_id;
pub(crate) mod target;
