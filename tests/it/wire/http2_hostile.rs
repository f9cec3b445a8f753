//! Hostile frames, and what must happen: the stream or the connection ends, nothing of it reaches the upstream, and a client on another
//! connection notices nothing. What fits into a table is in `cases/http2.rs`.

use std::time::Duration;

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{PATIENCE, Via, World};
use crate::support::server::Setup;
use crate::wire::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, PADDED, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, number, setting, text,
};

// Error codes (RFC 9113, section 7).
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

const SETTINGS_HEADER_TABLE_SIZE: u16 = 1;

/// The lines of a request that passes, with `more` behind them.
fn lines<'a>(world: &'a World, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "api"), ("x-api-key", &world.key)];
    usual.into_iter().chain(more.iter().copied()).collect()
}

/// A whole request without a body.
fn request(world: &World, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&lines(world, more)))
}

/// A request whose body is to come.
fn opened(world: &World, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(&lines(world, more)))
}

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

/// How a connection's first stream ends that begins with these bytes.
async fn first_ends(world: &World, bytes: &[u8]) -> End {
    let mut client = Frames::to(world).await;
    client.send(bytes).await;
    client.end_of(1).await
}

#[tokio::test]
async fn a_request_may_name_its_authority_in_the_host_alone() {
    let world = World::start(ok).await;
    let lines = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), ("host", "api.example:80"), ("x-api-key", &world.key)];
    assert_eq!(first_ends(&world, &frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&lines))).await, End::Answered(200));
    assert_eq!((world.last().target(), world.last().header("host")), ("/x", vec!["api.example:80"]));
}

fn is_refused(end: &End) -> bool {
    matches!(end, End::Answered(400) | End::Reset(_) | End::Gone(Some(_)))
}

async fn serves(world: &World) -> bool {
    first_ends(world, &request(world, 1, &[])).await == End::Answered(200)
}

#[tokio::test]
async fn a_request_of_frames_passes() {
    let world = World::start(ok).await;
    assert!(serves(&world).await);
    let received = world.last();
    assert_eq!(received.head.lines().next(), Some("GET /x HTTP/1.1"));
    assert_eq!(received.header("host"), ["api"]);
    assert!(!world.upstream.bytes().contains(&world.key));
}

#[tokio::test]
async fn no_spelling_of_a_credential_or_an_identity_reaches_the_upstream() {
    let world = World::start(ok).await;
    let names = [
        "proxy-authorization",
        "authorization_",
        "authorization.",
        "x_api_key",
        "x.api.key",
        "x-roles",
        "x_roles",
        "x.roles",
        "x-user",
        "remote-user",
        "x-forwarded-user",
        "transfer_encoding",
        "content_length",
        "host_",
        "http2-settings",
        "expect",
    ];
    let forged: Vec<(&str, &str)> = names.iter().map(|name| (*name, "forged")).collect();
    assert_eq!(first_ends(&world, &request(&world, 1, &forged)).await, End::Answered(200));
    assert!(!world.upstream.bytes().contains("forged"), "{}", world.upstream.bytes());
}

#[tokio::test]
async fn a_request_that_brings_more_than_it_says_never_reaches_the_upstream_whole() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let none = [opened(&world, 1, &[("content-length", "0")]), frame(DATA, END_STREAM, 1, b"x")].concat();
        assert!(is_refused(&first_ends(&world, &none).await));
        assert_eq!(world.upstream.bytes(), "");
        let behind_the_last = [opened(&world, 1, &[("content-length", "4")]), frame(DATA, 0, 1, b"last"), frame(DATA, END_STREAM, 1, b"x")];
        assert!(is_refused(&first_ends(&world, &behind_the_last.concat()).await));
        assert!(!world.upstream.bytes().contains("last"), "{}", world.upstream.bytes());

        for (length, body) in [("0", ""), ("4", "last")] {
            let sound =
                [opened(&world, 1, &[("content-length", length)]), frame(DATA, 0, 1, body.as_bytes()), frame(DATA, END_STREAM, 1, b"")];
            assert_eq!(first_ends(&world, &sound.concat()).await, End::Answered(200), "{length}");
            assert_eq!(world.last().body, body);
        }
    }
}

#[tokio::test]
async fn trailers_that_mean_something_are_dropped_or_refused() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let body = frame(DATA, 0, 1, b"ab");
        let announced = "x-sum, authorization, x-api-key, x_api_key, content-length, x-roles, host, x-forwarded-for";
        let trailed = |trailers: &[(&str, &str)]| {
            [opened(&world, 1, &[("trailer", announced)]), body.clone(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(trailers))]
                .concat()
        };
        for bad in
            [("connection", "close"), ("transfer-encoding", "chunked"), ("keep-alive", "forged"), ("X", "forged"), ("x", "forged\r\n")]
        {
            let end = first_ends(&world, &trailed(&[bad])).await;
            assert!(is_refused(&end), "{bad:?}: {end:?}");
        }
        for pseudo in [(":path", "/forged"), (":method", "GET"), (":status", "200"), (":other", "x")] {
            assert_eq!(first_ends(&world, &trailed(&[("x-sum", "1"), pseudo])).await, End::Reset(PROTOCOL_ERROR), "{pseudo:?}");
            assert_eq!(first_ends(&world, &trailed(&[pseudo])).await, End::Reset(PROTOCOL_ERROR), "{pseudo:?}");
        }
        assert!(world.upstream.requests().iter().all(|request| request.body == "(cut off)"), "{:#?}", world.upstream.requests());
        let names = ["authorization", "x-api-key", "x_api_key", "content-length", "x-roles", "host", "x-forwarded-for"];
        for name in names {
            let end = first_ends(&world, &trailed(&[(name, "forged"), ("x-sum", "1")])).await;
            assert_eq!(end, End::Answered(200), "{name}");
            assert!(world.last().body.ends_with("0\r\nx-sum: 1\r\n\r\n"), "{:?}", world.last().body);
        }
        assert!(!world.upstream.bytes().contains("forged"));
        // A second head that does not end the stream is neither.
        let twice = [opened(&world, 1, &[]), opened(&world, 1, &[])].concat();
        assert!(is_refused(&first_ends(&world, &twice).await));
    }
}

#[tokio::test]
async fn a_client_that_leaves_amid_its_body_takes_the_upstreams_connection_with_it() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let begin = [opened(&world, 1, &[]), frame(DATA, 0, 1, b"abc")].concat();
        for cut in 1..=2 {
            let mut client = Frames::to(&world).await;
            client.send(&begin).await;
            world.until(|world| world.upstream.bytes().matches("abc").count() == cut).await;
            if cut == 1 {
                client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await;
            } else {
                drop(client);
            }
            world.upstream.until_closed(cut).await;
            assert_eq!(world.last().body, "(cut off)");
        }
        assert!(serves(&world).await);
    }
}

#[tokio::test]
async fn a_preface_that_is_none_or_never_comes_ends_the_connection() {
    for via in Via::BOTH {
        let world = World::via_with(via, ok, |settings| {
            settings.limits.header_timeout = Duration::from_millis(300);
            settings.limits.idle_timeout = Duration::from_millis(300);
        })
        .await;
        for said in [
            &b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..],
            b"PRI",
            &PREFACE[..20],
            PREFACE,
            &[PREFACE, &frame(PING, 0, 0, &[0; 8])].concat(),
            &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat(),
            &[PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 0, 1, &[])].concat(),
            &[PREFACE, &frame(SETTINGS, 0, 0, &[])[..5]].concat(),
        ] {
            let mut client = Frames::silently_to(&world).await;
            client.send(said).await;
            assert!(matches!(client.end().await, End::Gone(_)), "{said:?}");
        }
        assert_eq!(world.upstream.bytes(), "");
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_however_it_is_packed() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        let long = "x".repeat(10_000);
        let plain = request_in_pieces(&block(&lines(&world, &[("a", &long), ("b", &long), ("c", &long), ("d", &long)])));
        // One line of 4,000 bytes in the table, named again and again by one byte each.
        let mut bomb = block(&lines(&world, &[]));
        bomb.extend([vec![0x40], text(b"bomb"), text(&[b'x'; 4000])].concat());
        bomb.extend(vec![0x80 | 0x3e; 12_000]);
        for (what, bytes) in [("plain", plain), ("bomb", request_in_pieces(&bomb))] {
            let end = first_ends(&world, &bytes).await;
            assert!(matches!(end, End::Answered(431) | End::Reset(_) | End::Gone(Some(_))), "{what}: {end:?}");
        }
        assert_eq!(world.upstream.bytes(), "");
        assert!(serves(&world).await);
    }
}

/// A head as frames of the size that all must take.
fn request_in_pieces(block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16_000).peekable();
    let mut bytes = frame(HEADERS, END_STREAM, 1, pieces.next().unwrap());
    while let Some(piece) = pieces.next() {
        bytes.extend(frame(CONTINUATION, if pieces.peek().is_none() { END_HEADERS } else { 0 }, 1, piece));
    }
    bytes
}

/// Sends, and reads what comes back, until the connection ends; fails if the other end takes it for ever.
async fn flooded(mut client: Frames, begin: &[u8], mut flood: impl FnMut(u32) -> Vec<u8>) -> End {
    client.send(begin).await;
    let endless = async {
        let mut round = 0;
        while client.send(&flood(round)).await {
            round += 1;
        }
        client.end().await
    };
    tokio::time::timeout(PATIENCE, endless).await.expect("the flood is taken for ever")
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_in_a_flood_end_the_connection() {
    for via in Via::BOTH {
        let world = World::via(via, |_| Reply::Silence).await;
        let mut asked = 0;
        let end = flooded(Frames::to(&world).await, &[], |round| {
            asked += 1;
            let stream = 2 * round + 1;
            [request(&world, stream, &[]), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
        .await;
        assert!(matches!(end, End::Gone(Some(ENHANCE_YOUR_CALM) | None)), "{end:?}");
        assert!(asked < 20_000, "{asked}");
    }
}

/// What a client does to a stream so that the server resets it.
type Provocation = fn(&World, u32) -> Vec<u8>;

#[tokio::test]
async fn streams_that_are_made_to_be_reset_in_a_flood_end_the_connection() {
    for via in Via::BOTH {
        let world = World::via(via, |_| Reply::Silence).await;
        let provocations: [(&str, Provocation); 5] = [
            ("nothing more to send", |_, stream| frame(DATA, END_STREAM, stream, b"x")),
            ("a window that opens by nothing", |_, stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4])),
            ("a window that overflows", |_, stream| frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())),
            ("its own parent", |_, stream| frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[0]].concat())),
            ("no request", |world, stream| request(world, stream, &[("connection", "close")])),
        ];
        for (what, provoke) in provocations {
            let end = flooded(Frames::to(&world).await, &[], |round| {
                let stream = 4 * round + 1;
                [request(&world, stream, &[]), provoke(&world, stream), provoke(&world, stream + 2)].concat()
            })
            .await;
            assert!(matches!(end, End::Gone(_)), "{what}: {end:?}");
        }
    }
}

#[tokio::test]
async fn a_head_that_is_continued_for_ever_ends_the_connection() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for piece in [&[][..], &[b'x'; 16_000]] {
            // The frames' content never becomes a line: each is the middle of one text.
            let begin = frame(HEADERS, END_STREAM, 1, &[vec![0], number(1 << 26, 7, 0)].concat());
            let end = flooded(Frames::to(&world).await, &begin, |_| frame(CONTINUATION, 0, 1, piece)).await;
            assert!(matches!(end, End::Gone(_)), "{end:?}");
        }
        assert_eq!(world.upstream.bytes(), "");
        assert!(serves(&world).await);
    }
}

#[tokio::test]
async fn frames_of_data_without_data_in_a_flood_end_the_connection() {
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for (what, flags, payload) in [("empty", 0, &[][..]), ("padding", PADDED, &[9; 10])] {
            let open = opened(&world, 1, &[]);
            let end = flooded(Frames::to(&world).await, &open, |_| frame(DATA, flags, 1, payload).repeat(100)).await;
            assert!(matches!(end, End::Gone(_)), "{what}: {end:?}");
        }
        assert!(serves(&world).await);
    }
}

#[tokio::test]
async fn a_client_that_makes_the_server_answer_and_takes_no_answer_is_cut() {
    for via in Via::BOTH {
        let world = World::via_with(via, ok, |settings| {
            settings.limits.header_timeout = Duration::from_millis(500);
            settings.limits.idle_timeout = Duration::from_millis(500);
        })
        .await;
        for (what, flood) in [
            ("settings", frame(SETTINGS, 0, 0, &setting(SETTINGS_HEADER_TABLE_SIZE, 4096))),
            ("pings", frame(PING, 0, 0, &[7; 8])),
            ("priorities", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 0])),
            ("unknown frames", frame(99, 0, 0, &[7; 100])),
            ("windows", frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())),
        ] {
            // Under a request that is open, so that it is no idle connection that is closed.
            let open = opened(&world, 1, &[]);
            let end = flooded(Frames::to(&world).await, &open, |_| flood.repeat(200)).await;
            assert!(matches!(end, End::Gone(_)), "{what}: {end:?}");
        }
        assert!(serves(&world).await);
    }
}

#[tokio::test]
async fn streams_over_the_limit_are_refused_and_the_others_go_on() {
    for via in Via::BOTH {
        let world = World::via_with(via, |_| Reply::Silence, |settings| settings.upstream.connect_timeout = PATIENCE).await;
        let mut client = Frames::to(&world).await;
        let streams: Vec<u32> = (0..=200).map(|number| 2 * number + 1).collect();
        client.send(&streams.iter().flat_map(|stream| request(&world, *stream, &[])).collect::<Vec<u8>>()).await;
        assert_eq!(client.end_of(streams[200]).await, End::Reset(REFUSED_STREAM));
        world.until(|world| world.upstream.connections() == 200).await;
    }
}

#[tokio::test]
async fn data_beyond_the_window_ends_the_stream_or_the_connection() {
    for via in Via::BOTH {
        // The upstream reads nothing, so that the window stays as it is once the buffers between are full.
        let world = World::via(via, |_| Reply::Early(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec())).await;
        let open = opened(&world, 1, &[]);
        let end = flooded(Frames::to(&world).await, &open, |_| frame(DATA, 0, 1, &[b'x'; 16_000])).await;
        assert!(matches!(end, End::Gone(_)), "{end:?}");
    }
}

#[tokio::test]
async fn floods_leave_the_servers_memory_as_it_was_and_honest_clients_unharmed() {
    let server = Setup::new().environment("CLAVIGER_LIMITS__IDLE_TIMEOUT", "1s").start();
    let key = server.key("ci", &["--bind", "space-reader@root"]).text;
    let asked = || server.get(&key).status;
    assert_eq!(asked(), 200);

    let head = |stream| {
        frame(HEADERS, END_HEADERS, stream, &block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]))
    };
    let endless_head = frame(HEADERS, END_STREAM, 1, &[vec![0], number(1 << 26, 7, 0)].concat());
    let mut bomb = [vec![0x40], text(b"bomb"), text(&[b'x'; 4000])].concat();
    bomb.extend(vec![0x80 | 0x3e; 12_000]);
    let mut sizes = Vec::new();
    for _ in 0..2 {
        for _ in 0..2 {
            flooded(Frames::connect(server.proxy()).await, &[], |round| {
                [head(2 * round + 1), frame(RST_STREAM, 0, 2 * round + 1, &[0, 0, 0, 8])].concat()
            })
            .await;
            flooded(Frames::connect(server.proxy()).await, &endless_head, |_| frame(CONTINUATION, 0, 1, &vec![b'x'; 16_000])).await;
            flooded(Frames::connect(server.proxy()).await, &[], |round| frame(HEADERS, END_HEADERS | END_STREAM, 2 * round + 1, &bomb))
                .await;
            flooded(Frames::connect(server.proxy()).await, &head(1), |_| frame(DATA, 0, 1, &[]).repeat(100)).await;
            assert_eq!(asked(), 200);
        }
        flooded(Frames::connect(server.proxy()).await, &head(1), |_| frame(PING, 0, 0, &[7; 8]).repeat(200)).await;
        flooded(Frames::connect(server.proxy()).await, &head(1), |_| {
            frame(SETTINGS, 0, 0, &setting(SETTINGS_HEADER_TABLE_SIZE, 1 << 30)).repeat(200)
        })
        .await;
        assert_eq!(asked(), 200);
        sizes.push(server.memory_kib());
    }
    // What the first round needs is kept for the next ones.
    assert!(sizes[1] < sizes[0] + 16 * 1024, "{sizes:?} KiB");
}
