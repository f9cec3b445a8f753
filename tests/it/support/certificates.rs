//! Certificates as a test wants them, sound or not, written byte for byte (RFC 5280) and signed here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use claviger::clock::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};

/// Who signs certificates.
pub(crate) struct Authority {
    key: EcdsaKeyPair,
    name: &'static str,
    der: Vec<u8>,
}

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) der: Vec<u8>,
    key: Vec<u8>,
}

/// What a certificate is to say.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) subject: &'a str,
    /// Names of hosts, addresses of hosts and of mail, or URIs.
    pub(crate) names: &'a [&'a str],
    /// From now on, in hours.
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { subject: "server", names: &["localhost", "127.0.0.1"], from: -1, to: 24 }
    }
}

impl Authority {
    pub(crate) fn new(name: &'static str) -> Self {
        let key = new_key();
        let constraints = extension(&[0x55, 0x1d, 0x13], true, &sequence(&[&[0x01, 0x01, 0xff]]));
        let der = certificate(&key, name, &key, &Wish { subject: name, names: &[], from: -1, to: 48 }, &constraints);
        Self { key, name, der }
    }

    pub(crate) fn issue(&self, wish: Wish<'_>) -> Issued {
        let key = new_key();
        let names: Vec<u8> = wish.names.iter().flat_map(|name| general_name(name)).collect();
        let names = if names.is_empty() { Vec::new() } else { extension(&[0x55, 0x1d, 0x11], false, &tlv(0x30, &names)) };
        let der = certificate(&self.key, self.name, &key, &wish, &names);
        Issued { der, key: key.to_pkcs8v1().unwrap().as_ref().to_vec() }
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn write(&self, file: &Path) -> PathBuf {
        std::fs::write(file, pem("CERTIFICATE", &self.der)).unwrap();
        file.to_owned()
    }
}

impl Issued {
    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// As `tls.crt` and `tls.key`, as Kubernetes calls them.
    pub(crate) fn write(&self, dir: &Path) -> [PathBuf; 2] {
        std::fs::create_dir_all(dir).unwrap();
        let (cert, key) = (dir.join("tls.crt"), dir.join("tls.key"));
        std::fs::write(&cert, self.pem()).unwrap();
        std::fs::write(&key, pem("PRIVATE KEY", &self.key)).unwrap();
        [cert, key]
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        self.key.clone()
    }
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn certificate(signer: &EcdsaKeyPair, issuer: &str, key: &EcdsaKeyPair, wish: &Wish<'_>, extensions: &[u8]) -> Vec<u8> {
    // ecdsa-with-SHA256
    let algorithm = sequence(&[&tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])]);
    // id-ecPublicKey, prime256v1
    let curve =
        sequence(&[&tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]), &tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07])]);
    let public = [&[0], key.public_key().as_ref()].concat();
    let mut serial = [0; 8];
    getrandom::fill(&mut serial).unwrap();
    serial[0] = serial[0] & 0x3f | 0x40;
    let mut parts = vec![
        tlv(0xa0, &tlv(0x02, &[2])),
        tlv(0x02, &serial),
        algorithm.clone(),
        name(issuer),
        sequence(&[&time(wish.from), &time(wish.to)]),
        name(wish.subject),
        sequence(&[&curve, &tlv(0x03, &public)]),
    ];
    if !extensions.is_empty() {
        parts.push(tlv(0xa3, &tlv(0x30, extensions)));
    }
    let body = tlv(0x30, &parts.concat());
    let signature = signer.sign(&SystemRandom::new(), &body).unwrap();
    sequence(&[&body, &algorithm, &tlv(0x03, &[&[0], signature.as_ref()].concat())])
}

fn name(common: &str) -> Vec<u8> {
    let pair = sequence(&[&tlv(0x06, &[0x55, 0x04, 0x03]), &tlv(0x0c, common.as_bytes())]);
    sequence(&[&tlv(0x31, &pair)])
}

fn time(hours: i64) -> Vec<u8> {
    let at: Timestamp = SystemClock::start().now().wall + SignedDuration::from_hours(hours);
    tlv(0x17, at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
}

fn general_name(name: &str) -> Vec<u8> {
    match name.parse() {
        Ok(IpAddr::V4(ip)) => tlv(0x87, &ip.octets()),
        Ok(IpAddr::V6(ip)) => tlv(0x87, &ip.octets()),
        Err(_) if name.contains("://") => tlv(0x86, name.as_bytes()),
        Err(_) if name.contains('@') => tlv(0x81, name.as_bytes()),
        Err(_) => tlv(0x82, name.as_bytes()),
    }
}

fn extension(oid: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&tlv(0x06, oid), critical, &tlv(0x04, content)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend_from_slice(content);
    out
}
