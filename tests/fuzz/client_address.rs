//! Whatever stands to the left in a header, what the trusted proxy has written at its right decides.

use std::net::{IpAddr, Ipv4Addr};

use claviger::edge::fuzzing::{Source, client_address};

use crate::{Target, kind};

pub(crate) static CLIENT_ADDRESS: Target = Target {
    name: "client_address",
    seeds,
    words: &[
        ",",
        ";",
        "for=",
        "by=",
        "proto=http",
        "\"",
        "[",
        "]",
        ":",
        "::ffff:",
        "10.1.2.3",
        "203.0.113.9:51234",
        "[2001:db8::7]:443",
        "_hidden",
        "unknown",
        "\\",
        " ",
        "\t",
        "%eth0",
    ],
    run,
};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));

fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "203.0.113.9",
        "203.0.113.9, 10.1.2.3",
        "203.0.113.9:51234",
        "[2001:db8::7]:443, 10.0.0.9",
        "for=203.0.113.9;by=10.0.0.1",
        "for=\"[2001:db8::7]:443\", for=10.0.0.2",
        "for=_hidden",
        "for=unknown;proto=https",
        "for=\"\\2\"",
        ", ,,",
    ];
    lines.map(|line| line.as_bytes().to_vec()).to_vec()
}

fn run(line: &[u8]) -> u64 {
    let mut kinds = Vec::new();
    for (source, entry) in [(Source::XForwardedFor, CLIENT.to_string()), (Source::Forwarded, format!("for={CLIENT}"))] {
        // The peer is trusted, as all of 10.0.0.0/8 is.
        let alone = client_address(source, PEER, &[line]);
        // A line of its own behind what the client has sent: that is what a proxy does that adds one.
        let below = client_address(source, PEER, &[line, entry.as_bytes()]);
        assert!(matches!(below, None | Some(CLIENT)), "{source:?}: {below:?} is not what the proxy said");
        if let Ok(text) = std::str::from_utf8(line)
            && source == Source::XForwardedFor
            && alone.is_some()
        {
            // In the same line, as most do.
            let joined = client_address(source, PEER, &[format!("{text}, {entry}").as_bytes()]);
            assert_eq!(joined, Some(CLIENT), "{source:?}");
        }
        if let Some(address) = alone
            && address != PEER
        {
            let text = String::from_utf8_lossy(line).to_ascii_lowercase();
            let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).take(2).collect::<String>();
            assert!(
                address.is_ipv6() || text.contains(&address.to_string()) || text.contains("ffff"),
                "{address} stands nowhere in {text}"
            );
            assert!(!digits(&text).is_empty());
        }
        // Nobody but a trusted peer is believed.
        assert_eq!(client_address(source, CLIENT, &[line]), Some(CLIENT));
        kinds.push(alone.map(|address| (address.is_ipv4(), address == PEER)));
    }
    kind((kinds, line.split(|byte| *byte == b',').count().min(5)))
}
