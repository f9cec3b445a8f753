//! The head of an upstream's answer, and what it says of the body behind it.
//!
//! Read strictly: a head that two readers could take for two things is no answer. The checks that `httparse` leaves out (it takes a bare
//! LF for a line's end, and knows nothing of framing) are made here.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;

use super::error::Malformed;

/// The longest head, in bytes.
pub(crate) const HEAD_MAX: usize = 400 * 1024;
/// The most lines of trailers, and those of a head for which there is room without an allocation.
pub(super) const LINES_MAX: usize = 100;

/// How the end of an answer's body is known (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    Chunked,
    /// When the connection closes.
    UntilClose,
}

/// A head that has come whole, and is taken off the bytes.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    /// Without what frames the body, but for a `Content-Length`, and without a `Connection` that names nothing else.
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    /// Whether the upstream takes another request on the same connection.
    pub(super) keeps: bool,
}

/// What is known of the question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// The answer has no body, whatever it says.
    Head,
    #[default]
    Other,
}

/// How many interim answers to one request are told of; there may be any number.
const INTERIM_MAX: usize = 16;

/// Where the search for the end of a head stands.
#[derive(Debug)]
pub(super) struct HeadReader {
    /// The most lines of a head.
    lines: usize,
    /// How many bytes have been looked at, in vain.
    seen: usize,
    /// Interim answers that have come before, and how many they were since the request began.
    interim: Vec<Response<()>>,
    told: usize,
}

impl HeadReader {
    pub(super) fn new(lines: usize) -> Self {
        Self { lines, seen: 0, interim: Vec::new(), told: 0 }
    }

    /// A request begins.
    pub(super) fn begin(&mut self) {
        self.interim.clear();
        self.told = 0;
    }

    /// The interim answers that have come since this was asked.
    pub(super) fn interim(&mut self) -> std::vec::Drain<'_, Response<()>> {
        self.interim.drain(..)
    }

    /// Takes the next head off `input`, putting those of interim answers aside; `None`: there is not enough of it. The lines go into
    /// `spare`, which is empty.
    pub(super) fn take(
        &mut self,
        input: &mut BytesMut,
        asked: RequestKind,
        spare: &mut HeaderMap,
    ) -> Result<Option<ResponseHead>, Malformed> {
        loop {
            // A head that comes in many pieces is not read anew for each of them.
            let from = self.seen.saturating_sub(2);
            if input.is_empty() || (self.seen > 0 && !has_empty_line(input.get(from..).unwrap_or_default())) {
                return self.unfinished(input.len());
            }
            let Some(head) = parse(input, asked, spare, self.lines)? else { return self.unfinished(input.len()) };
            self.seen = 0;
            let status = head.response.status();
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some(head));
            }
            // Whether the body is wanted is between us and the client, and we have not asked.
            if status == StatusCode::CONTINUE || self.told >= INTERIM_MAX {
                *spare = head.response.into_parts().0.headers;
                spare.clear();
            } else {
                self.told += 1;
                self.interim.push(head.response);
            }
        }
    }

    fn unfinished(&mut self, length: usize) -> Result<Option<ResponseHead>, Malformed> {
        self.seen = length;
        if length < HEAD_MAX { Ok(None) } else { Err(Malformed("response head too large")) }
    }
}

fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Where a line's parts lie in the head.
#[derive(Clone, Copy, Default)]
struct LineSpan {
    name: (u32, u32),
    value: (u32, u32),
}

fn parse(input: &mut BytesMut, asked: RequestKind, spare: &mut HeaderMap, lines_max: usize) -> Result<Option<ResponseHead>, Malformed> {
    // `httparse` would overlook empty lines: bytes that belong to no answer.
    if input.first() != Some(&b'H') {
        return Err(Malformed("malformed status line"));
    }
    let (mut few_places, mut many_places) = ([LineSpan::default(); LINES_MAX], Vec::new());
    let places = if let Some(few) = few_places.get_mut(..lines_max) {
        few
    } else {
        many_places.resize(lines_max, LineSpan::default());
        &mut many_places[..]
    };
    let (length, status, minor, reason, count) = {
        let bytes = &input[..];
        let (mut few_lines, mut many_lines) = ([const { MaybeUninit::uninit() }; LINES_MAX], Vec::new());
        let lines = if let Some(few) = few_lines.get_mut(..lines_max) {
            few
        } else {
            many_lines.resize_with(lines_max, MaybeUninit::uninit);
            &mut many_lines[..]
        };
        let mut parsed = httparse::Response::new(&mut []);
        let length = match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, lines) {
            Ok(httparse::Status::Complete(length)) if length <= HEAD_MAX => length,
            Ok(httparse::Status::Complete(_)) => return Err(Malformed("response head too large")),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Malformed("too many header lines")),
            Err(_) => return Err(Malformed("malformed response head")),
        };
        check_line_ends(bytes.get(..length).unwrap_or_default())?;
        let place = |part: &[u8]| {
            let start = (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
            (narrow(start), narrow(start.wrapping_add(part.len())))
        };
        for (line, at) in parsed.headers.iter().zip(places.iter_mut()) {
            *at = LineSpan { name: place(line.name.as_bytes()), value: place(line.value) };
        }
        let status = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(|_| Malformed("invalid status code"))?;
        let reason = parsed.reason.filter(|reason| Some(*reason) != status.canonical_reason());
        (length, status, parsed.version, reason.map(|reason| place(reason.as_bytes())), parsed.headers.len())
    };
    let head = input.split_to(length).freeze();
    let part = |(start, end): (u32, u32)| head.slice(start as usize..end as usize);
    let mut marks = HeadMarks { persistent: minor == Some(1), ..HeadMarks::default() };
    let mut headers = std::mem::take(spare);
    headers.reserve(count);
    for at in places.iter().take(count) {
        let name = HeaderName::from_bytes(head.get(at.name.0 as usize..at.name.1 as usize).unwrap_or_default());
        let name = name.map_err(|_| Malformed("invalid header name"))?;
        let value = HeaderValue::from_maybe_shared(part(at.value)).map_err(|_| Malformed("invalid header value"))?;
        if marks.pass(&name, &value)? {
            headers.append(name, value);
        }
    }
    let framing = marks.framing(status, asked, minor)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = reason {
        let reason = ReasonPhrase::try_from(part(reason)).map_err(|_| Malformed("invalid reason phrase"))?;
        response.extensions_mut().insert(reason);
    }
    // What has no body but speaks of one (an answer to HEAD, a 304, and, against RFC 9110, section 8.6, a 204) may be followed by one all
    // the same, sooner or later, and the next client must not get it for an answer.
    let speaks_of_body = marks.chunked || marks.length.is_some_and(|length| length > 0);
    let may_be_followed = framing == Framing::Length(0) && speaks_of_body;
    let ends = framing != Framing::UntilClose && status != StatusCode::SWITCHING_PROTOCOLS && !may_be_followed;
    Ok(Some(ResponseHead { response, framing, keeps: marks.persistent && ends }))
}

/// A place in a head, none of which is longer than 32 bits can say.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or_default()
}

/// Every LF must have its CR. There is no early end and no branch, so that many bytes are looked at at once.
pub(super) fn check_line_ends(bytes: &[u8]) -> Result<(), Malformed> {
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let bare = pairs.fold(0, |bare, (before, byte)| bare | (u8::from(*byte == b'\n') & u8::from(*before != b'\r')));
    if bare == 0 && bytes.first() != Some(&b'\n') { Ok(()) } else { Err(Malformed("line does not end in CRLF")) }
}

/// What the lines say about framing and connection.
#[derive(Debug, Default)]
struct HeadMarks {
    length: Option<u64>,
    chunked: bool,
    persistent: bool,
    closes: bool,
}

impl HeadMarks {
    /// Takes note of a line; whether it belongs among the answer's headers.
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, Malformed> {
        if *name == CONTENT_LENGTH {
            let length = length(value.as_bytes()).ok_or(Malformed("invalid Content-Length"))?;
            // The same again changes nothing (RFC 9110, section 8.6).
            return match self.length.replace(length) {
                None => Ok(true),
                Some(before) if before == length => Ok(false),
                Some(_) => Err(Malformed("conflicting Content-Length values")),
            };
        }
        if *name == TRANSFER_ENCODING {
            if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed("transfer coding other than chunked"));
            }
            self.chunked = true;
            return Ok(false);
        }
        if *name == CONNECTION {
            return Ok(self.connection(value.as_bytes()));
        }
        Ok(true)
    }

    fn connection(&mut self, value: &[u8]) -> bool {
        let mut names = false;
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.persistent = true;
            } else {
                names = true;
            }
        }
        if self.closes {
            self.persistent = false;
        }
        names
    }

    fn framing(&self, status: StatusCode, asked: RequestKind, minor: Option<u8>) -> Result<Framing, Malformed> {
        if self.chunked && self.length.is_some() {
            return Err(Malformed("both Content-Length and Transfer-Encoding"));
        }
        if self.chunked && minor != Some(1) {
            return Err(Malformed("Transfer-Encoding in an HTTP/1.0 response"));
        }
        let bodiless = status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match self.length {
            _ if bodiless || asked == RequestKind::Head => Framing::Length(0),
            _ if self.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }
}

/// Digits and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |length, byte| match byte {
        b'0'..=b'9' => length.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}
