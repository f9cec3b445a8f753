//! `tls`: what a listener proves itself by, and whom it asks to do so, too; whom the upstream is taken for, and what it is shown.

use std::net::IpAddr;
use std::path::PathBuf;

use super::parse::{ValueError, one_of, path, text};
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

/// How TLS is spoken to the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTlsSettings {
    /// Who alone vouches for it, a file of PEM certificates; without one, those that browsers go by.
    pub ca: Option<PathBuf>,
    /// What it is shown if it asks: the chain, and the key of its first certificate. Both or neither.
    pub cert: Option<PathBuf>,
    /// The key.
    pub key: Option<PathBuf>,
    /// Whose certificate it must show, and which name is asked for, if that is not the host of the URL.
    pub name: Option<String>,
}

impl UpstreamTlsSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            ca: section.optional_live_path("ca"),
            cert: section.optional_live_path("cert"),
            key: section.optional_live_path("key"),
            name: section.live("name", None, text(|name| host_name(name).map(Some))),
        }
    }

    /// What it is shown if it asks.
    pub fn pair(&self) -> Option<TlsPair> {
        Some(TlsPair { cert: self.cert.clone()?, key: self.key.clone()? })
    }

    /// The files that are read for it.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.ca.iter().chain(&self.cert).chain(&self.key)
    }
}

/// The name of a host (RFC 1123, section 2.1), or an address.
fn host_name(text: &str) -> Result<String, ValueError> {
    if can_be_certified(text) {
        return Ok(text.to_owned());
    }
    Err(ValueError::new(format!("{text:?} is not the name of a host"))
        .suggest("names look like \"api.example.com\", without a scheme or a port"))
}

/// Whether a certificate can be for it: an address, or a name (RFC 1123, section 2.1; `_` is common inside of networks).
pub(super) fn can_be_certified(host: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        (1..=63).contains(&label.len()) && allowed && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_name = name.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit());
    is_name || host.parse::<IpAddr>().is_ok()
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
