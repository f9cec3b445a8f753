//! Logs and metrics: what the process says about itself.
//!
//! Every series lives in [`Metrics`], every label's values come from a closed set, and all series exist from the start: what clients
//! send moves values, never the number of series. Lines of the log go to stderr, because stdout is data, and whatever control
//! characters a field or a message holds are escaped: nobody forges a line or moves a terminal's cursor by what they send.

mod access;
mod log;
mod metrics;
mod refused;

pub use access::{Access, without_keys};
pub use log::{change as change_log, flush, init};
pub use metrics::{
    AuthReason, CacheKind, CacheResult, CertificateOf, Gauge, LeftOut, Level, Listener, LogLosses, Metrics, PolicyResult, Route,
    SampleResult, SigningKeyState, StoreOperation, UpstreamError,
};
