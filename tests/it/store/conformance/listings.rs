//! Pages of keys and bindings.

use super::*;

for_every_backend! {
    keys_come_in_pages_by_id_and_can_be_searched
    bindings_come_in_pages_by_id_and_can_be_searched
    members_of_a_group_are_told_page_by_page
    names_of_keys_are_told_if_they_are_few
    what_looks_like_a_pattern_is_searched_for_as_it_is
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
    for binding in store.bindings(&all()).await.unwrap() {
        assert_eq!(binding.created_at, backend.now());
        assert_eq!(store.binding(binding.id).await.unwrap(), Some(binding));
    }
    assert_eq!(store.binding(binding_id(4)).await.unwrap(), None);
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

async fn members_of_a_group_are_told_page_by_page(backend: Backend) {
    let store = backend.open().await;
    for (number, groups) in [(1, vec!["ops"]), (2, vec!["dev"]), (3, vec!["dev", "ops"]), (4, vec!["Ops"]), (5, vec!["ops"])] {
        let groups = groups.into_iter().map(group).collect();
        done(&store, Mutation::CreateKey(NewKey { groups, ..new_key(number, &format!("ci-{number}")) })).await;
    }
    done(&store, Mutation::RevokeKey { id: key_id(5) }).await;
    let members = async |after: Option<u64>, limit| {
        let page = store.members(&group("ops"), after.map(key_id), limit).await.unwrap();
        page.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(members(None, 2).await, [key_id(1), key_id(3)]);
    assert_eq!(members(Some(1), 2).await, [key_id(3)]);
    assert_eq!(members(Some(3), 2).await, []);
    assert_eq!(store.members(&group("nobody"), None, 2).await.unwrap(), []);
}

async fn names_of_keys_are_told_if_they_are_few(backend: Backend) {
    let store = backend.open().await;
    for number in 1..4 {
        done(&store, Mutation::CreateKey(new_key(number, &format!("ci-{number}")))).await;
    }
    done(&store, Mutation::RevokeKey { id: key_id(2) }).await;
    let mut names = store.key_names(3).await.unwrap().unwrap();
    names.sort();
    assert_eq!(names, ["ci-1", "ci-3"]);
    assert_eq!(store.key_names(2).await.unwrap(), None);
}
