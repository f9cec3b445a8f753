//! Regular expressions as OPA reads them.
//!
//! OPA's `\d`, `\w`, `\s` and `\b` know ASCII alone; those of regorus take the digits and letters of all scripts, so that `^\d+$` would let
//! names through that OPA refuses. They are spelled out before a pattern reaches regorus, as is `\Q…\E`, which it does not know.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use regorus::Value;

/// Where a builtin takes its pattern.
fn position(name: &str) -> Option<usize> {
    match name {
        "regex.match" | "regex.is_valid" | "regex.split" | "regex.find_n" | "regex.find_all_string_submatch_n" => Some(0),
        "regex.replace" => Some(1),
        _ => None,
    }
}

/// The arguments, with the pattern among them, if there is one, in the words of regorus.
pub(super) fn translate<'a>(name: &str, args: &'a [Value]) -> Cow<'a, [Value]> {
    let position = position(name);
    let translated = position.and_then(|position| match args.get(position) {
        Some(Value::String(pattern)) if pattern.contains(['\\', '[']) => Some((position, Value::from(spelled_out(pattern)))),
        Some(_) | None => None,
    });
    match translated {
        None => Cow::Borrowed(args),
        Some((position, pattern)) => {
            let mut args = args.to_vec();
            if let Some(place) = args.get_mut(position) {
                *place = pattern;
            }
            Cow::Owned(args)
        }
    }
}

fn spelled_out(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = rest.next() {
        match character {
            '\\' => escape(&mut rest, in_class, &mut out),
            '[' if in_class && rest.peek() == Some(&':') => out.push('['),
            // A class within a class, or an operator on classes, there; plain characters here.
            '[' if in_class => out.push_str("\\["),
            '&' | '~' if in_class => out.extend(['\\', character]),
            '[' => {
                in_class = true;
                out.push('[');
                out.extend(rest.next_if_eq(&'^'));
                if rest.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ':' if in_class && rest.peek() == Some(&']') && out.rsplit('[').next().is_some_and(|name| name.starts_with(':')) => {
                // The end of `[:alpha:]`, which is not the end of the class.
                out.push(':');
                out.extend(rest.next());
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

/// What follows a backslash. A class may stand in a class, so the same words serve within and without.
fn escape(rest: &mut Peekable<Chars<'_>>, in_class: bool, out: &mut String) {
    match rest.next() {
        Some('d') => out.push_str("[0-9]"),
        Some('D') => out.push_str("[^0-9]"),
        Some('w') => out.push_str("[0-9A-Za-z_]"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
        Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
        Some('b') if !in_class => out.push_str("(?-u:\\b)"),
        Some('Q') if !in_class => {
            while let Some(character) = rest.next() {
                if character == '\\' && rest.next_if_eq(&'E').is_some() {
                    break;
                }
                if character.is_ascii_punctuation() {
                    out.push('\\');
                }
                out.push(character);
            }
        }
        Some(other) => out.extend(['\\', other]),
        None => out.push('\\'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::builtins::own;

    fn matches(pattern: &str, text: &str) -> Value {
        own::theirs("regex.match", &[Value::from(pattern), Value::from(text)]).unwrap()
    }

    #[test]
    fn digits_letters_and_blanks_are_those_of_ascii() {
        for (pattern, yes, no) in [
            (r"^\d+$", "123", "١٢٣"),
            (r"^\w+$", "a_1", "ä"),
            (r"^\s$", " ", "\u{a0}"),
            (r"^[\d.]+$", "1.2", "١.٢"),
            (r"^[^\D]+$", "12", "١٢"),
            (r"^\D$", "ä", "1"),
            (r"^[[:alpha:]\d]+$", "a1", "ä1"),
            (r"^[]a]+$", "]a", "b"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[a[]+$", "[a", "b"),
            (r"^\Qa.b\E+$", "a.bb", "axb"),
            (r"^a\.b$", "a.b", "axb"),
            (r"\bci\b", "x ci y", "cix"),
            (r"^[a-z]+-[0-9]{2}$", "abc-12", "abc-123"),
        ] {
            assert_eq!(matches(pattern, yes), Value::Bool(true), "{pattern} {yes}");
            assert_eq!(matches(pattern, no), Value::Bool(false), "{pattern} {no}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_stays_undefined() {
        assert_eq!(matches("[", "x"), Value::Undefined);
        assert_eq!(matches("\\", "x"), Value::Undefined);
    }
}
