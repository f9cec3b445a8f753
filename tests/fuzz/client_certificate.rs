//! What a client's certificate says: nothing in a name passes for another part of it, or for the end of a line.

use claviger::edge::fuzzing::client_certificate;

use crate::{Target, kind};

pub(crate) static CLIENT_CERTIFICATE: Target = Target {
    name: "client_certificate",
    seeds,
    words: &[
        "\u{30}\u{2}",
        "\u{31}\u{d}",
        "\u{6}\u{3}U\u{4}\u{3}",
        "\u{6}\u{3}U\u{4}\u{a}",
        "\u{c}\u{2}ci",
        "\u{13}\u{2}ci",
        "\u{1e}\u{4}\0c\0i",
        "\u{1c}\u{4}\0\0\0c",
        ",CN=",
        "+",
        "\\",
        "#",
        "\0",
        "\n",
        " ",
        "\u{85}",
    ],
    run,
};

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    if (high, low) < (0, 0x80) { [&[tag, low], content].concat() } else { [&[tag, 0x82, high, low], content].concat() }
}

/// Parts of a name: the last byte of each type, the tag of each value, and the value.
fn name(parts: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let part = |(kind, tag, value): &(u8, u8, &[u8])| tlv(0x31, &tlv(0x30, &[tlv(0x06, &[0x55, 0x04, *kind]), tlv(*tag, value)].concat()));
    tlv(0x30, &parts.iter().flat_map(part).collect::<Vec<_>>())
}

fn certificate(subject: &[u8], names: &[(u8, &[u8])]) -> Vec<u8> {
    let algorithm = tlv(0x30, &tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
    let validity = tlv(0x30, &[tlv(0x17, b"260101000000Z"), tlv(0x18, b"20360101000000Z")].concat());
    let names: Vec<u8> = names.iter().flat_map(|(tag, name)| tlv(*tag, name)).collect();
    let alternative = tlv(0x30, &[tlv(0x06, &[0x55, 0x1d, 0x11]), tlv(0x04, &tlv(0x30, &names))].concat());
    let body = [
        tlv(0xa0, &tlv(0x02, &[2])),
        tlv(0x02, &[0, 0xff, 1]),
        algorithm.clone(),
        name(&[(3, 0x0c, b"ca")]),
        validity,
        subject.to_vec(),
        tlv(0x30, &algorithm),
        tlv(0xa3, &tlv(0x30, &alternative)),
    ];
    tlv(0x30, &[tlv(0x30, &body.concat()), algorithm, tlv(0x03, &[0])].concat())
}

fn seeds() -> Vec<Vec<u8>> {
    let names: [(u8, &[u8]); 5] =
        [(0x82, b"ci.example.com"), (0x86, b"spiffe://a/b"), (0x81, b"a@b"), (0x87, &[192, 0, 2, 7]), (0x87, &[7; 16])];
    vec![
        certificate(&name(&[(10, 0x13, b"Example"), (3, 0x0c, b"ci")]), &names),
        certificate(&name(&[(3, 0x0c, b" a,b+c\\d#\n\0 ")]), &[]),
        certificate(&name(&[(3, 0x1e, b"\0c\0i"), (6, 0x1c, b"\0\0\0d"), (7, 0x14, b"T61")]), &names[..1]),
        certificate(&name(&[]), &[]),
    ]
}

/// The parts of a name as text, by the rules of RFC 4514 alone.
fn parts(name: &str) -> Vec<String> {
    let (mut parts, mut part, mut characters) = (Vec::new(), String::new(), name.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' => part.extend(['\\', characters.next().expect("something is escaped")]),
            ',' | '+' => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    if !name.is_empty() {
        parts.push(part);
    }
    parts
}

fn run(bytes: &[u8]) -> u64 {
    let Some(read) = client_certificate(bytes) else { return kind("none") };
    let mut shapes = Vec::new();
    for name in [&read.subject, &read.issuer] {
        assert!(!name.chars().any(char::is_control), "{name:?}");
        for part in parts(name) {
            let (kind, value) = part.split_once('=').unwrap_or_else(|| panic!("{part:?} of {name:?}"));
            let is_named = kind.bytes().all(|byte| byte.is_ascii_uppercase());
            assert!(is_named || kind.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{part:?}");
            assert!(is_named || value.starts_with('#'), "{part:?}");
            shapes.push((kind.len().min(8), value.starts_with('#'), value.contains('\\')));
        }
    }
    assert!(read.serial.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(read.san.dns.iter().all(|name| name.is_ascii() && !name.bytes().any(|byte| byte.is_ascii_uppercase())));
    let san = &read.san;
    kind((shapes, san.dns.len().min(3), san.email.len().min(3), san.ip.len().min(3), san.uri.len().min(3)))
}
