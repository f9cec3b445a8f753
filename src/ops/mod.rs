//! What Kubernetes, Prometheus and verifiers ask: live, ready, metrics, JWKS, discovery.
//!
//! Whoever reaches this listener can read all of it; nothing here is secret and nothing can be changed. A connection serves one request
//! and lives for a few seconds at most, and there are only so many of them, so that nobody keeps the kubelet from its answer for long.

mod discovery;
mod lifecycle;
mod listener;
mod router;
mod state;

pub use lifecycle::{Lifecycle, Stage};
pub use listener::serve;
pub use state::{OpsState, Parts};
