//! Whoever wants to know of every entry of the audit is told, whatever happens to them or to the server.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::pyjwt;
use crate::support::server::{Server, Setup};

const SECRET: &str = "a secret of the receiver's";

/// As `docs/audit.md` has it: a line each of signature and body, both as JSON.
const VERIFIER: &str = r#"
import hashlib, hmac, json, sys
for line in sys.stdin:
    signature, body = json.loads(line)
    expected = "sha256=" + hmac.new(sys.argv[1].encode(), body.encode(), hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signature, expected), body
"#;

/// What the receiver does with an event.
#[derive(Clone, Copy)]
enum Way {
    Take,
    Answer(u16),
    /// Takes it, and says so only when nobody waits any more.
    Slowly,
    /// Ends the connection without a word.
    Hang,
}

#[derive(Clone)]
struct Told {
    signature: String,
    kind: String,
    body: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Somebody who listens; each event gets the next way, and then all are taken.
struct Receiver {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    fn listen(ways: impl IntoIterator<Item = Way>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), ways)
    }

    fn on(listener: TcpListener, ways: impl IntoIterator<Item = Way>) -> Self {
        let (address, told) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (of_thread, mut ways) = (Arc::clone(&told), ways.into_iter().collect::<VecDeque<_>>());
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let Some(event) = read(&connection) else { continue };
                of_thread.lock().unwrap().push(event);
                answer(connection, ways.pop_front().unwrap_or(Way::Take));
            }
        });
        Self { address, told }
    }

    fn url(&self) -> String {
        format!("http://{}/hooks?from=claviger", self.address)
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The numbers of the entries, as they came.
    fn entries(&self) -> Vec<u64> {
        self.told().iter().filter_map(|told| told.json()["entry"]["id"].as_u64()).collect()
    }
}

fn read(connection: &TcpStream) -> Option<Told> {
    let mut reader = BufReader::new(connection);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    assert!(head[0].starts_with("POST /hooks?from=claviger HTTP/1.1"), "{head:?}");
    let field = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default().to_owned();
    let mut body = vec![0; field("content-length").parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Told { signature: field("x-claviger-signature"), kind: field("x-claviger-event"), body: String::from_utf8(body).unwrap() })
}

fn answer(mut connection: TcpStream, way: Way) {
    let say = |connection: &mut TcpStream, status: u16| {
        let _ = connection.write_all(format!("HTTP/1.1 {status} It is\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").as_bytes());
    };
    match way {
        Way::Take => say(&mut connection, 204),
        Way::Answer(status) => say(&mut connection, status),
        Way::Slowly => drop(std::thread::spawn(move || {
            // Until whoever asked has gone.
            let _ = connection.read_to_end(&mut Vec::new());
            say(&mut connection, 200);
        })),
        Way::Hang => {}
    }
}

/// In order, each once or more, none left out, and signed so that another program says it is right.
fn assert_complete(receiver: &Receiver, from: u64, to: u64) {
    let mut entries = receiver.entries();
    assert!(entries.is_sorted(), "{entries:?}");
    entries.dedup();
    assert_eq!(entries, (from..=to).collect::<Vec<_>>());
    let mut python =
        Command::new(pyjwt::python()).args(["-c", VERIFIER, SECRET]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    for told in receiver.told() {
        writeln!(stdin, "{}", serde_json::json!([told.signature, told.body])).unwrap();
    }
    drop(stdin);
    let verified = python.wait_with_output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// A store and a secret that outlast a server.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
        Self(dir)
    }

    fn setup(&self, url: Option<&str>) -> Setup {
        let at = |name: &str| self.0.path().join(name).display().to_string();
        let setup = Setup::new()
            .environment("CLAVIGER_STORE__URL", &format!("sqlite://{}", at("claviger.db")))
            .environment("CLAVIGER_AUDIT__WEBHOOK__SECRET_FILE", &at("secret"))
            .environment("CLAVIGER_AUDIT__WEBHOOK__TIMEOUT", "1s");
        match url {
            Some(url) => setup.environment("CLAVIGER_AUDIT__WEBHOOK__URL", url),
            None => setup,
        }
    }
}

fn make_spaces(server: &Server, numbers: std::ops::Range<u32>) {
    for number in numbers {
        server.run(&["space", "create", &format!("s{number}"), "--parent", "root"]);
    }
}

/// Until entries that are made are told of; those from before the first time are not.
fn until_it_is_the_receiver(server: &Server, times: usize) {
    server.until("that entries are told of", |server| server.log().matches("is told of the entries that come after").count() == times);
}

fn newest(server: &Server) -> u64 {
    server.run(&["audit", "--limit", "1"])[0]["id"].as_u64().unwrap()
}

fn until_told(server: &Server, receiver: &Receiver, last: u64) {
    server.until("the last entry at the receiver", |server| {
        receiver.entries().last() == Some(&last) && server.metric("claviger_audit_webhook_waiting") == 0
    });
}

#[test]
fn a_receiver_that_is_down_then_fails_then_is_slow_gets_every_entry_in_order() {
    let place = Place::new();
    // Nobody listens there yet, and on this address nobody else will.
    let address = TcpListener::bind("127.0.77.1:0").unwrap().local_addr().unwrap();
    let server = place.setup(Some(&format!("http://{address}/hooks?from=claviger"))).has_run(&["key", "create", "--name", "first"]).start();
    until_it_is_the_receiver(&server, 1);
    let before = newest(&server);
    make_spaces(&server, 0..5);
    server.until("a failure", |server| server.log().contains("it is tried again"));

    let ways = [Way::Answer(500), Way::Take, Way::Slowly, Way::Answer(302), Way::Hang, Way::Take, Way::Answer(503)];
    let receiver = Receiver::on(TcpListener::bind(address).unwrap(), ways);
    make_spaces(&server, 5..8);
    let last = newest(&server);
    until_told(&server, &receiver, last);

    let first = receiver.entries()[0];
    assert!(first <= before + 1, "{first} after {before}");
    assert_complete(&receiver, first, last);
    // Who took it slowly was told again, and can tell.
    let attempts: Vec<_> = receiver.told().iter().map(|told| told.json()["attempt"].as_u64().unwrap()).collect();
    assert!(attempts.iter().any(|attempt| *attempt > 1), "{attempts:?}");
    let told = receiver.told().pop().unwrap();
    let shown = server.run(&["audit", "--limit", "1"]);
    assert_eq!((told.kind.as_str(), &told.json()["entry"]), ("audit.entry", &shown[0]));
    assert!(told.json()["sent_at"].as_str().unwrap() >= shown[0]["at"].as_str().unwrap());
    assert_eq!(server.metric("claviger_audit_webhook_given_up_total"), 0);
}

#[test]
fn after_a_restart_it_goes_on_where_it_was_and_another_receiver_goes_on_where_the_first_one_ended() {
    let place = Place::new();
    let receiver = Receiver::listen([]);
    let mut server = place.setup(Some(&receiver.url())).start();
    until_it_is_the_receiver(&server, 1);
    make_spaces(&server, 0..3);
    until_told(&server, &receiver, newest(&server));
    server.signal("TERM");
    assert!(server.wait().success(), "{}", server.log());
    make_spaces(&server, 3..6);

    let mut server = place.setup(Some(&receiver.url())).start();
    until_told(&server, &receiver, newest(&server));
    let (first, last) = (receiver.entries()[0], newest(&server));
    assert_complete(&receiver, first, last);
    server.signal("TERM");
    assert!(server.wait().success(), "{}", server.log());
    make_spaces(&server, 6..8);

    // The one that was hears the last of it.
    let next = Receiver::listen([]);
    let server = place.setup(Some(&next.url())).start();
    until_told(&server, &next, newest(&server));
    assert_complete(&next, last + 1, newest(&server));
    server.until("the last event", |_| receiver.told().last().unwrap().kind == "webhook.removed");
    assert_eq!(receiver.told().last().unwrap().json()["last"], last);
    assert_complete(&receiver, first, last);
}

#[test]
fn a_receiver_that_is_taken_out_of_the_configuration_hears_the_last_of_it() {
    let place = Place::new();
    let receiver = Receiver::listen([]);
    let server = place.setup(None).start();
    let configuration = std::fs::read_to_string(server.config()).unwrap();
    let with_receiver = format!("{configuration}\n[audit.webhook]\nurl = \"{}\"\n", receiver.url());
    std::fs::write(server.config(), &with_receiver).unwrap();
    server.until("the reload", |server| server.log().contains("audit.webhook.url"));
    server.until("an entry at the receiver", |server| {
        server.run(&["strategy", "set", "combined"]);
        !receiver.entries().is_empty()
    });

    std::fs::write(server.config(), &configuration).unwrap();
    server.until("the last event", |_| receiver.told().last().unwrap().kind == "webhook.removed");
    make_spaces(&server, 0..1);
    let unheard = newest(&server);

    std::fs::write(server.config(), with_receiver).unwrap();
    until_it_is_the_receiver(&server, 2);
    make_spaces(&server, 1..2);
    until_told(&server, &receiver, unheard + 1);
    assert!(!receiver.entries().contains(&unheard), "{:?}", receiver.entries());
}

#[test]
fn what_is_not_taken_for_too_long_is_skipped_counted_and_logged_and_the_rest_goes_on() {
    let place = Place::new();
    let receiver = Receiver::listen([Way::Answer(500); 7]);
    let server = place.setup(Some(&receiver.url())).environment("CLAVIGER_AUDIT__WEBHOOK__GIVE_UP_AFTER", "1s").start();
    server.until("one that is given up", |server| {
        server.run(&["strategy", "set", "combined"]);
        server.metric("claviger_audit_webhook_given_up_total") > 0
    });
    let last = newest(&server);
    server.until("the last entry at the receiver", |_| receiver.entries().last() == Some(&last));
    assert!(receiver.entries().is_sorted());
    assert!(server.log().contains("is skipped"), "{}", server.log());
}
