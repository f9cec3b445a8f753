//! The admin API, asked over HTTP as its users ask it.

mod batch;
mod changes;
pub(crate) mod client;
mod escalation;
mod interleaved;
pub(crate) mod maker;
mod newcomer;
mod replicas;
pub(crate) mod rights;
mod signing_keys;
mod wire;
