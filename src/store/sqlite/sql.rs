//! What is asked of SQLite alone: opening, watching, copying.

use crate::store::sql::text;

/// Takes the writer's lock before anything is read: what a rule has seen still holds when its change is written.
pub(super) const BEGIN_WRITE: &str = text::BEGIN_WRITE.sqlite;
/// A number that is another one whenever another connection has committed.
pub(super) const DATA_VERSION: &str = "PRAGMA data_version";
/// Brings the whole log into the file. Its row says whether somebody stood in the way.
pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
pub(super) const COPY_INTO: &str = "VACUUM INTO $1";
pub(super) const QUICK_CHECK: &str = "PRAGMA quick_check(1)";
/// One of an earlier schema has none.
pub(super) const HAS_SESSIONS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'console_sessions')";
pub(super) const FORGET_SESSIONS: &str = "DELETE FROM console_sessions";
pub(super) const KEY_COUNT: &str = "SELECT count(*) FROM keys WHERE revoked_at IS NULL";
pub(super) const ATTACH_INCOMING: &str = "ATTACH DATABASE $1 AS incoming";
/// Until the end of the transaction.
pub(super) const DEFER_FOREIGN_KEYS: &str = "PRAGMA defer_foreign_keys = ON";
/// The audit of a store that becomes another one is the other one's.
pub(super) const REPLACE_AUDIT: [&str; 8] = [
    "DELETE FROM main.audit_spaces",
    "DELETE FROM main.audit",
    "DELETE FROM main.audit_given_up",
    "DELETE FROM main.first_change",
    "INSERT INTO main.audit SELECT * FROM incoming.audit",
    "INSERT INTO main.audit_given_up SELECT * FROM incoming.audit_given_up",
    "INSERT INTO main.first_change SELECT * FROM incoming.first_change",
    "INSERT INTO main.audit_spaces SELECT * FROM incoming.audit_spaces",
];
/// The last entry that both audits have.
pub(super) const LAST_COMMON_ENTRY: &str = "SELECT i.id, i.hash FROM incoming.audit i \
     JOIN main.audit m ON m.id = i.id AND m.hash = i.hash ORDER BY i.id DESC LIMIT 1";
/// The entries of the other audit after `$1`, some at a time, but for those of which this one tells already.
pub(super) const INCOMING_ENTRIES: &str = "SELECT *, (SELECT json_group_array(s.space) FROM incoming.audit_spaces s WHERE s.entry = i.id) AS spaces \
     FROM incoming.audit i WHERE i.id > $1 \
        AND NOT EXISTS (SELECT 1 FROM main.audit m WHERE m.revision = i.revision) \
        AND (i.revision IS NOT NULL OR NOT EXISTS (SELECT 1 FROM main.audit m WHERE m.revision IS NULL \
            AND m.actor = i.actor AND m.at = i.at AND m.action = i.action AND m.resource = i.resource)) \
     ORDER BY i.id LIMIT 500";
/// The last change that the other audit has up to the entry `$1`.
pub(super) const INCOMING_REVISION_AT: &str = "SELECT coalesce(max(revision), 0) FROM incoming.audit WHERE id <= $1";
pub(super) const LAST_INCOMING_ENTRY: &str = "SELECT id, hash FROM incoming.audit ORDER BY id DESC LIMIT 1";
/// Every row becomes what the other database has. Both are of one schema, made by the same steps, so the columns are in one order.
/// What keys are found by is made anew as they come in.
/// Sessions of either are nobody's afterwards: what has ended them may be undone.
pub(super) const TAKE_IN: [&str; 21] = [
    "DELETE FROM main.console_sessions",
    "DELETE FROM main.managed",
    "DELETE FROM main.policies",
    "DELETE FROM main.bindings",
    "DELETE FROM main.memberships",
    "DELETE FROM main.secrets",
    "DELETE FROM main.keys",
    "DELETE FROM main.named_keys",
    "INSERT INTO main.name_parts (name_parts) VALUES ('delete-all')",
    "DELETE FROM main.groups",
    "DELETE FROM main.roles",
    "DELETE FROM main.spaces",
    "INSERT INTO main.spaces SELECT * FROM incoming.spaces",
    "INSERT INTO main.roles SELECT * FROM incoming.roles",
    "INSERT INTO main.groups SELECT * FROM incoming.groups",
    "INSERT INTO main.keys SELECT * FROM incoming.keys",
    "INSERT INTO main.secrets SELECT * FROM incoming.secrets",
    "INSERT INTO main.memberships SELECT * FROM incoming.memberships",
    "INSERT INTO main.bindings SELECT * FROM incoming.bindings",
    "INSERT INTO main.policies SELECT * FROM incoming.policies",
    "INSERT INTO main.managed SELECT * FROM incoming.managed",
];
/// Revisions go on from `$1`, whatever the other database has.
pub(super) const TAKE_IN_STATE: &str = "UPDATE main.state SET revision = $1, strategy = (SELECT strategy FROM incoming.state), \
     strategy_revision = (SELECT strategy_revision FROM incoming.state)";
pub(super) const APPLICATION_ID: &str = "PRAGMA application_id";
/// `clvr` in ASCII.
pub(super) const SET_APPLICATION_ID: &str = "PRAGMA application_id = 0x636c7672";
pub(super) const TABLE_COUNT: &str = "SELECT count(*) FROM sqlite_schema";
/// The migrations that have been made, and whether as this program has them.
pub(super) const MIGRATED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
pub(super) const HAS_CHAIN: &str = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('audit') WHERE name = 'hash')";
/// The entries after `$1`, some at a time, none of which has a hash: what stands in its place is nobody's.
pub(super) const UNLINKED_AFTER: &str = "SELECT id, revision, at, actor, remote_ip, action, resource, before, after, request_id, refused, \
     zeroblob(32) AS hash FROM audit WHERE id > $1 ORDER BY id LIMIT 500";
pub(super) const LINK_ENTRY: &str = "UPDATE audit SET hash = $2 WHERE id = $1";
