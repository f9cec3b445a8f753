//! The steps from an empty database to this version's tables.
//!
//! A step that a store may have made is never edited: its checksum, SHA-384 of its text, stands in that store. A step only adds: processes
//! of the version before go on while it is made, and afterwards.

use std::sync::LazyLock;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, description and text of each step.
const STEPS: [(i64, &str, &str); 3] = [
    (1, "initial", include_str!("../migrations/postgres/0001_initial.sql")),
    (2, "console sessions", include_str!("../migrations/postgres/0002_console_sessions.sql")),
    (3, "lists of many", include_str!("../migrations/postgres/0003_lists_of_many.sql")),
];

/// Every step. Whoever makes them holds the lock.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |(number, description, text): (i64, &'static str, &'static str)| {
        Migration::new(number, description.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    let mut all = Migrator::with_migrations(STEPS.into_iter().map(step).collect());
    all.set_locking(false);
    all
});

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the stores that are there.
    const CHECKSUMS: [&str; 3] = [
        "ec04b8db451ac6e97d6c1861f1aedd18c3c8fd2e8534a16a6a768c77610ec1510ea4deaf762e21f93c22475e5fc054e5",
        "22ed1dcf922eb1a7498474a371fb2bfe334934e575a7026addd150384c06f382ad70f1439adfe907885a04e1b1f00250",
        "18ccae37e26b33dfa9f7e17ba94623a0afd5c4ba1d7412f6bf0aa28e10cb28da991f85d44af7e7ffb27abf780049b29b",
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
