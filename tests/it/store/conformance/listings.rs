//! Pages of keys and bindings.

use std::collections::BTreeSet;

use claviger::model::KeyState;
use claviger::store::{BindingFilter, KeyFilter, NeverUsed, StateWanted};

use super::*;

for_every_backend! {
    keys_come_in_pages_by_id_and_can_be_searched
    bindings_come_in_pages_by_id_and_can_be_searched
    members_of_a_group_are_told_page_by_page
    names_of_keys_are_told_if_they_are_few
    what_looks_like_a_pattern_is_searched_for_as_it_is
    keys_and_bindings_are_found_by_what_they_belong_to
    keys_are_found_by_their_state_at_a_time
    keys_that_end_soon_and_keys_that_were_never_used_are_found
    many_things_are_told_of_at_once
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

async fn keys_and_bindings_are_found_by_what_they_belong_to(backend: Backend) {
    let store = backend.open().await;
    for (number, groups) in [(1, "platform"), (2, "oncall"), (3, "platform")] {
        let key = NewKey { groups: vec![groups.parse().unwrap()], ..new_key(number, &format!("ci-{number}")) };
        done(&store, Mutation::CreateKey(key)).await;
    }
    done(&store, bind_key(1, 1, "space-reader", "root")).await;
    done(&store, bind_key(2, 3, "space-writer", "root")).await;
    done(&store, bind_group(3, "platform", "space-reader", "root")).await;
    done(&store, Mutation::RevokeKey { id: key_id(3) }).await;

    let keys = async |wanted: KeyFilter| {
        let part = store.keys_where(&wanted).await.unwrap();
        (part.items.into_iter().map(|key| key.id).collect::<Vec<_>>(), part.looked_to)
    };
    let all = KeyFilter { limit: 10, ..KeyFilter::default() };
    let of_platform = KeyFilter { group: Some("platform".parse().unwrap()), ..all.clone() };
    assert_eq!(keys(all.clone()).await, (vec![key_id(1), key_id(2), key_id(3)], None));
    assert_eq!(keys(KeyFilter { limit: 2, ..all.clone() }).await, (vec![key_id(1), key_id(2)], Some(key_id(2))));
    assert_eq!(keys(of_platform.clone()).await, (vec![key_id(1), key_id(3)], None));
    assert_eq!(keys(KeyFilter { after: Some(key_id(1)), ..of_platform.clone() }).await, (vec![key_id(3)], None));
    assert_eq!(keys(KeyFilter { query: Some("i-3".to_owned()), ..of_platform }).await, (vec![key_id(3)], None));
    assert_eq!(keys(KeyFilter { query: Some("i-2".to_owned()), ..all }).await, (vec![key_id(2)], None));

    let bindings = async |wanted: BindingFilter| {
        let part = store.bindings_where(&BindingFilter { limit: 10, ..wanted }).await.unwrap();
        assert_eq!(part.looked_to, None);
        part.items.into_iter().map(|binding| binding.id).collect::<Vec<_>>()
    };
    let (reader, root) = (Some("space-reader".parse().unwrap()), Some("root".parse().unwrap()));
    let none = BindingFilter::default;
    assert_eq!(bindings(none()).await, [binding_id(1), binding_id(3)], "a revoked key has none");
    assert_eq!(bindings(BindingFilter { key: Some(key_id(1)), ..none() }).await, [binding_id(1)]);
    assert_eq!(bindings(BindingFilter { key: Some(key_id(2)), ..none() }).await, []);
    assert_eq!(bindings(BindingFilter { group: Some("platform".parse().unwrap()), ..none() }).await, [binding_id(3)]);
    assert_eq!(bindings(BindingFilter { role: reader.clone(), ..none() }).await, [binding_id(1), binding_id(3)]);
    assert_eq!(bindings(BindingFilter { space: root.clone(), after: Some(binding_id(1)), ..none() }).await, [binding_id(3)]);
    assert_eq!(bindings(BindingFilter { role: reader, space: root, ..none() }).await, [binding_id(1), binding_id(3)]);
    assert_eq!(bindings(BindingFilter { query: Some("ci-1".to_owned()), ..none() }).await, [binding_id(1)]);
    let both = BindingFilter { key: Some(key_id(1)), group: Some("platform".parse().unwrap()), ..none() };
    assert_eq!(bindings(both).await, []);
}

/// A key that ends so many hours from now.
fn ending(backend: &Backend, number: u64, hours: u64) -> NewKey {
    let end = later(backend.now(), Duration::from_hours(hours));
    NewKey { expires_at: Some(end), ..new_key(number, &format!("ci-{number}")) }
}

async fn keys_are_found_by_their_state_at_a_time(backend: Backend) {
    let store = backend.open().await;
    for key in [new_key(1, "ci-1"), ending(&backend, 2, 1), new_key(3, "ci-3"), ending(&backend, 4, 1), ending(&backend, 5, 1)] {
        done(&store, Mutation::CreateKey(NewKey { groups: vec![group("ops")], ..key })).await;
    }
    for number in [3, 4] {
        done(&store, Mutation::DisableKey { id: key_id(number) }).await;
    }
    done(&store, Mutation::RevokeKey { id: key_id(5) }).await;
    let (now, end) = (backend.now(), later(backend.now(), Duration::from_hours(1)));
    let in_state = StateWanted::In;
    for (state, now, expected) in [
        (StateWanted::Any, now, vec![1, 2, 3, 4, 5]),
        (StateWanted::NotRevoked, now, vec![1, 2, 3, 4]),
        (in_state(KeyState::Active), now, vec![1, 2]),
        (in_state(KeyState::Disabled), now, vec![3, 4]),
        (in_state(KeyState::Expired), now, vec![]),
        (in_state(KeyState::Revoked), now, vec![5]),
        // It ends with its end, and not after it.
        (in_state(KeyState::Active), end, vec![1]),
        (in_state(KeyState::Disabled), end, vec![3]),
        (in_state(KeyState::Expired), end, vec![2, 4]),
        (in_state(KeyState::Revoked), end, vec![5]),
    ] {
        for group in [None, Some(group("ops"))] {
            for query in [None, Some("ci-".to_owned())] {
                let wanted = KeyFilter { limit: 9, group: group.clone(), query, state, now, ..KeyFilter::default() };
                let part = store.keys_where(&wanted).await.unwrap();
                let found: Vec<KeyId> = part.items.iter().map(|key| key.id).collect();
                let expected: Vec<KeyId> = expected.iter().copied().map(key_id).collect();
                assert_eq!((found, part.looked_to), (expected, None), "{wanted:?}");
            }
        }
    }
}

async fn keys_that_end_soon_and_keys_that_were_never_used_are_found(backend: Backend) {
    let store = backend.open().await;
    let at = |hours| later(backend.now(), Duration::from_hours(hours));
    for key in [
        ending(&backend, 1, 3),
        ending(&backend, 2, 2),
        ending(&backend, 3, 9),
        new_key(4, "ci-4"),
        ending(&backend, 5, 2),
        ending(&backend, 6, 2),
    ] {
        done(&store, Mutation::CreateKey(key)).await;
    }
    done(&store, Mutation::DisableKey { id: key_id(5) }).await;
    done(&store, Mutation::RevokeKey { id: key_id(6) }).await;
    let ids = |keys: Vec<KeyRecord>| keys.into_iter().map(|key| key.id).collect::<Vec<_>>();
    assert_eq!(ids(store.keys_ending(backend.now(), at(4), 9).await.unwrap()), [key_id(2), key_id(1)]);
    assert_eq!(ids(store.keys_ending(backend.now(), at(4), 1).await.unwrap()), [key_id(2)]);
    assert_eq!(ids(store.keys_ending(at(2), at(3), 9).await.unwrap()), []);

    let later = at(1);
    let wanted = NeverUsed { now: later, made_before: later, ends_not_before: at(4), among: 9, limit: 9 };
    let unused = async |wanted: NeverUsed| {
        let part = store.keys_never_used(&wanted).await.unwrap();
        (ids(part.items), part.looked_to)
    };
    assert_eq!(unused(wanted).await, (vec![key_id(3), key_id(4)], None));
    assert_eq!(unused(NeverUsed { made_before: backend.now(), ..wanted }).await, (vec![], None));
    assert_eq!(unused(NeverUsed { among: 3, ..wanted }).await, (vec![key_id(3)], Some(key_id(3))));
    store.record_use(&[(new_key(4, "ci-4").digest, later)]).await.unwrap();
    assert_eq!(unused(wanted).await, (vec![key_id(3)], None));
}

async fn many_things_are_told_of_at_once(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    for (number, groups) in [(2, vec!["ops"]), (3, vec!["gone"])] {
        let groups = groups.into_iter().map(group).collect();
        done(&store, Mutation::CreateKey(NewKey { groups, ..new_key(number, &format!("it's \"{number}\"")) })).await;
    }
    done(&store, Mutation::RevokeKey { id: key_id(3) }).await;
    for number in 2..6 {
        done(&store, bind_group(number, &format!("team {number}"), "space-reader", "root")).await;
    }
    let spaces: BTreeSet<SpaceId> = ["root", "production", "nowhere"].map(|id| id.parse().unwrap()).into();
    let counts = store.binding_counts(&spaces, 3).await.unwrap();
    let counts: Vec<(&str, u32)> = counts.iter().map(|(space, count)| (space.as_str(), *count)).collect();
    assert_eq!(counts, [("nowhere", 0), ("production", 1), ("root", 3)]);
    let groups: BTreeSet<GroupName> = ["ops", "gone", "team 2", "nobody"].map(group).into();
    assert_eq!(store.groups_with_members(&groups).await.unwrap(), BTreeSet::from([group("ops")]));
    let names = store.names_of(&BTreeSet::from([key_id(1), key_id(2), key_id(9)])).await.unwrap();
    let names: Vec<(KeyId, &str)> = names.iter().map(|(id, name)| (*id, name.as_str())).collect();
    assert_eq!(names, [(key_id(1), "ci"), (key_id(2), "it's \"2\"")]);
    assert_eq!(store.names_of(&BTreeSet::new()).await.unwrap().len(), 0);
}
