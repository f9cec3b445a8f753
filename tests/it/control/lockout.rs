//! Nobody is locked out by whoever does not manage keys, and nobody waits while that is looked at.

use std::sync::Arc;
use std::time::Duration;

use claviger::config::{LiveSettings, Settings};
use claviger::control::{Asked, Batch, Caller, Control, ControlError, Made, Rehearsal, Serving};
use claviger::exchange::oversize;
use claviger::model::{BindingId, Mutation, Subject};
use claviger::store::Lookup as _;
use tokio::task::JoinHandle;

use crate::exchange::world::{Key, World, new_space, role};

fn asked(key: Key) -> Asked {
    Asked { caller: Caller::Key { id: key.id, digest: key.digest }, key: None, remote_ip: None, request_id: None, once: None }
}

pub(super) fn control(world: &World, settings: &Settings) -> Arc<Control> {
    let (exchange, settings) = (world.exchange.clone(), LiveSettings::from(settings));
    let serving = Serving { exchange, settings, name: "here".parse().unwrap() };
    Arc::new(Control::serving(world.sluice.clone(), world.clock.clone(), serving))
}

/// With room in a token for what this key has now and a longer revision, and not for another role.
async fn just_enough_for(world: &World, key: Key) -> Settings {
    let mut settings = world.settings.clone();
    settings.token.max_bytes = 1;
    let (snapshot, now) = (world.sluice.snapshot().await.unwrap(), world.clock_in(Duration::ZERO));
    let found = world.sluice.find_key(&key.digest).await.unwrap().unwrap().key;
    settings.token.max_bytes = oversize(&settings.token, &snapshot, &found, now).unwrap().size + 4;
    settings
}

fn binding(world: &World, subject: Subject, bound: &str) -> Mutation {
    Mutation::CreateBinding { id: BindingId::new(0, world.draw()), subject, role: role(bound), space: "production".parse().unwrap() }
}

/// Begins to bind the group `many` in `production`.
fn bound(world: &World, control: &Arc<Control>, by: Key) -> JoinHandle<Result<Made, ControlError>> {
    let bind = binding(world, Subject::Group("many".parse().unwrap()), "reader");
    let control = Arc::clone(control);
    tokio::spawn(async move { control.change(&asked(by), bind, None).await })
}

#[tokio::test]
async fn whoever_binds_a_group_holds_up_nobody_while_its_members_are_looked_at() {
    let world = World::new().await;
    let control = control(&world, &world.settings);
    let lead = world.key("lead", &["space-admin@production"], &[]).await;
    let other = world.key("other", &["space-admin@staging"], &[]).await;
    world.key("member", &[], &["many"]).await;
    let hold = world.sluice.hold_next_page();
    let binding = bound(&world, &control, lead);
    hold.reached().await;

    let change = Mutation::CreateSpace(new_space("below", "staging"));
    let made = tokio::time::timeout(Duration::from_secs(20), control.change(&asked(other), change, None)).await;

    made.expect("a change waits for one that is not ready").unwrap();
    hold.release();
    binding.await.unwrap().unwrap();
    assert_eq!(world.sluice.snapshot().await.unwrap().group_bindings.len(), 1);
}

#[tokio::test]
async fn a_key_that_joins_a_group_while_its_members_are_looked_at_is_not_locked_out() {
    let world = World::new().await;
    let lead = world.key("lead", &["space-admin@production"], &[]).await;
    let late = world.key("late", &["deployer@production"], &[]).await;
    world.key("m", &[], &["many"]).await;
    let join = |groups: &[&str]| {
        let groups = Some(groups.iter().map(|group| group.parse().unwrap()).collect());
        Mutation::UpdateKey { id: late.id, name: None, description: None, groups, expiry: None }
    };
    world.change(join(&["many"])).await;
    let control = control(&world, &just_enough_for(&world, late).await);
    world.change(join(&[])).await;

    let hold = world.sluice.hold_next_page();
    let binding = bound(&world, &control, lead);
    hold.reached().await;
    world.change(join(&["many"])).await;
    hold.release();

    let refused = binding.await.unwrap().unwrap_err();
    assert!(matches!(&refused, ControlError::TokenTooLarge { key, .. } if key.as_str() == "late"), "{refused:?}");
}

#[tokio::test]
async fn changes_that_fit_one_by_one_lock_nobody_out_together() {
    let world = World::new().await;
    let lead = world.key("lead", &["space-admin@production"], &[]).await;
    let victim = world.key("victim", &["deployer@production"], &["many"]).await;
    let control = control(&world, &just_enough_for(&world, victim).await);
    // A role that is as long as the one that it has, and then two.
    world.change(Mutation::DeleteBinding { id: world.sluice.find_key(&victim.digest).await.unwrap().unwrap().key.bindings[0].id }).await;
    let alone = |subject| binding(&world, subject, "reader");
    let (key, group) = (Subject::Key(victim.id), Subject::Group("many".parse().unwrap()));
    let both = [alone(key.clone()), binding(&world, group.clone(), "deployer")];
    let batch = |mutations: &[Mutation]| Batch { mutations: mutations.to_vec(), ..Batch::default() };

    for one in &both {
        control.change_all(&asked(lead), batch(std::slice::from_ref(one)), Rehearsal::Only).await.unwrap();
    }
    let refused = control.change_all(&asked(lead), batch(&both), Rehearsal::No).await.unwrap_err();

    assert!(matches!(refused.error, ControlError::TokenTooLarge { .. }), "{refused:?}");
    assert_eq!(refused.index, None);
}
