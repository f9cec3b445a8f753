//! Where a request comes from.

use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Moment;
use crate::policy::{Facet, Reads};

/// Where a request comes from, as far as login policies may care.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The client's address; `None`: not known, refused where policies read it.
    pub address: Option<IpAddr>,
    /// When it came, by the clock that the exchange was started with.
    pub at: Moment,
}

impl Origin {
    /// The same with an IPv4-mapped address unmapped, should the caller have left one.
    pub(super) fn canonical(self) -> Self {
        Self { address: self.address.map(|address| address.to_canonical()), ..self }
    }

    /// What policies that read so much can tell of it.
    pub(super) fn facet(&self, reads: &Reads, quantum: Duration) -> Facet {
        reads.facet(self.address, self.at.wall, quantum)
    }
}
