//! How what the model has is written down, and read again, whatever the backend: times as microseconds, lists as JSON, ids as text.
//!
//! What the model refuses means that somebody else has written to the store: the store answers with nonsense, so it cannot be used.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;

use super::error::StoreError;
use crate::model::{AuditId, KeyDigest, Revision};

/// The store holds what it cannot hold.
pub(super) fn nonsense(what: &str, why: impl Display) -> StoreError {
    StoreError::Unavailable(format!("it holds {what} that makes no sense: {why}"))
}

/// Microseconds since the Unix epoch: what times are stored as. The last second of all has none but its first, as it could not be read again.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond().min(Timestamp::MAX.as_second() * 1_000_000)
}

/// A time as it will be read again: whole microseconds.
pub(super) fn storable(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(micros(at)).unwrap_or(at)
}

/// The minute that a time lies in, as it is stored.
pub(super) fn to_the_minute(at: Timestamp) -> i64 {
    const MINUTE: i64 = 60_000_000;
    micros(at).div_euclid(MINUTE) * MINUTE
}

pub(super) fn time(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| nonsense("a time", error))
}

pub(super) fn json<'a, T: serde::Deserialize<'a>>(what: &str, text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| nonsense(what, error))
}

pub(super) fn parsed<T: FromStr<Err: Display>>(what: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| nonsense(what, error))
}

pub(super) fn revision(number: i64) -> Result<Revision, StoreError> {
    u64::try_from(number).map(Revision).map_err(|error| nonsense("a revision", error))
}

pub(super) fn audit_id(number: i64) -> Result<AuditId, StoreError> {
    u64::try_from(number).map(AuditId).map_err(|error| nonsense("an audit entry", error))
}

/// A number of the audit as one of the database, as [`number`] does it.
pub(super) fn audit_number(id: AuditId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

/// A revision as a number of the database; those that it cannot count to are all alike to it.
pub(super) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

pub(super) fn digest(bytes: &[u8]) -> Result<KeyDigest, StoreError> {
    bytes.try_into().map(KeyDigest::from_bytes).map_err(|_| nonsense("a digest", "it must have 32 bytes"))
}

/// A list as a JSON array.
pub(super) fn list<T: serde::Serialize>(items: &[T]) -> String {
    serde_json::to_string(items).expect("lists of texts can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time_can_be_stored_and_read_again() {
        for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let again = time(micros(at)).unwrap();
            assert_eq!(again.as_second(), at.as_second());
            assert_eq!(storable(at), again);
        }
    }

    #[test]
    fn a_minute_before_the_epoch_begins_before_it() {
        let at = "1969-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(time(to_the_minute(at)).unwrap().to_string(), "1969-12-31T23:59:00Z");
    }
}
