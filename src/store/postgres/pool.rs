//! The connections of this process: at most so many, made when they are needed, and never used again once anything has failed on them.
//!
//! A server that is away refuses at once, for a moment, without being asked again: a thousand processes that all come back to a server that
//! has just been started would keep it from starting.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::sync::{Semaphore, SemaphorePermit};
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

pub(super) struct Pool {
    settings: PostgresSettings,
    /// What every connection begins with.
    session: &'static str,
    /// Pauses are of the machine's time, whatever time it is elsewhere.
    clock: SystemClock,
    places: Semaphore,
    /// Half of them. Whoever changes something may wait for others who do, or for a copy that is slow: nobody who reads waits for that.
    writers: Semaphore,
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

/// A connection in use. Dropped without [`give_back`](Lease::give_back) it is closed.
pub(super) struct PoolLease<'p> {
    pool: &'p Pool,
    /// `None`: it has been given back.
    connection: Option<ServerConnection>,
    losses: u64,
    _place: SemaphorePermit<'p>,
    _turn: Option<SemaphorePermit<'p>>,
}

impl Pool {
    pub(super) fn new(settings: &PostgresSettings, session: &'static str) -> Self {
        let most = usize::try_from(settings.connections).unwrap_or(1);
        let (places, writers) = (Semaphore::new(most), Semaphore::new((most / 2).max(1)));
        let (idle, away) = (Mutex::default(), Mutex::default());
        Self { settings: settings.clone(), session, clock: SystemClock::start(), places, writers, idle, losses: AtomicU64::new(0), away }
    }

    /// To read with.
    pub(super) async fn lease(&self) -> Result<PoolLease<'_>, StoreError> {
        self.lease_in(None).await
    }

    /// To change something with.
    pub(super) async fn lease_to_write(&self) -> Result<PoolLease<'_>, StoreError> {
        let turn = self.turn(&self.writers, "connections that may change something").await?;
        self.lease_in(Some(turn)).await
    }

    async fn turn<'p>(&self, places: &'p Semaphore, what: &str) -> Result<SemaphorePermit<'p>, StoreError> {
        match timeout(WAIT_MAX, places.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(StoreError::Unavailable("it has been closed".to_owned())),
            Err(_) => Err(StoreError::Unavailable(format!("all {what} have been in use for {} s", WAIT_MAX.as_secs()))),
        }
    }

    async fn lease_in<'p>(&'p self, turn: Option<SemaphorePermit<'p>>) -> Result<PoolLease<'p>, StoreError> {
        let place = self.turn(&self.places, "connections").await?;
        while let Some(Idle { mut connection, losses, since }) = self.take_idle() {
            if losses != self.losses() {
                continue;
            }
            if self.now().saturating_sub(since) < FRESH_FOR || connection.ping().await {
                return Ok(PoolLease { pool: self, connection: Some(connection), losses, _place: place, _turn: turn });
            }
            self.lose(losses);
        }
        let losses = self.losses();
        let connection = ServerConnection { inner: self.connect().await?, is_lost: false };
        Ok(PoolLease { pool: self, connection: Some(connection), losses, _place: place, _turn: turn })
    }

    /// Nobody gets a connection any more; those that are idle are closed in order.
    pub(super) async fn close(&self) {
        self.places.close();
        self.writers.close();
        while let Some(Idle { connection, .. }) = self.take_idle() {
            if let Err(error) = connection.inner.close().await {
                tracing::debug!(%error, "a connection to the store was not closed in order");
            }
        }
    }

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
        if let Some(connection) = self.connection.take().filter(|_| self.losses == self.pool.losses() && !self.pool.places.is_closed()) {
            let idle = Idle { connection, losses: self.losses, since: self.pool.now() };
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(idle);
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
