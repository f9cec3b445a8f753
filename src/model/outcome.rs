//! How a request ends. One enum feeds the status, the metric's label and the log's field, so that the three cannot drift apart.

use super::action::Action;
use super::id::{PolicyName, SpaceId};

/// Why a presented key works for nobody. The client never learns which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyInvalid {
    /// The text cannot be a key, or its checksum is wrong.
    Malformed,
    /// No key has this digest.
    Unknown,
    /// The key is disabled.
    Disabled,
    /// The key is past its expiry.
    Expired,
    /// The key was revoked.
    Revoked,
    /// The key was rotated and the grace of this secret is over.
    RotatedOut,
}

/// Why no decision could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUnavailable {
    /// The store does not answer, or what is loaded is older than allowed.
    Store,
    /// A login policy failed, ran out of its time or memory, or the policies cannot be loaded.
    Policy,
    /// The client's address is not known, and policies read it.
    Address,
    /// There is no key to sign with.
    Signing,
    /// State changed under every attempt to decide.
    Contention,
}

/// Why the exchange gives no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key works for nobody.
    InvalidKey(WhyInvalid),
    /// A login policy says `deny`.
    Denied(PolicyName),
    /// Only login policies count, and none says `allow`.
    NotAllowed,
    /// The key holds no role at all.
    NoRoles,
    /// What the key holds does not fit into a token.
    TokenTooLarge(TokenSize),
    /// The route needs an action that the key does not have there.
    MissingAction(Box<MissingAction>),
    /// No decision could be made.
    Unavailable(WhyUnavailable),
    /// Too many undecided requests are waiting already.
    Overloaded,
}

/// What a key may not do, and where; whether there is such a space is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingAction {
    /// What the route needs.
    pub action: Action,
    /// The space that the request is about.
    pub space: SpaceId,
}

/// How large a token would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSize {
    /// Of the JWT, in bytes, with all left out that may be.
    pub size: usize,
    /// `token.max_bytes`.
    pub limit: usize,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Forwarded, and the upstream has answered.
    Forwarded,
    /// Malformed or ambiguous; the text says what is wrong with it, never quoting a credential.
    BadRequest(&'static str),
    /// No credential was sent.
    MissingKey,
    /// The exchange refused.
    Refused(Refusal),
    /// Routes are configured, and none matches.
    NoRoute,
    /// More requests than may pass, and after how many seconds one may again.
    RateLimited(RateLimit, u64),
    /// As many requests are under way as may be at once.
    Overloaded,
    /// A limit on the request's head or body: 413, 414 or 431.
    TooLarge(TooLarge),
    /// The upstream could not be reached, or its answer was broken.
    UpstreamFailed,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// Going down.
    Draining,
    /// The client went away before it had its answer.
    ClientGone,
}

/// What a rate is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// One key.
    Key,
    /// One route, whoever sends the requests.
    Route,
}

impl RateLimit {
    /// For headers, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Route => "route",
        }
    }
}

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// The body: 413.
    Body,
    /// The target: 414.
    Target,
    /// The head: 431.
    Head,
}

impl WhyInvalid {
    /// For metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::RotatedOut => "rotated_out",
        }
    }
}

impl WhyUnavailable {
    /// For metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Policy => "policy",
            Self::Address => "address",
            Self::Signing => "signing",
            Self::Contention => "contention",
        }
    }
}

impl Refusal {
    /// The login policy that refuses, if it is one.
    #[must_use]
    pub fn policy(&self) -> Option<&PolicyName> {
        match self {
            Self::Denied(policy) => Some(policy),
            Self::InvalidKey(_)
            | Self::NotAllowed
            | Self::NoRoles
            | Self::TokenTooLarge(_)
            | Self::MissingAction(_)
            | Self::Unavailable(_)
            | Self::Overloaded => None,
        }
    }

    /// Why, finer than the code: for those who manage, not for whoever is refused.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::InvalidKey(why) => format!("the key does not work: {}", why.label()),
            Self::Denied(policy) => format!("policy {policy} says deny"),
            Self::NotAllowed => "only login policies count, and none says allow".to_owned(),
            Self::NoRoles => "the key holds no role at all".to_owned(),
            Self::TokenTooLarge(token) => {
                format!("its token would be {} bytes, more than token.max_bytes = {}, even without groups", token.size, token.limit)
            }
            Self::MissingAction(missing) => format!("the key may not {} in space {}", missing.action, missing.space),
            Self::Unavailable(why) => format!("no decision can be made: {}", why.label()),
            Self::Overloaded => "too many evaluations are waiting".to_owned(),
        }
    }

    /// The code of the problem document, as the contract spells it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidKey(_) => "invalid_key",
            Self::Denied(_) => "denied",
            Self::NotAllowed => "not_allowed",
            Self::NoRoles => "no_roles",
            Self::TokenTooLarge(_) => "token_too_large",
            Self::MissingAction(_) => "missing_action",
            Self::Unavailable(_) => "unavailable",
            Self::Overloaded => "overloaded",
        }
    }

    /// For metrics and logs: finer than the code where the client must not learn more.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidKey(why) => why.label(),
            Self::Unavailable(why) => why.label(),
            Self::Denied(_) | Self::NotAllowed | Self::NoRoles | Self::TokenTooLarge(_) | Self::MissingAction(_) | Self::Overloaded => {
                self.code()
            }
        }
    }
}

impl Outcome {
    /// The code of the problem document, as the contract spells it; `ok` for a forwarded request.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forwarded => "ok",
            Self::BadRequest(_) => "bad_request",
            Self::MissingKey => "missing_key",
            Self::Refused(refusal) => refusal.code(),
            Self::NoRoute => "no_route",
            Self::RateLimited(..) => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::TooLarge(_) => "too_large",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Draining => "draining",
            Self::ClientGone => "client_gone",
        }
    }

    /// For logs: finer than the code where there is more to say.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::BadRequest(what) => Some(what),
            Self::Refused(refusal) => Some(refusal.reason()),
            Self::RateLimited(limit, _) => Some(limit.as_str()),
            Self::Overloaded => Some("max_requests"),
            Self::TooLarge(TooLarge::Body) => Some("body"),
            Self::TooLarge(TooLarge::Target) => Some("target"),
            Self::TooLarge(TooLarge::Head) => Some("head"),
            Self::Forwarded
            | Self::MissingKey
            | Self::NoRoute
            | Self::UpstreamFailed
            | Self::UpstreamTimeout
            | Self::Draining
            | Self::ClientGone => None,
        }
    }
}
