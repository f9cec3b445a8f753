-- Each entry has a hash over itself and the hash of the entry before. Those that are there get theirs from the program, in the transaction
-- that this step is made in.
ALTER TABLE audit ADD COLUMN hash BLOB CHECK (length(hash) = 32);

-- What belongs to an entry goes with it.
CREATE INDEX audit_spaces_by_entry ON audit_spaces (entry);

-- The last entry that is not kept any more, and the last change that it or one before it has told of.
CREATE TABLE audit_given_up (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id       INTEGER NOT NULL,
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    revision INTEGER NOT NULL
) STRICT;
