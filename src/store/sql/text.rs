//! Every statement, one per purpose, each named for it: once where all databases understand the same, and else once for each.
//!
//! A key comes as one row whatever belongs to it: its groups, newest secrets and bindings stand in it as JSON arrays. That is one statement,
//! so one consistent read without a transaction, and one hand-over between threads instead of a dozen.

use super::statement::Text;
use crate::model::Resource;

/// What [`KeyRecord`](crate::model::KeyRecord) is read from, of a `keys` row named `k`; `$rest` says which, and may begin with more columns.
macro_rules! sqlite_keys {
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

/// The same, of PostgreSQL.
macro_rules! postgres_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.name, k.description, k.created_at, k.expires_at, k.disabled_at, k.revoked_at, \
             (SELECT coalesce(json_agg(m.group_name), '[]')::text FROM memberships m WHERE m.key_id = k.id) AS groups, \
             (SELECT coalesce(json_agg(json_build_array(s.ordinal, encode(s.digest, 'hex'), s.created_at, s.ends_at, s.last_used_at)), '[]')::text \
                FROM (SELECT * FROM secrets WHERE key_id = k.id ORDER BY ordinal DESC LIMIT 2) s) AS secrets, \
             (SELECT coalesce(json_agg(json_build_array(b.id, b.role, b.space)), '[]')::text FROM bindings b WHERE b.key_id = k.id) AS bindings ",
            $rest
        )
    };
}

/// Keys by the same clause of both.
macro_rules! keys {
    ($rest:literal) => {
        Text::each(sqlite_keys!($rest), postgres_keys!($rest))
    };
}

// Transactions.

/// Sees one state from its first statement on.
pub(in crate::store) const BEGIN_READ: Text = Text::each("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
/// In SQLite it takes the writer's lock before anything is read; in PostgreSQL [`LOCK`] does.
pub(in crate::store) const BEGIN_WRITE: Text = Text::each("BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED");
pub(in crate::store) const COMMIT: Text = Text::same("COMMIT");
pub(in crate::store) const ROLLBACK: Text = Text::same("ROLLBACK");

// Reads.

pub(in crate::store) const KEY_BY_DIGEST: Text = Text::each(
    sqlite_keys!(
        ", (SELECT revision FROM state) AS as_of FROM secrets presented CROSS JOIN keys k ON k.id = presented.key_id WHERE presented.digest = $1"
    ),
    postgres_keys!(
        ", (SELECT revision FROM state) AS as_of FROM secrets presented JOIN keys k ON k.id = presented.key_id WHERE presented.digest = $1"
    ),
);
pub(in crate::store) const KEY_BY_ID: Text = keys!("FROM keys k WHERE k.id = $1");
pub(in crate::store) const KEY_BY_NAME: Text = keys!("FROM keys k WHERE k.name = $1 AND k.revoked_at IS NULL");
/// At most `$1` of them, revoked ones too.
pub(in crate::store) const KEY_NAMES: Text = Text::same("SELECT name, revoked_at FROM keys LIMIT $1");
pub(in crate::store) const KEYS: Text = Text::each(
    sqlite_keys!("FROM keys k WHERE k.id > $1 AND ($2 IS NULL OR instr(k.name, $2) > 0) ORDER BY k.id LIMIT $3"),
    postgres_keys!("FROM keys k WHERE k.id > $1 AND ($2 IS NULL OR strpos(k.name, $2) > 0) ORDER BY k.id LIMIT $3"),
);
/// Begin the reading of a page of keys. Without a name, SQLite would walk through all of them in the order that the page is to have.
pub(in crate::store) const ALL_KEYS: Text = keys!("FROM keys k WHERE true");
pub(in crate::store) const KEYS_NOT_REVOKED: Text = Text::each(
    sqlite_keys!("FROM keys k INDEXED BY keys_not_revoked WHERE k.revoked_at IS NULL"),
    postgres_keys!("FROM keys k WHERE k.revoked_at IS NULL"),
);
pub(in crate::store) const KEYS_REVOKED: Text = Text::each(
    sqlite_keys!("FROM keys k INDEXED BY keys_revoked WHERE k.revoked_at IS NOT NULL"),
    postgres_keys!("FROM keys k WHERE k.revoked_at IS NOT NULL"),
);
pub(in crate::store) const KEYS_DISABLED: Text = Text::each(
    sqlite_keys!("FROM keys k INDEXED BY keys_disabled WHERE k.disabled_at IS NOT NULL AND k.revoked_at IS NULL"),
    postgres_keys!("FROM keys k WHERE k.disabled_at IS NOT NULL AND k.revoked_at IS NULL"),
);
/// How many rows there are in what follows.
pub(in crate::store) const COUNT_OF_FEW: Text = Text::same("SELECT count(*) AS count FROM (");
/// Begins a statement by which few keys are read; what an index knows of them follows, and how many of it at most.
pub(in crate::store) const WITH_FEW: Text = Text::same("WITH few AS MATERIALIZED (");
/// By parts of names, of now or of before, a list that follows as JSON. SQLite need not read a key for that.
pub(in crate::store) const FEW_BY_PARTS: Text = Text::each(
    "SELECT rowid AS number FROM name_parts \
     WHERE name_parts MATCH (SELECT group_concat('\"' || replace(value, '\"', '\"\"') || '\"', ' AND ') FROM json_each(",
    "SELECT * FROM keys WHERE name_parts(name) @> ARRAY(SELECT jsonb_array_elements_text(",
);
pub(in crate::store) const BY_PARTS_END: Text = Text::each("))", "::jsonb))");
/// By when they end; a time follows.
pub(in crate::store) const FEW_BY_END: Text = Text::each(
    "SELECT id FROM keys INDEXED BY keys_by_end WHERE revoked_at IS NULL AND expires_at <= ",
    "SELECT * FROM keys WHERE revoked_at IS NULL AND expires_at <= ",
);
/// Goes on with the keys, each beside how many are known; or nothing beside it. Which rows they are chosen from follows.
pub(in crate::store) const KEYS_AMONG_FEW: Text = Text::each(
    concat!(
        ") ",
        sqlite_keys!(", counted.among FROM (SELECT count(*) AS among FROM few) AS counted LEFT JOIN (SELECT DISTINCT c.id FROM (")
    ),
    concat!(
        ") ",
        postgres_keys!(", counted.among FROM (SELECT count(*) AS among FROM few) AS counted LEFT JOIN (SELECT DISTINCT c.id FROM (")
    ),
);
pub(in crate::store) const ROWS_BY_PARTS: Text = Text::each(
    "SELECT f.* FROM few CROSS JOIN named_keys n ON n.number = few.number CROSS JOIN keys f ON f.id = n.key_id",
    "SELECT * FROM few",
);
pub(in crate::store) const ROWS_BY_END: Text = Text::each("SELECT f.* FROM few CROSS JOIN keys f ON f.id = few.id", "SELECT * FROM few");
/// Ends them; none of them is read if they are more than follows.
pub(in crate::store) const IF_FEW: Text = Text::same(") AS c WHERE (SELECT count(*) FROM few) <= ");
pub(in crate::store) const KEYS_CHOSEN: Text = Text::same(") AS chosen ON true LEFT JOIN keys k ON k.id = chosen.id ORDER BY chosen.id");
/// Some names, of keys of every age, a hundred or more if there are so many. Each time the same, as far as the store is the same.
pub(in crate::store) const SOME_NAMES: Text = Text::each(
    // Numbers that are far from regular, as names may be numbered, too.
    "WITH RECURSIVE place (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM place WHERE number < 150) \
     SELECT k.name, k.revoked_at FROM place \
     CROSS JOIN named_keys n ON n.number = 1 + place.number * 2654435761 % (SELECT max(number) FROM named_keys) \
     CROSS JOIN keys k ON k.id = n.key_id",
    // An eighth of what stands on about thirty pages of the table, of which each has some fifty keys of one age.
    "SELECT name, revoked_at FROM keys TABLESAMPLE SYSTEM (3000.0 / greatest(30, pg_relation_size('keys') / 8192)) REPEATABLE (1) \
     WHERE hashtext(id) % 8 = 0",
);
/// Active keys that end after `$1` and before `$2`, at most `$3`.
pub(in crate::store) const KEYS_ENDING: Text = Text::each(
    sqlite_keys!(
        "FROM keys k INDEXED BY keys_by_end WHERE k.revoked_at IS NULL AND k.expires_at > $1 AND k.expires_at < $2 AND k.disabled_at IS NULL \
         ORDER BY k.expires_at, k.id LIMIT $3"
    ),
    postgres_keys!(
        "FROM keys k WHERE k.revoked_at IS NULL AND k.expires_at > $1 AND k.expires_at < $2 AND k.disabled_at IS NULL \
         ORDER BY k.expires_at, k.id LIMIT $3"
    ),
);
/// A condition by which SQLite is not to choose an index, follows: whoever begins a statement has chosen one.
pub(in crate::store) const AND_NOT_BY_INDEX: Text = Text::each(" AND +", " AND ");
/// Of a row `k`.
pub(in crate::store) const NEVER_USED: Text =
    Text::same(" AND NOT EXISTS (SELECT 1 FROM secrets s WHERE s.key_id = k.id AND s.last_used_at IS NOT NULL)");
pub(in crate::store) const KEYS_OF_GROUP: Text = Text::each(
    sqlite_keys!("FROM memberships m CROSS JOIN keys k ON k.id = m.key_id WHERE true"),
    postgres_keys!("FROM memberships m JOIN keys k ON k.id = m.key_id WHERE true"),
);
/// The ids of rows after one that follows; so many after that, one more follows.
pub(in crate::store) const END_OF_KEYS: Text = Text::same("SELECT id FROM keys WHERE id > ");
pub(in crate::store) const END_OF_KEYS_NOT_REVOKED: Text = Text::each(
    "SELECT id FROM keys INDEXED BY keys_not_revoked WHERE revoked_at IS NULL AND id > ",
    "SELECT id FROM keys WHERE revoked_at IS NULL AND id > ",
);
pub(in crate::store) const END_OF_KEYS_REVOKED: Text = Text::each(
    "SELECT id FROM keys INDEXED BY keys_revoked WHERE revoked_at IS NOT NULL AND id > ",
    "SELECT id FROM keys WHERE revoked_at IS NOT NULL AND id > ",
);
pub(in crate::store) const END_OF_KEYS_DISABLED: Text = Text::each(
    "SELECT id FROM keys INDEXED BY keys_disabled WHERE disabled_at IS NOT NULL AND revoked_at IS NULL AND id > ",
    "SELECT id FROM keys WHERE disabled_at IS NOT NULL AND revoked_at IS NULL AND id > ",
);
pub(in crate::store) const END_OF_MEMBERS: Text = Text::same("SELECT key_id AS id FROM memberships WHERE group_name = $1 AND key_id > ");
pub(in crate::store) const END_OF_BINDINGS: Text = Text::same("SELECT id FROM bindings WHERE id > ");
pub(in crate::store) const END: Text = Text::same(" ORDER BY 1 LIMIT 1 OFFSET ");
/// By the index of groups, and in its order.
pub(in crate::store) const MEMBERS: Text = Text::each(
    sqlite_keys!(
        "FROM memberships m CROSS JOIN keys k ON k.id = m.key_id WHERE m.group_name = $1 AND m.key_id > $2 AND k.revoked_at IS NULL \
         ORDER BY m.key_id LIMIT $3"
    ),
    postgres_keys!(
        "FROM memberships m JOIN keys k ON k.id = m.key_id WHERE m.group_name = $1 AND m.key_id > $2 AND k.revoked_at IS NULL \
         ORDER BY m.key_id LIMIT $3"
    ),
);

pub(in crate::store) const STATE: Text = Text::same("SELECT revision, strategy FROM state");
pub(in crate::store) const SPACES: Text = Text::same("SELECT id, name, description, parent, labels FROM spaces");
pub(in crate::store) const ROLES: Text = Text::same("SELECT id, name, description, actions, system FROM roles");
pub(in crate::store) const GROUPS: Text = Text::same("SELECT name, description FROM groups");
// The index is named so that no version of the planner ever walks through the bindings of keys, of which there may be millions.
pub(in crate::store) const GROUP_BINDINGS: Text = Text::each(
    "SELECT id, key_id, group_name, role, space, created_at FROM bindings INDEXED BY bindings_of_groups \
     WHERE group_name IS NOT NULL",
    "SELECT id, key_id, group_name, role, space, created_at FROM bindings \
     WHERE group_name IS NOT NULL",
);
pub(in crate::store) const POLICIES: Text = Text::same("SELECT name, source, rego FROM policies ORDER BY name");

/// Bindings as they are read, `$from` says by which index.
macro_rules! bindings {
    ($from:literal) => {
        concat!("SELECT b.id, b.key_id, b.group_name, b.role, b.space, b.created_at FROM bindings b", $from)
    };
}

/// Begin the reading of a page of bindings. Without a name, SQLite would walk through all of them in the order that the page is to have.
pub(in crate::store) const ALL_BINDINGS: Text = Text::same(bindings!(""));
pub(in crate::store) const BINDINGS_OF_KEY: Text = Text::each(bindings!(" INDEXED BY bindings_of_keys"), bindings!(""));
pub(in crate::store) const BINDINGS_OF_GROUP: Text = Text::each(bindings!(" INDEXED BY bindings_of_groups"), bindings!(""));
pub(in crate::store) const BINDINGS_OF_ROLE: Text = Text::each(bindings!(" INDEXED BY bindings_of_roles"), bindings!(""));
pub(in crate::store) const BINDINGS_OF_ROLE_IN_SPACE: Text = Text::each(bindings!(" INDEXED BY bindings_by_role"), bindings!(""));
pub(in crate::store) const BINDINGS_IN_SPACE: Text = Text::each(bindings!(" INDEXED BY bindings_by_space"), bindings!(""));

/// A binding's role where some bindings are looked through: SQLite would rather sort all that the role has.
pub(in crate::store) const ROLE_LOOKED_THROUGH: Text = Text::each("+b.role", "b.role");

pub(in crate::store) const BINDINGS: Text = Text::each(
    "SELECT b.id, b.key_id, b.group_name, b.role, b.space, b.created_at \
     FROM bindings b LEFT JOIN keys k ON k.id = b.key_id \
     WHERE b.id > $1 AND ($2 IS NULL OR instr(coalesce(b.group_name, b.key_id), $2) > 0 OR instr(coalesce(k.name, ''), $2) > 0 \
        OR instr(b.role, $2) > 0 OR instr(b.space, $2) > 0) \
     ORDER BY b.id LIMIT $3",
    "SELECT b.id, b.key_id, b.group_name, b.role, b.space, b.created_at \
     FROM bindings b LEFT JOIN keys k ON k.id = b.key_id \
     WHERE b.id > $1 AND ($2 IS NULL OR strpos(coalesce(b.group_name, b.key_id), $2) > 0 OR strpos(coalesce(k.name, ''), $2) > 0 \
        OR strpos(b.role, $2) > 0 OR strpos(b.space, $2) > 0) \
     ORDER BY b.id LIMIT $3",
);

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
pub(in crate::store) const AUDIT: Text = Text::same(audit_entries!("SELECT a.id FROM audit a WHERE true"));
pub(in crate::store) const AUDIT_OF_SPACE: Text = Text::each(
    audit_entries!("SELECT s.entry FROM audit_spaces s CROSS JOIN audit a ON a.id = s.entry WHERE true"),
    audit_entries!("SELECT s.entry FROM audit_spaces s JOIN audit a ON a.id = s.entry WHERE true"),
);
/// Begins the reading of entries that are looked through in their order: SQLite would rather sort all that an index has, so it is given none.
pub(in crate::store) const AUDIT_IN_PART: Text =
    Text::each(audit_entries!("SELECT a.id FROM audit a NOT INDEXED WHERE true"), audit_entries!("SELECT a.id FROM audit a WHERE true"));
/// Begins the reading of a page of few entries, which follow.
pub(in crate::store) const AUDIT_AMONG: Text = Text::same(audit_entries!("SELECT a.id FROM ("));
/// Ends what comes before by itself, so that PostgreSQL reads it by its index, and does not look for it among all in their order.
pub(in crate::store) const END_OF_FEW: Text = Text::each(") a WHERE true", " OFFSET 0) a WHERE true");

/// The entries that one condition holds for, by its index; the condition follows.
macro_rules! entries {
    ($from:literal) => {
        concat!("SELECT a.id, a.revision, a.at, a.actor, a.action, a.resource FROM ", $from, " WHERE true")
    };
}

pub(in crate::store) const ENTRIES_OF_RESOURCE: Text = Text::each(entries!("audit a INDEXED BY audit_by_resource"), entries!("audit a"));
pub(in crate::store) const ENTRIES_OF_ACTOR: Text = Text::each(entries!("audit a INDEXED BY audit_by_actor"), entries!("audit a"));
pub(in crate::store) const ENTRIES_OF_ACTION: Text = Text::each(entries!("audit a INDEXED BY audit_by_action"), entries!("audit a"));
pub(in crate::store) const ENTRIES_OF_TIME: Text = Text::each(entries!("audit a INDEXED BY audit_by_time"), entries!("audit a"));
pub(in crate::store) const ENTRIES_OF_SPACE: Text =
    Text::each(entries!("audit_spaces s CROSS JOIN audit a ON a.id = s.entry"), entries!("audit_spaces s JOIN audit a ON a.id = s.entry"));
/// Where a text stands in another one, letter by letter, before the two.
pub(in crate::store) const POSITION: Text = Text::each("instr(", "strpos(");
/// The number of the last entry of a change that is not after a revision, which stands between the two.
pub(in crate::store) const LAST_ENTRY_BY: Text = Text::same("coalesce((SELECT id FROM audit WHERE revision <= ");
pub(in crate::store) const LAST_ENTRY_BY_END: Text = Text::same(" ORDER BY revision DESC LIMIT 1), 0)");

/// At least one row, for the revision; without a change in it if there is none after `$1`.
pub(in crate::store) const CHANGES_AFTER: Text = Text::same(
    "SELECT s.revision AS last, c.revision, c.at, c.key_id, c.digests \
     FROM state s LEFT JOIN changes c ON c.revision > $1 ORDER BY c.revision",
);

// Copies of a store.

// Opening.

/// The first change that the audit tells of.
macro_rules! first_entry {
    () => {
        "SELECT revision, at, action, resource, after FROM audit WHERE revision IS NOT NULL ORDER BY revision LIMIT 1"
    };
}

/// What tells one store from another: its first change.
pub(in crate::store) const ORIGIN: Text = Text::same(concat!(
    "SELECT revision, at, action, resource, after FROM first_change UNION ALL SELECT * FROM (",
    first_entry!(),
    ") AS first ORDER BY revision LIMIT 1"
));
/// For when that entry is not kept any more.
pub(in crate::store) const KEEP_FIRST_CHANGE: Text = Text::same(concat!(
    "INSERT INTO first_change (one, revision, at, action, resource, after) SELECT 1, * FROM (",
    first_entry!(),
    ") AS first WHERE true ON CONFLICT DO NOTHING"
));
pub(in crate::store) const SEEDED: Text = Text::same("SELECT EXISTS (SELECT 1 FROM state)");
pub(in crate::store) const SEED_STATE: Text = Text::same("INSERT INTO state (one, revision, strategy) VALUES (1, 0, $1)");

// Copies.

/// Whether the store has more than every store begins with.
pub(in crate::store) const IS_USED: Text =
    Text::same("SELECT EXISTS (SELECT 1 FROM state WHERE revision > 0) OR EXISTS (SELECT 1 FROM keys) OR EXISTS (SELECT 1 FROM audit)");
/// The next sample gets a number that none has.
pub(in crate::store) const SAMPLES_GO_ON: Text = Text::each(
    "SELECT max(id) FROM samples",
    "SELECT setval(pg_get_serial_sequence('samples', 'id'), (SELECT max(id) FROM samples)) WHERE EXISTS (SELECT 1 FROM samples)",
);

// The steps of changes: keys.

pub(in crate::store) const ANY_KEY: Text = Text::same("SELECT EXISTS (SELECT 1 FROM keys)");
pub(in crate::store) const KEY_ID_BY_NAME: Text = Text::same("SELECT id FROM keys WHERE name = $1 AND revoked_at IS NULL");
pub(in crate::store) const DIGEST_TAKEN: Text = Text::same("SELECT EXISTS (SELECT 1 FROM secrets WHERE digest = $1)");
pub(in crate::store) const DIGESTS: Text = Text::same("SELECT digest FROM secrets WHERE key_id = $1 ORDER BY ordinal DESC");
pub(in crate::store) const INSERT_KEY: Text = Text::same(
    "INSERT INTO keys (id, name, description, created_at, expires_at, disabled_at, revoked_at, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
);
pub(in crate::store) const UPDATE_KEY: Text = Text::same(
    "UPDATE keys SET name = $2, description = $3, expires_at = $4, disabled_at = $5, revoked_at = $6, revision = $7 WHERE id = $1",
);
pub(in crate::store) const TOUCH_KEY: Text = Text::same("UPDATE keys SET revision = $2 WHERE id = $1");
pub(in crate::store) const INSERT_SECRET: Text = Text::same(
    "INSERT INTO secrets (digest, key_id, ordinal, created_at) \
     VALUES ($1, $2, (SELECT coalesce(max(ordinal), 0) + 1 FROM secrets WHERE key_id = $2), $3)",
);
/// The current secret ends at `$2`; those before it at `$3`, unless they have ended already.
pub(in crate::store) const END_SECRETS: Text = Text::each(
    "UPDATE secrets SET ends_at = CASE WHEN ends_at IS NULL THEN $2 ELSE min(ends_at, $3) END WHERE key_id = $1",
    "UPDATE secrets SET ends_at = CASE WHEN ends_at IS NULL THEN $2 ELSE least(ends_at, $3) END WHERE key_id = $1",
);
/// Of many secrets at once, as `[[digest in hexadecimal, time], …]`: the lock is held for one statement, and not for as many as there are secrets.
pub(in crate::store) const RECORD_USES: Text = Text::each(
    "UPDATE secrets SET last_used_at = said.value ->> 1 FROM json_each($1) AS said \
     WHERE digest = unhex(said.value ->> 0) AND (last_used_at IS NULL OR last_used_at < said.value ->> 1)",
    "UPDATE secrets SET last_used_at = said.at \
     FROM (SELECT decode(value ->> 0, 'hex') AS digest, (value ->> 1)::bigint AS at FROM jsonb_array_elements($1::jsonb)) AS said \
     WHERE secrets.digest = said.digest AND (last_used_at IS NULL OR last_used_at < said.at)",
);
pub(in crate::store) const INSERT_MEMBERSHIP: Text = Text::same("INSERT INTO memberships (key_id, group_name) VALUES ($1, $2)");
pub(in crate::store) const DELETE_MEMBERSHIPS: Text = Text::same("DELETE FROM memberships WHERE key_id = $1");
/// `space-admin` on `root`, directly or by a group, held by a key that is active and never expires.
pub(in crate::store) const HAS_WORKING_ROOT_ADMIN: Text = Text::each(
    "SELECT EXISTS ( \
     SELECT 1 FROM bindings b INDEXED BY bindings_by_role \
     LEFT JOIN memberships m ON m.group_name = b.group_name \
     CROSS JOIN keys k ON k.id = coalesce(b.key_id, m.key_id) \
     WHERE b.role = $1 AND b.space = $2 AND k.revoked_at IS NULL AND k.disabled_at IS NULL AND k.expires_at IS NULL)",
    "SELECT EXISTS ( \
     SELECT 1 FROM bindings b \
     LEFT JOIN memberships m ON m.group_name = b.group_name \
     JOIN keys k ON k.id = coalesce(b.key_id, m.key_id) \
     WHERE b.role = $1 AND b.space = $2 AND k.revoked_at IS NULL AND k.disabled_at IS NULL AND k.expires_at IS NULL)",
);

// Requests that have a name.

pub(in crate::store) const INSERT_ONCE: Text =
    Text::same("INSERT INTO once (actor, key, fingerprint, revision, resource, at) VALUES ($1, $2, $3, $4, $5, $6)");
pub(in crate::store) const FORGET_ONCE: Text = Text::same("DELETE FROM once WHERE at < $1");
pub(in crate::store) const DONE_ONCE: Text =
    Text::same("SELECT fingerprint, revision, resource, at FROM once WHERE actor = $1 AND key = $2");

// Spaces.

pub(in crate::store) const SPACE: Text = Text::same("SELECT id, name, description, parent, labels FROM spaces WHERE id = $1");
pub(in crate::store) const INSERT_SPACE: Text =
    Text::same("INSERT INTO spaces (id, name, description, parent, labels, revision) VALUES ($1, $2, $3, $4, $5, $6)");
pub(in crate::store) const UPDATE_SPACE: Text =
    Text::same("UPDATE spaces SET name = $2, description = $3, parent = $4, labels = $5, revision = $6 WHERE id = $1");
pub(in crate::store) const DELETE_SPACE: Text = Text::same("DELETE FROM spaces WHERE id = $1");
pub(in crate::store) const CHILD_COUNT: Text = Text::same("SELECT count(*) FROM spaces WHERE parent = $1");
/// Whether `$1` is `$2` or stands below it.
pub(in crate::store) const IS_WITHIN: Text = Text::each(
    "WITH RECURSIVE above (id) AS ( \
     SELECT $1 UNION SELECT s.parent FROM spaces s JOIN above ON s.id = above.id WHERE s.parent IS NOT NULL) \
     SELECT EXISTS (SELECT 1 FROM above WHERE id = $2)",
    "WITH RECURSIVE above (id) AS ( \
     SELECT $1 COLLATE \"C\" UNION SELECT s.parent FROM spaces s JOIN above ON s.id = above.id WHERE s.parent IS NOT NULL) \
     SELECT EXISTS (SELECT 1 FROM above WHERE id = $2)",
);

// Roles and groups.

pub(in crate::store) const ROLE: Text = Text::same("SELECT id, name, description, actions, system FROM roles WHERE id = $1");
pub(in crate::store) const INSERT_ROLE: Text =
    Text::same("INSERT INTO roles (id, name, description, actions, system, revision) VALUES ($1, $2, $3, $4, $5, $6)");
pub(in crate::store) const UPDATE_ROLE: Text =
    Text::same("UPDATE roles SET name = $2, description = $3, actions = $4, revision = $5 WHERE id = $1");
pub(in crate::store) const DELETE_ROLE: Text = Text::same("DELETE FROM roles WHERE id = $1");

pub(in crate::store) const GROUP: Text = Text::same("SELECT name, description FROM groups WHERE name = $1");
pub(in crate::store) const INSERT_GROUP: Text = Text::same("INSERT INTO groups (name, description, revision) VALUES ($1, $2, $3)");
pub(in crate::store) const ENSURE_GROUP: Text =
    Text::same("INSERT INTO groups (name, description, revision) VALUES ($1, '', $2) ON CONFLICT DO NOTHING");
pub(in crate::store) const UPDATE_GROUP: Text = Text::same("UPDATE groups SET description = $2, revision = $3 WHERE name = $1");
/// The keys that are members of the group.
pub(in crate::store) const TOUCH_MEMBERS: Text =
    Text::same("UPDATE keys SET revision = $2 WHERE id IN (SELECT key_id FROM memberships WHERE group_name = $1)");
pub(in crate::store) const DELETE_GROUP: Text = Text::same("DELETE FROM groups WHERE name = $1");
/// Keys that are members and not revoked.
pub(in crate::store) const MEMBER_COUNT: Text = Text::each(
    "SELECT count(*) FROM memberships m CROSS JOIN keys k ON k.id = m.key_id WHERE m.group_name = $1 AND k.revoked_at IS NULL",
    "SELECT count(*) FROM memberships m JOIN keys k ON k.id = m.key_id WHERE m.group_name = $1 AND k.revoked_at IS NULL",
);

// Bindings.

pub(in crate::store) const BINDING: Text = Text::same("SELECT id, key_id, group_name, role, space, created_at FROM bindings WHERE id = $1");
pub(in crate::store) const KEY_BINDING: Text = Text::same("SELECT id FROM bindings WHERE key_id = $1 AND role = $2 AND space = $3");
pub(in crate::store) const GROUP_BINDING: Text = Text::same("SELECT id FROM bindings WHERE group_name = $1 AND role = $2 AND space = $3");
pub(in crate::store) const INSERT_BINDING: Text =
    Text::same("INSERT INTO bindings (id, key_id, group_name, role, space, created_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7)");
pub(in crate::store) const DELETE_BINDING: Text = Text::same("DELETE FROM bindings WHERE id = $1");
pub(in crate::store) const DELETE_BINDINGS_OF_KEY: Text = Text::same("DELETE FROM bindings WHERE key_id = $1");
/// So many of each of the spaces in `$1`, JSON, as there are, at most `$2`.
pub(in crate::store) const BINDING_COUNTS: Text = Text::each(
    "SELECT s.value AS space, \
     (SELECT count(*) FROM (SELECT 1 FROM bindings b INDEXED BY bindings_by_space WHERE b.space = s.value LIMIT $2)) AS bindings \
     FROM json_each($1) s",
    "SELECT s.space, (SELECT count(*) FROM (SELECT 1 FROM bindings b WHERE b.space = s.space LIMIT $2) AS few) AS bindings \
     FROM jsonb_array_elements_text($1::jsonb) AS s (space)",
);
/// Which of the groups in `$1`, JSON, have a member that is not revoked.
pub(in crate::store) const GROUPS_WITH_MEMBERS: Text = Text::each(
    "SELECT g.value AS name FROM json_each($1) g WHERE EXISTS ( \
     SELECT 1 FROM memberships m CROSS JOIN keys k ON k.id = m.key_id WHERE m.group_name = g.value AND k.revoked_at IS NULL)",
    "SELECT g.name FROM jsonb_array_elements_text($1::jsonb) AS g (name) WHERE (SELECT true \
     FROM memberships m JOIN keys k ON k.id = m.key_id WHERE m.group_name = g.name AND k.revoked_at IS NULL LIMIT 1)",
);
/// What the keys in `$1`, JSON, are called.
pub(in crate::store) const NAMES_OF_KEYS: Text = Text::each(
    "SELECT k.id, k.name FROM json_each($1) c CROSS JOIN keys k ON k.id = c.value",
    "SELECT k.id, k.name FROM jsonb_array_elements_text($1::jsonb) AS c (id) JOIN keys k ON k.id = c.id",
);
pub(in crate::store) const BINDING_COUNT_OF_ROLE: Text = Text::same("SELECT count(*) FROM bindings WHERE role = $1");
pub(in crate::store) const BINDING_COUNT_IN_SPACE: Text = Text::same("SELECT count(*) FROM bindings WHERE space = $1");
pub(in crate::store) const BINDING_COUNT_OF_GROUP: Text = Text::same("SELECT count(*) FROM bindings WHERE group_name = $1");

// Policies and the strategy.

pub(in crate::store) const POLICY: Text = Text::same("SELECT name, source, rego FROM policies WHERE name = $1");
pub(in crate::store) const INSERT_POLICY: Text = Text::same("INSERT INTO policies (name, source, rego, revision) VALUES ($1, $2, $3, $4)");
pub(in crate::store) const UPDATE_POLICY: Text = Text::same("UPDATE policies SET source = $2, rego = $3, revision = $4 WHERE name = $1");
pub(in crate::store) const DELETE_POLICY: Text = Text::same("DELETE FROM policies WHERE name = $1");
pub(in crate::store) const SET_STRATEGY: Text = Text::same("UPDATE state SET strategy = $1, strategy_revision = $2");

// What is declared in files.

pub(in crate::store) const MANAGED: Text = Text::same("SELECT kind, id FROM managed");
pub(in crate::store) const INSERT_MANAGED: Text = Text::same("INSERT INTO managed (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING");
pub(in crate::store) const DELETE_MANAGED: Text = Text::same("DELETE FROM managed WHERE kind = $1 AND id = $2");
pub(in crate::store) const DELETE_MANAGED_BINDINGS_OF_KEY: Text =
    Text::same("DELETE FROM managed WHERE kind = 'binding' AND id IN (SELECT id FROM bindings WHERE key_id = $1)");
pub(in crate::store) const NOTE_FIRST_KEY: Text = Text::same("UPDATE keys SET is_first = 1 WHERE id = $1");
pub(in crate::store) const IS_FIRST_KEY: Text = Text::same("SELECT EXISTS (SELECT 1 FROM keys WHERE id = $1 AND is_first = 1)");

// Samples.

pub(in crate::store) const KEEP_SAMPLE: Text =
    Text::same("INSERT INTO samples (at, key_id, key_name, answer, input) VALUES ($1, $2, $3, $4, $5)");
pub(in crate::store) const SAMPLES: Text =
    Text::same("SELECT id, at, key_id, key_name, answer, input FROM samples WHERE at > $1 ORDER BY id DESC");
pub(in crate::store) const SAMPLE: Text =
    Text::same("SELECT id, at, key_id, key_name, answer, input FROM samples WHERE at > $1 AND id = $2");
pub(in crate::store) const DROP_OLD_SAMPLES: Text = Text::same("DELETE FROM samples WHERE at <= $1");
/// All but the newest `$1`.
pub(in crate::store) const DROP_MORE_SAMPLES: Text =
    Text::same("DELETE FROM samples WHERE id <= (SELECT id FROM samples ORDER BY id DESC LIMIT 1 OFFSET $1)");
pub(in crate::store) const CLEAR_SAMPLES: Text = Text::same("DELETE FROM samples");

// Who serves from the store.

/// It has applied no more than was known.
pub(in crate::store) const REPLICA_KNOWN: Text = Text::same("UPDATE replicas SET last_seen_at = $3 WHERE name = $1 AND applied = $2");
pub(in crate::store) const REPLICA_SEEN: Text = Text::same("UPDATE replicas SET applied = $2, last_seen_at = $3 WHERE name = $1");
pub(in crate::store) const INSERT_REPLICA: Text =
    Text::same("INSERT INTO replicas (name, applied, last_seen_at, version, started_at) VALUES ($1, $2, $3, $4, $5)");
pub(in crate::store) const DROP_OLD_REPLICAS: Text = Text::same("DELETE FROM replicas WHERE last_seen_at <= $1");
/// All but the `$1` that were seen last.
pub(in crate::store) const DROP_MORE_REPLICAS: Text = Text::each(
    "DELETE FROM replicas WHERE name IN (SELECT name FROM replicas ORDER BY last_seen_at DESC LIMIT -1 OFFSET $1)",
    "DELETE FROM replicas WHERE name IN (SELECT name FROM replicas ORDER BY last_seen_at DESC OFFSET $1)",
);
pub(in crate::store) const DELETE_REPLICA: Text = Text::same("DELETE FROM replicas WHERE name = $1");
/// With the time of the first change that each has not applied, as far as the feed goes back.
pub(in crate::store) const REPLICAS: Text = Text::same(
    "SELECT r.name, r.version, r.applied, r.started_at, r.last_seen_at, \
     (SELECT c.at FROM changes c WHERE c.revision > r.applied ORDER BY c.revision LIMIT 1) AS behind_since \
     FROM replicas r WHERE r.last_seen_at > $1 ORDER BY r.name",
);

// Sessions of the console.

pub(in crate::store) const SESSION: Text =
    Text::same("SELECT digest, key_id, secret, key_at, began_at, ends_at FROM console_sessions WHERE digest = $1");
pub(in crate::store) const INSERT_SESSION: Text =
    Text::same("INSERT INTO console_sessions (digest, key_id, secret, key_at, began_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)");
/// Unless it has ended at `$3`.
pub(in crate::store) const RENEW_SESSION: Text = Text::same("UPDATE console_sessions SET ends_at = $2 WHERE digest = $1 AND ends_at > $3");
pub(in crate::store) const END_SESSION: Text = Text::same("DELETE FROM console_sessions WHERE digest = $1");
pub(in crate::store) const END_SESSIONS_OF_KEY: Text = Text::same("DELETE FROM console_sessions WHERE key_id = $1");
pub(in crate::store) const DROP_ENDED_SESSIONS: Text = Text::same("DELETE FROM console_sessions WHERE ends_at <= $1");
/// All of the key but the `$2` that end last.
pub(in crate::store) const DROP_MORE_SESSIONS_OF_KEY: Text = Text::each(
    "DELETE FROM console_sessions WHERE digest IN \
     (SELECT digest FROM console_sessions WHERE key_id = $1 ORDER BY ends_at DESC, began_at DESC LIMIT -1 OFFSET $2)",
    "DELETE FROM console_sessions WHERE digest IN \
     (SELECT digest FROM console_sessions WHERE key_id = $1 ORDER BY ends_at DESC, began_at DESC OFFSET $2)",
);
/// All but the `$1` that end last.
pub(in crate::store) const DROP_MORE_SESSIONS: Text = Text::each(
    "DELETE FROM console_sessions WHERE digest IN (SELECT digest FROM console_sessions ORDER BY ends_at DESC LIMIT -1 OFFSET $1)",
    "DELETE FROM console_sessions WHERE digest IN (SELECT digest FROM console_sessions ORDER BY ends_at DESC OFFSET $1)",
);

// What every change leaves behind.

/// Nobody else writes by the rules of changes from here on.
pub(in crate::store) const LOCK: Text = Text::each("SELECT revision FROM state", "SELECT revision FROM state FOR UPDATE");
pub(in crate::store) const LAST_REVISION: Text = Text::same("SELECT revision FROM state");
pub(in crate::store) const TAKE_REVISION: Text = Text::same("UPDATE state SET revision = revision + 1 RETURNING revision");
pub(in crate::store) const INSERT_CHANGE: Text = Text::same("INSERT INTO changes (revision, at, key_id, digests) VALUES ($1, $2, $3, $4)");
pub(in crate::store) const PRUNE_CHANGES: Text = Text::same("DELETE FROM changes WHERE revision <= $1");
pub(in crate::store) const INSERT_AUDIT: Text = Text::same(
    "INSERT INTO audit \
     (id, revision, at, actor, remote_ip, action, resource, before, after, request_id, refused, hash) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
);
pub(in crate::store) const GIVEN_UP: Text = Text::same("SELECT id, hash, revision FROM audit_given_up");
/// Of the first entries, as many as are from before `$1`, have been told to whoever is told, and are not the last of all.
pub(in crate::store) const LAST_TO_GIVE_UP: Text = Text::same(
    "WITH first (id, at) AS (SELECT id, at FROM audit ORDER BY id LIMIT 500) \
     SELECT max(id) FROM first \
     WHERE id < coalesce((SELECT min(id) FROM first WHERE at >= $1), 9223372036854775807) \
        AND id < (SELECT max(id) FROM audit) \
        AND id <= coalesce((SELECT sent FROM webhook WHERE url IS NOT NULL), 9223372036854775807)",
);
pub(in crate::store) const SET_GIVEN_UP: Text = Text::same(
    "INSERT INTO audit_given_up (one, id, hash, revision) \
     SELECT 1, id, hash, coalesce((SELECT max(revision) FROM audit WHERE id <= $1), (SELECT revision FROM audit_given_up), 0) \
        FROM audit WHERE id = $1 \
     ON CONFLICT (one) DO UPDATE SET id = excluded.id, hash = excluded.hash, revision = excluded.revision",
);
pub(in crate::store) const DELETE_SPACES_OF_ENTRIES: Text = Text::same("DELETE FROM audit_spaces WHERE entry <= $1");
pub(in crate::store) const DELETE_ENTRIES: Text = Text::same("DELETE FROM audit WHERE id <= $1");
pub(in crate::store) const LAST_ENTRY: Text = Text::same("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1");
pub(in crate::store) const INSERT_AUDIT_SPACE: Text = Text::same("INSERT INTO audit_spaces (space, entry) VALUES ($1, $2)");

// What is no change and yet told.

/// As the index has it that these are found by.
pub(in crate::store) const HAS_SIGNED_IN: Text = Text::each(
    "SELECT EXISTS (SELECT 1 FROM audit WHERE action = 'key.sign-in' AND actor = $1 AND remote_ip IS $2)",
    "SELECT EXISTS (SELECT 1 FROM audit WHERE action = 'key.sign-in' AND actor = $1 AND remote_ip IS NOT DISTINCT FROM $2)",
);
pub(in crate::store) const NOTE_COUNT: Text = Text::each(
    "SELECT count(*) FROM audit INDEXED BY audit_notes WHERE revision IS NULL AND actor = $1 AND at > $2",
    "SELECT count(*) FROM audit WHERE revision IS NULL AND actor = $1 AND at > $2",
);
pub(in crate::store) const HAS_REFUSED: Text = Text::each(
    "SELECT EXISTS (SELECT 1 FROM audit INDEXED BY audit_notes \
     WHERE revision IS NULL AND actor = $1 AND at > $2 AND action = $3 AND resource = $4 AND refused = $5)",
    "SELECT EXISTS (SELECT 1 FROM audit \
     WHERE revision IS NULL AND actor = $1 AND at > $2 AND action = $3 AND resource = $4 AND refused = $5)",
);
pub(in crate::store) const HOLD_BACK: Text = Text::each(
    "INSERT INTO held_back (actor, since, until, attempts) VALUES ($1, $2, $2, 1) \
     ON CONFLICT (actor) DO UPDATE SET until = max(until, $2), attempts = attempts + 1",
    "INSERT INTO held_back (actor, since, until, attempts) VALUES ($1, $2, $2, 1) \
     ON CONFLICT (actor) DO UPDATE SET until = greatest(held_back.until, $2), attempts = held_back.attempts + 1",
);
pub(in crate::store) const TAKE_HELD_BACK: Text = Text::same(
    "DELETE FROM held_back WHERE actor IN (SELECT actor FROM held_back WHERE since <= $1 LIMIT 100) \
     RETURNING actor, since, until, attempts",
);

// Who is told of the audit.

/// Takes it for `$1` until `$3` if it is theirs, or nobody's at `$2`.
pub(in crate::store) const HOLD_WEBHOOK: Text = Text::same(
    "UPDATE webhook SET holder = $1, held_until = $3 WHERE holder = $1 OR held_until <= $2 \
     RETURNING url, secret_file, sent",
);
pub(in crate::store) const SET_WEBHOOK: Text = Text::same("UPDATE webhook SET url = $2, secret_file = $3, sent = $4 WHERE holder = $1");

// The revision that last changed something.

pub(in crate::store) const REVISION_OF_KEY: Text = Text::same("SELECT revision FROM keys WHERE id = $1");
pub(in crate::store) const REVISION_OF_SPACE: Text = Text::same("SELECT revision FROM spaces WHERE id = $1");
pub(in crate::store) const REVISION_OF_ROLE: Text = Text::same("SELECT revision FROM roles WHERE id = $1");
pub(in crate::store) const REVISION_OF_GROUP: Text = Text::same("SELECT revision FROM groups WHERE name = $1");
pub(in crate::store) const REVISION_OF_BINDING: Text = Text::same("SELECT revision FROM bindings WHERE id = $1");
pub(in crate::store) const REVISION_OF_POLICY: Text = Text::same("SELECT revision FROM policies WHERE name = $1");
/// As of the others one row is asked for by what it is called, so of this one.
pub(in crate::store) const REVISION_OF_STRATEGY: Text = Text::same("SELECT strategy_revision AS revision FROM state WHERE $1 = 'strategy'");

/// The one for this kind of thing.
pub(in crate::store) fn revision_of(resource: &Resource) -> Text {
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
