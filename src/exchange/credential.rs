//! What a key is exchanged for, and for how long.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;

use crate::clock::Moment;
use crate::model::{Action, CertificateFingerprint, Decision, KeyId, Rights, Snapshot, SpaceId};
use crate::token::{ClaimHeaders, Minted};

/// What a key is exchanged for. Only this room makes one: holding it is the right to pass. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Credential {
    token: Arc<SignedToken>,
    key: KeyId,
    until: Moment,
}

impl Credential {
    /// The token, to be used no longer than `until`.
    pub(super) fn new(key: KeyId, token: Arc<SignedToken>, until: Moment) -> Self {
        let until = earlier(until, token.until);
        Self { token, key, until }
    }

    /// `Bearer <jwt>`, sensitive.
    pub fn header(&self) -> &HeaderValue {
        &self.token.header
    }

    /// What stands beside it.
    pub fn headers(&self) -> &ClaimHeaders {
        &self.token.headers
    }

    /// Whose it is; may be logged.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Whether the roles that the token names, inherited ones included, allow `action` in `space`.
    pub fn may(&self, action: &Action, space: &SpaceId) -> bool {
        self.token.contents.rights.may(action, space)
    }

    /// Whether the other one lets its holder do the same and names the same groups, whatever has changed in between.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        let (one, other) = (&self.token.contents, &other.token.contents);
        one.groups == other.groups && one.rights.allow_the_same_as(&other.rights)
    }

    /// From when on it must not be put on a request any more, whichever clock gets there first.
    pub fn until(&self) -> Moment {
        self.until
    }
}

/// A signed token and what it says, so that a later decision for the same key that says the same need not be signed again.
#[derive(Debug)]
pub(super) struct SignedToken {
    header: HeaderValue,
    headers: ClaimHeaders,
    issued_at: Timestamp,
    contents: TokenContents,
    until: Moment,
}

/// What a decision puts into a token. All else in it follows from the key and the snapshot, which one entry of the cache has but one of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenContents {
    rights: Rights,
    groups: Box<[String]>,
    /// The space that it speaks of; none: of every one.
    scope: Option<SpaceId>,
    /// The certificate that it is bound to.
    confirmation: Option<CertificateFingerprint>,
}

impl TokenContents {
    /// What `decision`, which was made by `snapshot`, says, of every space or of one; why a role is held does not stand in a token.
    pub(super) fn of(
        decision: &Decision,
        snapshot: &Arc<Snapshot>,
        scope: Option<&SpaceId>,
        confirmation: Option<CertificateFingerprint>,
    ) -> Self {
        let groups = decision.groups.clone().into_boxed_slice();
        Self { rights: Rights::of(&decision.grants, snapshot), groups, scope: scope.cloned(), confirmation }
    }
}

impl SignedToken {
    /// Takes over what was minted at `now` for tokens of this lifetime.
    pub(super) fn new(minted: Minted, contents: TokenContents, ttl: Duration, now: Moment) -> Self {
        // A token must have some life left when it reaches the upstream. One that the key's own end cuts short may be used to that end.
        let end = crate::clock::later(minted.issued_at, ttl.saturating_sub(leeway(ttl))).min(minted.expires_at);
        Self { header: minted.header, headers: minted.headers, issued_at: minted.issued_at, contents, until: when(now, end) }
    }

    /// From when on it must not be put on requests any more.
    pub(super) fn until(&self) -> Moment {
        self.until
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let Self { header, headers, contents, .. } = self;
        let groups: usize = contents.groups.iter().map(|group| size_of::<String>() + group.len()).sum();
        // The text of the token is shared by reference, and the count of it has a place of its own.
        size_of::<Self>() + header.len() + headers.bytes() + contents.rights.bytes() + groups + 64
    }

    /// When it was signed. Before that time, on a clock that was set back, no verifier takes it.
    pub(super) fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// Whether it can stand for a decision made at `now`: it says the same, and half its life is left. That the key which signed it still
    /// does is the stamp's to say: another one is another epoch.
    pub(super) fn serves_again(&self, contents: &TokenContents, ttl: Duration, now: Moment) -> bool {
        !now.reached(self.half_life(ttl)) && now.wall >= self.issued_at && self.contents == *contents
    }

    /// As far before its end as half its life is before all of it, by each clock.
    fn half_life(&self, ttl: Duration) -> Moment {
        let wall = crate::clock::later(self.issued_at, ttl / 2).min(self.until.wall);
        let left = Duration::try_from(self.until.wall.duration_since(wall)).unwrap_or(Duration::ZERO);
        Moment { wall, monotonic: self.until.monotonic.saturating_sub(left) }
    }
}

/// How much of its life a token keeps for the way to the upstream and for clocks that differ.
fn leeway(ttl: Duration) -> Duration {
    (ttl / 6).min(Duration::from_secs(10))
}

/// The moment at which the wall clock, if left alone, shows `wall`.
pub(super) fn when(now: Moment, wall: Timestamp) -> Moment {
    let span = Duration::try_from(wall.duration_since(now.wall)).unwrap_or(Duration::ZERO);
    Moment { wall, monotonic: now.monotonic.saturating_add(span) }
}

/// The earlier end by each clock.
pub(super) fn earlier(one: Moment, other: Moment) -> Moment {
    Moment { wall: one.wall.min(other.wall), monotonic: one.monotonic.min(other.monotonic) }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::model::{BindingId, Grant, Strategy, Via};

    const TTL: Duration = Duration::from_mins(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn now(second: i64) -> Moment {
        Moment { wall: at(1_000 + second), monotonic: Duration::from_secs(second.unsigned_abs()) }
    }

    fn token(expires_at: i64) -> SignedToken {
        let minted = Minted {
            header: HeaderValue::from_static("Bearer x"),
            headers: ClaimHeaders::default(),
            issued_at: at(1_000),
            expires_at: at(1_000 + expires_at),
            kid: "kid".into(),
        };
        SignedToken::new(minted, contents("deployer"), TTL, now(0))
    }

    fn contents(role: &str) -> TokenContents {
        static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(|| Arc::new(Snapshot::empty(Strategy::Combined)));
        let via = Via::Binding(BindingId::new(0, 1));
        let grants = [Grant { space: SpaceId::root(), role: role.parse().unwrap(), via }].into_iter().collect();
        TokenContents { rights: Rights::of(&grants, &SNAPSHOT), groups: [].into(), scope: None, confirmation: None }
    }

    #[test]
    fn a_token_is_not_used_in_its_last_sixth_but_to_the_end_of_its_key() {
        assert_eq!(token(60).until, now(50));
        assert_eq!(token(45).until, now(45));
    }

    #[test]
    fn a_token_is_used_again_only_while_it_is_young_and_says_the_same() {
        let token = token(60);
        assert!(token.serves_again(&contents("deployer"), TTL, now(29)));
        assert!(!token.serves_again(&contents("deployer"), TTL, now(30)));
        assert!(!token.serves_again(&contents("reader"), TTL, now(1)));
        let scoped = TokenContents { scope: Some(SpaceId::root()), ..contents("deployer") };
        assert!(!token.serves_again(&scoped, TTL, now(1)), "it speaks of every space");
        assert!(!token.serves_again(&contents("deployer"), TTL, Moment { wall: at(999), ..now(1) }), "the clock was set back");
        assert!(!token.serves_again(&contents("deployer"), TTL, Moment { wall: at(1_001), ..now(31) }), "and bounded all the same");
    }
}
