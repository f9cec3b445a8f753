//! The control planes that may be asked, and which of them is.
//!
//! The one that answered last is asked first. One that does not answer is passed over for a while that grows, and no two sidecars come back at the
//! same time; nobody goes back to the first of the list for its own sake.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::key_file::KeyFile;
use crate::clock::Clock;
use crate::config::ServerUrl;
use crate::model::ReplicaName;
use crate::remote::connection::{Answered, Connection, Question};
use crate::remote::dialer::Dialer;
use crate::remote::problem::Refused;

const REPLICA: HeaderName = HeaderName::from_static("claviger-replica");
/// How many control planes one question is sent to, if none answers.
const TRIES: usize = 3;
/// How many questions are under way at a time, beside that of the feed.
const AT_ONCE: usize = 16;
/// How many connections are kept.
const KEPT: usize = 4;
/// How long a connection may take to be made, though whoever wants it has given up.
const DIAL: Duration = Duration::from_secs(3);
/// For how long one that has failed is passed over at first, and at most.
const BACK_OFF: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// Control planes, and the key that they are asked with.
pub(super) struct Planes {
    all: Vec<Plane>,
    current: AtomicUsize,
    key: KeyFile,
    dialer: Arc<Dialer>,
    clock: Arc<dyn Clock>,
    idle: Mutex<Vec<(usize, Connection)>>,
    room: Semaphore,
    name: OnceLock<HeaderValue>,
}

struct Plane {
    url: ServerUrl,
    failing: Mutex<Failing>,
    /// Whether a connection to it is for one question at a time.
    is_single: AtomicBool,
    /// A connection that is about to be, which many are going to ask over. It is made to the end though nobody may wait for it any more: where that
    /// takes longer than anybody waits, there would never be one otherwise.
    dialing: tokio::sync::Mutex<Option<JoinHandle<Result<Connection, String>>>>,
}

/// How long one of them may take to answer.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// The feed waits, of which there is one question at a time: it is asked at once, however many ask for something else.
    Follows(Duration),
    /// Somebody waits: who takes longer is not asked for a while.
    Waits(Duration),
    /// Nobody waits: whoever takes long may be fit for all else.
    AtLeisure(Duration),
}

#[derive(Clone, Default)]
struct Failing {
    times: u32,
    /// Of the monotonic clock.
    until: Duration,
    why: String,
}

/// Why there is no answer that can be gone by.
enum Failure {
    /// Of this control plane; another one may do.
    Plane(String),
    /// Of the question; the next one would say the same.
    Question(String),
}

impl Planes {
    pub(super) fn new(urls: Vec<ServerUrl>, key: KeyFile, dialer: Dialer, clock: Arc<dyn Clock>) -> Self {
        let plane = |url: ServerUrl| Plane {
            is_single: AtomicBool::new(!url.is_encrypted()),
            url,
            failing: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
        };
        let all = urls.into_iter().map(plane).collect();
        let (idle, room) = (Mutex::default(), Semaphore::new(AT_ONCE));
        Self { all, current: AtomicUsize::new(0), key, dialer: Arc::new(dialer), clock, idle, room, name: OnceLock::new() }
    }

    /// What this process is called from here on.
    pub(super) fn call_oneself(&self, name: &ReplicaName) {
        if let Ok(name) = HeaderValue::try_from(name.as_str()) {
            let _known = self.name.set(name);
        }
    }

    /// Asks one of them, and another one if what it says cannot be gone by, which `judge` finds out.
    ///
    /// # Errors
    /// Which was asked last, and why that was of no use.
    pub(super) async fn ask<T>(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        patience: Patience,
        longest: usize,
        judge: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, String> {
        // It is nobody's fault how long others are asked before.
        let _room = match patience {
            Patience::Follows(_) => None,
            Patience::Waits(_) | Patience::AtLeisure(_) => self.room.acquire().await.ok(),
        };
        let mut why = self.passed_over();
        let current = self.current.load(Ordering::Relaxed);
        let order = (0..self.all.len()).map(|step| (current + step) % self.all.len());
        for index in order.filter(|index| self.is_worth_asking(*index)).take(TRIES) {
            let Some(plane) = self.all.get(index) else { continue };
            let (Patience::Follows(most) | Patience::Waits(most) | Patience::AtLeisure(most)) = patience;
            let asked = timeout(most, self.ask_one(index, plane, method, path, body.clone(), longest));
            let asked = asked.await.unwrap_or_else(|_| Err(Failure::Plane(format!("it has not answered within {most:?}"))));
            let judged = asked.and_then(|bytes| judge(&bytes).map_err(Failure::Plane));
            match judged {
                Ok(answer) => {
                    match patience {
                        Patience::Follows(_) | Patience::Waits(_) => self.worked(index, current),
                        Patience::AtLeisure(_) => {}
                    }
                    return Ok(answer);
                }
                Err(Failure::Plane(reason)) => {
                    why = format!("{}: {reason}", plane.url);
                    match patience {
                        Patience::Follows(_) | Patience::Waits(_) => self.failed(index, &why),
                        Patience::AtLeisure(_) => {}
                    }
                }
                Err(Failure::Question(reason)) => return Err(format!("{}: {reason}", plane.url)),
            }
        }
        Err(why)
    }

    async fn ask_one(
        &self,
        index: usize,
        plane: &Plane,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        longest: usize,
    ) -> Result<Bytes, Failure> {
        let authorization = self.key.authorization();
        let mut answer = self.exchange(index, plane, method, path, body.clone(), longest, authorization.clone()).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.key.has_another_than(&authorization) {
            tracing::info!(file = %self.key.name(), "the sidecar's key has been read again, since the one before it is not taken any more");
            answer = self.exchange(index, plane, method, path, body, longest, self.key.authorization()).await?;
        }
        let Answered { status, bytes, .. } = answer;
        if status.is_success() {
            return Ok(bytes);
        }
        let refused = serde_json::from_slice::<Refused>(&bytes).ok();
        let said = refused.map_or_else(|| format!("it answers with {status}, and as no control plane does"), |refused| refused.detail);
        Err(match status {
            StatusCode::UNAUTHORIZED => Failure::Plane(format!(
                "it does not take the key in {}, which may have been revoked, disabled or rotated: put another one into the file ({said})",
                self.key.name()
            )),
            StatusCode::FORBIDDEN => Failure::Plane(format!("the key in {} may not follow: {said}", self.key.name())),
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => Failure::Question(said),
            _ => Failure::Plane(said),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "a question in its parts, which is asked twice with another key")]
    async fn exchange(
        &self,
        index: usize,
        plane: &Plane,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        longest: usize,
        authorization: HeaderValue,
    ) -> Result<Answered, Failure> {
        let headers: HeaderMap = self.name.get().map(|name| (REPLICA, name.clone())).into_iter().collect();
        loop {
            let (mut connection, is_new) = self.connection(index, plane).await.map_err(Failure::Plane)?;
            let question =
                Question { method, path, body: body.clone(), authorization: authorization.clone(), headers: headers.clone(), longest };
            match connection.ask(&plane.url, question).await {
                Ok(answer) => {
                    self.keep(index, connection);
                    return Ok(answer);
                }
                // One that nobody has used for a while may have been given up, which shows when it is used. All that is asked may be asked twice.
                Err(_) if !is_new => self.forget(index),
                Err(why) => return Err(Failure::Plane(why)),
            }
        }
    }

    /// One that is open, as far as is known; and whether it has just been made.
    async fn connection(&self, index: usize, plane: &Plane) -> Result<(Connection, bool), String> {
        if let Some(kept) = self.kept(index) {
            return Ok((kept, false));
        }
        if plane.is_single.load(Ordering::Relaxed) {
            return Ok((self.dialer.connect(&plane.url, DIAL).await?, true));
        }
        let mut dialing = plane.dialing.lock().await;
        // Whoever has waited for it before may have put it here.
        if let Some(kept) = self.kept(index) {
            return Ok((kept, false));
        }
        let under_way = dialing.get_or_insert_with(|| {
            let (dialer, url) = (Arc::clone(&self.dialer), plane.url.clone());
            tokio::spawn(async move { dialer.connect(&url, DIAL).await })
        });
        // One that has been there for a while may have been given up meanwhile.
        let is_new = !under_way.is_finished();
        let made = under_way.await;
        *dialing = None;
        let connection = made.unwrap_or_else(|error| Err(error.to_string()))?;
        match connection.shared() {
            Some(shared) => self.keep(index, shared),
            None => plane.is_single.store(true, Ordering::Relaxed),
        }
        Ok((connection, is_new))
    }

    fn kept(&self, index: usize) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, connection)| connection.is_open());
        let at = idle.iter().rposition(|(of, _)| *of == index)?;
        let shared = idle.get(at).and_then(|(_, connection)| connection.shared());
        shared.or_else(|| Some(idle.remove(at).1))
    }

    fn keep(&self, index: usize, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.shared().is_some() && idle.iter().any(|(of, _)| *of == index) {
            return;
        }
        if idle.len() >= KEPT {
            idle.remove(0);
        }
        idle.push((index, connection));
    }

    /// Nobody asks over connections to it any more that were made before.
    fn forget(&self, index: usize) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| *of != index);
    }

    fn is_worth_asking(&self, index: usize) -> bool {
        let now = self.clock.monotonic();
        self.all.get(index).is_some_and(|plane| now >= plane.failing.lock().unwrap_or_else(PoisonError::into_inner).until)
    }

    /// Why the current one is passed over, if it is.
    fn passed_over(&self) -> String {
        let current = self.all.get(self.current.load(Ordering::Relaxed));
        current.map(|plane| plane.failing.lock().unwrap_or_else(PoisonError::into_inner).why.clone()).unwrap_or_default()
    }

    /// This one has answered a question that was to be put to `first`. It is the one to be asked from here on if that one could not be gone by, and
    /// nobody has found another one meanwhile: several questions are under way, and an answer that comes late says nothing of who is best.
    fn worked(&self, index: usize, first: usize) {
        let Some(plane) = self.all.get(index) else { return };
        *plane.failing.lock().unwrap_or_else(PoisonError::into_inner) = Failing::default();
        if index != first && self.current.compare_exchange(first, index, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(control_plane = %plane.url, "this control plane is followed from here on, since the one before it does not answer");
        }
    }

    fn failed(&self, index: usize, why: &str) {
        let Some(plane) = self.all.get(index) else { return };
        // It may be the connection that leads nowhere any more.
        self.forget(index);
        let mut failing = plane.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.times = failing.times.saturating_add(1);
        why.clone_into(&mut failing.why);
        // Once is an accident.
        let Some(doublings) = failing.times.checked_sub(2) else { return };
        let most = BACK_OFF.saturating_mul(1 << doublings.min(16)).min(BACK_OFF_MAX);
        failing.until = self.clock.monotonic() + between(most / 2, most);
    }
}

/// Somewhere between the two.
pub(super) fn between(least: Duration, most: Duration) -> Duration {
    // Without randomness, all come at the same time, and come all the same.
    let drawn = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    least + most.saturating_sub(least).mul_f64(drawn)
}
