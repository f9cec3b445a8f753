//! What benches fill a store with is what the rules of changes would have written.

use std::path::Path;
use std::sync::Arc;

use claviger::clock::ManualClock;
use claviger::config::StoreUrl;
use claviger::model::{Changes, KeyDigest, KeyId, Revision, Strategy};
use claviger::store::{KeyFilter, Store, verify_audit};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, query_scalar};

use crate::support::postgres::{Database, shared};

#[path = "../../../benches/bulk.rs"]
mod filling;

use self::filling::{Way, fill, root_text, text_of};

/// More than one batch.
const KEYS: u64 = 600;

/// Every row of every table, as text, in order.
async fn whole(path: &Path) -> Vec<String> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let tables: Vec<String> =
        query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name")
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
    // A search goes on where the one before has ended, though that has found nothing.
    let mut wanted = KeyFilter { limit: 5, query: Some("0010199".to_owned()), ..KeyFilter::default() };
    let nothing = store.keys_where(&wanted).await.unwrap();
    assert_eq!((nothing.items, nothing.looked_to), (Vec::new(), Some(key_named(&*store, "service-0009998").await)));
    wanted.after = nothing.looked_to;
    let found = store.keys_where(&wanted).await.unwrap();
    assert_eq!((found.items.len(), found.looked_to), (1, None));
    for number in [0, 4_711, 10_199] {
        let key = store.find_key(&KeyDigest::of(&text_of(number))).await.unwrap().unwrap().key;
        assert_eq!((key.name.as_str(), key.bindings.len()), (&*format!("service-{number:07}"), 3));
    }
}
