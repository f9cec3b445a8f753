//! Whose request it is: the one place where an entrance asks the exchange.

use crate::exchange::{Credential, Exchange, Origin};
use crate::model::{KeyDigest, KeyId, PlainKey, Refusal};

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
pub(crate) async fn authenticate(exchange: &Exchange, key: PlainKey, origin: &Origin) -> Result<Authenticated, Refusal> {
    let digest = KeyDigest::of(&key);
    drop(key);
    let credential = match exchange.cached(&digest, origin) {
        Some(known) => known?,
        // What is seldom needed is boxed, so that the room for it is not made, and moved, for every request.
        None => Box::pin(exchange.credential(&digest, origin)).await?,
    };
    Ok(Authenticated { credential, digest })
}
