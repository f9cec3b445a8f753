//! What a certificate says of itself (RFC 5280), as far as whoever set it up must hear of it: for how long it holds, for which names, and
//! whether clients still trust its kind. What it is worth is decided by whoever is shown it, and not here.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

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

impl Certificate {
    /// `None`: it is no certificate.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let mut outer = Der(Der(der).take(SEQUENCE)?);
        let mut signed = Der(outer.take(SEQUENCE)?);
        let algorithm = Der(outer.take(SEQUENCE)?).take(OID)?;

        let _ = signed.take_if(VERSION);
        let _serial_number = signed.take(INTEGER)?;
        let _algorithm = signed.take(SEQUENCE)?;
        let _issuer = signed.take(SEQUENCE)?;
        let mut validity = Der(signed.take(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let _subject = signed.take(SEQUENCE)?;
        let key = signed.take(SEQUENCE)?;
        let mut extensions = Vec::new();
        while let Some((tag, content)) = signed.next() {
            if tag == EXTENSIONS {
                extensions = names_of(Der(content).take(SEQUENCE)?)?;
            }
        }
        let names = extensions.iter().filter(|(tag, _)| *tag == DNS_NAME).filter_map(|(_, name)| str::from_utf8(name).ok());
        Some(Self {
            not_before,
            not_after,
            names: names.map(str::to_ascii_lowercase).collect(),
            has_names: extensions.iter().any(|(tag, _)| [DNS_NAME, IP_ADDRESS].contains(tag)),
            weakness: weak_signature(algorithm).or_else(|| weak_key(key)),
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

/// Values of DER (X.690) one after another.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and its content. `None`: there is none, or it is not whole.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(first) {
            short @ 0..0x80 => (short, rest),
            long => {
                let (digits, rest) = rest.split_at_checked(long & 0x7f).filter(|(digits, _)| (1..=4).contains(&digits.len()))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which must be one of these.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The content of the next value if it is one of these; else it is left.
    fn take_if(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.take(tag) } else { None }
    }

    /// RFC 5280, section 4.1.2.5. A certificate without an end says the last second of the year 9999.
    fn time(&mut self) -> Option<Timestamp> {
        let (tag, text) = self.next()?;
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
