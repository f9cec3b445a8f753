//! Sessions of the console: each is there for everybody who has the store open, until it ends for everybody.

use claviger::model::{ConsoleSession, SessionDigest};
use claviger::store::{SESSIONS_MAX, SESSIONS_OF_KEY_MAX};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, query_as};

use super::*;

for_every_backend! {
    a_session_that_was_opened_is_found_by_everybody
    a_session_is_found_though_it_has_ended_by_the_store_s_time
    a_session_that_is_renewed_ends_at_the_later_time
    a_session_that_has_ended_is_not_renewed
    a_session_that_is_ended_is_gone_for_good_and_for_everybody
    the_twenty_first_session_of_a_key_takes_the_place_of_the_one_that_ends_first
    the_last_to_come_stays_though_it_ends_before_all_others
    there_are_no_more_sessions_than_there_is_room_for
    what_has_ended_is_forgotten_when_another_session_is_opened
    ending_all_sessions_of_a_key_leaves_those_of_others
    a_cookie_that_is_known_makes_nobody_somebody_else
    a_session_needs_a_key_that_is_there
    a_session_is_no_change
    sessions_that_are_opened_renewed_and_ended_at_once_keep_the_bound
    a_copied_store_has_nobody_s_session
}

fn of_cookie(number: u64) -> SessionDigest {
    SessionDigest::of(&number.to_be_bytes())
}

/// A session of a key that ends after so many minutes.
fn session(backend: &Backend, number: u64, key: u64, minutes: u64) -> ConsoleSession {
    ConsoleSession {
        digest: of_cookie(number),
        key: key_id(key),
        secret: digest(key),
        key_at: Revision(key),
        began_at: backend.now(),
        ends_at: later(backend.now(), Duration::from_mins(minutes)),
    }
}

/// A store with three keys.
async fn with_keys(backend: &Backend) -> Arc<dyn Store> {
    let store = backend.open().await;
    for number in 1..=3 {
        done(&store, Mutation::CreateKey(new_key(number, &format!("key-{number}")))).await;
    }
    store
}

async fn open(store: &Arc<dyn Store>, session: &ConsoleSession) {
    store.open_session(session).await.unwrap();
}

/// Which of the sessions up to this number are there.
async fn there(store: &Arc<dyn Store>, last: u64) -> Vec<u64> {
    let mut there = Vec::new();
    for number in 1..=last {
        if store.session(&of_cookie(number)).await.unwrap().is_some() {
            there.push(number);
        }
    }
    there
}

async fn a_session_that_was_opened_is_found_by_everybody(backend: Backend) {
    let (here, elsewhere) = (with_keys(&backend).await, backend.open().await);
    let (first, second) = (session(&backend, 1, 1, 30), session(&backend, 2, 2, 60));

    open(&here, &first).await;
    open(&elsewhere, &second).await;

    for store in [&here, &elsewhere, &backend.open().await] {
        assert_eq!(store.session(&first.digest).await.unwrap().as_ref(), Some(&first));
        assert_eq!(store.session(&second.digest).await.unwrap().as_ref(), Some(&second));
        assert_eq!(store.session(&of_cookie(3)).await.unwrap(), None);
    }
}

async fn a_session_is_found_though_it_has_ended_by_the_store_s_time(backend: Backend) {
    let store = with_keys(&backend).await;
    let told = session(&backend, 1, 1, 30);
    open(&store, &told).await;

    backend.clock.advance(Duration::from_hours(24));

    assert_eq!(store.session(&told.digest).await.unwrap(), Some(told));
}

async fn a_session_that_is_renewed_ends_at_the_later_time(backend: Backend) {
    let (here, elsewhere) = (with_keys(&backend).await, backend.open().await);
    let (told, other) = (session(&backend, 1, 1, 30), session(&backend, 2, 1, 30));
    open(&here, &told).await;
    open(&here, &other).await;
    backend.clock.advance(Duration::from_mins(10));
    let ends_at = later(backend.now(), Duration::from_mins(30));

    assert!(here.renew_session(&told.digest, ends_at).await.unwrap());

    assert_eq!(elsewhere.session(&told.digest).await.unwrap(), Some(ConsoleSession { ends_at, ..told }));
    assert_eq!(elsewhere.session(&other.digest).await.unwrap(), Some(other));
    assert!(!here.renew_session(&of_cookie(3), ends_at).await.unwrap());
    assert_eq!(here.session(&of_cookie(3)).await.unwrap(), None);
}

async fn a_session_that_has_ended_is_not_renewed(backend: Backend) {
    let store = with_keys(&backend).await;
    let told = session(&backend, 1, 1, 30);
    open(&store, &told).await;
    backend.clock.advance(Duration::from_mins(30));

    assert!(!store.renew_session(&told.digest, Timestamp::MAX).await.unwrap());

    assert_eq!(store.session(&told.digest).await.unwrap(), Some(told));
}

async fn a_session_that_is_ended_is_gone_for_good_and_for_everybody(backend: Backend) {
    let (here, elsewhere) = (with_keys(&backend).await, backend.open().await);
    let (told, other) = (session(&backend, 1, 1, 30), session(&backend, 2, 1, 30));
    open(&here, &told).await;
    open(&here, &other).await;
    assert!(elsewhere.session(&told.digest).await.unwrap().is_some());

    assert!(here.end_session(&told.digest).await.unwrap());

    assert!(!elsewhere.renew_session(&told.digest, Timestamp::MAX).await.unwrap());
    assert!(!elsewhere.end_session(&told.digest).await.unwrap());
    for store in [&here, &elsewhere, &backend.open().await] {
        assert_eq!(there(store, 2).await, [2]);
    }
}

async fn the_twenty_first_session_of_a_key_takes_the_place_of_the_one_that_ends_first(backend: Backend) {
    let store = with_keys(&backend).await;
    let most = u64::from(SESSIONS_OF_KEY_MAX);
    assert_eq!(most, 20);
    // The seventh ends first, and another key's before it.
    for number in 1..=most {
        open(&store, &session(&backend, number, 1, if number == 7 { 10 } else { 30 + number })).await;
    }
    open(&store, &session(&backend, 22, 2, 5)).await;
    assert_eq!(there(&store, 22).await.len(), 21);

    open(&store, &session(&backend, 21, 1, 60)).await;

    assert_eq!(there(&store, 22).await, (1..=22).filter(|number| *number != 7).collect::<Vec<_>>());
}

async fn the_last_to_come_stays_though_it_ends_before_all_others(backend: Backend) {
    let store = with_keys(&backend).await;
    for number in 1..=20 {
        open(&store, &session(&backend, number, 1, 30 + number)).await;
    }

    open(&store, &session(&backend, 21, 1, 1)).await;

    assert_eq!(there(&store, 21).await, (2..=21).collect::<Vec<_>>());
}

async fn there_are_no_more_sessions_than_there_is_room_for(backend: Backend) {
    let store = with_keys(&backend).await;
    fill(&backend).await;
    assert_eq!(count(&backend).await, i64::from(SESSIONS_MAX));

    open(&store, &session(&backend, 1, 1, 1)).await;
    assert_eq!((count(&backend).await, there(&store, 1).await), (i64::from(SESSIONS_MAX), vec![1]));
    open(&store, &session(&backend, 2, 2, 1)).await;

    // The one before ended first.
    assert_eq!((count(&backend).await, there(&store, 2).await), (i64::from(SESSIONS_MAX), vec![2]));
}

async fn what_has_ended_is_forgotten_when_another_session_is_opened(backend: Backend) {
    let store = with_keys(&backend).await;
    for (number, minutes) in [(1, 29), (2, 30), (3, 31)] {
        open(&store, &session(&backend, number, number, minutes)).await;
    }
    backend.clock.advance(Duration::from_mins(30));
    assert_eq!(there(&store, 4).await, [1, 2, 3]);

    open(&store, &session(&backend, 4, 1, 30)).await;

    assert_eq!((there(&store, 4).await, count(&backend).await), (vec![3, 4], 2));
}

async fn ending_all_sessions_of_a_key_leaves_those_of_others(backend: Backend) {
    let (here, elsewhere) = (with_keys(&backend).await, backend.open().await);
    for (number, key) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 1)] {
        open(&here, &session(&backend, number, key, 30)).await;
    }

    assert_eq!(elsewhere.end_sessions_of(key_id(1)).await.unwrap(), 3);

    assert_eq!(there(&here, 5).await, [3, 4]);
    assert_eq!(elsewhere.end_sessions_of(key_id(1)).await.unwrap(), 0);
    assert_eq!(elsewhere.end_sessions_of(key_id(9)).await.unwrap(), 0);
    assert_eq!(there(&here, 5).await, [3, 4]);
}

async fn a_cookie_that_is_known_makes_nobody_somebody_else(backend: Backend) {
    let store = with_keys(&backend).await;
    let told = session(&backend, 1, 1, 30);
    open(&store, &told).await;

    let refused = store.open_session(&session(&backend, 1, 2, 60)).await;

    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.session(&told.digest).await.unwrap(), Some(told));
}

async fn a_session_needs_a_key_that_is_there(backend: Backend) {
    let store = with_keys(&backend).await;
    let refused = store.open_session(&session(&backend, 1, 9, 30)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(there(&store, 1).await, [0; 0]);
    // Nothing is left of it.
    open(&store, &session(&backend, 1, 1, 30)).await;
    assert_eq!(there(&store, 1).await, [1]);
}

async fn a_session_is_no_change(backend: Backend) {
    let store = with_keys(&backend).await;
    let key = Resource::Key(key_id(1));
    let state = async || {
        let entries = store.audit(&whole()).await.unwrap();
        (store.snapshot().await.unwrap(), entries, store.revision_of(&key).await.unwrap(), found(&store, 1).await)
    };
    let before = state().await;

    for number in 1..=3 {
        open(&store, &session(&backend, number, 1, 30)).await;
    }
    store.renew_session(&of_cookie(1), Timestamp::MAX).await.unwrap();
    store.end_session(&of_cookie(2)).await.unwrap();
    store.end_sessions_of(key_id(1)).await.unwrap();

    assert_eq!(state().await, before);
    assert_eq!(store.changes_after(before.0.revision).await.unwrap(), Changes::Since(Vec::new()));
}

async fn sessions_that_are_opened_renewed_and_ended_at_once_keep_the_bound(backend: Backend) {
    let store = with_keys(&backend).await;
    let openings = [backend.open().await, backend.open().await, store.clone()];
    let tasks = (0..6_u64).map(|task| {
        let store = Arc::clone(&openings[usize::try_from(task % 3).unwrap()]);
        let of_task: Vec<_> = (0..12).map(|number| session(&backend, task * 100 + number, 1, 30 + number)).collect();
        tokio::spawn(async move {
            for (number, session) in of_task.iter().enumerate() {
                store.open_session(session).await.unwrap();
                store.renew_session(&session.digest, session.ends_at).await.unwrap();
                match number % 4 {
                    1 => drop(store.end_session(&session.digest).await.unwrap()),
                    3 => drop(store.end_sessions_of(key_id(2)).await.unwrap()),
                    _ => {}
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let left = there(&store, 600).await;
    assert!((1..=20).contains(&left.len()), "{left:?}");
    assert!(left.iter().all(|number| number % 100 % 4 != 1), "one that was ended is there: {left:?}");
}

async fn a_copied_store_has_nobody_s_session(backend: Backend) {
    let store = with_keys(&backend).await;
    let told = session(&backend, 1, 1, 30);
    open(&store, &told).await;
    let directory = tempfile::tempdir().unwrap();
    let url = StoreUrl::Sqlite(directory.path().join("copy.db"));

    store::copy(&backend.url, &url, backend.clock.clone()).await.unwrap();

    let copy = store::open(&url, Strategy::Combined, backend.clock.clone()).await.unwrap();
    assert_eq!(copy.revision_of(&Resource::Key(key_id(1))).await.unwrap(), Some(Revision(1)));
    assert_eq!(copy.session(&told.digest).await.unwrap(), None);
    assert_eq!(store.session(&told.digest).await.unwrap(), Some(told));
}

// Past the store: as many rows as this would take minutes to come by themselves.

/// As many sessions as there may be, which end one after the other, an hour from now on.
async fn fill(backend: &Backend) {
    let end = later(backend.now(), Duration::from_hours(1)).as_microsecond();
    let key = key_id(3);
    let rows = match &backend.place {
        Place::Directory(_) => format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {SESSIONS_MAX}) \
             INSERT INTO console_sessions SELECT randomblob(32), '{key}', zeroblob(32), 1, 0, {end} + i FROM n"
        ),
        Place::Database(_) => format!(
            "INSERT INTO console_sessions SELECT sha256(i::text::bytea), '{key}', sha256(''), 1, 0, {end} + i \
             FROM generate_series(1, {SESSIONS_MAX}) AS i"
        ),
    };
    tell(backend, &rows).await;
}

async fn count(backend: &Backend) -> i64 {
    tell(backend, "SELECT count(*) FROM console_sessions").await.expect("a number")
}

/// What the database answers, if it is a number.
async fn tell(backend: &Backend, statement: &str) -> Option<i64> {
    match (&backend.place, &backend.url) {
        (Place::Database(database), _) => database.sql(statement).parse().ok(),
        (Place::Directory(_), StoreUrl::Sqlite(path)) => {
            let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
            let row: Option<(i64,)> = query_as(AssertSqlSafe(statement)).fetch_optional(&mut connection).await.unwrap();
            row.map(|row| row.0)
        }
        (Place::Directory(_), other) => panic!("{other} is in no directory"),
    }
}
