//! Claims as plain headers, for an API that cannot verify a token.
//!
//! Whoever reads them splits at commas and decodes `%XX`, or does neither where names are plain: what would be taken for something else is
//! escaped, so that nothing that is put into a name makes two entries of one, ends the header, or begins another.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue};

use super::claims::{Claims, Roles, RolesScope};
use crate::config::{ClaimName, TokenHeader};
use crate::model::{RoleId, SpaceId};

/// Headers, ready to be put on requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimHeaders(Box<[(HeaderName, HeaderValue)]>);

impl ClaimHeaders {
    /// Says what the token says. What it does not say has no header.
    pub(super) fn of(headers: &[TokenHeader], claims: &Claims<'_>) -> Self {
        let said = headers.iter().filter_map(|TokenHeader { name, claim }| {
            let text = value(*claim, claims)?;
            Some((name.clone(), HeaderValue::try_from(text).expect("what is not visible ASCII or an inner blank is escaped")))
        });
        Self(said.collect())
    }

    /// One after another.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }

    /// What they take while they are kept, in bytes.
    pub fn bytes(&self) -> usize {
        // A text is shared by reference, and the count of it has a place of its own.
        self.0.iter().map(|(name, value)| size_of::<(HeaderName, HeaderValue)>() + name.as_str().len() + value.len() + 64).sum()
    }

    /// What they take of a request's head, in bytes, with what separates and ends them.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
    }
}

fn value(claim: ClaimName, claims: &Claims<'_>) -> Option<String> {
    Some(match claim {
        ClaimName::Issuer => whole(claims.iss),
        ClaimName::Audience => whole(claims.aud),
        ClaimName::Subject => whole(&claims.sub),
        ClaimName::ClientId => whole(&claims.client_id.to_string()),
        ClaimName::TokenId => whole(&claims.jti),
        ClaimName::IssuedAt => claims.iat.to_string(),
        ClaimName::Expires => claims.exp.to_string(),
        ClaimName::Name => whole(claims.name.as_str()),
        ClaimName::Groups => list(claims.groups?.iter().map(|group| entry(group))),
        ClaimName::Roles => {
            let of = |space: &SpaceId, role: &RoleId| format!("{}:{}", entry(space.as_str()), entry(role.as_str()));
            match claims.roles {
                Roles::Everywhere(roles) => list(roles.iter().flat_map(|(space, roles)| roles.iter().map(move |role| of(space, role)))),
                Roles::There(roles) => list(roles.iter().filter_map(|role| claims.space.map(|space| of(space, role)))),
            }
        }
        ClaimName::RolesScope => match claims.roles_scope {
            RolesScope::Effective => "effective".to_owned(),
            RolesScope::Bound => "bound".to_owned(),
        },
        ClaimName::Revision => claims.rev.0.to_string(),
    })
}

fn list(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(",")
}

/// A text that is a value by itself.
fn whole(text: &str) -> String {
    escaped(text, |byte| byte == b'%')
}

/// A text that stands between commas.
fn entry(text: &str) -> String {
    escaped(text, |byte| matches!(byte, b'%' | b',' | b':' | b';' | b'"' | b'\\'))
}

/// Visible ASCII and blanks inside stay; all else, and what `means` something, is escaped byte for byte of its UTF-8 (RFC 3986, section 2.1).
fn escaped(text: &str, means: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let inner = text.trim_matches(' ');
    let begins = text.len() - text.trim_start_matches(' ').len();
    for (place, byte) in text.bytes().enumerate() {
        let is_inside = (begins..begins + inner.len()).contains(&place);
        if (byte.is_ascii_graphic() || (byte == b' ' && is_inside)) && !means(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> String {
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((first, after)) = rest.split_first() {
            if *first == b'%' {
                out.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                rest = &after[2..];
            } else {
                out.push(*first);
                rest = after;
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_plain_stays_and_what_is_not_is_escaped() {
        for (text, alone, among) in [
            ("ci-cd", "ci-cd", "ci-cd"),
            ("CI und CD", "CI und CD", "CI und CD"),
            (" a ", "%20a%20", "%20a%20"),
            ("  ", "%20%20", "%20%20"),
            ("a,b;c", "a,b;c", "a%2Cb%3Bc"),
            ("100%", "100%25", "100%25"),
            ("é", "%C3%A9", "%C3%A9"),
            ("a\r\nx-admin: 1", "a%0D%0Ax-admin: 1", "a%0D%0Ax-admin%3A 1"),
            ("\"q\"", "\"q\"", "%22q%22"),
        ] {
            assert_eq!((whole(text), entry(text)), (alone.to_owned(), among.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn whatever_the_names_are_a_header_holds_them_and_they_come_out_again(names in prop::collection::vec("\\PC{0,8}|[ -~\\r\\n\\x00]{0,8}", 1..6)) {
            let value = list(names.iter().map(|name| entry(name)));
            prop_assert!(HeaderValue::from_str(&value).is_ok());
            prop_assert_eq!(value.split(',').map(decoded).collect::<Vec<_>>(), names.clone());
            let alone = whole(&names[0]);
            prop_assert!(HeaderValue::from_str(&alone).is_ok() && alone.trim() == alone);
            prop_assert_eq!(decoded(&alone), names[0].clone());
        }
    }
}
