-- An entry has a number of its own, since not every entry is a change. Those that are there keep the number that they have.
CREATE TABLE entries (
    id         INTEGER NOT NULL PRIMARY KEY,
    revision   INTEGER UNIQUE,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    remote_ip  TEXT,
    action     TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    before     TEXT CHECK (before IS NULL OR json_valid(before)),
    after      TEXT CHECK (after IS NULL OR json_valid(after)),
    request_id TEXT,
    refused    TEXT,
    CHECK (revision IS NULL OR refused IS NULL)
) STRICT;
INSERT INTO entries (id, revision, at, actor, remote_ip, action, resource, before, after, request_id)
    SELECT revision, revision, at, actor, remote_ip, action, resource, before, after, request_id FROM audit ORDER BY revision;

CREATE TABLE entry_spaces (
    space TEXT    NOT NULL,
    entry INTEGER NOT NULL REFERENCES entries (id),
    PRIMARY KEY (space, entry)
) STRICT, WITHOUT ROWID;
INSERT INTO entry_spaces (space, entry) SELECT space, revision FROM audit_spaces ORDER BY space, revision;

DROP TABLE audit_spaces;
DROP TABLE audit;
ALTER TABLE entries RENAME TO audit;
ALTER TABLE entry_spaces RENAME TO audit_spaces;

CREATE INDEX audit_by_actor ON audit (actor);
CREATE INDEX audit_by_action ON audit (action);
CREATE INDEX audit_by_resource ON audit (resource);
CREATE INDEX audit_by_time ON audit (at);
-- What an actor has been told of lately, and from where it has come.
CREATE INDEX audit_notes ON audit (actor, at) WHERE revision IS NULL;
CREATE INDEX audit_sign_ins ON audit (actor, remote_ip) WHERE action = 'key.sign-in';

-- Refused attempts that have no entries of their own: how many since when.
CREATE TABLE held_back (
    actor    TEXT    NOT NULL PRIMARY KEY,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts > 0)
) STRICT, WITHOUT ROWID;
