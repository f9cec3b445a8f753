//! Heads and frames of HTTP/2 by class, as tables: what is refused, what passes, and what an API that speaks HTTP/1.1 gets of it, byte for
//! byte.

use crate::wire::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, number, setting, text,
};

pub(super) type Line = (&'static str, &'static str);

const METHOD: Line = (":method", "GET");
const SCHEME: Line = (":scheme", "http");
const PATH: Line = (":path", "/");
const AUTHORITY: Line = (":authority", "api");
const KEY: Line = ("x-api-key", "KEY");

/// Heads of one kind, each a stream that it ends as well.
pub(super) struct Heads {
    pub(super) name: &'static str,
    /// Whether what differs comes behind a head that passes; or else the whole head is told.
    pub(super) behind: bool,
    /// Answered with 400, reset, or the end of the connection. Nothing reaches the API.
    pub(super) refused: &'static [&'static [Line]],
    /// Forwarded; what the API gets, without the lines that are ours. Each end of a line is CR LF.
    pub(super) passes: &'static [(&'static [Line], &'static str)],
}

/// A head that passes; `KEY` stands for the key.
pub(super) const PASSES: [Line; 5] = [METHOD, SCHEME, PATH, AUTHORITY, KEY];

const PLAIN: &str = "GET / HTTP/1.1\nhost: api\n\n";

pub(super) const HEADS: &[Heads] = &[
    Heads {
        name: "pseudo-headers",
        behind: false,
        refused: &[
            // Too little, too much, in the wrong place.
            &[],
            &[KEY],
            &[SCHEME, PATH, AUTHORITY, KEY],
            &[METHOD, PATH, AUTHORITY, KEY],
            &[METHOD, SCHEME, AUTHORITY, KEY],
            &[METHOD, SCHEME, PATH, KEY],
            &[METHOD, METHOD, SCHEME, PATH, AUTHORITY, KEY],
            &[METHOD, (":method", "POST"), SCHEME, PATH, AUTHORITY, KEY],
            &[METHOD, SCHEME, SCHEME, PATH, AUTHORITY, KEY],
            &[METHOD, SCHEME, (":scheme", "https"), PATH, AUTHORITY, KEY],
            &[METHOD, SCHEME, PATH, PATH, AUTHORITY, KEY],
            &[METHOD, SCHEME, PATH, (":path", "/other"), AUTHORITY, KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY, KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, (":authority", "other"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, KEY, PATH],
            &[METHOD, SCHEME, PATH, KEY, AUTHORITY],
            &[METHOD, SCHEME, AUTHORITY, KEY, PATH],
            &[KEY, METHOD, SCHEME, PATH, AUTHORITY],
            &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, (":protocol", "websocket"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, (":other", "x"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, (":", "x"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, (":host", "api"), KEY],
            &[(":Method", "GET"), SCHEME, PATH, AUTHORITY, KEY],
            // Methods.
            &[(":method", "CONNECT"), AUTHORITY, KEY],
            &[(":method", "CONNECT"), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", "CONNECT"), (":protocol", "websocket"), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", "TRACE"), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", ""), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", " "), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", "GE T"), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", "GET "), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", "GET\0"), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", "GET / HTTP/1.1\r\nx:"), SCHEME, PATH, AUTHORITY, KEY],
            &[(":method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"), SCHEME, PATH, AUTHORITY, KEY],
            // Schemes.
            &[METHOD, (":scheme", "ftp"), PATH, AUTHORITY, KEY],
            &[METHOD, (":scheme", ""), PATH, AUTHORITY, KEY],
            &[METHOD, (":scheme", "http "), PATH, AUTHORITY, KEY],
            &[METHOD, (":scheme", "http://other/?"), PATH, AUTHORITY, KEY],
            &[METHOD, (":scheme", "http\r\nx: y"), PATH, AUTHORITY, KEY],
            // Paths.
            &[METHOD, SCHEME, (":path", ""), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "*"), AUTHORITY, KEY],
            &[(":method", "OPTIONS"), SCHEME, (":path", "*"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "x"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "?x"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/ x"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", " /"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/ "), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/\tx"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/\r\nx"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/ HTTP/1.1\r\nx: y"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/ HTTP/1.1\r\n\r\nGET /behind"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/\n"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/\0"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/\u{7f}"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "/x#y"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "#"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "http://other/"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "other:80"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", ":80/"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", "@other/"), AUTHORITY, KEY],
            &[METHOD, SCHEME, (":path", ".other/"), AUTHORITY, KEY],
            // Authorities.
            &[METHOD, SCHEME, PATH, (":authority", ""), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "user@api"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "a,b"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api:x"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api:99999"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", ":80"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "a b"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", " api"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api/x"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api?x"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api#x"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api\\x"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api\r\nx: y"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "api\0"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "[::1"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "[api]"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "::1"), KEY],
            &[METHOD, SCHEME, PATH, (":authority", "http://api"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "other"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, ("host", ""), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "api"), ("host", "api"), KEY],
            &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "api"), ("host", "other"), KEY],
            &[METHOD, SCHEME, PATH, ("host", "api"), ("host", "api"), KEY],
            &[METHOD, SCHEME, PATH, ("host", "a b"), KEY],
            &[METHOD, SCHEME, PATH, ("host", ""), KEY],
        ],
        passes: &[
            (&[METHOD, SCHEME, PATH, AUTHORITY, KEY], PLAIN),
            (&[AUTHORITY, PATH, SCHEME, METHOD, KEY], PLAIN),
            (&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "api"), KEY], PLAIN),
            (&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "API:80"), KEY], PLAIN),
            (&[METHOD, SCHEME, PATH, ("host", "api"), KEY], PLAIN),
            (&[METHOD, (":scheme", "https"), PATH, AUTHORITY, KEY], PLAIN),
            (&[METHOD, SCHEME, PATH, (":authority", "[::1]:80"), KEY], "GET / HTTP/1.1\nhost: [::1]:80\n\n"),
            (&[(":method", "M-SEARCH"), SCHEME, PATH, AUTHORITY, KEY], "M-SEARCH / HTTP/1.1\nhost: api\n\n"),
            (&[METHOD, SCHEME, (":path", "//other/../%2f?a=b&c"), AUTHORITY, KEY], "GET //other/../%2f?a=b&c HTTP/1.1\nhost: api\n\n"),
            (&[METHOD, SCHEME, (":path", "/%0d%0ax"), AUTHORITY, KEY], "GET /%0d%0ax HTTP/1.1\nhost: api\n\n"),
        ],
    },
    Heads {
        name: "lines of a connection",
        behind: true,
        refused: &[
            &[("connection", "close")],
            &[("connection", "keep-alive")],
            &[("connection", "x-hop")],
            &[("connection", "")],
            &[("keep-alive", "timeout=5")],
            &[("proxy-connection", "keep-alive")],
            &[("transfer-encoding", "chunked")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "identity")],
            &[("transfer-encoding", "")],
            &[("transfer-encoding", "chunked"), ("content-length", "0")],
            &[("upgrade", "h2c")],
            &[("upgrade", "websocket")],
            &[("te", "gzip")],
            &[("te", "trailers, gzip")],
        ],
        passes: &[
            (&[("te", "trailers")], "GET / HTTP/1.1\nhost: api\nconnection: te\nte: trailers\n\n"),
            (&[("http2-settings", "AAMAAABkAAQAAP__")], PLAIN),
            (&[("proxy-authorization", "Basic x")], PLAIN),
            (&[("expect", "100-continue")], PLAIN),
            (&[("trailer", "x-sum")], "GET / HTTP/1.1\nhost: api\ntrailer: x-sum\n\n"),
        ],
    },
    Heads {
        name: "names and values",
        behind: true,
        refused: &[
            &[("X-Upper", "1")],
            &[("x-Upper", "1")],
            &[("", "1")],
            &[("x y", "1")],
            &[(" x", "1")],
            &[("x ", "1")],
            &[("x:", "1")],
            &[("x: y\r\nz", "1")],
            &[("x\r\ny", "1")],
            &[("x\n", "1")],
            &[("x\0", "1")],
            &[("x\u{7f}", "1")],
            &[("x\u{e9}", "1")],
            &[("x(", "1")],
            &[("x/y", "1")],
            &[("x", "1\r\nauthorization: 2")],
            &[("x", "1\r\n\r\nGET /behind HTTP/1.1\r\nhost: api\r\n\r\n")],
            &[("x", "1\n2")],
            &[("x", "1\r2")],
            &[("x", "1\r")],
            &[("x", "\n1")],
            &[("x", "1\0")],
            &[("x", "\0")],
            &[("x", "1\u{1}")],
            &[("x", "1\u{7f}")],
            &[("cookie", "a=b\r\nx: y")],
            &[("user-agent", "x\r\ny: z")],
        ],
        passes: &[
            (&[("x", "")], "GET / HTTP/1.1\nhost: api\nx: \n\n"),
            (&[("x", "a: b\tc")], "GET / HTTP/1.1\nhost: api\nx: a: b\tc\n\n"),
            (&[("x", "%0d%0ay: 1")], "GET / HTTP/1.1\nhost: api\nx: %0d%0ay: 1\n\n"),
            (&[("x", "\u{e9}\u{80}")], "GET / HTTP/1.1\nhost: api\nx: \u{e9}\u{80}\n\n"),
            (&[("x", "1"), ("y", "2"), ("x", "3")], "GET / HTTP/1.1\nhost: api\nx: 1\nx: 3\ny: 2\n\n"),
            (&[("!#$%&'*+-.^_`|~9", "1")], "GET / HTTP/1.1\nhost: api\n!#$%&'*+-.^_`|~9: 1\n\n"),
            (&[("cookie", "a=b"), ("cookie", "c=d")], "GET / HTTP/1.1\nhost: api\ncookie: a=b; c=d\n\n"),
        ],
    },
    Heads {
        name: "credentials and forgeries",
        behind: true,
        refused: &[
            &[KEY],
            &[("x-api-key", "other")],
            &[("authorization", "Bearer x")],
            &[("authorization", "Bearer KEY")],
            &[("authorization", "Basic x")],
            &[("authorization", "")],
        ],
        passes: &[
            (&[("x_api_key", "KEY")], PLAIN),
            (&[("x.api.key", "KEY")], PLAIN),
            (&[("authorization_", "Bearer x")], PLAIN),
            (&[("x-roles", "root")], PLAIN),
            (&[("x_roles", "root")], PLAIN),
            (&[("x.user", "root")], PLAIN),
            (&[("remote-user", "root")], PLAIN),
            (&[("x-forwarded-for", "6.6.6.6")], PLAIN),
            (&[("x-forwarded-proto", "gopher")], PLAIN),
            (&[("x_forwarded_for", "6.6.6.6")], PLAIN),
            (&[("forwarded", "for=6.6.6.6")], PLAIN),
            (&[("x-real-ip", "6.6.6.6")], PLAIN),
            (&[("x-request-id", "forged")], PLAIN),
            (&[("x-original-url", "/admin")], PLAIN),
            (&[("transfer_encoding", "chunked")], PLAIN),
            (&[("content_length", "5")], PLAIN),
            (&[("host_", "other")], PLAIN),
            (&[("cookie_", "a=b")], PLAIN),
        ],
    },
    Heads {
        name: "lengths without a body",
        behind: true,
        refused: &[
            &[("content-length", "1")],
            &[("content-length", "70")],
            &[("content-length", "0"), ("content-length", "0")],
            &[("content-length", "0"), ("content-length", "1")],
            &[("content-length", "0, 0")],
            &[("content-length", "+0")],
            &[("content-length", "-0")],
            &[("content-length", "0x0")],
            &[("content-length", " 0")],
            &[("content-length", "")],
            &[("content-length", "18446744073709551616")],
            &[("content-length", "99999999999999999999")],
        ],
        passes: &[(&[("content-length", "0")], "GET / HTTP/1.1\nhost: api\ncontent-length: 0\n\n")],
    },
];

/// How what is sent must end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    /// The connection, with this code or a protocol error: which of two fits better is left to taste.
    Gone(u32),
    /// The stream or the connection, with some code, or the request with 400.
    Refused,
    /// The same, once its head was forwarded, or before: the API gets no whole request.
    Cut,
    /// With an answer; the API gets this, without the lines that are ours.
    Passes(&'static str),
    /// As it likes; the API gets this, once, or a part of it.
    Once(&'static str),
}

/// A case's name, its frames behind the preface and the settings, and how stream 1, or the connection, ends.
type Sent = (&'static str, Vec<u8>, Ends);

pub(super) struct Frames {
    pub(super) name: &'static str,
    pub(super) cases: Vec<Sent>,
}

// Error codes (RFC 9113, section 7).
pub(super) const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

/// The block of a head that passes, with this method and more lines.
fn head(key: &str, method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let lines = [(":method", method), SCHEME, PATH, AUTHORITY, ("x-api-key", key)];
    block(&lines.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

/// A case's name, its trailers, and how its stream ends.
type Trailed<'a> = (&'static str, &'a [(&'a str, &'a str)], Ends);

/// Frames by class, with this key in them.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn frames(key: &str) -> Vec<Frames> {
    use Ends::{Cut, Gone, Once, Passes, Refused};
    let get = head(key, "GET", &[]);
    let asked = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &get);
    let opened = |more: &[(&str, &str)]| frame(HEADERS, END_HEADERS, 1, &head(key, "POST", more));
    let behind = |first: Vec<u8>| [first, asked(1)].concat();
    let with = |more: &[(&str, &str)], frames: &[Vec<u8>]| [opened(more), frames.concat()].concat();
    let bare = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
    let half = get.len() / 2;
    let trailed = |lines: &[(&str, &str)]| {
        with(&[("trailer", "x-sum")], &[frame(DATA, 0, 1, b"ab"), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(lines))])
    };
    let trailers: &[Trailed<'_>] = &[
        (
            "a sum",
            &[("x-sum", "1")],
            Passes("POST / HTTP/1.1\nhost: api\ntrailer: x-sum\ntransfer-encoding: chunked\n\n2\nab\n0\nx-sum: 1\n\n"),
        ),
        ("a path", &[(":path", "/forged")], Cut),
        ("a method", &[("x-sum", "1"), (":method", "GET")], Cut),
        ("a status", &[(":status", "200")], Cut),
        ("a connection", &[("connection", "close")], Cut),
        ("an encoding", &[("transfer-encoding", "chunked")], Cut),
        ("keeping alive", &[("keep-alive", "1")], Cut),
        ("upper case", &[("X", "1")], Cut),
        ("two lines in one", &[("x", "1\r\ny: 2")], Cut),
        ("no name", &[("", "1")], Cut),
        (
            "a credential",
            &[("authorization", "Bearer x")],
            Passes("POST / HTTP/1.1\nhost: api\ntrailer: x-sum\ntransfer-encoding: chunked\n\n2\nab\n0\n\n"),
        ),
        ("a key", &[("x-api-key", "x")], Passes("POST / HTTP/1.1\nhost: api\ntrailer: x-sum\ntransfer-encoding: chunked\n\n2\nab\n0\n\n")),
        (
            "a length",
            &[("content-length", "5")],
            Passes("POST / HTTP/1.1\nhost: api\ntrailer: x-sum\ntransfer-encoding: chunked\n\n2\nab\n0\n\n"),
        ),
        ("a host", &[("host", "other")], Passes("POST / HTTP/1.1\nhost: api\ntrailer: x-sum\ntransfer-encoding: chunked\n\n2\nab\n0\n\n")),
        ("roles", &[("x_roles", "root")], Passes("POST / HTTP/1.1\nhost: api\ntrailer: x-sum\ntransfer-encoding: chunked\n\n2\nab\n0\n\n")),
    ];
    let five = [("content-length", "5")];
    let sized = "POST / HTTP/1.1\nhost: api\ncontent-length: 5\n\nabcde";
    vec![
        Frames {
            name: "order and streams",
            cases: vec![
                ("data without a stream", frame(DATA, 0, 1, b"x"), Gone(PROTOCOL_ERROR)),
                ("data for all", frame(DATA, 0, 0, b"x"), Gone(PROTOCOL_ERROR)),
                ("headers for all", frame(HEADERS, END_HEADERS | END_STREAM, 0, &get), Gone(PROTOCOL_ERROR)),
                ("a stream of the server's", asked(2), Gone(PROTOCOL_ERROR)),
                ("an older stream", [asked(5), asked(3)].concat(), Gone(PROTOCOL_ERROR)),
                ("a promise", frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 4]), Gone(PROTOCOL_ERROR)),
                ("a promise with a head", frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get].concat()), Gone(PROTOCOL_ERROR)),
                ("a promise amid a stream", with(&[], &[frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])]), Cut),
                ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &[]), Gone(PROTOCOL_ERROR)),
                (
                    "a continuation for all",
                    [frame(HEADERS, 0, 1, &get), frame(CONTINUATION, END_HEADERS, 0, &[])].concat(),
                    Gone(PROTOCOL_ERROR),
                ),
                ("a continuation of what has ended", [asked(1), frame(CONTINUATION, END_HEADERS, 1, &[])].concat(), Once(PLAIN)),
                (
                    "a ping between the halves of a head",
                    [frame(HEADERS, 0, 1, &get), frame(PING, 0, 0, &[0; 8])].concat(),
                    Gone(PROTOCOL_ERROR),
                ),
                ("data between the halves of a head", [frame(HEADERS, 0, 1, &get), frame(DATA, 0, 1, b"x")].concat(), Gone(PROTOCOL_ERROR)),
                (
                    "settings between the halves of a head",
                    [frame(HEADERS, 0, 1, &get), frame(SETTINGS, 0, 0, &[])].concat(),
                    Gone(PROTOCOL_ERROR),
                ),
                ("a head between the halves of a head", [frame(HEADERS, 0, 1, &get), asked(3)].concat(), Gone(PROTOCOL_ERROR)),
                (
                    "something unknown between the halves of a head",
                    [frame(HEADERS, 0, 1, &get), frame(99, 0, 0, b"x")].concat(),
                    Gone(PROTOCOL_ERROR),
                ),
                (
                    "a continuation of another stream",
                    [frame(HEADERS, 0, 1, &get), frame(CONTINUATION, 0, 3, &[])].concat(),
                    Gone(PROTOCOL_ERROR),
                ),
                (
                    "a head that is in two",
                    [frame(HEADERS, END_STREAM, 1, &get[..half]), frame(CONTINUATION, END_HEADERS, 1, &get[half..])].concat(),
                    Passes(PLAIN),
                ),
                (
                    "a head in single bytes",
                    {
                        let mut bytes = frame(HEADERS, END_STREAM, 1, &[]);
                        for byte in &get {
                            bytes.extend(frame(CONTINUATION, 0, 1, &[*byte]));
                        }
                        bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
                        bytes
                    },
                    Refused,
                ),
                (
                    "data behind the end",
                    with(&five, &[frame(DATA, END_STREAM, 1, b"abcde"), frame(DATA, END_STREAM, 1, b"x")]),
                    Once(sized),
                ),
                ("a head behind the end", with(&five, &[frame(DATA, END_STREAM, 1, b"abcde"), asked(1)]), Once(sized)),
                ("a second head that ends nothing", with(&[], &[opened(&[])]), Cut),
                ("a reset for all", frame(RST_STREAM, 0, 0, &[0; 4]), Gone(PROTOCOL_ERROR)),
                ("a reset of a stream that never was", frame(RST_STREAM, 0, 9, &[0; 4]), Gone(PROTOCOL_ERROR)),
                ("a window of a stream that never was", frame(WINDOW_UPDATE, 0, 9, &[0, 0, 0, 1]), Gone(PROTOCOL_ERROR)),
                ("a goaway of a stream", frame(GOAWAY, 0, 1, &[0; 8]), Gone(PROTOCOL_ERROR)),
                ("a ping of a stream", frame(PING, 0, 1, &[0; 8]), Gone(PROTOCOL_ERROR)),
                ("settings of a stream", frame(SETTINGS, 0, 1, &[]), Gone(PROTOCOL_ERROR)),
                ("a reserved bit", frame(HEADERS, END_HEADERS | END_STREAM, 0x8000_0001, &get), Passes(PLAIN)),
                ("a kind that nobody knows", behind(frame(99, 0xff, 0, b"x")), Passes(PLAIN)),
                ("a kind that nobody knows, of a stream", behind(frame(10, 0xff, 7, b"x")), Passes(PLAIN)),
                ("flags that nobody knows", frame(HEADERS, END_HEADERS | END_STREAM | 0xd2, 1, &get), Passes(PLAIN)),
            ],
        },
        Frames {
            name: "sizes and padding",
            cases: vec![
                ("too large a frame of data", frame(DATA, 0, 1, &vec![0; 20_000]), Gone(FRAME_SIZE_ERROR)),
                ("too large a head", frame(HEADERS, END_HEADERS, 1, &vec![0; 20_000]), Gone(FRAME_SIZE_ERROR)),
                ("too large a frame of a kind that nobody knows", frame(99, 0, 0, &vec![0; 20_000]), Gone(FRAME_SIZE_ERROR)),
                ("too small a ping", frame(PING, 0, 0, &[0; 7]), Gone(FRAME_SIZE_ERROR)),
                ("too large a ping", frame(PING, 0, 0, &[0; 9]), Gone(FRAME_SIZE_ERROR)),
                ("half a priority", frame(PRIORITY, 0, 1, &[0; 4]), Gone(FRAME_SIZE_ERROR)),
                ("half a reset", behind(frame(RST_STREAM, 0, 1, &[0; 3])), Gone(FRAME_SIZE_ERROR)),
                ("half a window", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Gone(FRAME_SIZE_ERROR)),
                ("too large a window's frame", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1, 0]), Gone(FRAME_SIZE_ERROR)),
                ("half a goaway", frame(GOAWAY, 0, 0, &[0; 7]), Gone(FRAME_SIZE_ERROR)),
                ("half a setting", frame(SETTINGS, 0, 0, &[0; 5]), Gone(FRAME_SIZE_ERROR)),
                ("an acknowledgement with settings", frame(SETTINGS, ACK, 0, &[0; 6]), Gone(FRAME_SIZE_ERROR)),
                ("more padding than head", frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0]), Gone(PROTOCOL_ERROR)),
                ("as much padding as head", frame(HEADERS, END_HEADERS | PADDED, 1, &[2, 0]), Gone(PROTOCOL_ERROR)),
                ("padding of which nothing is told", frame(HEADERS, END_HEADERS | PADDED, 1, &[]), Gone(PROTOCOL_ERROR)),
                ("a head shorter than its priority", frame(HEADERS, END_HEADERS | 0x20, 1, &[0; 4]), Gone(FRAME_SIZE_ERROR)),
                ("more padding than data", with(&[], &[frame(DATA, PADDED, 1, &[9, 0])]), Cut),
                ("as much padding as data", with(&[], &[frame(DATA, PADDED, 1, &[2, 0])]), Cut),
                (
                    "a head in padding",
                    frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[&[3][..], &get, &[7; 3]].concat()),
                    Passes(PLAIN),
                ),
                (
                    "a head with a priority",
                    frame(HEADERS, END_HEADERS | END_STREAM | 0x20, 1, &[&[0, 0, 0, 0, 1][..], &get].concat()),
                    Passes(PLAIN),
                ),
                (
                    "a head that is its own parent",
                    frame(HEADERS, END_HEADERS | END_STREAM | 0x20, 1, &[&[0, 0, 0, 1, 1][..], &get].concat()),
                    Refused,
                ),
                ("a stream that is its own parent", behind(frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 1])), Refused),
                ("a priority for all", frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 1]), Gone(PROTOCOL_ERROR)),
                ("a priority of a stream to come", behind(frame(PRIORITY, 0, 9, &[0, 0, 0, 3, 1])), Passes(PLAIN)),
                ("data in padding", with(&five, &[frame(DATA, PADDED | END_STREAM, 1, b"\x03abcde\0\0\0")]), Passes(sized)),
            ],
        },
        Frames {
            name: "settings and windows",
            cases: vec![
                ("too large a window to begin with", frame(SETTINGS, 0, 0, &setting(4, 1 << 31)), Gone(FLOW_CONTROL_ERROR)),
                ("too small frames", frame(SETTINGS, 0, 0, &setting(5, 1)), Gone(PROTOCOL_ERROR)),
                ("frames one too small", frame(SETTINGS, 0, 0, &setting(5, 16_383)), Gone(PROTOCOL_ERROR)),
                ("too large frames", frame(SETTINGS, 0, 0, &setting(5, 1 << 24)), Gone(PROTOCOL_ERROR)),
                ("half a push", frame(SETTINGS, 0, 0, &setting(2, 2)), Gone(PROTOCOL_ERROR)),
                ("half an extended connect", frame(SETTINGS, 0, 0, &setting(8, 2)), Gone(PROTOCOL_ERROR)),
                ("a setting that nobody knows", behind(frame(SETTINGS, 0, 0, &setting(0xff00, 7))), Passes(PLAIN)),
                ("no table", behind(frame(SETTINGS, 0, 0, &setting(1, 0))), Passes(PLAIN)),
                ("as large a table as can be", behind(frame(SETTINGS, 0, 0, &setting(1, u32::MAX))), Passes(PLAIN)),
                ("no lists of headers", behind(frame(SETTINGS, 0, 0, &setting(6, u32::MAX))), Passes(PLAIN)),
                ("no streams from the server", behind(frame(SETTINGS, 0, 0, &setting(3, 0))), Passes(PLAIN)),
                (
                    "an acknowledgement that nobody waits for",
                    behind([frame(SETTINGS, ACK, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat()),
                    Refused,
                ),
                ("an answer to no ping", behind(frame(PING, ACK, 0, &[7; 8])), Passes(PLAIN)),
                ("a window that opens by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Gone(PROTOCOL_ERROR)),
                ("a window that overflows", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()), Gone(FLOW_CONTROL_ERROR)),
                ("a stream's window that opens by nothing", with(&[], &[frame(WINDOW_UPDATE, 0, 1, &[0; 4])]), Cut),
                ("a stream's window that overflows", with(&[], &[frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes())]), Cut),
                (
                    "a window that settings make overflow",
                    with(
                        &[],
                        &[frame(WINDOW_UPDATE, 0, 1, &0x7fff_0000_u32.to_be_bytes()), frame(SETTINGS, 0, 0, &setting(4, 0x7fff_ffff))],
                    ),
                    Cut,
                ),
                ("a goaway before a request", behind(frame(GOAWAY, 0, 0, &[0; 8])), Passes(PLAIN)),
            ],
        },
        Frames {
            name: "compression",
            cases: vec![
                ("an entry that no table has", bare(&number(200, 7, 0x80)), Gone(COMPRESSION_ERROR)),
                ("the first entry of an empty table", bare(&[0xbe]), Gone(COMPRESSION_ERROR)),
                ("entry number 0", bare(&[0x80]), Gone(COMPRESSION_ERROR)),
                ("a name that no table has", bare(&[number(100, 6, 0x40), text(b"x")].concat()), Gone(COMPRESSION_ERROR)),
                ("a number without end", bare(&[0xff; 20]), Gone(COMPRESSION_ERROR)),
                (
                    "a number that overflows",
                    bare(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
                    Gone(COMPRESSION_ERROR),
                ),
                ("a number that does not end", bare(&[&get[..], &[0xff, 0x80]].concat()), Gone(COMPRESSION_ERROR)),
                ("a text longer than its frame", bare(&[0, 0x7e, b'x']), Gone(COMPRESSION_ERROR)),
                ("a value that is not there", bare(&[&get[..], &[0, 1, b'x']].concat()), Gone(COMPRESSION_ERROR)),
                ("Huffman's end", bare(&[&get[..], &[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]].concat()), Gone(COMPRESSION_ERROR)),
                ("too much of Huffman's padding", bare(&[&get[..], &[0, 1, b'x', 0x82, 0x1f, 0xff]].concat()), Gone(COMPRESSION_ERROR)),
                ("Huffman's padding of zeros", bare(&[&get[..], &[0, 1, b'x', 0x81, 0x18]].concat()), Gone(COMPRESSION_ERROR)),
                ("a table larger than allowed", bare(&number(1 << 20, 5, 0x20)), Gone(COMPRESSION_ERROR)),
                ("a table one byte larger than allowed", bare(&[number(4097, 5, 0x20), get.clone()].concat()), Gone(COMPRESSION_ERROR)),
                ("another size of the table amid a head", bare(&[get.clone(), number(0, 5, 0x20)].concat()), Gone(COMPRESSION_ERROR)),
                ("a line break in Huffman's code", bare(&[&get[..], &[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xf3]].concat()), Refused),
                (
                    "two sizes of the table before a head",
                    bare(&[number(0, 5, 0x20), number(4096, 5, 0x20), get.clone()].concat()),
                    Passes(PLAIN),
                ),
                ("Huffman's code", bare(&[&get[..], &[0, 1, b'x', 0x81, 0x1f]].concat()), Passes("GET / HTTP/1.1\nhost: api\nx: a\n\n")),
                (
                    "a line that is kept, and named again",
                    bare(&[&get[..], &[0x40], &text(b"x"), &text(b"1"), &[0xbe]].concat()),
                    Passes("GET / HTTP/1.1\nhost: api\nx: 1\nx: 1\n\n"),
                ),
                (
                    "a line that must never be kept",
                    bare(&[&get[..], &[0x10], &text(b"x"), &text(b"1")].concat()),
                    Passes("GET / HTTP/1.1\nhost: api\nx: 1\n\n"),
                ),
                (
                    "a line that is too large for the table",
                    bare(&[&get[..], &[0x40], &text(b"x"), &text(&[b'y'; 5000]), &[0xbe]].concat()),
                    Gone(COMPRESSION_ERROR),
                ),
            ],
        },
        Frames {
            name: "lengths and bodies",
            cases: vec![
                ("less than it says", with(&five, &[frame(DATA, END_STREAM, 1, b"abc")]), Cut),
                ("more than it says", with(&five, &[frame(DATA, END_STREAM, 1, b"abcdef")]), Cut),
                ("more than it says, later", with(&five, &[frame(DATA, 0, 1, b"abcde"), frame(DATA, END_STREAM, 1, b"f")]), Cut),
                (
                    "something though it says nothing",
                    with(&[("content-length", "0")], &[frame(DATA, END_STREAM, 1, b"GET / HTTP/1.1")]),
                    Refused,
                ),
                ("nothing though it says something", with(&five, &[frame(DATA, END_STREAM, 1, b"")]), Cut),
                (
                    "less than it says, then trailers",
                    with(&five, &[frame(DATA, 0, 1, b"abc"), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-sum", "1")]))]),
                    Cut,
                ),
                ("a length with a sign", with(&[("content-length", "+5")], &[frame(DATA, END_STREAM, 1, b"abcde")]), Refused),
                (
                    "two lengths",
                    with(&[("content-length", "5"), ("content-length", "5")], &[frame(DATA, END_STREAM, 1, b"abcde")]),
                    Refused,
                ),
                (
                    "two lengths that differ",
                    with(&[("content-length", "5"), ("content-length", "0")], &[frame(DATA, END_STREAM, 1, b"abcde")]),
                    Refused,
                ),
                (
                    "a length and an encoding",
                    with(&[("content-length", "5"), ("transfer-encoding", "chunked")], &[frame(DATA, END_STREAM, 1, b"abcde")]),
                    Refused,
                ),
                ("as much as it says", with(&five, &[frame(DATA, 0, 1, b"abc"), frame(DATA, END_STREAM, 1, b"de")]), Passes(sized)),
                (
                    "as much as it says, and an empty end",
                    with(&five, &[frame(DATA, 0, 1, b"abcde"), frame(DATA, END_STREAM, 1, b"")]),
                    Passes(sized),
                ),
                (
                    "a request in a body",
                    with(&[("content-length", "40")], &[frame(DATA, END_STREAM, 1, b"GET /behind HTTP/1.1\r\nHost: api\r\nX: y\r\n\r\n")]),
                    Cut,
                ),
                (
                    "the end of chunks in a body",
                    with(&[], &[frame(DATA, END_STREAM, 1, b"0\r\n\r\n")]),
                    Passes("POST / HTTP/1.1\nhost: api\ntransfer-encoding: chunked\n\n5\n0\n\n\n0\n\n"),
                ),
                (
                    "no length",
                    with(&[], &[frame(DATA, END_STREAM, 1, b"ab")]),
                    Passes("POST / HTTP/1.1\nhost: api\ntransfer-encoding: chunked\n\n2\nab\n0\n\n"),
                ),
            ],
        },
        Frames { name: "trailers", cases: trailers.iter().map(|(name, lines, ends)| (*name, trailed(lines), *ends)).collect() },
    ]
}
