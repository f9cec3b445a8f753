//! Which headers of clients never reach the API: names by which other proxies say who somebody is.
//!
//! An API that moved here from behind such a proxy may still believe them.

use std::fmt;

use http::HeaderName;

use super::parse::ValueError;

/// What is removed where nothing else is said. Behind some stands who says it.
const DEFAULT: [&str; 37] = [
    "x-role",
    "x-roles",
    "x-group",
    "x-groups",
    "x-user",
    "x-user-*",
    "x-userinfo", // APISIX
    "x-id-token", // APISIX
    "remote-*",   // Authelia
    "x-remote-*", // Kubernetes' request header authentication
    "x-authenticated-*",
    "x-auth-user*",
    "x-auth-request-*", // OAuth2 Proxy
    "x-auth-username",
    "x-webauth-*", // Grafana's
    "x-authentik-*",
    "x-vouch-*",
    "x-kratos-*",           // Oathkeeper
    "x-consumer-*",         // Kong
    "x-credential-*",       // Kong
    "x-anonymous-consumer", // Kong
    "x-goog-authenticated-user-*",
    "x-goog-iap-*",
    "x-amzn-oidc-*",
    "x-amzn-mtls-*",
    "x-ms-client-principal*",
    "x-ms-token-*",
    "cf-access-*",
    "tailscale-*",
    "x-pomerium-*",
    "oidc-*",       // mod_auth_openidc
    "ssl-client-*", // nginx' ingress
    "x-ssl-*",
    "x-client-cert*",
    "x-client-verify",
    "x-client-dn",
    "x-tls-client-*",
];

/// What frames a message, belongs to a connection, or is said by Claviger itself.
const NEEDED: [&str; 17] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// A header's name, or how names begin; in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeaderPattern {
    /// This one.
    Name(String),
    /// All that begin like this.
    Prefix(String),
}

impl HeaderPattern {
    /// The identity headers of other proxies.
    pub fn identity() -> Vec<Self> {
        DEFAULT.iter().map(|text| Self::of(text)).collect()
    }

    fn of(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Name(text.to_owned()),
        }
    }
}

impl fmt::Display for HeaderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// `x-user`, or `x-user-*`.
pub(super) fn header_pattern(text: &str) -> Result<HeaderPattern, ValueError> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('*').unwrap_or(&lower);
    let sound = HeaderName::try_from(name).is_ok() && !name.contains('*');
    if !sound {
        return Err(ValueError::new(format!("{text:?} is not the name of a header"))
            .suggest("write \"x-user\", or \"x-user-*\" for all that begin so"));
    }
    let folded = name.replace(['_', '.'], "-");
    if folded != name {
        let star = if lower.ends_with('*') { "*" } else { "" };
        return Err(ValueError::new("every spelling with `_` or `.` is removed as well").suggest(format!("write \"{folded}{star}\"")));
    }
    match HeaderPattern::of(&lower) {
        HeaderPattern::Name(name) if NEEDED.contains(&name.as_str()) => {
            Err(ValueError::new(format!("{name} cannot be removed: requests need it, or Claviger says it itself")))
        }
        pattern @ (HeaderPattern::Name(_) | HeaderPattern::Prefix(_)) => Ok(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_names() {
        assert_eq!(header_pattern("X-User").unwrap(), HeaderPattern::Name("x-user".to_owned()));
        assert_eq!(header_pattern("x-user-*").unwrap(), HeaderPattern::Prefix("x-user-".to_owned()));
        for wrong in ["", "*", "x-*-user", "x user", "x_user", "x.user-*", "host", "X-Request-Id", "transfer-encoding"] {
            assert!(header_pattern(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_is_written_as_it_would_be_read() {
        for pattern in HeaderPattern::identity() {
            assert_eq!(header_pattern(&pattern.to_string()).unwrap(), pattern);
        }
    }
}
