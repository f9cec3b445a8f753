//! `[admin]`: where the admin API is to listen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::parse::{listen, text};
use super::reader::Section;

/// `[admin]`
#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// `None`: switched off, written `"off"`.
    pub listen: Option<SocketAddr>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081)) }
    }
}

impl AdminSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let listen = text(|text| if text == "off" { Ok(None) } else { listen(text).map(Some) });
        Self { listen: section.at_start("listen", Self::default().listen, listen) }
    }
}
