//! One reading of the signing keys: one signs, the others are only published.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::directory::{KeyDirectory, KeyStanding, Reading};
use super::signing_key::SigningKey;
use super::{TokenError, base64url};
use crate::config::TokenAlgorithm;

/// The signing keys of `token.keys`: one signs, the others are only published. Immutable; read anew and swapped as a whole.
#[derive(Debug)]
pub struct KeyRing {
    current: SigningKey,
    kid: Arc<str>,
    /// `{"alg":…,"typ":"at+jwt","kid":…}` as it stands in a token, and the dot behind it.
    header: Box<str>,
    /// The others that verify, and until when, if that is known.
    others: BTreeMap<Box<str>, Option<Timestamp>>,
    jwks: serde_json::Value,
}

impl KeyRing {
    /// Reads the directory; makes it, with one key, if it does not exist or holds no key. `now` decides which retired keys are past their
    /// time, `ttl` how long tokens of the key before the current one may still live.
    ///
    /// # Errors
    /// If a file is not a key or may be read by others, if nothing says which key signs, or if that key is not for `algorithm`.
    pub fn open(dir: &Path, algorithm: TokenAlgorithm, ttl: Duration, now: Timestamp) -> Result<Self, TokenError> {
        Self::new(KeyDirectory::at(dir).read_or_begin(algorithm, now)?, dir, algorithm, ttl, now)
    }

    /// Whether the directory could be opened as it is now. Makes nothing; that there is no key yet is no fault.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn check(dir: &Path, algorithm: TokenAlgorithm, ttl: Duration, now: Timestamp) -> Result<(), TokenError> {
        match KeyDirectory::at(dir).read_if_begun()? {
            Some(reading) => Self::new(reading, dir, algorithm, ttl, now).map(drop),
            None => Ok(()),
        }
    }

    fn new(reading: Reading, dir: &Path, algorithm: TokenAlgorithm, ttl: Duration, now: Timestamp) -> Result<Self, TokenError> {
        let kid: Arc<str> = reading.current_kid()?.into();
        let mut published = Vec::new();
        let mut others = BTreeMap::new();
        let mut current = None;
        for file in reading.keys {
            let standing = reading.ring.as_ref().map_or(KeyStanding::Current, |ring| ring.standing(file.key.kid(), ttl, now));
            match standing {
                KeyStanding::Current => {
                    published.insert(0, file.key.jwk().clone());
                    current = Some(file.key);
                }
                KeyStanding::Next => {
                    published.push(file.key.jwk().clone());
                    others.insert(file.key.kid().into(), None);
                }
                KeyStanding::Retiring { until } => {
                    published.push(file.key.jwk().clone());
                    others.insert(file.key.kid().into(), Some(until));
                }
                KeyStanding::Retired { .. } => {}
            }
        }
        let current = current.ok_or_else(|| TokenError::Keys(format!("the key {kid} that is to sign is not in {}", dir.display())))?;
        if current.algorithm() != algorithm {
            let (has, wants) = (current.algorithm().as_str(), algorithm.as_str());
            return Err(TokenError::Keys(format!(
                "the key that signs in {} is for {has}, but token.algorithm is {wants}: publish and activate a key for {wants} first \
                 (claviger token keys publish, then activate)",
                dir.display()
            )));
        }
        let header = json!({"alg": algorithm.as_str(), "typ": "at+jwt", "kid": &*kid});
        let header = format!("{}.", base64url(header.to_string())).into();
        Ok(Self { current, kid, header, others, jwks: json!({ "keys": published }) })
    }

    /// RFC 7638 thumbprint of the key that signs.
    pub fn current_kid(&self) -> &str {
        &self.kid
    }

    /// What the current key signs with, as a token's header spells it.
    pub fn algorithm(&self) -> &'static str {
        self.current.algorithm().as_str()
    }

    /// Whether tokens signed by `kid` still verify by the JWKS.
    pub fn publishes(&self, kid: &str) -> bool {
        *self.kid == *kid || self.others.contains_key(kid)
    }

    /// RFC 7517 JWK set, as JSON; the key that signs comes first.
    pub fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    /// (state, number of keys) for the states `current`, `next`, `retiring`.
    pub fn states(&self) -> [(&'static str, usize); 3] {
        let retiring = self.others.values().flatten().count();
        [("current", 1), ("next", self.others.len() - retiring), ("retiring", retiring)]
    }

    /// When the next retiring key is past its time, and the directory is to be read anew.
    pub fn stale_at(&self) -> Option<Timestamp> {
        self.others.values().flatten().min().copied()
    }

    pub(super) fn shared_kid(&self) -> Arc<str> {
        Arc::clone(&self.kid)
    }

    /// Bytes of a token with a payload of this many.
    pub(super) fn token_size(&self, payload: usize) -> usize {
        self.header.len() + payload + ".".len() + (self.current.signature_length() * 8).div_ceil(6)
    }

    /// Appends the token with this payload, which is base64url already.
    pub(super) fn sign(&self, payload: &str, token: &mut String) -> Result<(), TokenError> {
        let begin = token.len();
        token.push_str(&self.header);
        token.push_str(payload);
        let message = token.get(begin..).unwrap_or_default();
        let signature = self.current.sign(message.as_bytes()).map_err(TokenError::Signing)?;
        token.push('.');
        token.push_str(&base64url(signature));
        Ok(())
    }
}
