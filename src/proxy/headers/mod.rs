//! Which headers pass, in both directions: identity is ours or nobody's, and what belongs to one connection stays on it.

mod connection;
mod name_set;
mod request;
mod response;
mod rules;
#[cfg(test)]
mod tests;
mod trace_context;

pub(super) use connection::connection_has;
pub use request::Permitted;
pub(super) use request::{ForwardContext, Peer};
pub(super) use response::{Unfit, clean_interim, clean_response};
pub(super) use rules::HeaderRules;
pub(super) use trace_context::TraceId;
