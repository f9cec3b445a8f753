//! Whether the store's file is still where it was opened.
//!
//! A file that is moved away or written over by another stays open, and SQLite goes on with it: nobody would see that keys are read, and
//! changes written, where no other process looks. So the file at the path is compared with the one that is open, before every look at the
//! feed and around every change; while they differ nothing is read or written.
//!
//! The same goes for the write-ahead log beside the file. Where it is deleted, the connections that have it open go on with it, and every
//! other process reads a file without the last changes, or nonsense. What only this process has is then brought into the file.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::Access;

use crate::store::error::StoreError;
use crate::store::sql::Origin;

/// How long a log must be missed: whoever moves a store and its log moves one after the other.
const LOG_GRACE: Duration = Duration::from_millis(500);

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The same of a file that must be readable: what is open here is of no use if nobody else can open it.
    fn readable_at(path: &Path) -> io::Result<Option<Self>> {
        let found = Self::at(path)?;
        if found.is_some() {
            let readers = std::fs::metadata(path)?.mode() & 0o444;
            rustix::fs::access(path, Access::READ_OK)?;
            if readers == 0 {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        Ok(found)
    }

    /// Of the file at this path; `None`: there is none.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(Self { device: found.dev(), inode: found.ino() })),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What lies at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The file that is open.
    Same,
    /// The file that is open, and not the log that belongs to it.
    WithoutLog,
    /// Another one, and nothing of the old one beside it.
    Other(FileId),
}

#[derive(Debug)]
struct Inside {
    file: FileId,
    /// The write-ahead log beside it. SQLite takes whichever log lies beside a file for that file's own.
    log: Option<FileId>,
    /// `None`: there was no change yet.
    origin: Option<Origin>,
    /// Why nothing may be read or written.
    lost: Option<String>,
    /// When the log was first missed, by the monotonic clock.
    log_missed: Option<Duration>,
}

/// The place where the store's file was opened.
#[derive(Debug)]
pub(super) struct FileGuard {
    path: PathBuf,
    inside: Mutex<Inside>,
    /// How often another file has been taken over.
    moves: AtomicU64,
    /// Whoever opened the store has done with it.
    closed: AtomicBool,
}

impl FileGuard {
    /// Of the file that has just been opened here.
    pub(super) fn new(path: PathBuf) -> Result<Self, StoreError> {
        let named = |why: String| StoreError::Unavailable(format!("{}: {why}", path.display()));
        let found = FileId::at(&path).map_err(|error| named(error.to_string()))?;
        let file = found.ok_or_else(|| named("the file was removed at once".to_owned()))?;
        let log = FileId::at(&log_of(&path)).ok().flatten();
        let inside = Mutex::new(Inside { file, log, origin: None, lost: None, log_missed: None });
        Ok(Self { path, inside, moves: AtomicU64::new(0), closed: AtomicBool::new(false) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How often the store has become another file.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// From now on nothing is opened.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Fails while the file is not where it belongs, as far as is known.
    pub(super) fn kept(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("it has been closed".to_owned()));
        }
        self.inside().lost.as_ref().map_or(Ok(()), |why| Err(StoreError::Unavailable(why.clone())))
    }

    /// Looks. What it finds wrong stays so until a later look finds it right.
    pub(super) async fn look(self: &Arc<Self>) -> Result<Found, StoreError> {
        let guard = Arc::clone(self);
        // A disk that hangs must hold none of the threads that requests wait for.
        let looked = tokio::task::spawn_blocking(move || guard.look_now()).await;
        looked.unwrap_or_else(|crash| Err(StoreError::Unavailable(crash.to_string())))
    }

    fn look_now(&self) -> Result<Found, StoreError> {
        // Asked before the lock is taken, which nobody holds for long.
        let (file, log) = (FileId::readable_at(&self.path), FileId::at(&log_of(&self.path)));
        let mut inside = self.inside();
        let found = self.judge(&mut inside, file, log);
        if !matches!(found, Ok(Found::WithoutLog)) {
            inside.log_missed = None;
        }
        inside.lost = match &found {
            Ok(Found::Same) => None,
            Ok(Found::WithoutLog) => Some(self.without_log()),
            Ok(Found::Other(_)) => Some(self.replaced()),
            Err(why) => Some(why.clone()),
        };
        found.map_err(StoreError::Unavailable)
    }

    /// Notes why the other file is not taken.
    pub(super) fn refuse(&self, why: &str) -> StoreError {
        let why = format!("{}, and {why}", self.replaced());
        self.inside().lost = Some(why.clone());
        StoreError::Unavailable(why)
    }

    /// The other file is the store from now on.
    pub(super) fn settle(&self, file: FileId, origin: Option<Origin>) {
        let mut inside = self.inside();
        inside.file = file;
        inside.log = None;
        inside.origin = origin;
        inside.lost = None;
        self.moves.fetch_add(1, Ordering::Release);
    }

    /// Whether the log has been missed for long enough that nobody is just about to move it along with the file.
    pub(super) fn misses_log_since(&self, now: Duration) -> Result<(), StoreError> {
        let since = *self.inside().log_missed.get_or_insert(now);
        if now.saturating_sub(since) < LOG_GRACE { Err(StoreError::Unavailable(self.without_log())) } else { Ok(()) }
    }

    /// What the log held is in the file; the next one is another.
    pub(super) fn settle_log(&self) {
        let mut inside = self.inside();
        inside.log = None;
        inside.log_missed = None;
        inside.lost = None;
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        self.inside().origin.clone()
    }

    pub(super) fn note_origin(&self, origin: Option<Origin>) {
        self.inside().origin = origin;
    }

    /// Fails unless it is the open file that lies at the path.
    pub(super) async fn is_here(self: &Arc<Self>) -> Result<(), StoreError> {
        match self.look().await? {
            Found::Same => Ok(()),
            Found::WithoutLog => Err(StoreError::Unavailable(self.without_log())),
            Found::Other(_) => Err(StoreError::Unavailable(self.replaced())),
        }
    }

    fn judge(&self, inside: &mut Inside, file: io::Result<Option<FileId>>, log: io::Result<Option<FileId>>) -> Result<Found, String> {
        let path = self.path.display();
        let file = file.map_err(|error| format!("{path}: {error}"))?;
        let log = log.map_err(|error| format!("{path}-wal: {error}"))?;
        match file {
            None => Err(self.gone()),
            Some(file) if file == inside.file => match (inside.log, log) {
                (None, log) => {
                    inside.log = log;
                    Ok(Found::Same)
                }
                (Some(old), Some(new)) if old == new => Ok(Found::Same),
                (Some(_), None) => Ok(Found::WithoutLog),
                (Some(_), Some(_)) => Err(format!(
                    "{path}-wal: another one has been put in its place, and what it held is not in the file: restart to go on with what is"
                )),
            },
            Some(_) if log.is_some() && log == inside.log => Err(format!(
                "{}, and {path}-wal still lies beside it, which belongs to the file before: put it where that one is, or remove it",
                self.replaced()
            )),
            Some(file) => Ok(Found::Other(file)),
        }
    }

    fn gone(&self) -> String {
        format!("{}: the file is not there any more: it was moved or deleted", self.path.display())
    }

    fn without_log(&self) -> String {
        format!("{}-wal: the file is not there any more: it was moved or deleted, and the last changes with it", self.path.display())
    }

    fn replaced(&self) -> String {
        format!("{}: another file has been put in its place", self.path.display())
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where SQLite keeps the log of the file at this path.
fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}
