//! `[proxy]`: where clients come in, and whose word about them counts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net};

use super::credentials::{CredentialPlace, credentials};
use super::parse::{ValueError, list, listen, number, one_of, text, truth};
use super::reader::Section;
use super::removed_headers::{HeaderPattern, header_pattern};
use super::tls::{ClientCertificates, TlsPair};

/// More threads than any machine has cores.
const THREADS_MAX: u32 = 1024;

/// `[proxy]`
#[derive(Clone, Debug, PartialEq)]
pub struct ProxySettings {
    /// Where the data plane listens.
    pub listen: SocketAddr,
    /// Threads of the data plane. 0: one for each core that the cgroup grants.
    pub threads: usize,
    /// What it proves itself by; none: it speaks no TLS.
    pub tls: Vec<TlsPair>,
    /// Who vouches for clients: a file of PEM certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for certificates.
    pub client_certificates: ClientCertificates,
    /// Peers whose word about the client's address counts. IPv4-mapped networks are unmapped.
    pub trusted_proxies: Vec<IpNet>,
    /// What a trusted peer says the client's address in.
    pub client_ip: ClientIp,
    /// Where a client may put its key. Never empty, no place twice.
    pub credentials: Vec<CredentialPlace>,
    /// Headers of clients that never reach the API, in any spelling.
    pub remove_headers: Vec<HeaderPattern>,
    /// Whether requests say that they came through here.
    pub via: bool,
    /// When what is open ends with its key.
    pub end_streams: EndStreams,
}

/// When a stream or a WebSocket that is open ends because of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndStreams {
    /// When a request with the key would be refused.
    Revoked,
    /// When it would get other roles or groups, too.
    AnyChange,
    /// Never: what was opened may go on.
    Never,
}

impl EndStreams {
    /// As the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::AnyChange => "any-change",
            Self::Never => "never",
        }
    }
}

/// Where the client's address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientIp {
    /// The other end of the connection.
    Peer,
    /// `X-Forwarded-For`, if the peer is trusted.
    XForwardedFor,
    /// `Forwarded` (RFC 7239), if the peer is trusted.
    Forwarded,
    /// A header of the PROXY protocol, with which every connection of a trusted peer must begin.
    ProxyProtocol,
}

impl ClientIp {
    /// As the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::ProxyProtocol => "proxy-protocol",
        }
    }
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8080),
            threads: 0,
            tls: Vec::new(),
            client_ca: None,
            client_certificates: ClientCertificates::Off,
            trusted_proxies: Vec::new(),
            client_ip: ClientIp::Peer,
            credentials: CredentialPlace::usual(),
            remove_headers: HeaderPattern::identity(),
            via: true,
            end_streams: EndStreams::Revoked,
        }
    }
}

impl ProxySettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let sources =
            [ClientIp::Peer, ClientIp::XForwardedFor, ClientIp::Forwarded, ClientIp::ProxyProtocol].map(|from| (from.as_str(), from));
        let ends = [EndStreams::Revoked, EndStreams::AnyChange, EndStreams::Never].map(|when| (when.as_str(), when));
        section
            .refuse("credential_headers", "proxy.credentials says where a key may stand: \"bearer\", and \"header:NAME\" for each header");
        let threads = u32::try_from(default.threads).unwrap_or(THREADS_MAX);
        Self {
            listen: section.at_start("listen", default.listen, text(listen)),
            threads: section.at_start("threads", threads, number(0..=THREADS_MAX)) as usize,
            tls: TlsPair::read_all(section),
            client_ca: section.optional_live_path("client_ca"),
            client_certificates: ClientCertificates::read(section, "client_certificates"),
            trusted_proxies: section.live("trusted_proxies", default.trusted_proxies, list(text(network))),
            client_ip: section.live("client_ip", default.client_ip, one_of(&sources)),
            credentials: section.live("credentials", default.credentials, credentials),
            remove_headers: section.live("remove_headers", default.remove_headers, list(text(header_pattern))),
            via: section.live("via", default.via, truth),
            end_streams: section.live("end_streams", default.end_streams, one_of(&ends)),
        }
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, ValueError> {
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => IpNet::from(address),
        _ => {
            let wrong = ValueError::new(format!("{text:?} is not a network"));
            return Err(wrong.suggest("networks look like \"10.0.0.0/8\" or \"fd00::/8\""));
        }
    };
    if network.trunc() != network {
        let wrong = ValueError::new(format!("{network} has bits behind its prefix"));
        return Err(wrong.suggest(format!("did you mean \"{}\"?", network.trunc())));
    }
    Ok(unmapped(network))
}

/// Clients' IPv4-mapped addresses are unmapped before they are compared, so networks of such addresses are, too.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_mapped_addresses_is_one_of_ipv4() {
        for (written, meant) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
            ("fd00::/8", "fd00::/8"),
        ] {
            assert_eq!(network(written).unwrap().to_string(), meant);
        }
    }

    #[test]
    fn a_network_with_bits_behind_its_prefix_is_refused() {
        assert_eq!(network("10.1.2.3/8").unwrap_err().suggestion.as_deref(), Some("did you mean \"10.0.0.0/8\"?"));
    }
}
