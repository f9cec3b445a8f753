//! The steps from an empty file to this version's tables.
//!
//! A step that a store may have made is never edited: its checksum, SHA-384 of its text, stands in that store, and another text under the
//! same number is refused. What is to be otherwise is the next step's work.

use std::sync::LazyLock;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr as _, SqliteConnection, query};

use super::error::unavailable;
use super::sql;
use crate::model::{AuditEntry, AuditId, EntryHash};
use crate::store::error::StoreError;
use crate::store::sql::{FromRow as _, Link};
use crate::store::stored;

/// Number, description and text of each step.
const STEPS: [(i64, &str, &str); 11] = [
    (1, "initial", include_str!("../migrations/sqlite/0001_initial.sql")),
    (2, "samples", include_str!("../migrations/sqlite/0002_samples.sql")),
    (3, "revisions and causes", include_str!("../migrations/sqlite/0003_revisions_and_causes.sql")),
    (4, "audit of more than changes", include_str!("../migrations/sqlite/0004_audit_of_more_than_changes.sql")),
    (5, "chain", include_str!("../migrations/sqlite/0005_chain.sql")),
    (6, "retention and webhook", include_str!("../migrations/sqlite/0006_retention_and_webhook.sql")),
    (7, "once", include_str!("../migrations/sqlite/0007_once.sql")),
    (8, "managed", include_str!("../migrations/sqlite/0008_managed.sql")),
    (9, "replicas", include_str!("../migrations/sqlite/0009_replicas.sql")),
    (10, "console sessions", include_str!("../migrations/sqlite/0010_console_sessions.sql")),
    (11, "lists of many", include_str!("../migrations/sqlite/0011_lists_of_many.sql")),
];

/// Gives entries from before the chain the hashes that they would have. Belongs to the step that makes room for them: later, an entry
/// without the right hash is one that somebody has changed.
pub(super) async fn link_entries(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut last = Link { id: AuditId::default(), hash: EntryHash::NONE };
    loop {
        let rows = query(sql::UNLINKED_AFTER).bind(stored::audit_number(last.id)).fetch_all(&mut *connection).await.map_err(unavailable)?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            let entry = AuditEntry::from_row(row)?.linked_to(last.hash);
            let (id, hash) = (stored::audit_number(entry.id), entry.hash.as_bytes().to_vec());
            query(sql::LINK_ENTRY).bind(id).bind(hash).execute(&mut *connection).await.map_err(unavailable)?;
            last = Link { id: entry.id, hash: entry.hash };
        }
    }
}

/// Every step. sqlx has a macro that reads them from the directory; with it the compiler would need a second SQLite for itself.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |(number, description, text): (i64, &'static str, &'static str)| {
        Migration::new(number, description.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.into_iter().map(step).collect())
});

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the stores that are there.
    const CHECKSUMS: [&str; 11] = [
        "94f16f75147c1a557109785009171171580faf2cbf6e782522eda06b406635c0f27188021c42d31cea677d22910fcd79",
        "35ff7b8a12c9a99594dc22a2436918ff9b2f4ec6ea0958a37524b575d9ad497f3f0d167595155152a2c9b0d403d8bfa9",
        "a5272aaa355f70b6499c653c9a5fdef6f861fa8106cbcebd87c0129c7ee55e5e70f17d3b3325e7f31ef9937c3572425e",
        "d1b8de4c24966ba2c05251f35b101f346d3bd00dfe813dcb93b8ab150ddb2cab11869a50d406cc240fd8f44d72c0be4a",
        "a1380c0285f54ec65229286629c0250b3762017599d6bfae1a626b2d167d627a47eb933f8a7c56d7831fdeb94ecbd8b3",
        "7f30e3fc86df2e12067165616278e7a29e53428dcbff72a968b76a6e881a59f6f57218f742cf3acb0ee519ccbbdc434f",
        "343655fe5925f5593280c943b9d6d41e76f7c6fab540c197b07183b88f286b6ea9918daf993fa99090a7ff15e3f72723",
        "54301ac9d81ad636524e3871bd7f5ffaf0cd52c735d1d9a5311e422ace303e4b227d85f4075249da88f10fd86992d3ed",
        "226cb7b23ac0142f7940aac707403379af1427d3c85a14ea6148d0f4636a809ebc51080642304f8ad0d3c3dc2975ea8b",
        "09c1de7589d92c0ac3695aeac754f97a293207f5bf1ed864b42d93228f68d38bdd0dbf881b57067b2635fea4994df36c",
        "633e1a17e5d91c5a692ca16a9b95f03dafe258bfab4b332c3bc32ad43dd5e6a656e6079ae3d60af967ae68b0aa2eb622",
    ];

    #[test]
    fn a_step_that_stores_have_made_is_as_it_was() {
        for (step, checksum) in MIGRATIONS.iter().zip(CHECKSUMS) {
            let hexadecimal = format!("{:02x?}", step.checksum).replace([',', ' ', '[', ']'], "");
            assert_eq!(hexadecimal, checksum, "{}", step.version);
        }
        assert_eq!(MIGRATIONS.iter().count(), CHECKSUMS.len());
    }
}
