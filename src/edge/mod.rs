//! What every entrance shares: what comes in over HTTP is read here, in one way, before anybody acts on it.
//!
//! The data plane, the operations endpoints and whatever else is reached over the network find here how connections are taken, who is at
//! the other end of one, what a request is about, whose key it carries, and how a refusal is told. Nothing here decides who may pass: that is
//! [`Exchange::credential`](crate::exchange::Exchange::credential), which `authenticate` asks.

#![warn(clippy::wildcard_enum_match_arm)]

mod acceptor;
mod authenticate;
pub(crate) mod client_address;
pub(crate) mod credential;
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod grpc;
mod paced;
mod places;
pub(crate) mod problem;
mod proxy_protocol;
pub(crate) mod rate;
pub(crate) mod raw_target;
pub(crate) mod request_id;
pub(crate) mod routes;
pub(crate) mod service;
mod spaced_lines;
pub(crate) mod target;
pub(crate) mod throttle;
pub mod tls;
mod turns;
mod turnstile;
pub(crate) mod unread;
pub(crate) mod unrepeated;

pub(crate) use acceptor::{Acceptor, Seat, Seats};
pub(crate) use authenticate::{Admission, Authenticated, authenticate};
pub(crate) use paced::PacedStream;
pub(crate) use proxy_protocol::{Announced, HeaderReader};
pub(crate) use turns::Turns;
pub use turnstile::Turnstile;
