//! What a client's certificate says, for login policies, the log and the end of its connection. Whether it is to be believed has been
//! decided by then.

use std::fmt::Write as _;
use std::net::IpAddr;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::certificate::{CertificateFields, DNS_NAME, EMAIL, IP_ADDRESS, URI};
use super::der::{Der, OID, SEQUENCE, SET};
use crate::model::{AlternativeNames, CertificateFingerprint, ClientCertificate};

/// What a type of attribute is called, and its number (RFC 4514, section 3). Others have no name, and their values are shown as bytes.
const NAMED: [(&[u8], &str); 9] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x09], "STREET"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
];

/// The first certificate of a PEM text, as policies would see it if a client had shown it.
///
/// # Errors
/// There is none, or it cannot be understood.
pub fn client_certificate_of_pem(pem: &[u8]) -> Result<ClientCertificate, &'static str> {
    let der = CertificateDer::from_pem_slice(pem).map_err(|_| "there is no certificate in it: PEM is wanted")?;
    read(&der).ok_or("the certificate in it cannot be understood")
}

/// What a certificate says. `None`: it is none.
pub(in crate::edge) fn read(der: &[u8]) -> Option<ClientCertificate> {
    let fields = CertificateFields::of(der)?;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    let texts = |tag: u8| {
        let names = fields.names.iter().filter(move |(of, _)| *of == tag).map(|(_, name)| name);
        names.filter(|name| name.is_ascii()).filter_map(|name| str::from_utf8(name).ok())
    };
    let addresses = fields.names.iter().filter(|(tag, _)| *tag == IP_ADDRESS).filter_map(|(_, address)| address_of(address));
    Some(ClientCertificate {
        subject: distinguished_name(fields.subject)?,
        issuer: distinguished_name(fields.issuer)?,
        serial: hex(unsigned(fields.serial)),
        fingerprint: CertificateFingerprint::from_bytes(fingerprint),
        san: AlternativeNames {
            dns: texts(DNS_NAME).map(str::to_ascii_lowercase).collect(),
            email: texts(EMAIL).map(str::to_owned).collect(),
            ip: addresses.collect(),
            uri: texts(URI).map(str::to_owned).collect(),
        },
        not_after: fields.not_after,
    })
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || bytes.first_chunk::<4>().filter(|_| bytes.len() == 4).map(|v4| IpAddr::from(*v4));
    let v6 = || bytes.first_chunk::<16>().filter(|_| bytes.len() == 16).map(|v6| IpAddr::from(*v6));
    v4().or_else(v6)
}

/// Without the byte that keeps a number from being negative.
fn unsigned(integer: &[u8]) -> &[u8] {
    match integer {
        [0, rest @ ..] if !rest.is_empty() => rest,
        other => other,
    }
}

/// A name as text, the last of its parts first (RFC 4514, section 2).
fn distinguished_name(name: &[u8]) -> Option<String> {
    let (mut parts, mut name) = (Vec::new(), Der(name));
    while !name.0.is_empty() {
        let (mut attributes, mut part) = (Vec::new(), Der(name.take(SET)?));
        while !part.0.is_empty() {
            let mut attribute = Der(part.take(SEQUENCE)?);
            attributes.push(attribute_text(attribute.take(OID)?, &mut attribute)?);
            if !attribute.0.is_empty() {
                return None;
            }
        }
        if attributes.is_empty() {
            return None;
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

fn attribute_text(kind: &[u8], value: &mut Der<'_>) -> Option<String> {
    let (tag, content, whole) = value.next_whole()?;
    let as_bytes = || format!("#{}", hex(whole));
    Some(match NAMED.iter().find(|(number, _)| *number == kind) {
        Some((_, name)) => format!("{name}={}", text_of(tag, content).map_or_else(as_bytes, |text| escaped(&text))),
        None => format!("{}={}", dotted(kind)?, as_bytes()),
    })
}

/// A text of one of the kinds that names are written in (RFC 5280, section 4.1.2.4). `None`: it is none.
fn text_of(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        // UTF8String
        0x0c => String::from_utf8(content.to_vec()).ok(),
        // NumericString, PrintableString, IA5String
        0x12 | 0x13 | 0x16 => String::from_utf8(content.to_vec()).ok().filter(|text| text.is_ascii()),
        // UniversalString
        0x1c => {
            let (characters, rest) = content.as_chunks::<4>();
            rest.is_empty().then(|| characters.iter().map(|character| char::from_u32(u32::from_be_bytes(*character))).collect())?
        }
        // BMPString
        0x1e => {
            let (units, rest) = content.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// RFC 4514, section 2.4; what would end a line of a log is escaped, too.
fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (place, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', character]),
            '#' if place == 0 => escaped.push_str("\\#"),
            ' ' if place == 0 || place == last => escaped.push_str("\\ "),
            control if control.is_control() => {
                for byte in control.encode_utf8(&mut [0; 4]).bytes() {
                    _ = write!(escaped, "\\{byte:02x}");
                }
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// An object's number with dots. `None`: it is none, or longer than any that there is.
fn dotted(oid: &[u8]) -> Option<String> {
    let (mut arcs, mut arc) = (Vec::new(), 0_u64);
    for byte in oid {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            // The first two stand in one.
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.extend([first, arc.saturating_sub(first * 40)]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    let is_whole = oid.last().is_some_and(|byte| byte & 0x80 == 0);
    is_whole.then(|| arcs.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn attribute(kind: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        tlv(SEQUENCE, &[tlv(OID, kind), tlv(tag, value)].concat())
    }

    /// Of parts with one attribute each.
    fn name(attributes: &[Vec<u8>]) -> Option<String> {
        distinguished_name(&attributes.iter().flat_map(|attribute| tlv(SET, attribute)).collect::<Vec<_>>())
    }

    const CN: &[u8] = &[0x55, 0x04, 0x03];
    const O: &[u8] = &[0x55, 0x04, 0x0a];

    #[test]
    fn a_name_is_written_from_its_end_and_nothing_in_it_can_pass_for_another_part() {
        assert_eq!(name(&[]).unwrap(), "");
        assert_eq!(name(&[attribute(O, 0x13, b"Example"), attribute(CN, 0x0c, b"ci")]).unwrap(), "CN=ci,O=Example");
        for (value, expected) in [
            ("ci,O=Other", "CN=ci\\,O=Other"),
            ("ci+OU=x", "CN=ci\\+OU=x"),
            ("a\\b\"c;d<e>f=g", "CN=a\\\\b\\\"c\\;d\\<e\\>f=g"),
            ("#ci", "CN=\\#ci"),
            ("c#i", "CN=c#i"),
            (" ci ", "CN=\\ ci\\ "),
            (" ", "CN=\\ "),
            ("a  b", "CN=a  b"),
            ("a\0b\nc", "CN=a\\00b\\0ac"),
            ("\u{85}", "CN=\\c2\\85"),
            ("Lučić", "CN=Lučić"),
            ("", "CN="),
        ] {
            assert_eq!(name(&[attribute(CN, 0x0c, value.as_bytes())]).unwrap(), expected, "{value:?}");
        }
        let two = tlv(SET, &[attribute(CN, 0x0c, b"a"), attribute(O, 0x0c, b"b")].concat());
        assert_eq!(distinguished_name(&two).unwrap(), "CN=a+O=b");
    }

    #[test]
    fn a_value_is_text_in_whatever_way_names_are_written_and_else_bytes() {
        for (tag, value, expected) in [
            (0x13, &b"ci"[..], "CN=ci"),
            (0x16, b"ci", "CN=ci"),
            (0x1e, b"\0c\x01\x0d", "CN=c\u{10d}"),
            (0x1c, b"\0\0\0c\0\x01\xf5\x11", "CN=c\u{1f511}"),
            (0x0c, b"\xff", "CN=#0c01ff"),
            (0x13, b"\xc3\xa9", "CN=#1302c3a9"),
            (0x1e, b"\0c\0", "CN=#1e03006300"),
            (0x1e, b"\xd8\0", "CN=#1e02d800"),
            (0x14, b"ci", "CN=#14026369"),
            (0x02, b"\x07", "CN=#020107"),
        ] {
            assert_eq!(name(&[attribute(CN, tag, value)]).unwrap(), expected);
        }
        // 1.2.840.113549.1.9.1, which has no name.
        let email = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
        assert_eq!(name(&[attribute(&email, 0x16, b"a@b")]).unwrap(), "1.2.840.113549.1.9.1=#1603614062");
        assert_eq!(name(&[attribute(&[0x88, 0x37], 0x0c, b"x")]).unwrap(), "2.999=#0c0178");
        assert_eq!(name(&[attribute(&[0x2a, 0x86], 0x0c, b"x")]), None);
        assert_eq!(name(&[attribute(&[0xff; 12], 0x0c, b"x")]), None);
        assert_eq!((name(&[vec![0x30, 9]]), name(&[Vec::new()])), (None, None));
    }

    #[test]
    fn a_number_has_no_byte_that_is_there_for_its_sign() {
        assert_eq!(hex(unsigned(&[0, 0xff, 1])), "ff01");
        assert_eq!(hex(unsigned(&[0])), "00");
        assert_eq!(hex(unsigned(&[0x4f])), "4f");
    }
}
