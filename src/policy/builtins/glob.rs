//! `glob.match`, by the rules of OPA: <https://www.openpolicyagent.org/docs/policy-reference/builtins/glob>.
//!
//! `*` stands for any characters but delimiters, `**` for any characters, `?` for one that is no delimiter, `[abc]`, `[!abc]` and `[a-c]` for
//! one of those or another, `{a,b}` for one of those patterns, and `\` makes the next character plain. A glob is written anew as a regular
//! expression. What OPA's reader makes of brackets that do not match is not imitated.

#![expect(clippy::type_complexity, reason = "the parts of an alternative are used in one place")]

use std::sync::{LazyLock, Mutex};

use anyhow::bail;
use regorus::Value;

use super::function::{Function, Own};
use super::regex;

pub(super) static FUNCTIONS: [Function; 2] = [("glob.match", 3, Own::Partial(glob_match)), ("glob.quote_meta", 1, Own::Total(quote_meta))];

static KEPT: regex::Kept = LazyLock::new(Mutex::default);

/// Alternatives within alternatives.
const DEPTH_MAX: usize = 4;
/// Bytes of an expression that says how a beginning and an end may overlap.
const OVERLAPS_MAX: usize = 16 * 1024;

fn glob_match(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(pattern), delimiters, Value::String(text)] = args else { return Ok(Value::Undefined) };
    let delimiters = match delimiters {
        Value::Null => String::new(),
        Value::Array(items) if items.is_empty() => ".".to_owned(),
        Value::Array(items) => {
            let mut delimiters = String::new();
            for item in items.iter() {
                match item {
                    Value::String(delimiter) if delimiter.chars().count() == 1 => delimiters.push_str(delimiter),
                    _ => return Ok(Value::Undefined),
                }
            }
            delimiters
        }
        _ => return Ok(Value::Undefined),
    };
    let name = format!("{}{delimiters}{pattern}", delimiters.len());
    let regex = regex::compiled(&KEPT, &name, || match translate(pattern, &delimiters) {
        Ok(translated) => Ok(Some(translated)),
        Err(what) => bail!("glob.match takes no pattern with {what}"),
    });
    let Some(regex) = regex? else { return Ok(Value::Undefined) };
    if !text.is_ascii()
        && read(&mut pattern.chars().peekable(), 0).is_ok_and(|alternatives| alternatives.iter().any(|pieces| has_rows(pieces)))
    {
        bail!("glob.match takes no letters beyond ASCII with `?` or brackets beside other characters");
    }
    Ok(Value::Bool(regex.is_match(text)))
}

/// What is not taken of a pattern.
///
/// # Errors
/// A sentence about it.
pub(in crate::policy) fn check(pattern: &str) -> Result<(), String> {
    translate(pattern, "").map(drop).map_err(|what| format!("glob.match takes no pattern with {what}"))
}

/// What cannot be said of a glob.
type Odd = &'static str;

#[derive(PartialEq)]
enum GlobPiece {
    Plain(String),
    /// `?`
    One,
    /// `*`
    Many,
    /// `**`
    Everything,
    /// `[abc]`, `[!abc]`, `[a-c]`, as a class of a regular expression.
    Among(String),
    /// `{a,b}`
    Either(Vec<Vec<GlobPiece>>),
}

/// The glob as a regular expression.
fn translate(pattern: &str, delimiters: &str) -> Result<String, Odd> {
    let mut alternatives = read(&mut pattern.chars().peekable(), 0)?;
    let (Some(pieces), true) = (alternatives.pop(), alternatives.is_empty()) else { return Err("a brace that was not opened") };
    guessed(&pieces)?;
    let is_wild = |piece: &GlobPiece| matches!(piece, GlobPiece::One | GlobPiece::Many | GlobPiece::Everything);
    if delimiters.len() > 1 && (!delimiters.is_ascii() || pieces.len() > 1 && pieces.iter().all(is_wild)) {
        return Err("nothing but stars and `?`, or letters beyond ASCII, where there are several delimiters");
    }
    let one = if delimiters.is_empty() { ".".to_owned() } else { format!("[^{}]", regex_syntax::escape(delimiters)) };
    let mut out = "(?s)^(?:".to_owned();
    write_whole(&pieces, &one, &mut out)?;
    Ok(out + ")$")
}

/// What OPA makes of these depends on how it puts the whole pattern together.
fn guessed(pieces: &[GlobPiece]) -> Result<(), Odd> {
    let is_star = |piece: &GlobPiece| matches!(piece, GlobPiece::Many | GlobPiece::Everything);
    for piece in pieces {
        let GlobPiece::Either(alternatives) = piece else { continue };
        let within = || alternatives.iter().flatten();
        if pieces.len() > 1 && within().any(is_star) {
            return Err("stars in braces beside something else");
        }
        let is_plain = |piece: &GlobPiece| matches!(piece, GlobPiece::Plain(_) | GlobPiece::Either(_));
        if within().any(|piece| matches!(piece, GlobPiece::Either(_))) && !pieces.iter().chain(within()).all(is_plain) {
            return Err("braces in braces, and stars or brackets");
        }
        let may_be_empty =
            |piece: &GlobPiece| is_star(piece) || matches!(piece, GlobPiece::Either(within) if within.iter().any(Vec::is_empty));
        if alternatives.iter().any(Vec::is_empty) && pieces.iter().filter(|piece| may_be_empty(piece)).count() > 1 {
            return Err("nothing in braces, and more that may be nothing");
        }
        let ends: [fn(&[GlobPiece]) -> Option<(&GlobPiece, &[GlobPiece])>; 2] = [<[GlobPiece]>::split_first, <[GlobPiece]>::split_last];
        for end in ends {
            let mut parts = alternatives.iter().map(|pieces| end(pieces));
            let first = parts.next().flatten();
            let alike =
                alternatives.len() > 1 && first.is_some() && parts.all(|part| part.map(|(end, _)| end) == first.map(|(end, _)| end));
            let is_short = |rest: &[GlobPiece]| matches!(rest, [] | [GlobPiece::One | GlobPiece::Among(_)]);
            if alike && alternatives.iter().any(|pieces| end(pieces).is_some_and(|(_, rest)| is_short(rest))) {
                return Err("alternatives that begin or end alike");
            }
        }
        alternatives.iter().try_for_each(|pieces| guessed(pieces))?;
    }
    Ok(())
}

/// Whether there is a single character beside another one: OPA takes each for a byte there.
fn has_rows(pieces: &[GlobPiece]) -> bool {
    let is_single = |piece: &GlobPiece| matches!(piece, GlobPiece::One | GlobPiece::Among(_));
    let is_star = |piece: &GlobPiece| matches!(piece, GlobPiece::Many | GlobPiece::Everything);
    pieces.windows(2).any(|pair| pair.iter().any(is_single) && !pair.iter().any(is_star))
        || pieces.iter().any(|piece| matches!(piece, GlobPiece::Either(within) if within.iter().any(|pieces| has_rows(pieces))))
}

/// Pieces that stand for a whole text.
fn write_whole(pieces: &[GlobPiece], one: &str, out: &mut String) -> Result<(), Odd> {
    if let [GlobPiece::Either(alternatives)] = pieces {
        for (index, pieces) in alternatives.iter().enumerate() {
            out.push_str(if index > 0 { "|" } else { "" });
            write_whole(pieces, one, out)?;
        }
        return Ok(());
    }
    write(pieces, one, out);
    match pieces {
        // To OPA the end of an empty text is none of those.
        [GlobPiece::One] => out.push('|'),
        [GlobPiece::Among(class)] if class.starts_with("[^") => out.push('|'),
        _ => {}
    }
    // Between two texts OPA takes stars that stop at nothing for "begins with the one and ends with the other", which may overlap.
    if let [GlobPiece::Plain(before), star @ (GlobPiece::Many | GlobPiece::Everything), GlobPiece::Plain(after)] = pieces
        && (matches!(star, GlobPiece::Everything) || one == ".")
    {
        let shared = after.char_indices().map(|(at, character)| after.split_at(at + character.len_utf8()));
        for (_, rest) in shared.filter(|(shared, _)| before.ends_with(shared)) {
            if out.len() > OVERLAPS_MAX {
                return Err("a beginning and an end that overlap in so many ways");
            }
            out.push('|');
            regex_syntax::escape_into(before, out);
            regex_syntax::escape_into(rest, out);
        }
    }
    Ok(())
}

fn write(pieces: &[GlobPiece], one: &str, out: &mut String) {
    for piece in pieces {
        match piece {
            GlobPiece::Plain(text) => regex_syntax::escape_into(text, out),
            GlobPiece::One => out.push_str(one),
            GlobPiece::Many => out.extend([one, "*"]),
            GlobPiece::Everything => out.push_str(".*"),
            GlobPiece::Among(class) => out.push_str(class),
            GlobPiece::Either(alternatives) => {
                for (index, pieces) in alternatives.iter().enumerate() {
                    out.push_str(if index > 0 { "|" } else { "(?:" });
                    write(pieces, one, out);
                }
                out.push(')');
            }
        }
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads alternatives up to the brace that closes them, or to the end.
fn read(rest: &mut Rest<'_>, depth: usize) -> Result<Vec<Vec<GlobPiece>>, Odd> {
    if depth > DEPTH_MAX {
        return Err("braces in braces in braces");
    }
    let mut alternatives = vec![Vec::new()];
    loop {
        let piece = match rest.next() {
            None if depth == 0 => return Ok(alternatives),
            None => return Err("a brace that is not closed"),
            Some('}') if depth > 0 => return Ok(alternatives),
            Some('}') => return Err("a brace that was not opened"),
            Some(']') => return Err("a bracket that was not opened"),
            Some(',') if depth > 0 => {
                alternatives.push(Vec::new());
                continue;
            }
            Some('{') => GlobPiece::Either(read(rest, depth + 1)?),
            Some('[') => among(rest)?,
            Some('?') => GlobPiece::One,
            Some('*') if rest.next_if_eq(&'*').is_some() => {
                if rest.peek() == Some(&'*') {
                    return Err("more than two stars");
                }
                GlobPiece::Everything
            }
            Some('*') => GlobPiece::Many,
            Some('\\') => GlobPiece::Plain(rest.next().ok_or("a backslash at its end")?.to_string()),
            Some(character) => GlobPiece::Plain(character.to_string()),
        };
        let Some(pieces) = alternatives.last_mut() else { continue };
        match (pieces.last_mut(), piece) {
            (Some(GlobPiece::Plain(before)), GlobPiece::Plain(text)) => before.push_str(&text),
            (_, piece) => pieces.push(piece),
        }
    }
}

fn among(rest: &mut Rest<'_>) -> Result<GlobPiece, Odd> {
    let without = rest.next_if_eq(&'!').is_some();
    let mut items = Vec::new();
    loop {
        match rest.next() {
            None => return Err("a bracket that is not closed"),
            Some(']') => break,
            Some('\\') => return Err("a backslash in brackets"),
            Some(item) => items.push(item),
        }
    }
    match items.as_slice() {
        [] => return Err("nothing in brackets"),
        [low, '-', high] if low <= high => {}
        items if items.contains(&'-') || items.contains(&'[') => return Err("more than a range in brackets"),
        _ => {}
    }
    let is_range = items.get(1) == Some(&'-');
    let items = items
        .iter()
        .map(|item| if is_range && *item == '-' { "-".to_owned() } else { regex_syntax::escape(item.encode_utf8(&mut [0; 4])) });
    Ok(GlobPiece::Among(format!("[{}{}]", if without { "^" } else { "" }, items.collect::<String>())))
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
