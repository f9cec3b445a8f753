//! Hostile bytes as tables, each over cleartext and over TLS: what whoever sends them is answered, and what the API gets of it, byte for
//! byte; of what is refused, nothing.

mod http1;
mod http2;

use std::time::Duration;

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{Answer, Client, Via, World};
use crate::wire::frames::{END_HEADERS, END_STREAM, End, Frames, HEADERS, block, frame};

use self::http2::{Ends, Line};

/// A request that would pass, were it read as one.
const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n";
const BEHIND_RECEIVED: &str = "GET /behind HTTP/1.1\nhost: api\n\n";

/// How long a case may take; longer than any answer, and shorter than what only keeps a broken test from hanging.
const CASE: Duration = Duration::from_secs(5);

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

/// What is wrong, so that one run tells everything.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn expect(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }

    fn expect_same(&mut self, case: &str, found: &str, wanted: &str) {
        self.expect(found == wanted, || format!("{case}:\n      it was {found:?}\n  instead of {wanted:?}"));
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        assert!(self.0.is_empty() || std::thread::panicking(), "{} faults:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// What the API has got since it was asked last, each message without the lines that are ours; these must be there, once and as they
/// ought to be. Between names, the order of lines means nothing (RFC 9110, section 5.3), so they are sorted.
fn received(world: &World, via: Via, version: &str) -> String {
    let bytes = world.upstream.take_bytes();
    let (first, behind) = bytes.find("GET /behind HTTP/1.1\r\n").map_or((&*bytes, ""), |at| bytes.split_at(at));
    [(first, version), (behind, "1.1")].map(|(message, version)| without_ours(message, via, version)).concat()
}

fn without_ours(message: &str, via: Via, version: &str) -> String {
    let Some((head, body)) = message.split_once("\r\n\r\n") else { return message.to_owned() };
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    let first = lines.remove(0);
    let host = lines.iter().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let said = [
        "x-forwarded-for: 127.0.0.1".to_owned(),
        format!("x-forwarded-proto: {}", via.scheme()),
        format!("x-forwarded-host: {host}"),
        format!("via: {version} claviger"),
    ];
    let is_token = |line: &str| line.strip_prefix("authorization: Bearer ey").is_some_and(|rest| rest.matches('.').count() == 2);
    let is_id =
        |line: &str| line.strip_prefix("x-request-id: ").is_some_and(|id| id.len() > 20 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    let mut missing = Vec::new();
    let mut take = |what: &str, is_it: &dyn Fn(&str) -> bool| match lines.iter().position(|line| is_it(line)) {
        Some(at) => drop(lines.remove(at)),
        None => missing.push(format!("(without {what})")),
    };
    for line in &said {
        take(line, &|found| found == line);
    }
    take("a token", &is_token);
    take("an id", &is_id);
    lines.sort_by_key(|line| line.split(':').next().unwrap_or_default().to_owned());
    [vec![first.to_owned()], missing, lines.into_iter().map(str::to_owned).collect(), vec![String::new(), body.to_owned()]]
        .concat()
        .join("\r\n")
}

/// What the tables tell of a message, as bytes, and in the same order.
fn told(message: &str) -> String {
    let (head, body) = message.split_once("\n\n").expect("a head ends with an empty line");
    let mut lines: Vec<&str> = head.split('\n').collect();
    lines.get_mut(1..).unwrap_or_default().sort_by_key(|line| line.split(':').next().unwrap_or_default().to_owned());
    format!("{}\n\n{body}", lines.join("\n")).replace('\n', "\r\n")
}

/// The answer to what was sent, if there is one before the connection ends.
async fn answered(client: &mut Client) -> Option<Answer> {
    loop {
        let answer = tokio::time::timeout(CASE, client.comes()).await.ok()??;
        if answer.status >= 200 {
            return Some(answer);
        }
    }
}

fn is_cut_off(world: &World) -> bool {
    world.upstream.requests().iter().all(|request| request.body == "(cut off)")
}

async fn class_of_http1_holds(world: &World, via: Via, class: &http1::Class, faults: &mut Faults) {
    let told_of = |case: &str| format!("{via:?}, {}, {case:?}", class.name);
    let fill = |case: &str| class.around.replace('@', case);
    for case in class.refused.iter().chain(class.cut) {
        let mut client = world.client().await;
        client.send(&(fill(case) + BEHIND)).await;
        let answer = answered(&mut client).await;
        let what = answer.map_or("nothing".to_owned(), |answer| format!("{} {}", answer.status, answer.code()));
        faults.expect_same(&told_of(case), &what, "400 bad_request");
        faults.expect(client.is_closed_within(CASE).await, || format!("{}: the connection is open", told_of(case)));
        if class.cut.contains(case) {
            faults.expect(is_cut_off(world), || format!("{}: the API got {:?}", told_of(case), world.upstream.requests()));
            let bytes = world.upstream.take_bytes();
            faults.expect(!bytes.contains("/behind"), || format!("{}: the API got {bytes:?}", told_of(case)));
        } else {
            faults.expect_same(&told_of(case), &received(world, via, "1.1"), "");
        }
    }
    for (status, case) in class.denied {
        let mut client = world.client().await;
        client.send(&fill(case)).await;
        let answer = answered(&mut client).await;
        faults.expect(answer.as_ref().is_some_and(|answer| answer.status == *status), || format!("{}: {answer:?}", told_of(case)));
        faults.expect_same(&told_of(case), &received(world, via, "1.1"), "");
    }
    let mut as_without = String::new();
    if !class.dropped.is_empty() {
        let mut client = world.client().await;
        client.send(&fill("")).await;
        assert_eq!(answered(&mut client).await.map(|answer| answer.status), Some(200), "{} without anything", class.name);
        as_without = received(world, via, "1.1") + &told(BEHIND_RECEIVED);
    }
    let dropped = class.dropped.iter().map(|case| (*case, as_without.clone()));
    let passes = class.passes.iter().map(|(case, message)| (*case, told(message) + &told(BEHIND_RECEIVED)));
    for (case, mut wanted) in passes.chain(dropped) {
        let version = if fill(case).contains(" HTTP/1.0\r\n") { "1.0" } else { "1.1" };
        let mut client = world.client().await;
        client.send(&(fill(case) + BEHIND)).await;
        let first = answered(&mut client).await;
        faults.expect(first.as_ref().is_some_and(|first| (first.status, &*first.body) == (200, "ok")), || {
            format!("{}: {first:?}", told_of(case))
        });
        let kept = if version == "1.0" { "keep-alive" } else { "" };
        if first.is_some_and(|first| first.header("connection").concat() != kept) {
            wanted.truncate(wanted.len() - BEHIND_RECEIVED.replace('\n', "\r\n").len());
            faults.expect(client.is_closed_within(CASE).await, || format!("{}: the connection is open", told_of(case)));
        } else {
            let second = answered(&mut client).await;
            faults.expect(second.as_ref().is_some_and(|second| second.status == 200), || format!("{}, behind: {second:?}", told_of(case)));
        }
        faults.expect_same(&told_of(case), &received(world, via, version), &wanted);
    }
}

/// A head that is a whole request.
fn request(world: &World, stream: u32, lines: &[Line]) -> Vec<u8> {
    let lines: Vec<(&str, String)> = lines.iter().map(|(name, value)| (*name, value.replace("KEY", &world.key))).collect();
    let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (*name, &**value)).collect();
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&lines))
}

/// How a stream, or else the connection, ends; `None`: it does not.
async fn end(client: &mut Frames, stream: u32) -> Option<End> {
    tokio::time::timeout(CASE, client.end_of(stream)).await.ok()
}

fn is_refused(end: Option<&End>) -> bool {
    matches!(end, Some(End::Answered(400) | End::Reset(_) | End::Gone(Some(_))))
}

/// If the connection goes on, it serves honest requests.
async fn goes_on_honestly(world: &World, via: Via, client: &mut Frames, ended: Option<&End>, case: &str, faults: &mut Faults) {
    if !matches!(ended, Some(End::Answered(_) | End::Reset(_))) {
        return;
    }
    client.send(&request(world, 101, &http2::PASSES)).await;
    let honest = end(client, 101).await;
    faults.expect(honest == Some(End::Answered(200)), || format!("{case}, behind: {honest:?}"));
    faults.expect_same(case, &received(world, via, "2"), &told("GET / HTTP/1.1\nhost: api\n\n"));
}

async fn heads_of_http2_hold(world: &World, via: Via, heads: &http2::Heads, faults: &mut Faults) {
    let whole = |lines: &[Line]| if heads.behind { [&http2::PASSES, lines].concat() } else { lines.to_vec() };
    for lines in heads.refused {
        let case = format!("{via:?}, {}, {lines:?}", heads.name);
        let mut client = Frames::to(world).await;
        client.send(&request(world, 1, &whole(lines))).await;
        let ended = end(&mut client, 1).await;
        faults.expect(is_refused(ended.as_ref()), || format!("{case}: {ended:?}"));
        faults.expect_same(&case, &received(world, via, "2"), "");
        goes_on_honestly(world, via, &mut client, ended.as_ref(), &case, faults).await;
    }
    for (lines, message) in heads.passes {
        let case = format!("{via:?}, {}, {lines:?}", heads.name);
        let mut client = Frames::to(world).await;
        client.send(&request(world, 1, &whole(lines))).await;
        let ended = end(&mut client, 1).await;
        faults.expect(ended == Some(End::Answered(200)), || format!("{case}: {ended:?}"));
        faults.expect_same(&case, &received(world, via, "2"), &told(message));
        goes_on_honestly(world, via, &mut client, ended.as_ref(), &case, faults).await;
    }
}

async fn frames_of_http2_hold(world: &World, via: Via, frames: &http2::Frames, faults: &mut Faults) {
    for (name, bytes, ends) in &frames.cases {
        let case = format!("{via:?}, {}, {name}", frames.name);
        let mut client = Frames::to(world).await;
        client.send(bytes).await;
        let stream = if matches!(ends, Ends::Gone(_)) { u32::MAX } else { 1 };
        let ended = end(&mut client, stream).await;
        match ends {
            Ends::Gone(code) => {
                let is_told = matches!(ended, Some(End::Gone(Some(found))) if [*code, http2::PROTOCOL_ERROR].contains(&found));
                faults.expect(is_told, || format!("{case}: {ended:?}"));
                faults.expect(is_cut_off(world), || format!("{case}: the API got {:?}", world.upstream.requests()));
                world.upstream.take_bytes();
            }
            Ends::Refused => {
                faults.expect(is_refused(ended.as_ref()), || format!("{case}: {ended:?}"));
                faults.expect_same(&case, &received(world, via, "2"), "");
            }
            Ends::Cut => {
                faults.expect(is_refused(ended.as_ref()), || format!("{case}: {ended:?}"));
                faults.expect(is_cut_off(world), || format!("{case}: the API got {:?}", world.upstream.requests()));
                world.upstream.take_bytes();
            }
            Ends::Once(message) => {
                faults.expect(ended.is_some(), || format!("{case}: it does not end"));
                let received = received(world, via, "2");
                faults.expect(told(message).starts_with(&received), || format!("{case}: the API got {received:?}"));
            }
            Ends::Passes(message) => {
                faults.expect(ended == Some(End::Answered(200)), || format!("{case}: {ended:?}"));
                faults.expect_same(&case, &received(world, via, "2"), &told(message));
            }
        }
        drop(client);
        let mut other = Frames::to(world).await;
        other.send(&request(world, 1, &http2::PASSES)).await;
        let honest = end(&mut other, 1).await;
        faults.expect(honest == Some(End::Answered(200)), || format!("{case}, another: {honest:?}"));
        world.upstream.take_bytes();
    }
}

#[tokio::test]
async fn requests_over_http1_are_answered_and_forwarded_as_the_tables_say() {
    let mut faults = Faults::default();
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for class in http1::CLASSES {
            class_of_http1_holds(&world, via, class, &mut faults).await;
        }
    }
}

#[tokio::test]
async fn heads_over_http2_are_answered_and_forwarded_as_the_tables_say() {
    let mut faults = Faults::default();
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for heads in http2::HEADS {
            heads_of_http2_hold(&world, via, heads, &mut faults).await;
        }
    }
}

#[tokio::test]
async fn frames_over_http2_are_answered_and_forwarded_as_the_tables_say() {
    let mut faults = Faults::default();
    for via in Via::BOTH {
        let world = World::via(via, ok).await;
        for frames in &http2::frames(&world.key) {
            frames_of_http2_hold(&world, via, frames, &mut faults).await;
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "whoever asks is told how many there are of each")]
fn there_are_at_least_250_cases_and_some_of_every_class() {
    let http1 = http1::CLASSES.iter().map(|class| {
        let count = class.refused.len() + class.denied.len() + class.cut.len() + class.passes.len() + class.dropped.len();
        ("HTTP/1.1", class.name, count)
    });
    let heads = http2::HEADS.iter().map(|heads| ("HTTP/2", heads.name, heads.refused.len() + heads.passes.len()));
    let frames = http2::frames("").into_iter().map(|frames| ("HTTP/2 frames", frames.name, frames.cases.len()));
    let classes: Vec<_> = http1.chain(heads).chain(frames).collect();
    let all: usize = classes.iter().map(|(_, _, count)| count).sum();
    for (protocol, class, count) in &classes {
        println!("{count:4}  {protocol}, {class}");
        assert!(*count > 0, "{class}");
    }
    println!("{all:4}  in all, each over cleartext and over TLS");
    assert!(all >= 250);
}
