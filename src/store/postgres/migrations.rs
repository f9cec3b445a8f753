//! The steps from an empty database to this version's tables.
//!
//! A step that a store may have made is never edited: its checksum, SHA-384 of its text, stands in that store. A step only adds: processes
//! of the version before go on while it is made, and afterwards.

use std::sync::LazyLock;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, description and text of each step.
const STEPS: [(i64, &str, &str); 1] = [(1, "initial", include_str!("../migrations/postgres/0001_initial.sql"))];

/// Every step. Whoever makes them holds the lock.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |(number, description, text): (i64, &'static str, &'static str)| {
        Migration::new(number, description.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    let mut all = Migrator::with_migrations(STEPS.into_iter().map(step).collect());
    all.set_locking(false);
    all
});
