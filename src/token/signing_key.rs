//! One signing key: made, read, and put to use.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, rsa};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zeroize::Zeroizing;

use super::encoding::base64url;
use crate::config::TokenAlgorithm;

/// A private key, parsed once; its algorithm follows from it and from nothing else.
pub(super) struct SigningKey {
    pair: Pair,
    kid: Box<str>,
    jwk: serde_json::Value,
}

enum Pair {
    Es256(Box<EcdsaKeyPair>),
    EdDsa(Box<Ed25519KeyPair>),
    Rs256(Box<RsaKeyPair>),
}

/// A key shows its public name only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm().as_str(), self.kid)
    }
}

impl SigningKey {
    /// A new key, and its PKCS#8 PEM.
    pub(super) fn generate(algorithm: TokenAlgorithm) -> Result<(Self, Zeroizing<String>), String> {
        let failed = |_| format!("no {} key could be made", algorithm.as_str());
        let pem = match algorithm {
            TokenAlgorithm::Es256 => {
                pem_of(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(failed)?.as_ref())
            }
            // Version 1, without the public key: the form that OpenSSL reads, too.
            TokenAlgorithm::EdDsa => pem_of(Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(failed)?.as_ref()),
            TokenAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?;
                pem_of(pair.as_der().map_err(failed)?.as_ref())
            }
        };
        let key = Self::from_pem(&pem)?;
        Ok((key, pem))
    }

    /// Reads a PKCS#8 PEM. The error says what is wrong with it and quotes nothing of it.
    pub(super) fn from_pem(pem: &str) -> Result<Self, String> {
        let der = pkcs8_of(pem)?;
        // The three formats name their algorithm in the same place, so at most one of them takes the key.
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der) {
            return Self::new(Pair::Es256(Box::new(pair)));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(&der) {
            return Self::new(Pair::EdDsa(Box::new(pair)));
        }
        if let Ok(pair) = RsaKeyPair::from_pkcs8(&der) {
            return Self::new(Pair::Rs256(Box::new(pair)));
        }
        Err("it is neither a P-256, nor an Ed25519, nor an RSA key of 2048 bits or more".to_owned())
    }

    fn new(pair: Pair) -> Result<Self, String> {
        let mut jwk = public_jwk(&pair)?;
        let kid = thumbprint(&jwk);
        if let Some(members) = jwk.as_object_mut() {
            members.extend([("use".to_owned(), json!("sig")), ("kid".to_owned(), json!(kid))]);
            members.insert("alg".to_owned(), json!(algorithm_of(&pair).as_str()));
        }
        Ok(Self { pair, kid: kid.into(), jwk })
    }

    pub(super) fn algorithm(&self) -> TokenAlgorithm {
        algorithm_of(&self.pair)
    }

    /// RFC 7638 thumbprint.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key, RFC 7517.
    pub(super) fn jwk(&self) -> &serde_json::Value {
        &self.jwk
    }

    /// Bytes of a signature.
    pub(super) fn signature_length(&self) -> usize {
        match &self.pair {
            Pair::Es256(_) | Pair::EdDsa(_) => 64,
            Pair::Rs256(pair) => pair.public_modulus_len(),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec()),
            Pair::EdDsa(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map(|()| signature)
            }
        };
        signature.map_err(|_| format!("the {} key {} does not sign", self.algorithm().as_str(), self.kid))
    }
}

fn algorithm_of(pair: &Pair) -> TokenAlgorithm {
    match pair {
        Pair::Es256(_) => TokenAlgorithm::Es256,
        Pair::EdDsa(_) => TokenAlgorithm::EdDsa,
        Pair::Rs256(_) => TokenAlgorithm::Rs256,
    }
}

/// The members that make the public key, and only they: what the thumbprint is made of.
fn public_jwk(pair: &Pair) -> Result<serde_json::Value, String> {
    match pair {
        Pair::Es256(pair) => match pair.public_key().as_ref().split_first() {
            Some((4, point)) if point.len() == 64 => {
                let (x, y) = point.split_at(32);
                Ok(json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)}))
            }
            _ => Err("its public key is not an uncompressed point".to_owned()),
        },
        Pair::EdDsa(pair) => Ok(json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key())})),
        Pair::Rs256(pair) => {
            let (modulus, exponent) = rsa_numbers(pair.public_key().as_ref()).ok_or_else(|| "its public key cannot be read".to_owned())?;
            Ok(json!({"kty": "RSA", "n": base64url(modulus), "e": base64url(exponent)}))
        }
    }
}

/// RFC 7638: SHA-256 of the required members in the order of their names, without blanks.
fn thumbprint(jwk: &serde_json::Value) -> String {
    let required = match jwk.get("kty").and_then(serde_json::Value::as_str) {
        Some("EC") => ["crv", "kty", "x", "y"].as_slice(),
        Some("OKP") => &["crv", "kty", "x"],
        _ => &["e", "kty", "n"],
    };
    let members: Vec<String> =
        required.iter().map(|name| format!("{}:{}", json!(name), jwk.get(name).unwrap_or(&serde_json::Value::Null))).collect();
    base64url(digest::digest(&digest::SHA256, format!("{{{}}}", members.join(",")).as_bytes()))
}

/// Modulus and exponent of a DER `RSAPublicKey ::= SEQUENCE { n INTEGER, e INTEGER }` (RFC 8017), big-endian without leading zeros.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, after) = der_element(0x30, der)?;
    let (modulus, rest) = der_element(0x02, sequence)?;
    let (exponent, end) = der_element(0x02, rest)?;
    (after.is_empty() && end.is_empty()).then(|| (without_sign(modulus), without_sign(exponent)))
}

fn without_sign(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    }
}

/// The content of the element with this tag that `der` begins with, and what follows it.
fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if bytes.len() > 4 {
            return None;
        }
        (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
    };
    if first == tag { rest.split_at_checked(length) } else { None }
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

fn pem_of(der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(body.len() * 66 / 64 + 64));
    pem.push_str(BEGIN);
    for (place, character) in body.chars().enumerate() {
        if place % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push('\n');
    pem.push_str(END);
    pem.push('\n');
    pem
}

fn pkcs8_of(pem: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let body = pem.split_once(BEGIN).and_then(|(_, rest)| Some(rest.split_once(END)?.0));
    let Some(body) = body else {
        return Err(if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            "it is encrypted; the key must be readable without a passphrase".to_owned()
        } else if pem.contains("PRIVATE KEY-----") {
            "it is not PKCS#8; `openssl pkcs8 -topk8 -nocrypt` makes it so".to_owned()
        } else {
            format!("there is no `{BEGIN}` in it")
        });
    };
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    STANDARD.decode(body.as_bytes()).map(Zeroizing::new).map_err(|_| "what it holds is not base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [TokenAlgorithm; 3] = [TokenAlgorithm::Es256, TokenAlgorithm::EdDsa, TokenAlgorithm::Rs256];

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        let jwk = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst\
                  n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91\
                  CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        });
        assert_eq!(thumbprint(&jwk), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(thumbprint(&jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_reads_back_as_itself() {
        for algorithm in ALGORITHMS {
            let (key, pem) = SigningKey::generate(algorithm).unwrap();
            let read = SigningKey::from_pem(&pem).unwrap();
            assert_eq!((read.algorithm(), read.kid(), read.jwk()), (algorithm, key.kid(), key.jwk()));
            assert_eq!(key.sign(b"message").unwrap().len(), key.signature_length());
            assert_eq!(format!("{key:?}"), format!("SigningKey({} {})", algorithm.as_str(), key.kid()));
        }
    }

    #[test]
    fn every_public_member_is_published_and_no_private_one() {
        for (algorithm, members) in ALGORITHMS.into_iter().zip([
            &["alg", "crv", "kid", "kty", "use", "x", "y"][..],
            &["alg", "crv", "kid", "kty", "use", "x"],
            &["alg", "e", "kid", "kty", "n", "use"],
        ]) {
            let (key, _) = SigningKey::generate(algorithm).unwrap();
            let mut names: Vec<&str> = key.jwk().as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, members);
        }
    }

    #[test]
    fn what_is_not_a_key_says_what_it_is() {
        let told = |pem: &str| SigningKey::from_pem(pem).unwrap_err();
        assert!(told("").contains("BEGIN PRIVATE KEY"));
        assert!(told("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----").contains("openssl pkcs8"));
        assert!(told("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----").contains("passphrase"));
        assert!(told(&format!("{BEGIN}\n!!!!\n{END}")).contains("base64"));
        assert!(told(&format!("{BEGIN}\nAAAA\n{END}")).contains("neither"));
    }

    #[test]
    fn a_garbled_rsa_public_key_is_not_read() {
        for der in [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x84, 255, 255, 255, 255], &[0x30, 3, 2, 1, 1], &[0x31, 0]] {
            assert_eq!(rsa_numbers(der), None);
        }
    }
}
