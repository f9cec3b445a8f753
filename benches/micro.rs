//! What the steps of an exchange cost, one by one: `cargo bench --profile dist --bench micro`.
//!
//! Under `cargo test` each runs once, so that a bench that no longer works is found by the tests. Compare runs with each other, not
//! with numbers of another machine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};
use claviger::config::{Settings, StoreUrl, TokenAlgorithm};
use claviger::exchange::{Exchange, Origin};
use claviger::model::{
    AdmitWithoutRoles, BindingId, Cause, Decision, GroupName, KeyDigest, KeyId, KeyRecord, LoginPolicy, Mutation, NewKey, PlainKey,
    Snapshot, Space, Strategy, Subject,
};
use claviger::policy::{Evaluator, LoginInput, PolicyLimits, PolicySet, PolicySource, SharedInput};
use claviger::store::{self, Store};
use claviger::telemetry::Metrics;
use claviger::token::{KeyRing, Minter};
use divan::{Bencher, black_box};
use tempfile::TempDir;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECRET: [u8; 32] = [7; 32];
/// A key's name that most of the example policies have something for.
const LOGIN: &str = "ci-cd-production";

fn main() {
    divan::main();
}

fn key_text() -> PlainKey {
    PlainKey::generate(KeyId::new(1_700_000_000_000, 42), &SECRET)
}

#[divan::bench]
fn parse_and_digest_a_key(bencher: Bencher) {
    let text = key_text().reveal().to_owned();
    bencher.bench(|| PlainKey::presented(black_box(text.as_bytes())).map(|plain| KeyDigest::of(&plain)));
}

#[divan::bench]
fn refuse_a_key_with_a_wrong_checksum(bencher: Bencher) {
    let mut text = key_text().reveal().to_owned();
    let last = if text.pop() == Some('0') { '1' } else { '0' };
    text.push(last);
    bencher.bench(|| PlainKey::presented(black_box(text.as_bytes())).is_none());
}

/// A store with spaces, a role, a key in a group, and an exchange over it, as a running server has them.
struct World {
    runtime: Runtime,
    store: Arc<dyn Store>,
    exchange: Arc<Exchange>,
    clock: Arc<SystemClock>,
    digest: KeyDigest,
    directory: TempDir,
}

impl World {
    fn new(policies: Option<&Path>, stored: Option<&str>) -> Self {
        let runtime = runtime();
        let directory = tempfile::tempdir().expect("a directory can be made");
        let clock = Arc::new(SystemClock::start());
        let mut settings = Settings::default();
        settings.store.url = StoreUrl::Sqlite(directory.path().join("bench.db"));
        // Benches run ahead of the clock, and must not look at the store for that.
        settings.store.max_staleness = Duration::from_hours(24 * 365);
        settings.token.keys = directory.path().join("keys");
        settings.policies.dir = policies.map(Path::to_owned);
        let (store, exchange) = runtime.block_on(async {
            let store = store::open(&settings.store.url, Strategy::Combined, clock.clone()).await.expect("a new store opens");
            let stored = stored.map(|text| LoginPolicy {
                name: "stored".parse().expect("a name"),
                source: format!("package spacelift\n{text}\n").into(),
                rego: None,
            });
            for mutation in mutations().into_iter().chain(stored.map(Mutation::CreatePolicy)) {
                store.apply(mutation, &Cause::SYSTEM, None).await.expect("the example data fits");
            }
            let metrics = Arc::new(Metrics::new());
            let exchange = Exchange::start(&settings, store.clone(), clock.clone(), metrics).await.expect("the exchange starts");
            (store, exchange)
        });
        Self { runtime, store, exchange, clock, digest: KeyDigest::of(&key_text()), directory }
    }

    fn origin(&self) -> Origin {
        Origin::at_address(Some(address()), self.clock.now())
    }

    fn key(&self) -> KeyRecord {
        self.runtime.block_on(self.store.find_key(&self.digest)).expect("the store answers").expect("the key is there").key
    }
}

/// As the program's own: two threads at most.
fn runtime() -> Runtime {
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2));
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a runtime starts")
}

fn address() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3))
}

fn mutations() -> Vec<Mutation> {
    let parsed = "literals of this file are well-formed";
    let group: GroupName = "platform".parse().expect(parsed);
    let role = "deployer".parse::<claviger::model::RoleId>().expect(parsed);
    let space = |id: &str| {
        let space = Space {
            id: id.parse().expect(parsed),
            name: id.to_owned(),
            description: String::new(),
            parent: Some("root".parse().expect(parsed)),
            labels: Vec::new(),
        };
        Mutation::CreateSpace(space)
    };
    let key = NewKey {
        id: KeyId::new(1_700_000_000_000, 42),
        name: "ci-cd-production".parse().expect(parsed),
        description: String::new(),
        groups: vec![group.clone()],
        expires_at: None,
        digest: KeyDigest::of(&key_text()),
        bindings: vec![(BindingId::new(1, 1), role.clone(), "production".parse().expect(parsed))],
    };
    vec![
        space("production"),
        space("staging"),
        space("development"),
        Mutation::CreateRole {
            id: role.clone(),
            name: "Deployer".to_owned(),
            description: String::new(),
            actions: vec!["run:trigger".parse().expect(parsed)],
        },
        Mutation::CreateKey(key),
        Mutation::CreateBinding { id: BindingId::new(1, 2), subject: Subject::Group(group), role, space: "staging".parse().expect(parsed) },
    ]
}

static WITHOUT_POLICIES: LazyLock<World> = LazyLock::new(|| World::new(None, None));
static WITH_POLICIES: LazyLock<World> = LazyLock::new(|| World::new(Some(&policies_dir()), None));
/// No two addresses and no two seconds are alike to one of the policies, so that every new one is asked about.
static WITH_A_CURIOUS_POLICY: LazyLock<World> = LazyLock::new(|| {
    let curious = "deny if startswith(input.request.remote_ip, \"192.\")\ndeny if input.request.timestamp_ns % 1000000007 == 1";
    World::new(Some(&policies_dir()), Some(curious))
});

fn policies_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

#[divan::bench]
fn take_a_credential_from_the_cache(bencher: Bencher) {
    let world = &*WITHOUT_POLICIES;
    let origin = world.origin();
    world.runtime.block_on(world.exchange.credential(&world.digest, &origin)).expect("the key is let in");
    bencher.bench(|| world.exchange.cached(black_box(&world.digest), black_box(&origin)));
}

/// The key's record is known, and policies see the network of an address: most of them they know.
#[divan::bench]
fn a_new_address_with_all_example_policies(bencher: Bencher) {
    new_addresses(bencher, &WITH_POLICIES);
}

/// All policies must be asked about each address.
#[divan::bench]
fn a_new_address_with_a_curious_policy(bencher: Bencher) {
    new_addresses(bencher, &WITH_A_CURIOUS_POLICY);
}

fn new_addresses(bencher: Bencher, world: &World) {
    let mut last = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    let next = || {
        last += 1;
        Origin::at_address(Some(Ipv4Addr::from(last).into()), world.clock.now())
    };
    bencher.with_inputs(next).bench_local_refs(|origin| {
        world.runtime.block_on(world.exchange.credential(&world.digest, origin)).expect("the key is let in from 10.0.0.0/8")
    });
}

/// The same for another second.
#[divan::bench]
fn a_new_quantum_with_all_example_policies(bencher: Bencher) {
    new_quanta(bencher, &WITH_POLICIES);
}

/// All policies must be asked about each second.
#[divan::bench]
fn a_new_quantum_with_a_curious_policy(bencher: Bencher) {
    new_quanta(bencher, &WITH_A_CURIOUS_POLICY);
}

fn new_quanta(bencher: Bencher, world: &World) {
    let mut seconds = 0;
    let next = || {
        seconds += 1;
        Origin::at_address(Some(address()), world.clock.now().plus(Duration::from_secs(seconds)))
    };
    bencher.with_inputs(next).bench_local_refs(|origin| {
        world.runtime.block_on(world.exchange.credential(&world.digest, origin)).expect("the key is let in at any time")
    });
}

#[divan::bench]
fn look_up_a_key_in_the_store(bencher: Bencher) {
    let world = &*WITHOUT_POLICIES;
    bencher.bench(|| world.runtime.block_on(world.store.find_key(black_box(&world.digest))).expect("the store answers"));
}

#[divan::bench]
fn decide_by_bindings_and_groups(bencher: Bencher) {
    let world = &*WITHOUT_POLICIES;
    let (key, snapshot): (KeyRecord, Arc<Snapshot>) = (world.key(), world.exchange.snapshot());
    bencher.bench(|| Decision::make(black_box(&snapshot), black_box(&key), &[], AdmitWithoutRoles::No));
}

#[divan::bench]
fn resolve_roles_in_force(bencher: Bencher) {
    let world = &*WITHOUT_POLICIES;
    let snapshot = world.exchange.snapshot();
    let grants = Decision::make(&snapshot, &world.key(), &[], AdmitWithoutRoles::No).grants;
    bencher.bench(|| black_box(&grants).effective(black_box(&snapshot.spaces)));
}

fn example_sources() -> Vec<PolicySource> {
    claviger::policy::read_dir(&policies_dir()).expect("the example policies can be read")
}

fn example_policies() -> Vec<String> {
    example_sources().into_iter().map(|source| source.name.to_string()).collect()
}

/// A key's question, as the exchange asks it.
fn question(world: &World, login: &str) -> LoginInput {
    let mut key = world.key();
    key.name = login.parse().expect("names of this file are well-formed");
    LoginInput {
        shared: Arc::new(SharedInput::of(&world.exchange.snapshot())),
        key: Arc::new(key),
        root_admin: false,
        remote_ip: address(),
        client_certificate: None,
        at: "2026-07-01T12:00:00Z".parse().expect("a time of this file is well-formed"),
        instance: "bench".into(),
    }
}

/// Asks a set of policies again and again, on a thread of the evaluator's.
fn ask(bencher: Bencher, sources: &[PolicySource], login: &str) {
    let world = &*WITHOUT_POLICIES;
    let limits = PolicyLimits { time: Duration::from_secs(1), memory: 64 << 20 };
    let set = Arc::new(PolicySet::load(sources, limits).expect("the policies load"));
    let (evaluator, asked) = (Evaluator::start(1).expect("a thread starts"), question(world, login));
    // Another key each time, or else what was said of it before would be said again.
    let keys = AtomicU64::new(0);
    let next = || {
        let id = KeyId::new(keys.fetch_add(1, Ordering::Relaxed), 1);
        LoginInput { key: Arc::new(KeyRecord { id, ..KeyRecord::clone(&asked.key) }), ..asked.clone() }
    };
    bencher
        .with_inputs(next)
        .bench_values(|input| world.runtime.block_on(evaluator.ask(set.clone(), input)).expect("the policies answer within their limits"));
}

fn source(name: &str, text: String) -> PolicySource {
    PolicySource { name: name.parse().expect("names of this file are well-formed"), file: None, text: text.into(), rego: None }
}

/// What is not evaluation: the hand-over to the evaluator's thread and back. To be taken off the figures below.
#[divan::bench]
fn evaluate_a_rule_without_a_body(bencher: Bencher) {
    ask(bencher, &[source("trivial", "package spacelift\nallow := true\n".to_owned())], LOGIN);
}

/// A key that the policy has something for.
#[divan::bench(args = example_policies())]
fn evaluate(bencher: Bencher, name: &str) {
    let sources: Vec<PolicySource> = example_sources().into_iter().filter(|source| source.name.as_str() == name).collect();
    ask(bencher, &sources, LOGIN);
}

#[divan::bench]
fn evaluate_all_example_policies(bencher: Bencher) {
    ask(bencher, &example_sources(), LOGIN);
}

#[divan::bench(args = ["key-7", "somebody-else"])]
fn evaluate_a_thousand_rules(bencher: Bencher, login: &str) {
    let rule = |n| format!("roles[\"space-{n}\"][\"deployer\"] if input.session.login == \"key-{n}\"\n");
    let text = (0..1000).map(rule).fold("package spacelift\nallow if input.session.member\n".to_owned(), |text, rule| text + &rule);
    ask(bencher, &[source("thousand", text)], login);
}

#[divan::bench(args = [TokenAlgorithm::Es256, TokenAlgorithm::EdDsa, TokenAlgorithm::Rs256])]
fn mint(bencher: Bencher, algorithm: TokenAlgorithm) {
    let world = &*WITHOUT_POLICIES;
    let mut settings = Settings::default().token;
    settings.algorithm = algorithm;
    let now = world.clock.now().wall;
    settings.keys = world.directory.path().join(format!("{algorithm:?}"));
    let ring = KeyRing::open(&settings, now).expect("a signing key can be made");
    let (key, snapshot) = (world.key(), world.exchange.snapshot());
    let decision = Decision::make(&snapshot, &key, &[], AdmitWithoutRoles::No);
    let (effective, bound) = (decision.grants.effective(&snapshot.spaces), decision.grants.bound());
    let subject = claviger::token::Subject {
        key: key.id,
        name: &key.name,
        groups: &decision.groups,
        effective: &effective,
        bound: &bound,
        scope: None,
        confirmation: None,
        revision: snapshot.revision,
        not_after: None,
    };
    let minter = Minter::new(&settings);
    bencher.bench(|| minter.mint(black_box(&ring), black_box(&subject), now).expect("a small token can be signed"));
}
