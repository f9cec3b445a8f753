//! What is declared in files is remembered as long as it is there, and no longer.

use super::*;

for_every_backend! {
    what_is_declared_is_remembered_in_the_transaction_of_its_changes
    what_must_never_be_taken_away_is_never_managed
    what_is_gone_is_forgotten_and_what_is_made_later_under_its_name_is_not_managed
    a_rehearsal_says_what_a_change_would_and_leaves_nothing
}

async fn declare(store: &Arc<dyn Store>, mutations: Vec<Mutation>, declared: &[Resource]) -> Result<usize, BatchError> {
    store.apply_declared(mutations, declared, &Cause::SYSTEM, None).await.map(|changes| changes.len())
}

async fn managed(store: &Arc<dyn Store>) -> Vec<Resource> {
    store.managed().await.unwrap().into_iter().collect()
}

fn everything() -> Vec<Resource> {
    vec![
        Resource::Key(key_id(1)),
        Resource::Space(space("production")),
        Resource::Role(role("deployer")),
        Resource::Group(group("platform")),
        Resource::Binding(binding_id(1)),
    ]
}

async fn what_is_declared_is_remembered_in_the_transaction_of_its_changes(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    assert_eq!(managed(&store).await, []);
    let before = store.snapshot().await.unwrap();

    assert_eq!(declare(&store, Vec::new(), &everything()).await, Ok(0));
    assert_eq!(managed(&backend.open().await).await, everything());
    assert_eq!(store.snapshot().await.unwrap(), before);

    let refused = vec![new_space("eu", "production"), new_space("eu", "production")];
    declare(&store, refused, &[Resource::Space(space("eu"))]).await.unwrap_err();
    assert_eq!(managed(&store).await, everything());
    let late = Some(Precondition::StoreAt(Revision(1)));
    store.apply_declared(Vec::new(), &everything(), &Cause::SYSTEM, late).await.unwrap_err();

    let made = Resource::Space(space("eu"));
    assert_eq!(declare(&store, vec![new_space("eu", "production")], std::slice::from_ref(&made)).await, Ok(1));
    assert!(managed(&store).await.contains(&made));
}

async fn what_must_never_be_taken_away_is_never_managed(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::Bootstrap(NewKey { bindings: vec![(binding_id(1), admin(), SpaceId::root())], ..new_key(1, "first") })).await;
    let never = [
        Resource::Key(key_id(1)),
        Resource::Binding(binding_id(1)),
        Resource::Space(SpaceId::root()),
        Resource::Role(admin()),
        Resource::Strategy,
        // Not there.
        Resource::Key(key_id(2)),
        Resource::Space(space("nowhere")),
        Resource::Binding(binding_id(2)),
        Resource::Policy("none".parse().unwrap()),
    ];
    assert_eq!(declare(&store, Vec::new(), &never).await, Ok(0));
    assert_eq!(managed(&store).await, []);
}

async fn what_is_gone_is_forgotten_and_what_is_made_later_under_its_name_is_not_managed(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    declare(&store, Vec::new(), &everything()).await.unwrap();
    // Its binding goes with it.
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    assert!(!managed(&store).await.iter().any(|resource| matches!(resource, Resource::Key(_) | Resource::Binding(_))));
    for gone in [
        Mutation::DeleteSpace { id: space("production") },
        Mutation::DeleteRole { id: role("deployer") },
        Mutation::DeleteGroup { name: group("platform") },
    ] {
        done(&store, gone).await;
    }
    assert_eq!(managed(&store).await, []);
    done(&store, new_space("production", "root")).await;
    assert_eq!(managed(&store).await, []);
}

async fn a_rehearsal_says_what_a_change_would_and_leaves_nothing(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let before = (store.snapshot().await.unwrap(), found(&store, 1).await, store.audit(&whole()).await.unwrap());
    let at = Some(Precondition::StoreAt(before.0.revision));
    let mutations = || vec![new_space("eu", "production"), Mutation::DisableKey { id: key_id(1) }];

    assert_eq!(store.rehearse(mutations(), at).await, Ok(()));
    let used = Mutation::DeleteSpace { id: space("production") };
    let refused = store.rehearse(vec![new_space("us", "root"), used], None).await.unwrap_err();
    assert!(matches!(refused, BatchError { index: Some(1), error: StoreError::Conflict(Conflict::SpaceInUse { .. }) }), "{refused:?}");

    let after = (store.snapshot().await.unwrap(), found(&store, 1).await, store.audit(&whole()).await.unwrap());
    assert_eq!(after, before);
    store.apply_all(mutations(), &Cause::SYSTEM, at).await.unwrap();
    assert!(store.rehearse(mutations(), at).await.is_err());
}
