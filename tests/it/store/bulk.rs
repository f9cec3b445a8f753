//! What benches fill a store with is what the rules of changes would have written.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger::clock::{Clock, ManualClock, Moment};
use claviger::config::StoreUrl;
use claviger::control::{Control, KeysWanted};
use claviger::model::{Cause, Changes, Expiry, KeyDigest, KeyId, KeyState, Mutation, Revision, Strategy};
use claviger::store::{AuditOrder, AuditQuery, BindingFilter, KeyFilter, ListPart, StateWanted, Store, verify_audit};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, query_scalar};

use crate::support::postgres::{Database, shared};

#[path = "../../../benches/bulk.rs"]
mod filling;

use self::filling::{Way, fill, root_text, text_of};

/// More than one batch.
const KEYS: u64 = 600;

/// Every row of every table, as text, in order; but for the index of names, in which the same stands otherwise after other batches.
async fn whole(path: &Path) -> Vec<String> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let tables: Vec<String> =
        query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'name#_parts%' ESCAPE '#' ORDER BY name")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    let mut all = Vec::new();
    for table in tables {
        let columns: Vec<String> =
            query_scalar("SELECT name FROM pragma_table_info($1)").bind(&table).fetch_all(&mut connection).await.unwrap();
        let row: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
        let rows = format!("SELECT '{table} ' || {} AS row FROM {table} ORDER BY row", row.join(" || ' ' || "));
        all.extend(query_scalar::<_, String>(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap());
    }
    all
}

fn first_difference(one: &[String], other: &[String]) -> Option<(Option<String>, Option<String>)> {
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    Some((one.get(at).cloned(), other.get(at).cloned()))
}

#[tokio::test]
async fn a_store_that_is_filled_with_rows_is_the_one_that_the_rules_would_have_made() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-03-04T05:06:07Z".parse().unwrap()));
    let filled = async |name: &str, way| {
        let path = folder.path().join(name);
        fill(&StoreUrl::Sqlite(path.clone()), KEYS, way, clock.clone()).await.unwrap();
        whole(&path).await
    };
    let (ruled, rows) = (filled("ruled.db", Way::Rules).await, filled("rows.db", Way::Rows).await);
    assert!(ruled.len() > 8 * usize::try_from(KEYS).unwrap(), "{}", ruled.len());
    assert_eq!(first_difference(&ruled, &rows), None);

    // In PostgreSQL the same: what is copied from there is what is here.
    let (database, url) = (Database::empty(shared()), StoreUrl::parse);
    fill(&url(&database.url()).unwrap(), KEYS, Way::Rows, clock.clone()).await.unwrap();
    let copied = folder.path().join("copied.db");
    claviger::store::copy(&url(&database.url()).unwrap(), &StoreUrl::Sqlite(copied.clone()), clock.clone()).await.unwrap();
    assert_eq!(first_difference(&ruled, &whole(&copied).await), None);
}

async fn key_named(store: &dyn Store, name: &str) -> KeyId {
    store.key_named(&name.parse().unwrap()).await.unwrap().unwrap().id
}

#[tokio::test]
async fn of_a_large_one_the_last_changes_are_kept_the_audit_is_whole_and_every_text_is_a_keys() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-03-04T05:06:07Z".parse().unwrap()));
    let url = StoreUrl::Sqlite(folder.path().join("rows.db"));
    fill(&url, 10_200, Way::Rows, clock.clone()).await.unwrap();

    let store = claviger::store::open(&url, Strategy::Combined, clock).await.unwrap();
    let last = store.snapshot().await.unwrap().revision;
    let oldest = Revision(last.0 - 10_000);
    let Changes::Since(changes) = store.changes_after(oldest).await.unwrap() else { panic!("fewer are kept") };
    assert_eq!((changes.len(), changes.last().map(|change| change.revision)), (10_000, Some(last)));
    assert_eq!(store.changes_after(Revision(oldest.0 - 1)).await.unwrap(), Changes::TooOld);
    let verified = verify_audit(&*store, &[], |_| {}).await.unwrap();
    assert_eq!((verified.entries, verified.faults), (last.0, Vec::new()));
    let root = store.find_key(&KeyDigest::of(&root_text())).await.unwrap().unwrap().key;
    assert!(root.bindings.iter().any(|binding| binding.role.as_str() == "space-admin" && binding.space.is_root()));
    for number in [0, 4_711, 10_199] {
        let key = store.find_key(&KeyDigest::of(&text_of(number))).await.unwrap().unwrap().key;
        assert_eq!((key.name.as_str(), key.bindings.len()), (&*format!("service-{number:07}"), 3));
    }
}

/// So many that they are not looked through at once.
const MANY: u64 = 10_200;

async fn filled(url: &StoreUrl, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
    fill(url, MANY, Way::Rows, clock.clone()).await.unwrap();
    claviger::store::open(url, Strategy::Combined, clock.clone()).await.unwrap()
}

#[tokio::test]
async fn among_many_keys_of_a_file_few_are_found_at_once_and_many_a_part_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-03-04T05:06:07Z".parse().unwrap()));
    search(&*filled(&StoreUrl::Sqlite(folder.path().join("rows.db")), &clock).await, &clock).await;
}

#[tokio::test]
async fn among_many_keys_of_a_database_few_are_found_at_once_and_many_a_part_at_a_time() {
    let database = Database::empty(shared());
    let clock = Arc::new(ManualClock::at("2026-03-04T05:06:07Z".parse().unwrap()));
    search(&*filled(&StoreUrl::parse(&database.url()).unwrap(), &clock).await, &clock).await;
}

/// By which every look at it is a while after the one before.
struct SlowClock(ManualClock);

impl Clock for SlowClock {
    fn now(&self) -> Moment {
        self.0.advance(Duration::from_millis(60));
        self.0.now()
    }
}

#[tokio::test]
async fn a_search_that_takes_long_ends_where_it_has_come_to_and_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = "2026-03-04T05:06:07Z".parse().unwrap();
    let store = filled(&StoreUrl::Sqlite(folder.path().join("rows.db")), &Arc::new(ManualClock::at(at))).await;
    let soon = Control::of_store(Arc::clone(&store), Arc::new(ManualClock::at(at)));
    let late = Control::of_store(Arc::clone(&store), Arc::new(SlowClock(ManualClock::at(at))));
    let bindings = async |control: &Control, text: &str| {
        let (mut wanted, mut seen, mut parts) =
            (BindingFilter { limit: 5, query: Some(text.to_owned()), ..BindingFilter::default() }, 0, 0);
        loop {
            let found = control.bindings_found(&wanted, 100_000).await.unwrap();
            (seen, parts) = (seen + found.bindings.len(), parts + 1);
            wanted.after = found.looked_to;
            if wanted.after.is_none() {
                return (seen, parts);
            }
        }
    };
    let keys_among = async |control: &Control, after: Option<KeyId>, look_through: u32| {
        let text = Some("zz".to_owned());
        let found =
            control.keys_found(KeysWanted { after, limit: 5, look_through, group: None, text, state: StateWanted::Any }).await.unwrap();
        (found.looked_to, found.looked_through)
    };
    let keys = async |control: &Control, after: Option<KeyId>| keys_among(control, after, 100_000).await;

    for (text, seen) in [("nobody", 0), ("service-0010199", 3)] {
        assert_eq!((bindings(&soon, text).await, bindings(&late, text).await), ((seen, 1), (seen, 4)), "{text}");
    }
    assert_eq!(keys(&soon, None).await, (None, 20_000));
    let (end, looked_through) = keys(&late, None).await;
    assert_eq!((end.is_some(), looked_through), (true, 10_000));
    assert_eq!(keys(&late, end).await.0, None);

    // It looks through no more than was asked for, and goes on from there likewise.
    let end = Some(key_named(&*store, "service-0003998").await);
    assert_eq!(keys_among(&soon, None, 4_000).await, (end, 4_000));
    assert_eq!(keys_among(&soon, end, 4_000).await, (Some(key_named(&*store, "service-0007998").await), 4_000));
}

async fn search(store: &dyn Store, clock: &ManualClock) {
    let now = clock.now().wall;
    let any = KeyFilter { limit: 500, now, ..KeyFilter::default() };
    let of = |text: &str| KeyFilter { query: Some(text.to_owned()), ..any.clone() };
    let names = async |wanted: &KeyFilter| {
        let ListPart { items, looked_to } = store.keys_where(wanted).await.unwrap();
        (items.iter().map(|key| key.name.to_string()).collect::<Vec<_>>(), looked_to)
    };
    let all_of = |texts: &[&str]| (texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), None);
    let update = async |name: &str, to: Option<&str>, expiry: Option<Expiry>| {
        let id = key_named(store, name).await;
        let name = to.map(|name| name.parse().unwrap());
        let update = Mutation::UpdateKey { id, name, description: None, groups: None, expiry };
        store.apply(update, &Cause::SYSTEM, None).await.unwrap();
    };

    // What few names have is found at once, wherever it is and whatever it looks like.
    assert_eq!(names(&of("0010199")).await, all_of(&["service-0010199"]));
    assert_eq!(names(&of("e-00101")).await.0.len(), 100);
    assert_eq!(names(&KeyFilter { limit: 2, ..of("e-00101") }).await.0, ["service-0010100", "service-0010101"]);
    let after = Some(key_named(store, "service-0010101").await);
    assert_eq!(names(&KeyFilter { limit: 1, after, ..of("e-00101") }).await.0, ["service-0010102"]);
    let group = Some("group-1".parse().unwrap());
    assert_eq!(names(&KeyFilter { group, ..of("001015") }).await, all_of(&["service-0010150"]));
    assert_eq!(names(&of("SERVICE-0010199")).await, all_of(&[]));
    // A whole name is, though every key has most parts of it.
    assert_eq!(names(&of("service-0010199")).await, all_of(&["service-0010199"]));
    assert_eq!(names(&of("service-0010200")).await, all_of(&[]));
    update("service-0010150", Some(r#"it's "the\ one" AND only Ünïcode"#), None).await;
    for text in [r#""the"#, r"e\ o", "it's", "AND only", "Ünï", "only Ünïcode"] {
        assert_eq!(names(&of(text)).await, all_of(&[r#"it's "the\ one" AND only Ünïcode"#]), "{text}");
    }
    for text in ["nobody", "ünï", "\" OR \"", "a\tb", "%%%", "service-0010150"] {
        assert_eq!(names(&of(text)).await.0, [""; 0], "{text}");
    }

    // A name counts as it is now, once.
    update(r#"it's "the\ one" AND only Ünïcode"#, Some("service-0010150"), None).await;
    assert_eq!(names(&of("0010150")).await, all_of(&["service-0010150"]));
    // What few have, but all have the parts of, is come upon on the way.
    update("service-0010150", Some("service-00000000"), None).await;
    let (nothing, end) = names(&of("00000000")).await;
    assert_eq!((nothing, end.is_some()), (Vec::new(), true));
    assert_eq!(names(&KeyFilter { after: end, ..of("00000000") }).await, all_of(&["service-00000000"]));
    update("service-00000000", Some("service-0010150"), None).await;

    // So do states, which are as they are at this time.
    update("service-0010160", None, Some(Expiry::At("2026-03-05T00:00:00Z".parse().unwrap()))).await;
    let (disabled, revoked) = (key_named(store, "service-0010170").await, key_named(store, "service-0010180").await);
    store.apply(Mutation::DisableKey { id: disabled }, &Cause::SYSTEM, None).await.unwrap();
    store.apply(Mutation::RevokeKey { id: revoked }, &Cause::SYSTEM, None).await.unwrap();
    let in_state = |state, now| KeyFilter { state, now, ..any.clone() };
    let later = "2026-03-06T00:00:00Z".parse().unwrap();
    assert_eq!(names(&in_state(StateWanted::In(KeyState::Expired), now)).await, all_of(&[]));
    assert_eq!(names(&in_state(StateWanted::In(KeyState::Expired), later)).await, all_of(&["service-0010160"]));
    assert_eq!(names(&in_state(StateWanted::In(KeyState::Disabled), now)).await, all_of(&["service-0010170"]));
    assert_eq!(names(&in_state(StateWanted::In(KeyState::Revoked), now)).await, all_of(&["service-0010180"]));
    let of_state = |state, text: &str| KeyFilter { state, now: later, ..of(text) };
    let found = names(&of_state(StateWanted::In(KeyState::Active), "e-00101")).await.0;
    assert!(["60", "70", "80"].iter().all(|end| !found.contains(&format!("service-00101{end}"))) && found.len() == 97, "{found:?}");
    assert_eq!(names(&of_state(StateWanted::NotRevoked, "e-00101")).await.0.len(), 99);
    assert_eq!(names(&of_state(StateWanted::In(KeyState::Expired), "e-00101")).await, all_of(&["service-0010160"]));
    // Of a state that few are in, though all have the text.
    assert_eq!(names(&of_state(StateWanted::In(KeyState::Expired), "service")).await, all_of(&["service-0010160"]));

    // Of what no index knows, a search goes on where the one before has ended, though that has found nothing.
    let (nothing, end) = names(&of("zz")).await;
    assert_eq!((nothing, end), (Vec::new(), Some(key_named(store, "service-0009998").await)));
    assert_eq!(names(&KeyFilter { after: end, ..of("zz") }).await, all_of(&[]));
    // What more of them have than are put in order is come upon on the way: the pages have all, in their order, and once.
    let (mut wanted, mut seen) = (of("vice"), Vec::new());
    loop {
        let (found, end) = names(&wanted).await;
        seen.extend(found);
        wanted.after = end;
        if end.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..MANY).map(|number| format!("service-{number:07}")).collect::<Vec<_>>());
    search_audit(store, (now, later), revoked).await;
}

/// The audit is read likewise: what an index knows, or holds for few, to the end, and all else a part at a time.
async fn search_audit(store: &dyn Store, (now, later): (Timestamp, Timestamp), revoked: KeyId) {
    let none = AuditQuery { limit: 5, ..AuditQuery::default() };
    let told = async |wanted: &AuditQuery| {
        let ListPart { items, looked_to } = store.audit_in_part(wanted).await.unwrap();
        (items.into_iter().map(|entry| entry.action).collect::<Vec<_>>(), looked_to)
    };
    let to_the_end = |actions: &[&str]| (actions.iter().map(|action| (*action).to_owned()).collect::<Vec<_>>(), None);
    let by_system = Some("system".to_owned());
    let action = |action: &str| Some(action.to_owned());
    assert_eq!(
        told(&AuditQuery { action: action("key.revoke"), actor: by_system.clone(), ..none.clone() }).await,
        to_the_end(&["key.revoke"])
    );
    let oldest = AuditQuery { order: AuditOrder::OldestFirst, ..none.clone() };
    assert_eq!(told(&AuditQuery { action: action("key.d"), ..oldest.clone() }).await, to_the_end(&[]));
    assert_eq!(
        told(&AuditQuery { action: action("key.disable"), until: Some(later), ..oldest.clone() }).await,
        to_the_end(&["key.disable"])
    );
    assert_eq!(told(&AuditQuery { until: Some(now), ..none.clone() }).await, to_the_end(&[]));
    let (found, end) = told(&AuditQuery { action: action("key."), since: Some(now), ..none.clone() }).await;
    assert_eq!((found.first().map(String::as_str), found.len(), end.is_some()), (Some("key.revoke"), 5, true));
    for (order, expected) in
        [(AuditOrder::NewestFirst, ["key.revoke", "key.create"]), (AuditOrder::OldestFirst, ["key.create", "key.revoke"])]
    {
        let (mut wanted, mut seen, mut parts) = (AuditQuery { order, query: Some(revoked.to_string()), ..none.clone() }, Vec::new(), 0);
        loop {
            let (found, end) = told(&wanted).await;
            seen.extend(found);
            parts += 1;
            match order {
                AuditOrder::NewestFirst => wanted.before = end,
                AuditOrder::OldestFirst => wanted.newer_than = end,
            }
            if end.is_none() {
                break;
            }
        }
        assert_eq!((seen.as_slice(), parts), (expected.map(str::to_owned).as_slice(), 6), "{order:?}");
    }
}
