//! `rate`: how many requests may pass in a time.

use super::parse::number;
use super::reader::{Section, TakesEffect};

/// More than any process answers.
const RATE_MAX: u32 = 1_000_000;

/// How many requests may pass, as the generic cell rate algorithm has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// In the long run. At least 1.
    pub requests_per_second: u32,
    /// At once, after a pause. At least 1.
    pub burst: u32,
}

impl RateSettings {
    /// `None`: the rate is missing or wrong, and there is a fault.
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let requests_per_second = section.required("requests_per_second", TakesEffect::Live, number(1..=RATE_MAX));
        let burst = section.live("burst", None, |value, at| number(1..=RATE_MAX)(value, at).map(Some));
        // Where nothing is said, as many at once as in a second.
        requests_per_second.map(|requests_per_second| Self { requests_per_second, burst: burst.unwrap_or(requests_per_second) })
    }
}
