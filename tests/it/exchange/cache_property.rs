//! A cached answer is what evaluation now would give: whatever happens to keys, groups, spaces, policies, the strategy and the clock, a
//! request gets what a decision without any cache, made from the store alone, gives at that moment and for that address.
//!
//! The policies are random ones of [`grammar`](crate::policy::grammar), which do with address and time whatever policies can. A case
//! is one request whose answer was compared; `CLAVIGER_CACHE_CASES` says how many there are.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use claviger::clock::Clock;
use claviger::exchange::{Credential, ExchangeError, Explainer, Origin, Purpose};
use claviger::model::{
    AdmitWithoutRoles, AlternativeNames, BindingId, Cause, CertificateFingerprint, ClientCertificate, Decision, Expiry, KeyDigest,
    KeyRecord, LoginPolicy, Mutation, NewKey, Refusal, RolesBySpace, Snapshot, Strategy as RoleStrategy, Subject, WhyInvalid,
    WhyUnavailable,
};
use claviger::store::{Lookup as _, Management as _, StoreError};
use claviger::token::{self, Confirmation};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use crate::exchange::world::{World, new_space, policy, role};
use crate::policy::grammar::{ADDRESSES, Draw, GROUPS, LOGINS};

/// How many requests are compared by default: in histories of so many rounds, in each of which so many requests come.
const CASES: u32 = 100_000;
const ROUNDS: usize = 8;
const REQUESTS: u32 = 125;

const KEYS: usize = LOGINS.len();
const ROLES: [&str; 2] = ["deployer", "reader"];
const SPACES: [&str; 4] = ["root", "production", "staging", "eu"];
/// What requests are about: nothing in particular more often than a space, one of which is not there.
const SCOPES: [Option<&str>; 7] = [None, None, None, None, Some("production"), Some("eu"), Some("nowhere")];
const POLICIES: [&str; 3] = ["first", "second", "third"];

/// Each reads something else of a request; the last one does not load.
const KNOWN: [&str; 8] = [
    "allow if { [hour, _, _] := time.clock([input.request.timestamp_ns, \"UTC\"]); hour == 12 }\nroles.staging.reader if true",
    "deny if not net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)",
    "allow if true\nroles.production.reader if input.request.timestamp_ns % 2000000000 >= 1000000000",
    "allow if true\nteam contains \"night\" if { [hour, _, _] := time.clock([input.request.timestamp_ns, \"UTC\"]); hour > 12 }",
    "admin if input.session.login == \"key-0\"\ndeny_admin if input.request.remote_ip == \"192.0.2.1\"",
    "allow if \"platform\" in input.session.teams\nroles.eu.deployer if true\nroles.nowhere.deployer if true",
    "allow if true\nteam contains input.request.client_certificate.subject if true\ndeny if input.request.client_certificate.serial == \"02\"",
    "allow if {",
];

/// What one in three of the random policies has besides.
const OF_CERTIFICATES: [&str; 4] = [
    "roles.staging.deployer if input.request.client_certificate.subject == \"CN=one\"",
    "team contains \"shown\" if input.request.client_certificate != null",
    "deny if \"two.example\" in input.request.client_certificate.san.dns",
    "team contains name if some name in input.request.client_certificate.san.dns",
];

/// What happens between requests, and what the requests are drawn from.
#[derive(Clone, Debug)]
struct Round {
    changes: Vec<Change>,
    requests: u64,
}

#[derive(Clone, Debug)]
struct Change {
    what: What,
    here: bool,
}

#[derive(Clone, Debug)]
enum What {
    Disable(usize),
    Enable(usize),
    Revoke(usize),
    Rotate { key: usize, grace: u32 },
    Expire { key: usize, after: Option<u32> },
    Join { key: usize, groups: Vec<usize> },
    Rename { key: usize, back: bool },
    Bind { key: usize, role: usize, space: usize },
    BindGroup { group: usize, role: usize, space: usize },
    Unbind(usize),
    Move { space: usize, parent: usize },
    PutPolicy { name: usize, rules: Rules },
    DropPolicy(usize),
    SetStrategy(usize),
}

#[derive(Clone, Copy, Debug)]
enum Rules {
    Known(usize),
    Drawn(u64),
}

fn key() -> impl Strategy<Value = usize> {
    0..KEYS
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        1 => key().prop_map(What::Disable),
        2 => key().prop_map(What::Enable),
        1 => key().prop_map(What::Revoke),
        2 => (key(), 0_u32..40).prop_map(|(key, grace)| What::Rotate { key, grace }),
        2 => (key(), proptest::option::of(1_u32..90)).prop_map(|(key, after)| What::Expire { key, after }),
        2 => (key(), vec(0..GROUPS.len(), 0..=2)).prop_map(|(key, groups)| What::Join { key, groups }),
        1 => (key(), any::<bool>()).prop_map(|(key, back)| What::Rename { key, back }),
        4 => (key(), 0..ROLES.len(), 0..SPACES.len()).prop_map(|(key, role, space)| What::Bind { key, role, space }),
        3 => (0..GROUPS.len(), 0..ROLES.len(), 0..SPACES.len()).prop_map(|(group, role, space)| What::BindGroup { group, role, space }),
        2 => (0_usize..100).prop_map(What::Unbind),
        1 => (1..SPACES.len(), 0..SPACES.len()).prop_map(|(space, parent)| What::Move { space, parent }),
        1 => put_policy(),
        1 => (0..POLICIES.len()).prop_map(What::DropPolicy),
        1 => (0..RoleStrategy::ALL.len()).prop_map(What::SetStrategy),
    ]
}

fn put_policy() -> impl Strategy<Value = What> {
    let rules = prop_oneof![1 => (0..KNOWN.len()).prop_map(Rules::Known), 9 => any::<u64>().prop_map(Rules::Drawn)];
    (0..POLICIES.len(), rules).prop_map(|(name, rules)| What::PutPolicy { name, rules })
}

fn round() -> impl Strategy<Value = Round> {
    let change = |what| (what, any::<bool>()).prop_map(|(what, here)| Change { what, here });
    let changes = (change(put_policy().boxed()), vec(change(what().boxed()), 0..3));
    (changes, any::<u64>()).prop_map(|((first, rest), requests)| Round { changes: [first].into_iter().chain(rest).collect(), requests })
}

/// A key as the test knows it: the secret that it has and the one before.
struct Known {
    name: String,
    id: claviger::model::KeyId,
    digest: KeyDigest,
    old_digest: KeyDigest,
}

struct History {
    world: World,
    keys: Vec<Known>,
    bindings: Vec<BindingId>,
    /// What decides without a cache, until something changes: the same policies need not be compiled for each request.
    oracle: Option<(Snapshot, Option<Explainer>)>,
    /// What the store has, until something changes.
    records: HashMap<KeyDigest, Option<KeyRecord>>,
    /// What tokens say whose signature was looked at.
    tokens: HashMap<String, serde_json::Value>,
}

#[test]
fn a_cached_answer_is_what_evaluation_now_would_give() {
    let wanted = std::env::var("CLAVIGER_CACHE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let histories = wanted.div_ceil(REQUESTS * u32::try_from(ROUNDS).unwrap());
    let config = Config { cases: histories, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (requests, hits) = (Cell::new(0_u64), Cell::new(0_u64));
    let told = TestRunner::new(config).run(&vec(round(), ROUNDS..=ROUNDS), |rounds| {
        let hit = runtime.block_on(live_through(&rounds));
        requests.set(requests.get() + u64::from(REQUESTS) * rounds.len() as u64);
        hits.set(hits.get() + hit);
        Ok(())
    });
    told.unwrap_or_else(|failure| panic!("{failure}"));
    let (requests, hits) = (requests.get(), hits.get());
    assert!(requests >= u64::from(wanted), "{requests} requests were compared");
    // Answers that are never given again cannot be wrong.
    assert!(hits * 8 > requests, "{hits} of {requests} answers came from the cache");
    tell(&format!("{requests} answers in {histories} histories are what a decision gives, {hits} of them from the cache"));
}

#[expect(clippy::print_stdout, reason = "shown on request only: how much was tried is what the test is worth")]
fn tell(told: &str) {
    println!("{told}");
}

/// How many answers came from the cache.
async fn live_through(rounds: &[Round]) -> u64 {
    // Where tokens name certificates, half of the time, answers are told apart that are one elsewhere.
    let mut history = History::begin(rounds.first().is_some_and(|round| round.requests % 2 == 0)).await;
    for round in rounds {
        for Change { what, here } in &round.changes {
            history.change(what, *here).await;
        }
        history.take_requests(&mut Draw::new(round.requests)).await;
    }
    let text = history.world.metrics.render();
    let hits = text.lines().find_map(|line| line.strip_prefix("claviger_cache_requests_total{cache=\"credential\",result=\"hit\"} "));
    hits.map_or(0, |hits| hits.parse().unwrap())
}

impl History {
    async fn begin(confirms: bool) -> Self {
        let world = World::with(|settings| {
            // Nobody follows the store here: what is loaded may be as old as it likes.
            settings.store.max_staleness = Duration::from_hours(24);
            settings.token.confirm_client_certificate = confirms;
        })
        .await;
        world.change(Mutation::CreateSpace(new_space("eu", "production"))).await;
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let roles: &[&str] = if number == 3 { &["space-admin@root"] } else { &["deployer@production"] };
            let new: NewKey = world.new_key(LOGINS[number], roles, &GROUPS[..number.min(2)]);
            let known = Known { name: new.name.to_string(), id: new.id, digest: new.digest, old_digest: world.draw_digest() };
            keys.push(known);
            world.make(new).await;
        }
        Self { world, keys, bindings: Vec::new(), oracle: None, records: HashMap::new(), tokens: HashMap::new() }
    }

    /// Requests of a few clients at a few times, in any order, so that most of them have been answered before.
    async fn take_requests(&mut self, draw: &mut Draw) {
        let addresses: Vec<Option<&str>> = (0..6).map(|_| if draw.below(16) == 0 { None } else { Some(draw.pick(&ADDRESSES)) }).collect();
        let times: Vec<_> = (0..4).map(|_| draw.time_of_tokens()).collect();
        self.world.clock.set_wall(draw.pick(&times));
        for _ in 0..REQUESTS {
            match draw.below(40) {
                0..=2 => self.world.clock.set_wall(draw.pick(&times)),
                3 | 4 => self.world.clock.advance(Duration::from_millis(draw.below(1500))),
                5 => self.world.clock.advance(Duration::from_millis(10_000 + draw.below(60_000))),
                _ => {}
            }
            let key = &self.keys[usize::try_from(draw.below(KEYS as u64)).unwrap()];
            let digest = if draw.below(8) == 0 { key.old_digest } else { key.digest };
            let shown = draw.below(4);
            self.compare(digest, (draw.pick(&addresses), shown), draw.pick(&SCOPES)).await;
        }
    }

    /// A request for one digest, with the cache and without; of a route that is about a space, or of none.
    async fn compare(&mut self, digest: KeyDigest, (address, shown): (Option<&str>, u64), scope: Option<&str>) {
        let there = Origin::at_address(address.map(|address| address.parse().unwrap()), self.world.clock.now());
        let origin = Origin { certificate: certificate(shown, there.at.wall), ..there };
        let space = scope.map(|space| space.parse().unwrap());
        let purpose = Purpose { space: space.as_ref(), require: None };
        let cached = match self.world.exchange.cached_for(&digest, &origin, purpose) {
            Some(answer) => answer,
            None => self.world.exchange.credential_for(&digest, &origin, purpose).await,
        };
        if !self.records.contains_key(&digest) {
            let found = self.world.sluice.find_key(&digest).await.unwrap().map(|found| found.key);
            self.records.insert(digest, found);
        }
        let found = self.records.get(&digest).cloned().flatten();
        let fresh = match &found {
            Some(record) => self.decide(record, &digest, &origin).await,
            None => Err(Refusal::InvalidKey(WhyInvalid::Unknown)),
        };
        match (cached, fresh) {
            (Ok(credential), Ok((roles, groups))) => {
                let record = found.expect("decided from a record");
                let ends = record.secret(&digest).and_then(|secret| record.usable_until(secret));
                // Tokens count in whole seconds, keys do not: in the last part of a second that a key lives for, its token is over already.
                let last_second = ends.is_some_and(|end| end.as_second() <= origin.at.wall.as_second());
                let claims = self.claims(&credential, last_second);
                let now = origin.at.wall.as_second();
                assert!(
                    claims["iat"].as_i64().unwrap() <= now && (last_second || now < claims["exp"].as_i64().unwrap()),
                    "{claims} at {now}"
                );
                let wanted: BTreeMap<String, Vec<String>> =
                    roles.iter().map(|(space, roles)| (space.to_string(), roles.iter().map(ToString::to_string).collect())).collect();
                let wanted = match scope {
                    Some(space) => serde_json::json!(wanted.get(space).cloned().unwrap_or_default()),
                    None => serde_json::json!(wanted),
                };
                assert_eq!((&claims["roles"], claims["space"].as_str()), (&wanted, scope), "{origin:?}");
                assert_eq!(claims["groups"], serde_json::json!(groups), "{origin:?}");
                assert_eq!(claims["name"], record.name.as_str());
                let lasting = origin.certificate.as_ref().filter(|shown| origin.at.wall < shown.not_after);
                let bound_to = lasting.filter(|_| self.world.settings.token.confirm_client_certificate);
                let cnf = bound_to.map(|shown| serde_json::json!(Confirmation::of(&shown.fingerprint)));
                assert_eq!(claims.get("cnf"), cnf.as_ref(), "{origin:?}");
                let exp = claims["exp"].as_i64().unwrap();
                assert!(ends.is_none_or(|end| exp <= end.as_second()), "the token outlives its key");
            }
            (cached, fresh) => assert_eq!(cached.map(drop), fresh.map(drop), "{address:?} {origin:?}"),
        }
    }

    /// What the store alone says: the roles in force and the groups.
    async fn decide(&mut self, key: &KeyRecord, digest: &KeyDigest, origin: &Origin) -> Result<(RolesBySpace, Vec<String>), Refusal> {
        if self.oracle.is_none() {
            let now = self.world.sluice.snapshot().await.unwrap();
            let explainer = match Explainer::load(&self.world.settings, &*self.world.sluice).await {
                Ok(explainer) => Some(explainer),
                Err(ExchangeError::Policies(_)) => None,
                Err(other) => panic!("{other}"),
            };
            self.oracle = Some((now, explainer));
        }
        let (now, explainer) = self.oracle.as_ref().expect("just made");
        let (decision, outcome) = match explainer {
            Some(explainer) => {
                let explanation = explainer.explain(key, origin).await;
                (explanation.decision, explanation.outcome)
            }
            None => without_policies(now, key, origin),
        };
        if let Err(refusal @ Refusal::InvalidKey(_)) = outcome {
            return Err(refusal);
        }
        if key.secret(digest).is_none_or(|secret| secret.ended_at(origin.at.wall)) {
            return Err(Refusal::InvalidKey(WhyInvalid::RotatedOut));
        }
        outcome?;
        let decision = decision.expect("an outcome that lets in is a decision's");
        Ok((decision.grants.effective(&now.spaces), decision.groups))
    }

    async fn change(&mut self, what: &What, here: bool) {
        let mutation = self.mutation(what);
        match self.world.sluice.apply(mutation, &Cause::SYSTEM, None).await {
            Ok(change) if here => self.world.exchange.applied(&change).await.unwrap(),
            Ok(_) => {
                self.world.exchange.catch_up().await.unwrap();
            }
            // Two of a name, a key that is revoked, a space under itself: nothing has changed.
            Err(StoreError::Conflict(_) | StoreError::NotFound(_) | StoreError::Precondition(_)) => return,
            Err(error @ (StoreError::Unavailable(_) | StoreError::Elsewhere { .. })) => panic!("{error}"),
        }
        // On a busy machine this can take so long that keys are refused until it is done.
        while self.compiles() {
            tokio::task::yield_now().await;
        }
        (self.oracle, self.records) = (None, HashMap::new());
        if let What::Rotate { key, .. } = what {
            let known = &mut self.keys[*key];
            std::mem::swap(&mut known.digest, &mut known.old_digest);
        }
    }

    fn compiles(&self) -> bool {
        let parts = self.world.exchange.readiness();
        parts.iter().any(|(_, usable)| usable.as_ref().is_err_and(|why| why.contains("still being compiled")))
    }

    fn mutation(&mut self, what: &What) -> Mutation {
        let now = self.world.clock.now().wall;
        match what {
            What::Disable(key) => Mutation::DisableKey { id: self.keys[*key].id },
            What::Enable(key) => Mutation::EnableKey { id: self.keys[*key].id },
            What::Revoke(key) => Mutation::RevokeKey { id: self.keys[*key].id },
            What::Rotate { key, grace } => {
                // Swapped with the current one if the rotation is accepted.
                let digest = self.world.draw_digest();
                self.keys[*key].old_digest = digest;
                let old_ends_at = now + SignedDuration::from_secs(i64::from(*grace));
                Mutation::RotateKey { id: self.keys[*key].id, digest, old_ends_at }
            }
            What::Expire { key, after } => {
                let at = after.map(|after| now + SignedDuration::from_millis(i64::from(after) * 1000 + 500));
                let expiry = Some(at.map_or(Expiry::Never, Expiry::At));
                Mutation::UpdateKey { id: self.keys[*key].id, name: None, description: None, groups: None, expiry }
            }
            What::Join { key, groups } => {
                let mut groups: Vec<_> = groups.iter().map(|group| GROUPS[*group].parse().unwrap()).collect();
                groups.sort();
                groups.dedup();
                Mutation::UpdateKey { id: self.keys[*key].id, name: None, description: None, groups: Some(groups), expiry: None }
            }
            What::Rename { key, back } => {
                let known = &self.keys[*key];
                let name = if *back { known.name.clone() } else { format!("{}-renamed", known.name) };
                Mutation::UpdateKey { id: known.id, name: Some(name.parse().unwrap()), description: None, groups: None, expiry: None }
            }
            What::Bind { key, role, space } => self.bind(Subject::Key(self.keys[*key].id), *role, *space),
            What::BindGroup { group, role, space } => self.bind(Subject::Group(GROUPS[*group].parse().unwrap()), *role, *space),
            What::Unbind(number) => {
                let some = self.bindings.len().checked_sub(1).map(|last| self.bindings[number % (last + 1)]);
                Mutation::DeleteBinding { id: some.unwrap_or_else(|| BindingId::new(0, 0)) }
            }
            What::Move { space, parent } => {
                let (id, parent) = (SPACES[*space].parse().unwrap(), Some(SPACES[*parent].parse().unwrap()));
                Mutation::UpdateSpace { id, name: None, description: None, labels: None, parent }
            }
            What::PutPolicy { name, rules } => {
                let rules = match rules {
                    Rules::Known(number) => KNOWN[*number].to_owned(),
                    Rules::Drawn(seed) => {
                        let of_certificates = OF_CERTIFICATES.get(usize::try_from(*seed % 12).unwrap()).copied().unwrap_or_default();
                        format!("{}\n{of_certificates}", Draw::new(*seed).policy())
                    }
                };
                let LoginPolicy { name, source, rego } = policy(POLICIES[*name], &rules);
                let exists = self.world.exchange.snapshot().policies.iter().any(|policy| policy.name == name);
                if exists {
                    Mutation::UpdatePolicy { name, source, rego }
                } else {
                    Mutation::CreatePolicy(LoginPolicy { name, source, rego })
                }
            }
            What::DropPolicy(name) => Mutation::DeletePolicy { name: POLICIES[*name].parse().unwrap() },
            What::SetStrategy(number) => Mutation::SetStrategy(RoleStrategy::ALL[*number]),
        }
    }

    /// The signature is looked at once.
    fn claims(&mut self, credential: &Credential, last_second: bool) -> serde_json::Value {
        if last_second {
            return claims_unverified(credential);
        }
        let header = credential.header().to_str().unwrap();
        self.tokens.entry(header.to_owned()).or_insert_with(|| self.world.claims(credential)).clone()
    }

    fn bind(&mut self, subject: Subject, number: usize, space: usize) -> Mutation {
        let id = BindingId::new(0, self.world.draw());
        self.bindings.push(id);
        Mutation::CreateBinding { id, subject, role: role(ROLES[number]), space: SPACES[space].parse().unwrap() }
    }
}

fn claims_unverified(credential: &Credential) -> serde_json::Value {
    let jwt = credential.header().to_str().unwrap().strip_prefix("Bearer ").unwrap();
    token::decode(jwt).unwrap().claims
}

/// Where the policies do not load, whoever would have them asked is refused.
/// None, two that differ, and one that has ended.
fn certificate(number: u64, now: Timestamp) -> Option<Arc<ClientCertificate>> {
    let (name, ended) = match number {
        1 => ("one", false),
        2 => ("two", false),
        3 => ("one", true),
        _ => return None,
    };
    let byte = u8::try_from(number).unwrap();
    Some(Arc::new(ClientCertificate {
        subject: format!("CN={name}"),
        issuer: "CN=ca".to_owned(),
        serial: format!("{byte:02x}"),
        fingerprint: CertificateFingerprint::from_bytes([byte; 32]),
        san: AlternativeNames { dns: vec![format!("{name}.example")], ..AlternativeNames::default() },
        not_after: if ended { now } else { Timestamp::MAX },
    }))
}

fn without_policies(snapshot: &Snapshot, key: &KeyRecord, origin: &Origin) -> (Option<Decision>, Result<(), Refusal>) {
    let why = match key.state_at(origin.at.wall) {
        claviger::model::KeyState::Active => None,
        claviger::model::KeyState::Disabled => Some(WhyInvalid::Disabled),
        claviger::model::KeyState::Expired => Some(WhyInvalid::Expired),
        claviger::model::KeyState::Revoked => Some(WhyInvalid::Revoked),
    };
    if let Some(why) = why {
        return (None, Err(Refusal::InvalidKey(why)));
    }
    if Decision::asks_policies(snapshot, key) {
        return (None, Err(Refusal::Unavailable(WhyUnavailable::Policy)));
    }
    let decision = Decision::make(snapshot, key, &[], AdmitWithoutRoles::No);
    let outcome = decision.outcome.clone();
    (Some(decision), outcome)
}
