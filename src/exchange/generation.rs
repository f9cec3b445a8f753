//! Whether what is remembered still holds.
//!
//! Nothing that is remembered is valid because it is still there, but because its [`Stamp`] is still the current one. A stamp is read
//! *before* anything that an answer rests on, and a change moves it *after* what changed can be read and *before* the change is
//! acknowledged:
//!
//! ```text
//! change:  commit → publish → announce (the stamp moves) → evict → acknowledge
//! answer:  stamp → look up → decide → keep, with that stamp
//! hit:     stamp → find → serve only if the stamp that it was kept with is the one just read
//! ```
//!
//! An answer that carries the current stamp was therefore looked up when every acknowledged change could already be seen. Neither a
//! late fill nor a lost eviction can make it wrong: evicting frees memory and does nothing else. With *announce* before *publish*, or
//! the stamp read after the look-up, this breaks. Both are shown by a model checker on this very file.

use super::sync::{AtomicU64, Ordering};

/// What was current when an answer began to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    epoch: u64,
    stripe: u64,
}

impl Stamp {
    /// Which published state belongs to it.
    pub(super) fn epoch(self) -> u64 {
        self.epoch
    }
}

/// Counts the changes that can touch a remembered answer.
pub(super) struct Generation {
    /// Moves when everybody's answers may have changed.
    epoch: AtomicU64,
    /// One moves when an answer of one key may have changed; keys that share it are asked for again, which costs and never harms.
    stripes: Box<[AtomicU64]>,
}

impl Generation {
    /// At the beginning of time. `stripes` must not be 0.
    pub(super) fn new(stripes: u16) -> Self {
        Self { epoch: AtomicU64::new(0), stripes: (0..stripes.max(1)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The stamp of answers for the key with this digest. Read it before anything that the answer rests on.
    ///
    /// Its halves may be read on both sides of a change. No harm: each counter only grows, so a stamp that is found current later was
    /// current in both halves all the while.
    pub(super) fn current(&self, digest: &[u8; 32]) -> Stamp {
        Stamp { epoch: self.epoch.load(Ordering::Acquire), stripe: self.stripe(digest).load(Ordering::Acquire) }
    }

    /// A change that may touch everybody: `publish` gets the epoch that its state belongs to. One at a time.
    pub(super) fn change_everybody(&self, publish: impl FnOnce(u64), evict: impl FnOnce()) {
        let next = self.epoch.load(Ordering::Relaxed) + 1;
        publish(next);
        self.epoch.store(next, Ordering::Release);
        evict();
    }

    /// A change to single keys, which the store shows already.
    pub(super) fn change_keys<'a>(&self, digests: impl Iterator<Item = &'a [u8; 32]>, evict: impl FnOnce()) {
        for digest in digests {
            self.stripe(digest).fetch_add(1, Ordering::Release);
        }
        evict();
    }

    fn stripe(&self, digest: &[u8; 32]) -> &AtomicU64 {
        // The bytes of a digest are as good as random, and the last ones are not what a look-up by digest orders by.
        let &[.., high, low] = digest;
        let at = usize::from(u16::from_be_bytes([high, low])) % self.stripes.len();
        self.stripes.get(at).expect("a remainder is less than what was divided by")
    }
}
