//! `WebSocket`: how long one may rest, how it ends when the process does, and what it costs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};

use crate::proxy::upstream::Reply;
use crate::proxy::world::{Client, PATIENCE, World};
use crate::support::server::{Server, Setup};

const ASK: &str = "GET / HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";

async fn world(change: impl FnOnce(&mut claviger::config::Settings)) -> World {
    World::with(|_| Reply::Echo(SWITCH.into()), change).await
}

async fn opened(world: &World) -> Client {
    let mut client = world.client().await;
    client.send(ASK).await;
    assert_eq!(client.answer().await.status, 101);
    client
}

#[tokio::test]
async fn a_websocket_through_which_nothing_passes_is_closed_on_both_sides() {
    let world = world(|settings| settings.limits.websocket_idle_timeout = Duration::from_millis(400)).await;
    let mut client = opened(&world).await;
    client.send("hello").await;
    assert_eq!(client.text_of(5).await, "hello");
    assert!(client.is_closed().await);
    world.upstream.until_closed(1).await;
}

#[tokio::test]
async fn a_websocket_through_which_something_passes_outlives_the_limits_of_requests() {
    let world = world(|settings| {
        settings.limits.header_timeout = Duration::from_millis(100);
        settings.limits.idle_timeout = Duration::from_millis(100);
        settings.limits.websocket_idle_timeout = Duration::from_millis(800);
        settings.upstream.response_timeout = Duration::from_millis(100);
    })
    .await;
    let mut client = opened(&world).await;
    let clock = SystemClock::start();
    while clock.monotonic() < Duration::from_secs(2) {
        assert!(!client.is_closed_within(Duration::from_millis(200)).await);
        client.send("ping").await;
        assert_eq!(client.text_of(4).await, "ping");
    }
}

#[tokio::test]
async fn draining_closes_a_websocket_that_rests() {
    let world = world(|_| {}).await;
    let mut client = opened(&world).await;
    let clock = SystemClock::start();
    world.running.drain(Duration::from_mins(1)).await;
    assert!(clock.monotonic() < PATIENCE, "{:?}", clock.monotonic());
    assert!(client.is_closed().await);
    world.upstream.until_closed(1).await;
}

#[tokio::test]
async fn a_client_of_a_websocket_that_takes_nothing_is_cut() {
    let world = world(|settings| settings.limits.idle_timeout = Duration::from_millis(300)).await;
    let mut client = opened(&world).await;
    // All of it comes back, and nobody takes it.
    let text = "a".repeat(1 << 20);
    let cut = async { while client.sends_whole(&text).await {} };
    tokio::time::timeout(PATIENCE, cut).await.expect("a client that takes nothing is served for ever");
    world.upstream.until_closed(1).await;
}

/// Switches, and throws away what comes; says with its last byte that it has seen an `!`.
fn swallowing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                let mut switched = false;
                while let Ok(read @ 1..) = socket.read(&mut buffer) {
                    if !switched {
                        switched = true;
                        socket.write_all(SWITCH.as_bytes()).unwrap();
                    } else if buffer[..read].contains(&b'!') {
                        let _ = socket.write_all(b"!");
                    }
                }
            });
        }
    });
    address
}

fn serving(environment: &[(&str, &str)]) -> (Server, String) {
    let setup = Setup::new().environment("CLAVIGER_UPSTREAM__URL", &format!("http://{}", swallowing()));
    let server = environment.iter().fold(setup, |setup, (name, value)| setup.environment(name, value)).start();
    let key = server.key("ci", &["--bind", "space-reader@root"]).text;
    (server, key)
}

fn open(server: &Server, key: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.proxy()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(ASK.replace("KEY", key).as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket
}

/// Says something and waits until it has arrived; `false`: the other end has closed.
fn talks(socket: &mut TcpStream) -> bool {
    let mut answer = [0];
    socket.write_all(b"!").is_ok() && matches!(socket.read(&mut answer), Ok(1))
}

#[test]
fn a_terminated_server_leaves_in_time_and_in_peace_whatever_its_websockets_do() {
    for busy in [false, true] {
        let (mut server, key) = serving(&[("CLAVIGER_DRAIN_TIMEOUT", "3s")]);
        let mut socket = open(&server, &key);
        server.signal("TERM");
        let clock = SystemClock::start();
        if busy {
            while talks(&mut socket) {}
        } else {
            assert!(matches!(socket.read(&mut [0]), Ok(0)), "the socket is not closed");
        }
        assert!(server.wait().success(), "{}", server.log());
        // One that is busy is carried as long as it may be, and no longer; the rest is for a slow machine.
        assert!(clock.monotonic() < Duration::from_secs(3) + PATIENCE, "{:?}", clock.monotonic());
        assert_eq!(busy, clock.monotonic() > Duration::from_millis(2900), "{:?}", clock.monotonic());
        // What the process has written last may still be on its way here.
        server.until("its last word", |server| server.log().contains("stopped"));
    }
}

#[test]
fn what_passes_through_a_websocket_is_not_gathered() {
    let (server, key) = serving(&[]);
    let mut socket = open(&server, &key);
    assert!(talks(&mut socket));
    let before = server.memory_kib();
    // No line ends in it.
    let text = vec![b'a'; 1 << 20];
    for _ in 0..64 {
        socket.write_all(&text).unwrap();
    }
    assert!(talks(&mut socket));
    let after = server.memory_kib();
    assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");
}
