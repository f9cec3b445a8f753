//! Reading a time by a layout, as Go's `time.Parse` does.

use anyhow::bail;
use regorus::Value;

use super::calendar::{days, nanoseconds};
use super::layout::{self, LayoutPiece, MONTHS, Pad, WEEKDAYS};

/// What has been read so far. What a layout does not tell is as it was at the beginning of the year 0.
struct Read {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    afternoon: Option<bool>,
    /// Seconds east of UTC.
    offset: i64,
}

/// Nanoseconds since 1970, `Undefined` if the text is not as the layout shows.
pub(super) fn parse(layout: &str, text: &str) -> anyhow::Result<Value> {
    let mut read =
        Read { year: 0, month: None, day: None, year_day: None, hour: 0, minute: 0, second: 0, nanosecond: 0, afternoon: None, offset: 0 };
    let pieces = layout::pieces(layout);
    let mut rest = text;
    for (index, piece) in pieces.iter().enumerate() {
        let followed_by_fraction = matches!(pieces.get(index + 1), Some(LayoutPiece::Fraction { .. }));
        if *piece == LayoutPiece::ZoneName && !rest.starts_with("UTC") {
            bail!("time.parse_ns knows no names of zones but UTC");
        }
        match read.piece(*piece, rest, followed_by_fraction) {
            Some(after) => rest = after,
            None => return Ok(Value::Undefined),
        }
    }
    Ok(if rest.is_empty() { read.moment() } else { Value::Undefined })
}

impl Read {
    /// Reads a piece; answers with what follows it.
    fn piece<'a>(&mut self, piece: LayoutPiece<'_>, text: &'a str, followed_by_fraction: bool) -> Option<&'a str> {
        let mut rest = text;
        match piece {
            LayoutPiece::Plain(plain) => rest = skip(text, plain)?,
            LayoutPiece::LongMonth => self.month = Some(name(&MONTHS, usize::MAX, &mut rest)? + 1),
            LayoutPiece::Month => self.month = Some(name(&MONTHS, 3, &mut rest)? + 1),
            LayoutPiece::LongWeekday => drop(name(&WEEKDAYS, usize::MAX, &mut rest)?),
            LayoutPiece::Weekday => drop(name(&WEEKDAYS, 3, &mut rest)?),
            LayoutPiece::NumMonth { zero } => self.month = Some(up_to_two(&mut rest, zero).filter(|month| (1..=12).contains(month))?),
            LayoutPiece::Day { pad } => {
                if pad == Pad::Space {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                self.day = Some(up_to_two(&mut rest, pad == Pad::Zero)?);
            }
            LayoutPiece::YearDay { pad } => {
                if pad == Pad::Space {
                    rest = rest.trim_start_matches(' ');
                }
                self.year_day = Some(digits(&mut rest, if pad == Pad::Zero { 3..=3 } else { 1..=3 })?);
            }
            LayoutPiece::Hour24 => self.hour = up_to_two(&mut rest, false).filter(|hour| *hour < 24)?,
            LayoutPiece::Hour12 { zero } => self.hour = up_to_two(&mut rest, zero).filter(|hour| *hour <= 12)?,
            LayoutPiece::Minute { zero } => self.minute = up_to_two(&mut rest, zero).filter(|minute| *minute < 60)?,
            LayoutPiece::Second { zero } => {
                self.second = up_to_two(&mut rest, zero).filter(|second| *second < 60)?;
                // A fraction is read although the layout has none.
                if !followed_by_fraction
                    && let Some(after) = rest.strip_prefix(['.', ','])
                    && after.starts_with(|character: char| character.is_ascii_digit())
                {
                    let length = after.bytes().take_while(u8::is_ascii_digit).count();
                    let (fraction, after) = after.split_at(length);
                    self.nanosecond = fraction_of_second(fraction)?;
                    rest = after;
                }
            }
            LayoutPiece::LongYear => self.year = digits(&mut rest, 4..=4)?,
            LayoutPiece::Year => {
                let year = digits(&mut rest, 2..=2)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            LayoutPiece::Half { upper } => {
                let (before_noon, after_noon) = if upper { ("AM", "PM") } else { ("am", "pm") };
                self.afternoon = Some(rest.starts_with(after_noon));
                rest = rest.strip_prefix(before_noon).or_else(|| rest.strip_prefix(after_noon))?;
            }
            LayoutPiece::ZoneName => rest = rest.strip_prefix("UTC")?,
            LayoutPiece::Zone { z_for_utc: true, .. } if text.starts_with('Z') => rest = text.strip_prefix('Z')?,
            LayoutPiece::Zone { colon, minutes, seconds, .. } => {
                let negative = rest.starts_with('-');
                rest = rest.strip_prefix(['+', '-'])?;
                let mut part = |wanted: bool, most: i64, first: bool| {
                    if !wanted {
                        return Some(0);
                    }
                    if colon && !first {
                        rest = rest.strip_prefix(':')?;
                    }
                    digits(&mut rest, 2..=2).filter(|part| *part <= most)
                };
                let offset = part(true, 24, true)? * 3600 + part(minutes, 60, false)? * 60 + part(seconds, 60, false)?;
                self.offset = if negative { -offset } else { offset };
            }
            LayoutPiece::Fraction { digits, trim: false, .. } => {
                let after = rest.strip_prefix(['.', ','])?;
                let (fraction, after) = after.split_at_checked(digits)?;
                self.nanosecond = fraction_of_second(fraction)?;
                rest = after;
            }
            LayoutPiece::Fraction { trim: true, .. } => {
                if let Some(after) = rest.strip_prefix(['.', ','])
                    && after.starts_with(|character: char| character.is_ascii_digit())
                {
                    let (fraction, after) = after.split_at(after.bytes().take_while(u8::is_ascii_digit).count());
                    self.nanosecond = fraction_of_second(fraction)?;
                    rest = after;
                }
            }
        }
        Some(rest)
    }

    fn moment(&self) -> Value {
        let hour = match (self.afternoon, self.hour) {
            (Some(true), hour) if hour < 12 => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let date = || {
            let first = days(self.year, 1, 1)?;
            let length = days(self.year + 1, 1, 1)? - first;
            if let Some(year_day) = self.year_day {
                let of_year = days(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))? - first + 1;
                let contradicts = self.month.is_some() && self.day.is_some() && of_year != year_day;
                return (1..=length).contains(&year_day).then_some(first + year_day - 1).filter(|_| !contradicts);
            }
            let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
            let in_month = days(self.year, month + 1, 1)? - days(self.year, month, 1)?;
            (1..=in_month).contains(&day).then_some(days(self.year, month, day)?)
        };
        date().map_or(Value::Undefined, |days| {
            nanoseconds(days * 86_400 + hour * 3600 + self.minute * 60 + self.second - self.offset, self.nanosecond)
        })
    }
}

/// Blanks in a layout stand for as many as there are.
fn skip<'a>(mut text: &'a str, mut plain: &str) -> Option<&'a str> {
    while let Some(character) = plain.chars().next() {
        if character == ' ' {
            if text.starts_with(|other| other != ' ') {
                return None;
            }
            plain = plain.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
        } else {
            text = text.strip_prefix(character)?;
            plain = plain.get(character.len_utf8()..)?;
        }
    }
    Some(text)
}

/// The index of the name that a text begins with, in letters of either case.
fn name(names: &[&str], length: usize, rest: &mut &str) -> Option<i64> {
    let index = names.iter().position(|name| {
        let wanted = name.get(..length.min(name.len())).unwrap_or(name);
        rest.get(..wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    })?;
    let length = length.min(names.get(index)?.len());
    *rest = rest.get(length..)?;
    i64::try_from(index).ok()
}

/// One digit or two; two, if a zero must stand before one.
fn up_to_two(rest: &mut &str, zero: bool) -> Option<i64> {
    digits(rest, if zero { 2..=2 } else { 1..=2 })
}

fn digits(rest: &mut &str, wanted: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let length = rest.bytes().take(*wanted.end()).take_while(u8::is_ascii_digit).count();
    if !wanted.contains(&length) {
        return None;
    }
    let (number, after) = rest.split_at(length);
    *rest = after;
    number.parse().ok()
}

/// Nanoseconds; digits beyond them are cut off.
fn fraction_of_second(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.chars().chain(std::iter::repeat('0')).take(9).collect::<String>().parse().ok()
}
