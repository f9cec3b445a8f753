//! What has changed, asked again and again: one question is under way at any time, and waits at the control plane for its answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::model::{Changes, Revision};
use crate::store::StoreError;

/// For how long a control plane is to wait before it says that nothing has changed.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How far a control plane is followed.
pub(super) struct Pursuit {
    wait: Duration,
    state: Mutex<Following>,
    /// There is something else to ask for.
    resumed: Notify,
    /// There is something to be put in force, or it has become known that nobody answers.
    woken: Notify,
}

#[derive(Default)]
struct Following {
    /// Whether everything has been loaded once.
    loaded: bool,
    /// What was in force here when it was asked last.
    seen: Option<Revision>,
    /// The last change that was handed on: it may be in force already.
    handed: Revision,
    /// The last change that a key was as of.
    shown: Revision,
    /// What has changed after a revision, until that is not what is in force any more.
    told: Option<(Revision, Changes)>,
    /// Why nobody answers.
    failed: Option<String>,
    /// By the monotonic clock.
    confirmed: Option<Duration>,
    /// When a change was committed. If that is another time by now, it is another store.
    known: Option<(Revision, Timestamp)>,
    acknowledged: Option<Revision>,
    reported: Option<Duration>,
}

/// An answer that can be gone by.
pub(super) struct Told {
    pub(super) changes: Changes,
    pub(super) after_at: Option<Timestamp>,
    pub(super) confirmed: Duration,
}

impl Pursuit {
    pub(super) fn new(max_staleness: Duration) -> Self {
        let wait = WAIT_MAX.min(max_staleness / 4);
        Self { wait, state: Mutex::default(), resumed: Notify::new(), woken: Notify::new() }
    }

    /// The last change that was handed on.
    pub(super) fn handed(&self) -> Revision {
        self.state().handed
    }

    /// A key was as this change has left it.
    pub(super) fn has_shown(&self, revision: Revision) {
        let mut state = self.state();
        state.shown = state.shown.max(revision);
    }

    /// Everything was loaded, as this change has left it, by an answer to what was asked then.
    pub(super) fn has_loaded(&self, revision: Revision, asked_at: Duration) {
        let mut state = self.state();
        state.loaded = true;
        state.handed = state.handed.max(revision);
        state.confirmed = state.confirmed.max(Some(asked_at));
    }

    pub(super) fn confirmed_at(&self) -> Option<Duration> {
        self.state().confirmed
    }

    /// Whether a report is worth a question, if what is in force is told by what is asked for anyway.
    pub(super) fn is_to_be_reported(&self, applied: Revision, now: Duration, pulse: Duration) -> bool {
        let state = self.state();
        state.acknowledged < Some(applied) || state.reported.is_none_or(|at| now.saturating_sub(at) >= pulse)
    }

    pub(super) fn has_reported(&self, now: Duration) {
        self.state().reported = Some(now);
    }

    /// Returns when there is something to be put in force, or it has become known that nobody answers.
    pub(super) async fn woken(&self) {
        if self.state().told.is_none() {
            self.woken.notified().await;
        }
    }

    /// What is known to have changed after what is in force; `None`: it is known that something has, and not what.
    pub(super) fn changes_after(&self, seen: Revision) -> Option<Result<Changes, StoreError>> {
        let mut state = self.state();
        if !state.loaded {
            return Some(Ok(Changes::TooOld));
        }
        state.handed = state.handed.max(seen);
        if state.seen != Some(seen) {
            state.seen = Some(seen);
            state.told = None;
            self.resumed.notify_one();
        }
        if let Some((_, changes)) = &state.told {
            let changes = changes.clone();
            state.hand_on(&changes);
            return Some(Ok(changes));
        }
        if state.shown > seen {
            return None;
        }
        Some(match &state.failed {
            Some(why) => Err(StoreError::Unavailable(why.clone())),
            None => Ok(Changes::Since(Vec::new())),
        })
    }

    /// What is to be asked for next, once it is to be asked.
    pub(super) async fn next(&self) -> Revision {
        loop {
            {
                let state = self.state();
                if let (Some(seen), true, None) = (state.seen, state.loaded, &state.told) {
                    return seen;
                }
            }
            self.resumed.notified().await;
        }
    }

    /// When this change was committed, as far as that is known.
    pub(super) fn known_at(&self, after: Revision) -> Option<Timestamp> {
        self.state().known.filter(|(revision, _)| *revision == after).map(|(_, at)| at)
    }

    /// What the question that waits has come to; whether it was answered.
    pub(super) fn answered(&self, after: Revision, answer: Result<Told, String>) -> bool {
        let mut state = self.state();
        match answer {
            Ok(Told { changes, after_at, confirmed }) => {
                state.failed = None;
                state.acknowledged = Some(after);
                // What is in force has changed meanwhile, by another answer: this one is about something else.
                if state.seen != Some(after) {
                    return true;
                }
                state.confirmed = state.confirmed.max(Some(confirmed));
                if let Some(at) = after_at {
                    state.known = Some((after, at));
                }
                if changes != Changes::Since(Vec::new()) {
                    state.told = Some((after, changes));
                    self.woken.notify_one();
                }
                true
            }
            Err(why) => {
                if state.failed.replace(why).is_none() {
                    self.woken.notify_one();
                }
                false
            }
        }
    }

    /// What another question has come to, whose answer is put in force at once.
    pub(super) fn answered_at_once(&self, after: Revision, told: Told) -> Changes {
        let Told { changes, after_at, confirmed } = told;
        let mut state = self.state();
        state.confirmed = state.confirmed.max(Some(confirmed));
        if let Some(at) = after_at {
            state.known = Some((after, at));
        }
        state.hand_on(&changes);
        changes
    }

    /// For how long a control plane is to wait.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    fn state(&self) -> MutexGuard<'_, Following> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following {
    fn hand_on(&mut self, changes: &Changes) {
        if let Changes::Since(changes) = changes
            && let Some(last) = changes.last()
        {
            self.handed = self.handed.max(last.revision);
            self.known = Some((last.revision, last.at));
        }
    }
}
