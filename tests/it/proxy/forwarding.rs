//! What is sent, byte for byte, and what must happen: to the client, and at the upstream.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use claviger::config::{ClaimName, CredentialPlace, TokenHeader};

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::World;

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n";

fn get(headers: &str) -> String {
    format!("GET /v1/runs?q=%20 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n{headers}\r\n")
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /v1/runs HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n{headers}\r\n{body}")
}

fn bad_request() -> (u16, String) {
    (400, "bad_request".to_owned())
}

#[tokio::test]
async fn a_key_goes_in_and_a_token_comes_out() {
    let world = World::start(ok).await;
    for header in ["Authorization: Bearer KEY", "authorization: bearer   KEY", "X-API-Key: KEY"] {
        let answer = world.ask(&format!("GET /v1/runs?q=%20 HTTP/1.1\r\nHost: api\r\n{header}\r\nAccept: */*\r\n\r\n")).await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
        let received = world.last();
        assert_eq!(received.head.lines().next().unwrap(), "GET /v1/runs?q=%20 HTTP/1.1");
        assert_eq!(received.header("host"), ["api"]);
        assert_eq!(received.header("accept"), ["*/*"]);
        assert_eq!(received.header("via"), ["1.1 claviger"]);
        assert_eq!(received.header("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(received.header("x-request-id").len(), 1);
        assert!(received.header("authorization")[0].starts_with("Bearer ey"), "{}", received.head);
        assert_eq!(received.header("authorization").len(), 1);
    }
    assert!(!world.upstream.bytes().contains(&world.key));
}

#[tokio::test]
async fn no_spelling_of_a_credential_header_reaches_the_upstream() {
    let world = World::start(ok).await;
    let headers = ["Proxy-Authorization: Bearer", "Authorization_:", "X_API_Key:", "X.API.Key:", "x-api-key_:", "X_Roles:", "X.Roles:"];
    let headers: String = headers.map(|name| format!("{name} KEY\r\n")).concat();
    assert_eq!(world.ask(&get(&headers)).await.status, 200);
    assert!(!world.upstream.bytes().contains(&world.key), "{}", world.last().head);
}

#[tokio::test]
async fn two_credentials_are_refused() {
    let world = World::start(ok).await;
    for second in ["Authorization: Bearer KEY", "X-API-Key: KEY", "X-API-Key: other", "authorization: Basic YTpi"] {
        assert_eq!(world.refused(&get(&format!("{second}\r\n"))).await, bad_request(), "{second}");
    }
}

#[tokio::test]
async fn keys_that_do_not_work_are_answered_alike_byte_for_byte() {
    let world = World::start(ok).await;
    let mut answers = Vec::new();
    let unknown = claviger::model::PlainKey::generate(claviger::model::KeyId::new(5, 6), &[1; 32]);
    for key in [unknown.reveal(), "clv_malformed", "someone-elses", "a b", "", &"k".repeat(600)] {
        let answer = world.ask(&format!("GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {key}\r\n\r\n")).await;
        assert_eq!((answer.status, answer.code()), (401, "invalid_key".to_owned()), "{key}");
        assert_eq!(answer.header("www-authenticate"), ["Bearer realm=\"claviger\", error=\"invalid_token\""]);
        assert_eq!(answer.header("cache-control"), ["no-store"]);
        let id = answer.header("x-request-id")[0].to_owned();
        let lines = answer.head.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
        answers.push((lines + &answer.body).replace(&id, "ID"));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(world.series("claviger_http_requests_in_flight"), 0);
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn without_a_key_the_challenge_has_no_error() {
    let world = World::start(ok).await;
    for headers in ["", "Authorization: Basic YTpi\r\n", "X_API_Key: KEY\r\n"] {
        let answer = world.ask(&format!("GET / HTTP/1.1\r\nHost: api\r\n{headers}\r\n")).await;
        assert_eq!((answer.status, answer.code()), (401, "missing_key".to_owned()));
        assert_eq!(answer.header("www-authenticate"), ["Bearer realm=\"claviger\""]);
    }
}

async fn world_with_keys_everywhere() -> World {
    let places = |settings: &mut claviger::config::Settings| {
        let named = || "api_key".to_owned();
        settings.proxy.credentials.extend([CredentialPlace::Basic, CredentialPlace::Query(named()), CredentialPlace::Cookie(named())]);
    };
    World::with(ok, places).await
}

#[tokio::test]
async fn a_key_may_stand_in_every_place_that_is_configured_and_nothing_of_it_goes_on() {
    let world = world_with_keys_everywhere().await;
    let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
    for (target, headers, left) in [
        ("/a%2Fb?x=%20", format!("Authorization: {}\r\n", basic(&format!("me:{}", world.key))), "/a%2Fb?x=%20"),
        ("/", format!("authorization: {}\r\n", basic(&format!("{}:", world.key)).replace("Basic", "BASIC")), "/"),
        ("/a?x=1&api_key=KEY&&y=%zz\"<>", String::new(), "/a?x=1&&y=%zz\"<>"),
        ("/a?api%5Fkey=KEY", "Referer: http://app/?api_key=KEY&b\r\n".to_owned(), "/a"),
        ("/a?b", "Cookie: a=1; api_key=KEY; c=\"2\"\r\n".to_owned(), "/a?b"),
    ] {
        let answer = world.ask(&format!("GET {target} HTTP/1.1\r\nHost: api\r\n{headers}\r\n")).await;
        assert_eq!(answer.status, 200, "{target} {headers}: {}", answer.body);
        let received = world.last();
        assert_eq!(received.target(), left, "{headers}");
        assert!(received.header("authorization")[0].starts_with("Bearer ey"));
        if headers.starts_with("Cookie") {
            assert_eq!(received.header("cookie"), ["a=1; c=\"2\""]);
        }
    }
    assert!(!world.upstream.bytes().contains(&world.key), "{}", world.upstream.bytes());
}

#[tokio::test]
async fn two_credentials_are_refused_across_places() {
    let world = world_with_keys_everywhere().await;
    for (target, headers) in [
        ("/?api_key=KEY", "X-API-Key: KEY\r\n"),
        ("/?api_key=KEY", "Cookie: api_key=KEY\r\n"),
        ("/?api_key=KEY&api_key=KEY", ""),
        ("/?api_key=KEY&api%5fkey=x", ""),
        ("/?a;api_key=KEY", "X-API-Key: KEY\r\n"),
        ("/", "Cookie: api_key=KEY; api_key=KEY\r\n"),
        ("/", "Cookie: api_key=KEY\r\nAuthorization: Basic a\r\n"),
        ("/", "Cookie: api_key=\r\nAuthorization: Bearer KEY\r\n"),
    ] {
        assert_eq!(
            world.refused(&format!("GET {target} HTTP/1.1\r\nHost: api\r\n{headers}\r\n")).await,
            bad_request(),
            "{target} {headers}"
        );
    }
}

#[tokio::test]
async fn a_place_that_is_not_configured_is_forwarded_as_it_is() {
    let world = World::start(ok).await;
    let answer = world.ask("GET /?api_key=a HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nCookie: api_key=b\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    let received = world.last();
    assert_eq!((received.target(), received.header("cookie")), ("/?api_key=a", vec!["api_key=b"]));

    let elsewhere = |settings: &mut claviger::config::Settings| {
        settings.proxy.credentials = vec![CredentialPlace::Query("k".to_owned())];
        settings.token.header = http::HeaderName::from_static("x-token");
    };
    let world = World::with(ok, elsewhere).await;
    let answer = world.ask("GET /?k=KEY HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer for-the-api\r\nX-API-Key: too\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert_eq!((world.last().header("authorization"), world.last().header("x-api-key")), (vec!["Bearer for-the-api"], vec!["too"]));
    let answer = world.ask("GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n").await;
    assert_eq!((answer.status, answer.code()), (401, "missing_key".to_owned()));
    assert_eq!(answer.header("www-authenticate"), ["ApiKey realm=\"claviger\", in=\"query\", name=\"k\""]);
    assert!(answer.body.contains("send it as `k=KEY` in the query"), "{}", answer.body);
}

#[tokio::test]
async fn claims_stand_beside_the_token_and_what_clients_say_under_their_names_is_gone() {
    let beside = |settings: &mut claviger::config::Settings| {
        let named = [("x-auth-subject", ClaimName::Subject), ("x-auth-name", ClaimName::Name), ("x-auth-roles", ClaimName::Roles)];
        settings.token.headers = named.map(|(name, claim)| TokenHeader { name: http::HeaderName::from_static(name), claim }).into();
    };
    let world = World::with(ok, beside).await;
    let theirs = "X-Auth-Subject: them\r\nx_auth_subject: them\r\nX.Auth.Name: them\r\nX-Auth-Roles: root:space-admin\r\nConnection: x-auth-subject\r\n";
    for _ in 0..2 {
        assert_eq!(world.ask(&get(theirs)).await.status, 200);
        let received = world.last();
        assert_eq!(received.header("x-auth-subject"), [format!("api::{}", world.id)]);
        assert_eq!((received.header("x-auth-name"), received.header("x-auth-roles")), (vec!["ci"], vec![""]));
        assert_eq!(received.head.lines().filter(|line| line.to_lowercase().replace(['_', '.'], "-").starts_with("x-auth-")).count(), 3);
    }
}

#[tokio::test]
async fn a_request_needs_exactly_one_valid_host() {
    let world = World::start(ok).await;
    for host in ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: \r\n", "Host: a,b\r\n", "Host: u@a\r\n", "Host: a:x\r\n"] {
        assert_eq!(world.refused(&format!("GET / HTTP/1.1\r\n{host}Authorization: Bearer KEY\r\n\r\n")).await, bad_request(), "{host:?}");
    }
    let answer = world.ask("GET / HTTP/1.0\r\nAuthorization: Bearer KEY\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.last().header("host"), [world.upstream.address.to_string()]);
}

#[tokio::test]
async fn framing_that_could_be_read_two_ways_is_refused() {
    let world = World::start(ok).await;
    let chunked = "0\r\n\r\n";
    for headers in [
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\nX: y\r\n",
    ] {
        assert_eq!(world.refused(&post(headers, chunked)).await, bad_request(), "{headers:?}");
    }
    // hyper refuses these by itself; the answer is ours all the same.
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: 5\r\n folded\r\n",
        "X: a\rb\r\n",
        "X: a\0b\r\n",
    ] {
        assert_eq!(world.refused(&post(headers, chunked)).await, bad_request(), "{headers:?}");
    }
    assert_eq!(world.refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await, bad_request());
    assert_eq!(world.refused("GET / HTTP/1.1\nHost: api\nAuthorization: Bearer KEY\n\n").await, bad_request());
    assert_eq!(world.upstream.bytes(), "");
}

#[tokio::test]
async fn names_that_fold_to_framing_headers_are_dropped() {
    let world = World::start(ok).await;
    assert_eq!(world.ask(&get("Transfer_Encoding: chunked\r\nContent_Length: 5\r\nHost_: b\r\n")).await.status, 200);
    let head = world.last().head.to_lowercase();
    assert!(!head.contains("encoding") && !head.contains("length") && !head.contains("host_"), "{head}");
}

#[tokio::test]
async fn a_malformed_chunk_is_the_clients_fault_and_cuts_the_line() {
    let world = World::start(ok).await;
    for body in ["xyz\r\n", "5\r\nab\r\n0\r\n\r\n", "1\r\nab\r\n", "2;a\nb\r\nab\r\n0\r\n\r\n", "ffffffffffffffffff\r\n"] {
        let connections = world.upstream.connections();
        let mut client = world.client().await;
        client.send(&post("Transfer-Encoding: chunked\r\n", body)).await;
        client.finish().await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code()), bad_request(), "{body:?}");
        assert!(client.is_closed().await);
        world.upstream.until_closed(connections + 1).await;
    }
    assert!(world.upstream.requests().iter().all(|request| request.body == "(cut off)"));
}

#[tokio::test]
async fn heads_have_limits() {
    let world = World::start(ok).await;
    assert_eq!(world.refused(&format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(33))).await, bad_request());
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(17_000));
    assert_eq!(world.refused(&target).await, (414, "too_large".to_owned()));
    let too_large = (431, "too_large".to_owned());
    assert_eq!(world.refused(&get(&format!("X: {}\r\n", "a".repeat(400_000)))).await, too_large);
    assert_eq!(world.refused(&get(&"X: a\r\n".repeat(200))).await, too_large);
    assert_eq!(world.refused(&"A".repeat(400_000)).await, too_large);
}

#[tokio::test]
async fn what_is_not_for_an_origin_is_refused() {
    let world = World::start(ok).await;
    for line in ["CONNECT api:443", "TRACE /", "OPTIONS *", "GET *", "GET http://other/", "GET http://u@api/", "GET ftp://api/", "GET /a#b"]
    {
        let request = format!("{line} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n");
        assert_eq!(world.refused(&request).await, bad_request(), "{line}");
    }
    for line in ["GET api", "GET  /", "GET / /"] {
        assert_eq!(
            world.refused(&format!("{line} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n")).await,
            bad_request(),
            "{line}"
        );
    }
}

#[tokio::test]
async fn the_path_is_forwarded_byte_for_byte() {
    let world = World::start(ok).await;
    for path in ["/", "//a/../b/%2e%2E/%2F;x/..;/?a=%00&b=/../", "/%252e?", "/a%zz", "/?"] {
        world.ask(&format!("GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n")).await;
        assert_eq!(world.last().target(), path);
    }
    world.ask("GET http://API/x?y HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n").await;
    assert_eq!(world.last().target(), "/x?y");
}

#[tokio::test]
async fn hop_by_hop_headers_end_here_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nKeep-Alive: timeout=5\r\nX-Secret: 1\r\nProxy-Authenticate: x\r\n\
                  Upgrade: h2c\r\nServer: s\r\nContent-Length: 2\r\n\r\nok";
    let world = World::start(move |_| Reply::with(answer)).await;
    let hops = "Connection: X-Hop, host, authorization, x-forwarded-for\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\n\
                TE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nExpect: 100-continue\r\n";
    let answer = world.ask(&get(hops)).await;
    let received = world.last();
    for name in ["connection", "x-hop", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "expect"] {
        assert_eq!(received.header(name), [""; 0], "{name}");
    }
    assert_eq!(received.header("host"), ["api"]);
    assert_eq!(received.header("authorization").len(), 1);
    assert_eq!(received.header("x-forwarded-for"), ["127.0.0.1"]);
    for name in ["connection", "x-secret", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(answer.header(name), [""; 0], "{name}");
    }
    assert_eq!(answer.header("server"), ["s"]);
}

#[tokio::test]
async fn only_a_trusted_peer_is_believed_about_the_way() {
    let claims = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
                X-Request-Id: theirs\r\n";
    let world = World::start(ok).await;
    world.ask(&get(claims)).await;
    let received = world.last();
    assert_eq!(received.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received.header("x-forwarded-host"), ["api"]);
    assert_eq!(received.header("x-forwarded-proto"), ["http"]);
    assert_eq!((received.header("forwarded").len(), received.header("x-real-ip").len()), (0, 0));
    assert_ne!(received.header("x-request-id"), ["theirs"]);

    let world = World::with(ok, |settings| settings.proxy.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    world.ask(&get(claims)).await;
    let received = world.last();
    assert_eq!(received.header("x-forwarded-for"), ["6.6.6.6, 127.0.0.1"]);
    assert_eq!(received.header("x-forwarded-host"), ["evil"]);
    assert_eq!(received.header("x-forwarded-proto"), ["https"]);
    assert_eq!(received.header("forwarded"), ["for=6.6.6.6, for=127.0.0.1"]);
    assert_eq!(received.header("x-request-id"), ["theirs"]);
}

#[tokio::test]
async fn clients_that_keep_silent_are_closed() {
    let world = World::with(ok, |settings| {
        settings.limits.header_timeout = Duration::from_millis(200);
        settings.limits.idle_timeout = Duration::from_millis(400);
    })
    .await;
    let (mut silent, mut amid, mut idle, mut preface) =
        (world.client().await, world.client().await, world.client().await, world.client().await);
    amid.send("GET / HTTP/1.1\r\nHost:").await;
    preface.send("PR").await;
    idle.send(GET).await;
    assert_eq!(idle.answer().await.status, 200);
    assert!(silent.is_closed().await && amid.is_closed().await && idle.is_closed().await && preface.is_closed().await);

    let mut stalled = world.client().await;
    stalled.send(&post("Content-Length: 5\r\n", "ab")).await;
    let answer = stalled.answer().await;
    assert_eq!((answer.status, answer.code()), bad_request());
    assert!(stalled.is_closed().await);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut() {
    let mut huge = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
    huge.resize(50_000_000, b'a');
    let world = World::with(move |_| Reply::With(huge.clone()), |settings| settings.limits.idle_timeout = Duration::from_millis(300)).await;
    let mut client = world.client().await;
    client.send(GET).await;
    world.upstream.until_closed(1).await;
}

#[tokio::test]
async fn a_connection_serves_many_requests_over_one_line() {
    let world = World::start(ok).await;
    let mut client = world.client().await;
    for _ in 0..5 {
        client.send(GET).await;
        assert_eq!(client.answer().await.body, "ok");
        client.send(&post("Content-Length: 3\r\n", "abc")).await;
        assert_eq!(client.answer().await.body, "ok");
        assert_eq!(world.last().body, "abc");
    }
    assert_eq!(world.upstream.connections(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let world = World::start(|request| {
        let target = request.target().to_owned();
        Reply::with(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()))
    })
    .await;
    let mut client = world.client().await;
    let batch: Vec<String> = (0..20).map(|i| GET.replace("GET / ", &format!("GET /{i} "))).collect();
    client.send(&batch.concat()).await;
    for i in 0..20 {
        assert_eq!(client.answer().await.body, format!("/{i}"));
    }
}

#[tokio::test]
async fn bodies_stream_through_with_their_framing() {
    let world =
        World::start(|_| Reply::with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    let answer = world.ask(&post("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n")).await;
    assert_eq!(answer.header("content-length"), [""; 0]);
    assert_eq!(answer.header("transfer-encoding"), ["chunked"]);
    assert!(answer.body.replace("\r\n", "|").starts_with("3|abc|2|de|"), "{:?}", answer.body);
    assert_eq!(world.last().body.replace("\r\n", "|"), "2|ab|3|cde|0||");

    // The body of a GET too.
    world.ask(&get("Transfer-Encoding: chunked\r\n").replace("\r\n\r\n", "\r\n\r\n2\r\nab\r\n0\r\n\r\n")).await;
    assert_eq!(world.last().body.replace("\r\n", "|"), "2|ab|0||");
    assert_eq!(world.upstream.connections(), 1);
}

#[tokio::test]
async fn trailers_pass_but_for_those_that_mean_something() {
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Roles\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Roles: 2\r\n\r\n";
    let world = World::start(move |_| Reply::with(answer)).await;
    let headers = "Transfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum, Authorization, X-API-Key\r\n";
    let trailers = "1\r\na\r\n0\r\nX-Sum: 7\r\nAuthorization: Bearer KEY\r\nX-API-Key: KEY\r\nContent-Length: 5\r\n\r\n";
    let answer = world.ask(&post(headers, trailers)).await;
    assert_eq!(answer.body.replace("\r\n", "|"), "2|ok|0|x-sum: 1||");
    let received = world.last();
    assert_eq!(received.body.replace("\r\n", "|"), "1|a|0|x-sum: 7||");
    assert_eq!((received.header("te"), received.header("connection")), (vec!["trailers"], vec!["te"]));
    assert!(!world.upstream.bytes().contains(&world.key));
}

#[tokio::test]
async fn a_hundred_comes_only_after_admission() {
    let world = World::start(ok).await;
    let mut client = world.client().await;
    client.send(&post("Content-Length: 3\r\nExpect: 100-continue\r\n", "")).await;
    assert_eq!(client.answer().await.status, 100);
    client.send("abc").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!((&*world.last().body, world.last().header("expect").len()), ("abc", 0));

    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 401);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_never_the_next_request() {
    let world = World::start(ok).await;
    let mut client = world.client().await;
    let smuggled = GET.replace("KEY", &world.key);
    client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len())).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (401, vec!["close"]));
    assert!(client.is_closed().await);
    // Nor does a client that is still sending lose its answer.
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n").await;
    client.send(&"a".repeat(200_000)).await;
    assert_eq!(client.answer().await.status, 401);
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let world = World::start(|request| {
        Reply::with(match request.target() {
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
            "/0" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
        })
    })
    .await;
    let mut client = world.client().await;
    for (method, target, status) in
        [("GET", "/204", 204), ("GET", "/304", 304), ("GET", "/0", 200), ("HEAD", "/head", 200), ("GET", "/204", 204)]
    {
        client.send(&format!("{method} {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\n\r\n")).await;
        let answer = client.answer_to(method).await;
        assert_eq!((answer.status, &*answer.body), (status, ""), "{target}");
        if method == "HEAD" {
            assert_eq!(answer.header("content-length"), ["1234"]);
        }
    }
    // An answer to HEAD that speaks of a body may be followed by one, whatever the book says: nothing else is asked where it came from.
    assert_eq!(world.upstream.connections(), 2);
}

#[tokio::test]
async fn an_http_1_0_client_gets_an_answer_that_ends_with_the_connection() {
    let world = World::start(|_| Reply::with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")).await;
    let answer = world.ask("GET / HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer KEY\r\n\r\n").await;
    assert_eq!((&*answer.body, answer.header("transfer-encoding").len()), ("ok", 0));
    assert_eq!(world.last().header("via"), ["1.0 claviger"]);
    assert!(world.last().head.lines().next().unwrap().ends_with("HTTP/1.1"));
}

#[tokio::test]
async fn a_websocket_is_carried_and_nothing_else_is_upgraded() {
    const ASK: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";
    let world = World::start(move |request| if request.target() == "/no" { Reply::with(OK) } else { Reply::Echo(switch.into()) }).await;
    let mut client = world.client().await;
    client.send(&get(ASK)).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, vec!["y"]));
    assert_eq!((world.last().header("connection"), world.last().header("upgrade")), (vec!["upgrade"], vec!["websocket"]));
    for text in ["hello", "GET / HTTP/1.1\r\n\r\n"] {
        client.send(text).await;
        assert_eq!(client.text_of(text.len()).await, text);
    }

    // What is sent behind the request is the next request if the upstream declines.
    let mut client = world.client().await;
    client.send(&(get(ASK).replace("/v1/runs?q=%20", "/no") + &GET.replace("GET / ", "GET /no "))).await;
    assert_eq!((client.answer().await.status, client.answer().await.status), (200, 200));
    assert_eq!(world.upstream.requests().last().unwrap().header("upgrade").len(), 0);

    // A 101 that nobody asked for.
    for headers in
        ["", "Upgrade: websocket\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n"]
    {
        let answer = world.ask(&get(headers)).await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_failed".to_owned()), "{headers:?}");
    }
}

#[tokio::test]
async fn a_line_that_is_not_clean_is_never_used_again() {
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokSTRAY",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndouble",
        "HTTP/1.1 204 No Content\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nSTRAY",
    ] {
        let world = World::start(move |request| Reply::with(if request.connection == 1 { broken } else { OK })).await;
        assert!([200, 204].contains(&world.ask(GET).await.status), "{broken:?}");
        assert_eq!(world.ask(GET).await.body, "ok", "{broken:?}");
        assert_eq!(world.upstream.connections(), 2, "{broken:?}");
    }
}

#[tokio::test]
async fn a_truncated_answer_is_cut_off_at_the_client_too() {
    let world = World::start(|request| match request.target() {
        "/length" => Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\npart".to_vec()),
        _ => Reply::Last(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n".to_vec()),
    })
    .await;
    for target in ["/length", "/chunked"] {
        let mut client = world.client().await;
        client.send(&GET.replace("GET / ", &format!("GET {target} "))).await;
        let text = client.rest().await;
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("part") && !text.contains("0\r\n\r\n"), "{text:?}");
    }
    assert_eq!(world.series("claviger_upstream_errors_total{kind=\"reset\"}"), 2);
}

#[tokio::test]
async fn broken_answers_are_a_bad_gateway() {
    for broken in [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConte",
    ] {
        let world = World::start(move |_| Reply::Last(broken.into())).await;
        let answer = world.ask(GET).await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_failed".to_owned()), "{broken:?}");
    }
}

#[tokio::test]
async fn an_early_answer_reaches_the_client_and_its_line_is_dropped() {
    let world = World::start(|request| if request.head.starts_with("POST") { Reply::Early(OK.into()) } else { Reply::with(OK) }).await;
    let mut client = world.client().await;
    client.send(&post("Content-Length: 100000\r\n", "begin")).await;
    assert_eq!(client.answer().await.body, "ok");
    drop(client);
    world.upstream.until_closed(1).await;
    assert_eq!(world.ask(GET).await.body, "ok");
    assert_eq!(world.upstream.connections(), 2);
}

#[tokio::test]
async fn a_line_that_died_while_it_rested_costs_nobody_an_answer() {
    let world = World::start(|_| Reply::Last(OK.into())).await;
    for _ in 0..10 {
        assert_eq!(world.ask(GET).await.status, 200);
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_or_says_nothing_is_told_apart() {
    let world = World::with(|_| Reply::Silence, |settings| settings.upstream.response_timeout = Duration::from_millis(200)).await;
    let answer = world.ask(GET).await;
    assert_eq!((answer.status, answer.code()), (504, "upstream_timeout".to_owned()));
    world.upstream.until_closed(1).await;

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::with(ok, |settings| settings.upstream.url = format!("http://{free}").parse().unwrap()).await;
    let answer = world.ask(GET).await;
    assert_eq!((answer.status, answer.code()), (502, "upstream_failed".to_owned()));
    assert_eq!(world.series("claviger_upstream_errors_total{kind=\"connect\"}"), 1);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_line_with_it() {
    // For so long one that has closed its side is taken for one that waits.
    let world = World::with(|_| Reply::Silence, |settings| settings.limits.header_timeout = Duration::from_millis(300)).await;
    let mut client = world.client().await;
    client.send(GET).await;
    world.until(|world| world.upstream.connections() > 0).await;
    drop(client);
    world.upstream.until_closed(1).await;
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_nothing_new() {
    let world = World::start(ok).await;
    let (mut idle, mut fresh, mut busy) = (world.client().await, world.client().await, world.client().await);
    idle.send(GET).await;
    assert_eq!(idle.answer().await.status, 200);
    busy.send(&post("Content-Length: 3\r\n", "a")).await;
    world.until(|world| world.series("claviger_http_requests_in_flight") > 0).await;
    let address = world.address;
    let draining = tokio::spawn(world.running.drain(Duration::from_secs(10)));
    assert!(idle.is_closed().await && fresh.is_closed().await);
    busy.send("bc").await;
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, vec!["close"]));
    assert!(busy.is_closed().await);
    tokio::time::timeout(crate::proxy::world::PATIENCE, draining).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    fresh.send(GET).await;
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let world = World::start(|_| Reply::Silence).await;
    let mut client = world.client().await;
    client.send(GET).await;
    world.until(|world| world.upstream.connections() > 0).await;
    world.running.drain(Duration::from_millis(50)).await;
    assert!(client.is_closed().await);
    // It was not the client that went away.
    let counted = "claviger_http_requests_total{route=\"-\",method=\"GET\",code=\"503\"} 1";
    assert!(world.metrics.render().contains(counted), "{}", world.metrics.render());
}

#[tokio::test]
async fn over_the_limit_connections_wait_for_one_to_close() {
    let world = World::with(ok, |settings| settings.limits.max_connections = 2).await;
    let (mut first, mut second) = (world.client().await, world.client().await);
    first.send(GET).await;
    second.send(GET).await;
    assert_eq!((first.answer().await.status, second.answer().await.status), (200, 200));
    // Those that are idle make room.
    let mut third = world.client().await;
    third.send(GET).await;
    assert_eq!(third.answer().await.status, 200);
}
