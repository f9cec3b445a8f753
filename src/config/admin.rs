//! `[admin]`: where the admin API listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::parse::{listen, number, text, truth};
use super::reader::Section;
use super::tls::TlsPair;

/// `[admin]`
#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// `None`: switched off, written `"off"`.
    pub listen: Option<SocketAddr>,
    /// Whether it may listen where others than this machine reach it, though nothing is encrypted.
    pub insecure: bool,
    /// What it proves itself by; none: it speaks no TLS.
    pub tls: Vec<TlsPair>,
    /// What one key may ask for in a second; at once, ten times as much.
    pub requests_per_second: u32,
}

impl Default for AdminSettings {
    fn default() -> Self {
        let listen = Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081));
        Self { listen, insecure: false, tls: Vec::new(), requests_per_second: 100 }
    }
}

impl AdminSettings {
    /// Where keys that manage everything would cross a network in the clear, though nobody said that they may.
    pub fn exposed(&self) -> Option<SocketAddr> {
        self.listen.filter(|listen| !listen.ip().is_loopback() && self.tls.is_empty() && !self.insecure)
    }

    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let listen = text(|text| if text == "off" { Ok(None) } else { listen(text).map(Some) });
        Self {
            listen: section.at_start("listen", Self::default().listen, listen),
            insecure: section.at_start("insecure", Self::default().insecure, truth),
            tls: TlsPair::read_all(section),
            requests_per_second: section.live("requests_per_second", Self::default().requests_per_second, number(1..=1_000_000)),
        }
    }
}
