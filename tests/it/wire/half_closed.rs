//! Clients that end their side of the connection and wait for their answer.

use std::time::Duration;

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{Via, World};

const GET: &str = "GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nContent-Length: 4\r\n\r\nbody";

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

#[tokio::test]
async fn a_client_that_half_closes_gets_its_answers_and_then_the_end() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for requests in [&[GET][..], &[POST], &[GET, POST, GET]] {
            let mut client = world.client().await;
            client.send(&requests.concat()).await;
            client.finish().await;
            for _ in requests {
                assert_eq!(client.answer().await.body, "ok");
            }
            assert!(client.is_closed_within(Duration::from_secs(5)).await, "{requests:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_half_closes_is_waited_with_for_an_answer_that_is_late() {
    let world = World::start(|_| Reply::Later(Vec::new(), OK.into())).await;
    let mut client = world.client().await;
    client.send(GET).await;
    client.finish().await;
    world.until(|world| !world.upstream.requests().is_empty()).await;
    assert!(!client.has_answer_within(Duration::from_millis(300)).await);
    world.upstream.say_late().await;
    assert_eq!(client.answer().await.body, "ok");
    assert!(client.is_closed_within(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_request_that_is_not_whole_when_its_client_ends_is_cut_off() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let mut client = world.client().await;
        client.send(POST.trim_end_matches("dy")).await;
        client.finish().await;
        client.rest().await;
        world.upstream.until_closed(1).await;
        assert!(world.upstream.requests().iter().all(|request| request.body == "(cut off)"));
    }
}
