-- Times are microseconds since the Unix epoch, UTC. Ids and names are text that the model has parsed; digests are SHA-256, raw.
-- The rules are checked by `apply` inside its transaction; constraints here are the second line of defence.

-- What there is one of. The revision is a column that a transaction updates, not a sequence: a sequence hands out numbers that become
-- visible out of order, and a follower that has seen 8 would never read 7.
CREATE TABLE state (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL CHECK (revision >= 0),
    strategy TEXT    NOT NULL CHECK (strategy IN ('combined', 'user-management', 'login-policies'))
) STRICT;

CREATE TABLE spaces (
    id          TEXT NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    parent      TEXT REFERENCES spaces (id),
    labels      TEXT NOT NULL CHECK (json_valid(labels)),
    CHECK ((id = 'root') = (parent IS NULL)),
    CHECK (parent <> id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spaces_by_parent ON spaces (parent);

-- Of a system role only the row is here, for bindings to refer to; what it allows is said by the program.
CREATE TABLE roles (
    id          TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    actions     TEXT    NOT NULL CHECK (json_valid(actions)),
    system      INTEGER NOT NULL CHECK (system IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
    name        TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 256),
    description TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Never deleted: a revoked key stays for the audit.
CREATE TABLE keys (
    id          TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 26),
    name        TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    description TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    disabled_at INTEGER,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX keys_by_name ON keys (name) WHERE revoked_at IS NULL;

-- Never deleted either: a change to a key names every digest that it has or had, and no digest is ever taken twice.
-- The current secret of a key is the one with the highest ordinal; it alone has no end.
CREATE TABLE secrets (
    digest       BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    key_id       TEXT    NOT NULL REFERENCES keys (id),
    ordinal      INTEGER NOT NULL CHECK (ordinal >= 1),
    created_at   INTEGER NOT NULL,
    ends_at      INTEGER,
    last_used_at INTEGER,
    UNIQUE (key_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    key_id     TEXT NOT NULL REFERENCES keys (id),
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    PRIMARY KEY (key_id, group_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_group ON memberships (group_name, key_id);

CREATE TABLE bindings (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 26),
    key_id     TEXT    REFERENCES keys (id),
    group_name TEXT    REFERENCES groups (name),
    role       TEXT    NOT NULL REFERENCES roles (id),
    space      TEXT    NOT NULL REFERENCES spaces (id),
    created_at INTEGER NOT NULL,
    CHECK ((key_id IS NULL) <> (group_name IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX bindings_of_keys ON bindings (key_id, role, space) WHERE key_id IS NOT NULL;
CREATE UNIQUE INDEX bindings_of_groups ON bindings (group_name, role, space) WHERE group_name IS NOT NULL;
CREATE INDEX bindings_by_role ON bindings (role, space);
CREATE INDEX bindings_by_space ON bindings (space);

CREATE TABLE policies (
    name   TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 128),
    source TEXT NOT NULL,
    rego   TEXT CHECK (rego IN ('v0', 'v1'))
) STRICT, WITHOUT ROWID;

-- The feed. `key_id` and `digests` (32 bytes each, one after the other) say whose credentials the change can touch; null: everybody's.
CREATE TABLE changes (
    revision INTEGER NOT NULL PRIMARY KEY,
    at       INTEGER NOT NULL,
    key_id   TEXT,
    digests  BLOB CHECK (length(digests) % 32 = 0),
    CHECK ((key_id IS NULL) = (digests IS NULL))
) STRICT;

CREATE TABLE audit (
    revision   INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    remote_ip  TEXT,
    action     TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    before     TEXT CHECK (before IS NULL OR json_valid(before)),
    after      TEXT CHECK (after IS NULL OR json_valid(after)),
    request_id TEXT
) STRICT;
