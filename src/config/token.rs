//! `[token]`: what the upstream gets in the key's place.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::header::credential_header;
use super::parse::{ValueError, ValueErrors, duration, one_of, size, text, truth};
use super::quantity::{hours, secs};
use super::reader::Section;
use super::token_headers::{TokenHeader, token_headers};
use super::value::{Origin, Value};

/// `[token]`
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSettings {
    /// `iss`. Never empty.
    pub issuer: String,
    /// `aud`. Never empty.
    pub audience: String,
    /// How long a token lasts.
    pub ttl: Duration,
    /// What new signing keys are made for.
    pub algorithm: TokenAlgorithm,
    /// The directory of the signing keys.
    pub keys: PathBuf,
    /// Which of the keys signs; else as the directory says.
    pub active: Option<String>,
    /// What the header says that it is.
    pub typ: TokenType,
    /// How far `nbf` and `iat` lie before the time at which it is signed.
    pub backdate: Duration,
    /// The header that the upstream finds the token in, behind `Bearer`.
    pub header: HeaderName,
    /// Bytes. A token that would be longer names fewer roles.
    pub max_bytes: usize,
    /// Claims that stand in headers of their own, beside the token. No name twice, and none that the token or a key stands in.
    pub headers: Vec<TokenHeader>,
    /// Whether `actions` stand beside `roles`.
    pub include_actions: bool,
    /// Whether `cnf` says which certificate the client has shown (RFC 8705, section 3.1), if it has shown one.
    pub confirm_client_certificate: bool,
}

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
}

/// What a token says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token by RFC 9068.
    AccessToken,
    /// Any JWT, for verifiers that know no other.
    Jwt,
}

impl TokenType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::AccessToken, Self::Jwt];

    /// As `typ` spells it (RFC 9068, section 2.1; RFC 7519, section 5.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
        }
    }
}

impl TokenAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// As `alg` spells it (RFC 7518, RFC 8037).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:9464".to_owned(),
            audience: "upstream".to_owned(),
            ttl: secs(60),
            algorithm: TokenAlgorithm::Es256,
            keys: PathBuf::from("keys/"),
            active: None,
            typ: TokenType::AccessToken,
            backdate: secs(5),
            header: AUTHORIZATION,
            headers: Vec::new(),
            max_bytes: 6144,
            include_actions: false,
            confirm_client_certificate: false,
        }
    }
}

impl TokenSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let types = TokenType::ALL.map(|typ| (typ.as_str(), typ));
        Self {
            issuer: section.live("issuer", default.issuer, text(|text| said("issuer", text))),
            audience: section.live("audience", default.audience, text(|text| said("audience", text))),
            ttl: section.live("ttl", default.ttl, duration(secs(5)..=hours(24))),
            algorithm: section.live("algorithm", default.algorithm, algorithm),
            keys: section.live_path("keys", default.keys),
            active: section.live("active", None, text(|text| thumbprint(text).map(Some))),
            typ: section.live("typ", default.typ, one_of(&types)),
            backdate: section.live("backdate", default.backdate, duration(secs(0)..=secs(300))),
            header: section.live("header", default.header, text(credential_header)),
            headers: section.live("headers", default.headers, token_headers),
            max_bytes: section.live("max_bytes", default.max_bytes, size(512..=64 << 10)),
            include_actions: section.live("include_actions", default.include_actions, truth),
            confirm_client_certificate: section.live("confirm_client_certificate", default.confirm_client_certificate, truth),
        }
    }
}

/// The name of a signing key: a SHA-256 in base64url (RFC 7638).
fn thumbprint(text: &str) -> Result<String, ValueError> {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.len() == 43 && text.bytes().all(is_base64url) {
        return Ok(text.to_owned());
    }
    Err(ValueError::new("it is not the name of a signing key, 43 characters of base64url").suggest("`claviger token keys list` shows them"))
}

/// What signs so that nobody who verifies could sign as well.
fn algorithm(value: &Value, at: &Origin) -> Result<TokenAlgorithm, ValueErrors> {
    if let Value::Text(text) | Value::Bare(text) = value
        && text.to_uppercase().starts_with("HS")
    {
        let error =
            ValueError::new(format!("{text} signs and verifies with one secret, so that every API could make tokens for the others"));
        return Err(error.suggest("write \"ES256\": the JWKS that verifiers read needs no secret").into());
    }
    one_of(&TokenAlgorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm)))(value, at)
}

/// A claim that says something, in one word.
fn said(claim: &str, text: &str) -> Result<String, ValueError> {
    if text.is_empty() {
        return Err(ValueError::new(format!("an empty {claim} would make the token good for everybody")));
    }
    if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(
            ValueError::new(format!("an {claim} holds no blanks")).suggest("it looks like \"https://auth.example.com\" or \"orders-api\"")
        );
    }
    Ok(text.to_owned())
}
