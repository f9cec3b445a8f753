//! One reading of the signing keys: one signs, the others are only published.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::directory::{KeyDirectory, Reading};
use super::encoding::base64url;
use super::error::TokenError;
use super::ring_file::KeyStanding;
use super::signing_key::SigningKey;
use crate::config::{TokenAlgorithm, TokenSettings, TokenType};
use crate::telemetry::SigningKeyState;

/// The signing keys of `token.keys`: one signs, the others are only published. Immutable; read anew and swapped as a whole.
#[derive(Debug)]
pub struct KeyRing {
    current: SigningKey,
    kid: Arc<str>,
    /// `{"alg":…,"typ":…,"kid":…}` as it stands in a token, and the dot behind it.
    header: Box<str>,
    /// The others that verify, and until when, if that is known.
    others: BTreeMap<Box<str>, Option<Timestamp>>,
    jwks: serde_json::Value,
}

impl KeyRing {
    /// Reads the directory at a start; makes it, with one key, if it does not exist or has never held a key. `now` decides which retired
    /// keys are past their time, the lifetime of tokens how long those of the key before the current one may still live.
    ///
    /// # Errors
    /// If a file is not a key or may be read by others, if nothing says which key signs, or if that key is not for the algorithm.
    pub fn open(settings: &TokenSettings, now: Timestamp) -> Result<Self, TokenError> {
        Self::new(KeyDirectory::of(settings).read_or_begin(settings.algorithm, now)?, settings, now)
    }

    /// Reads the directory again. Makes nothing: a key made on the spot is known to no verifier.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and if there is no key any more.
    pub fn reopen(settings: &TokenSettings, now: Timestamp) -> Result<Self, TokenError> {
        match KeyDirectory::of(settings).read_if_begun()? {
            Some(reading) => Self::new(reading, settings, now),
            None => Err(TokenError::Keys(format!("{} holds no key any more", settings.keys.display()))),
        }
    }

    /// Whether the directory could be opened as it is now. Makes nothing; that there is no key yet is no fault.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn check(settings: &TokenSettings, now: Timestamp) -> Result<(), TokenError> {
        match KeyDirectory::of(settings).read_if_begun()? {
            Some(reading) => Self::new(reading, settings, now).map(drop),
            None => Ok(()),
        }
    }

    fn new(reading: Reading, settings: &TokenSettings, now: Timestamp) -> Result<Self, TokenError> {
        let (dir, algorithm) = (&settings.keys, settings.algorithm);
        let kid: Arc<str> = reading.current_kid()?.into();
        let standings: Vec<KeyStanding> = reading.keys.iter().map(|file| reading.standing(file, settings.ttl, now)).collect();
        let mut published = Vec::new();
        let mut others = BTreeMap::new();
        let mut current = None;
        for (file, standing) in reading.keys.into_iter().zip(standings) {
            match standing {
                KeyStanding::Current { .. } => {
                    published.insert(0, file.key.jwk().clone());
                    current = Some(file.key);
                }
                KeyStanding::Next { .. } => {
                    published.push(file.key.jwk().clone());
                    others.insert(file.key.kid().into(), None);
                }
                KeyStanding::Retiring { until, .. } => {
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
        let header = header_of(algorithm, settings.typ, &kid).into();
        Ok(Self { current, kid, header, others, jwks: json!({ "keys": published }) })
    }

    /// RFC 7638 thumbprint of the key that signs.
    pub fn current_kid(&self) -> &str {
        &self.kid
    }

    /// What the current key signs with, as a token's header spells it.
    pub fn algorithm(&self) -> TokenAlgorithm {
        self.current.algorithm()
    }

    /// Whether tokens signed by `kid` still verify by the JWKS.
    pub fn publishes(&self, kid: &str) -> bool {
        *self.kid == *kid || self.others.contains_key(kid)
    }

    /// RFC 7517 JWK set, as JSON; the key that signs comes first.
    pub fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    /// How many keys there are in each state.
    pub fn states(&self) -> [(SigningKeyState, usize); 3] {
        let retiring = self.others.values().flatten().count();
        [(SigningKeyState::Current, 1), (SigningKeyState::Next, self.others.len() - retiring), (SigningKeyState::Retiring, retiring)]
    }

    /// When the next retiring key is past its time, and the directory is to be read anew.
    pub fn stale_at(&self) -> Option<Timestamp> {
        self.others.values().flatten().min().copied()
    }

    pub(super) fn shared_kid(&self) -> Arc<str> {
        Arc::clone(&self.kid)
    }

    /// What a token of this ring has around its payload.
    pub fn envelope(&self) -> Envelope {
        Envelope { header: self.header.len(), signature: self.current.signature_length() }
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

/// A token's header, as it stands in front of the payload: with the dot.
fn header_of(algorithm: TokenAlgorithm, typ: TokenType, kid: &str) -> String {
    let header = json!({"alg": algorithm.as_str(), "typ": typ.as_str(), "kid": kid});
    format!("{}.", base64url(header.to_string()))
}

/// What a token has around its payload, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// The header as it stands in the token, and the dot behind it.
    header: usize,
    /// The signature before it is encoded.
    signature: usize,
}

impl Envelope {
    /// That of the keys which these settings make, for whoever has none at hand.
    pub fn expected(settings: &TokenSettings) -> Self {
        let thumbprint = base64url([0; 32]);
        let signature = match settings.algorithm {
            TokenAlgorithm::Es256 | TokenAlgorithm::EdDsa => 64,
            TokenAlgorithm::Rs256 => 256,
        };
        Self { header: header_of(settings.algorithm, settings.typ, &thumbprint).len(), signature }
    }

    /// Bytes of a token with a payload of this many.
    pub(super) fn around(self, payload: usize) -> usize {
        self.header + payload + ".".len() + (self.signature * 8).div_ceil(6)
    }
}
