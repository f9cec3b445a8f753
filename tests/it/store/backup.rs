//! Copies of a store, and the way back from one, with and without somebody who is at work on it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use claviger::clock::{Clock as _, SystemClock, later};
use claviger::model::{Changes, ConsoleSession, Resource, Revision, SessionDigest};
use claviger::store::Store;
use serde_json::Value;

use crate::support::place::Place;

fn keys(place: &Place) -> Vec<(String, bool)> {
    let keys = place.json(&["key", "list"]);
    keys.as_array().unwrap().iter().map(|key| (key["name"].as_str().unwrap().to_owned(), key["revoked_at"].is_string())).collect()
}

fn revision(place: &Place) -> u64 {
    place.json(&["audit", "--limit", "1"])[0]["revision"].as_u64().unwrap()
}

#[test]
fn a_copy_has_the_last_change_and_only_its_owner_can_read_it() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    // Whoever has the store open keeps the last changes in the log beside it.
    let mut follower = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["audit", "--follow", "-o", "json"])
        .env_clear()
        .env("CLAVIGER_STORE", place.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    place.json(&["key", "revoke", "ci"]);

    let copy = place.path("copy.db").display().to_string();
    let made = place.json(&["backup", &copy]);
    follower.kill().unwrap();
    follower.wait().unwrap();

    assert_eq!((&made["revision"], &made["keys"]), (&2.into(), &0.into()));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!place.path("copy.db-wal").exists() && !place.path("copy.db.unfinished").exists());
    let of_copy: Value = serde_json::from_str(&place.run(&["audit", "-o", "json", "--store", &format!("sqlite://{copy}")]).out).unwrap();
    assert_eq!(of_copy[0]["action"], "key.revoke");
    assert!(place.refused(&["backup", &copy]).contains("nothing is written over"));
    let nowhere = place.path("nowhere/copy.db").display().to_string();
    assert!(place.refused(&["backup", &nowhere]).contains("the directory that it should be in does not exist"));
}

#[test]
fn a_copy_can_be_had_where_there_is_no_shell_and_no_other_place_to_write_to() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let copy = place.path("streamed.db");
    let run = place.run_into(&["backup", "-"], std::fs::File::create(&copy).unwrap());

    assert_eq!(run.code, 0, "{}", run.err);
    let url = format!("sqlite://{}", copy.display());
    let listed = place.run(&["key", "list", "--store", &url]);
    assert!(listed.out.contains("ci"), "{}", listed.err);
    let left: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("backup")), "{left:?}");
}

#[test]
fn what_was_changed_since_a_copy_is_undone_only_on_purpose_and_is_told_before() {
    let place = Place::new();
    for name in ["ci", "cd"] {
        place.json(&["key", "create", "--name", name]);
    }
    let copy = place.path("copy.db").display().to_string();
    place.json(&["backup", &copy]);
    place.json(&["key", "revoke", "ci"]);
    place.json(&["key", "create", "--name", "new"]);

    let why = place.refused(&["restore", &copy]);
    assert!(why.contains("2 changes since that copy was made (revision 2) would be undone"), "{why}");
    assert!(why.contains("key.revoke ci revoked"), "{why}");
    assert_eq!(revision(&place), 4);

    let restored = place.json(&["restore", &copy, "--undo-changes"]);
    assert_eq!((&restored["revision"], &restored["copied"], &restored["undone"]), (&5.into(), &2.into(), &2.into()));
    assert_eq!(keys(&place), [("ci".to_owned(), false), ("cd".to_owned(), false)]);
    // Nothing of what was done is forgotten, and revisions do not go back.
    let entries = place.json(&["audit"]);
    let actions: Vec<&str> = entries.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["store.restore", "key.create", "key.revoke", "key.create", "key.create"]);
    assert_eq!((&entries[0]["before"]["revision"], &entries[0]["after"]["revision"]), (&4.into(), &2.into()));
    place.json(&["key", "revoke", "cd"]);
    assert_eq!(revision(&place), 6);
    let left: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("incoming")), "{left:?}");
}

#[test]
fn a_store_that_is_lost_is_made_anew_from_a_copy_and_another_stores_copy_is_not_taken_for_its_own() {
    let (place, other) = (Place::new(), Place::new());
    place.json(&["space", "create", "production", "--parent", "root"]);
    place.json(&["key", "create", "--name", "ci"]);
    other.json(&["key", "create", "--name", "theirs"]);
    let copy = place.path("copy.db").display().to_string();
    place.json(&["backup", &copy]);

    let why = other.refused(&["restore", &copy]);
    assert!(why.contains("a copy of another store"), "{why}");
    assert_eq!(keys(&other), [("theirs".to_owned(), false)]);

    std::fs::remove_file(place.path("claviger.db")).unwrap();
    let restored = place.json(&["restore", &copy]);
    assert_eq!((&restored["revision"], &restored["undone"]), (&3.into(), &0.into()));
    assert_eq!(keys(&place), [("ci".to_owned(), false)]);
    assert_eq!(place.json(&["audit", "--space", "production"]).as_array().unwrap().len(), 1);

    other.json(&["restore", &copy, "--undo-changes"]);
    assert_eq!(keys(&other), [("ci".to_owned(), false)]);
    assert!(place.refused(&["restore", &place.file("junk", "no store")]).contains("not a SQLite database"));
}

#[tokio::test]
async fn a_server_goes_on_with_what_was_restored_under_it() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let url = claviger::config::StoreUrl::parse(&place.url()).unwrap();
    let clock = std::sync::Arc::new(SystemClock::start());
    let store = claviger::store::open(&url, claviger::model::Strategy::Combined, clock).await.unwrap();
    let copy = place.path("copy.db").display().to_string();
    place.json(&["backup", &copy]);
    place.json(&["key", "revoke", "ci"]);
    assert!(matches!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(changes) if changes.len() == 1));

    place.json(&["restore", &copy, "--undo-changes"]);
    let Changes::Since(changes) = store.changes_after(Revision(2)).await.unwrap() else { panic!("the feed goes on") };
    assert_eq!(
        changes.iter().map(|change| (change.revision, change.reach.clone())).collect::<Vec<_>>(),
        [(Revision(3), claviger::model::Reach::All)]
    );
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(3));
    let key = store.key_named(&"ci".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(key.revoked_at, None);
}

#[test]
fn a_store_of_this_version_needs_no_migration_and_one_of_a_newer_one_is_refused() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    assert_eq!(place.json(&["migrate"])["migrated"], false);
    assert_eq!(place.run(&["migrate", "--check"]).code, 0);
    let empty = place.file("empty.db", "");
    let url = format!("sqlite://{empty}");
    assert_eq!(place.run(&["migrate", "--check", "--store", &url]).code, 1);
    assert_eq!(place.run(&["migrate", "--store", &url]).out.trim(), "migrated");
    assert_eq!(place.run(&["migrate", "--check", "--store", &url]).code, 0);
}

/// Somebody signs in by this key, as it is now.
async fn sign_in(store: &dyn Store, name: &str) -> SessionDigest {
    let key = store.key_named(&name.parse().unwrap()).await.unwrap().unwrap();
    let now = SystemClock::start().now().wall;
    let digest = SessionDigest::of(b"a cookie");
    let key_at = store.revision_of(&Resource::Key(key.id)).await.unwrap().unwrap();
    let ends_at = later(now, std::time::Duration::from_hours(1));
    let session = ConsoleSession { digest, key: key.id, secret: key.secrets[0].digest, key_at, began_at: now, ends_at };
    store.open_session(&session).await.unwrap();
    digest
}

/// Asks the store in this file.
fn in_copy<T>(path: &std::path::Path, work: impl AsyncFnOnce(std::sync::Arc<dyn Store>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = claviger::config::StoreUrl::Sqlite(path.to_owned());
    let clock = std::sync::Arc::new(SystemClock::start());
    runtime.block_on(async { work(claviger::store::open(&url, claviger::model::Strategy::Combined, clock).await.unwrap()).await })
}

#[test]
fn nobody_is_signed_in_by_a_copy_nor_after_its_restore() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let digest = place.in_store(async |store| sign_in(&*store, "ci").await);
    let copy = place.path("copy.db");
    place.json(&["backup", &copy.display().to_string()]);
    let streamed = place.path("streamed.db");
    assert_eq!(place.run_into(&["backup", "-"], std::fs::File::create(&streamed).unwrap()).code, 0);

    assert!(place.in_store(async |store| store.session(&digest).await.unwrap().is_some()));
    for path in [&copy, &streamed] {
        assert!(in_copy(path, async |store| store.session(&digest).await.unwrap().is_none()));
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.windows(32).any(|window| window == digest.as_bytes()), "{}", path.display());
    }

    // What has ended the session is undone, and the session is not there again.
    place.json(&["key", "disable", "ci"]);
    place.json(&["restore", &copy.display().to_string(), "--undo-changes"]);
    assert!(place.in_store(async |store| store.session(&digest).await.unwrap().is_none()));
}
