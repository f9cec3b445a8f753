-- Requests that have a name, so that sending them again makes nothing twice. Written with the change; forgotten after a day.
CREATE TABLE once (
    actor       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    revision    INTEGER NOT NULL,
    resource    TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_by_time ON once (at);
