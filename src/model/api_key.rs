//! API keys: the text that a client presents, its digest, and what is remembered of a key.
//!
//! The plain text and the digest are two types. The plain one cannot be printed, compared or serialized, and is wiped when dropped;
//! nothing but its id ever leaves the process.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::binding::KeyBinding;
use super::hexadecimal::{Hexadecimal, read_hexadecimal};
use super::id::{GroupName, Invalid, KeyId, KeyName};

/// What every key made by Claviger begins with.
pub const KEY_PREFIX: &str = "clv_";
/// Length of a key made by Claviger, in bytes: prefix 4, id 26, `_`, secret 43, checksum 6.
pub const KEY_LENGTH: usize = KEY_PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;
/// The longest text that can be presented as a key of another system, in bytes.
pub const IMPORTED_KEY_MAX: usize = 512;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 26;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// The text of an API key: `clv_<id>_<secret><crc>`, or whatever text an imported key has.
///
/// `id` is the key's ULID in lower case, `secret` 256 random bits in base62 (most significant digit first, `0-9A-Za-z`), `crc` the
/// CRC-32 (IEEE) of all that precedes it, in base62.
pub struct PlainKey {
    text: Zeroizing<Vec<u8>>,
    id: Option<KeyId>,
}

impl PlainKey {
    /// Makes the text of a new key.
    #[must_use]
    pub fn generate(id: KeyId, secret: &[u8; 32]) -> Self {
        let mut text = Zeroizing::new(Vec::with_capacity(KEY_LENGTH));
        text.extend_from_slice(KEY_PREFIX.as_bytes());
        text.extend_from_slice(id.to_string().as_bytes());
        text.push(b'_');
        push_base62_of_256_bits(&mut text, secret);
        let checksum = base62_of_checksum(&text);
        text.extend_from_slice(&checksum);
        Self { text, id: Some(id) }
    }

    /// Takes a presented text as a key, if it can be one: visible ASCII, at most [`IMPORTED_KEY_MAX`] bytes, and well-formed with
    /// a matching checksum if it begins with [`KEY_PREFIX`]. No look-up is needed to refuse the rest.
    #[must_use]
    pub fn presented(text: &[u8]) -> Option<Self> {
        let possible = !text.is_empty() && text.len() <= IMPORTED_KEY_MAX && all(text, u8::is_ascii_graphic);
        let id = id_in(text);
        let well_formed = possible && (id.is_some() || !text.starts_with(KEY_PREFIX.as_bytes()));
        well_formed.then(|| Self { text: Zeroizing::new(text.to_vec()), id })
    }

    /// The id in the text, if the text is a well-formed key of Claviger's own.
    #[must_use]
    pub fn id(&self) -> Option<KeyId> {
        self.id
    }

    /// The text, for the one place that shows a new key to the person who asked for it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.text).expect("a key's text is ASCII: both constructors see to it")
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey(…)")
    }
}

/// The id in a key's text. Every part of it has its place, so nothing is searched for: every request with such a key comes by.
fn id_in(text: &[u8]) -> Option<KeyId> {
    let (body, checksum) = text.split_at_checked(KEY_LENGTH - CHECKSUM_LENGTH)?;
    let (id, rest) = body.strip_prefix(KEY_PREFIX.as_bytes())?.split_at_checked(ID_LENGTH)?;
    let secret = rest.strip_prefix(b"_")?;
    let well_formed = all(secret, u8::is_ascii_alphanumeric) && checksum == base62_of_checksum(body);
    if well_formed { std::str::from_utf8(id).ok()?.parse().ok() } else { None }
}

/// Whether all bytes are of this kind. Looks at each of them, without a branch: that is done many bytes at a time.
fn all(text: &[u8], is: impl Fn(&u8) -> bool) -> bool {
    text.iter().fold(true, |all, byte| all & is(byte))
}

fn push_base62_of_256_bits(text: &mut Vec<u8>, secret: &[u8; 32]) {
    let mut number = Zeroizing::new(*secret);
    let mut digits = Zeroizing::new([b'0'; SECRET_LENGTH]);
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in number.iter_mut() {
            let value = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).expect("the quotient of a remainder below 62 fits a byte");
            rest = value % 62;
        }
        *digit = base62_digit(rest);
    }
    text.extend_from_slice(&*digits);
}

fn base62_of_checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text);
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = base62_digit(rest % 62);
        rest /= 62;
    }
    digits
}

fn base62_digit(value: u32) -> u8 {
    BASE62.get(value as usize).copied().expect("a base62 digit is below 62")
}

/// SHA-256 of a key's whole text: what is stored, and what keys are looked up by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a plain key.
    #[must_use]
    pub fn of(plain: &PlainKey) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &plain.text).as_ref());
        Self(bytes)
    }

    /// From its 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Four of its bytes, the first two and the last two, in hexadecimal: enough to find what is remembered of a key, and nothing to find the key by.
    #[must_use]
    pub fn mark(&self) -> String {
        let [first, second, .., third, last] = self.0;
        format!("{first:02x}{second:02x}{third:02x}{last:02x}")
    }

    /// A digest with this mark, and nothing else: what is remembered by those bytes is touched as by any other with it.
    #[must_use]
    pub fn with_mark(mark: &str) -> Option<Self> {
        let well_formed = mark.len() == 8 && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = u32::from_str_radix(mark, 16).ok().filter(|_| well_formed)?.to_be_bytes();
        let mut digest = [0; 32];
        let (begin, end) = bytes.split_at(2);
        digest.get_mut(..2)?.copy_from_slice(begin);
        digest.get_mut(30..)?.copy_from_slice(end);
        Some(Self(digest))
    }

    /// 64 hexadecimal digits, as `sha256sum` prints them.
    #[must_use]
    pub fn to_hex(&self) -> String {
        Hexadecimal(&self.0).to_string()
    }
}

impl FromStr for KeyDigest {
    type Err = Invalid;

    /// Reads 64 hexadecimal digits, as `sha256sum` prints them.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("a SHA-256", "(not shown)", "it must be 64 hexadecimal digits");
        read_hexadecimal(text).map(Self).ok_or_else(invalid)
    }
}

/// A digest is a look-up handle, not for eyes: it prints as nothing.
impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

/// One secret of a key. At most two of a key are live at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRecord {
    /// What a presented key is matched against.
    pub digest: KeyDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working because a later secret has taken its place; `None` for the current one.
    pub ends_at: Option<Timestamp>,
    /// When it was last presented with success, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What is remembered of an API key: the key itself, its secrets, and its own bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Public id.
    pub id: KeyId,
    /// Unique among the keys that are not revoked.
    pub name: KeyName,
    /// What it is for; free text, may be empty.
    pub description: String,
    /// The groups it is a member of, sorted, each once.
    pub groups: Vec<GroupName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was disabled, if it is.
    pub disabled_at: Option<Timestamp>,
    /// When it was revoked, if it is. Final.
    pub revoked_at: Option<Timestamp>,
    /// Newest first; those that have ended stay until the key is rotated again.
    pub secrets: Vec<SecretRecord>,
    /// The roles bound to the key itself, sorted by id.
    pub bindings: Vec<KeyBinding>,
}

/// Whether a key works, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It works.
    Active,
    /// Switched off; can be switched on again.
    Disabled,
    /// Past its expiry.
    Expired,
    /// Taken back for good.
    Revoked,
}

impl KeyState {
    /// The state as the contract spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl KeyRecord {
    /// A key that nobody has made, to think things through with: it works, and has neither secrets nor bindings.
    #[must_use]
    pub fn unbound(id: KeyId, name: KeyName, created_at: Timestamp) -> Self {
        Self {
            id,
            name,
            description: String::new(),
            groups: Vec::new(),
            created_at,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: Vec::new(),
        }
    }

    /// The key's state at `now`; what is final comes before what can be undone. A key works until its expiry, not at it.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.expires_at.is_some_and(|end| now >= end) {
            KeyState::Expired
        } else if self.disabled_at.is_some() {
            KeyState::Disabled
        } else {
            KeyState::Active
        }
    }

    /// The secret with this digest, if the key has it; it may have ended.
    #[must_use]
    pub fn secret(&self, digest: &KeyDigest) -> Option<&SecretRecord> {
        self.secrets.iter().find(|secret| secret.digest == *digest)
    }

    /// The earliest of the key's and the secret's expiry.
    #[must_use]
    pub fn usable_until(&self, secret: &SecretRecord) -> Option<Timestamp> {
        [self.expires_at, secret.ends_at].into_iter().flatten().min()
    }
}

impl SecretRecord {
    /// Whether the secret has been replaced and its grace is over.
    #[must_use]
    pub fn ended_at(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|end| now >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds, randomness and secret of a key, its text, and the text's SHA-256; worked out by another program.
    fn vectors() -> [(u64, u128, [u8; 32], &'static str, &'static str); 4] {
        [
            (
                0,
                0,
                [0; 32],
                "clv_00000000000000000000000000_00000000000000000000000000000000000000000004Q6S0z",
                "f0e9269acfce573026644f6417fc9e5ab77445a4db33adc07e3955a5f2d34ab3",
            ),
            (
                (1 << 48) - 1,
                (1 << 80) - 1,
                [0xff; 32],
                "clv_7zzzzzzzzzzzzzzzzzzzzzzzzz_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp14Pv2mQ",
                "168c00ce4a10fcf58cb790c7154865d612593ec7d86221942f95376602773c2d",
            ),
            (
                1_469_918_176_385,
                0x0102_0304_0506_0708_090a,
                std::array::from_fn(|position| u8::try_from(position).unwrap()),
                "clv_01aryz6s41041061050r3gg28a_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf07qJ60",
                "ca820bfa7c2557cce7a9792b3cc127b3f1ec7cc030a599ab2768644920d13a06",
            ),
            (
                1_767_225_600_000,
                42,
                std::array::from_fn(|position| if position == 31 { 61 } else { 0 }),
                "clv_01kdvdna00000000000000001a_000000000000000000000000000000000000000000z0Z5jmY",
                "887ce8efa3777027355c63e81fdf6a06652f4131784ce1e9574a816278b8c25c",
            ),
        ]
    }

    #[test]
    fn a_key_is_written_as_the_format_says() {
        for (unix_ms, random, secret, text, sha256) in vectors() {
            let id = KeyId::new(unix_ms, random);
            let plain = PlainKey::generate(id, &secret);

            assert_eq!(plain.reveal(), text);
            assert_eq!(plain.id(), Some(id));
            assert_eq!(KeyDigest::of(&plain), sha256.parse().unwrap());
        }
    }

    #[test]
    fn every_part_has_its_width_whatever_its_value() {
        for (.., text, _) in vectors() {
            let (prefix, rest) = text.split_once('_').unwrap();
            let (id, secret) = rest.split_once('_').unwrap();

            assert_eq!((prefix.len(), id.len(), secret.len(), text.len()), (3, 26, SECRET_LENGTH + CHECKSUM_LENGTH, KEY_LENGTH));
        }
    }

    #[test]
    fn a_key_with_any_one_character_changed_is_no_key() {
        let (.., text, _) = vectors()[2];
        for position in 0..text.len() {
            for byte in b'!'..=b'~' {
                let mut changed = text.as_bytes().to_vec();
                if changed[position] == byte {
                    continue;
                }
                changed[position] = byte;
                let taken = PlainKey::presented(&changed);

                // Without the prefix it may still be another system's key, but it is none of ours.
                assert!(taken.is_none_or(|plain| position < KEY_PREFIX.len() && plain.id().is_none()), "{position} {byte}");
            }
        }
    }

    #[test]
    fn a_key_cut_lengthened_or_recased_is_no_key() {
        let (.., text, _) = vectors()[2];
        let recased = text.replacen("01aryz", "01ARYZ", 1);
        for wrong in [&text[..79], &format!("{text}0"), &format!("{text}\n"), &recased, "clv_", "clv_é"] {
            assert!(PlainKey::presented(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_id_that_a_ulid_cannot_have_is_refused_even_with_a_matching_checksum() {
        for id in ["8zzzzzzzzzzzzzzzzzzzzzzzzz", "01aryz6s41o41061050r3gg28a", "01ARYZ6S41041061050R3GG28A"] {
            let mut text = format!("clv_{id}_{}", "0".repeat(SECRET_LENGTH)).into_bytes();
            let checksum = base62_of_checksum(&text);
            text.extend_from_slice(&checksum);

            assert!(PlainKey::presented(&text).is_none(), "{id}");
        }
    }

    #[test]
    fn a_key_of_another_system_is_any_visible_text_up_to_the_limit() {
        let longest = "x".repeat(IMPORTED_KEY_MAX);
        for text in ["a", "sk-live/=+~", "CLV_", &longest] {
            let plain = PlainKey::presented(text.as_bytes()).unwrap();

            assert_eq!((plain.reveal(), plain.id()), (text, None));
        }
        let too_long = "x".repeat(IMPORTED_KEY_MAX + 1);
        for wrong in [&b""[..], b"two words", b"tab\t", b"nul\0", "ü".as_bytes(), b"\xff", too_long.as_bytes()] {
            assert!(PlainKey::presented(wrong).is_none());
        }
    }

    #[test]
    fn neither_key_nor_digest_shows_itself_when_debugged() {
        let (unix_ms, random, secret, text, sha256) = vectors()[2];
        let plain = PlainKey::generate(KeyId::new(unix_ms, random), &secret);
        let shown = format!("{plain:?} {:?} {:#?}", KeyDigest::of(&plain), KeyDigest::of(&plain));

        assert!(!shown.contains(&text[31..]) && !shown.contains(&sha256[..8]), "{shown}");
    }

    #[test]
    fn a_digest_is_sixty_four_hexadecimal_digits_and_a_wrong_one_is_not_repeated() {
        let (.., sha256) = vectors()[0];

        assert_eq!(sha256.to_ascii_uppercase().parse::<KeyDigest>(), sha256.parse());
        let signed = format!("+{}", &sha256[1..]);
        for wrong in ["", "clv_pasted-by-mistake", &sha256[1..], &signed, &format!("{sha256}0")] {
            let error = wrong.parse::<KeyDigest>().unwrap_err();
            assert!(!error.to_string().contains("pasted"), "{error}");
        }
    }

    fn record() -> KeyRecord {
        KeyRecord {
            id: KeyId::new(1, 1),
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            created_at: at(0),
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: Vec::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_works_until_its_expiry_and_not_at_it() {
        let key = KeyRecord { expires_at: Some(at(10)), ..record() };

        assert_eq!(key.state_at(at(9)), KeyState::Active);
        assert_eq!(key.state_at(at(10)), KeyState::Expired);
    }

    #[test]
    fn what_is_final_hides_what_can_be_undone() {
        let disabled = KeyRecord { disabled_at: Some(at(1)), ..record() };
        let expired_too = KeyRecord { expires_at: Some(at(2)), ..disabled.clone() };
        let revoked_too = KeyRecord { revoked_at: Some(at(3)), ..expired_too.clone() };

        assert_eq!(disabled.state_at(at(5)), KeyState::Disabled);
        assert_eq!(expired_too.state_at(at(5)), KeyState::Expired);
        assert_eq!(revoked_too.state_at(at(5)), KeyState::Revoked);
    }

    #[test]
    fn a_secret_is_usable_until_the_first_of_its_own_end_and_the_keys() {
        let secret = |ends_at| SecretRecord { digest: KeyDigest::from_bytes([1; 32]), created_at: at(0), ends_at, last_used_at: None };
        let key = |expires_at| KeyRecord { expires_at, ..record() };

        assert_eq!(key(None).usable_until(&secret(None)), None);
        assert_eq!(key(Some(at(9))).usable_until(&secret(Some(at(7)))), Some(at(7)));
        assert_eq!(key(Some(at(5))).usable_until(&secret(Some(at(7)))), Some(at(5)));
        assert!(!secret(Some(at(7))).ended_at(at(6)) && secret(Some(at(7))).ended_at(at(7)));
    }
}
