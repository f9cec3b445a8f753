//! The steps from an empty file to this version's tables.
//!
//! A step that a store may have made is never edited: its checksum, SHA-384 of its text, stands in that store, and another text under the
//! same number is refused. What is to be otherwise is the next step's work.

use std::sync::LazyLock;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, description and text of each step.
const STEPS: [(i64, &str, &str); 2] = [
    (1, "initial", include_str!("../migrations/sqlite/0001_initial.sql")),
    (2, "samples", include_str!("../migrations/sqlite/0002_samples.sql")),
];

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
    const CHECKSUMS: [&str; 2] = [
        "94f16f75147c1a557109785009171171580faf2cbf6e782522eda06b406635c0f27188021c42d31cea677d22910fcd79",
        "35ff7b8a12c9a99594dc22a2436918ff9b2f4ec6ea0958a37524b575d9ad497f3f0d167595155152a2c9b0d403d8bfa9",
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
