//! Connections of each kind: HTTP/1.1 and HTTP/2, in the clear and over TLS. Each asks for something else each time, and begins anew now and then.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Version};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use crate::judge::Target;
use crate::{Local, Shared};

/// After so many rounds a connection is closed, and another one made.
const ROUNDS: usize = 300;
/// How many requests a connection over HTTP/2 has under way.
pub(crate) const STREAMS: usize = 3;
/// Longer than anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);
/// After something went wrong.
const PAUSE: Duration = Duration::from_millis(50);

/// Where a proxy is, and whether TLS is spoken to it.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Trusts this authority, and speaks this protocol alone.
pub(crate) fn trusting(authority: &[u8], protocol: &[u8]) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.to_vec()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    // Who resumes a session is shown nothing.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

pub(crate) async fn keep_asking(shared: Rc<Shared>, number: usize, proxy: Proxy, http2: bool) {
    let mut random = 0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95);
    let mut next = Instant::now();
    while !shared.over.get() {
        let mut sender = match timeout(PATIENCE, connect(&shared, &proxy, http2)).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(fault)) => {
                shared.tally.borrow_mut().violated(&format!("not connected: {fault:#}"));
                sleep(PAUSE).await;
                continue;
            }
            Err(_) => {
                shared.tally.borrow_mut().violated("not connected in time");
                continue;
            }
        };
        for _ in 0..ROUNDS {
            let rate = shared.rate.get();
            if rate > 0.0 {
                sleep_until(next).await;
                // What could not be asked in time is not asked all at once afterwards.
                next = (next + Duration::from_secs_f64(shared.per_round.get() / rate)).max(Instant::now());
            }
            if shared.over.get() {
                break;
            }
            let goes_on = if let Sender::Http2(open) = &sender {
                let [mut one, mut two, mut three] = [(); STREAMS].map(|()| Sender::Http2(open.clone()));
                let drawn = [(); STREAMS].map(|()| draw(&mut random));
                let (one, two, three) =
                    tokio::join!(ask(&shared, &mut one, drawn[0]), ask(&shared, &mut two, drawn[1]), ask(&shared, &mut three, drawn[2]));
                one && two && three
            } else {
                ask(&shared, &mut sender, draw(&mut random)).await
            };
            if !goes_on {
                break;
            }
        }
    }
}

async fn connect(shared: &Rc<Shared>, proxy: &Proxy, http2: bool) -> anyhow::Result<Sender> {
    let began = shared.now();
    let stream = TcpStream::connect(proxy.address).await?;
    stream.set_nodelay(true)?;
    shared.tally.borrow_mut().connected();
    let Some(tls) = &proxy.tls else { return speak(stream, http2).await };
    let stream = TlsConnector::from(Arc::clone(tls)).connect(ServerName::try_from("localhost")?, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|der| fingerprint(der)).unwrap_or_default();
    if !shared.world.borrow().may_show(&shown, began, shared.now()) {
        shared.tally.borrow_mut().violated(&format!("the certificate {shown} was shown, which was not in force"));
    }
    speak(stream, http2).await
}

pub(crate) fn fingerprint(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, der))
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, http2: bool) -> anyhow::Result<Sender> {
    let io = TokioIo::new(stream);
    if http2 {
        let (sender, connection) = http2::handshake(Local, io).await?;
        spawn_local(connection);
        Ok(Sender::Http2(sender))
    } else {
        let (sender, connection) = http1::handshake(io).await?;
        spawn_local(connection);
        Ok(Sender::Http1(sender))
    }
}

fn draw(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random >> 16
}

/// What a client has seen of a request.
enum Told {
    Answer(u16, String),
    /// The connection, or the stream, ended before the answer did.
    CutOff(String),
    TooLate,
    /// The connection had been closed before: nothing was asked.
    Closed,
    /// The server was going away, and has told that it has not looked at the request (RFC 9113, section 6.8): it may be asked elsewhere.
    Leaving,
}

fn is_leaving(error: &hyper::Error) -> bool {
    let reason = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    reason.is_some_and(|error| error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR))
}

/// Asks for something, and judges what comes; whether the connection can be used again.
async fn ask(shared: &Rc<Shared>, sender: &mut Sender, drawn: u64) -> bool {
    let key = usize::try_from(drawn / 100).unwrap_or_default() % shared.world.borrow().keys.len();
    let (target, path, repeatable) = match drawn % 100 {
        0..45 => (Target::Main, "/main/of/it", true),
        45..75 => (Target::Streams, "/streams/7", true),
        75..82 => (Target::Main, "/main", false),
        82..89 => (Target::Streams, "/streams", false),
        89..93 => (Target::Open, "/open", true),
        _ => (Target::Extra, "/extra/1", true),
    };
    let http2 = matches!(sender, Sender::Http2(_));
    let (method, body) = if repeatable { (Method::GET, Bytes::new()) } else { (Method::POST, Bytes::from_static(&[b'x'; 2048])) };
    let uri = if http2 { format!("http://localhost{path}") } else { path.to_owned() };
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("authorization", format!("Bearer {}", shared.world.borrow().keys[key].text));
    let request = if http2 { request.version(Version::HTTP_2) } else { request.header("host", "localhost") };
    let Ok(request) = request.body(Full::new(body)) else { return false };

    let mut sent = shared.now();
    let telling = async {
        let answer = match sender {
            Sender::Http1(sender) => {
                if sender.ready().await.is_err() {
                    return Told::Closed;
                }
                sent = shared.now();
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                if sender.ready().await.is_err() {
                    return Told::Closed;
                }
                sent = shared.now();
                sender.send_request(request).await
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_canceled() => return Told::Closed,
            Err(error) if is_leaving(&error) => return Told::Leaving,
            Err(error) => return Told::CutOff(format!("{error:?}")),
        };
        let status = answer.status().as_u16();
        match answer.into_body().collect().await {
            Ok(body) => Told::Answer(status, String::from_utf8_lossy(&body.to_bytes()).into_owned()),
            Err(error) => Told::CutOff(format!("amid {status}: {error:?}")),
        }
    };
    let told = timeout(PATIENCE, telling).await.unwrap_or(Told::TooLate);
    let answered = shared.now();
    judge(shared, told, (target, key, repeatable), (sent, answered))
}

fn judge(
    shared: &Rc<Shared>,
    told: Told,
    (target, key, repeatable): (Target, usize, bool),
    (sent, answered): (Duration, Duration),
) -> bool {
    let upstream = usize::from(target == Target::Streams);
    let what =
        |fault: &str| format!("{target:?}, key {key}, repeatable: {repeatable}, sent at {sent:.3?}, answered at {answered:.3?}: {fault}");
    let mut tally = shared.tally.borrow_mut();
    match told {
        Told::Answer(status @ (502 | 504), body) => {
            if shared.upstreams.may_fail(upstream, repeatable, sent, answered) {
                tally.excused(status, repeatable);
            } else {
                tally.violated(&what(&format!("{status} {body}")));
            }
            true
        }
        Told::Answer(status, body) => {
            let fault = shared.world.borrow_mut().fault(target, key, status, &body, sent, answered);
            match fault {
                Some(fault) => tally.violated(&what(&fault)),
                None => tally.answered(status, answered.saturating_sub(sent), &body),
            }
            if repeatable && status == 200 && shared.upstreams.is_one_broken(upstream, sent, answered) {
                tally.with_one_broken += 1;
            }
            true
        }
        Told::CutOff(fault) => {
            if shared.upstreams.may_be_cut(upstream, sent, answered) || shared.world.borrow().may_be_ended(key, sent, answered) {
                tally.cut += 1;
            } else {
                tally.violated(&what(&fault));
            }
            false
        }
        Told::TooLate => {
            tally.violated(&what("no answer in time"));
            false
        }
        Told::Closed => false,
        Told::Leaving => {
            tally.left_out += 1;
            false
        }
    }
}
