//! The audit: who did what, why, and how it is found again.

use super::*;

for_every_backend! {
    every_change_is_audited_with_before_and_after
    no_secret_and_no_digest_is_in_the_audit
    the_audit_comes_newest_first_and_in_pages
    the_audit_is_narrowed_by_each_filter_and_by_all_at_once
    a_space_is_told_of_its_bindings_and_of_the_keys_bound_in_it
}

async fn every_change_is_audited_with_before_and_after(backend: Backend) {
    let store = backend.open().await;
    let cause =
        Cause { actor: Actor::Key(key_id(9)), remote_ip: Some("2001:db8::7".parse().unwrap()), request_id: Some("01hv-request".into()) };
    let change = store.apply(new_space("a", "root"), &cause, None).await.unwrap();
    let entry = audited(&store).await;
    assert_eq!((entry.revision, entry.at, entry.actor), (change.revision, change.at, format!("api::{}", key_id(9))));
    assert_eq!((entry.remote_ip.as_deref(), entry.request_id.as_deref()), (Some("2001:db8::7"), Some("01hv-request")));
    assert_eq!((entry.action.as_str(), entry.resource.as_str(), entry.before), ("space.create", "a", None));
    assert_eq!(entry.after.unwrap()["parent"], "root");

    let labels = Some(vec!["eu".to_owned()]);
    let update = Mutation::UpdateSpace { id: space("a"), name: None, description: None, labels, parent: None };
    let operator = Actor::Operator("alice@build-7".parse().unwrap());
    store.apply(update, &Cause::local(operator), None).await.unwrap();
    let entry = audited(&store).await;
    assert_eq!((entry.actor.as_str(), entry.remote_ip, entry.request_id), ("operator::alice@build-7", None, None));
    assert_eq!((&entry.before.unwrap()["labels"], &entry.after.unwrap()["labels"]), (&serde_json::json!([]), &serde_json::json!(["eu"])));

    done(&store, Mutation::DeleteSpace { id: space("a") }).await;
    let entry = audited(&store).await;
    assert_eq!(entry.actor, "system");
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
    let audit = serde_json::to_string(&store.audit(&whole()).await.unwrap()).unwrap().to_lowercase();
    for plain in [&first, &second] {
        let text = plain.reveal().to_lowercase();
        let (_, secret) = text.rsplit_once('_').unwrap();
        assert!(!audit.contains(secret));
        let start = u64::from_be_bytes(KeyDigest::of(plain).as_bytes()[..8].try_into().unwrap());
        assert!(!audit.contains(&format!("{start:016x}")));
    }
    assert!(!audit.contains("digest"));
}

async fn the_audit_comes_newest_first_and_in_pages(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    let page = async |wanted| store.audit(&wanted).await.unwrap().into_iter().map(|entry| entry.action).collect::<Vec<_>>();
    assert_eq!(page(AuditQuery { limit: 2, ..whole() }).await, ["binding.create", "key.create"]);
    assert_eq!(page(AuditQuery { before: Some(Revision(3)), ..whole() }).await, ["role.create", "space.create"]);
    assert_eq!(page(AuditQuery { before: Some(Revision(3)), limit: 1, ..whole() }).await, ["role.create"]);
    assert_eq!(page(AuditQuery { newer_than: Some(Revision(3)), ..whole() }).await, ["binding.create"]);
    assert_eq!(page(AuditQuery { limit: 0, ..whole() }).await, [""; 0]);
}

async fn the_audit_is_narrowed_by_each_filter_and_by_all_at_once(backend: Backend) {
    let store = backend.open().await;
    let alice = Cause::local(Actor::Operator("alice".parse().unwrap()));
    let start = backend.now();
    store.apply(new_space("production", "root"), &alice, None).await.unwrap();
    backend.clock.advance(Duration::from_secs(1));
    done(&store, new_role("deployer", &["run:trigger"])).await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    backend.clock.advance(Duration::from_secs(1));
    store.apply(bind_key(1, 1, "deployer", "production"), &alice, None).await.unwrap();
    store.apply(Mutation::DisableKey { id: key_id(1) }, &alice, None).await.unwrap();

    let found = async |wanted| store.audit(&wanted).await.unwrap().into_iter().map(|entry| entry.revision.0).collect::<Vec<_>>();
    let second = |number| Some(later(start, Duration::from_secs(number)));
    let text = |text: &str| Some(text.to_owned());
    for (wanted, expected) in [
        (AuditQuery { actor: text("operator::alice"), ..whole() }, vec![5, 4, 1]),
        (AuditQuery { actor: text("alice"), ..whole() }, vec![]),
        (AuditQuery { action: text("key.create"), ..whole() }, vec![3]),
        (AuditQuery { action: text("key."), ..whole() }, vec![5, 3]),
        (AuditQuery { action: text("key"), ..whole() }, vec![]),
        (AuditQuery { resource: Some(key_id(1).to_string()), ..whole() }, vec![5, 3]),
        (AuditQuery { resource: text("production"), ..whole() }, vec![1]),
        (AuditQuery { since: second(1), ..whole() }, vec![5, 4, 3, 2]),
        (AuditQuery { until: second(2), ..whole() }, vec![3, 2, 1]),
        (AuditQuery { since: second(1), until: second(2), ..whole() }, vec![3, 2]),
        (AuditQuery { space: Some(space("production")), ..whole() }, vec![5, 4, 1]),
        (AuditQuery { query: text("deploy"), ..whole() }, vec![2]),
        (AuditQuery { query: text("%"), ..whole() }, vec![]),
        (
            AuditQuery {
                actor: text("operator::alice"),
                action: text("key."),
                resource: Some(key_id(1).to_string()),
                space: Some(space("production")),
                since: second(2),
                until: second(3),
                query: text("disable"),
                before: Some(Revision(6)),
                newer_than: Some(Revision(4)),
                limit: 1,
            },
            vec![5],
        ),
    ] {
        assert_eq!(found(wanted.clone()).await, expected, "{wanted:?}");
    }
}

async fn a_space_is_told_of_its_bindings_and_of_the_keys_bound_in_it(backend: Backend) {
    let store = backend.open().await;
    for (id, parent) in [("a", "root"), ("b", "root"), ("c", "a")] {
        done(&store, new_space(id, parent)).await;
    }
    let bindings = vec![(binding_id(1), admin(), space("a")), (binding_id(2), admin(), space("b"))];
    done(&store, Mutation::CreateKey(NewKey { bindings, ..new_key(1, "ci") })).await;
    done(&store, bind_group(3, "g", "space-reader", "b")).await;
    done(&store, move_space("c", "b")).await;
    done(&store, rename_key(1, "cd")).await;
    done(&store, Mutation::RevokeKey { id: key_id(1) }).await;
    let of = async |id| {
        let wanted = AuditQuery { space: Some(space(id)), ..whole() };
        store.audit(&wanted).await.unwrap().into_iter().map(|entry| entry.action).collect::<Vec<_>>()
    };
    assert_eq!(of("a").await, ["key.revoke", "key.update", "space.update", "key.create", "space.create"]);
    assert_eq!(of("b").await, ["key.revoke", "key.update", "space.update", "binding.create", "key.create", "space.create"]);
    assert_eq!(of("c").await, ["space.update", "space.create"]);
}
