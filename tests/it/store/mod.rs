//! Every store keeps the same rules; and what SQLite and PostgreSQL promise beyond them.

mod backup;
mod bulk;
mod chain;
pub(crate) mod conformance;
mod moved;
mod oracle;
mod postgres;
mod sqlite;
