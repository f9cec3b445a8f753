//! The request record: one line for a request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::metrics::LogLosses;
use super::refused::RefusedLines;
use crate::model::{ClientCertificate, KEY_PREFIX, KeyId};

static REFUSED: RefusedLines = RefusedLines::new();

/// What a line says about a request. Whether there is to be a line (`log.access`) is the caller's to decide before it makes one.
///
/// There is no place here for a header, a query or anything of a presented key but the id of the key it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// As sent; the line has `other` for one that is not among the usual nine.
    pub method: &'a str,
    /// As sent, without the query: credentials end up in queries. A key in the path is cut down to its id.
    pub path: &'a str,
    /// What the client got.
    pub status: u16,
    /// `Outcome::code()`.
    pub code: &'static str,
    /// Finer than the code where there is more to say: `Refusal::reason()`, or what is wrong with a malformed request.
    pub reason: Option<&'static str>,
    /// The name of the route that it is for, if there are routes.
    pub route: Option<&'a str>,
    /// Which login policy refused it.
    pub policy: Option<&'a str>,
    /// The last change that was in force when the exchange refused it: what `explain --at` is to be held against.
    pub revision: Option<u64>,
    /// Whose key it was, or, of a request that was refused, the id in the presented key's text if that is a well-formed key of Claviger's
    /// own. The latter is the client's word: the checksum tells that the text is whole, not that there is such a key.
    pub key: Option<KeyId>,
    /// The same as in the answer. A proxy that is trusted may have taken it from its own client: a key in it is cut down, too.
    pub request_id: &'a str,
    /// The trace that the request is part of, by its `traceparent`.
    pub trace_id: Option<&'a str>,
    /// From the request's head to the end of the answer's.
    pub took: Duration,
    /// Of it, waiting for the upstream's head; `None` if it was never asked.
    pub upstream: Option<Duration>,
    /// Which endpoint of the upstream was asked last, where there are several.
    pub endpoint: Option<&'a str>,
    /// The client's address, as far as it is known.
    pub client: Option<IpAddr>,
    /// What the client has proven itself by beside its key.
    pub certificate: Option<&'a ClientCertificate>,
}

impl Access<'_> {
    /// The target of these lines. They come at every level but `off`: `log.access` governs them, not `log.level`.
    pub(super) const TARGET: &'static str = "claviger::access";

    /// Writes the line.
    pub fn log(&self) {
        self.write(None);
    }

    /// The same for a request that was refused, of which there may be very many: above a rate, most have no line. `at`: now, by the
    /// monotonic clock.
    pub fn log_refused(&self, at: Duration) {
        if let Some(omitted) = REFUSED.admit(at, &LogLosses::of_this_process()) {
            self.write((omitted > 0).then_some(omitted));
        }
    }

    /// `omitted`: how many lines like this one were left out before it.
    fn write(&self, omitted: Option<u64>) {
        tracing::info!(
            target: Access::TARGET,
            method = known_method(self.method),
            path = without_keys(self.path).as_ref(),
            status = self.status,
            code = self.code,
            reason = self.reason,
            route = self.route,
            policy = self.policy,
            revision = self.revision,
            key = self.key.map(tracing::field::display),
            request_id = without_keys(self.request_id).as_ref(),
            trace_id = self.trace_id,
            duration_ms = milliseconds(self.took),
            upstream_ms = self.upstream.map(milliseconds),
            upstream = self.endpoint,
            client = self.client.map(tracing::field::display),
            certificate_subject = self.certificate.map(|certificate| certificate.subject.as_str()),
            certificate = self.certificate.map(|certificate| tracing::field::display(certificate.fingerprint)),
            omitted,
            "request answered"
        );
    }
}

/// A method is a free text to whoever sends it, and so a place where a key may stand by mistake.
fn known_method(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "CONNECT" | "TRACE" => method,
        _ => "other",
    }
}

/// The text with all but the id taken out of whatever looks like a key: people put keys into paths by mistake. If a key shows only once
/// escapes are undone, however often they have been escaped, the text is given without them.
pub fn without_keys(text: &str) -> Cow<'_, str> {
    if text.contains(KEY_PREFIX) {
        // Part of the key may be escaped all the same.
        return Cow::Owned(cut_down(&unescaped(text)));
    }
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let plain = unescaped(text);
    if plain.contains(KEY_PREFIX) { Cow::Owned(cut_down(&plain)) } else { Cow::Borrowed(text) }
}

fn cut_down(text: &str) -> String {
    /// Prefix, id, and the `_` behind it.
    const SHOWN: usize = KEY_PREFIX.len() + 26 + 1;
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(KEY_PREFIX) {
        let (before, key) = rest.split_at(at);
        let end = key.find(|character: char| !character.is_ascii_alphanumeric() && character != '_').unwrap_or(key.len());
        let (key, after) = key.split_at(end);
        clean.push_str(before);
        clean.push_str(key.get(..SHOWN).filter(|shown| shown.ends_with('_')).unwrap_or(KEY_PREFIX));
        clean.push('…');
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// Without `%5F` and its like, nor what is left of `%255F`: so many times over as anybody escapes by mistake. Without a bound, one path could
/// keep a thread busy.
fn unescaped(text: &str) -> String {
    const TIMES: usize = 4;
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..TIMES {
        let mut plain = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some((first, after)) = rest.split_first() {
            let escaped = (*first == b'%').then(|| after.split_first_chunk::<2>()).flatten();
            let byte = escaped.and_then(|([high, low], after)| Some((hex(*high)? << 4 | hex(*low)?, after)));
            let (byte, after) = byte.unwrap_or((*first, after));
            plain.push(byte);
            rest = after;
        }
        let done = plain.len() == bytes.len();
        bytes = plain;
        if done {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// To the microsecond.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_path_is_cut_down_to_its_id() {
        let id = "01hv00000000000000000000aa";
        let key = format!("clv_{id}_{}", "s".repeat(49));

        assert_eq!(without_keys(&format!("/keys/{key}/x")), format!("/keys/clv_{id}_…/x"));
        assert_eq!(without_keys(&format!("/{key}{key}")), format!("/clv_{id}_…"));
        assert_eq!(without_keys("/clv_secretsecretsecret"), "/clv_…");
        assert_eq!(without_keys("/things"), "/things");
    }

    #[test]
    fn a_key_in_a_path_is_cut_down_however_it_is_escaped() {
        let id = "01hv00000000000000000000aa";
        let secret = "s".repeat(49);
        let expected = format!("/keys/clv_{id}_…/x");

        for key in [
            format!("clv%5F{id}%5f{secret}"),
            format!("clv_{id}%5F{secret}"),
            format!("%63lv_{id}_%73{secret}"),
            format!("clv%255F{id}%25255F{secret}"),
            format!("%63%6c%76%5f{id}_{secret}"),
        ] {
            assert_eq!(without_keys(&format!("/keys/{key}/x")), expected, "{key}");
        }
        assert_eq!(without_keys("/a%20b%zz%"), "/a%20b%zz%");
    }

    #[test]
    fn only_usual_methods_are_named() {
        assert_eq!(known_method("GET"), "GET");
        assert_eq!(known_method("clv_01hv"), "other");
    }
}
