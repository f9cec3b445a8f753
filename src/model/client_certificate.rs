//! What the certificate that a client has shown says of its owner.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hexadecimal::{Hexadecimal, read_hexadecimal};
use super::id::Invalid;

/// What the certificate that a client has shown says of its owner. As JSON it is what login policies see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// Whose it is: a distinguished name as text (RFC 4514).
    pub subject: String,
    /// Who has issued it, in the same way.
    pub issuer: String,
    /// Its number among those of its issuer, as hexadecimal digits.
    pub serial: String,
    /// Of the whole certificate: two certificates of one fingerprint are one.
    pub fingerprint: CertificateFingerprint,
    /// What else it names its owner.
    pub san: AlternativeNames,
    /// When it ends; nothing that policies see.
    #[serde(skip, default = "never")]
    pub not_after: Timestamp,
}

/// The names in a certificate beside its subject (RFC 5280, section 4.2.1.6), in its order. Other kinds of names are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlternativeNames {
    /// Names of hosts, in small letters.
    #[serde(default)]
    pub dns: Vec<String>,
    /// Addresses of mail.
    #[serde(default)]
    pub email: Vec<String>,
    /// Addresses of hosts.
    #[serde(default)]
    pub ip: Vec<IpAddr>,
    /// Such as `spiffe://example.org/ns/shop/sa/orders`.
    #[serde(default)]
    pub uri: Vec<String>,
}

fn never() -> Timestamp {
    Timestamp::MAX
}

/// SHA-256 over a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateFingerprint([u8; 32]);

impl CertificateFingerprint {
    /// From its 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// As hexadecimal digits, in small letters.
impl fmt::Display for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hexadecimal(&self.0), f)
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CertificateFingerprint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        read_hexadecimal(text)
            .map(Self)
            .ok_or_else(|| Invalid::new("the fingerprint of a certificate", text, "it must be 64 hexadecimal digits"))
    }
}

impl Serialize for CertificateFingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CertificateFingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
