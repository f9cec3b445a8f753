-- Times are microseconds since the Unix epoch, UTC. Ids and names are text that the model has parsed, compared byte by byte; digests are
-- SHA-256, raw. The rules are checked by `apply` inside its transaction; constraints here are the second line of defence.

-- What there is one of. The revision is a column that a transaction updates, not a sequence: a sequence hands out numbers that become
-- visible out of order, and a follower that has seen 8 would never read 7. Whoever changes anything locks this row first.
CREATE TABLE state (
    one               BIGINT             NOT NULL PRIMARY KEY CHECK (one = 1),
    revision          BIGINT             NOT NULL CHECK (revision >= 0),
    strategy          TEXT   COLLATE "C" NOT NULL CHECK (strategy IN ('combined', 'user-management', 'login-policies')),
    strategy_revision BIGINT             NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE TABLE spaces (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    name        TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    parent      TEXT COLLATE "C" REFERENCES spaces (id),
    labels      TEXT COLLATE "C" NOT NULL CHECK (labels::json IS NOT NULL),
    revision    BIGINT           NOT NULL,
    CHECK ((id = 'root') = (parent IS NULL)),
    CHECK (parent <> id)
);
CREATE INDEX spaces_by_parent ON spaces (parent);

-- Of a system role only the row is here, for bindings to refer to; what it allows is said by the program.
CREATE TABLE roles (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    name        TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    actions     TEXT COLLATE "C" NOT NULL CHECK (actions::json IS NOT NULL),
    system      BOOLEAN          NOT NULL,
    revision    BIGINT           NOT NULL
);

CREATE TABLE groups (
    name        TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 256),
    description TEXT COLLATE "C" NOT NULL,
    revision    BIGINT           NOT NULL
);

-- Never deleted: a revoked key stays for the audit. The revision is that of whatever belongs to the key: its secrets, groups and bindings.
CREATE TABLE keys (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 26),
    name        TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    description TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT           NOT NULL,
    expires_at  BIGINT,
    disabled_at BIGINT,
    revoked_at  BIGINT,
    revision    BIGINT           NOT NULL,
    is_first    BIGINT           NOT NULL DEFAULT 0 CHECK (is_first IN (0, 1))
);
CREATE UNIQUE INDEX keys_by_name ON keys (name) WHERE revoked_at IS NULL;

-- Never deleted either: a change to a key names every digest that it has or had, and no digest is ever taken twice.
-- The current secret of a key is the one with the highest ordinal; it alone has no end.
CREATE TABLE secrets (
    digest       BYTEA            NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    key_id       TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    ordinal      BIGINT           NOT NULL CHECK (ordinal >= 1),
    created_at   BIGINT           NOT NULL,
    ends_at      BIGINT,
    last_used_at BIGINT,
    UNIQUE (key_id, ordinal)
);

CREATE TABLE memberships (
    key_id     TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    group_name TEXT COLLATE "C" NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    PRIMARY KEY (key_id, group_name)
);
CREATE INDEX memberships_by_group ON memberships (group_name, key_id);

CREATE TABLE bindings (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 26),
    key_id     TEXT COLLATE "C" REFERENCES keys (id),
    group_name TEXT COLLATE "C" REFERENCES groups (name),
    role       TEXT COLLATE "C" NOT NULL REFERENCES roles (id),
    space      TEXT COLLATE "C" NOT NULL REFERENCES spaces (id),
    created_at BIGINT           NOT NULL,
    revision   BIGINT           NOT NULL,
    CHECK ((key_id IS NULL) <> (group_name IS NULL))
);
CREATE UNIQUE INDEX bindings_of_keys ON bindings (key_id, role, space) WHERE key_id IS NOT NULL;
CREATE UNIQUE INDEX bindings_of_groups ON bindings (group_name, role, space) WHERE group_name IS NOT NULL;
CREATE INDEX bindings_by_role ON bindings (role, space);
CREATE INDEX bindings_by_space ON bindings (space);

CREATE TABLE policies (
    name     TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 128),
    source   TEXT COLLATE "C" NOT NULL,
    rego     TEXT COLLATE "C" CHECK (rego IN ('v0', 'v1')),
    revision BIGINT           NOT NULL
);

-- The feed. `key_id` and `digests` (32 bytes each, one after the other) say whose credentials the change can touch; null: everybody's.
CREATE TABLE changes (
    revision BIGINT NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL,
    key_id   TEXT COLLATE "C",
    digests  BYTEA CHECK (length(digests) % 32 = 0),
    CHECK ((key_id IS NULL) = (digests IS NULL))
);

-- Each entry has a hash over itself and the hash of the entry before. An entry has a number of its own, since not every entry is a change.
CREATE TABLE audit (
    id         BIGINT           NOT NULL PRIMARY KEY,
    revision   BIGINT UNIQUE,
    at         BIGINT           NOT NULL,
    actor      TEXT COLLATE "C" NOT NULL,
    remote_ip  TEXT COLLATE "C",
    action     TEXT COLLATE "C" NOT NULL,
    resource   TEXT COLLATE "C" NOT NULL,
    before     TEXT COLLATE "C" CHECK (before IS NULL OR before::json IS NOT NULL),
    after      TEXT COLLATE "C" CHECK (after IS NULL OR after::json IS NOT NULL),
    request_id TEXT COLLATE "C",
    refused    TEXT COLLATE "C",
    hash       BYTEA            NOT NULL CHECK (length(hash) = 32),
    CHECK (revision IS NULL OR refused IS NULL)
);
CREATE INDEX audit_by_actor ON audit (actor, id);
CREATE INDEX audit_by_action ON audit (action, id);
CREATE INDEX audit_by_resource ON audit (resource, id);
CREATE INDEX audit_by_time ON audit (at);
-- What an actor has been told of lately, and from where it has come.
CREATE INDEX audit_notes ON audit (actor, at) WHERE revision IS NULL;
CREATE INDEX audit_sign_ins ON audit (actor, remote_ip) WHERE action = 'key.sign-in';

-- An entry is found by its space: a change to it, to a binding in it, or to a key that is or was bound in it.
CREATE TABLE audit_spaces (
    space TEXT COLLATE "C" NOT NULL,
    entry BIGINT           NOT NULL REFERENCES audit (id),
    PRIMARY KEY (space, entry)
);
CREATE INDEX audit_spaces_by_entry ON audit_spaces (entry);

-- The last entry that is not kept any more, and the last change that it or one before it has told of.
CREATE TABLE audit_given_up (
    one      BIGINT  NOT NULL PRIMARY KEY CHECK (one = 1),
    id       BIGINT  NOT NULL,
    hash     BYTEA   NOT NULL CHECK (length(hash) = 32),
    revision BIGINT  NOT NULL
);
-- The first change of all, once its entry is not kept any more: it tells one store from another.
CREATE TABLE first_change (
    one      BIGINT           NOT NULL PRIMARY KEY CHECK (one = 1),
    revision BIGINT           NOT NULL,
    at       BIGINT           NOT NULL,
    action   TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    after    TEXT COLLATE "C"
);

-- Refused attempts that have no entries of their own: how many since when.
CREATE TABLE held_back (
    actor    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    since    BIGINT           NOT NULL,
    until    BIGINT           NOT NULL,
    attempts BIGINT           NOT NULL CHECK (attempts > 0)
);

-- Who is told of the audit's entries, how far they have been told, and which process does it until when.
CREATE TABLE webhook (
    one         BIGINT           NOT NULL PRIMARY KEY CHECK (one = 1),
    url         TEXT COLLATE "C",
    secret_file TEXT COLLATE "C",
    sent        BIGINT           NOT NULL,
    holder      TEXT COLLATE "C" NOT NULL,
    held_until  BIGINT           NOT NULL,
    CHECK ((url IS NULL) = (secret_file IS NULL))
);
INSERT INTO webhook (one, sent, holder, held_until) VALUES (1, 0, '', 0);

-- Requests that have a name, so that sending them again makes nothing twice. Written with the change; forgotten after a day.
CREATE TABLE once (
    actor       TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA            NOT NULL CHECK (length(fingerprint) = 32),
    revision    BIGINT           NOT NULL,
    resource    TEXT COLLATE "C" NOT NULL,
    at          BIGINT           NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX once_by_time ON once (at);

-- What is declared in files, and may be taken away when no file declares it any more.
CREATE TABLE managed (
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('key', 'space', 'role', 'group', 'binding', 'policy')),
    id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Requests that a login policy wanted kept; at most a hundred, and no change of anything. Numbers are never given twice.
CREATE TABLE samples (
    id       BIGINT           NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
    at       BIGINT           NOT NULL,
    key_id   TEXT COLLATE "C" NOT NULL CHECK (length(key_id) = 26),
    key_name TEXT COLLATE "C" NOT NULL,
    answer   TEXT COLLATE "C" NOT NULL CHECK (answer::json IS NOT NULL),
    input    TEXT COLLATE "C" NOT NULL CHECK (input::json IS NOT NULL),
    CHECK (octet_length(answer) + octet_length(input) <= 65536)
);

-- Who serves from this store, what each has applied, and when it last said so.
CREATE TABLE replicas (
    name         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version      TEXT COLLATE "C" NOT NULL,
    applied      BIGINT           NOT NULL,
    started_at   BIGINT           NOT NULL,
    last_seen_at BIGINT           NOT NULL
);
