//! Durations and sizes as people write them: `500ms`, `30s`, `1h30m`, `90d`; `6144`, `64MiB`.

use std::fmt::Write as _;
use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 7] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];

/// Why a text is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("a number with a unit is wanted")]
    Empty,
    #[error("a whole number stands before the unit")]
    NoNumber,
    #[error("{0} has no unit")]
    NoUnit(u64),
    #[error("{0} is not a unit")]
    UnknownUnit(String),
    #[error("units go from the largest to the smallest, each once")]
    Order,
    #[error("that is too large")]
    TooLarge,
}

/// Reads a duration: one or more whole numbers, each with its unit (`ms`, `s`, `m`, `h`, `d`), the largest unit first.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(QuantityError::Empty);
    }
    let (mut total, mut below) = (0_u64, u64::MAX);
    while !rest.is_empty() {
        let (number, unit, tail) = take(rest)?;
        let Some(&(_, factor)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(if unit.is_empty() { QuantityError::NoUnit(number) } else { QuantityError::UnknownUnit(unit.to_owned()) });
        };
        if factor >= below {
            return Err(QuantityError::Order);
        }
        below = factor;
        total = number.checked_mul(factor).and_then(|part| total.checked_add(part)).ok_or(QuantityError::TooLarge)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// Reads a size in bytes: a whole number, with a unit (`B`, `KiB`, `MiB`, `GiB`, or the decimal `kB`, `MB`, `GB`) or without.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(QuantityError::Empty);
    }
    let (number, unit, tail) = take(text)?;
    if !tail.is_empty() {
        return Err(QuantityError::UnknownUnit(format!("{unit}{tail}")));
    }
    let factor = if unit.is_empty() { Some(1) } else { SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor) };
    let factor = factor.ok_or_else(|| QuantityError::UnknownUnit(unit.to_owned()))?;
    number.checked_mul(factor).ok_or(QuantityError::TooLarge)
}

/// A number, the word behind it, and what follows.
fn take(text: &str) -> Result<(u64, &str, &str), QuantityError> {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if digits.is_empty() {
        return Err(QuantityError::NoNumber);
    }
    let number = digits.parse().map_err(|_| QuantityError::TooLarge)?;
    let rest = rest.trim_start();
    let (unit, tail) = rest.split_at(rest.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(rest.len()));
    Ok((number, unit, tail.trim_start()))
}

/// Writes a duration as [`parse_duration`] reads it. What is finer than a millisecond is left out.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in DURATION_UNITS.iter().rev() {
        // A single day is better read as 24h.
        if *unit == "d" && rest < 2 * factor {
            continue;
        }
        if rest / factor > 0 {
            let _ = write!(text, "{}{unit}", rest / factor);
        }
        rest %= factor;
    }
    text
}

/// Writes a size as [`parse_size`] reads it, with the largest binary unit that leaves a whole number.
pub fn show_size(bytes: u64) -> String {
    let units = SIZE_UNITS.iter().filter(|(unit, factor)| unit.ends_with("iB") && bytes >= *factor && bytes.is_multiple_of(*factor));
    match units.max_by_key(|(_, factor)| *factor) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h30m", 5_400_000), ("90d", 7_776_000_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        assert_eq!(parse_duration(" "), Err(QuantityError::Empty));
        assert_eq!(parse_duration("30"), Err(QuantityError::NoUnit(30)));
        assert_eq!(parse_duration("30 seconds"), Err(QuantityError::UnknownUnit("seconds".to_owned())));
        assert_eq!(parse_duration("-5s"), Err(QuantityError::NoNumber));
        assert_eq!(parse_duration("1.5s"), Err(QuantityError::UnknownUnit(".".to_owned())));
        assert_eq!(parse_duration("1s1m"), Err(QuantityError::Order));
        assert_eq!(parse_duration("99999999999999999d"), Err(QuantityError::TooLarge));
    }

    #[test]
    fn sizes_are_binary_or_decimal_as_written() {
        for (text, bytes) in [("6144", 6144), ("64MiB", 64 << 20), ("1 KiB", 1024), ("2kB", 2000), ("3GiB", 3 << 30), ("7B", 7)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_size("64M"), Err(QuantityError::UnknownUnit("M".to_owned())));
        assert_eq!(parse_size("64MiB2"), Err(QuantityError::UnknownUnit("MiB2".to_owned())));
    }

    #[test]
    fn a_day_reads_as_24h() {
        assert_eq!(show_duration(Duration::from_hours(24)), "24h");
        assert_eq!(show_duration(Duration::from_hours(90 * 24)), "90d");
        assert_eq!(show_size(6144), "6KiB");
        assert_eq!(show_size(6145), "6145");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0..u64::MAX, bytes in 0..u64::MAX) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_a_quantity_panic(text in any::<String>()) {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
