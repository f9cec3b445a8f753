//! Several endpoints of an upstream: who is asked, who is left out, and what is asked again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claviger::config::{Settings, UpstreamUrls};

use crate::proxy::upstream::{OK, Received, Reply, Upstream};
use crate::proxy::world::{Client, PATIENCE, World};

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

/// These, as the configuration says them.
pub(crate) fn urls(urls: &[String]) -> UpstreamUrls {
    let said: Vec<String> = urls.iter().map(|url| format!("{url:?}")).collect();
    let settings = Settings::from_toml(&format!("[upstream]\nurl = [{}]\n", said.join(", ")));
    settings.unwrap_or_else(|faults| panic!("{faults}")).settings.upstream.url
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Where nobody listens.
fn nowhere() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A proxy before these; its own upstream is the first of them.
async fn before(first: Upstream, others: &[SocketAddr], change: impl FnOnce(&mut Settings)) -> World {
    let all: Vec<String> = [first.address].iter().chain(others).map(|address| url(*address)).collect();
    World::before(first, |settings| {
        settings.upstream.url = urls(&all);
        change(settings);
    })
    .await
}

fn request(method: &str, target: &str) -> String {
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    format!("{method} {target} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n{length}\r\n")
}

async fn status(world: &World, method: &str) -> u16 {
    let mut client = world.client().await;
    client.send(&request(method, "/")).await;
    client.answer_to(method).await.status
}

const SENT_AGAIN: &str = "claviger_upstream_retries_total";
const LEFT_OUT: &str = "claviger_upstream_ejections_total";
const LEFT_OUT_NOW: &str = "claviger_upstream_endpoints_ejected";

#[tokio::test]
async fn requests_take_turns_where_all_have_as_much_to_do() {
    let (one, other) = (Upstream::start(ok).await, Upstream::start(ok).await);
    let world = before(one, &[other.address], |_| {}).await;
    for _ in 0..10 {
        assert_eq!(status(&world, "GET").await, 200);
    }
    assert_eq!((world.upstream.requests().len(), other.requests().len()), (5, 5));
    assert_eq!((world.upstream.connections(), other.connections()), (1, 1));
}

#[tokio::test]
async fn a_request_goes_to_whoever_has_the_least_to_do() {
    let slow = |request: &Received| if request.target() == "/slow" { Reply::Silence } else { Reply::with(OK) };
    let (one, other) = (Upstream::start(slow).await, Upstream::start(slow).await);
    // For so long a client that has closed its side is taken for one that waits.
    let world = before(one, &[other.address], |settings| settings.limits.header_timeout = Duration::from_millis(300)).await;
    let mut waiting: Vec<Client> = Vec::new();
    let both = |world: &World| [world.upstream.requests().len(), other.requests().len()];
    for under_way in 1..=3 {
        let mut client = world.client().await;
        client.send(&request("GET", "/slow")).await;
        waiting.push(client);
        world.until(|world| both(world).iter().sum::<usize>() == under_way).await;
    }
    // Two here, and one there: one more there would be as many.
    let busy = both(&world).iter().position(|requests| *requests == 2).expect("they are spread");
    assert_eq!(status(&world, "GET").await, 200);
    assert_eq!(both(&world)[busy], 2);
    // What is over counts no more.
    waiting.clear();
    world.until(|world| world.series("claviger_http_requests_in_flight") == 0).await;
    let earlier = both(&world);
    for _ in 0..4 {
        assert_eq!(status(&world, "GET").await, 200);
    }
    let now = both(&world);
    assert_eq!([now[0] - earlier[0], now[1] - earlier[1]], [2, 2]);
}

#[tokio::test]
async fn a_websocket_counts_for_as_long_as_it_is_open() {
    let switches = |request: &Received| match request.target() {
        "/ws" => Reply::Echo(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()),
        _ => Reply::with(OK),
    };
    let (one, other) = (Upstream::start(switches).await, Upstream::start(switches).await);
    let world = before(one, &[other.address], |_| {}).await;
    let mut client = world.client().await;
    client
        .send(
            "GET /ws HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer_to("GET").await.status, 101);
    let open = usize::from(world.upstream.requests().is_empty());
    for _ in 0..4 {
        assert_eq!(status(&world, "GET").await, 200);
    }
    assert_eq!([world.upstream.requests().len(), other.requests().len()][open], 1, "all others go elsewhere");
}

#[tokio::test]
async fn an_endpoint_that_lets_nobody_in_costs_no_request_whatever_it_asks_for_and_is_left_out() {
    let world = before(Upstream::start(ok).await, &[nowhere()], |_| {}).await;
    for _ in 0..20 {
        assert_eq!(status(&world, "POST").await, 200);
    }
    assert_eq!(world.upstream.requests().len(), 20);
    assert!(world.series(SENT_AGAIN) >= 3 && world.series(LEFT_OUT) >= 1, "{}", world.metrics.render());
    // It is not asked by every second one any more.
    assert!(world.series(SENT_AGAIN) < 10, "{}", world.metrics.render());
    assert_eq!(world.series("claviger_upstream_errors_total{kind=\"connect\"}"), 0);
}

#[tokio::test]
async fn where_all_are_left_out_all_are_asked() {
    let place = nowhere();
    let world = World::with(ok, |settings| settings.upstream.url = urls(&[url(place), url(nowhere())])).await;
    for _ in 0..6 {
        assert_eq!(status(&world, "GET").await, 502);
    }
    assert!(world.series(LEFT_OUT) >= 2, "{}", world.metrics.render());
    assert_eq!(world.series(LEFT_OUT_NOW), 2);

    let listener = tokio::net::TcpListener::bind(place).await.unwrap();
    let upstream = Upstream::on(listener, None, ok);

    assert_eq!(status(&world, "GET").await, 200);
    assert_eq!((upstream.requests().len(), world.series(LEFT_OUT_NOW)), (1, 1));
}

#[tokio::test]
async fn one_that_was_left_out_is_tried_by_one_request_and_asked_again_once_it_answers() {
    let (works, place) = (Arc::new(AtomicBool::new(false)), Upstream::start(ok).await);
    let flag = Arc::clone(&works);
    let broken = Upstream::start(move |_| if flag.load(Ordering::Relaxed) { Reply::with(OK) } else { Reply::Last(Vec::new()) }).await;
    let world = before(place, &[broken.address], |_| {}).await;
    for _ in 0..10 {
        assert_eq!(status(&world, "GET").await, 200, "what it breaks is sent again");
    }
    assert!(world.series(LEFT_OUT) >= 1 && world.series(SENT_AGAIN) >= 3, "{}", world.metrics.render());
    assert_eq!(world.series(LEFT_OUT_NOW), 1);

    works.store(true, Ordering::Relaxed);
    let seen = broken.requests().len();
    // It is left out for a second.
    let asked = async {
        while broken.requests().len() < seen + 5 {
            assert_eq!(status(&world, "GET").await, 200);
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("nobody asks it again");
    assert_eq!(world.series(LEFT_OUT_NOW), 0);
}

#[tokio::test]
async fn an_endpoint_that_begins_to_break_connections_costs_no_idempotent_request_though_connections_to_it_rest() {
    let breaks = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&breaks);
    let breaking = Upstream::start(move |_| if flag.load(Ordering::Relaxed) { Reply::Last(Vec::new()) } else { Reply::with(OK) }).await;
    let world = before(Upstream::start(ok).await, &[breaking.address], |_| {}).await;
    for _ in 0..4 {
        assert_eq!(status(&world, "GET").await, 200);
    }
    assert_eq!((world.upstream.connections(), breaking.connections()), (1, 1));

    breaks.store(true, Ordering::Relaxed);

    for _ in 0..10 {
        assert_eq!(status(&world, "GET").await, 200);
    }
    assert!(world.series(LEFT_OUT) >= 1, "{}", world.metrics.render());
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_rested_is_replaced_where_all_other_endpoints_are_away() {
    // Each connection is for one request, and this shows with the next.
    let used = Mutex::new(BTreeSet::new());
    let closes = move |request: &Received| {
        if used.lock().unwrap().insert(request.connection) { Reply::with(OK) } else { Reply::Last(Vec::new()) }
    };
    let place = nowhere();
    let gone = Upstream::on(tokio::net::TcpListener::bind(place).await.unwrap(), None, ok);
    let world = before(Upstream::start(closes).await, &[gone.address], |_| {}).await;
    for _ in 0..2 {
        assert_eq!(status(&world, "GET").await, 200);
    }
    drop(gone);
    for _ in 0..10 {
        assert_eq!(status(&world, "GET").await, 200);
    }
}

#[tokio::test]
async fn what_is_idempotent_is_sent_again_where_the_connection_breaks_and_nothing_else_is() {
    for (method, again) in
        [("GET", true), ("HEAD", true), ("OPTIONS", true), ("PUT", true), ("DELETE", true), ("POST", false), ("PATCH", false)]
    {
        let (sound, breaks) = (Upstream::start(ok).await, Upstream::start(|_| Reply::Last(Vec::new())).await);
        let world = before(sound, &[breaks.address], |_| {}).await;
        let statuses = [status(&world, method).await, status(&world, method).await];
        assert_eq!(breaks.requests().len(), 1, "{method}");
        assert_eq!(world.series(SENT_AGAIN), u64::from(again), "{method}");
        if again {
            assert_eq!((statuses, world.upstream.requests().len()), ([200, 200], 2), "{method}");
        } else {
            assert_eq!((statuses.iter().max(), world.upstream.requests().len()), (Some(&502), 1), "{method}");
        }
    }
}

#[tokio::test]
async fn a_request_whose_body_has_been_taken_or_whose_answer_has_begun_is_not_sent_again() {
    let world = World::start(|_| Reply::Last(b"HTTP/1.1 20".to_vec())).await;
    assert_eq!(status(&world, "GET").await, 502);
    assert_eq!(world.upstream.requests().len(), 1);

    let world = World::start(|_| Reply::Last(Vec::new())).await;
    let answer = world.ask("PUT / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!((answer.status, world.upstream.requests().len()), (502, 1));
    assert_eq!(world.series(SENT_AGAIN), 0);
}

#[tokio::test]
async fn requests_that_are_sent_again_are_no_more_than_the_budget_allows() {
    let world = World::start(|_| Reply::Last(Vec::new())).await;
    for _ in 0..60 {
        assert_eq!(status(&world, "GET").await, 502);
    }
    let again = world.upstream.requests().len() - 60;
    assert_eq!(u64::try_from(again).unwrap(), world.series(SENT_AGAIN));
    // Ten at once, and a fifth of what comes.
    assert!((10..=22).contains(&again), "{again}");
}

#[tokio::test]
async fn an_endpoint_that_is_the_only_one_is_never_left_out() {
    let world = before(Upstream::start(|_| Reply::Silence).await, &[], |settings| {
        settings.upstream.response_timeout = Duration::from_millis(100);
    })
    .await;
    for _ in 0..4 {
        assert_eq!(status(&world, "GET").await, 504);
    }
    assert_eq!(world.upstream.requests().len(), 4);
    assert_eq!(world.series(LEFT_OUT), 0);
}

#[tokio::test]
async fn a_socket_of_this_machine_is_asked_like_any_other_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let upstream = Upstream::at_socket(&path, ok);
    let world = World::with(ok, |settings| settings.upstream.url = urls(&[format!("unix:{}", path.display())])).await;
    for _ in 0..3 {
        assert_eq!(status(&world, "GET").await, 200);
    }
    let answer = world.ask("GET /old HTTP/1.0\r\nAuthorization: Bearer KEY\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    let requests = upstream.requests();
    // The client's, where it says one.
    assert_eq!(requests.iter().map(|request| request.header("host")).collect::<Vec<_>>(), [["api"], ["api"], ["api"], ["localhost"]]);
    assert_eq!(upstream.connections(), 1);
    assert_eq!(world.upstream.requests().len(), 0);

    std::fs::remove_file(&path).unwrap();
    drop(upstream);
    let world = World::with(ok, |settings| settings.upstream.url = urls(&[format!("unix:{}", path.display())])).await;
    assert_eq!(status(&world, "GET").await, 502);
    assert_eq!(world.series("claviger_upstream_errors_total{kind=\"connect\"}"), 1);
}

#[tokio::test]
async fn a_route_has_its_own_upstream_by_its_name_or_by_its_urls() {
    let (named, balanced) = (Upstream::start(ok).await, [Upstream::start(ok).await, Upstream::start(ok).await]);
    let toml = format!(
        "[upstreams.reports]\nurl = {:?}\n\
         [[routes]]\npath = \"/reports/{{*rest}}\"\nupstream = \"reports\"\n\
         [[routes]]\npath = \"/files/{{*rest}}\"\nupstream = [{:?}, {:?}]\n\
         [[routes]]\npath = \"/gone\"\nupstream = {:?}\n\
         [[routes]]\npath = \"/{{*rest}}\"\n",
        url(named.address),
        url(balanced[0].address),
        url(balanced[1].address),
        url(nowhere()),
    );
    let configured = Settings::from_toml(&toml).unwrap_or_else(|faults| panic!("{faults}")).settings;
    let world = World::with(ok, |settings| {
        settings.upstreams = configured.upstreams;
        settings.routes = configured.routes;
    })
    .await;
    let ask = async |target: &str| world.ask(&request("GET", target)).await.status;
    for target in ["/reports/a", "/files/a", "/files/b", "/files/c", "/files/d", "/other"] {
        assert_eq!(ask(target).await, 200, "{target}");
    }
    assert_eq!(ask("/gone").await, 502, "another route's upstream is no substitute");
    let targets = |upstream: &Upstream| upstream.requests().iter().map(|request| request.target().to_owned()).collect::<Vec<_>>();
    assert_eq!(targets(&named), ["/reports/a"]);
    assert_eq!((targets(&balanced[0]).len(), targets(&balanced[1]).len()), (2, 2));
    assert_eq!(targets(&world.upstream), ["/other"]);
}
