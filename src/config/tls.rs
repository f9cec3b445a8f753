//! `tls` of a listener: what it proves itself by, and whom it asks to do so, too.

use std::path::PathBuf;

use super::parse::{one_of, path};
use super::reader::{Section, TakesEffect};

/// A certificate and its key: two PEM files, the first with the certificates in between behind the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPair {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The key of the first certificate.
    pub key: PathBuf,
}

/// Whether clients are asked for certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nobody is asked.
    #[default]
    Off,
    /// Who has none is let in all the same; who has one that `client_ca` does not vouch for is not.
    Optional,
    /// Who has none is not let in.
    Required,
}

impl ClientCertificates {
    /// As the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }

    pub(super) fn read(section: &mut Section<'_, '_>, name: &str) -> Self {
        section.live(name, Self::default(), one_of(&[Self::Off, Self::Optional, Self::Required].map(|when| (when.as_str(), when))))
    }
}

impl TlsPair {
    /// Those of a listener: `tls = { cert, key }`, or a list of such tables. Empty: it speaks no TLS.
    pub(super) fn read_all(section: &mut Section<'_, '_>) -> Vec<Self> {
        let pairs = section.one_or_more("tls", |pair| {
            let mut file = |name| {
                let written = pair.required(name, TakesEffect::Live, path)?;
                Some(pair.resolve(name, written))
            };
            let (cert, key) = (file("cert"), file("key"));
            // What is missing or wrong has been told.
            Some(Self { cert: cert?, key: key? })
        });
        pairs.into_iter().flatten().collect()
    }
}
