//! `sprintf`, whose formats are Go's: <https://pkg.go.dev/fmt>.
//!
//! Numbers are given to it as numbers, texts as texts, and everything else as the text that OPA prints of it. A verb that does not fit its
//! argument is told in the result, as Go does it. Not taken: arguments by index and widths from arguments.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use anyhow::bail;
use regorus::Value;

use super::{budget, order};

/// The widest field: wider ones have been refused before.
const WIDTH_MAX: usize = 999;

pub(super) fn sprintf(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(format), Value::Array(values)] = args else { return Ok(Value::Undefined) };
    if let Err(reason) = check(format) {
        bail!("{reason}");
    }
    if values.iter().any(|value| matches!(value, Value::Number(number) if number.is_integer() && number.as_i128().is_none())) {
        bail!("sprintf takes no number of more than 128 bits");
    }
    // Once for the text, once for the pieces that it is put together from; and each verb may pad.
    budget::charge(budget::size(args, usize::MAX).saturating_mul(4).saturating_add(format.matches('%').count().saturating_mul(WIDTH_MAX)))?;
    Ok(Value::from(printed(format, values.as_slice())))
}

/// What is not taken of Go's formats.
///
/// # Errors
/// A sentence about it.
pub(in crate::policy) fn check(format: &str) -> Result<(), String> {
    for (verb, directive) in directives(format) {
        if directive.odd {
            return Err("sprintf takes its arguments one after the other: there is no `[1]` and no `*` in its formats".to_owned());
        }
        if let Some(verb @ ('x' | 'X' | 'b')) = verb
            && directive.precision.is_some()
        {
            return Err(format!("sprintf takes no precision for `%{verb}`"));
        }
    }
    Ok(())
}

fn directives(format: &str) -> Vec<(Option<char>, Directive)> {
    let mut rest = format.chars().peekable();
    let mut found = Vec::new();
    while let Some(character) = rest.next() {
        if character == '%' {
            let directive = Directive::read(&mut rest);
            found.push((rest.next(), directive));
        }
    }
    found
}

/// What stands between `%` and a verb.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that may be given or not")]
struct Directive {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// An index or a star.
    odd: bool,
}

impl Directive {
    fn read(rest: &mut Peekable<Chars<'_>>) -> Self {
        let mut directive = Self::default();
        loop {
            match rest.peek() {
                Some('#') => directive.sharp = true,
                Some('0') => directive.zero = true,
                Some('+') => directive.plus = true,
                Some('-') => directive.minus = true,
                Some(' ') => directive.space = true,
                _ => break,
            }
            rest.next();
        }
        directive.width = number(rest);
        if rest.next_if_eq(&'.').is_some() {
            directive.precision = Some(number(rest).unwrap_or(0));
        }
        directive.odd = matches!(rest.peek(), Some('[' | '*'));
        directive
    }

    /// Puts a text into the field.
    fn pad(&self, text: &str, zeros: bool, out: &mut String) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.minus {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else {
            out.extend(std::iter::repeat_n(if zeros { '0' } else { ' ' }, missing));
            out.push_str(text);
        }
    }
}

/// Digits, as far as they count.
fn number(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        let digit = usize::try_from(digit.to_digit(10).unwrap_or(0)).unwrap_or(0);
        number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit));
    }
    number
}

enum Arg {
    Whole(i64),
    /// What a machine's word does not hold.
    Big(i128),
    Fraction(f64),
    Text(String),
}

impl Arg {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.to_string()),
            Value::Number(number) => match (number.as_i64(), number.as_i128(), number.as_f64()) {
                (Some(whole), ..) => Self::Whole(whole),
                (None, Some(whole), _) => Self::Big(whole),
                (None, None, Some(fraction)) => Self::Fraction(fraction),
                (None, None, None) => Self::Text(number.format_decimal()),
            },
            other => {
                let mut text = String::new();
                print(other, &mut text);
                Self::Text(text)
            }
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Whole(_) => "int64",
            Self::Big(_) => "big.Int",
            Self::Fraction(_) => "float64",
            Self::Text(_) => "string",
        }
    }
}

fn printed(format: &str, values: &[Value]) -> String {
    let mut out = String::with_capacity(format.len() * 2);
    let mut rest = format.chars().peekable();
    let mut args = values.iter();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let directive = Directive::read(&mut rest);
        match rest.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match args.next() {
                None => {
                    out.extend(["%!", verb.encode_utf8(&mut [0; 4]), "(MISSING)"]);
                }
                Some(value) => one(&Arg::of(value), verb, &directive, &mut out),
            },
        }
    }
    let extra: Vec<String> = args
        .map(|value| {
            let arg = Arg::of(value);
            let mut text = format!("{}=", arg.type_name());
            one(&arg, 'v', &Directive::default(), &mut text);
            text
        })
        .collect();
    if !extra.is_empty() {
        let piece = format!("%!(EXTRA {})", extra.join(", "));
        out.push_str(&piece);
    }
    out
}

fn one(arg: &Arg, verb: char, directive: &Directive, out: &mut String) {
    let fits = match (arg, verb) {
        (arg, 'T') => {
            text(arg.type_name(), directive, out);
            true
        }
        (Arg::Text(value), verb) => of_text(value, verb, directive, out),
        (Arg::Whole(value), verb) => of_whole(i128::from(*value), verb, directive, out),
        (Arg::Big(value), 's') => of_whole(*value, 'd', directive, out),
        (Arg::Big(_), 'c' | 'q' | 'U') => false,
        (Arg::Big(value), verb) => of_whole(*value, verb, directive, out),
        (Arg::Fraction(value), verb) => of_fraction(*value, verb, directive, out),
    };
    if !fits {
        let piece = format!("%!{verb}({}=", arg.type_name());
        out.push_str(&piece);
        one(arg, 'v', directive, out);
        out.push(')');
    }
}

fn text(value: &str, directive: &Directive, out: &mut String) {
    let cut: String = value.chars().take(directive.precision.unwrap_or(usize::MAX)).collect();
    directive.pad(&cut, directive.zero, out);
}

fn of_text(value: &str, verb: char, directive: &Directive, out: &mut String) -> bool {
    match verb {
        'v' if directive.sharp => text(&quoted(value), &Directive { precision: None, ..*directive }, out),
        'v' | 's' => text(value, directive, out),
        'q' => {
            let cut: String = value.chars().take(directive.precision.unwrap_or(usize::MAX)).collect();
            directive.pad(&quoted(&cut), directive.zero, out);
        }
        'x' | 'X' => {
            let mut digits = String::with_capacity(value.len() * 2);
            let prefix = if directive.sharp { if verb == 'x' { "0x" } else { "0X" } } else { "" };
            for (index, byte) in value.bytes().enumerate() {
                if directive.space && index > 0 {
                    digits.push(' ');
                }
                if directive.space || index == 0 {
                    digits.push_str(prefix);
                }
                // Writing to a string does not fail.
                let _ = if verb == 'x' { write!(digits, "{byte:02x}") } else { write!(digits, "{byte:02X}") };
            }
            directive.pad(&digits, directive.zero, out);
        }
        _ => return false,
    }
    true
}

fn of_whole(value: i128, verb: char, directive: &Directive, out: &mut String) -> bool {
    let magnitude = value.unsigned_abs();
    let character = || u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    let (digits, prefix) = match verb {
        'v' | 'd' => (format!("{magnitude}"), ""),
        'b' => (format!("{magnitude:b}"), "0b"),
        'o' => (format!("{magnitude:o}"), "0"),
        'O' => (format!("0o{magnitude:o}"), ""),
        'x' => (format!("{magnitude:x}"), "0x"),
        'X' => (format!("{magnitude:X}"), "0X"),
        'c' => {
            directive.pad(character().encode_utf8(&mut [0; 4]), directive.zero, out);
            return true;
        }
        'q' => {
            let quoted = quoted(character().encode_utf8(&mut [0; 4]));
            let inner = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
            let inner = match character() {
                '"' => "\"",
                '\'' => "\\'",
                _ => inner,
            };
            directive.pad(&format!("'{inner}'"), directive.zero, out);
            return true;
        }
        'U' => {
            directive.pad(&format!("U+{magnitude:04X}"), false, out);
            return true;
        }
        _ => return false,
    };
    let sign = match (value < 0, directive.plus, directive.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let least = match (directive.precision, directive.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if directive.zero && !directive.minus => width.saturating_sub(sign.len()),
        (None, _) => 0,
    };
    let nothing = directive.precision == Some(0) && value == 0;
    let digits = if nothing { String::new() } else { format!("{digits:0>least$}") };
    let prefix = if directive.sharp && !(verb == 'o' && digits.starts_with('0')) { prefix } else { "" };
    let shown = if nothing { String::new() } else { format!("{sign}{prefix}{digits}") };
    directive.pad(&shown, false, out);
    true
}

fn of_fraction(value: f64, verb: char, directive: &Directive, out: &mut String) -> bool {
    let magnitude = value.abs();
    let digits = match verb {
        'v' | 'g' | 'G' => shortest(magnitude, directive.precision),
        'e' | 'E' => with_exponent(&format!("{magnitude:.*e}", directive.precision.unwrap_or(6))),
        'f' | 'F' => format!("{magnitude:.*}", directive.precision.unwrap_or(6)),
        _ => return false,
    };
    let digits = if matches!(verb, 'E' | 'G') { digits.to_uppercase() } else { digits };
    let sign = match (value.is_sign_negative(), directive.plus, directive.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let missing = directive.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
    if directive.zero && !directive.minus {
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(&digits);
    } else {
        directive.pad(&format!("{sign}{digits}"), false, out);
    }
    true
}

/// `%g`: with an exponent if that is below -4, or not below the number of digits asked for (6, if none was).
fn shortest(value: f64, precision: Option<usize>) -> String {
    let scientific = match precision {
        Some(precision) => format!("{value:.*e}", precision.max(1) - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.chars().filter(char::is_ascii_digit).count();
    let most = match precision {
        Some(precision) if precision > digits && i32::try_from(digits).is_ok_and(|digits| digits > exponent) => digits,
        Some(precision) => precision.max(1),
        None => 6,
    };
    if exponent < -4 || i32::try_from(most).is_ok_and(|most| exponent >= most) {
        return with_exponent(&format!("{mantissa}e{exponent}"));
    }
    let decimals = usize::try_from(i32::try_from(digits).unwrap_or(i32::MAX).saturating_sub(1).saturating_sub(exponent)).unwrap_or(0);
    format!("{value:.decimals$}")
}

/// Go writes an exponent with its sign and at least two digits.
fn with_exponent(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// What OPA prints of a value within another.
fn print(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Undefined => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.format_decimal()),
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Array(items) => listed(items.iter(), '[', ']', out),
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => listed(order::items(items.iter_sorted()), '{', '}', out),
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, value)) in order::entries(fields.iter_sorted()).enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                print(key, out);
                out.push_str(": ");
                print(value, out);
            }
            out.push('}');
        }
    }
}

fn listed<'a>(items: impl Iterator<Item = &'a Value>, open: char, close: char, out: &mut String) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        print(item, out);
    }
    out.push(close);
}

/// A text between quotes, as Go writes it in a program.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            character if is_printable(character) => out.push(character),
            // Writing to a string does not fail.
            character => {
                let code = u32::from(character);
                let _ = match code {
                    0..0x80 => write!(out, "\\x{code:02x}"),
                    0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// Whether Rust, too, would show it as it is. Behind a letter, since a mark is shown differently on its own.
fn is_printable(character: char) -> bool {
    // The marks that choose between forms are marks to Go, and nothing to be shown to Rust.
    let is_mark = matches!(character, '\u{34f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    character == '\'' || is_mark || format!("a{character}").escape_debug().count() == 2
}
