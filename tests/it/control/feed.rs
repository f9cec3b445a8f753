//! What sidecars ask, and how often their keys are read for it.

use std::time::Duration;

use claviger::control::{ControlError, Operation};
use claviger::model::Mutation;

use super::lockout::control;
use crate::exchange::world::World;

#[tokio::test]
async fn the_key_of_a_sidecar_is_read_once_for_a_question_and_once_more_if_that_has_waited() {
    let world = World::new().await;
    let control = control(&world, &world.settings);
    let sidecar = world.key("sidecar", &["replica@root"], &[]).await;
    let other = world.key("other", &["reader@production"], &[]).await;

    let asked = control.identify(sidecar.digest, None, None).await.unwrap();
    control.may_follow(&asked, Operation::ReadFeed).await.unwrap();
    let other = control.identify(other.digest, None, None).await.unwrap();
    assert!(matches!(control.may_follow(&other, Operation::ReadFeed).await, Err(ControlError::Forbidden(_))));
    assert_eq!((world.sluice.look_ups(), world.sluice.keys_read()), (2, 0));

    let after = world.exchange.applied_revision();
    let waits = control.feed_changes(&asked.caller, None, after, Duration::from_secs(20));
    let (told, _) = tokio::join!(waits, world.change(Mutation::RevokeKey { id: sidecar.id }));
    assert!(matches!(told, Err(ControlError::NoSuchCaller)), "{told:?}");
    assert_eq!(world.sluice.keys_read(), 1);
}
