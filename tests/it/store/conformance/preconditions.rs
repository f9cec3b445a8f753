//! Changes that are made only if nobody has been faster.

use super::*;

for_every_backend! {
    each_thing_says_which_revision_has_last_changed_it
    a_key_has_changed_when_anything_of_it_has
    a_change_is_made_only_to_what_the_caller_has_seen
    of_two_who_have_seen_the_same_one_is_refused
    a_plan_is_carried_out_only_on_the_store_that_it_was_made_for
}

async fn apply(store: &Arc<dyn Store>, mutation: Mutation, only_if: Precondition) -> Result<Revision, StoreError> {
    store.apply(mutation, &Cause::SYSTEM, Some(only_if)).await.map(|change| change.revision)
}

async fn each_thing_says_which_revision_has_last_changed_it(backend: Backend) {
    let store = backend.open().await;
    let of = async |resource: Resource| store.revision_of(&resource).await.unwrap().map(|revision| revision.0);
    assert_eq!(of(Resource::Space(SpaceId::root())).await, Some(0));
    assert_eq!(of(Resource::Strategy).await, Some(0));

    with_a_bound_key(&store).await;
    done(&store, bind_group(2, "on-call", "deployer", "production")).await;
    let policy = LoginPolicy { name: "window".parse().unwrap(), source: "package spacelift".into(), rego: None };
    done(&store, Mutation::CreatePolicy(policy)).await;
    done(&store, Mutation::SetStrategy(Strategy::UserManagement)).await;
    let deployer = Mutation::UpdateRole { id: role("deployer"), name: None, description: None, actions: None };
    done(&store, deployer).await;
    for (resource, revision) in [
        (Resource::Space(space("production")), 1),
        (Resource::Role(role("deployer")), 8),
        (Resource::Key(key_id(1)), 4),
        (Resource::Group(group("platform")), 3),
        (Resource::Group(group("on-call")), 5),
        (Resource::Binding(binding_id(1)), 4),
        (Resource::Binding(binding_id(2)), 5),
        (Resource::Policy("window".parse().unwrap()), 6),
        (Resource::Strategy, 7),
    ] {
        assert_eq!(of(resource.clone()).await, Some(revision), "{resource}");
    }
    for absent in [Resource::Key(key_id(2)), Resource::Space(space("nowhere")), Resource::Binding(binding_id(3))] {
        assert_eq!(of(absent).await, None);
    }
}

async fn a_key_has_changed_when_anything_of_it_has(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let of_key = async || store.revision_of(&Resource::Key(key_id(1))).await.unwrap().unwrap();
    for mutation in [
        bind_key(2, 1, "space-reader", "root"),
        Mutation::DeleteBinding { id: binding_id(2) },
        Mutation::RotateKey { id: key_id(1), digest: digest(2), old_ends_at: backend.now() },
        regroup(1, &["g"]),
        Mutation::DisableKey { id: key_id(1) },
        Mutation::RevokeKey { id: key_id(1) },
        // A revoked key is a member of it, and the last that is.
        Mutation::DeleteGroup { name: group("g") },
    ] {
        let change = done(&store, mutation).await;
        assert_eq!(of_key().await, change.revision);
    }
    let before = of_key().await;
    store.record_use(&[(digest(1), backend.now())]).await.unwrap();
    done(&store, bind_group(3, "platform", "space-reader", "root")).await;
    assert_eq!(of_key().await, before);
}

async fn a_change_is_made_only_to_what_the_caller_has_seen(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("a", "root")).await;
    done(&store, new_space("b", "root")).await;
    let (seen, resource) = (Revision(1), Resource::Space(space("a")));
    assert_eq!(apply(&store, move_space("a", "b"), Precondition::ResourceAt(seen)).await, Ok(Revision(3)));

    let late = apply(&store, move_space("a", "root"), Precondition::ResourceAt(seen)).await;
    let changed = Unmet::Changed { resource: resource.clone(), wanted: seen, at: Revision(3) };
    assert_eq!(late, Err(StoreError::Precondition(changed)));
    // Neither is it taken for one to come.
    assert!(apply(&store, move_space("a", "root"), Precondition::ResourceAt(Revision(4))).await.is_err());

    assert_eq!(apply(&store, Mutation::DeleteSpace { id: space("a") }, Precondition::ResourceAt(Revision(3))).await, Ok(Revision(4)));
    let gone = apply(&store, Mutation::DeleteSpace { id: space("a") }, Precondition::ResourceAt(Revision(4))).await;
    assert_eq!(gone, Err(StoreError::Precondition(Unmet::Absent(resource))));
    // Nothing of what was refused is left behind.
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(4));
    assert_eq!(done(&store, new_space("c", "root")).await.revision, Revision(5));
}

async fn of_two_who_have_seen_the_same_one_is_refused(backend: Backend) {
    let (here, there) = (backend.open().await, backend.open().await);
    done(&here, Mutation::CreateKey(new_key(1, "ci"))).await;
    for _ in 0..8 {
        let seen = here.revision_of(&Resource::Key(key_id(1))).await.unwrap().unwrap();
        let (one, other) = tokio::join!(
            apply(&here, regroup(1, &["one"]), Precondition::ResourceAt(seen)),
            apply(&there, regroup(1, &["other"]), Precondition::ResourceAt(seen)),
        );
        assert!(one.is_ok() ^ other.is_ok(), "{one:?} {other:?}");
        let groups = found(&here, 1).await.groups;
        assert_eq!(groups, [group(if one.is_ok() { "one" } else { "other" })]);
    }
}

async fn a_plan_is_carried_out_only_on_the_store_that_it_was_made_for(backend: Backend) {
    let store = backend.open().await;
    assert_eq!(apply(&store, new_space("a", "root"), Precondition::StoreAt(Revision(0))).await, Ok(Revision(1)));
    let late = apply(&store, new_space("b", "root"), Precondition::StoreAt(Revision(0))).await;
    assert_eq!(late, Err(StoreError::Precondition(Unmet::StoreChanged { wanted: Revision(0), at: Revision(1) })));
    assert_eq!(apply(&store, new_space("b", "root"), Precondition::StoreAt(Revision(1))).await, Ok(Revision(2)));
}
