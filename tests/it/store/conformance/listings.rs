//! Pages of keys and bindings, and the audit.

use super::*;

for_every_backend! {
    keys_come_in_pages_by_id_and_can_be_searched
    bindings_come_in_pages_by_id_and_can_be_searched
    the_audit_comes_newest_first_and_can_be_searched
    what_looks_like_a_pattern_is_searched_for_as_it_is
    every_change_is_audited_with_before_and_after
    no_secret_and_no_digest_is_in_the_audit
}

async fn keys_come_in_pages_by_id_and_can_be_searched(backend: Backend) {
    let store = backend.open().await;
    for number in [3, 1, 2, 5, 4] {
        done(&store, Mutation::CreateKey(new_key(number, &format!("ci-{number}")))).await;
    }
    done(&store, Mutation::RevokeKey { id: key_id(4) }).await;
    let page = async |after: Option<u64>, limit, query: Option<&str>| {
        let page = Page { after: after.map(key_id), limit, query: query.map(str::to_owned) };
        store.keys(&page).await.unwrap().into_iter().map(|key| key.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2, None).await, ["ci-1", "ci-2"]);
    assert_eq!(page(Some(2), 10, None).await, ["ci-3", "ci-4", "ci-5"]);
    assert_eq!(page(None, 10, Some("i-3")).await, ["ci-3"]);
    assert_eq!(page(Some(3), 10, Some("i-3")).await, [""; 0]);
    assert_eq!(page(None, 0, None).await, [""; 0]);
    assert_eq!(store.keys(&all()).await.unwrap()[2], found(&store, 3).await);
}

async fn bindings_come_in_pages_by_id_and_can_be_searched(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    done(&store, bind_group(3, "Oncall Team", "space-reader", "root")).await;
    done(&store, bind_group(2, "platform", "space-writer", "production")).await;
    let page = async |after: Option<u64>, limit, query: Option<&str>| {
        let page = Page { after: after.map(binding_id), limit, query: query.map(str::to_owned) };
        store.bindings(&page).await.unwrap().into_iter().map(|binding| binding.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2, None).await, [binding_id(1), binding_id(2)]);
    assert_eq!(page(Some(2), 2, None).await, [binding_id(3)]);
    assert_eq!(page(None, 9, Some("call T")).await, [binding_id(3)]);
    assert_eq!(page(None, 9, Some("product")).await, [binding_id(1), binding_id(2)]);
    assert_eq!(page(None, 9, Some("ci")).await, [binding_id(1)]);
    let first = store.bindings(&all()).await.unwrap().remove(0);
    assert_eq!((first.subject, first.created_at), (Subject::Key(key_id(1)), backend.now()));
}

async fn the_audit_comes_newest_first_and_can_be_searched(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let page = async |after: Option<u64>, limit, query: Option<&str>| {
        let page = Page { after: after.map(Revision), limit, query: query.map(str::to_owned) };
        store.audit(&page).await.unwrap().into_iter().map(|entry| entry.action).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2, None).await, ["binding.create", "key.create"]);
    assert_eq!(page(Some(3), 9, None).await, ["role.create", "space.create"]);
    assert_eq!(page(None, 9, Some("key.")).await, ["key.create"]);
    assert_eq!(page(None, 9, Some("production")).await, ["space.create"]);
}

async fn what_looks_like_a_pattern_is_searched_for_as_it_is(backend: Backend) {
    let store = backend.open().await;
    for (number, called) in [(1, "100%"), (2, "a_b"), (3, "it's"), (4, "plain"), (5, r"back\slash")] {
        done(&store, Mutation::CreateKey(new_key(number, called))).await;
    }
    for (query, expected) in [("%", vec![1]), ("_", vec![2]), ("'", vec![3]), (r"\", vec![5]), ("' OR 1=1 --", vec![]), ("A_B", vec![])] {
        let page = Page { query: Some(query.to_owned()), ..all() };
        let ids: Vec<KeyId> = store.keys(&page).await.unwrap().into_iter().map(|key| key.id).collect();
        assert_eq!(ids, expected.into_iter().map(key_id).collect::<Vec<_>>(), "{query}");
    }
}

async fn every_change_is_audited_with_before_and_after(backend: Backend) {
    let store = backend.open().await;
    let by = Actor::Key(key_id(9));
    let change = store.apply(new_space("a", "root"), &by).await.unwrap();
    let entry = audited(&store).await;
    assert_eq!((entry.revision, entry.at, entry.actor), (change.revision, change.at, by.label()));
    assert_eq!((entry.action.as_str(), entry.resource.as_str(), entry.before), ("space.create", "a", None));
    assert_eq!(entry.after.unwrap()["parent"], "root");

    let labels = Some(vec!["eu".to_owned()]);
    done(&store, Mutation::UpdateSpace { id: space("a"), name: None, description: None, labels, parent: None }).await;
    let entry = audited(&store).await;
    assert_eq!(entry.actor, "operator");
    assert_eq!((&entry.before.unwrap()["labels"], &entry.after.unwrap()["labels"]), (&serde_json::json!([]), &serde_json::json!(["eu"])));

    done(&store, Mutation::DeleteSpace { id: space("a") }).await;
    let entry = audited(&store).await;
    assert_eq!((entry.before.unwrap()["id"].as_str(), entry.after), (Some("a"), None));

    done(&store, Mutation::SetStrategy(Strategy::UserManagement)).await;
    let entry = audited(&store).await;
    assert_eq!((entry.before, entry.after), (Some("combined".into()), Some("user-management".into())));
}

async fn no_secret_and_no_digest_is_in_the_audit(backend: Backend) {
    let store = backend.open().await;
    let first = PlainKey::generate(key_id(1), &[0xab; 32]);
    let second = PlainKey::generate(key_id(1), &[0xcd; 32]);
    done(&store, Mutation::CreateKey(NewKey { digest: KeyDigest::of(&first), ..new_key(1, "ci") })).await;
    done(&store, Mutation::RotateKey { id: key_id(1), digest: KeyDigest::of(&second), old_ends_at: backend.now() }).await;
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    let audit = serde_json::to_string(&store.audit(&all()).await.unwrap()).unwrap().to_lowercase();
    for plain in [&first, &second] {
        let text = plain.reveal().to_lowercase();
        let (_, secret) = text.rsplit_once('_').unwrap();
        assert!(!audit.contains(secret));
        let start = u64::from_be_bytes(KeyDigest::of(plain).as_bytes()[..8].try_into().unwrap());
        assert!(!audit.contains(&format!("{start:016x}")));
    }
    assert!(!audit.contains("digest"));
}
