//! Two upstreams of three endpoints each, which answer with the token that they were sent, fail in turns, and come back.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::{Local, Shared, say};

/// How many endpoints each upstream has.
pub(crate) const ENDPOINTS: usize = 3;

/// What becomes of the requests that an endpoint gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Up,
    /// Killed: all connections end, and nobody is let in.
    Refusing,
    /// Connections break as soon as anything is asked.
    Breaking,
    /// Connections, or streams, are reset in the midst of an answer.
    Cutting,
    /// Nothing is answered, for less than the time-out.
    Silent,
}

impl Mode {
    fn breaks(self) -> bool {
        match self {
            Self::Refusing | Self::Breaking | Self::Cutting => true,
            Self::Up | Self::Silent => false,
        }
    }
}

/// What fails, of which upstream (0 or 1), and for how long in milliseconds.
struct Scene {
    upstream: usize,
    endpoints: &'static [usize],
    mode: Mode,
    millis: u64,
}

const fn scene(upstream: usize, endpoints: &'static [usize], mode: Mode, millis: u64) -> Scene {
    Scene { upstream, endpoints, mode, millis }
}

/// One after the other, over and over: mostly one of three, sometimes two, now and then all.
const SCENES: [Scene; 16] = [
    scene(0, &[0], Mode::Refusing, 1500),
    scene(1, &[1], Mode::Breaking, 1500),
    scene(0, &[2], Mode::Silent, 1200),
    scene(1, &[0], Mode::Refusing, 1500),
    scene(0, &[1], Mode::Breaking, 1500),
    scene(0, &[0], Mode::Cutting, 600),
    scene(1, &[2], Mode::Silent, 1200),
    scene(0, &[1, 2], Mode::Refusing, 1000),
    scene(1, &[1], Mode::Cutting, 600),
    scene(1, &[0, 2], Mode::Refusing, 1000),
    scene(0, &[2], Mode::Refusing, 4000),
    scene(1, &[2], Mode::Breaking, 4000),
    scene(0, &[0, 1], Mode::Breaking, 800),
    scene(1, &[0, 1, 2], Mode::Refusing, 700),
    scene(0, &[0, 1, 2], Mode::Silent, 700),
    scene(0, &[0, 1, 2], Mode::Refusing, 700),
];
/// In which all are up.
const REST: Duration = Duration::from_millis(700);

/// One that was not up, from when to when.
struct Trouble {
    upstream: usize,
    endpoint: usize,
    mode: Mode,
    from: Duration,
    to: Duration,
}

/// Both upstreams.
pub(crate) struct Upstreams {
    endpoints: [Vec<Endpoint>; 2],
    troubles: RefCell<Vec<Trouble>>,
    pub(crate) failing: Cell<bool>,
}

struct Endpoint {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Upstreams {
    pub(crate) async fn start() -> std::io::Result<Rc<Self>> {
        let mut endpoints = [Vec::new(), Vec::new()];
        for (upstream, endpoints) in endpoints.iter_mut().enumerate() {
            for _ in 0..ENDPOINTS {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                let (mode, changes) = watch::channel(Mode::Up);
                spawn_local(serve(listener, address, changes, upstream == 1));
                endpoints.push(Endpoint { address, mode });
            }
        }
        Ok(Rc::new(Self { endpoints, troubles: RefCell::default(), failing: Cell::new(false) }))
    }

    pub(crate) fn addresses(&self) -> [Vec<SocketAddr>; 2] {
        [0, 1].map(|upstream| self.endpoints[upstream].iter().map(|endpoint| endpoint.address).collect())
    }

    fn troubled(&self, upstream: usize, sent: Duration, answered: Duration, counts: impl Fn(Mode) -> bool) -> usize {
        let troubles = self.troubles.borrow();
        let met =
            |trouble: &&Trouble| trouble.upstream == upstream && trouble.from <= answered && trouble.to >= sent && counts(trouble.mode);
        let mut endpoints: Vec<usize> = troubles.iter().filter(met).map(|trouble| trouble.endpoint).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints.len()
    }

    /// Whether it was told in advance that this request may be answered with 502 or 504: it may not be sent twice and was under way while an
    /// endpoint broke, or fewer than two of three were sound.
    pub(crate) fn may_fail(&self, upstream: usize, repeatable: bool, sent: Duration, answered: Duration) -> bool {
        self.troubled(upstream, sent, answered, Mode::breaks) > usize::from(repeatable)
    }

    /// Whether its answer may end too early: nobody can take back the head of an answer.
    pub(crate) fn may_be_cut(&self, upstream: usize, sent: Duration, answered: Duration) -> bool {
        self.troubled(upstream, sent, answered, Mode::breaks) > 0
    }

    /// Whether two of three were sound.
    pub(crate) fn is_one_broken(&self, upstream: usize, sent: Duration, answered: Duration) -> bool {
        self.troubled(upstream, sent, answered, Mode::breaks) == 1
    }
}

/// Lets one after the other fail for as long as that is wanted.
pub(crate) async fn fail_in_turns(shared: Rc<Shared>) {
    let upstreams = &shared.upstreams;
    let mut told = std::collections::BTreeMap::<String, u32>::new();
    for scene in SCENES.iter().cycle() {
        if !upstreams.failing.get() {
            break;
        }
        let from = shared.now();
        for endpoint in scene.endpoints {
            let trouble = Trouble { upstream: scene.upstream, endpoint: *endpoint, mode: scene.mode, from, to: Duration::MAX };
            upstreams.troubles.borrow_mut().push(trouble);
            upstreams.endpoints[scene.upstream][*endpoint].mode.send_replace(scene.mode);
        }
        sleep(Duration::from_millis(scene.millis)).await;
        for endpoint in scene.endpoints {
            upstreams.endpoints[scene.upstream][*endpoint].mode.send_replace(Mode::Up);
        }
        // What has been closed is not seen by everybody at once, and who listens again has to be started.
        sleep(REST / 2).await;
        let to = shared.now();
        upstreams.troubles.borrow_mut().iter_mut().for_each(|trouble| trouble.to = trouble.to.min(to));
        *told.entry(format!("{:?}", scene.mode)).or_default() += 1;
        sleep(REST / 2).await;
        upstreams.troubles.borrow_mut().retain(|trouble| trouble.to + Duration::from_mins(2) > to);
    }
    say(&json!({ "event": "failed", "scenes": told }));
}

/// Lets in who comes for as long as it is not killed, and begins again after that.
async fn serve(listener: TcpListener, address: SocketAddr, mut mode: watch::Receiver<Mode>, http2: bool) {
    let mut listener = Some(listener);
    loop {
        if *mode.borrow_and_update() == Mode::Refusing {
            drop(listener.take());
            if mode.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            match TcpListener::bind(address).await {
                Ok(again) => listener = Some(again),
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((stream, _)) = accepted {
                    spawn_local(converse(stream, mode.clone(), http2));
                }
            }
            changed = mode.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// One connection, which ends with whoever it leads to.
async fn converse(stream: TcpStream, mode: watch::Receiver<Mode>, http2: bool) {
    let _ = stream.set_nodelay(true);
    let (breaks, mut broken) = watch::channel(false);
    let mut killed = mode.clone();
    let service = service_fn(move |request| answer(request, mode.clone(), breaks.clone()));
    let io = TokioIo::new(stream);
    let serving = async {
        if http2 {
            let _ = hyper::server::conn::http2::Builder::new(Local).serve_connection(io, service).await;
        } else {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        }
    };
    tokio::select! {
        () = serving => {}
        _ = killed.wait_for(|mode| *mode == Mode::Refusing) => {}
        _ = broken.wait_for(|broken| *broken) => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    mut mode: watch::Receiver<Mode>,
    breaks: watch::Sender<bool>,
) -> Result<Response<Told>, Infallible> {
    let now = *mode.borrow_and_update();
    match now {
        Mode::Up | Mode::Cutting | Mode::Refusing => {}
        Mode::Breaking => {
            breaks.send_replace(true);
            std::future::pending::<()>().await;
        }
        Mode::Silent => drop(mode.wait_for(|mode| *mode == Mode::Up).await),
    }
    let headers = request.headers();
    // The configuration says which, and that changes.
    let value = headers.get("x-token").or_else(|| headers.get("authorization"));
    let token = value.map(HeaderValue::as_bytes).unwrap_or_default();
    let token = Bytes::copy_from_slice(token.strip_prefix(b"Bearer ").unwrap_or(token));
    let _ = request.into_body().collect().await;
    Ok(Response::new(Told { whole: token, is_cut: now == Mode::Cutting, part: 0 }))
}

/// The body of an answer, which may break off.
struct Told {
    whole: Bytes,
    is_cut: bool,
    part: u8,
}

impl Body for Told {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.part += 1;
        let half = self.whole.len() / 2;
        match (self.is_cut, self.part) {
            (false, 1) => Poll::Ready(Some(Ok(Frame::data(self.whole.clone())))),
            (true, 1) => Poll::Ready(Some(Ok(Frame::data(self.whole.slice(..half))))),
            (true, 2) => {
                // What there is leaves first.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (true, _) => Poll::Ready(Some(Err(std::io::Error::other("cut off")))),
            (false, _) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.is_cut && (self.part > 0 || self.whole.is_empty())
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(if self.part == 0 { self.whole.len() as u64 } else { 0 })
    }
}
