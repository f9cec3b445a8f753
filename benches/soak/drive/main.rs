//! The load on Claviger, the upstreams behind it that fail and come back, and the judge of every answer: one process, for `benches/soak/run`.
//!
//! What it is told comes by lines of JSON on stdin, what it finds out goes by lines of JSON on stdout. All of it runs on one thread: the
//! machine's cores are for what is measured, and what is known of a key needs no lock.

#![expect(clippy::disallowed_methods, reason = "a load generator goes by the machine's own time")]
#![expect(clippy::cast_precision_loss, reason = "nobody opens so many connections")]
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]
#![expect(clippy::indexing_slicing, reason = "numbers of keys and upstreams are made here")]

#[path = "../../../tests/it/support/certificates.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "tests use all of it, and may end where they are")]
mod certificates;
mod clients;
mod judge;
mod tally;
mod upstreams;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};

use self::certificates::{Authority, Wish};
use self::clients::Proxy;
use self::judge::{Expected, ExtraRoute, History, Key, World};
use self::tally::Tally;
use self::upstreams::Upstreams;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    /// Writes a certificate and its key there.
    Issue(PathBuf),
    /// One more key, and what it gets.
    Key { text: String, expected: Expected },
    /// What is about to change.
    Begin(Change),
    /// It is acknowledged.
    Done,
    /// Begins to ask.
    Load(Load),
    /// Requests a second, all together; 0: as fast as they are answered.
    Rate(f64),
    /// Whether endpoints fail in turns.
    Faults(bool),
    /// Another phase begins; what the one before has come to is told.
    Mark,
    /// All connections end.
    Stop,
}

#[derive(Deserialize)]
struct Load {
    plain: SocketAddr,
    tls: SocketAddr,
    connections: usize,
    /// Within how many seconds a change must be in force.
    within: f64,
    /// What clients over TLS are shown.
    certificate: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    keys: HashMap<usize, Expected>,
    extra: Option<ExtraRoute>,
    certificate: Option<String>,
}

/// What all that goes on here shares.
struct Shared {
    began: Instant,
    world: RefCell<World>,
    tally: RefCell<Tally>,
    upstreams: Rc<Upstreams>,
    rate: Cell<f64>,
    /// How many requests are under way where every connection has asked once.
    per_round: Cell<f64>,
    over: Cell<bool>,
}

impl Shared {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Runs what hyper begins on this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run())
}

async fn run() -> anyhow::Result<()> {
    let upstreams = Upstreams::start().await?;
    let [main, streams] = upstreams.addresses();
    let authority = Authority::new("soak");
    say(&json!({ "event": "ready", "main": main, "streams": streams }));
    let world = World {
        keys: Vec::new(),
        extra: History::beginning(ExtraRoute::Absent),
        certificate: History::beginning(String::new()),
        within: Duration::from_secs(1),
    };
    let shared = Rc::new(Shared {
        began: Instant::now(),
        world: RefCell::new(world),
        tally: RefCell::default(),
        upstreams,
        rate: Cell::new(0.0),
        per_round: Cell::new(0.0),
        over: Cell::new(false),
    });
    let mut asking: Vec<JoinHandle<()>> = Vec::new();
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let command: Command = serde_json::from_str(&line).with_context(|| format!("no command: {line}"))?;
        match command {
            Command::Issue(dir) => {
                let issued = authority.issue(Wish::default());
                issued.write(&dir);
                authority.write(&dir.join("ca.crt"));
                say(&json!({ "event": "issued", "certificate": clients::fingerprint(&issued.der) }));
            }
            Command::Key { text, expected } => {
                shared.world.borrow_mut().keys.push(Key::new(text, expected));
                say(&json!({ "event": "noted" }));
            }
            Command::Begin(change) => {
                begin(&mut shared.world.borrow_mut(), change, shared.now());
                say(&json!({ "event": "noted" }));
            }
            Command::Done => {
                shared.world.borrow_mut().acknowledge(shared.now());
                say(&json!({ "event": "noted" }));
            }
            Command::Load(load) => asking = start(&shared, &load, authority.der())?,
            Command::Rate(rate) => shared.rate.set(rate),
            Command::Faults(wanted) => {
                if wanted && !shared.upstreams.failing.replace(wanted) {
                    spawn_local(upstreams::fail_in_turns(Rc::clone(&shared)));
                }
                shared.upstreams.failing.set(wanted);
            }
            Command::Mark => say(&shared.tally.borrow_mut().mark()),
            Command::Stop => {
                shared.over.set(true);
                for asking in asking.drain(..) {
                    asking.await?;
                }
                say(&json!({ "event": "stopped" }));
            }
        }
    }
    Ok(())
}

fn begin(world: &mut World, Change { keys, extra, certificate }: Change, now: Duration) {
    world.begin(keys, now);
    if let Some(extra) = extra {
        world.extra.begin(extra, now);
    }
    if let Some(certificate) = certificate {
        world.certificate.begin(certificate, now);
    }
}

/// A quarter of the connections each: in the clear and over TLS, over HTTP/1.1 and HTTP/2.
fn start(shared: &Rc<Shared>, load: &Load, authority: &[u8]) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut world = shared.world.borrow_mut();
    world.within = Duration::from_secs_f64(load.within);
    world.certificate = History::beginning(load.certificate.clone());
    let (http1, http2) = (clients::trusting(authority, b"http/1.1")?, clients::trusting(authority, b"h2")?);
    let half = load.connections as f64 / 2.0;
    shared.per_round.set(half + half * clients::STREAMS as f64);
    let kinds = (0..load.connections).map(|number| match number % 4 {
        0 => (number, Proxy { address: load.plain, tls: None }, false),
        1 => (number, Proxy { address: load.tls, tls: Some(http1.clone()) }, false),
        2 => (number, Proxy { address: load.plain, tls: None }, true),
        _ => (number, Proxy { address: load.tls, tls: Some(http2.clone()) }, true),
    });
    Ok(kinds.map(|(number, proxy, http2)| spawn_local(clients::keep_asking(Rc::clone(shared), number, proxy, http2))).collect())
}

/// What whoever started this says, line by line.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (tell, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    lines
}

/// A line for whoever started this.
fn say(what: &Value) {
    println!("{what}");
}
