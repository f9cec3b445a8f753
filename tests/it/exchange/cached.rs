//! What is cached is never wrong: every way in which an answer can become another one, each right after the answer was cached.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claviger::exchange::{Credential, ExchangeError, Explainer, Origin};
use claviger::model::{BindingId, Cause, Expiry, Mutation, NewKey, PolicyName, Refusal, Strategy, Subject, WhyInvalid, WhyUnavailable};
use claviger::store::Management as _;
use claviger::token::{Activate, KeyDirectory};
use serde_json::json;

use crate::exchange::world::{HOME, Key, Through, World, new_space, policy, role, roles_of};

const BOTH: [Through; 2] = [Through::Here, Through::Elsewhere];
const DEPLOYS: [&str; 1] = ["deployer@production"];

fn invalid<T>(why: WhyInvalid) -> Result<T, Refusal> {
    Err(Refusal::InvalidKey(why))
}

fn refused<T>(answer: Result<T, Refusal>) -> Refusal {
    answer.err().expect("a refusal")
}

fn store_unavailable() -> Refusal {
    Refusal::Unavailable(WhyUnavailable::Store)
}

async fn deployer(world: &World) -> Key {
    let key = world.key("ci", &["deployer@production"], &[]).await;
    assert_eq!(world.roles(key).await, DEPLOYS);
    assert!(world.cached(key).is_some_and(|answer| answer.is_ok()), "it is cached now");
    key
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_token_that_says_its_roles_groups_and_revision() {
    let world = World::new().await;
    world.change(Mutation::CreateSpace(new_space("eu", "production"))).await;
    world.bind_group("platform", "reader", "root").await;
    let key = world.key("ci", &["deployer@production"], &["platform"]).await;
    let credential = world.ask(key.digest).await.unwrap();
    let claims = world.claims(&credential);
    assert_eq!(claims["sub"], format!("api::{}", key.id));
    assert_eq!(claims["name"], "ci");
    assert_eq!(claims["groups"], serde_json::json!(["platform"]));
    assert_eq!(claims["rev"], world.exchange.applied_revision().0);
    let roles = ["deployer@eu", "reader@eu", "deployer@production", "reader@production", "reader@root", "reader@staging"];
    assert_eq!(world.roles(key).await, roles);
    assert!(credential.header().is_sensitive());
    assert_eq!(credential.key(), key.id);
}

#[tokio::test]
async fn a_credential_may_what_the_roles_of_its_token_allow_and_nothing_more() {
    let world = World::new().await;
    world.change(Mutation::CreateSpace(new_space("eu", "production"))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let may = |credential: &Credential, action: &str, space: &str| credential.may(&action.parse().unwrap(), &space.parse().unwrap());

    let before = world.ask(key.digest).await.unwrap();
    let allowed = ["root", "production", "eu", "staging"].map(|space| may(&before, "run:trigger", space));
    assert_eq!(allowed, [false, true, true, false]);
    assert!(!may(&before, "run:delete", "production"));

    let parent = Some("root".parse().unwrap());
    world.change(Mutation::UpdateSpace { id: "eu".parse().unwrap(), name: None, description: None, labels: None, parent }).await;
    assert!(!may(&world.ask(key.digest).await.unwrap(), "run:trigger", "eu"), "it is not below production any more");
    assert!(may(&before, "run:trigger", "eu"), "as its token says");
}

#[tokio::test]
async fn a_second_request_asks_neither_the_store_nor_the_signer() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let first = world.ask(key.digest).await.unwrap();
    let look_ups = world.sluice.look_ups();
    let second = world.cached(key).unwrap().unwrap();
    assert_eq!(first.header(), second.header());
    assert_eq!(world.sluice.look_ups(), look_ups);
}

#[tokio::test]
async fn a_revoked_key_stops_working_at_once() {
    for through in BOTH {
        let world = World::new().await;
        let key = deployer(&world).await;
        world.change_through(through, Mutation::RevokeKey { id: key.id }).await;
        assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Revoked), "{through:?}");
    }
}

#[tokio::test]
async fn a_disabled_key_stops_working_at_once_and_an_enabled_one_works_again() {
    for through in BOTH {
        let world = World::new().await;
        let key = deployer(&world).await;
        world.change_through(through, Mutation::DisableKey { id: key.id }).await;
        assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Disabled), "{through:?}");
        world.change_through(through, Mutation::EnableKey { id: key.id }).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn a_role_that_is_unbound_is_gone_at_once() {
    for through in BOTH {
        let world = World::new().await;
        let key = deployer(&world).await;
        let id = BindingId::new(0, world.draw());
        let bind = Mutation::CreateBinding { id, subject: Subject::Key(key.id), role: role("reader"), space: "staging".parse().unwrap() };
        world.change_through(through, bind).await;
        assert_eq!(world.roles(key).await, ["deployer@production", "reader@staging"], "{through:?}");
        world.change_through(through, Mutation::DeleteBinding { id }).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn a_key_that_leaves_a_group_loses_its_roles_at_once() {
    for through in BOTH {
        let world = World::new().await;
        world.bind_group("platform", "deployer", "production").await;
        let key = world.key("ci", &["reader@staging"], &["platform"]).await;
        assert_eq!(world.roles(key).await, ["deployer@production", "reader@staging"]);
        let leave = Mutation::UpdateKey { id: key.id, name: None, description: None, groups: Some(Vec::new()), expiry: None };
        world.change_through(through, leave).await;
        assert_eq!(world.roles(key).await, ["reader@staging"], "{through:?}");
    }
}

#[tokio::test]
async fn a_group_that_is_unbound_takes_its_role_from_all_its_keys_at_once() {
    for through in BOTH {
        let world = World::new().await;
        let binding = world.bind_group("platform", "deployer", "production").await;
        let key = world.key("ci", &[], &["platform"]).await;
        assert_eq!(world.roles(key).await, DEPLOYS);
        world.change_through(through, Mutation::DeleteBinding { id: binding }).await;
        assert_eq!(world.ask(key.digest).await.map(drop), Err(Refusal::NoRoles), "{through:?}");
    }
}

#[tokio::test]
async fn a_space_that_moves_takes_its_inherited_roles_along_at_once() {
    for through in BOTH {
        let world = World::new().await;
        world.change(Mutation::CreateSpace(new_space("eu", "production"))).await;
        let key = world.key("ci", &["deployer@production"], &[]).await;
        assert_eq!(world.roles(key).await, ["deployer@eu", "deployer@production"]);
        let parent = Some("staging".parse().unwrap());
        let moved = Mutation::UpdateSpace { id: "eu".parse().unwrap(), name: None, description: None, labels: None, parent };
        world.change_through(through, moved).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn a_role_that_changes_puts_a_token_of_the_new_revision_in_the_old_ones_place() {
    for through in BOTH {
        let world = World::new().await;
        let key = deployer(&world).await;
        let actions = Some(vec!["run:*".parse().unwrap()]);
        let update = Mutation::UpdateRole { id: role("deployer"), name: None, description: None, actions };
        world.change_through(through, update).await;
        let claims = world.claims(&world.ask(key.digest).await.unwrap());
        assert_eq!(claims["rev"], world.exchange.applied_revision().0, "{through:?}");
    }
}

#[tokio::test]
async fn another_strategy_counts_at_once() {
    for through in BOTH {
        let world = World::new().await;
        let key = deployer(&world).await;
        world.change(Mutation::CreatePolicy(policy("empty", "allow if false"))).await;
        assert_eq!(world.roles(key).await, DEPLOYS);
        world.change_through(through, Mutation::SetStrategy(Strategy::LoginPolicies)).await;
        assert_eq!(world.ask(key.digest).await.map(drop), Err(Refusal::NotAllowed), "{through:?}");
        world.change_through(through, Mutation::SetStrategy(Strategy::UserManagement)).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn a_policy_counts_from_its_creation_to_its_deletion() {
    for through in BOTH {
        let world = World::new().await;
        let key = deployer(&world).await;
        let denying = policy("closed", "deny if input.session.login == \"ci\"");
        world.change_through(through, Mutation::CreatePolicy(denying)).await;
        let denied = Refusal::Denied("closed".parse().unwrap());
        assert_eq!(world.ask(key.digest).await.map(drop), Err(denied), "{through:?}");
        let opened = policy("closed", "deny if input.session.login == \"cd\"");
        let update = Mutation::UpdatePolicy { name: opened.name, source: opened.source, rego: opened.rego };
        world.change_through(through, update).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
        let giving = policy("night", "allow if true\nroles.staging.reader if true\nroles.nowhere.reader if true");
        world.change_through(through, Mutation::CreatePolicy(giving)).await;
        assert_eq!(world.roles(key).await, ["deployer@production", "reader@staging"], "{through:?}");
        world.change_through(through, Mutation::DeletePolicy { name: "night".parse().unwrap() }).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_renamed_is_another_one_to_the_policies() {
    for through in BOTH {
        let world = World::new().await;
        let rules = "allow if startswith(input.session.login, \"ci-\")\nroles.staging.reader if true";
        world.change(Mutation::CreatePolicy(policy("ci", rules))).await;
        let key = world.key("ci-build", &["deployer@production"], &[]).await;
        assert_eq!(world.roles(key).await, ["deployer@production", "reader@staging"]);
        let name = Some("build".parse().unwrap());
        let rename = Mutation::UpdateKey { id: key.id, name, description: None, groups: None, expiry: None };
        world.change_through(through, rename).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn a_key_works_until_its_expiry_and_not_at_it() {
    let world = World::new().await;
    let expires_at = world.clock_in(Duration::from_secs(20));
    let key = world.make(NewKey { expires_at: Some(expires_at), ..world.new_key("ci", &["deployer@production"], &[]) }).await;
    let credential = world.ask(key.digest).await.unwrap();
    assert_eq!(world.claims(&credential)["exp"], expires_at.as_second(), "the token does not outlive its key");
    assert_eq!(credential.until().wall, expires_at);
    world.clock.advance(Duration::from_secs(19));
    assert!(world.cached(key).is_some_and(|answer| answer.is_ok()), "its last seconds are worth a cached token");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Expired));
    let never = Mutation::UpdateKey { id: key.id, name: None, description: None, groups: None, expiry: Some(Expiry::Never) };
    world.change(never).await;
    assert_eq!(world.roles(key).await, DEPLOYS);
}

#[tokio::test]
async fn a_rotated_secret_works_to_the_end_of_its_grace_and_the_new_one_at_once() {
    for through in BOTH {
        let world = World::new().await;
        let key = deployer(&world).await;
        let fresh = Key { digest: world.draw_digest(), ..key };
        assert_eq!(world.ask(fresh.digest).await.map(drop), invalid(WhyInvalid::Unknown), "and that is remembered");
        let old_ends_at = world.clock_in(Duration::from_secs(30));
        world.change_through(through, Mutation::RotateKey { id: key.id, digest: fresh.digest, old_ends_at }).await;
        assert_eq!(world.roles(fresh).await, DEPLOYS, "{through:?}");
        let old = world.ask(key.digest).await.unwrap();
        assert_eq!(world.claims(&old)["exp"], old_ends_at.as_second(), "{through:?}");
        world.clock.advance(Duration::from_secs(30));
        world.exchange.catch_up().await.unwrap();
        assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::RotatedOut), "{through:?}");
        assert_eq!(world.roles(fresh).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn an_unknown_key_asks_the_store_once_until_it_is_made() {
    for through in BOTH {
        let world = World::new().await;
        let new = world.new_key("ci", &["deployer@production"], &[]);
        let key = Key { id: new.id, digest: new.digest };
        for _ in 0..5 {
            assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Unknown));
        }
        assert_eq!(world.sluice.look_ups(), 1);
        world.change_through(through, Mutation::CreateKey(new)).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "{through:?}");
    }
}

#[tokio::test]
async fn an_absence_is_remembered_for_its_time_and_no_longer_for_being_asked_for() {
    let world = World::new().await;
    let nobody = world.draw_digest();
    for _ in 0..6 {
        assert_eq!(world.ask(nobody).await.map(drop), invalid(WhyInvalid::Unknown));
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.sluice.look_ups(), 2, "cache.negative_ttl is 5 s");
}

#[tokio::test]
async fn a_credential_is_not_used_longer_for_being_used() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let first = world.ask(key.digest).await.unwrap();
    for _ in 0..49 {
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.cached(key).unwrap().unwrap().header(), first.header());
    }
    world.clock.advance(Duration::from_secs(1));
    assert!(world.cached(key).is_none(), "a token of 60 s has 10 s left");
    let look_ups = world.sluice.look_ups();
    let second = world.ask(key.digest).await.unwrap();
    assert_ne!(first.header(), second.header());
    assert_eq!(world.sluice.look_ups(), look_ups, "a new token needs no look-up");
}

#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_nothing() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let first = world.ask(key.digest).await.unwrap();
    world.clock.advance(Duration::from_secs(45));
    world.clock.set_wall(first.until().wall - Duration::from_secs(40));
    assert!(world.cached(key).is_some(), "it has been used for 45 s");
    world.clock.advance(Duration::from_secs(5));
    assert!(world.cached(key).is_none(), "it has been used for 50 s, whatever the wall clock says");
}

#[tokio::test]
async fn a_token_from_the_future_of_a_corrected_clock_is_not_used() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let then = world.clock_in(Duration::ZERO);
    world.clock.set_wall(then - Duration::from_hours(1));
    assert!(world.cached(key).is_none(), "no verifier takes it before its `nbf`");
    let claims = world.claims(&world.ask(key.digest).await.unwrap());
    assert_eq!(claims["nbf"], then.as_second() - 3605, "and token.backdate counts, too");
    world.clock.set_wall(then + Duration::from_hours(1));
    assert!(world.cached(key).is_none(), "it has expired");
}

#[tokio::test]
async fn many_requests_for_one_cold_key_cause_one_resolution() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let hold = world.sluice.hold_next();
    let origin = world.origin(HOME);
    let asking: Vec<_> = (0..64)
        .map(|_| {
            let (exchange, origin) = (world.exchange.clone(), origin.clone());
            tokio::spawn(async move { exchange.credential(&key.digest, &origin).await })
        })
        .collect();
    hold.reached().await;
    hold.release();
    let first = world.ask(key.digest).await.unwrap();
    for answer in asking {
        assert_eq!(answer.await.unwrap().unwrap().header(), first.header());
    }
    assert_eq!(world.sluice.look_ups(), 1);
}

#[tokio::test]
async fn requests_from_many_addresses_share_the_look_up_and_nothing_else() {
    let world = World::new().await;
    world.change(Mutation::CreatePolicy(policy("office", OFFICE_ONLY))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let hold = world.sluice.hold_next();
    let asking: Vec<_> = ["10.1.2.3", "192.0.2.1", "::ffff:10.9.9.9", "2001:db8::1"]
        .map(|address| {
            let (exchange, origin) = (world.exchange.clone(), world.origin(address));
            tokio::spawn(async move { exchange.credential(&key.digest, &origin).await.is_ok() })
        })
        .into();
    hold.reached().await;
    hold.release();
    let mut answers = Vec::new();
    for answer in asking {
        answers.push(answer.await.unwrap());
    }
    assert_eq!(answers, [true, false, true, false]);
    assert_eq!(world.sluice.look_ups(), 1);
}

/// Nothing reads the address when both ask, so they share; when the look-up is over, a policy does.
#[tokio::test]
async fn who_waited_with_others_does_not_take_what_a_new_policy_says_of_them() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let hold = world.sluice.hold_next();
    let ask = |address| {
        let (exchange, origin) = (world.exchange.clone(), world.origin(address));
        tokio::spawn(async move { exchange.credential(&key.digest, &origin).await.unwrap() })
    };
    let first = ask(HOME);
    hold.reached().await;
    let second = ask("192.0.2.1");
    tokio::task::yield_now().await;
    let rules = "allow if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\nroles.staging.reader if true";
    world.change(Mutation::CreatePolicy(policy("office", rules))).await;
    hold.release();
    assert_eq!(roles_of(&world.claims(&first.await.unwrap())), ["deployer@production", "reader@staging"]);
    assert_eq!(roles_of(&world.claims(&second.await.unwrap())), DEPLOYS);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nobody_along() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let hold = world.sluice.hold_next();
    let (exchange, origin) = (world.exchange.clone(), world.origin(HOME));
    let there = origin.clone();
    let impatient = tokio::spawn(async move { exchange.credential(&key.digest, &there).await });
    hold.reached().await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    let exchange = world.exchange.clone();
    let patient = tokio::spawn(async move { exchange.credential(&key.digest, &origin).await });
    hold.release();
    assert!(patient.await.unwrap().is_ok());
    assert_eq!(world.sluice.look_ups(), 1);
}

#[test]
fn a_credential_can_be_awaited_on_any_runtime() {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let data = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, key) = control.block_on(async {
        let world = World::new().await;
        let key = world.key("ci", &["deployer@production"], &[]).await;
        (world, key)
    });
    assert!(data.block_on(world.ask(key.digest)).is_ok());
    drop(control);
    assert!(data.block_on(world.ask(key.digest)).is_ok(), "what is cached needs no other runtime");
    world.clock.advance(Duration::from_secs(50));
    assert_eq!(refused(data.block_on(world.ask(key.digest))).code(), "unavailable", "and nobody waits for one that is gone");
}

#[tokio::test]
async fn an_answer_that_was_looked_up_before_a_change_is_not_served_after_it() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let hold = world.sluice.hold_next();
    let (exchange, origin) = (world.exchange.clone(), world.origin(HOME));
    let early = tokio::spawn(async move { exchange.credential(&key.digest, &origin).await.map(drop) });
    hold.reached().await;
    world.change(Mutation::RevokeKey { id: key.id }).await;
    // Asked after the acknowledgement, while the look-up from before it is still under way: it must not be waited for.
    assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Revoked));
    hold.release();
    let _either_is_right = early.await.unwrap();
    assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Revoked));
}

#[tokio::test]
async fn an_absence_that_was_looked_up_before_the_key_was_made_is_not_remembered() {
    let world = World::new().await;
    let new = world.new_key("ci", &["deployer@production"], &[]);
    let key = Key { id: new.id, digest: new.digest };
    let hold = world.sluice.hold_next();
    let (exchange, origin) = (world.exchange.clone(), world.origin(HOME));
    let early = tokio::spawn(async move { exchange.credential(&key.digest, &origin).await.map(drop) });
    hold.reached().await;
    world.change(Mutation::CreateKey(new)).await;
    hold.release();
    assert_eq!(early.await.unwrap(), Ok(()), "something has changed, so it looks once more");
    assert_eq!(world.roles(key).await, DEPLOYS);
}

#[tokio::test]
async fn a_change_to_everybody_during_a_look_up_is_seen_by_it() {
    let world = World::new().await;
    let binding = world.bind_group("platform", "deployer", "production").await;
    let key = world.key("ci", &[], &["platform"]).await;
    let hold = world.sluice.hold_next();
    let (exchange, origin) = (world.exchange.clone(), world.origin(HOME));
    let early = tokio::spawn(async move { exchange.credential(&key.digest, &origin).await.map(drop) });
    hold.reached().await;
    world.change(Mutation::DeleteBinding { id: binding }).await;
    hold.release();
    assert_eq!(early.await.unwrap(), Err(Refusal::NoRoles), "the key and the state that it was read with may never have met");
    assert_eq!(world.ask(key.digest).await.map(drop), Err(Refusal::NoRoles));
}

/// A key joins a group only while the group holds no role, and a look-up always sees the group of one time and the key of another.
#[tokio::test]
async fn a_key_and_a_state_that_never_were_in_force_together_decide_nothing() {
    let world = World::new().await;
    let key = world.key("ci", &[], &[]).await;
    let groups = |groups: &[&str]| {
        let groups = Some(groups.iter().map(|group| group.parse().unwrap()).collect());
        Mutation::UpdateKey { id: key.id, name: None, description: None, groups, expiry: None }
    };
    let mut binding = world.bind_group("platform", "deployer", "production").await;
    let mut before = world.sluice.hold_next_before_reading();
    let (exchange, origin) = (world.exchange.clone(), world.origin(HOME));
    let asking = tokio::spawn(async move { exchange.credential(&key.digest, &origin).await.map(drop) });
    for _ in 0..64 {
        before.reached().await;
        world.change(Mutation::DeleteBinding { id: binding }).await;
        world.change(groups(&["platform"])).await;
        let after = world.sluice.hold_next();
        before.release();
        after.reached().await;
        world.change(groups(&[])).await;
        binding = world.bind_group("platform", "deployer", "production").await;
        before = world.sluice.hold_next_before_reading();
        after.release();
    }
    assert_eq!(asking.await.unwrap(), Err(Refusal::Unavailable(WhyUnavailable::Contention)));
    before.release();
    assert_eq!(world.ask(key.digest).await.map(drop), Err(Refusal::NoRoles));
}

/// Another process takes a role from a group, then puts a key into the group. Nothing of it has been noticed here when the key is asked
/// for: it must not get the role, and it must get what it holds.
#[tokio::test]
async fn a_key_that_is_read_ahead_of_the_feed_waits_for_the_state_that_it_belongs_with() {
    let world = World::new().await;
    let elsewhere = world.store_elsewhere().await;
    let binding = world.bind_group("platform", "deployer", "production").await;
    let key = world.key("ci", &["reader@staging"], &[]).await;
    let groups = Some(vec!["platform".parse().unwrap()]);
    let join = Mutation::UpdateKey { id: key.id, name: None, description: None, groups, expiry: None };
    elsewhere.apply(Mutation::DeleteBinding { id: binding }, &Cause::SYSTEM, None).await.unwrap();
    let last = elsewhere.apply(join, &Cause::SYSTEM, None).await.unwrap().revision;

    let credential = world.ask(key.digest).await.unwrap();

    let claims = world.claims(&credential);
    assert_eq!((roles_of(&claims), &claims["groups"]), (vec!["reader@staging".to_owned()], &serde_json::json!(["platform"])));
    assert_eq!((claims["rev"].as_u64(), world.exchange.applied_revision()), (Some(last.0), last));
    assert!(world.cached(key).is_some_and(|answer| answer.is_ok()), "what belongs together is remembered");
}

/// Whoever is asked for changes is behind whoever has shown the key, as control planes are behind one another.
#[tokio::test]
async fn a_key_that_is_read_ahead_of_what_the_feed_tells_waits_until_it_tells_it() {
    let world = World::new().await;
    let elsewhere = world.store_elsewhere().await;
    let key = world.key("ci", &["reader@staging"], &["platform"]).await;
    for number in 0..5 {
        // Of one key each: a change to everybody has all there is read at once.
        let other = Mutation::CreateKey(world.new_key(&format!("k{number}"), &["reader@staging"], &[]));
        elsewhere.apply(other, &Cause::SYSTEM, None).await.unwrap();
    }
    let off = elsewhere.apply(Mutation::DisableKey { id: key.id }, &Cause::SYSTEM, None).await.unwrap().revision;
    world.sluice.tell_reluctantly();

    assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Disabled));

    assert_eq!(world.exchange.applied_revision(), off);
}

/// The key is always ahead of what is in force, and what is in force always new: no request is refused for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_never_stop_refuse_nobody() {
    let world = World::new().await;
    let elsewhere = world.store_elsewhere().await;
    let keys = [world.key("a", &["reader@staging"], &["platform"]).await, world.key("b", &["reader@staging"], &["platform"]).await];
    let (binding, stop) = (BindingId::new(0, world.draw()), Arc::new(AtomicBool::new(false)));
    let changes = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            while !stop.load(Ordering::Relaxed) {
                let subject = Subject::Group("platform".parse().unwrap());
                let bind = Mutation::CreateBinding { id: binding, subject, role: role("deployer"), space: "production".parse().unwrap() };
                elsewhere.apply(bind, &Cause::SYSTEM, None).await.unwrap();
                elsewhere.apply(Mutation::DeleteBinding { id: binding }, &Cause::SYSTEM, None).await.unwrap();
            }
        }
    });
    for _ in 0..300 {
        for key in keys {
            // Nobody follows the feed here: what is in force is what requests bring up.
            world.exchange.catch_up().await.unwrap();
            assert_eq!(world.ask(key.digest).await.map(drop), Ok(()));
        }
    }
    stop.store(true, Ordering::Relaxed);
    changes.await.unwrap();
}

/// Between its changes, one task sees what it has changed, while others keep the cache busy with the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acknowledged_change_is_in_force_however_many_ask() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let origin = world.origin(HOME);
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let (exchange, origin) = (world.exchange.clone(), origin.clone());
            tokio::spawn(async move {
                loop {
                    let answer = match exchange.cached(&key.digest, &origin) {
                        Some(answer) => answer,
                        None => exchange.credential(&key.digest, &origin).await,
                    };
                    assert!(answer.is_ok(), "it always has a role");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 0..100 {
        let id = BindingId::new(0, world.draw());
        let subject = if round % 2 == 0 { Subject::Key(key.id) } else { Subject::Group("platform".parse().unwrap()) };
        let bind = Mutation::CreateBinding { id, subject, role: role("reader"), space: "staging".parse().unwrap() };
        if round == 1 {
            let groups = Some(vec!["platform".parse().unwrap()]);
            world.change(Mutation::UpdateKey { id: key.id, name: None, description: None, groups, expiry: None }).await;
        }
        world.change(bind).await;
        assert_eq!(world.roles(key).await, ["deployer@production", "reader@staging"], "round {round}");
        world.change(Mutation::DeleteBinding { id }).await;
        assert_eq!(world.roles(key).await, DEPLOYS, "round {round}");
    }
    for task in asking {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled(), "it never saw the key without a role");
    }
}

#[tokio::test]
async fn a_key_whose_token_cannot_be_made_is_refused() {
    let world = World::with(|settings| settings.token.max_bytes = 64).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    assert!(matches!(refused(world.ask(key.digest).await), Refusal::TokenTooLarge(_)));
}

#[tokio::test]
async fn a_store_that_is_away_is_served_without_for_a_while_and_never_longer() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let cold = world.key("cold", &["deployer@production"], &[]).await;
    world.exchange.catch_up().await.unwrap();
    world.sluice.break_down();
    assert_eq!(refused(world.ask(cold.digest).await), store_unavailable(), "a key not yet seen");
    world.clock.advance(Duration::from_mins(1));
    world.exchange.catch_up().await.unwrap_err();
    assert_eq!(world.roles(key).await, DEPLOYS, "store.max_staleness is 60 s, and a new token needs no store");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(refused(world.ask(key.digest).await), store_unavailable());
    assert!(world.exchange.readiness().iter().any(|(part, state)| *part == "store" && state.is_err()));
    world.sluice.mend();
    world.exchange.catch_up().await.unwrap();
    assert_eq!(world.roles(key).await, DEPLOYS);
    assert!(world.exchange.readiness().iter().all(|(_, state)| state.is_ok()));
}

#[tokio::test]
async fn a_process_that_slept_looks_at_the_feed_before_it_serves() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let elsewhere = world.store_elsewhere().await;
    elsewhere.apply(Mutation::RevokeKey { id: key.id }, &Cause::SYSTEM, None).await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Revoked));
}

#[tokio::test]
async fn a_change_to_a_key_is_in_force_though_the_feed_cannot_be_read() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let change = world.sluice.apply(Mutation::RevokeKey { id: key.id }, &Cause::SYSTEM, None).await.unwrap();
    world.sluice.break_down();
    world.exchange.applied(&change).await.unwrap();
    assert_eq!(refused(world.ask(key.digest).await), store_unavailable(), "its record is not known any more");
    world.sluice.mend();
    assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Revoked));
}

#[tokio::test]
async fn a_resolution_that_panics_refuses_and_the_next_one_works() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    world.sluice.crash_next();
    assert_eq!(refused(world.ask(key.digest).await).code(), "unavailable");
    assert_eq!(world.roles(key).await, DEPLOYS);
}

/// Lets nobody in but from the office.
const OFFICE_ONLY: &str = "deny if not net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)";

#[tokio::test]
async fn an_answer_for_one_address_is_not_given_to_another() {
    let world = World::new().await;
    world.change(Mutation::CreatePolicy(policy("office", OFFICE_ONLY))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let denied: PolicyName = "office".parse().unwrap();
    for _ in 0..2 {
        assert!(world.ask_from(key.digest, "10.1.2.3").await.is_ok());
        assert_eq!(refused(world.ask_from(key.digest, "192.0.2.1").await), Refusal::Denied(denied.clone()));
        assert!(world.ask_from(key.digest, "::ffff:10.1.2.3").await.is_ok(), "the same address");
    }
    let nowhere = Origin { address: None, ..world.origin(HOME) };
    let answer = world.exchange.credential(&key.digest, &nowhere).await;
    assert_eq!(refused(answer), Refusal::Unavailable(WhyUnavailable::Address));
    assert_eq!(world.sluice.look_ups(), 1, "another address asks the policies, not the store");
}

#[tokio::test]
async fn the_end_of_a_window_is_noticed_within_a_quantum() {
    let world = World::new().await;
    let rules = "allow if { [hour, _, _] := time.clock([input.request.timestamp_ns, \"UTC\"]); hour < 13 }\nroles.staging.reader if true";
    world.change(Mutation::CreatePolicy(policy("morning", rules))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    world.clock.set_wall("2026-03-02T12:59:59.5Z".parse().unwrap());
    assert_eq!(world.roles(key).await, ["deployer@production", "reader@staging"]);
    world.clock.advance(Duration::from_millis(499));
    assert!(world.cached(key).is_some());
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.roles(key).await, DEPLOYS);
    world.clock.set_wall("2026-03-02T12:59:59.7Z".parse().unwrap());
    assert_eq!(world.roles(key).await, ["deployer@production", "reader@staging"], "the clock was set back");
}

#[tokio::test]
async fn a_decision_that_says_the_same_uses_a_young_token_again() {
    let world = World::new().await;
    world.change(Mutation::CreatePolicy(policy("any", "allow if input.request.timestamp_ns % 2 < 2"))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let first = world.ask(key.digest).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert!(world.cached(key).is_none(), "a new second is a new question");
    assert_eq!(world.ask(key.digest).await.unwrap().header(), first.header(), "with the same answer");
    assert_eq!(world.ask_from(key.digest, "192.0.2.1").await.unwrap().header(), first.header());
    for _ in 0..28 {
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.ask(key.digest).await.unwrap().header(), first.header());
    }
    world.clock.advance(Duration::from_secs(1));
    assert_ne!(world.ask(key.digest).await.unwrap().header(), first.header(), "half its life is over");
}

#[tokio::test]
async fn no_policy_locks_out_a_direct_root_admin() {
    let world = World::new().await;
    world.change(Mutation::CreatePolicy(policy("closed", "deny if input.request.timestamp_ns % 2 < 2"))).await;
    let admin = world.key("admin", &["space-admin@root"], &[]).await;
    let other = world.key("ci", &["deployer@production"], &[]).await;
    let nowhere = Origin { address: None, ..world.origin(HOME) };
    assert!(world.exchange.credential(&admin.digest, &nowhere).await.is_ok());
    assert_eq!(refused(world.ask(other.digest).await).code(), "denied");
    world.clock.advance(Duration::from_secs(1));
    assert!(world.cached(admin).is_some(), "no policy is asked, so a new second is no new question");
    assert!(world.cached(other).is_none());
}

#[tokio::test]
async fn a_policy_that_cannot_be_loaded_refuses_all_whom_it_may_concern() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let admin = world.key("admin", &["space-admin@root"], &[]).await;
    world.change(Mutation::CreatePolicy(policy("broken", "allow if {"))).await;
    let unavailable = Refusal::Unavailable(WhyUnavailable::Policy);
    assert_eq!(refused(world.ask(key.digest).await), unavailable);
    assert!(world.ask(admin.digest).await.is_ok());
    assert!(world.exchange.readiness().iter().any(|(part, state)| *part == "policies" && state.is_err()));
    world.change(Mutation::CreateSpace(new_space("eu", "root"))).await;
    assert_eq!(refused(world.ask(key.digest).await), unavailable, "another change does not bring it back");
    world.change(Mutation::DeletePolicy { name: "broken".parse().unwrap() }).await;
    assert_eq!(world.roles(key).await, DEPLOYS);
}

#[tokio::test]
async fn a_policy_that_fails_refuses_and_is_asked_again() {
    let world = World::new().await;
    let key = deployer(&world).await;
    // Two values for one complete rule: a conflict, which only an evaluation can show.
    let rules = "allow := x if { some x in [true, false]; input.request.remote_ip == \"192.0.2.1\" }";
    world.change(Mutation::CreatePolicy(policy("torn", rules))).await;
    for _ in 0..2 {
        let answer = world.ask_from(key.digest, "192.0.2.1").await;
        assert_eq!(refused(answer), Refusal::Unavailable(WhyUnavailable::Policy));
        assert!(world.ask(key.digest).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_that_a_policy_never_ends_for_is_refused_by_the_cache_until_it_is_asked_about_again() {
    let world = World::with(|settings| settings.policies.time_limit = Duration::from_millis(50)).await;
    let (caught, free) = (deployer(&world).await, world.key("cd", &["deployer@production"], &[]).await);
    let rules =
        "allow if { input.session.login == \"ci\"\nr := numbers.range(1, 9000)\ncount([1 | some a in r; some b in r; a + b < 0]) > 0 }";
    world.change(Mutation::CreatePolicy(policy("endless", rules))).await;
    let unavailable = Refusal::Unavailable(WhyUnavailable::Policy);
    let evaluations = || {
        let text = world.metrics.render();
        let counts = text.lines().filter(|line| line.starts_with("claviger_policy_evaluations_total{"));
        counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum::<f64>().to_string()
    };
    while world.cached(caught).is_none() {
        assert_eq!(refused(world.ask(caught.digest).await), unavailable);
    }
    let asked = evaluations();
    for address in ["10.1.2.3", "192.0.2.1", "2001:db8::1"] {
        assert_eq!(refused(world.ask_from(caught.digest, address).await), unavailable);
    }
    assert_eq!(evaluations(), asked, "nobody was asked");
    assert!(world.ask(free.digest).await.is_ok(), "others are");

    world.clock.advance(Duration::from_secs(1));
    assert!(world.cached(caught).is_none(), "a pause ends by itself");
    assert_eq!(refused(world.ask(caught.digest).await), unavailable);
    world.change(Mutation::DeletePolicy { name: "endless".parse().unwrap() }).await;
    assert!(world.ask(caught.digest).await.is_ok(), "and with the policy");
}

#[tokio::test]
async fn no_change_waits_for_a_policy_that_takes_long_to_compile() {
    let world = World::new().await;
    let (key, other) = (deployer(&world).await, world.key("cd", &["deployer@production"], &[]).await);
    let admin = world.key("root", &["space-admin@root"], &[]).await;
    for key in [key, other, admin] {
        world.ask(key.digest).await.unwrap();
    }
    // Compiling tries it out once, for nobody; that never ends, and is given up some seconds later.
    let rules =
        "allow if { input.session.login == \"\"\nr := numbers.range(1, 9000)\ncount([1 | some a in r; some b in r; a < b; b < a]) > 0 }";
    world.change_through(Through::Elsewhere, Mutation::CreatePolicy(policy("slow", rules))).await;
    let policies = || world.exchange.readiness().into_iter().find(|(part, _)| *part == "policies").unwrap().1;
    assert!(policies().unwrap_err().contains("compiled"), "{:?}", policies());
    assert_eq!(refused(world.ask(key.digest).await), Refusal::Unavailable(WhyUnavailable::Policy));
    assert!(world.ask(admin.digest).await.is_ok(), "who is not asked about policies does not wait for them");

    world.change_through(Through::Elsewhere, Mutation::RevokeKey { id: other.id }).await;
    assert_eq!(refused(world.ask(other.digest).await), Refusal::InvalidKey(WhyInvalid::Revoked));
    world.change_through(Through::Elsewhere, Mutation::SetStrategy(Strategy::UserManagement)).await;
    assert!(world.ask(key.digest).await.is_ok());

    // Whatever comes of it is put in force by itself.
    let done = async {
        while policies().is_err_and(|why| why.contains("compiled")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), done).await.unwrap();
    world.change(Mutation::DeletePolicy { name: "slow".parse().unwrap() }).await;
    assert!(policies().is_ok());
}

#[tokio::test]
async fn policy_files_are_read_anew_and_a_broken_one_leaves_the_old_ones_in_force() {
    let files = tempfile::TempDir::new().unwrap();
    let file = files.path().join("gate.rego");
    let deny = |login: &str| format!("package spacelift\n\ndeny if input.session.login == \"{login}\"\n");
    fs::write(&file, deny("cd")).unwrap();
    let world = World::with(|settings| settings.policies.dir = Some(files.path().to_owned())).await;
    let key = deployer(&world).await;
    fs::write(&file, deny("ci")).unwrap();
    world.exchange.reload().await.unwrap();
    assert_eq!(refused(world.ask(key.digest).await), Refusal::Denied("gate".parse().unwrap()));
    fs::write(&file, "package spacelift\n\nallow if {").unwrap();
    let fault = world.exchange.reload().await.unwrap_err();
    assert!(matches!(&fault, ExchangeError::Policies(faults) if faults.len() == 1), "{fault:?}");
    assert_eq!(refused(world.ask(key.digest).await).code(), "denied");
    world.change(Mutation::CreateSpace(new_space("eu", "root"))).await;
    assert_eq!(refused(world.ask(key.digest).await).code(), "denied", "whatever else changes");
    fs::remove_file(&file).unwrap();
    let fault = world.exchange.reload().await.unwrap_err();
    assert!(fault.to_string().contains("take policies.dir out of the configuration"), "{fault}");
    assert_eq!(refused(world.ask(key.digest).await).code(), "denied", "a directory that is empty all of a sudden opens nothing");
    let mut settings = world.settings.clone();
    settings.policies.dir = None;
    world.exchange.reload_with(settings.into(), || {}).await.unwrap();
    assert_eq!(world.roles(key).await, DEPLOYS, "that was said on purpose");
}

#[tokio::test]
async fn a_policy_whose_link_leads_nowhere_stays_in_force_as_it_was() {
    let files = tempfile::TempDir::new().unwrap();
    let target = files.path().join("target");
    let deny = |login: &str| fs::write(&target, format!("package spacelift\n\ndeny if input.session.login == \"{login}\"\n")).unwrap();
    deny("cd");
    std::os::unix::fs::symlink(&target, files.path().join("gate.rego")).unwrap();
    let world = World::with(|settings| settings.policies.dir = Some(files.path().to_owned())).await;
    let key = deployer(&world).await;
    deny("ci");
    world.exchange.reload().await.unwrap();
    fs::remove_file(&target).unwrap();
    assert!(matches!(world.exchange.reload().await, Err(ExchangeError::Policies(faults)) if faults.len() == 1));
    assert_eq!(refused(world.ask(key.digest).await).code(), "denied");
}

#[tokio::test]
async fn a_policy_of_the_store_named_like_a_file_refuses_until_one_of_them_goes() {
    let files = tempfile::TempDir::new().unwrap();
    fs::write(files.path().join("gate.rego"), "package spacelift\n\ndeny if false\n").unwrap();
    let world = World::with(|settings| settings.policies.dir = Some(files.path().to_owned())).await;
    let key = deployer(&world).await;
    world.change(Mutation::CreatePolicy(policy("gate", "deny if false"))).await;
    assert_eq!(refused(world.ask(key.digest).await), Refusal::Unavailable(WhyUnavailable::Policy));
    assert!(matches!(world.exchange.reload().await, Err(ExchangeError::Policies(_))));
    fs::remove_file(files.path().join("gate.rego")).unwrap();
    world.exchange.reload().await.unwrap();
    assert_eq!(world.roles(key).await, DEPLOYS);
}

#[tokio::test]
async fn a_withdrawn_signing_key_takes_its_credentials_along() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let kid = |world: &World, answer: &Credential| {
        world.claims(answer);
        let jwt = answer.header().to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        claviger::token::decode(&jwt).unwrap().header["kid"].as_str().unwrap().to_owned()
    };
    let old = world.ask(key.digest).await.unwrap();
    let old_kid = kid(&world, &old);
    fs::remove_dir_all(&world.settings.token.keys).unwrap();
    KeyDirectory::at(&world.settings.token.keys).publish(world.settings.token.algorithm, world.clock_in(Duration::ZERO)).unwrap();
    world.exchange.reload().await.unwrap();
    let new = world.ask(key.digest).await.unwrap();
    assert_ne!(kid(&world, &new), old_kid, "and its token verifies by the key set as it is now");
}

#[tokio::test]
async fn signing_keys_that_are_gone_are_a_fault_and_those_that_are_loaded_stay() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let jwks = world.exchange.jwks();
    for empty in [true, false] {
        fs::remove_dir_all(&world.settings.token.keys).unwrap();
        if empty {
            fs::create_dir(&world.settings.token.keys).unwrap();
        }
        let Err(ExchangeError::Token(fault)) = world.exchange.reload().await else { panic!("it is no reload that finds no key") };
        assert!(fault.to_string().contains("holds no key any more"), "{fault}");
        fs::create_dir_all(&world.settings.token.keys).unwrap();
    }
    assert_eq!(fs::read_dir(&world.settings.token.keys).unwrap().count(), 0, "no key is made that no verifier knows");
    assert_eq!(world.exchange.jwks(), jwks);
    assert_eq!(world.roles(key).await, DEPLOYS);
}

#[tokio::test]
async fn a_pipe_among_the_signing_keys_keeps_no_change_from_being_put_in_force() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let pipe = world.settings.token.keys.join("next.pem");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let Err(ExchangeError::Token(fault)) = world.exchange.reload().await else { panic!("a pipe is no key") };
    assert!(fault.to_string().contains("it is not a file"), "{fault}");

    world.change(Mutation::RevokeKey { id: key.id }).await;
    assert_eq!(world.ask(key.digest).await.map(drop), invalid(WhyInvalid::Revoked));

    fs::remove_file(pipe).unwrap();
    world.exchange.reload().await.unwrap();
}

/// Of 36 characters, as those of an identity provider that names groups by UUIDs.
fn uuids(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("{number:08x}-0000-4000-8000-000000000000")).collect()
}

#[tokio::test]
async fn many_groups_are_left_out_of_the_token_and_lock_nobody_out() {
    let world = World::new().await;
    let groups = uuids(200);
    let key = world.key("ci", &["deployer@production"], &groups.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let credential = world.ask(key.digest).await.unwrap();
    let claims = world.claims(&credential);
    assert_eq!((claims.get("groups"), &claims["groups_scope"], &claims["roles_scope"]), (None, &json!("omitted"), &json!("bound")));
    assert_eq!(roles_of(&claims), DEPLOYS);

    let few = world.key("few", &["deployer@production"], &["platform"]).await;
    let claims = world.claims(&world.ask(few.digest).await.unwrap());
    assert_eq!((&claims["groups"], claims.get("groups_scope")), (&json!(["platform"]), None));
}

#[tokio::test]
async fn a_key_whose_token_would_be_too_large_is_refused_for_good_and_explained_with_the_size() {
    let world = World::new().await;
    for number in 0..400 {
        world.change(Mutation::CreateSpace(new_space(&format!("space-number-{number}"), "root"))).await;
    }
    let roles: Vec<String> = (0..400).map(|number| format!("deployer@space-number-{number}")).collect();
    let key = world.key("ci", &roles.iter().map(String::as_str).collect::<Vec<_>>(), &["platform"]).await;

    let Err(Refusal::TokenTooLarge(told)) = world.ask(key.digest).await else { panic!("it does not fit") };
    assert!(told.size > told.limit && told.limit == world.settings.token.max_bytes, "{told:?}");
    assert_eq!(Refusal::TokenTooLarge(told).code(), "token_too_large");
    assert!(world.cached(key).is_some_and(|answer| answer.is_err()), "it is decided, and not tried again with each request");
    assert!(world.metrics.render().contains("claviger_auth_decisions_total{result=\"refuse\",reason=\"token_too_large\"} 2\n"));

    let record = world.sluice.key(key.id).await.unwrap().unwrap();
    let explained = world.exchange.explain(&record, &world.origin(HOME)).await;
    assert_eq!(explained.outcome, Err(Refusal::TokenTooLarge(told)));
    let elsewhere = Explainer::load(&world.settings, &*world.store_elsewhere().await).await.unwrap();
    let outside = elsewhere.explain(&record, &world.origin(HOME)).await;
    assert_eq!(outside.outcome, Err(Refusal::TokenTooLarge(told)), "without the server's keys, too");

    let first = record.bindings.iter().take(300);
    for binding in first {
        world.change(Mutation::DeleteBinding { id: binding.id }).await;
    }
    assert_eq!(world.roles(key).await.len(), 100, "and it works again as soon as there is room");
}

#[tokio::test]
async fn a_new_signing_key_signs_as_soon_as_it_is_active_and_old_tokens_still_verify() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let old = world.ask(key.digest).await.unwrap();
    let (directory, token, now) = (KeyDirectory::at(&world.settings.token.keys), &world.settings.token, world.clock_in(Duration::ZERO));
    let next = directory.publish(token.algorithm, now).unwrap();
    world.exchange.reload().await.unwrap();
    assert!(world.exchange.jwks().contains(&next), "it is known before it signs");
    directory.activate(&next, Activate::AtOnce, token.ttl, now).unwrap();
    world.exchange.reload().await.unwrap();
    let new = world.ask(key.digest).await.unwrap();
    assert_ne!(old.header(), new.header());
    world.claims(&old);
    world.claims(&new);
}

#[tokio::test]
async fn the_last_use_of_a_secret_is_noted_to_the_minute() {
    let world = World::new().await;
    let key = deployer(&world).await;
    world.clock.advance(Duration::from_secs(30));
    world.ask(key.digest).await.unwrap();
    world.exchange.record_uses().await;
    let used = |record: claviger::model::KeyRecord| record.secrets[0].last_used_at;
    let read = || async { used(world.sluice.key(key.id).await.unwrap().unwrap()) };
    assert_eq!(read().await, Some("2026-03-02T12:00:00Z".parse().unwrap()));
    world.clock.advance(Duration::from_secs(30));
    world.exchange.catch_up().await.unwrap();
    world.ask(key.digest).await.unwrap();
    world.sluice.break_down();
    world.exchange.record_uses().await;
    world.sluice.mend();
    world.exchange.record_uses().await;
    assert_eq!(read().await, Some("2026-03-02T12:01:00Z".parse().unwrap()), "a failed write is made up for");
}

#[tokio::test]
async fn a_refused_request_is_no_use_of_a_secret() {
    let world = World::new().await;
    let key = world.key("ci", &[], &[]).await;
    for _ in 0..2 {
        assert_eq!(refused(world.ask(key.digest).await), Refusal::NoRoles);
    }
    world.exchange.record_uses().await;
    assert_eq!(world.sluice.key(key.id).await.unwrap().unwrap().secrets[0].last_used_at, None);
}

#[tokio::test]
async fn a_change_to_one_key_reads_no_snapshot_and_costs_no_other_key_its_credential() {
    let world = World::new().await;
    let key = deployer(&world).await;
    let snapshots = world.sluice.snapshots();
    let other = world.key("other", &["reader@staging"], &[]).await;
    world.change(Mutation::DisableKey { id: other.id }).await;
    assert_eq!(world.sluice.snapshots(), snapshots);
    assert!(world.cached(key).is_some());
}

#[tokio::test]
async fn an_older_acknowledgement_does_not_turn_back_what_is_in_force() {
    let world = World::new().await;
    let first = world.sluice.apply(Mutation::CreateSpace(new_space("eu", "root")), &Cause::SYSTEM, None).await.unwrap();
    let second = world.sluice.apply(Mutation::CreateSpace(new_space("us", "root")), &Cause::SYSTEM, None).await.unwrap();
    world.exchange.applied(&second).await.unwrap();
    world.exchange.applied(&first).await.unwrap();
    assert_eq!(world.exchange.applied_revision(), second.revision);
    assert_eq!(world.exchange.snapshot().revision, second.revision);
}

#[tokio::test]
async fn hits_misses_and_refusals_are_counted() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    for _ in 0..3 {
        world.ask(key.digest).await.unwrap();
    }
    let nobody = world.draw_digest();
    for _ in 0..2 {
        assert_eq!(world.ask(nobody).await.map(drop), invalid(WhyInvalid::Unknown));
    }
    let text = world.metrics.render();
    for line in [
        "claviger_cache_requests_total{cache=\"credential\",result=\"hit\"} 2",
        "claviger_cache_requests_total{cache=\"credential\",result=\"miss\"} 2",
        "claviger_cache_requests_total{cache=\"absence\",result=\"hit\"} 1",
        "claviger_auth_decisions_total{result=\"allow\",reason=\"ok\"} 3",
        "claviger_auth_decisions_total{result=\"refuse\",reason=\"unknown\"} 2",
        "claviger_tokens_issued_total{alg=\"ES256\"} 1",
    ] {
        let (series, _) = line.split_once('{').unwrap();
        let there: Vec<_> = text.lines().filter(|line| line.starts_with(series)).collect();
        assert!(there.contains(&line), "{line} is not among {there:#?}");
    }
}

#[tokio::test]
async fn an_explanation_says_what_a_request_would_get() {
    let world = World::new().await;
    world.change(Mutation::CreatePolicy(policy("office", OFFICE_ONLY))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let explainer = Explainer::load(&world.settings, &*world.sluice).await.unwrap();
    let record = world.sluice.key(key.id).await.unwrap().unwrap();
    for (address, outcome) in [(HOME, Ok(())), ("192.0.2.1", Err(Refusal::Denied("office".parse().unwrap())))] {
        let origin = world.origin(address);
        let (inside, outside) = (world.exchange.explain(&record, &origin).await, explainer.explain(&record, &origin).await);
        assert_eq!(inside.outcome, outcome);
        assert_eq!(outside.outcome, outcome);
        assert_eq!(inside.decision, outside.decision);
        assert_eq!(world.ask_from(key.digest, address).await.map(drop), outcome);
    }
    world.change(Mutation::DisableKey { id: key.id }).await;
    let record = world.sluice.key(key.id).await.unwrap().unwrap();
    assert_eq!(world.exchange.explain(&record, &world.origin(HOME)).await.outcome, invalid(WhyInvalid::Disabled));
}

#[tokio::test]
async fn a_start_with_faulty_policies_is_none() {
    let files = tempfile::TempDir::new().unwrap();
    let world = World::with(|settings| settings.policies.dir = Some(files.path().to_owned())).await;
    fs::write(files.path().join("gate.rego"), "package spacelift\n\nallow if {").unwrap();
    let started = claviger::exchange::Exchange::start(&world.settings, world.sluice.clone(), world.clock.clone(), world.metrics.clone());
    assert!(matches!(started.await, Err(ExchangeError::Policies(faults)) if faults.len() == 1));
}
