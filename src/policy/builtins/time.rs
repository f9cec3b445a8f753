//! Times, where regorus and OPA do not say the same of them: reading and writing them, and counting with dates.
//!
//! What is the hour where at a moment regorus and OPA say alike, so that is asked there and zones are not known here.

use anyhow::bail;
use regorus::Value;

use super::calendar::{SECOND, days, nanoseconds};
use super::function::{Function, Own};
use super::layout::{self, LayoutPiece, MONTHS, Pad, WEEKDAYS};
use super::native::theirs;
use super::parse_time;

pub(super) static FUNCTIONS: [Function; 6] = [
    ("time.format", 1, Own::Partial(format)),
    ("time.parse_rfc3339_ns", 1, Own::Partial(parse_rfc3339)),
    ("time.parse_ns", 2, Own::Partial(parse_ns)),
    ("time.parse_duration_ns", 1, Own::Total(parse_duration)),
    ("time.add_date", 4, Own::Partial(add_date)),
    ("time.diff", 2, Own::Partial(diff)),
];

const DAY: i64 = 86_400;

/// A moment, where somebody is, in the words of clock and calendar.
struct Local {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    /// Seconds east of UTC.
    offset: i64,
    is_utc: bool,
}

/// Integers in an array that regorus made.
fn integers<const N: usize>(value: &Value) -> Option<[i64; N]> {
    let items: Vec<i64> = value.as_array().ok()?.iter().map(|item| item.as_i64().ok()).collect::<Option<_>>()?;
    items.try_into().ok()
}

impl Local {
    /// From what the builtins take: a moment, or an array of a moment, a zone, and whatever else.
    fn of(when: &Value) -> anyhow::Result<Option<Self>> {
        let (moment, zone) = match when {
            Value::Array(items) => match items.as_slice() {
                [moment] => (moment, None),
                [moment, Value::String(zone), ..] => (moment, Some(zone.as_ref())),
                _ => return Ok(None),
            },
            moment => (moment, None),
        };
        let Ok(moment_ns) = moment.as_i64() else { return Ok(None) };
        let asked = [Value::from(vec![moment.clone(), Value::from(zone.unwrap_or_default())])];
        let (date, clock) = (theirs("time.date", &asked)?, theirs("time.clock", &asked)?);
        let (Some([year, month, day]), Some([hour, minute, second])) = (integers(&date), integers(&clock)) else { return Ok(None) };
        let Some(days) = days(year, month, day) else { return Ok(None) };
        let (seconds, nanosecond) = (moment_ns.div_euclid(1_000_000_000), moment_ns.rem_euclid(1_000_000_000));
        let offset = days * DAY + hour * 3600 + minute * 60 + second - seconds;
        let is_utc = matches!(zone, None | Some("" | "UTC"));
        Ok(Some(Self { year, month, day, hour, minute, second, nanosecond, offset, is_utc }))
    }

    fn weekday(&self) -> usize {
        days(self.year, self.month, self.day).map_or(0, |days| usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0))
    }

    fn write(&self, piece: LayoutPiece<'_>, out: &mut String) -> anyhow::Result<()> {
        let padded = |number: i64, width: usize, pad: Pad| match pad {
            Pad::None => number.to_string(),
            Pad::Zero => format!("{number:0width$}"),
            Pad::Space => format!("{number:width$}"),
        };
        let zero = |zero: bool| if zero { Pad::Zero } else { Pad::None };
        let month = usize::try_from(self.month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or_default();
        let weekday = WEEKDAYS.get(self.weekday()).copied().unwrap_or_default();
        let hour12 = (self.hour + 11) % 12 + 1;
        match piece {
            LayoutPiece::Plain(text) => out.push_str(text),
            LayoutPiece::LongMonth => out.push_str(month),
            LayoutPiece::Month => out.extend(month.chars().take(3)),
            LayoutPiece::NumMonth { zero: z } => out.push_str(&padded(self.month, 2, zero(z))),
            LayoutPiece::LongWeekday => out.push_str(weekday),
            LayoutPiece::Weekday => out.extend(weekday.chars().take(3)),
            LayoutPiece::Day { pad } => out.push_str(&padded(self.day, 2, pad)),
            LayoutPiece::YearDay { pad } => {
                let first = days(self.year, 1, 1).unwrap_or(0);
                out.push_str(&padded(days(self.year, self.month, self.day).unwrap_or(0) - first + 1, 3, pad));
            }
            LayoutPiece::Hour24 => out.push_str(&padded(self.hour, 2, Pad::Zero)),
            LayoutPiece::Hour12 { zero: z } => out.push_str(&padded(hour12, 2, zero(z))),
            LayoutPiece::Minute { zero: z } => out.push_str(&padded(self.minute, 2, zero(z))),
            LayoutPiece::Second { zero: z } => out.push_str(&padded(self.second, 2, zero(z))),
            LayoutPiece::LongYear => out.push_str(&padded(self.year, 4, Pad::Zero)),
            LayoutPiece::Year => out.push_str(&padded(self.year.rem_euclid(100), 2, Pad::Zero)),
            LayoutPiece::Half { upper } => out.push_str(match (self.hour >= 12, upper) {
                (true, true) => "PM",
                (true, false) => "pm",
                (false, true) => "AM",
                (false, false) => "am",
            }),
            LayoutPiece::ZoneName if self.is_utc => out.push_str("UTC"),
            LayoutPiece::ZoneName => bail!("time.format knows no names of zones but UTC: write the offset, `-07:00`"),
            LayoutPiece::Zone { z_for_utc: true, .. } if self.offset == 0 => out.push('Z'),
            LayoutPiece::Zone { colon, minutes, seconds, .. } => {
                let offset = self.offset.abs();
                let colon = if colon { ":" } else { "" };
                out.push(if self.offset < 0 { '-' } else { '+' });
                out.push_str(&padded(offset / 3600, 2, Pad::Zero));
                if minutes {
                    let piece = format!("{colon}{:02}", offset / 60 % 60);
                    out.push_str(&piece);
                }
                if seconds {
                    let piece = format!("{colon}{:02}", offset % 60);
                    out.push_str(&piece);
                }
            }
            LayoutPiece::Fraction { mark, digits, trim } => {
                let all = format!("{:09}", self.nanosecond);
                let shown: String = all.chars().chain(std::iter::repeat('0')).take(digits).collect();
                let shown = if trim { shown.trim_end_matches('0') } else { &shown };
                if !shown.is_empty() {
                    out.push(mark);
                    out.push_str(shown);
                }
            }
        }
        Ok(())
    }
}

fn format(args: &[Value]) -> anyhow::Result<Value> {
    let [when] = args else { return Ok(Value::Undefined) };
    let layout = match when {
        Value::Array(items) => match items.as_slice() {
            [_, _, Value::String(layout)] if !layout.is_empty() => layout.as_ref(),
            [_, _, Value::String(_)] | [_] | [_, _] => layout::RFC3339_NANO,
            _ => return Ok(Value::Undefined),
        },
        _ => layout::RFC3339_NANO,
    };
    let Some(local) = Local::of(when)? else { return Ok(Value::Undefined) };
    let mut out = String::with_capacity(layout.len() + 16);
    for piece in layout::pieces(layout) {
        local.write(piece, &mut out)?;
    }
    Ok(Value::from(out))
}

fn parse_rfc3339(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [Value::String(text)] => parse_time::parse("RFC3339", text),
        _ => Ok(Value::Undefined),
    }
}

fn parse_ns(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [Value::String(layout), Value::String(text)] => parse_time::parse(layout, text),
        _ => Ok(Value::Undefined),
    }
}

fn add_date(args: &[Value]) -> anyhow::Result<Value> {
    let [when, years, months, more] = args else { return Ok(Value::Undefined) };
    let (Ok(years), Ok(months), Ok(more)) = (years.as_i64(), months.as_i64(), more.as_i64()) else { return Ok(Value::Undefined) };
    let Value::Number(_) = when else { return Ok(Value::Undefined) };
    let Some(local) = Local::of(when)? else { return Ok(Value::Undefined) };
    let date = || {
        let days = days(local.year.checked_add(years)?, local.month.checked_add(months)?, local.day.checked_add(more)?)?;
        days.checked_mul(DAY)?.checked_add(local.hour * 3600 + local.minute * 60 + local.second)
    };
    Ok(date().map_or(Value::Undefined, |seconds| nanoseconds(seconds, local.nanosecond)))
}

/// Years, months, days, hours, minutes and seconds between two moments, where the first one is.
fn diff(args: &[Value]) -> anyhow::Result<Value> {
    let [one, other] = args else { return Ok(Value::Undefined) };
    let moment = |when: &Value| match when {
        Value::Array(items) => items.first().cloned(),
        moment => Some(moment.clone()),
    };
    let (Some(first), Some(second)) = (moment(one), moment(other)) else { return Ok(Value::Undefined) };
    let there = match one {
        Value::Array(items) => items.get(1).map(|zone| Value::from(vec![second.clone(), zone.clone()])),
        _ => None,
    };
    // The second one's own zone must be one, too.
    let (Some(from), Some(_), Some(to)) = (Local::of(one)?, Local::of(other)?, Local::of(there.as_ref().unwrap_or(&second))?) else {
        return Ok(Value::Undefined);
    };
    let (from, to) = if first > second { (to, from) } else { (from, to) };
    let mut parts = [
        to.year - from.year,
        to.month - from.month,
        to.day - from.day,
        to.hour - from.hour,
        to.minute - from.minute,
        to.second - from.second,
    ];
    let of_month = days(from.year, from.month + 1, 1).zip(days(from.year, from.month, 1)).map_or(30, |(next, this)| next - this);
    let [years, months, days, hours, minutes, seconds] = &mut parts;
    borrow(seconds, minutes, 60);
    borrow(minutes, hours, 60);
    borrow(hours, days, 24);
    borrow(days, months, of_month);
    borrow(months, years, 12);
    Ok(Value::from(parts.map(Value::from).to_vec()))
}

/// Takes one from the greater part if the smaller one is below zero.
fn borrow(part: &mut i64, above: &mut i64, size: i64) {
    if *part < 0 {
        *part += size;
        *above -= 1;
    }
}

/// `1h30m`; beside Go's units OPA knows days, weeks and years.
fn parse_duration(args: &[Value]) -> Value {
    let [Value::String(text)] = args else { return Value::Undefined };
    duration(text).and_then(|nanoseconds| i64::try_from(nanoseconds).ok()).map_or(Value::Undefined, Value::from)
}

fn duration(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|character: char| character == '.' || character.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let unit: i128 = match name {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            "d" => 86_400 * SECOND,
            "w" => 7 * 86_400 * SECOND,
            "y" => 365 * 86_400 * SECOND,
            _ => return None,
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
        total = total.checked_add(whole.checked_mul(unit)?)?.checked_add(of_unit(fraction, unit))?;
        if total > i128::from(i64::MAX) + 1 {
            return None;
        }
        rest = after;
    }
    Some(if negative { -total } else { total })
}

/// A fraction of a unit, computed as Go does it: in a float, and cut off.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "this is how Go does it")]
fn of_unit(fraction: &str, unit: i128) -> i128 {
    let (mut digits, mut scale) = (0_i64, 1.0_f64);
    for digit in fraction.bytes() {
        match digits.checked_mul(10).and_then(|digits| digits.checked_add(i64::from(digit - b'0'))) {
            Some(more) => (digits, scale) = (more, scale * 10.0),
            None => break,
        }
    }
    (digits as f64 * (unit as f64 / scale)) as i128
}
