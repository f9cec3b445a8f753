//! Every store keeps the same rules; and what SQLite promises beyond them.

mod backup;
mod chain;
pub(crate) mod conformance;
mod moved;
mod oracle;
mod sqlite;
