//! `[token.headers]`: claims that the API gets as plain headers, too.

use http::HeaderName;
use toml::de::DeValue;

use super::header::credential_header;
use super::parse::{ValueError, ValueErrors};
use super::value::{Origin, Table, Value};
use crate::diagnostics::nearest;

/// More than any API reads.
const MOST: usize = 16;

/// A claim of the token, by its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimName {
    /// Who issued it.
    Issuer,
    /// Who it is for.
    Audience,
    /// Whose it is: `api::` and the key's id.
    Subject,
    /// The key's id.
    ClientId,
    /// The token's own name.
    TokenId,
    /// From when on it is valid.
    IssuedAt,
    /// When it ends.
    Expires,
    /// The key's name.
    Name,
    /// The key's groups.
    Groups,
    /// The roles, by space.
    Roles,
    /// What the roles say.
    RolesScope,
    /// The last change that the roles know of.
    Revision,
}

impl ClaimName {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Issuer,
        Self::Audience,
        Self::Subject,
        Self::ClientId,
        Self::TokenId,
        Self::IssuedAt,
        Self::Expires,
        Self::Name,
        Self::Groups,
        Self::Roles,
        Self::RolesScope,
        Self::Revision,
    ];

    /// As the token spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "iss",
            Self::Audience => "aud",
            Self::Subject => "sub",
            Self::ClientId => "client_id",
            Self::TokenId => "jti",
            Self::IssuedAt => "iat",
            Self::Expires => "exp",
            Self::Name => "name",
            Self::Groups => "groups",
            Self::Roles => "roles",
            Self::RolesScope => "roles_scope",
            Self::Revision => "rev",
        }
    }
}

/// A header beside the token, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHeader {
    /// What clients send under this name, in any spelling, is removed.
    pub name: HeaderName,
    /// What it says.
    pub claim: ClaimName,
}

/// A table of names and claims; a variable or a flag says it in TOML's `{ … }`.
pub(super) fn token_headers(value: &Value, at: &Origin) -> Result<Vec<TokenHeader>, ValueErrors> {
    let said;
    let table = match value {
        Value::Table(table) => table,
        Value::Bare(text) => match DeValue::parse(text.trim()).ok().map(|value| Value::of(value.get_ref()).said_at(at)) {
            Some(Value::Table(table)) => {
                said = table;
                &said
            }
            Some(_) | None => return Err(no_table("this text").into()),
        },
        other => return Err(no_table(other.kind()).into()),
    };
    read(table)
}

fn no_table(kind: &str) -> ValueError {
    let wrong = ValueError::new(format!("a table of headers and claims is wanted, not {kind}"));
    wrong.suggest("write { \"x-auth-subject\" = \"sub\", \"x-auth-roles\" = \"roles\" }")
}

fn read(table: &Table) -> Result<Vec<TokenHeader>, ValueErrors> {
    let (mut headers, mut faults): (Vec<TokenHeader>, Vec<ValueError>) = (Vec::new(), Vec::new());
    for (name, entry) in table {
        let claim = match &entry.value {
            Value::Text(text) => claim(text),
            other => Err(ValueError::new(format!("the name of a claim is wanted, not {}", other.kind()))),
        };
        let claim = claim.map_err(|fault| faults.push(ValueError { at: Some(entry.at.clone()), ..fault }));
        let name = credential_header(name).and_then(|name| {
            if headers.iter().any(|header| header.name == name) {
                Err(ValueError::new(format!("{name} stands here twice")))
            } else {
                Ok(name)
            }
        });
        let name = name.map_err(|fault| faults.push(ValueError { at: Some(entry.key.clone()), ..fault }));
        if let (Ok(name), Ok(claim)) = (name, claim) {
            headers.push(TokenHeader { name, claim });
        }
    }
    if headers.len() > MOST {
        faults.push(ValueError::new(format!("there are at most {MOST} of them")));
    }
    if faults.is_empty() { Ok(headers) } else { Err(ValueErrors(faults)) }
}

fn claim(text: &str) -> Result<ClaimName, ValueError> {
    if let Some(claim) = ClaimName::ALL.into_iter().find(|claim| claim.as_str() == text) {
        return Ok(claim);
    }
    let wrong = ValueError::new(format!("{text:?} is no claim of the token"));
    Err(match nearest(text, ClaimName::ALL.map(ClaimName::as_str)) {
        Some(near) => wrong.suggest(format!("did you mean \"{near}\"?")),
        None => wrong.suggest(format!("claims are {}", ClaimName::ALL.map(ClaimName::as_str).join(", "))),
    })
}
