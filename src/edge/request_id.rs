//! Names for requests: ULIDs from a generator of the thread's own.
//!
//! They need to be different, not secret, so the kernel is asked for randomness once per thread.

use std::cell::Cell;

use http::HeaderValue;
use jiff::Timestamp;
use ulid::Ulid;

use super::unrepeated::mark_unrepeated;

/// What a request is called, here, at the upstream and in the answer.
#[derive(Clone, Debug)]
pub(crate) enum RequestId {
    Own([u8; ulid::ULID_LEN]),
    /// By a trusted proxy.
    Given(HeaderValue),
}

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Own(id) => std::str::from_utf8(id).unwrap_or_default(),
            Self::Given(value) => value.to_str().unwrap_or_default(),
        }
    }

    /// For a header, marked as what does not come again.
    pub(crate) fn value(&self) -> HeaderValue {
        let mut value = match self {
            Self::Own(id) => HeaderValue::from_bytes(id).expect("a ULID is letters and digits"),
            Self::Given(value) => value.clone(),
        };
        mark_unrepeated(&mut value);
        value
    }
}

/// Whether a request id may be taken over from a trusted proxy.
pub(crate) fn is_request_id(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=128).contains(&bytes.len()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:~+/=".contains(byte))
}

/// Makes request ids.
#[derive(Debug)]
pub(crate) struct RequestIds(Cell<u64>);

impl RequestIds {
    pub(crate) fn seeded() -> Result<Self, getrandom::Error> {
        getrandom::u64().map(|seed| Self(Cell::new(seed)))
    }

    pub(crate) fn next(&self, now: Timestamp) -> RequestId {
        let random = (u128::from(self.step()) << 64) | u128::from(self.step());
        let id = Ulid::from_parts(u64::try_from(now.as_millisecond()).unwrap_or_default(), random);
        let mut text = [0; ulid::ULID_LEN];
        id.array_to_str(&mut text);
        RequestId::Own(text)
    }

    /// `SplitMix64`: every seed gives all 2⁶⁴ numbers, each once.
    fn step(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_one_instant_differ_and_begin_with_its_time() {
        let ids = RequestIds::seeded().unwrap();
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let made: HashSet<String> = (0..1000).map(|_| ids.next(now).as_str().to_owned()).collect();
        assert_eq!(made.len(), 1000);
        assert!(ids.next(now).value().is_sensitive(), "it is not kept to be referred to");
        assert!(made.iter().all(|id| id.parse::<Ulid>().unwrap().timestamp_ms() == 1_767_323_045_000));
    }
}
