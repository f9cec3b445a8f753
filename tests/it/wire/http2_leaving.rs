//! Upstreams over HTTP/2 that say of a request that they have not touched it, or that they take no more on a connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use claviger::config::UpstreamProtocol;
use tokio::net::TcpListener;

use crate::proxy::upstream::Reply;
use crate::proxy::world::World;
use crate::wire::frames::{END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RST_STREAM, block, frame};

const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;
const NO_ERROR: u32 = 0;

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    Reset(u32),
    /// `GOAWAY` that speaks of no request, and nothing more; the connection stays open.
    Left,
    /// `GOAWAY` that speaks of this request, and its answer.
    AnsweredLast,
    /// The connection closes.
    Closed,
}

type Seen = Arc<Mutex<Vec<usize>>>;

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat())
}

/// A proxy before an upstream that deals with requests as they come like this, and which connection each came on.
async fn world(fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> (World, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen, fate) = (listener.local_addr().unwrap(), Seen::default(), Arc::new(fate));
    let (requests, counted) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        let mut connection = 0;
        while let Ok((socket, _)) = listener.accept().await {
            connection += 1;
            let (fate, requests, counted) = (Arc::clone(&fate), Arc::clone(&requests), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut frames = Frames::serve(socket, &[]).await;
                while let Some(asked) = frames.next().await {
                    if asked.kind != HEADERS {
                        continue;
                    }
                    requests.lock().unwrap().push(connection);
                    let answer = frame(HEADERS, END_HEADERS | END_STREAM, asked.stream, &block(&[(":status", "200")]));
                    let said = match fate(counted.fetch_add(1, Ordering::Relaxed)) {
                        Fate::Answered => answer,
                        Fate::Reset(code) => frame(RST_STREAM, 0, asked.stream, &code.to_be_bytes()),
                        Fate::Left => goaway(0),
                        Fate::AnsweredLast => [goaway(asked.stream), answer].concat(),
                        Fate::Closed => return,
                    };
                    frames.send(&said).await;
                }
            });
        }
    });
    let world = World::with(
        |_| Reply::Silence,
        |settings| {
            settings.upstream.url = format!("http://{address}").parse().unwrap();
            settings.upstream.protocol = UpstreamProtocol::Http2;
        },
    )
    .await;
    (world, seen)
}

fn request(method: &str, body: &str) -> String {
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    format!("{method} /a HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nX-Twice: 1\r\nX-Twice: 2\r\n{length}\r\n{body}")
}

async fn status(world: &World, method: &str) -> u16 {
    world.ask(&request(method, "")).await.status
}

#[tokio::test]
async fn a_request_that_is_refused_untouched_is_sent_once_more_whatever_it_asks_for() {
    for method in ["GET", "POST"] {
        let (world, seen) = world(|number| if number == 0 { Fate::Reset(REFUSED_STREAM) } else { Fate::Answered }).await;
        assert_eq!(status(&world, method).await, 200, "{method}");
        assert_eq!(seen.lock().unwrap().len(), 2, "{method}");
        assert_eq!(world.series("claviger_upstream_retries_total"), 1);
        assert_eq!(world.series("claviger_upstream_errors_total{kind=\"reset\"}"), 0);
    }
}

#[tokio::test]
async fn a_request_that_is_refused_again_and_again_is_sent_twice_and_no_more() {
    let (world, seen) = world(|_| Fate::Reset(REFUSED_STREAM)).await;
    assert_eq!(status(&world, "GET").await, 502);
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_request_behind_the_last_one_that_is_looked_at_goes_to_another_connection() {
    for method in ["GET", "POST"] {
        let (world, seen) = world(|number| if number == 0 { Fate::Left } else { Fate::Answered }).await;
        assert_eq!(status(&world, method).await, 200, "{method}");
        assert_eq!(status(&world, method).await, 200, "{method}");
        assert_eq!(*seen.lock().unwrap(), [1, 2, 2], "{method}");
    }
}

#[tokio::test]
async fn no_request_is_sent_on_a_connection_that_is_going_away() {
    let (world, seen) = world(|number| if number == 1 { Fate::AnsweredLast } else { Fate::Answered }).await;
    for _ in 0..4 {
        assert_eq!(status(&world, "POST").await, 200);
    }
    assert_eq!(*seen.lock().unwrap(), [1, 1, 2, 2]);
}

#[tokio::test]
async fn what_may_have_been_touched_is_sent_again_only_if_it_is_idempotent_and_the_connection_broke() {
    for (method, fate, expected, sent) in [
        ("GET", Fate::Closed, 200, 2),
        ("POST", Fate::Closed, 502, 1),
        ("GET", Fate::Reset(INTERNAL_ERROR), 502, 1),
        ("POST", Fate::Reset(INTERNAL_ERROR), 502, 1),
    ] {
        let (world, seen) = world(move |number| if number == 0 { fate } else { Fate::Answered }).await;
        assert_eq!(status(&world, method).await, expected, "{method} {fate:?}");
        assert_eq!(seen.lock().unwrap().len(), sent, "{method} {fate:?}");
    }
}

#[tokio::test]
async fn a_body_that_has_been_taken_cannot_be_sent_again() {
    let (world, seen) = world(|_| Fate::Reset(REFUSED_STREAM)).await;
    assert_eq!(world.ask(&request("POST", "abc")).await.status, 502);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_body_of_which_nothing_has_come_yet_goes_with_its_request() {
    let (world, seen) = world(|number| if number == 0 { Fate::Reset(REFUSED_STREAM) } else { Fate::Answered }).await;
    let mut client = world.client().await;
    let request = request("POST", "abc");
    let (head, body) = request.split_at(request.len() - 3);
    client.send(head).await;
    world.until(|_| seen.lock().unwrap().len() == 2).await;
    client.send(body).await;
    assert_eq!(client.answer().await.status, 200);
}
