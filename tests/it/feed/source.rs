//! What every source promises, held against the feed: what it tells is what the store behind it has.

use std::sync::Arc;
use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};
use claviger::config::StoreUrl;
use claviger::model::{
    Cause, Changes, KeyDigest, Mutation, PlainKey, Reach, ReplicaReport, Revision, Sample, SampledAnswer, SampledDecision, SampledKey,
    Strategy,
};
use claviger::remote::{FeedSettings, FeedSource};
use claviger::store::{self, Lookup as _, Source, Store};
use serde_json::json;
use tokio::time::timeout;

use super::{key_file, sidecar_key, url};
use crate::admin::client::Api;
use crate::support::server::Server;

const SOON: Duration = Duration::from_secs(30);

/// Source and store, side by side.
async fn beside(plane: &Server, key: &Api) -> (FeedSource, Arc<dyn Store>) {
    let clock = Arc::new(SystemClock::start());
    let planes = vec![url(plane).parse().unwrap()];
    let settings = FeedSettings { planes, key_file: key_file(plane, key), ca: None, max_staleness: Duration::from_mins(1) };
    let file = StoreUrl::Sqlite(plane.dir().join("claviger.db"));
    (FeedSource::open(settings, clock.clone()).unwrap(), store::open(&file, Strategy::Combined, clock).await.unwrap())
}

/// Whether each touches one key or everybody, by number.
fn outline(changes: Changes) -> Vec<(u64, bool)> {
    let Changes::Since(changes) = changes else { panic!("it is not too long ago") };
    changes.iter().map(|change| (change.revision.0, change.reach == Reach::All)).collect()
}

/// What is told next, if something is.
async fn next(source: &FeedSource, seen: Revision) -> Changes {
    loop {
        let changes = source.changes_after(seen).await.unwrap();
        if changes != Changes::Since(Vec::new()) {
            return changes;
        }
        timeout(SOON, source.woken()).await.expect("somebody is woken");
    }
}

#[test]
fn the_feed_tells_what_the_store_tells_in_order_and_leaves_nothing_out() {
    let plane = Server::with_spaces();
    let root = Api::of_root(&plane);
    let (key, _) = sidecar_key(&root, "pods");
    root.made("/bindings", &json!({ "subject": { "group": "leads" }, "role": "space-admin", "space": "staging" }));
    root.made("/policies", &json!({ "name": "p", "source": "package spacelift\n\nallow if true\n" }));
    let ci = root.made("/keys", &json!({ "name": "ci", "bindings": [{ "role": "deployer", "space": "production" }] }));
    let digest = KeyDigest::of(&PlainKey::presented(ci["key"].as_str().unwrap().as_bytes()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (source, store) = beside(&plane, &key).await;
        // Before everything was read, nothing can be told of what has changed.
        assert_eq!(source.changes_after(Revision(0)).await.unwrap(), Changes::TooOld);
        let snapshot = source.snapshot().await.unwrap();
        assert_eq!(snapshot, store.snapshot().await.unwrap());
        assert_eq!(outline(source.changes_after(snapshot.revision).await.unwrap()), []);

        let (found, kept) = (source.find_key(&digest).await.unwrap().unwrap(), store.find_key(&digest).await.unwrap().unwrap());
        assert_eq!((found.key, found.as_of), (kept.key, kept.as_of));
        assert_eq!(source.find_key(&KeyDigest::from_bytes([3; 32])).await.unwrap(), None);

        // Somebody else changes the store, as fast as they can.
        let (writer, mut seen, mut told) = (Arc::clone(&store), snapshot.revision, Vec::new());
        let last = Revision(seen.0 + 60);
        let writing = tokio::spawn(async move {
            let id = "01aryz6s41041061050r3gg28a".parse().unwrap();
            for number in 0..60 {
                let mutation = match number % 3 {
                    0 => Mutation::SetStrategy(Strategy::Combined),
                    1 => Mutation::CreateGroup { name: format!("g{number}").parse().unwrap(), description: String::new() },
                    _ => Mutation::DisableKey { id },
                };
                let made = writer.apply(mutation.clone(), &Cause::SYSTEM, None).await;
                if matches!(mutation, Mutation::DisableKey { .. }) {
                    assert!(made.is_err(), "there is no such key");
                    writer.apply(Mutation::SetStrategy(Strategy::Combined), &Cause::SYSTEM, None).await.unwrap();
                }
            }
        });
        while seen < last {
            let changes = outline(next(&source, seen).await);
            seen = Revision(changes.last().unwrap().0);
            told.extend(changes);
        }
        writing.await.unwrap();
        assert_eq!(told, outline(store.changes_after(snapshot.revision).await.unwrap()));
        // What a key shows is not newer than what can be told.
        let disable = Mutation::DisableKey { id: ci["id"].as_str().unwrap().parse().unwrap() };
        let disabled = store.apply(disable, &Cause::SYSTEM, None).await.unwrap();
        let found = source.find_key(&digest).await.unwrap().unwrap();
        assert!(found.as_of >= disabled.revision && found.key.disabled_at.is_some());
        let changes = source.changes_after(seen).await.unwrap();
        assert_eq!(outline(changes.clone()), [(disabled.revision.0, false)]);
        let Changes::Since(changes) = changes else { unreachable!() };
        let Reach::Key(_, marks) = &changes[0].reach else { panic!("{changes:?}") };
        assert_eq!(marks, &[KeyDigest::with_mark(&digest.mark()).unwrap()]);
        assert!(source.confirmed_at().is_some());
        reports(&source, &*store, &digest).await;
        source.close().await;
        store.close().await;
    });
}

/// What a sidecar says is what the store keeps.
async fn reports(source: &FeedSource, store: &dyn Store, digest: &KeyDigest) {
    let now = SystemClock::start().now().wall;
    source.record_use(&[(*digest, now)]).await.unwrap();
    assert!(store.find_key(digest).await.unwrap().unwrap().key.secrets[0].last_used_at.is_some());
    let key = SampledKey { id: "01aryz6s41041061050r3gg28a".parse().unwrap(), name: "ci".parse().unwrap() };
    let answer = SampledAnswer {
        decision: SampledDecision::Refuse,
        code: "no_roles".to_owned(),
        groups: Vec::new(),
        grants: claviger::model::Grants::default(),
        verdicts: Vec::new(),
    };
    let sample = Sample { at: now, key, answer, input: json!({ "session": { "login": "ci" } }) };
    source.keep_samples(&[sample.clone(), sample.clone()]).await.unwrap();
    let kept: Vec<Sample> = store.samples().await.unwrap().into_iter().map(|kept| kept.sample).collect();
    assert_eq!(kept.len(), 2);
    assert_eq!((&kept[0].input, kept[0].key.name.as_str()), (&sample.input, "ci"));
    let report = ReplicaReport { name: "web-9ab04c17".parse().unwrap(), version: "9.9".to_owned(), applied: Revision(3), started_at: now };
    source.report_replica(&report).await.unwrap();
    let named = async || {
        let all = store.replicas().await.unwrap().all;
        all.iter().filter(|replica| replica.report.name.as_str().starts_with("web-9ab04c17.")).count()
    };
    assert_eq!(named().await, 1);
    source.forget_replica(&report.name).await.unwrap();
    assert_eq!(named().await, 0);
}
