//! Revisions, the feed of changes, being woken, several openings at once.

use super::*;

for_every_backend! {
    a_new_store_holds_the_root_space_the_system_roles_and_the_initial_strategy
    a_strategy_once_stored_outlives_what_a_later_opening_asks_for
    what_was_acknowledged_is_there_after_reopening
    every_change_takes_the_next_revision_and_refusals_take_none
    a_change_to_one_key_reaches_every_digest_it_has_or_had
    a_change_to_what_is_shared_reaches_everybody
    the_feed_tells_changes_in_order_and_as_they_were_acknowledged
    a_feed_that_no_longer_goes_back_far_enough_says_so
    a_revision_of_the_future_is_too_old_a_memory
    a_waiting_follower_is_woken_by_a_change_of_its_own_process
    a_waiting_follower_is_woken_by_a_change_of_another_opening
    changes_from_two_openings_at_once_leave_no_gap
    many_openings_of_a_new_store_at_once_all_succeed
    a_store_given_up_in_the_middle_of_a_change_goes_on
}

async fn a_new_store_holds_the_root_space_the_system_roles_and_the_initial_strategy(backend: Backend) {
    let store = backend.open().await;
    assert_eq!(store.snapshot().await.unwrap(), Snapshot::empty(Strategy::Combined));
    assert_eq!(store.changes_after(Revision(0)).await.unwrap(), Changes::Since(Vec::new()));
}

async fn a_strategy_once_stored_outlives_what_a_later_opening_asks_for(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::SetStrategy(Strategy::LoginPolicies)).await;
    let again = store::open(&backend.url, Strategy::UserManagement, backend.clock.clone()).await.unwrap();
    assert_eq!(again.snapshot().await.unwrap().strategy, Strategy::LoginPolicies);
}

async fn what_was_acknowledged_is_there_after_reopening(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let (key, snapshot) = (found(&store, 1).await, store.snapshot().await.unwrap());
    drop(store);
    let store = backend.open().await;
    assert_eq!(found(&store, 1).await, key);
    assert_eq!(store.snapshot().await.unwrap(), snapshot);
}

async fn every_change_takes_the_next_revision_and_refusals_take_none(backend: Backend) {
    let store = backend.open().await;
    assert_eq!(done(&store, new_space("a", "root")).await.revision, Revision(1));
    refused(&store, new_space("a", "root")).await;
    unknown(&store, new_space("b", "nowhere")).await;
    assert_eq!(done(&store, new_space("b", "a")).await.revision, Revision(2));
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(2));
    // Nothing is different afterwards, but somebody said so.
    assert_eq!(done(&store, Mutation::SetStrategy(Strategy::Combined)).await.revision, Revision(3));
}

async fn a_change_to_one_key_reaches_every_digest_it_has_or_had(backend: Backend) {
    let store = backend.open().await;
    let only = |digests: &[u64]| Reach::Key(key_id(1), digests.iter().map(|number| digest(*number)).collect());
    assert_eq!(done(&store, Mutation::CreateKey(new_key(1, "ci"))).await.reach, only(&[1]));
    for number in [11, 12, 13] {
        done(&store, Mutation::RotateKey { id: key_id(1), digest: digest(number), old_ends_at: backend.now() }).await;
    }
    let everything = only(&[13, 12, 11, 1]);
    assert_eq!(done(&store, regroup(1, &["platform"])).await.reach, everything);
    assert_eq!(done(&store, bind_key(1, 1, "space-reader", "root")).await.reach, everything);
    assert_eq!(done(&store, Mutation::DeleteBinding { id: binding_id(1) }).await.reach, everything);
    assert_eq!(done(&store, Mutation::DisableKey { id: key_id(1) }).await.reach, everything);
    assert_eq!(done(&store, Mutation::EnableKey { id: key_id(1) }).await.reach, everything);
    assert_eq!(done(&store, Mutation::RevokeKey { id: key_id(1) }).await.reach, everything);
}

async fn a_change_to_what_is_shared_reaches_everybody(backend: Backend) {
    let store = backend.open().await;
    let policy = LoginPolicy { name: "p".parse().unwrap(), source: "package spacelift".into(), rego: None };
    for mutation in [
        new_space("a", "root"),
        new_role("r", &["run:read"]),
        Mutation::CreateGroup { name: group("g"), description: String::new() },
        bind_group(1, "g", "r", "a"),
        Mutation::DeleteBinding { id: binding_id(1) },
        Mutation::CreatePolicy(policy),
        Mutation::SetStrategy(Strategy::LoginPolicies),
    ] {
        assert_eq!(done(&store, mutation).await.reach, Reach::All);
    }
}

async fn the_feed_tells_changes_in_order_and_as_they_were_acknowledged(backend: Backend) {
    let store = backend.open().await;
    let mut changes = vec![done(&store, Mutation::CreateKey(new_key(1, "ci"))).await];
    for number in 2..6 {
        // Not a whole number of whatever a backend counts in.
        backend.clock.advance(Duration::from_nanos(1_000_000_007));
        changes.push(done(&store, Mutation::CreateKey(new_key(number, &format!("ci-{number}")))).await);
        changes.push(done(&store, new_space(&format!("s{number}"), "root")).await);
    }
    assert_eq!(store.changes_after(Revision(0)).await.unwrap(), Changes::Since(changes.clone()));
    assert_eq!(store.changes_after(Revision(4)).await.unwrap(), Changes::Since(changes[4..].to_vec()));
    assert_eq!(store.changes_after(Revision(9)).await.unwrap(), Changes::Since(Vec::new()));
}

async fn a_feed_that_no_longer_goes_back_far_enough_says_so(backend: Backend) {
    let store = backend.open().await;
    for _ in 0..10_002 {
        done(&store, Mutation::SetStrategy(Strategy::Combined)).await;
    }
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::TooOld);
    let Changes::Since(changes) = store.changes_after(Revision(2)).await.unwrap() else { panic!("the feed holds the newest 10,000") };
    assert_eq!(changes.len(), 10_000);
    // The audit forgets nothing.
    assert_eq!(store.audit(&AuditQuery { before: Some(AuditId(2)), ..whole() }).await.unwrap().len(), 1);
}

async fn a_revision_of_the_future_is_too_old_a_memory(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("a", "root")).await;
    assert_eq!(store.changes_after(Revision(2)).await.unwrap(), Changes::TooOld);
    assert_eq!(store.changes_after(Revision(u64::MAX - 1)).await.unwrap(), Changes::TooOld);
}

async fn a_waiting_follower_is_woken_by_a_change_of_its_own_process(backend: Backend) {
    let store = backend.open().await;
    let follower = following(backend.open().await, Revision(1));
    done(&store, new_space("a", "root")).await;
    let change = follower.await.unwrap();
    assert_eq!(change.revision, Revision(1));

    let follower = following(store.clone(), Revision(2));
    done(&store, new_space("b", "root")).await;
    assert_eq!(follower.await.unwrap().revision, Revision(2));
}

async fn a_waiting_follower_is_woken_by_a_change_of_another_opening(backend: Backend) {
    let (here, there) = (backend.open().await, backend.open().await);
    for number in 1..5 {
        let follower = following(here.clone(), Revision(number));
        let change = done(&there, new_space(&format!("s{number}"), "root")).await;
        assert_eq!(follower.await.unwrap(), change);
    }
}

/// Reads the feed whenever woken, until it has `wanted`. No timer: a wake-up that never comes hangs the test until the bound.
fn following(store: Arc<dyn Store>, wanted: Revision) -> tokio::task::JoinHandle<Change> {
    tokio::spawn(async move {
        let follow = async {
            loop {
                store.woken().await;
                let Changes::Since(changes) = store.changes_after(Revision(wanted.0 - 1)).await.unwrap() else { panic!("too old") };
                if let Some(change) = changes.into_iter().find(|change| change.revision == wanted) {
                    return change;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), follow).await.expect("the follower was never woken")
    })
}

async fn changes_from_two_openings_at_once_leave_no_gap(backend: Backend) {
    const EACH: u64 = 40;
    let mut writers = Vec::new();
    for writer in 0..4 {
        let store = backend.open().await;
        writers.push(tokio::spawn(async move {
            let mut revisions = Vec::new();
            for number in 0..EACH {
                let number = writer * EACH + number;
                revisions.push(done(&store, Mutation::CreateKey(new_key(number, &format!("ci-{number}")))).await.revision.0);
            }
            revisions
        }));
    }
    let mut revisions = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted());
        revisions.extend(own);
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=4 * EACH).collect::<Vec<_>>());
    let Changes::Since(changes) = backend.open().await.changes_after(Revision(0)).await.unwrap() else { panic!("too old") };
    assert_eq!(changes.iter().map(|change| change.revision.0).collect::<Vec<_>>(), revisions);
}

async fn many_openings_of_a_new_store_at_once_all_succeed(backend: Backend) {
    let backend = Arc::new(backend);
    let openings: Vec<_> = (0..12)
        .map(|number| {
            let backend = backend.clone();
            tokio::spawn(async move {
                let store = backend.open().await;
                done(&store, Mutation::CreateKey(new_key(number, &format!("ci-{number}")))).await;
            })
        })
        .collect();
    for opening in openings {
        opening.await.unwrap();
    }
    assert_eq!(backend.open().await.snapshot().await.unwrap().revision, Revision(12));
}

async fn a_store_given_up_in_the_middle_of_a_change_goes_on(backend: Backend) {
    let store = backend.open().await;
    for number in 0..50 {
        // Polled a few times and dropped, each time at another step.
        let create = Mutation::CreateKey(new_key(number, &format!("ci-{number}")));
        let mut change = store.apply(create, &Cause::SYSTEM, None);
        for _ in 0..number {
            if futures_poll(&mut change).await {
                break;
            }
        }
        drop(change);
    }
    // A commit that was on its way when its caller left still holds the lock, so this one comes after it.
    let last = done(&store, new_space("a", "root")).await.revision;
    let keys = store.keys(&all()).await.unwrap();
    assert!(keys.iter().all(|key| key.secrets.len() == 1), "a key is there with its secret or not at all");
    assert_eq!(last.0, keys.len() as u64 + 1);
    assert_eq!(store.snapshot().await.unwrap().revision, last);
}

/// Polls once, lets others run, and says whether it is finished.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let finished = std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_ready())).await;
    std::thread::yield_now();
    tokio::task::yield_now().await;
    finished
}
