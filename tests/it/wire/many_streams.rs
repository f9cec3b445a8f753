//! Clients over HTTP/2 that ask for very much at once.

use crate::proxy::upstream::Reply;
use crate::proxy::world::World;
use crate::wire::frames::{END_HEADERS, END_STREAM, End, Frames, HEADERS, block, frame};

fn requests(world: &World, count: u32) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "api"), ("x-api-key", &*world.key)];
    (0..count).flat_map(|number| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &block(&fields))).collect()
}

#[tokio::test]
async fn no_number_of_streams_opens_more_connections_to_the_upstream_than_there_may_be_clients() {
    let world = World::with(|_| Reply::Silence, |settings| settings.limits.max_connections = 210).await;
    let mut one = Frames::connect(world.address).await;
    one.send(&requests(&world, 200)).await;
    world.until(|world| world.upstream.connections() == 200).await;
    let mut other = Frames::connect(world.address).await;
    other.send(&requests(&world, 12)).await;
    // For eleven there is room: one for each client, and one more.
    world.until(|world| world.upstream.connections() == 211).await;
    assert_eq!(other.end_of(23).await, End::Answered(503));
    // What is given up makes room.
    drop(one);
    world.upstream.until_closed(200).await;
    let mut third = Frames::connect(world.address).await;
    third.send(&requests(&world, 1)).await;
    world.until(|world| world.upstream.connections() == 212).await;
}
