//! Several callers who change the same things at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use serde_json::{Value, json};

use super::client::Api;
use crate::support::server::Server;

/// How often everybody begins at once.
const ROUNDS: u64 = 125;
/// Who asks in each round.
const CALLERS: usize = 4;
/// What they change.
const KEYS: usize = 3;

/// What became of a request.
struct Done {
    /// Of a change that was acknowledged.
    revision: Option<u64>,
    request_id: String,
    /// What it added to, if it was a look and a change that stands on it.
    added_to: Option<usize>,
    /// The name under which it was sent, and the key that it made.
    made: Option<(String, String)>,
}

/// The same numbers in every run.
struct Draws(u64);

impl Draws {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn whoever_changes_at_once_loses_nothing_makes_nothing_twice_and_is_told_of_once() {
    let server = Server::start();
    let root = Api::of_root(&server);
    root.made("/spaces", &json!({ "id": "team" }));
    let keys: Vec<String> = (0..KEYS)
        .map(|number| root.made("/keys", &json!({ "name": format!("k{number}"), "description": "0" }))["id"].as_str().unwrap().to_owned())
        .collect();
    let callers: Vec<Api> = (0..CALLERS)
        .map(|number| {
            let bindings = json!([{ "role": "space-admin", "space": "root" }]);
            root.with_key(root.made("/keys", &json!({ "name": format!("admin-{number}"), "bindings": bindings }))["key"].as_str().unwrap())
        })
        .collect();
    let keys = Arc::new(keys);

    let mut all: Vec<Done> = Vec::new();
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    for round in 0..ROUNDS {
        let begin = Arc::new(Barrier::new(CALLERS));
        let threads: Vec<_> = callers
            .iter()
            .map(|api| {
                let (api, begin, keys, seed) = (api.clone(), Arc::clone(&begin), Arc::clone(&keys), draws.next(u64::MAX) | 1);
                std::thread::spawn(move || {
                    begin.wait();
                    ask(&api, &keys, round, &mut Draws(seed))
                })
            })
            .collect();
        all.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    }

    // Every change that was acknowledged is in the audit exactly once, under the request that asked for it.
    let entries = audit(&root);
    let mut told: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry["revision"].is_u64()) {
        told.entry(entry["revision"].as_u64().unwrap()).or_default().push(entry);
    }
    assert!(told.values().all(|entries| entries.len() == 1));
    assert!(told.keys().copied().eq(1..=told.len() as u64), "no revision is skipped");
    let mut of_requests: BTreeMap<u64, Vec<&Done>> = BTreeMap::new();
    for done in &all {
        if let Some(revision) = done.revision {
            of_requests.entry(revision).or_default().push(done);
        }
    }
    for (revision, done) in &of_requests {
        let entry = told[revision][0];
        let asked = done.iter().filter(|done| entry["request_id"] == *done.request_id).count();
        assert_eq!(asked, 1, "{entry}");
        // More than one request is told of one change only if they have one name.
        assert!(done.len() == 1 || done.iter().all(|done| done.made.is_some()), "{entry}");
    }
    // Whoever looked, added one and said what they had seen has added one: no update is lost.
    for (number, id) in keys.iter().enumerate() {
        let added = all.iter().filter(|done| done.revision.is_some() && done.added_to == Some(number)).count();
        assert_eq!(root.get(&format!("/keys/{id}")).json()["description"], added.to_string(), "k{number}");
        assert!(added > 0);
    }
    // One name, one key.
    let mut made: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, id) in all.iter().filter_map(|done| done.made.as_ref()) {
        assert_eq!(made.entry(name).or_insert(id), id, "{name}");
    }
    assert!(made.len() > 10);
    let verified = server.run(&["audit", "verify"]);
    assert_eq!(verified["entries"], entries.len(), "{verified}");
}

fn ask(api: &Api, keys: &[String], round: u64, draws: &mut Draws) -> Done {
    let number = usize::try_from(draws.next(KEYS as u64)).unwrap();
    let path = format!("/keys/{}", keys[number]);
    let (answer, added_to, name) = match draws.next(4) {
        // What stands on what was seen.
        0 | 1 => {
            let seen = api.get(&path);
            let count: u64 = seen.json()["description"].as_str().unwrap().parse().unwrap();
            let tag = seen.header("etag").unwrap().to_owned();
            let body = json!({ "description": (count + 1).to_string() });
            (api.send("PATCH", &path, Some(&body), &[("If-Match", &tag)]), Some(number), None)
        }
        // What only one of them can have.
        2 => (api.post("/keys", &json!({ "name": format!("round-{}", round / 2) })), None, None),
        // What one of them sends again and again under one name.
        _ => {
            let name = format!("{}-{}", &api.key.as_ref().unwrap()[4..30], round / 5);
            let body = json!({ "name": name });
            (api.send("POST", "/keys", Some(&body), &[("Idempotency-Key", &name)]), None, Some(name))
        }
    };
    let is_done = answer.status / 100 == 2;
    assert!(is_done || [409, 412].contains(&answer.status), "{}", answer.text());
    let made = name.filter(|_| is_done).map(|name| (name, answer.json()["id"].as_str().unwrap().to_owned()));
    let request_id = answer.header("x-request-id").unwrap().to_owned();
    Done { revision: is_done.then(|| answer.revision()), request_id, added_to, made }
}

/// All of it, oldest first.
fn audit(root: &Api) -> Vec<Value> {
    let (mut entries, mut path) = (Vec::new(), "/audit?limit=500".to_owned());
    loop {
        let page = root.get(&path).json();
        entries.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/audit?limit=500&cursor={cursor}"),
            None => break,
        }
    }
    entries.reverse();
    entries
}
