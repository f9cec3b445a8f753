//! What a token says.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use ulid::Ulid;

use super::encoding::base64url;
use crate::model::{ActionPattern, CertificateFingerprint, KeyId, KeyName, Revision, RoleId, RolesBySpace, SpaceId};

/// The claims, in the order in which people read them; RFC 9068 where it has a word.
#[derive(Serialize)]
pub(super) struct Claims<'a> {
    pub iss: &'a str,
    pub aud: &'a str,
    pub sub: String,
    pub client_id: KeyId,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub jti: String,
    pub name: &'a KeyName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups_scope: Option<GroupsScope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<&'a SpaceId>,
    pub roles: Roles<'a>,
    pub roles_scope: RolesScope,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<&'a BTreeSet<ActionPattern>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    pub rev: Revision,
}

/// Who may present the token: whoever proves to hold the key of this certificate (RFC 8705, section 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: String,
}

impl Confirmation {
    /// Of the client that has shown this certificate.
    #[must_use]
    pub fn of(certificate: &CertificateFingerprint) -> Self {
        Self { certificate: base64url(certificate.as_bytes()) }
    }

    /// As the token has it: a SHA-256 in base64url.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

/// The roles: by space, or, where the token is about one, those there.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub(super) enum Roles<'a> {
    Everywhere(&'a RolesBySpace),
    There(&'a BTreeSet<RoleId>),
}

/// What `roles` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RolesScope {
    /// The roles in force in every space.
    Effective,
    /// The roles where they were given: whoever does not know about inheritance sees less, never more.
    Bound,
}

/// Why `groups` is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum GroupsScope {
    /// They would have made the token too large. The key may be a member of any group.
    Omitted,
}

/// A token's own name: a ULID in lower case, like every id here.
pub(super) fn token_id(now: Timestamp) -> Result<String, String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| format!("there is no randomness: {error}"))?;
    let unix_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Ok(Ulid::from_parts(unix_ms, u128::from_be_bytes(random)).to_string().to_ascii_lowercase())
}
