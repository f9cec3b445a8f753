//! Who got in, who did not, and why.

use std::time::Duration;

use super::caches::CacheResult;
use super::exposition::{Family, pair};
use super::label::{Label, Labels, Member, label};
use super::series::{Counters, Histograms, micros};
use crate::model::{Refusal, WhyInvalid, WhyUnavailable};

static BOUNDS: [Duration; 4] = micros([25, 500, 5_000, 50_000]);

label! {
    /// Why a request may pass or not, as far as its key is concerned.
    pub enum AuthReason: "reason" {
        /// It may.
        Ok = "ok",
        /// No key was sent.
        MissingKey = "missing_key",
        /// What was sent can be no key.
        Malformed = "malformed",
        /// There is no such key.
        Unknown = "unknown",
        /// The key is disabled.
        Disabled = "disabled",
        /// The key is past its expiry.
        Expired = "expired",
        /// The key was revoked.
        Revoked = "revoked",
        /// The grace of a rotated secret is over.
        RotatedOut = "rotated_out",
        /// A policy says `deny`.
        Denied = "denied",
        /// Only policies count, and none says `allow`.
        NotAllowed = "not_allowed",
        /// The key holds no role.
        NoRoles = "no_roles",
        /// What the key holds does not fit into a token.
        TokenTooLarge = "token_too_large",
        /// The key may not do what the route needs.
        MissingAction = "missing_action",
        /// The store did not answer, or what is loaded is too old.
        Store = "store",
        /// A policy failed.
        Policy = "policy",
        /// The client's address is not known.
        Address = "address",
        /// There is no key to sign with.
        Signing = "signing",
        /// State changed under every attempt.
        Contention = "contention",
        /// Too many undecided requests were waiting.
        Overloaded = "overloaded",
    }
}

label! {
    /// How a decision went.
    enum AuthResult: "result" {
        Allow = "allow",
        Refuse = "refuse",
        /// It could not be made.
        Error = "error",
    }
}

label! {
    /// Whether the cache had the answer.
    enum Cached: "cache" {
        Hit = "hit",
        Miss = "miss",
    }
}

impl AuthReason {
    fn result(self) -> AuthResult {
        match self {
            Self::Ok => AuthResult::Allow,
            Self::MissingKey
            | Self::Malformed
            | Self::Unknown
            | Self::Disabled
            | Self::Expired
            | Self::Revoked
            | Self::RotatedOut
            | Self::Denied
            | Self::NotAllowed
            | Self::NoRoles
            | Self::TokenTooLarge
            | Self::MissingAction => AuthResult::Refuse,
            Self::Store | Self::Policy | Self::Address | Self::Signing | Self::Contention | Self::Overloaded => AuthResult::Error,
        }
    }
}

impl From<&Refusal> for AuthReason {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::InvalidKey(why) => match why {
                WhyInvalid::Malformed => Self::Malformed,
                WhyInvalid::Unknown => Self::Unknown,
                WhyInvalid::Disabled => Self::Disabled,
                WhyInvalid::Expired => Self::Expired,
                WhyInvalid::Revoked => Self::Revoked,
                WhyInvalid::RotatedOut => Self::RotatedOut,
            },
            Refusal::Denied(_) => Self::Denied,
            Refusal::NotAllowed => Self::NotAllowed,
            Refusal::NoRoles => Self::NoRoles,
            Refusal::TokenTooLarge(_) => Self::TokenTooLarge,
            Refusal::MissingAction(_) => Self::MissingAction,
            Refusal::Unavailable(why) => match why {
                WhyUnavailable::Store => Self::Store,
                WhyUnavailable::Policy => Self::Policy,
                WhyUnavailable::Address => Self::Address,
                WhyUnavailable::Signing => Self::Signing,
                WhyUnavailable::Contention => Self::Contention,
            },
            Refusal::Overloaded => Self::Overloaded,
        }
    }
}

/// A reason, and the result that follows from it.
impl Member for AuthReason {
    fn all() -> Vec<Labels> {
        let both = |reason: &Self| vec![pair(AuthResult::NAME, reason.result().value()), pair(Self::NAME, reason.value())];
        Self::ALL.iter().map(both).collect()
    }

    fn place(self) -> usize {
        Label::place(self)
    }
}

pub(super) struct Decisions {
    made: Counters<AuthReason>,
    durations: Histograms<(Cached,)>,
}

impl Decisions {
    pub(super) fn new() -> Self {
        Self {
            made: Counters::new("claviger_auth_decisions_total", "Decisions about requests, and why."),
            durations: Histograms::new(
                "claviger_auth_duration_seconds",
                "From a presented key to its credential or refusal; whether the cache had it.",
                &BOUNDS,
            ),
        }
    }

    pub(super) fn families(&self) -> [&dyn Family; 2] {
        [&self.made, &self.durations]
    }

    pub(super) fn made(&self, reason: AuthReason) {
        self.made.increment(reason);
    }

    /// An entry that was of no use is a miss here.
    pub(super) fn took(&self, cache: CacheResult, took: Duration) {
        let cached = match cache {
            CacheResult::Hit => Cached::Hit,
            CacheResult::Miss | CacheResult::Stale => Cached::Miss,
        };
        self.durations.observe((cached,), took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log says the same word.
    #[test]
    fn a_refusal_is_counted_as_what_the_log_calls_it() {
        use WhyInvalid as Invalid;
        use WhyUnavailable as Unavailable;
        let invalid = [Invalid::Malformed, Invalid::Unknown, Invalid::Disabled, Invalid::Expired, Invalid::Revoked, Invalid::RotatedOut];
        let unavailable = [Unavailable::Store, Unavailable::Policy, Unavailable::Address, Unavailable::Signing, Unavailable::Contention];
        let refusals = invalid.map(Refusal::InvalidKey).into_iter().chain(unavailable.map(Refusal::Unavailable));
        for refusal in refusals.chain([Refusal::NotAllowed, Refusal::NoRoles, Refusal::Overloaded]) {
            assert_eq!(AuthReason::from(&refusal).value(), refusal.reason());
        }
    }
}
