-- The first change of all, once its entry is not kept any more: it tells one store from another.
CREATE TABLE first_change (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    action   TEXT    NOT NULL,
    resource TEXT    NOT NULL,
    after    TEXT
) STRICT;

-- Who is told of the audit's entries, how far they have been told, and which process does it until when.
CREATE TABLE webhook (
    one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    url         TEXT,
    secret_file TEXT,
    sent        INTEGER NOT NULL,
    holder      TEXT    NOT NULL,
    held_until  INTEGER NOT NULL,
    CHECK ((url IS NULL) = (secret_file IS NULL))
) STRICT;
INSERT INTO webhook (one, sent, holder, held_until) VALUES (1, 0, '', 0);
