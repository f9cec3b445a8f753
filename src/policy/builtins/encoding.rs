//! Base64, hexadecimal and digests.
//!
//! OPA keeps bytes that are no text in a string; there is no such string here, so the evaluation ends where one would arise.

use anyhow::bail;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regorus::Value;

use super::function::{Function, Own};

pub(super) static FUNCTIONS: [Function; 10] = [
    ("base64.decode", 1, Own::Partial(|args| decoded("base64.decode", args, |text| STANDARD.decode(without_breaks(text)).ok()))),
    ("base64.is_valid", 1, Own::Total(is_base64)),
    ("base64url.decode", 1, Own::Partial(|args| decoded("base64url.decode", args, base64url))),
    ("hex.decode", 1, Own::Partial(|args| decoded("hex.decode", args, unhex))),
    ("crypto.sha1", 1, Own::Total(|args| digest_of(args, &digest::SHA1_FOR_LEGACY_USE_ONLY))),
    ("crypto.sha256", 1, Own::Total(|args| digest_of(args, &digest::SHA256))),
    ("crypto.hmac.equal", 2, Own::Total(equal)),
    ("crypto.hmac.sha1", 2, Own::Total(|args| mac(args, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY))),
    ("crypto.hmac.sha256", 2, Own::Total(|args| mac(args, hmac::HMAC_SHA256))),
    ("crypto.hmac.sha512", 2, Own::Total(|args| mac(args, hmac::HMAC_SHA512))),
];

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

fn decoded(name: &str, args: &[Value], decode: fn(&str) -> Option<Vec<u8>>) -> anyhow::Result<Value> {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    let Some(bytes) = decode(text) else { return Ok(Value::Undefined) };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Value::from(text)),
        Err(_) => bail!("{name} gives bytes that are no text"),
    }
}

fn is_base64(args: &[Value]) -> Value {
    match args {
        [Value::String(text)] => Value::Bool(STANDARD.decode(without_breaks(text)).is_ok()),
        _ => Value::Bool(false),
    }
}

/// With or without its padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let padding = match (text.ends_with('='), text.len() % 4) {
        (true, _) | (false, 0) => "",
        (false, 2) => "==",
        (false, 3) => "=",
        (false, _) => return None,
    };
    URL_SAFE.decode(without_breaks(text) + padding).ok()
}

/// Line breaks are passed over.
fn without_breaks(text: &str) -> String {
    text.replace(['\r', '\n'], "")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn hex(bytes: &[u8]) -> Value {
    use std::fmt::Write as _;
    Value::from(bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn digest_of(args: &[Value], algorithm: &'static digest::Algorithm) -> Value {
    match args {
        [Value::String(text)] => hex(digest::digest(algorithm, text.as_bytes()).as_ref()),
        _ => Value::Undefined,
    }
}

fn mac(args: &[Value], algorithm: hmac::Algorithm) -> Value {
    match args {
        [Value::String(text), Value::String(key)] => hex(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), text.as_bytes()).as_ref()),
        _ => Value::Undefined,
    }
}

/// In a time that does not tell where the two differ.
fn equal(args: &[Value]) -> Value {
    match args {
        [Value::String(one), Value::String(other)] => {
            Value::Bool(aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok())
        }
        _ => Value::Undefined,
    }
}
