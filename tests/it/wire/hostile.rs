//! Hostile bytes over HTTP/1.1, and what must happen: nothing of a refused request reaches the upstream, and nothing that comes behind
//! it is taken for another. What fits into a table is in `cases/http1.rs`.

use std::time::Duration;

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{Client, PATIENCE, Via, World};

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

/// A request that would pass, were it read as one.
const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n";

fn get(headers: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n{headers}\r\n")
}

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

#[tokio::test]
async fn chunk_extensions_and_trailers_have_limits() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for body in [
            format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(100_000)),
            "1;x=y\r\na\r\n".repeat(10_000) + "0\r\n\r\n",
            format!("0\r\nX: {}\r\n\r\n", "x".repeat(100_000)),
            format!("0\r\n{}\r\n", "X: y\r\n".repeat(10_000)),
        ] {
            let mut client = world.client().await;
            client.send(&chunked(&body)).await;
            let answer = client.answer().await;
            assert_eq!((answer.status, answer.code()), (400, "bad_request".to_owned()), "{:?}…", &body[..10]);
            assert!(client.is_closed().await);
        }
    }
}

#[tokio::test]
async fn no_identity_of_the_clients_own_making_reaches_the_upstream_not_even_from_a_trusted_proxy() {
    let names = [
        "X-User",
        "X-Roles",
        "X-Role",
        "X-Groups",
        "Remote-User",
        "X-Remote-User",
        "X-Remote-Group",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Auth-Request-User",
        "X-Authenticated-User",
        "X-Claviger-Role",
        "Proxy-Authorization",
    ];
    let spellings = names.iter().flat_map(|name| {
        let name = name.to_ascii_lowercase();
        [name.clone(), name.to_uppercase(), name.replace('-', "_"), name.replace('-', "."), format!("{name}_"), format!("_{name}")]
    });
    let lines: Vec<String> = spellings.map(|name| format!("{name}: forged\r\n")).collect();
    for trusted in [&[][..], &["127.0.0.0/8".parse().unwrap()]] {
        let world = World::with(ok, |settings| settings.proxy.trusted_proxies = trusted.to_vec()).await;
        // In pieces, so as not to fail for the number of headers alone.
        for lines in lines.chunks(50) {
            assert_eq!(world.ask(&get(&lines.concat())).await.status, 200);
        }
        assert!(!world.upstream.bytes().contains("forged"), "{}", world.upstream.bytes());
    }
}

#[tokio::test]
async fn what_connection_names_cannot_take_ours_away() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let named = "authorization, host, via, x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id, content-length";
        let request = format!(
            "POST / HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nConnection: {named}\r\nConnection: transfer-encoding\r\nContent-Length: 1\r\n\r\na"
        );
        assert_eq!(world.ask(&request).await.status, 200);
        let received = world.last();
        for name in named.split(", ") {
            assert_eq!(received.header(name).len(), 1, "{name} in {}", received.head);
        }
        assert_eq!(received.body, "a");
    }
}

#[tokio::test]
async fn no_byte_behind_an_upgrade_leaves_before_the_upstream_has_switched() {
    for via in Via::BOTH {
        let world =
            World::via_with(via, |_| Reply::Silence, |settings| settings.upstream.response_timeout = Duration::from_millis(300)).await;
        let mut client = world.client().await;
        let ask = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n";
        client.send(&(get(ask) + "behind" + BEHIND)).await;
        assert_eq!(client.answer().await.status, 504);
        assert!(!world.upstream.bytes().contains("behind"), "{}", world.upstream.bytes());
    }
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_forwarded_without() {
    let world = World::start(ok).await;
    for (line, headers) in [
        ("GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
        ("GET / HTTP/1.1", "Upgrade: websocket\r\n"),
        ("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
        ("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n"),
        ("GET / HTTP/1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
        ("POST / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"),
    ] {
        let answer = world.ask(&format!("{line}\r\nHost: api\r\nAuthorization: Bearer KEY\r\n{headers}\r\n")).await;
        assert_eq!(answer.status, 200, "{headers:?}");
        let received = world.last();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(received.header(name), [""; 0], "{line} {headers:?}");
        }
    }
    let upgrade_with_body = get("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n") + "a";
    assert_eq!(world.refused(&upgrade_with_body).await, (400, "bad_request".to_owned()));
}

#[tokio::test]
async fn the_body_of_a_request_without_a_key_is_never_the_next_request() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let inner = BEHIND.replace("KEY", &world.key);
        for framed in [
            format!("Content-Length: {}\r\n\r\n{inner}", inner.len()),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
        ] {
            let mut client = world.client().await;
            client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\n{framed}{BEHIND}")).await;
            assert_eq!(client.answer().await.status, 401);
            assert!(client.is_closed().await);
        }
        assert_eq!(world.upstream.bytes(), "");
    }
}

#[tokio::test]
async fn a_client_that_leaves_amid_its_body_takes_the_upstreams_connection_with_it() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for (cut, begun) in
            ["POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nContent-Length: 9\r\n\r\nabc", &chunked("3\r\nabc\r\n")]
                .into_iter()
                .enumerate()
        {
            // An honest request first: the line that is cut off is one that was pooled.
            assert_eq!(world.ask(BEHIND).await.body, "ok");
            let mut client = world.client().await;
            client.send(begun).await;
            world.until(|world| world.upstream.bytes().contains("abc")).await;
            drop(client);
            world.upstream.until_closed(cut + 1).await;
            assert_eq!(world.last().body, "(cut off)", "{begun:?}");
        }
        assert_eq!(world.ask(BEHIND).await.body, "ok");
        assert_eq!(world.upstream.connections(), 3);
    }
}

#[tokio::test]
async fn an_answer_that_says_more_than_it_may_costs_its_line() {
    for (method, broken) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\r\n"),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ] {
        let world = World::start(move |request| Reply::with(if request.connection == 1 { broken } else { OK })).await;
        let mut client = world.client().await;
        client.send(&format!("{method} / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n")).await;
        let answer = client.answer_to(method).await;
        assert!([200, 204, 304].contains(&answer.status), "{broken:?}");
        client.send(BEHIND).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"), "after {broken:?}");
        assert_eq!(world.upstream.connections(), 2, "{broken:?}");
    }
}

#[tokio::test]
async fn a_broken_answer_is_never_passed_on_as_a_whole_one() {
    for (broken, statuses) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n\r\n", &[200][..]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n", &[200]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok", &[502]),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", &[502]),
        ("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", &[502]),
        ("HTTP/1.1 99 Low\r\n\r\n", &[502]),
        ("HTTP/1.1 1000 High\r\n\r\n", &[502]),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", &[502]),
        ("HTTP/2.0 200 OK\r\n\r\n", &[502]),
        ("ICY 200 OK\r\n\r\n", &[502]),
    ] {
        let world = World::start(move |_| Reply::Last(broken.into())).await;
        let mut client = world.client().await;
        client.send(&get("")).await;
        let text = client.rest_or_answer().await;
        let status: u16 = text.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(statuses.contains(&status), "{broken:?}: {text:?}");
        assert!(status != 200 || !text.ends_with("0\r\n\r\n"), "{broken:?} looks whole: {text:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_never_ends_its_head_is_a_failure_and_not_a_wait() {
    let endless_head = "HTTP/1.1 200 OK\r\n".to_owned() + &"X: y\r\n".repeat(200_000);
    let endless_hints = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(1000);
    for (endless, status) in [(endless_head, 502), (endless_hints, 504)] {
        let world = World::with(
            move |_| Reply::With(endless.clone().into()),
            |settings| {
                settings.upstream.response_timeout = Duration::from_millis(500);
            },
        )
        .await;
        let mut client = world.client().await;
        client.send(&get("")).await;
        let mut answer = client.answer().await.status;
        while answer == 103 {
            answer = client.answer().await.status;
        }
        assert_eq!(answer, status);
        world.upstream.until_closed(1).await;
    }
}

/// Sends a byte whenever nothing has come for a moment; the time until the other end closes is its own.
async fn trickle(client: &mut Client, byte: &str) {
    let closed = async {
        while !client.is_closed_within(Duration::from_millis(20)).await {
            client.send(byte).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("a client that trickles is served for ever");
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() {
    for via in Via::BOTH {
        let world = World::via_with(via, ok, |settings| settings.limits.header_timeout = Duration::from_millis(300)).await;
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHost: api\r\nX: ").await;
        trickle(&mut client, "a").await;
        // The second one of a connection too.
        let mut client = world.client().await;
        client.send(&(get("") + "GET / HTTP/1.1\r\nX: ")).await;
        assert_eq!(client.answer().await.status, 200);
        trickle(&mut client, "a").await;
        // Empty lines before a request are no request.
        let mut client = world.client().await;
        trickle(&mut client, "\r\n").await;
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_and_cut_off() {
    for via in Via::BOTH {
        let world = World::via_with(via, ok, |settings| settings.limits.header_timeout = Duration::from_millis(300)).await;
        let mut client = world.client().await;
        client.send("POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nContent-Length: 100000\r\n\r\n").await;
        let answered = async {
            while !client.has_answer_within(Duration::from_millis(20)).await {
                client.send("a").await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("a body that trickles is waited for for ever");
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code()), (400, "bad_request".to_owned()));
        world.upstream.until_closed(1).await;
    }
}

#[tokio::test]
async fn a_client_that_asks_and_asks_and_takes_no_answer_is_cut() {
    for via in Via::BOTH {
        let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n{}", "a".repeat(60_000));
        let world =
            World::via_with(via, move |_| Reply::with(&long), |settings| settings.limits.idle_timeout = Duration::from_millis(300)).await;
        let mut client = world.client().await;
        let cut = async { while client.sends_whole(&BEHIND.repeat(50)).await {} };
        tokio::time::timeout(PATIENCE, cut).await.expect("requests are taken for ever");
    }
}

#[tokio::test]
async fn pipelined_answers_do_not_wait_for_acknowledgements() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let mut client = world.client().await;
        let batches = async {
            for _ in 0..200 {
                client.send(&BEHIND.repeat(3)).await;
                for _ in 0..3 {
                    assert_eq!(client.answer().await.status, 200);
                }
            }
        };
        // A socket that waits for acknowledgements takes 40 ms for each batch.
        tokio::time::timeout(Duration::from_secs(7), batches).await.expect("answers wait for acknowledgements");
    }
}

#[tokio::test]
async fn what_cannot_even_be_read_is_answered_counted_and_named_like_any_refusal() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for (request, status, code) in [
            ("G@T / HTTP/1.1\r\nHost: api\r\n\r\n".to_owned(), 400, "bad_request"),
            (get(&format!("X: {}\r\n", "a".repeat(40_000))), 431, "too_large"),
            (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), 431, "too_large"),
        ] {
            let method = if status == 400 { "other" } else { "-" };
            let series = format!("claviger_http_requests_total{{route=\"-\",method=\"{method}\",code=\"{status}\"}}");
            let before = world.series(&series);
            let mut client = world.client().await;
            client.send(&(get("") + &request)).await;
            assert_eq!(client.answer().await.body, "ok");
            let answer = client.answer().await;
            assert_eq!((answer.status, &*answer.code()), (status, code));
            assert_eq!(answer.header("content-type"), ["application/problem+json"]);
            assert_eq!(answer.header("connection"), ["close"]);
            let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(answer.header("x-request-id"), [problem["request_id"].as_str().unwrap()]);
            assert_eq!((answer.header("date").len(), answer.header("cache-control")), (1, vec!["no-store"]));
            assert!(client.is_closed().await);
            assert_eq!(world.series(&series), before + 1, "{series}");
        }
    }
}

#[tokio::test]
async fn an_upstreams_answer_that_looks_like_one_of_our_own_making_passes_as_it_is() {
    for bare in [
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n",
    ] {
        let world = World::start(move |_| Reply::with(bare)).await;
        let mut client = world.client().await;
        for _ in 0..3 {
            client.send(&get("")).await;
            assert_eq!(client.answer().await.header("content-length"), ["0"]);
        }
    }
    // Nor is what a tunnel carries looked at.
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let world = World::start(move |_| Reply::Echo(switch.into())).await;
    let mut client = world.client().await;
    client.send(&get("Connection: upgrade\r\nUpgrade: websocket\r\n")).await;
    assert_eq!(client.answer().await.status, 101);
    for text in ["HTTP/1.1 400 Bad Request\r\n\r\n"; 2] {
        client.send(text).await;
        assert_eq!(client.text_of(text.len()).await, text);
    }
}
