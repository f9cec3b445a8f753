//! Why Claviger does not start.

use std::net::SocketAddr;

use crate::diagnostics::Diagnostic;
use crate::exchange::ExchangeError;
use crate::proxy;
use crate::store::StoreError;

/// Why Claviger does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A listener's address cannot be had.
    #[error("cannot listen on {address} for {listener}: {error}")]
    Bind {
        /// Which listener.
        listener: &'static str,
        /// Its address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A certificate, or a key of one, cannot be used.
    #[error("{}", certificates(.0))]
    Tls(Vec<Diagnostic>),
    /// Something is wrong with the files that declare access.
    #[error("the files that declare access cannot be used")]
    Files(Vec<Diagnostic>),
    /// Snapshot, policies or signing keys cannot be loaded.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The data plane's threads cannot be started.
    #[error(transparent)]
    Proxy(#[from] proxy::ProxyError),
    /// A listener cannot be used.
    #[error("a listener cannot be used: {0}")]
    Io(#[from] std::io::Error),
    /// There is no randomness.
    #[error("the system provides no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

fn certificates(faults: &[Diagnostic]) -> String {
    match faults {
        [one] => one.to_string(),
        all => format!("{} certificates or keys cannot be used", all.len()),
    }
}
