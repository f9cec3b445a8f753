//! Replicas: each tells of itself, is counted on for a while, and is no change of anything.

use claviger::model::{REPLICA_LIVE_FOR, Replica, ReplicaName, ReplicaReport};
use claviger::store::REPLICAS_KEPT_FOR;

use super::*;

for_every_backend! {
    a_replica_is_known_by_what_it_said_last
    a_replica_that_says_nothing_is_counted_on_for_a_while_and_then_forgotten
    a_clock_that_is_set_back_makes_nobody_live_for_ever
    one_that_is_behind_is_behind_since_the_first_change_that_it_lacks
    one_that_says_that_it_ends_is_gone_at_once
    a_report_is_no_change
    reports_of_several_are_what_each_of_them_would_be
}

const TICK: Duration = Duration::from_micros(1);

fn report(backend: &Backend, called: u32, applied: u64) -> ReplicaReport {
    ReplicaReport {
        name: ReplicaName::of("web-1.example", called),
        version: "1.2.3".to_owned(),
        applied: Revision(applied),
        started_at: backend.now(),
    }
}

async fn all(store: &Arc<dyn Store>) -> Vec<Replica> {
    store.replicas().await.unwrap().all
}

async fn live(store: &Arc<dyn Store>) -> Vec<ReplicaName> {
    store.replicas().await.unwrap().live().map(|replica| replica.report.name.clone()).collect()
}

async fn a_replica_is_known_by_what_it_said_last(backend: Backend) {
    let store = backend.open().await;
    let (first, second) = (report(&backend, 1, 0), report(&backend, 2, 0));
    store.report_replica(&second).await.unwrap();
    store.report_replica(&first).await.unwrap();
    done(&store, new_space("a", "root")).await;
    backend.clock.advance(Duration::from_secs(3));
    let again = ReplicaReport { applied: Revision(1), ..first.clone() };

    store.report_replica(&again).await.unwrap();

    let replicas = backend.open().await.replicas().await.unwrap();
    assert_eq!((replicas.revision, replicas.at), (Revision(1), backend.now()));
    let told: Vec<_> = replicas.all.iter().map(|replica| (replica.report.clone(), replica.last_seen_at)).collect();
    assert_eq!(told, [(again, backend.now()), (second.clone(), second.started_at)]);
    let without: Vec<_> = replicas.without(Revision(1)).map(|replica| replica.report.name.clone()).collect();
    assert_eq!(without, [second.name]);
}

async fn a_replica_that_says_nothing_is_counted_on_for_a_while_and_then_forgotten(backend: Backend) {
    let store = backend.open().await;
    let told = report(&backend, 1, 0);
    store.report_replica(&told).await.unwrap();
    backend.clock.advance(REPLICA_LIVE_FOR.saturating_sub(TICK));
    assert_eq!(live(&store).await, [told.name]);

    backend.clock.advance(TICK);
    assert_eq!((live(&store).await.len(), all(&store).await.len()), (0, 1));

    backend.clock.advance(REPLICAS_KEPT_FOR);
    assert_eq!(all(&store).await, []);
    store.report_replica(&report(&backend, 2, 0)).await.unwrap();
    assert_eq!(all(&store).await.len(), 1);
}

async fn a_clock_that_is_set_back_makes_nobody_live_for_ever(backend: Backend) {
    let store = backend.open().await;
    let (before, told) = (backend.now(), report(&backend, 1, 0));
    backend.clock.advance(Duration::from_hours(1));
    store.report_replica(&told).await.unwrap();

    backend.clock.set_wall(before);

    assert_eq!(live(&store).await, []);
    store.report_replica(&told).await.unwrap();
    assert_eq!(live(&store).await, [told.name]);
}

async fn one_that_is_behind_is_behind_since_the_first_change_that_it_lacks(backend: Backend) {
    let store = backend.open().await;
    let first = done(&store, new_space("a", "root")).await;
    backend.clock.advance(Duration::from_secs(2));
    let second = done(&store, new_space("b", "root")).await;
    backend.clock.advance(Duration::from_secs(3));
    for (called, applied) in [(0, 0), (1, 1), (2, 2)] {
        store.report_replica(&report(&backend, called, applied)).await.unwrap();
    }

    let replicas = store.replicas().await.unwrap();

    let since: Vec<_> = replicas.all.iter().map(|replica| replica.behind_since).collect();
    assert_eq!(since, [Some(first.at), Some(second.at), None]);
    let lag: Vec<_> =
        replicas.all.iter().map(|replica| (replica.behind(replicas.revision), replica.behind_for(replicas.at).as_secs())).collect();
    assert_eq!(lag, [(2, 5), (1, 3), (0, 0)]);
}

async fn one_that_says_that_it_ends_is_gone_at_once(backend: Backend) {
    let store = backend.open().await;
    let (first, second) = (report(&backend, 1, 0), report(&backend, 2, 0));
    store.report_replica(&first).await.unwrap();
    store.report_replica(&second).await.unwrap();

    store.forget_replica(&first.name).await.unwrap();
    store.forget_replica(&first.name).await.unwrap();

    assert_eq!(live(&store).await, [second.name]);
    assert_eq!(all(&store).await.len(), 1);
}

async fn a_report_is_no_change(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("a", "root")).await;
    let before = (store.snapshot().await.unwrap(), store.audit(&whole()).await.unwrap());

    store.report_replica(&report(&backend, 1, 1)).await.unwrap();
    store.forget_replica(&report(&backend, 1, 1).name).await.unwrap();

    assert_eq!((store.snapshot().await.unwrap(), store.audit(&whole()).await.unwrap()), before);
    assert_eq!(store.changes_after(before.0.revision).await.unwrap(), Changes::Since(Vec::new()));
}

async fn reports_of_several_are_what_each_of_them_would_be(backend: Backend) {
    let store = backend.open().await;
    let [first, second, third] = [1, 2, 3].map(|called| report(&backend, called, 0));
    store.report_replicas(&[second.clone(), first.clone()]).await.unwrap();
    done(&store, new_space("a", "root")).await;
    backend.clock.advance(Duration::from_secs(3));
    let moved = ReplicaReport { applied: Revision(1), ..first };

    store.report_replicas(&[third.clone(), moved.clone(), second.clone()]).await.unwrap();
    store.report_replicas(&[]).await.unwrap();

    let told: Vec<_> = all(&store).await.into_iter().map(|replica| (replica.report, replica.last_seen_at)).collect();
    assert_eq!(told, [(moved, backend.now()), (second, backend.now()), (third, backend.now())]);
}
