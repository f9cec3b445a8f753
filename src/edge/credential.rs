//! Finds the presented key and takes it out of the request.
//!
//! A request carries one credential or none. Two, even equal ones, are refused: whichever was taken, somebody else might take the
//! other.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::Request;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, REFERER};
use http::uri::{PathAndQuery, Uri};
use zeroize::Zeroizing;

use super::places::{Cut, from_cookies, from_query};
use crate::config::CredentialPlace;
use crate::model::{Outcome, PlainKey, Refusal, WhyInvalid};
use crate::telemetry::{AuthReason, Metrics};

/// Where a client, or a proxy before this one, repeats the target of a request, and with it what stands in its query.
static TARGETS: [HeaderName; 4] = [
    REFERER,
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-rewrite-url"),
];

/// With or without padding (RFC 4648, section 3.2).
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Where keys are looked for, and how whoever sent none is told.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Headers, `authorization` among them if a scheme of it is taken.
    headers: Vec<HeaderName>,
    bearer: bool,
    basic: bool,
    queries: Vec<String>,
    cookies: Vec<String>,
    challenges: Vec<String>,
    advice: String,
}

impl Places {
    pub(crate) fn of(places: &[CredentialPlace]) -> Self {
        let (mut headers, mut queries, mut cookies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut bearer, mut basic) = (false, false);
        for place in places {
            match place {
                CredentialPlace::Bearer => bearer = true,
                CredentialPlace::Basic => basic = true,
                CredentialPlace::Header(name) => headers.push(name.clone()),
                CredentialPlace::Query(name) => queries.push(name.clone()),
                CredentialPlace::Cookie(name) => cookies.push(name.clone()),
            }
        }
        if bearer || basic {
            headers.insert(0, AUTHORIZATION);
        }
        let ways: Vec<String> = places.iter().map(way).collect();
        let advice = format!("an API key is needed: send it as {}", ways.join(", or as "));
        Self { headers, bearer, basic, queries, cookies, challenges: challenges(places), advice }
    }

    /// The headers that a key may stand in: nothing of them is forwarded.
    pub(crate) fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// What `WWW-Authenticate` says (RFC 9110, section 11.6.1). `invalid`: a key was sent, and is not valid (RFC 6750, section 3).
    pub(crate) fn challenges(&self, invalid: bool) -> impl Iterator<Item = HeaderValue> {
        self.challenges.iter().filter_map(move |challenge| {
            let says_why = invalid && challenge.starts_with("Bearer ");
            HeaderValue::try_from(if says_why { format!("{challenge}, error=\"invalid_token\"") } else { challenge.clone() }).ok()
        })
    }

    /// What whoever sent no key is to do.
    pub(crate) fn advice(&self) -> &str {
        &self.advice
    }
}

fn way(place: &CredentialPlace) -> String {
    match place {
        CredentialPlace::Bearer => "`Authorization: Bearer KEY`".to_owned(),
        CredentialPlace::Basic => "the password of `Authorization: Basic`".to_owned(),
        CredentialPlace::Header(name) => format!("`{name}: KEY`"),
        CredentialPlace::Query(name) => format!("`{name}=KEY` in the query"),
        CredentialPlace::Cookie(name) => format!("the cookie `{name}`"),
    }
}

/// A scheme of its own, which clients pass over, says where a key may stand if no scheme that they know does: there must be one.
fn challenges(places: &[CredentialPlace]) -> Vec<String> {
    let known = places.iter().filter_map(|place| match place {
        CredentialPlace::Bearer => Some("Bearer realm=\"claviger\"".to_owned()),
        CredentialPlace::Basic => Some("Basic realm=\"claviger\", charset=\"UTF-8\"".to_owned()),
        CredentialPlace::Header(_) | CredentialPlace::Query(_) | CredentialPlace::Cookie(_) => None,
    });
    let known: Vec<String> = known.collect();
    if !known.is_empty() {
        return known;
    }
    let others = places.iter().filter_map(|place| match place {
        CredentialPlace::Bearer | CredentialPlace::Basic => None,
        CredentialPlace::Header(name) => Some(("header", name.as_str())),
        CredentialPlace::Query(name) => Some(("query", name.as_str())),
        CredentialPlace::Cookie(name) => Some(("cookie", name.as_str())),
    });
    others.map(|(place, name)| format!("ApiKey realm=\"claviger\", in=\"{place}\", name=\"{name}\"")).collect()
}

/// What was found in the place of a key.
enum Found<'a> {
    Header(&'a HeaderName, HeaderValue),
    Value(Zeroizing<Vec<u8>>),
}

/// Takes the key out, and counts what the exchange will never see. Nothing stands in any of the places afterwards, unless the request is
/// refused as malformed.
pub(crate) fn extract<B>(request: &mut Request<B>, places: &Places, metrics: &Metrics) -> Result<PlainKey, Outcome> {
    take_from(request, places).inspect_err(|outcome| {
        if let Outcome::MissingKey = outcome {
            metrics.auth_decision(AuthReason::MissingKey);
        } else if let Outcome::Refused(refusal) = outcome {
            metrics.auth_decision(refusal.into());
        }
    })
}

/// Takes whatever stands in the place of a key out of a request for which nobody needs one, however many there are.
pub(crate) fn discard<B>(request: &mut Request<B>, places: &Places) -> Result<(), Outcome> {
    in_headers(request.headers_mut(), &places.headers);
    for name in &places.cookies {
        in_cookies(request.headers_mut(), name)?;
    }
    for name in &places.queries {
        in_query(request, name)?;
    }
    Ok(())
}

/// A key that stands behind `Bearer` in `authorization`, not counted: for an entrance that is not the data plane.
pub(crate) fn take_bearer(headers: &mut HeaderMap) -> Result<PlainKey, Outcome> {
    match in_headers(headers, &[AUTHORIZATION]) {
        (_, count) if count > 1 => Err(two()),
        (Some((_, value)), _) => key(bearer(value.as_bytes())?),
        (None, _) => Err(Outcome::MissingKey),
    }
}

fn take_from<B>(request: &mut Request<B>, places: &Places) -> Result<PlainKey, Outcome> {
    let (found, mut count) = in_headers(request.headers_mut(), &places.headers);
    let mut found = found.map(|(name, value)| Found::Header(name, value));
    for name in &places.cookies {
        if let Some(Cut { value, count: more, .. }) = in_cookies(request.headers_mut(), name)? {
            count += more;
            found = Some(Found::Value(value));
        }
    }
    for name in &places.queries {
        if let Some(Cut { value, count: more, .. }) = in_query(request, name)? {
            count += more;
            found = Some(Found::Value(value));
        }
    }
    match found {
        _ if count > 1 => Err(two()),
        None => Err(Outcome::MissingKey),
        Some(Found::Header(name, value)) if *name == AUTHORIZATION => authorization(value.as_bytes(), places),
        Some(Found::Header(_, value)) => key(value.as_bytes()),
        Some(Found::Value(value)) => key(&value),
    }
}

fn two() -> Outcome {
    Outcome::BadRequest("there is more than one credential")
}

fn key(text: &[u8]) -> Result<PlainKey, Outcome> {
    PlainKey::presented(text).ok_or(Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Malformed)))
}

/// The last one, and how many there were. All lines of all `names` are gone afterwards.
fn in_headers<'n>(headers: &mut HeaderMap, names: &'n [HeaderName]) -> (Option<(&'n HeaderName, HeaderValue)>, usize) {
    let (mut found, mut count) = (None, 0);
    for name in names {
        // Removing gives the first line and drops the others, so they are counted first.
        match headers.get_all(name).iter().count() {
            0 => {}
            lines => {
                count += lines;
                found = headers.remove(name).map(|value| (name, value));
            }
        }
    }
    (found, count)
}

fn in_cookies(headers: &mut HeaderMap, name: &str) -> Result<Option<Cut>, Outcome> {
    let lines: Vec<(HeaderValue, Option<Cut>)> =
        headers.get_all(COOKIE).iter().map(|line| (line.clone(), from_cookies(line.as_bytes(), name))).collect();
    if lines.iter().all(|(_, cut)| cut.is_none()) {
        return Ok(None);
    }
    headers.remove(COOKIE);
    let mut whole: Option<Cut> = None;
    for (line, cut) in lines {
        let Some(cut) = cut else {
            headers.append(COOKIE, line);
            continue;
        };
        if !cut.rest.is_empty() {
            headers.append(COOKIE, HeaderValue::from_bytes(&cut.rest).map_err(|_| Outcome::BadRequest("the Cookie is malformed"))?);
        }
        whole = Some(Cut { count: whole.map_or(0, |before| before.count) + cut.count, ..cut });
    }
    Ok(whole)
}

fn in_query<B>(request: &mut Request<B>, name: &str) -> Result<Option<Cut>, Outcome> {
    for header in &TARGETS {
        clean_target(request.headers_mut(), header, name);
    }
    let Some((path, query)) = request.uri().path_and_query().and_then(|target| target.as_str().split_once('?')) else { return Ok(None) };
    let ambiguous = |()| Outcome::BadRequest("a `;` stands before the name of a key in the query");
    let Some(cut) = from_query(query, name).map_err(ambiguous)? else { return Ok(None) };
    let rest = String::from_utf8_lossy(&cut.rest);
    let target = if rest.is_empty() { path.to_owned() } else { [path, &rest].join("?") };
    let malformed = || Outcome::BadRequest("the target is malformed");
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| malformed())?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| malformed())?;
    Ok(Some(cut))
}

/// A key in the target of the page that a request comes from, or in the target as another proxy had it, would reach the API all the same.
/// What cannot be read is left out.
fn clean_target(headers: &mut HeaderMap, header: &HeaderName, name: &str) {
    let clean = |value: &HeaderValue| {
        let text = std::str::from_utf8(value.as_bytes()).ok()?;
        let (before, query) = text.split_once('?')?;
        match from_query(query, name) {
            Ok(None) => None,
            Ok(Some(cut)) => Some(HeaderValue::from_bytes(&[before.as_bytes(), b"?", &cut.rest].concat()).ok()),
            Err(()) => Some(HeaderValue::try_from(before).ok()),
        }
    };
    if !headers.get_all(header).iter().any(|value| clean(value).is_some()) {
        return;
    }
    let values: Vec<HeaderValue> =
        headers.get_all(header).iter().filter_map(|value| clean(value).unwrap_or_else(|| Some(value.clone()))).collect();
    headers.remove(header);
    for value in values {
        headers.append(header, value);
    }
}

/// A scheme that is not taken here is no credential that is understood, so that the challenge of "none sent" tells the client which is.
fn authorization(value: &[u8], places: &Places) -> Result<PlainKey, Outcome> {
    match basic(value) {
        Some(encoded) if places.basic => of_basic(encoded),
        None if places.bearer => key(bearer(value)?),
        Some(_) | None => Err(Outcome::MissingKey),
    }
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1; the scheme in any case by RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Result<&[u8], Outcome> {
    // What is left of a blank inside makes the key malformed.
    behind(value, b"bearer").ok_or(Outcome::MissingKey)
}

/// What stands behind `Basic` (RFC 7617, section 2).
fn basic(value: &[u8]) -> Option<&[u8]> {
    behind(value, b"basic")
}

fn behind<'v>(value: &'v [u8], wanted: &[u8]) -> Option<&'v [u8]> {
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    let token = || token.iter().position(|byte| *byte != b' ').and_then(|start| token.get(start..)).unwrap_or_default();
    scheme.eq_ignore_ascii_case(wanted).then(token)
}

/// The key is the password, or the user: whichever is one of Claviger's own by its form; of those that were made elsewhere, the password
/// if there is one.
fn of_basic(encoded: &[u8]) -> Result<PlainKey, Outcome> {
    let malformed = || Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Malformed));
    let text = Zeroizing::new(BASE64.decode(encoded.trim_ascii_end()).map_err(|_| malformed())?);
    let colon = text.iter().position(|byte| *byte == b':').ok_or_else(malformed)?;
    let (user, password) = text.split_at(colon);
    let password = password.get(1..).unwrap_or_default();
    let own = |text: &[u8]| PlainKey::presented(text).filter(|key| key.id().is_some());
    match (own(user), own(password)) {
        (Some(_), Some(_)) => Err(two()),
        (Some(key), None) | (None, Some(key)) => Ok(key),
        (None, None) if password.is_empty() => key(user),
        (None, None) => key(password),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::KeyDigest;

    const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

    fn places(places: &[CredentialPlace]) -> Places {
        Places::of(places)
    }

    fn usual() -> Places {
        places(&[CredentialPlace::Bearer, CredentialPlace::Header(X_API_KEY)])
    }

    fn everywhere() -> Places {
        let (query, cookie) = (CredentialPlace::Query("api_key".to_owned()), CredentialPlace::Cookie("key".to_owned()));
        places(&[CredentialPlace::Bearer, CredentialPlace::Basic, CredentialPlace::Header(X_API_KEY), query, cookie])
    }

    fn request(target: &str, lines: &[(&str, &str)]) -> Request<()> {
        lines.iter().fold(Request::get(target), |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
    }

    fn taken(lines: &[(&str, &str)]) -> Result<KeyDigest, Outcome> {
        let mut request = request("/", lines);
        let key = take_from(&mut request, &usual());
        let headers = request.headers();
        assert!(!headers.contains_key(AUTHORIZATION) && !headers.contains_key(X_API_KEY), "{lines:?}");
        key.map(|key| KeyDigest::of(&key))
    }

    /// The target, and the lines that are left.
    fn left(target: &str, lines: &[(&str, &str)]) -> (Result<KeyDigest, Outcome>, String, Vec<(String, String)>) {
        let mut request = request(target, lines);
        let key = take_from(&mut request, &everywhere()).map(|key| KeyDigest::of(&key));
        let lines = request.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        (key, request.uri().to_string(), lines)
    }

    fn basic_of(text: &str) -> String {
        format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(text))
    }

    fn digest(text: &str) -> KeyDigest {
        KeyDigest::of(&PlainKey::presented(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_bearer_token_and_a_bare_key_are_taken() {
        for value in ["Bearer secret", "bearer secret", "BEARER   secret"] {
            assert_eq!(taken(&[("authorization", value)]), Ok(digest("secret")), "{value}");
        }
        assert_eq!(taken(&[("x-api-key", "secret")]), Ok(digest("secret")));
    }

    #[test]
    fn two_credentials_anywhere_are_refused() {
        let two = Err(Outcome::BadRequest("there is more than one credential"));
        assert_eq!(taken(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]), two);
        assert_eq!(taken(&[("x-api-key", "a"), ("x-api-key", "b")]), two);
        assert_eq!(taken(&[("authorization", "Bearer a"), ("x-api-key", "a")]), two);
        assert_eq!(taken(&[("authorization", "Basic YTpi"), ("x-api-key", "a")]), two);
    }

    #[test]
    fn no_credential_or_another_scheme_is_a_missing_key() {
        for lines in [&[][..], &[("authorization", "Basic YTpi")], &[("authorization", "")], &[("authorization", "secret")]] {
            assert_eq!(taken(lines), Err(Outcome::MissingKey), "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_a_look_up() {
        let malformed = Err(Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Malformed)));
        let long = "a".repeat(513);
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,", "Bearer clv_x"] {
            let expected = if value == "Bearer a," { Ok(digest("a,")) } else { malformed.clone() };
            assert_eq!(taken(&[("authorization", value)]), expected, "{value}");
        }
        assert_eq!(taken(&[("x-api-key", "")]), malformed);
        assert_eq!(taken(&[("x-api-key", &long)]), malformed);
    }

    #[test]
    fn basic_takes_the_key_as_password_or_as_user() {
        let own = PlainKey::generate(crate::model::KeyId::new(1, 2), &[3; 32]);
        let (own_digest, own) = (KeyDigest::of(&own), own.reveal().to_owned());
        for (text, expected) in [
            (format!("me:{own}"), Ok(own_digest)),
            (format!(":{own}"), Ok(own_digest)),
            (format!("{own}:"), Ok(own_digest)),
            (format!("{own}:x-oauth-basic"), Ok(own_digest)),
            (format!("{own}:{own}"), Err(two())),
            ("me:secret".to_owned(), Ok(digest("secret"))),
            ("secret:".to_owned(), Ok(digest("secret"))),
            ("me:a:b".to_owned(), Ok(digest("a:b"))),
        ] {
            for value in [basic_of(&text), basic_of(&text).replace("Basic", "bAsIc"), basic_of(&text).trim_end_matches('=').to_owned()] {
                assert_eq!(left("/", &[("authorization", &value)]).0, expected, "{text}");
            }
            assert_eq!(taken(&[("authorization", &basic_of(&text))]), Err(Outcome::MissingKey), "it is not among the places");
        }
        let malformed = Err(Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Malformed)));
        for value in ["Basic", "Basic ???", "Basic Kg", &basic_of(":"), &basic_of("no colon"), &basic_of("a:b c")] {
            assert_eq!(left("/", &[("authorization", value)]).0, malformed, "{value}");
        }
    }

    #[test]
    fn a_key_in_the_query_is_gone_wherever_the_target_is_said_and_the_rest_is_not_touched() {
        let lines = [
            ("referer", "https://app/?api_key=secret&b=2"),
            ("x-original-url", "/a?api%5Fkey=secret"),
            ("x-rewrite-url", "/a?b=1;api_key=secret"),
            ("x-other", "api_key=1"),
        ];
        let (key, target, rest) = left("/a%2fb?x=%20&api_key=sec%72et&y", &lines);
        assert_eq!((key, target.as_str()), (Ok(digest("secret")), "/a%2fb?x=%20&y"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected =
            [pair("x-other", "api_key=1"), pair("referer", "https://app/?b=2"), pair("x-original-url", "/a?"), pair("x-rewrite-url", "/a")];
        let (mut rest, mut expected) = (rest, expected.to_vec());
        rest.sort();
        expected.sort();
        assert_eq!(rest, expected);
        assert_eq!(left("/a?api_key=secret", &[]).1, "/a");
        // Where nothing is to be taken, nothing changes.
        let untouched = left("/a?x-api-key=1;b&&c=%zz?", &[("cookie", "a=1; b"), ("authorization", "Bearer secret")]);
        assert_eq!(untouched, (Ok(digest("secret")), "/a?x-api-key=1;b&&c=%zz?".to_owned(), vec![pair("cookie", "a=1; b")]));
    }

    #[test]
    fn a_cookie_is_taken_off_its_line_and_the_others_stay() {
        let (key, _, rest) = left("/", &[("cookie", "a=1; key=secret; b=2"), ("cookie", "c=3")]);
        let pair = |value: &str| ("cookie".to_owned(), value.to_owned());
        assert_eq!((key, rest), (Ok(digest("secret")), vec![pair("a=1; b=2"), pair("c=3")]));
        assert_eq!(left("/", &[("cookie", "key=secret")]).2, Vec::new());
    }

    #[test]
    fn two_credentials_are_refused_whatever_the_places() {
        let basic = basic_of("me:secret");
        let ways = [
            ("authorization", "Bearer secret"),
            ("authorization", &basic),
            ("x-api-key", "secret"),
            ("cookie", "key=secret"),
            ("query", "api_key=secret"),
        ];
        for (one, other) in ways.iter().flat_map(|one| ways.iter().map(move |other| (one, other))) {
            let query: Vec<&str> = [one, other].iter().filter(|(name, _)| *name == "query").map(|(_, value)| *value).collect();
            let lines: Vec<(&str, &str)> = [one, other].into_iter().filter(|(name, _)| *name != "query").copied().collect();
            let target = format!("/?{}", query.join("&"));
            assert_eq!(left(&target, &lines).0, Err(two()), "{one:?} {other:?}");
        }
        assert!(matches!(left("/?a;api_key=secret", &[("x-api-key", "secret")]).0, Err(Outcome::BadRequest(_))));
    }

    #[test]
    fn whoever_sends_no_key_is_told_where_one_may_stand() {
        let told =
            |places: &Places, invalid| places.challenges(invalid).map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(told(&usual(), false), ["Bearer realm=\"claviger\""]);
        assert_eq!(told(&usual(), true), ["Bearer realm=\"claviger\", error=\"invalid_token\""]);
        let both = ["Bearer realm=\"claviger\", error=\"invalid_token\"", "Basic realm=\"claviger\", charset=\"UTF-8\""];
        assert_eq!(told(&everywhere(), true), both);
        let cookie = places(&[CredentialPlace::Cookie("key".to_owned())]);
        assert_eq!(told(&cookie, true), ["ApiKey realm=\"claviger\", in=\"cookie\", name=\"key\""]);
        assert_eq!(cookie.advice(), "an API key is needed: send it as the cookie `key`");
        assert_eq!(usual().advice(), "an API key is needed: send it as `Authorization: Bearer KEY`, or as `x-api-key: KEY`");
    }

    proptest! {
        #[test]
        fn nothing_of_a_key_is_left_in_a_request_that_passes(
            key in "[A-Za-z0-9]{20,40}", place in 0..5usize, around in "[a-j0-9=]{0,8}",
        ) {
            let (bearer, basic, cookie) = (format!("bearer {key}"), basic_of(&format!("u:{key}")), format!("{around}; key={key}; z"));
            let target = if place == 4 { format!("/?{around}&api_key={key}&z") } else { format!("/?{around}") };
            let lines: &[(&str, &str)] = match place {
                0 => &[("authorization", &bearer)],
                1 => &[("authorization", &basic)],
                2 => &[("x-api-key", &key)],
                3 => &[("cookie", &cookie)],
                _ => &[],
            };
            let (found, target, rest) = left(&target, lines);
            prop_assert_eq!(found, Ok(digest(&key)));
            prop_assert!(!target.contains(&key) && !format!("{rest:?}").contains(&key), "{} {:?}", target, rest);
        }
    }
}
