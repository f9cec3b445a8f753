-- Requests that a login policy wanted kept; at most a hundred, and no change of anything. Numbers are never given twice, so that one
-- who has noted a number does not find another request under it.
CREATE TABLE samples (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    key_id   TEXT    NOT NULL CHECK (length(key_id) = 26),
    key_name TEXT    NOT NULL,
    answer   TEXT    NOT NULL CHECK (json_valid(answer)),
    input    TEXT    NOT NULL CHECK (json_valid(input)),
    CHECK (length(CAST(answer AS BLOB)) + length(CAST(input AS BLOB)) <= 65536)
) STRICT;
