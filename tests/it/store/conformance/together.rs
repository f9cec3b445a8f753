//! Several changes in one transaction.

use super::*;

for_every_backend! {
    changes_that_are_made_together_are_each_a_change_like_any_other
    one_that_is_refused_undoes_all_and_says_which_it_was
    a_root_admin_is_asked_for_once_all_are_made
    a_condition_holds_before_the_first_is_made
    nothing_at_all_is_no_change
}

async fn together(store: &Arc<dyn Store>, mutations: Vec<Mutation>) -> Result<Vec<u64>, BatchError> {
    together_if(store, mutations, None).await
}

async fn together_if(store: &Arc<dyn Store>, mutations: Vec<Mutation>, only_if: Option<Precondition>) -> Result<Vec<u64>, BatchError> {
    let changes = store.apply_all(mutations, &Cause::SYSTEM, only_if).await?;
    Ok(changes.iter().map(|change| change.revision.0).collect())
}

async fn changes_that_are_made_together_are_each_a_change_like_any_other(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("staging", "root")).await;
    let mutations = vec![
        new_space("production", "root"),
        new_role("deployer", &["run:trigger"]),
        Mutation::CreateKey(new_key(1, "ci")),
        bind_key(1, 1, "deployer", "production"),
        Mutation::DeleteSpace { id: space("staging") },
    ];
    let changes = store.apply_all(mutations.clone(), &Cause::SYSTEM, None).await.unwrap();

    assert_eq!(changes.iter().map(|change| change.revision.0).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(changes[3].reach, Reach::Key(key_id(1), vec![digest(1)]));
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(changes));
    let told = store.audit(&AuditQuery { changed_after: Some(Revision(1)), ..whole() }).await.unwrap();
    let told: Vec<(u64, String)> = told.into_iter().rev().map(|entry| (entry.revision.unwrap().0, entry.action)).collect();
    let expected: Vec<(u64, String)> = (2..).zip(mutations.iter().map(|mutation| mutation.action().to_owned())).collect();
    assert_eq!(told, expected);
    assert_eq!(store.revision_of(&Resource::Key(key_id(1))).await.unwrap(), Some(Revision(5)));
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(6));
}

async fn one_that_is_refused_undoes_all_and_says_which_it_was(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let before = (store.snapshot().await.unwrap(), found(&store, 1).await, store.audit(&whole()).await.unwrap());
    let absent = StoreError::NotFound(Resource::Space(space("nowhere")));
    let pasted = PlainKey::generate(key_id(7), &[7; 32]).reveal().to_owned();
    let told = Mutation::UpdateGroup { name: group("platform"), description: pasted };
    for (last, error) in [
        (bind_key(2, 1, "deployer", "nowhere"), absent),
        (new_space("production", "root"), Conflict::Exists(Resource::Space(space("production"))).into()),
        (told, Conflict::KeyTextIn("a description").into()),
    ] {
        let mutations = vec![new_space("eu", "production"), Mutation::DisableKey { id: key_id(1) }, last];
        assert_eq!(together(&store, mutations).await, Err(BatchError { index: Some(2), error }));
        let after = (store.snapshot().await.unwrap(), found(&store, 1).await, store.audit(&whole()).await.unwrap());
        assert_eq!(after, before);
    }
    // No revision has been lost to what was refused.
    assert_eq!(together(&store, vec![new_space("eu", "production")]).await, Ok(vec![before.0.revision.0 + 1]));
}

async fn a_root_admin_is_asked_for_once_all_are_made(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::Bootstrap(new_key(1, "root-admin"))).await;
    let handed_over =
        vec![Mutation::RevokeKey { id: key_id(1) }, Mutation::CreateKey(new_key(2, "root-admin")), bind_key(2, 2, "space-admin", "root")];
    assert_eq!(together(&store, handed_over).await, Ok(vec![2, 3, 4]));

    let locked_out = vec![Mutation::EnableKey { id: key_id(2) }, Mutation::DisableKey { id: key_id(2) }, new_space("a", "root")];
    let error = StoreError::Conflict(Conflict::LastRootAdmin);
    assert_eq!(together(&store, locked_out).await, Err(BatchError { index: None, error }));
    let back_again = vec![Mutation::DisableKey { id: key_id(2) }, Mutation::EnableKey { id: key_id(2) }];
    assert_eq!(together(&store, back_again).await, Ok(vec![5, 6]));
}

async fn a_condition_holds_before_the_first_is_made(backend: Backend) {
    let (here, there) = (backend.open().await, backend.open().await);
    done(&here, new_space("a", "root")).await;
    done(&here, new_space("b", "root")).await;
    let at = |revision| Some(Precondition::StoreAt(Revision(revision)));
    let moves = || vec![move_space("a", "b"), new_space("c", "a")];
    let changed = StoreError::Precondition(Unmet::StoreChanged { wanted: Revision(1), at: Revision(2) });
    assert_eq!(together_if(&here, moves(), at(1)).await, Err(BatchError { index: None, error: changed }));
    assert_eq!(together_if(&here, moves(), at(2)).await, Ok(vec![3, 4]));

    // Of resources, each is looked at as it was.
    let twice = || vec![move_space("a", "root"), move_space("a", "b")];
    assert_eq!(together_if(&here, twice(), Some(Precondition::ResourceAt(Revision(3)))).await, Ok(vec![5, 6]));
    let changed = StoreError::Precondition(Unmet::Absent(Resource::Space(space("nowhere"))));
    let absent = vec![move_space("a", "root"), move_space("nowhere", "b")];
    let refused = together_if(&here, absent, Some(Precondition::ResourceAt(Revision(6)))).await;
    assert_eq!(refused, Err(BatchError { index: Some(1), error: changed }));
    let (one, other) = tokio::join!(together_if(&here, twice(), at(6)), together_if(&there, twice(), at(6)));
    assert!(one.is_ok() ^ other.is_ok(), "{one:?} {other:?}");
}

async fn nothing_at_all_is_no_change(backend: Backend) {
    let store = backend.open().await;
    assert_eq!(together(&store, Vec::new()).await, Ok(Vec::new()));
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(0));
}
