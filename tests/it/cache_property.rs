//! A cached answer is what evaluation now would give: whatever happens to keys, groups, spaces, policies, the strategy and the clock, a
//! request gets what a decision without any cache, made from the store alone, gives at that moment and for that address.
//!
//! `PROPTEST_CASES` says how many histories are tried.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger::clock::Clock;
use claviger::exchange::{Credential, ExchangeError, Explainer, Origin};
use claviger::model::{
    Actor, AdmitWithoutRoles, BindingId, Decision, Expiry, KeyDigest, KeyRecord, LoginPolicy, Mutation, NewKey, Refusal, Revision,
    RolesBySpace, Snapshot, Strategy as RoleStrategy, Subject, WhyInvalid, WhyUnavailable,
};
use claviger::store::{Store, StoreError};
use claviger::token;
use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use crate::exchange_world::{World, new_space, policy, role};

/// How many histories are tried by default, each of so many steps.
const HISTORIES: u32 = 60;
const STEPS: usize = 160;

const KEYS: usize = 4;
const GROUPS: [&str; 2] = ["platform", "night shift"];
const ROLES: [&str; 2] = ["deployer", "reader"];
const SPACES: [&str; 4] = ["root", "production", "staging", "eu"];
const ADDRESSES: [Option<&str>; 4] = [Some("10.1.2.3"), Some("192.0.2.1"), Some("::ffff:10.1.2.3"), None];

/// Each reads something else of a request; the last one does not load.
const POLICIES: [(&str, &str); 7] = [
    ("window", "allow if { [hour, _, _] := time.clock([input.request.timestamp_ns, \"UTC\"]); hour == 12 }\nroles.staging.reader if true"),
    ("office", "deny if not net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)"),
    ("odd", "allow if true\nroles.production.reader if floor(input.request.timestamp_ns / 1000000000) % 2 == 1"),
    ("teams", "allow if true\nteam contains \"night\" if { [hour, _, _] := time.clock([input.request.timestamp_ns, \"UTC\"]); hour > 12 }"),
    ("admins", "admin if input.session.login == \"key-0\"\ndeny_admin if input.request.remote_ip == \"192.0.2.1\""),
    ("members", "allow if \"platform\" in input.session.teams\nroles.eu.deployer if true\nroles.nowhere.deployer if true"),
    ("broken", "allow if {"),
];

#[derive(Clone, Debug)]
enum Step {
    Ask { key: usize, old_secret: bool, address: usize },
    Advance { millis: u64 },
    SetClock { seconds: i64 },
    Change { what: What, here: bool },
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
    PutPolicy { name: usize, rules: usize },
    DropPolicy(usize),
    SetStrategy(usize),
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
        4 => (0..POLICIES.len() - 1, 0..POLICIES.len()).prop_map(|(name, rules)| What::PutPolicy { name, rules }),
        3 => (0..POLICIES.len() - 1).prop_map(What::DropPolicy),
        2 => (0..RoleStrategy::ALL.len()).prop_map(What::SetStrategy),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (key(), prop_oneof![4 => Just(false), 1 => Just(true)], 0..ADDRESSES.len())
            .prop_map(|(key, old_secret, address)| Step::Ask { key, old_secret, address }),
        2 => prop_oneof![0_u64..1500, 10_000_u64..70_000].prop_map(|millis| Step::Advance { millis }),
        1 => prop_oneof![-120_i64..120, -7200_i64..7200].prop_map(|seconds| Step::SetClock { seconds }),
        2 => (what(), any::<bool>()).prop_map(|(what, here)| Step::Change { what, here }),
    ]
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
    /// What decides without a cache, as of a revision: the same policies need not be compiled for each request.
    oracle: Option<(Revision, Result<Explainer, Snapshot>)>,
}

#[test]
fn a_cached_answer_is_what_evaluation_now_would_give() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(HISTORIES);
    let config = Config { cases, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let history = vec(step(), STEPS / 2..STEPS);
    let told = TestRunner::new(config).run(&history, |steps| {
        runtime.block_on(live_through(&steps));
        Ok(())
    });
    told.unwrap_or_else(|failure| panic!("{failure}"));
}

async fn live_through(steps: &[Step]) {
    let mut history = History::begin().await;
    for step in steps {
        match step {
            Step::Ask { key, old_secret, address } => {
                let key = &history.keys[*key];
                let digest = if *old_secret { key.old_digest } else { key.digest };
                history.compare(digest, ADDRESSES[*address]).await;
            }
            Step::Advance { millis } => history.world.clock.advance(Duration::from_millis(*millis)),
            Step::SetClock { seconds } => {
                let wall = history.world.clock.now().wall + SignedDuration::from_secs(*seconds);
                history.world.clock.set_wall(wall);
            }
            Step::Change { what, here } => history.change(what, *here).await,
        }
    }
}

impl History {
    async fn begin() -> Self {
        let world = World::new().await;
        world.change(Mutation::CreateSpace(new_space("eu", "production"))).await;
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let roles: &[&str] = if number == 3 { &["space-admin@root"] } else { &["deployer@production"] };
            let new: NewKey = world.new_key(&format!("key-{number}"), roles, &GROUPS[..number.min(1)]);
            let known = Known { name: new.name.to_string(), id: new.id, digest: new.digest, old_digest: world.draw_digest() };
            keys.push(known);
            world.make(new).await;
        }
        Self { world, keys, bindings: Vec::new(), oracle: None }
    }

    /// A request for one digest, with the cache and without.
    async fn compare(&mut self, digest: KeyDigest, address: Option<&str>) {
        let origin = Origin { address: address.map(|address| address.parse().unwrap()), at: self.world.clock.now() };
        let cached = match self.world.exchange.cached(&digest, &origin) {
            Some(answer) => answer,
            None => self.world.exchange.credential(&digest, &origin).await,
        };
        let found = self.world.sluice.find_key(&digest).await.unwrap().map(|found| found.key);
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
                let claims = if last_second { claims_unverified(&credential) } else { self.world.claims(&credential) };
                let said: BTreeMap<String, Vec<String>> = serde_json::from_value(claims["roles"].clone()).unwrap();
                let wanted: BTreeMap<String, Vec<String>> =
                    roles.iter().map(|(space, roles)| (space.to_string(), roles.iter().map(ToString::to_string).collect())).collect();
                assert_eq!(said, wanted, "{origin:?}");
                assert_eq!(claims["groups"], serde_json::json!(groups), "{origin:?}");
                assert_eq!(claims["name"], record.name.as_str());
                let exp = claims["exp"].as_i64().unwrap();
                assert!(ends.is_none_or(|end| exp <= end.as_second()), "the token outlives its key");
            }
            (cached, fresh) => assert_eq!(cached.map(drop), fresh.map(drop), "{address:?} {origin:?}"),
        }
    }

    /// What the store alone says: the roles in force and the groups.
    async fn decide(&mut self, key: &KeyRecord, digest: &KeyDigest, origin: &Origin) -> Result<(RolesBySpace, Vec<String>), Refusal> {
        let now = self.world.sluice.snapshot().await.unwrap();
        if self.oracle.as_ref().is_none_or(|(revision, _)| *revision != now.revision) {
            let explainer = match Explainer::load(&self.world.settings, &*self.world.sluice).await {
                Ok(explainer) => Ok(explainer),
                Err(ExchangeError::Policies(_)) => Err(now.clone()),
                Err(other) => panic!("{other}"),
            };
            self.oracle = Some((now.revision, explainer));
        }
        let (_, oracle) = self.oracle.as_ref().expect("just made");
        let (decision, outcome) = match oracle {
            Ok(explainer) => {
                let explanation = explainer.explain(key, origin).await;
                (explanation.decision, explanation.outcome)
            }
            Err(snapshot) => without_policies(snapshot, key, origin),
        };
        if let Err(refusal @ Refusal::InvalidKey(_)) = outcome {
            return Err(refusal);
        }
        if key.secret(digest).is_none_or(|secret| secret.ended_at(origin.at.wall)) {
            return Err(Refusal::InvalidKey(WhyInvalid::RotatedOut));
        }
        outcome?;
        let decision = decision.expect("an outcome that lets in is a decision's");
        Ok((decision.grants.effective(&now), decision.groups))
    }

    async fn change(&mut self, what: &What, here: bool) {
        let mutation = self.mutation(what);
        match self.world.sluice.apply(mutation, &Actor::Operator).await {
            Ok(change) if here => self.world.exchange.applied(&change).await.unwrap(),
            Ok(_) => {
                self.world.exchange.catch_up().await.unwrap();
            }
            // Two of a name, a key that is revoked, a space under itself: nothing has changed.
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => return,
            Err(error @ StoreError::Unavailable(_)) => panic!("{error}"),
        }
        if let What::Rotate { key, .. } = what {
            let known = &mut self.keys[*key];
            std::mem::swap(&mut known.digest, &mut known.old_digest);
        }
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
                let LoginPolicy { name, source, rego } = policy(POLICIES[*name].0, POLICIES[*rules].1);
                let exists = self.world.exchange.snapshot().policies.iter().any(|policy| policy.name == name);
                if exists {
                    Mutation::UpdatePolicy { name, source, rego }
                } else {
                    Mutation::CreatePolicy(LoginPolicy { name, source, rego })
                }
            }
            What::DropPolicy(name) => Mutation::DeletePolicy { name: POLICIES[*name].0.parse().unwrap() },
            What::SetStrategy(number) => Mutation::SetStrategy(RoleStrategy::ALL[*number]),
        }
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
