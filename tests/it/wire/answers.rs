//! What an upstream may answer, byte for byte, and what becomes of its connection: nothing that one client is answered ever reaches
//! another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::World;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n")
}

fn post(target: &str, more: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n{more}")
}

fn gone_wrong() -> (u16, String) {
    (502, "upstream_failed".to_owned())
}

#[tokio::test]
async fn an_answer_that_could_be_read_in_two_ways_is_a_bad_gateway() {
    for lines in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "X: a\r\n folded\r\nContent-Length: 2\r\n",
        "X: a\nContent-Length: 2\r\n",
        "X: a\rb\r\nContent-Length: 2\r\n",
        "X: \0\r\nContent-Length: 2\r\n",
        "Content-Length : 2\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lines}\r\nok");
        let world = World::start(move |_| Reply::with(&answer)).await;
        let answer = world.ask(&get("/")).await;
        assert_eq!((answer.status, answer.code()), gone_wrong(), "{lines:?}");
        world.upstream.until_closed(1).await;
        assert_eq!(world.series("claviger_upstream_errors_total{kind=\"protocol\"}"), 1, "{lines:?}");
    }
    for head in ["\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\n", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"] {
        let answer = format!("{head}Content-Length: 2\r\n\r\nok");
        let world = World::start(move |_| Reply::with(&answer)).await;
        assert_eq!(world.ask(&get("/")).await.status, 502, "{head:?}");
    }
}

#[tokio::test]
async fn an_answer_comes_through_however_it_is_framed_and_cut() {
    let trailers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\no\n\r\n1\r\nk\r\n0\r\nX-Sum: 1\r\n\r\n";
    for (answer, body, kept) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\no\nk", "o\nk", true),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "ok",
            true,
        ),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", "ok", false),
        (trailers, "o\nk", true),
    ] {
        for cut in [1, 2, 7, answer.len()] {
            let pieces: Vec<_> = answer.as_bytes().chunks(cut).map(<[u8]>::to_vec).collect();
            let world = World::start(move |_| Reply::Pieces(pieces.clone())).await;
            let mut client = world.client().await;
            for _ in 0..2 {
                client.send(&get("/")).await;
                let mut answered = client.answer().await;
                while answered.status < 200 {
                    answered = client.answer().await;
                }
                // What comes in two reads may leave as two chunks.
                let got = if answer == trailers { of_chunks(&answered.body) } else { answered.body };
                assert_eq!((answered.status, got.as_str()), (200, body), "{answer:?} cut every {cut}");
            }
            assert_eq!(world.upstream.connections(), if kept { 1 } else { 2 }, "{answer:?}");
        }
    }
    // Until the upstream closes; the client is told the end of it all the same.
    let world = World::start(|_| Reply::Last(b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec())).await;
    let answer = world.ask(&get("/")).await;
    assert_eq!(answer.body.replace("\r\n", "|"), "D|until the end|0||");
}

/// What the chunks of a body hold, which must end as RFC 9112, section 7.1, has it, without trailers; no chunk holds the end of a line.
fn of_chunks(body: &str) -> String {
    let lines = body.strip_suffix("0\r\n\r\n").unwrap_or_else(|| panic!("{body:?}"));
    let lines: Vec<&str> = lines.split_terminator("\r\n").collect();
    let chunks = lines.chunks(2).map(|chunk| {
        assert_eq!(usize::from_str_radix(chunk[0], 16), Ok(chunk[1].len()), "{body:?}");
        chunk[1]
    });
    chunks.collect()
}

#[tokio::test]
async fn a_reason_and_a_status_of_the_upstreams_own_pass() {
    let world = World::start(|_| Reply::with("HTTP/1.1 299 Quite Fine\r\nContent-Length: 0\r\n\r\n")).await;
    assert!(world.ask(&get("/")).await.head.starts_with("HTTP/1.1 299 Quite Fine\r\n"));
}

#[tokio::test]
async fn a_long_body_passes_both_ways_at_once() {
    let world = World::start(|_| Reply::Echo(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec())).await;
    let mut client = world.client().await;
    let body = (0..300_000).map(|number| format!("{number:09}\n")).collect::<Vec<_>>().concat();
    client.send(&post("/", "Content-Length: 3000000\r\n\r\n")).await;
    assert!(client.sends_and_reads(&body, 3_000_000).await == body, "something is lost on the way");
}

#[tokio::test]
async fn a_request_goes_on_even_if_the_client_does_not_take_the_early_answer_to_it() {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
    answer.resize(50_000_000, b'a');
    let world = World::start(move |_| Reply::Meanwhile(answer.clone())).await;
    let mut client = world.client().await;
    assert!(client.sends_whole(&post("/", &format!("Content-Length: 20000000\r\n\r\n{}", "b".repeat(20_000_000)))).await);
    world.until(|world| world.upstream.connections() == 1 && world.upstream.length() > 20_000_000).await;
}

#[tokio::test]
async fn a_client_that_leaves_amid_an_early_answer_ends_the_request_even_if_the_upstream_takes_nothing_of_it() {
    let world = World::start(|_| Reply::Deaf(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n".to_vec())).await;
    let mut client = world.client().await;
    client.send(&post("/", "Content-Length: 100000000\r\n\r\n")).await;
    // Far more than the kernel keeps for a reader that does not read.
    client.sends_and_reads(&"b".repeat(1_000_000), 1_000_000).await;
    client.sends_what_is_taken(&"b".repeat(50_000_000)).await;
    drop(client);
    world.upstream.until_closed(1).await;
}

/// Answers with the target, so that it can be told whose answer it is, unless the target says otherwise.
fn named(request: &Received) -> Reply {
    let target = request.target();
    let honest = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len());
    let begun = |bytes: &str| Reply::Early(bytes.into());
    match target.split('/').nth(1).unwrap_or_default() {
        "silence" => Reply::Silence,
        "half-head" => begun("HTTP/1.1 200 OK\r\nContent-Le"),
        "hint" => begun("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        "half-body" => begun(&format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{target}")),
        "half-chunk" => begun("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"),
        "between-chunks" => begun("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        "half-trailers" => begun("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n"),
        "until-close" => begun(&format!("HTTP/1.1 200 OK\r\n\r\n{target}")),
        "early" => begun(&honest),
        "stray" => Reply::with(&(honest.clone() + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTRAY!")),
        _ => Reply::with(&honest),
    }
}

/// Asks honestly, several times over, and sees to it that every answer is the one to its own request.
async fn is_served_honestly(world: &World, after: &str) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let mut client = world.client().await;
    for _ in 0..3 {
        let target = format!("/honest/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        client.send(&get(&target)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, &*target), "after {after}");
    }
}

/// Every stage at which a client can leave: the upstream has the request, has said nothing or only a part.
#[tokio::test]
async fn a_client_that_leaves_at_any_stage_leaves_nothing_behind_for_the_next() {
    // For so long one that has closed its side is taken for one that waits.
    let world = World::with(named, |settings| settings.limits.header_timeout = Duration::from_millis(300)).await;
    let stages = ["silence", "half-head", "hint", "half-body", "half-chunk", "between-chunks", "half-trailers", "until-close"]
        .map(|stage| format!("/{stage}"));
    for stage in &stages {
        is_served_honestly(&world, "the beginning").await;
        let closed = world.upstream.closed();
        let mut client = world.client().await;
        client.send(&get(stage)).await;
        world.until(|world| world.upstream.requests().last().is_some_and(|request| request.target() == stage)).await;
        if ["/half-body", "/half-chunk", "/between-chunks", "/half-trailers", "/until-close"].contains(&&**stage) {
            assert!(client.has_answer_within(Duration::from_secs(10)).await, "{stage}");
        }
        drop(client);
        world.upstream.until_closed(closed + 1).await;
        is_served_honestly(&world, stage).await;
    }
}

/// The same while the request's body is still on its way.
#[tokio::test]
async fn a_client_that_leaves_amid_its_body_leaves_nothing_behind_for_the_next() {
    let world = World::start(named).await;
    for stage in ["plain", "silence", "early", "half-head", "half-body", "half-chunk"] {
        for begun in ["Content-Length: 1000\r\n\r\nbegin", "Transfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"] {
            is_served_honestly(&world, "the beginning").await;
            let closed = world.upstream.closed();
            let mut client = world.client().await;
            client.send(&post(&format!("/{stage}"), begun)).await;
            world.until(|world| world.upstream.bytes().ends_with("begin") || world.upstream.bytes().ends_with("begin\r\n")).await;
            if ["early", "half-body", "half-chunk"].contains(&stage) {
                assert!(client.has_answer_within(Duration::from_secs(10)).await, "{stage}");
            }
            drop(client);
            world.upstream.until_closed(closed + 1).await;
            is_served_honestly(&world, stage).await;
        }
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_its_request_costs_the_line_even_if_the_client_goes_on() {
    let world = World::start(named).await;
    is_served_honestly(&world, "the beginning").await;
    let closed = world.upstream.closed();
    let mut client = world.client().await;
    client.send(&post("/early", "Content-Length: 10\r\n\r\nbegin")).await;
    assert_eq!(client.answer().await.body, "/early");
    client.send("endofGET").await;
    world.until(|world| world.upstream.bytes().ends_with("beginendof")).await;
    drop(client);
    world.upstream.until_closed(closed + 1).await;
    is_served_honestly(&world, "an early answer").await;
}

#[tokio::test]
async fn an_upstream_that_stalls_at_any_stage_leaves_nothing_behind_for_the_next() {
    let world = World::with(named, |settings| settings.upstream.response_timeout = Duration::from_millis(200)).await;
    for stage in ["/silence", "/half-head", "/hint"] {
        is_served_honestly(&world, "the beginning").await;
        let closed = world.upstream.closed();
        let mut client = world.client().await;
        client.send(&get(stage)).await;
        let first = client.answer().await.status;
        let last = if first == 103 { client.answer().await.status } else { first };
        assert_eq!(last, 504, "{stage}");
        world.upstream.until_closed(closed + 1).await;
        is_served_honestly(&world, stage).await;
    }
}

#[tokio::test]
async fn what_comes_behind_an_answer_is_nobodys_answer() {
    let world = World::start(named).await;
    for _ in 0..5 {
        assert_eq!(world.ask(&get("/stray")).await.body, "/stray");
        is_served_honestly(&world, "stray bytes").await;
    }
}

#[tokio::test]
async fn the_late_body_of_an_answer_that_has_none_is_nobodys_answer() {
    let stray = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTRAY!";
    for (lines, body) in [("Content-Length: 46\r\n", stray), ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")] {
        let head = format!("HTTP/1.1 204 No Content\r\n{lines}\r\n");
        // So late that the next request is there.
        let late = format!("{body}{OK}");
        let world = World::start(move |request| {
            Reply::with(match (request.connection, request.target()) {
                (_, "/none") => &head,
                (1, _) => &late,
                _ => OK,
            })
        })
        .await;
        assert_eq!(world.ask(&get("/none")).await.status, 204);
        assert_eq!(world.ask(&get("/")).await.body, "ok", "{lines:?}");
        assert_eq!(world.upstream.connections(), 2, "{lines:?}");
    }
}

#[tokio::test]
async fn a_204_says_no_length_to_head_either() {
    let world = World::start(|_| Reply::with("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")).await;
    let mut client = world.client().await;
    client.send(&get("/").replace("GET", "HEAD")).await;
    let answer = client.answer_to("HEAD").await;
    assert_eq!((answer.status, answer.header("content-length").len()), (204, 0));
}

#[tokio::test]
async fn what_is_said_on_a_line_at_rest_is_nobodys_answer() {
    let stray = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTRAY!";
    for late in [stray, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "\r\n"] {
        let world =
            World::start(move |request| if request.connection == 1 { Reply::Later(OK.into(), late.into()) } else { Reply::with(OK) }).await;
        assert_eq!(world.ask(&get("/")).await.body, "ok");
        world.upstream.say_late().await;
        for _ in 0..3 {
            assert_eq!(world.ask(&get("/")).await.body, "ok", "{late:?}");
        }
        assert_eq!(world.upstream.connections(), 2, "{late:?}");
    }
}
