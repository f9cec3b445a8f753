//! Answers before the answer: 1xx of the upstream.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, Response};

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{PATIENCE, Via, World};
use crate::wire::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PREFACE, RST_STREAM, SETTINGS, block, frame, setting};

const GET: &str = "GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Request-Id: theirs\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
                     Content-Length: 5\r\n\r\n";

#[tokio::test]
async fn early_hints_reach_the_client_before_the_answer_is_there() {
    let world = World::start(|_| Reply::Later(HINTS.into(), OK.into())).await;
    let mut client = world.client().await;
    for _ in 0..2 {
        client.send(GET).await;
        let hints = client.answer().await;
        assert_eq!((hints.status, hints.header("link")), (103, vec!["</a.css>; rel=preload"]));
        for name in ["x-request-id", "connection", "x-hop", "content-length"] {
            assert_eq!(hints.header(name), [""; 0], "{name}");
        }
        world.upstream.say_late().await;
        assert_eq!(client.answer().await.body, "ok");
    }
}

#[tokio::test]
async fn interim_answers_stand_between_the_answers_of_their_connection() {
    let world = World::start(|_| Reply::with(&("HTTP/1.1 102 Processing\r\n\r\n".to_owned() + HINTS + OK))).await;
    let mut client = world.client().await;
    client.send(&GET.repeat(20)).await;
    for _ in 0..20 {
        let answers = [client.answer().await.status, client.answer().await.status, client.answer().await.status];
        assert_eq!(answers, [102, 103, 200]);
    }
}

#[tokio::test]
async fn whoever_cannot_take_interim_answers_gets_none_and_nobody_without_end() {
    let world = World::start(|_| Reply::with(&("HTTP/1.1 100 Continue\r\n\r\n".to_owned() + &HINTS.repeat(1000) + OK))).await;
    let answer = world.ask("GET / HTTP/1.0\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n").await;
    assert_eq!((answer.status, &*answer.body), (200, "ok"));
    let mut client = world.client().await;
    client.send(GET).await;
    let mut hints = 0;
    while client.answer().await.status == 103 {
        hints += 1;
    }
    assert_eq!(hints, 16);
    assert!(!client.has_answer_within(Duration::from_millis(50)).await);
}

#[tokio::test]
async fn a_client_that_expects_to_be_asked_for_its_body_is_asked_once() {
    let world = World::start(|_| Reply::with(&("HTTP/1.1 100 Continue\r\n\r\n".to_owned() + HINTS + OK))).await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 100);
    client.send("body").await;
    assert_eq!(client.answer().await.status, 103);
    assert_eq!(client.answer().await.body, "ok");
}

/// A client of HTTP/2.
async fn over_http2(world: &World) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(world.connect("h2").await).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    client
}

/// The answer to a request of it.
async fn asked(world: &World, via: Via, client: &mut SendRequest<Bytes>) -> ResponseFuture {
    let request = Request::builder().uri(format!("{}://api/", via.scheme())).header("x-api-key", &world.key).body(()).unwrap();
    poll_fn(|cx| client.poll_ready(cx)).await.unwrap();
    client.send_request(request, true).unwrap().0
}

/// The next interim answer, if one comes before the answer.
async fn interim(answer: &mut ResponseFuture) -> Option<Response<()>> {
    let next = tokio::time::timeout(PATIENCE, poll_fn(|cx| answer.poll_informational(cx)));
    next.await.expect("neither an interim answer nor the answer comes").map(Result::unwrap)
}

/// The answer itself, whole.
async fn whole(answer: ResponseFuture) -> (u16, String) {
    let (head, mut body) = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap().into_parts();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        text.extend_from_slice(&piece.unwrap());
    }
    (head.status.as_u16(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn over_http2_early_hints_reach_the_client_in_their_order_before_the_answer_is_there() {
    for via in Via::BOTH {
        let more = HINTS.replace("a.css", "b.css") + "HTTP/1.1 102 Processing\r\n\r\n";
        let world = World::via(via, move |_| Reply::Later((HINTS.to_owned() + &more).into(), OK.into())).await;
        let mut client = over_http2(&world).await;
        for _ in 0..2 {
            let mut answer = asked(&world, via, &mut client).await;
            for path in ["/a.css", "/b.css"] {
                let hints = interim(&mut answer).await.unwrap();
                assert_eq!(hints.status(), 103);
                assert_eq!(hints.headers()["link"], format!("<{path}>; rel=preload"));
                for name in ["x-request-id", "connection", "x-hop", "content-length"] {
                    assert!(!hints.headers().contains_key(name), "{name}");
                }
            }
            assert_eq!(interim(&mut answer).await.unwrap().status(), 102);
            world.upstream.say_late().await;
            assert_eq!(interim(&mut answer).await.map(|hints| hints.status()), None);
            assert_eq!(whole(answer).await, (200, "ok".to_owned()));
        }
    }
}

#[tokio::test]
async fn over_http2_nobody_gets_interim_answers_without_end() {
    let world = World::start(|_| Reply::with(&("HTTP/1.1 100 Continue\r\n\r\n".to_owned() + &HINTS.repeat(100) + OK))).await;
    let mut client = over_http2(&world).await;
    for _ in 0..3 {
        let mut answer = asked(&world, Via::Cleartext, &mut client).await;
        let mut hints = 0;
        while let Some(hint) = interim(&mut answer).await {
            assert_eq!((hint.status().as_u16(), hint.headers()["link"].to_str().unwrap()), (103, "</a.css>; rel=preload"));
            hints += 1;
        }
        assert_eq!(hints, 16);
        assert_eq!(whole(answer).await, (200, "ok".to_owned()));
    }
}

#[tokio::test]
async fn over_http2_interim_answers_take_as_much_memory_as_a_piece_of_an_answer_may() {
    let large = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "x".repeat(10_000));
    let world = World::start(move |_| Reply::with(&(large.repeat(8) + HINTS + OK))).await;
    let mut client = over_http2(&world).await;
    let mut answer = asked(&world, Via::Cleartext, &mut client).await;
    let mut lengths = Vec::new();
    while let Some(hint) = interim(&mut answer).await {
        lengths.push(hint.headers()["link"].len());
    }
    assert_eq!(lengths, [[10_000; 6].as_slice(), &["</a.css>; rel=preload".len()]].concat());
    assert_eq!(whole(answer).await, (200, "ok".to_owned()));
}

#[tokio::test]
async fn over_http2_a_client_that_leaves_amid_interim_answers_hears_no_more_and_its_connection_goes_on() {
    for via in Via::BOTH {
        let script =
            |request: &Received| if request.target() == "/" { Reply::Early(HINTS.into()) } else { Reply::with(&(HINTS.to_owned() + OK)) };
        let world = World::via(via, script).await;
        let mut client = Frames::silently_to(&world).await;
        // Without a table, a status is always written out.
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &setting(1, 0))].concat()).await;
        let ask = |stream, path| {
            let key: &str = &world.key;
            let lines = [(":method", "GET"), (":path", path), (":scheme", via.scheme()), (":authority", "api"), ("x-api-key", key)];
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&lines))
        };
        for (left, stream) in [(1, 3), (5, 7)] {
            client.send(&ask(left, "/")).await;
            while client.next().await.unwrap().stream != left {}
            client.send(&frame(RST_STREAM, 0, left, &8_u32.to_be_bytes())).await;
            client.send(&ask(stream, "/other")).await;
            let mut heads = 0;
            loop {
                let next = client.next().await.unwrap();
                assert!(next.stream == 0 || next.stream == stream, "{next:?}");
                heads += usize::from(next.kind == HEADERS);
                if next.flags & END_STREAM != 0 && next.kind == DATA {
                    break;
                }
            }
            assert_eq!(heads, 2);
        }
        world.upstream.until_closed(2).await;
    }
}
