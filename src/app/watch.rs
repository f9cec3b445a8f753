//! Notices that files have changed: login policies and signing keys.
//!
//! Directories are watched, never files: a Kubernetes `ConfigMap` swaps a `..data` link, of which a watch on the file itself hears nothing.
//! A poll stands behind the watch, since some file systems report nothing at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Several events of one change become one: a copy of ten files is a single reload.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// How often the directories are read although nothing was heard.
const POLL: Duration = Duration::from_secs(30);

/// What a directory looks like from outside: each file's size and time.
pub(super) type Listing = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Watches a few directories.
pub(super) struct Watch {
    dirs: Vec<PathBuf>,
    seen: Vec<Listing>,
    heard: mpsc::Receiver<()>,
    /// Dropped, it stops watching, and `heard` ends.
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Watch {
    /// Begins to watch directories, each with what it looked like when it was read. Where the system's watch cannot be had, the poll alone
    /// remains, and a warning says so.
    pub(super) fn start(read: Vec<(Listing, PathBuf)>) -> Self {
        let (seen, dirs): (Vec<Listing>, Vec<PathBuf>) = read.into_iter().unzip();
        // One slot: a second event before the first is taken tells nothing new.
        let (tell, heard) = mpsc::channel(1);
        let watcher = watch_all(&dirs, tell)
            .inspect_err(|error| tracing::warn!(%error, poll_seconds = POLL.as_secs(), "directories cannot be watched, so they are polled"))
            .ok();
        Self { dirs, seen, heard, _watcher: watcher }
    }

    /// Returns when something in a directory has changed since the last time.
    pub(super) async fn changed(&mut self) {
        loop {
            self.wait().await;
            let now: Vec<Listing> = self.dirs.iter().map(|dir| listing(dir)).collect();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// Until something was heard and all has been quiet for a moment, or until the next poll.
    async fn wait(&mut self) {
        match timeout(POLL, self.heard.recv()).await {
            Ok(Some(())) => while let Ok(Some(())) = timeout(DEBOUNCE, self.heard.recv()).await {},
            // Nobody watches, so `recv` returns at once and for ever: the poll is all there is.
            Ok(None) => {
                let _ = timeout(POLL, std::future::pending::<()>()).await;
            }
            Err(_) => {}
        }
    }
}

fn watch_all(dirs: &[PathBuf], tell: mpsc::Sender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the directory is an event too; only what may have changed it counts. An error may hide an event.
        if event.map_or(true, |event| !event.kind.is_access()) {
            let _ = tell.try_send(());
        }
    })?;
    for dir in dirs {
        watcher.watch(dir, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// A directory that cannot be read looks empty: the reload that follows tells why.
pub(super) fn listing(dir: &Path) -> Listing {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            // Follows links: behind a ConfigMap's link stands the file that counts.
            let seen = std::fs::metadata(entry.path()).ok()?;
            Some((entry.path(), (seen.len(), seen.modified().ok())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_put_into_the_directory_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::start(vec![(listing(dir.path()), dir.path().to_owned())]);

        std::fs::write(dir.path().join("new.rego"), "package spacelift").unwrap();

        timeout(Duration::from_secs(20), watch.changed()).await.expect("the change is noticed");
    }

    #[tokio::test]
    async fn a_swapped_link_is_noticed_as_a_config_map_swaps_it() {
        let dir = tempfile::tempdir().unwrap();
        for (version, text) in [("v1", "package spacelift"), ("v2", "package spacelift # newer")] {
            std::fs::create_dir(dir.path().join(version)).unwrap();
            std::fs::write(dir.path().join(version).join("login.rego"), text).unwrap();
        }
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
        link("v1", "..data");
        link("..data/login.rego", "login.rego");
        let mut watch = Watch::start(vec![(listing(dir.path()), dir.path().to_owned())]);

        link("v2", "..data_tmp");
        std::fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();

        timeout(Duration::from_secs(20), watch.changed()).await.expect("the change is noticed");
    }
}
