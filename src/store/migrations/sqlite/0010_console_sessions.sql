-- Browser sessions of the console: of the cookie and of the secret that was presented only SHA-256 is here. No change of anything; whoever
-- is shown a cookie asks for its row each time, so that one that is gone works nowhere.
CREATE TABLE console_sessions (
    digest   BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    key_id   TEXT    NOT NULL REFERENCES keys (id),
    secret   BLOB    NOT NULL CHECK (length(secret) = 32),
    key_at   INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    ends_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX console_sessions_of_keys ON console_sessions (key_id, ends_at);
CREATE INDEX console_sessions_by_end ON console_sessions (ends_at);
