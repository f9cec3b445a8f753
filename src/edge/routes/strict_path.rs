//! Paths that everybody reads in the same way.
//!
//! What a route is found by must be what the API takes the path for. So once routes exist, a path is refused if undoing its escapes, taking
//! out dots or empty segments, cutting off parameters or turning backslashes would make another path of it.

/// How a character of several bytes goes on: how many bytes are still to come, and between what the next one lies.
type Going = (u8, u8, u8);

/// Refuses a path, without its query, that may be read in two ways.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    let refuse = |what| Err(what);
    let mut bytes = path.as_bytes().iter();
    // Where a segment begins, how many dots it consists of so far; none: of something else.
    let mut dots = None;
    let mut character: Option<Going> = None;
    while let Some(&byte) = bytes.next() {
        if byte != b'%' && character.is_some() {
            return refuse(NOT_UTF8);
        }
        match byte {
            b'/' => match dots {
                Some(0) => return refuse("the path has an empty segment"),
                Some(1 | 2) => return refuse(DOTS),
                Some(_) | None => dots = Some(0),
            },
            b'.' => dots = dots.map(|dots: usize| dots + 1),
            b'\\' => return refuse("the path has a backslash"),
            b';' => return refuse("the path has parameters"),
            b'%' => {
                dots = None;
                let escaped = match (bytes.next().copied().and_then(hex), bytes.next().copied().and_then(hex)) {
                    (Some(high), Some(low)) => (high << 4) | low,
                    _ => return refuse("the path has a malformed escape"),
                };
                match escaped {
                    0..=0x1f | 0x7f => return refuse("the path has an escaped control character"),
                    b'/' | b'\\' => return refuse("the path has an escaped slash"),
                    b'.' => return refuse("the path has an escaped dot"),
                    b';' => return refuse("the path has parameters"),
                    b'%' if is_escape(bytes.as_slice()) => return refuse("the path is escaped twice"),
                    0..=0x7e if character.is_some() => return refuse(NOT_UTF8),
                    0..=0x7e => {}
                    0x80.. => character = goes_on(character, escaped).ok_or(NOT_UTF8)?,
                }
            }
            _ => dots = None,
        }
    }
    match dots {
        Some(1 | 2) => refuse(DOTS),
        Some(_) | None if character.is_some() => refuse(NOT_UTF8),
        Some(_) | None => Ok(()),
    }
}

const DOTS: &str = "the path has a segment of dots";
const NOT_UTF8: &str = "the path has escapes that are not UTF-8";

/// Whether undoing the escapes of a segment makes this text of it.
pub(super) fn is_another_spelling(segment: &str, text: &str) -> bool {
    segment.contains('%') && unescaped(segment.as_bytes()).eq(text.bytes())
}

/// Whether what comes behind a percent sign makes an escape of it, however it is escaped itself.
fn is_escape(behind: &[u8]) -> bool {
    let mut digits = unescaped(behind).map(|byte| byte.is_ascii_hexdigit());
    digits.next() == Some(true) && digits.next() == Some(true)
}

/// Up to the first escape that is malformed.
fn unescaped(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut bytes = bytes.iter().copied();
    std::iter::from_fn(move || match bytes.next()? {
        b'%' => Some((bytes.next().and_then(hex)? << 4) | bytes.next().and_then(hex)?),
        byte => Some(byte),
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The next byte of a character of several (RFC 3629, section 4): neither longer than need be, nor half of a surrogate, nor beyond the last
/// character. `None`: it cannot be; `Some(None)`: it was the last one.
#[expect(clippy::option_option, reason = "that it cannot be, and that it is over, are two things")]
fn goes_on(begun: Option<Going>, byte: u8) -> Option<Option<Going>> {
    let next = |left: u8, least: u8, most: u8| (left > 0).then_some((left, least, most));
    match begun {
        Some((left, least, most)) => (least..=most).contains(&byte).then(|| next(left - 1, 0x80, 0xbf)),
        None => match byte {
            0xc2..=0xdf => Some(next(1, 0x80, 0xbf)),
            0xe0 => Some(next(2, 0xa0, 0xbf)),
            0xed => Some(next(2, 0x80, 0x9f)),
            0xe1..=0xef => Some(next(2, 0x80, 0xbf)),
            0xf0 => Some(next(3, 0x90, 0xbf)),
            0xf1..=0xf3 => Some(next(3, 0x80, 0xbf)),
            0xf4 => Some(next(3, 0x80, 0x8f)),
            0..=0xc1 | 0xf5.. => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_of_one_reading_passes() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a.b/.c/...",
            "/.well-known/x",
            "/a%20b",
            "/a%40b.c:d",
            "/100%25",
            "/%25zz",
            "/caf%C3%A9/%e2%82%ac/%F0%9F%98%80",
            "/caf\u{e9}",
            "/a..b/..c/d..",
            "/pkg.Service/Method",
            "/{}|^",
            "/\u{80}",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_path_that_may_be_read_in_two_ways_is_refused() {
        for path in [
            "//",
            "//a",
            "/a//",
            "/a//b",
            "/.",
            "/..",
            "/./a",
            "/a/../b",
            "/a/..",
            "/a/.",
            "/%2e",
            "/%2E%2e/a",
            "/a/.%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a\\b",
            "/a%5cb",
            "/a;b",
            "/a/;/b",
            "/a;jsessionid=1",
            "/a%3Bb",
            "/..;/a",
            "/a%00",
            "/%0d%0a",
            "/%7f",
            "/%",
            "/%2",
            "/%zz",
            "/a%2",
            "/%252e%252e/",
            "/%252f",
            "/%25%32%65",
            "/%25%32e",
            "/%c0%af",
            "/%c1%81",
            "/%e0%80%af",
            "/%ed%a0%80",
            "/%f4%90%80%80",
            "/%ff",
            "/%80",
            "/%c3",
            "/%c3/",
            "/%c3a",
            "/%c3%41",
            "/%e2%82",
            "/\u{e9}%a9",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_one_path_however_often_it_is_unescaped(path in "/(%25|%2|[a./%23456eEfFcC\\\\;0]){0,12}") {
            if check(&path).is_err() {
                return Ok(());
            }
            let mut text = path.clone();
            for _ in 0..3 {
                let bytes: Vec<u8> = undone(&text);
                let next = String::from_utf8(bytes).unwrap();
                let pieces: Vec<&str> = next.split('/').skip(1).collect();
                prop_assert_eq!(pieces.len(), path.split('/').skip(1).count());
                prop_assert!(!next.contains(['\\', ';', '\0']));
                let (last, inner) = pieces.split_last().unwrap();
                prop_assert!(inner.iter().all(|piece| !piece.is_empty()) && pieces.iter().all(|piece| !matches!(*piece, "." | "..")), "{}", next);
                let _ = last;
                text = next;
            }
        }

        #[test]
        fn escaped_text_passes_if_it_is_utf8(bytes in proptest::collection::vec(0x80_u8.., 0..6)) {
            use std::fmt::Write as _;
            let escaped = bytes.iter().fold("/".to_owned(), |mut text, byte| { let _ = write!(text, "%{byte:02x}"); text });
            prop_assert_eq!(check(&escaped).is_ok(), String::from_utf8(bytes).is_ok());
        }
    }

    fn undone(text: &str) -> Vec<u8> {
        let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
        while let [first, behind @ ..] = rest {
            rest = behind;
            match (first, behind) {
                (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                    bytes.push((hex(*high).unwrap() << 4) | hex(*low).unwrap());
                    rest = after;
                }
                _ => bytes.push(*first),
            }
        }
        bytes
    }

    #[test]
    fn another_spelling_is_the_same_text_behind_escapes() {
        assert!(is_another_spelling("%61dmin", "admin") && is_another_spelling("runs%3Acancel", "runs:cancel"));
        assert!(!is_another_spelling("admin", "admin") && !is_another_spelling("%61dmi", "admin") && !is_another_spelling("%6", "a"));
    }
}
