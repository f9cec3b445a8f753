//! Names and numbers of things, each its own type, parsed once at the edge.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {why}")]
pub struct Invalid {
    /// What was expected, with its article: `a space id`.
    pub what: &'static str,
    /// The text as it came.
    pub text: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

impl Invalid {
    pub(super) fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        Self { what, text: text.chars().take(200).collect(), why }
    }
}

/// A text newtype with one rule, checked by its `FromStr`.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                check(text).map_err(|why| Invalid::new($what, text, why))?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A space's slug, chosen at creation and never changed: `production`.
    SpaceId,
    "a space id",
    slug
);
text_id!(
    /// A role's slug, chosen at creation and never changed: `deployer`.
    RoleId,
    "a role id",
    slug
);
text_id!(
    /// A group as the identity provider spells it; case and blanks count.
    GroupName,
    "a group name",
    |text| printable(text, LONGEST_GROUP)
);
text_id!(
    /// An API key's name, unique among the keys that are not revoked.
    KeyName,
    "a key name",
    |text| trimmed(text, LONGEST_NAME)
);
text_id!(
    /// A login policy's name, unique.
    PolicyName,
    "a policy name",
    |text| trimmed(text, LONGEST_NAME)
);
text_id!(
    /// Whoever has the store itself in their hands, as the audit names them: `alice@build-7`.
    OperatorName,
    "the name of an operator",
    |text| trimmed(text, LONGEST_NAME)
);

text_id!(
    /// A serving process, from its start to its end: `web-7f9c-4d1e-9ab04c17`, its host's name and something random.
    ReplicaName,
    "the name of a replica",
    host_like
);

impl ReplicaName {
    /// What the process on this host that has drawn this number is called.
    #[must_use]
    pub fn of(host: &str, drawn: u32) -> Self {
        let host: String = host.chars().filter(|char| may_stand_in_host(*char)).take(100).collect();
        let host = if host.is_empty() { "unknown" } else { &host };
        Self(format!("{host}-{drawn:08x}").into())
    }
}

impl SpaceId {
    /// The space that every other one stands under.
    #[must_use]
    pub fn root() -> Self {
        Self("root".into())
    }

    /// Whether this is `root`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        &*self.0 == "root"
    }
}

fn slug(text: &str) -> Result<(), &'static str> {
    let well_formed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    match text.as_bytes() {
        [] => Err("it is empty"),
        bytes if bytes.len() > 64 => Err("it is longer than 64 characters"),
        bytes if !bytes.iter().copied().all(well_formed) => Err("only lower-case letters, digits, `-` and `_` may stand in it"),
        [b'-' | b'_', ..] => Err("it must begin with a letter or a digit"),
        _ => Ok(()),
    }
}

fn host_like(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("it is empty")
    } else if text.len() > 128 {
        Err("it is longer than 128 characters")
    } else if !text.chars().all(may_stand_in_host) {
        Err("only letters, digits, `-`, `_` and `.` may stand in it")
    } else {
        Ok(())
    }
}

fn may_stand_in_host(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')
}

/// How many characters there may be, and what is said of more.
type Longest = (usize, &'static str);

const LONGEST_GROUP: Longest = (256, "it is longer than 256 characters");
const LONGEST_NAME: Longest = (128, "it is longer than 128 characters");

fn printable(text: &str, (longest, too_long): Longest) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("it is empty")
    } else if text.chars().count() > longest {
        Err(too_long)
    } else if text.chars().any(char::is_control) {
        Err("control characters may not stand in it")
    } else {
        Ok(())
    }
}

fn trimmed(text: &str, longest: Longest) -> Result<(), &'static str> {
    printable(text, longest)?;
    if text.trim() == text { Ok(()) } else { Err("it may not begin or end with a blank") }
}

/// What each character of Crockford's base 32 stands for, in the one spelling that counts here; `NO_DIGIT`: it is none.
const CROCKFORD: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let digits = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut value = 0;
    while value < 32 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            values[digits[value as usize] as usize] = value;
        }
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = 0x80;

/// Crockford's alphabet reads several spellings alike (`i`, `l` and `1`; `o` and `0`; both cases), and 26 characters hold two bits more
/// than a ULID has: only the canonical spelling in lower case is an id. Read in one pass, as every request comes by.
fn canonical_ulid(text: &str) -> Option<Ulid> {
    let digits: &[u8; 26] = text.as_bytes().try_into().ok()?;
    let (mut number, mut seen) = (0_u128, 0);
    for digit in digits {
        let value = CROCKFORD.get(usize::from(*digit)).copied().unwrap_or(NO_DIGIT);
        seen |= value;
        number = (number << 5) | u128::from(value);
    }
    (seen < NO_DIGIT && digits.first() <= Some(&b'7')).then(|| Ulid::from(number))
}

/// A ULID newtype, written in lower case.
macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Ulid);

        impl $name {
            /// From the milliseconds of its creation since the Unix epoch (48 bits count) and randomness (80 bits count).
            #[must_use]
            pub fn new(unix_ms: u64, random: u128) -> Self {
                Self(Ulid::from_parts(unix_ms, random))
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                if text.len() != 26 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(Invalid::new($what, text, "an id has 26 lower-case characters"));
                }
                canonical_ulid(text).map(Self).ok_or_else(|| Invalid::new($what, text, "it is not a ULID"))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.to_string().to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

ulid_id!(
    /// An API key's id: public, may be logged.
    KeyId,
    "a key id"
);
ulid_id!(
    /// A binding's id.
    BindingId,
    "a binding id"
);

/// The number of the last committed change: grows by one, never skips, never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Revision(pub u64);

impl Revision {
    /// Databases and the description of the API know 64 bits with a sign.
    const LAST: u64 = i64::MAX as u64;

    /// The one that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl TryFrom<u64> for Revision {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        if number > Self::LAST {
            return Err(format!("a revision is at most {}", Self::LAST));
        }
        Ok(Self(number))
    }
}

impl From<Revision> for u64 {
    fn from(revision: Revision) -> Self {
        revision.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_lower_case_letters_digits_and_dashes() {
        let longest = "a".repeat(64);
        for good in ["root", "a", "0", "eu-west_1", &longest] {
            assert_eq!(good.parse::<SpaceId>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(65);
        for wrong in ["", "-a", "_a", "Root", "a b", "a/b", "a.b", "é", "a\n", &too_long] {
            assert!(wrong.parse::<SpaceId>().is_err() && wrong.parse::<RoleId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_revision_has_a_next_one() {
        for (text, number) in [("0", Some(0)), ("9223372036854775807", Some(Revision::LAST)), ("9223372036854775808", None), ("-1", None)] {
            assert_eq!(serde_json::from_str(text).ok(), number.map(Revision), "{text}");
        }
        assert!(Revision(Revision::LAST).next() > Revision(Revision::LAST));
    }

    #[test]
    fn a_group_keeps_its_case_and_blanks() {
        assert_eq!(" Platform Team ".parse::<GroupName>().unwrap().as_str(), " Platform Team ");
        assert_ne!("Platform".parse::<GroupName>(), "platform".parse());
        for wrong in ["", "a\nb", "\u{1b}[2J"] {
            assert!(wrong.parse::<GroupName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_told_how_long_it_may_be() {
        for (length, said) in [(128, None), (129, Some("it is longer than 128 characters"))] {
            assert_eq!("é".repeat(length).parse::<KeyName>().err().map(|invalid| invalid.why), said);
        }
        let group = "g".repeat(257).parse::<GroupName>().unwrap_err();
        assert_eq!(group.why, "it is longer than 256 characters");
    }

    #[test]
    fn a_key_name_has_no_blank_at_either_end() {
        assert!("ci cd".parse::<KeyName>().is_ok());
        for wrong in ["", " ci", "ci ", "ci\t"] {
            assert!(wrong.parse::<KeyName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn names_are_as_long_in_characters_as_they_may_be_in_any_script() {
        assert!("東".repeat(128).parse::<KeyName>().is_ok());
        assert!("東".repeat(129).parse::<KeyName>().is_err());
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id: KeyId = "01aryz6s41041061050r3gg28a".parse().unwrap();

        assert_eq!(id, KeyId::new(1_469_918_176_385, 0x0102_0304_0506_0708_090a));
        assert_eq!(id.to_string(), "01aryz6s41041061050r3gg28a");
        // Upper case; `o` and `i`, which Crockford's alphabet reads as 0 and 1; `u`, which it lacks; beyond 128 bits; too short, too long.
        for wrong in [
            "01ARYZ6S41041061050R3GG28A",
            "o1aryz6s41041061050r3gg28a",
            "0iaryz6s41041061050r3gg28a",
            "01uryz6s41041061050r3gg28a",
            "81aryz6s41041061050r3gg28a",
            "01aryz6s41041061050r3gg28",
            "01aryz6s41041061050r3gg28a0",
            "",
        ] {
            assert!(wrong.parse::<KeyId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_sort_by_age() {
        assert!(BindingId::new(1, u128::MAX) < BindingId::new(2, 0));
        assert!(BindingId::new(1, u128::MAX).to_string() < BindingId::new(2, 0).to_string());
    }

    #[test]
    fn json_that_breaks_a_rule_is_not_taken() {
        assert!(serde_json::from_str::<SpaceId>("\"Production\"").is_err());
        assert!(serde_json::from_str::<KeyId>("\"01ARYZ6S41041061050R3GG28A\"").is_err());
        assert_eq!(serde_json::from_str::<SpaceId>("\"production\"").unwrap().as_str(), "production");
    }

    #[test]
    fn an_invalid_text_is_quoted_with_its_control_characters_spelled_out_and_cut() {
        let error = format!("\u{1b}{}", "x".repeat(1000)).parse::<SpaceId>().unwrap_err().to_string();

        assert!(error.starts_with("\"\\u{1b}x") && error.len() < 400, "{error}");
    }
}
