//! What all policies in force can read of a request, and the part of a request that an answer was made for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ipnet::IpNet;
use jiff::Timestamp;

use super::calendar::Calendar;
use super::extent::{Depends, ReadExtent};
use super::networks::Networks;
use crate::model::{CertificateFingerprint, ClientCertificate};

/// What the policies in force can read of a request.
#[derive(Debug, Default)]
pub struct Reads {
    address: ReadExtent<Networks>,
    /// Whether they can tell one client's certificate from another, or from none. If so, each is a class by itself.
    certificate: bool,
    time: ReadExtent<Calendar>,
    /// What was seen of the time last: the same for all requests of a quantum.
    last: ArcSwapOption<SeenTime>,
    /// The same with certificates, once somebody has asked for it.
    with_certificates: OnceLock<Arc<Self>>,
}

/// The part of a request that an answer was made for: what the policies can tell of it. Means something only together with the [`Reads`]
/// that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facet {
    address: Option<AddressFacet>,
    certificate: Option<CertificateFingerprint>,
    time: Option<TimeFacet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum AddressFacet {
    Class(u32),
    Whole(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum TimeFacet {
    Class(u64),
    /// The beginning of a quantum.
    Quantum(Timestamp),
}

/// What is seen of the time, from the beginning of a quantum to its end.
#[derive(Debug)]
struct SeenTime {
    begins: Timestamp,
    ends: Timestamp,
    quantum: Duration,
    facet: TimeFacet,
}

impl Reads {
    /// What any of the policies can read.
    pub(in crate::policy) fn of<'a>(policies: impl Iterator<Item = &'a Depends>) -> Self {
        let mut address: ReadExtent<BTreeSet<IpNet>> = ReadExtent::Nothing;
        let mut time: ReadExtent<Calendar> = ReadExtent::Nothing;
        let mut certificate = false;
        for depends in policies {
            address.merge(&depends.address, |networks, more| networks.extend(more));
            time.merge(&depends.time, Calendar::merge);
            certificate |= depends.certificate;
        }
        Self { address: address.map(|networks| Networks::of(&networks)), certificate, time, ..Self::default() }
    }

    /// Nothing at all.
    pub fn nothing() -> Arc<Self> {
        static NOTHING: LazyLock<Arc<Reads>> = LazyLock::new(Arc::default);
        Arc::clone(&NOTHING)
    }

    /// The same for answers that say themselves which certificate was shown, whatever policies look at.
    pub fn with_certificates(self: &Arc<Self>) -> Arc<Self> {
        if self.certificate {
            return Arc::clone(self);
        }
        let with = || Arc::new(Self { address: self.address.clone(), certificate: true, time: self.time.clone(), ..Self::default() });
        Arc::clone(self.with_certificates.get_or_init(with))
    }

    /// Whether they can tell one address from another.
    pub fn reads_address(&self) -> bool {
        !matches!(self.address, ReadExtent::Nothing)
    }

    /// Whether they can tell one client's certificate from another.
    pub fn reads_certificate(&self) -> bool {
        self.certificate
    }

    /// Whether they can tell one time from another.
    pub fn reads_time(&self) -> bool {
        !matches!(self.time, ReadExtent::Nothing)
    }

    /// What they can tell of a request. Two requests with the same facet get the same answers.
    ///
    /// The address must not be mapped into IPv6. Of the time they see the beginning of its quantum.
    pub fn facet(&self, address: Option<IpAddr>, certificate: Option<&ClientCertificate>, at: Timestamp, quantum: Duration) -> Facet {
        let address = match &self.address {
            ReadExtent::Nothing => None,
            ReadExtent::Classes(networks) => address.map(|address| AddressFacet::Class(networks.class(address))),
            ReadExtent::Everything => address.map(AddressFacet::Whole),
        };
        let certificate = certificate.filter(|_| self.certificate).map(|certificate| certificate.fingerprint);
        Facet { address, certificate, time: self.reads_time().then(|| self.time(at, quantum)) }
    }

    fn time(&self, at: Timestamp, quantum: Duration) -> TimeFacet {
        let last = self.last.load();
        if let Some(seen) = last.as_deref()
            && (seen.begins..seen.ends).contains(&at)
            && seen.quantum == quantum
        {
            return seen.facet;
        }
        let begins = truncated(at, quantum);
        let class = if let ReadExtent::Classes(calendar) = &self.time { calendar.class(begins) } else { None };
        let facet = class.map_or(TimeFacet::Quantum(begins), TimeFacet::Class);
        self.last.store(Some(Arc::new(SeenTime { begins, ends: crate::clock::later(begins, quantum), quantum, facet })));
        facet
    }
}

impl Facet {
    /// The beginning of the one quantum that the answer is for, if it is for no more.
    pub fn quantum(&self) -> Option<Timestamp> {
        match self.time {
            Some(TimeFacet::Quantum(begins)) => Some(begins),
            Some(TimeFacet::Class(_)) | None => None,
        }
    }
}

/// The beginning of the quantum that `at` is in, counted from the Unix epoch: the time as policies see it.
pub fn truncated(at: Timestamp, quantum: Duration) -> Timestamp {
    let quantum = i128::try_from(quantum.as_nanos()).unwrap_or(i128::MAX).max(1);
    let nanos = at.as_nanosecond();
    Timestamp::from_nanosecond(nanos - nanos.rem_euclid(quantum)).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_cut_to_its_quantum_before_the_epoch_too() {
        let at = |nanos| Timestamp::from_nanosecond(nanos).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(truncated(at(1_999_999_999), second), at(1_000_000_000));
        assert_eq!(truncated(at(2_000_000_000), second), at(2_000_000_000));
        assert_eq!(truncated(at(-1), second), at(-1_000_000_000));
        assert_eq!(truncated(at(1_234_567), Duration::from_millis(1)), at(1_000_000));
        assert_eq!(truncated(at(17), Duration::ZERO), at(17), "no quantum: every instant is its own");
    }
}
