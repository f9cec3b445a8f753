use bytes::BytesMut;
use http::HeaderMap;
use proptest::prelude::*;

use super::error::Malformed;
use super::head::{Framing, HEAD_MAX, HeadReader, LINES_MAX, RequestKind};

/// What is made of a head: status, header lines, framing, whether the connection is kept, what is left behind it.
type ReadHead = Result<Option<(u16, Vec<(String, Vec<u8>)>, Framing, bool, Vec<u8>)>, Malformed>;

fn read(bytes: &[u8], asked: RequestKind, cuts: &[usize]) -> ReadHead {
    let (mut search, mut input, mut spare) = (HeadReader::new(LINES_MAX), BytesMut::new(), HeaderMap::new());
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    loop {
        if let Some(head) = search.take(&mut input, asked, &mut spare)? {
            let lines = head.response.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            let behind = [&input[..], rest].concat();
            return Ok(Some((head.response.status().as_u16(), lines.collect(), head.framing, head.keeps, behind)));
        }
        if rest.is_empty() {
            return Ok(None);
        }
        let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
        input.extend_from_slice(piece);
        rest = behind;
    }
}

fn whole(head: &str) -> ReadHead {
    read(head.as_bytes(), RequestKind::Other, &[usize::MAX])
}

#[test]
fn a_head_has_so_many_lines_and_no_more() {
    for most in [16, LINES_MAX, 300] {
        for (count, good) in [(most, true), (most + 1, false)] {
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(count));
            let (mut input, mut spare) = (BytesMut::from(head.as_bytes()), HeaderMap::new());
            let read = HeadReader::new(most).take(&mut input, RequestKind::Other, &mut spare);
            assert_eq!(read.is_ok_and(|head| head.is_some_and(|head| head.response.headers().len() == count)), good, "{count} of {most}");
        }
    }
}

fn framed(lines: &str) -> Option<(Framing, bool)> {
    let read = whole(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).ok()?.expect("the head is whole");
    Some((read.2, read.3))
}

#[test]
fn an_answer_is_framed_as_its_head_says() {
    assert_eq!(framed("Content-Length: 5\r\n"), Some((Framing::Length(5), true)));
    assert_eq!(framed("Content-Length: 5\r\nContent-Length: 5\r\n"), Some((Framing::Length(5), true)));
    assert_eq!(framed("Transfer-Encoding: Chunked\r\n"), Some((Framing::Chunked, true)));
    assert_eq!(framed(""), Some((Framing::UntilClose, false)));
    for close in ["close", "Close", "x, close", "close, keep-alive", "close\r\nConnection: keep-alive"] {
        assert_eq!(framed(&format!("Connection: {close}\r\nContent-Length: 5\r\n")), Some((Framing::Length(5), false)), "{close}");
    }
    let old = |lines: &str| whole(&format!("HTTP/1.0 200 OK\r\n{lines}\r\n")).ok().flatten().map(|read| (read.2, read.3));
    assert_eq!(old("Content-Length: 5\r\n"), Some((Framing::Length(5), false)));
    assert_eq!(old("Content-Length: 5\r\nConnection: keep-alive\r\n"), Some((Framing::Length(5), true)));
    assert_eq!(old("Transfer-Encoding: chunked\r\n"), None);
}

#[test]
fn what_has_no_body_has_none_whatever_it_says() {
    for lines in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        for status in ["204 No Content", "304 Not Modified"] {
            let read = whole(&format!("HTTP/1.1 {status}\r\n{lines}\r\nbehind")).unwrap().unwrap();
            assert_eq!((read.2, read.3, &read.4[..]), (Framing::Length(0), lines.is_empty(), &b"behind"[..]), "{status} {lines:?}");
        }
        let asked = read(format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes(), RequestKind::Head, &[usize::MAX]);
        assert_eq!(asked.unwrap().map(|read| (read.2, read.3)), Some((Framing::Length(0), lines.is_empty())), "{lines:?}");
        let none = read(format!("HTTP/1.1 204 No Content\r\n{lines}\r\n").as_bytes(), RequestKind::Head, &[usize::MAX]);
        assert_eq!(none.unwrap().map(|read| (read.2, read.3)), Some((Framing::Length(0), lines.is_empty())), "{lines:?}");
    }
    // It says that there is nothing.
    assert!(whole("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").unwrap().unwrap().3);
}

#[test]
fn a_head_that_could_be_read_in_two_ways_is_none() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: \r\n",
        "X: a\r\n folded\r\n",
        "X: a\nY: b\r\n",
        "X: a\n",
        "X: a\rb\r\n",
        "X: \0\r\n",
        "X : a\r\n",
        " X: a\r\n",
        "X Y: a\r\n",
        ": a\r\n",
        "none\r\n",
    ] {
        assert_eq!(framed(lines), None, "{lines:?}");
    }
    for head in [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\n\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 2000 X\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
    ] {
        assert!(whole(head).is_err(), "{head:?}");
    }
}

#[test]
fn interim_answers_are_passed_over_and_what_frames_the_body_is_not_passed_on() {
    let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 7\r\n\r\n\
                HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\nX: é\r\nX:\r\n\r\n0\r\n";
    let lines = vec![("x".to_owned(), "\u{e9}".as_bytes().to_vec()), ("x".to_owned(), vec![])];
    assert_eq!(whole(head), Ok(Some((200, lines, Framing::Chunked, true, b"0\r\n".to_vec()))));
    assert_eq!(whole("HTTP/1.1 101 Switching Protocols\r\nConnection: x\r\n\r\n").unwrap().unwrap().0, 101);
}

#[test]
fn a_head_has_limits() {
    let lines = |count: usize| whole(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count)));
    assert!(lines(LINES_MAX).is_ok_and(|read| read.is_some()));
    assert!(lines(LINES_MAX + 1).is_err());
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(HEAD_MAX));
    for cut in [usize::MAX, 10_000] {
        assert!(read(long.as_bytes(), RequestKind::Other, &[cut]).is_err());
    }
}

fn heads() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        3 => prop::sample::select(vec!["HTTP/1.1 200 OK\r\n", "HTTP/1.0 204 \r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 304 X\r\n"]),
        4 => prop::sample::select(vec!["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "X: y\r\n", "Y:\t\r\n"]),
        3 => prop::sample::select(vec!["\r\n", "\r\n\r\n"]),
        1 => prop::sample::select(vec!["\n", "\r", "\0", " ", ":", "H", "X: a\r\n b\r\n", "\u{e9}"]),
    ];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_cut_of_any_bytes_gives_the_same(bytes in heads(), cuts in prop::collection::vec(1usize..30, 1..8)) {
        let (cut, whole) = (read(&bytes, RequestKind::Other, &cuts), read(&bytes, RequestKind::Other, &[usize::MAX]));
        // What is wrong may show only at the end of a head that comes in pieces, and it may never come.
        prop_assert!(cut == whole || (whole.is_err() && (cut.is_err() || cut == Ok(None))), "{:?} and {:?}", cut, whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cuts in prop::collection::vec(1usize..30, 1..8)) {
        let _ = read(&bytes, RequestKind::Other, &cuts);
        let _ = read(&[b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n\r\n"].concat(), RequestKind::Head, &cuts);
    }
}
