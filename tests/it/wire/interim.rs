//! Answers before the answer: 1xx of the upstream.

use std::time::Duration;

use crate::proxy::upstream::{OK, Reply};
use crate::proxy::world::World;

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
