//! Doors for the fuzz targets.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::client_address::{TrustedProxies, X_FORWARDED_FOR};
pub use super::proxy_protocol::{Announced, HeaderFault, parse as proxy_header};
use super::tls::read_client_certificate;
use crate::config::{ClientIp, ProxySettings, Settings};
use crate::model::ClientCertificate;

/// Where the client's address is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
}

/// Whose request it is, by these lines, if all of 10.0.0.0/8 is trusted.
pub fn client_address(source: Source, peer: IpAddr, lines: &[&[u8]]) -> Option<IpAddr> {
    let (client_ip, name): (ClientIp, HeaderName) = match source {
        Source::XForwardedFor => (ClientIp::XForwardedFor, X_FORWARDED_FOR),
        Source::Forwarded => (ClientIp::Forwarded, header::FORWARDED),
    };
    let network = "10.0.0.0/8".parse().expect("a network");
    let trusted = TrustedProxies::of(&ProxySettings { client_ip, trusted_proxies: vec![network], ..Settings::default().proxy });
    let mut headers = HeaderMap::new();
    for line in lines {
        // What cannot be a line never gets here.
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(name.clone(), line);
        }
    }
    trusted.client(peer, trusted.holds(peer), &headers)
}

/// What a client's certificate says; `None`: it is none.
pub fn client_certificate(der: &[u8]) -> Option<ClientCertificate> {
    read_client_certificate(der)
}
