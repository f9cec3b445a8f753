//! Reading and verifying tokens by a JWKS alone, as an upstream does it.

use jiff::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::TokenType;

/// What a token says, header and claims.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decoded {
    /// `alg`, `typ`, `kid`.
    pub header: Value,
    /// Everything else.
    pub claims: Value,
}

/// Why a token is not good.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is not a JWT at all.
    #[error("this is not a JWT: {0}")]
    Malformed(&'static str),
    /// The key set cannot be read.
    #[error("this is not a JWK set: {0}")]
    Keys(String),
    /// The token names no key, or one that is not in the set.
    #[error("no key {0:?} is in the JWK set")]
    UnknownKey(String),
    /// The header does not fit the key, or is not that of an access token.
    #[error("the header is not right: {0}")]
    Header(String),
    /// Not signed by the key that it names.
    #[error("the signature is wrong")]
    Signature,
    /// A claim is missing or does not fit.
    #[error("the claim {name} is not right: {why}")]
    Claim {
        /// Which.
        name: &'static str,
        /// What is expected of it.
        why: String,
    },
}

/// Reads a token without verifying anything.
pub fn decode(token: &str) -> Result<Decoded, VerifyError> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(VerifyError::Malformed("it does not have three parts"));
    };
    let object = |part: &str| -> Result<Value, VerifyError> {
        let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed("a part is not base64url"))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| VerifyError::Malformed("a part is not JSON"))?;
        if value.is_object() { Ok(value) } else { Err(VerifyError::Malformed("a part is not an object")) }
    };
    Ok(Decoded { header: object(header)?, claims: object(claims)? })
}

/// Verifies a token by a JWK set (RFC 7517, as JSON): signature, `iss`, `aud`, `exp`, `nbf`, `typ`; no leeway.
///
/// The algorithm is the key's. The header may say it again, not choose it; its `kid` is looked up in the set and used for nothing else.
pub fn verify(token: &str, jwks: &str, issuer: &str, audience: &str, now: Timestamp) -> Result<Decoded, VerifyError> {
    verify_as(TokenType::AccessToken, token, jwks, issuer, audience, now)
}

/// The same for a `typ` that may be another than that of an access token.
pub fn verify_as(typ: TokenType, token: &str, jwks: &str, issuer: &str, audience: &str, now: Timestamp) -> Result<Decoded, VerifyError> {
    let decoded = decode(token)?;
    let text = |name: &str| decoded.header.get(name).and_then(Value::as_str).unwrap_or_default();
    let jwk = find(jwks, text("kid"))?;
    let (algorithm, spelled) = algorithm_of(&jwk).ok_or_else(|| VerifyError::Keys("the key is for no algorithm known here".to_owned()))?;
    if text("alg") != spelled {
        return Err(VerifyError::Header(format!("the key is for {spelled}, the token says {:?}", text("alg"))));
    }
    // RFC 7515, section 4.1.9: `application/` may be left out.
    let (said, wanted) = (text("typ").to_ascii_lowercase(), typ.as_str().to_ascii_lowercase());
    if said.strip_prefix("application/").unwrap_or(&said) != wanted {
        return Err(VerifyError::Header(format!("typ is {:?}, not {:?}", text("typ"), typ.as_str())));
    }
    if decoded.header.get("crit").is_some() {
        return Err(VerifyError::Header("it asks for extensions (crit)".to_owned()));
    }

    let key = DecodingKey::from_jwk(&jwk).map_err(|error| VerifyError::Keys(error.to_string()))?;
    let mut signature_only = Validation::new(algorithm);
    // The claims are checked below, by the time that is given and not by the machine's.
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    signature_only.required_spec_claims.clear();
    jsonwebtoken::decode::<Value>(token, &key, &signature_only).map_err(|_| VerifyError::Signature)?;

    check_claims(&decoded.claims, issuer, audience, now)?;
    Ok(decoded)
}

/// Keys of kinds that are not known here do not spoil the set.
fn find(jwks: &str, kid: &str) -> Result<Jwk, VerifyError> {
    let set: Value = serde_json::from_str(jwks).map_err(|error| VerifyError::Keys(error.to_string()))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or_else(|| VerifyError::Keys("it has no array `keys`".to_owned()))?;
    let named = |key: &&Value| !kid.is_empty() && key.get("kid").and_then(Value::as_str) == Some(kid);
    let mut found = keys.iter().filter(named);
    match (found.next(), found.next()) {
        (Some(key), None) => Jwk::deserialize(key).map_err(|error| VerifyError::Keys(error.to_string())),
        (Some(_), Some(_)) => Err(VerifyError::Keys(format!("two keys are named {kid:?}"))),
        (None, _) => Err(VerifyError::UnknownKey(kid.to_owned())),
    }
}

/// What the key is for: by its kind, and not against its own `alg`.
fn algorithm_of(jwk: &Jwk) -> Option<(Algorithm, &'static str)> {
    let (algorithm, said, spelled) = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => (Algorithm::ES256, KeyAlgorithm::ES256, "ES256"),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => (Algorithm::EdDSA, KeyAlgorithm::EdDSA, "EdDSA"),
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256, "RS256"),
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|own| own == said).then_some((algorithm, spelled))
}

fn check_claims(claims: &Value, issuer: &str, audience: &str, now: Timestamp) -> Result<(), VerifyError> {
    let wrong = |name: &'static str, why: String| Err(VerifyError::Claim { name, why });
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return wrong("iss", format!("it must be {issuer:?}"));
    }
    let is_for_audience = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if !is_for_audience {
        return wrong("aud", format!("it must be or hold {audience:?}"));
    }
    let date = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay far below 2^53")]
    let now = now.as_millisecond() as f64 / 1e3;
    match date("exp") {
        None => return wrong("exp", "it must be a number of seconds".to_owned()),
        Some(exp) if now >= exp => return wrong("exp", format!("the token expired {:.0} s ago", now - exp)),
        Some(_) => {}
    }
    match date("nbf") {
        None if claims.get("nbf").is_some() => wrong("nbf", "it must be a number of seconds".to_owned()),
        Some(nbf) if now < nbf => wrong("nbf", format!("the token is not valid for another {:.0} s", nbf - now)),
        None | Some(_) => Ok(()),
    }
}
