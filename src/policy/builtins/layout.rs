//! Layouts of times, as Go has them: a layout shows how the moment `Mon Jan 2 15:04:05 MST 2006` is written.
//!
//! <https://pkg.go.dev/time#Layout>. The names of zones (`MST`) are known of UTC alone.

/// A piece of a layout. A fraction is `.000`, or `.999`, which leaves zeros at its end out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayoutPiece<'a> {
    Plain(&'a str),
    LongMonth,
    Month,
    NumMonth { zero: bool },
    LongWeekday,
    Weekday,
    Day { pad: Pad },
    YearDay { pad: Pad },
    Hour24,
    Hour12 { zero: bool },
    Minute { zero: bool },
    Second { zero: bool },
    LongYear,
    Year,
    Half { upper: bool },
    ZoneName,
    Zone { z_for_utc: bool, colon: bool, minutes: bool, seconds: bool },
    Fraction { mark: char, digits: usize, trim: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pad {
    None,
    Zero,
    Space,
}

pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// The layout that a name stands for.
fn named(layout: &str) -> &str {
    match layout {
        "ANSIC" => "Mon Jan _2 15:04:05 2006",
        "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
        "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
        "RFC822" => "02 Jan 06 15:04 MST",
        "RFC822Z" => "02 Jan 06 15:04 -0700",
        "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
        "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
        "RFC3339" => "2006-01-02T15:04:05Z07:00",
        "RFC3339Nano" => RFC3339_NANO,
        other => other,
    }
}

/// The pieces that stand for something, the longest first where one begins with another.
const PIECES: [(&str, LayoutPiece<'static>); 33] = [
    ("January", LayoutPiece::LongMonth),
    ("Monday", LayoutPiece::LongWeekday),
    ("MST", LayoutPiece::ZoneName),
    ("002", LayoutPiece::YearDay { pad: Pad::Zero }),
    ("01", LayoutPiece::NumMonth { zero: true }),
    ("02", LayoutPiece::Day { pad: Pad::Zero }),
    ("03", LayoutPiece::Hour12 { zero: true }),
    ("04", LayoutPiece::Minute { zero: true }),
    ("05", LayoutPiece::Second { zero: true }),
    ("06", LayoutPiece::Year),
    ("15", LayoutPiece::Hour24),
    ("1", LayoutPiece::NumMonth { zero: false }),
    ("2006", LayoutPiece::LongYear),
    ("2", LayoutPiece::Day { pad: Pad::None }),
    ("__2", LayoutPiece::YearDay { pad: Pad::Space }),
    ("_2", LayoutPiece::Day { pad: Pad::Space }),
    ("3", LayoutPiece::Hour12 { zero: false }),
    ("4", LayoutPiece::Minute { zero: false }),
    ("5", LayoutPiece::Second { zero: false }),
    ("PM", LayoutPiece::Half { upper: true }),
    ("pm", LayoutPiece::Half { upper: false }),
    ("-07:00:00", zone(false, true, true, true)),
    ("-07:00", zone(false, true, true, false)),
    ("-070000", zone(false, false, true, true)),
    ("-0700", zone(false, false, true, false)),
    ("-07", zone(false, false, false, false)),
    ("Z07:00:00", zone(true, true, true, true)),
    ("Z07:00", zone(true, true, true, false)),
    ("Z070000", zone(true, false, true, true)),
    ("Z0700", zone(true, false, true, false)),
    ("Z07", zone(true, false, false, false)),
    ("Jan", LayoutPiece::Month),
    ("Mon", LayoutPiece::Weekday),
];

#[expect(clippy::fn_params_excessive_bools, reason = "each is a part that a layout has or lacks")]
const fn zone(z_for_utc: bool, colon: bool, minutes: bool, seconds: bool) -> LayoutPiece<'static> {
    LayoutPiece::Zone { z_for_utc, colon, minutes, seconds }
}

/// Takes a layout apart.
pub(super) fn pieces(layout: &str) -> Vec<LayoutPiece<'_>> {
    let layout = named(layout);
    let mut pieces = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(rest) = layout.get(at..).filter(|rest| !rest.is_empty()) {
        match first(rest) {
            Some((piece, length)) => {
                if let Some(text) = layout.get(plain..at).filter(|text| !text.is_empty()) {
                    pieces.push(LayoutPiece::Plain(text));
                }
                pieces.push(piece);
                at += length;
                plain = at;
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    if let Some(text) = layout.get(plain..).filter(|text| !text.is_empty()) {
        pieces.push(LayoutPiece::Plain(text));
    }
    pieces
}

/// The piece that a text begins with, and its length.
fn first(text: &str) -> Option<(LayoutPiece<'_>, usize)> {
    // `_2006` is a blank line before a year, and not a day.
    if text.starts_with("_2006") {
        return None;
    }
    if let Some(fraction) = fraction(text) {
        return Some(fraction);
    }
    let lower_follows = |length: usize| text.as_bytes().get(length).is_some_and(u8::is_ascii_lowercase);
    PIECES.iter().filter(|(name, _)| text.starts_with(name)).find_map(|(name, piece)| match piece {
        // `Month` is a word, and so is `Janet`.
        LayoutPiece::Month | LayoutPiece::Weekday if lower_follows(name.len()) => None,
        piece => Some((*piece, name.len())),
    })
}

/// A mark, and zeros or nines that no other digit follows.
fn fraction(text: &str) -> Option<(LayoutPiece<'_>, usize)> {
    let mark = text.chars().next().filter(|mark| matches!(mark, '.' | ','))?;
    let rest = text.get(1..)?;
    let digit = rest.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let digits = rest.chars().take_while(|character| *character == digit).count();
    if rest.as_bytes().get(digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((LayoutPiece::Fraction { mark, digits, trim: digit == '9' }, digits + 1))
}

/// Whether a layout asks for the name of a zone.
pub(in crate::policy) fn names_a_zone(layout: &str) -> bool {
    pieces(layout).contains(&LayoutPiece::ZoneName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_taken_apart() {
        assert_eq!(
            pieces("2006-01-02T15:04:05.000Z07:00"),
            [
                LayoutPiece::LongYear,
                LayoutPiece::Plain("-"),
                LayoutPiece::NumMonth { zero: true },
                LayoutPiece::Plain("-"),
                LayoutPiece::Day { pad: Pad::Zero },
                LayoutPiece::Plain("T"),
                LayoutPiece::Hour24,
                LayoutPiece::Plain(":"),
                LayoutPiece::Minute { zero: true },
                LayoutPiece::Plain(":"),
                LayoutPiece::Second { zero: true },
                LayoutPiece::Fraction { mark: '.', digits: 3, trim: false },
                zone(true, true, true, false),
            ]
        );
        assert_eq!(pieces("Month größe"), [LayoutPiece::Plain("Month größe")]);
        assert!(names_a_zone("RFC1123") && !names_a_zone("RFC1123Z"));
    }
}
