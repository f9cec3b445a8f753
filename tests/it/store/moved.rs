//! A store's file that is moved away or replaced while it is open, and a disk on which nothing can be written.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use claviger::clock::SystemClock;
use claviger::config::{LiveSettings, Settings, StoreUrl};
use claviger::control::{Caller, Control, Serving};
use claviger::exchange::Exchange;
use claviger::model::{Cause, Changes, Mutation, Revision, Snapshot, Strategy};
use claviger::store::{self, Inspected, Store, StoreError};
use claviger::telemetry::Metrics;

use crate::exchange::world::new_space;
use crate::store::conformance::{all, digest, new_key};
use crate::support::http;
use crate::support::place::Place;
use crate::support::server::{Server, Setup};

async fn open(path: &Path) -> Arc<dyn Store> {
    store::open(&StoreUrl::Sqlite(path.to_owned()), Strategy::Combined, Arc::new(SystemClock::start())).await.unwrap()
}

async fn make_key(store: &dyn Store, number: u64) -> Result<Revision, StoreError> {
    let made = store.apply(Mutation::CreateKey(new_key(number, &format!("ci-{number}"))), &Cause::SYSTEM, None).await;
    made.map(|change| change.revision)
}

/// The file and what SQLite keeps beside it.
fn parts(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| format!("{}{end}", path.display()).into())
}

fn move_store(from: &Path, to: &Path) {
    for (from, to) in parts(from).iter().zip(parts(to)) {
        // A connection that is closed just now takes the log away with it.
        match std::fs::rename(from, to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            moved => moved.unwrap(),
        }
    }
}

/// A copy as a file system's snapshot makes it: the file and its log of one moment.
fn copy_store(from: &Path, to: &Path) {
    for (from, to) in parts(from).iter().zip(parts(to)).take(2) {
        std::fs::copy(from, to).unwrap();
    }
}

/// Why the store does not answer; nothing may.
async fn why_away(store: &dyn Store, seen: u64) -> String {
    let Err(StoreError::Unavailable(why)) = store.changes_after(Revision(seen)).await else { panic!("the feed is read") };
    assert!(store.find_key(&digest(1)).await.is_err());
    assert!(store.snapshot().await.is_err());
    assert!(store.keys(&all()).await.is_err());
    assert!(store.record_use(&[(digest(1), jiff::Timestamp::UNIX_EPOCH)]).await.is_err());
    assert!(make_key(store, 99).await.is_err());
    why
}

#[tokio::test]
async fn a_store_whose_file_is_moved_away_is_away_until_the_file_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (directory.path().join("claviger.db"), directory.path().join("elsewhere.db"));
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();

    move_store(&path, &elsewhere);
    let why = why_away(&*store, 1).await;
    assert!(why.contains("claviger.db: the file is not there any more: it was moved or deleted"), "{why}");
    assert!(!path.exists(), "a new one was made");

    move_store(&elsewhere, &path);
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()));
    assert!(store.find_key(&digest(1)).await.unwrap().is_some());
    assert_eq!(make_key(&*store, 2).await.unwrap(), Revision(2));
}

#[tokio::test]
async fn a_change_is_not_acknowledged_from_a_file_that_was_moved_away_a_moment_ago() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    move_store(&path, &directory.path().join("elsewhere.db"));
    // Nobody has looked at the feed since.
    assert!(make_key(&*store, 2).await.is_err());
}

#[tokio::test]
async fn another_store_in_the_place_of_the_first_is_not_taken_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, elsewhere, other) =
        (directory.path().join("claviger.db"), directory.path().join("elsewhere.db"), directory.path().join("other.db"));
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    assert!(matches!(store.changes_after(Revision(0)).await, Ok(Changes::Since(_))));
    let theirs = open(&other).await;

    // Without a change in it, such as a command makes that finds no store; then with one.
    for made in [false, true] {
        if made {
            make_key(&*theirs, 5).await.unwrap();
        }
        move_store(&path, &elsewhere);
        copy_store(&other, &path);
        let why = why_away(&*store, 1).await;
        assert!(why.contains("another file has been put in its place, and it is another store"), "{why}");
        assert!(why_away(&*store, 1).await.contains("it is another store"));

        move_store(&path, &directory.path().join(format!("refused-{made}.db")));
        move_store(&elsewhere, &path);
        assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()));
    }
}

#[tokio::test]
async fn a_backup_that_is_put_back_is_read_anew_and_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let (path, backup) = (directory.path().join("claviger.db"), directory.path().join("backup.db"));
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    make_key(&*store, 2).await.unwrap();
    copy_store(&path, &backup);
    make_key(&*store, 3).await.unwrap();
    assert!(matches!(store.changes_after(Revision(0)).await, Ok(Changes::Since(_))));

    move_store(&path, &directory.path().join("elsewhere.db"));
    move_store(&backup, &path);

    // Its feed goes on from another place, even if the numbers happen to fit.
    assert_eq!(store.changes_after(Revision(2)).await.unwrap(), Changes::TooOld);
    assert_eq!(store.changes_after(Revision(2)).await.unwrap(), Changes::TooOld, "until it has been read");
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(2));
    assert_eq!(store.changes_after(Revision(2)).await.unwrap(), Changes::Since(Vec::new()));
    assert!(store.find_key(&digest(3)).await.unwrap().is_none());
    assert_eq!(make_key(&*store, 4).await.unwrap(), Revision(3));
    assert!(open(&path).await.find_key(&digest(4)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_one_has_read_of_a_backup_that_is_put_back_another_one_has_not() {
    let directory = tempfile::tempdir().unwrap();
    let (path, backup) = (directory.path().join("claviger.db"), directory.path().join("backup.db"));
    let store = open(&path).await;
    let follower = store.for_follower();
    make_key(&*store, 1).await.unwrap();
    copy_store(&path, &backup);
    assert!(matches!(follower.changes_after(Revision(0)).await, Ok(Changes::Since(_))));

    move_store(&path, &directory.path().join("elsewhere.db"));
    move_store(&backup, &path);
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::TooOld);
    store.snapshot().await.unwrap();
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()));

    assert_eq!(follower.changes_after(Revision(1)).await.unwrap(), Changes::TooOld);
    assert_eq!(store.for_follower().changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()), "who comes later");
    follower.snapshot().await.unwrap();
    assert_eq!(follower.changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()));
}

#[tokio::test]
async fn a_backup_with_changes_of_the_same_numbers_is_in_force_whoever_looks_at_it_first() {
    let has = |snapshot: &Snapshot, space: &str| snapshot.spaces.contains(&space.parse().unwrap());
    for is_managed_first in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (path, backup) = (directory.path().join("claviger.db"), directory.path().join("backup.db"));
        let mut settings = Settings::default();
        settings.policies.dir = None;
        settings.token.keys = directory.path().join("keys");
        settings.store.url = StoreUrl::Sqlite(path.clone());
        let (store, clock) = (open(&path).await, Arc::new(SystemClock::start()));
        make_key(&*store, 1).await.unwrap();
        copy_store(&path, &backup);
        let elsewhere = open(&backup).await;
        let staging = elsewhere.apply(Mutation::CreateSpace(new_space("staging", "root")), &Cause::SYSTEM, None).await.unwrap();
        elsewhere.close().await;
        let here = store.apply(Mutation::CreateSpace(new_space("production", "root")), &Cause::SYSTEM, None).await.unwrap();
        assert_eq!(here.revision, staging.revision);
        let exchange = Exchange::start(&settings, store.for_follower(), clock.clone(), Arc::new(Metrics::new())).await.unwrap();
        let serving = Serving { exchange: exchange.clone(), settings: LiveSettings::from(&settings), name: "here".parse().unwrap() };
        let control = Control::serving(store.clone(), clock, serving);
        // What a sidecar is told, which goes by the time of the change that it asks after.
        let told = async || control.feed_changes(&Caller::System, None, here.revision, Duration::ZERO).await.unwrap().after_at;
        assert_eq!(told().await, Some(here.at));

        move_store(&path, &directory.path().join("elsewhere.db"));
        move_store(&backup, &path);
        assert_eq!(store.changes_after(here.revision).await.unwrap(), Changes::TooOld);
        assert!(has(&store.snapshot().await.unwrap(), "staging"));
        if is_managed_first {
            let standing = control.standing(&Caller::System).await.unwrap();
            assert!(has(standing.snapshot(), "staging") && !has(standing.snapshot(), "production"));
        } else {
            exchange.catch_up().await.unwrap();
        }

        assert!(has(&exchange.snapshot(), "staging") && !has(&exchange.snapshot(), "production"));
        assert_eq!(told().await, Some(staging.at));
    }
}

#[tokio::test]
async fn a_file_beside_which_the_old_ones_log_lies_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let (path, backup) = (directory.path().join("claviger.db"), directory.path().join("backup.db"));
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    assert!(matches!(store.changes_after(Revision(0)).await, Ok(Changes::Since(_))));
    copy_store(&path, &backup);
    let [file, log, index] = parts(&path);
    let whole = std::fs::read(&log).unwrap();

    std::fs::rename(&backup, &file).unwrap();
    let why = why_away(&*store, 1).await;
    assert!(why.contains("claviger.db-wal still lies beside it, which belongs to the file before"), "{why}");
    assert_eq!(std::fs::read(&log).unwrap(), whole);

    std::fs::remove_file(index).unwrap();
    std::fs::rename(&parts(&backup)[1], &log).unwrap();
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::TooOld);
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(1));
}

#[tokio::test]
async fn what_is_no_store_does_not_replace_one_and_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (directory.path().join("claviger.db"), directory.path().join("elsewhere.db"));
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    move_store(&path, &elsewhere);
    for (text, expected) in [("x".repeat(5000), "not a SQLite database"), (String::new(), "it is empty and needs migration")] {
        std::fs::write(&path, &text).unwrap();
        let why = why_away(&*store, 1).await;
        assert!(why.contains(expected), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::remove_file(&path).unwrap();
    }
    move_store(&elsewhere, &path);
    assert!(store.changes_after(Revision(1)).await.is_ok());
}

#[tokio::test]
async fn an_inspected_store_can_be_read_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    let inspected = store::inspect(&StoreUrl::Sqlite(path), Arc::new(SystemClock::start())).await.unwrap();
    let Inspected::Open(inspected) = inspected else { panic!("it needs no migration") };
    assert_eq!(inspected.snapshot().await.unwrap().revision, Revision(1));
    let refused = make_key(&*inspected, 2).await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(1));
}

fn readiness(server: &Server) -> (u16, String) {
    let ready = http::get(server.ops(), "/readyz?verbose", &[]);
    (ready.status, ready.text())
}

#[test]
fn a_server_whose_store_is_moved_away_serves_what_it_knows_for_a_while_and_comes_back_with_it() {
    let server = Setup::new().environment("CLAVIGER_STORE__MAX_STALENESS", "6s").start();
    let (known, cold) = (server.key("known", &["--bind", "space-reader@root"]), server.key("cold", &["--bind", "space-reader@root"]));
    server.until("the keys to be known", |server| server.get(&known.text).status == 200);
    let (path, elsewhere) = (server.dir().join("claviger.db"), server.dir().join("elsewhere.db"));

    move_store(&path, &elsewhere);
    server.until("the move to be noticed", |server| server.log().contains("it was moved or deleted"));
    assert_eq!((server.get(&known.text).status, server.get(&cold.text).code()), (200, "unavailable".to_owned()));
    server.until("it to be unready", |server| readiness(server).0 == 503);
    assert!(readiness(&server).1.contains("store"), "{}", readiness(&server).1);
    assert_eq!(server.get(&known.text).code(), "unavailable");
    assert!(!path.exists());

    move_store(&elsewhere, &path);
    server.until("it to be ready", |server| readiness(server).0 == 200);
    assert_eq!((server.get(&known.text).status, server.get(&cold.text).status), (200, 200));
    server.until("the return to be told", |server| server.log().contains("the store answers again"));
}

#[test]
fn a_server_takes_a_backup_that_is_put_back_as_it_is() {
    let server = Server::start();
    let early = server.key("early", &["--bind", "space-reader@root"]);
    server.until("the key to be known", |server| server.get(&early.text).status == 200);
    let (path, backup) = (server.dir().join("claviger.db"), server.dir().join("backup.db"));
    copy_store(&path, &backup);
    let late = server.key("late", &["--bind", "space-reader@root"]);
    server.until("the key to be known", |server| server.get(&late.text).status == 200);

    move_store(&path, &server.dir().join("elsewhere.db"));
    move_store(&backup, &path);

    server.until("the backup to be in force", |server| server.get(&late.text).code() == "invalid_key");
    assert_eq!((server.get(&early.text).status, readiness(&server).0), (200, 200));
    server.run(&["key", "disable", "early"]);
    server.until("a change of the backup to be in force", |server| server.get(&early.text).code() == "invalid_key");
}

/// Runs the command line where no file may grow beyond `blocks` of 512 bytes: writes fail, as on a disk that is full.
fn without_room(server: &Server, blocks: u32, arguments: &[&str]) -> Output {
    // The shell ignores the signal for its child, which would be killed by it otherwise.
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    Command::new("sh")
        .args(["-c", &limited, "sh", env!("CARGO_BIN_EXE_claviger")])
        .args(arguments)
        .args(["-o", "json", "--config"])
        .arg(server.config())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_change_for_which_there_is_no_room_is_refused_and_nothing_acknowledged_is_lost() {
    let server = Server::start();
    let mut kept = Vec::new();
    // By and by there is less room, down to none: wherever in a change the disk is full, it is made and said to be made, or neither.
    for blocks in [2000, 160, 120, 80, 40, 24, 16, 8, 4, 2, 1, 0] {
        let name = format!("key-{blocks}");
        let made = without_room(&server, blocks, &["key", "create", "--name", &name, "--bind", "space-reader@root"]);
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        match made.status.code() {
            Some(0) => kept.push(serde_json::from_slice::<serde_json::Value>(&made.stdout).unwrap()["key"].as_str().unwrap().to_owned()),
            Some(1) => {
                assert!(said.contains("the store cannot be used") && said.contains("disk"), "{blocks}: {said}");
                assert_eq!(server.try_run(&["key", "show", &name]).status.code(), Some(1), "{blocks}");
            }
            code => panic!("{blocks}: {code:?} {said}"),
        }
    }
    assert!((1..12).contains(&kept.len()), "{}", kept.len());
    for key in &kept {
        server.until("what was acknowledged to be in force", |server| server.get(key).status == 200);
    }
    assert_eq!(readiness(&server).0, 200);
    // There is room again.
    server.key("after", &[]);
}

#[tokio::test]
async fn what_was_in_a_log_that_was_deleted_is_brought_into_the_file_before_anything_else_is_changed() {
    let place = Place::new();
    let path = place.path("claviger.db");
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    make_key(&*store, 2).await.unwrap();

    let [_, log, shared] = parts(&path);
    std::fs::remove_file(log).unwrap();
    std::fs::remove_file(shared).unwrap();
    let Err(StoreError::Unavailable(why)) = make_key(&*store, 3).await else { panic!("a change is made that nobody else sees") };
    assert!(why.contains("claviger.db-wal: the file is not there any more"), "{why}");
    assert!(store.find_key(&digest(1)).await.is_err());

    // A server looks again and again, by a timer.
    let looks = async {
        while store.changes_after(Revision(2)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looks).await.unwrap();
    assert_eq!(make_key(&*store, 3).await.unwrap(), Revision(3));
    assert!(store.find_key(&digest(1)).await.unwrap().is_some());
    assert_eq!(place.names(&["key", "list"], "name"), ["ci-1", "ci-2", "ci-3"]);
    assert_eq!(place.run(&["key", "revoke", "ci-1"]).code, 0);
    assert!(matches!(store.changes_after(Revision(3)).await.unwrap(), Changes::Since(changes) if changes.len() == 1));
}

#[tokio::test]
async fn a_store_that_nobody_may_read_any_more_is_away_until_they_may() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let store = open(&path).await;
    make_key(&*store, 1).await.unwrap();
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();

    mode(0o000);
    let why = why_away(&*store, 1).await;
    assert!(why.to_lowercase().contains("claviger.db: permission denied"), "{why}");

    mode(0o660);
    assert_eq!(make_key(&*store, 2).await.unwrap(), Revision(2));
}

#[test]
fn a_store_that_everybody_may_write_is_refused_by_every_command() {
    let place = Place::new();
    place.json(&["key", "create", "--name", "ci"]);
    let path = place.path("claviger.db");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();

    mode(0o666);
    let why = place.refused(&["key", "list"]);
    assert!(why.contains("(mode 0666)") && why.contains("chmod 600"), "{why}");

    mode(0o660);
    assert_eq!(place.names(&["key", "list"], "name"), ["ci"]);
}
