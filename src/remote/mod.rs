//! A store that is elsewhere, worked on and followed through the admin API of whoever has it.
//!
//! What may be done is decided there, by the rights of the key that is sent. Of the store nothing is remembered here for whoever manages: each
//! look is a request. A sidecar follows (`feed/`).

#![warn(clippy::wildcard_enum_match_arm)]

mod api;
mod change;
mod connection;
mod curl;
mod dialer;
mod evaluation;
mod feed;
mod key;
mod management;
mod page;
mod problem;

pub use self::api::{Api, Tell};
pub use self::dialer::{Dialer, DialerError};
pub use self::evaluation::Evaluation;
pub use self::feed::{FeedSettings, FeedSource};
pub use self::management::RemoteStore;
pub use self::problem::Refused;
