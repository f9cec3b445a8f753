//! `[ops]`: where probes, metrics and keys are served.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::parse::{listen, text};
use super::reader::Section;
use super::tls::TlsPair;

/// `[ops]`
#[derive(Clone, Debug, PartialEq)]
pub struct OpsSettings {
    /// Where the ops listener listens.
    pub listen: SocketAddr,
    /// What it proves itself by; none: it speaks no TLS.
    pub tls: Vec<TlsPair>,
}

impl Default for OpsSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 9464), tls: Vec::new() }
    }
}

impl OpsSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { listen: section.at_start("listen", Self::default().listen, text(listen)), tls: TlsPair::read_all(section) }
    }
}
