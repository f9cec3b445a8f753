//! What stands in a request's target and in its authority: forwarded as it was sent, or refused.

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::World;
use crate::wire::frames::{END_HEADERS, END_STREAM, End, Frames, HEADERS, block, frame, number, text};

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

/// Bytes that stand in no URI and that others forward, and some that need no escape.
const RAW: [&str; 6] = ["/a\"b<c>d`e", "/?q=\"<>`&r={|}\\^", "/<", "/{|}\\^/\"", "/%3C<%3c>?\"%22", "/\u{e9}/<\u{a0}>\u{20ac}?\u{e9}"];

/// Over HTTP/1.1 in pieces of this many bytes.
fn http1(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n")
}

fn fields<'a>(world: &'a World, path: &'a str, authority: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", authority), ("x-api-key", &*world.key)]
}

async fn over_http2(world: &World, fields: &[(&str, &str)]) -> End {
    let mut client = Frames::connect(world.address).await;
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields))).await;
    client.end_of(1).await
}

#[tokio::test]
async fn a_target_is_forwarded_byte_for_byte_whatever_a_uri_may_hold() {
    let world = World::start(ok).await;
    for target in RAW {
        assert_eq!(world.ask(&http1(target)).await.status, 200, "{target}");
        assert_eq!(world.last().target(), target);
        assert_eq!(over_http2(&world, &fields(&world, target, "api")).await, End::Answered(200), "{target}");
        assert_eq!(world.last().target(), target);
    }
    // One behind the other, and in the absolute form.
    let mut client = world.client().await;
    client.send(&RAW.map(http1).concat()).await;
    for target in RAW {
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(world.last().target().len() > 1, target.len() > 1);
    }
    assert_eq!(world.ask(&http1("http://api/<a>?`")).await.status, 200);
    assert_eq!(world.last().target(), "/<a>?`");
}

#[tokio::test]
async fn a_target_that_comes_byte_by_byte_is_the_same() {
    let world = World::start(ok).await;
    let mut client = world.client().await;
    for byte in http1("/\u{a0}<`>?\"").replace("KEY", &world.key).chars() {
        client.send(&byte.to_string()).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(world.last().target(), "/\u{a0}<`>?\"");
}

#[tokio::test]
async fn a_path_that_a_table_remembers_is_the_same_each_time() {
    let world = World::start(ok).await;
    let mut client = Frames::connect(world.address).await;
    let lines = [(":method", "GET"), (":scheme", "http"), (":authority", "api"), ("x-api-key", &*world.key)];
    // Entry 4 is `:path`; what is kept is entry 62 from then on.
    let kept = [number(4, 6, 0x40), text(b"/<kept>")].concat();
    for (stream, path) in [(1, kept), (3, number(62, 7, 0x80))] {
        client.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[block(&lines[..2]), path, block(&lines[2..])].concat())).await;
        assert_eq!(client.end_of(stream).await, End::Answered(200), "{stream}");
        assert_eq!(world.last().target(), "/<kept>");
    }
}

#[tokio::test]
async fn a_target_with_a_fragment_or_a_control_character_is_refused() {
    let world = World::start(ok).await;
    for target in ["/x#/../y", "/#", "/x?y#z", "/<#>", "http://api/#x", "/\u{9c}", "/\u{83}x", "/?\u{81}", "/<\u{80}"] {
        assert_eq!(world.refused(&http1(target)).await, (400, "bad_request".to_owned()), "{target:?}");
        if target.starts_with('/') {
            assert_eq!(over_http2(&world, &fields(&world, target, "api")).await, End::Answered(400), "{target:?}");
        }
    }
    for target in ["/\u{7f}", "/<\u{1}", "/< >"] {
        assert_eq!(world.refused(&http1(target)).await, (400, "bad_request".to_owned()), "{target:?}");
        assert!(matches!(over_http2(&world, &fields(&world, target, "api")).await, End::Reset(1)), "{target:?}");
    }
    assert_eq!(world.upstream.bytes(), "");
}

#[tokio::test]
async fn the_usual_port_may_be_said_in_one_place_alone() {
    let world = World::start(ok).await;
    for (authority, host) in [("api", "api:80"), ("api:80", "api"), ("API:80", "api:"), ("[::1]", "[::1]:80"), ("api:", "api")] {
        let request = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer KEY\r\n\r\n");
        assert_eq!(world.ask(&request).await.status, 200, "{authority} {host}");
        let fields = [fields(&world, "/", authority), vec![("host", host)]].concat();
        assert_eq!(over_http2(&world, &fields).await, End::Answered(200), "{authority} {host}");
    }
    assert_eq!(world.ask("GET / HTTP/1.1\r\nHost: api:\r\nAuthorization: Bearer KEY\r\n\r\n").await.status, 200);
    for (authority, host) in [("api", "api:81"), ("api:443", "api"), ("api:8080", "api:80"), ("api", "api2:80")] {
        let request = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer KEY\r\n\r\n");
        assert_eq!(world.refused(&request).await, (400, "bad_request".to_owned()), "{authority} {host}");
        let fields = [fields(&world, "/", authority), vec![("host", host)]].concat();
        assert_eq!(over_http2(&world, &fields).await, End::Answered(400), "{authority} {host}");
    }
}
