//! One thread that watches all jobs under way, so that none of them needs a timer.
//!
//! It sleeps until something could be late. Nearly every answer is there long before, and costs the watchdog nothing but a look at a list.

use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use super::job::Stage;
use super::threads::Pool;
use super::watchdog::{LOOK, Watched};
use crate::policy::error::PolicyError;

/// How long a question waits for a thread.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// What a policy may take beyond its time limit before its thread is abandoned: one long step, or a machine that is busy.
const GRACE: Duration = Duration::from_secs(1);

/// Starts the thread that watches the jobs of `pool`.
pub(super) fn start(pool: &Arc<Pool>) -> io::Result<()> {
    let pool = Arc::clone(pool);
    thread::Builder::new()
        .name("policy-watch".to_owned())
        .spawn(move || pool.watchdog.keep_watch(|| pool.now(), |one, now| one.goes_on(&pool, now)))
        .map(drop)
}

impl Watched {
    /// Looks whether something is late, and does what is to be done then. `false`: there is nothing left to watch.
    fn goes_on(&mut self, pool: &Arc<Pool>, now: Duration) -> bool {
        match self.job.stage() {
            Stage::Over => return false,
            Stage::Waiting if now.saturating_sub(self.asked) < QUEUE_WAIT => self.due = self.asked.saturating_add(QUEUE_WAIT),
            Stage::Waiting => {
                if self.job.cancel() {
                    self.job.answer(Err(PolicyError::Overloaded));
                }
                // Or a thread has begun just now.
                self.due = now.saturating_add(LOOK);
            }
            Stage::Running => {
                let (policy, since) = self.job.asked();
                let limit = self.set.policies().get(policy).map_or(Duration::ZERO, |policy| policy.limits().time);
                self.due = since.saturating_add(limit).saturating_add(GRACE);
                // Unless it has gone on to the next policy meanwhile, whose time has just begun.
                if now >= self.due && self.job.asked() == (policy, since) {
                    pool.abandon(&self.set, &self.job, policy);
                    // Its thread may have left it to another in the last moment.
                    self.due = now.saturating_add(LOOK);
                }
            }
        }
        true
    }
}
