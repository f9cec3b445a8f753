//! Requests that are refused while their bodies are still coming. Most clients send all of a body before they look at what has come back.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::edge::tls;
use crate::proxy::upstream::{OK, Reply};
use crate::proxy::world::World;
use crate::support::certificates::Authority;
use crate::support::tls::Client;
use crate::wire::frames::{ACK, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PREFACE, RST_STREAM, SETTINGS, block, frame};

/// More than all buffers on the way hold.
const LENGTH: usize = 32 << 20;
const PIECE: usize = 16 << 10;

async fn world() -> World {
    World::start(|_| Reply::with(OK)).await
}

/// A request's head without a key that works.
fn head(path: &str) -> Vec<u8> {
    let lines =
        block(&[(":method", "POST"), (":path", path), (":scheme", "http"), (":authority", "api"), ("authorization", "Bearer wrong")]);
    frame(HEADERS, END_HEADERS, 1, &lines)
}

#[tokio::test]
async fn who_looks_for_an_answer_only_when_all_is_sent_finds_the_refusal() {
    let world = world().await;
    let address = world.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut client = TcpStream::connect(address).unwrap();
        write!(client, "POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer wrong\r\nContent-Length: {LENGTH}\r\n\r\n").unwrap();
        for _ in 0..LENGTH / PIECE {
            client.write_all(&[0; PIECE]).unwrap();
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\"invalid_key\""), "{answer}");
    assert_eq!(world.upstream.bytes(), "");
}

#[tokio::test]
async fn over_http2_a_refusal_ends_after_the_request() {
    let world = world().await;
    ends_after_the_request(Frames::connect(world.address).await, "/", "\"invalid_key\"").await;
    assert_eq!(world.upstream.bytes(), "");
}

#[tokio::test]
async fn over_http2_a_refusal_of_those_who_manage_ends_after_the_request() {
    let (server, authority) = tls::server(&["ADMIN"]);
    ends_after_the_request(encrypted(server.admin(), &authority).await, "/api/v1/keys", "\"invalid_key\"").await;
}

#[tokio::test]
async fn over_http2_a_refusal_of_those_who_manage_ends_when_nothing_more_comes() {
    let (server, authority) = tls::server(&["ADMIN"]);
    ends_when_nothing_more_comes(encrypted(server.admin(), &authority).await, "/api/v1/keys").await;
}

async fn encrypted(address: SocketAddr, authority: &Authority) -> Frames {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let stream = Client::trusting(authority).offering(&["h2"]).over(socket).await.unwrap();
    let mut client = Frames::over(Box::new(stream));
    client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])[..]].concat()).await;
    client
}

async fn ends_after_the_request(mut client: Frames, path: &str, said: &str) {
    // The windows that the server's settings say are there once they are acknowledged.
    client.send(&[frame(SETTINGS, ACK, 0, &[]), head(path)].concat()).await;
    // Its text is there at once, though not its end.
    let mut sent = 0;
    loop {
        let next = client.next().await.unwrap();
        assert!(next.stream != 1 || (next.kind != RST_STREAM && next.flags & END_STREAM == 0), "{next:?}");
        if next.stream == 1 && next.kind == DATA {
            let text = String::from_utf8(next.payload).unwrap();
            assert!(text.contains(said), "{text}");
            break;
        }
    }
    while sent < LENGTH {
        client.send(&frame(DATA, 0, 1, &[0; PIECE])).await;
        sent += PIECE;
        client.window_for(1, PIECE).await;
    }
    client.send(&frame(DATA, END_STREAM, 1, b"")).await;
    loop {
        let next = client.next().await.unwrap();
        assert!(next.stream != 1 || next.kind != RST_STREAM, "{next:?}");
        if next.stream == 1 && next.flags & END_STREAM != 0 {
            break;
        }
    }
}

#[tokio::test]
async fn over_http2_a_refusal_ends_when_nothing_more_comes() {
    let world = world().await;
    ends_when_nothing_more_comes(Frames::connect(world.address).await, "/").await;
}

async fn ends_when_nothing_more_comes(mut client: Frames, path: &str) {
    client.send(&head(path)).await;
    let (mut ended, mut reset) = (false, None);
    while reset.is_none() {
        let next = client.next().await.unwrap();
        if next.stream == 1 {
            ended |= next.flags & END_STREAM != 0 && next.kind == DATA;
            reset = (next.kind == RST_STREAM).then(|| next.payload.clone());
        }
    }
    // NO_ERROR, and after the end.
    assert!(ended);
    assert_eq!(reset, Some(vec![0; 4]));
}
