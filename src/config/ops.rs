//! `[ops]`: where probes, metrics and keys are served.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::parse::{listen, text};
use super::reader::Section;

/// `[ops]`
#[derive(Clone, Debug, PartialEq)]
pub struct OpsSettings {
    /// Where the ops listener listens.
    pub listen: SocketAddr,
}

impl Default for OpsSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 9464) }
    }
}

impl OpsSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { listen: section.at_start("listen", Self::default().listen, text(listen)) }
    }
}
