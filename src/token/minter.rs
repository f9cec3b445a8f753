//! Signs tokens for one issuer and one audience.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;

use super::claims::{Claims, Confirmation, GroupsScope, Roles, RolesScope, token_id};
use super::encoding::base64url;
use super::error::TokenError;
use super::headers::ClaimHeaders;
use super::ring::{Envelope, KeyRing};
use crate::config::{TokenHeader, TokenSettings};
use crate::model::{ActionPattern, CertificateFingerprint, KeyId, KeyName, Revision, RoleId, RolesBySpace, Snapshot, SpaceId, TokenSize};

/// What a token says, besides what the minter knows itself.
pub struct Subject<'a> {
    /// Whose token it is.
    pub key: KeyId,
    /// The key's name.
    pub name: &'a KeyName,
    /// The groups as they were decided.
    pub groups: &'a [String],
    /// Roles in force per space, inherited ones included.
    pub effective: &'a RolesBySpace,
    /// Roles where they were given: used when the token would grow too large.
    pub bound: &'a RolesBySpace,
    /// The one space that the token is about; none: it speaks of every one.
    pub scope: Option<&'a Scope>,
    /// The certificate that it is bound to.
    pub confirmation: Option<CertificateFingerprint>,
    /// The last change that the roles know of.
    pub revision: Revision,
    /// The token must not outlive this.
    pub not_after: Option<Timestamp>,
}

/// The one space that a token is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    space: SpaceId,
    /// In force there, inherited ones included.
    roles: BTreeSet<RoleId>,
    /// What these roles allow there.
    actions: BTreeSet<ActionPattern>,
}

impl Scope {
    /// What a token about `space` says of roles that are in force like this; of a space that does not exist, nothing.
    #[must_use]
    pub fn of(space: &SpaceId, effective: &RolesBySpace, snapshot: &Snapshot) -> Self {
        let roles = effective.get(space).cloned().unwrap_or_default();
        let known = roles.iter().filter_map(|role| snapshot.roles.get(role));
        let actions = known.flat_map(|role| role.actions.iter().cloned()).collect();
        Self { space: space.clone(), roles, actions }
    }
}

/// Signs tokens for one issuer and one audience.
pub struct Minter {
    issuer: Box<str>,
    audience: Box<str>,
    /// Seconds.
    ttl: i64,
    /// Seconds.
    backdate: i64,
    max_bytes: usize,
    /// Whether a token about one space lists what its roles allow.
    include_actions: bool,
    headers: Vec<TokenHeader>,
}

/// A token that is still to be signed.
struct Unsigned {
    payload: String,
    /// How long the token is going to be, in bytes.
    length: usize,
    headers: ClaimHeaders,
}

impl Unsigned {
    /// What the request grows by, in bytes.
    fn size(&self) -> usize {
        self.length + self.headers.size()
    }
}

/// A signed token, ready to be put on requests.
#[derive(Clone, Debug)]
pub struct Minted {
    /// `Bearer <jwt>`, marked sensitive.
    pub header: HeaderValue,
    /// What stands beside it.
    pub headers: ClaimHeaders,
    /// When it was signed, whole seconds; `iat` may lie before.
    pub issued_at: Timestamp,
    /// `exp`, whole seconds.
    pub expires_at: Timestamp,
    /// The key that signed.
    pub kid: Arc<str>,
}

impl Minter {
    /// For the issuer, audience, lifetime and size of `settings`.
    pub fn new(settings: &TokenSettings) -> Self {
        Self {
            issuer: settings.issuer.as_str().into(),
            audience: settings.audience.as_str().into(),
            ttl: whole_seconds(settings.ttl).max(1),
            backdate: whole_seconds(settings.backdate),
            max_bytes: settings.max_bytes,
            headers: settings.headers.clone(),
            include_actions: settings.include_actions,
        }
    }

    /// Signs with the ring's current key. What the JWT says, and the headers beside it say again, stays within `token.max_bytes`: the roles in force if there is room for them,
    /// else those bound; and if even that is too much, no groups.
    pub fn mint(&self, ring: &KeyRing, subject: &Subject<'_>, now: Timestamp) -> Result<Minted, TokenError> {
        let issued_at = now.as_second();
        let expires_at = subject.not_after.map_or(i64::MAX, Timestamp::as_second).min(issued_at.saturating_add(self.ttl));
        let Unsigned { payload, length, headers } = self.unsigned(ring.envelope(), subject, now, expires_at)?;

        let mut header = String::with_capacity("Bearer ".len() + length);
        header.push_str("Bearer ");
        ring.sign(&payload, &mut header)?;
        let mut header = HeaderValue::try_from(header).expect("base64url and dots may stand in a header");
        header.set_sensitive(true);
        let moment = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        Ok(Minted { header, headers, issued_at: moment(issued_at), expires_at: moment(expires_at), kid: ring.shared_kid() })
    }

    /// How large the token would be, with the headers beside it.
    ///
    /// # Errors
    /// [`TokenError::TooLarge`] if none could be signed for that reason.
    pub fn size(&self, envelope: Envelope, subject: &Subject<'_>, now: Timestamp) -> Result<usize, TokenError> {
        self.unsigned(envelope, subject, now, now.as_second().saturating_add(self.ttl)).map(|unsigned| unsigned.size())
    }

    /// The token that says most and fits.
    fn unsigned(&self, envelope: Envelope, subject: &Subject<'_>, now: Timestamp, expires_at: i64) -> Result<Unsigned, TokenError> {
        let valid_from = now.as_second().saturating_sub(self.backdate);
        let mut claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: format!("api::{}", subject.key),
            client_id: subject.key,
            iat: valid_from,
            nbf: valid_from,
            exp: expires_at,
            jti: token_id(now).map_err(TokenError::Signing)?,
            name: subject.name,
            groups: Some(subject.groups),
            groups_scope: None,
            space: subject.scope.map(|scope| &scope.space),
            roles: subject.scope.map_or(Roles::Everywhere(subject.effective), |scope| Roles::There(&scope.roles)),
            roles_scope: RolesScope::Effective,
            actions: subject.scope.filter(|_| self.include_actions).map(|scope| &scope.actions),
            cnf: subject.confirmation.as_ref().map(Confirmation::of),
            rev: subject.revision,
        };
        let encoded = |claims: &Claims<'_>| {
            let payload = payload_of(claims)?;
            let (length, headers) = (envelope.around(payload.len()), ClaimHeaders::of(&self.headers, claims));
            Ok::<_, TokenError>(Unsigned { payload, length, headers })
        };
        let mut unsigned = encoded(&claims)?;
        if unsigned.size() > self.max_bytes && subject.scope.is_none() {
            (claims.roles, claims.roles_scope) = (Roles::Everywhere(subject.bound), RolesScope::Bound);
            unsigned = encoded(&claims)?;
        }
        if unsigned.size() > self.max_bytes {
            (claims.groups, claims.groups_scope) = (None, Some(GroupsScope::Omitted));
            let without_groups = encoded(&claims)?;
            // Few groups take less than saying that they are not there.
            if without_groups.size() < unsigned.size() {
                unsigned = without_groups;
            }
        }
        let size = unsigned.size();
        if size > self.max_bytes { Err(TokenError::TooLarge(TokenSize { size, limit: self.max_bytes })) } else { Ok(unsigned) }
    }
}

fn payload_of(claims: &Claims<'_>) -> Result<String, TokenError> {
    serde_json::to_vec(claims).map(base64url).map_err(|error| TokenError::Signing(error.to_string()))
}

/// A `NumericDate` has no use for less than a second.
fn whole_seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
