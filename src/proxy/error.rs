//! Why the data plane does not start.

/// What it takes to start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Sockets or threads.
    #[error("the proxy cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// The upstream's URL has no host.
    #[error("the upstream's URL has no host")]
    NoUpstream,
}
