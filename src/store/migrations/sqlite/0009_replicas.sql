-- Who serves from this store, what each has applied, and when it last said so. No change of anything: whoever says nothing for a while is
-- taken for gone, and an older version, which says nothing at all, is none the worse for it.
CREATE TABLE replicas (
    name         TEXT    NOT NULL PRIMARY KEY,
    version      TEXT    NOT NULL,
    applied      INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
