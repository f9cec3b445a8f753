//! Nobody locks everybody out.

use super::*;

for_every_backend! {
    the_first_key_is_made_once_and_is_a_root_admin
    a_first_key_that_lists_its_root_admin_binding_gets_no_second_one
    the_last_working_root_admin_stays
    the_last_root_admin_by_group_stays
    a_root_admin_who_expires_is_not_one_to_rely_on
    two_openings_cannot_take_away_the_last_two_root_admins
}

async fn the_first_key_is_made_once_and_is_a_root_admin(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::Bootstrap(new_key(1, "root-admin"))).await;
    let key = found(&store, 1).await;
    assert!(store.snapshot().await.unwrap().is_root_admin_directly(&key));
    assert_eq!(refused(&store, Mutation::Bootstrap(new_key(2, "another"))).await, Conflict::NotTheFirstKey);
    assert_eq!(store.find_key(&digest(2)).await.unwrap(), None);
}

async fn a_first_key_that_lists_its_root_admin_binding_gets_no_second_one(backend: Backend) {
    let store = backend.open().await;
    let bindings = vec![(binding_id(1), admin(), SpaceId::root())];
    done(&store, Mutation::Bootstrap(NewKey { bindings, ..new_key(1, "root-admin") })).await;
    let key = found(&store, 1).await;
    assert_eq!(key.bindings.iter().map(|binding| binding.id).collect::<Vec<_>>(), [binding_id(1)]);
}

async fn the_last_working_root_admin_stays(backend: Backend) {
    let store = backend.open().await;
    let bindings = vec![(binding_id(1), admin(), SpaceId::root())];
    done(&store, Mutation::Bootstrap(NewKey { bindings, ..new_key(1, "root-admin") })).await;
    done(&store, Mutation::CreateKey(new_key(2, "other"))).await;
    done(&store, bind_key(2, 2, "space-admin", "root")).await;
    done(&store, Mutation::DisableKey { id: key_id(2) }).await;

    let revision = store.snapshot().await.unwrap().revision;
    let far = Expiry::At(later(backend.now(), Duration::from_secs(1 << 30)));
    let lockouts = || {
        let id = key_id(1);
        let unbind = Mutation::DeleteBinding { id: binding_id(1) };
        [Mutation::RevokeKey { id }, Mutation::DisableKey { id }, expire(1, far), unbind]
    };
    for mutation in lockouts() {
        assert_eq!(refused(&store, mutation).await, Conflict::LastRootAdmin);
    }
    assert_eq!(store.snapshot().await.unwrap().revision, revision);

    done(&store, Mutation::EnableKey { id: key_id(2) }).await;
    let [revoke, ..] = lockouts();
    done(&store, revoke).await;
    refused(&store, Mutation::DisableKey { id: key_id(2) }).await;
}

async fn the_last_root_admin_by_group_stays(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(NewKey { groups: vec![group("admins")], ..new_key(1, "by-group") })).await;
    done(&store, bind_group(1, "admins", "space-admin", "root")).await;
    refused(&store, Mutation::DeleteBinding { id: binding_id(1) }).await;
    refused(&store, regroup(1, &["others"])).await;
    refused(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    done(&store, Mutation::CreateKey(NewKey { groups: vec![group("admins")], ..new_key(2, "second") })).await;
    done(&store, regroup(1, &["others"])).await;
    refused(&store, regroup(2, &[])).await;
}

async fn a_root_admin_who_expires_is_not_one_to_rely_on(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::Bootstrap(new_key(1, "root-admin"))).await;
    let end = later(backend.now(), Duration::from_hours(1));
    done(&store, Mutation::CreateKey(NewKey { expires_at: Some(end), ..new_key(2, "for-an-hour") })).await;
    done(&store, bind_key(2, 2, "space-admin", "root")).await;
    refused(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    done(&store, expire(2, Expiry::Never)).await;
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
}

async fn two_openings_cannot_take_away_the_last_two_root_admins(backend: Backend) {
    let (here, there) = (backend.open().await, backend.open().await);
    done(&here, Mutation::Bootstrap(new_key(1, "first"))).await;
    for round in 1..8 {
        done(&here, Mutation::CreateKey(new_key(round + 1, "second"))).await;
        done(&here, bind_key(round + 1, round + 1, "space-admin", "root")).await;
        let (one, other) = tokio::join!(
            here.apply(Mutation::RevokeKey { id: key_id(round) }, &Cause::SYSTEM, None),
            there.apply(Mutation::DisableKey { id: key_id(round + 1) }, &Cause::SYSTEM, None),
        );
        assert!(one.is_ok() ^ other.is_ok(), "{one:?} {other:?}");
        // On to the next round with the second as the only one, whoever was faster.
        done(&here, Mutation::EnableKey { id: key_id(round + 1) }).await;
        if one.is_err() {
            done(&here, Mutation::RevokeKey { id: key_id(round) }).await;
        }
        done(&here, rename_key(round + 1, "first")).await;
    }
}
