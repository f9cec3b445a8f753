//! Bytes of a request's target that HTTP libraries refuse or hide, and that others forward as they are.
//!
//! `"`, `<`, `>` and the backtick stand in no URI (RFC 3986), yet clients send them, and nginx, `HAProxy` and Envoy pass them on; a `#` is cut
//! off without a word. What parses requests here is shown a *mark* in the place of each, two bytes that nothing else can put there: a
//! control character of U+0080 to U+009F, which no target of a client keeps. Whoever shows the target to anybody takes the marks off again.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::model::Outcome;

/// What every mark begins with, as do all the control characters from U+0080 to U+009F in UTF-8.
const MARK: u8 = 0xc2;
/// In the place of such a control character.
const CONTROL: u8 = 0x81;
const FRAGMENT: u8 = mark_of(b'#');

/// Whose place a mark takes, by the bits that the two have in common: no two of them are alike.
const fn mark_of(byte: u8) -> u8 {
    0x80 | byte & 0x1f
}

const fn is_marked(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`' | b'#')
}

/// Whether something in these bytes of a target needs a mark.
pub(crate) fn needs_marks(bytes: &[u8]) -> bool {
    // There is no early end and no branch, so that many bytes are looked at at once: this is asked of every request.
    bytes.iter().fold(0, |any, byte| any | u8::from(is_marked(*byte)) | u8::from(*byte == MARK)) != 0
}

/// Puts marks into a target, which may come in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TargetMarker {
    /// The last byte may begin a control character.
    is_begun: bool,
}

impl TargetMarker {
    /// Whether the next byte must be seen even if it needs no mark of its own.
    pub(crate) fn is_begun(self) -> bool {
        self.is_begun
    }

    pub(crate) fn mark(&mut self, target: &[u8], out: &mut Vec<u8>) {
        for byte in target {
            match byte {
                0x80..=0x9f if self.is_begun => out.push(CONTROL),
                byte if is_marked(*byte) => out.extend([MARK, mark_of(*byte)]),
                byte => out.push(*byte),
            }
            self.is_begun = *byte == MARK;
        }
    }
}

/// Refuses what must not be in a target and can be seen by its mark alone.
pub(crate) fn check(target: &str) -> Result<(), Outcome> {
    match marks(target).find(|(_, mark)| matches!(*mark, FRAGMENT | CONTROL)) {
        None => Ok(()),
        Some((_, FRAGMENT)) => Err(Outcome::BadRequest("the target has a fragment")),
        Some(_) => Err(Outcome::BadRequest("the target has a control character")),
    }
}

/// The target as the client has said it.
pub(crate) fn as_sent(target: &str) -> Cow<'_, str> {
    replaced(target, |byte, out| out.push(char::from(byte)))
}

/// The target for what takes a well-formed URI alone: escaped is what the client has not escaped.
pub(crate) fn escaped(target: &str) -> Cow<'_, str> {
    replaced(target, |byte, out| {
        let _ = write!(out, "%{byte:02X}");
    })
}

fn replaced(target: &str, replace: impl Fn(u8, &mut String)) -> Cow<'_, str> {
    if marks(target).next().is_none() {
        return Cow::Borrowed(target);
    }
    let (mut out, mut rest) = (String::with_capacity(target.len()), 0);
    for (place, mark) in marks(target) {
        out.push_str(target.get(rest..place).unwrap_or_default());
        replace(marked_by(mark), &mut out);
        rest = place + 2;
    }
    out.push_str(target.get(rest..).unwrap_or_default());
    Cow::Owned(out)
}

fn marked_by(mark: u8) -> u8 {
    [b'"', b'<', b'>', b'`', b'#'].into_iter().find(|byte| mark_of(*byte) == mark).unwrap_or(b'?')
}

/// Where there are marks, and which.
fn marks(target: &str) -> impl Iterator<Item = (usize, u8)> {
    // Hardly any target has one.
    let bytes = if target.as_bytes().contains(&MARK) { target.as_bytes() } else { &[] };
    let pairs = bytes.windows(2).enumerate();
    pairs.filter_map(|(place, pair)| match pair {
        [MARK, mark @ 0x80..=0x9f] => Some((place, *mark)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, the same must come out.
    fn marked(target: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        TargetMarker::default().mark(target, &mut whole);
        for cut in 0..target.len() {
            let (mut marker, mut out) = (TargetMarker::default(), Vec::new());
            marker.mark(&target[..cut], &mut out);
            marker.mark(&target[cut..], &mut out);
            assert_eq!(out, whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn marks_are_taken_off_without_a_trace() {
        for target in ["/", "/a\"b<c>d`e?\"<>`", "/é/<\u{a0}>", "/{|}\\^%3C"] {
            let marked = String::from_utf8(marked(target.as_bytes())).unwrap();
            assert_eq!(needs_marks(target.as_bytes()), marked != target || target.contains('\u{a0}'), "{target}");
            assert!(!marked.contains(['"', '<', '>', '`']), "{marked:?}");
            assert_eq!((check(&marked), &*as_sent(&marked)), (Ok(()), target));
        }
        let marked = String::from_utf8(marked(b"/<a>")).unwrap();
        assert_eq!(escaped(&marked), "/%3Ca%3E");
    }

    #[test]
    fn no_client_can_make_a_mark_or_hide_a_fragment() {
        for target in ["/\u{9c}", "/\u{83}", "/\u{81}", "/a#b", "/#", "/?<#"] {
            assert!(check(&String::from_utf8(marked(target.as_bytes())).unwrap()).is_err(), "{target:?}");
        }
        // Not UTF-8 remains so, which nobody takes.
        assert!(String::from_utf8(marked(b"/\xc2<")).is_err());
    }
}
