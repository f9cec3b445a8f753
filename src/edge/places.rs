//! Places in a query and in cookies: found however a name is written there, and cut out so that all the rest stays byte for byte.

use zeroize::Zeroizing;

use super::raw_target;

/// What was found under a name.
#[derive(Debug)]
pub(super) struct Cut {
    /// What is left without it.
    pub(super) rest: Vec<u8>,
    /// How often it stood there.
    pub(super) count: usize,
    /// The value of the last one.
    pub(super) value: Zeroizing<Vec<u8>>,
}

/// Cuts a parameter out of a query. `Ok(None)`: it is not there. `Err`: it is there for those who take a `;` for an `&`, and for others not.
pub(super) fn from_query(query: &str, name: &str) -> Result<Option<Cut>, ()> {
    let is_it = |piece: &&str| is_named(before_equals(piece), name);
    if query.split('&').any(|piece| piece.split(';').skip(1).any(|part| is_it(&part))) {
        return Err(());
    }
    if !query.split('&').any(|piece| is_it(&piece)) {
        return Ok(None);
    }
    let (found, kept): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_it);
    let value = found.last().and_then(|piece| piece.split_once('=')).map_or("", |(_, value)| value);
    let value = Zeroizing::new(decoded(raw_target::as_sent(value).as_bytes()));
    Ok(Some(Cut { rest: kept.join("&").into_bytes(), count: found.len(), value }))
}

/// Cuts a cookie out of a line of `Cookie` (RFC 6265, section 4.2). `None`: it is not there.
pub(super) fn from_cookies(line: &[u8], name: &str) -> Option<Cut> {
    let named = |piece: &&[u8]| piece.split(|byte| *byte == b'=').next().is_some_and(|found| found.trim_ascii() == name.as_bytes());
    let pieces = || line.split(|byte| *byte == b';');
    if !pieces().any(|piece| named(&piece)) {
        return None;
    }
    let (found, kept): (Vec<&[u8]>, Vec<&[u8]>) = pieces().partition(named);
    let value = found.last().and_then(|piece| piece.splitn(2, |byte| *byte == b'=').nth(1)).unwrap_or_default().trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let mut rest = kept.join(&b';');
    if line.first() != Some(&b' ') {
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        rest.drain(..blanks);
    }
    Some(Cut { rest, count: found.len(), value: Zeroizing::new(value.to_vec()) })
}

fn before_equals(piece: &str) -> &str {
    piece.split_once('=').map_or(piece, |(name, _)| name)
}

fn is_named(found: &str, name: &str) -> bool {
    if found.contains(['%', '+']) { decoded(found.as_bytes()) == name.as_bytes() } else { found == name }
}

/// As forms are decoded: `%XX` and `+`. What is no escape stays as it is.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = if *first == b'%' { after.split_first_chunk::<2>() } else { None };
        let byte = escaped.and_then(|([high, low], after)| Some((digit(*high)? << 4 | digit(*low)?, after)));
        let (byte, after) = byte.unwrap_or((if *first == b'+' { b' ' } else { *first }, after));
        plain.push(byte);
        rest = after;
    }
    plain
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> Option<(String, usize, String)> {
        from_query(text, "key").unwrap().map(told)
    }

    fn cookies(line: &str) -> Option<(String, usize, String)> {
        from_cookies(line.as_bytes(), "key").map(told)
    }

    fn told(cut: Cut) -> (String, usize, String) {
        (String::from_utf8(cut.rest).unwrap(), cut.count, String::from_utf8(cut.value.to_vec()).unwrap())
    }

    fn found(rest: &str, count: usize, value: &str) -> (String, usize, String) {
        (rest.to_owned(), count, value.to_owned())
    }

    #[test]
    fn a_parameter_is_found_in_every_spelling_and_the_others_stay_as_they_are() {
        for (text, expected) in [
            ("key=s", Some(found("", 1, "s"))),
            ("a=%20&key=s&&b", Some(found("a=%20&&b", 1, "s"))),
            ("k%65y=s%5Ft", Some(found("", 1, "s_t"))),
            ("a&key", Some(found("a", 1, ""))),
            ("key=a=b", Some(found("", 1, "a=b"))),
            ("key=a+b", Some(found("", 1, "a b"))),
            ("key=a&key=b&c", Some(found("c", 2, "b"))),
            ("keys=s&Key=s&akey=s&a=key", None),
            ("", None),
            ("key=%zz%4", Some(found("", 1, "%zz%4"))),
        ] {
            assert_eq!(query(text), expected, "{text}");
        }
        for text in ["a=1;key=s", "a;k%65y=s&b", "key=a;key=b"] {
            assert!(from_query(text, "key").is_err(), "{text}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_which_stay_as_they_are() {
        for (line, expected) in [
            ("key=s", Some(found("", 1, "s"))),
            ("a=1; key=s; b=\"2\"", Some(found("a=1; b=\"2\"", 1, "s"))),
            ("key=s; a=1;b=2", Some(found("a=1;b=2", 1, "s"))),
            ("a=1; key=\"s\"", Some(found("a=1", 1, "s"))),
            ("a=1;key = s ;c", Some(found("a=1;c", 1, "s"))),
            ("key=a; key=b", Some(found("", 2, "b"))),
            ("key", Some(found("", 1, ""))),
            ("Key=s; keys=s; a=key", None),
        ] {
            assert_eq!(cookies(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_between_others_comes_out_and_leaves_them(before in "[a-z=%0-9&]{0,12}", after in "[a-z=%0-9&]{0,12}", value in "[A-Za-z0-9_]{0,20}") {
            let text = format!("{before}&apikey.1={value}&{after}");
            let cut = from_query(&text, "apikey.1").unwrap().unwrap();
            prop_assert_eq!((cut.count, cut.value.to_vec(), cut.rest), (1, value.into_bytes(), format!("{before}&{after}").into_bytes()));
        }
    }
}
