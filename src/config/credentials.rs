//! `proxy.credentials`: where a key may stand.

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::header::credential_header;
use super::parse::{ValueError, ValueErrors, list, text};
use super::value::{Origin, Value};

/// Where in a request a key may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlace {
    /// `Authorization: Bearer KEY` (RFC 6750, section 2.1).
    Bearer,
    /// `Authorization: Basic`, the key as the password or as the user (RFC 7617).
    Basic,
    /// The bare key in a header.
    Header(HeaderName),
    /// The value of a parameter of the query.
    Query(String),
    /// The value of a cookie.
    Cookie(String),
}

impl CredentialPlace {
    /// Where keys are looked for unless the configuration says otherwise.
    pub(super) fn usual() -> Vec<Self> {
        vec![Self::Bearer, Self::Header(HeaderName::from_static("x-api-key"))]
    }
}

/// At least one place, and each once.
pub(super) fn credentials(value: &Value, at: &Origin) -> Result<Vec<CredentialPlace>, ValueErrors> {
    let places = list(text(place))(value, at)?;
    if places.is_empty() {
        return Err(ValueError::new("without a place to look at, nobody could present a key").into());
    }
    for (index, place) in places.iter().enumerate() {
        if places.iter().take(index).any(|earlier| earlier == place) {
            let at = if let Value::List(items) = value { items.get(index).map(|(_, at)| at.clone()) } else { None };
            return Err(ValueError { at, ..ValueError::new("this place stands here twice") }.into());
        }
    }
    Ok(places)
}

fn place(text: &str) -> Result<CredentialPlace, ValueError> {
    match text.split_once(':') {
        None if text == "bearer" => Ok(CredentialPlace::Bearer),
        None if text == "basic" => Ok(CredentialPlace::Basic),
        Some(("header", name)) => match credential_header(name)? {
            name if name == AUTHORIZATION => {
                Err(ValueError::new("the key stands in authorization behind a word that says how").suggest("write \"bearer\" or \"basic\""))
            }
            name => Ok(CredentialPlace::Header(name)),
        },
        Some(("query", name)) => Ok(CredentialPlace::Query(named(name, "parameter", "api_key")?)),
        Some(("cookie", name)) => Ok(CredentialPlace::Cookie(named(name, "cookie", "api_key")?)),
        _ => {
            let wrong = ValueError::new(format!("{text:?} is no place where a key may stand"));
            let places = "places are \"bearer\", \"basic\", \"header:NAME\", \"query:NAME\" and \"cookie:NAME\"";
            Err(match credential_header(text) {
                Ok(name) if name != AUTHORIZATION => wrong.suggest(format!("write \"header:{name}\" if a header is meant; {places}")),
                _ => wrong.suggest(places),
            })
        }
    }
}

/// A name that reads the same however a query or a cookie is written.
fn named(name: &str, kind: &str, example: &str) -> Result<String, ValueError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(is_plain) {
        return Ok(name.to_owned());
    }
    let wrong = ValueError::new(format!("{name:?} is not the name of a {kind} that can be taken: letters, digits, `-`, `_` and `.`"));
    Err(wrong.suggest(format!("names look like \"{example}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_said_in_one_way() {
        for (text, expected) in [
            ("bearer", CredentialPlace::Bearer),
            ("basic", CredentialPlace::Basic),
            ("header:X-Key", CredentialPlace::Header(HeaderName::from_static("x-key"))),
            ("query:api_key", CredentialPlace::Query("api_key".to_owned())),
            ("cookie:Key", CredentialPlace::Cookie("Key".to_owned())),
        ] {
            assert_eq!(place(text).unwrap(), expected);
        }
        for text in [
            "",
            "Bearer",
            "x-api-key",
            "header:",
            "header:host",
            "header:authorization",
            "query:",
            "query:a=b",
            "query:a b",
            "cookie:a;b",
            "digest",
        ] {
            assert!(place(text).is_err(), "{text}");
        }
        assert!(place("x-key").unwrap_err().suggestion.unwrap().starts_with("write \"header:x-key\""));
    }
}
