//! Spaces, roles, groups, bindings, policies: what is small and shared by all keys.

use super::*;

for_every_backend! {
    groups_come_into_being_when_they_are_named
    a_group_is_kept_while_it_is_bound_or_has_members
    a_group_with_revoked_members_only_can_go
    roles_of_the_system_stay_as_they_are
    a_role_is_kept_while_it_is_bound
    a_role_exists_once_and_can_be_changed
    a_space_stands_under_one_that_exists
    a_space_is_kept_while_it_has_a_child_or_a_binding
    the_root_space_cannot_be_deleted_moved_or_renamed
    a_space_cannot_be_moved_under_itself
    a_binding_needs_a_key_a_role_and_a_space_that_exist
    the_same_binding_is_not_made_twice
    a_binding_of_a_group_is_in_the_snapshot_and_one_of_a_key_is_not
    policies_are_kept_by_name
}

async fn groups_come_into_being_when_they_are_named(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(NewKey { groups: vec![group("Platform Team")], ..new_key(1, "ci") })).await;
    done(&store, regroup(1, &["platform team"])).await;
    done(&store, bind_group(1, "bound", "space-reader", "root")).await;
    let groups = store.snapshot().await.unwrap().groups;
    assert_eq!(groups.keys().map(GroupName::as_str).collect::<Vec<_>>(), ["Platform Team", "bound", "platform team"]);
    refused(&store, Mutation::CreateGroup { name: group("bound"), description: String::new() }).await;
    done(&store, Mutation::UpdateGroup { name: group("bound"), description: "held by all".to_owned() }).await;
    assert_eq!(store.snapshot().await.unwrap().groups["bound"].description, "held by all");
    let unnamed = Mutation::UpdateGroup { name: group("nobody"), description: String::new() };
    assert_eq!(unknown(&store, unnamed).await, Resource::Group(group("nobody")));
}

async fn a_group_is_kept_while_it_is_bound_or_has_members(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(NewKey { groups: vec![group("g")], ..new_key(1, "ci") })).await;
    done(&store, bind_group(1, "g", "space-reader", "root")).await;
    let delete = || Mutation::DeleteGroup { name: group("g") };
    let refusal = refused(&store, delete()).await;
    assert_eq!(refusal, Conflict::GroupInUse { name: group("g"), bindings: 1, members: 1 });
    assert_eq!(refusal.to_string(), "group g cannot be deleted: it has 1 binding and 1 member");
    done(&store, Mutation::DeleteBinding { id: binding_id(1) }).await;
    refused(&store, delete()).await;
    done(&store, Mutation::DisableKey { id: key_id(1) }).await;
    refused(&store, delete()).await;
    done(&store, regroup(1, &[])).await;
    done(&store, delete()).await;
    assert_eq!(unknown(&store, delete()).await, Resource::Group(group("g")));
}

async fn a_group_with_revoked_members_only_can_go(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(NewKey { groups: vec![group("g")], ..new_key(1, "ci") })).await;
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    done(&store, Mutation::DeleteGroup { name: group("g") }).await;
    assert_eq!(found(&store, 1).await.groups, []);
}

async fn roles_of_the_system_stay_as_they_are(backend: Backend) {
    let store = backend.open().await;
    for system in SystemRole::ALL {
        refused(&store, Mutation::UpdateRole { id: system.id(), name: None, description: Some("x".to_owned()), actions: None }).await;
        assert_eq!(refused(&store, Mutation::DeleteRole { id: system.id() }).await, Conflict::SystemRole(system.id()));
        refused(&store, new_role(system.slug(), &["run:read"])).await;
    }
}

async fn a_role_is_kept_while_it_is_bound(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let refusal = refused(&store, Mutation::DeleteRole { id: role("deployer") }).await;
    assert_eq!(refusal, Conflict::RoleInUse { id: role("deployer"), bindings: 1 });
    done(&store, Mutation::DeleteBinding { id: binding_id(1) }).await;
    done(&store, Mutation::DeleteRole { id: role("deployer") }).await;
    assert_eq!(unknown(&store, Mutation::DeleteRole { id: role("deployer") }).await, Resource::Role(role("deployer")));
}

async fn a_role_exists_once_and_can_be_changed(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_role("deployer", &["run:trigger", "run:read", "run:read"])).await;
    refused(&store, new_role("deployer", &["run:*"])).await;
    let actions = |role: &str, snapshot: Snapshot| snapshot.roles[role].actions.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(actions("deployer", store.snapshot().await.unwrap()), ["run:read", "run:trigger"]);
    let wider = Some(vec!["run:*".parse().unwrap()]);
    done(&store, Mutation::UpdateRole { id: role("deployer"), name: None, description: None, actions: wider }).await;
    assert_eq!(actions("deployer", store.snapshot().await.unwrap()), ["run:*"]);
    let other = Mutation::UpdateRole { id: role("other"), name: None, description: None, actions: None };
    assert_eq!(unknown(&store, other).await, Resource::Role(role("other")));
}

async fn a_space_stands_under_one_that_exists(backend: Backend) {
    let store = backend.open().await;
    assert_eq!(unknown(&store, new_space("a", "nowhere")).await, Resource::Space(space("nowhere")));
    let Mutation::CreateSpace(orphan) = new_space("a", "root") else { unreachable!() };
    refused(&store, Mutation::CreateSpace(Space { parent: None, ..orphan })).await;
    done(&store, new_space("a", "root")).await;
    refused(&store, new_space("a", "root")).await;
    refused(&store, new_space("root", "a")).await;
    assert_eq!(unknown(&store, move_space("a", "nowhere")).await, Resource::Space(space("nowhere")));
    assert_eq!(unknown(&store, move_space("nowhere", "a")).await, Resource::Space(space("nowhere")));
}

async fn a_space_is_kept_while_it_has_a_child_or_a_binding(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("a", "root")).await;
    done(&store, new_space("b", "a")).await;
    done(&store, bind_group(1, "g", "space-reader", "b")).await;
    let refusal = refused(&store, Mutation::DeleteSpace { id: space("a") }).await;
    assert_eq!(refusal, Conflict::SpaceInUse { id: space("a"), children: 1, bindings: 0 });
    let refusal = refused(&store, Mutation::DeleteSpace { id: space("b") }).await;
    assert_eq!(refusal, Conflict::SpaceInUse { id: space("b"), children: 0, bindings: 1 });
    done(&store, Mutation::DeleteBinding { id: binding_id(1) }).await;
    done(&store, Mutation::DeleteSpace { id: space("b") }).await;
    done(&store, Mutation::DeleteSpace { id: space("a") }).await;
    assert_eq!(unknown(&store, Mutation::DeleteSpace { id: space("a") }).await, Resource::Space(space("a")));
}

async fn the_root_space_cannot_be_deleted_moved_or_renamed(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("a", "root")).await;
    refused(&store, Mutation::DeleteSpace { id: SpaceId::root() }).await;
    assert_eq!(refused(&store, move_space("root", "a")).await, Conflict::RootSpaceFixed);
    let update = |name: Option<&str>, labels: Option<Vec<String>>| Mutation::UpdateSpace {
        id: SpaceId::root(),
        name: name.map(str::to_owned),
        description: None,
        labels,
        parent: None,
    };
    refused(&store, update(Some("Top"), None)).await;
    done(&store, update(None, Some(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]))).await;
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.spaces.find(&SpaceId::root()).unwrap().labels, ["a", "b"]);
}

async fn a_space_cannot_be_moved_under_itself(backend: Backend) {
    let store = backend.open().await;
    for (id, parent) in [("a", "root"), ("b", "a"), ("c", "b")] {
        done(&store, new_space(id, parent)).await;
    }
    for below in ["a", "b", "c"] {
        assert_eq!(refused(&store, move_space("a", below)).await, Conflict::SpaceUnderItself { id: space("a"), parent: space(below) });
    }
    done(&store, move_space("c", "root")).await;
    done(&store, move_space("a", "c")).await;
    let tree = store.snapshot().await.unwrap().spaces;
    assert!(tree.is_within(&space("b"), &space("c")));
}

async fn a_binding_needs_a_key_a_role_and_a_space_that_exist(backend: Backend) {
    let store = backend.open().await;
    assert_eq!(unknown(&store, bind_key(1, 1, "space-reader", "root")).await, Resource::Key(key_id(1)));
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    assert_eq!(unknown(&store, bind_key(1, 1, "other", "root")).await, Resource::Role(role("other")));
    assert_eq!(unknown(&store, bind_key(1, 1, "space-reader", "nowhere")).await, Resource::Space(space("nowhere")));
    assert_eq!(unknown(&store, bind_group(1, "g", "other", "root")).await, Resource::Role(role("other")));
    // Nothing of what was refused is left behind.
    assert!(store.snapshot().await.unwrap().groups.is_empty());
    let bindings = vec![(binding_id(1), role("other"), SpaceId::root())];
    unknown(&store, Mutation::CreateKey(NewKey { bindings, ..new_key(2, "cd") })).await;
    assert_eq!(store.key(key_id(2)).await.unwrap(), None);
    let absent = Mutation::DeleteBinding { id: binding_id(1) };
    assert_eq!(unknown(&store, absent).await, Resource::Binding(binding_id(1)));
}

async fn the_same_binding_is_not_made_twice(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    done(&store, bind_key(1, 1, "space-reader", "root")).await;
    assert_eq!(refused(&store, bind_key(2, 1, "space-reader", "root")).await, Conflict::SameBinding(binding_id(1)));
    let same_id = refused(&store, bind_key(1, 1, "space-writer", "root")).await;
    assert_eq!(same_id, Conflict::Exists(Resource::Binding(binding_id(1))));
    done(&store, bind_group(3, "g", "space-reader", "root")).await;
    refused(&store, bind_group(4, "g", "space-reader", "root")).await;
    done(&store, bind_group(4, "h", "space-reader", "root")).await;
}

async fn a_binding_of_a_group_is_in_the_snapshot_and_one_of_a_key_is_not(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    done(&store, bind_group(3, "g", "deployer", "production")).await;
    done(&store, bind_group(2, "g", "space-reader", "root")).await;
    let snapshot = store.snapshot().await.unwrap();
    let bound = |number, to: &str, on: &str| Binding {
        id: binding_id(number),
        subject: Subject::Group(group("g")),
        role: role(to),
        space: space(on),
        created_at: backend.now(),
    };
    let expected = [(group("g"), vec![bound(2, "space-reader", "root"), bound(3, "deployer", "production")])];
    assert_eq!(snapshot.group_bindings.into_iter().collect::<Vec<_>>(), expected);
}

fn policy_name(text: &str) -> claviger::model::PolicyName {
    text.parse().unwrap()
}

async fn policies_are_kept_by_name(backend: Backend) {
    let store = backend.open().await;
    let policy = |called: &str, source: &str, rego| LoginPolicy { name: called.parse().unwrap(), source: source.into(), rego };
    done(&store, Mutation::CreatePolicy(policy("window", "package spacelift", Some(RegoVersion::V0)))).await;
    done(&store, Mutation::CreatePolicy(policy("by name", "package spacelift # 2", None))).await;
    refused(&store, Mutation::CreatePolicy(policy("window", "", None))).await;
    let window = "window".parse().unwrap();
    done(&store, Mutation::UpdatePolicy { name: window, source: "package spacelift # 3".into(), rego: Some(RegoVersion::V1) }).await;
    let kept = store.snapshot().await.unwrap().policies;
    assert_eq!(kept, [policy("by name", "package spacelift # 2", None), policy("window", "package spacelift # 3", Some(RegoVersion::V1))]);
    let other = Mutation::UpdatePolicy { name: "other".parse().unwrap(), source: "".into(), rego: None };
    assert_eq!(unknown(&store, other).await, Resource::Policy(policy_name("other")));
    done(&store, Mutation::DeletePolicy { name: "window".parse().unwrap() }).await;
    assert_eq!(unknown(&store, Mutation::DeletePolicy { name: "window".parse().unwrap() }).await, Resource::Policy(policy_name("window")));
}
