//! W3C Trace Context: a trace is passed on if it is one.

use http::header::{HeaderMap, HeaderName};

use crate::edge::unrepeated::mark_unrepeated;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Passes a trace on only if it is one (W3C Trace Context, section 3.2); its state goes with it.
pub(super) fn check_trace(headers: &mut HeaderMap) {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let sound = match (parents.next(), parents.next()) {
        (Some(parent), None) => is_traceparent(parent.as_bytes()),
        _ => false,
    };
    if !sound {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    } else if let Some(parent) = headers.get_mut(TRACEPARENT) {
        mark_unrepeated(parent);
    }
}

/// Which trace a request is part of: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct TraceId([u8; 32]);

impl TraceId {
    /// By a sound `traceparent`.
    pub(in crate::proxy) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        // Behind the version and a hyphen.
        let id = parent.as_bytes().get(3..35).filter(|_| is_traceparent(parent.as_bytes()))?;
        id.try_into().ok().map(Self)
    }

    pub(in crate::proxy) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn is_traceparent(text: &[u8]) -> bool {
    let Some((fixed, rest)) = text.split_at_checked(55) else { return false };
    let mut fields = fixed.split(|byte| *byte == b'-');
    let mut field = |length: usize| {
        fields.next().filter(|field| field.len() == length && field.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let (version, trace, parent, flags) = (field(2), field(32), field(16), field(2));
    let is_set = |field: Option<&[u8]>| field.is_some_and(|field| field.iter().any(|byte| *byte != b'0'));
    match version {
        None | Some(b"ff") => false,
        Some(b"00") => rest.is_empty() && is_set(trace) && is_set(parent) && flags.is_some(),
        Some(_) => (rest.is_empty() || rest.starts_with(b"-")) && is_set(trace) && is_set(parent) && flags.is_some(),
    }
}
