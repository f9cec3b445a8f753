-- Browser sessions of the console: of the cookie and of the secret that was presented only SHA-256 is here. No change of anything; whoever
-- is shown a cookie asks for its row each time, so that one that is gone works nowhere.
CREATE TABLE console_sessions (
    digest   BYTEA            NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    key_id   TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    secret   BYTEA            NOT NULL CHECK (length(secret) = 32),
    key_at   BIGINT           NOT NULL,
    began_at BIGINT           NOT NULL,
    ends_at  BIGINT           NOT NULL
);
CREATE INDEX console_sessions_of_keys ON console_sessions (key_id, ends_at);
CREATE INDEX console_sessions_by_end ON console_sessions (ends_at);

-- Default privileges give whoever may read every table this one, too. Who may only read has no business with who is signed in.
DO $$
DECLARE
    reader OID;
BEGIN
    FOR reader IN
        SELECT given.grantee
        FROM pg_class AS made, aclexplode(made.relacl) AS given
        WHERE made.oid = 'console_sessions'::regclass AND given.grantee <> made.relowner
        GROUP BY given.grantee
        HAVING NOT bool_or(given.privilege_type = 'INSERT')
    LOOP
        EXECUTE format('REVOKE ALL ON console_sessions FROM %s', CASE reader WHEN 0::oid THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(reader)) END);
    END LOOP;
END
$$;
