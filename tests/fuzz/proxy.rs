//! What is read off sockets: the same however it is cut, and never read otherwise than the parsers beside it read it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::LazyLock;

use claviger::proxy::fuzzing::{chunked, follow, response_head};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

use crate::{Target, kind};

pub(crate) static RESPONSE_HEAD: Target = Target {
    name: "response_head",
    seeds: answers,
    words: &[
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 ",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive, x\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ":",
        ",",
        "5",
        "0",
        "+5",
        "18446744073709551616",
        "\r\n ",
        "X: y\r\n",
        "\u{0}",
        "\u{e9}",
    ],
    run: run_response_head,
};

fn answers() -> Vec<Vec<u8>> {
    let heads = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5, 5\r\n\r\n",
    ];
    heads.map(|head| head.as_bytes().to_vec()).to_vec()
}

pub(crate) fn halves(bytes: &[u8]) -> Vec<[&[u8]; 2]> {
    let places = (0..bytes.len()).step_by((bytes.len() / 24).max(1));
    places.filter_map(|place| bytes.split_at_checked(place)).map(|(first, second)| [first, second]).collect()
}

fn run_response_head(bytes: &[u8]) -> u64 {
    let mut kinds = Vec::new();
    for to_head in [false, true] {
        let whole = response_head(&[bytes], to_head);
        for halves in halves(bytes) {
            assert_eq!(response_head(&halves, to_head), whole, "cut into {halves:?}");
        }
        if let Ok(Some((_, left))) = &whole {
            let head = &bytes[..bytes.len() - left];
            assert!(head.ends_with(b"\r\n\r\n"), "a head ends with an empty line");
            assert!(!head.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'), "a line ends with CR LF");
            assert!(!head.windows(3).any(|three| matches!(three, [b'\r', b'\n', b' ' | b'\t'])), "no line goes on in the next");
        }
        kinds.push(match whole {
            Ok(Some((said, left))) => format!("{:?} {}", said.split("headers").next(), left.min(2)),
            Ok(None) => "more".to_owned(),
            Err(fault) => fault,
        });
    }
    kind(kinds)
}

pub(crate) static CHUNKED: Target = Target {
    name: "chunked",
    seeds: bodies,
    words: &[
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "a;x=y\r\n",
        "ffffffffffffffff\r\n",
        "0",
        "\r\n",
        "\n",
        "\r",
        " ",
        "X: y\r\n",
        ";",
        "\"",
        "-1",
        "00000000000000005\r\n",
    ],
    run: run_chunked,
};

fn bodies() -> Vec<Vec<u8>> {
    let bodies =
        ["5\r\nhello\r\n0\r\n\r\n", "1;a=b\r\nx\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nrest", "0\r\n\r\n", "5  \r\nhello\r\n000\r\n\r\n"];
    bodies.map(|body| body.as_bytes().to_vec()).to_vec()
}

fn run_chunked(bytes: &[u8]) -> u64 {
    let whole = chunked(&[bytes]);
    for halves in halves(bytes) {
        assert_eq!(chunked(&halves), whole, "cut into {halves:?}");
    }
    match whole {
        Ok((body, trailers, ended, left)) => {
            assert!(body.len() <= bytes.len() && left <= bytes.len());
            kind((body.len().min(32), !trailers.is_empty(), ended, left.min(3)))
        }
        Err(fault) => kind(fault),
    }
}

pub(crate) static FRAMING: Target = Target {
    name: "framing",
    seeds: requests,
    words: &[
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /a HTTP/1.1\r\n",
        "Host: x\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "HTTP/1.0",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ":",
        "#",
        "X: y\r\n",
        "\r\n ",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        ";x=\n",
    ],
    run: run_framing,
};

fn requests() -> Vec<Vec<u8>> {
    let requests = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\r\n\r\nGET /a#b HTTP/1.1\nHost: x\n\n",
    ];
    requests.map(|request| request.as_bytes().to_vec()).to_vec()
}

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));

/// What hyper hands over: for each request, how long its body was, if it came to an end.
fn by_hyper(bytes: &[u8]) -> Vec<Option<usize>> {
    let handed_over: Rc<RefCell<Vec<Option<usize>>>> = Rc::default();
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&handed_over);
        async move {
            let number = seen.borrow().len();
            seen.borrow_mut().push(None);
            if let Ok(body) = request.into_body().collect().await {
                let length = body.to_bytes().len();
                if let Some(mine) = seen.borrow_mut().get_mut(number) {
                    *mine = Some(length);
                }
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    RUNTIME.block_on(async {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        client.write_all(bytes).await.expect("there is room");
        client.shutdown().await.expect("it is open");
        let mut answers = Vec::new();
        let connection = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
        // Whether it ended well is not asked: hyper says so in its own words, and what counts is what it handed over.
        _ = tokio::join!(connection, client.read_to_end(&mut answers));
    });
    handed_over.take()
}

fn run_framing(bytes: &[u8]) -> u64 {
    let whole = follow(&[bytes]);
    for halves in halves(bytes) {
        assert_eq!(follow(&halves), whole, "cut into {halves:?}");
    }
    let handed_over = by_hyper(bytes);
    for number in 0..handed_over.len() {
        let faulty = whole.faulty.get(number).copied().unwrap_or_else(|| whole.faulty.last().copied().unwrap_or_default());
        let seen = number < usize::try_from(whole.heads).unwrap_or(usize::MAX);
        assert!(seen || faulty, "hyper takes a request number {number} out of this, and the shadow parser sees none");
    }
    // Of the first request, told by reading it naively.
    if !handed_over.is_empty() && whole.faulty.first() == Some(&false) {
        let start = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or_default();
        let end = bytes[start..].windows(4).position(|four| four == b"\r\n\r\n").expect("a sound head ends with an empty line");
        let head = String::from_utf8_lossy(&bytes[start..start + end]).to_ascii_lowercase();
        assert!(!head.replace("\r\n", "").contains('\n'), "a bare LF went unnoticed");
        let lines = |name: &str| {
            head.split("\r\n").filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':'))).count()
        };
        let (lengths, encodings) = (lines("content-length"), lines("transfer-encoding"));
        assert!(lengths <= 1 && (lengths == 0 || encodings == 0), "two ways to tell a body's length went unnoticed");
    }
    kind((
        whole.heads.min(5),
        whole.faulty,
        whole.amid,
        handed_over.iter().map(|body| body.map(|length| length.min(8))).collect::<Vec<_>>(),
    ))
}
