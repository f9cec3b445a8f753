//! Samples: kept in order, bounded in number and age, and no change of anything.

use claviger::model::{Grants, KeptSample, Sample, SampleId, SampledAnswer, SampledDecision, SampledKey};
use serde_json::json;

use super::*;

for_every_backend! {
    a_sample_comes_back_as_it_was_kept
    samples_come_newest_first_and_the_hundred_newest_stay
    a_sample_goes_after_seven_days
    what_is_too_old_goes_though_nothing_new_comes
    samples_that_are_cleared_are_gone_and_their_numbers_with_them
    a_sample_is_no_change
    who_gives_samples_up_is_told_of_and_only_where_there_were_any
    a_sample_that_is_too_large_leaves_nothing_of_its_batch
}

const DAY: Duration = Duration::from_hours(24);

fn sample(backend: &Backend, number: u64) -> Sample {
    let (decision, code) = (SampledDecision::Refuse, "denied".to_owned());
    let answer = SampledAnswer { decision, code, groups: Vec::new(), grants: Grants::default(), verdicts: Vec::new() };
    let key = SampledKey { id: key_id(number), name: name(&format!("ci-{number}")) };
    let input =
        json!({ "request": { "remote_ip": "192.0.2.1", "timestamp_ns": 1_782_907_200_123_456_789_i64 }, "session": { "login": "ü\"\n" } });
    Sample { at: backend.now(), key, answer, input }
}

async fn keep(store: &Arc<dyn Store>, backend: &Backend, numbers: impl IntoIterator<Item = u64>) {
    let samples: Vec<Sample> = numbers.into_iter().map(|number| sample(backend, number)).collect();
    store.keep_samples(&samples).await.unwrap();
}

async fn kept(store: &Arc<dyn Store>) -> Vec<KeyId> {
    store.samples().await.unwrap().into_iter().map(|kept| kept.sample.key.id).collect()
}

async fn a_sample_comes_back_as_it_was_kept(backend: Backend) {
    let store = backend.open().await;
    let given = sample(&backend, 1);

    store.keep_samples(std::slice::from_ref(&given)).await.unwrap();

    let elsewhere = backend.open().await;
    let KeptSample { id, sample } = elsewhere.samples().await.unwrap().remove(0);
    assert_eq!(sample, given);
    assert_eq!(elsewhere.sample(id).await.unwrap().unwrap().sample, given);
    assert_eq!(elsewhere.sample(SampleId(id.0 + 1)).await.unwrap(), None);
    assert_eq!(elsewhere.sample(SampleId(u64::MAX)).await.unwrap(), None);
}

async fn samples_come_newest_first_and_the_hundred_newest_stay(backend: Backend) {
    let store = backend.open().await;
    keep(&store, &backend, 1..=99).await;
    keep(&store, &backend, 100..=103).await;
    assert_eq!(kept(&store).await, (4..=103).rev().map(key_id).collect::<Vec<_>>());

    // A batch beyond the bound is cut as well.
    keep(&store, &backend, 1000..1150).await;
    assert_eq!(kept(&store).await, (1050..1150).rev().map(key_id).collect::<Vec<_>>());
}

async fn a_sample_goes_after_seven_days(backend: Backend) {
    let store = backend.open().await;
    keep(&store, &backend, [1]).await;
    let first = store.samples().await.unwrap().remove(0).id;
    backend.clock.advance(DAY * 3);
    keep(&store, &backend, [2]).await;
    backend.clock.advance((DAY * 4).saturating_sub(Duration::from_micros(1)));
    assert_eq!(kept(&store).await, [key_id(2), key_id(1)]);

    backend.clock.advance(Duration::from_micros(1));

    assert_eq!(kept(&store).await, [key_id(2)]);
    assert_eq!(store.sample(first).await.unwrap(), None);
    keep(&store, &backend, [3]).await;
    assert_eq!(kept(&store).await, [key_id(3), key_id(2)]);
}

async fn what_is_too_old_goes_though_nothing_new_comes(backend: Backend) {
    let store = backend.open().await;
    keep(&store, &backend, [1, 2]).await;
    backend.clock.advance(DAY * 8);

    keep(&store, &backend, []).await;

    assert_eq!(store.clear_samples(&Cause::SYSTEM).await.unwrap(), 0, "nothing is left to be cleared");
}

async fn samples_that_are_cleared_are_gone_and_their_numbers_with_them(backend: Backend) {
    let store = backend.open().await;
    keep(&store, &backend, [1, 2, 3]).await;
    let last = store.samples().await.unwrap().remove(0).id;

    assert_eq!(store.clear_samples(&Cause::SYSTEM).await.unwrap(), 3);

    assert_eq!((kept(&store).await, store.sample(last).await.unwrap()), (vec![], None));
    keep(&store, &backend, [4]).await;
    assert!(store.samples().await.unwrap()[0].id > last, "a number is given once");
}

async fn a_sample_is_no_change(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("a", "root")).await;
    let before = store.snapshot().await.unwrap();

    keep(&store, &backend, [1]).await;
    store.clear_samples(&Cause::SYSTEM).await.unwrap();

    assert_eq!(store.snapshot().await.unwrap(), before);
    assert_eq!(store.changes_after(before.revision).await.unwrap(), Changes::Since(Vec::new()));
}

async fn who_gives_samples_up_is_told_of_and_only_where_there_were_any(backend: Backend) {
    let store = backend.open().await;
    let cause = Cause { actor: Actor::Key(key_id(7)), remote_ip: Some("192.0.2.7".parse().unwrap()), ..Cause::SYSTEM };
    let before = store.audit(&whole()).await.unwrap();
    keep(&store, &backend, [1, 2]).await;
    assert_eq!(store.audit(&whole()).await.unwrap(), before, "keeping is told by nobody");

    store.clear_samples(&cause).await.unwrap();
    store.clear_samples(&cause).await.unwrap();

    let told = store.audit(&whole()).await.unwrap();
    assert_eq!(told[1..], before);
    let AuditEntry { revision, actor, remote_ip, action, resource, before, after, refused, .. } = &told[0];
    assert_eq!((action.as_str(), resource.as_str(), actor), ("sample.clear", "samples", &cause.actor.label()));
    assert_eq!((revision, refused, before, after), (&None, &None, &None, &Some(json!({ "cleared": 2 }))));
    assert_eq!(remote_ip.as_deref(), Some("192.0.2.7"));
}

async fn a_sample_that_is_too_large_leaves_nothing_of_its_batch(backend: Backend) {
    let store = backend.open().await;
    let mut large = sample(&backend, 2);
    large.input = json!({ "session": { "login": "x".repeat(Sample::SIZE_MAX) } });

    let refused = store.keep_samples(&[sample(&backend, 1), large]).await;

    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(kept(&store).await, []);
    keep(&store, &backend, [3]).await;
    assert_eq!(kept(&store).await, [key_id(3)]);
}
