//! Lines to the upstream that die while they rest: what may be said again is said again, once, and nothing else.

use std::sync::Mutex;

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::World;

/// Answers the first request of each of the first `good` connections; whatever else comes meets `end` and a close.
fn one_each(good: usize, end: &'static str) -> impl Fn(&Received) -> Reply + Send + Sync {
    let served = Mutex::new(Vec::new());
    move |request| {
        let mut served = served.lock().unwrap();
        if request.connection <= good && !served.contains(&request.connection) {
            served.push(request.connection);
            return Reply::with(OK);
        }
        Reply::Last(end.into())
    }
}

fn request(method: &str, more: &str) -> String {
    format!("{method} /again?x=%20 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nX-Mine: a, b\r\n{more}")
}

/// Status of a request that meets the close of a line which has rested, and how often the upstream saw it.
async fn meets_the_close(world: &World, request: &str) -> (u16, usize) {
    assert_eq!(world.ask("GET /first HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n").await.status, 200);
    let mut client = world.client().await;
    client.send(request).await;
    let method = request.split(' ').next().unwrap();
    let status = client.answer_to(method).await.status;
    let seen = world.upstream.requests().iter().filter(|request| request.target() == "/again?x=%20").count();
    (status, seen)
}

#[tokio::test]
async fn a_request_that_is_idempotent_is_sent_again_when_its_line_closes_without_a_word() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        let world = World::start(one_each(2, "")).await;
        assert_eq!(meets_the_close(&world, &request(method, "\r\n")).await, (200, 2), "{method}");
        assert_eq!(world.upstream.connections(), 2);
        let seen = world.upstream.requests();
        let [.., lost, answered] = &seen[..] else { panic!("{seen:#?}") };
        assert_eq!((&lost.head, lost.connection, answered.connection), (&answered.head, 1, 2));
        assert_eq!(world.series("claviger_upstream_errors_total{kind=\"reset\"}"), 0);
    }
}

#[tokio::test]
async fn it_is_sent_again_once_and_not_for_ever() {
    let world = World::start(one_each(1, "")).await;
    assert_eq!(meets_the_close(&world, &request("GET", "\r\n")).await, (502, 2));
    assert_eq!(world.series("claviger_upstream_errors_total{kind=\"reset\"}"), 1);
}

#[tokio::test]
async fn what_may_change_more_the_second_time_or_has_a_body_is_not_sent_again() {
    for (method, more) in [
        ("POST", "Content-Length: 0\r\n\r\n"),
        ("POST", "Content-Length: 1\r\n\r\na"),
        ("PATCH", "Content-Length: 0\r\n\r\n"),
        ("PUT", "Content-Length: 1\r\n\r\na"),
        ("DELETE", "Content-Length: 1\r\n\r\na"),
        ("GET", "Content-Length: 1\r\n\r\na"),
        ("GET", "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
    ] {
        let world = World::start(one_each(2, "")).await;
        assert_eq!(meets_the_close(&world, &request(method, more)).await, (502, 1), "{method} {more:?}");
    }
}

#[tokio::test]
async fn what_has_begun_to_be_answered_is_not_sent_again() {
    for begun in ["H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let world = World::start(one_each(2, begun)).await;
        // Early hints are an answer of their own, and pass.
        let first = if begun.contains("103") { 103 } else { 502 };
        assert_eq!(meets_the_close(&world, &request("GET", "\r\n")).await, (first, 1), "{begun:?}");
    }
}

#[tokio::test]
async fn a_line_that_has_not_rested_gets_a_second_try_if_the_request_is_idempotent() {
    for (method, more, sent) in [("GET", "\r\n", 2), ("POST", "Content-Length: 0\r\n\r\n", 1)] {
        let world = World::start(one_each(0, "")).await;
        let answer = world.ask(&request(method, more)).await;
        assert_eq!((answer.status, world.upstream.requests().len()), (502, sent), "{method}");
    }
}

/// What an upstream says behind an answer without a body, after a while, must not be the next client's answer.
#[tokio::test]
async fn a_line_whose_answer_spoke_of_a_body_that_is_not_there_is_not_used_again() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),
    ] {
        let world = World::start(move |request| Reply::with(if request.target() == "/again?x=%20" { answer } else { OK })).await;
        let mut client = world.client().await;
        client.send(&request(method, "\r\n")).await;
        client.answer_to("HEAD").await;

        assert_eq!(world.ask("GET /next HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n").await.status, 200);

        assert_eq!(world.last().connection, 2, "{method} {answer:?}");
    }
}
