//! TLS of all listeners: read together, and put in force together or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Settings;
use crate::diagnostics::Diagnostic;
use crate::edge::tls::{self, ListenerTls, TlsServer};
use crate::telemetry::{Listener, Metrics};

/// TLS of all listeners.
pub(super) struct TlsListeners {
    pub(super) proxy: ListenerTls,
    pub(super) ops: ListenerTls,
    pub(super) admin: ListenerTls,
}

/// What the files say that settings name.
pub(super) struct TlsRead {
    proxy: Option<TlsServer>,
    ops: Option<TlsServer>,
    admin: Option<TlsServer>,
}

impl TlsListeners {
    /// Nobody speaks TLS yet.
    pub(super) fn new(metrics: &Arc<Metrics>, clock: &Arc<dyn Clock>) -> std::io::Result<Self> {
        let plain = |listener| ListenerTls::plain(listener, metrics, clock);
        Ok(Self { proxy: plain(Listener::Proxy)?, ops: plain(Listener::Ops)?, admin: plain(Listener::Admin)? })
    }

    /// Reads what these settings name. What clients may have against it is logged.
    pub(super) fn read(&self, settings: &Settings) -> Result<TlsRead, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        let mut read = |listener: &ListenerTls| match listener.read(settings) {
            Ok((server, warnings)) => {
                for warning in &warnings {
                    warning.log("clients may refuse a certificate");
                }
                server
            }
            Err(found) => {
                faults.extend(found);
                None
            }
        };
        let read = TlsRead { proxy: read(&self.proxy), ops: read(&self.ops), admin: read(&self.admin) };
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    /// Puts it in force for whoever connects from now on.
    pub(super) fn put(&self, TlsRead { proxy, ops, admin }: TlsRead) {
        self.proxy.put(proxy);
        self.ops.put(ops);
        self.admin.put(admin);
    }
}

/// The files that a reload would read.
pub(super) fn files(settings: &Settings) -> Vec<PathBuf> {
    tls::files(settings)
}
