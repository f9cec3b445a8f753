//! Every statement of the SQLite store, one per purpose, each named for it.
//!
//! A key comes as one row whatever belongs to it: its groups, newest secrets and bindings stand in it as JSON arrays. That is one statement,
//! so one consistent read without a transaction, and one hand-over between threads instead of a dozen.

use crate::model::Resource;

/// What [`KeyRecord`](crate::model::KeyRecord) is read from, of a `keys` row named `k`; `$rest` says which, and may begin with more columns.
macro_rules! key_rows {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.name, k.description, k.created_at, k.expires_at, k.disabled_at, k.revoked_at, \
             (SELECT json_group_array(m.group_name) FROM memberships m WHERE m.key_id = k.id) AS groups, \
             (SELECT json_group_array(json_array(s.ordinal, hex(s.digest), s.created_at, s.ends_at, s.last_used_at)) \
                FROM (SELECT * FROM secrets WHERE key_id = k.id ORDER BY ordinal DESC LIMIT 2) s) AS secrets, \
             (SELECT json_group_array(json_array(b.id, b.role, b.space)) FROM bindings b WHERE b.key_id = k.id) AS bindings ",
            $rest
        )
    };
}

// Reads.

pub(super) const KEY_BY_DIGEST: &str = key_rows!(
    ", (SELECT revision FROM state) AS as_of FROM secrets presented CROSS JOIN keys k ON k.id = presented.key_id WHERE presented.digest = $1"
);
pub(super) const KEY_BY_ID: &str = key_rows!("FROM keys k WHERE k.id = $1");
pub(super) const KEY_BY_NAME: &str = key_rows!("FROM keys k WHERE k.name = $1 AND k.revoked_at IS NULL");
/// At most `$1` of them, revoked ones too.
pub(super) const KEY_NAMES: &str = "SELECT name, revoked_at FROM keys LIMIT $1";
pub(super) const KEYS: &str = key_rows!("FROM keys k WHERE k.id > $1 AND ($2 IS NULL OR instr(k.name, $2) > 0) ORDER BY k.id LIMIT $3");
/// By the index of groups, and in its order.
pub(super) const MEMBERS: &str = key_rows!(
    "FROM memberships m CROSS JOIN keys k ON k.id = m.key_id WHERE m.group_name = $1 AND m.key_id > $2 AND k.revoked_at IS NULL \
     ORDER BY m.key_id LIMIT $3"
);

pub(super) const STATE: &str = "SELECT revision, strategy FROM state";
pub(super) const SPACES: &str = "SELECT id, name, description, parent, labels FROM spaces";
pub(super) const ROLES: &str = "SELECT id, name, description, actions, system FROM roles";
pub(super) const GROUPS: &str = "SELECT name, description FROM groups";
// The index is named so that no version of the planner ever walks through the bindings of keys, of which there may be millions.
pub(super) const GROUP_BINDINGS: &str = "SELECT id, key_id, group_name, role, space, created_at FROM bindings INDEXED BY bindings_of_groups \
     WHERE group_name IS NOT NULL";
pub(super) const POLICIES: &str = "SELECT name, source, rego FROM policies ORDER BY name";

pub(super) const BINDINGS: &str = "SELECT b.id, b.key_id, b.group_name, b.role, b.space, b.created_at \
     FROM bindings b LEFT JOIN keys k ON k.id = b.key_id \
     WHERE b.id > $1 AND ($2 IS NULL OR instr(coalesce(b.group_name, b.key_id), $2) > 0 OR instr(coalesce(k.name, ''), $2) > 0 \
        OR instr(b.role, $2) > 0 OR instr(b.space, $2) > 0) \
     ORDER BY b.id LIMIT $3";

/// The entries that `$which` selects the numbers of, newest first.
macro_rules! audit_entries {
    ($which:literal) => {
        concat!(
            "SELECT id, revision, at, actor, remote_ip, action, resource, before, after, request_id, refused, hash FROM audit WHERE id IN (",
            $which
        )
    };
}

/// Begins the reading of a page of the audit. The numbers are chosen first, of indices alone where they are enough: an entry may be as
/// long as a policy.
pub(super) const AUDIT: &str = audit_entries!("SELECT a.id FROM audit a WHERE true");
pub(super) const AUDIT_OF_SPACE: &str =
    audit_entries!("SELECT s.entry FROM audit_spaces s CROSS JOIN audit a ON a.id = s.entry WHERE true");
/// The number of the last entry of a change that is not after a revision, which stands between the two.
pub(super) const LAST_ENTRY_BY: &str = "coalesce((SELECT id FROM audit WHERE revision <= ";
pub(super) const LAST_ENTRY_BY_END: &str = " ORDER BY revision DESC LIMIT 1), 0)";

/// At least one row, for the revision; without a change in it if there is none after `$1`.
pub(super) const CHANGES_AFTER: &str = "SELECT s.revision AS last, c.revision, c.at, c.key_id, c.digests \
     FROM state s LEFT JOIN changes c ON c.revision > $1 ORDER BY c.revision";

/// A number that is another one whenever another connection has committed.
pub(super) const DATA_VERSION: &str = "PRAGMA data_version";

/// Brings the whole log into the file. Its row says whether somebody stood in the way.
pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

// Copies of a store.

pub(super) const COPY_INTO: &str = "VACUUM INTO $1";
pub(super) const QUICK_CHECK: &str = "PRAGMA quick_check(1)";
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
pub(super) const TAKE_IN: [&str; 18] = [
    "DELETE FROM main.managed",
    "DELETE FROM main.policies",
    "DELETE FROM main.bindings",
    "DELETE FROM main.memberships",
    "DELETE FROM main.secrets",
    "DELETE FROM main.keys",
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

// Opening.

/// The first change that the audit tells of.
macro_rules! first_entry {
    () => {
        "SELECT revision, at, action, resource, after FROM audit WHERE revision IS NOT NULL ORDER BY revision LIMIT 1"
    };
}

pub(super) const APPLICATION_ID: &str = "PRAGMA application_id";
/// `clvr` in ASCII.
pub(super) const SET_APPLICATION_ID: &str = "PRAGMA application_id = 0x636c7672";
pub(super) const TABLE_COUNT: &str = "SELECT count(*) FROM sqlite_schema";
/// The migrations that have been made, and whether as this program has them.
pub(super) const MIGRATED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
/// What tells one store from another: its first change.
pub(super) const ORIGIN: &str = concat!(
    "SELECT revision, at, action, resource, after FROM first_change UNION ALL SELECT * FROM (",
    first_entry!(),
    ") ORDER BY revision LIMIT 1"
);
/// For when that entry is not kept any more.
pub(super) const KEEP_FIRST_CHANGE: &str = concat!(
    "INSERT INTO first_change (one, revision, at, action, resource, after) SELECT 1, * FROM (",
    first_entry!(),
    ") WHERE true ON CONFLICT DO NOTHING"
);
pub(super) const HAS_CHAIN: &str = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('audit') WHERE name = 'hash')";
/// The entries after `$1`, some at a time, none of which has a hash: what stands in its place is nobody's.
pub(super) const UNLINKED_AFTER: &str = "SELECT id, revision, at, actor, remote_ip, action, resource, before, after, request_id, refused, \
     zeroblob(32) AS hash FROM audit WHERE id > $1 ORDER BY id LIMIT 500";
pub(super) const LINK_ENTRY: &str = "UPDATE audit SET hash = $2 WHERE id = $1";
pub(super) const SEEDED: &str = "SELECT EXISTS (SELECT 1 FROM state)";
pub(super) const SEED_STATE: &str = "INSERT INTO state (one, revision, strategy) VALUES (1, 0, $1)";

// The steps of changes: keys.

pub(super) const ANY_KEY: &str = "SELECT EXISTS (SELECT 1 FROM keys)";
pub(super) const KEY_ID_BY_NAME: &str = "SELECT id FROM keys WHERE name = $1 AND revoked_at IS NULL";
pub(super) const DIGEST_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM secrets WHERE digest = $1)";
pub(super) const DIGESTS: &str = "SELECT digest FROM secrets WHERE key_id = $1 ORDER BY ordinal DESC";
pub(super) const INSERT_KEY: &str = "INSERT INTO keys (id, name, description, created_at, expires_at, disabled_at, revoked_at, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
pub(super) const UPDATE_KEY: &str =
    "UPDATE keys SET name = $2, description = $3, expires_at = $4, disabled_at = $5, revoked_at = $6, revision = $7 WHERE id = $1";
pub(super) const TOUCH_KEY: &str = "UPDATE keys SET revision = $2 WHERE id = $1";
pub(super) const INSERT_SECRET: &str = "INSERT INTO secrets (digest, key_id, ordinal, created_at) \
     VALUES ($1, $2, (SELECT coalesce(max(ordinal), 0) + 1 FROM secrets WHERE key_id = $2), $3)";
/// The current secret ends at `$2`; those before it at `$3`, unless they have ended already.
pub(super) const END_SECRETS: &str =
    "UPDATE secrets SET ends_at = CASE WHEN ends_at IS NULL THEN $2 ELSE min(ends_at, $3) END WHERE key_id = $1";
pub(super) const RECORD_USE: &str =
    "UPDATE secrets SET last_used_at = $2 WHERE digest = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
pub(super) const INSERT_MEMBERSHIP: &str = "INSERT INTO memberships (key_id, group_name) VALUES ($1, $2)";
pub(super) const DELETE_MEMBERSHIPS: &str = "DELETE FROM memberships WHERE key_id = $1";
/// `space-admin` on `root`, directly or by a group, held by a key that is active and never expires.
pub(super) const HAS_WORKING_ROOT_ADMIN: &str = "SELECT EXISTS ( \
     SELECT 1 FROM bindings b INDEXED BY bindings_by_role \
     LEFT JOIN memberships m ON m.group_name = b.group_name \
     CROSS JOIN keys k ON k.id = coalesce(b.key_id, m.key_id) \
     WHERE b.role = $1 AND b.space = $2 AND k.revoked_at IS NULL AND k.disabled_at IS NULL AND k.expires_at IS NULL)";

// Requests that have a name.

pub(super) const INSERT_ONCE: &str = "INSERT INTO once (actor, key, fingerprint, revision, resource, at) VALUES ($1, $2, $3, $4, $5, $6)";
pub(super) const FORGET_ONCE: &str = "DELETE FROM once WHERE at < $1";
pub(super) const DONE_ONCE: &str = "SELECT fingerprint, revision, resource, at FROM once WHERE actor = $1 AND key = $2";

// Spaces.

pub(super) const SPACE: &str = "SELECT id, name, description, parent, labels FROM spaces WHERE id = $1";
pub(super) const INSERT_SPACE: &str =
    "INSERT INTO spaces (id, name, description, parent, labels, revision) VALUES ($1, $2, $3, $4, $5, $6)";
pub(super) const UPDATE_SPACE: &str =
    "UPDATE spaces SET name = $2, description = $3, parent = $4, labels = $5, revision = $6 WHERE id = $1";
pub(super) const DELETE_SPACE: &str = "DELETE FROM spaces WHERE id = $1";
pub(super) const CHILD_COUNT: &str = "SELECT count(*) FROM spaces WHERE parent = $1";
/// Whether `$1` is `$2` or stands below it.
pub(super) const IS_WITHIN: &str = "WITH RECURSIVE above (id) AS ( \
     SELECT $1 UNION SELECT s.parent FROM spaces s JOIN above ON s.id = above.id WHERE s.parent IS NOT NULL) \
     SELECT EXISTS (SELECT 1 FROM above WHERE id = $2)";

// Roles and groups.

pub(super) const ROLE: &str = "SELECT id, name, description, actions, system FROM roles WHERE id = $1";
pub(super) const INSERT_ROLE: &str = "INSERT INTO roles (id, name, description, actions, system, revision) VALUES ($1, $2, $3, $4, $5, $6)";
pub(super) const UPDATE_ROLE: &str = "UPDATE roles SET name = $2, description = $3, actions = $4, revision = $5 WHERE id = $1";
pub(super) const DELETE_ROLE: &str = "DELETE FROM roles WHERE id = $1";

pub(super) const GROUP: &str = "SELECT name, description FROM groups WHERE name = $1";
pub(super) const INSERT_GROUP: &str = "INSERT INTO groups (name, description, revision) VALUES ($1, $2, $3)";
pub(super) const ENSURE_GROUP: &str = "INSERT INTO groups (name, description, revision) VALUES ($1, '', $2) ON CONFLICT DO NOTHING";
pub(super) const UPDATE_GROUP: &str = "UPDATE groups SET description = $2, revision = $3 WHERE name = $1";
/// The keys that are members of the group.
pub(super) const TOUCH_MEMBERS: &str = "UPDATE keys SET revision = $2 WHERE id IN (SELECT key_id FROM memberships WHERE group_name = $1)";
pub(super) const DELETE_GROUP: &str = "DELETE FROM groups WHERE name = $1";
/// Keys that are members and not revoked.
pub(super) const MEMBER_COUNT: &str =
    "SELECT count(*) FROM memberships m CROSS JOIN keys k ON k.id = m.key_id WHERE m.group_name = $1 AND k.revoked_at IS NULL";

// Bindings.

pub(super) const BINDING: &str = "SELECT id, key_id, group_name, role, space, created_at FROM bindings WHERE id = $1";
pub(super) const KEY_BINDING: &str = "SELECT id FROM bindings WHERE key_id = $1 AND role = $2 AND space = $3";
pub(super) const GROUP_BINDING: &str = "SELECT id FROM bindings WHERE group_name = $1 AND role = $2 AND space = $3";
pub(super) const INSERT_BINDING: &str =
    "INSERT INTO bindings (id, key_id, group_name, role, space, created_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(super) const DELETE_BINDING: &str = "DELETE FROM bindings WHERE id = $1";
pub(super) const DELETE_BINDINGS_OF_KEY: &str = "DELETE FROM bindings WHERE key_id = $1";
pub(super) const BINDING_COUNT_OF_ROLE: &str = "SELECT count(*) FROM bindings WHERE role = $1";
pub(super) const BINDING_COUNT_IN_SPACE: &str = "SELECT count(*) FROM bindings WHERE space = $1";
pub(super) const BINDING_COUNT_OF_GROUP: &str = "SELECT count(*) FROM bindings WHERE group_name = $1";

// Policies and the strategy.

pub(super) const POLICY: &str = "SELECT name, source, rego FROM policies WHERE name = $1";
pub(super) const INSERT_POLICY: &str = "INSERT INTO policies (name, source, rego, revision) VALUES ($1, $2, $3, $4)";
pub(super) const UPDATE_POLICY: &str = "UPDATE policies SET source = $2, rego = $3, revision = $4 WHERE name = $1";
pub(super) const DELETE_POLICY: &str = "DELETE FROM policies WHERE name = $1";
pub(super) const SET_STRATEGY: &str = "UPDATE state SET strategy = $1, strategy_revision = $2";

// What is declared in files.

pub(super) const MANAGED: &str = "SELECT kind, id FROM managed";
pub(super) const INSERT_MANAGED: &str = "INSERT INTO managed (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
pub(super) const DELETE_MANAGED: &str = "DELETE FROM managed WHERE kind = $1 AND id = $2";
pub(super) const DELETE_MANAGED_BINDINGS_OF_KEY: &str =
    "DELETE FROM managed WHERE kind = 'binding' AND id IN (SELECT id FROM bindings WHERE key_id = $1)";
pub(super) const NOTE_FIRST_KEY: &str = "UPDATE keys SET is_first = 1 WHERE id = $1";
pub(super) const IS_FIRST_KEY: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE id = $1 AND is_first = 1)";

// Samples.

pub(super) const KEEP_SAMPLE: &str = "INSERT INTO samples (at, key_id, key_name, answer, input) VALUES ($1, $2, $3, $4, $5)";
pub(super) const SAMPLES: &str = "SELECT id, at, key_id, key_name, answer, input FROM samples WHERE at > $1 ORDER BY id DESC";
pub(super) const SAMPLE: &str = "SELECT id, at, key_id, key_name, answer, input FROM samples WHERE at > $1 AND id = $2";
pub(super) const DROP_OLD_SAMPLES: &str = "DELETE FROM samples WHERE at <= $1";
/// All but the newest `$1`.
pub(super) const DROP_MORE_SAMPLES: &str = "DELETE FROM samples WHERE id <= (SELECT id FROM samples ORDER BY id DESC LIMIT 1 OFFSET $1)";
pub(super) const CLEAR_SAMPLES: &str = "DELETE FROM samples";

// Who serves from the store.

pub(super) const REPLICA_SEEN: &str = "UPDATE replicas SET applied = $2, last_seen_at = $3 WHERE name = $1";
pub(super) const INSERT_REPLICA: &str =
    "INSERT INTO replicas (name, applied, last_seen_at, version, started_at) VALUES ($1, $2, $3, $4, $5)";
pub(super) const DROP_OLD_REPLICAS: &str = "DELETE FROM replicas WHERE last_seen_at <= $1";
/// All but the `$1` that were seen last.
pub(super) const DROP_MORE_REPLICAS: &str =
    "DELETE FROM replicas WHERE name IN (SELECT name FROM replicas ORDER BY last_seen_at DESC LIMIT -1 OFFSET $1)";
pub(super) const DELETE_REPLICA: &str = "DELETE FROM replicas WHERE name = $1";
/// With the time of the first change that each has not applied, as far as the feed goes back.
pub(super) const REPLICAS: &str = "SELECT r.name, r.version, r.applied, r.started_at, r.last_seen_at, \
     (SELECT c.at FROM changes c WHERE c.revision > r.applied ORDER BY c.revision LIMIT 1) AS behind_since \
     FROM replicas r WHERE r.last_seen_at > $1 ORDER BY r.name";

// What every change leaves behind.

pub(super) const LAST_REVISION: &str = "SELECT revision FROM state";
pub(super) const TAKE_REVISION: &str = "UPDATE state SET revision = revision + 1 RETURNING revision";
pub(super) const INSERT_CHANGE: &str = "INSERT INTO changes (revision, at, key_id, digests) VALUES ($1, $2, $3, $4)";
pub(super) const PRUNE_CHANGES: &str = "DELETE FROM changes WHERE revision <= $1";
pub(super) const INSERT_AUDIT: &str = "INSERT INTO audit \
     (id, revision, at, actor, remote_ip, action, resource, before, after, request_id, refused, hash) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
pub(super) const GIVEN_UP: &str = "SELECT id, hash, revision FROM audit_given_up";
/// Of the first entries, as many as are from before `$1`, have been told to whoever is told, and are not the last of all.
pub(super) const LAST_TO_GIVE_UP: &str = "WITH first (id, at) AS (SELECT id, at FROM audit ORDER BY id LIMIT 500) \
     SELECT max(id) FROM first \
     WHERE id < coalesce((SELECT min(id) FROM first WHERE at >= $1), 9223372036854775807) \
        AND id < (SELECT max(id) FROM audit) \
        AND id <= coalesce((SELECT sent FROM webhook WHERE url IS NOT NULL), 9223372036854775807)";
pub(super) const SET_GIVEN_UP: &str = "INSERT INTO audit_given_up (one, id, hash, revision) \
     SELECT 1, id, hash, coalesce((SELECT max(revision) FROM audit WHERE id <= $1), (SELECT revision FROM audit_given_up), 0) \
        FROM audit WHERE id = $1 \
     ON CONFLICT (one) DO UPDATE SET id = excluded.id, hash = excluded.hash, revision = excluded.revision";
pub(super) const DELETE_SPACES_OF_ENTRIES: &str = "DELETE FROM audit_spaces WHERE entry <= $1";
pub(super) const DELETE_ENTRIES: &str = "DELETE FROM audit WHERE id <= $1";
pub(super) const LAST_ENTRY: &str = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1";
pub(super) const INSERT_AUDIT_SPACE: &str = "INSERT INTO audit_spaces (space, entry) VALUES ($1, $2)";

// What is no change and yet told.

/// As the index has it that these are found by.
pub(super) const HAS_SIGNED_IN: &str =
    "SELECT EXISTS (SELECT 1 FROM audit WHERE action = 'key.sign-in' AND actor = $1 AND remote_ip IS $2)";
pub(super) const NOTE_COUNT: &str = "SELECT count(*) FROM audit INDEXED BY audit_notes WHERE revision IS NULL AND actor = $1 AND at > $2";
pub(super) const HAS_REFUSED: &str = "SELECT EXISTS (SELECT 1 FROM audit INDEXED BY audit_notes \
     WHERE revision IS NULL AND actor = $1 AND at > $2 AND action = $3 AND resource = $4 AND refused = $5)";
pub(super) const HOLD_BACK: &str = "INSERT INTO held_back (actor, since, until, attempts) VALUES ($1, $2, $2, 1) \
     ON CONFLICT (actor) DO UPDATE SET until = max(until, $2), attempts = attempts + 1";
pub(super) const TAKE_HELD_BACK: &str = "DELETE FROM held_back WHERE actor IN (SELECT actor FROM held_back WHERE since <= $1 LIMIT 100) \
     RETURNING actor, since, until, attempts";

// Who is told of the audit.

/// Takes it for `$1` until `$3` if it is theirs, or nobody's at `$2`.
pub(super) const HOLD_WEBHOOK: &str = "UPDATE webhook SET holder = $1, held_until = $3 WHERE holder = $1 OR held_until <= $2 \
     RETURNING url, secret_file, sent";
pub(super) const SET_WEBHOOK: &str = "UPDATE webhook SET url = $2, secret_file = $3, sent = $4 WHERE holder = $1";

// The revision that last changed something.

const REVISION_OF_KEY: &str = "SELECT revision FROM keys WHERE id = $1";
const REVISION_OF_SPACE: &str = "SELECT revision FROM spaces WHERE id = $1";
const REVISION_OF_ROLE: &str = "SELECT revision FROM roles WHERE id = $1";
const REVISION_OF_GROUP: &str = "SELECT revision FROM groups WHERE name = $1";
const REVISION_OF_BINDING: &str = "SELECT revision FROM bindings WHERE id = $1";
const REVISION_OF_POLICY: &str = "SELECT revision FROM policies WHERE name = $1";
/// As of the others one row is asked for by what it is called, so of this one.
const REVISION_OF_STRATEGY: &str = "SELECT strategy_revision AS revision FROM state WHERE $1 = 'strategy'";

/// The one for this kind of thing.
pub(super) fn revision_of(resource: &Resource) -> &'static str {
    match resource {
        Resource::Key(_) => REVISION_OF_KEY,
        Resource::Space(_) => REVISION_OF_SPACE,
        Resource::Role(_) => REVISION_OF_ROLE,
        Resource::Group(_) => REVISION_OF_GROUP,
        Resource::Binding(_) => REVISION_OF_BINDING,
        Resource::Policy(_) => REVISION_OF_POLICY,
        Resource::Strategy => REVISION_OF_STRATEGY,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{AssertSqlSafe, SqliteConnection, query_as};

    use super::*;
    use crate::model::Strategy;

    /// How SQLite would run a statement: `SCAN` is a walk through all rows, `SEARCH` a way down an index.
    async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let steps: Vec<(i64, i64, i64, String)> = query_as(explain).fetch_all(connection).await.unwrap();
        steps.into_iter().map(|step| step.3).collect()
    }

    #[tokio::test]
    async fn no_statement_of_the_daily_work_walks_through_the_keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        let (_, mut connection) = super::super::opening::open(&path, Strategy::Combined, Duration::ZERO).await.unwrap();
        let statements = [
            KEY_BY_DIGEST,
            KEY_BY_ID,
            KEY_BY_NAME,
            KEY_ID_BY_NAME,
            DIGEST_TAKEN,
            DIGESTS,
            UPDATE_KEY,
            INSERT_SECRET,
            END_SECRETS,
            RECORD_USE,
            DELETE_MEMBERSHIPS,
            HAS_WORKING_ROOT_ADMIN,
            MEMBER_COUNT,
            MEMBERS,
            BINDING,
            KEY_BINDING,
            GROUP_BINDING,
            DELETE_BINDING,
            DELETE_BINDINGS_OF_KEY,
            BINDING_COUNT_OF_ROLE,
            BINDING_COUNT_IN_SPACE,
            BINDING_COUNT_OF_GROUP,
            CHILD_COUNT,
            SPACE,
            ROLE,
            GROUP,
            POLICY,
            PRUNE_CHANGES,
            TOUCH_KEY,
            TOUCH_MEMBERS,
            DELETE_MANAGED,
            DELETE_MANAGED_BINDINGS_OF_KEY,
            NOTE_FIRST_KEY,
            IS_FIRST_KEY,
            REVISION_OF_KEY,
            REVISION_OF_SPACE,
            REVISION_OF_ROLE,
            REVISION_OF_GROUP,
            REVISION_OF_BINDING,
            REVISION_OF_POLICY,
            HAS_SIGNED_IN,
            NOTE_COUNT,
            HAS_REFUSED,
            REPLICA_SEEN,
            DELETE_REPLICA,
        ];
        for statement in statements {
            let plan = plan(&mut connection, statement).await;
            let walks = |step: &&String| step.starts_with("SCAN") && !step.starts_with("SCAN s") && !step.contains("CONSTANT ROW");
            assert_eq!(plan.iter().find(walks), None, "{statement}\n{plan:#?}");
            assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{statement}\n{plan:#?}");
        }
        // Pages are read in the order of the primary key, from where the last one ended; nothing is sorted.
        for statement in [KEYS, BINDINGS, MEMBERS] {
            let plan = plan(&mut connection, statement).await;
            assert!(plan.iter().all(|step| !step.contains("SCAN") || step.starts_with("SCAN s")), "{statement}\n{plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{statement}\n{plan:#?}");
        }
        assert_eq!(plan(&mut connection, GROUP_BINDINGS).await, ["SEARCH bindings USING INDEX bindings_of_groups (group_name>?)"]);
    }
}
