//! All jobs under way, so that none of them needs a timer of its own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::job::Job;
use crate::policy::set::PolicySet;

/// How long a question that is over stays in the list at most.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// The jobs that are watched.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    pub(super) list: Mutex<List>,
    pub(super) changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) jobs: Vec<Watched>,
    /// When the watchdog looks again by itself; `None`: not before it is told to.
    pub(super) next: Option<Duration>,
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct Watched {
    pub(super) set: Arc<PolicySet>,
    pub(super) job: Arc<Job>,
    pub(super) asked: Duration,
    /// When something could be late.
    pub(super) due: Duration,
}

impl Watchdog {
    /// Watches a job that was queued `now`.
    pub(super) fn watch(&self, set: Arc<PolicySet>, job: Arc<Job>, now: Duration) {
        let due = now.saturating_add(LOOK);
        let mut list = self.list();
        list.jobs.push(Watched { set, job, asked: now, due });
        if list.next.is_none_or(|next| due < next) {
            list.next = Some(due);
            drop(list);
            self.changed.notify_one();
        }
    }

    /// Ends the thread that watches.
    pub(super) fn close(&self) {
        self.list().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
