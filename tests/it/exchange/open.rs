//! What is open when its key stops passing.

use std::sync::Arc;
use std::time::Duration;

use claviger::clock::Moment;
use claviger::config::EndStreams;
use claviger::exchange::{Exchange, Origin, Purpose};
use claviger::model::{
    AlternativeNames, BindingId, CertificateFingerprint, ClientCertificate, MissingAction, Mutation, Refusal, Strategy, Subject, WhyInvalid,
};
use claviger::store::Management as _;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::world::{HOME, Key, Through, World, new_space, policy, role};

/// When it was opened is not asked.
fn at_home() -> Origin {
    Origin::at_address(HOME.parse().ok(), Moment { wall: Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO })
}

fn open(exchange: &Arc<Exchange>, key: Key, when: EndStreams) -> JoinHandle<Option<Refusal>> {
    let exchange = exchange.clone();
    tokio::spawn(async move { exchange.no_longer_passes(key.digest, at_home(), Purpose::default(), when).await })
}

async fn ends(stream: JoinHandle<Option<Refusal>>) -> Option<Refusal> {
    tokio::time::timeout(Duration::from_secs(20), stream).await.expect("it ends").unwrap()
}

/// A change of another key's that follows is in force when whatever the one before it has woken has run.
async fn goes_on(world: &World, stream: &JoinHandle<Option<Refusal>>) {
    for name in ["one", "two"] {
        world.key(&format!("{name}-{}", world.draw()), &[], &[]).await;
        let settle = world.key(&format!("settle-{}", world.draw()), &["reader@staging"], &[]).await;
        world.ask(settle.digest).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(!stream.is_finished());
}

#[tokio::test]
async fn a_stream_ends_with_its_key_wherever_the_change_was_made_and_others_go_on() {
    for through in [Through::Here, Through::Elsewhere] {
        let world = World::new().await;
        let [key, other] = [world.key("ci", &["deployer@production"], &[]).await, world.key("cd", &["deployer@production"], &[]).await];
        let (stream, beside) = (open(&world.exchange, key, EndStreams::Revoked), open(&world.exchange, other, EndStreams::Revoked));
        goes_on(&world, &stream).await;
        world.change_through(through, Mutation::DisableKey { id: key.id }).await;
        assert_eq!(ends(stream).await, Some(Refusal::InvalidKey(WhyInvalid::Disabled)));
        goes_on(&world, &beside).await;
        beside.abort();
    }
}

#[tokio::test]
async fn a_stream_ends_when_a_policy_denies_its_key_or_its_last_role_goes() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let stream = open(&world.exchange, key, EndStreams::Revoked);
    goes_on(&world, &stream).await;
    world.change(Mutation::SetStrategy(Strategy::Combined)).await;
    goes_on(&world, &stream).await;
    world.change(Mutation::CreatePolicy(policy("night", "deny if input.session.login == \"ci\""))).await;
    assert_eq!(ends(stream).await, Some(Refusal::Denied("night".parse().unwrap())));

    world.change(Mutation::DeletePolicy { name: "night".parse().unwrap() }).await;
    let stream = open(&world.exchange, key, EndStreams::Revoked);
    goes_on(&world, &stream).await;
    let binding = world.sluice.key(key.id).await.unwrap().unwrap().bindings[0].id;
    world.change(Mutation::DeleteBinding { id: binding }).await;
    assert_eq!(ends(stream).await, Some(Refusal::NoRoles));
}

#[tokio::test]
async fn what_a_stream_ends_for_is_the_configurations_to_say() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let [revoked, any, never] =
        [EndStreams::Revoked, EndStreams::AnyChange, EndStreams::Never].map(|when| open(&world.exchange, key, when));
    goes_on(&world, &any).await;
    world.change(Mutation::CreateSpace(new_space("elsewhere", "root"))).await;
    goes_on(&world, &any).await;

    let id = BindingId::new(0, world.draw());
    let bind = Mutation::CreateBinding { id, subject: Subject::Key(key.id), role: role("reader"), space: "staging".parse().unwrap() };
    world.change(bind).await;
    assert_eq!(ends(any).await, None, "it would get other roles");
    goes_on(&world, &revoked).await;

    world.change(Mutation::RevokeKey { id: key.id }).await;
    assert_eq!(ends(revoked).await, Some(Refusal::InvalidKey(WhyInvalid::Revoked)));
    goes_on(&world, &never).await;
    never.abort();
}

#[tokio::test]
async fn a_stream_ends_when_the_certificate_does_without_which_it_would_not_have_begun() {
    let world = World::new().await;
    world
        .change(Mutation::CreatePolicy(policy(
            "shown",
            "deny if { input.session.login == \"ci\"; input.request.client_certificate == null }",
        )))
        .await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let certificate = ClientCertificate {
        subject: "CN=ci".to_owned(),
        issuer: "CN=ca".to_owned(),
        serial: "01".to_owned(),
        fingerprint: CertificateFingerprint::from_bytes([1; 32]),
        san: AlternativeNames::default(),
        not_after: world.clock_in(Duration::from_millis(100)),
    };
    let (exchange, opened) = (world.exchange.clone(), Origin { certificate: Some(Arc::new(certificate)), ..at_home() });
    let stream = tokio::spawn(async move { exchange.no_longer_passes(key.digest, opened, Purpose::default(), EndStreams::Revoked).await });
    goes_on(&world, &stream).await;
    world.clock.advance(Duration::from_millis(100));
    assert_eq!(ends(stream).await, Some(Refusal::Denied("shown".parse().unwrap())));
}

#[tokio::test]
async fn a_stream_ends_when_its_key_may_no_longer_do_what_its_route_needs() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production", "reader@staging"], &[]).await;
    let exchange = world.exchange.clone();
    let stream = tokio::spawn(async move {
        let (space, action) = ("production".parse().unwrap(), "run:trigger".parse().unwrap());
        let purpose = Purpose { space: Some(&space), require: Some(&action) };
        exchange.no_longer_passes(key.digest, at_home(), purpose, EndStreams::Revoked).await
    });
    goes_on(&world, &stream).await;
    let bindings = world.sluice.key(key.id).await.unwrap().unwrap().bindings;
    let deploys = bindings.iter().find(|binding| binding.role == role("deployer")).unwrap();
    world.change(Mutation::DeleteBinding { id: deploys.id }).await;
    let missing = MissingAction { action: "run:trigger".parse().unwrap(), space: "production".parse().unwrap() };
    assert_eq!(ends(stream).await, Some(Refusal::MissingAction(Box::new(missing))));
}
