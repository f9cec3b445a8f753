//! What a proxy in front says of its client: read in one way however it is cut, and never of bytes that do not say it.

use std::net::IpAddr;

use claviger::edge::fuzzing::{Announced, proxy_header};

use crate::proxy::halves;
use crate::{Target, kind};

pub(crate) static PROXY_HEADER: Target = Target {
    name: "proxy_header",
    seeds,
    words: &[
        "PROXY ",
        "PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\r\n",
        "TCP4 ",
        "TCP6 ",
        "UNKNOWN",
        "192.0.2.7",
        "::ffff:192.0.2.7",
        "2001:db8::7",
        "65535",
        "\r\n\r\n\0\r\nQUIT\n",
        "\u{20}\0\0\0",
        "!\u{11}\0\u{c}",
        "!!\0\u{24}",
        "!1\0\u{d8}",
        "\u{3}\0\u{4}",
        "\u{4}\0\u{1}x",
        "\r\n",
        "\n",
        "\r",
        " ",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let binary = |fixed: &[u8], block: &[u8]| [&signature[..], fixed, block, b"GET /"].concat();
    vec![
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\r\nGET /".to_vec(),
        b"PROXY TCP6 2001:db8::7 ::1 51234 443\r\nGET /".to_vec(),
        b"PROXY UNKNOWN ffff\r\n".to_vec(),
        binary(b"\x20\0\0\0", b""),
        binary(b"\x21\x11\0\x0c", &[192, 0, 2, 7, 10, 0, 0, 1, 1, 1, 1, 1]),
        binary(b"\x21\x11\0\x13", b"\xc0\0\x02\x07\x0a\0\0\x01\x01\x01\x01\x01\x03\0\x04\x12\x34\x56\x78"),
        binary(b"\x21\x21\0\x24", &[7; 36]),
        binary(b"\x21\x31\0\xd8", &[7; 216]),
    ]
}

fn run(bytes: &[u8]) -> u64 {
    let whole = proxy_header(bytes);
    for [first, _] in halves(bytes) {
        match (proxy_header(first), &whole) {
            // What comes later changes nothing of what has been read.
            (Ok(Some(early)), whole) => assert_eq!(*whole, Ok(Some(early))),
            (Err(early), whole) => assert_eq!(*whole, Err(early)),
            (Ok(None), _) => {}
        }
    }
    if let Ok(Some((announced, end))) = whole {
        let header = bytes.get(..end).expect("it stands there");
        assert_eq!(proxy_header(header), whole, "what follows it says nothing");
        assert_eq!(proxy_header(&header[..end - 1]), Ok(None), "all of it is needed");
        if let Announced::Client(address) = announced {
            assert_eq!(address, address.to_canonical());
            let said = match header.strip_prefix(b"PROXY ") {
                Some(line) => {
                    let mut fields = std::str::from_utf8(line).expect("an address stands in it").split(' ').skip(1);
                    let source: Option<IpAddr> = fields.next().and_then(|field| field.parse().ok());
                    source.map(|source| source.to_canonical())
                }
                None => match address {
                    IpAddr::V4(v4) if header[16..].starts_with(&v4.octets()) => Some(address),
                    IpAddr::V4(v4) => header[16..].starts_with(&v4.to_ipv6_mapped().octets()).then_some(address),
                    IpAddr::V6(v6) => header[16..].starts_with(&v6.octets()).then_some(address),
                },
            };
            assert_eq!(said, Some(address), "it is not what stands there");
        }
    }
    let announced = whole.map(|header| {
        header.map(|(announced, end)| (matches!(announced, Announced::Client(IpAddr::V4(_))), announced == Announced::Itself, end.min(60)))
    });
    kind((format!("{announced:?}"), bytes.len().min(20)))
}
