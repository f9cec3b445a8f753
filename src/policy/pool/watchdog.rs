//! All jobs under way, so that none of them needs a timer of its own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::job::{Job, Stage};
use crate::policy::set::PolicySet;

/// How long a question that is over stays in the list at most.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// The jobs that are watched.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    list: Mutex<List>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct List {
    jobs: Vec<Watched>,
    /// When the watchdog looks again by itself; `None`: not before it is told to.
    next: Option<Duration>,
    closed: bool,
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

    /// Looks at the jobs whenever something could be late, until it is [closed](Self::close). `goes_on` says of one that could be whether there
    /// is anything left to watch.
    pub(super) fn keep_watch(&self, now: impl Fn() -> Duration, mut goes_on: impl FnMut(&mut Watched, Duration) -> bool) {
        let mut list = self.list();
        while !list.closed {
            let at = now();
            list.jobs.retain_mut(|one| one.job.stage() != Stage::Over && (at < one.due || goes_on(one, at)));
            list.next = list.jobs.iter().map(|one| one.due).min();
            list = match list.next {
                None => self.changed.wait(list).unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let left = next.saturating_sub(now());
                    self.changed.wait_timeout(list, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Ends the thread that watches.
    pub(super) fn close(&self) {
        self.list().closed = true;
        self.changed.notify_one();
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
