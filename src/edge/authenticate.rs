//! Whose request it is: the one place where an entrance asks the exchange.

use http::HeaderValue;

use super::routes::OpenRoute;
use crate::exchange::{Credential, Exchange, Origin, Purpose};
use crate::model::{KeyDigest, KeyId, PlainKey, Refusal};
use crate::token::ClaimHeaders;

/// Why a request may be forwarded.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Its key was exchanged.
    Key(Authenticated),
    /// Its route is open to everybody.
    Open(OpenRoute),
}

impl Admission {
    /// What the upstream gets in the key's place: the token, and what stands beside it.
    pub(crate) fn token(&self) -> Option<(&HeaderValue, &ClaimHeaders)> {
        match self {
            Self::Key(authenticated) => Some((authenticated.credential().header(), authenticated.credential().headers())),
            Self::Open(_) => None,
        }
    }
}

/// A presented key that was exchanged. Only [`authenticate`] makes one.
#[derive(Debug)]
pub(crate) struct Authenticated {
    credential: Credential,
    digest: KeyDigest,
}

impl Authenticated {
    /// What the key was exchanged for.
    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// What the key is found by: for asking again what it may, as long as what it has opened lasts.
    pub(crate) fn digest(&self) -> KeyDigest {
        self.digest
    }

    /// Whose it is; may be logged.
    pub(crate) fn key(&self) -> KeyId {
        self.credential.key()
    }
}

/// Exchanges a presented key. From here on only its digest is known: the plain key is wiped before anything is waited for.
pub(crate) async fn authenticate(
    exchange: &Exchange,
    key: PlainKey,
    origin: &Origin,
    purpose: Purpose<'_>,
) -> Result<Authenticated, Refusal> {
    let digest = KeyDigest::of(&key);
    drop(key);
    let credential = match exchange.cached_for(&digest, origin, purpose) {
        Some(known) => known?,
        // What is seldom needed is boxed, so that the room for it is not made, and moved, for every request.
        None => Box::pin(exchange.credential_for(&digest, origin, purpose)).await?,
    };
    Ok(Authenticated { credential, digest })
}
