//! The audit: who did what, why, and how it is found again.

use super::*;

for_every_backend! {
    every_change_is_audited_with_before_and_after
    no_secret_and_no_digest_is_in_the_audit
    the_audit_comes_newest_first_and_in_pages
    the_audit_is_narrowed_by_each_filter_and_by_all_at_once
    a_space_is_told_of_its_bindings_and_of_the_keys_bound_in_it
    what_was_refused_is_told_and_takes_no_revision
    the_same_attempt_is_told_once_a_minute_and_the_others_are_counted
    an_actor_fills_no_disk_however_often_it_is_refused
    a_key_is_told_of_once_for_each_address
    a_session_of_the_console_is_told_of_each_time_it_begins_and_ends
    sessions_beyond_what_an_actor_may_fill_are_counted
    what_is_too_old_is_given_up_and_the_chain_goes_on
    one_process_at_a_time_tells_the_webhook
    however_many_change_things_at_once_each_change_is_told_once_and_the_chain_holds
}

async fn every_change_is_audited_with_before_and_after(backend: Backend) {
    let store = backend.open().await;
    let cause = Cause {
        actor: Actor::Key(key_id(9)),
        remote_ip: Some("2001:db8::7".parse().unwrap()),
        request_id: Some("01hv-request".into()),
        once: None,
    };
    let change = store.apply(new_space("a", "root"), &cause, None).await.unwrap();
    let entry = audited(&store).await;
    assert_eq!((entry.revision, entry.at, entry.actor), (Some(change.revision), change.at, format!("api::{}", key_id(9))));
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
    assert_eq!(page(AuditQuery { before: Some(AuditId(3)), ..whole() }).await, ["role.create", "space.create"]);
    assert_eq!(page(AuditQuery { before: Some(AuditId(3)), limit: 1, ..whole() }).await, ["role.create"]);
    assert_eq!(page(AuditQuery { newer_than: Some(AuditId(3)), ..whole() }).await, ["binding.create"]);
    let oldest = AuditQuery { order: AuditOrder::OldestFirst, limit: 2, ..whole() };
    assert_eq!(page(oldest.clone()).await, ["space.create", "role.create"]);
    assert_eq!(page(AuditQuery { newer_than: Some(AuditId(2)), ..oldest }).await, ["key.create", "binding.create"]);
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

    let found = async |wanted| store.audit(&wanted).await.unwrap().into_iter().map(|entry| entry.id.0).collect::<Vec<_>>();
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
                before: Some(AuditId(6)),
                newer_than: Some(AuditId(4)),
                changed_after: Some(Revision(4)),
                order: AuditOrder::OldestFirst,
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

fn tried(resource: &str, code: &'static str) -> AuditNote {
    AuditNote::Refused { action: "space.delete", resource: resource.to_owned(), spaces: vec![space("root")], code }
}

fn by_key(number: u64, remote_ip: &str) -> Cause {
    Cause {
        actor: Actor::Key(key_id(number)),
        remote_ip: Some(remote_ip.parse().unwrap()),
        request_id: Some("01hv-request".into()),
        once: None,
    }
}

async fn what_was_refused_is_told_and_takes_no_revision(backend: Backend) {
    let store = backend.open().await;
    done(&store, new_space("a", "root")).await;
    let cause = by_key(1, "192.0.2.7");
    assert_eq!(store.note(tried("a", "forbidden"), &cause).await.unwrap(), Some(AuditId(2)));
    done(&store, new_space("b", "root")).await;

    let entries = store.audit(&whole()).await.unwrap();
    let numbers: Vec<_> = entries.iter().map(|entry| (entry.id.0, entry.revision.map(|revision| revision.0))).collect();
    assert_eq!(numbers, [(3, Some(2)), (2, None), (1, Some(1))]);
    let refused = &entries[1];
    assert_eq!((refused.action.as_str(), refused.resource.as_str(), refused.refused.as_deref()), ("space.delete", "a", Some("forbidden")));
    assert_eq!((refused.actor.as_str(), refused.remote_ip.as_deref()), (cause.actor.label().as_str(), Some("192.0.2.7")));
    assert_eq!((refused.request_id.as_deref(), &refused.before, &refused.after), (Some("01hv-request"), &None, &None));
    assert_eq!(store.changes_after(Revision(2)).await.unwrap(), Changes::Since(Vec::new()));
    // The people of the space hear of it; whoever asks for changes does not.
    let of_root = store.audit(&AuditQuery { space: Some(space("root")), ..whole() }).await.unwrap();
    assert!(of_root.contains(refused));
    let changes = store.audit(&AuditQuery { changed_after: Some(Revision(0)), ..whole() }).await.unwrap();
    assert_eq!(changes.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [3, 1]);

    // A text that was sent in the place of a name is not trusted to be one.
    let key = PlainKey::generate(key_id(1), &[7; 32]);
    store.note(tried(key.reveal(), "forbidden"), &cause).await.unwrap();
    assert_eq!(audited(&store).await.resource, "(the text of a key)");
    store.note(tried(&"ü".repeat(10_000), "forbidden"), &cause).await.unwrap();
    assert_eq!(audited(&store).await.resource.chars().count(), 257);
}

async fn the_same_attempt_is_told_once_a_minute_and_the_others_are_counted(backend: Backend) {
    let store = backend.open().await;
    let cause = by_key(1, "192.0.2.7");
    let start = backend.now();
    let note = async |note, cause: &Cause| store.note(note, cause).await.unwrap().is_some();
    assert!(note(tried("a", "forbidden"), &cause).await);
    assert!(!note(tried("a", "forbidden"), &cause).await);
    backend.clock.advance(Duration::from_secs(59));
    assert!(!note(tried("a", "forbidden"), &by_key(1, "192.0.2.8")).await);
    for (other, cause) in
        [(tried("b", "forbidden"), &cause), (tried("a", "conflict"), &cause), (tried("a", "forbidden"), &by_key(2, "::1"))]
    {
        assert!(note(other, cause).await);
    }
    backend.clock.advance(Duration::from_secs(1));
    assert!(note(tried("a", "forbidden"), &cause).await);

    backend.clock.advance(Duration::from_secs(3539));
    store.tend_audit(None).await.unwrap();
    assert_ne!(audited(&store).await.action, AuditNote::HELD_BACK);
    backend.clock.advance(Duration::from_secs(1));
    store.tend_audit(None).await.unwrap();
    store.tend_audit(None).await.unwrap();
    let entries = store.audit(&AuditQuery { action: Some("audit.".to_owned()), ..whole() }).await.unwrap();
    let [entry] = entries.as_slice() else { panic!("one count: {entries:?}") };
    let times = |seconds| start.checked_add(Duration::from_secs(seconds)).unwrap().to_string();
    assert_eq!(entry.after, Some(serde_json::json!({ "attempts": 2, "since": times(0), "until": times(59) })));
    assert_eq!((entry.actor.clone(), entry.revision), (cause.actor.label(), None));
}

async fn an_actor_fills_no_disk_however_often_it_is_refused(backend: Backend) {
    let store = backend.open().await;
    let cause = by_key(1, "192.0.2.7");
    for number in 0..100 {
        store.note(tried(&format!("s{number}"), "forbidden"), &cause).await.unwrap();
    }
    assert_eq!(store.audit(&whole()).await.unwrap().len(), store::NOTES_AN_HOUR as usize);
    // What is done is told all the same, and so is what others try.
    store.apply(new_space("a", "root"), &cause, None).await.unwrap();
    assert!(store.note(tried("a", "forbidden"), &by_key(2, "192.0.2.7")).await.unwrap().is_some());

    backend.clock.advance(Duration::from_hours(1));
    assert!(store.note(tried("a", "forbidden"), &cause).await.unwrap().is_some());
    let counted = store.audit(&AuditQuery { action: Some(AuditNote::HELD_BACK.to_owned()), ..whole() }).await.unwrap();
    assert_eq!(counted.iter().map(|entry| entry.after.as_ref().unwrap()["attempts"].as_u64()).collect::<Vec<_>>(), [Some(40)]);
}

async fn a_key_is_told_of_once_for_each_address(backend: Backend) {
    let store = backend.open().await;
    let sign_in = async |key, address| {
        let told = store.note(AuditNote::SignIn { key: key_id(key) }, &by_key(key, address)).await.unwrap().is_some();
        backend.clock.advance(Duration::from_hours(2));
        told
    };
    assert!(sign_in(1, "192.0.2.7").await);
    let entry = audited(&store).await;
    assert_eq!((entry.action.as_str(), entry.resource, entry.revision), (AuditNote::SIGN_IN, key_id(1).to_string(), None));
    assert!(!sign_in(1, "192.0.2.7").await);
    assert!(sign_in(1, "2001:db8::7").await);
    assert!(sign_in(2, "192.0.2.7").await);
    assert!(!sign_in(2, "192.0.2.7").await);

    // Two that come at once are told once.
    let (one, other) = (backend.open().await, backend.open().await);
    let cause = by_key(3, "192.0.2.7");
    let note = || AuditNote::SignIn { key: key_id(3) };
    let (first, second) = tokio::join!(one.note(note(), &cause), other.note(note(), &cause));
    assert_eq!([first.unwrap(), second.unwrap()].iter().flatten().count(), 1);
}

async fn a_session_of_the_console_is_told_of_each_time_it_begins_and_ends(backend: Backend) {
    let store = backend.open().await;
    done(&store, Mutation::CreateKey(new_key(1, "ci"))).await;
    let (cause, other) = (by_key(1, "192.0.2.7"), by_key(2, "192.0.2.8"));
    let key = key_id(1);
    for (note, cause) in [
        (AuditNote::SessionBegan { key }, &cause),
        (AuditNote::SessionBegan { key }, &cause),
        (AuditNote::SessionEnded { key }, &cause),
        (AuditNote::SessionEnded { key }, &other),
    ] {
        assert!(store.note(note, cause).await.unwrap().is_some());
    }

    let entries = store.audit(&AuditQuery { action: Some("session.".to_owned()), ..whole() }).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.action.as_str(), entry.actor.as_str())).collect();
    let (one, another) = (cause.actor.label(), other.actor.label());
    let (begin, end) = (AuditNote::SESSION_BEGIN, AuditNote::SESSION_END);
    assert_eq!(told, [(end, another.as_str()), (end, &one), (begin, &one), (begin, &one)]);
    for entry in &entries {
        assert_eq!((entry.resource.as_str(), entry.revision, &entry.refused), (key.to_string().as_str(), None, &None));
        assert_eq!((&entry.before, &entry.after, entry.request_id.as_deref()), (&None, &None, Some("01hv-request")));
    }
    assert_eq!(entries[0].remote_ip.as_deref(), Some("192.0.2.8"));
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()));
    assert_eq!(store::verify_audit(&*store, &[], |_| {}).await.unwrap().faults, []);
}

async fn sessions_beyond_what_an_actor_may_fill_are_counted(backend: Backend) {
    let store = backend.open().await;
    let (cause, key) = (by_key(1, "192.0.2.7"), key_id(1));
    let mut told = 0;
    for _ in 0..40 {
        for note in [AuditNote::SessionBegan { key }, AuditNote::SessionEnded { key }] {
            told += usize::from(store.note(note, &cause).await.unwrap().is_some());
        }
    }
    assert_eq!((told, store.audit(&whole()).await.unwrap().len()), (store::NOTES_AN_HOUR as usize, told));
    let other = by_key(2, "192.0.2.7");
    assert!(store.note(AuditNote::SessionBegan { key: key_id(2) }, &other).await.unwrap().is_some());

    backend.clock.advance(Duration::from_hours(1));
    store.tend_audit(None).await.unwrap();
    let counted = audited(&store).await;
    assert_eq!((counted.action.as_str(), counted.actor), (AuditNote::HELD_BACK, cause.actor.label()));
    assert_eq!(counted.after.unwrap()["attempts"], 20);
    assert!(store.note(AuditNote::SessionBegan { key }, &cause).await.unwrap().is_some());
}

async fn what_is_too_old_is_given_up_and_the_chain_goes_on(backend: Backend) {
    let store = backend.open().await;
    with_a_bound_key(&store).await;
    for _ in 0..1200 {
        done(&store, Mutation::SetStrategy(Strategy::Combined)).await;
    }
    let before = store.audit(&AuditQuery { order: AuditOrder::OldestFirst, limit: 1000, ..whole() }).await.unwrap();
    let (kept, end) = (before[999].clone(), backend.now());
    backend.clock.advance(Duration::from_secs(10));
    let cut = backend.now();
    done(&store, new_space("young", "root")).await;
    store.note(tried("young", "forbidden"), &by_key(1, "192.0.2.7")).await.unwrap();

    assert_eq!(store.tend_audit(None).await.unwrap() + store.tend_audit(Some(end)).await.unwrap(), 0);
    let mut gone = Vec::new();
    loop {
        match store.tend_audit(Some(cut)).await.unwrap() {
            0 => break,
            some => gone.push(some),
        }
        // At every step.
        assert_eq!(store::verify_audit(&*store, &[], |_| {}).await.unwrap().faults, []);
    }
    assert_eq!((gone.len(), gone.iter().sum::<u64>()), (3, 1204), "{gone:?}");
    let given_up = store.audit_given_up().await.unwrap().unwrap();
    assert_eq!((given_up.id, given_up.revision), (AuditId(1204), Revision(1204)));
    let left = store.audit(&whole()).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [1206, 1205]);
    assert_eq!(left[1].hash, left[1].hash_after(given_up.hash));
    assert_eq!(store.audit(&AuditQuery { space: Some(space("production")), ..whole() }).await.unwrap(), []);

    // The last one of all stays, and what is kept elsewhere of those that went proves nothing.
    assert_eq!(store.tend_audit(Some(Timestamp::MAX)).await.unwrap(), 1);
    assert_eq!(store.tend_audit(Some(Timestamp::MAX)).await.unwrap(), 0);
    let found = store::verify_audit(&*store, &[(kept.id, kept.hash)], |_| {}).await.unwrap();
    assert_eq!(found.faults, [store::AuditFault::KeptGivenUp { id: kept.id }]);
    assert_eq!((found.entries, found.given_up), (1, Some(AuditId(1205))));
    // It is the same store, and goes on.
    done(&backend.open().await, new_space("younger", "root")).await;
    assert_eq!(audited(&store).await.id, AuditId(1207));

    // Who is told of entries is told of all of them.
    let receiver = Some(store::Receiver { url: "http://receiver/".to_owned(), secret_file: "secret".to_owned() });
    store.hold_webhook("one", Timestamp::MAX).await.unwrap().unwrap();
    store.set_webhook("one", &store::Webhook { receiver, sent: AuditId(1205) }).await.unwrap();
    assert_eq!(store.tend_audit(Some(Timestamp::MAX)).await.unwrap(), 0);
}

async fn one_process_at_a_time_tells_the_webhook(backend: Backend) {
    let (here, there) = (backend.open().await, backend.open().await);
    let until = backend.now().checked_add(Duration::from_secs(30)).unwrap();
    let state = store::Webhook { receiver: None, sent: AuditId(7) };

    assert_eq!(here.hold_webhook("one", until).await.unwrap(), Some(store::Webhook::default()));
    assert_eq!(there.hold_webhook("two", until).await.unwrap(), None);
    assert_eq!(here.set_webhook("one", &state).await.unwrap(), store::Held::Still);
    assert_eq!(there.set_webhook("two", &store::Webhook::default()).await.unwrap(), store::Held::Lost);
    assert_eq!(here.hold_webhook("one", until).await.unwrap(), Some(state.clone()));

    // Until it has not been heard of for too long.
    backend.clock.advance(Duration::from_secs(30));
    assert_eq!(there.hold_webhook("two", Timestamp::MAX).await.unwrap(), Some(state.clone()));
    assert_eq!(here.set_webhook("one", &state).await.unwrap(), store::Held::Lost);
}

async fn however_many_change_things_at_once_each_change_is_told_once_and_the_chain_holds(backend: Backend) {
    let openings = [backend.open().await, backend.open().await, backend.open().await];
    let tasks = (0..9_u64).map(|task| {
        let store = Arc::clone(&openings[usize::try_from(task % 3).unwrap()]);
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..20 {
                let (id, cause) = (format!("s{task}-{number}"), by_key(task, "192.0.2.7"));
                acknowledged.push(store.apply(new_space(&id, "root"), &cause, None).await.unwrap().revision);
                store.note(tried(&id, "forbidden"), &cause).await.unwrap();
                if number % 4 == 0 {
                    acknowledged.push(store.apply(Mutation::DeleteSpace { id: space(&id) }, &cause, None).await.unwrap().revision);
                }
                // Refused, so that it is not told as a change.
                store.apply(new_space(&id, "nowhere"), &cause, None).await.unwrap_err();
            }
            acknowledged
        })
    });
    let mut acknowledged = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        acknowledged.extend(task.await.unwrap());
    }
    acknowledged.sort_unstable();
    let entries = openings[0].audit(&AuditQuery { order: AuditOrder::OldestFirst, ..whole() }).await.unwrap();
    assert_eq!(entries.iter().filter_map(|entry| entry.revision).collect::<Vec<_>>(), acknowledged);
    assert_eq!(entries.len(), acknowledged.len() + 9 * 20);
    assert_eq!(store::verify_audit(&*openings[1], &[], |_| {}).await.unwrap().faults, []);
}
