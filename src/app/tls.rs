//! TLS of all listeners, and to the upstream: read together, and put in force together or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Settings;
use crate::diagnostics::Diagnostic;
use crate::edge::tls::{self, ListenerTls, TlsClient, TlsServer, UpstreamTls};
use crate::telemetry::{Listener, Metrics};

/// TLS of all listeners, and to the upstream.
pub(super) struct Encryption {
    pub(super) proxy: ListenerTls,
    pub(super) ops: ListenerTls,
    pub(super) admin: ListenerTls,
    pub(super) upstream: UpstreamTls,
}

/// What the files say that settings name.
pub(super) struct TlsRead {
    proxy: Option<TlsServer>,
    ops: Option<TlsServer>,
    admin: Option<TlsServer>,
    upstreams: Vec<Arc<TlsClient>>,
}

impl Encryption {
    /// Nobody speaks TLS yet.
    pub(super) fn new(metrics: &Arc<Metrics>, clock: &Arc<dyn Clock>) -> std::io::Result<Self> {
        let plain = |listener| ListenerTls::plain(listener, metrics, clock);
        let upstream = UpstreamTls::plain(metrics, clock);
        Ok(Self { proxy: plain(Listener::Proxy)?, ops: plain(Listener::Ops)?, admin: plain(Listener::Admin)?, upstream })
    }

    /// Reads what these settings name. What the other end may have against it is logged.
    pub(super) fn read(&self, settings: &Settings) -> Result<TlsRead, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        let read = TlsRead {
            proxy: sound(self.proxy.read(settings), "clients may refuse a certificate", &mut faults),
            ops: sound(self.ops.read(settings), "clients may refuse a certificate", &mut faults),
            admin: sound(self.admin.read(settings), "clients may refuse a certificate", &mut faults),
            upstreams: sound(self.upstream.read(settings), "the upstream may refuse a certificate", &mut faults),
        };
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    /// Before the settings that name it are put in force: whoever goes by them must find how TLS is spoken to upstreams, and whoever still goes
    /// by those before, too.
    pub(super) fn prepare(&self, read: &TlsRead) {
        self.upstream.put_beside(&read.upstreams);
    }

    /// Puts it in force for whoever connects from now on, and whomever is connected to.
    pub(super) fn put(&self, TlsRead { proxy, ops, admin, upstreams }: TlsRead) {
        self.proxy.put(proxy);
        self.ops.put(ops);
        self.admin.put(admin);
        self.upstream.put(upstreams);
    }
}

/// What was read, if it can be used, after its warnings are logged.
fn sound<T: Default>(read: Result<(T, Vec<Diagnostic>), Vec<Diagnostic>>, warns: &'static str, faults: &mut Vec<Diagnostic>) -> T {
    match read {
        Ok((sound, warnings)) => {
            for warning in &warnings {
                warning.log(warns);
            }
            sound
        }
        Err(found) => {
            faults.extend(found);
            T::default()
        }
    }
}

/// The files that a reload would read.
pub(super) fn files(settings: &Settings) -> Vec<PathBuf> {
    tls::files(settings)
}
