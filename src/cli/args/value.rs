//! Values of arguments that are not one of the model's own words.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use crate::clock::later;
use crate::config::parse_duration;
use crate::model::{Expiry, RoleId, Snapshot, SpaceId};

/// When a key ends: `90d`, an RFC 3339 time, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    In(Duration),
    At(Timestamp),
    Never,
}

impl End {
    /// The expiry that it comes to at `now`. `None`: it lies in the past, which is never what somebody meant by an expiry.
    pub(crate) fn from(self, now: Timestamp) -> Option<Expiry> {
        let at = match self {
            Self::Never => return Some(Expiry::Never),
            Self::In(span) => later(now, span),
            Self::At(at) => at,
        };
        (at > now).then_some(Expiry::At(at))
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Ok(span) = parse_duration(text) {
            return Ok(Self::In(span));
        }
        time(text).map(Self::At).map_err(|_| not_an_end(text))
    }
}

/// What to write instead: a number without a unit and a date without a time are what people write most.
fn not_an_end(text: &str) -> String {
    if text.parse::<u32>().is_ok() {
        return format!("a span needs a unit: write `{text}d` for days, `{text}h` for hours");
    }
    if text.contains(':') && text.parse::<DateTime>().is_ok() {
        return format!("a time needs its offset from UTC: write `{text}Z` for UTC, or `{text}+01:00`");
    }
    if let Ok(date) = text.parse::<Date>() {
        return format!("a date needs a time: write `{date}T00:00:00Z` for the moment that day begins in UTC");
    }
    "it is neither a span such as `90d`, nor an RFC 3339 time, nor `never`".to_owned()
}

/// A span such as `90d`, `1h30m` or `0`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    parse_duration(text).map_err(|error| format!("it is not a span such as `90d` or `1h`: {error}"))
}

/// An RFC 3339 time, with its offset from UTC.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "it is not an RFC 3339 time such as `2026-01-31T12:00:00Z`".to_owned())
}

/// `ROLE@SPACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleAtSpace {
    pub(crate) role: RoleId,
    pub(crate) space: SpaceId,
}

impl RoleAtSpace {
    /// What was meant, if the role's name is a space's and the space's a role's.
    pub(crate) fn swapped(&self, snapshot: &Snapshot) -> Option<Self> {
        if snapshot.roles.contains_key(&self.role) || snapshot.spaces.contains(&self.space) {
            return None;
        }
        let (role, space) = (self.space.as_str().parse::<RoleId>().ok()?, self.role.as_str().parse::<SpaceId>().ok()?);
        (snapshot.roles.contains_key(&role) && snapshot.spaces.contains(&space)).then_some(Self { role, space })
    }
}

impl FromStr for RoleAtSpace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, space) = text.split_once('@').ok_or("it is not ROLE@SPACE, such as `deployer@production`")?;
        Ok(Self { role: role.parse().map_err(|error| format!("{error}"))?, space: space.parse().map_err(|error| format!("{error}"))? })
    }
}

/// A time for people, to the second; nothing if there is none.
pub(crate) fn time_text(at: Option<Timestamp>) -> String {
    at.map(|at| format!("{at:.0}")).unwrap_or_default()
}

/// `a, b, c`.
pub(crate) fn joined(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_is_a_span_a_time_or_never() {
        assert_eq!("90d".parse(), Ok(End::In(Duration::from_hours(90 * 24))));
        assert_eq!("1h30m".parse(), Ok(End::In(Duration::from_mins(90))));
        assert_eq!("2026-01-31T12:00:00+01:00".parse(), Ok(End::At(at("2026-01-31T11:00:00Z"))));
        assert_eq!("never".parse(), Ok(End::Never));
        for wrong in ["", "90", "tomorrow", "2026-01-31", "2026-01-31T12:00:00", "-1d", "Never", "90d ago", "30d1d"] {
            assert!(wrong.parse::<End>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_end_that_lacks_a_unit_a_time_or_an_offset_is_told_what_to_write() {
        let told = |text: &str| text.parse::<End>().unwrap_err();

        assert!(told("90").contains("write `90d` for days"), "{}", told("90"));
        assert!(told("2027-01-31").contains("write `2027-01-31T00:00:00Z`"), "{}", told("2027-01-31"));
        assert!(told("2027-01-31T12:00:00").contains("write `2027-01-31T12:00:00Z` for UTC"), "{}", told("2027-01-31T12:00:00"));
        assert!(told("tomorrow").contains("neither a span"), "{}", told("tomorrow"));
    }

    #[test]
    fn an_end_counts_from_now_and_may_not_have_passed() {
        let now = at("2026-01-01T00:00:00Z");

        assert_eq!(End::In(Duration::from_hours(24)).from(now), Some(Expiry::At(at("2026-01-02T00:00:00Z"))));
        assert_eq!(End::At(at("2027-01-01T00:00:00Z")).from(now), Some(Expiry::At(at("2027-01-01T00:00:00Z"))));
        assert_eq!(End::Never.from(now), Some(Expiry::Never));
        assert_eq!(End::In(Duration::ZERO).from(now), None);
        assert_eq!(End::At(now).from(now), None);
        assert_eq!(End::At(at("2025-12-31T23:59:59Z")).from(now), None);
    }

    #[test]
    fn a_grace_is_a_span_and_may_be_none() {
        assert_eq!(span("0"), Ok(Duration::ZERO));
        assert_eq!(span("1h"), Ok(Duration::from_hours(1)));
        assert!(span("1").is_err());
        assert!(span("soon").is_err());
    }

    #[test]
    fn a_role_and_its_space_stand_around_an_at() {
        let parsed: RoleAtSpace = "deployer@production".parse().unwrap();

        assert_eq!((parsed.role.as_str(), parsed.space.as_str()), ("deployer", "production"));
        for wrong in ["deployer", "deployer@", "@production", "a@b@c", "Deployer@production", ""] {
            assert!(wrong.parse::<RoleAtSpace>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(time_text(Some(at("2026-01-01T10:20:30.123456Z"))), "2026-01-01T10:20:30Z");
        assert_eq!(time_text(None), "");
    }
}
