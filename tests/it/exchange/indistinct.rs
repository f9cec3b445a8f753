//! Nobody learns by the time that an answer takes whether a key that works for nobody is there at all.

use std::sync::Arc;
use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};
use claviger::model::{KeyDigest, Mutation, Refusal, WhyInvalid};

use super::world::{HOME, World};

/// A key that nobody has, and three that are there and work for nobody.
async fn invalid_keys(world: &World) -> Vec<(WhyInvalid, KeyDigest)> {
    let [disabled, revoked] = [world.key("disabled", &["deployer@production"], &["platform"]).await, world.key("revoked", &[], &[]).await];
    world.change(Mutation::DisableKey { id: disabled.id }).await;
    world.change(Mutation::RevokeKey { id: revoked.id }).await;
    let mut expiring = world.new_key("expiring", &["deployer@production"], &[]);
    expiring.expires_at = Some(world.clock_in(Duration::from_secs(1)));
    let expired = world.make(expiring).await;
    world.ask(expired.digest).await.expect("it works for a second");
    world.clock.advance(Duration::from_secs(2));
    world.exchange.catch_up().await.unwrap();
    vec![
        (WhyInvalid::Unknown, world.draw_digest()),
        (WhyInvalid::Disabled, disabled.digest),
        (WhyInvalid::Revoked, revoked.digest),
        (WhyInvalid::Expired, expired.digest),
    ]
}

#[tokio::test]
async fn a_key_that_is_there_and_works_for_nobody_takes_the_way_of_one_that_is_not_there() {
    let world = World::new().await;
    for (why, digest) in invalid_keys(&world).await {
        // Twice: hot, and forgotten after the same time.
        for _ in 0..2 {
            let clock = SystemClock::start();
            let origin = world.origin(HOME);
            assert!(world.exchange.cached(&digest, &origin).is_none(), "{why:?}: nothing is remembered of it");
            let answer = world.exchange.credential(&digest, &origin).await;
            assert_eq!(answer.map(drop), Err(Refusal::InvalidKey(why)));
            assert!(clock.monotonic() >= Duration::from_millis(2), "{why:?}: the time does not show what was looked up");

            let look_ups = world.sluice.look_ups();
            assert_eq!(world.exchange.cached(&digest, &origin).map(|answer| answer.map(drop)), Some(Err(Refusal::InvalidKey(why))));
            assert_eq!(world.sluice.look_ups(), look_ups);
            world.clock.advance(world.settings.cache.negative_ttl);
            world.exchange.catch_up().await.unwrap();
        }
    }
}

/// Welch's t of two series of times.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let moments = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        (mean, times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0) / count)
    };
    let ((one, one_error), (other, other_error)) = (moments(one), moments(other));
    (one - other) / (one_error + other_error).sqrt()
}

/// Prints t for each kind of invalid key against a key that is not there, 50,000 times each and in turns: hot, and when nothing is
/// remembered of them. Below 4.5, they cannot be told apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures for minutes; run it by its name, alone, with --nocapture"]
#[expect(clippy::print_stdout, reason = "it measures times, and tells them")]
async fn the_times_of_invalid_keys_cannot_be_told_apart() {
    const SAMPLES: usize = 50_000;
    let clock = Arc::new(SystemClock::start());
    for hot in [true, false] {
        let negative_ttl = Duration::from_secs(if hot { 3600 } else { 0 });
        let world = World::with(|settings| settings.cache.negative_ttl = negative_ttl).await;
        let keys = invalid_keys(&world).await;
        let mut times = vec![Vec::with_capacity(SAMPLES); keys.len()];
        if hot {
            for (_, digest) in &keys {
                let _refused = world.ask(*digest).await;
            }
            for turn in 0..SAMPLES * keys.len() {
                // In another order each time, so that none always comes behind the same one.
                let number = (turn + turn / keys.len()) % keys.len();
                let (digest, origin) = (keys[number].1, world.origin(HOME));
                let began = clock.monotonic();
                let answer = world.exchange.cached(&digest, &origin);
                times[number].push(clock.monotonic().saturating_sub(began).as_secs_f64());
                assert!(answer.is_some());
            }
        } else {
            // What waits for one does not keep others waiting: many at once, each key by itself.
            let mut turns = tokio::task::JoinSet::new();
            for turn in 0..SAMPLES * keys.len() {
                let number = (turn + turn / keys.len()) % keys.len();
                let (exchange, clock, digest, origin) = (world.exchange.clone(), clock.clone(), keys[number].1, world.origin(HOME));
                turns.spawn(async move {
                    let began = clock.monotonic();
                    let answer = exchange.credential(&digest, &origin).await;
                    assert!(answer.is_err());
                    (number, clock.monotonic().saturating_sub(began).as_secs_f64())
                });
                if turns.len() >= 4 {
                    let (number, time) = turns.join_next().await.unwrap().unwrap();
                    times[number].push(time);
                }
            }
            while let Some(time) = turns.join_next().await {
                let (number, time) = time.unwrap();
                times[number].push(time);
            }
        }
        for (number, (why, _)) in keys.iter().enumerate().skip(1) {
            println!("{}: {why:?} against Unknown: t = {:.2}", if hot { "hot" } else { "cold" }, welch(&times[number], &times[0]));
        }
    }
}
