//! Notices that files have changed: the configuration, login policies, signing keys.
//!
//! Directories are watched, never files: a Kubernetes `ConfigMap` swaps a `..data` link, of which a watch on the file itself hears nothing,
//! and an editor puts a new file in the old one's place. The directory is watched through its parent as well, so that one that is replaced
//! as a whole is noticed. A poll stands behind the watch, since some file systems report nothing at all.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Several events of one change become one: a copy of ten files is a single reload.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// How long events that come again and again may put it off: something that writes there all the time must not keep changes from being
/// noticed.
const PUT_OFF_MAX: Duration = Duration::from_secs(1);
/// How often the directories are read although nothing was heard.
const POLL: Duration = Duration::from_secs(30);

/// What there is to see of a file without reading it. Its contents cannot change without one of these doing so: whoever writes cannot set
/// the time of the last change of the inode, as `touch` and `cp -p` set the time of the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// What a directory, or one file, looks like from outside.
type Listing = BTreeMap<PathBuf, Seen>;

/// Something that is watched, and what it looked like when it was read.
pub struct Watched {
    what: What,
    seen: Listing,
}

enum What {
    Directory(PathBuf),
    File(PathBuf),
}

impl Watched {
    /// All files of a directory, as they are now.
    pub(super) fn directory(dir: &Path) -> Self {
        let what = What::Directory(dir.to_owned());
        Self { seen: what.listing(), what }
    }

    /// One file, as it is now. Whatever else is in its directory may change as it likes.
    #[must_use]
    pub fn file(file: &Path) -> Self {
        let what = What::File(file.to_owned());
        Self { seen: what.listing(), what }
    }

    /// The file, if it is one.
    pub(super) fn as_file(&self) -> Option<&Path> {
        match &self.what {
            What::File(file) => Some(file),
            What::Directory(_) => None,
        }
    }

    /// Whether it looks different from the last time.
    fn has_changed(&mut self) -> bool {
        let now = self.what.listing();
        let before = std::mem::replace(&mut self.seen, now);
        before != self.seen
    }
}

impl What {
    /// A directory that cannot be read looks empty: the reload that follows tells why.
    fn listing(&self) -> Listing {
        // Follows links: behind a ConfigMap's link stands the file that counts.
        let seen = |path: PathBuf| {
            let file = std::fs::metadata(&path).ok()?;
            let (written, changed) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
            Some((path, Seen { device: file.dev(), inode: file.ino(), size: file.len(), written, changed }))
        };
        match self {
            Self::Directory(dir) => std::fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| seen(entry.path())).collect(),
            Self::File(file) => seen(file.clone()).into_iter().collect(),
        }
    }

    /// The directories in which something happens when it changes.
    fn directories(&self) -> Vec<PathBuf> {
        let parent = |path: &Path| match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(parent) => parent.to_owned(),
            None => path.to_owned(),
        };
        match self {
            Self::Directory(dir) => vec![dir.clone(), parent(dir)],
            Self::File(file) => vec![parent(file)],
        }
    }
}

/// Watches a few directories and files.
pub(super) struct Watch {
    watched: Vec<Watched>,
    heard: mpsc::Receiver<()>,
    /// Dropped, it stops watching, and `heard` ends.
    watcher: Option<notify::RecommendedWatcher>,
}

impl Watch {
    /// Begins to watch. Where the system's watch cannot be had, the poll alone remains, and a warning says so.
    pub(super) fn start(all: Vec<Watched>) -> Self {
        // One slot: a second event before the first is taken tells nothing new.
        let (tell, heard) = mpsc::channel(1);
        let late = tell.clone();
        let watcher = watch_all(&all, tell)
            .inspect_err(|error| tracing::warn!(%error, poll_seconds = POLL.as_secs(), "directories cannot be watched, so they are polled"))
            .ok();
        // What has changed since it was looked at, and before it was watched, nothing tells of.
        if all.iter().any(|watched| watched.seen != watched.what.listing()) {
            let _ = late.try_send(());
        }
        Self { watched: all, heard, watcher }
    }

    /// The same and one more.
    pub(super) fn with(self, more: Watched) -> Self {
        Self::start(self.watched.into_iter().chain([more]).collect())
    }

    /// Returns when something has changed since the last time.
    pub(super) async fn changed(&mut self) {
        loop {
            self.wait().await;
            // All of them, also behind the first that has.
            let changed = self.watched.iter_mut().filter_map(|watched| watched.has_changed().then_some(())).count();
            if changed > 0 {
                self.watch_anew();
                return;
            }
        }
    }

    /// Until something was heard and all has been quiet for a moment, or it has gone on for too long, or until the next poll.
    async fn wait(&mut self) {
        match timeout(POLL, self.heard.recv()).await {
            Ok(Some(())) => {
                let quiet = async { while let Ok(Some(())) = timeout(DEBOUNCE, self.heard.recv()).await {} };
                let _ = timeout(PUT_OFF_MAX, quiet).await;
            }
            // Nobody watches, so `recv` returns at once and for ever: the poll is all there is.
            Ok(None) => {
                let _ = timeout(POLL, std::future::pending::<()>()).await;
            }
            Err(_) => {}
        }
    }

    /// A watch stays with the directory that it was put on, wherever that is moved: one that has taken its place is watched from here on.
    fn watch_anew(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for dir in self.watched.iter().flat_map(|watched| watched.what.directories()) {
            let _ = watcher.unwatch(&dir);
            // If it is not there, the watch on its parent tells of the next one.
            let _ = watcher.watch(&dir, RecursiveMode::NonRecursive);
        }
    }
}

fn watch_all(all: &[Watched], tell: mpsc::Sender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the directory is an event too; only what may have changed it counts. An error may hide an event.
        if event.map_or(true, |event| !event.kind.is_access()) {
            let _ = tell.try_send(());
        }
    })?;
    for one in all {
        match &one.what {
            What::Directory(dir) => watcher.watch(dir, RecursiveMode::NonRecursive)?,
            What::File(_) => {}
        }
        // Without these a directory or a file that is replaced is noticed later, by the poll.
        for dir in one.what.directories() {
            let _ = watcher.watch(&dir, RecursiveMode::NonRecursive);
        }
    }
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn watch(dir: &Path) -> Watch {
        Watch::start(vec![Watched::directory(dir)])
    }

    #[tokio::test]
    async fn a_file_put_into_the_directory_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = watch(dir.path());

        std::fs::write(dir.path().join("new.rego"), "package spacelift").unwrap();

        timeout(SOON, watch.changed()).await.expect("the change is noticed");
    }

    #[tokio::test]
    async fn a_change_between_the_look_and_the_watch_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("claviger.toml");
        std::fs::write(&file, "").unwrap();
        let read = Watched::file(&file);

        std::fs::write(&file, "[token]").unwrap();
        let mut watch = watch(dir.path()).with(read);

        timeout(SOON, watch.changed()).await.expect("the change is noticed");
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
        let mut watch = watch(dir.path());

        link("v2", "..data_tmp");
        std::fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();

        timeout(SOON, watch.changed()).await.expect("the change is noticed");
    }

    #[tokio::test]
    async fn a_directory_that_takes_the_place_of_another_is_noticed_and_watched() {
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        for name in ["policies", "next"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("login.rego"), "package spacelift").unwrap();
        }
        let mut watch = watch(&policies);

        std::fs::rename(&policies, dir.path().join("old")).unwrap();
        std::fs::rename(dir.path().join("next"), &policies).unwrap();
        // Far below the poll.
        timeout(SOON, watch.changed()).await.expect("the other directory is noticed");

        std::fs::write(policies.join("login.rego"), "package spacelift # newer").unwrap();
        timeout(SOON, watch.changed()).await.expect("a change in it is noticed");
    }

    #[tokio::test]
    async fn a_file_of_the_same_size_and_time_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("login.rego");
        std::fs::write(&file, "deny if false").unwrap();
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        let mut watch = watch(dir.path());

        std::fs::write(&file, "deny if  true").unwrap();
        std::fs::File::options().append(true).open(&file).unwrap().set_modified(time).unwrap();

        timeout(SOON, watch.changed()).await.expect("the change is noticed");
    }

    #[tokio::test]
    async fn a_directory_that_is_written_to_all_the_time_does_not_hide_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let (policies, file) = (dir.path().to_owned(), dir.path().join("login.rego"));
        std::fs::write(&file, "package spacelift").unwrap();
        let mut watch = watch(dir.path());
        let busy = tokio::spawn(async move {
            let mut beat = tokio::time::interval(DEBOUNCE / 5);
            loop {
                beat.tick().await;
                let _ = std::fs::write(policies.join(".scratch"), "x");
            }
        });

        timeout(Duration::from_secs(10), watch.changed()).await.expect("it is noticed though it never ends");

        busy.abort();
    }

    #[tokio::test]
    async fn of_a_files_directory_the_file_alone_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("claviger.toml");
        std::fs::write(&file, "").unwrap();
        let mut watch = Watch::start(vec![Watched::file(&file)]);

        std::fs::write(dir.path().join("claviger.db-wal"), "x").unwrap();
        timeout(DEBOUNCE * 4, watch.changed()).await.expect_err("nothing that counts has changed");
        std::fs::write(dir.path().join("new.toml"), "drain_timeout = \"1s\"").unwrap();
        std::fs::rename(dir.path().join("new.toml"), &file).unwrap();

        timeout(SOON, watch.changed()).await.expect("the file that took its place is noticed");
    }
}
