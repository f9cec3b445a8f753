//! What a certificate says of itself (RFC 5280), as far as whoever set it up must hear of it: for how long it holds, for which names, and
//! whether clients still trust its kind. What it is worth is decided by whoever is shown it, and not here.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::der::{BIT_STRING, Der, INTEGER, OCTET_STRING, OID, SEQUENCE};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
pub(super) const EMAIL: u8 = 0x81;
pub(super) const DNS_NAME: u8 = 0x82;
pub(super) const URI: u8 = 0x86;
pub(super) const IP_ADDRESS: u8 = 0x87;

/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// What is signed with these can be forged, or nobody takes it any more: RSA with MD5, RSA with SHA-1, ECDSA with SHA-1.
const BROKEN_SIGNATURES: [(&[u8], &str); 3] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], "MD5"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], "SHA-1"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], "SHA-1"),
];
/// Shorter keys of RSA are taken by no current client.
const RSA_BITS_MIN: usize = 2048;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// Names of hosts that it is for, in small letters; `*.` may begin one.
    pub(super) names: Vec<String>,
    /// Whether it is for any name or address: a client looks at nothing but those.
    pub(super) has_names: bool,
    /// Why clients will not trust it, if they will not.
    pub(super) weakness: Option<String>,
}

/// The parts of a certificate that anybody here looks at, as they stand in it.
pub(super) struct CertificateFields<'a> {
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) subject: &'a [u8],
    key: &'a [u8],
    /// What it is signed with.
    algorithm: &'a [u8],
    /// The subject's alternative names, each with its tag.
    pub(super) names: Vec<(u8, &'a [u8])>,
}

impl<'a> CertificateFields<'a> {
    /// `None`: it is no certificate.
    pub(super) fn of(der: &'a [u8]) -> Option<Self> {
        let mut outer = Der(Der(der).take(SEQUENCE)?);
        let mut signed = Der(outer.take(SEQUENCE)?);
        let algorithm = Der(outer.take(SEQUENCE)?).take(OID)?;

        let _ = signed.take_if(VERSION);
        let serial = signed.take(INTEGER)?;
        let _algorithm = signed.take(SEQUENCE)?;
        let issuer = signed.take(SEQUENCE)?;
        let mut validity = Der(signed.take(SEQUENCE)?);
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        let subject = signed.take(SEQUENCE)?;
        let key = signed.take(SEQUENCE)?;
        let mut names = Vec::new();
        while let Some((tag, content)) = signed.next() {
            if tag == EXTENSIONS {
                names = names_of(Der(content).take(SEQUENCE)?)?;
            }
        }
        Some(Self { serial, issuer, not_before, not_after, subject, key, algorithm, names })
    }
}

impl Certificate {
    /// `None`: it is no certificate.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let fields = CertificateFields::of(der)?;
        let names = fields.names.iter().filter(|(tag, _)| *tag == DNS_NAME).filter_map(|(_, name)| str::from_utf8(name).ok());
        Some(Self {
            not_before: fields.not_before,
            not_after: fields.not_after,
            names: names.map(str::to_ascii_lowercase).collect(),
            has_names: fields.names.iter().any(|(tag, _)| [DNS_NAME, IP_ADDRESS].contains(tag)),
            weakness: weak_signature(fields.algorithm).or_else(|| weak_key(fields.key)),
        })
    }

    /// Whether it is for this host. A `*` stands for one whole label (RFC 6125, section 6.4.3).
    pub(super) fn is_for(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
            None => host.eq_ignore_ascii_case(name),
        })
    }
}

/// The general names in the extension that holds them, each with its tag.
fn names_of(extensions: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut extensions = Der(extensions);
    while let Some((tag, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if tag != SEQUENCE || extension.take(OID)? != SUBJECT_ALT_NAME {
            continue;
        }
        while let Some((tag, content)) = extension.next() {
            if tag == OCTET_STRING {
                let mut names = Der(Der(content).take(SEQUENCE)?);
                return Some(std::iter::from_fn(|| names.next()).collect());
            }
        }
    }
    Some(Vec::new())
}

fn weak_signature(algorithm: &[u8]) -> Option<String> {
    let (_, digest) = BROKEN_SIGNATURES.iter().find(|(broken, _)| *broken == algorithm)?;
    Some(format!("it is signed with {digest}, which no current client trusts"))
}

fn weak_key(key: &[u8]) -> Option<String> {
    let mut key = Der(key);
    if Der(key.take(SEQUENCE)?).take(OID)? != RSA {
        return None;
    }
    // Behind the number of bits that are left over, which is none.
    let bits = key.take(BIT_STRING)?.get(1..)?;
    let modulus = Der(Der(bits).take(SEQUENCE)?).take(INTEGER)?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let size = modulus.get(first..)?;
    let bits = (size.len() * 8).saturating_sub(size.first()?.leading_zeros() as usize);
    (bits < RSA_BITS_MIN).then(|| format!("its RSA key has {bits} bits, and no current client takes fewer than {RSA_BITS_MIN}"))
}

/// RFC 5280, section 4.1.2.5. A certificate without an end says the last second of the year 9999.
fn time(der: &mut Der<'_>) -> Option<Timestamp> {
    let (tag, text) = der.next()?;
    let text = str::from_utf8(text).ok()?;
    let text = match tag {
        GENERALIZED_TIME => text.to_owned(),
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    Some(Offset::UTC.to_timestamp(time).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Certificate {
        Certificate {
            not_before: Timestamp::MIN,
            not_after: Timestamp::MAX,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            has_names: true,
            weakness: None,
        }
    }

    #[test]
    fn a_star_stands_for_one_whole_label() {
        let certificate = named(&["*.example.com", "example.org"]);
        for host in ["a.example.com", "A.Example.Com", "example.org", "example.org."] {
            assert!(certificate.is_for(host), "{host}");
        }
        for host in ["example.com", "a.b.example.com", ".example.com", "a.example.org", ""] {
            assert!(!certificate.is_for(host), "{host}");
        }
    }

    #[test]
    fn what_is_cut_short_or_says_impossible_lengths_is_no_certificate() {
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            &[0x30, 2, 0x30],
        ] {
            assert_eq!(Certificate::read(der), None, "{der:?}");
        }
    }
}
