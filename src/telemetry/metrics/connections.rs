//! Connections from clients, and what went wrong with those to the upstream.

use prometheus::proto::MetricFamily;

use super::exposition::{self, Family};
use super::label::{Label, Member, label};
use super::left_out::{LeftOut, LeftOutEndpoints};
use super::series::{Counters, Gauge, Levels};

label! {
    /// Which listener a connection came to.
    pub enum Listener: "listener" {
        /// The data plane.
        Proxy = "proxy",
        /// Probes, metrics, JWKS.
        Ops = "ops",
        /// The admin API.
        Admin = "admin",
    }
}

label! {
    /// Who shows a certificate.
    pub enum CertificateOf: "listener" {
        /// The data plane.
        Proxy = "proxy",
        /// Probes, metrics, JWKS.
        Ops = "ops",
        /// The admin API.
        Admin = "admin",
        /// The data plane, to the upstream.
        Upstream = "upstream",
    }
}

impl From<Listener> for CertificateOf {
    fn from(listener: Listener) -> Self {
        match listener {
            Listener::Proxy => Self::Proxy,
            Listener::Ops => Self::Ops,
            Listener::Admin => Self::Admin,
        }
    }
}

label! {
    /// What went wrong with the upstream.
    pub enum UpstreamError: "kind" {
        /// No connection could be made.
        Connect = "connect",
        /// No connection was made in time.
        ConnectTimeout = "connect_timeout",
        /// The answer's head did not come in time.
        ResponseTimeout = "response_timeout",
        /// The answer was not HTTP.
        Protocol = "protocol",
        /// The connection broke.
        Reset = "reset",
        /// The host's name has no address.
        Resolve = "resolve",
        /// It was not proven to be who it should be, or would not speak.
        Tls = "tls",
    }
}

impl UpstreamError {
    /// What it is called in the log, as here.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.value()
    }
}

const CONNECTIONS: (&str, &str) = ("claviger_http_connections", "Open connections from clients.");

pub(super) struct Connections {
    proxy: Gauge,
    ops: Gauge,
    admin: Gauge,
    upstream_errors: Counters<(UpstreamError,)>,
    upstream_retries: Counters<()>,
    upstream_ejections: Counters<()>,
    left_out: LeftOutEndpoints,
    handshake_errors: Counters<()>,
    proxy_header_errors: Counters<()>,
    certificate_ends: Levels<(CertificateOf,)>,
}

impl Connections {
    pub(super) fn new() -> Self {
        let gauge = || Gauge::new(CONNECTIONS.0, CONNECTIONS.1);
        Self {
            proxy: gauge(),
            ops: gauge(),
            admin: gauge(),
            upstream_errors: Counters::new("claviger_upstream_errors_total", "Requests that the upstream did not answer properly."),
            upstream_retries: Counters::new(
                "claviger_upstream_retries_total",
                "How often a request went to an upstream once more: elsewhere where connecting failed, or a second time.",
            ),
            upstream_ejections: Counters::new(
                "claviger_upstream_ejections_total",
                "How often a thread has left out an endpoint of an upstream that failed again and again.",
            ),
            left_out: LeftOutEndpoints::default(),
            handshake_errors: Counters::new("claviger_tls_handshake_errors_total", "TLS handshakes with clients that came to nothing."),
            proxy_header_errors: Counters::new(
                "claviger_proxy_protocol_errors_total",
                "Connections of trusted proxies that began without a sound header of the PROXY protocol.",
            ),
            certificate_ends: Levels::new(
                "claviger_tls_certificate_not_after_timestamp_seconds",
                "When the first certificate ends that a listener shows, or that the upstream is shown, in seconds since 1970; 0 where there is none.",
            ),
        }
    }

    pub(super) fn of(&self, listener: Listener) -> &Gauge {
        match listener {
            Listener::Proxy => &self.proxy,
            Listener::Ops => &self.ops,
            Listener::Admin => &self.admin,
        }
    }

    pub(super) fn families(&self) -> [&dyn Family; 8] {
        [
            self,
            &self.upstream_errors,
            &self.upstream_retries,
            &self.upstream_ejections,
            &self.left_out,
            &self.handshake_errors,
            &self.proxy_header_errors,
            &self.certificate_ends,
        ]
    }

    pub(super) fn upstream_error(&self, kind: UpstreamError) {
        self.upstream_errors.increment((kind,));
    }

    pub(super) fn upstream_retry(&self) {
        self.upstream_retries.increment(());
    }

    pub(super) fn upstream_ejected(&self, endpoint: &str) -> LeftOut {
        self.upstream_ejections.increment(());
        self.left_out.begin(endpoint)
    }

    pub(super) fn handshake_failed(&self) {
        self.handshake_errors.increment(());
    }

    pub(super) fn proxy_header_refused(&self) {
        self.proxy_header_errors.increment(());
    }

    pub(super) fn certificate_ends(&self, of: CertificateOf, seconds: u64) {
        self.certificate_ends.set((of,), seconds);
    }
}

impl Family for Connections {
    fn collect(&self) -> MetricFamily {
        let labels = <(Listener,)>::all();
        let members = Listener::ALL.iter().zip(&labels).map(|(listener, labels)| (labels.as_slice(), self.of(*listener).get()));
        exposition::gauges(CONNECTIONS.0, CONNECTIONS.1, members)
    }
}
