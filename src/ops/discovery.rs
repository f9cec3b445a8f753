//! The documents that lead verifiers to the JWKS: RFC 8414 and OpenID Connect Discovery.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Where the JWKS is: below the issuer, whose well-known paths a load balancer hands on to the ops listener.
fn jwks_uri(issuer: &str) -> String {
    format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'))
}

/// OpenID Connect Discovery 1.0, as far as it applies to an issuer that nobody logs in at: frameworks take the issuer's name and its
/// keys from here.
pub(super) fn openid_configuration(issuer: &str, jwks: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri(issuer),
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms(jwks),
        "claims_supported": [
            "iss", "aud", "sub", "client_id", "iat", "nbf", "exp", "jti", "name", "groups", "roles", "roles_scope", "rev",
        ],
    })
}

/// RFC 8414. There is no endpoint to name: a credential is exchanged on the way to the upstream.
pub(super) fn authorization_server(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri(issuer),
        "response_types_supported": [],
        "grant_types_supported": [],
        "token_endpoint_auth_methods_supported": [],
    })
}

/// What the published keys sign with; two algorithms while one takes the other's place.
fn algorithms(jwks: &str) -> BTreeSet<String> {
    let set: Value = serde_json::from_str(jwks).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(|key| Some(key.get("alg")?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_documents_lead_to_the_keys() {
        let jwks = r#"{"keys":[{"alg":"ES256"},{"alg":"EdDSA"},{"alg":"ES256"}]}"#;
        let openid = openid_configuration("https://auth.example.com/", jwks);
        assert_eq!(openid["issuer"], "https://auth.example.com/", "verifiers compare it byte for byte");
        assert_eq!(openid["jwks_uri"], "https://auth.example.com/.well-known/jwks.json");
        assert_eq!(openid["id_token_signing_alg_values_supported"], json!(["ES256", "EdDSA"]));
        let oauth = authorization_server("https://auth.example.com");
        assert_eq!((&oauth["issuer"], &oauth["jwks_uri"]), (&json!("https://auth.example.com"), &openid["jwks_uri"]));
    }
}
