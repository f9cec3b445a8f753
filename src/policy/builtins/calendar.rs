//! The calendar that OPA goes by.

use regorus::Value;

pub(super) const SECOND: i128 = 1_000_000_000;

/// Days since 1970 of a day of the calendar, whose month and day may be beyond their ends.
pub(super) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    // March is the first month here, so that the day that comes and goes is the last of a year.
    let months = year.checked_mul(12)?.checked_add(month)?.checked_sub(3)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5;
    era.checked_mul(146_097)?.checked_add(of_era * 365 + of_era / 4 - of_era / 100 + of_year)?.checked_sub(719_469)?.checked_add(day)
}

/// Nanoseconds since 1970, if they fit where OPA keeps them.
pub(super) fn nanoseconds(seconds: i64, nanosecond: i64) -> Value {
    i64::try_from(i128::from(seconds) * SECOND + i128::from(nanosecond)).map_or(Value::Undefined, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_the_ends_of_months_and_years() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2026, 2, 31), days(2026, 3, 3));
        assert_eq!(days(2025, 14, 1), days(2026, 2, 1));
        assert_eq!(days(2024, 3, 1).zip(days(2024, 2, 29)).map(|(one, other)| one - other), Some(1));
        assert_eq!(days(1969, 12, 31), Some(-1));
        assert_eq!(days(i64::MAX, 1, 1), None);
    }
}
