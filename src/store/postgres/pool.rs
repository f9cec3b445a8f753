//! The connections of this process: at most so many, made when they are needed, and never used again once anything has failed on them.
//!
//! A server that is away refuses at once, for a moment, without being asked again: a thousand processes that all come back to a server that
//! has just been started would keep it from starting.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::connection::{ServerConnection, connect};
use crate::clock::{Clock as _, SystemClock};
use crate::config::PostgresSettings;
use crate::store::error::StoreError;
use crate::store::sql::{Connection, Lease};

/// How long somebody waits until one is free.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Who has been idle for longer is asked for a sign of life first.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Between two attempts to connect to a server that is away: at first, and at most. Each is drawn from half to all of it.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

pub(super) struct Pool(Arc<Shared>);

struct Shared {
    settings: PostgresSettings,
    /// What every connection begins with.
    session: &'static str,
    /// Pauses are of the machine's time, whatever time it is elsewhere.
    clock: SystemClock,
    places: Arc<Semaphore>,
    /// All of them but one, which is for who follows the feed: a change is heard of though hundreds look keys up, far away from the server.
    others: Arc<Semaphore>,
    /// Half of them. Whoever changes something may wait for others who do, or for a copy that is slow: nobody who reads waits for that.
    writers: Arc<Semaphore>,
    idle: Mutex<VecDeque<Idle>>,
    /// How often the server was found to be gone. What was connected before is not used again.
    losses: AtomicU64,
    away: Mutex<Option<Away>>,
}

struct Idle {
    connection: ServerConnection,
    losses: u64,
    since: Duration,
}

/// A server that could not be reached.
struct Away {
    why: StoreError,
    pause: Duration,
    until: Duration,
}

/// What a connection is wanted for.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Following,
    Reading,
    Writing,
}

/// A connection in use. Dropped without [`give_back`](Lease::give_back) it is closed.
pub(super) struct PoolLease<'p> {
    pool: &'p Shared,
    /// `None`: it has been given back.
    connection: Option<ServerConnection>,
    losses: u64,
    _place: OwnedSemaphorePermit,
    _turns: [Option<OwnedSemaphorePermit>; 2],
}

/// A connection that has just been made, and the place that it was made for.
struct Made {
    connection: ServerConnection,
    losses: u64,
    place: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(settings: &PostgresSettings, session: &'static str) -> Self {
        let most = usize::try_from(settings.connections).unwrap_or(1);
        let [places, others, writers] = [most, most.saturating_sub(1), most / 2].map(|most| Arc::new(Semaphore::new(most.max(1))));
        let (idle, away, losses) = (Mutex::default(), Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Shared {
            settings: settings.clone(),
            session,
            clock: SystemClock::start(),
            places,
            others,
            writers,
            idle,
            losses,
            away,
        }))
    }

    pub(super) async fn lease(&self, wanted: Wanted) -> Result<PoolLease<'_>, StoreError> {
        let pool = &*self.0;
        let turn_to_write = match wanted {
            Wanted::Writing => Some(turn(&pool.writers, "connections that may change something").await?),
            Wanted::Following | Wanted::Reading => None,
        };
        let turn_of_others = match wanted {
            Wanted::Writing | Wanted::Reading => Some(turn(&pool.others, "connections").await?),
            Wanted::Following => None,
        };
        let turns = [turn_to_write, turn_of_others];
        let place = turn(&pool.places, "connections").await?;
        while let Some(Idle { mut connection, losses, since }) = pool.take_idle() {
            if losses != pool.losses() {
                continue;
            }
            if pool.now().saturating_sub(since) < FRESH_FOR || connection.ping().await {
                return Ok(PoolLease { pool, connection: Some(connection), losses, _place: place, _turns: turns });
            }
            pool.lose(losses);
        }
        let Made { connection, losses, place } = self.connect(place).await?;
        Ok(PoolLease { pool, connection: Some(connection), losses, _place: place, _turns: turns })
    }

    /// Makes a connection, which takes several ways there and back: it is made to the end though whoever wants it gives up before, and is then for who
    /// comes next. Where that takes longer than anybody waits, there would never be one otherwise.
    async fn connect(&self, place: OwnedSemaphorePermit) -> Result<Made, StoreError> {
        let pool = Arc::clone(&self.0);
        let (give, given) = oneshot::channel();
        tokio::spawn(async move {
            let losses = pool.losses();
            let made = pool.connect().await.map(|inner| Made { connection: ServerConnection { inner, is_lost: false }, losses, place });
            if let Err(Ok(Made { connection, losses, place: _place })) = give.send(made) {
                pool.keep(connection, losses);
            }
        });
        given.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Nobody gets a connection any more; those that are idle are closed in order.
    pub(super) async fn close(&self) {
        for places in [&self.0.places, &self.0.others, &self.0.writers] {
            places.close();
        }
        while let Some(Idle { connection, .. }) = self.0.take_idle() {
            if let Err(error) = connection.inner.close().await {
                tracing::debug!(%error, "a connection to the store was not closed in order");
            }
        }
    }
}

async fn turn(places: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, StoreError> {
    match timeout(WAIT_MAX, Arc::clone(places).acquire_owned()).await {
        Ok(turn) => turn.map_err(|_: AcquireError| closed()),
        Err(_) => Err(StoreError::Unavailable(format!("all {what} have been in use for {} s", WAIT_MAX.as_secs()))),
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it has been closed".to_owned())
}

impl Shared {
    async fn connect(&self) -> Result<sqlx::PgConnection, StoreError> {
        if let Some(Away { why, until, .. }) = &*self.away()
            && *until > self.now()
        {
            return Err(why.clone());
        }
        let connected = connect(&self.settings, self.session).await;
        let mut away = self.away();
        match connected {
            Ok(connection) => {
                *away = None;
                Ok(connection)
            }
            Err(why) => {
                let pause = away.as_ref().map_or(PAUSE, |away| (away.pause * 2).min(PAUSE_MAX));
                *away = Some(Away { why: why.clone(), pause, until: self.now() + jittered(pause) });
                Err(why)
            }
        }
    }

    /// The one that was used last, so that those that are too many grow old.
    fn take_idle(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }

    /// For who comes next, unless the server has been found to be gone since, or nobody comes any more.
    fn keep(&self, connection: ServerConnection, losses: u64) {
        if losses == self.losses() && !self.places.is_closed() {
            let idle = Idle { connection, losses, since: self.now() };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(idle);
        }
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// What was connected at this time is gone. Several may find that out of one loss.
    fn lose(&self, at: u64) {
        let _ = self.losses.compare_exchange(at, at + 1, Ordering::AcqRel, Ordering::Acquire);
    }

    fn away(&self) -> std::sync::MutexGuard<'_, Option<Away>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease for PoolLease<'_> {
    fn connection(&mut self) -> &mut dyn Connection {
        self.connection.as_mut().expect("a lease has its connection until it is given back")
    }

    fn is_lost(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_lost)
    }

    fn give_back(mut self: Box<Self>) {
        if let Some(connection) = self.connection.take() {
            self.pool.keep(connection, self.losses);
        }
    }
}

impl Drop for PoolLease<'_> {
    fn drop(&mut self) {
        if self.is_lost() {
            self.pool.lose(self.losses);
        }
    }
}

/// From half to all of it. Without randomness all of it will do.
pub(super) fn jittered(pause: Duration) -> Duration {
    let half = pause / 2;
    let share = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    half + half.mul_f64(share)
}
