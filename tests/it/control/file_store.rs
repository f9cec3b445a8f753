//! Files as a store: what a data plane is told by them, and what it goes on with when they are wrong.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger::clock::{Clock, ManualClock};
use claviger::config::{PolicySettings, Settings};
use claviger::control::declared::FileStore;
use claviger::diagnostics::Diagnostic;
use claviger::exchange::{Exchange, Origin};
use claviger::model::{Changes, KeyDigest, KeyId, PlainKey, Reach, Refusal, Revision, Strategy};
use claviger::store::{Lookup as _, Source};
use claviger::telemetry::Metrics;
use tempfile::TempDir;

const HEAD: &str = "spaces:\n- id: production\nroles:\n- id: deployer\n  actions: [\"run:*\"]\n";

fn secret(number: u8) -> PlainKey {
    PlainKey::generate(KeyId::new(0, 0), &[number; 32])
}

fn digest(number: u8) -> KeyDigest {
    KeyDigest::of(&secret(number))
}

/// Keys by name and secret, each bound in production but for those called `idle…`.
fn access(keys: &[(&str, u8)]) -> String {
    let mut text = format!("{HEAD}keys:\n");
    for (name, number) in keys {
        writeln!(text, "- name: {name}\n  sha256: {}", digest(*number).to_hex()).unwrap();
    }
    text += "bindings:\n- group: watchers\n  role: deployer\n  space: production\n";
    for (name, _) in keys.iter().filter(|(name, _)| !name.starts_with("idle")) {
        writeln!(text, "- key: {name}\n  role: deployer\n  space: production").unwrap();
    }
    text
}

struct Files {
    dir: TempDir,
    clock: Arc<ManualClock>,
}

impl Files {
    fn new(text: &str) -> Self {
        let files = Self { dir: TempDir::new().unwrap(), clock: Arc::new(ManualClock::at("2026-03-02T12:00:00Z".parse().unwrap())) };
        files.write(text);
        files
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("access.yaml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file(), text).unwrap();
    }

    async fn try_open(&self, place: &Path) -> Result<Arc<FileStore>, Vec<Diagnostic>> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let opened = FileStore::open(place, Strategy::Combined, &PolicySettings::default(), clock).await;
        opened.map(|(store, _)| Arc::new(store))
    }

    async fn open(&self) -> Arc<FileStore> {
        self.try_open(&self.file()).await.unwrap_or_else(|faults| panic!("{faults:?}"))
    }
}

async fn reloaded(store: &FileStore) -> Result<bool, Vec<String>> {
    let reloaded = store.reload(&PolicySettings::default()).await;
    reloaded.map(|reloaded| reloaded.changed).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

async fn reaches(store: &FileStore, seen: u64) -> Vec<Reach> {
    match store.changes_after(Revision(seen)).await.unwrap() {
        Changes::Since(changes) => {
            let revisions: Vec<u64> = changes.iter().map(|change| change.revision.0).collect();
            assert_eq!(revisions, (seen + 1..).take(revisions.len()).collect::<Vec<_>>(), "no revision is skipped");
            changes.into_iter().map(|change| change.reach).collect()
        }
        Changes::TooOld => panic!("the feed does not go back to {seen}"),
    }
}

#[tokio::test]
async fn a_file_is_a_store_with_ids_that_do_not_change_with_whoever_reads_it() {
    let files = Files::new(&access(&[("ci", 1), ("idle", 2)]));
    let store = files.open().await;
    let found = store.find_key(&digest(1)).await.unwrap().unwrap();
    let snapshot = store.snapshot().await.unwrap();

    assert_eq!((found.as_of, snapshot.revision), (Revision(1), Revision(1)));
    assert_eq!((found.key.name.to_string().as_str(), found.key.bindings.len()), ("ci", 1));
    assert!(snapshot.groups.contains_key("watchers") && snapshot.group_bindings.len() == 1);
    assert_eq!(store.find_key(&digest(3)).await.unwrap(), None);
    assert_eq!(store.changes_after(Revision(1)).await.unwrap(), Changes::Since(Vec::new()));
    assert_eq!(store.changes_after(Revision(0)).await.unwrap(), Changes::TooOld);
    assert_eq!(store.changes_after(Revision(9)).await.unwrap(), Changes::TooOld, "another process counted so far");

    files.write(&access(&[("idle", 2), ("other", 4), ("ci", 1)]));
    let elsewhere = files.open().await.find_key(&digest(1)).await.unwrap().unwrap().key;
    assert_eq!((elsewhere.id, elsewhere.bindings), (found.key.id, found.key.bindings));
}

#[tokio::test]
async fn what_changes_of_keys_alone_reaches_these_keys_and_anything_else_everybody() {
    let files = Files::new(&access(&[("idle-1", 1), ("idle-2", 2)]));
    let store = files.open().await;
    let id = |number| {
        let store = Arc::clone(&store);
        async move { store.find_key(&digest(number)).await.unwrap().unwrap().key.id }
    };
    let first = id(1).await;
    assert_eq!(reloaded(&store).await, Ok(false), "nothing has changed");

    files.write(&access(&[("idle-2", 2), ("idle-3", 3)]));
    assert_eq!(reloaded(&store).await, Ok(true));
    let third = id(3).await;
    let mut reached = reaches(&store, 1).await;
    reached.sort_by_key(|reach| matches!(reach, Reach::Key(id, _) if *id == third));
    assert_eq!(reached, [Reach::Key(first, vec![digest(1)]), Reach::Key(third, vec![digest(3)])]);

    // Another secret, under the same name: the old one goes, and the new one is the same key's.
    files.write(&access(&[("idle-2", 2), ("idle-3", 4)]));
    assert_eq!(reloaded(&store).await, Ok(true));
    let Some(Reach::Key(of, mut digests)) = reaches(&store, 3).await.pop() else { panic!("a key has changed") };
    digests.sort_by_key(|own| *own == digest(4));
    assert_eq!((of, digests), (third, vec![digest(3), digest(4)]));
    assert_eq!(store.find_key(&digest(3)).await.unwrap(), None);

    // What was there before may come back.
    files.write(&access(&[("idle-2", 2), ("idle-3", 3)]));
    assert_eq!(reloaded(&store).await, Ok(true));
    assert_eq!(id(3).await, third);

    files.write(&format!("{}strategy: user-management\n", access(&[("idle-2", 2), ("idle-3", 3)])));
    assert_eq!(reloaded(&store).await, Ok(true));
    assert_eq!(reaches(&store, 5).await, [Reach::All]);
    assert_eq!(store.snapshot().await.unwrap().strategy, Strategy::UserManagement);
}

#[tokio::test]
async fn a_broken_file_leaves_what_was_in_force_and_tells_every_fault_with_its_place() {
    let files = Files::new(&access(&[("ci", 1)]));
    let store = files.open().await;
    let before = store.snapshot().await.unwrap();
    let key = secret(2);
    let unsound: [(&str, &[&str]); 4] = [
        ("keys:\n- name: ci\n  sha256: short\n- name: ci\n  colour: red\n", &["access.yaml:3:", "access.yaml:4:", "access.yaml:5:"]),
        ("keys: [\n", &["access.yaml:"]),
        ("# nothing\n", &["nothing is declared"]),
        (&format!("keys:\n- name: ci\n  sha256: {}\n", key.reveal()), &["access.yaml:3:"]),
    ];
    for (text, places) in unsound {
        files.write(text);
        let faults = reloaded(&store).await.unwrap_err();
        for place in places {
            assert!(faults.iter().any(|fault| fault.contains(place)), "{place}: {faults:?}");
        }
        assert_eq!(store.snapshot().await.unwrap(), before);
        assert!(store.find_key(&digest(1)).await.unwrap().is_some());
        files.try_open(&files.file()).await.map(drop).expect_err("nothing starts on it");
    }
    std::fs::remove_file(files.file()).unwrap();
    assert!(reloaded(&store).await.unwrap_err()[0].contains("cannot be read"));
    assert!(store.find_key(&digest(1)).await.unwrap().is_some());
    files.write(&access(&[]));
    assert_eq!(reloaded(&store).await, Ok(true));
    assert_eq!(store.find_key(&digest(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_directory_is_read_as_kubernetes_mounts_it_policies_beside_it_included() {
    let files = Files::new("");
    let volume = files.dir.path().join("volume");
    let version = |name: &str, keys: &[(&str, u8)], policy: &str| {
        let dir = volume.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("access.yaml"), access(keys)).unwrap();
        std::fs::write(dir.join("policies.yaml"), "policies:\n- name: doors\n  file: doors.rego\n").unwrap();
        std::fs::write(dir.join("doors.rego"), policy).unwrap();
        std::os::unix::fs::symlink(name, volume.join("..data_tmp")).unwrap();
        std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    version("..1", &[("ci", 1)], "package spacelift\n\ndeny if false\n");
    for name in ["access.yaml", "policies.yaml", "doors.rego"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), volume.join(name)).unwrap();
    }
    let store = files.try_open(&volume).await.unwrap();
    assert!(store.find_key(&digest(1)).await.unwrap().is_some());

    version("..2", &[("ci", 1)], "package spacelift\n\ndeny if true\n");
    assert_eq!(reloaded(&store).await, Ok(true), "a policy's text is a part of it");
    assert_eq!(reaches(&store, 1).await, [Reach::All]);
    assert!(store.snapshot().await.unwrap().policies[0].source.contains("deny if true"));
}

#[tokio::test]
async fn a_data_plane_lets_in_whom_the_file_names_and_nobody_whom_it_names_no_more() {
    let files = Files::new(&access(&[("ci", 1), ("cd", 2)]));
    let store = files.open().await;
    let mut settings = Settings::default();
    settings.token.keys = files.dir.path().join("keys");
    settings.policies.dir = None;
    let source: Arc<dyn Source> = store.clone();
    let exchange = Exchange::start(&settings, source, files.clock.clone(), Arc::new(Metrics::new())).await.unwrap();
    let asked = async |number| {
        let origin = Origin::at_address(Some("192.0.2.7".parse::<IpAddr>().unwrap()), files.clock.now());
        match exchange.cached(&digest(number), &origin) {
            Some(answer) => answer.map(drop),
            None => exchange.credential(&digest(number), &origin).await.map(drop),
        }
    };
    let unknown = asked(9).await.unwrap_err();
    assert!(matches!(unknown, Refusal::InvalidKey(_)), "{unknown:?}");
    assert_eq!((asked(1).await, asked(2).await), (Ok(()), Ok(())));
    let following = tokio::spawn(Arc::clone(&exchange).follow());

    files.write(&access(&[("cd", 2), ("new", 9)]));
    assert_eq!(reloaded(&store).await, Ok(true));
    let revision = store.snapshot().await.unwrap().revision;
    let in_force = tokio::time::timeout(std::time::Duration::from_secs(20), exchange.reached(revision)).await;
    following.abort();
    in_force.expect("whoever follows is woken");

    assert_eq!(asked(1).await, Err(unknown));
    assert_eq!((asked(2).await, asked(9).await), (Ok(()), Ok(())));
}
