//! One thread that keeps an eye on all questions under way, so that none of them needs a timer.
//!
//! It sleeps until something could be late. Nearly every answer is there long before, and costs the watch nothing but a look at a list.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use super::course::{Course, Stage};
use super::evaluator::Works;
use super::{PolicyError, PolicySet};

/// How long a question waits for a thread.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// What a policy may take beyond its time limit before its thread is given up: one long step, or a machine that is busy.
const GRACE: Duration = Duration::from_secs(1);
/// How much of its time limit a policy has before its thread steps back: some ten times what asking all of them takes.
const UNHURRIED_AFTER: u32 = 8;

/// The questions that are watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    list: Mutex<List>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct List {
    questions: Vec<Watched>,
    /// When the watch looks again by itself; `None`: not before it is told to.
    next: Option<Duration>,
    closed: bool,
}

#[derive(Debug)]
struct Watched {
    set: Arc<PolicySet>,
    course: Arc<Course>,
    asked: Duration,
    /// When something could be late.
    due: Duration,
}

impl Watch {
    /// Watches a question that was asked `now`.
    pub(super) fn over(&self, set: Arc<PolicySet>, course: Arc<Course>, now: Duration) {
        let due = now.saturating_add(unhurried(&set).min(QUEUE_WAIT));
        let mut list = self.list();
        list.questions.push(Watched { set, course, asked: now, due });
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

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that watches over `works`.
pub(super) fn start(works: &Arc<Works>) -> io::Result<()> {
    let works = Arc::clone(works);
    thread::Builder::new().name("policy-watch".to_owned()).spawn(move || keep(&works)).map(drop)
}

fn keep(works: &Arc<Works>) {
    let watch = &works.watch;
    let mut list = watch.list();
    while !list.closed {
        let now = works.now();
        list.questions.retain_mut(|one| one.course.stage() != Stage::Over && (now < one.due || one.goes_on(works, now)));
        list.next = list.questions.iter().map(|one| one.due).min();
        list = match list.next {
            None => watch.changed.wait(list).unwrap_or_else(PoisonError::into_inner),
            Some(next) => {
                let left = next.saturating_sub(works.now());
                watch.changed.wait_timeout(list, left).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

impl Watched {
    /// Looks whether something is late, and does what is to be done then. `false`: there is nothing left to watch.
    fn goes_on(&mut self, works: &Arc<Works>, now: Duration) -> bool {
        let unhurried = unhurried(&self.set);
        match self.course.stage() {
            Stage::Over => return false,
            Stage::Waiting if now.saturating_sub(self.asked) < QUEUE_WAIT => {
                // A thread may begin at any time, and is to step back in time.
                self.due = now.saturating_add(unhurried).min(self.asked.saturating_add(QUEUE_WAIT));
            }
            Stage::Waiting => {
                if self.course.call_off() {
                    self.course.tell(Err(PolicyError::Overloaded));
                }
                // Or a thread has begun just now.
                self.due = now.saturating_add(unhurried);
            }
            Stage::Begun(begun) if now < begun.saturating_add(unhurried) => self.due = begun.saturating_add(unhurried),
            Stage::Begun(_) => {
                if !self.course.has_stepped_back() {
                    self.course.step_back();
                }
                let (policy, since) = self.course.asked();
                let limit = self.set.policies().get(policy).map_or(Duration::ZERO, |policy| policy.limits().time);
                self.due = since.saturating_add(limit).saturating_add(GRACE);
                // Unless it has gone on to the next policy meanwhile, whose time has just begun.
                if now >= self.due && self.course.asked() == (policy, since) {
                    works.give_up(&self.set, &self.course, policy);
                    return false;
                }
            }
        }
        true
    }
}

fn unhurried(set: &PolicySet) -> Duration {
    set.policies().iter().map(|policy| policy.limits().time).min().unwrap_or_default() / UNHURRIED_AFTER
}
