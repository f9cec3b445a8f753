//! A store that is elsewhere, worked on through the admin API of whoever has it.
//!
//! What may be done is decided there, by the rights of the key that is sent. Nothing of the store is remembered here: each look is a request.

#![warn(clippy::wildcard_enum_match_arm)]

mod api;
mod change;
mod curl;
mod evaluation;
mod key;
mod management;
mod page;
mod problem;

pub use self::api::{Api, ServerUrl, ServerUrlError, Tell};
pub use self::evaluation::Evaluation;
pub use self::management::RemoteStore;
pub use self::problem::Refused;
