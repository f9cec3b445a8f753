//! Servers that are killed while they write: what they have acknowledged is there, and the audit has no gap.
//!
//! A few times by default; as often as `CLAVIGER_TEST_KILLS` says (`1000`: the embedded server so often, one of two control planes on PostgreSQL
//! a fifth of it).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::admin::client::Api;
use crate::support::http;
use crate::support::postgres::{Database, shared};
use crate::support::server::{Server, Setup};

const WRITERS: usize = 4;
/// How many changes are acknowledged between two kills, at most.
const MOST: u32 = 9;

fn kills(by_default: u32, share: u32) -> u32 {
    std::env::var("CLAVIGER_TEST_KILLS").map_or(by_default, |often| often.parse::<u32>().expect("CLAVIGER_TEST_KILLS is a number") / share)
}

/// A change that was acknowledged.
#[derive(Clone)]
struct Acknowledged {
    revision: u64,
    group: String,
}

/// Writers that make groups until they are told to stop, whatever becomes of the server.
struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    made: Arc<Mutex<Vec<Acknowledged>>>,
    acknowledged: mpsc::Receiver<()>,
}

impl Writers {
    fn start(apis: &[Api]) -> Self {
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (tell, acknowledged) = mpsc::channel();
        let threads = (0..WRITERS).map(|writer| {
            let (stop, made, tell, api) = (Arc::clone(&stop), Arc::clone(&made), tell.clone(), apis[writer % apis.len()].clone());
            std::thread::spawn(move || {
                for number in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let group = format!("group-{writer}-{number}");
                    let body = json!({ "name": group }).to_string();
                    let request = format!(
                        "POST /api/v1/groups HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
                         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                        api.address,
                        api.key.as_ref().unwrap(),
                        body.len()
                    );
                    // Of a server that has been killed nothing is heard.
                    let Some(answer) = http::try_exchange(api.address, request.as_bytes()) else {
                        std::thread::yield_now();
                        continue;
                    };
                    if answer.status == 201 {
                        made.lock().unwrap().push(Acknowledged { revision: answer.revision(), group });
                        let _ = tell.send(());
                    } else {
                        assert_eq!(answer.status, 503, "{}", answer.text());
                    }
                }
            })
        });
        Self { threads: threads.collect(), stop, made, acknowledged }
    }

    /// Returns when somebody is in the midst of something, more or less.
    fn wait(&self, drawn: u32) {
        while self.acknowledged.try_recv().is_ok() {}
        for _ in 0..=drawn % MOST {
            self.acknowledged.recv().unwrap();
        }
        // Not always just behind an answer.
        for _ in 0..drawn % 1_000 * 100 {
            std::hint::spin_loop();
        }
    }

    fn end(self) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let made = self.made.lock().unwrap();
        made.clone()
    }
}

/// Everything that was acknowledged is in the audit once, under its revision; the revisions have no gap, and the chain of hashes holds.
fn nothing_is_lost(server: &Server, api: &Api, made: &[Acknowledged]) {
    let verified = server.try_run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let last = server.run(&["group", "create", "the-last-one"])["revision"].as_u64().unwrap();
    let mut entries: Vec<Option<Value>> = vec![None; usize::try_from(last).unwrap() + 1];
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/audit?limit=500{cursor}"));
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        for entry in page["items"].as_array().unwrap() {
            let Some(revision) = entry["revision"].as_u64() else { continue };
            let place = &mut entries[usize::try_from(revision).unwrap()];
            assert!(place.replace(entry.clone()).is_none(), "revision {revision} is there twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let missing: Vec<usize> = (1..entries.len()).filter(|revision| entries[*revision].is_none()).collect();
    assert_eq!(missing, [0; 0], "the audit has gaps");
    for Acknowledged { revision, group } in made {
        let entry = entries[usize::try_from(*revision).unwrap()].as_ref().unwrap();
        assert_eq!((entry["action"].as_str(), entry["resource"].as_str()), (Some("group.create"), Some(group.as_str())), "{entry}");
    }
    let mut groups = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/groups?limit=500{cursor}")).json();
        groups.extend(page["items"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let missed: Vec<&str> = made.iter().map(|made| made.group.as_str()).filter(|group| !groups.contains(*group)).collect();
    assert_eq!(missed, [""; 0]);
}

fn drawn() -> u32 {
    getrandom::u32().unwrap()
}

#[test]
fn an_embedded_server_that_is_killed_while_it_writes_loses_nothing_that_it_has_acknowledged() {
    let mut server = Server::start();
    let api = Api::of_root(&server);
    let writers = Writers::start(std::slice::from_ref(&api));
    for _ in 0..kills(15, 1) {
        writers.wait(drawn());
        server.kill();
        server.start_again();
    }
    writers.wait(0);

    nothing_is_lost(&server, &api, &writers.end());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_control_plane_that_is_killed_while_it_writes_loses_nothing_and_keeps_nobody_from_writing() {
    let database = Database::empty(shared());
    let mut killed = Setup::new().store(&database.url()).start();
    let other = Setup::new().store(&database.url()).start();
    let api = Api::of_root(&killed);
    let beside = Api { address: other.admin(), ..api.clone() };
    let writers = Writers::start(&[api.clone(), beside.clone()]);
    for _ in 0..kills(5, 5) {
        writers.wait(drawn());
        killed.kill();
        // Those beside go on meanwhile.
        writers.wait(0);
        killed.start_again();
    }
    writers.wait(0);

    nothing_is_lost(&killed, &beside, &writers.end());
    for server in [&killed, &other] {
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}
