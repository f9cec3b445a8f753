//! Many requests while bindings change: no wrong answer, no error, and memory that does not grow.
//!
//! The real program runs as a process of its own; this process changes its store, so that every change comes to it through the change
//! feed, as from another replica. The upstream answers with the token's payload, and each answer's roles are held against what was in
//! force: a change by another process counts within [`IN_FORCE_WITHIN`] of its acknowledgement, not before it was begun.
//!
//! Small by default. `tests/load` runs it in full, with the optimized program.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use claviger::clock::{Clock as _, SystemClock};
use claviger::config::StoreUrl;
use claviger::model::{
    BindingId, Cause, GroupName, KeyDigest, KeyId, KeyName, Mutation, NewKey, PlainKey, RoleId, Space, SpaceId, Strategy, Subject,
};
use claviger::store::{self, Store};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::support::server::Setup;

const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 64;
const SPACES: [&str; 4] = ["production", "staging", "development", "sandbox"];
const ROLES: [&str; 3] = ["deployer", "auditor", "operator"];
/// Every key holds it always, so that every request is let in.
const ALWAYS: (&str, &str) = ("root", "space-reader");
const GROUPS: usize = 5;

type Roles = BTreeSet<(String, String)>;

/// What a key or a group held, and when: a state is in force from some time after `begun` to some time before the next one's `done`.
struct History {
    states: Vec<State>,
}

struct State {
    begun: Duration,
    done: Duration,
    roles: Roles,
}

impl History {
    fn of(roles: Roles) -> Self {
        Self { states: vec![State { begun: Duration::ZERO, done: Duration::ZERO, roles }] }
    }

    /// The states that may show in an answer whose request was sent at `sent` and answered at `answered`.
    fn possible(&self, sent: Duration, answered: Duration) -> Vec<&Roles> {
        let ended = |index: usize| self.states.get(index + 1).map_or(Duration::MAX, |next| next.done);
        let shows = |(index, state): &(usize, &State)| state.begun <= answered && ended(*index).saturating_add(IN_FORCE_WITHIN) >= sent;
        self.states.iter().enumerate().filter(shows).map(|(_, state)| &state.roles).collect()
    }
}

/// Every key, with its id and the number of its group; what each key held by itself; what each group held.
struct Subjects {
    keys: Vec<(PlainKey, KeyId, usize)>,
    of_keys: Vec<Mutex<History>>,
    of_groups: Vec<Mutex<History>>,
}

impl Subjects {
    /// Whether the key `index` could hold just these roles, by itself and by its group.
    fn explain(&self, index: usize, roles: &Roles, sent: Duration, answered: Duration) -> bool {
        let group = self.keys[index].2;
        let (own, given) = (self.of_keys[index].lock().unwrap(), self.of_groups[group].lock().unwrap());
        let given = given.possible(sent, answered);
        own.possible(sent, answered).iter().any(|own| given.iter().any(|given| *own | *given == *roles))
    }
}

#[test]
fn answers_are_right_while_bindings_change_and_memory_stays_flat() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wanted = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    runtime.block_on(soak(wanted("CLAVIGER_SOAK_REQUESTS", 8_000), wanted("CLAVIGER_SOAK_KEYS", 100)));
}

#[expect(clippy::print_stdout, reason = "its figures are worth reading when it passes, too")]
async fn soak(requests: usize, keys: usize) {
    let upstream = format!("http://{}", echo().await);
    let setup = Setup::new().environment("CLAVIGER_UPSTREAM__URL", &upstream);
    let server = setup.environment("CLAVIGER_PROXY__THREADS", "0").environment("CLAVIGER_LOG__ACCESS", "errors").start();
    let clock = Arc::new(SystemClock::start());
    let url = StoreUrl::Sqlite(server.dir().join("claviger.db"));
    let store = store::open(&url, Strategy::Combined, clock.clone()).await.unwrap();
    let subjects = Arc::new(fill(&*store, keys).await);
    let filled = store.snapshot().await.unwrap().revision.0;
    server.until("what was filled in to be known", |server| server.applied_revision() >= filled);

    let stop = Arc::new(AtomicBool::new(false));
    let changes = tokio::spawn(change(store, subjects.clone(), clock.clone(), stop.clone()));
    let left = Arc::new(AtomicUsize::new(requests));
    let wrong = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let client = Client {
                random: Random(number as u64 + 1),
                address: server.proxy(),
                subjects: subjects.clone(),
                clock: clock.clone(),
                left: left.clone(),
                wrong: wrong.clone(),
            };
            tokio::spawn(client.run())
        })
        .collect();
    let mut memory = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for quarter in (0..4).rev() {
        while left.load(Ordering::Relaxed) > requests * quarter / 4 && clients.iter().any(|client| !client.is_finished()) {
            tick.tick().await;
        }
        memory.push(server.memory_kib());
    }
    for client in clients {
        client.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let made = changes.await.unwrap();

    let wrong = wrong.lock().unwrap();
    println!("{requests} requests with {keys} keys while {made} bindings changed: {} wrong; RSS by quarter {memory:?} KiB", wrong.len());
    assert!(wrong.is_empty(), "{} answers were wrong, among them:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    assert!(made > 0, "nothing has changed meanwhile");
    // Caches have filled by the half; what comes after is the allocator's breathing or a leak.
    let (half, end) = (memory[1], memory[3]);
    assert!(end <= half + half / 8 + 4096, "memory grows: {memory:?} KiB by quarter");
}

/// Spaces, roles, and keys in groups; nothing is bound yet but what every key always holds.
async fn fill(store: &dyn Store, count: usize) -> Subjects {
    let apply = async |mutation| store.apply(mutation, &Cause::SYSTEM, None).await.unwrap();
    for id in SPACES {
        let parent = Some(SpaceId::root());
        apply(Mutation::CreateSpace(Space {
            id: id.parse().unwrap(),
            name: id.into(),
            description: String::new(),
            parent,
            labels: vec![],
        }))
        .await;
    }
    for id in ROLES {
        let actions = vec!["run:trigger".parse().unwrap()];
        apply(Mutation::CreateRole { id: id.parse().unwrap(), name: id.into(), description: String::new(), actions }).await;
    }
    let mut random = Random(99);
    let mut keys = Vec::new();
    for number in 0..count {
        let (id, group) = (KeyId::new(number as u64, random.wide()), number % GROUPS);
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&random.next().to_be_bytes());
        let text = PlainKey::generate(id, &secret);
        let (space, role): (SpaceId, RoleId) = (ALWAYS.0.parse().unwrap(), ALWAYS.1.parse().unwrap());
        let name: KeyName = format!("soak-{number}").parse().unwrap();
        let bindings = vec![(BindingId::new(number as u64, random.wide()), role, space)];
        let digest = KeyDigest::of(&text);
        let groups = vec![group_name(group)];
        apply(Mutation::CreateKey(NewKey { id, name, description: String::new(), groups, expires_at: None, digest, bindings })).await;
        keys.push((text, id, group));
    }
    let always = effective([&(ALWAYS.0.to_owned(), ALWAYS.1.to_owned())].into_iter());
    let of_keys = keys.iter().map(|_| Mutex::new(History::of(always.clone()))).collect();
    let of_groups = (0..GROUPS).map(|_| Mutex::new(History::of(Roles::new()))).collect();
    Subjects { keys, of_keys, of_groups }
}

fn group_name(number: usize) -> GroupName {
    format!("crew {number}").parse().unwrap()
}

/// What is bound in `root` holds everywhere; the other spaces have none below them.
fn effective<'a>(bound: impl Iterator<Item = &'a (String, String)>) -> Roles {
    let everywhere = |role: &String| ["root"].into_iter().chain(SPACES).map(|space| (space.to_owned(), role.clone())).collect::<Vec<_>>();
    bound.flat_map(|(space, role)| if space == "root" { everywhere(role) } else { vec![(space.clone(), role.clone())] }).collect()
}

/// Binds and unbinds, one change after another, until told to stop; answers how many it has made. One in ten is about a group, and so
/// about everybody's cached credentials.
async fn change(store: Arc<dyn Store>, subjects: Arc<Subjects>, clock: Arc<SystemClock>, stop: Arc<AtomicBool>) -> usize {
    let mut random = Random(7);
    let mut bound: BTreeMap<(bool, usize, String, String), BindingId> = BTreeMap::new();
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    // No more than these, so that what the server has to remember does not grow by itself.
    let most = subjects.keys.len() / 2;
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let binding = if bound.len() < most {
            let about_group = random.below(10) == 0;
            let index = random.below(if about_group { GROUPS } else { subjects.keys.len() });
            (about_group, index, SPACES[random.below(SPACES.len())].to_owned(), ROLES[random.below(ROLES.len())].to_owned())
        } else {
            bound.keys().nth(random.below(bound.len())).cloned().unwrap()
        };
        let (about_group, index, space, role) = binding.clone();
        let mutation = if let Some(id) = bound.remove(&binding) {
            Mutation::DeleteBinding { id }
        } else {
            let id = BindingId::new(made as u64, random.wide());
            bound.insert(binding, id);
            let subject = if about_group { Subject::Group(group_name(index)) } else { Subject::Key(subjects.keys[index].1) };
            Mutation::CreateBinding { id, subject, role: role.parse().unwrap(), space: space.parse().unwrap() }
        };
        let history = if about_group { &subjects.of_groups[index] } else { &subjects.of_keys[index] };
        let begun = clock.now().monotonic;
        let next = {
            let mut history = history.lock().unwrap();
            let mut roles = history.states.last().unwrap().roles.clone();
            if !roles.remove(&(space.clone(), role.clone())) {
                roles.insert((space, role));
            }
            // Possible from here on; the state before it stays possible until a second after the acknowledgement.
            history.states.push(State { begun, done: Duration::MAX, roles });
            history.states.len() - 1
        };
        store.apply(mutation, &Cause::SYSTEM, None).await.unwrap();
        history.lock().unwrap().states[next].done = clock.now().monotonic;
        made += 1;
    }
    made
}

/// One keep-alive connection that asks with one key after another.
struct Client {
    random: Random,
    address: SocketAddr,
    subjects: Arc<Subjects>,
    clock: Arc<SystemClock>,
    left: Arc<AtomicUsize>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Client {
    async fn run(mut self) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) = handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        while self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let index = self.random.below(self.subjects.keys.len());
            let sent = self.clock.now().monotonic;
            let answer = ask(&mut sender, &self.subjects.keys[index].0).await;
            let answered = self.clock.now().monotonic;
            match answer {
                Ok(roles) if self.subjects.explain(index, &roles, sent, answered) => {}
                Ok(roles) => self.note(format!("key {index}, {sent:?} to {answered:?}: {roles:?} was not in force")),
                Err(fault) => {
                    self.note(format!("key {index}, {sent:?} to {answered:?}: {fault}"));
                    break;
                }
            }
        }
        connection.abort();
    }

    fn note(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>, key: &PlainKey) -> Result<Roles, String> {
    let bearer = format!("Bearer {}", key.reveal());
    let request = Request::get("/").header("host", "soak.test").header("authorization", bearer).body(Empty::new()).unwrap();
    sender.ready().await.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    if status != StatusCode::OK {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    let claims: serde_json::Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let roles: BTreeMap<String, BTreeSet<String>> = serde_json::from_value(claims["roles"].clone()).map_err(|error| error.to_string())?;
    Ok(roles.into_iter().flat_map(|(space, roles)| roles.into_iter().map(move |role| (space.clone(), role))).collect())
}

/// An upstream that answers with the payload of the token that it was sent.
async fn echo() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let service = service_fn(async |request: Request<hyper::body::Incoming>| {
                let payload = payload(&request).unwrap_or_else(|| Bytes::from_static(b"no token"));
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(payload)))
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn payload<B>(request: &Request<B>) -> Option<Bytes> {
    let token = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    let payload = token.split('.').nth(1)?;
    URL_SAFE_NO_PAD.decode(payload).ok().map(Bytes::from)
}

/// `SplitMix64`: the same requests and changes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn wide(&mut self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// What the soak calls right and wrong, since its verdict rests on it.
mod judge {
    use super::{Duration, History, Roles, State};

    fn roles(names: &[&str]) -> Roles {
        names.iter().map(|name| ("production".to_owned(), (*name).to_owned())).collect()
    }

    /// `old` from the start; `new` begun at 10 s, acknowledged at 11 s.
    fn history() -> History {
        let mut history = History::of(roles(&["old"]));
        history.states.push(State { begun: Duration::from_secs(10), done: Duration::from_secs(11), roles: roles(&["new"]) });
        history
    }

    fn possible(sent: f64, answered: f64) -> Vec<Roles> {
        history().possible(Duration::from_secs_f64(sent), Duration::from_secs_f64(answered)).into_iter().cloned().collect()
    }

    #[test]
    fn a_change_shows_nowhere_before_it_is_begun() {
        assert_eq!(possible(9.0, 9.9), [roles(&["old"])]);
    }

    #[test]
    fn old_and_new_may_show_from_the_begin_until_a_second_after_the_acknowledgement() {
        assert_eq!(possible(9.0, 10.1), [roles(&["old"]), roles(&["new"])]);
        assert_eq!(possible(11.9, 12.5), [roles(&["old"]), roles(&["new"])]);
    }

    #[test]
    fn the_old_state_shown_later_is_wrong() {
        assert_eq!(possible(12.1, 12.2), [roles(&["new"])]);
    }
}
