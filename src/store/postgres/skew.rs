//! By how much the server's clock is ahead of this machine's.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::sql;
use crate::clock::{Clock as _, SystemClock};
use crate::store::error::StoreError;
use crate::store::sql::{At, Connection, query};
use crate::store::stored;

/// It is looked at again after this time: somebody may set a clock.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Clocks that are kept in step agree to within much less, and two questions of one clock never quite.
const IN_STEP: SignedDuration = SignedDuration::from_secs(1);

/// What was found out last, and when.
pub(super) struct Skew {
    clock: SystemClock,
    known: Mutex<Option<(Duration, SignedDuration)>>,
}

impl Skew {
    pub(super) fn new() -> Self {
        Self { clock: SystemClock::start(), known: Mutex::default() }
    }

    /// By how much the server's clock is ahead; zero if they are in step.
    pub(super) async fn ahead(&self, connection: &mut dyn Connection) -> Result<SignedDuration, StoreError> {
        let before = self.clock.now();
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, ahead)) = known
            && before.monotonic.saturating_sub(at) < KNOWN_FOR
        {
            return Ok(ahead);
        }
        let rows = connection.fetch(query(sql::NOW)).await?;
        let there = rows.first().map(|row| row.number(At::First)).transpose()?.flatten();
        let there = stored::time(there.ok_or_else(|| stored::nonsense("a time", "it is empty"))?)?;
        let took = self.clock.monotonic().saturating_sub(before.monotonic);
        let ahead = skew(before.wall, took, there);
        let was = self.known.lock().unwrap_or_else(PoisonError::into_inner).replace((before.monotonic, ahead));
        if !ahead.is_zero() && was.is_none_or(|(_, was)| was.is_zero()) {
            tracing::warn!(
                seconds = ahead.as_secs(),
                "this machine's clock is not in step with the database's, by which times in the store are written: the end of keys and tokens is as this machine's clock has it"
            );
        }
        Ok(ahead)
    }
}

/// The server's time was asked for at `before`, and came after `took`.
fn skew(before: Timestamp, took: Duration, there: Timestamp) -> SignedDuration {
    let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
    let ahead = there.duration_since(before).saturating_sub(took / 2);
    // However long it was under way, it is not told apart from that.
    if ahead.abs() < IN_STEP.max(took) { SignedDuration::ZERO } else { ahead }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_out_of_step_by_more_than_the_question_took() {
        let before: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        for (took, there, ahead) in [
            (0, "2026-03-02T12:00:00.9Z", 0),
            (0, "2026-03-02T11:59:59.1Z", 0),
            (2, "2026-03-02T13:00:01Z", 3600),
            (2, "2026-03-02T11:00:01Z", -3600),
            (9, "2026-03-02T12:00:09Z", 0),
        ] {
            assert_eq!(skew(before, Duration::from_secs(took), there.parse().unwrap()), SignedDuration::from_secs(ahead), "{there}");
        }
    }
}
