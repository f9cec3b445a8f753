//! `glob.match`, by the rules of OPA: <https://www.openpolicyagent.org/docs/policy-reference/builtins/glob>.
//!
//! `*` stands for any characters but delimiters, `**` for any characters, `?` for one that is no delimiter, `[abc]`, `[!abc]` and `[a-c]` for
//! one of those or another, `{a,b}` for one of those patterns, and `\` makes the next character plain. What OPA's reader makes of brackets
//! that do not match is not imitated.

use anyhow::bail;
use regorus::Value;

use super::{Function, Own, budget};

pub(super) static FUNCTIONS: [Function; 2] = [("glob.match", 3, Own::Partial(glob_match)), ("glob.quote_meta", 1, Own::Total(quote_meta))];

/// Alternatives within alternatives.
const DEPTH_MAX: usize = 4;

enum Piece {
    Plain(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `**`
    Everything,
    /// `[abc]`, `[!abc]`, `[a-c]`.
    Among {
        ranges: Vec<(char, char)>,
        without: bool,
    },
    /// `{a,b}`
    Either(Vec<Vec<Piece>>),
}

fn glob_match(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(pattern), delimiters, Value::String(text)] = args else { return Ok(Value::Undefined) };
    let delimiters: Vec<char> = match delimiters {
        Value::Null => Vec::new(),
        Value::Array(items) if items.is_empty() => vec!['.'],
        Value::Array(items) => {
            let mut delimiters = Vec::new();
            for item in items.iter() {
                let Value::String(delimiter) = item else { return Ok(Value::Undefined) };
                let mut characters = delimiter.chars();
                match (characters.next(), characters.next()) {
                    (Some(delimiter), None) => delimiters.push(delimiter),
                    _ => return Ok(Value::Undefined),
                }
            }
            delimiters
        }
        _ => return Ok(Value::Undefined),
    };
    let pieces = match parse(pattern) {
        Ok(pieces) => pieces,
        Err(reason) => bail!("{reason}"),
    };
    let text: Vec<char> = text.chars().collect();
    Ok(Value::Bool(whole(&pieces, &text, &delimiters)?))
}

/// Whether pieces stand for a whole text.
fn whole(pieces: &[Piece], text: &[char], delimiters: &[char]) -> anyhow::Result<bool> {
    if let [Piece::Either(alternatives)] = pieces {
        for pieces in alternatives {
            if whole(pieces, text, delimiters)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    // Between two texts OPA takes stars that stop at nothing for "begins with the one and ends with the other", which may overlap.
    let stars = |piece: &Piece| matches!(piece, Piece::Everything) || (matches!(piece, Piece::Many) && delimiters.is_empty());
    let plain = |pieces: &[Piece]| -> Option<Vec<char>> {
        pieces.iter().map(|piece| if let Piece::Plain(character) = piece { Some(*character) } else { None }).collect()
    };
    if let Some(at) = pieces.iter().position(stars)
        && let Some((before, [_, after @ ..])) = pieces.split_at_checked(at)
        && let (Some(before), Some(after)) = (plain(before), plain(after))
    {
        return Ok(text.starts_with(&before) && text.ends_with(&after));
    }
    Ok(after(pieces, text, delimiters, &[0])?.contains(&text.len()))
}

/// What is not taken of a pattern.
///
/// # Errors
/// A sentence about it.
pub(in crate::policy) fn check(pattern: &str) -> Result<(), String> {
    parse(pattern).map(drop)
}

fn parse(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut rest = pattern.chars().peekable();
    let mut alternatives = read(&mut rest, 0)?;
    match (alternatives.pop(), alternatives.is_empty()) {
        (Some(pieces), true)
            if pieces.len() > 1 && pieces.iter().any(|piece| matches!(piece, Piece::Either(within) if has_stars(within))) =>
        {
            Err(odd("stars in braces beside something else"))
        }
        (Some(pieces), true) => Ok(pieces),
        _ => Err(odd("a brace that was not opened")),
    }
}

/// What OPA makes of these depends on how it puts the whole pattern together.
fn has_stars(alternatives: &[Vec<Piece>]) -> bool {
    alternatives.iter().flatten().any(|piece| match piece {
        Piece::Many | Piece::Everything => true,
        Piece::Either(within) => has_stars(within),
        Piece::Plain(_) | Piece::One | Piece::Among { .. } => false,
    })
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads alternatives up to the brace that closes them, or to the end.
fn read(rest: &mut Rest<'_>, depth: usize) -> Result<Vec<Vec<Piece>>, String> {
    if depth > DEPTH_MAX {
        return Err(odd("braces in braces in braces"));
    }
    let mut alternatives = vec![Vec::new()];
    loop {
        let piece = match rest.next() {
            None if depth == 0 => return Ok(alternatives),
            None => return Err(odd("a brace that is not closed")),
            Some('}') if depth > 0 => return Ok(alternatives),
            Some('}') => return Err(odd("a brace that was not opened")),
            Some(']') => return Err(odd("a bracket that was not opened")),
            Some(',') if depth > 0 => {
                alternatives.push(Vec::new());
                continue;
            }
            Some('{') => Piece::Either(read(rest, depth + 1)?),
            Some('[') => among(rest)?,
            Some('?') => Piece::One,
            Some('*') if rest.next_if_eq(&'*').is_some() => {
                if rest.peek() == Some(&'*') {
                    return Err(odd("more than two stars"));
                }
                Piece::Everything
            }
            Some('*') => Piece::Many,
            Some('\\') => Piece::Plain(rest.next().ok_or_else(|| odd("a backslash at its end"))?),
            Some(character) => Piece::Plain(character),
        };
        if let Some(pieces) = alternatives.last_mut() {
            pieces.push(piece);
        }
    }
}

fn among(rest: &mut Rest<'_>) -> Result<Piece, String> {
    let without = rest.next_if_eq(&'!').is_some();
    let mut items = Vec::new();
    loop {
        match rest.next() {
            None => return Err(odd("a bracket that is not closed")),
            Some(']') => break,
            Some('\\') => return Err(odd("a backslash in brackets")),
            Some(item) => items.push(item),
        }
    }
    let ranges = match items.as_slice() {
        [] => return Err(odd("nothing in brackets")),
        [low, '-', high] if low <= high => vec![(*low, *high)],
        items if items.contains(&'-') || items.contains(&'[') => return Err(odd("more than a range in brackets")),
        items => items.iter().map(|item| (*item, *item)).collect(),
    };
    Ok(Piece::Among { ranges, without })
}

fn odd(what: &str) -> String {
    format!("glob.match takes no pattern with {what}")
}

/// Where the text may be left off, having matched the pieces from one of the places on.
fn after(pieces: &[Piece], text: &[char], delimiters: &[char], from: &[usize]) -> anyhow::Result<Vec<usize>> {
    let mut places = from.to_vec();
    for piece in pieces {
        // Each step looks at no more places than there are characters.
        budget::charge(places.len().saturating_mul(8))?;
        let one = |fits: &dyn Fn(char) -> bool| -> Vec<usize> {
            places.iter().filter(|place| text.get(**place).is_some_and(|character| fits(*character))).map(|place| place + 1).collect()
        };
        let many = |fits: &dyn Fn(char) -> bool| -> Vec<usize> {
            let mut reached: Vec<usize> = Vec::new();
            for place in &places {
                // Reached from an earlier place, and with it all that can be reached from it.
                if reached.last().is_some_and(|last| last >= place) {
                    continue;
                }
                let mut place = *place;
                reached.push(place);
                while text.get(place).is_some_and(|character| fits(*character)) {
                    place += 1;
                    reached.push(place);
                }
            }
            reached
        };
        places = match piece {
            Piece::Plain(wanted) => one(&|character| character == *wanted),
            Piece::One => one(&|character| !delimiters.contains(&character)),
            Piece::Among { ranges, without } => one(&|character| {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
                inside != *without
            }),
            Piece::Many => many(&|character| !delimiters.contains(&character)),
            Piece::Everything => many(&|_| true),
            Piece::Either(alternatives) => {
                let mut reached = Vec::new();
                for pieces in alternatives {
                    reached.extend(after(pieces, text, delimiters, &places)?);
                }
                reached.sort_unstable();
                reached.dedup();
                reached
            }
        };
    }
    Ok(places)
}

fn quote_meta(args: &[Value]) -> Value {
    let [Value::String(text)] = args else { return Value::Undefined };
    let mut out = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if matches!(character, '*' | '?' | '\\' | '[' | ']' | '{' | '}') {
            out.push('\\');
        }
        out.push(character);
    }
    Value::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, delimiters: &[&str], text: &str) -> bool {
        budget::start(1 << 20);
        let delimiters = Value::from(delimiters.iter().map(|delimiter| Value::from(*delimiter)).collect::<Vec<_>>());
        glob_match(&[Value::from(pattern), delimiters, Value::from(text)]).unwrap() == Value::Bool(true)
    }

    #[test]
    fn stars_stop_at_delimiters_and_double_stars_do_not() {
        assert!(matches("ci-*", &[], "ci-1"));
        assert!(!matches("ci-*", &[], "ci-1.x"));
        assert!(matches("a**c", &["/"], "a/b/c"));
        assert!(!matches("a*c", &["/"], "a/b/c"));
        assert!(matches("*a*b*", &["/"], "xaxbx"));
        assert!(!matches("*a*b*", &["/"], "xax/bx"));
    }

    #[test]
    fn alternatives_and_ranges() {
        assert!(matches("{cat,b[ae]t}s?", &[], "bets!"));
        assert!(matches("[!a-c]at", &[], "dat") && !matches("[!a-c]at", &[], "bat"));
        assert!(matches("?", &[], "ß"));
        assert!(matches("{,a}b", &[], "b"));
    }

    #[test]
    fn odd_patterns_are_told() {
        for pattern in ["[", "{a", "a}", "a]", "***", "[]", "[a\\]]", "\\", "{a,{b,{c,{d,{e}}}}}"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }
}
