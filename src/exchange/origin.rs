//! Where a request comes from.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::config::TokenSettings;
use crate::model::{CertificateFingerprint, ClientCertificate};
use crate::policy::{Facet, Reads};

/// Where a request comes from, as far as login policies may care.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address; `None`: not known, refused where policies read it.
    pub address: Option<IpAddr>,
    /// What the certificate says that the client has shown, if it has shown one.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// When it came, by the clock that the exchange was started with.
    pub at: Moment,
}

impl Origin {
    /// From this address, without a certificate.
    #[must_use]
    pub fn at_address(address: Option<IpAddr>, at: Moment) -> Self {
        Self { address, certificate: None, at }
    }

    /// The same with an IPv4-mapped address unmapped, should the caller have left one, and without a certificate that has ended.
    pub(super) fn canonical(&self) -> Self {
        let lasts = |certificate: &&Arc<ClientCertificate>| self.at.wall < certificate.not_after;
        Self {
            address: self.address.map(|address| address.to_canonical()),
            certificate: self.certificate.as_ref().filter(lasts).cloned(),
            at: self.at,
        }
    }

    /// The certificate that a token for this request is bound to.
    pub(super) fn confirmation(&self, settings: &TokenSettings) -> Option<CertificateFingerprint> {
        let shown = self.certificate.as_ref().filter(|_| settings.confirm_client_certificate);
        shown.map(|certificate| certificate.fingerprint)
    }

    /// What policies that read so much can tell of it.
    pub(super) fn facet(&self, reads: &Reads, quantum: Duration) -> Facet {
        reads.facet(self.address, self.certificate.as_deref(), self.at.wall, quantum)
    }
}
