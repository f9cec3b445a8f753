//! What is open when its key ends.

use std::time::Duration;

use claviger::config::EndStreams;
use claviger::model::Mutation;

use crate::proxy::upstream::Reply;
use crate::proxy::world::{Client, World};

const GET: &str = "GET / HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\n\r\n";
const ASK: &str = "GET / HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";
const BEGUN: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";

async fn world(end_streams: EndStreams, reply: Reply) -> World {
    World::with(move |_| reply.clone(), |settings| settings.proxy.end_streams = end_streams).await
}

async fn streaming(world: &World) -> Client {
    let mut client = world.client().await;
    client.send(GET).await;
    assert!(client.has_answer_within(Duration::from_secs(10)).await);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head += &client.text_of(1).await;
    }
    assert_eq!(client.text_of(8).await, "5\r\nhello");
    client
}

async fn websocket(world: &World) -> Client {
    let mut client = world.client().await;
    client.send(ASK).await;
    assert_eq!(client.answer().await.status, 101);
    client.send("hello").await;
    assert_eq!(client.text_of(5).await, "hello");
    client
}

#[tokio::test]
async fn an_open_websocket_ends_when_its_key_is_revoked() {
    let world = world(EndStreams::Revoked, Reply::Echo(SWITCH.into())).await;
    let mut client = websocket(&world).await;
    world.change(Mutation::RevokeKey { id: world.id }).await;
    assert!(client.is_closed().await);
    world.upstream.until_closed(1).await;
}

#[tokio::test]
async fn an_answer_that_still_streams_is_cut_off_when_its_key_is_revoked() {
    let world = world(EndStreams::Revoked, Reply::Later(BEGUN.into(), b"0\r\n\r\n".to_vec())).await;
    let mut client = streaming(&world).await;
    world.change(Mutation::RevokeKey { id: world.id }).await;
    let rest = client.rest().await;
    assert!(!rest.contains("0\r\n"), "it must not look whole: {rest:?}");
}

#[tokio::test]
async fn what_is_open_goes_on_where_the_configuration_says_so() {
    let world = world(EndStreams::Never, Reply::Echo(SWITCH.into())).await;
    let mut client = websocket(&world).await;
    world.change(Mutation::RevokeKey { id: world.id }).await;
    assert!(!client.is_closed_within(Duration::from_millis(300)).await);
    client.send("still").await;
    assert_eq!(client.text_of(5).await, "still");
}
