//! Whose address a request comes from, and who may say so.
//!
//! Only the peer's own address counts, unless the peer is a trusted proxy: then it is the right-most entry of the configured header
//! that is not itself a trusted proxy, or what it has said before the first byte of the connection. An entry that cannot be read makes the
//! address unknown, never somebody else's.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

use super::proxy_protocol::Announced;
use crate::config::{ClientIp, ProxySettings};

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom to believe about addresses.
#[derive(Clone, Debug)]
pub(crate) struct TrustedProxies {
    proxies: Vec<IpNet>,
    source: ClientIp,
}

impl TrustedProxies {
    pub(crate) fn of(settings: &ProxySettings) -> Self {
        Self { proxies: settings.trusted_proxies.clone(), source: settings.client_ip }
    }

    /// Whether connections from this address must begin with a header of the PROXY protocol.
    pub(crate) fn must_announce(&self, peer: IpAddr) -> bool {
        self.source == ClientIp::ProxyProtocol && self.holds(peer)
    }

    /// Where a connection comes from; `None`: it cannot be known. One that was made when others were believed keeps what it was told then,
    /// and where something should have been said and was not, the peer's own address does not take its place.
    pub(crate) fn far_end(&self, peer: IpAddr, announced: Option<Announced>) -> Option<IpAddr> {
        match announced {
            Some(Announced::Client(address)) => Some(address),
            Some(Announced::Unknown) => None,
            Some(Announced::Itself) => Some(peer),
            None => (!self.must_announce(peer)).then_some(peer),
        }
    }

    /// Whether what a peer says in headers of others, and of the way of its requests, counts. A proxy that speaks the PROXY protocol writes
    /// no headers: whatever stands in them is its client's word.
    pub(crate) fn may_speak_of_others(&self, peer: IpAddr) -> bool {
        self.source != ClientIp::ProxyProtocol && self.holds(peer)
    }

    /// Whether headers could say who a client is.
    pub(crate) fn reads_headers(&self) -> bool {
        match self.source {
            // Nobody has decided yet what is in front.
            ClientIp::Peer | ClientIp::XForwardedFor | ClientIp::Forwarded => true,
            ClientIp::ProxyProtocol => false,
        }
    }

    /// Whether this address is that of a trusted proxy.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|net| net.contains(&address) || v4_mapped_contains(net, address))
    }

    /// The client's address, IPv4-mapped IPv6 unmapped; `None`: it cannot be known.
    pub(crate) fn client(&self, peer: IpAddr, trusted: bool, headers: &HeaderMap) -> Option<IpAddr> {
        if !trusted {
            return Some(peer);
        }
        match self.source {
            ClientIp::Peer | ClientIp::ProxyProtocol => Some(peer),
            ClientIp::XForwardedFor => self.rightmost(peer, headers, &X_FORWARDED_FOR, x_forwarded_for),
            ClientIp::Forwarded => self.rightmost(peer, headers, &FORWARDED, forwarded),
        }
    }

    /// Goes through the header's entries from the right. Without the header, the trusted peer speaks for itself; if everybody on the
    /// way is trusted, the request began at the left-most.
    fn rightmost(&self, peer: IpAddr, headers: &HeaderMap, name: &HeaderName, read: fn(&str) -> Vec<Option<IpAddr>>) -> Option<IpAddr> {
        let mut client = peer;
        for line in headers.get_all(name).iter().rev() {
            for entry in read(line.to_str().ok()?).into_iter().rev() {
                client = entry?.to_canonical();
                if !self.holds(client) {
                    return Some(client);
                }
            }
        }
        Some(client)
    }
}

/// `::ffff:10.0.0.0/104` in the configuration means `10.0.0.0/8`.
fn v4_mapped_contains(net: &IpNet, address: IpAddr) -> bool {
    match (net, address) {
        (IpNet::V6(net), IpAddr::V4(address)) if net.prefix_len() >= 96 => net.contains(&address.to_ipv6_mapped()),
        _ => false,
    }
}

/// The entries of an `X-Forwarded-For` line: addresses, bare, in brackets, or with a port, as gateways write them. Empty elements are
/// none (RFC 9110, section 5.6.1.2).
fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    let entries = line.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|entry| !entry.is_empty());
    entries.map(|entry| entry.parse().ok().or_else(|| node(entry))).collect()
}

/// The `for` of each element of a `Forwarded` line (RFC 7239, section 4); a line that cannot be read is one unknown entry.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let mut entries = Vec::new();
    let mut rest = line;
    loop {
        // Empty elements are none, here too.
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return entries;
        }
        let Some((entry, after)) = element(rest) else { return vec![None] };
        entries.push(entry);
        rest = after;
    }
}

/// One element, up to the comma or the end: its `for`, and what comes after it.
fn element(text: &str) -> Option<(Option<IpAddr>, &str)> {
    let mut client = None;
    let mut named = false;
    let mut rest = text;
    loop {
        rest = blank(rest);
        if rest.is_empty() || rest.starts_with(',') {
            return Some((client, rest));
        }
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, after) = value(after)?;
        if name.eq_ignore_ascii_case("for") {
            if named {
                return None;
            }
            named = true;
            client = node(&value);
        }
        rest = blank(after);
        match rest.strip_prefix(';') {
            Some(after) => rest = after,
            None if rest.is_empty() || rest.starts_with(',') => return Some((client, rest)),
            None => return None,
        }
    }
}

/// A token or a quoted string (RFC 9110, section 5.6.4), and what comes after it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(end)?;
        return (!token.is_empty()).then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

/// A node that is an address, with or without a port (RFC 7239, section 6): `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = |text: &str| -> Option<IpAddr> {
        match text.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
            None => text.parse().ok().map(IpAddr::V4),
        }
    };
    bare(text).or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn trust(source: ClientIp) -> TrustedProxies {
        TrustedProxies { proxies: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], source }
    }

    fn client(source: ClientIp, peer: &str, lines: &[&str]) -> Option<String> {
        let trust = trust(source);
        let name = if source == ClientIp::Forwarded { FORWARDED } else { X_FORWARDED_FOR };
        let headers: HeaderMap = lines.iter().map(|line| (name.clone(), line.parse::<HeaderValue>().unwrap())).collect();
        let peer: IpAddr = peer.parse().unwrap();
        trust.client(peer, trust.holds(peer), &headers).map(|address| address.to_string())
    }

    #[test]
    fn a_peer_that_is_not_trusted_speaks_for_itself_alone() {
        assert_eq!(client(ClientIp::XForwardedFor, "192.0.2.9", &["1.2.3.4"]).unwrap(), "192.0.2.9");
        assert_eq!(client(ClientIp::Forwarded, "192.0.2.9", &["for=1.2.3.4"]).unwrap(), "192.0.2.9");
        assert_eq!(client(ClientIp::Peer, "10.0.0.1", &["1.2.3.4"]).unwrap(), "10.0.0.1");
    }

    #[test]
    fn what_a_trusted_proxy_announces_counts_and_nothing_takes_its_place() {
        let (told, silent) = (trust(ClientIp::ProxyProtocol), trust(ClientIp::Peer));
        let [proxy, stranger, client]: [IpAddr; 3] = ["10.0.0.1", "192.0.2.9", "198.51.100.7"].map(|address| address.parse().unwrap());
        assert!(told.must_announce(proxy) && !told.must_announce(stranger) && !silent.must_announce(proxy));
        assert_eq!(told.far_end(proxy, Some(Announced::Client(client))), Some(client));
        assert_eq!(told.far_end(proxy, Some(Announced::Itself)), Some(proxy));
        assert_eq!(told.far_end(proxy, Some(Announced::Unknown)), None);
        assert_eq!(told.far_end(stranger, None), Some(stranger));
        // It was connected before it had to say so.
        assert_eq!(told.far_end(proxy, None), None);
        assert_eq!(silent.far_end(proxy, None), Some(proxy));
        assert!(!told.may_speak_of_others(proxy) && silent.may_speak_of_others(proxy));
    }

    #[test]
    fn the_right_most_entry_that_is_not_a_trusted_proxy_counts() {
        let of = |lines: &[&str]| client(ClientIp::XForwardedFor, "10.0.0.1", lines);
        assert_eq!(of(&["6.6.6.6, 1.2.3.4, 10.1.1.1"]).unwrap(), "1.2.3.4");
        assert_eq!(of(&["6.6.6.6", "1.2.3.4,10.1.1.1 "]).unwrap(), "1.2.3.4");
        assert_eq!(of(&["a, 1.2.3.4"]).unwrap(), "1.2.3.4");
        assert_eq!(of(&["10.2.2.2, 10.1.1.1"]).unwrap(), "10.2.2.2");
        assert_eq!(of(&[]).unwrap(), "10.0.0.1");
        assert_eq!(of(&["::ffff:1.2.3.4, ::ffff:10.1.1.1"]).unwrap(), "1.2.3.4");
    }

    #[test]
    fn a_port_brackets_and_empty_elements_are_no_garbage() {
        let of = |line| client(ClientIp::XForwardedFor, "10.0.0.1", &[line]);
        for (line, address) in [
            ("203.0.113.9:51234", "203.0.113.9"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("6.6.6.6, 203.0.113.9:51234, 10.1.1.1:80", "203.0.113.9"),
            ("203.0.113.9,, 10.1.1.1,", "203.0.113.9"),
            (" , ,", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(of(line).as_deref(), Some(address), "{line:?}");
        }
        let of = |line| client(ClientIp::Forwarded, "10.0.0.1", &[line]);
        for (line, address) in [("for=203.0.113.9,, for=10.1.1.1,", "203.0.113.9"), (",", "10.0.0.1"), ("", "10.0.0.1")] {
            assert_eq!(of(line).as_deref(), Some(address), "{line:?}");
        }
    }

    #[test]
    fn an_entry_that_cannot_be_read_makes_the_address_unknown() {
        for line in [
            "a",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:99999",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[1.2.3.4]",
            "fe80::1%eth0",
            "1.2.3.4 5",
            "01.2.3.4",
            "unknown",
            "\"1.2.3.4\"",
        ] {
            assert_eq!(client(ClientIp::XForwardedFor, "10.0.0.1", &[line]), None, "{line}");
        }
        for line in
            ["for=unknown", "for=_hidden", "for=\"1.2.3.4", "proto=http", "for=::1", "for=1.2.3.4;for=1.2.3.5", "for", "=", "for=a b"]
        {
            assert_eq!(client(ClientIp::Forwarded, "10.0.0.1", &[line]), None, "{line}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_writes_it() {
        let of = |line| client(ClientIp::Forwarded, "fd00::1", &[line]);
        assert_eq!(of("for=192.0.2.60;proto=http;by=203.0.113.43").unwrap(), "192.0.2.60");
        assert_eq!(of("For=\"[2001:db8:cafe::17]:4711\"").unwrap(), "2001:db8:cafe::17");
        assert_eq!(of("for=6.6.6.6, for=\"192.0.2.43:80\" , for=10.1.1.1").unwrap(), "192.0.2.43");
        assert_eq!(of("host=\"a,b;for=6.6.6.6\";for=\"\\1.2.3.4\"").unwrap(), "1.2.3.4");
        assert_eq!(of("for=\"[::ffff:1.2.3.4]\"").unwrap(), "1.2.3.4");
    }

    proptest! {
        #[test]
        fn no_header_makes_a_stranger_somebody_else(line in "[ -~]{0,60}") {
            for source in [ClientIp::XForwardedFor, ClientIp::Forwarded] {
                prop_assert_eq!(client(source, "192.0.2.9", &[&line]).unwrap(), "192.0.2.9");
                // And of a trusted peer, reading it never panics.
                let _ = client(source, "10.0.0.1", &[&line]);
            }
        }
    }
}
