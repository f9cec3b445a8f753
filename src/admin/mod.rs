//! The admin API: who holds which role where, managed over HTTP.
//!
//! A handler reads a request, has [`Control`](crate::control::Control) decide and do, and shows what came of it; it decides nothing itself.
//! The description at `/openapi.json` is made from the handlers.

#![warn(clippy::wildcard_enum_match_arm)]
#![expect(unused_qualifications, reason = "what describes an operation writes the types of its parameters with their paths")]

mod access;
mod audit;
mod bindings;
mod body;
mod changes;
mod explain;
mod feed;
mod groups;
mod keys;
mod listener;
mod openapi;
mod page;
mod policies;
mod problem;
mod reference;
mod replicas;
mod roles;
mod router;
mod samples;
mod seats;
mod session;
mod signing_keys;
mod simulate;
mod spaces;
mod state;
mod strategy;
mod thing;
mod version;
mod waiting;
mod whoami;
mod written;

pub use listener::serve;
pub use router::Pages;
pub use state::AdminState;
