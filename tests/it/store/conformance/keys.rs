//! Keys and their secrets.

use super::*;

for_every_backend! {
    a_key_is_found_by_its_digest_with_its_groups_and_bindings
    a_digest_that_no_key_has_finds_nothing
    a_key_can_be_asked_for_by_id_and_by_name
    names_are_unique_among_keys_that_are_not_revoked
    a_name_that_could_be_taken_for_something_else_is_refused
    ids_and_secrets_are_never_taken_twice
    a_key_that_is_not_there_cannot_be_changed
    an_update_changes_what_it_names_and_nothing_else
    a_disabled_key_keeps_the_time_when_it_was_disabled_and_can_be_enabled
    a_revoked_key_cannot_be_changed
    a_revoked_key_loses_its_bindings_and_the_audit_keeps_them
    a_rotated_key_has_two_secrets_until_the_grace_is_over
    rotating_again_ends_the_oldest_secret_at_once
    use_is_noted_to_the_minute_and_never_backwards
    use_is_not_a_change
}

async fn a_key_is_found_by_its_digest_with_its_groups_and_bindings(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let key = found(&store, 1).await;
    assert_eq!(key.name, name("ci"));
    assert_eq!(key.groups, [group("platform")]);
    assert_eq!(key.created_at, backend.now());
    assert_eq!(key.state_at(backend.now()), KeyState::Active);
    assert_eq!(key.secrets.len(), 1);
    assert_eq!(key.secrets[0].digest, digest(1));
    assert_eq!(key.bindings.len(), 1);
    assert_eq!((&key.bindings[0].role, &key.bindings[0].space), (&role("deployer"), &space("production")));
}

async fn a_digest_that_no_key_has_finds_nothing(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    assert_eq!(store.find_key(&digest(2)).await.unwrap(), None);
}

async fn a_key_can_be_asked_for_by_id_and_by_name(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let key = found(&store, 1).await;
    assert_eq!(store.key(key.id).await.unwrap(), Some(key.clone()));
    assert_eq!(store.key_named(&key.name).await.unwrap(), Some(key.clone()));
    assert_eq!(store.key(key_id(2)).await.unwrap(), None);
    assert_eq!(store.key_named(&name("cd")).await.unwrap(), None);
    done(&store, Mutation::RevokeKey { id: key.id }).await;
    assert_eq!(store.key_named(&key.name).await.unwrap(), None);
}

async fn names_are_unique_among_keys_that_are_not_revoked(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    done(&store, Mutation::CreateKey(new_key(2, "cd"))).await;
    let taken = Conflict::NameTaken { name: name("ci"), by: key_id(1) };
    assert_eq!(refused(&store, Mutation::CreateKey(new_key(3, "ci"))).await, taken);
    assert_eq!(refused(&store, rename_key(2, "ci")).await, taken);
    done(&store, rename_key(2, "cd")).await;
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    done(&store, Mutation::CreateKey(new_key(3, "ci"))).await;
}

async fn a_name_that_could_be_taken_for_something_else_is_refused(backend: Backend) {
    let store = backend.open().await;
    let id = key_id(7).to_string();
    for (called, likeness) in [("clv_x", Likeness::KeyText), ("API::x", Likeness::Actor), (id.as_str(), Likeness::Id)] {
        assert_eq!(refused(&store, Mutation::CreateKey(new_key(1, called))).await, Conflict::NameReserved(likeness));
    }
}

async fn ids_and_secrets_are_never_taken_twice(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    done(&store, Mutation::RotateKey { id: key_id(1), digest: digest(2), old_ends_at: backend.now() }).await;
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    let same_id = refused(&store, Mutation::CreateKey(NewKey { digest: digest(3), ..new_key(1, "again") })).await;
    assert_eq!(same_id, Conflict::Exists(Resource::Key(key_id(1))));
    for taken in [1, 2] {
        let import = Mutation::ImportKey(NewKey { digest: digest(taken), ..new_key(3, "again") });
        assert_eq!(refused(&store, import).await, Conflict::SecretTaken);
    }
    done(&store, Mutation::ImportKey(new_key(3, "again"))).await;
    let rotate = Mutation::RotateKey { id: key_id(3), digest: digest(3), old_ends_at: backend.now() };
    assert_eq!(refused(&store, rotate).await, Conflict::SecretTaken);
}

async fn a_key_that_is_not_there_cannot_be_changed(backend: Backend) {
    let store = backend.open().await;
    let id = key_id(1);
    for mutation in [
        rename_key(1, "ci"),
        Mutation::RotateKey { id, digest: digest(1), old_ends_at: backend.now() },
        Mutation::DisableKey { id },
        Mutation::EnableKey { id },
        Mutation::RevokeKey { id },
    ] {
        assert_eq!(unknown(&store, mutation).await, Resource::Key(id));
    }
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(0));
}

async fn an_update_changes_what_it_names_and_nothing_else(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let before = found(&store, 1).await;
    let end = later(backend.now(), Duration::from_hours(1));

    done(&store, rename_key(1, "ci-2")).await;
    assert_eq!(found(&store, 1).await, KeyRecord { name: name("ci-2"), ..before.clone() });
    done(&store, regroup(1, &["b", "a", "b"])).await;
    done(&store, expire(1, Expiry::At(end))).await;
    let expected = KeyRecord { name: name("ci-2"), groups: vec![group("a"), group("b")], expires_at: Some(end), ..before.clone() };
    assert_eq!(found(&store, 1).await, expected);
    done(&store, expire(1, Expiry::Never)).await;
    assert_eq!(found(&store, 1).await, KeyRecord { expires_at: None, ..expected });
}

async fn a_disabled_key_keeps_the_time_when_it_was_disabled_and_can_be_enabled(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    let at = backend.now();
    done(&store, Mutation::DisableKey { id: key_id(1) }).await;
    backend.clock.advance(Duration::from_secs(5));
    done(&store, Mutation::DisableKey { id: key_id(1) }).await;
    assert_eq!(found(&store, 1).await.disabled_at, Some(at));
    done(&store, Mutation::EnableKey { id: key_id(1) }).await;
    assert_eq!(found(&store, 1).await.state_at(backend.now()), KeyState::Active);
}

async fn a_revoked_key_cannot_be_changed(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let id = key_id(1);
    done(&store, Mutation::RevokeKey { id }).await;
    let revoked = found(&store, 1).await;
    assert_eq!(revoked.revoked_at, Some(backend.now()));
    for mutation in [
        rename_key(1, "x"),
        regroup(1, &[]),
        expire(1, Expiry::Never),
        Mutation::RotateKey { id, digest: digest(9), old_ends_at: backend.now() },
        Mutation::DisableKey { id },
        Mutation::EnableKey { id },
        Mutation::RevokeKey { id },
        bind_key(7, 1, "space-reader", "root"),
    ] {
        assert_eq!(refused(&store, mutation).await, Conflict::KeyRevoked(id));
    }
    assert_eq!(found(&store, 1).await, revoked);
}

async fn a_revoked_key_loses_its_bindings_and_the_audit_keeps_them(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    assert_eq!(found(&store, 1).await.bindings, []);
    let entry = audited(&store).await;
    assert_eq!(entry.before.unwrap()["bindings"][0]["role"], "deployer");
    assert_eq!(entry.after.unwrap()["bindings"], serde_json::json!([]));
    done(&store, Mutation::DeleteRole { id: role("deployer") }).await;
    done(&store, Mutation::DeleteSpace { id: space("production") }).await;
}

async fn a_rotated_key_has_two_secrets_until_the_grace_is_over(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    backend.clock.advance(Duration::from_mins(1));
    let grace = later(backend.now(), Duration::from_mins(10));
    done(&store, Mutation::RotateKey { id: key_id(1), digest: digest(2), old_ends_at: grace }).await;

    let key = found(&store, 1).await;
    assert_eq!(found(&store, 2).await, key);
    let [current, old] = &key.secrets[..] else { panic!("two secrets were expected, not {:?}", key.secrets) };
    assert_eq!((current.digest, current.ends_at, current.created_at), (digest(2), None, backend.now()));
    assert_eq!((old.digest, old.ends_at), (digest(1), Some(grace)));
    assert!(!old.ended_at(backend.now()));

    backend.clock.advance(Duration::from_mins(10));
    let key = found(&store, 1).await;
    assert!(key.secret(&digest(1)).unwrap().ended_at(backend.now()));
}

async fn rotating_again_ends_the_oldest_secret_at_once(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    let grace = later(backend.now(), Duration::from_mins(10));
    for number in [2, 3] {
        backend.clock.advance(Duration::from_secs(1));
        done(&store, Mutation::RotateKey { id: key_id(1), digest: digest(number), old_ends_at: grace }).await;
    }
    let key = found(&store, 3).await;
    assert_eq!(key.secrets.iter().map(|secret| secret.digest).collect::<Vec<_>>(), [digest(3), digest(2)]);
    // The oldest still leads to its key, but is not among the secrets that could work.
    assert_eq!(found(&store, 1).await, key);
    assert_eq!(key.secret(&digest(1)), None);
}

async fn use_is_noted_to_the_minute_and_never_backwards(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let last = async || found(&store, 1).await.secrets[0].last_used_at;
    assert_eq!(last().await, None);
    store.record_use(&[]).await.unwrap();
    let uses =
        [(digest(1), time("2026-03-04T10:20:59.9Z")), (digest(1), time("2026-03-04T10:19:01Z")), (digest(5), time("2026-03-04T10:20:00Z"))];
    store.record_use(&uses).await.unwrap();
    assert_eq!(last().await, Some(time("2026-03-04T10:20:00Z")));
    store.record_use(&[(digest(1), time("2026-03-04T09:00:00Z"))]).await.unwrap();
    assert_eq!(last().await, Some(time("2026-03-04T10:20:00Z")));
    store.record_use(&[(digest(1), time("2026-03-04T10:21:00Z"))]).await.unwrap();
    assert_eq!(last().await, Some(time("2026-03-04T10:21:00Z")));
}

async fn use_is_not_a_change(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    store.record_use(&[(digest(1), backend.now())]).await.unwrap();
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(1));
    assert_eq!(store.audit(&whole()).await.unwrap().len(), 1);
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()));
}
