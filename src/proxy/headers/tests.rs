//! What passes, by example and at random.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use proptest::prelude::*;

use super::request::{ForwardContext, Peer};
use super::response::{Unfit, clean_response};
use super::rules::{Fate, HeaderRules, fold};
use crate::config::{ClaimName, HeaderPattern, TokenHeader};
use crate::token::ClaimHeaders;

fn rules() -> HeaderRules {
    HeaderRules::new(
        &[AUTHORIZATION, HeaderName::from_static("x-api-key")],
        &HeaderName::from_static("x-service-token"),
        &[TokenHeader { name: HeaderName::from_static("x-auth-roles"), claim: ClaimName::Roles }],
        &HeaderPattern::identity(),
        true,
    )
}

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())).collect()
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    lines.sort();
    lines
}

fn forwarded(trusted: bool, version: Version, headers: &[(&str, &str)]) -> HeaderMap {
    let mut headers = map(headers);
    let peer = Peer::at(Some("192.0.2.7".parse().unwrap()), trusted, false);
    let context = ForwardContext {
        peer: &peer,
        host: Some(&HeaderValue::from_static("api")),
        request_id: HeaderValue::from_static("ours"),
        response_timeout: None,
    };
    rules().rewrite_headers(&mut headers, version, Some((&HeaderValue::from_static("Bearer jwt"), &ClaimHeaders::default())), context);
    headers
}

/// What of the client's own headers is left.
fn left(trusted: bool, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let ours = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via", "x-request-id", "x-service-token"];
    lines(&forwarded(trusted, Version::HTTP_11, headers)).into_iter().filter(|(name, _)| !ours.contains(&name.as_str())).collect()
}

#[test]
fn a_stranger_gets_our_word_about_its_way_and_nothing_else() {
    let headers = forwarded(false, Version::HTTP_11, &[("host", "api"), ("x-forwarded-for", "6.6.6.6"), ("x-request-id", "theirs")]);
    let expected = [
        ("host", "api"),
        ("via", "1.1 claviger"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "api"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "ours"),
        ("x-service-token", "Bearer jwt"),
    ];
    assert_eq!(lines(&headers), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_trusted_proxy_is_believed_and_our_hop_added() {
    let headers = forwarded(
        true,
        Version::HTTP_11,
        &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2"), ("x-forwarded-proto", "https"), ("forwarded", "for=1.1.1.1")],
    );
    assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 192.0.2.7");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["forwarded"], "for=1.1.1.1, for=192.0.2.7");
    assert_eq!(left(true, &[("x-forwarded-user", "root"), ("x-roles", "admin")]), []);
}

#[test]
fn a_strangers_word_about_its_address_passes_under_no_name_that_proxies_use() {
    for name in [
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "client-ip",
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "fastly-client-ip",
        "x-envoy-external-address",
        "x-originating-ip",
        "x-remote-ip",
        "x-remote-addr",
        "x-proxyuser-ip",
    ] {
        assert_eq!(left(false, &[(name, "6.6.6.6"), (&name.replace('-', "_"), "6.6.6.6")]), [], "{name}");
        assert_eq!(left(true, &[(name, "6.6.6.6")]), [(name.to_owned(), "6.6.6.6".to_owned())], "{name}");
    }
}

#[test]
fn names_that_fold_to_protected_ones_are_dropped() {
    for name in [
        "authorization",
        "authorization_",
        "x_api_key",
        "x.api.key",
        "x-api_key",
        "x-service_token",
        "x-service-token",
        "X_Roles",
        "x.roles",
        "x_forwarded_for",
        "transfer_encoding",
        "content_length",
        "content.length",
        "host_",
        "proxy_authorization",
        "_te",
        "x|user",
        "proxy-authorization",
        "x-auth-request-user",
        "x_claviger_role",
        "x-claviger-",
        "x-forwarded-user",
        "remote_user",
        "expect",
        "-host",
    ] {
        assert_eq!(left(false, &[(name, "x")]), [], "{name}");
    }
    for name in ["x-mine", "x_mine", "x.mine", "accept", "content-type", "if-match", "x-users"] {
        assert_eq!(left(false, &[(name, "x")]), [(name.to_owned(), "x".to_owned())], "{name}");
    }
}

#[test]
fn identity_names_of_other_proxies_end_here_in_every_spelling_trailers_included() {
    for name in [
        "X-User-Id",
        "X_User_Id",
        "X.User.Id",
        "x-user-email",
        "Remote-User",
        "remote_groups",
        "X-WebAuth-User",
        "X-Goog-Authenticated-User-Email",
        "X_Goog_Authenticated_User_Id",
        "X-Amzn-Oidc-Data",
        "X-Ms-Client-Principal",
        "X-MS-CLIENT-PRINCIPAL-NAME",
        "Cf-Access-Jwt-Assertion",
        "cf_access_authenticated_user_email",
        "Tailscale-User-Login",
        "X-Pomerium-Jwt-Assertion",
        "Ssl-Client-Verify",
        "ssl_client_subject_dn",
        "X-Consumer-Username",
        "X-Auth-Request-Email",
    ] {
        assert_eq!(left(false, &[(name, "root")]), [], "{name}");
        assert_eq!(left(true, &[(name, "root")]), [], "{name}, from a trusted proxy");
        let mut trailers = map(&[(name, "root"), ("x-checksum", "1")]);
        rules().clean_trailers(&mut trailers);
        assert_eq!(lines(&trailers), [("x-checksum".to_owned(), "1".to_owned())], "{name}, as a trailer");
    }
}

#[test]
fn what_claims_are_said_in_ends_here_in_every_spelling_trailers_included() {
    for name in ["X-Auth-Roles", "x_auth_roles", "X.Auth.Roles", "x-auth_roles", "-x-auth-roles", "X-AUTH-ROLES-"] {
        assert_eq!(left(false, &[(name, "root:space-admin")]), [], "{name}");
        assert_eq!(left(true, &[(name, "root:space-admin")]), [], "{name}, from a trusted proxy");
        let mut trailers = map(&[(name, "root:space-admin"), ("x-checksum", "1")]);
        rules().clean_trailers(&mut trailers);
        assert_eq!(lines(&trailers), [("x-checksum".to_owned(), "1".to_owned())], "{name}, as a trailer");
    }
}

#[test]
fn what_is_removed_is_the_configurations_to_say() {
    let removed = [HeaderPattern::Name("origin".to_owned()), HeaderPattern::Prefix("accept-".to_owned())];
    let rules = HeaderRules::new(&[AUTHORIZATION], &AUTHORIZATION, &[], &removed, false);
    let mut headers = map(&[("origin", "a"), ("accept-language", "b"), ("accept_language", "c"), ("accept", "d"), ("x-user-id", "e")]);
    let peer = Peer::at(Some("192.0.2.7".parse().unwrap()), false, false);
    let context = ForwardContext { peer: &peer, host: None, request_id: HeaderValue::from_static("ours"), response_timeout: None };
    rules.rewrite_headers(
        &mut headers,
        Version::HTTP_11,
        Some((&HeaderValue::from_static("Bearer jwt"), &ClaimHeaders::default())),
        context,
    );
    let names: Vec<&str> = headers.keys().map(HeaderName::as_str).filter(|name| !name.starts_with("x-forwarded")).collect();
    for gone in ["origin", "accept-language", "accept_language", "via"] {
        assert!(!names.contains(&gone), "{gone} in {names:?}");
    }
    assert!(names.contains(&"accept") && names.contains(&"x-user-id"), "{names:?}");
}

#[test]
fn what_connection_names_ends_here_and_takes_nothing_of_ours_away() {
    let headers = forwarded(
        false,
        Version::HTTP_11,
        &[
            ("host", "api"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "gzip, trailers"),
            ("connection", "X-Hop, close, host, x-service-token, x-forwarded-for, te, \"odd"),
            ("connection", "x-request-id"),
        ],
    );
    assert!(["connection", "keep-alive", "x-hop"].iter().all(|name| !headers.contains_key(*name)));
    assert_eq!(headers["te"], "trailers");
    assert_eq!(headers["host"], "api");
    assert_eq!(headers["x-service-token"], "Bearer jwt");
    assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
    assert_eq!(headers["x-request-id"], "ours");
    assert!(!forwarded(false, Version::HTTP_11, &[("te", "gzip")]).contains_key("te"));
}

#[test]
fn odd_bytes_in_a_connection_header_hide_nothing_that_it_names() {
    let mut headers = map(&[("host", "api"), ("x-secret", "1"), ("x-other", "2")]);
    headers.append("connection", HeaderValue::from_bytes(b"keep-alive, x-secret, \xff").unwrap());
    let peer = Peer::at(Some("192.0.2.7".parse().unwrap()), false, false);
    let context = ForwardContext { peer: &peer, host: None, request_id: HeaderValue::from_static("ours"), response_timeout: None };
    rules().rewrite_headers(
        &mut headers,
        Version::HTTP_11,
        Some((&HeaderValue::from_static("Bearer jwt"), &ClaimHeaders::default())),
        context,
    );
    assert!(!headers.contains_key("x-secret") && headers.contains_key("x-other"), "{headers:?}");

    let mut headers = map(&[("x-secret", "1")]);
    headers.append("connection", HeaderValue::from_bytes(b"x-secret, \xff").unwrap());
    clean_response(StatusCode::OK, &mut headers).unwrap();
    assert_eq!(lines(&headers), []);
}

#[test]
fn a_trace_passes_only_if_it_is_one() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(left(false, &[("traceparent", good), ("tracestate", "a=b")]).len(), 2);
    for bad in [
        "",
        "00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ] {
        assert_eq!(left(false, &[("traceparent", bad), ("tracestate", "a=b")]), [], "{bad}");
    }
    assert_eq!(left(false, &[("traceparent", good), ("traceparent", good)]), []);
    let later = format!("cc{}-more", &good[2..]);
    assert_eq!(left(false, &[("traceparent", &later)]).len(), 1);
}

#[test]
fn cookie_crumbs_of_http2_are_joined() {
    let headers = forwarded(false, Version::HTTP_2, &[("cookie", "a=b"), ("cookie", "c=d")]);
    assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=b; c=d"]);
    assert_eq!(headers["via"], "2 claviger");
}

#[test]
fn an_answer_loses_what_belongs_to_its_connection() {
    let mut headers = map(&[
        ("connection", "x-hop, close"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("server", "s"),
        ("upgrade", "h2c"),
        ("date", "then"),
    ]);
    clean_response(StatusCode::OK, &mut headers).unwrap();
    assert_eq!(lines(&headers), [("date".to_owned(), "then".to_owned()), ("server".to_owned(), "s".to_owned())]);
}

#[test]
fn an_answer_has_one_length_or_none_and_a_204_has_none() {
    let cleaned = |status: StatusCode, lengths: &[&str]| {
        let lines: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
        let mut headers = map(&lines);
        clean_response(status, &mut headers).map(|()| lines_of_length(&headers))
    };
    assert_eq!(cleaned(StatusCode::OK, &["5"]), Ok(vec!["5".to_owned()]));
    assert_eq!(cleaned(StatusCode::OK, &["5", "5"]), Ok(vec!["5".to_owned()]));
    assert_eq!(cleaned(StatusCode::NOT_MODIFIED, &["5"]), Ok(vec!["5".to_owned()]));
    assert_eq!(cleaned(StatusCode::NO_CONTENT, &["5"]), Ok(vec![]));
    assert_eq!(cleaned(StatusCode::NO_CONTENT, &["0"]), Ok(vec![]));
    for unfit in [&[""][..], &["+5"], &["5, 5"], &["5", "6"], &["5", ""]] {
        assert_eq!(cleaned(StatusCode::OK, unfit), Err(Unfit::Length), "{unfit:?}");
    }
}

fn lines_of_length(headers: &HeaderMap) -> Vec<String> {
    lines(headers).into_iter().filter(|(name, _)| name == "content-length").map(|(_, value)| value).collect()
}

#[test]
fn a_switch_of_protocols_is_no_answer() {
    assert_eq!(clean_response(StatusCode::SWITCHING_PROTOCOLS, &mut HeaderMap::new()), Err(Unfit::Switched));
}

#[test]
fn trailers_carry_neither_credentials_nor_framing_nor_identity() {
    let mut trailers = map(&[
        ("authorization", "Bearer x"),
        ("x_api_key", "x"),
        ("content-length", "1"),
        ("transfer-encoding", "x"),
        ("x-roles", "x"),
        ("x-service-token", "x"),
        ("host", "x"),
        ("x-forwarded-for", "x"),
        ("grpc-status", "0"),
        ("x-checksum", "1"),
    ]);
    rules().clean_trailers(&mut trailers);
    assert_eq!(lines(&trailers), [("grpc-status".to_owned(), "0".to_owned()), ("x-checksum".to_owned(), "1".to_owned())]);
}

fn hostile_name() -> impl Strategy<Value = String> {
    let protected = prop::sample::select(vec![
        "authorization",
        "x-api-key",
        "x-service-token",
        "proxy-authorization",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "x-real-ip",
        "x-roles",
        "x-user",
        "connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
        "x-claviger-id",
    ]);
    let respelled = (protected, prop::collection::vec(prop::sample::select(vec!['-', '_', '.', '~', '|', '+']), 8), any::<u64>()).prop_map(
        |(name, marks, upper)| {
            let mut marks = marks.into_iter();
            name.char_indices()
                .map(|(i, c)| match c {
                    '-' => marks.next().unwrap_or('-'),
                    c if upper >> (i % 64) & 1 == 1 => c.to_ascii_uppercase(),
                    c => c,
                })
                .collect::<String>()
        },
    );
    let tailed = (respelled, prop::sample::select(vec!["", "_", ".", "-"])).prop_map(|(name, tail)| name + tail);
    prop_oneof![3 => tailed, 1 => "[a-zA-Z0-9_.-]{1,12}"]
}

proptest! {
    #[test]
    fn the_upstream_sees_identity_and_the_way_from_us_alone(
        lines in prop::collection::vec((hostile_name(), "[ -~]{0,20}"), 0..12),
        nominated in prop::collection::vec(hostile_name(), 0..4),
    ) {
        let mut sent: Vec<(&str, String)> = lines.iter().map(|(name, value)| (name.as_str(), format!("hostile {value}"))).collect();
        sent.push(("connection", nominated.join(",")));
        let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let headers = forwarded(false, Version::HTTP_11, &sent);
        let rules = rules();
        for (name, value) in &headers {
            let hostile = value.as_bytes().starts_with(b"hostile");
            let folded = fold(name.as_str());
            let protected = rules.own_folded.contains(&folded)
                || ["te", "connection", "keepalive"].contains(&folded.as_str())
                || !matches!(rules.fate_of(&folded), Fate::Keep | Fate::Cookie);
            prop_assert!(!(hostile && protected), "{name}: {value:?}");
        }
        prop_assert_eq!(headers.get_all("x-service-token").iter().collect::<Vec<_>>(), ["Bearer jwt"]);
        prop_assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), ["192.0.2.7"]);
    }
}
