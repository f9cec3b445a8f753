//! What the answers are made of.

use std::sync::Arc;

use super::lifecycle::Lifecycle;
use crate::config::LiveSettings;
use crate::exchange::Exchange;
use crate::telemetry::Metrics;

/// The parts of the process, and for each whether it is usable or why not.
pub type Parts = Vec<(&'static str, Result<(), String>)>;

/// What the answers are made of.
#[derive(Clone)]
pub struct OpsState {
    /// Where the process is in its life.
    pub lifecycle: Arc<Lifecycle>,
    /// Every series.
    pub metrics: Arc<Metrics>,
    /// `token.issuer`, as it is in force.
    pub issuer: Arc<dyn Fn() -> String + Send + Sync>,
    /// Asked at each `/readyz`.
    pub parts: Arc<dyn Fn() -> Parts + Send + Sync>,
    /// RFC 7517, as JSON text.
    pub jwks: Arc<dyn Fn() -> Arc<str> + Send + Sync>,
}

impl OpsState {
    /// Answers about this exchange.
    pub fn of(exchange: &Arc<Exchange>, lifecycle: Arc<Lifecycle>, metrics: Arc<Metrics>, live: LiveSettings) -> Self {
        let (for_parts, for_jwks) = (Arc::clone(exchange), Arc::clone(exchange));
        Self {
            lifecycle,
            metrics,
            issuer: Arc::new(move || live.now().token.issuer.clone()),
            parts: Arc::new(move || for_parts.readiness()),
            jwks: Arc::new(move || for_jwks.jwks()),
        }
    }
}
