//! What is asked of PostgreSQL alone: sessions, opening, telling others.

use crate::store::sql::Text;

/// What bounds every statement, on the server's side too: nobody waits for a process that has gone, and nothing that was acknowledged is
/// forgotten when the power fails, whatever else the server is used for.
pub(super) const SESSION: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
/// The same of somebody who only looks.
pub(super) const SESSION_TO_READ: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '10s'; SET default_transaction_read_only = on";

pub(super) const CHANNEL: &str = "claviger";
/// Others hear of it when the transaction commits.
pub(super) const ANNOUNCE: Text = Text::postgres("SELECT pg_notify('claviger', (SELECT revision::text FROM state))");

/// In microseconds.
pub(super) const NOW: Text = Text::postgres("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");

/// The server's version, how it writes text, and where tables would be made.
pub(super) const SERVER: &str = "SELECT current_setting('server_version_num')::bigint AS version, current_setting('server_encoding') AS encoding, \
     current_schema()::text AS schema";
/// Of one process at a time, until its transaction ends: `clvr` in ASCII.
pub(super) const LOCK_MIGRATIONS: &str = "SELECT pg_advisory_xact_lock(1668052594)";
pub(super) const HAS_MIGRATIONS: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
/// Whether there are tables that would be taken for ours.
pub(super) const HAS_OTHERS: &str =
    "SELECT to_regclass('state') IS NOT NULL OR to_regclass('keys') IS NOT NULL OR to_regclass('audit') IS NOT NULL";
/// The migrations that have been made, and whether as this program has them.
pub(super) const MIGRATED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
