//! HTTP/2's heads, which are read before hyper reads them: hyper must find the same in what it is given instead, and nothing may grow.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use claviger::proxy::fuzzing::{NameAndValue, block, fields, rewrite};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::LocalSet;

use crate::proxy::{RUNTIME, halves};
use crate::{Target, kind};

/// How large a table may be (RFC 7541, and what HTTP/2 begins with).
const TABLE_MAX: usize = 4096;
const LIST_MAX: usize = 1000;
const FRAME_MAX: usize = 9 + 16 * 1024;

pub(crate) static HPACK: Target = Target {
    name: "hpack",
    seeds: connections,
    words: &[
        "\u{0}\u{1}a\u{1}b",
        "@\u{1}a\u{1}b",
        "\u{10}\u{1}a\u{1}b",
        "A\u{1}c",
        "?!",
        " ",
        "?\u{7f}\u{7f}\u{7f}\u{1}",
        "\u{0}\u{0}\u{0}",
        "@\u{4}name\u{5}value",
        "\u{7f}",
        "\u{7f}\u{0}",
    ],
    run: run_hpack,
};

/// Blocks with their lengths before them: those of RFC 7541, appendix C.4, and some that fill a table and make it smaller.
fn connections() -> Vec<Vec<u8>> {
    let of_rfc: [&[u8]; 3] = [
        &[0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
        &[0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf],
        &[
            0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8,
            0xe8, 0xb4, 0xbf,
        ],
    ];
    let long = [&[0x40, 1, b'a', 0x7f, 0x00][..], &[b'v'; 127], &[0xbe, 0x7e, 1, b'w', 0xbf]].concat();
    let smaller = [0x40, 1, b'a', 1, b'b', 0x3f, 0x05, 0x20, 0x3f, 0xe1, 0x1f, 0x40, 1, b'c', 1, b'd', 0xbe];
    [of_rfc.as_slice(), &[&long, &long, &long], &[&smaller[..5], &smaller[5..]]].map(framed).to_vec()
}

fn framed(blocks: &[&[u8]]) -> Vec<u8> {
    blocks.iter().flat_map(|block| std::iter::once(u8::try_from(block.len()).unwrap_or(u8::MAX)).chain(block.iter().copied())).collect()
}

fn run_hpack(bytes: &[u8]) -> u64 {
    let (mut blocks, mut rest) = (Vec::new(), bytes);
    while let Some((length, behind)) = rest.split_first() {
        let (block, behind) = behind.split_at_checked(usize::from(*length)).unwrap_or((behind, &[]));
        blocks.push(block);
        rest = behind;
    }
    let whole: Vec<[&[u8]; 1]> = blocks.iter().map(|block| [*block]).collect();
    let (all, table) = fields(&whole.iter().map(<[&[u8]; 1]>::as_slice).collect::<Vec<_>>());
    assert!(table <= TABLE_MAX, "the table has {table} bytes");
    for place in [1, 2, 3, 7, 20] {
        let cut: Vec<[&[u8]; 2]> = blocks.iter().map(|block| block.split_at(place.min(block.len()))).map(<[&[u8]; 2]>::from).collect();
        let cut = fields(&cut.iter().map(<[&[u8]; 2]>::as_slice).collect::<Vec<_>>());
        assert_eq!(cut, (all.clone(), table), "cut at {place}");
    }
    // Written anew, each block is read by whoever has read none of the others.
    for read in &all {
        let written = block(read);
        assert_eq!(fields(&[&[&written]]), (vec![read.clone()], 0));
    }
    let sizes = |read: &Vec<NameAndValue>| read.iter().map(|(name, value)| (name.len().min(4), value.len().min(4))).collect::<Vec<_>>();
    kind((blocks.len() - all.len(), table.min(64), table > TABLE_MAX / 2, all.iter().take(3).map(sizes).collect::<Vec<_>>()))
}

pub(crate) static HEADER_BLOCKS: Target = Target {
    name: "header_blocks",
    seeds: frames,
    words: &[
        "\u{0}\u{0}\u{0}\u{1}\u{5}\u{0}\u{0}\u{0}\u{1}",
        "\u{0}\u{0}\u{1}\u{9}\u{4}\u{0}\u{0}\u{0}\u{1}",
        "\u{0}\u{0}\u{3}\u{0}\u{1}\u{0}\u{0}\u{0}\u{1}abc",
        "\u{0}\u{0}\u{4}\u{3}\u{0}\u{0}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{8}",
        "\u{4}\u{4}/a#b",
        "\u{4}\u{3}/\"<",
        "\u{4}\u{4}/\u{9c}x",
        "@\u{4}name\u{5}value",
        "\u{0}\u{7}trailer\u{1}x",
        "?!",
        " ",
    ],
    run: run_header_blocks,
};

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&[0, length[0], length[1], kind, flags, 0, 0, 0, stream], payload].concat()
}

/// What follows the preface and the settings.
fn frames() -> Vec<Vec<u8>> {
    let head: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    let again: &[u8] = &[0x82, 0x86, 0x84, 0xbe, 0x40, 1, b'a', 1, b'b'];
    let odd: &[u8] = b"\x82\x86\x04\x06/a<b#c\x41\x01x";
    let post: &[u8] = b"\x83\x86\x84\x41\x01x";
    vec![
        [frame(1, 5, 1, head), frame(1, 5, 3, again), frame(1, 5, 5, &[0x82, 0x86, 0x84, 0xbf, 0xbe])].concat(),
        [frame(1, 1, 1, &head[..7]), frame(9, 0, 1, &head[7..10]), frame(9, 4, 1, &head[10..]), frame(1, 5, 3, odd)].concat(),
        [frame(1, 4, 1, post), frame(0, 0, 1, b"abc"), frame(1, 5, 1, b"\x40\x07trailer\x01x"), frame(1, 5, 3, again)].concat(),
        [frame(1, 4, 1, post), frame(1, 5, 1, b"\x04\x02/x"), frame(1, 4, 3, post), frame(3, 0, 3, &[0; 4])].concat(),
        [frame(1, 0x2d, 1, &[&[3, 0, 0, 0, 0, 7], head, &[0; 3]].concat()), frame(6, 0, 0, &[7; 8]), frame(1, 5, 3, again)].concat(),
        [
            frame(1, 4, 1, &[post, b"\x40\x04long\x7f\x80\x02", &[b'v'; 383]].concat()),
            frame(1, 5, 3, &[again, b"\xbe\xbf\xbf\xbf"].concat()),
        ]
        .concat(),
    ]
}

fn run_header_blocks(bytes: &[u8]) -> u64 {
    let bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[]), bytes].concat();
    let whole = rewrite(&[&bytes], LIST_MAX);
    for halves in halves(&bytes) {
        let cut = rewrite(&halves, LIST_MAX);
        assert_eq!((cut.bytes, cut.is_lost), (whole.bytes.clone(), whole.is_lost), "cut into {halves:?}");
        assert!(cut.held <= FRAME_MAX + LIST_MAX + FRAME_MAX + TABLE_MAX, "{} bytes are held", cut.held);
    }
    assert!(whole.bytes.len() <= bytes.len() * (LIST_MAX + FRAME_MAX), "{} bytes are made of {}", whole.bytes.len(), bytes.len());
    let (of_client, ours) = (by_hyper(&bytes), by_hyper(&whole.bytes));
    let mut expected = of_client.iter().peekable();
    for request in &ours {
        match expected.peek() {
            Some(next) if next.is_shown_as(request) => {
                if request.body.is_some() {
                    assert_eq!(request.body, next.body, "{request:?}");
                }
                expected.next();
            }
            next => assert!(has_mark(&request.target), "{request:?} and not {next:?}"),
        }
    }
    assert!(whole.is_lost || expected.peek().is_none(), "{expected:?} is lost");
    let shown = |request: &Seen| {
        (request.method.clone(), request.headers.len(), request.body.map(|length| length.min(4)), has_mark(&request.target))
    };
    kind((whole.is_lost, of_client.len(), ours.iter().take(4).map(shown).collect::<Vec<_>>(), whole.held.min(64)))
}

/// A request that hyper hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    target: String,
    headers: Vec<NameAndValue>,
    /// How long its body was, if it came to an end.
    body: Option<usize>,
}

impl Seen {
    /// Whether this may be what h2 makes of a request that goes on to it so: with marks in the place of what h2 hides or refuses.
    fn is_shown_as(&self, other: &Self) -> bool {
        (&self.method, &self.headers) == (&other.method, &other.headers) && is_shown_as(&self.target, &other.target)
    }
}

/// Whether a target with marks stands for this one: see `raw_target`.
fn is_shown_as(target: &str, marked: &str) -> bool {
    let (mut left, mut right) = (target.chars(), marked.chars());
    loop {
        match (left.next(), right.next()) {
            (None, None | Some('\u{83}')) => return true,
            (Some('\u{80}'..='\u{9f}'), Some('\u{81}')) | (Some('"'), Some('\u{82}')) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

fn has_mark(target: &str) -> bool {
    target.contains(|character| matches!(character, '\u{80}'..='\u{9f}'))
}

#[derive(Clone)]
struct Local;

impl<F: Future<Output: 'static> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// What hyper hands over.
fn by_hyper(bytes: &[u8]) -> Vec<Seen> {
    let handed_over: Rc<RefCell<Vec<Seen>>> = Rc::default();
    let seen = Rc::clone(&handed_over);
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let headers = request.headers().iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec())).collect();
            let (method, target) = (request.method().to_string(), request.uri().to_string());
            let number = seen.borrow().len();
            seen.borrow_mut().push(Seen { method, target, headers, body: None });
            if let Ok(body) = request.into_body().collect().await
                && let Some(mine) = seen.borrow_mut().get_mut(number)
            {
                mine.body = Some(body.to_bytes().len());
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let bytes = bytes.to_vec();
    LocalSet::new().block_on(&RUNTIME, async move {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (mut reading, mut writing) = tokio::io::split(client);
        let list_max = u32::try_from(LIST_MAX).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(Local).max_header_list_size(list_max).serve_connection(TokioIo::new(server), service);
        let written = async {
            // It may be closed before all is written.
            let _ = writing.write_all(&bytes).await;
            let _ = writing.shutdown().await;
        };
        let mut answers = Vec::new();
        // Whether it ended well is not asked: what counts is what was handed over.
        let (_, (), _) = tokio::join!(connection, written, reading.read_to_end(&mut answers));
    });
    handed_over.take()
}
