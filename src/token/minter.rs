//! Signs tokens for one issuer and one audience.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;

use super::claims::{Claims, RolesScope, token_id};
use super::{KeyRing, TokenError, base64url};
use crate::config::TokenSettings;
use crate::model::{KeyId, KeyName, Revision, RolesBySpace};

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
    /// The last change that the roles know of.
    pub revision: Revision,
    /// The token must not outlive this.
    pub not_after: Option<Timestamp>,
}

/// Signs tokens for one issuer and one audience.
pub struct Minter {
    issuer: Box<str>,
    audience: Box<str>,
    /// Seconds.
    ttl: i64,
    max_bytes: usize,
}

/// A signed token, ready to be put on requests.
#[derive(Clone, Debug)]
pub struct Minted {
    /// `Bearer <jwt>`, marked sensitive.
    pub header: HeaderValue,
    /// `iat`, whole seconds.
    pub issued_at: Timestamp,
    /// `exp`, whole seconds.
    pub expires_at: Timestamp,
    /// The key that signed.
    pub kid: Arc<str>,
}

impl Minter {
    /// For the issuer, audience, lifetime and size of `settings`. `token.include_actions` is about tokens that are for one space, which
    /// a route names: as long as there are no routes there is nothing for it to say, and a warning says that.
    pub fn new(settings: &TokenSettings) -> Self {
        if settings.include_actions {
            tracing::warn!("token.include_actions is set, but only a token for a route's space lists actions, and there are no routes");
        }
        Self {
            issuer: settings.issuer.as_str().into(),
            audience: settings.audience.as_str().into(),
            ttl: whole_seconds(settings.ttl),
            max_bytes: settings.max_bytes,
        }
    }

    /// Signs with the ring's current key. The roles in force are listed if the JWT stays within `token.max_bytes`, else those bound.
    pub fn mint(&self, ring: &KeyRing, subject: &Subject<'_>, now: Timestamp) -> Result<Minted, TokenError> {
        let iat = now.as_second();
        let exp = subject.not_after.map_or(i64::MAX, Timestamp::as_second).min(iat.saturating_add(self.ttl));
        let mut claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: format!("api::{}", subject.key),
            client_id: subject.key,
            iat,
            nbf: iat,
            exp,
            jti: token_id(now).map_err(TokenError::Signing)?,
            name: subject.name,
            groups: subject.groups,
            roles: subject.effective,
            roles_scope: RolesScope::Effective,
            rev: subject.revision,
        };
        let mut payload = payload_of(&claims)?;
        if ring.token_size(payload.len()) > self.max_bytes {
            claims.roles = subject.bound;
            claims.roles_scope = RolesScope::Bound;
            payload = payload_of(&claims)?;
        }
        let size = ring.token_size(payload.len());
        if size > self.max_bytes {
            return Err(TokenError::TooLarge { size, limit: self.max_bytes });
        }

        let mut header = String::with_capacity("Bearer ".len() + size);
        header.push_str("Bearer ");
        ring.sign(&payload, &mut header)?;
        let mut header = HeaderValue::try_from(header).expect("base64url and dots may stand in a header");
        header.set_sensitive(true);
        let moment = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        Ok(Minted { header, issued_at: moment(iat), expires_at: moment(exp), kid: ring.shared_kid() })
    }
}

fn payload_of(claims: &Claims<'_>) -> Result<String, TokenError> {
    serde_json::to_vec(claims).map(base64url).map_err(|error| TokenError::Signing(error.to_string()))
}

/// A `NumericDate` has no use for less than a second, and a token of none for anybody.
fn whole_seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).max(1)
}
