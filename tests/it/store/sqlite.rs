//! What the SQLite store promises beyond what every store does: its file, its modes, its faults, its survival.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use claviger::clock::SystemClock;
use claviger::config::StoreUrl;
use claviger::model::{Cause, ConsoleSession, KeyDigest, Mutation, NewKey, PlainKey, Revision, SessionDigest, Strategy};
use claviger::store::{self, Store, StoreError};

use crate::store::conformance::{all, digest, key_id, new_key, whole};

async fn open(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    store::open(&StoreUrl::Sqlite(path.to_owned()), Strategy::Combined, Arc::new(SystemClock::start())).await
}

async fn refusal(path: &Path) -> String {
    match open(path).await {
        Err(StoreError::Unavailable(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_new_store_and_the_files_beside_it_belong_to_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("claviger.db")).await.unwrap();
    store.apply(Mutation::CreateKey(new_key(1, "ci")), &Cause::SYSTEM, None).await.unwrap();
    let files = files(directory.path());
    assert_eq!(files.len(), 3, "the database, its log and its index: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_store_in_a_directory_that_does_not_exist_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nowhere/claviger.db");
    let sentence = refusal(&path).await;
    assert!(
        sentence.contains("nowhere/claviger.db") && sentence.contains("directory") && sentence.contains("does not exist"),
        "{sentence}"
    );
    assert!(!path.parent().unwrap().exists());
}

#[tokio::test]
async fn a_directory_is_not_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let sentence = refusal(directory.path()).await;
    assert!(sentence.contains("it is a directory"), "{sentence}");
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let text = "listen = \"0.0.0.0:8080\"\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let sentence = refusal(&path).await;
    assert!(sentence.contains("not a SQLite database"), "{sentence}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_place_where_no_file_can_be_made_says_so() {
    let sentence = refusal(Path::new("/proc/claviger.db")).await;
    assert!(sentence.starts_with("/proc/claviger.db: "), "{sentence}");
}

#[tokio::test]
async fn what_means_something_to_sqlite_is_only_a_name_here() {
    let directory = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:x?mode=memory", "100%41.db", "with blank.db", "#.db"] {
        let path = directory.path().join(name);
        let store = open(&path).await.unwrap();
        store.apply(Mutation::CreateKey(new_key(1, "ci")), &Cause::SYSTEM, None).await.unwrap();
        drop(store);
        assert!(path.is_file(), "{name}");
        assert!(open(&path).await.unwrap().key(key_id(1)).await.unwrap().is_some(), "{name}");
    }
}

#[tokio::test]
async fn no_file_of_the_store_holds_the_text_of_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("claviger.db")).await.unwrap();
    let first = PlainKey::generate(key_id(1), &[0x5a; 32]);
    let second = PlainKey::generate(key_id(1), &[0xa5; 32]);
    let new = NewKey { digest: KeyDigest::of(&first), ..new_key(1, "ci") };
    store.apply(Mutation::CreateKey(new), &Cause::SYSTEM, None).await.unwrap();
    let rotate = Mutation::RotateKey { id: key_id(1), digest: KeyDigest::of(&second), old_ends_at: jiff::Timestamp::MAX };
    store.apply(rotate, &Cause::SYSTEM, None).await.unwrap();
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    let everything: Vec<u8> = files(directory.path()).iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    for plain in [&first, &second] {
        let (_, secret) = plain.reveal().rsplit_once('_').unwrap();
        assert!(holds(&everything, KeyDigest::of(plain).as_bytes()), "the digest is what is stored");
        assert!(!holds(&everything, secret.as_bytes()));
        assert!(!holds(&everything, &secret.as_bytes()[..16]));
    }
}

#[tokio::test]
async fn a_session_that_was_ended_does_not_come_back_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let store = open(&path).await.unwrap();
    store.apply(Mutation::CreateKey(new_key(1, "ci")), &Cause::SYSTEM, None).await.unwrap();
    for number in [1, 2] {
        let (at, ends_at) = (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::MAX);
        let digest_of_cookie = SessionDigest::of(&[number]);
        let session =
            ConsoleSession { digest: digest_of_cookie, key: key_id(1), secret: digest(1), key_at: Revision(1), began_at: at, ends_at };
        store.open_session(&session).await.unwrap();
    }
    store.end_session(&SessionDigest::of(&[1])).await.unwrap();

    // What is on the disk at this moment is all that is left after a crash.
    let left = tempfile::tempdir().unwrap();
    for name in ["claviger.db", "claviger.db-wal"] {
        std::fs::copy(directory.path().join(name), left.path().join(name)).unwrap();
    }
    let after = open(&left.path().join("claviger.db")).await.unwrap();
    assert_eq!(after.session(&SessionDigest::of(&[1])).await.unwrap(), None);
    assert!(after.session(&SessionDigest::of(&[2])).await.unwrap().is_some());
}

/// Names the store in the environment of the process that is to be killed.
const VICTIM: &str = "CLAVIGER_TEST_VICTIM";

/// The test runs itself as another process, which makes keys and says so as fast as it can, and kills it in the middle.
#[tokio::test]
async fn what_was_acknowledged_survives_the_kill_of_its_process() {
    if let Some(path) = std::env::var_os(VICTIM) {
        let store = open(Path::new(&path)).await.unwrap();
        for number in 1.. {
            let change = store.apply(Mutation::CreateKey(new_key(number, &format!("ci-{number}"))), &Cause::SYSTEM, None).await.unwrap();
            writeln!(std::io::stdout(), "acknowledged {}", change.revision).unwrap();
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for round in 1..4 {
        let path = directory.path().join(format!("{round}.db"));
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sqlite::what_was_acknowledged_survives_the_kill_of_its_process", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut said = lines.filter_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse::<u64>().ok());
        assert_eq!(said.nth(39 + round), Some(40 + round as u64));
        victim.kill().unwrap();
        victim.wait().unwrap();
        // What it had said before the blow and nobody had read yet counts as well.
        intact(&path, said.last().unwrap_or(40 + round as u64)).await;
    }
}

/// Everything up to the last acknowledged change is there, and what is there is whole.
async fn intact(path: &Path, acknowledged: u64) {
    let store = open(path).await.unwrap();
    let revision = store.snapshot().await.unwrap().revision;
    assert!(revision >= Revision(acknowledged), "{revision} of {acknowledged}");
    assert!(revision <= Revision(acknowledged + 1), "at most the one that was being acknowledged comes on top");
    assert_eq!(store.keys(&all()).await.unwrap().len() as u64, revision.0);
    assert_eq!(store.audit(&whole()).await.unwrap().len() as u64, revision.0);
    for number in 1..=revision.0 {
        assert_eq!(store.find_key(&digest(number)).await.unwrap().unwrap().key.id, key_id(number));
    }
}
