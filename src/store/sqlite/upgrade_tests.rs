//! A store of an earlier version, opened by this one.

use std::sync::Arc;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, raw_sql};

use super::migrations::MIGRATIONS;
use crate::clock::SystemClock;
use crate::model::{KeyId, Resource, Revision, Strategy};
use crate::store::audit::AuditQuery;
use crate::store::contract::{Lookup as _, Management as _, Store as _};
use crate::store::sqlite;
use crate::store::verify::{AuditFault, verify_audit};

/// What a store had before its rows had revisions.
const OF_STEP_TWO: &str = r#"
    PRAGMA application_id = 0x636c7672;
    INSERT INTO state VALUES (1, 4, 'combined');
    INSERT INTO spaces VALUES ('root', 'root', '', NULL, '[]'), ('production', 'production', '', 'root', '[]');
    INSERT INTO roles VALUES ('deployer', 'deployer', '', '["run:trigger"]', 0);
    INSERT INTO keys VALUES ('01aryz6s41041061050r3gg28a', 'ci', '', 1, NULL, NULL, NULL);
    INSERT INTO bindings VALUES ('01aryz6s41041061050r3gg28b', '01aryz6s41041061050r3gg28a', NULL, 'deployer', 'production', 1);
    INSERT INTO audit (revision, at, actor, action, resource, before, after) VALUES
        (1, 1, 'operator', 'space.create', 'production', NULL, '{"id":"production","parent":"root"}'),
        (2, 2, 'operator', 'role.create', 'deployer', NULL, '{"id":"deployer"}'),
        (3, 3, 'system', 'key.create', '01aryz6s41041061050r3gg28a', NULL,
            '{"name":"ci","bindings":[{"id":"01aryz6s41041061050r3gg28b","role":"deployer","space":"production"}]}'),
        (4, 4, 'operator', 'binding.delete', '01aryz6s41041061050r3gg28c', '{"role":"deployer","space":"production"}', NULL);
"#;

#[tokio::test]
async fn a_store_from_before_revisions_keeps_what_it_has_and_is_searched_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let mut connection = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
    let first_two = Migrator::with_migrations(MIGRATIONS.iter().take(2).cloned().collect());
    first_two.run_direct(None, &mut connection, false).await.unwrap();
    raw_sql(OF_STEP_TWO).execute(&mut connection).await.unwrap();
    drop(connection);

    let store = sqlite::open(&path, Strategy::Combined, Arc::new(SystemClock::start())).await.unwrap();
    let key: KeyId = "01aryz6s41041061050r3gg28a".parse().unwrap();
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(4));
    assert_eq!(store.key(key).await.unwrap().unwrap().bindings.len(), 1);
    assert_eq!(store.revision_of(&Resource::Key(key)).await.unwrap(), Some(Revision(0)));
    let of_space = AuditQuery { space: Some("production".parse().unwrap()), limit: 9, ..AuditQuery::default() };
    let entries = store.audit(&AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap();
    let numbers: Vec<_> = entries.iter().map(|entry| (entry.id.0, entry.revision.map(|revision| revision.0))).collect();
    assert_eq!(numbers, [(4, Some(4)), (3, Some(3)), (2, Some(2)), (1, Some(1))]);
    // They have become a chain.
    let found = verify_audit(&store, &[], |_| {}).await.unwrap();
    assert!(found.faults.iter().all(|fault| matches!(fault, AuditFault::Row { .. })), "{found:?}");
    let told: Vec<u64> = store.audit(&of_space).await.unwrap().iter().map(|entry| entry.id.0).collect();
    assert_eq!(told, [4, 3, 1]);
}
